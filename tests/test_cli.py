"""The `tocsin` command: what it prints, and with which status it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin import __version__
from tocsin.cli import ASKED_WRONGLY, FAILED, main, make_parser, print_rows, progress_bar


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with a bare environment."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), **variables}
    command = [sys.executable, "-m", "tocsin", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_says_its_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"tocsin {__version__}")


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [],
        ["serve"],
        ["demo"],
        ["simulate", "panel"],
        ["simulate", "camera"],
        ["simulate", "town"],
        ["user", "add"],
        ["user", "list"],
        ["user", "disable"],
        ["user", "password"],
        ["user", "token"],
        ["import"],
        ["profiles", "list"],
        ["profiles", "export"],
        ["profiles", "import"],
        ["backup"],
        ["doctor"],
        ["verify", "audit"],
    ):
        with pytest.raises(SystemExit) as ended:
            make_parser().parse_args([*words, "--help"])
        assert ended.value.code == 0
        assert "usage: tocsin" in capsys.readouterr().out


def test_an_unknown_setting_stops_the_start_and_names_the_nearest(tmp_path: Path) -> None:
    done = run("serve", "--data", str(tmp_path), TOCSIN_SERVER__PROT="1")
    assert done.returncode == ASKED_WRONGLY
    assert done.stderr.startswith("tocsin: ")
    assert "server.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_database_does_not_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "audit", str(tmp_path)]) == FAILED
    assert "there is no database" in capsys.readouterr().err


def test_a_path_that_is_no_folder_is_asked_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "audit", str(tmp_path / "none")]) == ASKED_WRONGLY
    assert "is not a folder" in capsys.readouterr().err


def test_a_town_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "town", "--data", str(tmp_path)]) == ASKED_WRONGLY
    assert "town.json" in capsys.readouterr().err


def test_a_receiver_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "panel", "--port", "1", "--event", "BA"]) == FAILED
    assert "no receiver at 127.0.0.1:1/tcp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "panel", "--key", "abc", "--event", "BA"], "hex digits"),
        (["simulate", "panel"], "say when to end"),
        (["simulate", "panel", "--account", "XYZ", "--panels", "3", "--seconds", "1"], "hex digits to count"),
        (["simulate", "camera", "--size", "wide", "--seconds", "1"], "--size"),
        (["simulate", "camera", "--alarm", "tamper", "--seconds", "1"], "METHOD[/TYPE][@ID]"),
        (["simulate", "camera", "--alarm", "2@a b", "--seconds", "1"], "METHOD[/TYPE][@ID]"),
        (["simulate", "camera", "--alarm-every", "-1", "--seconds", "1"], "--alarm-every"),
    ],
)
def test_a_wrong_argument_is_explained(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ASKED_WRONGLY
    assert words in capsys.readouterr().err


def test_the_doctor_finds_a_busy_port_and_says_so_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_SERVER__PORT", str(busy_port))
    status = main(["doctor", "--data", str(tmp_path), "--json"])
    findings = {(one["check"], one["verdict"]) for one in json.loads(capsys.readouterr().out)}
    assert ("port web", "problem") in findings
    assert status == FAILED


def test_rows_are_printed_as_a_table_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "林青", "roles": ["operator", "auditor"], "last": None}]
    print_rows(rows, ("name", "roles", "last"), as_json=False)
    table = capsys.readouterr().out
    assert "林青" in table
    assert "operator, auditor" in table
    print_rows(rows, ("name",), as_json=True)
    assert json.loads(capsys.readouterr().out) == rows


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("copying") as advance:
        for done in range(100):
            advance(done, 100)
    assert capsys.readouterr() == ("", "")
