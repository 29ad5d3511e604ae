"""One stream on its way to its viewers: access units -> fragments, cached from the last key picture. No sockets.

A fragment is built once and handed to every viewer. A viewer that joins gets the cached pictures as one fragment.
"""

from __future__ import annotations

import struct
from typing import Protocol

from tocsin.media.fmp4 import Sample, fragment, init_segment, mime_type
from tocsin.media.sound import Sound
from tocsin.media.websocket import binary_frame, text_frame
from tocsin.protocols.rtp import h264, h265
from tocsin.protocols.rtp.access_unit import AccessUnit, ParameterSets
from tocsin.protocols.rtp.audio import AudioUnit
from tocsin.protocols.rtp.clock import MediaClock
from tocsin.protocols.rtp.ps import StreamType

MAX_CACHE_BYTES = 8 << 20
MAX_CACHE_TICKS = 10 * 90_000
FRAGMENT_MS = 200
FIRST_TICK = 90_000  # room below the first picture for decode times that run ahead
JOIN_WITHOUT_KEY_MS = 5000.0
DEFAULT_DURATION = 3600
MAX_DURATION = 10 * 90_000

_length = struct.Struct("!I").pack


class Outlet(Protocol):
    """A viewer as the feed knows it; `send_media` must never wait."""

    wants_audio: bool

    def send_media(self, frame: bytes, *, is_key: bool) -> None:
        """Take one fragment, already framed."""

    def send_init(self, frames: bytes) -> None:
        """Take a new type and initialisation segment, already framed."""

    def send_text(self, frame: bytes) -> None:
        """Take a text message, already framed."""

    def wait_for_key(self) -> None:
        """Pass nothing on before the next key picture."""


