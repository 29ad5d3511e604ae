"""Segments on a disk: whole files, torn ones, foreign ones, full disks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import random
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.segments import CHANNEL, PER_GROUP, START_MS, group_bytes, parameters, segment_bytes
from tocsin.domain.segment_groups import DAMAGED, GAP_BEFORE, index_at
from tocsin.domain.segments import segment_path
from tocsin.media.segment_file import SegmentWriter, examine, problem_of, read_groups, recover
from tocsin.media.segment_format import CONTINUES, Note, Picture, group_head, read_parameters, walk

NOTE = Note(CHANNEL, "main", START_MS)


def written(volume: Path, groups: int = 4, **how: object) -> SegmentWriter:
    """Return a writer that has written so many groups."""
    made = SegmentWriter(volume, NOTE, parameters(), expected_bytes=1 << 20)
    for number in range(groups):
        made.append(group_bytes(number, **how))  # type: ignore[arg-type]
    return made


def test_a_closed_file_says_itself_whose_it_is_and_what_it_holds(tmp_path: Path) -> None:
    made = written(tmp_path, damaged={7})
    made.close()
    assert made.path == tmp_path / segment_path(CHANNEL, "main", START_MS)
    assert made.path.stat().st_size == made.size_bytes
    assert made.path.stat().st_blocks * 512 < 1 << 19, "what was reserved is given back"
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).digest()
    found = examine(made.path, is_deep=True)
    assert (found.problem, found.note, found.size_bytes) == ("", NOTE, made.size_bytes)
    assert [(group.start_ms, group.duration_ms) for group in found.groups] == [(n * 200, 200) for n in range(4)]
    assert [group.flags for group in found.groups] == [0, DAMAGED, 0, 0]
    assert (found.pictures, found.damaged, found.duration_ms) == (4 * PER_GROUP, 1, 800)
    assert found.parameters == parameters()
    assert parameters().mime == 'video/mp4; codecs="avc3.64001E"'
    assert read_groups(made.path, found.groups[1:3]) == group_bytes(1, damaged={7}) + group_bytes(2)
    assert index_at(found.groups, 399) == 1


@pytest.mark.parametrize("is_h265", [False, True])
def test_the_parameters_are_read_from_the_file(*, is_h265: bool) -> None:
    made = parameters(is_h265=is_h265)
    assert read_parameters(made.init) == made
    assert (made.width, made.height) == (640, 360)
    assert read_parameters(made.init[:200]) is None


def test_any_player_opens_it(tmp_path: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    assert ffprobe, "ffmpeg belongs to the tests"
    path = tmp_path / "one.mp4"
    path.write_bytes(segment_bytes(groups=3))
    shown = subprocess.run(
        [ffprobe, "-v", "quiet", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", str(path)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert len(shown) == 15
    assert shown[5].startswith("0.200000,K")


def test_cut_at_any_byte_a_file_keeps_its_whole_groups(tmp_path: Path) -> None:
    data = segment_bytes(groups=4)
    ends = [0, *(group.offset + group.size_bytes for group in walk(io.BytesIO(data)).groups)]
    path = tmp_path / "torn.mp4"
    dice = random.Random(4)
    for cut in [*dice.sample(range(ends[1], len(data)), 40), *ends[1:]]:
        path.write_bytes(data[:cut])
        found = recover(path)
        kept = max(end for end in ends if end <= cut)
        assert (path.stat().st_size, found.cut_bytes) == (kept, cut - kept)
        assert found.sha256 == hashlib.sha256(data[:kept]).digest()
        assert len(found.walk.groups) == ends.index(kept)


def test_a_file_without_a_whole_group_is_removed_and_a_foreign_one_is_not_touched(tmp_path: Path) -> None:
    data = segment_bytes(groups=1)
    path = tmp_path / "one.mp4"
    for content in (b"", data[:300], data[: len(data) - 1], bytes(700)):
        path.write_bytes(content)
        assert recover(path).is_removed
        assert not path.exists()
    for content in (b"something else entirely", bytes(5000), b"\0\0\0\x18ftypmp42" + bytes(6000)):
        path.write_bytes(content)
        found = recover(path)
        assert (found.walk.problem, found.is_removed) == ("no_segment", False)
        assert path.read_bytes() == content


def test_zeros_where_pictures_should_be_after_a_power_cut_are_cut(tmp_path: Path) -> None:
    data = bytearray(segment_bytes(groups=3))
    last = walk(io.BytesIO(data)).groups[2]
    data[last.offset + last.size_bytes - 500 :] = bytes(500)
    path = tmp_path / "zeros.mp4"
    path.write_bytes(data + bytes(4096))
    assert len(examine(path).groups) == 3
    found = recover(path)
    assert len(found.walk.groups) == 2
    assert path.stat().st_size == last.offset


def test_what_is_broken_in_the_middle_costs_its_group_and_no_other(tmp_path: Path) -> None:
    data = bytearray(segment_bytes(groups=5))
    groups = walk(io.BytesIO(data)).groups
    data[groups[2].offset + 3] ^= 0xFF
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)
    found = recover(path)
    assert found.walk.groups == (*groups[:2], replace(groups[3], flags=GAP_BEFORE), groups[4])
    assert found.walk.skipped_bytes == groups[2].size_bytes
    assert path.read_bytes() == data


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    made = written(tmp_path, 2)
    assert recover(made.path).is_busy
    made.let_go()
    assert len(recover(made.path).walk.groups) == 2


def test_two_segments_of_one_millisecond_have_two_names(tmp_path: Path) -> None:
    one, other = written(tmp_path, 1), written(tmp_path, 1)
    assert (one.note.start_ms, other.note.start_ms) == (START_MS, START_MS + 1)
    for made in (one, other):
        made.close()
    assert examine(other.path).note == other.note


def test_a_group_that_the_disk_has_no_room_for_leaves_nothing_behind(tmp_path: Path) -> None:
    made = written(tmp_path, 3)
    size, digest = made.size_bytes, made.sha256
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            made.append(group_bytes(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert problem_of(caught.value) == "full"
    assert (made.size_bytes, made.sha256, made.path.stat().st_size) == (size, digest, size)
    made.append(group_bytes(3))
    made.close()
    assert len(examine(made.path, is_deep=True).groups) == 4


def test_errors_of_a_disk_have_names() -> None:
    names = {errno.ENOSPC: "full", errno.EROFS: "read_only", errno.EIO: "gone", errno.ENOENT: "gone"}
    assert {code: problem_of(OSError(code, "")) for code in names} == names


def test_a_group_that_goes_on_from_the_one_before_is_known_from_the_file() -> None:
    head = segment_bytes(groups=1)
    nal = b"\0\0\0\x02\x41\x9a"
    rows = [Picture(6, 3600, False, False, 7200), Picture(6, 3600, False, False, -3600)]
    found = walk(io.BytesIO(head + group_head(2, 18_000, rows) + nal * 2), is_deep=True)
    assert [group.flags for group in found.groups] == [0, CONTINUES]
    assert found.problem == ""


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "held.mp4"
    path.write_bytes(segment_bytes(groups=1))
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert recover(path).is_busy
    os.close(fd)
    assert not recover(path).is_busy
