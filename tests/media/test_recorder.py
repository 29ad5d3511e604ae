"""The recorder of a stream: what is kept, where segments begin, what is missing and why."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS
from tests.support.recorders import FRAME_MS, Desk, Pictures
from tocsin.domain.segment_groups import DAMAGED, pack, unpack
from tocsin.domain.segments import LONGEST_SEGMENT_MS
from tocsin.media.segment_file import examine
from tocsin.media.segment_format import CONTINUES
from tocsin.media.volume import Written
from tocsin.protocols.rtp.ps import StreamType

OTHER_SPS = bytes.fromhex("674d401fe8802802dd80b501010140000003004000000c83c60ca8")  # 1280x720


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "one")
    yield made
    made.end()


class Origin:
    """A source that says what it lost and how wrong its clock is."""

    def __init__(self) -> None:
        self.lost = 0

    def lost_packets(self) -> int:
        return self.lost

    def clock_offset_ms(self) -> int | None:
        return -1500


def numbers(path: Path) -> list[int]:
    """Return the numbers of the pictures in a file."""
    return [int(number) for number in re.findall(rb"<(\d{6})>", path.read_bytes())]


def assert_like_its_file(desk: Desk, written: Written) -> None:
    """What was told of a segment is what stands in its file."""
    path = desk.path(written)
    found = examine(path, is_deep=True)
    assert (found.problem, found.groups) == ("", written.groups)
    assert (found.pictures, found.damaged, found.size_bytes) == (written.pictures, written.damaged, written.size_bytes)
    assert hashlib.sha256(path.read_bytes()).digest() == written.sha256
    assert found.note == written.note


def test_segments_follow_the_clock_on_the_wall_and_touch_each_other(desk: Desk) -> None:
    recorder = desk.recorder(offset_s=7)
    camera = Pictures(desk, recorder)
    camera.play(25 * 200)
    recorder.stop("stopped")
    found = desk.closed(4)
    assert [written.end_reason for written in found] == ["time", "time", "time", "stopped"]
    for one, after in itertools.pairwise(found):
        assert after.note.start_ms == one.end_ms
        assert 0 <= after.note.start_ms % 60_000 - 7_000 <= 1000, "at the first key behind the multiple and its offset"
    for written in found:
        assert_like_its_file(desk, written)
    assert sum(written.pictures for written in found) == 5000
    assert [number for written in found for number in numbers(desk.path(written))] == list(range(5000))
    assert found[-1].end_ms - found[0].note.start_ms == 5000 * FRAME_MS
    assert desk.gaps == []
    assert desk.memory.used_bytes == 0


def test_every_nal_unit_is_kept_byte_for_byte(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder)
    extra = (b"\x09\xf0", b"\x06\x05\x10" + b"signed by the camera" + b"\x80", b"\x0c\xff\xff\x80")
    camera.play(30, extra=extra)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    data = desk.path(written).read_bytes()
    assert all(data.count(len(nal).to_bytes(4) + nal) == 30 for nal in extra)
    assert data.count(len(H264_SPS).to_bytes(4) + H264_SPS) == 2


def test_a_change_of_resolution_and_of_codec_begins_a_new_segment(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder)
    camera.play(50)
    camera.sets = (OTHER_SPS, H264_PPS)
    camera.play(50)
    camera.codec, camera.sets = int(StreamType.H265), (H265_VPS, H265_SPS, H265_PPS)
    camera.play(50)
    recorder.stop("stopped")
    found = desk.closed(3)
    kinds = []
    for written in found:
        assert_like_its_file(desk, written)
        parameters = examine(desk.path(written)).parameters
        assert parameters is not None
        kinds.append((parameters.codec, parameters.width, parameters.height))
    assert kinds == [("h264", 640, 360), ("h264", 1280, 720), ("h265", 640, 360)]
    assert [written.pictures for written in found] == [50, 50, 50]
    assert [written.end_reason for written in found] == ["parameters", "parameters", "stopped"]
    assert desk.gaps == []


@pytest.mark.parametrize("jump", [3600 * 90_000, -20 * 90_000, (1 << 33) - 60 * 3600, 1 << 32])
def test_time_stamps_that_jump_go_back_or_wrap_cost_nothing(desk: Desk, jump: int) -> None:
    recorder = desk.recorder(segment_s=600)
    camera = Pictures(desk, recorder)
    camera.play(50)
    camera.skew = jump
    camera.play(100)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    assert_like_its_file(desk, written)
    assert written.pictures == 150
    assert abs(written.end_ms - written.note.start_ms - 150 * FRAME_MS) <= FRAME_MS
    assert desk.gaps == []


def test_pictures_out_of_order_are_shown_in_order(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder, key_every=24)
    units = [camera.unit() for _ in range(24)]
    base = 0
    shown = [base, *itertools.chain.from_iterable((at + 3, at + 1, at + 2) for at in range(0, 21, 3)), 22, 23]
    for unit, at in zip(units, shown, strict=True):
        recorder.take(unit._replace(pts=at * 3600), desk.clock.monotonic() * 1000)
        desk.clock.advance(0.04)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    assert_like_its_file(desk, written)
    assert written.pictures == 24
    assert 900 <= written.end_ms - written.note.start_ms <= 1100


def test_damaged_pictures_are_kept_and_flagged(desk: Desk) -> None:
    recorder, origin = desk.recorder(), Origin()
    recorder.attach(origin)
    camera = Pictures(desk, recorder)
    camera.play(30)
    origin.lost = 7
    camera.play(3, damaged=True)
    camera.play(42)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    assert_like_its_file(desk, written)
    assert (written.pictures, written.damaged) == (75, 3)
    assert [group.flags for group in written.groups] == [0, DAMAGED, 0]
    assert desk.lost[written.note.start_ms] == (7, -1500)


def test_a_step_of_the_clock_begins_a_new_segment(desk: Desk) -> None:
    recorder = desk.recorder(segment_s=600)
    camera = Pictures(desk, recorder)
    camera.play(50)
    for hours in (5, -400 * 24):
        desk.clock._now += timedelta(hours=hours)
        camera.play(50)
    recorder.stop("stopped")
    desk.closed(3)
    found = [written for _, written in desk.endings]
    assert [written.end_reason for written in found] == ["clock", "clock", "stopped"]
    steps = [after.note.start_ms - one.note.start_ms for one, after in itertools.pairwise(found)]
    assert [round(step / 3_600_000) for step in steps] == [5, -9600]
    for written in found:
        assert_like_its_file(desk, written)
        assert written.pictures == 50


def test_a_source_that_stops_leaves_a_gap_that_ends_with_the_next_key(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder)
    camera.play(50)
    camera.pass_by(12, has_source=False)
    recorder.attach(Origin())
    camera.number += 3  # it comes back between two keys
    camera.play(72)
    recorder.stop("stopped")
    found = desk.closed(2)
    assert [written.end_reason for written in found] == ["source_lost", "stopped"]
    begins, ends = found[0].end_ms, found[1].note.start_ms
    assert desk.gaps == [(begins, None, "source_lost"), (begins, ends, "source_lost")]
    assert ends - begins >= 12_000
    assert found[1].pictures == 50, "what came before the next key cannot be shown"


def test_a_stream_without_key_pictures_is_a_gap_that_says_so(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder, key_every=10_000)
    camera.number = 1
    begins = round(desk.clock.now().timestamp() * 1000)
    camera.play(150)
    assert desk.gaps == [(begins, None, "no_key")]
    camera.key_every = 25
    camera.play(50)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    assert desk.gaps[-1] == (begins, written.note.start_ms, "no_key")


def test_an_endless_group_is_written_in_parts_and_cut_after_a_quarter_of_an_hour(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder, key_every=1_000_000, size=20)
    camera.play(25 * 60 * 15)
    recorder.stop("stopped")
    found = desk.closed(2)
    assert sum(written.pictures for written in found) == 25 * 60 * 15
    for written in found:
        assert_like_its_file(desk, written)
        assert all(group.duration_ms <= 10_080 for group in written.groups)
    assert found[0].groups[0].flags == 0
    assert {group.flags for group in found[0].groups[1:]} == {CONTINUES}
    assert found[1].note.start_ms == found[0].end_ms
    assert desk.gaps == []


def test_a_camera_of_100_mbit_s_is_recorded_in_bounded_memory(desk: Desk) -> None:
    recorder = desk.recorder(segment_s=600)
    camera = Pictures(desk, recorder, key_every=1_000_000, size=500_000)
    most = 0
    volume = desk.volumes.get(1)
    assert volume is not None
    for _ in range(20):
        camera.play(10)
        most = max(most, desk.memory.used_bytes)
        desk.run(lambda: volume.queue_bytes < 32 << 20)
    recorder.stop("stopped")
    (written,) = desk.closed(1)
    assert_like_its_file(desk, written)
    assert written.pictures == 200
    assert most < 24 << 20


def test_memory_holds_the_last_ten_seconds_and_an_event_writes_them(desk: Desk) -> None:
    recorder = desk.recorder(pre_roll_ms=10_000, segment_s=600)
    camera = Pictures(desk, recorder, key_every=50)
    camera.play(25 * 60)
    assert desk.openings == []
    held = desk.memory.used_bytes
    now = round(desk.clock.now().timestamp() * 1000)
    begins = recorder.keep(now + 20_000)
    assert begins is not None
    assert 10_000 <= now - begins <= 14_000
    assert desk.memory.used_bytes < held / 4, "only the open group is left"
    camera.play(25 * 30)
    (written,) = desk.closed(1)
    assert written.note.start_ms == begins
    assert 20_000 <= written.end_ms - now <= 23_000
    assert written.end_reason == "event"
    assert_like_its_file(desk, written)
    camera.play(25 * 30)
    assert len(desk.openings) == 1, "it keeps to memory again"
    recorder.stop("stopped")
    assert (desk.memory.used_bytes, desk.gaps) == (0, [])


def test_an_event_again_lengthens_what_is_written(desk: Desk) -> None:
    recorder = desk.recorder(pre_roll_ms=5_000, segment_s=600)
    camera = Pictures(desk, recorder)
    camera.play(250)
    now = round(desk.clock.now().timestamp() * 1000)
    recorder.keep(now + 5_000)
    camera.play(100)
    recorder.keep(now + 15_000)
    camera.play(25 * 20)
    (written,) = desk.closed(1)
    assert 15_000 <= written.end_ms - now <= 17_500
    recorder.stop("stopped")


def test_memory_of_a_source_that_ended_is_not_taken_for_what_came_before_an_event(desk: Desk) -> None:
    recorder = desk.recorder(pre_roll_ms=10_000)
    camera = Pictures(desk, recorder)
    camera.play(25 * 20)
    camera.pass_by(20, has_source=False)
    assert recorder.ring, "an alarm of a camera that was just cut still has its last seconds"
    camera.pass_by(30, has_source=False)
    assert not recorder.ring
    assert desk.memory.used_bytes == 0
    recorder.stop("stopped")


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_camera_sends_what_is_told_is_what_stands_in_the_files(desk: Desk, seed: int) -> None:
    dice = random.Random(seed)
    recorder, origin = desk.recorder(segment_s=5), Origin()
    recorder.attach(origin)
    camera = Pictures(desk, recorder, key_every=dice.choice((3, 25, 1_000_000)))
    stamps = (None, 0, (1 << 33) - 1, 1 << 32, 90_000, 3600)
    for _ in range(900):
        unit = camera.unit(damaged=dice.random() < 0.05)
        pts = dice.choice(stamps) if dice.random() < 0.1 else unit.pts
        dts = dice.choice(stamps) if dice.random() < 0.1 else None
        is_key = unit.is_key or dice.random() < 0.01
        nals = [*unit.nals, dice.randbytes(dice.choice((1, 2, 5000)))] if dice.random() < 0.1 else unit.nals
        recorder.take(unit._replace(pts=pts, dts=dts, is_key=is_key, nals=nals), desk.clock.monotonic() * 1000)
        event = dice.random()
        if event < 0.005:
            recorder.attach(origin)
        elif event < 0.01:
            desk.clock._now += timedelta(seconds=dice.choice((-86_400 * 365, -3, 1, 3, 86_400 * 365 * 10)))
        elif event < 0.015:
            camera.sets = (dice.choice((H264_SPS, OTHER_SPS)), H264_PPS)
        elif event < 0.018:
            desk.clock.advance(dice.choice((3, 30, 700)))
            recorder.tick(desk.clock.monotonic() * 1000, has_source=True)
        desk.clock.advance(FRAME_MS / 1000)
    recorder.stop("stopped")
    desk.end()
    desk.run(desk.posted.empty)
    assert len(desk.endings) == len(desk.openings) > 0
    for _, written in desk.endings:
        assert_like_its_file(desk, written)
        assert unpack(pack(written.groups)) == list(written.groups)
        assert written.end_ms - written.note.start_ms <= LONGEST_SEGMENT_MS
    assert desk.memory.used_bytes == 0


def test_full_memory_costs_the_least_important_ring_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "one", memory_bytes=400_000)
    low = desk.recorder(pre_roll_ms=60_000, priority=1)
    high = desk.recorder(pre_roll_ms=60_000, priority=5)
    for recorder in (low, high):
        Pictures(desk, recorder, size=300).play(25 * 40)
    assert desk.memory.used_bytes <= 420_000
    assert len(high.ring) >= 38
    assert len(low.ring) < 15
    low.stop("stopped")
    high.stop("stopped")
    desk.end()


def test_rings_have_a_bound_of_their_own_and_the_largest_of_the_least_important_gives_way(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "one")
    desk.memory.most_ring_bytes = 200_000
    planned = desk.recorder(pre_roll_ms=60_000, priority=5)
    watched = [desk.recorder(pre_roll_ms=60_000) for _ in range(2)]
    Pictures(desk, planned, size=300).play(25 * 10)
    for recorder in (watched[0], watched[1], watched[0]):
        Pictures(desk, recorder, size=300).play(25 * 8)
    assert desk.memory.ring_bytes <= 200_000
    assert desk.memory.ring_bytes == sum(one.ring_bytes for one in (planned, *watched))
    assert len(planned.ring) >= 9
    assert abs(len(watched[0].ring) - len(watched[1].ring)) <= 2, "both gave, not one alone"
    assert desk.memory.dropped > 0
    for recorder in (planned, *watched):
        recorder.keep(desk_ms(desk) + 1_000)
        assert recorder.ring_bytes == 0
        recorder.stop("stopped")
    assert (desk.memory.ring_bytes, desk.memory.used_bytes) == (0, 0)
    desk.end()


def desk_ms(desk: Desk) -> int:
    return int(desk.clock.now().timestamp() * 1000)


def test_a_recorder_told_otherwise_writes_on_or_keeps_to_memory(desk: Desk) -> None:
    recorder = desk.recorder()
    camera = Pictures(desk, recorder)
    camera.play(60)
    recorder.change(replace(recorder.order, priority=3))
    camera.play(60)
    assert desk.endings == []
    recorder.change(replace(recorder.order, pre_roll_ms=5_000))
    camera.play(250)
    (written,) = desk.closed(1)
    assert (written.pictures, written.end_reason) == (120, "event")
    recorder.change(replace(recorder.order, pre_roll_ms=0))
    camera.play(60)
    recorder.stop("planned")
    after = desk.closed(2)[1]
    assert 4_000 <= after.end_ms - after.note.start_ms - 60 * FRAME_MS <= 7_000, "memory was written too"
