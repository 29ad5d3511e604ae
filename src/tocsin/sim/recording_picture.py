"""The picture of a recording: drawn with the clock of the moment it was recorded, sent at the speed asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tocsin.base.clock import Clock
from tocsin.protocols.gb28181.history_sdp import HistoryWish
from tocsin.protocols.gb28181.mansrtsp import Pause, Play, Steered, Steering
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.sim.picture import Packer, PictureSpec, Sender
from tocsin.sim.picture import _encoders as encoders

STAMP_LIMIT = 1 << 33


class RecordingSender(Sender):
    """Sends the files of a period one after the other. `restamps` gives time stamps the pace of the sending."""

    def __init__(
        self,
        spec: PictureSpec,
        clock: Clock,
        wish: HistoryWish,
        files: Sequence[Recording],
        on_end: Callable[[bool], None],
        *,
        restamps: bool = False,
    ) -> None:
        super().__init__(spec, clock)
        self._wish = wish
        self._files = [(_ms(max(one.starts, wish.starts)), _ms(min(one.ends, wish.ends))) for one in _time_line(files)]
        self._on_end = on_end
        self._restamps = restamps
        self._file = 0
        self._at_ms = self._files[0][0]
        self._scale = float(wish.speed if wish.is_download else 1)
        self._needs_key = True
        self._goes = asyncio.Event()
        self._goes.set()
        self._steered = 0
        self._stamp = self._at_ms * 90 % STAMP_LIMIT

    def steer(self, steering: Steering) -> Steered:
        """Obey, and say where and how fast it goes on."""
        self._steered += 1
        if isinstance(steering, Pause):
            self._goes.clear()
            return Steered(200)
        if isinstance(steering, Play):
            if steering.npt_s is not None:
                self._seek(_ms(self._wish.starts) + round(steering.npt_s * 1000))
            elif steering.scale is not None:
                self._scale = steering.scale
                self._needs_key = self._needs_key or steering.scale < 0
            self._goes.set()
            npt_s = (self._at_ms - _ms(self._wish.starts)) / 1000.0
            return Steered(200, scale=self._scale, npt_s=npt_s if steering.npt_s is not None else None)
        self._goes.clear()
        return Steered(200)

    def _seek(self, at_ms: int) -> None:
        """Go to the key picture before a moment, or to the next file when nothing was recorded then."""
        key_ms = round(self._spec.key_every_s * 1000)
        for number, (starts, ends) in enumerate(self._files):
            if at_ms < ends:
                self._file = number
                self._at_ms = max(starts, at_ms - at_ms % key_ms)
                break
        self._needs_key = True

    async def _play(self, ssrc: int, send: Callable[[list[bytes]], bool]) -> None:
        from tocsin.sim.street import Encoder, Street

        spec, loop = self._spec, asyncio.get_running_loop()
        street = Street(spec.seed, spec.name, spec.width, spec.height, night=spec.night, utc_offset_s=spec.utc_offset_s)
        encoder = Encoder(spec.width, spec.height, spec.fps, spec.bitrate_bps, codec=spec.codec)
        packer = Packer(spec, ssrc)

        def draw(at_ms: int, is_key: bool) -> Any:
            return encoder.encode(street.draw(at_ms), is_key=is_key)

        step_ms, run = 1000 / spec.fps, 0
        position = float(self._at_ms)
        due_s = self._clock.monotonic()
        steered = self._steered
        run_starts = position
        while True:
            if not self._goes.is_set():
                await self._goes.wait()
                due_s = self._clock.monotonic()
            if steered != self._steered:
                steered = self._steered
                if self._needs_key:
                    position, run = float(self._at_ms), 0
                due_s = self._clock.monotonic()
            is_key = self._needs_key or run >= spec.key_every
            if is_key:
                if self._scale < 0 and run:
                    position = max(float(self._files[0][0]), run_starts - spec.key_every * step_ms)
                run, run_starts, self._needs_key = 0, position, False
            picture = await loop.run_in_executor(encoders, draw, round(position), is_key)
            if steered != self._steered and self._needs_key:
                continue
            if self._restamps:
                self._stamp = (self._stamp + round(step_ms * 90 / abs(self._scale))) % STAMP_LIMIT
                stamp = self._stamp
            else:
                stamp = round(position * 90) % STAMP_LIMIT
            packets = packer.pack(picture, stamp, is_key=is_key)
            self.sent_packets += len(packets)
            if not send(packets):
                return
            run += 1
            position += step_ms
            self._at_ms = round(position)
            if self._scale > 0 and position >= self._files[self._file][1]:
                is_last = self._file + 1 >= len(self._files)
                self._on_end(is_last)
                if is_last:
                    self._goes.clear()
                    continue
                self._file += 1
                position = float(self._files[self._file][0])
                self._at_ms, self._needs_key = round(position), True
            due_s += step_ms / 1000 / abs(self._scale)
            await self._clock.sleep(max(0.0, due_s - self._clock.monotonic()))
            due_s = max(due_s, self._clock.monotonic() - 0.2)


def _time_line(files: Sequence[Recording]) -> list[Recording]:
    """Leave out files that lie inside others: an alarm's file shows what the plan's shows."""
    kept: list[Recording] = []
    for one in sorted(files, key=lambda file: (file.starts, -file.ends.timestamp())):
        if not kept or one.ends > kept[-1].ends:
            kept.append(one)
    return kept


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
