"""The delivery ledger on both databases: what is noted, when it is written, what is listed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import BANK_PANEL, PANEL, PEOPLE, SHOP_PANEL, build_town, burglary, event, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.ingest import Arrival, Arrivals
from tocsin.domain.intake import Intake
from tocsin.domain.ledger import Delivery, DeliveryFilter, DeliveryService
from tocsin.domain.signals import NO_ANSWER, Receipt, Signal
from tocsin.storage.store import AnyStore

EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
DAY = DeliveryFilter(START - timedelta(hours=1), START + timedelta(hours=1), START + timedelta(minutes=30))


@pytest.fixture
async def intake(store: AnyStore) -> Intake:
    made = Intake(store)
    await store.run(build_town)
    return made


@pytest.fixture
def desk(store: AnyStore, intake: Intake) -> DeliveryService:
    return DeliveryService(store, intake.ledger)


async def take(intake: Intake, signal: Signal, answered_ms: int | None = None) -> Receipt:
    """Hand in a signal; its acknowledgement leaves so long after it came."""
    receipt = await intake.accept(signal)
    if answered_ms is not None:
        intake.acknowledged(receipt.arrival_id, signal.received_at + timedelta(milliseconds=answered_ms))
    return receipt


async def listed(desk: DeliveryService, **narrowed: Any) -> list[Delivery]:
    await desk.ledger.stop()
    return await desk.deliveries(replace(DAY, **narrowed), actor=PEOPLE.chief, limit=100)


async def steps_of(desk: DeliveryService, signal_id: str, actor: Actor = PEOPLE.chief) -> dict[str, dict[str, Any]]:
    trace, _, _ = await desk.trace(signal_id, actor=actor)
    return {step["key"]: step for step in trace.form()["steps"]}


async def test_the_way_of_an_alarm_is_told_from_the_device_to_the_person(
    store: AnyStore, intake: Intake, desk: DeliveryService, clock: FixedClock
) -> None:
    signal = replace(
        signal_of(burglary(occurred_at=START - timedelta(seconds=3))), sent_at=START - timedelta(seconds=2)
    )
    receipt = await take(intake, signal, answered_ms=40)
    (alarm_id,) = (await store.read(lambda tx: tx.signals.alarm_ids([receipt.signal_id])))[receipt.signal_id]
    desk.ledger.pushed([(alarm_id, 3)], START + timedelta(milliseconds=60))
    await desk.ledger.stop()
    incidents = IncidentService(store)
    incident_id = (await store.read(lambda tx: tx.alarms.get(alarm_id, visible_to=EVERYWHERE))).incident_id
    clock.advance(1)
    await incidents.presented([incident_id], actor=PEOPLE.li)
    clock.advance(4)
    await incidents.claim(incident_id, actor=PEOPLE.li, version=1)

    trace, name, name_en = await desk.trace(receipt.signal_id, actor=PEOPLE.chief)
    form = trace.form()

    assert (name, name_en, form["outcome"], form["whole"]) == ("学校主机", "School panel", "alarm", True)
    assert [step["key"] for step in form["steps"]] == [
        "happened", "sent", "received", "committed", "alarm", "answered", "pushed", "presented", "claimed",
    ]  # fmt: skip
    steps = {step["key"]: step for step in form["steps"]}
    assert (steps["sent"]["source"], steps["sent"]["foreign"], steps["sent"]["ahead_ms"]) == ("device", True, -2000)
    assert (steps["answered"]["gap_ms"], steps["pushed"]["gap_ms"], steps["pushed"]["consoles"]) == (40, 20, 3)
    assert (steps["presented"]["seat"], steps["presented"]["gap_ms"], steps["presented"]["who"]) == (
        "seat-1",
        940,
        "Li",
    )
    assert (steps["claimed"]["who"], steps["claimed"]["gap_ms"]) == ("Li", 4000)
    assert steps["alarm"]["number"] == "A-2611-000001"


async def test_repetitions_are_listed_with_their_own_answers_and_the_first_answer_counts(
    intake: Intake, desk: DeliveryService
) -> None:
    first = await take(intake, signal_of(burglary(), key="7"))
    again = await take(intake, signal_of(burglary(), key="7", after_s=20), answered_ms=5)
    assert again.is_duplicate
    assert again.arrival_id != first.arrival_id == first.signal_id

    (one,) = await listed(desk)
    trace, _, _ = await desk.trace(first.signal_id, actor=PEOPLE.li)

    assert (one.signal_id, one.answer_ms, one.copies) == (first.signal_id, 20_005, 2)
    assert [(a["after_ms"], a["answer_ms"]) for a in trace.form()["arrivals"]] == [(0, None), (20_000, 5)]
    assert (await steps_of(desk, first.signal_id))["answered"]["why"] == "not_answered"
    assert await listed(desk, over_ms=30_000) == []
    assert [one.copies for one in await listed(desk, which="all")] == [2]


async def test_slow_and_unanswered_deliveries_are_listed_and_counted_by_source(
    intake: Intake, desk: DeliveryService
) -> None:
    await take(intake, signal_of(burglary()), answered_ms=10)
    slow = await take(intake, signal_of(burglary(), after_s=1), answered_ms=1_500)
    lost = await take(intake, signal_of(burglary(), device_id=SHOP_PANEL, account="0232", after_s=2))
    await take(intake, replace(signal_of(burglary(), after_s=3), protocol="onvif"))
    await take(intake, replace(signal_of(burglary(), after_s=4), protocol="mqtt", flags=(NO_ANSWER,)))
    young = await take(intake, signal_of(burglary(), device_id=BANK_PANEL, account="0233", after_s=1_800))

    assert [one.signal_id for one in await listed(desk)] == [lost.signal_id, slow.signal_id]
    assert [one.signal_id for one in await listed(desk, which="slow")] == [slow.signal_id]
    assert [one.signal_id for one in await listed(desk, which="unanswered")] == [lost.signal_id]
    assert [one.signal_id for one in await listed(desk, which="all", device_id=BANK_PANEL)] == [young.signal_id]
    assert len(await listed(desk, which="all")) == 6
    figures = await desk.sources(DAY, actor=PEOPLE.chief)
    assert [(one.account, one.deliveries, one.unanswered, one.slow, one.longest_ms) for one in figures] == [
        ("0232", 1, 1, 0, None),
        ("0231", 2, 0, 1, 1_500),
    ]
    assert figures[1].mean_ms == 755
    assert [one.account for one in await desk.sources(DAY, actor=PEOPLE.south)] == []
    with pytest.raises(TocsinError) as refused:
        await desk.deliveries(replace(DAY, received_from=START - timedelta(days=40)), actor=PEOPLE.chief, limit=10)
    assert refused.value.code is ErrorCode.INVALID


async def test_pages_follow_each_other_without_a_hole(intake: Intake, desk: DeliveryService) -> None:
    made = [(await take(intake, signal_of(burglary(), key=f"k{n}", after_s=n // 2))).signal_id for n in range(7)]
    seen: list[str] = []
    before: tuple[int, str] | None = None
    while page := await desk.deliveries(replace(DAY, which="all", before=before), actor=PEOPLE.chief, limit=3):
        seen += [one.signal_id for one in page]
        before = (to_us(page[-1].received_at), page[-1].signal_id)
    assert seen == made[::-1]


async def test_what_was_noted_is_written_together_and_the_first_time_stays(store: AnyStore, intake: Intake) -> None:
    receipts = [await take(intake, signal_of(burglary(), key=str(n), after_s=n), answered_ms=n) for n in range(20)]
    intake.acknowledged(receipts[0].arrival_id, START + timedelta(seconds=9))
    committed = store.committed
    await intake.ledger.stop()

    answers = await store.read(lambda tx: tx.ledger.answers([one.signal_id for one in receipts]))
    assert store.committed == committed + 1
    assert len(answers) == 20
    assert answers[receipts[0].signal_id] == START
    await intake.ledger.stop()
    assert store.committed == committed + 1  # nothing waits any more


async def test_an_answer_that_could_not_be_written_is_tried_again(
    store: AnyStore, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = await take(intake, signal_of(burglary()), answered_ms=7)
    submit = store.submit

    def fail(name: str, item: Any) -> asyncio.Future[Any]:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full")

    monkeypatch.setattr(store, "submit", fail)
    assert intake.ledger.keep() is None
    monkeypatch.setattr(store, "submit", submit)
    await intake.ledger.stop()

    assert receipt.signal_id in await store.read(lambda tx: tx.ledger.answers([receipt.signal_id]))


async def test_a_message_known_by_its_mark_is_one_more_arrival(store: AnyStore, intake: Intake) -> None:
    arrivals = Arrivals(store, intake)
    arrival = Arrival(replace(signal_of(burglary()), protocol="webhook"), ("m",), ("m",))
    first, again = await asyncio.gather(arrivals.accept(arrival), arrivals.accept(arrival))
    later = await arrivals.accept(arrival)

    assert first.signal_id == again.signal_id == later.signal_id
    assert len({first.arrival_id, again.arrival_id, later.arrival_id}) == 3
    assert len(await store.read(lambda tx: tx.ledger.copies(first.signal_id))) == 2
    stored = await store.read(lambda tx: tx.signals.get(first.signal_id, visible_to=EVERYWHERE))
    assert stored.copies == 3


async def test_who_may_not_read_incidents_sees_the_way_to_the_answer_and_no_duress(
    intake: Intake, desk: DeliveryService
) -> None:
    alarm = await take(intake, signal_of(burglary()), answered_ms=3)
    silent = await take(intake, signal_of(event(EventKind.ALARM, Category.DURESS, 1), after_s=5))
    await desk.ledger.stop()

    trace, _, _ = await desk.trace(alarm.signal_id, actor=PEOPLE.installer)
    assert (trace.is_whole, trace.outcome) == (False, "not_shown")
    assert [step.key for step in trace.steps] == ["sent", "received", "committed", "answered"]
    with pytest.raises(TocsinError) as refused:
        await desk.trace(silent.signal_id, actor=PEOPLE.installer)
    assert refused.value.code is ErrorCode.NOT_FOUND
    hidden = replace(DAY, which="all", without_silent=True)
    assert len(await desk.deliveries(hidden, actor=PEOPLE.installer, limit=10)) == 1
    with pytest.raises(TocsinError):
        await desk.trace(alarm.signal_id, actor=PEOPLE.south)


@pytest.mark.parametrize(
    ("signal", "outcome"),
    [
        (signal_of(event(EventKind.RESTORE, Category.BURGLARY, 5)), "restore"),
        (signal_of(event(EventKind.LOG, Category.ACCESS, 9)), "event"),
        (replace(signal_of(burglary()), flags=("late",)), "late"),
        (replace(signal_of(event(EventKind.LOG, Category.ACCESS, 9)), quarantine="unknown_code"), "quarantined"),
        (signal_of(burglary(), device_id=PANEL), "alarm"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_raised_no_alarm_says_why(
    intake: Intake, desk: DeliveryService, signal: Signal, outcome: str
) -> None:
    receipt = await take(intake, signal)
    trace, _, _ = await desk.trace(receipt.signal_id, actor=PEOPLE.chief)
    assert trace.outcome == outcome
