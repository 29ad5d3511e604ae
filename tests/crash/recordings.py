"""What recorders told, kept as an index, and that index against the files."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.media import SSRC, HandCamera
from tests.support.nals import H264_SPS
from tocsin.domain.recorder_told import GapTold, RecorderEvents, RecordOrder, SegmentClosed, SegmentOpened, VolumeTold
from tocsin.domain.segments import SegmentState, read_segment_path, segment_path
from tocsin.media.link import MediaLink
from tocsin.media.segment_file import examine

OTHER_SPS = bytes.fromhex("674d401fe8802802dd80b501010140000003004000000c83c60ca8")
KEY_EVERY = 5
FRAME_S = 0.04
Key = tuple[str, str, int]


@dataclass
class Index:
    """The index of a test: what was told, by file."""

    link: MediaLink
    segments: dict[Key, SegmentOpened | SegmentClosed] = field(default_factory=dict)
    gaps: dict[tuple[str, int], GapTold] = field(default_factory=dict)
    states: list[tuple[int, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def listen(self) -> None:
        """Hear the recorders of the link."""
        self.link.recorders.events = RecorderEvents(self._opened, self._closed, self._gap, self._volume)

    async def until(self, holds: object, limit_s: float = 20.0) -> None:
        """Wait until `holds()` is true."""
        async with asyncio.timeout(limit_s):
            while not holds():  # type: ignore[operator]
                self.changed.clear()
                await self.changed.wait()

    def of(self, channel_id: str) -> list[SegmentOpened | SegmentClosed]:
        """Return the segments of a channel in the order of time."""
        return [told for key, told in sorted(self.segments.items()) if key[0] == channel_id]

    def gaps_of(self, channel_id: str) -> list[GapTold]:
        """Return the gaps of a channel."""
        return [gap for key, gap in sorted(self.gaps.items()) if key[0] == channel_id]

    def _opened(self, told: SegmentOpened) -> None:
        self.segments.setdefault((told.channel_id, told.stream, told.start_ms), told)
        self._acknowledge(told.key)

    def _closed(self, told: SegmentClosed) -> None:
        key = (told.channel_id, told.stream, told.start_ms)
        if told.state == SegmentState.LOST:
            self.segments.pop(key, None)
        else:
            self.segments[key] = told
        self._acknowledge(told.key)

    def _gap(self, told: GapTold) -> None:
        self.gaps[told.channel_id, told.from_ms] = told
        self._acknowledge(told.key)

    def _volume(self, told: VolumeTold) -> None:
        self.states.append((told.no, told.state))
        self.changed.set()

    def _acknowledge(self, key: str) -> None:
        task = asyncio.create_task(self.link.recorders.record_acknowledge([key]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.changed.set()


def differences(index: Index, volume: Path) -> list[str]:
    """Return where the index and the files of a volume are not the same: nowhere, as it should be."""
    wrong = []
    files = {read_segment_path(str(path.relative_to(volume))): path for path in volume.rglob("*.mp4")}
    wrong += [f"no row: {key}" for key in files.keys() - index.segments.keys()]
    for key, told in sorted(index.segments.items()):
        if key not in files:
            wrong.append(f"no file: {key}")
            continue
        if not isinstance(told, SegmentClosed):
            wrong.append(f"still open: {key}")
            continue
        found, data = examine(files[key], is_deep=True), files[key].read_bytes()
        same = {
            "problem": found.problem == "",
            "note": found.note is not None and (found.note.channel_id, found.note.start_ms) == (key[0], key[2]),
            "groups": found.groups == told.groups,
            "bytes": len(data) == told.size_bytes == found.size_bytes,
            "pictures": found.pictures == told.pictures,
            "end": key[2] + found.duration_ms == told.end_ms,
            "sha256": hashlib.sha256(data).digest() == told.sha256,
            "codec": told.codec is not None and data.startswith(told.codec.init),
        }
        wrong += [f"{name} differs: {key}" for name, is_same in same.items() if not is_same]
    return wrong


class Sender:
    """A camera that sends 25 pictures a second and remembers when; its parameters change now and then."""

    def __init__(self, name: str, *, size: int = 2000, changes_every: int = 60) -> None:
        self.name = name
        self.sent: dict[int, float] = {}
        self._camera = HandCamera(key_every=KEY_EVERY, size=size)
        self._changes_every = changes_every
        self._task: asyncio.Task[None] | None = None

    async def start(self, link: MediaLink, volumes: tuple[int, ...] = (1,), **order: object) -> None:
        """Be recorded, and send from the next key picture on."""
        endpoint = await link.open_receiver(self.name, "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        plan = RecordOrder(self.name, self.name, "main", volumes, **order)  # type: ignore[arg-type]
        await link.recorders.record_start(plan)
        self._camera.number += -self._camera.number % KEY_EVERY
        self._task = asyncio.create_task(self._send(endpoint.ip, endpoint.port))

    async def _send(self, ip: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            number = self._camera.number
            if number % KEY_EVERY == 0:
                self._camera.sps = (H264_SPS, OTHER_SPS)[number // self._changes_every % 2]
            await self._camera.send_udp(ip, port, 1, pause_s=0.0)
            self.sent[number] = loop.time()
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def stop(self) -> None:
        """Send no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """Close the socket."""
        self._camera.close()

    def stored(self, volume: Path, index: Index) -> list[int]:
        """Return the numbers of its pictures in the files."""
        stored: list[int] = []
        for told in index.of(self.name):
            data = (volume / segment_path(told.channel_id, told.stream, told.start_ms)).read_bytes()
            stored += [int(number) for number in re.findall(rb"<(\d{6})>", data)]
        return stored

    def lost(self, volume: Path, index: Index, until_s: float) -> list[int]:
        """Return pictures of groups that were sent whole before a time and are in no file."""
        stored = set(self.stored(volume, index))
        following = {number: number + KEY_EVERY - number % KEY_EVERY for number in self.sent}
        return sorted(
            number
            for number in self.sent
            if self.sent.get(following[number], until_s) < until_s and number not in stored
        )
