"""rules-dry-run: a rule of the whole house tried on a million past signals, with others in force beside it.

The signals are a month of 3,786 panels: alarms, restores, openings, closings, faults, some life safety, some zones that
swing, written into the store as intake writes them. Measured is the trial as the console starts it.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from bench.harness import percentile, rss_mb
from bench.report import Bench
from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_id
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Role
from tocsin.domain.alarm_rules import Method, Rule
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import RuleTrials
from tocsin.domain.signals import Signal, SignalState, StoredSignal
from tocsin.storage import schema, tables_registry
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store

PANELS: Final = 3_786
SIGNALS: Final = 1_000_000
ZONES: Final = 8
A_GROUP: Final = 5_000
CHIEF: Final = Actor("chief", "Chief", frozenset({Role.SUPERVISOR}), ("3301",), is_on_duty=True)
KINDS: Final = ("infrared", "door", "glass", "smoke")


def run(seconds: float) -> Mapping[str, float]:
    """Write the signals, adopt some rules, try another."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> dict[str, float]:
    url = f"sqlite:///{folder / 'tocsin.db'}"
    await asyncio.to_thread(schema.prepare, url)
    clock = SystemClock()
    store = make_store(url, clock, HeadsFile(folder / "audit.heads"))
    await store.start()
    try:
        await store.run(_town)
        started = time.perf_counter()
        await _fill(store, clock.now())
        filled_s = time.perf_counter() - started
        rules, trials = RuleService(store), RuleTrials(store, clock)
        for method in (Method.SEQUENTIAL, Method.SWINGER, Method.CHATTER, Method.DISARMED):
            await rules.save(_rule(method, clock.now()), actor=CHIEF)
        lags: list[float] = []
        watch = asyncio.create_task(_watch(lags))
        started = time.perf_counter()
        trial = await trials.start(_rule(Method.CANCEL_WINDOW, clock.now()), actor=CHIEF, days=30)
        await trials.finished(trial.id)
        trial_s = time.perf_counter() - started
        watch.cancel()
        form: Any = trial.form()
        if form["state"] != "done" or form["signals"] != SIGNALS:
            raise RuntimeError(f"the trial read {form['signals']} signals and is {form['state']}: {form['problem']}")
        return {
            "trial_s": trial_s,
            "signals_per_s": SIGNALS / trial_s,
            "differences": float(form["differences"]),
            "alarms_before": float(form["alarms_before"]),
            "alarms_after": float(form["alarms_after"]),
            "loop_lag_p99_ms": percentile(lags, 0.99) * 1000,
            "rss_mb": rss_mb(os.getpid()),
            "fill_s": filled_s,
        }
    finally:
        await store.stop()


async def _watch(lags: list[float]) -> None:
    """Note how late the loop is: what a live signal would wait."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append(time.perf_counter() - started - 0.01)


def _rule(method: Method, now: datetime) -> Rule:
    return Rule(
        id=method.value, method=method, version_no=0, name=method.value, owner="bench",
        until_us=to_us(now + timedelta(days=30)), reason="bench",
    )  # fmt: skip


def _town(tx: Any) -> None:
    put = tx.connection.execute
    home = {"id": "j", "code": "3301", "short": "HC", "name": "河湾市", "level": "city"}
    put(insert(tables_registry.jurisdictions), [home])
    devices, zones = [], []
    for n in range(PANELS):
        devices.append(
            {
                "id": f"panel-{n:05d}", "kind": "panel", "name": f"主机 {n}", "jurisdiction_id": "j",
                "jurisdiction_code": "3301", "protocol": "dc09", "account": f"{n:05d}",
            }
        )  # fmt: skip
        for zone in range(1, ZONES + 1):
            zones.append(
                {
                    "id": f"zone-{n:05d}-{zone}", "device_id": f"panel-{n:05d}", "number": str(zone),
                    "kind": KINDS[zone % len(KINDS)],
                }
            )  # fmt: skip
    put(insert(tables_registry.devices), devices)
    put(insert(tables_registry.zones), zones)


async def _fill(store: AnyStore, now: datetime) -> None:
    group: list[StoredSignal] = []
    for signal in _signals(now - timedelta(days=29)):
        group.append(StoredSignal(new_id(), signal, SignalState.PROCESSED))
        if len(group) == A_GROUP:
            await store.run(lambda tx, group=group: tx.signals.insert_many(group))
            group = []
    if group:
        await store.run(lambda tx, group=group: tx.signals.insert_many(group))


def _signals(begin: datetime) -> Iterator[Signal]:
    """Yield a month of signals in the order of time, each panel with openings, closings, alarms and their restores."""
    chance = random.Random(27)
    step = timedelta(days=28) / SIGNALS
    kinds = _events()
    for n in range(SIGNALS):
        panel = chance.randrange(PANELS) if n % 10 else chance.randrange(40)  # forty send a tenth of all
        event = chance.choice(kinds)
        if event.zone:
            event = replace(event, zone=f"{chance.randint(1, 2 if panel < 40 else ZONES):03d}")
        yield Signal(
            protocol="dc09", transport="tcp", peer="127.0.0.1:40112", account=f"{panel:05d}", raw=b"\n" + bytes(90),
            received_at=begin.astimezone(UTC) + n * step, device_id=f"panel-{panel:05d}", dedup_key=str(n),
            events=(event,),
        )  # fmt: skip


def _events() -> list[NormalEvent]:
    """Return events as often as they come."""
    burglary = NormalEvent(
        "cid", "1130", EventKind.ALARM, Category.BURGLARY, 2, "Burglary alarm", "入侵报警", area="01", zone="001"
    )
    calm = replace(burglary, code="3130", kind=EventKind.RESTORE, priority=9)
    opened = replace(burglary, code="1401", kind=EventKind.OPEN, category=Category.OPENCLOSE, zone="", priority=9)
    closed = replace(opened, code="3401", kind=EventKind.CLOSE)
    power = replace(burglary, code="1301", kind=EventKind.TROUBLE, category=Category.POWER, zone="", priority=5)
    fire = replace(burglary, code="1110", category=Category.FIRE, priority=1)
    cancel = replace(opened, code="1406", kind=EventKind.CANCEL, category=Category.CANCEL, priority=7)
    return [burglary] * 30 + [calm] * 30 + [opened] * 12 + [closed] * 12 + [power] * 10 + [cancel] * 4 + [fire] * 2


BENCH = Bench(
    "rules-dry-run",
    f"a cancel window for the whole house tried on {SIGNALS:,} signals of a month of {PANELS:,} panels, four rules in "
    "force beside it, on SQLite, in the process that also receives; `loop_lag_p99_ms` is how late its loop was",
    run,
    {"trial_s": {"at_most": 30}},
    seconds=1.0,
)
