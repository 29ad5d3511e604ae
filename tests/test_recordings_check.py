"""Index and files of recordings compared and made equal, with real files of segments."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.support.segments import CHANNEL, START_MS, segment_bytes
from tocsin.base.vault import load_vault
from tocsin.domain.segments import Segment, SegmentState, Volume, segment_path
from tocsin.folder import prepare_folder
from tocsin.media.segment_file import examine
from tocsin.media.volume_mark import MARK
from tocsin.recording import house_id
from tocsin.recordings_check import check
from tocsin.settings import Settings, load_settings
from tocsin.storage.tables_recording import segment_sums
from tocsin.stores import open_store

LONG_MS = 600  # of a segment of three groups


@dataclass
class Recorded:
    """A data folder with one volume and some segments in it."""

    settings: Settings
    volume: Path

    def path(self, start_ms: int) -> Path:
        return self.volume / segment_path(CHANNEL, "main", start_ms)

    def write(self, start_ms: int, data: bytes | None = None) -> bytes:
        path = self.path(start_ms)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = segment_bytes(start_ms=start_ms) if data is None else data
        path.write_bytes(whole)
        return whole

    async def rows(self) -> list[Segment]:
        async with open_store(self.settings) as store:
            return await store.read(lambda tx: tx.segments.between(1, START_MS, START_MS + 100_000))


@pytest.fixture
async def recorded(tmp_path: Path) -> Recorded:
    """Four segments that agree with their rows, a second apart."""
    settings = load_settings(environ={}, overrides={"server.data": tmp_path / "data"})
    prepare_folder(settings.data)
    load_vault(settings.secret_key_path)
    made = Recorded(settings, tmp_path / "disk")
    made.volume.mkdir()
    (made.volume / MARK).write_text(json.dumps({"volume": "volume-1", "house": house_id(settings)}))
    segments = []
    for start_ms in range(START_MS, START_MS + 4_000, 1_000):
        data = made.write(start_ms)
        size, digest = len(data), hashlib.sha256(data).digest()
        segments.append(Segment(1, start_ms, start_ms + LONG_MS, 1, SegmentState.OK, size, 15, sha256=digest, due_ms=7))

    def _enter(tx: Any) -> None:
        tx.segments.enter_volume(Volume("volume-1", str(made.volume)))
        tx.segments.stream_no(CHANNEL, "main", "340203")
        tx.segments.close(segments)

    async with open_store(settings) as store:
        await store.run(_enter)
    return made


async def test_what_agrees_is_said_to_agree(recorded: Recorded) -> None:
    seen: list[tuple[int, int]] = []
    report = await check(recorded.settings, is_deep=True, progress=lambda at, of: seen.append((at, of)))
    assert (report.holds, report.segments, report.files, seen) == (True, 4, 4, [(1, 1)])


async def test_each_difference_is_named_and_repaired(recorded: Recorded) -> None:
    gone, torn, changed, fine = (START_MS + n * 1_000 for n in range(4))
    recorded.path(gone).unlink()
    os.truncate(recorded.path(torn), recorded.path(torn).stat().st_size - 40)
    data = bytearray(recorded.path(changed).read_bytes())
    data[-60] ^= 0xFF
    recorded.path(changed).write_bytes(data)
    recorded.write(fine + 1_000)
    recorded.write(fine + 2_000, b"no segment at all" * 9)
    (recorded.path(fine).parent / "notes.txt").write_text("left by somebody")

    found = await check(recorded.settings, is_deep=True)
    assert not found.holds
    assert sorted((Path(one.path).name, one.kind) for one in found.differences) == sorted(
        [
            (f"{gone}.mp4", "missing"),
            (f"{torn}.mp4", "size"),
            (f"{changed}.mp4", "hash"),
            (f"{fine + 1_000}.mp4", "unknown"),
            (f"{fine + 2_000}.mp4", "unreadable"),
            ("notes.txt", "unreadable"),
        ]
    )
    assert [row.state for row in await recorded.rows()] == [SegmentState.OK] * 4  # a check changes nothing

    done = await check(recorded.settings, is_deep=True, is_repair=True)
    assert done.holds
    assert {one.kind: one.done for one in done.differences} == {
        "missing": "lost", "size": "cut", "hash": "cut", "unknown": "adopted", "unreadable": "put aside",
    }  # fmt: skip
    rows = {row.start_ms: row for row in await recorded.rows()}
    assert rows[gone].state is SegmentState.LOST
    assert (rows[torn].state, rows[torn].end_ms) == (SegmentState.OK, torn + 400)  # its last group is cut
    assert rows[torn].due_ms == 7
    assert rows[torn].size_bytes == examine(recorded.path(torn)).size_bytes == recorded.path(torn).stat().st_size
    assert rows[changed].state is SegmentState.DAMAGED
    assert (rows[fine + 1_000].state, rows[fine + 1_000].end_ms) == (SegmentState.OK, fine + 1_000 + LONG_MS)
    assert len(list((recorded.volume / "lost+found").iterdir())) == 2
    assert (await check(recorded.settings, is_deep=True)).holds

    def _kept(tx: Any) -> tuple[int, list[str]]:
        [day] = tx.segments.coverage([1], 0, 1 << 20)
        return day.stored_ms, [record.action for record in tx.audit.all()]

    async with open_store(recorded.settings) as store:
        stored_ms, actions = await store.read(_kept)
    assert stored_ms == 400 + 3 * LONG_MS
    assert actions == ["recordings.repaired"]


async def test_an_index_that_was_lost_is_made_again_from_the_files(recorded: Recorded) -> None:
    before = await recorded.rows()

    async with open_store(recorded.settings) as store:
        await store.run(lambda tx: tx.segments.delete([row.key for row in before]))
    done = await check(recorded.settings, is_repair=True)
    assert [one.done for one in done.differences] == [*["adopted"] * 4, "counted again"]
    after = await recorded.rows()
    assert [(row.start_ms, row.end_ms, row.size_bytes, row.sha256) for row in after] == [
        (row.start_ms, row.end_ms, row.size_bytes, row.sha256) for row in before
    ]


async def test_sums_that_are_not_those_of_the_rows_are_named_and_counted_again(recorded: Recorded) -> None:
    def _wrong(tx: Any) -> None:
        tx.connection.execute(update(segment_sums).values(bytes=segment_sums.c.bytes + 1))

    async with open_store(recorded.settings) as store:
        right = await store.read(lambda tx: tx.segments.sums.of_volume(1))
        await store.run(_wrong)
    report = await check(recorded.settings)
    assert [(one.kind, one.path.split("/")[:2], one.done) for one in report.differences] == [
        ("sums", [CHANNEL, "main"], "")
    ]
    assert not report.holds
    assert (await check(recorded.settings, is_repair=True)).holds
    async with open_store(recorded.settings) as store:
        assert await store.read(lambda tx: tx.segments.sums.of_volume(1)) == right
    assert (await check(recorded.settings)).differences == []


async def test_a_disk_that_is_not_there_is_named_and_costs_no_row(recorded: Recorded) -> None:
    recorded.volume.rename(recorded.volume.with_name("elsewhere"))
    report = await check(recorded.settings, is_repair=True)
    assert [volume for volume, _ in report.left] == [str(recorded.volume)]
    assert "attached" in report.left[0][1]
    assert not report.holds
    assert [row.state for row in await recorded.rows()] == [SegmentState.OK] * 4
    recorded.volume.mkdir()
    (recorded.volume / MARK).write_text(json.dumps({"volume": "volume-1", "house": "another"}))
    report = await check(recorded.settings, is_repair=True)
    assert "another house" in report.left[0][1]
