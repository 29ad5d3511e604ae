"""Crash tests: the server and its worker are killed under load, the power is cut, the disk fills. Nothing that was
acknowledged is lost, nothing is doubled, the audit chain holds.

TOCSIN_TEST_CRASHES sets the number of kills (5 by default, 50 in `make soak`); the seed is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bench.harness import Server, server, stop, tocsin, wait_ready
from bench.registry import Panel, enter_panels
from tests.crash.panels import StubbornPanel
from tests.crash.reconcile import reconcile
from tests.support.records import note

pytestmark = pytest.mark.crash

KILLS = int(os.environ.get("TOCSIN_TEST_CRASHES", "5"))
SEED = int(os.environ.get("TOCSIN_TEST_SEED", str(int(time.time()))))
PANELS = 12


@contextlib.asynccontextmanager
async def load(panels: list[Panel], port: int, pause_s: float = 0.005) -> AsyncIterator[list[StubbornPanel]]:
    """Panels that alarm all the time until the block ends."""
    senders = [StubbornPanel(panel, port) for panel in panels]
    ending = asyncio.Event()
    tasks = [asyncio.create_task(sender.run(9_000, ending, pause_s)) for sender in senders]
    try:
        yield senders
    finally:
        ending.set()
        await asyncio.gather(*tasks)
        for sender in senders:
            await sender.close()


def restart(running: Server, environment: dict[str, str] | None = None) -> None:
    """Start the server of `running` again on the same data and ports."""
    log = (running.data / "serve.log").open("ab")
    running.process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "serve"], env=environment or running.environment, stdout=log, stderr=log
    )
    wait_ready(running.process, running.ports["web"], running.data / "serve.log")


def kill_all(running: Server) -> None:
    """Kill the server; its workers die with it or are killed too."""
    pids = running.pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()


def keep(test: str, senders: list[StubbornPanel], lost: list[str], doubled: list[str], times: int = KILLS) -> None:
    """Keep the figures of a test for `make soak`."""
    acknowledged = sum(len(sender.acknowledged) for sender in senders)
    note(test, times=times, acknowledged=acknowledged, lost=len(lost), doubled=len(doubled), seed=str(SEED))


def assert_audit_holds(running: Server) -> None:
    environment = {key: value for key, value in running.environment.items() if key != "LD_PRELOAD"}
    assert '"holds": true' in tocsin("verify", "audit", "--json", environment=environment).replace('":true', '": true')


async def test_killing_the_media_worker_leaves_alarms_alone_and_it_comes_back() -> None:
    dice = random.Random(SEED + 1)
    with server() as running:
        panels = await asyncio.to_thread(enter_panels, running, PANELS, places=4)
        async with load(panels, running.ports["dc09"]) as senders:
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.1, 0.5))
                workers = await asyncio.to_thread(running.worker_pids)
                assert workers
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
                deadline = time.monotonic() + 10
                while not set(await asyncio.to_thread(running.worker_pids)) - set(workers):
                    assert time.monotonic() < deadline, "the worker was not started again"
                    await asyncio.sleep(0.05)
        lost, doubled = await asyncio.to_thread(reconcile, running, senders)
        keep("media worker killed", senders, lost, doubled)
        assert (lost, doubled) == ([], [])
        assert running.process.poll() is None


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk that forgets, compiled."""
    built = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl", "-lpthread"],
        check=True,
    )
    return built


async def test_a_power_cut_loses_nothing_that_was_acknowledged(shim: Path, tmp_path: Path) -> None:
    """After each kill the data folder is put back to what had been synced, as if the power had gone."""
    dice = random.Random(SEED + 2)
    data, shadow = tmp_path / "data", tmp_path / "shadow"
    data.mkdir()
    extra = {"LD_PRELOAD": str(shim), "TOCSIN_TEST_SHIM_ROOT": str(data), "TOCSIN_TEST_SHIM_SHADOW": str(shadow)}
    with server(data=data) as prepared:
        panels = await asyncio.to_thread(enter_panels, prepared, PANELS, places=4)
    _sync_shadow(data, shadow)
    with server(data=data, extra=extra) as running:
        async with load(panels, running.ports["dc09"]) as senders:
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.3, 1.2))
                await asyncio.to_thread(kill_all, running)
                await asyncio.to_thread(_cut_power, data, shadow)
                await asyncio.to_thread(restart, running)
        lost, doubled = await asyncio.to_thread(reconcile, running, senders)
        keep("power cut", senders, lost, doubled)
        assert (lost, doubled) == ([], [])
        assert sum(len(sender.acknowledged) for sender in senders) > KILLS
        await asyncio.to_thread(assert_audit_holds, running)


