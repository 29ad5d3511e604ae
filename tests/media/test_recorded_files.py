"""Reading files of recordings: the bytes as they stand, key pictures alone, and what is not there."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.recorded import GROUP_MS, MadeFile, make_file
from tocsin.base.errors import TocsinError
from tocsin.domain.segments import Volume, segment_path
from tocsin.media.fmp4 import Sample, fragment
from tocsin.media.recorded_files import VolumeFiles
from tocsin.media.segment_format import TICKS_PER_MS

START_MS = 1_795_000_000_000
PATH = segment_path("camera-west", "main", START_MS)


def _made(tmp_path: Path, **more: object) -> tuple[Volume, MadeFile]:
    return Volume("v", str(tmp_path), no=1), make_file(tmp_path, "camera-west", START_MS, 5, **more)  # type: ignore[arg-type]


async def _bytes(volume: Volume, made: MadeFile, first: int, last: int) -> bytes:
    part = await VolumeFiles().take(volume, PATH, made.groups[first : last + 1])
    return b"".join([piece async for piece in part.content])


async def test_groups_are_the_bytes_of_the_file(tmp_path: Path) -> None:
    volume, made = _made(tmp_path)
    whole = made.path.read_bytes()
    first, last = made.groups[1], made.groups[3]
    assert await _bytes(volume, made, 1, 3) == whole[first.offset : last.offset + last.size_bytes]
    part = await VolumeFiles().take(volume, PATH, made.groups[1:4])
    assert (part.offset, part.file_bytes) == (first.offset, len(whole))


async def test_keys_last_to_the_next_key_over_the_pace(tmp_path: Path) -> None:
    volume, made = _made(tmp_path, hole_before=2)
    found = await VolumeFiles().keys(volume, PATH, made.groups[:3], pace=8, is_reverse=False)
    lasts_ms = [GROUP_MS, GROUP_MS + 1_000, GROUP_MS]
    samples = [Sample(key, ms * TICKS_PER_MS // 8, True) for key, ms in zip(made.keys[:3], lasts_ms, strict=True)]
    assert found.data == b"".join(fragment(1, 0, samples))
    assert found.last == 2


async def test_backwards_the_latest_key_comes_first(tmp_path: Path) -> None:
    volume, made = _made(tmp_path)
    found = await VolumeFiles().keys(volume, PATH, made.groups[1:4], pace=2, is_reverse=True)
    samples = [Sample(key, GROUP_MS * TICKS_PER_MS // 2, True) for key in reversed(made.keys[1:4])]
    assert found.data == b"".join(fragment(1, 0, samples))


async def test_many_large_keys_are_given_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, made = _made(tmp_path)
    monkeypatch.setattr("tocsin.media.recorded_files.MOST_KEY_BYTES", len(made.keys[0]) * 2)
    on = await VolumeFiles().keys(volume, PATH, made.groups, pace=1, is_reverse=False)
    back = await VolumeFiles().keys(volume, PATH, made.groups, pace=1, is_reverse=True)
    assert (on.last, back.last) == (1, 1)
    ticks = GROUP_MS * TICKS_PER_MS
    assert on.data == b"".join(fragment(1, 0, [Sample(key, ticks, True) for key in made.keys[:2]]))
    assert back.data == b"".join(fragment(1, 0, [Sample(key, ticks, True) for key in made.keys[:2:-1]]))


async def test_an_open_file_is_looked_into(tmp_path: Path) -> None:
    volume, made = _made(tmp_path, is_open=True)
    seen = await VolumeFiles().look(volume, PATH)
    assert seen.groups == made.groups
    assert seen.codec is not None
    assert seen.codec.init == made.parameters.init


@pytest.mark.parametrize("harm", ["absent", "short", "link", "other"])
async def test_a_file_that_is_not_what_the_index_says_is_named(tmp_path: Path, harm: str) -> None:
    volume, made = _made(tmp_path)
    if harm == "absent":
        made.path.unlink()
    elif harm == "short":
        with made.path.open("r+b") as file:
            file.truncate(made.groups[-1].offset + 20)
    elif harm == "link":
        made.path.rename(tmp_path / "elsewhere.mp4")
        made.path.symlink_to(tmp_path / "elsewhere.mp4")
    else:
        made.path.write_bytes(bytes(made.path.stat().st_size))
    for reading in (
        VolumeFiles().take(volume, PATH, made.groups),
        VolumeFiles().keys(volume, PATH, made.groups, pace=1, is_reverse=False),
    ):
        with pytest.raises(TocsinError) as refused:
            await reading
        assert refused.value.key == "recorded.gone"


async def test_a_folder_on_the_way_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    volume, made = _made(tmp_path)
    folder = made.path.parent.parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(TocsinError):
        await VolumeFiles().take(volume, PATH, made.groups)


async def test_a_volume_that_is_not_here_is_said(tmp_path: Path) -> None:
    _, made = _made(tmp_path)
    for volume in (Volume("v", str(tmp_path / "gone")), Volume("v", "bucket", kind="s3")):
        with pytest.raises(TocsinError) as refused:
            await VolumeFiles().take(volume, PATH, made.groups)
        assert refused.value.key == "recorded.volume"


async def test_a_file_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    volume, made = _made(tmp_path)
    part = await VolumeFiles().take(volume, PATH, made.groups)
    made.path.unlink()
    sizes = itertools.accumulate([len(piece) async for piece in part.content])
    assert list(sizes)[-1] == part.size_bytes
