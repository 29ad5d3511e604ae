from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select, update

from tests.support.clocks import START, FixedClock
from tests.support.house import (
    BANK_PANEL,
    LONE_PANEL,
    NORTH,
    PANEL,
    PEOPLE,
    SCHOOL,
    SHOP,
    SHOP_PANEL,
    build_town,
    burglary,
    event,
    signal_of,
)
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind
from tocsin.domain.access import Permission, scope
from tocsin.domain.audit import AuditEntry
from tocsin.domain.incident_detail import AlarmFilter, IncidentFilter, SignalFilter
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.incidents import Verdict
from tocsin.domain.intake import Intake
from tocsin.domain.intake_rules import Reading, read_events
from tocsin.domain.signals import Receipt, Signal, SignalState
from tocsin.storage import tables_alarms, tables_registry
from tocsin.storage.store import AnyStore

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)


class PickyRules:
    """Rules that fail for signals whose raw bytes say so, until they are mended."""

    def __init__(self) -> None:
        self.is_mended = False

    def __call__(self, signal: Signal) -> Reading:
        if signal.raw == b"bad" and not self.is_mended:
            raise ZeroDivisionError("a rule is wrong")
        return read_events(signal)


@pytest.fixture
def rules() -> PickyRules:
    return PickyRules()


@pytest.fixture
async def intake(store: AnyStore, rules: PickyRules) -> Intake:
    made = Intake(store, rules)
    await store.run(build_town)
    return made


async def take(intake: Intake, *signals: Signal) -> list[Receipt]:
    return list(await asyncio.gather(*(intake.accept(signal) for signal in signals)))


async def incidents_of(store: AnyStore) -> list[Any]:
    return await store.read(lambda tx: tx.incidents.find(IncidentFilter(), visible_to=EVERYWHERE))


async def alarms_of(store: AnyStore) -> list[Any]:
    found = await store.read(lambda tx: tx.alarms.find(AlarmFilter(), visible_to=EVERYWHERE))
    return list(reversed(found))


async def feed_of(store: AnyStore) -> list[str]:
    return [item.type for item in await store.read(lambda tx: tx.outbox.after(0, 1000))]


async def test_an_alarm_opens_an_incident_with_place_title_plan_and_number(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary(occurred_at=START - timedelta(seconds=3))))

    (incident,) = await incidents_of(store)
    (alarm,) = await alarms_of(store)

    assert incident.number == "HW-2611-0001"
    assert incident.place.name == "新华小学"
    assert incident.title_en == "Burglary, zone 4 West gate infrared, Xinhua School"
    assert incident.title_zh == "新华小学 4 号防区 西门红外：入侵报警"
    assert (incident.kind, incident.priority, incident.state, incident.alarm_count) == ("burglary", 2, "new", 1)
    assert incident.plan.name_en == "Intrusion"
    assert incident.next_deadline_at == incident.opened_at + timedelta(seconds=30)
    assert set(incident.stamps) == {"t0", "t1", "t2", "t8"}
    assert incident.stamps["t0"]["source"] == "device"
    assert (alarm.incident_id, alarm.zone_id, alarm.zone, alarm.number) == (
        incident.id, "zone-4", "004", "A-2611-000001",
    )  # fmt: skip
    steps = await store.read(lambda tx: tx.incidents.steps(incident.id))
    assert [step.kind for step in steps] == ["view", "verdict", "assign", "call", "check", "note"]


async def test_alarms_of_one_place_within_ten_minutes_are_one_incident_named_by_the_gravest(
    intake: Intake, store: AnyStore
) -> None:
    await take(intake, signal_of(burglary(priority=3)))
    await take(intake, signal_of(burglary("005", priority=3), after_s=19))
    await take(intake, signal_of(event(EventKind.ALARM, Category.PANIC, 1), after_s=599))

    (incident,) = await incidents_of(store)

    assert (incident.alarm_count, incident.priority, incident.kind) == (3, 1, "panic")
    assert incident.title_en == "panic, Xinhua School"
    assert incident.last_alarm_at == START + timedelta(seconds=599)
    assert incident.version == 3


