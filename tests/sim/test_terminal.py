"""Simulated terminals against the gateway, intake and a database: what was sent, answered, kept and shown agrees."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import func, insert, select

from tests.support.house import CAR, NORTH, PEOPLE, build_town
from tocsin.base.clock import SystemClock
from tocsin.base.vault import Vault
from tocsin.domain.directory import Directory
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.supervision import Supervision
from tocsin.domain.terminal_intake import TerminalIntake
from tocsin.gateways.jt808 import Jt808Config, Jt808Gateway
from tocsin.protocols.jt808.messages import Edition
from tocsin.sim.terminal import TerminalPlan, run_terminals
from tocsin.storage import schema, tables_alarms, tables_registry
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store
from tocsin.storage.tables_terminals import terminal_positions

PHONES = tuple(str(13_800_138_000 + n) for n in range(6))


async def test_everything_sent_is_answered_kept_once_and_confirmed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    schema.prepare(url)
    clock = SystemClock()
    store = make_store(url, clock, HeadsFile(tmp_path / "audit.heads"))
    await store.start()
    await store.run(_build)
    intake = Intake(store)
    directory = Directory(store, Vault(bytes(32)))
    supervision = Supervision(store, directory, clock, intake)
    await directory.load()
    terminals = TerminalIntake(store, intake, clock, keep_hours=24)
    gateway = Jt808Gateway(Jt808Config(port=0), terminals, intake, directory, supervision, clock)
    terminals.on_confirmed = gateway.confirm
    store.on_committed(terminals.hear)
    await gateway.start()
    await terminals.start()
    confirming = asyncio.create_task(terminals.keep_confirmed())
    taking = asyncio.create_task(_take_incidents(store))
    plan = TerminalPlan(
        port=gateway.health().port,
        phones=PHONES,
        editions=tuple(Edition),
        reports=240,
        rate_per_s=0,
        at_a_time=4,
        sos=3,
        dead_zones=2,
        dead_reports=25,
        heartbeat_s=1.0,
        patience_s=20.0,
        retry_after_s=1.0,
    )
    try:
        report = await run_terminals(plan, clock)
    finally:
        for task in (confirming, taking):
            task.cancel()
        await asyncio.gather(confirming, taking, return_exceptions=True)
        await gateway.stop()
    kept, presses = await store.read(_counts)
    await store.stop()
    assert (report.admitted, report.sent) == (6, report.acknowledged)
    assert (report.presses, report.confirmed, presses) == (3, 3, 3)
    assert report.positions_acknowledged == report.positions == 240 + 2 * 25
    assert kept == report.positions_acknowledged
    assert gateway.counters["not_committed"] == 0


def _build(tx) -> None:
    build_town(tx)
    tx.connection.execute(
        insert(tables_registry.devices),
        [
            {
                "id": f"terminal-{phone}",
                "kind": "terminal",
                "name": phone,
                "name_en": phone,
                "search": "",
                "jurisdiction_id": "j-north",
                "jurisdiction_code": NORTH,
                "protocol": "jt808",
                "account": phone,
                "settings": f'{{"unit_id": "{CAR}"}}',
            }
            for phone in PHONES
        ],
    )


async def _take_incidents(store) -> None:
    """An operator who takes each incident as it is opened."""
    incidents = IncidentService(store)
    opened = asyncio.Event()
    store.on_committed(lambda items: opened.set())
    while True:
        await opened.wait()
        opened.clear()
        for incident in await store.read(_new_incidents):
            await incidents.claim(incident.id, actor=PEOPLE.li, version=incident.version)


def _new_incidents(tx):
    ids = tx.connection.execute(
        select(tables_alarms.incidents.c.id).where(tables_alarms.incidents.c.state == "new")
    ).scalars()
    return list(tx.incidents.load(set(ids)).values())


def _counts(tx) -> tuple[int, int]:
    def count(query) -> int:
        return int(tx.connection.execute(query).scalar())

    return (
        count(select(func.count()).select_from(terminal_positions)),
        count(select(func.count()).select_from(tables_alarms.alarms)),
    )
