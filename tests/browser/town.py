"""The demo town for browser tests: one `tocsin demo --quiet-town`, and a panel of ours that alarms when told to."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bench.harness import free_port, processes
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import encode_frame
from tocsin.protocols.dc09.messages import Header, Message, encode_message, seal_message

READY_TIMEOUT_S = 90.0
T = TypeVar("T")
_SEQUENCE = itertools.count(secrets.randbelow(4_000) + 1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    username: str
    password: str


class Refused(Exception):
    """The API answered with a problem."""

    def __init__(self, status: int, problem: object) -> None:
        super().__init__(f"{status} {problem}")
        self.status = status
        self.problem = problem


@dataclass
class Town:
    """A running demo: who may sign in, its API, its reader's panel."""

    data: Path
    process: subprocess.Popen[bytes]
    url: str
    token: str
    person: Person
    panel: dict[str, Any]
    camera: str
    kept: dict[str, Any]
    _made: dict[str, Person] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host and port of the web server."""
        return urlsplit(self.url).netloc

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Call the API as the demo's person. Errors: Refused."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        answer = json.loads(content) if content else None
        if response.status >= 400:
            raise Refused(response.status, answer)
        return answer

    def incident(self, incident_id: str) -> Any:
        """Return the full form of an incident."""
        return self.ask("GET", f"/incidents/{incident_id}")

    def act(self, incident_id: str, path: str, **body: object) -> Any:
        """Do something to an incident on its newest version."""
        return self.ask("POST", f"/incidents/{incident_id}/{path}", {"version": self.version(incident_id), **body})

    def version(self, incident_id: str) -> int:
        """Return the newest version of an incident."""
        return int(self.incident(incident_id)["version"])

    def colleague(self, username: str) -> Person:
        """Return one of the town's other people, by username."""
        known = next(person for person in self.kept["people"] if person["username"] == username)
        return Person(known["username"], known["password"])

    def operator(self, name: str) -> Person:
        """Return an operator of the county of that name, entering it on the first call."""
        if name not in self._made:
            county = next(one for one in self.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
            person = Person(name.lower().replace(" ", "."), "Bridge-head-2611-" + secrets.token_hex(4))
            given = {"username": person.username, "password": person.password, "name": name}
            self.ask("POST", "/users", {**given, "roles": ["operator"], "jurisdiction_ids": [county["id"]]})
            self._made[name] = person
        return self._made[name]

    def alarm(self) -> str:
        """Press the reader's panel's button: one encrypted frame, acknowledged. Return the incident's id."""
        known = {one["id"] for one in self.open_incidents()}
        panel = self.panel
        send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], panel["event"], panel["zone"])
        return str(until(lambda: [one["id"] for one in self.open_incidents() if one["id"] not in known])[0])

    def alarm_of(self, key: str, event: str, zone: str) -> None:
        """Send an alarm as one of the town's own panels would."""
        given = next(panel for panel in self.kept["panels"] if panel["key"] == key)
        send_alarm((self.panel["host"], self.panel["port"]), given["account"], given["secret"], event, zone)

    def open_incidents(self) -> list[Any]:
        """Return the incidents that are not closed."""
        return list(self.ask("GET", "/incidents?open=true&limit=200")["items"])

    def clear(self) -> None:
        """End everything that is open, so that the next test begins with an empty queue."""
        for incident in self.open_incidents():
            if incident["owner"] is None or incident["owner"]["name"] != "林青":
                self.act(incident["id"], "claim")
            for assignment in self.incident(incident["id"])["assignments"]:
                if assignment["state"] not in ("cleared", "recalled"):
                    self.act(incident["id"], f"assignments/{assignment['id']}", state="recalled")
            self.act(incident["id"], "verdict", verdict="false", cause="maintenance")
            self.act(incident["id"], "close", disposition="false_maintenance")

    def retire_device(self, device_id: str) -> None:
        """Take a device out with its cameras, so that later tests see the town as it was."""
        version = self.ask("GET", f"/devices/{device_id}")["version"]
        self.ask("POST", f"/devices/{device_id}/retire", {"version": version})

    def worker_pids(self) -> list[int]:
        """The media workers of the server."""
        found = []
        for pid in processes(self.process.pid):
            with contextlib.suppress(OSError):
                if b"tocsin.media.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


def send_alarm(address: tuple[str, int], account: str, key_hex: str, event: str, zone: str) -> None:
    """Send one SIA DC-09 alarm, encrypted when there is a key, and read its acknowledgement."""
    sequence = f"{next(_SEQUENCE) % 9999 + 1:04d}"
    key = AesKey(bytes.fromhex(key_hex)) if key_hex else None
    header = Header("SIA-DCS", sequence, None, "0", account, is_encrypted=key is not None)
    message = Message(header, f"#{account}|Nri1/{event}{zone}".encode(), (), datetime.now(UTC))
    body = seal_message(message, key, secrets.token_bytes(31)) if key else encode_message(message)
    frame = encode_frame(body)
    with socket.create_connection(address, timeout=10) as line:
        line.sendall(frame)
        reply = line.recv(4096)
    assert re.search(rb'"\*?ACK"' + sequence.encode(), reply), reply


def until(look: Callable[[], T], timeout_s: float = 45.0) -> T:
    """Look again until something is there. Errors: AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain"
        time.sleep(0.05)


@contextlib.contextmanager
def running_town(data: Path, **settings: str) -> Iterator[Town]:
    """Start the demo on ports of its own, quiet, with further settings (`TOCSIN_...`); end it as Ctrl-C would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environment.update(
        TOCSIN_DC09__PORT=str(free_port()),
        TOCSIN_JT808__PORT=str(free_port()),
        TOCSIN_SIP__PORT=str(free_port()),
        TOCSIN_MEDIA__PORT=str(free_port()),
        TOCSIN_TIERS__COLD=str(data.parent / "far"),
    )
    # Four minutes of each alarm's cameras, drawn and fetched at once, would keep the machine busy for other tests.
    environment.update({"TOCSIN_EDGE__BEFORE_S": "12", "TOCSIN_EDGE__AFTER_S": "6", **settings})
    log = (data.parent / "demo.out").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "demo", "--data", str(data), "--port", str(free_port()), "--quiet-town"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        yield _connect(data, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


def _connect(data: Path, process: subprocess.Popen[bytes]) -> Town:
    """Wait until the server is ready and the reader's camera is on line."""

    def _known() -> dict[str, Any] | None:
        assert process.poll() is None, (data.parent / "demo.out").read_text(errors="replace")[-3000:]
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            known: dict[str, Any] = json.loads((data / "demo.json").read_text(encoding="utf-8"))
            connection = http.client.HTTPConnection(urlsplit(known["url"]).netloc, timeout=2)
            try:
                connection.request("GET", "/readyz")
                return known if connection.getresponse().status == 200 else None
            finally:
                connection.close()
        return None

    known = until(_known, READY_TIMEOUT_S)
    assert known is not None
    kept = json.loads((data / "town.json").read_text(encoding="utf-8"))
    person = Person(known["username"], known["password"])
    town = Town(data, process, known["url"], known["token"], person, known["panel"], known["camera"], kept)
    until(lambda: town.ask("GET", f"/cameras/{town.camera}")["state"] == "online", READY_TIMEOUT_S)
    return town
