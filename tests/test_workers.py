"""Timed jobs: each at its time, none lost to a failing store, what is kept for a time only deleted after it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import House, small_house
from tocsin import workers
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.intake import Intake
from tocsin.domain.supervision import Supervision

__all__ = ["small_house"]


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_job_runs_at_its_times_and_again_after_a_store_failure() -> None:
    clock = FixedClock()
    runs: list[float] = []

    async def _run() -> None:
        runs.append(clock.monotonic())
        if len(runs) == 2:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the store could not commit")

    task = asyncio.create_task(workers.every(clock, 5.0, _run))
    for _ in range(16):
        await _turn()
        clock.advance(1)
    await _turn()
    assert runs == [1005.0, 1010.0, 1015.0]
    task.cancel()


async def test_a_job_that_fails_otherwise_is_its_owners_to_restart() -> None:
    clock = FixedClock()

    async def _run() -> None:
        raise ValueError("a bug")

    task = asyncio.create_task(workers.every(clock, 1.0, _run))
    await _turn()
    clock.advance(1)
    with pytest.raises(ValueError, match="a bug"):
        await task


async def test_states_are_stored_soon_after_they_change(small_house: House) -> None:
    panel = await small_house.panel("1")
    task = asyncio.create_task(workers.settle_changes(small_house.clock, small_house.supervision))
    await _turn()
    small_house.supervision.touch(panel.id, small_house.clock.now())
    await _turn()
    small_house.clock.advance(workers.SETTLE_S)
    for _ in range(1_000):  # the writer is a thread of its own
        if (await small_house.device(panel.id)).state == "online":
            break
    assert (await small_house.device(panel.id)).state == "online"
    task.cancel()


async def test_feed_entries_go_after_a_day_and_not_before(small_house: House) -> None:
    await small_house.panel("1")
    small_house.clock.advance(timedelta(hours=23).total_seconds())
    await workers.trim(small_house.store)
    assert len(await small_house.facts("device.changed")) == 1
    small_house.clock.advance(timedelta(hours=2).total_seconds())
    await workers.trim(small_house.store)
    assert await small_house.facts("device.changed") == []


async def test_timed_work_on_incidents_runs_on_an_empty_house(small_house: House) -> None:
    await workers.run_incidents(small_house.store)


async def test_a_silent_panel_becomes_an_incident_and_its_return_restores_the_alarm(small_house: House) -> None:
    supervision = Supervision(small_house.store, small_house.directory, small_house.clock, Intake(small_house.store))
    small_house.supervision = supervision
    panel = await small_house.panel("1", poll_interval_s=60)
    supervision.touch(panel.id, small_house.clock.now())
    await small_house.pass_time(130)

    def _alarms(tx):
        from sqlalchemy import select

        from tocsin.storage.tables_alarms import alarms, incidents

        rows = tx.connection.execute(select(alarms.c.code, alarms.c.state, alarms.c.place_id)).all()
        titles = tx.connection.execute(select(incidents.c.title_en)).scalars().all()
        return [tuple(row) for row in rows], list(titles)

    rows, titles = await small_house.store.read(_alarms)
    assert rows == [("comms.path_failed", "open", small_house.school_a.id)]
    assert "No signals" in titles[0]
    supervision.touch(panel.id, small_house.clock.now())
    await supervision.settle()
    rows, titles = await small_house.store.read(_alarms)
    assert rows == [("comms.path_failed", "restored", small_house.school_a.id)]
    assert len(titles) == 1
