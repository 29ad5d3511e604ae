"""`tocsin demo`, as a newcomer runs it: one command, a living town, and a clean end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tocsin.verification import verify_audit

pytestmark = pytest.mark.integration
PATIENCE_S = 90.0


class Demo:
    """A running demo and a caller of its API."""

    def __init__(self, data: Path) -> None:
        self.data = data
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "demo", "--data", str(data)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "demo.json").read_text(encoding="utf-8"))
        return found

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        known = self.read()
        connection = http.client.HTTPConnection(urlsplit(known["url"]).netloc, timeout=10)
        headers = {"Authorization": f"Bearer {known['token']}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            content = reply.read()
        except OSError:
            return 0, None
        finally:
            connection.close()
        return reply.status, json.loads(content) if content[:1] in (b"{", b"[") else content

    def wait(self, what: str, is_so: Any) -> Any:
        """Wait until `is_so()` is true; everything is asked from outside, so there is no clock of ours to advance."""
        limit_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit_s:
            assert self.process.poll() is None, self.process.communicate()[0]
            found = is_so()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(
            f"not within {PATIENCE_S:.0f} s: {what}; log: {(self.data / 'demo.log').read_text()[-3000:]}"
        )

    def end(self) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo") / "data")
    try:
        started.wait("demo.json", lambda: (started.data / "demo.json").exists())
        started.wait("ready", lambda: started.ask("GET", "/readyz")[0] == 200)
        yield started
    finally:
        started.end()


def test_the_sign_in_lies_in_a_private_file(demo: Demo) -> None:
    known = demo.read()
    assert set(known) == {"url", "username", "password", "token", "panel", "camera"}
    assert set(known["panel"]) == {"host", "port", "account", "key", "zone", "event"}
    for name in ("demo.json", "town.json", "secret.key"):
        assert stat.S_IMODE((demo.data / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(demo.data.stat().st_mode) == 0o700
    credentials = {"username": known["username"], "password": known["password"]}
    status, session = demo.ask("POST", "/api/v1/session", credentials)
    assert status in (200, 201)
    assert "handle_incident" in session["user"]["permissions"]


def test_every_device_connects(demo: Demo) -> None:
    def _all_there() -> bool:
        status = demo.ask("GET", "/api/v1/status")[1]
        panels, cameras = status["panels"], status["cameras"]
        reader = 1  # the panel without a device behind it
        return bool(panels["online"] == panels["total"] - reader and cameras["online"] == cameras["total"] > 0)

    demo.wait("all devices online", _all_there)


def test_the_school_is_broken_into_and_a_camera_is_linked(demo: Demo) -> None:
    def _school() -> Any:
        found = demo.ask("GET", "/api/v1/incidents")[1]["items"]
        return next((one for one in found if one["place"]["name"] == "新华学校"), None)

    incident = demo.wait("an incident at the school", _school)
    whole = demo.ask("GET", f"/api/v1/incidents/{incident['id']}")[1]
    assert whole["plan"]["name_en"] == "Break-in at a school"
    assert whole["channels"]
    assert all(channel["stage"] == "in_service" for channel in whole["channels"])
    assert [account["account"] for account in whole["accounts"]] == ["0231"]


def test_the_readers_panel_is_taken_and_shows_its_camera(demo: Demo) -> None:
    known = demo.read()
    panel = known["panel"]
    command = [sys.executable, "-m", "tocsin", "simulate", "panel", "--port", str(panel["port"])]
    command += [
        "--account",
        panel["account"],
        "--key",
        panel["key"],
        "--event",
        panel["event"],
        "--zone",
        panel["zone"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    report = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, report["sent"], report["acknowledged"]) == (0, 1, 1), done.stderr

    def _bridge() -> Any:
        found = demo.ask("GET", "/api/v1/incidents")[1]["items"]
        return next((one for one in found if one["place"]["name_en"] == "Old Bridge"), None)

    incident = demo.wait("an incident at the bridge", _bridge)
    whole = demo.ask("GET", f"/api/v1/incidents/{incident['id']}")[1]
    assert known["camera"] in [channel["id"] for channel in whole["channels"]]


def test_the_units_drive_their_beats(demo: Demo) -> None:
    def _positions() -> dict[str, tuple[float, float]]:
        units = demo.ask("GET", "/api/v1/units")[1]["items"]
        return {unit["call_sign"]: (unit["lon"], unit["lat"]) for unit in units}

    before = _positions()
    assert len(before) == 11
    demo.wait("every unit elsewhere", lambda: all(_positions()[sign] != at for sign, at in before.items()))


def test_the_console_and_the_map_are_served(demo: Demo) -> None:
    status, page = demo.ask("GET", "/")
    assert status == 200
    assert b"<html" in page
    drawing = demo.ask("GET", "/api/v1/map")[1]
    assert {feature["properties"]["layer"] for feature in drawing["features"]} >= {"water", "road", "label"}


def test_a_second_demo_on_the_same_folder_is_refused(demo: Demo) -> None:
    command = [sys.executable, "-m", "tocsin", "demo", "--data", str(demo.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "already works" in done.stderr


def test_a_backup_can_be_taken_while_it_runs(demo: Demo, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tocsin", "backup", str(tmp_path), "--data", str(demo.data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["audit_records"] > 200


def test_ctrl_c_ends_everything_and_the_chain_holds(demo: Demo) -> None:
    port = urlsplit(demo.read()["url"]).port
    status, output = demo.end()
    assert status == 0, output
    assert "Hewan" in output
    assert not _is_served(port)
    report = verify_audit(f"sqlite:///{demo.data / 'tocsin.sqlite3'}", demo.data / "audit.heads")
    assert report.holds
    assert not list(demo.data.glob("*.part"))
    lines = (demo.data / "demo.log").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines if line.startswith("{") and '"acknowledged"' in line]
    [town] = [report for report in reports if "event" not in report]  # around it the server tells what it ended
    assert town["acknowledged"] >= 1


def _is_served(port: int | None) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True
