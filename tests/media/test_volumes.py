"""Volumes: whose they are, and what one that fails costs the others."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from tests.support.recorders import Desk, Pictures, volume_order
from tocsin.media.segment_file import SegmentWriter, examine
from tocsin.media.volume_mark import MARK, enter, read_mark


def test_a_new_folder_is_marked_and_another_houses_folder_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "new" / "deep")
    assert json.loads((tmp_path / "new" / "deep" / MARK).read_text()) == {"volume": "volume-1", "house": "house"}
    enter(tmp_path / "theirs", "volume-2", "another house")
    enter(tmp_path / "ours", "volume-9", "house")
    (tmp_path / "bare").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / MARK).write_text("{")
    folders = ["theirs", "ours", "bare", "odd"]
    orders = [volume_order(no, tmp_path / name, may_enter=no != 4) for no, name in enumerate(folders, 2)]
    desk.volumes.set([volume_order(1, tmp_path / "new" / "deep"), *orders])
    for volume in desk.volumes:
        assert volume.wait_seen(5)
    assert [volume.state for volume in desk.volumes] == ["ok", "foreign", "foreign", "gone", "foreign"]
    assert os.listdir(tmp_path / "bare") == []
    assert read_mark(tmp_path / "theirs") == ("volume-2", "another house")
    desk.end()


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, code: int) -> None:
    """Let every write below a folder fail."""
    real = SegmentWriter.append

    def append(self: SegmentWriter, data: bytes) -> None:
        if folder in self.path.parents:
            raise OSError(code, os.strerror(code))
        real(self, data)

    monkeypatch.setattr(SegmentWriter, "append", append)


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [(errno.ENOSPC, "full", "disk_full"), (errno.EROFS, "read_only", "disk_gone"), (errno.EIO, "gone", "disk_gone")],
)
def test_a_failing_volume_is_left_for_another_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, state: str, reason: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    desk = Desk(one, two)
    moving, bound, other = desk.recorder(), desk.recorder(volumes=(1,)), desk.recorder(volumes=(2,))
    cameras = [Pictures(desk, recorder) for recorder in (moving, bound, other)]
    Pictures.play_together(cameras, 30)
    desk.run(lambda: len(desk.openings) == 3)
    with monkeypatch.context() as failing:
        refuse(failing, one, code)
        Pictures.play_together(cameras, 25)
        desk.run(lambda: len(desk.endings) == 2)
        assert (1, state) in desk.states
        assert {written.end_reason for _, written in desk.endings} <= {reason, "volume"}
        Pictures.play_together(cameras, 50)
        desk.run(lambda: len(desk.openings) == 4)
    volume = desk.volumes.get(1)
    assert volume is not None
    desk.clock.advance(3)
    desk.run(lambda: volume.state == "ok")
    Pictures.play_together(cameras, 60)
    for recorder in (moving, bound, other):
        recorder.stop("stopped")
    desk.run(lambda: len(desk.endings) == 5)
    of = {pen.sink: [] for pen, _ in desk.endings}
    for pen, written in desk.endings:
        of[pen.sink].append((pen.volume.no, written))
        assert examine(desk.path(written, pen.volume.no), is_deep=True).groups == written.groups
    assert [no for no, _ in of[moving]] == [1, 2]
    assert [no for no, _ in of[bound]] == [1, 1]
    assert [no for no, _ in of[other]] == [2]
    assert {gap[2] for gap in desk.gaps} == {reason}
    first, after = of[bound][0][1], of[bound][1][1]
    assert (first.end_ms, after.note.start_ms, reason) in desk.gaps
    desk.end()


def test_a_slow_volume_drops_the_least_important_and_others_know_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    desk = Desk(one, two, queue_bytes=200_000)
    low, high = desk.recorder(volumes=(1,), priority=1), desk.recorder(volumes=(1,), priority=9)
    other = desk.recorder(volumes=(2,))
    held, real = threading.Event(), SegmentWriter.append

    def append(self: SegmentWriter, data: bytes) -> None:
        if one in self.path.parents:
            assert held.wait(30)
        real(self, data)

    monkeypatch.setattr(SegmentWriter, "append", append)
    cameras = [Pictures(desk, recorder, size=1000) for recorder in (low, high, other)]
    volume, well = desk.volumes
    for _ in range(6):
        Pictures.play_together(cameras, 25)
        desk.run(lambda: well.queue_bytes == 0)
    assert volume.queue_bytes <= 200_000
    desk.run(lambda: (1, "slow") in desk.states)
    for _ in range(4):
        Pictures.play_together(cameras[2:], 25)
        desk.run(lambda: well.queue_bytes == 0)
    held.set()
    for recorder in (high, low, other):
        recorder.stop("stopped")
    ended = [high, other]
    desk.run(lambda: {pen.sink for pen, last in desk.endings if last.end_reason == "stopped"}.issuperset(ended))
    volume.tick()
    desk.run(lambda: volume.state == "ok")
    kept = {pen.sink: 0 for pen, _ in desk.endings}
    for pen, written in desk.endings:
        kept[pen.sink] += written.pictures
    assert kept[high] == 150, "the important one lost nothing"
    assert kept[other] == 250
    assert kept[low] < 150
    assert {gap[2] for gap in desk.gaps} == {"disk_slow"}
    desk.end()


def test_a_reserve_is_never_written_into(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "one")
    desk.volumes.set([volume_order(1, tmp_path / "one", reserve_bytes=1 << 60)])
    volume = desk.volumes.get(1)
    assert volume is not None
    assert volume.wait_seen(5)
    assert volume.state == "full"
    recorder = desk.recorder()
    Pictures(desk, recorder).play(60)
    assert desk.openings == []
    assert desk.gaps[0][2] == "disk_full"
    recorder.stop("stopped")
    desk.end()


def test_written_pictures_are_synced_within_ten_seconds(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "one")
    recorder = desk.recorder(segment_s=600)
    volume = desk.volumes.get(1)
    assert volume is not None
    camera = Pictures(desk, recorder)
    camera.play(60)
    desk.run(lambda: volume.written_bytes > 0)
    assert volume.syncs == 0
    camera.play(25 * 9)
    desk.run(lambda: volume.syncs == 1)
    camera.play(30)
    recorder.keep(None)
    desk.run(lambda: volume.syncs >= 2)
    recorder.stop("stopped")
    desk.end()
