"""The simulated city while things die under it: the server, PostgreSQL, one gateway.

Nothing acknowledged is lost, nothing is doubled, every alarm came to the screen, and it works again within seconds.
TOCSIN_TEST_CRASHES sets the number of kills (5 by default; `make soak`: a hundred); the seed is printed. How soon it
works again is a promise of a machine that does nothing else: judged in `make soak`, only bounded in `make test`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.city import city_server, server_of
from bench.harness import server
from tests.crash.test_kill import KILLS, SEED, assert_audit_holds, kill_all, restart
from tests.support.city import House, build_house
from tests.support.postgresql import own_cluster
from tests.support.records import note
from tocsin.base.clock import SystemClock
from tocsin.sim.city import City, open_city
from tocsin.sim.city_ledger import Reckoning, reckon
from tocsin.sim.city_plan import CityPlan, StormKind

pytestmark = pytest.mark.crash

SHARE = 0.01
TIMES = KILLS if KILLS < 50 else 2 * KILLS
EVENT_S = 0.02
BACK_WITHIN_S = 30.0
REACH_S = 5.0
PLAN = CityPlan(share=SHARE, seed=SEED, storms=(StormKind.BURST,), rate_per_s=0.0, retry_after_s=1.0, patience_s=60.0)


@contextlib.asynccontextmanager
async def busy(city: City) -> AsyncIterator[None]:
    """Let one thing after another happen in the city until the block ends, then wait for the last answers."""

    async def happen() -> None:
        for one in itertools.cycle(city.schedule):
            city.panels.happen(one)
            await asyncio.sleep(EVENT_S)

    happening = asyncio.create_task(happen())
    try:
        yield
    finally:
        happening.cancel()
        await asyncio.gather(happening, return_exceptions=True)
    await city.settle()


async def back(city: City, since_s: float) -> float:
    """Return how long after a moment something is acknowledged again."""
    before = city.ledger.acknowledged
    while city.ledger.acknowledged == before:
        assert time.monotonic() < since_s + BACK_WITHIN_S, "nothing is acknowledged any more"
        await asyncio.sleep(0.02)
    return time.monotonic() - since_s


def keep(test: str, found: Reckoning, recoveries_s: list[float]) -> None:
    """Print and keep what a test found; nothing may be wrong."""
    median_s, worst_s = statistics.median(recoveries_s), max(recoveries_s)
    print(f"{test}: {found.acknowledged} acknowledged; back after {median_s:.2f} s, at worst {worst_s:.2f} s")
    note(
        test,
        times=len(recoveries_s),
        acknowledged=found.acknowledged,
        lost=len(found.lost),
        doubled=len(found.doubled),
        recovery_p50_s=round(median_s, 2),
        recovery_worst_s=round(worst_s, 2),
        seed=str(SEED),
    )
    assert (found.unanswered, found.lost, found.doubled, found.unseen) == ([], [], [], [])
    assert found.acknowledged > 10 * len(recoveries_s)
    if "TOCSIN_TEST_RECORD" in os.environ:
        assert median_s < REACH_S


async def enter(city: City) -> None:
    """Enter and connect the city."""
    await city.enter()
    await city.connect()
    assert city.connected == city.devices


async def test_killing_the_server_under_the_city_loses_and_doubles_nothing_and_all_is_shown() -> None:
    print(f"seed {SEED}, {TIMES} kills")
    dice = random.Random(SEED)
    with server() as running:
        async with open_city(PLAN, city_server(server_of(running)), SystemClock()) as city:
            await enter(city)
            recoveries_s = []
            async with busy(city):
                for kill in range(TIMES):
                    await asyncio.sleep(dice.uniform(0.3, 1.5))
                    if kill < len(city.crews):
                        city.terminals.press(kill)  # on its way when the server dies, or just before
                    await asyncio.to_thread(kill_all, running)
                    killed_s = time.monotonic()
                    await asyncio.to_thread(restart, running)
                    recoveries_s.append(await back(city, killed_s))
            report = await city.reckon()
            keep("city, server killed", report.reckoning, recoveries_s)
            assert report.reckoning.sent > len(city.ledger.presses) > 0
        await asyncio.to_thread(assert_audit_holds, running)


async def test_killing_postgresql_under_the_city_loses_and_doubles_nothing_and_the_server_stays() -> None:
    dice = random.Random(SEED + 7)
    with own_cluster() as database, server(extra={"TOCSIN_STORAGE__URL": database.url}) as running:
        async with open_city(PLAN, city_server(server_of(running)), SystemClock()) as city:
            await enter(city)
            recoveries_s = []
            async with busy(city):
                for _ in range(TIMES):
                    await asyncio.sleep(dice.uniform(0.3, 1.5))
                    await asyncio.to_thread(database.kill)
                    killed_s = time.monotonic()
                    await asyncio.sleep(dice.uniform(0.0, 0.5))
                    await asyncio.to_thread(database.start)
                    recoveries_s.append(await back(city, killed_s))
            report = await city.reckon()
            keep("city, PostgreSQL killed", report.reckoning, recoveries_s)
        assert running.process.poll() is None
        await asyncio.to_thread(assert_audit_holds, running)


async def test_a_gateway_that_dies_in_the_middle_of_frames_comes_back_alone(tmp_path: Path) -> None:
    dice = random.Random(SEED + 8)
    async with build_house(tmp_path, PLAN) as house:
        city = house.city
        recoveries_s = []
        async with busy(city):
            for kill in range(TIMES):
                await asyncio.sleep(dice.uniform(0.3, 1.5))
                others = city.terminals.reconnects
                house.tear_down_dc09()
                killed_s = time.monotonic()
                if kill < len(city.crews):
                    city.terminals.press(kill)
                recoveries_s.append(await back_of_panels(house, killed_s))
                assert city.terminals.reconnects == others, "the other gateway noticed"
        signals = await house.signals()
        found = reckon(city.ledger, signals, house.heard)
        keep("city, gateway torn down", found, recoveries_s)
        assert [standing.restarts for standing in house.gateways.standings] == [TIMES, 0]


async def back_of_panels(house: House, since_s: float) -> float:
    """Return how long after a moment an event of a panel is acknowledged again."""

    def count() -> int:
        return sum(entry.acked_ms is not None for entry in house.city.ledger.events.values())

    standing = house.gateways.standings[0]
    restarts, before = standing.restarts, count()
    while not (standing.is_up and standing.restarts > restarts and count() > before):
        assert time.monotonic() < since_s + BACK_WITHIN_S, "no panel is acknowledged any more"
        if standing.restarts == restarts:
            before = count()  # what was read before the crash may still be answered
        await asyncio.sleep(0.02)
    return time.monotonic() - since_s