class Feed:
    """Fragments, cache and viewers of one stream.

    `tolerates_loss` forwards damaged pictures; otherwise pictures are withheld from the damage to the next key.
    While `is_in_round`, pictures that arrived together wait for `flush` and leave as one fragment. `is_grouped` lets
    them wait for each other across rounds, up to `fragment_ms`: for workers that do not keep up.
    """

    def __init__(self, stream_id: str, *, tolerates_loss: bool = False, fragment_ms: int = FRAGMENT_MS) -> None:
        self.stream_id = stream_id
        self.tolerates_loss = tolerates_loss
        self.is_grouped = False
        self.is_in_round = False
        self.fragments = 0  # sent to somebody
        self.is_throttled = False  # the worker is overloaded: who joins gets the key picture, not all since it
        self._fragment_ticks = fragment_ms * 90
        self.is_converted = False
        self.outlets: list[Outlet] = []
        self.codec = 0
        self.sets: ParameterSets | None = None
        self.sound = Sound()
        self.mime = ""
        self.config_version = 0
        self.pictures = 0
        self.keys = 0
        self.withheld = 0
        self.bytes = 0
        self.last_picture_ms = -1.0
        self.last_key_ms = -1.0
        self.key_interval_ms = 0.0
        self.media_time = 0
        self._clock = MediaClock()
        self._sets_version = -1
        self._init = b""
        self._sound_init = b""
        self._sequence = 0
        self._waits_for_key = True
        self._skips_leading = False
        self._first_ms = -1.0
        self._duration = DEFAULT_DURATION
        self._has_reordering = False
        # Pictures since the last key, and those not sent yet, as parallel columns: no object a picture.
        self._cache: list[bytes] = []
        self._cache_times: list[int] = []
        self._cache_offsets: list[int] = []
        self._cache_bytes = 0
        self._cache_is_cut = False
        self._pending: list[bytes] = []
        self._pending_times: list[int] = []
        self._pending_offsets: list[int] = []
        self._pending_is_key = False
        self._pending_since_ms = 0.0

    @property
    def is_ready(self) -> bool:
        """True when a viewer could be shown a picture."""
        return bool(self._init and self._cache)

    @property
    def is_paused(self) -> bool:
        """True while the source was asked to stand still; a live one never is."""
        return False

    def more_status(self) -> dict[str, object]:
        """Return what else a status frame says; a recording adds its time."""
        return {}

    @property
    def has_pending(self) -> bool:
        """True while pictures wait for their fragment to fill."""
        return bool(self._pending)

    def take(self, unit: AccessUnit, now_ms: float) -> bool:
        """Take one picture; return whether it started a new key (for events). `now_ms`: arrival, monotonic."""
        pts = unit.pts
        time = self._clock.place(pts, now_ms) + FIRST_TICK
        is_key = unit.is_key
        if self._first_ms < 0:
            self._first_ms = now_ms
        elif (
            not is_key
            and unit.is_recovery_point
            and now_ms - max(self.last_key_ms, self._first_ms) > JOIN_WITHOUT_KEY_MS
        ):
            is_key = True  # a camera with intra refresh sends no IDR at all
        if unit.is_damaged and not self.tolerates_loss:
            self._withhold()
            return False
        if self._waits_for_key and not is_key:
            self.withheld += 1
            if self.sets is not None and unit.codec == self.codec:
                self._read_sets(unit)
            return False
        if self.sets is None or unit.codec != self.codec:
            self.codec = unit.codec
            self.sets = ParameterSets(unit.codec)
            self._sets_version = -1
        if self._skips_leading and not is_key and h265.is_leading(unit.nals):
            self.withheld += 1  # it builds on pictures before the point where we joined
            return False
        data = self._sample_data(unit)
        if is_key and not self._start_key(now_ms):
            self.withheld += 1
            return False
        time, offset = self._decode_time(time, pts, unit.dts)
        if self._cache_times and not is_key:
            step = time - self._cache_times[-1]
            if 0 < step < MAX_DURATION:
                self._duration = step
        self.pictures += 1
        self.bytes += len(data)
        self.last_picture_ms = now_ms
        self.media_time = time
        self._remember(data, time, offset)
        if not self._pending:
            self._pending_since_ms = now_ms
        self._pending.append(data)
        self._pending_times.append(time)
        self._pending_offsets.append(offset)
        self._pending_is_key = is_key
        if (
            is_key
            or not (self.is_grouped or self.is_in_round)
            or time + 3 * self._duration // 2 - self._pending_times[0] > self._fragment_ticks
        ):
            self.flush()
        return is_key

    def take_sound(self, unit: AudioUnit) -> None:
        """Take one audio payload; it is decoded only while somebody listens."""
        is_heard = any(outlet.wants_audio for outlet in self.outlets)
        knew = self.sound.track
        self.sound.take(unit, self._clock.relate(unit.pts) + FIRST_TICK, is_heard=is_heard)
        if self.sound.track != knew:
            self._sound_init = b""
            if self._init:
                self._tell_new_config(only_sound=True)

    def flush(self) -> None:
        """Send the waiting pictures as one fragment."""
        pending = self._pending
        if not pending:
            return
        times, is_key = self._pending_times, self._pending_is_key
        if self.outlets:
            if len(pending) == 1:
                samples = [Sample(pending[0], self._duration, is_key, self._pending_offsets[0])]
            else:
                samples = self._samples(pending, times, self._pending_offsets, key_at=0 if is_key else -1)
            self._send(samples, times[0], is_key)
        elif self.sound.is_heard:
            self.sound.drop()
        self._pending = []
        self._pending_times = []
        self._pending_offsets = []
        self._pending_is_key = False

    def flush_older_than(self, limit_ms: float) -> None:
        """Send pictures that wait since before `limit_ms`: the source may have stopped."""
        if self._pending and self._pending_since_ms <= limit_ms:
            self.flush()

    def join(self, outlet: Outlet) -> None:
        """Add a viewer: type, initialisation segment and the cached pictures at once, if there are any."""
        self.flush()
        self.outlets.append(outlet)
        if self._init:
            outlet.send_init(self._init_for(outlet))
            self.catch_up(outlet)

    def catch_up(self, outlet: Outlet) -> None:
        """Send one viewer everything since the last key picture as one fragment."""
        if not self._cache or not self._init:
            return
        self.flush()
        if self.is_throttled:
            samples = [Sample(self._cache[0], self._duration, True, self._cache_offsets[0])]
            self._sequence += 1
            outlet.send_media(binary_frame(fragment(self._sequence, self._cache_times[0], samples)), is_key=True)
            outlet.wait_for_key()
            return
        samples = self._samples(self._cache, self._cache_times, self._cache_offsets, key_at=0)
        self._sequence += 1
        outlet.send_media(binary_frame(fragment(self._sequence, self._cache_times[0], samples)), is_key=True)
        if self._cache_is_cut:
            outlet.wait_for_key()

    def key_picture(self) -> tuple[list[bytes], float | None] | None:
        """Return the NAL units of the last key picture behind its parameter sets, and how much moves after it.

        The second is the mean size of the later half of the pictures since the key, over that of the key: encoders
        mend a coarse key for some pictures. None with fewer than six.
        """
        if self.sets is None or not self._cache:
            return None
        key, later = self._cache[0], self._cache[(len(self._cache) + 1) // 2 :]
        units, at = self.sets.units(), 0
        while at + 4 <= len(key):
            size = int.from_bytes(key[at : at + 4], "big")
            units.append(key[at + 4 : at + 4 + size])
            at += 4 + size
        return units, sum(map(len, later)) / len(later) / len(key) if len(later) >= 3 else None

    def leave(self, outlet: Outlet) -> None:
        """Remove a viewer."""
        if outlet in self.outlets:
            self.outlets.remove(outlet)

    def say(self, frame: bytes) -> None:
        """Send every viewer a text message."""
        for outlet in self.outlets:
            outlet.send_text(frame)

    def interrupt(self) -> None:
        """The source stopped: viewers see a gap, and what comes next must begin with a key picture."""
        self.flush()
        self._withhold()

    def _withhold(self) -> None:
        self.withheld += 1
        if not self._waits_for_key:
            self.flush()
            self._waits_for_key = True
            self.say(text_frame({"type": "gap", "reason": "loss"}))

    def _read_sets(self, unit: AccessUnit) -> None:
        assert self.sets is not None
        for nal in unit.nals:
            self.sets.take(nal)

    def _sample_data(self, unit: AccessUnit) -> bytes:
        """Return the NAL units of a picture behind 4-byte lengths, without parameter sets, delimiters and filler."""
        sets = self.sets
        assert sets is not None
        parts: list[bytes] = []
        if unit.codec == StreamType.H264:
            for nal in unit.nals:
                kind = nal[0] & 31
                if kind <= h264.SEI or kind > h264.SPS_EXTENSION:
                    parts.append(_length(len(nal)))
                    parts.append(nal)
                elif kind not in h264.DROPPED_LIVE:
                    sets.take(nal)
        else:
            for nal in unit.nals:
                kind = nal[0] >> 1 & 63
                if kind <= h265.LAST_VCL or kind >= h265.SEI_PREFIX:
                    parts.append(_length(len(nal)))
                    parts.append(nal)
                elif kind not in h265.DROPPED_LIVE:
                    sets.take(nal)
        return b"".join(parts)

    def _start_key(self, now_ms: float) -> bool:
        """Begin a new run of pictures; False while no decoder could start on it."""
        sets = self.sets
        assert sets is not None
        if not sets.is_complete:
            return False
        self.flush()
        if sets.version != self._sets_version:
            self._sets_version = sets.version
            self.mime = mime_type(sets)
            self.config_version += 1
            self._init = self._framed_init(None)
            self._sound_init = b""
            self._tell_new_config(only_sound=False)
        self._skips_leading = self._waits_for_key and self.codec == StreamType.H265
        self._waits_for_key = False
        if self.last_key_ms >= 0:
            self.key_interval_ms = now_ms - self.last_key_ms
        self.last_key_ms = now_ms
        self.keys += 1
        self._cache = []
        self._cache_times = []
        self._cache_offsets = []
        self._cache_bytes = 0
        self._cache_is_cut = False
        return True

    def _remember(self, data: bytes, time: int, offset: int) -> None:
        if self._cache_is_cut:
            return
        cache = self._cache
        if cache and (self._cache_bytes + len(data) > MAX_CACHE_BYTES or time - self._cache_times[0] > MAX_CACHE_TICKS):
            # Too long for a catch-up: a joining viewer gets the key picture and waits for the next one.
            del cache[1:], self._cache_times[1:], self._cache_offsets[1:]
            self._cache_is_cut = True
            return
        cache.append(data)
        self._cache_times.append(time)
        self._cache_offsets.append(offset)
        self._cache_bytes += len(data)

    def _decode_time(self, time: int, pts: int | None, dts: int | None) -> tuple[int, int]:
        """Return decode time and presentation offset; without B frames they are the media time and 0."""
        if pts is not None and dts is not None:
            offset = pts - dts & (1 << 33) - 1
            if offset < 90_000:
                return time - offset, offset
        last = self.media_time
        if time > last and not self._has_reordering:
            return time, 0
        if last - time > 45_000 or time - last > 90_000:
            self._has_reordering = False
            return max(time, last + 1), 0
        self._has_reordering = time < last or self._has_reordering
        decode = last + (self._duration if self._has_reordering else 1)
        return decode, time - decode if self._has_reordering else 0

    def _samples(self, data: list[bytes], times: list[int], offsets: list[int], *, key_at: int) -> list[Sample]:
        count = len(data)
        last = count - 1
        return [
            Sample(
                data[index],
                times[index + 1] - times[index] if index < last else self._duration,
                index == key_at,
                offsets[index],
            )
            for index in range(count)
        ]

    def _send(self, samples: list[Sample], time: int, is_key: bool) -> None:
        self._sequence += 1
        self.fragments += 1
        plain = b""
        with_sound = b""
        for outlet in self.outlets:
            if outlet.wants_audio and self.sound.track is not None:
                if not with_sound:
                    start, sound = self.sound.collect(time)
                    with_sound = binary_frame(fragment(self._sequence, time, samples, start, sound))
                outlet.send_media(with_sound, is_key=is_key)
            else:
                if not plain:
                    plain = binary_frame(fragment(self._sequence, time, samples))
                outlet.send_media(plain, is_key=is_key)

    def _init_for(self, outlet: Outlet) -> bytes:
        if not outlet.wants_audio or self.sound.track is None:
            return self._init
        if not self._sound_init:
            self._sound_init = self._framed_init(self.sound)
        return self._sound_init

    def _framed_init(self, sound: Sound | None) -> bytes:
        assert self.sets is not None
        assert self.sets.sps is not None
        track = sound.track if sound is not None else None
        head = {
            "type": "mime",
            "mime": mime_type(self.sets, track),
            "width": self.sets.sps.width,
            "height": self.sets.sps.height,
            "converted": self.is_converted,
        }
        return text_frame(head) + binary_frame([init_segment(self.sets, track)])

    def _tell_new_config(self, *, only_sound: bool) -> None:
        for outlet in self.outlets:
            if outlet.wants_audio or not only_sound:
                outlet.send_init(self._init_for(outlet))
                if only_sound:
                    self.catch_up(outlet)
