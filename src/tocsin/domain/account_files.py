"""Accounts and contacts as tables: what is known for an import to compare with, and what an export holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.account_events import AccountsExported
from tocsin.domain.accounts import CONTACT_ROLES, NO_ACCOUNT, Account, AccountContact
from tocsin.domain.devices import Device
from tocsin.domain.import_columns import ACCOUNT, CHINESE, CONTACT
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.store import Store

NEEDS: Final = {"account": Permission.MANAGE_REGISTRY, "contact": Permission.MANAGE_CONTACTS}
_ROLES: Final = {word.casefold(): one.key for one in CONTACT_ROLES for word in (one.key, one.en, one.zh)}


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """What is there, by device; contacts only for who keeps them."""

    today: date
    accounts: Mapping[str, Account] = field(default_factory=dict)
    contacts: Mapping[str, list[AccountContact]] = field(default_factory=dict)


class AccountFiles(UseCases):
    """Reads accounts for files."""

    def __init__(self, store: Store, clock: Clock, zone: tzinfo | None = None) -> None:
        super().__init__(store)
        self._clock = clock
        self._zone = zone

    async def known(self, actor: Actor) -> KnownAccounts:
        """Return what an import compares with."""
        return await self._store.read(_known, actor, self._clock.now().astimezone(self._zone).date())

    async def export(self, kind: str, language: str, *, actor: Actor) -> list[tuple[str, ...]]:
        """Return the accounts or contacts the actor keeps as a table an import takes; leaves a record.

        Errors: FORBIDDEN.
        """
        return await self._act("account.exported", "account", "", actor, _export, actor, kind, language)


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


def _export(tx: Any, actor: Actor, kind: str, language: str) -> list[tuple[str, ...]]:
    needed = NEEDS.get(kind)
    if needed is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"there is no file of {kind}")
    visible = require(actor, needed)
    devices = {one.id: one for one in _devices(tx, actor, needed)}
    rows: Iterable[tuple[str, ...]]
    if kind == "account":
        columns: tuple[str, ...] = ACCOUNT
        kept = tx.accounts.all_kept(visible_to=visible)
        rows = (
            (*_named(device), account.owner, account.access)
            for device in devices.values()
            for account in [kept.get(device.id) or Account(device.id)]
        )
    else:
        columns = CONTACT
        rows = (
            (*_named(devices[one.device_id]), *_said(one))
            for one in tx.accounts.all_contacts(visible_to=visible)
            if one.device_id in devices
        )
    table = [tuple(CHINESE[name] for name in columns) if language.startswith("zh") else columns, *rows]
    tx.record(AccountsExported(subject_id="", at=tx.now, actor=actor.ref, kind=kind, rows=len(table) - 1))
    return table


def _named(device: Device) -> tuple[str, ...]:
    return (device.id, device.account, device.gb_id, device.prefix, device.receiver)


def _said(one: AccountContact) -> tuple[str, ...]:
    ends = "" if one.ends_on is None else one.ends_on.isoformat()
    return (one.name, one.role, one.phone, ";".join(one.languages), one.note, one.review_on.isoformat(), ends)
