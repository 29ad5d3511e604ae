"""What people do with accounts of alarm devices: each function is a use case on a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import msgspec

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import iso
from tocsin.domain import accounts as rules
from tocsin.domain.access import SYSTEM, Actor, Permission, scope
from tocsin.domain.account_events import (
    AccountChanged,
    AccountFact,
    ContactAdded,
    ContactChanged,
    ContactRemoved,
    ContactsOrdered,
    ContactsRead,
    FloorPlanAdded,
    FloorPlanRemoved,
    FloorPlanRenamed,
    PasswordAdded,
    PasswordChecked,
    PasswordRemoved,
    ResponderNoteAdded,
    ResponderNoteChanged,
    ResponderNoteRemoved,
    ZonePlaced,
)
from tocsin.domain.accounts import (
    Account,
    AccountContact,
    AccountView,
    CheckResult,
    Checks,
    FloorPlan,
    PremisesPassword,
    ResponderNote,
    ZonePoint,
)
from tocsin.domain.acts import check_version, guard
from tocsin.domain.alarms import zone_key
from tocsin.domain.devices import Device, Zone
from tocsin.domain.signals import Signal

READ: Final = Permission.READ_REGISTRY
OVER_AT_ONCE: Final = 200
HISTORY_MOST: Final = 200
HIDDEN_FROM_PREMISES: Final = "account.password_"
DURESS_CODE: Final = "account.duress"
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One record of an account's history."""

    seq: int
    at_us: int
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    outcome: str
    detail: Mapping[str, Any]


def open_account(tx: Any, actor: Actor, device_id: str, permission: Permission = READ) -> Device:
    """Return the device of an account the actor may see. Errors: NOT_FOUND; CONFLICT when it has none; FORBIDDEN."""
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, READ))
    if device.kind == rules.NO_ACCOUNT:
        raise TocsinError(ErrorCode.CONFLICT, "a platform has no account", key="account.none")
    if permission is not READ:
        guard(actor, permission, "account", device.id, device.jurisdiction_code)
    return device


def work_on_account(tx: Any, actor: Actor, device_id: str, permission: Permission) -> Device:
    """Return the device of an account the actor may change. Errors: as `open_account`; CONFLICT when retired."""
    device = open_account(tx, actor, device_id, permission)
    if device.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "the device is retired", key="registry.retired")
    return device


def said(device: Device, tx: Any, actor: Actor | None, **more: Any) -> dict[str, Any]:
    """Return what every fact of an account says; consoles hear which account, and read it again."""
    return {
        "subject_id": device.id,
        "at": tx.now,
        "jurisdiction_code": device.jurisdiction_code,
        "actor": SYSTEM if actor is None else actor.ref,
        "data": {"id": device.id},
        **more,
    }


# --- reading ---


def view(tx: Any, actor: Actor, device_id: str, today: date) -> AccountView:
    """Return an account with everything but contacts and passwords. Errors: NOT_FOUND, CONFLICT."""
    device = open_account(tx, actor, device_id)
    place = None
    if device.place_id is not None:
        place = tx.places.load([device.place_id]).get(device.place_id)
    contacts, due = tx.accounts.count_contacts(device_id, today)
    return AccountView(
        device=device,
        place=place,
        account=tx.accounts.get(device_id),
        contacts=contacts,
        due=due,
        passwords=tx.accounts.count_passwords(device_id, today),
        notes=tuple(tx.accounts.notes([device_id], tx.now)),
        plans=tuple(tx.accounts.plans(device_id)),
        zones=tuple(tx.devices.zones(device_id)),
        points=tx.accounts.points(device_id),
    )


def read_contacts(tx: Any, actor: Actor, device_id: str, incident_id: str, today: date) -> list[AccountContact]:
    """Return the contacts in call order, and leave a record of the reading. Errors: NOT_FOUND, FORBIDDEN."""
    device = open_account(tx, actor, device_id, Permission.READ_CONTACTS)
    if incident_id:
        of_incident(tx, actor, device_id, incident_id)
    found = [one for one in tx.accounts.contacts(device_id) if not one.is_over(today)]
    if found:
        tx.record(ContactsRead(**said(device, tx, actor, data=None, count=len(found), incident_id=incident_id)))
    return found


def of_incident(tx: Any, actor: Actor, device_id: str, incident_id: str) -> Any:
    """Return an incident the actor may read that has an alarm of this account. Errors: NOT_FOUND, CONFLICT."""
    incident = tx.incidents.get(incident_id, visible_to=scope(actor, Permission.READ_INCIDENTS))
    if device_id not in {one.device_id for one in tx.incidents.accounts(incident_id)}:
        raise TocsinError(
            ErrorCode.CONFLICT, "the account has no alarm in that incident", key="account.not_of_incident"
        )
    return incident


