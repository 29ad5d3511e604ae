"""What stops a start says so in one line that names the thing and what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness import free_port
from tocsin.base.errors import TocsinError
from tocsin.settings import load_settings
from tocsin.storage import schema


def refusal(url: str) -> str:
    with pytest.raises(TocsinError) as caught:
        schema.prepare(url)
    assert caught.value.key == "store.unusable"
    return str(caught.value.detail)


def test_a_damaged_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.sqlite3"
    rubbish = os.urandom(100_000)
    path.write_bytes(rubbish)
    text = refusal(f"sqlite:///{path}")
    assert f"the database file {path} cannot be used: file is not a database; " in text
    assert "restore a backup" in text
    assert path.read_bytes() == rubbish


def test_a_folder_where_the_database_should_be_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.sqlite3"
    path.mkdir()
    assert "unable to open database file" in refusal(f"sqlite:///{path}")


def test_a_postgresql_that_does_not_answer_is_named_without_its_password() -> None:
    port = free_port()
    text = refusal(f"postgresql://tocsin:secret@127.0.0.1:{port}/tocsin")
    assert f"postgresql://tocsin:***@127.0.0.1:{port}/tocsin cannot be used: " in text
    assert "check storage.url" in text
    assert "secret" not in text


def test_an_unknown_kind_of_database_is_refused_with_the_setting() -> None:
    with pytest.raises(TocsinError) as caught:
        load_settings(environ={"TOCSIN_STORAGE__URL": "mysql://tocsin:secret@db/tocsin"})
    assert "storage.url" in str(caught.value.detail)
    assert "postgresql://USER:PASSWORD@HOST/NAME" in str(caught.value.detail)
    assert "secret@" not in str(caught.value.detail)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


@pytest.mark.integration
@pytest.mark.parametrize("section", ["server", "dc09", "sip", "media"])
def test_a_busy_port_is_named_with_its_setting(tmp_path: Path, taken: int, section: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")}
    environment |= {f"TOCSIN_{name}__PORT": "0" for name in ("SERVER", "DC09", "JT808", "SIP", "MEDIA")}
    environment |= {"TOCSIN_SERVER__DATA": str(tmp_path), f"TOCSIN_{section.upper()}__PORT": str(taken)}
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "serve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"port {taken}" in last
    assert f"{section}.port" in last
