"""A bucket of a real S3 server as the far place: moved to, played from, checked and repaired, gone and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.recorded import MadeFile, enter, make_file
from tests.support.s3 import KEY, SECRET, S3Server, s3_server
from tocsin.base.errors import TocsinError
from tocsin.base.vault import load_vault
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention import WORDS
from tocsin.domain.segments import Tier, Volume, VolumeState, segment_path
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import TierFailed
from tocsin.folder import prepare_folder
from tocsin.media.recorded_files import VolumeFiles
from tocsin.media.volume_mark import MARK
from tocsin.recording import house_id, make_mover, tier_volumes
from tocsin.recordings_check import check
from tocsin.settings import Settings, load_settings
from tocsin.storage.store import AnyStore
from tocsin.stores import open_store

CHANNEL = "camera-1"
STARTS = (1_795_000_000_000, 1_795_000_060_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("buckets")
    (root / "video").mkdir()
    with s3_server(root) as running:
        yield running


@dataclass
class House:
    """A data folder whose recordings move to a bucket."""

    settings: Settings
    store: AnyStore
    clock: FixedClock
    near: Path
    far: Path
    made: dict[int, MadeFile]

    def mover(self) -> TierMover:
        board = NoticeBoard(self.store, self.clock, WORDS)
        found = make_mover(self.settings, self.store, self.clock, tier_volumes(self.settings, self.clock), board)
        assert found is not None
        return found

    async def bucket(self) -> Volume:
        found: list[Volume] = await self.store.read(lambda tx: tx.segments.volumes())
        return next(one for one in found if one.tier is Tier.COLD)

    def path(self, start_ms: int) -> str:
        return segment_path(CHANNEL, "main", start_ms)


@pytest.fixture
async def house(tmp_path: Path, server: S3Server) -> AsyncIterator[House]:
    prefix = tmp_path.name
    given = {
        "server.data": tmp_path / "data",
        "recording.volumes": [str(tmp_path / "near")],
        "tiers.cold": f"s3://video/{prefix}",
        "tiers.after_days": 0,
        "tiers.rate_mb_s": 0,
        "tiers.endpoint": server.config.endpoint,
        "tiers.access_key": KEY,
        "tiers.secret_key": SECRET,
    }
    settings = load_settings(environ={}, overrides=given)
    prepare_folder(settings.data)
    load_vault(settings.secret_key_path)
    near = tmp_path / "near"
    near.mkdir()
    (near / MARK).write_text(json.dumps({"volume": "volume-1", "house": house_id(settings)}))
    made = {start_ms: make_file(near, CHANNEL, start_ms, 5) for start_ms in STARTS}
    async with open_store(settings) as store:
        await store.run(lambda tx: enter(tx, near, CHANNEL, list(made.items())))
        yield House(settings, store, FixedClock(), near, server.root / "video" / prefix, made)


async def test_recordings_move_to_a_bucket_and_are_read_from_it_by_ranges(house: House) -> None:
    originals = {start_ms: made.path.read_bytes() for start_ms, made in house.made.items()}
    mover = house.mover()
    await mover.start()
    assert await mover.check() is False
    assert (mover.status().moved, mover.status().state) == (2, "ok")
    assert not any(made.path.exists() for made in house.made.values())
    files, bucket = VolumeFiles(tier_volumes(house.settings, house.clock)), await house.bucket()
    for start_ms, made in house.made.items():
        part = await files.take(bucket, house.path(start_ms), made.groups[1:4])
        data = b"".join([piece async for piece in part.content])
        assert data == originals[start_ms][part.offset : part.offset + part.size_bytes]
        assert part.file_bytes == len(originals[start_ms])
        keys = await files.keys(bucket, house.path(start_ms), made.groups, pace=8, is_reverse=True)
        assert b"".join(reversed(made.keys)) in keys.data
    with pytest.raises(TocsinError) as found:
        await files.take(bucket, house.path(STARTS[0] + 1), house.made[STARTS[0]].groups)
    assert found.value.key == "recorded.gone"


async def test_check_and_repair_cover_the_bucket(house: House) -> None:
    first = house.made[STARTS[0]]
    data = first.path.read_bytes()
    mover = house.mover()
    await mover.start()
    await mover.check()
    assert (await check(house.settings, is_deep=True)).holds
    first.path.parent.mkdir(parents=True, exist_ok=True)
    first.path.write_bytes(data)  # the near copy is back, as after a crash whose row was lost
    second = house.far / house.path(STARTS[1])
    content = second.read_bytes()
    second.write_bytes(content[:-1] + b"?")
    shown = [(one.kind, one.path) for one in (await check(house.settings, is_deep=True)).differences]
    assert sorted(shown) == [("copy", house.path(STARTS[0])), ("hash", house.path(STARTS[1]))]
    second.unlink()
    third = STARTS[1] + 60_000
    (house.far / house.path(third)).write_bytes(make_file(house.near, CHANNEL, third, 2).path.read_bytes())
    (house.near / house.path(third)).unlink()
    report = await check(house.settings, is_repair=True)
    assert sorted((one.kind, one.done) for one in report.differences) == [
        ("copy", "removed"),
        ("missing", "lost"),
        ("unknown", "adopted"),
    ]
    assert not first.path.exists()
    assert (await check(house.settings, is_deep=True)).holds
    (house.far / house.path(STARTS[0])).rename(house.far / "away")
    first.path.write_bytes(data)  # the object is gone, the near copy is as it was recorded
    assert (await check(house.settings, is_repair=True)).holds
    assert (await check(house.settings, is_deep=True)).holds


async def test_a_bucket_that_refuses_us_or_is_anothers_is_told(house: House, server: S3Server) -> None:
    buckets = tier_volumes(house.settings, house.clock).buckets
    with pytest.raises(TierFailed) as found:
        buckets.prepare(Volume("v", "s3://nobodys/x", "s3"), "house")
    assert (found.value.state, found.value.reason) == (VolumeState.GONE, "There is no bucket nobodys.")
    house.far.mkdir()
    (house.far / MARK).write_text(json.dumps({"volume": "v", "house": "another"}))
    mover = house.mover()
    await mover.start()
    await mover.check()
    assert (mover.status().state, mover.status().moved) == ("foreign", 0)
    assert all(made.path.exists() for made in house.made.values())
    wrong = load_settings(
        environ={},
        overrides={"tiers.endpoint": server.config.endpoint, "tiers.access_key": KEY, "tiers.secret_key": "wrong"},
    )
    with pytest.raises(TierFailed) as found:
        tier_volumes(wrong, house.clock).buckets.prepare(await house.bucket(), "house")
    assert (found.value.state, "SignatureDoesNotMatch" in found.value.reason) == (VolumeState.READ_ONLY, True)
