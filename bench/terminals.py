"""jt808-positions: location reports of terminals stored and acknowledged after the commit, with presses among them."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bench.harness import Server, server
from bench.report import Bench

TERMINALS, PRESSES, FIRST_PHONE = 1_200, 40, 13_800_000_000
ROUNDS = 3
BEFORE_S = 3_600  # each round lies in an hour of its own
OTHER_CORE = ["taskset", "-c", str((os.cpu_count() or 1) - 1)]  # the terminals keep off the server's


def run(seconds: float) -> Mapping[str, float]:
    """Measure three rounds as fast as answers come, four reports of each terminal under way; then count what is kept.

    `lost` are acknowledged positions that are not in the database, `doubled` presses that are more than one alarm.
    """
    rates, p99, acknowledged, presses = [], [], 0, 0
    with server() as running:
        enter_terminals(running, TERMINALS)
        for number in range(ROUNDS):
            report = simulate(running, TERMINALS, seconds, PRESSES if number == 0 else 0, number)
            rates.append(report["positions_acknowledged"] / report["seconds"])
            p99.append(report["latency_ms"]["p99"])
            acknowledged += report["positions_acknowledged"]
            presses += report["presses"]
        kept, alarms = _stored(running)
    return {
        "positions_per_s": statistics.median(rates),
        "positions_per_s_best": max(rates),
        "ack_p99_ms": statistics.median(p99),
        "acknowledged": acknowledged,
        "lost": max(0, acknowledged - kept),
        "doubled": max(0, alarms - presses),
        "presses_lost": max(0, presses - alarms),
    }


def enter_terminals(running: Server, count: int) -> None:
    """Enter terminals with numbers counted upwards, each of a unit of its own that is on duty."""
    jurisdiction = str(running.call("GET", "/jurisdictions?limit=1")["items"][0]["id"])

    def enter(number: int) -> None:
        unit = running.call(
            "POST", "/units", {"name": f"单位{number}", "call_sign": f"T{number}", "jurisdiction_id": jurisdiction}
        )
        running.call(
            "POST",
            "/devices",
            {
                "kind": "terminal",
                "protocol": "jt808",
                "name": f"终端{number:05d}",
                "jurisdiction_id": jurisdiction,
                "address": {"account": str(FIRST_PHONE + number)},
                "settings": {"unit_id": unit["id"]},
            },
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(count)))


def simulate(running: Server, count: int, seconds: float, presses: int, seed: int) -> dict[str, object]:
    """Run the terminals in a process of their own and return their report."""
    words = (
        *("simulate", "terminal", "--port", str(running.ports["jt808"]), "--phone", str(FIRST_PHONE)),
        *("--terminals", str(count), "--edition", "2013", "--edition", "2019", "--rate", "0", "--at-a-time", "4"),
        *("--seconds", str(seconds), "--sos", str(presses), "--patience", "3", "--seed", str(seed)),
        *("--clock-before", str(BEFORE_S * (ROUNDS - seed))),  # no second of a terminal comes twice
    )
    done = subprocess.run([*OTHER_CORE, sys.executable, "-m", "tocsin", *words], stdout=subprocess.PIPE, check=False)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _stored(running: Server) -> tuple[int, int]:
    with sqlite3.connect(f"file:{running.data / 'tocsin.sqlite3'}?mode=ro", uri=True) as database:
        positions = database.execute("SELECT count(*) FROM terminal_positions").fetchone()[0]
        alarms = database.execute("SELECT count(*) FROM alarms WHERE code_system = 'jt808'").fetchone()[0]
    return int(positions), int(alarms)


BENCH = Bench(
    "jt808-positions",
    "JT/T 808 location reports stored and acknowledged after the commit: 1,200 terminals of units on duty, "
    "half of 2019, 40 of them holding their SOS button; median of three rounds",
    run,
    {
        "positions_per_s": {"at_least": 5_000},
        "lost": {"at_most": 0},
        "doubled": {"at_most": 0},
        "presses_lost": {"at_most": 0},
    },
)