def _sync_shadow(data: Path, shadow: Path) -> None:
    """Everything of a cleanly stopped server is on the disk."""
    shadow.mkdir(exist_ok=True)
    for file in data.rglob("*"):
        if file.is_file():
            shutil.copyfile(file, shadow / str(file.relative_to(data)).replace("/", "%"))


def _cut_power(data: Path, shadow: Path) -> None:
    """Leave in `data` what had been synced and nothing else; the log of the server may stay."""
    for file in data.rglob("*"):
        if file.is_file() and file.name != "serve.log":
            file.unlink()
    for kept in shadow.iterdir():
        if kept.suffix.lstrip(".").isdigit() or kept.name.endswith(("-shm", "serve.log")):
            continue
        target = data / kept.name.replace("%", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, target)


async def test_a_slow_disk_delays_acknowledgements_and_loses_nothing(shim: Path) -> None:
    with server(extra={"LD_PRELOAD": str(shim), "TOCSIN_TEST_SHIM_DELAY_MS": "30"}) as running:
        panels = await asyncio.to_thread(enter_panels, running, PANELS, places=4)
        async with load(panels, running.ports["dc09"]) as senders:
            await asyncio.sleep(2)
        lost, doubled = await asyncio.to_thread(reconcile, running, senders)
        keep("disk with 30 ms a sync", senders, lost, doubled, times=1)
        assert (lost, doubled) == ([], [])
        assert all(sender.acknowledged for sender in senders)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_stops_acknowledgements_says_so_and_recovers_by_itself(small_disk: Path) -> None:
    with server(data=small_disk) as running:
        panels = await asyncio.to_thread(enter_panels, running, PANELS, places=4)
        filler = small_disk / "filler"
        async with load(panels, running.ports["dc09"], pause_s=0.002) as senders:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(_fill, filler)
            await _until(lambda: running.call("GET", "/status")["store"]["state"] == "failing", 30)
            notices = await asyncio.to_thread(running.call, "GET", "/status")
            assert any(notice["key"].startswith("store.") for notice in notices["notices"])
            stuck = await _stands_still(lambda: sum(len(sender.acknowledged) for sender in senders), 1.0, 30)
            filler.unlink()
            await _until(lambda: running.call("GET", "/status")["store"]["state"] == "ok", 30)
            await _until(lambda: sum(len(sender.acknowledged) for sender in senders) > stuck + PANELS, 30)
        lost, doubled = await asyncio.to_thread(reconcile, running, senders)
        keep("disk full", senders, lost, doubled, times=1)
        assert (lost, doubled) == ([], [])
        await asyncio.to_thread(assert_audit_holds, running)
        stop(running.process)


def _fill(filler: Path) -> None:
    """Write until the disk has no room left, down to the last page."""
    with filler.open("wb", buffering=0) as file:
        for size_bytes in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size_bytes)


async def _stands_still(count: Callable[[], int], for_s: float, limit_s: float) -> int:
    """Wait until a count no longer grows: answers to what was committed before may still be on their way.

    Errors: AssertionError after `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    last, since_s = count(), time.monotonic()
    while time.monotonic() < since_s + for_s:
        assert time.monotonic() < deadline, f"still acknowledged: {last}"
        await asyncio.sleep(0.02)
        if (now := count()) != last:
            last, since_s = now, time.monotonic()
    return last


async def _until(holds: object, limit_s: float) -> None:
    """Wait until `holds()` is true. Errors: AssertionError after `limit_s`."""
    assert callable(holds)
    deadline = time.monotonic() + limit_s
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)