def history(tx: Any, actor: Actor, device_id: str, before_seq: int | None, limit: int) -> list[HistoryLine]:
    """Return what happened to an account, its device and zones, newest first.

    Checks of passwords are only for who handles incidents: whoever stands on the premises must not learn of duress.
    """
    open_account(tx, actor, device_id)
    hidden = () if actor.may(Permission.READ_INCIDENTS) else (HIDDEN_FROM_PREMISES,)
    records = tx.audit.find(codes=None, subject=device_id, before_seq=before_seq, limit=limit, without=hidden)
    names = tx.audit.names({one.actor_id for one in records})
    return [
        HistoryLine(
            one.seq,
            one.at_us,
            one.actor_kind,
            one.actor_id,
            str(names.get(one.actor_id, {}).get("name", "")),
            one.action,
            one.outcome,
            msgspec.json.decode(one.detail),
        )
        for one in records
    ]


# --- owner, way in ---


def change(tx: Any, actor: Actor, now: datetime, device_id: str, changes: Mapping[str, Any], version: int) -> Account:
    """Change owner and way in. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_REGISTRY)
    known: Account = tx.accounts.get(device_id)
    check_version("account", device_id, known.version, version)
    saved: Account = tx.accounts.save(rules.changed_account(known, changes))
    tx.record(AccountChanged(**said(device, tx, actor, changed=tuple(sorted(changes)))))
    return saved


# --- contacts ---


def add_contact(
    tx: Any, actor: Actor, now: datetime, device_id: str, given: Mapping[str, Any], today: date
) -> AccountContact:
    """Enter a contact, the last in the order. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT when there is no room."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_CONTACTS)
    known = tx.accounts.contacts(device_id)
    room(len(known), rules.MAX_CONTACTS)
    rank = max((one.rank for one in known), default=0) + 1
    made = rules.new_contact(new_id(), device_id, rank, given, today)
    tx.accounts.add_contact(made)
    tx.record(ContactAdded(**said(device, tx, actor, contact_id=made.id, rank=rank, role=made.role)))
    return made


def change_contact(
    tx: Any, actor: Actor, now: datetime, contact_id: str, changes: Mapping[str, Any], version: int, today: date | None
) -> AccountContact:
    """Change a contact; without `today` its days are as they were. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
    device, known = _contact(tx, actor, contact_id)
    check_version("contact", contact_id, known.version, version)
    saved: AccountContact = tx.accounts.save_contact(rules.changed_contact(known, changes, today))
    tx.record(
        ContactChanged(**said(device, tx, actor, contact_id=saved.id, rank=saved.rank, changed=tuple(sorted(changes))))
    )
    return saved


def remove_contact(tx: Any, actor: Actor, now: datetime, contact_id: str, why: str = "by_hand") -> None:
    """Delete a contact. Errors: NOT_FOUND, FORBIDDEN."""
    device, known = _contact(tx, actor, contact_id)
    tx.accounts.remove_contact(contact_id)
    tx.accounts.order_contacts([one.id for one in tx.accounts.contacts(device.id)])
    tx.record(ContactRemoved(**said(device, tx, actor, contact_id=contact_id, role=known.role, why=why)))


def order_contacts(tx: Any, actor: Actor, now: datetime, device_id: str, order: Sequence[str]) -> None:
    """Set the call order. Errors: INVALID unless every contact is named once; NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_CONTACTS)
    if sorted(order) != sorted(one.id for one in tx.accounts.contacts(device_id)):
        raise TocsinError(
            ErrorCode.INVALID, "the order must name every contact once", key="account.order", field="order"
        )
    tx.accounts.order_contacts(order)
    tx.record(ContactsOrdered(**said(device, tx, actor, order=tuple(order))))


def _contact(tx: Any, actor: Actor, contact_id: str) -> tuple[Device, AccountContact]:
    known: AccountContact | None = tx.accounts.contact(contact_id)
    if known is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no contact {contact_id}")
    return work_on_account(tx, actor, known.device_id, Permission.MANAGE_CONTACTS), known


def room(count: int, most: int) -> None:
    """Let one more pass. Errors: CONFLICT when there is no room."""
    if count >= most:
        raise TocsinError(ErrorCode.CONFLICT, f"at most {most}", key="account.full", most=most)


# --- notes ---


