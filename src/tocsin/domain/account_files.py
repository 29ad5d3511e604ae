"""Accounts and what they hold as tables: what is known for an import to compare with, and what an export holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.account_events import AccountsExported
from tocsin.domain.accounts import CONTACT_ROLES, NO_ACCOUNT, Account, AccountContact, FloorPlan, ZonePoint
from tocsin.domain.devices import Device
from tocsin.domain.import_accounts import MOST_WORDS, AccountLines, Held, plan_mark
from tocsin.domain.import_columns import CHINESE, KINDS
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.store import Store

NEEDS: Final = {
    "account": Permission.MANAGE_REGISTRY,
    "contact": Permission.MANAGE_CONTACTS,
    "note": Permission.MANAGE_REGISTRY,
    "position": Permission.MANAGE_REGISTRY,
}
_ROLES: Final = {word.casefold(): one.key for one in CONTACT_ROLES for word in (one.key, one.en, one.zh)}


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """What is there, by device; contacts only for who keeps them."""

    today: date
    accounts: Mapping[str, Account] = field(default_factory=dict)
    contacts: Mapping[str, list[AccountContact]] = field(default_factory=dict)


class AccountFiles(UseCases):
    """Reads accounts for files."""

    def __init__(self, store: Store, clock: Clock, passwords: Passwords, zone: tzinfo | None = None) -> None:
        super().__init__(store)
        self._clock = clock
        self._passwords = passwords
        self._zone = zone

    async def known(self, actor: Actor) -> KnownAccounts:
        """Return what an import compares with."""
        return await self._store.read(_known, actor, self._clock.now().astimezone(self._zone).date())

    async def lines(self, kind: str, words: Sequence[tuple[int, str, str]], *, actor: Actor) -> AccountLines:
        """Return what says what lines of a kind would do; `words` are the passwords of lines, which end here as hashes.

        Errors: INVALID when they are too many.
        """
        if len(words) > MOST_WORDS:
            raise TocsinError(
                ErrorCode.INVALID, f"at most {MOST_WORDS} lines of passwords", key="import.many_words", most=MOST_WORDS
            )
        now = self._clock.now()
        made = AccountLines(
            await self._store.read(_held, actor, kind, now, now.astimezone(self._zone).date(), self._zone)
        )
        await made.read_words(words, self._passwords)
        return made

    async def export(self, kind: str, language: str, *, actor: Actor) -> list[tuple[str, ...]]:
        """Return accounts, contacts, notes or positions the actor keeps as a table an import takes; leaves a record.

        Errors: FORBIDDEN.
        """
        return await self._act("account.exported", "account", "", actor, _export, actor, kind, language, self._zone)


def contact_values(values: Mapping[str, str]) -> dict[str, Any]:
    """Return what a line says of a contact, as people enter it."""
    given: dict[str, Any] = {name: values[name] for name in ("phone", "note") if name in values}
    given["name"] = values.get("contact", "")
    if "role" in values:
        given["role"] = _ROLES.get(values["role"].casefold(), values["role"])
    if "languages" in values:
        listed = values["languages"].replace("；", ";").replace("、", ";").replace(",", ";").split(";")
        given["languages"] = tuple(one.strip() for one in listed if one.strip())
    for name in ("review_on", "ends_on"):
        if name in values:
            given[name] = values[name].removesuffix(" 00:00:00").replace("/", "-")
    return given


def _devices(tx: Any, actor: Actor, permission: Permission) -> list[Device]:
    found: list[Device] = []
    after = ""
    while True:
        narrowed = {"after": (after,)} if after else {}
        some: list[Device] = tx.devices.find(visible_to=scope(actor, permission), limit=1_000, **narrowed)
        found += [one for one in some if one.kind != NO_ACCOUNT]
        if len(some) < 1_000:
            return found
        after = some[-1].id


def _known(tx: Any, actor: Actor, today: date) -> KnownAccounts:
    contacts: dict[str, list[AccountContact]] = {}
    for one in tx.accounts.all_contacts(visible_to=scope(actor, Permission.MANAGE_CONTACTS)):
        contacts.setdefault(one.device_id, []).append(one)
    kept: dict[str, Account] = tx.accounts.all_kept(visible_to=scope(actor, Permission.MANAGE_REGISTRY))
    return KnownAccounts(today, kept, contacts)


def _held(tx: Any, actor: Actor, kind: str, now: datetime, today: date, zone: tzinfo | None) -> Held:
    visible = scope(actor, Permission.MANAGE_REGISTRY)
    if kind == "note":
        return Held(now, today, zone, notes=_by_device(tx.accounts.all_notes(now, visible_to=visible)))
    if kind == "position":
        zones = {
            (device_id, number): (zone_id, point)
            for device_id, number, zone_id, point in tx.accounts.all_points(visible_to=visible)
        }
        return Held(now, today, zone, plans=tx.accounts.all_plans(visible_to=visible), zones=zones)
    kept = tx.accounts.all_passwords(visible_to=scope(actor, Permission.MANAGE_CONTACTS))
    return Held(now, today, zone, passwords=_by_device(kept))


def _by_device(things: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in things:
        found.setdefault(one.device_id, []).append(one)
    return found


def _export(tx: Any, actor: Actor, kind: str, language: str, zone: tzinfo | None) -> list[tuple[str, ...]]:
    needed = NEEDS.get(kind)
    if needed is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"there is no file of {kind}")
    visible = require(actor, needed)
    devices = {one.id: one for one in _devices(tx, actor, needed)}
    said: Iterable[tuple[str, tuple[str, ...]]]
    if kind == "account":
        kept = tx.accounts.all_kept(visible_to=visible)
        words = Counter(one.device_id for one in tx.accounts.all_passwords(visible_to=visible))
        said = (
            (device_id, (account.owner, account.access, str(words[device_id])))
            for device_id in devices
            for account in [kept.get(device_id) or Account(device_id)]
        )
    elif kind == "contact":
        said = ((one.device_id, _said(one)) for one in tx.accounts.all_contacts(visible_to=visible))
    elif kind == "note":
        notes = tx.accounts.all_notes(tx.now, visible_to=visible)
        said = ((one.device_id, (one.text, _time(one.until, zone))) for one in notes)
    else:
        plans = tx.accounts.all_plans(visible_to=visible)
        said = (
            (device_id, (number, _plan(plans[device_id], point), f"{point.x:.6f}", f"{point.y:.6f}"))
            for device_id, number, _, point in tx.accounts.all_points(visible_to=visible)
            if point is not None
        )
    columns = KINDS[kind]
    head = tuple(CHINESE[name] if language.startswith("zh") else name for name in columns)
    rows = [(*_named(devices[device_id]), *rest) for device_id, rest in said if device_id in devices]
    table = [head, *rows]
    tx.record(AccountsExported(subject_id="", at=tx.now, actor=actor.ref, kind=kind, rows=len(table) - 1))
    return table


def _named(device: Device) -> tuple[str, ...]:
    return (device.id, device.account, device.gb_id, device.prefix, device.receiver)


def _time(at: datetime, zone: tzinfo | None) -> str:
    return at.astimezone(zone).isoformat(" ", "seconds")


def _plan(plans: Sequence[FloorPlan], point: ZonePoint) -> str:
    return next(plan_mark(plans, one) for one in plans if one.id == point.plan_id)


def _said(one: AccountContact) -> tuple[str, ...]:
    ends = "" if one.ends_on is None else one.ends_on.isoformat()
    return (one.name, one.role, one.phone, ";".join(one.languages), one.note, one.review_on.isoformat(), ends)
