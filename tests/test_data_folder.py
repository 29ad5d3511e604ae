"""The data folder: who may use it, backups of it, the check of its audit chain, and what the doctor says."""

from __future__ import annotations

import hashlib
import json
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text, update

from tests.support.house import build_town
from tocsin.backup import make_backup
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.vault import load_vault
from tocsin.doctor import examine
from tocsin.doctor_words import Verdict
from tocsin.domain.audit import AuditEntry
from tocsin.domain.snapshot_events import SnapshotReceived
from tocsin.domain.snapshots import Snapshot
from tocsin.folder import FolderLock, is_served, prepare_folder, write_private
from tocsin.kept_files import check_files, kept_files
from tocsin.settings import Settings, load_settings
from tocsin.storage.tables_registry import devices
from tocsin.stores import open_store, open_vault
from tocsin.verification import verify_audit, with_connection

NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A data folder with a key and five audit records."""
    made = load_settings(environ={}, overrides={"server.data": tmp_path / "data"})
    prepare_folder(made.data)
    load_vault(made.secret_key_path)
    async with open_store(made) as store:
        for number in range(5):
            await store.refuse(
                AuditEntry(NOW + timedelta(seconds=number), "user", "u1", "looked", "camera", f"c{number}")
            )
    return made


def check(settings: Settings) -> tuple[bool, list[str]]:
    report = verify_audit(settings.storage_url, settings.heads_path)
    return report.holds, [problem.what for problem in report.problems]


def change(settings: Settings, statement: str) -> None:
    engine = create_engine(settings.storage_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "new" / "data")
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700


def test_a_file_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(TocsinError, match="cannot be used") as caught:
        prepare_folder(tmp_path / "data")
    assert caught.value.code is ErrorCode.INVALID


def test_one_server_at_a_time(tmp_path: Path) -> None:
    assert not is_served(tmp_path)
    with FolderLock(tmp_path):
        assert is_served(tmp_path)
        with pytest.raises(TocsinError, match="already works"), FolderLock(tmp_path):
            pass
    assert not is_served(tmp_path)
    with FolderLock(tmp_path):
        assert is_served(tmp_path)


def test_a_private_file_is_readable_by_its_owner_alone_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    write_private(path, {"a": 1})
    write_private(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["demo.json"]


def test_an_untouched_chain_holds(settings: Settings) -> None:
    assert check(settings) == (True, [])


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        ("UPDATE audit SET subject_id = 'c9' WHERE seq = 3", "record 3 was changed"),
        ("DELETE FROM audit WHERE seq = 3", "records 3 are missing"),
        ("DELETE FROM audit WHERE seq = 5", "the tail was cut"),
        ("UPDATE audit SET seq = 99 WHERE seq = 2", "missing"),
    ],
)
def test_tampering_is_found(settings: Settings, tampering: str, words: str) -> None:
    change(settings, tampering)
    holds, problems = check(settings)
    assert not holds
    assert any(words in problem for problem in problems), problems


def test_a_missing_heads_file_is_a_problem(settings: Settings) -> None:
    settings.heads_path.unlink()
    holds, problems = check(settings)
    assert not holds
    assert "is missing" in problems[0]


def test_a_backup_holds_everything_and_verifies(settings: Settings, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    made = make_backup(settings, tmp_path / "to", at=NOW, version="1", progress=lambda *step: heard.append(step))
    assert made.folder.name == "tocsin-20261122T021407Z"
    assert set(made.files) == {"audit.heads", "secret.key", "tocsin.sqlite3"}
    assert made.audit is not None
    assert made.audit.checked == 5
    assert heard
    assert heard[-1][0] == heard[-1][1]
    for path in made.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify_audit(f"sqlite:///{made.folder / 'tocsin.sqlite3'}", made.folder / "audit.heads").holds
    assert (made.folder / "secret.key").read_bytes() == settings.secret_key_path.read_bytes()


async def _keep_picture(settings: Settings, content: bytes = b"picture") -> Path:
    """Let the store hold one picture with its record, as an upload leaves it."""
    digest = hashlib.sha256(content).hexdigest()

    def _add(tx: Any) -> str:
        one = Snapshot(
            new_id(), "c1", "340299", "u1", "v1", "patrol", NOW, NOW + timedelta(days=30), len(content), digest
        )
        tx.snapshots.add(one)
        tx.record(
            SnapshotReceived(
                subject_id=one.id, at=NOW, channel_id="c1", view_id="v1", sha256=digest, size_bytes=len(content)
            )
        )
        return one.id

    async with open_store(settings) as store:
        picture_id = await store.run(_add)
    path = settings.data / "snapshots" / f"{picture_id}.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def _files(settings: Settings, folder: Path | None = None) -> tuple[str, ...]:
    files = with_connection(settings.storage_url, kept_files)
    return check_files(files, folder or settings.data).problems


async def test_pictures_are_in_the_backup_with_their_hashes_unless_left_out(settings: Settings, tmp_path: Path) -> None:
    path = await _keep_picture(settings)
    made = make_backup(settings, tmp_path / "to", at=NOW, version="1")
    name = f"snapshots/{path.name}"
    assert made.files[name] == hashlib.sha256(b"picture").hexdigest()
    assert (made.folder / name).read_bytes() == b"picture"
    assert stat.S_IMODE((made.folder / name).stat().st_mode) == 0o600
    assert json.loads((made.folder / "manifest.json").read_text())["sha256"] == made.files
    assert sorted(one.name for one in made.folder.iterdir() if "-" in one.name) == []
    assert _files(settings, made.folder) == ()
    later = make_backup(settings, tmp_path / "to", at=NOW + timedelta(1), version="1", with_snapshots=False)
    assert name not in later.files


async def test_changed_lost_and_swapped_pictures_are_found(settings: Settings, tmp_path: Path) -> None:
    path = await _keep_picture(settings)
    assert _files(settings) == ()
    path.write_bytes(b"another")
    [problem] = _files(settings)
    assert "changed" in problem
    with pytest.raises(TocsinError, match="not as recorded"):
        make_backup(settings, tmp_path / "to", at=NOW, version="1")
    change(settings, f"UPDATE snapshots SET sha256 = '{hashlib.sha256(b'another').hexdigest()}'")
    [problem] = _files(settings)
    assert "audit record" in problem
    path.unlink()
    assert any("missing" in one for one in _files(settings))


def test_a_backup_of_a_broken_chain_fails_and_is_not_finished(settings: Settings, tmp_path: Path) -> None:
    change(settings, "UPDATE audit SET subject_id = 'c9' WHERE seq = 3")
    with pytest.raises(TocsinError, match="does not hold"):
        make_backup(settings, tmp_path / "to", at=NOW, version="1")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["tocsin-20261122T021407Z.part"]


async def test_a_backup_runs_beside_a_writing_store(settings: Settings, tmp_path: Path) -> None:
    async with open_store(settings) as store:
        await store.refuse(AuditEntry(NOW, "user", "u1", "looked", "camera", "during"))
        made = make_backup(settings, tmp_path / "to", at=NOW, version="1")
        await store.refuse(AuditEntry(NOW, "user", "u1", "looked", "camera", "after"))
    assert made.audit is not None
    assert made.audit.holds
    assert made.audit.checked == 6


def test_a_folder_that_is_no_data_folder_is_not_backed_up(tmp_path: Path) -> None:
    empty = load_settings(environ={}, overrides={"server.data": tmp_path})
    with pytest.raises(TocsinError, match="is missing"):
        make_backup(empty, tmp_path / "to", at=NOW, version="1")


@pytest.fixture
def taken_udp_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def findings(settings: Settings, now: datetime = NOW) -> dict[str, tuple[Verdict, str]]:
    found: dict[str, tuple[Verdict, str]] = {}
    for one in examine(settings, now):
        if one.name not in found or found[one.name][0] is Verdict.OK:
            found[one.name] = (one.verdict, one.detail)
    return found


def test_the_doctor_knows_the_database_and_the_folder(settings: Settings) -> None:
    found = findings(settings)
    assert found["database"][0] is Verdict.OK
    assert "revision" in found["database"][1]
    assert found["data folder"][0] is Verdict.OK
    assert found["secret.key"][0] is Verdict.OK


def test_the_doctor_sees_an_open_key_and_an_open_folder(settings: Settings) -> None:
    settings.secret_key_path.chmod(0o644)
    settings.data.chmod(0o755)
    found = findings(settings)
    assert found["secret.key"][0] is Verdict.PROBLEM
    assert "chmod 600" in found["secret.key"][1]
    assert found["data folder"][0] is Verdict.WARNING


def test_the_doctor_sees_a_busy_port(tmp_path: Path, taken_udp_port: int) -> None:
    settings = load_settings(environ={}, overrides={"server.data": tmp_path, "sip.port": taken_udp_port})
    assert findings(settings)["port SIP"][0] is Verdict.PROBLEM


def test_the_doctor_takes_the_servers_own_ports_for_used(tmp_path: Path, taken_udp_port: int) -> None:
    settings = load_settings(environ={}, overrides={"server.data": tmp_path, "sip.port": taken_udp_port})
    with FolderLock(tmp_path):
        assert findings(settings)["port SIP"][0] is Verdict.OK


def test_the_doctor_sees_a_clock_in_the_past(tmp_path: Path) -> None:
    settings = load_settings(environ={}, overrides={"server.data": tmp_path})
    assert findings(settings, datetime(1970, 1, 2, tzinfo=UTC))["clock"][0] is Verdict.PROBLEM


def test_the_doctor_sees_a_database_newer_than_the_code(settings: Settings) -> None:
    change(settings, "UPDATE alembic_version SET version_num = '9999'")
    verdict, detail = findings(settings)["database"]
    assert verdict is Verdict.PROBLEM
    assert "newer" in detail


def test_the_doctor_sees_a_missing_ffmpeg(tmp_path: Path) -> None:
    settings = load_settings(environ={}, overrides={"server.data": tmp_path, "media.ffmpeg": "no-such-program"})
    assert findings(settings)["ffmpeg"][0] is Verdict.WARNING


async def test_a_missing_key_is_asked_for_and_never_made_anew_over_sealed_secrets(settings: Settings) -> None:
    settings.secret_key_path.unlink()
    async with open_store(settings) as store:
        await open_vault(settings.secret_key_path, store)  # nothing is sealed yet: a new one will do
        await store.run(_seal_something)
        settings.secret_key_path.unlink()
        with pytest.raises(TocsinError, match="put it back") as caught:
            await open_vault(settings.secret_key_path, store)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert not settings.secret_key_path.exists()


def _seal_something(tx: Any) -> None:
    build_town(tx)
    tx.connection.execute(update(devices).values(secret=b"sealed"))
