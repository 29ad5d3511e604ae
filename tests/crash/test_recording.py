"""Recorders are killed, lose their power and their disks: the index is made equal to the files, and others go on.

TOCSIN_TEST_CRASHES sets the number of kills (5 by default, 50 in `make soak`); the seed is printed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.disks import Disk, fill
from tests.crash.recordings import Index, Sender, differences
from tests.crash.test_kill import KILLS, SEED, shim
from tests.support.gb28181 import eventually
from tests.support.media import running_link
from tests.support.records import note
from tocsin.domain.recorder_told import SegmentClosed, VolumeOrder
from tocsin.media.link import MediaLink
from tocsin.media.volume_mark import enter

pytestmark = pytest.mark.crash

__all__ = ["shim"]
CAMERAS = 4
LATE_S = 1.0  # what a busy machine may need from a camera's socket to the file
POWER_CUTS = max(1, KILLS // 10)
POWER_S = 14.0
UNSYNCED_S = 10.0


def volume_of(no: int, folder: Path) -> VolumeOrder:
    return VolumeOrder(no, f"volume-{no}", "house", str(folder), may_enter=True)


def keep(test: str, times: int, pictures: int, lost: int, doubled: int) -> None:
    """Keep the figures of a test for `make soak`: pictures stored, and those that were to be and are not."""
    note(test, times=times, acknowledged=pictures, lost=lost, doubled=doubled, seed=str(SEED))


async def kill(link: MediaLink, index: Index) -> float:
    """Kill the worker and wait until it runs again; return when it was killed."""
    pid = link.health()[0].pid
    loop = asyncio.get_running_loop()
    os.kill(pid, signal.SIGKILL)
    killed_s = loop.time()
    await eventually(lambda: link.health()[0].is_alive and link.health()[0].pid != pid, 20.0)
    return killed_s


async def test_recorders_killed_at_random_moments_have_an_index_equal_to_their_files(tmp_path: Path) -> None:
    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED + 3)
    volume = tmp_path / "volume"
    senders = [Sender(f"camera-{number}", changes_every=20 + 25 * number) for number in range(CAMERAS)]
    lost: list[int] = []
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(1, volume)])
        for _ in range(KILLS):
            for sender in senders:
                await sender.start(link)
            await asyncio.sleep(dice.uniform(0.2, 2.5))
            killed_s = await kill(link, index)
            for sender in senders:
                await sender.stop()
            await link.recorders.recover(1)
            assert differences(index, volume) == []
            for sender in senders:
                lost += sender.lost(volume, index, killed_s - LATE_S)
                sender.sent.clear()
        assert lost == []
        stored = [sender.stored(volume, index) for sender in senders]
        doubled = sum(len(numbers) - len(set(numbers)) for numbers in stored)
        keep("recorder killed", KILLS, sum(map(len, stored)), len(lost), doubled)
        assert doubled == 0
        assert len(index.segments) >= KILLS * CAMERAS / 2
    for sender in senders:
        sender.close()


async def test_a_power_cut_loses_ten_seconds_and_the_open_group_at_most(
    shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the kill the volume is put back to what had been synced, as if the power had gone."""
    volume, shadow = tmp_path / "volume", tmp_path / "shadow"
    shadow.mkdir()
    enter(volume, "volume-1", "house")
    for name, value in (("LD_PRELOAD", shim), ("TOCSIN_TEST_SHIM_ROOT", volume), ("TOCSIN_TEST_SHIM_SHADOW", shadow)):
        monkeypatch.setenv(name, str(value))
    senders = [Sender(f"camera-{number}", changes_every=100) for number in range(CAMERAS)]
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(1, volume)])
        for _ in range(POWER_CUTS):
            for sender in senders:
                await sender.start(link)
            await asyncio.sleep(POWER_S)
            killed_s = await kill(link, index)
            for sender in senders:
                await sender.stop()
            before = sum(path.stat().st_size for path in volume.rglob("*.mp4"))
            _cut_power(volume, shadow)
            assert sum(path.stat().st_size for path in volume.rglob("*.mp4")) < before, "the cut cost something"
            told = [(one.channel_id, one.stream, one.start_ms) for one in index.segments.values()]
            await link.recorders.recover(1, segments=told)
            await link.recorders.recover(1)
            assert differences(index, volume) == []
            for sender in senders:
                assert sender.lost(volume, index, killed_s - UNSYNCED_S) == []
                assert any(at_s < killed_s - UNSYNCED_S for at_s in sender.sent.values())
                sender.sent.clear()
    keep("recorder without power", POWER_CUTS, sum(len(sender.stored(volume, index)) for sender in senders), 0, 0)
    for sender in senders:
        sender.close()


