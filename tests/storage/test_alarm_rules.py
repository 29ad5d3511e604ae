"""Rules at work in intake: what they hold comes back after a restart, what they hide stays findable."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import BANK_PANEL, PANEL, PEOPLE, SCHOOL, build_town, burglary, event, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind
from tocsin.base.times import to_us
from tocsin.domain import rule_intake
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.alarm_rules import Method, Rule
from tocsin.domain.incident_detail import AlarmFilter, IncidentFilter, SignalFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.intake import Intake
from tocsin.domain.rule_acts import ActFilter
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import RuleTrials
from tocsin.domain.signals import Signal
from tocsin.storage.store import AnyStore

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
CHIEF = PEOPLE.chief


def rule(method: Method, **changes: Any) -> Rule:
    given: dict[str, Any] = {
        "id": f"rule-{method.value}",
        "method": method,
        "version_no": 0,
        "name": "学校规则",
        "name_en": "School rule",
        "device_id": PANEL,
        "owner": "Chief Li",
        "until_us": to_us(START + timedelta(days=30)),
        "reason": "the west gate trips in the wind",
    }
    return Rule(**{**given, **changes})


class House:
    """A town with rules."""

    def __init__(self, store: AnyStore, clock: FixedClock) -> None:
        self.store = store
        self.clock = clock
        self.intake = Intake(store)
        self.rules = RuleService(store)

    async def adopt(self, method: Method, *, actor: Actor = CHIEF, version_no: int = 0, **changes: Any) -> Rule:
        return await self.rules.save(rule(method, **changes), actor=actor, version_no=version_no)

    async def take(self, *signals: Signal) -> list[str]:
        return [r.signal_id for r in await asyncio.gather(*(self.intake.accept(one) for one in signals))]

    async def at(self, after_s: float) -> int:
        self.clock.advance((START + timedelta(seconds=after_s) - self.clock.now()).total_seconds())
        return await self.intake.release_due()

    async def alarms(self) -> list[Any]:
        return (await self.store.read(lambda tx: tx.alarms.find(AlarmFilter(), visible_to=EVERYWHERE)))[::-1]

    async def incidents(self) -> list[Any]:
        return await self.store.read(lambda tx: tx.incidents.find(IncidentFilter(), visible_to=EVERYWHERE))

    async def acts(self, **wanted: Any) -> list[Any]:
        return (await self.rules.acts(ActFilter(**wanted), actor=CHIEF))[0]

    async def audited(self) -> list[str]:
        rows = await self.store.read(
            lambda tx: tx.connection.exec_driver_sql("SELECT action FROM audit ORDER BY seq").fetchall()
        )
        return [row[0] for row in rows]


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    await store.run(build_town)
    return House(store, clock)


async def test_a_held_alarm_is_raised_after_a_restart_with_its_own_times(house: House) -> None:
    await house.adopt(Method.CANCEL_WINDOW)
    (signal_id,) = await house.take(signal_of(burglary()))

    assert await house.alarms() == []
    (act,) = await house.acts(what=("held",))
    assert (act.signal_id, act.version_no, act.owner, act.rule_name) == (signal_id, 1, "Chief Li", "学校规则")
    assert act.until == START + timedelta(seconds=30)

    house.intake = Intake(house.store)  # nothing is remembered but what is stored
    assert await house.at(29) == 0
    assert await house.at(31) == 1
    (alarm,) = await house.alarms()
    assert (alarm.signal_id, alarm.received_at, alarm.committed_at) == (signal_id, START, act.acted_at)
    (incident,) = await house.incidents()
    assert (incident.place.id, incident.alarm_count) == (SCHOOL, 1)
    (act,) = await house.acts()
    assert (act.what, act.alarm_id, act.ended_at) == ("raised", alarm.id, START + timedelta(seconds=31))
    assert await house.at(60) == 0
    assert [one for one in await house.audited() if one.startswith(("rule.", "alarm."))] == [
        "rule.saved",
        "rule.held",
        "alarm.raised",
        "rule.raised",
    ]


@only_sqlite
async def test_a_cancelled_alarm_is_none_but_its_signal_says_why(house: House) -> None:
    await house.adopt(Method.CANCEL_WINDOW)
    cancel = event(EventKind.CANCEL, Category.CANCEL, 7, area="01", user="003")
    held, _ = await house.take(signal_of(burglary()), signal_of(cancel, after_s=9))
    assert await house.at(60) == 0
    assert await house.alarms() == []
    (act,) = await house.acts(signal_ids=(held,))
    assert (act.what, act.cause) == ("cancelled", "003")
    assert act.form()["words_en"] == "Held by School rule, cancelled by the user 003"


async def test_a_pair_in_one_group_and_a_restore_that_came_while_it_waited(house: House) -> None:
    await house.adopt(Method.CROSS_ZONE, pairs=(("4", "5"),))
    await house.take(
        signal_of(burglary("004")),
        signal_of(burglary("004", kind=EventKind.RESTORE), after_s=2),
        signal_of(burglary("005"), after_s=3),
    )
    first, second = await house.alarms()
    assert (first.zone, first.state.value, first.restored_at) == ("004", "restored", START + timedelta(seconds=2))
    assert (second.zone, second.state.value) == ("005", "open")
    assert second.label_en == "Burglary, confirmed with zone 4"
    assert [act.what for act in await house.acts()] == ["confirmed", "raised"]
    (incident,) = await house.incidents()
    assert (incident.alarm_count, incident.state.value) == (2, "new")


@only_sqlite
async def test_duress_is_raised_at_once_and_brings_what_waits_with_it(house: House) -> None:
    await house.adopt(Method.CANCEL_WINDOW)
    await house.take(signal_of(burglary()))
    await house.take(signal_of(event(EventKind.OPEN, Category.DURESS, 1, area="01"), after_s=5))
    assert [alarm.kind for alarm in await house.alarms()] == ["burglary", "duress"]


@only_sqlite
async def test_a_swinging_zone_is_grouped_and_a_repair_proposed_once(house: House) -> None:
    await house.adopt(Method.SWINGER, knobs={"pairs": 1})
    for turn in range(4):
        await house.take(
            signal_of(burglary(), after_s=turn * 60),
            signal_of(burglary(kind=EventKind.RESTORE), after_s=turn * 60 + 5),
        )
    first, second = await house.alarms()
    hidden = await house.acts(what=("grouped",))
    assert {act.alarm_id for act in hidden} == {second.id}
    assert len(hidden) == 2
    assert first.id != second.id
    (repair,), names = await house.rules.repairs("open", actor=CHIEF)
    assert (repair.method, repair.zone, repair.times) == ("swinger", "4", 1)
    assert names[PANEL] == ("学校主机", "School panel")
    decided, _ = await house.rules.decide_repair(repair.id, "accepted", "ticket 118", actor=PEOPLE.li)
    assert (decided.state, decided.decided_by) == ("accepted", "li")
    with pytest.raises(TocsinError) as late:
        await house.rules.decide_repair(repair.id, "dismissed", "no", actor=PEOPLE.li)
    assert late.value.code is ErrorCode.CONFLICT
    assert {"repair.proposed", "repair.decided", "rule.grouped"} <= set(await house.audited())


@only_sqlite
async def test_rules_that_break_keep_no_alarm_from_anybody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.adopt(Method.CANCEL_WINDOW)
    (held,) = await house.take(signal_of(burglary()))

    def _breaks(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(rule_intake, "take", _breaks)
    await house.take(signal_of(burglary("005"), after_s=5))
    assert [alarm.zone for alarm in await house.alarms()] == ["005"]
    assert "rule.failed" in await house.audited()
    assert await house.at(31) == 1
    assert [alarm.signal_id for alarm in await house.alarms()][-1] == held


@only_sqlite
async def test_what_a_lost_state_does_not_remember_is_raised_all_the_same(house: House) -> None:
    await house.adopt(Method.TWO_TRIP)
    await house.take(signal_of(burglary()))
    await house.store.run(lambda tx: tx.connection.exec_driver_sql("DELETE FROM rule_states"))
    assert await house.at(301) == 1
    assert len(await house.alarms()) == 1


async def test_a_change_is_a_version_and_counts_from_the_next_signal(house: House) -> None:
    first = await house.adopt(Method.CANCEL_WINDOW)
    await house.take(signal_of(burglary("004")))
    second = await house.adopt(Method.CANCEL_WINDOW, version_no=1, is_on=False, reason="the wind has gone")
    await house.take(signal_of(burglary("005"), after_s=1))
    assert [alarm.zone for alarm in await house.alarms()] == ["005"]
    versions = await house.rules.versions(first.id, actor=PEOPLE.li)
    assert [(one.version_no, one.reason, one.is_on, one.made_by) for one in versions] == [
        (2, "the wind has gone", False, "chief"),
        (1, "the west gate trips in the wind", True, "chief"),
    ]
    assert second.version_no == 2
    with pytest.raises(TocsinError) as stale:
        await house.adopt(Method.CANCEL_WINDOW, version_no=1)
    assert stale.value.code is ErrorCode.CONFLICT
    with pytest.raises(TocsinError) as other:
        await house.rules.save(replace(first, method=Method.CHATTER, knobs={}), actor=CHIEF, version_no=2)
    assert other.value.params["field"] == "method"


@only_sqlite
async def test_a_rule_past_its_end_holds_nothing_more(house: House) -> None:
    await house.adopt(Method.CANCEL_WINDOW, until_us=to_us(START + timedelta(seconds=40)))
    await house.take(signal_of(burglary()))
    await house.at(41)
    await house.take(signal_of(burglary("005"), after_s=41))
    assert [alarm.zone for alarm in await house.alarms()] == ["004", "005"]
    assert await house.acts(what=("held",)) == []


@only_sqlite
async def test_who_may_make_rules_and_where(house: House) -> None:
    north = replace(CHIEF, id="north", jurisdiction_codes=("330110",))
    for actor, changes, code in (
        (PEOPLE.li, {}, ErrorCode.FORBIDDEN),
        (PEOPLE.admin, {}, ErrorCode.FORBIDDEN),
        (north, {"device_id": BANK_PANEL}, ErrorCode.NOT_FOUND),
        (north, {"device_id": "", "jurisdiction_code": ""}, ErrorCode.FORBIDDEN),
        (north, {"device_id": "", "jurisdiction_code": "330111"}, ErrorCode.FORBIDDEN),
    ):
        with pytest.raises(TocsinError) as refused:
            await house.adopt(Method.CHATTER, actor=actor, **changes)
        assert refused.value.code is code
    made = await house.adopt(Method.CHATTER, actor=north)
    assert made.jurisdiction_code == "330110"
    await house.adopt(Method.RUNAWAY, device_id="")
    found, _ = await house.rules.find(actor=PEOPLE.south)
    assert [one.method for one in found] == [Method.RUNAWAY]


@only_sqlite
async def test_duress_is_not_shown_to_who_may_stand_on_the_premises(house: House) -> None:
    plain, silent = await house.take(
        signal_of(burglary()), signal_of(event(EventKind.ALARM, Category.DURESS, 1, area="01"), after_s=1)
    )
    incidents = IncidentService(house.store)

    async def seen(actor: Actor) -> list[str]:
        return [stored.id for stored, _ in await incidents.signals(SignalFilter(), actor=actor)]

    assert await seen(PEOPLE.li) == [plain, silent]
    assert await seen(PEOPLE.installer) == [plain]
    with pytest.raises(TocsinError) as hidden:
        await incidents.signal(silent, actor=PEOPLE.installer)
    assert hidden.value.code is ErrorCode.NOT_FOUND


async def test_a_rule_is_tried_on_past_signals_before_it_counts(house: House) -> None:
    await house.take(
        signal_of(burglary("004")),
        signal_of(burglary("005"), after_s=100),
        signal_of(burglary("004"), after_s=1000),
        signal_of(event(EventKind.CANCEL, Category.CANCEL, 7, area="01", user="003"), after_s=1010),
        signal_of(burglary("004"), after_s=2000),
        signal_of(event(EventKind.ALARM, Category.FIRE, 1, "009"), after_s=2001),
        signal_of(burglary("001"), device_id=BANK_PANEL, account="0233"),
    )
    house.clock.advance(3600)
    trials = RuleTrials(house.store, house.clock)
    trial = await trials.start(rule(Method.CANCEL_WINDOW), actor=CHIEF, days=1)
    await trials.finished(trial.id)
    form = trials.get(trial.id, actor=CHIEF).form()
    assert (form["state"], form["signals"], form["devices"], form["devices_total"]) == ("done", 6, 1, 1)
    assert (form["alarms_before"], form["alarms_after"], form["differences"]) == (5, 4, 4)
    assert form["kinds"] == {"later": 3, "no_longer_raised": 1}
    listed: Any = form["listed"]
    assert [(one["after"]["what"], one["after"]["delay_s"]) for one in listed] == [
        ("raised", 1),  # the fire ended the wait
        ("cancelled", 10),
        ("raised", 30),
        ("raised", 30),
    ]
    assert listed[0]["device_name_en"] == "School panel"
    assert await house.acts() == []
    assert (await house.rules.find(actor=CHIEF))[0] == []
    await trials.stop_all()
    with pytest.raises(TocsinError):
        trials.get(trial.id, actor=CHIEF)