@only_sqlite
async def test_a_later_alarm_or_another_place_opens_its_own_incident(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))
    await take(intake, signal_of(burglary(), after_s=601), signal_of(burglary(), device_id=SHOP_PANEL, account="0232"))

    assert len(await incidents_of(store)) == 3


@only_sqlite
async def test_alarms_that_arrive_in_one_group_share_their_incident(intake: Intake, store: AnyStore) -> None:
    await take(intake, *(signal_of(burglary(f"00{n}"), after_s=n, key=f"k{n}") for n in range(4, 9)))

    (incident,) = await incidents_of(store)
    assert incident.alarm_count == 5
    assert [alarm.number for alarm in await alarms_of(store)] == [f"A-2611-{n:06d}" for n in range(1, 6)]


@only_sqlite
async def test_a_device_without_a_place_groups_by_itself(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary(), device_id=LONE_PANEL))
    await take(intake, signal_of(burglary(), device_id=LONE_PANEL, after_s=5))

    (incident,) = await incidents_of(store)
    assert (incident.place, incident.device_id, incident.alarm_count) == (None, LONE_PANEL, 2)
    assert incident.title_en.endswith("Mobile panel")


@only_sqlite
async def test_a_closed_incident_is_not_joined(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))
    desk = IncidentService(store)
    (opened,) = await incidents_of(store)
    await desk.give_verdict(opened.id, actor=PEOPLE.li, version=1, verdict=Verdict.FALSE, cause="unknown")
    await desk.close(opened.id, actor=PEOPLE.li, version=2)
    await take(intake, signal_of(burglary(), after_s=5))

    assert [i.state for i in await incidents_of(store)] == ["new", "closed"]


@only_sqlite
async def test_a_retry_of_the_last_frame_is_counted_and_raises_nothing(intake: Intake, store: AnyStore) -> None:
    (first,) = await take(intake, signal_of(burglary(), key="7"))
    (again,) = await take(intake, signal_of(burglary(), key="7", after_s=20))

    assert (again.signal_id, again.is_duplicate) == (first.signal_id, True)
    assert len(await alarms_of(store)) == 1
    stored = await store.read(lambda tx: tx.signals.get(first.signal_id, visible_to=EVERYWHERE))
    assert stored.copies == 2


@only_sqlite
@pytest.mark.parametrize(("after_s", "repeats"), [(90, True), (299, True), (301, False)])
async def test_a_retry_over_a_restart_may_come_later_by_four_minutes(
    store: AnyStore, clock: FixedClock, after_s: float, repeats: bool
) -> None:
    await store.run(build_town)
    (first,) = await take(Intake(store), signal_of(burglary(), key="7"))
    clock.advance(after_s)
    (again,) = await take(Intake(store), signal_of(burglary(), key="7", after_s=after_s))

    assert (again.signal_id == first.signal_id, again.is_duplicate) == (repeats, repeats)
    assert len(await alarms_of(store)) == (1 if repeats else 2)


async def test_retries_in_the_same_group_are_counted_once_each(intake: Intake, store: AnyStore) -> None:
    receipts = await take(intake, *(signal_of(burglary(), key="7", after_s=n) for n in range(4)))

    assert [r.is_duplicate for r in receipts] == [False, True, True, True]
    assert len({r.signal_id for r in receipts}) == 1
    stored = await store.read(lambda tx: tx.signals.get(receipts[0].signal_id, visible_to=EVERYWHERE))
    assert (stored.copies, len(await alarms_of(store))) == (4, 1)


@only_sqlite
@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (signal_of(burglary(), key="7", after_s=61), "60 s on our clock"),
        (signal_of(burglary(), key="7", after_s=30, sent_at=START + timedelta(seconds=61)), "60 s on the panel's"),
        (signal_of(burglary(), key="8", after_s=1), "another key"),
    ],
)
async def test_what_ends_a_retry_is_a_second_alarm(
    intake: Intake, store: AnyStore, second: Signal, reason: str
) -> None:
    await take(intake, signal_of(burglary(), key="7"))
    (receipt,) = await take(intake, second)

    assert not receipt.is_duplicate, reason
    assert len(await alarms_of(store)) == 2