async def test_a_disk_that_is_stuck_is_left_for_another_and_holds_nobody_up(
    shim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes to one volume do not come back for a while: no other is late, and what waited is written after all."""
    stuck, steady = tmp_path / "stuck", tmp_path / "steady"
    for number, folder in enumerate((stuck, steady), 1):
        enter(folder, f"volume-{number}", "house")
    monkeypatch.setenv("LD_PRELOAD", str(shim))
    monkeypatch.setenv("TOCSIN_TEST_SHIM_STUCK", str(stuck / "flag"))
    moving, bound, other = senders = [Sender(name, changes_every=10**9) for name in ("moving", "bound", "other")]
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(1, stuck), volume_of(2, steady)])
        for sender, volumes in ((moving, (1, 2)), (bound, (1,)), (other, (2,))):
            await sender.start(link, volumes)
        await index.until(lambda: index.of("moving") and index.of("bound") and index.of("other"))
        (stuck / "flag").touch()
        await index.until(lambda: (1, "slow") in index.states)
        await index.until(lambda: index.of("moving")[-1].volume_no == 2)
        (stuck / "flag").unlink()
        await index.until(lambda: index.states[-1] == (1, "ok"))
        for sender in senders:
            await sender.stop()
            await link.recorders.record_stop(sender.name, "stopped")
        await index.until(lambda: all(isinstance(told, SegmentClosed) for told in index.segments.values()))
        assert [gap for gap in index.gaps.values() if gap.reason.startswith("disk")] == []
        until_s = asyncio.get_running_loop().time() - LATE_S
        assert other.lost(steady, index, until_s) == []
        assert bound.lost(stuck, index, until_s) == []
        keep("recorder, disk stuck", 1, sum(len(sender.sent) for sender in senders), 0, 0)
    for sender in senders:
        sender.close()


def _cut_power(volume: Path, shadow: Path) -> None:
    """Leave in the volume what had been synced and nothing else; its mark was safe before."""
    for path in volume.rglob("*.mp4"):
        path.unlink()
    for kept in shadow.iterdir():
        if kept.name.endswith(".mp4"):
            target = volume / kept.name.replace("%", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, target)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 32 MiB."""
    made = Disk(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("what", ["full", "gone", "read_only"])
async def test_a_disk_that_fails_costs_nothing_on_the_others_and_is_used_again(
    what: str, disk: Disk, tmp_path: Path
) -> None:
    steady = tmp_path / "steady"
    moving, bound, other = senders = [Sender(name, changes_every=10**9) for name in ("moving", "bound", "other")]
    reason = "disk_full" if what == "full" else "disk_gone"
    async with running_link() as link:
        index = Index(link)
        index.listen()
        await link.recorders.volumes_set([volume_of(1, disk.at), volume_of(2, steady)])
        if what == "read_only":
            disk.read_only(on=True)  # refused while files are open: so before they are
            await index.until(lambda: (1, "read_only") in index.states)
        for sender, volumes in ((moving, (1, 2)), (bound, (1,)), (other, (2,))):
            await sender.start(link, volumes)
        if what != "read_only":
            await index.until(lambda: index.of("moving") and index.of("bound") and index.of("other"))
            assert index.of("moving")[0].volume_no == 1
        if what == "full":
            await asyncio.to_thread(fill, disk.at / "filler")
        elif what == "gone":
            disk.out()
        await index.until(lambda: (1, what) in index.states)
        await index.until(lambda: index.of("moving") and index.of("moving")[-1].volume_no == 2)
        await index.until(lambda: any(gap.reason == reason for gap in index.gaps_of("bound")))
        if what == "gone":
            assert list(disk.at.iterdir()) == [], "nothing is written where the disk should be"
            disk.back()
        elif what == "full":
            (disk.at / "filler").unlink()
        else:
            disk.read_only(on=False)
        count = len(index.of("bound"))
        await index.until(lambda: len(index.of("bound")) > count)
        assert index.of("bound")[-1].volume_no == 1
        await index.until(lambda: all(gap.to_ms is not None for gap in index.gaps_of("bound")))
        for sender in senders:
            await sender.stop()
            await link.recorders.record_stop(sender.name, "stopped")
        await index.until(lambda: all(isinstance(told, SegmentClosed) for told in index.segments.values()))
        await link.recorders.recover(1)
        assert [gap for gap in index.gaps_of("other") if gap.reason.startswith("disk")] == []
        steady_ones = index.of("other")
        for one, after in itertools.pairwise(steady_ones):
            assert isinstance(one, SegmentClosed)
            assert one.end_ms == after.start_ms
        assert other.lost(steady, index, asyncio.get_running_loop().time() - LATE_S) == []
        rows = {key: told for key, told in index.segments.items() if told.volume_no == 1}
        assert {key[0] for key in rows} <= {"moving", "bound"}
        index.segments = rows
        assert differences(index, disk.at) == []
        keep(f"recorder, disk {what.replace('_', ' ')}", 1, len(other.sent), 0, 0)
    for sender in senders:
        sender.close()
