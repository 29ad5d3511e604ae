"""Reports of terminals in a store: one press one alarm, whatever repeats; positions of units on duty, for a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from tests.support.clocks import START, FixedClock
from tests.support.house import BANK_HALL, CAR, NORTH, PEOPLE, SCHOOL, SHOP, WEST_GATE, YARD, build_town
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.dispositions import FALSE_CAUSES
from tocsin.domain.incident_detail import IncidentDetail
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.incidents import Verdict
from tocsin.domain.intake import Intake
from tocsin.domain.terminal_intake import TerminalIntake
from tocsin.domain.terminals import Position, Report, Terminal
from tocsin.domain.unit_service import UnitService
from tocsin.domain.units import UnitState
from tocsin.protocols.jt808.alarms import CLEARED_BY_CONFIRMATION, KEPT_BITS, edge_events
from tocsin.protocols.jt808.location import Location
from tocsin.storage import tables_alarms, tables_registry
from tocsin.storage.store import AnyStore
from tocsin.storage.tables_terminals import terminal_positions

TERMINAL = "terminal-1"


def build(tx: Any) -> None:
    build_town(tx)
    tx.connection.execute(
        insert(tables_registry.devices).values(
            id=TERMINAL,
            kind="terminal",
            name="巡逻车 M21 终端",
            name_en="Terminal of M21",
            search="",
            jurisdiction_id="j-north",
            jurisdiction_code=NORTH,
            protocol="jt808",
            account="13800138000",
        )
    )


def _ids(tx: Any) -> list[str]:
    return list(tx.connection.execute(select(tables_alarms.incidents.c.id)).scalars())


class House:
    """A store with a town, intake and terminals."""

    def __init__(self, store: AnyStore, clock: FixedClock) -> None:
        self.store, self.clock = store, clock
        self.intake = Intake(store)
        self.terminals = TerminalIntake(store, self.intake, clock, keep_hours=24)
        self.serial = 0

    async def send(
        self,
        word: int = 0,
        *,
        at_s: float = 0,
        is_batch: bool = False,
        unit: str = CAR,
        count: int = 1,
        lat: float = 30.2,
        has_fix: bool = True,
    ) -> str:
        """Hand in reports a second apart; return the signal id of the first."""
        futures = []
        for n in range(count):
            at = self.clock.now() + timedelta(seconds=at_s + n)
            lat_e6 = round(lat * 1e6) + n
            location = Location(alarm=word, status=2 * has_fix, lat_e6=lat_e6, lon_e6=120_100_000, at=at)
            self.serial += 1
            futures.append(
                self.terminals.accept(
                    Report(
                        TERMINAL,
                        "13800138000",
                        "10.0.0.1:5",
                        b"\x7e\x7e",
                        self.serial,
                        self.clock.now(),
                        at,
                        word & KEPT_BITS,
                        CLEARED_BY_CONFIRMATION,
                        partial(edge_events, location=location),
                        Position(TERMINAL, at, location.lon_e6, lat_e6, 300, 90) if has_fix else None,
                        unit,
                        is_batch,
                    )
                )
            )
        return (await asyncio.gather(*futures))[0]

    async def count(self, table: Any) -> int:
        found: int = await self.store.read(
            lambda tx: tx.connection.execute(select(func.count()).select_from(table)).scalar()
        )
        return found

    async def terminal(self) -> Terminal:
        found: Terminal = (await self.store.read(lambda tx: tx.terminals.load([TERMINAL])))[TERMINAL]
        return found


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    await store.run(build)
    made = House(store, clock)
    code = await made.terminals.register(TERMINAL, "T0001", "2013", "TOCSI", "M", "10.0.0.1:5")
    assert code is not None
    assert await made.terminals.authenticate(TERMINAL, code) is not None
    return made


async def test_a_press_is_one_alarm_over_many_reports_and_over_a_restart(house: House) -> None:
    first = await house.send(1)
    assert first
    assert await house.send(1, count=50, at_s=1) == ""
    again = House(house.store, house.clock)
    assert await again.send(1, at_s=60) == ""
    assert await house.count(tables_alarms.alarms) == 1
    await again.send(0, at_s=61)
    assert await again.send(1, at_s=62)
    assert await house.count(tables_alarms.alarms) == 2


async def test_an_operator_who_takes_the_incident_confirms_the_press(house: House) -> None:
    await house.send(1)
    assert await house.terminals.confirm() == []
    incidents = IncidentService(house.store)
    (incident,) = await house.store.read(lambda tx: list(tx.incidents.load(_ids(tx)).values()))
    await incidents.claim(incident.id, actor=PEOPLE.li, version=incident.version)
    (confirmed,) = await house.terminals.confirm()
    assert (confirmed.device_id, confirmed.confirmed_at) == (TERMINAL, house.clock.now())
    assert (await house.terminal()).confirmed_at == house.clock.now()
    assert await house.terminals.confirm() == []
    await house.send(0, at_s=5)
    assert (await house.terminal()).confirmed_at is None


async def test_positions_are_kept_of_a_unit_on_duty_once_a_second_and_move_it(house: House) -> None:
    await house.send(count=5)
    await house.send(count=5)
    assert await house.count(terminal_positions) == 5
    unit = await UnitService(house.store).get(CAR, actor=PEOPLE.li)
    assert (unit.lat, unit.fix_at) == (30.200004, house.clock.now() + timedelta(seconds=4))
    await house.send(at_s=-60)
    assert (await UnitService(house.store).get(CAR, actor=PEOPLE.li)).fix_at == unit.fix_at


async def test_nothing_is_kept_of_a_unit_off_duty_or_from_before_it_came_on_duty_or_without_one(house: House) -> None:
    units = UnitService(house.store)
    unit = await units.get(CAR, actor=PEOPLE.li)
    off = await units.set_state(CAR, UnitState.OFF_DUTY, actor=PEOPLE.li, version=unit.version)
    await house.send(1)
    assert await house.count(tables_alarms.alarms) == 1
    house.clock.advance(60)
    await units.set_state(CAR, UnitState.AVAILABLE, actor=PEOPLE.li, version=off.version)
    await house.send(at_s=-30, is_batch=True)
    await house.send(unit="")
    await house.send(unit="unit-of-nobody")
    await house.send(at_s=3600)
    assert await house.count(terminal_positions) == 0
    await house.send()
    assert await house.count(terminal_positions) == 1


async def test_positions_end_after_their_hours(house: House) -> None:
    await house.send(count=3)
    house.clock.advance(3600)
    await house.send(count=2)
    assert await house.terminals.forget() == 0
    house.clock.advance(23 * 3600 + 10)
    assert await house.terminals.forget() == 3
    house.clock.advance(3600)
    assert await house.terminals.forget() == 2
    await house.send(at_s=-25 * 3600, is_batch=True)
    assert await house.count(terminal_positions) == 0


async def test_another_terminal_is_not_registered_under_the_number_and_an_old_code_ends(house: House) -> None:
    assert await house.terminals.register(TERMINAL, "T0002", "2013", "", "", "p") is None
    first = await house.terminals.register(TERMINAL, "T0001", "2019", "", "", "p")
    assert first is not None
    assert await house.terminals.authenticate(TERMINAL, first) is not None
    second = await house.terminals.register(TERMINAL, "T0001", "2019", "", "", "p")
    assert second is not None
    assert await house.terminals.authenticate(TERMINAL, first) is not None, "the answer may have been lost"
    assert await house.terminals.authenticate(TERMINAL, second) is not None
    assert await house.terminals.authenticate(TERMINAL, first) is None
    assert await house.terminals.authenticate(TERMINAL, "") is None
    rows = await house.store.read(lambda tx: tx.connection.exec_driver_sql("SELECT * FROM terminals").all())
    assert second not in str(rows)


async def test_a_report_of_a_terminal_taken_out_meanwhile_is_answered_and_leaves_nothing(house: House) -> None:
    gone = Report("nobody", "1", "p", b"", 1, START, START, 1, 1, lambda before: (), None)
    assert await house.terminals.accept(gone) == ""


async def test_a_failing_commit_raises_and_leaves_no_alarm_behind(house: House) -> None:
    def fails(before: int) -> tuple[Any, ...]:
        raise TocsinError(ErrorCode.INVALID, "this report cannot be judged")

    bad = Report(TERMINAL, "1", "p", b"", 1, house.clock.now(), None, 1, 1, fails)
    future = house.terminals.accept(bad)
    assert await house.send(1)
    with pytest.raises(TocsinError):
        await future
    assert await house.count(tables_alarms.alarms) == 1


# --- where an incident is ---


async def detail_of(house: House) -> IncidentDetail:
    ids: list[str] = await house.store.read(_ids)
    return await IncidentService(house.store).get(ids[-1], actor=PEOPLE.li)


async def told(house: House) -> list[dict[str, Any]]:
    """Return what the seats heard of moved incidents."""
    rows = await house.store.read(lambda tx: tx.outbox.after(0, 1000))
    return [msgspec.json.decode(row.data) for row in rows if row.type == "incident.changed"]


def stand(tx: Any) -> None:
    """Put cameras and places around the first position: two near, one far, one of another county."""
    where = {WEST_GATE: (120.1, 30.2001), YARD: (120.1, 30.2), BANK_HALL: (120.1, 30.2)}
    for id, (lon, lat) in where.items():
        column = tables_registry.channels.c
        tx.connection.execute(update(tables_registry.channels).where(column.id == id).values(lon=lon, lat=lat))
    column = tables_registry.places.c
    for id, lat in ((SCHOOL, 30.2005), (SHOP, 30.2100)):
        tx.connection.execute(update(tables_registry.places).where(column.id == id).values(lon=120.1, lat=lat))


async def test_a_pressed_button_is_where_the_terminal_is_while_its_incident_is_open(house: House) -> None:
    await house.store.run(stand)
    await house.send(1)
    opened = await detail_of(house)
    point = opened.incident.point
    assert opened.incident.place_id is None
    assert point is not None
    assert (point.lon, point.lat, point.has_fix, point.is_moving) == (120.1, 30.2, True, True)
    assert opened.channel_ids == (YARD, WEST_GATE)
    assert opened.near is not None
    assert (opened.near.id, round(opened.near.distance_m), round(opened.near.bearing_deg)) == (SCHOOL, 56, 180)

    await house.send(1, at_s=60, lat=30.2095)
    moved = await detail_of(house)
    assert moved.incident.point is not None
    assert moved.near is not None
    assert (moved.incident.point.lat, moved.near.id) == (30.2095, SHOP)
    assert moved.channel_ids == (YARD, WEST_GATE)  # pictures stay where the button was pressed
    assert [one["point"]["lat"] for one in await told(house)] == [30.2, 30.2095]
    assert moved.incident.version == opened.incident.version

    incidents = IncidentService(house.store)
    li = PEOPLE.li
    taken = (await incidents.claim(moved.incident.id, actor=li, version=moved.incident.version)).incident
    decided = await incidents.give_verdict(
        taken.id, actor=li, version=taken.version, verdict=Verdict.FALSE, cause=FALSE_CAUSES[0].key
    )
    closed = await incidents.close(taken.id, actor=li, version=decided.incident.version, disposition="")
    assert not closed.incident.is_open
    await house.send(0, at_s=120, lat=30.25)
    ended = await detail_of(house)
    assert ended.incident.point is not None
    assert ended.incident.point.lat == 30.2095


async def test_without_a_fix_the_last_position_stands_with_its_age(house: House) -> None:
    await house.send(unit=CAR)
    house.clock.advance(90)
    await house.send(1, has_fix=False)
    point = (await detail_of(house)).incident.point
    assert point is not None
    assert (point.has_fix, point.lat, point.fix_at) == (False, 30.2, house.clock.now() - timedelta(seconds=90))
    assert (await detail_of(house)).channel_ids == ()
    await house.send(1, at_s=5, lat=30.3)
    point = (await detail_of(house)).incident.point
    assert point is not None
    assert (point.has_fix, point.lat) == (True, 30.3)
    house.clock.advance(30)
    await house.send(1, has_fix=False)
    point = (await detail_of(house)).incident.point
    assert point is not None
    assert (point.has_fix, point.lat, point.heard_at) == (False, 30.3, house.clock.now())


async def test_a_button_without_a_unit_has_a_point_and_one_that_never_had_a_fix_has_none(house: House) -> None:
    await house.send(1, unit="", has_fix=False)
    detail = await detail_of(house)
    assert detail.incident.point is not None
    assert (detail.incident.point.lat, detail.near) == (None, None)
    await house.send(1, unit="", at_s=-3600)  # its clock is wrong: where it is now counts all the same
    point = (await detail_of(house)).incident.point
    assert point is not None
    assert (point.lat, point.fix_at) == (30.2, house.clock.now())
    assert await house.count(terminal_positions) == 0


async def test_seats_hear_of_a_moving_terminal_each_five_seconds_however_densely_it_reports(house: House) -> None:
    await house.send(1, count=20)
    assert len(await told(house)) == 1  # one group of reports
    for second in range(20, 40):
        await house.send(1, at_s=second)
    assert len(await told(house)) == 1 + 4