@only_sqlite
async def test_any_other_frame_in_between_ends_a_retry(intake: Intake, store: AnyStore) -> None:
    receipts = []
    for n, key in enumerate(["7", "8", "7"]):
        receipts += await take(intake, signal_of(burglary(), key=key, after_s=n))

    assert [r.is_duplicate for r in receipts] == [False, False, False]
    assert len(await alarms_of(store)) == 3


@only_sqlite
async def test_a_frame_without_a_key_is_never_a_retry(intake: Intake, store: AnyStore) -> None:
    receipts = await take(intake, signal_of(burglary()), signal_of(burglary(), after_s=1))

    assert [r.is_duplicate for r in receipts] == [False, False]


@only_sqlite
async def test_the_same_key_of_another_account_is_not_a_retry(intake: Intake, store: AnyStore) -> None:
    receipts = await take(
        intake, signal_of(burglary(), key="7"), signal_of(burglary(), key="7", device_id=BANK_PANEL, account="0233")
    )

    assert [r.is_duplicate for r in receipts] == [False, False]


async def test_a_restore_marks_its_alarm_and_closes_nothing(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary("004")), signal_of(burglary("005"), after_s=1))
    await take(intake, signal_of(burglary("004", kind=EventKind.RESTORE), after_s=30))

    first, second = await alarms_of(store)
    (incident,) = await incidents_of(store)

    assert (first.state, first.restored_at) == ("restored", START + timedelta(seconds=30))
    assert second.state == "open"
    assert incident.state == "new"
    assert "alarm.changed" in await feed_of(store)


@only_sqlite
async def test_a_restore_in_the_same_group_finds_its_alarm_but_not_a_later_one(intake: Intake, store: AnyStore) -> None:
    await take(
        intake,
        signal_of(burglary("004")),
        signal_of(burglary("004", kind=EventKind.RESTORE), after_s=1),
        signal_of(burglary("004"), after_s=2),
    )

    assert [alarm.state for alarm in await alarms_of(store)] == ["restored", "open"]


@only_sqlite
async def test_a_restore_of_another_category_restores_nothing(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary("004")))
    await take(intake, signal_of(burglary("004", kind=EventKind.RESTORE, category=Category.FIRE), after_s=1))

    (alarm,) = await alarms_of(store)
    assert alarm.state == "open"


@only_sqlite
@pytest.mark.parametrize(
    ("given", "is_alarm"),
    [
        (event(EventKind.ALARM, Category.MEDICAL, 1), True),
        (event(EventKind.TROUBLE, Category.POWER, 5), True),
        (event(EventKind.TROUBLE, Category.POWER, 6), False),
        (event(EventKind.SUPERVISION, Category.COMMS, 4), True),
        (event(EventKind.OPEN, Category.DURESS, 1), True),
        (event(EventKind.OPEN, Category.OPENCLOSE, 9), False),
        (event(EventKind.TEST, Category.TEST, 2), False),
        (event(EventKind.STATUS, Category.BURGLARY, 2), False),
        (event(EventKind.ALARM, Category.UNKNOWN, 2, is_known=False), False),
    ],
)
async def test_only_what_asks_for_a_decision_is_an_alarm(
    intake: Intake, store: AnyStore, given: Any, is_alarm: bool
) -> None:
    await take(intake, signal_of(given))

    assert len(await alarms_of(store)) == int(is_alarm)
    assert len(await incidents_of(store)) == int(is_alarm)


async def test_an_unknown_account_is_kept_shown_and_acknowledged(intake: Intake, store: AnyStore) -> None:
    stranger = signal_of(burglary(), device_id=None, account="9999", quarantine="unknown_account")
    (receipt,) = await take(intake, stranger)

    stored = await store.read(lambda tx: tx.signals.get(receipt.signal_id, visible_to=EVERYWHERE))
    assert (stored.state, stored.signal.quarantine) == (SignalState.QUARANTINED, "unknown_account")
    assert await feed_of(store) == ["signal.quarantined"]
    assert await incidents_of(store) == []


