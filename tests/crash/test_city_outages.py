"""Every storm and every outage of the simulated city against one data folder, the server's own death among them.

Nothing is lost, doubled or unseen; what has one cause is one incident with its list, which ends when they are back;
and nobody is accused of a silence that was ours. Waits on what the server says, not on the clock.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bench.city import city_server, server_of
from bench.harness import Server, server
from tests.crash.test_kill import SEED, kill_all, restart
from tocsin.base.clock import SystemClock
from tocsin.sim.city import City, open_city
from tocsin.sim.city_plan import CityPlan, CutKind, OutageKind, StormKind

pytestmark = pytest.mark.crash

POLL_S = 2.0
STARTS_S = 2.0  # at least
GRACE_S = POLL_S + 10.0  # of a panel, with a factor of 1
PLAN = CityPlan(
    share=0.02,
    seed=SEED,
    seconds=10.0,
    storms=tuple(StormKind),
    storm_at_s=0.5,
    pace=10.0,
    presses=6,
    sos_calls=6,
    retry_after_s=1.0,
    poll_s=POLL_S,
)
QUICK = {
    "TOCSIN_SUPERVISION__CHECK_S": "1",
    "TOCSIN_SUPERVISION__START_GRACE_S": "5",
    "TOCSIN_SUPERVISION__OVERDUE_FACTOR": "1",
    "TOCSIN_SUPERVISION__CAUSE_WINDOW_S": "10",
    "TOCSIN_INTERCOM__PING_S": "3",
    "TOCSIN_INTERCOM__MISSES": "2",
}


def outages(running: Server) -> list[dict[str, Any]]:
    """Return the outages the incidents stand for, the oldest first."""
    incidents = [one for one in running.every("/incidents") if one["kind"] == "supervisory"]
    return [running.call("GET", f"/incidents/{one['id']}/outage") for one in reversed(incidents)]


def own_codes(running: Server) -> Counter[str]:
    """Return what supervision told, counted."""
    signals = running.every("/signals")
    return Counter(event["code"] for one in signals if one["protocol"] == "tocsin" for event in one["events"])


async def until(running: Server, judge: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return the outages once they are so. Errors: AssertionError with what they are after a minute."""
    ends_s = time.monotonic() + 60.0
    while not judge(found := await asyncio.to_thread(outages, running)):
        assert time.monotonic() < ends_s, (found, own_codes(running))
        await asyncio.sleep(0.3)
    return found


def cut(city: City, kind: CutKind) -> int:
    """Cut what hangs on something, until it is restored; return how many devices those are."""
    return city.panels.cut(kind) + city.terminals.cut(kind) + city.intercoms.cut(kind)


def restore(city: City, kind: CutKind) -> None:
    """End it."""
    for part in (city.panels, city.terminals, city.intercoms):
        part.restore(kind)


async def test_every_storm_and_every_outage_adds_up_and_each_cause_is_one_incident_that_ends() -> None:
    print(f"seed {SEED}")
    with server(extra=QUICK) as running:
        async with open_city(PLAN, city_server(server_of(running)), SystemClock()) as city:
            await city.enter()
            await city.connect()
            assert city.connected == city.devices
            without_mains = cut(city, StormKind.MAINS)  # the storm's own is as long, or shorter
            living = asyncio.create_task(city.live())

            [told] = await until(running, lambda found: len(found) == 1)
            assert (told["cause"], told["value"]) == ("feeder", "模拟台区1")
            restore(city, StormKind.MAINS)
            [told] = await until(running, lambda found: found[0]["ended_at"] is not None)
            assert told["lost"] == told["back"] <= without_mains
            assert told["lost"] > without_mains / 2

            cut_off = cut(city, OutageKind.CARRIER)
            await until(running, lambda found: len(found) == 2)
            await asyncio.to_thread(kill_all, running)
            await asyncio.sleep(
                GRACE_S - STARTS_S
            )  # when it works again every panel has been silent too long, were it not for us
            await asyncio.to_thread(restart, running)
            restore(city, OutageKind.CARRIER)
            _, told = await until(running, lambda found: found[-1]["ended_at"] is not None)
            assert (told["cause"], told["value"]) == ("network", "模拟运营商1")
            assert told["lost"] == told["back"] <= cut_off
            assert told["lost"] > cut_off / 2

            await living
            cut(city, OutageKind.SERVER)
            city.panels.happen(city.schedule[0])
            restore(city, OutageKind.SERVER)
            await city.settle()
            report = await city.reckon()
        found = report.reckoning
        assert (found.unanswered, found.lost, found.doubled, found.unseen) == ([], [], [], [])
        assert report.holds
        assert found.sent > 450
        codes = await asyncio.to_thread(own_codes, running)
        assert codes == {"comms.group_failed": 2, "comms.group_restored": 2}, "somebody was accused"