def add_note(tx: Any, actor: Actor, device_id: str, text: str, until: datetime) -> ResponderNote:
    """Write a note for responders. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT when there is no room."""
    device = work_on_account(tx, actor, device_id, Permission.NOTE_ACCOUNT)
    room(len(tx.accounts.notes([device_id], tx.now)), rules.MAX_NOTES)
    made = rules.new_note(new_id(), device_id, text, until, tx.now, actor.id)
    tx.accounts.add_note(made)
    tx.record(ResponderNoteAdded(**said(device, tx, actor, note_id=made.id, until=iso(until))))
    return replace(made, made_by_name=actor.name)


def change_note(tx: Any, actor: Actor, known: ResponderNote, until: datetime) -> ResponderNote:
    """Let a note end at another time. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT when its end is not as known."""
    device = work_on_account(tx, actor, known.device_id, Permission.NOTE_ACCOUNT)
    check_version("note", known.id, tx.accounts.note(device.id, known.id).version, known.version)
    rules.new_note(known.id, device.id, known.text, until, tx.now, known.made_by)
    tx.accounts.end_note(known.id, until)
    tx.record(ResponderNoteChanged(**said(device, tx, actor, note_id=known.id, until=iso(until))))
    return replace(known, until=until)


def remove_note(tx: Any, actor: Actor, device_id: str, note_id: str, why: str = "by_hand") -> None:
    """Take a note away before its end. Errors: NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.NOTE_ACCOUNT)
    tx.accounts.note(device_id, note_id)
    tx.accounts.remove_note(note_id)
    tx.record(ResponderNoteRemoved(**said(device, tx, actor, note_id=note_id, why=why)))


# --- floor plans ---


def may_add_plan(tx: Any, actor: Actor, device_id: str) -> None:
    """Let a floor plan pass before its file is written. Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
    work_on_account(tx, actor, device_id, Permission.MANAGE_REGISTRY)
    room(len(tx.accounts.plans(device_id)), rules.MAX_PLANS)


def add_plan(tx: Any, actor: Actor, plan: FloorPlan) -> FloorPlan:
    """Enter a floor plan whose file is there. Errors: as `may_add_plan`."""
    may_add_plan(tx, actor, plan.device_id)
    device = tx.devices.load([plan.device_id])[plan.device_id]
    tx.accounts.add_plan(plan)
    tx.record(
        FloorPlanAdded(**said(device, tx, actor, plan_id=plan.id, sha256=plan.sha256, size_bytes=plan.size_bytes))
    )
    return plan


def rename_plan(tx: Any, actor: Actor, device_id: str, plan_id: str, name: str) -> FloorPlan:
    """Give a floor plan another name. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_REGISTRY)
    plan: FloorPlan = tx.accounts.plan(device_id, plan_id)
    kept = rules.plan_name(name)
    tx.accounts.rename_plan(plan_id, kept)
    tx.record(FloorPlanRenamed(**said(device, tx, actor, plan_id=plan_id)))
    return replace(plan, name=kept)


def remove_plan(tx: Any, actor: Actor, device_id: str, plan_id: str) -> FloorPlan:
    """Delete a floor plan; its zones stand nowhere then. Errors: NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_REGISTRY)
    plan: FloorPlan = tx.accounts.plan(device_id, plan_id)
    count = tx.accounts.remove_plan(plan_id)
    tx.record(FloorPlanRemoved(**said(device, tx, actor, plan_id=plan_id, zones=count)))
    return plan


def find_plan(tx: Any, actor: Actor, device_id: str, plan_id: str) -> FloorPlan:
    """Return a floor plan. Errors: NOT_FOUND."""
    open_account(tx, actor, device_id)
    found: FloorPlan = tx.accounts.plan(device_id, plan_id)
    return found


