"""`tocsin recordings` and `tocsin verify tombstones` over a data folder with recordings in it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.kept import HOUR_MS, make_volume, write
from tocsin.base.signing import load_house_key
from tocsin.cli import main
from tocsin.domain.acts import house_actor
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_service import RetentionEngine
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.segment_files import MARK, FolderVolumes
from tocsin.storage.store import SqliteStore

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which a camera has recorded for three days, and the oldest was deleted by a policy."""
    root = tmp_path / "volume"
    root.mkdir()
    (root / MARK).write_text('{"volume": "volume-1", "house": "h"}')
    url = f"sqlite:///{tmp_path / 'tocsin.sqlite3'}"
    schema.prepare(url)

    async def _record() -> None:
        clock = FixedClock(NOW)
        store = SqliteStore(url, clock, HeadsFile(tmp_path / "audit.heads"))
        await store.start()
        volume = await make_volume(store, str(root))
        now_ms = round(NOW.timestamp() * 1000)

        def _write(tx: Any) -> None:
            for hour in range(72, 0, -1):
                start_ms = now_ms - hour * HOUR_MS
                write(tx, None, "camera-1", "3402", volume.no, start_ms, start_ms + HOUR_MS, 900_000_000)

        await store.run(_write)
        policies = PolicyService(store, clock)
        await policies.add({"name": "two days", "max_days": 2, "basis": "a test"}, actor=house_actor())
        key = load_house_key(tmp_path / "signing.key")
        engine = RetentionEngine(store, clock, FolderVolumes(clock), key, NoticeBoard(store, clock))
        assert await engine.pass_ceilings() == 24
        await store.stop()

    asyncio.run(_record())
    return tmp_path


def test_the_forecast_is_printed_from_measured_rates(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recordings", "forecast", "--data", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (camera,) = found["cameras"]
    assert camera["bytes_per_day"] == pytest.approx(24 * 900_000_000, rel=0.05)
    assert (camera["stored_bytes"], camera["ceiling_days"]) == (48 * 900_000_000, 2)
    assert main(["recordings", "forecast", "--data", str(data), "--keep-days", "9000"]) == 1
    said = capsys.readouterr().out
    assert "21." in said
    assert "are lacking" in said


def test_tombstones_are_verified_from_outside(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "tombstones", str(data)]) == 0
    assert "1 tombstones of 24 deleted segments (21600000000 bytes): all hold" in capsys.readouterr().out
    assert main(["verify", "audit", str(data)]) == 0
    (data / "signing.pub").write_text("00" * 32)
    assert main(["verify", "tombstones", str(data), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out.splitlines()[-1])["problems"]
    assert problem["no"] == 1
    (data / "signing.pub").unlink()
    assert main(["verify", "tombstones", str(data)]) == 1