@only_sqlite
async def test_a_device_that_is_gone_is_quarantined(intake: Intake, store: AnyStore) -> None:
    (receipt,) = await take(intake, signal_of(burglary(), device_id="nobody"))

    stored = await store.read(lambda tx: tx.signals.load([receipt.signal_id]))
    assert stored[0].signal.quarantine == "unknown_device"
    assert stored[0].state is SignalState.QUARANTINED


@only_sqlite
async def test_the_known_event_of_a_quarantined_frame_still_raises_its_alarm(intake: Intake, store: AnyStore) -> None:
    unknown = event(EventKind.LOG, Category.UNKNOWN, 9, is_known=False)
    await take(intake, signal_of(burglary(), unknown, quarantine="unknown_code"))

    assert len(await alarms_of(store)) == 1
    assert "signal.quarantined" in await feed_of(store)


@only_sqlite
async def test_a_signal_the_rules_fail_for_is_kept_acknowledged_and_shown(
    intake: Intake, store: AnyStore, rules: PickyRules
) -> None:
    good, bad = await take(intake, signal_of(burglary()), signal_of(burglary(), raw=b"bad", after_s=1))

    stored = await store.read(lambda tx: tx.signals.load([good.signal_id, bad.signal_id]))
    assert [s.state for s in stored] == [SignalState.PROCESSED, SignalState.UNPROCESSED]
    assert {i.kind: i.alarm_count for i in await incidents_of(store)} == {"burglary": 1, "unprocessed": 0}


async def test_the_repair_pass_raises_what_the_rules_had_missed(
    intake: Intake, store: AnyStore, rules: PickyRules
) -> None:
    (bad,) = await take(intake, signal_of(burglary(), raw=b"bad"))
    assert await store.run(intake.repair) == 0

    rules.is_mended = True
    assert await store.run(intake.repair) == 1
    assert await store.run(intake.reprocess, [bad.signal_id]) == 0

    (alarm,) = await alarms_of(store)
    (stored,) = await store.read(lambda tx: tx.signals.load([bad.signal_id]))
    assert (alarm.signal_id, stored.state) == (bad.signal_id, SignalState.PROCESSED)


@only_sqlite
async def test_more_failures_of_one_device_join_one_system_incident(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary(), raw=b"bad"))
    await take(intake, signal_of(burglary(), raw=b"bad", after_s=2))

    (incident,) = await incidents_of(store)
    assert (incident.kind, incident.device_id, incident.place_id) == ("unprocessed", PANEL, None)


async def test_an_acknowledgement_is_stamped_on_the_incident_it_opened(
    intake: Intake, store: AnyStore, clock: FixedClock
) -> None:
    (receipt,) = await take(intake, signal_of(burglary()))
    intake.acknowledged(receipt.signal_id, START + timedelta(milliseconds=12))
    intake.acknowledged(receipt.signal_id, START + timedelta(milliseconds=90))
    intake.keep_acks()
    await store.run(lambda tx: None)

    (incident,) = await incidents_of(store)
    assert incident.stamps["t3"] == {"at": "2026-11-22T02:14:07.012000Z", "source": "server", "who": ""}
    assert incident.version == 1


@only_sqlite
async def test_audit_and_feed_commit_with_the_alarm(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))
    records = await store.read(lambda tx: tx.audit.find(codes=None))

    assert [(r.action, r.jurisdiction_code) for r in reversed(records)] == [
        ("incident.opened", NORTH),
        ("alarm.raised", NORTH),
    ]
    assert await feed_of(store) == ["incident.opened", "alarm.raised"]


@only_sqlite
async def test_a_parked_incident_wakes_on_a_new_alarm(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))
    (opened,) = await incidents_of(store)
    until = START + timedelta(minutes=9)
    await IncidentService(store).park(opened.id, actor=PEOPLE.li, version=1, until=until, reason="other")
    await take(intake, signal_of(burglary(), after_s=5))

    (incident,) = await incidents_of(store)
    assert (incident.state, incident.parked_until, incident.park_reason) == ("pending", None, "")


