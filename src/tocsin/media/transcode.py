"""H.265 for browsers that cannot: a limited number of ffmpeg children, one a source, shared by its viewers.

ffmpeg stays a process of its own because x264 is under the GPL.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import structlog

from tocsin.base.clock import Clock
from tocsin.media.feed import Feed
from tocsin.protocols.rtp import h264
from tocsin.protocols.rtp.access_unit import AccessUnit, Assembler
from tocsin.protocols.rtp.nal import START_CODE, join_nals
from tocsin.protocols.rtp.ps import StreamType

log = structlog.get_logger(__name__)

READ_BYTES = 256 << 10
MAX_WAITING_BYTES = 4 << 20
MAX_PICTURE_BYTES = 8 << 20
MAX_UNMATCHED = 64
IDLE_S = 15.0
_DELIMITER = START_CODE + bytes((h264.AUD,))


def command_line(ffmpeg: str) -> list[str]:
    """Return the child's command: raw H.265 in, raw H.264 with access unit delimiters out, one picture for one."""
    return [
        ffmpeg,
        *("-hide_banner", "-nostdin", "-loglevel", "error"),
        *("-fflags", "nobuffer", "-flags", "low_delay", "-probesize", "65536", "-analyzeduration", "0"),
        *("-framerate", "25", "-f", "hevc", "-i", "pipe:0", "-an", "-vsync", "passthrough"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"),
        *("-crf", "25", "-maxrate", "4M", "-bufsize", "4M", "-g", "50", "-x264-params", "aud=1:scenecut=0"),
        *("-flush_packets", "1", "-f", "h264", "pipe:1"),
    ]


class Transcoder:
    """One child and the feed of what it makes. Give it pictures with `take`; `feed` serves the viewers."""

    def __init__(self, stream_id: str, ffmpeg: str, clock: Clock, on_ended: Callable[[str], None]) -> None:
        self.feed = Feed(stream_id)
        self.feed.is_converted = True
        self.idle_since_s = clock.monotonic()
        self._stream_id = stream_id
        self._ffmpeg = ffmpeg
        self._clock = clock
        self._on_ended = on_ended
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stamps: deque[int | None] = deque(maxlen=MAX_UNMATCHED)
        self._sets: dict[int, bytes] = {}
        self._waits_for_key = True
        self._is_closed = False

    def start(self) -> None:
        """Start the child; `on_ended` is called with the stream when it ends by itself."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"transcode {self._stream_id}")

    def take(self, unit: AccessUnit, now_ms: float) -> None:
        """Pass one picture to the child; pictures are dropped up to the next key while it cannot keep up."""
        for nal in unit.nals:
            kind = nal[0] >> 1 & 63
            if 32 <= kind <= 34:
                self._sets[kind] = nal
        process = self._process
        if process is None or process.stdin is None or unit.codec != StreamType.H265:
            return
        if unit.is_damaged or process.stdin.transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self._waits_for_key = True
        if self._waits_for_key:
            if not unit.is_key or unit.is_damaged:
                return
            self._waits_for_key = False
        nals = unit.nals
        if unit.is_key:
            nals = [*self._sets.values(), *(nal for nal in nals if not 32 <= nal[0] >> 1 & 63 <= 34)]
        self._stamps.append(unit.pts)
        process.stdin.write(join_nals(nals))

    async def close(self) -> None:
        """End the child."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *command_line(self._ffmpeg),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._process = process
        try:
            await self._read(process)
        finally:
            self._process = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            complaint = await process.stderr.read(2000) if process.stderr is not None else b""
            await process.wait()
            if not self._is_closed:
                log.warning("transcode ended", stream_id=self._stream_id, complaint=complaint.decode(errors="replace"))
                self._on_ended(self._stream_id)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assembler = Assembler(StreamType.H264)
        buffer = b""
        while data := await process.stdout.read(READ_BYTES):
            searched = max(len(buffer) - len(_DELIMITER), 1)
            buffer += data
            while (end := buffer.find(_DELIMITER, searched)) > 0:
                self._emit(assembler, buffer[:end])
                buffer = buffer[end:]
                searched = 1
            if len(buffer) > MAX_PICTURE_BYTES:
                return

    def _emit(self, assembler: Assembler, data: bytes) -> None:
        pts = self._stamps.popleft() if self._stamps else None
        assembler.add(pts, None, data)
        now_ms = self._clock.monotonic() * 1000.0
        for unit in assembler.end():
            self.feed.take(unit, now_ms)
