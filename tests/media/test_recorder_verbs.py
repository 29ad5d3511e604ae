"""Recording through a real worker: what is asked, what is told, told again, refused, and recovered."""

from __future__ import annotations

import errno
import hashlib
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.crash.recordings import Index, Sender, differences
from tests.support.clocks import FixedClock, MidMinuteClock
from tests.support.gb28181 import eventually
from tests.support.media import running_link
from tests.support.recorders import Desk, Pictures
from tests.support.segments import CHANNEL, START_MS, segment_bytes
from tocsin.base.errors import TocsinError
from tocsin.domain.recorder_told import RecordOrder, SegmentClosed, VolumeOrder
from tocsin.domain.segments import segment_path
from tocsin.media.recorder_verbs import AGAIN_AFTER_S, MAX_KEPT, RecorderVerbs, Told
from tocsin.media.segment_file import SegmentWriter
from tocsin.media.stages import Stages
from tocsin.media.volume_mark import MARK
from tocsin.media.wire import Message


def volume_of(folder: Path) -> VolumeOrder:
    return VolumeOrder(1, "volume-1", "house", str(folder), may_enter=True)


async def test_a_stream_is_recorded_and_the_index_is_told_everything(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    sender = Sender("camera-1", changes_every=50)
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(volume)])
        await sender.start(link, offset_s=int(time.time()) % 60)  # its minute is not over soon
        await index.until(lambda: len(index.of("camera-1")) == 2)
        await sender.stop()
        await link.recorders.record_stop("camera-1", "planned")
        await index.until(lambda: all(isinstance(told, SegmentClosed) for told in index.segments.values()))
        assert differences(index, volume) == []
        one, after = index.of("camera-1")
        assert isinstance(one, SegmentClosed)
        assert isinstance(after, SegmentClosed)
        assert (one.end_reason, after.end_reason) == ("parameters", "planned")
        assert one.end_ms == after.start_ms
        assert (one.lost_packets, one.clock_offset_ms, one.codec is not None) == (0, None, True)
        assert index.states[0] == (1, "ok")
    sender.close()


async def test_an_alarm_has_the_pictures_from_before_it(tmp_path: Path) -> None:
    sender = Sender("camera-1", changes_every=10**9)
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(tmp_path / "volume")])
        await sender.start(link, pre_roll_ms=1_000)
        await eventually(lambda: len(sender.sent) >= 60, 10.0)
        assert index.segments == {}
        begins = await link.recorders.record_keep("camera-1")
        assert begins is not None
        await index.until(lambda: bool(index.segments))
        await sender.stop()
        await link.recorders.record_stop("camera-1", "event")
        await index.until(lambda: all(isinstance(told, SegmentClosed) for told in index.segments.values()))
        (told,) = index.of("camera-1")
        assert isinstance(told, SegmentClosed)
        assert told.start_ms == begins
        assert told.end_ms - begins >= 1_000
        assert differences(index, tmp_path / "volume") == []
    sender.close()


async def test_what_cannot_be_recorded_is_refused_by_name(tmp_path: Path) -> None:
    async with running_link() as link:
        for order, word in [
            (RecordOrder("a", "../../etc", "main", (1,)), "etc"),
            (RecordOrder("a", "a", "third", (1,)), "third"),
            (RecordOrder("a", "a", "main", (1,), segment_s=1), "segments of 1 s"),
            (RecordOrder("a", "a", "main", (1,), pre_roll_ms=10**6), "ms before an event"),
        ]:
            with pytest.raises(TocsinError, match=word):
                await link.recorders.record_start(order)
        with pytest.raises(TocsinError, match="no absolute path"):
            await link.recorders.volumes_set([VolumeOrder(1, "v", "h", "recordings")])
        await link.recorders.volumes_set([])
        with pytest.raises(TocsinError, match="no volume 7"):
            await link.recorders.recover(7)
        with pytest.raises(TocsinError, match="no such stream"):
            await link.recorders.record_keep("nobody")
        await link.recorders.record_stop("nobody", "stopped")