async def test_signals_are_listed_newest_last_within_the_scope(intake: Intake, store: AnyStore) -> None:
    receipts = await take(
        intake,
        signal_of(burglary(), key="a"),
        signal_of(burglary(), key="b", device_id=BANK_PANEL, account="0233"),
        signal_of(device_id=None, account="9999", quarantine="unknown_account"),
    )
    north = scope(PEOPLE.li, Permission.READ_REGISTRY)

    seen = await store.read(lambda tx: tx.signals.find(SignalFilter(), visible_to=north))
    assert [s.id for s in seen] == [receipts[0].signal_id, receipts[2].signal_id]
    later = await store.read(
        lambda tx: tx.signals.find(SignalFilter(after=receipts[0].signal_id), visible_to=EVERYWHERE, limit=1)
    )
    assert [s.id for s in later] == [receipts[1].signal_id]
    assert later[0].signal.events[0].category is Category.BURGLARY


@only_sqlite
async def test_twenty_signals_at_once_are_twenty_alarms_of_one_incident(intake: Intake, store: AnyStore) -> None:
    await take(intake, *(signal_of(burglary(), key=str(n), after_s=n) for n in range(20)))

    count = await store.read(
        lambda tx: tx.connection.execute(select(func.count()).select_from(tables_alarms.signals)).scalar_one()
    )
    (incident,) = await incidents_of(store)
    assert (count, incident.alarm_count, incident.place_id) == (20, 20, SCHOOL)


@only_sqlite
async def test_what_another_hand_did_is_seen_by_the_next_alarm(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))
    (opened,) = await incidents_of(store)
    await IncidentService(store).claim(opened.id, actor=PEOPLE.li, version=1)
    await take(intake, signal_of(burglary("005"), after_s=5))

    (incident,) = await incidents_of(store)
    assert (incident.owner_id, incident.state, incident.alarm_count, incident.version) == ("li", "pending", 2, 3)
    told = await store.read(lambda tx: tx.outbox.after(0, 1000))
    newest = [msgspec.json.decode(item.data) for item in told if item.type == "incident.changed"][-1]
    assert newest["owner"] == {"user_id": "li", "name": "Li"}


async def test_a_group_that_was_rolled_back_leaves_no_memory(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary(), key="1"))

    def _fail(tx: Any) -> None:
        intake.accept_many(tx, [signal_of(burglary("005"), key="2", after_s=3)])
        raise TocsinError(ErrorCode.CONFLICT, "rolled back with all it wrote")

    with pytest.raises(TocsinError):
        await store.run(_fail)
    (retry,) = await take(intake, signal_of(burglary("005"), key="2", after_s=4))

    (incident,) = await incidents_of(store)
    assert not retry.is_duplicate
    assert incident.alarm_count == 2
    assert [alarm.number for alarm in await alarms_of(store)] == ["A-2611-000001", "A-2611-000002"]


@only_sqlite
async def test_a_changed_registry_is_seen_by_the_next_alarm(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary()))

    def _move(tx: Any) -> None:
        tx.connection.execute(
            update(tables_registry.zones).where(tables_registry.zones.c.id == "zone-4").values(place_id=SHOP)
        )
        tx.audit_entry(AuditEntry(tx.now, "user", "admin", "zone.changed", "device", PANEL))

    await store.run(_move)
    await take(intake, signal_of(burglary(), after_s=5))

    assert [i.place_id for i in await incidents_of(store)] == [SHOP, SCHOOL]


@only_sqlite
async def test_the_rate_meter_counts_what_came_in_since_within_the_scope(intake: Intake, store: AnyStore) -> None:
    await take(intake, signal_of(burglary(), key="a"), signal_of(burglary(), key="b", after_s=60))
    await take(intake, signal_of(burglary(), key="c", device_id=BANK_PANEL, account="0233", after_s=60))
    north = scope(PEOPLE.li, Permission.READ_INCIDENTS)
    since = START + timedelta(seconds=30)

    assert await store.read(lambda tx: tx.alarms.count_since(since, visible_to=EVERYWHERE)) == 2
    assert await store.read(lambda tx: tx.alarms.count_since(since, visible_to=north)) == 1
