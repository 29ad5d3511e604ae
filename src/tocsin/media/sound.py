"""The sound of one stream: G.711 to FLAC, AAC as it is; the count of samples is its clock. No sockets."""

from __future__ import annotations

from tocsin.media.fmp4 import AudioTrack, Sample
from tocsin.protocols.rtp import flac
from tocsin.protocols.rtp.audio import (
    AAC_FRAME_SAMPLES,
    G711_RATE_HZ,
    AudioUnit,
    decode_a_law,
    decode_mu_law,
    is_adts,
    split_adts,
)
from tocsin.protocols.rtp.ps import StreamType

MAX_WAITING_SAMPLES = 200
_DRIFT_S = 0.1
_JUMP_S = 2.0
_STARVED_S = 0.4


class Sound:
    """Turns audio payloads into samples of an MP4 track; `track` is None until the codec is known and playable."""

    def __init__(self) -> None:
        self.track: AudioTrack | None = None
        self.is_heard = False
        self.unplayable = 0
        self._time = -1  # of the next sample, in the track's units
        self._start = 0  # of the first waiting sample
        self._waiting: list[Sample] = []

    def expect(self, codec: int) -> None:
        """The stream's map declares this audio: a track with it from the first segment on spares a player a restart."""
        if codec in (StreamType.G711A, StreamType.G711U):
            self._set_track(AudioTrack.of_flac(G711_RATE_HZ))

    def take(self, unit: AudioUnit, media_time: int, *, is_heard: bool) -> None:
        """Take one payload heard at `media_time` (90 kHz ticks); without a listener only the format is noted."""
        if not is_heard:
            if self.is_heard:
                self.drop()
            self.is_heard = False
            if self.track is not None:
                return
        self.is_heard = is_heard
        payload = unit.payload
        if unit.codec == StreamType.AAC or (payload[:1] == b"\xff" and is_adts(payload)):
            self._take_aac(payload, media_time)
        elif unit.codec == StreamType.G711A or unit.codec == StreamType.G711U:
            self._set_track(AudioTrack.of_flac(G711_RATE_HZ))
            if is_heard and payload and self._keep_pace(media_time, len(payload)):
                decode = decode_a_law if unit.codec == StreamType.G711A else decode_mu_law
                self._append_flac(decode(payload))
        else:
            self.unplayable += 1

    def collect(self, video_time: int) -> tuple[int, list[Sample]]:
        """Return the decode time and the waiting samples, for a fragment whose first picture is at `video_time`."""
        if self.track is not None and self.track.codec == "flac":
            rate = self.track.rate_hz
            behind = video_time * rate // 90_000 - self._time
            if self._time < 0:
                self._time = self._start = video_time * rate // 90_000
            elif behind > _STARVED_S * rate:  # a player waits for the slower track: silence keeps the picture moving
                self._append_silence(behind)
        samples, self._waiting = self._waiting, []
        start, self._start = self._start, self._time
        return start, samples

    def drop(self) -> None:
        """Forget what waits: nobody listens."""
        self._waiting = []
        self._time = -1

    def _set_track(self, track: AudioTrack) -> None:
        if track != self.track:
            self.track = track
            self.drop()

    def _take_aac(self, payload: bytes, media_time: int) -> None:
        found, frames = split_adts(payload)
        if found is None:
            self.unplayable += 1
            return
        self._set_track(AudioTrack.of_aac(found))
        if self.is_heard and self._keep_pace(media_time, len(frames) * AAC_FRAME_SAMPLES):
            for frame in frames:
                self._append(Sample(frame, AAC_FRAME_SAMPLES, True))

    def _keep_pace(self, media_time: int, count: int) -> bool:
        """Hold the sample count to the stamps within 0.1 s; False when this payload is surplus and is dropped."""
        assert self.track is not None
        rate = self.track.rate_hz
        due = media_time * rate // 90_000
        if self._time < 0 or abs(due - self._time) > _JUMP_S * rate:
            if not self._waiting:
                self._time = self._start = max(due, self._start)
            return True
        if self._time - due > _DRIFT_S * rate + count:
            return False
        if due - self._time > _DRIFT_S * rate + count and self.track.codec == "flac":
            self._append_silence(due - self._time)
        return True

    def _append_silence(self, count: int) -> None:
        while count > 0:
            block = min(count, flac.MAX_BLOCK_SAMPLES)
            self._append_flac(bytes(2 * block))
            count -= block

    def _append_flac(self, samples: bytes) -> None:
        for start in range(0, len(samples), 2 * flac.MAX_BLOCK_SAMPLES):
            block = samples[start : start + 2 * flac.MAX_BLOCK_SAMPLES]
            self._append(Sample(flac.encode_frame(block, max(self._time, 0), G711_RATE_HZ), len(block) // 2, True))

    def _append(self, sample: Sample) -> None:
        if len(self._waiting) >= MAX_WAITING_SAMPLES:
            self.drop()
        if self._time < 0:
            self._time = self._start
        self._waiting.append(sample)
        self._time += sample.duration
