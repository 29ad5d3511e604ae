"""One alarm from the panel to the closed incident on PostgreSQL, and another across a stop of the database."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.harness import Server, server, tocsin
from bench.registry import Panel, enter_panels
from tests.support.postgresql import as_server_user, cluster, find_binary
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import Frame, FrameReader
from tocsin.protocols.dc09.sender import ReplyKind, Sender

pytestmark = pytest.mark.integration
PATIENCE_S = 30.0


class Database:
    """The cluster behind a URL, stopped and started by hand."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.folder = Path(asyncio.run(_ask(url, "show data_directory")))
        self.port = int(asyncio.run(_ask(url, "show port")))

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=60"
        self._control("-l", str(self.folder.parent / "log"), "-o", options, "start")

    def _control(self, *words: str) -> None:
        subprocess.run(
            [*as_server_user(), find_binary("pg_ctl"), "-D", str(self.folder), "-w", *words],
            check=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.folder.parent)},
            cwd=self.folder.parent,
        )


async def _ask(url: str, question: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(question))
    finally:
        await connection.close()


async def alarm(panel: Panel, port: int, number: int, waits_s: float) -> bool:
    """Send one alarm; say whether it was acknowledged in time."""
    sender = Sender(panel.account, key=AesKey(panel.key), first_sequence=number)
    now = datetime.now(UTC)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sender.send("SIA-DCS", f"#{panel.account}|Nri1/BA{number:03d}".encode(), now))
    try:
        async with asyncio.timeout(waits_s):
            while data := await reader.read(4096):
                for frame in FrameReader().receive(data):
                    assert isinstance(frame, Frame)
                    return sender.receive(frame, now).kind is ReplyKind.ACKNOWLEDGED
    except TimeoutError:
        pass
    finally:
        writer.close()
    return False


def until(what: str, found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(RuntimeError, OSError, http.client.HTTPException):
            if result := found():
                return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come")


def ready(running: Server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", running.ports["web"], timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_alarm_is_worked_on_postgresql_and_outlives_a_stop_of_the_database() -> None:
    with cluster() as url, server(extra={"TOCSIN_STORAGE__URL": url}) as running:
        database = Database(url)
        (panel,) = enter_panels(running, 1, places=1, encrypted_share=1)
        port = running.ports["dc09"]

        assert asyncio.run(alarm(panel, port, 1, PATIENCE_S))
        (incident,) = until("the incident", lambda: running.call("GET", "/incidents")["items"])
        path = f"/incidents/{incident['id']}"
        incident = running.call("POST", f"{path}/claim", {"version": running.call("GET", path)["version"]})
        verdict = {"version": incident["version"], "verdict": "false", "cause": "user_error"}
        incident = running.call("POST", f"{path}/verdict", verdict)
        if incident["state"] != "closed":
            incident = running.call("POST", f"{path}/close", {"version": incident["version"]})
        assert incident["state"] == "closed"

        database.stop()
        assert not asyncio.run(alarm(panel, port, 2, 3.0))
        assert until("the refusal", lambda: ready(running) == 503)
        assert running.process.poll() is None
        database.start()
        assert until("the return", lambda: ready(running) == 200)
        assert asyncio.run(alarm(panel, port, 2, PATIENCE_S))
        opened = until("the second incident", lambda: running.call("GET", "/incidents?state=new")["items"])
        assert len(opened) == 1
        assert "Traceback" not in (running.data / "serve.log").read_text(errors="replace")
        assert '"holds":true' in tocsin("verify", "audit", "--json", environment=running.environment).replace(" ", "")
