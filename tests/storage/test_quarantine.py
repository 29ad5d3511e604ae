"""The quarantine: meanings said later, read again with their own times, previewed, audited, taken back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.support.clocks import START, FixedClock
from tests.support.house import BANK_PANEL, LONE_PANEL, PANEL, PEOPLE, build_town, burglary, signal_of
from tests.support.warnings import FLOOD
from tocsin import event_tables
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.domain.access import Permission, scope
from tocsin.domain.incident_detail import AlarmFilter, SignalFilter
from tocsin.domain.intake import Intake
from tocsin.domain.quarantine import Reach, Repair, RepairKind
from tocsin.domain.quarantine_service import QuarantineService
from tocsin.domain.signals import Signal, StoredSignal
from tocsin.gateways.message_reading import read_warning
from tocsin.protocols.cap.alert import write
from tocsin.storage import tables_registry
from tocsin.storage.store import AnyStore

ALL = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
ADMIN = PEOPLE.admin


@pytest.fixture
async def intake(store: AnyStore) -> Intake:
    made = Intake(store)
    await store.run(build_town)
    return made


@pytest.fixture
def quarantine(store: AnyStore, intake: Intake) -> QuarantineService:
    return QuarantineService(store, intake, event_tables.meanings())


def pulse(code: str = "3", zone: str = "004", **changes: Any) -> Signal:
    event = NormalEvent("pulse", code, EventKind.TROUBLE, Category.UNKNOWN, 5, "?", "?", zone=zone, is_known=False)
    given: dict[str, Any] = {"protocol": "surgard", "quarantine": "unknown_code", **changes}
    return signal_of(event, **given)


def meaning(code: str = "3", event: str = "cid:1130", **changes: Any) -> Repair:
    given: dict[str, Any] = {"reach": Reach.HOUSE, "code_system": "pulse", "code": code, "target": event, **changes}
    return Repair("", RepairKind.CODE, "the installer's list of 2019", **given)


async def take(intake: Intake, *signals: Signal) -> None:
    await asyncio.gather(*(intake.accept(signal) for signal in signals))


async def alarms_of(store: AnyStore) -> list[Any]:
    return await store.read(lambda tx: tx.alarms.find(AlarmFilter(), visible_to=ALL))


async def waiting(store: AnyStore, **wanted: Any) -> list[StoredSignal]:
    given = {"state": "quarantined", "newest_first": True, **wanted}
    return await store.read(lambda tx: tx.signals.find(SignalFilter(**given), visible_to=ALL))


async def acts_of(store: AnyStore) -> list[str]:
    return [record.action for record in await store.read(lambda tx: list(tx.audit.all()))]


async def test_what_waits_is_counted_by_source_and_found_by_code(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await take(
        intake, pulse(), pulse(after_s=70), pulse("7", after_s=140), pulse(device_id=BANK_PANEL, account="9"),
        signal_of(burglary(), device_id=None, account="777", quarantine="unknown_account"),
    )  # fmt: skip
    counts = {(s.device_id, s.reason): (s.count, s.example.code if s.example else "") for s in
              await quarantine.sources(actor=ADMIN)}  # fmt: skip
    assert counts == {
        (PANEL, "unknown_code"): (3, "7"),
        (BANK_PANEL, "unknown_code"): (1, "3"),
        ("", "unknown_account"): (1, ""),
    }
    assert len(await waiting(store, code="3")) == 3
    assert len(await waiting(store, code="7", reason="unknown_code", protocol="surgard")) == 1
    assert await waiting(store, code="%") == []


async def test_a_meaning_reads_the_quarantine_again_and_counts_from_then_on(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await take(intake, pulse(), pulse("7", after_s=70))
    assert await alarms_of(store) == []
    done = await quarantine.repair(meaning(), actor=ADMIN)
    assert (done.read, done.late, done.alarms) == (1, 0, 1)
    (alarm,) = await alarms_of(store)
    assert (alarm.kind, alarm.priority, alarm.label_en, alarm.code, alarm.zone_id) == (
        "burglary", 2, "Burglary alarm", "3", "zone-4",
    )  # fmt: skip
    assert [s.signal.events[0].code for s in await waiting(store)] == ["7"]
    await take(intake, pulse(zone="005", after_s=140))
    assert [a.zone for a in await alarms_of(store)] == ["005", "004"]
    assert "quarantine.repaired" in await acts_of(store)
    assert "quarantine.reread" in await acts_of(store)


async def test_a_stale_alarm_is_read_with_its_own_times_marked_late_and_raises_nothing(
    quarantine: QuarantineService, intake: Intake, store: AnyStore, clock: FixedClock
) -> None:
    old = pulse()
    await take(intake, old)
    clock.advance(601)
    preview = await quarantine.preview(meaning(), actor=ADMIN)
    assert (preview.read, preview.late, preview.alarms, preview.late_alarms) == (1, 1, 0, 1)
    assert len(await waiting(store)) == 1, "a preview does nothing"
    done = await quarantine.repair(meaning(), actor=ADMIN)
    assert (done.read, done.late, done.alarms) == (1, 1, 0)
    assert await alarms_of(store) == []
    (stored,) = await store.read(lambda tx: tx.signals.find(SignalFilter(device_id=PANEL), visible_to=ALL))
    assert stored.signal.received_at == old.received_at
    assert {"late", "explained"} <= set(stored.signal.flags)
    assert (stored.signal.quarantine, stored.signal.events[0].label_zh) == ("", "入侵报警")
    (kept,) = await store.read(lambda tx: tx.signals.load([stored.id]))
    assert kept.signal.quarantine == "unknown_code", "what came is as it came"
    assert kept.signal.events[0].label_en == "?"


async def test_a_public_warning_with_a_status_of_its_own_is_said_to_be_one(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    reading = read_warning(write(FLOOD).replace(b">Actual<", b">Real<"), START)
    assert reading.quarantine == "unknown_code"
    assert reading.wrong is None
    await take(intake, signal_of(reading.events[0], protocol="cap", quarantine=reading.quarantine))
    assert await alarms_of(store) == []
    said = meaning("status Real", "cap:Met", code_system="cap")
    assert (await quarantine.preview(said, actor=ADMIN)).alarms == 1
    assert (await quarantine.repair(said, actor=ADMIN)).alarms == 1
    (alarm,) = await alarms_of(store)
    assert (alarm.kind, alarm.label_zh, alarm.zone) == ("public_warning", "气象灾害预警", FLOOD.identifier)
    assert "河闸下游洪水" in alarm.text


async def test_undo_brings_the_signals_back_and_the_meaning_ends(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await take(intake, pulse())
    done = await quarantine.repair(meaning(), actor=ADMIN)
    with pytest.raises(TocsinError) as twice:
        await quarantine.repair(meaning(event="cid:1110"), actor=ADMIN)
    assert (twice.value.code, twice.value.key) == (ErrorCode.CONFLICT, "quarantine.taken")
    undone = await quarantine.undo(done.id, actor=ADMIN)
    assert undone.undone_at is not None
    assert len(await waiting(store)) == 1
    assert len(await alarms_of(store)) == 1, "an incident that was opened stays"
    await take(intake, pulse(after_s=100))
    assert len(await waiting(store)) == 2
    with pytest.raises(TocsinError) as again:
        await quarantine.undo(done.id, actor=ADMIN)
    assert again.value.key == "quarantine.undone"
    await quarantine.repair(meaning(event="cid:1602"), actor=ADMIN)
    assert await waiting(store) == []
    assert len(await alarms_of(store)) == 1, "a test asks for no decision"


async def test_one_device_goes_before_its_model_and_the_model_before_the_house(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await store.run(
        lambda tx: tx.connection.execute(
            update(tables_registry.devices)
            .where(tables_registry.devices.c.id.in_([PANEL, BANK_PANEL]))
            .values(maker="Hawk", model="X1")
        )
    )
    await quarantine.repair(meaning(event="cid:1301"), actor=ADMIN)
    await quarantine.repair(meaning(event="cid:1110", reach=Reach.MODEL, device_id=BANK_PANEL), actor=ADMIN)
    await quarantine.repair(meaning(event="cid:1120", reach=Reach.DEVICE, device_id=PANEL), actor=ADMIN)
    for device_id in (PANEL, BANK_PANEL, LONE_PANEL):
        await take(intake, pulse(device_id=device_id, account=device_id))
    assert {a.device_id: a.kind for a in await alarms_of(store)} == {
        PANEL: "panic", BANK_PANEL: "fire", LONE_PANEL: "power",
    }  # fmt: skip


async def test_an_account_entered_later_owns_what_came_from_it(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await take(intake, signal_of(burglary(), device_id=None, account="777", quarantine="unknown_account"))
    asked = Repair("", RepairKind.ACCOUNT, "entered today", protocol="dc09", account="777", device_id=PANEL)
    done = await quarantine.repair(asked, actor=ADMIN)
    assert (done.read, done.alarms) == (1, 1)
    (stored,) = await store.read(lambda tx: tx.signals.find(SignalFilter(device_id=PANEL), visible_to=ALL))
    assert stored.signal.account == "777"
    await quarantine.undo(done.id, actor=ADMIN)
    assert len(await waiting(store, account="777")) == 1


async def test_what_was_refused_for_safety_is_never_read_again(
    quarantine: QuarantineService, intake: Intake, store: AnyStore
) -> None:
    await take(intake, pulse(quarantine="security.downgrade"))
    assert (await quarantine.preview(meaning(), actor=ADMIN)).read == 0
    assert (await quarantine.repair(meaning(), actor=ADMIN)).read == 0
    assert len(await waiting(store)) == 1


@pytest.mark.parametrize(
    ("asked", "actor", "key"),
    [
        (meaning(event="cid:0"), PEOPLE.admin, "quarantine.no_event"),
        (meaning(reach=Reach.DEVICE), PEOPLE.admin, "registry.field_required"),
        (meaning(reach=Reach.MODEL, device_id=PANEL), PEOPLE.admin, "quarantine.no_model"),
        (meaning(), PEOPLE.installer, "quarantine.whole_house"),
        (meaning(), PEOPLE.li, "no_permission"),
    ],
)
async def test_who_may_not_or_says_too_little_is_refused(
    quarantine: QuarantineService, intake: Intake, asked: Repair, actor: Any, key: str
) -> None:
    with pytest.raises(TocsinError) as caught:
        await quarantine.repair(asked, actor=actor)
    assert caught.value.key == key


async def test_many_are_read_again_in_pieces_and_none_twice(
    quarantine: QuarantineService, intake: Intake, store: AnyStore, clock: FixedClock
) -> None:
    await take(intake, *(pulse(after_s=n * 61, zone=f"{n % 8:03d}") for n in range(450)))
    clock.advance(timedelta(hours=12).total_seconds())
    done = await quarantine.repair(meaning(), actor=ADMIN)
    assert (done.read, done.late) == (450, 450)
    assert await waiting(store) == []
    (kept,) = await quarantine.repairs(actor=ADMIN)
    assert (kept.read, kept.late, kept.alarms) == (450, 450, 0)
