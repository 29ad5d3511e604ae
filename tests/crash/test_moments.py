"""`kill -9` at the two moments that matter: just before the commit, and between the commit and the ACK.

Source: alarm reference, reception rules and the test list, rows 7 and 8.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.harness import free_port
from tests.support.house import PEOPLE, build_town
from tocsin.domain.incident_detail import AlarmFilter, SignalFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.protocols.dc09.sender import Sender
from tocsin.settings import Settings, load_settings
from tocsin.stores import open_store

pytestmark = pytest.mark.crash

ACCOUNT = "0231"
DATA = f"#{ACCOUNT}|Nri1/BA004^west gate^".encode()


@contextlib.contextmanager
def receiver(data: Path, port: int, moment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a receiver that dies at a moment."""
    command = [sys.executable, "-m", "tests.crash.dying_receiver", str(data), str(port), moment]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        while process.stdout.readline() != b"listening\n":
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


async def say(port: int, frame: bytes) -> bytes:
    """Send a frame; return what comes back before the line ends, at most one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frame)
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r"), 20)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    finally:
        writer.close()


async def kept(settings: Settings) -> tuple[list[int], int]:
    """Return the copies of each stored signal, and how many alarms there are."""
    async with open_store(settings) as store:
        desk = IncidentService(store)
        signals = await desk.signals(SignalFilter(account=ACCOUNT), actor=PEOPLE.chief)
        alarms = await desk.alarms(AlarmFilter(), actor=PEOPLE.chief)
    return [stored.copies for stored, _ in signals], len(alarms)


@pytest.mark.parametrize(("moment", "left", "copies"), [("before", ([], 0), [1]), ("after", ([1], 1), [2])])
async def test_a_panel_that_repeats_itself_after_a_kill_is_one_alarm(
    tmp_path: Path, moment: str, left: tuple[list[int], int], copies: list[int]
) -> None:
    settings = load_settings(environ={}, overrides={"server.data": tmp_path})
    async with open_store(settings) as store:
        await store.run(build_town)
    port, panel = free_port(), Sender(ACCOUNT, retry_after_s=0.0)
    with receiver(tmp_path, port, moment) as process:
        assert await say(port, panel.send("SIA-DCS", DATA, datetime.now(UTC))) == b""
        assert process.wait(20) == -9
    assert await kept(settings) == left
    with receiver(tmp_path, port, "never"):
        (again,) = panel.handle_timer(datetime.now(UTC))
        assert b'"ACK"0001L0#0231[]' in await say(port, again)
    assert await kept(settings) == (copies, 1)
