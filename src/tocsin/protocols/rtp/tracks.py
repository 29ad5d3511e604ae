"""Elementary RTP streams: one track of pictures, and one of sound beside it -> access units and audio. Pure.

The same shape as `receiver.Receiver`, so that a source need not know which of the two it feeds.

Source: RFC 3550 (sender reports relate the clocks of two tracks); RFC 6184, RFC 7798, RFC 3640, RFC 3551.
"""

from __future__ import annotations

import struct
from typing import Final

from tocsin.protocols.rtp.access_unit import MAX_ACCESS_UNIT_BYTES, AccessUnit, Assembler
from tocsin.protocols.rtp.audio import MAX_AUDIO_BYTES, AudioUnit
from tocsin.protocols.rtp.nal import MAX_NALS
from tocsin.protocols.rtp.packet import SenderReport, payload_span, read_sender_report
from tocsin.protocols.rtp.payloads import AacUnpacker, NalUnpacker
from tocsin.protocols.rtp.receiver import NO_UNITS, Unit
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS, Reorder
from tocsin.protocols.rtp.replay import ReplayStamp, ReplayTimes, read_stamp, says_bye

_unpack = struct.Struct("!BBHII").unpack_from
_NTP_EPOCH_S: Final = 2_208_988_800


class SoundTrack:
    """The sound beside a video track: G.711 as it is, or AAC. `rate_hz` is the track's RTP clock."""

    def __init__(self, codec: int, rate_hz: int, *, aac: AacUnpacker | None = None, wait_ms: int = WAIT_LAN_MS) -> None:
        self.codec = codec
        self.rate_hz = rate_hz
        self.aac = aac
        self.reorder = Reorder(wait_ms)
        self.report: SenderReport | None = None
        self.packets = 0

    def receive(self, packet: bytes, now_ms: float) -> list[tuple[int, bytes]]:
        """Take one packet; return time stamps (in the track's clock) and payloads."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return []
        _, _, sequence, timestamp, _ = _unpack(packet)
        self.packets += 1
        found: list[tuple[int, bytes]] = []
        for ready in self.reorder.push(sequence, timestamp, packet, now_ms):
            if ready is None:
                if self.aac is not None:
                    self.aac.lose()
                continue
            span = payload_span(ready)
            if span is None or span[1] - span[0] > MAX_AUDIO_BYTES:
                continue
            payload = ready[span[0] : span[1]]
            if self.aac is not None:
                payload = self.aac.take(payload)
            if payload:
                found.append((_unpack(ready)[3], payload))
        return found


class TrackReceiver:
    """Reassembles one video track, and its sound; the source of the first packet is adopted.

    Counters as those of `receiver.Receiver`. `wall_ahead_ms` is how far the sender's clock is ahead of ours.
    """

    __slots__ = (
        "_assembler",
        "_damage_next",
        "_damaged",
        "_emitted",
        "_has_slice",
        "_marker_lies",
        "_nals",
        "_size",
        "_stamp",
        "_times",
        "_timestamp",
        "_unpacker",
        "codec",
        "damaged",
        "foreign",
        "is_over",
        "packets",
        "payload_type",
        "reorder",
        "report",
        "rtcp",
        "sound",
        "ssrc",
        "wall_ahead_ms",
        "wants_audio",
    )

    def __init__(
        self,
        codec: int,
        *,
        payload_type: int | None = None,
        sound: SoundTrack | None = None,
        sets: tuple[bytes, ...] = (),
        wait_ms: int = WAIT_LAN_MS,
        wants_audio: bool = True,
        times: ReplayTimes | None = None,
    ) -> None:
        """`sets` are parameter sets the description named; they stand before the first picture.

        With `times` it is a replay: pictures carry the time they were taken, and `is_over` says that no more come.
        """
        self.codec = codec
        self.payload_type = payload_type
        self.sound = sound
        self.wants_audio = wants_audio
        self.ssrc: int | None = None
        self.packets = 0
        self.foreign = 0
        self.rtcp = 0
        self.damaged = 0
        self.reorder = Reorder(wait_ms)
        self.report: SenderReport | None = None
        self.wall_ahead_ms: float | None = None
        self._assembler = Assembler(codec)
        self._unpacker = NalUnpacker(codec)
        self._nals: list[bytes] = list(sets)
        self._size = 0
        self._timestamp = -1
        self._damaged = False
        self._damage_next = False
        self._has_slice = False
        self._emitted = False
        self._marker_lies = False
        self._times = times
        self._stamp: ReplayStamp | None = None  # of the picture that is being put together
        self.is_over = False

    @property
    def video_type(self) -> int:
        """The declared video codec."""
        return self.codec

    @property
    def audio_type(self) -> int:
        """The declared audio codec; 0 without sound."""
        return self.sound.codec if self.sound is not None else 0

    @property
    def resyncs(self) -> int:
        """How many units were cut by loss or contradicted themselves."""
        return self._unpacker.broken

    def receive(self, packet: bytes, now_ms: float) -> list[Unit]:
        """Take one packet of the video track; return what it completes."""
        if len(packet) < 12:
            self.foreign += 1
            return NO_UNITS
        first, second, sequence, timestamp, ssrc = _unpack(packet)
        if 200 <= second <= 207 or 72 <= second <= 76:
            self.rtcp += 1
            return NO_UNITS
        if first >> 6 != 2 or (self.payload_type is not None and second & 0x7F != self.payload_type):
            self.foreign += 1
            return NO_UNITS
        if ssrc != self.ssrc:
            if self.ssrc is not None:
                self.foreign += 1
                return NO_UNITS
            self.ssrc = ssrc
        self.packets += 1
        units: list[Unit] = NO_UNITS
        reorder = self.reorder
        if sequence == reorder.expected and not reorder.held:
            reorder.expected = sequence + 1 & 0xFFFF
            return self._deliver(packet, first, second, timestamp)
        for ready in reorder.push(sequence, timestamp, packet, now_ms):
            units = units + self._take(ready)
        return units

    def receive_sound(self, packet: bytes, now_ms: float) -> list[Unit]:
        """Take one packet of the sound track."""
        sound = self.sound
        if sound is None or not self.wants_audio:
            return NO_UNITS
        return [
            AudioUnit(sound.codec, self._sound_pts(sound, stamp), payload)
            for stamp, payload in sound.receive(packet, now_ms)
        ]

    def take_report(self, packet: bytes, wall_s: float, *, is_sound: bool = False) -> None:
        """Take an RTCP packet: a sender report relates its track to the wall clock; `wall_s` is ours, epoch."""
        self.rtcp += 1
        if self._times is not None:
            self.is_over = self.is_over or says_bye(packet)
            return  # its clock is that of the recording
        report = read_sender_report(packet)
        if report is None or not report.ntp:
            return
        if is_sound:
            if self.sound is not None:
                self.sound.report = report
            return
        self.report = report
        self.wall_ahead_ms = (report.ntp / 2**32 - _NTP_EPOCH_S - wall_s) * 1000.0

    def expire(self, now_ms: float) -> list[Unit]:
        """Give up on packets missing for too long; call every few ticks."""
        if not self.reorder.held:
            return NO_UNITS
        units: list[Unit] = NO_UNITS
        for ready in self.reorder.expire(now_ms):
            units = units + self._take(ready)
        return units

    def _sound_pts(self, sound: SoundTrack, stamp: int) -> int | None:
        """Return the 90 kHz time of a sound on the line of the pictures; None until both clocks are known."""
        video, audio = self.report, sound.report
        if video is None or audio is None or sound.rate_hz <= 0:
            return None
        since = (stamp - audio.timestamp + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        apart_s = (audio.ntp - video.ntp) / 2**32
        return round(video.timestamp + (since / sound.rate_hz + apart_s) * 90_000) & 0xFFFFFFFF

    def _take(self, ready: bytes | None) -> list[Unit]:
        if ready is None:
            self._unpacker.lose()
            self._damaged = self._damage_next = True
            return NO_UNITS
        first, second, _, timestamp, _ = _unpack(ready)
        return self._deliver(ready, first, second, timestamp)

    def _deliver(self, packet: bytes, first: int, second: int, timestamp: int) -> list[Unit]:
        units: list[Unit] = NO_UNITS
        if timestamp != self._timestamp:
            if self._timestamp >= 0:
                units = self._end()
            self._timestamp = timestamp
            self._emitted = False
        elif self._emitted:
            self._marker_lies = True  # the picture went on after its marker
            self._emitted = False
        if self._times is not None and self._stamp is None and first & 0x10:
            self._stamp = read_stamp(packet)
            self.is_over = self.is_over or (self._stamp is not None and self._stamp.is_last)
        if first == 0x80:
            payload = packet[12:]
        else:
            span = payload_span(packet)
            if span is None:
                self.foreign += 1
                return units
            payload = packet[span[0] : span[1]]
        nals = self._unpacker.take(payload)
        if nals is None:
            self._damaged = True
        else:
            for nal in nals:
                self._add(nal)
        if second >= 0x80 and self._has_slice and not self._marker_lies:
            units = units + self._end()
            self._emitted = True
        return units

    def _add(self, nal: bytes) -> None:
        if not nal:
            return
        self._size += len(nal)
        if self._size > MAX_ACCESS_UNIT_BYTES or len(self._nals) >= MAX_NALS:
            self._nals, self._size, self._damaged = [], 0, True
            return
        self._nals.append(nal)
        if not self._has_slice:
            kind = nal[0] & 31 if self.codec == 0x1B else nal[0] >> 1 & 63
            self._has_slice = 1 <= kind <= 5 if self.codec == 0x1B else kind < 32

    def _end(self) -> list[Unit]:
        """The picture is complete."""
        nals, damaged = self._nals, self._damaged
        self._nals, self._size, self._has_slice = [], 0, False
        self._damaged, self._damage_next = self._damage_next, False
        stamp, self._stamp = self._stamp, None
        if self._unpacker.lose():
            damaged = True
        if not nals:
            self._damaged = self._damaged or damaged
            return NO_UNITS
        pts = self._timestamp if self._times is None else self._times.place(self._timestamp, stamp)
        found: list[AccessUnit] = self._assembler.cut(nals, pts, damaged)
        for unit in found:
            self.damaged += unit.is_damaged
        return list(found)