def place_zone(tx: Any, actor: Actor, device_id: str, number: str, given: Mapping[str, Any] | None) -> ZonePoint | None:
    """Put a zone on a floor plan; None takes it off. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_REGISTRY)
    zone: Zone = tx.devices.zone(device_id, zone_key(number))
    point = None
    if given is None:
        if not tx.accounts.remove_point(zone.id):
            return None
    else:
        point = rules.zone_point(zone.id, given)
        tx.accounts.plan(device_id, point.plan_id)
        tx.accounts.put_point(point)
    tx.record(ZonePlaced(**said(device, tx, actor, zone=zone.number, plan_id=point.plan_id if point else "")))
    return point


# --- passwords ---


def list_passwords(tx: Any, actor: Actor, device_id: str) -> list[PremisesPassword]:
    """Return the passwords by label; hashes are for comparing alone. Errors: NOT_FOUND, FORBIDDEN."""
    open_account(tx, actor, device_id, Permission.MANAGE_CONTACTS)
    found: list[PremisesPassword] = tx.accounts.passwords(device_id)
    return found


def add_password(tx: Any, actor: Actor, password: PremisesPassword) -> PremisesPassword:
    """Keep the hash of a password. Errors: NOT_FOUND, FORBIDDEN, CONFLICT when there is no room."""
    device = work_on_account(tx, actor, password.device_id, Permission.MANAGE_CONTACTS)
    room(len(tx.accounts.passwords(password.device_id)), rules.MAX_PASSWORDS)
    tx.accounts.add_password(password)
    tx.record(PasswordAdded(**said(device, tx, actor, password_id=password.id, is_duress=password.is_duress)))
    return password


def remove_password(tx: Any, actor: Actor, device_id: str, password_id: str, why: str = "by_hand") -> None:
    """Delete a password. Errors: NOT_FOUND, FORBIDDEN."""
    device = work_on_account(tx, actor, device_id, Permission.MANAGE_CONTACTS)
    if password_id not in {one.id for one in tx.accounts.passwords(device_id)}:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no password {password_id}")
    tx.accounts.remove_password(password_id)
    tx.record(PasswordRemoved(**said(device, tx, actor, password_id=password_id, why=why)))


def begin_check(
    tx: Any, actor: Actor, device_id: str, incident_id: str, today: date
) -> tuple[Device, list[PremisesPassword], datetime | None]:
    """Count a check as wrong before anything is compared; return what to compare, or until when nothing is.

    Errors: NOT_FOUND, FORBIDDEN, CONFLICT when the account has no alarm in the incident.
    """
    device = open_account(tx, actor, device_id, Permission.HANDLE_INCIDENT)
    if incident_id:
        of_incident(tx, actor, device_id, incident_id)
    known: Account = tx.accounts.get(device_id)
    closed_until = known.checks.closed_until(tx.now)
    if closed_until is not None:
        tx.record(
            PasswordChecked(
                **said(device, tx, actor, data=None, result=CheckResult.CLOSED.value, incident_id=incident_id)
            )
        )
        return device, [], closed_until
    tx.accounts.save_checks(device_id, known.checks.counted(tx.now))
    return device, [one for one in tx.accounts.passwords(device_id) if not one.is_over(today)], None


def end_check(tx: Any, actor: Actor, device_id: str, incident_id: str, result: CheckResult) -> Checks:
    """Keep what came of a check; a right one opens the count anew. Return how the count stands."""
    device = tx.devices.load([device_id])[device_id]
    checks: Checks = tx.accounts.get(device_id).checks
    if result is not CheckResult.WRONG:
        checks = Checks()
        tx.accounts.save_checks(device_id, checks)
    tx.record(PasswordChecked(**said(device, tx, actor, data=None, result=result.value, incident_id=incident_id)))
    return checks


def duress_signal(device: Device, at: datetime, check_id: str) -> Signal:
    """Return the signal of a word said under threat. Source: alarm reference, event tables, duress: priority 1."""
    event = NormalEvent(
        "tocsin",
        DURESS_CODE,
        EventKind.ALARM,
        Category.DURESS,
        1,
        "Duress word given on the telephone",
        "电话核实时说出胁迫口令",
    )
    return Signal(
        protocol="tocsin",
        transport="internal",
        peer="",
        account=device.account or device.gb_id or device.name[:64],
        raw=_encode({"code": DURESS_CODE, "check": check_id}),
        received_at=at,
        device_id=device.id,
        token=DURESS_CODE,
        dedup_key=f"{DURESS_CODE}|{check_id}",
        events=(event,),
    )


# --- what time asks for ---


def clear_over(tx: Any, today: date) -> int:
    """Delete what is over: contacts, passwords and notes; return how many."""
    facts: list[AccountFact] = []
    for what, thing_id, device_id, code, why in list(tx.accounts.over(tx.now, today, OVER_AT_ONCE)):
        common: dict[str, Any] = {
            "subject_id": device_id,
            "at": tx.now,
            "jurisdiction_code": code,
            "data": {"id": device_id},
            "why": why,
        }
        if what == "contact":
            role = tx.accounts.contact(thing_id).role
            tx.accounts.remove_contact(thing_id)
            tx.accounts.order_contacts([one.id for one in tx.accounts.contacts(device_id)])
            facts.append(ContactRemoved(contact_id=thing_id, role=role, **common))
        elif what == "password":
            tx.accounts.remove_password(thing_id)
            facts.append(PasswordRemoved(password_id=thing_id, **common))
        else:
            tx.accounts.remove_note(thing_id)
            facts.append(ResponderNoteRemoved(note_id=thing_id, **common))
    tx.record_many(facts)
    return len(facts)
