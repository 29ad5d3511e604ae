"""Use cases of permits to be on test: given, extended, ended by hand or by time, with what came meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.normal import NormalEvent
from tocsin.base.words import Words
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission
from tocsin.domain.acts import check_version
from tocsin.domain.devices import Device
from tocsin.domain.facts import Fact
from tocsin.domain.intake import Intake
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.permits import (
    NOTICE_LASTS,
    PHONE_KEPT,
    Permit,
    ZoneSeen,
    check_permit,
    checklist,
    left_in_alarm,
    tidy_zones,
)
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.schedule_service import READ, Form, opened_device
from tocsin.domain.signals import SignalState, StoredSignal
from tocsin.domain.store import Store
from tocsin.domain.watch_events import PermitEnded, PermitExtended, PermitGiven
from tocsin.domain.watch_signals import left_signal

GIVE: Final = Permission.HANDLE_INCIDENT
MAX_SIGNALS: Final = 5_000
RETURNED: Final = "permit.returned"
RETURNED_OFF: Final = "permit.returned_off"
WORDS: Final = Words(
    {
        RETURNED: (
            "The test of {device_en} is over: its signals raise alarms again.",
            "{device} 的测试已到期，其信号已恢复报警。",
        ),
        RETURNED_OFF: (
            "The test of {device_en} is over, still in alarm: zone {left}.",
            "{device} 的测试已到期，仍在报警的防区：{left}。",
        ),
    }
)


class PermitService(UseCases):
    """Permits to be on test."""

    def __init__(self, store: Store, intake: Intake, notices: NoticeBoard) -> None:
        super().__init__(store)
        self._intake = intake
        self._notices = notices

    async def find(self, device_id: str, *, actor: Actor) -> list[Form]:
        """Return the newest permits of an account, newest first. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_find, device_id, actor)

    async def read(self, permit_id: str, device_id: str, *, actor: Actor) -> Form:
        """Return a permit with what came of each zone during the test. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_read, permit_id, device_id, actor)

    async def give(self, permit: Permit, *, actor: Actor) -> Form:
        """Put an account, or zones of it, on test from now on.

        Errors: FORBIDDEN, NOT_FOUND, CONFLICT when the whole account is on test already, INVALID naming the field.
        """
        return await self._act("permit.given", "account", permit.device_id, actor, _give, permit, actor)

    async def extend(
        self, permit_id: str, device_id: str, until: datetime, reason: str, *, actor: Actor, version: int
    ) -> Form:
        """Move the end of a test. Errors: FORBIDDEN, NOT_FOUND, CONFLICT when it is over or changed, INVALID."""
        return await self._act(
            "permit.extended", "account", device_id, actor,
            _extend, permit_id, device_id, until, reason, actor, version,
        )  # fmt: skip

    async def end(self, permit_id: str, device_id: str, *, actor: Actor, version: int) -> Form:
        """End a test now. Errors: FORBIDDEN, NOT_FOUND, CONFLICT when it is over or changed."""
        return await self._act("permit.ended", "account", device_id, actor, _end, permit_id, device_id, actor, version)

    async def on_test(self, *, actor: Actor, device_id: str = "", after: str = "", limit: int = 100) -> list[Form]:
        """Return what is on test now, oldest first. Errors: FORBIDDEN."""
        return await self._store.read(_on_test, actor, device_id, after, limit)

    async def check(self) -> int:
        """Return what is over from test, and take old notices away; return how many tests ended."""
        ended: list[tuple[Permit, Device]] = []
        if await self._store.read(lambda tx: tx.watch.has_due_permit(tx.now)):
            ended = await self._store.run(self._return)
        for permit, device in ended:
            key = RETURNED_OFF if permit.left else RETURNED
            await self._notices.raise_notice(
                key,
                Severity.WARNING if permit.left else Severity.INFO,
                subject_id=permit.id,
                jurisdiction_code=device.jurisdiction_code,
                params={
                    "device": device.name,
                    "device_en": device.name_en or device.name,
                    "device_id": device.id,
                    "left": ", ".join(permit.left),
                },
            )
        for key, subject_id in await self._store.read(_old_notices):
            await self._notices.clear_notice(key, subject_id)
        return len(ended)

    async def forget_phones(self) -> None:
        """Delete the telephones of tests that ended long ago."""
        await self._store.run(lambda tx: tx.watch.forget_phones(tx.now - PHONE_KEPT))

    def _return(self, tx: Any) -> list[tuple[Permit, Device]]:
        facts: list[Fact] = []
        own: list[StoredSignal] = []
        ended: list[tuple[Permit, Device]] = []
        for permit in tx.watch.open_permits():
            if permit.until > tx.now:
                continue
            device = tx.devices.load({permit.device_id})[permit.device_id]
            over = _over(tx, permit, "returned", "")
            facts.append(_ended(over, device, SYSTEM, tx.now))
            ended.append((over, device))
            if over.left and device.retired_at is None:
                label = device.account or device.name[:64]
                signal = left_signal(device.id, label, tx.now, over.left, permit.id)
                own.append(StoredSignal(new_id(), signal, SignalState.PROCESSED))
        self._intake.keep_own(tx, own, facts)
        return ended


def _shows_phone(actor: Actor) -> bool:
    return actor.may(Permission.READ_INCIDENTS)


def _find(tx: Any, device_id: str, actor: Actor) -> list[Form]:
    opened_device(tx, device_id, actor, READ)
    return [permit.form(with_phone=_shows_phone(actor)) for permit in tx.watch.permits_of(device_id)]


def _read(tx: Any, permit_id: str, device_id: str, actor: Actor) -> Form:
    opened_device(tx, device_id, actor, READ)
    permit = tx.watch.permit(permit_id, device_id)
    seen: list[Form] = (
        [zone.form() for zone in _checklist(tx, permit)] if permit.ended_at is None else tx.watch.seen(permit_id)
    )
    return {
        **permit.form(with_phone=_shows_phone(actor)),
        "seen": seen,
        "seen_count": sum(1 for zone in seen if zone["is_entered"] and zone["times"]),
        "zone_count": sum(1 for zone in seen if zone["is_entered"]),
    }


def _over(tx: Any, permit: Permit, how: str, by: str) -> Permit:
    """End a permit; what came of its zones is kept with it."""
    seen = _checklist(tx, permit)
    over = permit.ended(how, by, tx.now, left_in_alarm(seen))
    tx.watch.save_permit(over)
    tx.watch.keep_seen(over.id, [zone.form() for zone in seen])
    return over


def _checklist(tx: Any, permit: Permit) -> list[ZoneSeen]:
    entered = {zone.number: (zone.name, zone.name_en) for zone in tx.devices.zones(permit.device_id)}
    return checklist(permit, entered, _events(tx, permit))


def _events(tx: Any, permit: Permit) -> Iterator[tuple[datetime, NormalEvent]]:
    for stored in tx.watch.signals_since(permit.device_id, permit.begun_at, MAX_SIGNALS):
        for event in stored.signal.events:
            yield stored.signal.received_at, event


def _give(tx: Any, permit: Permit, actor: Actor) -> Form:
    device = opened_device(tx, permit.device_id, actor, GIVE)
    if device.kind in ("platform", "receiver"):
        raise TocsinError(
            ErrorCode.CONFLICT, "a receiver or platform stands for others and is never on test", key="permit.kind"
        )
    made = replace(
        permit,
        zones=tidy_zones(permit.zones),
        begun_at=tx.now,
        given_by=actor.id,
        given_name=actor.name,
        version=1,
    )
    check_permit(made, tx.now)
    known = {zone.number for zone in tx.devices.zones(device.id)}
    if strange := [zone for zone in made.zones if known and zone not in known]:
        raise TocsinError(ErrorCode.INVALID, f"the device has no zone {strange[0]}", field="zones")
    if any(not one.zones and one.ended_at is None for one in tx.watch.permits_of(device.id)):
        raise TocsinError(ErrorCode.CONFLICT, "the whole account is on test already: extend it", key="permit.on_test")
    put_on_test(tx, made, device, actor.ref)
    return made.form(with_phone=_shows_phone(actor))


def put_on_test(tx: Any, permit: Permit, device: Device, who: ActorRef) -> None:
    """Write a permit that was checked, with its record."""
    tx.watch.add_permit(permit)
    tx.record(
        PermitGiven(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=who,
            permit_id=permit.id,
            until=permit.until,
            reason=permit.reason,
            zones=permit.zones,
            life_kinds=permit.life_kinds,
            has_second=bool(permit.life_kinds),
            data=permit.form(),
        )
    )


def take_off_test(tx: Any, permit_id: str, device: Device, who: ActorRef) -> None:
    """End a permit; one that is over already stays as it is."""
    known: Permit = tx.watch.permit(permit_id, device.id)
    if known.ended_at is None:
        tx.record(_ended(_over(tx, known, "ended", who.id), device, who, tx.now))


def _extend(tx: Any, permit_id: str, device_id: str, until: datetime, reason: str, actor: Actor, version: int) -> Form:
    device = opened_device(tx, device_id, actor, GIVE)
    known: Permit = tx.watch.permit(permit_id, device.id)
    check_version("permit", permit_id, known.version, version)
    made = known.extended(until, tx.now)
    tx.watch.save_permit(made)
    tx.record(
        PermitExtended(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            permit_id=made.id,
            until=made.until,
            reason=reason,
            data=made.form(),
        )
    )
    return made.form(with_phone=_shows_phone(actor))


def _end(tx: Any, permit_id: str, device_id: str, actor: Actor, version: int) -> Form:
    device = opened_device(tx, device_id, actor, GIVE)
    known: Permit = tx.watch.permit(permit_id, device.id)
    check_version("permit", permit_id, known.version, version)
    over = _over(tx, known, "ended", actor.id)
    tx.record(_ended(over, device, actor.ref, tx.now))
    return over.form(with_phone=_shows_phone(actor))


def _ended(permit: Permit, device: Device, actor: ActorRef, now: datetime) -> PermitEnded:
    return PermitEnded(
        subject_id=device.id,
        at=now,
        jurisdiction_code=device.jurisdiction_code,
        actor=actor,
        permit_id=permit.id,
        left=permit.left,
        how=permit.how_ended,
        data=permit.form(),
    )


def _on_test(tx: Any, actor: Actor, device_id: str, after: str, limit: int) -> list[Form]:
    found = tx.watch.on_test(visible_to=require(actor, READ), device_id=device_id, after=after, limit=limit)
    return [{**device, **permit.form(with_phone=_shows_phone(actor))} for permit, device in found]


def _old_notices(tx: Any) -> list[tuple[str, str]]:
    return [
        (notice.key, notice.subject_id)
        for notice in tx.notices.open_of((RETURNED, RETURNED_OFF), tx.now - NOTICE_LASTS)
    ]
