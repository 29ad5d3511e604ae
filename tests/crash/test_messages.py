"""Webhooks, MQTT and public warnings while the server is killed again and again: nothing acknowledged is lost, nothing
is doubled, and what a broker retains never raises an alarm.

TOCSIN_TEST_CRASHES sets the number of kills (5 by default); the seed is printed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.harness import Server, server
from tests.crash.messages import BrokerDevice, StubbornHook, enter_sources, stored
from tests.crash.test_kill import KILLS, SEED, assert_audit_holds, kill_all, restart
from tests.support.brokers import Broker, free_port
from tests.support.records import note
from tocsin.base.clock import SystemClock
from tocsin.sim.cap import WarningOffice, WarningPlan

pytestmark = pytest.mark.crash

HOOKS = 3
WARNINGS = 40
DRAINED_WITHIN_S = 90.0
LOOK_EACH_S = 0.5
OLD = "old-1"


async def test_killing_the_server_loses_and_doubles_no_message_and_retained_ones_never_alarm(tmp_path: Path) -> None:
    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED)
    broker, device = Broker(free_port()), BrokerDevice(0)
    device.port = broker.port
    await broker.start(tmp_path)
    office = WarningOffice(WarningPlan(alerts=WARNINGS, every_s=1.0, seed=SEED), SystemClock())
    await office.start("127.0.0.1", 0)
    try:
        await device.retain(OLD)
        with server(extra={"TOCSIN_MQTT__URL": f"mqtt://127.0.0.1:{broker.port}"}) as running:
            feed = f"http://127.0.0.1:{office.port}/feed"
            secrets = await asyncio.to_thread(enter_sources, running, feed)
            await broker.says("Received SUBSCRIBE from tocsin")
            hooks = [StubbornHook(running, "hooks", secrets["hooks"], f"h{n}") for n in range(HOOKS)]
            hooks.append(StubbornHook(running, "warnings", secrets["warnings"], "w", is_cap=True))
            ending = asyncio.Event()
            sending = [asyncio.create_task(one.run(ending, 0.05)) for one in (*hooks, device)]
            issuing = asyncio.create_task(office.issue_all())
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.5, 2.0))
                await asyncio.to_thread(kill_all, running)
                await asyncio.to_thread(restart, running)
            ending.set()
            await asyncio.gather(*sending)
            issuing.cancel()
            await asyncio.gather(issuing, return_exceptions=True)
            taken = [name for one in (*hooks, device) for name in one.taken]
            issued = [one.identifier for one in office.issued]
            kept, raised = await _drained(running, {*taken, *issued})
            lost = [name for name in (*taken, *issued) if not kept[name] or not raised[name]]
            doubled = [name for name in kept if kept[name] > 1 or raised[name] > 1]
            answers = sum((one.answers for one in hooks), Counter[str]())
            print(f"{len(taken)} taken, {len(issued)} issued, lost {lost}, doubled {doubled}, {dict(answers)}")
            note(
                "messages killed",
                times=KILLS,
                acknowledged=len(taken) + len(issued),
                lost=len(lost),
                doubled=len(doubled),
                seed=str(SEED),
            )
            assert (lost, doubled) == ([], [])
            assert kept[OLD] == 0
            assert min(len(one.taken) for one in (*hooks, device)) > KILLS
            assert len(issued) > min(KILLS, WARNINGS) // 2
            await asyncio.to_thread(assert_audit_holds, running)
    finally:
        await office.stop()
        await broker.stop()


async def _drained(running: Server, names: set[str]) -> tuple[Counter[str], Counter[str]]:
    """Return what is stored once everything that was taken is, or when that takes too long."""
    until = time.monotonic() + DRAINED_WITHIN_S
    while True:
        kept, raised = await asyncio.to_thread(stored, running)
        if names <= {name for name in kept if raised[name]} or time.monotonic() > until:
            return kept, raised
        await asyncio.sleep(LOOK_EACH_S)
