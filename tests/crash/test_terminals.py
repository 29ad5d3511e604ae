"""Terminals while the server is killed again and again: no acknowledged position is lost, a held SOS is one alarm.

TOCSIN_TEST_CRASHES sets the number of kills (5 by default); the seed is printed.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3

import pytest

from bench.harness import Server, server
from bench.terminals import FIRST_PHONE, enter_terminals
from tests.crash.test_kill import KILLS, SEED, assert_audit_holds, kill_all, restart
from tests.support.records import note
from tocsin.protocols.jt808.messages import Edition
from tocsin.sim.terminal import TerminalPlan, run_terminals

pytestmark = pytest.mark.crash

TERMINALS, PRESSES = 12, 4


async def test_killing_the_server_loses_no_position_and_a_held_button_stays_one_alarm() -> None:
    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED)
    with server() as running:
        await asyncio.to_thread(enter_terminals, running, TERMINALS)
        plan = TerminalPlan(
            port=running.ports["jt808"],
            phones=tuple(str(FIRST_PHONE + number) for number in range(TERMINALS)),
            editions=(Edition.Y2013, Edition.Y2019),
            seconds=KILLS * 4.0,
            rate_per_s=0,
            at_a_time=1,
            clock_before_s=18_000.0,
            heartbeat_s=0.0,
            sos=PRESSES,
            patience_s=5.0,
            tries=60,
            retry_after_s=1.0,
            seed=SEED,
        )
        sending = asyncio.create_task(run_terminals(plan))
        for _ in range(KILLS):
            await asyncio.sleep(dice.uniform(0.5, 2.0))
            await asyncio.to_thread(kill_all, running)
            await asyncio.to_thread(restart, running)
        report = await sending
        kept, alarms = await asyncio.to_thread(_stored, running)
        acknowledged = report.positions_acknowledged
        note(
            "terminals killed",
            times=KILLS,
            acknowledged=acknowledged,
            lost=max(0, acknowledged - kept) + max(0, PRESSES - alarms),
            doubled=max(0, kept - report.positions) + max(0, alarms - PRESSES),
            seed=str(SEED),
        )
        assert report.admitted == TERMINALS
        assert acknowledged > KILLS * TERMINALS
        assert acknowledged <= kept <= report.positions
        assert alarms == PRESSES
        await asyncio.to_thread(assert_audit_holds, running)


def _stored(running: Server) -> tuple[int, int]:
    with sqlite3.connect(f"file:{running.data / 'tocsin.sqlite3'}?mode=ro", uri=True) as database:
        positions = database.execute("SELECT count(*) FROM terminal_positions").fetchone()[0]
        alarms = database.execute("SELECT count(*) FROM alarms WHERE code = 'bit0'").fetchone()[0]
    return int(positions), int(alarms)