async def test_files_nobody_knows_are_found_made_whole_and_told(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    torn = volume / segment_path(CHANNEL, "main", START_MS)
    hollow = volume / segment_path(CHANNEL, "sub", START_MS + 5)
    for path, data in ((torn, segment_bytes(groups=3)[:-9]), (hollow, segment_bytes(groups=1)[:-9])):
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (torn.parent / "note.txt").write_text("not ours")
    (torn.parent / "123.mp4").write_text("a path of another day")
    (volume / "lost+found").mkdir()
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(volume)])
        found = await link.recorders.recover(1)
        await index.until(lambda: bool(index.segments))
        assert (found.files, found.removed, found.foreign) == (2, 1, 0)
        (told,) = index.segments.values()
        assert isinstance(told, SegmentClosed)
        assert (told.is_recovered, len(told.groups), told.start_ms) == (True, 2, START_MS)
        assert not hollow.exists()
        (torn.parent / "123.mp4").unlink()
        assert differences(index, volume) == []
        again = await link.recorders.recover(1, segments=[(CHANNEL, "main", START_MS), (CHANNEL, "main", 4)])
        assert (again.files, again.cut_bytes) == (2, 0)
        assert (await link.recorders.recover(1, since_ms=4_000_000_000_000)).files == 0


async def test_files_of_a_disk_that_failed_are_seen_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is pulled out may have kept less than was written: the rows are made anew from the files."""
    said: list[Message] = []
    clock = MidMinuteClock()
    stages = Stages(200, said.append)
    verbs = RecorderVerbs(stages, clock, said.append, look_every_s=0.05)
    table = verbs.table()
    await table["volumes_set"]({"volumes": [asdict(volume_of(tmp_path / "volume"))]})
    order = RecordOrder("camera-1", "camera-1", "main", (1,))
    await table["record_start"]({**asdict(order), "volumes": [1]})
    stage = stages.get("camera-1")
    assert stage is not None
    assert stage.recorder is not None
    unit = Pictures(Desk(), stage.recorder).unit
    real, is_out = SegmentWriter.append, False

    def append(self: SegmentWriter, data: bytes) -> None:
        if is_out:
            raise OSError(errno.EIO, "pulled out")
        real(self, data)

    monkeypatch.setattr(SegmentWriter, "append", append)
    at_ms = clock.monotonic() * 1000
    for number in range(52):
        stage.recorder.take(unit(), at_ms + number * 40)
    volume, mark = verbs.volumes.get(1), tmp_path / "volume" / MARK
    assert volume is not None
    await eventually(lambda: volume.written_bytes > 10_000)  # both groups
    mark.rename(tmp_path / MARK)
    is_out = True
    for number in range(52, 78):
        stage.recorder.take(unit(), at_ms + number * 40)
    await eventually(lambda: any(message["event"] == "segment_closed" for message in said))
    first = next(message for message in said if message["event"] == "segment_closed")
    path = tmp_path / "volume" / segment_path("camera-1", "main", first["start_ms"])
    path.write_bytes(path.read_bytes()[: first["groups"][1][0] + 50])  # the disk kept less
    is_out = False
    (tmp_path / MARK).rename(mark)
    await eventually(lambda: any(message.get("is_recovered") for message in said))
    again = next(message for message in said if message.get("is_recovered"))
    assert (first["end_reason"], len(first["groups"])) == ("disk_gone", 2)
    assert (again["start_ms"], len(again["groups"])) == (first["start_ms"], 1)
    assert again["sha256"] == hashlib.sha256(path.read_bytes()).digest()
    await verbs.close()


def test_what_is_not_acknowledged_is_told_again_and_bounded() -> None:
    said: list[Message] = []
    clock = FixedClock()
    told = Told(said.append, clock)
    for number in range(3):
        told.tell("recording_gap", from_ms=number)
    told.acknowledge([said[1]["key"]])
    clock.advance(AGAIN_AFTER_S - 1)
    told.tell_again()
    assert len(said) == 3
    clock.advance(1)
    told.tell_again()
    told.tell_again()
    assert [message["from_ms"] for message in said[3:]] == [0, 2]
    assert said[3] == said[0]
    for number in range(MAX_KEPT):
        told.tell("recording_gap", from_ms=number)
    assert len(told) == MAX_KEPT
    assert told.forgotten == 2
