"""Accounts of alarm devices as rows. Scope is the device's: it is loaded first, `domain/account_desk.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.accounts import (
    Account,
    AccountContact,
    Checks,
    FloorPlan,
    PremisesPassword,
    ResponderNote,
    ZonePoint,
)
from tocsin.storage.scope import within
from tocsin.storage.tables_accounts import (
    account_contacts,
    account_notes,
    account_passwords,
    account_plans,
    accounts,
    zone_points,
)
from tocsin.storage.tables_people import users
from tocsin.storage.tables_registry import devices, zones

NOTES_KEPT: Final = timedelta(days=30)
RETIRED_KEPT: Final = timedelta(days=30)
_languages = msgspec.json.Decoder(tuple[str, ...])
_encode = msgspec.json.Encoder().encode


class AccountRepository:
    """Accounts with contacts, notes, floor plans and passwords."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- the account itself ---

    def get(self, device_id: str) -> Account:
        """Return an account; one nobody has written to yet is empty."""
        return self.load([device_id]).get(device_id) or Account(device_id)

    def load(self, device_ids: Collection[str]) -> dict[str, Account]:
        """Return the accounts of these devices that have been written to."""
        found = {}
        for row in self._connection.execute(select(accounts).where(accounts.c.device_id.in_(sorted(device_ids)))):
            checks = Checks(row.checks_wrong, optional_from_us(row.checks_since_us))
            found[row.device_id] = Account(row.device_id, row.owner, row.access, checks, row.version)
        return found

    def all_kept(self, *, visible_to: Scope) -> dict[str, Account]:
        """Return the accounts of devices in use that have been written to; for files."""
        rows = self._connection.execute(
            select(accounts.c.device_id, accounts.c.owner, accounts.c.access, accounts.c.version)
            .join(devices, devices.c.id == accounts.c.device_id)
            .where(*_in_use(visible_to))
        )
        return {row.device_id: Account(row.device_id, row.owner, row.access, version=row.version) for row in rows}

    def save(self, account: Account) -> Account:
        """Write owner and way in; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        self._have_row(account.device_id)
        done = self._connection.execute(
            update(accounts)
            .where(accounts.c.device_id == account.device_id, accounts.c.version == account.version)
            .values(owner=account.owner, access=account.access, version=account.version + 1)
        )
        if done.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"account {account.device_id} has changed", key="stale")
        return replace(account, version=account.version + 1)

    def save_checks(self, device_id: str, checks: Checks) -> None:
        """Write how often a password was wrong; nobody's view of the account becomes stale."""
        self._have_row(device_id)
        self._connection.execute(
            update(accounts)
            .where(accounts.c.device_id == device_id)
            .values(checks_wrong=checks.wrong, checks_since_us=optional_us(checks.since))
        )

    def _have_row(self, device_id: str) -> None:
        if not self.load([device_id]):
            self._connection.execute(insert(accounts).values(device_id=device_id))

    # --- contacts ---

    def contacts(self, device_id: str) -> list[AccountContact]:
        """Return the contacts in call order."""
        return self.contacts_of([device_id]).get(device_id, [])

    def contacts_of(self, device_ids: Collection[str]) -> dict[str, list[AccountContact]]:
        """Return the contacts of accounts, each in call order."""
        found: dict[str, list[AccountContact]] = {}
        rows = self._connection.execute(
            select(account_contacts)
            .where(account_contacts.c.device_id.in_(sorted(device_ids)))
            .order_by(account_contacts.c.rank, account_contacts.c.id)
        )
        for row in rows:
            found.setdefault(row.device_id, []).append(_contact(row))
        return found

    def contact(self, contact_id: str) -> AccountContact | None:
        """Return a contact."""
        row = self._connection.execute(
            select(account_contacts).where(account_contacts.c.id == contact_id)
        ).one_or_none()
        return None if row is None else _contact(row)

    def load_contacts(self, contact_ids: Collection[str]) -> dict[str, AccountContact]:
        """Return contacts by id."""
        rows = self._connection.execute(select(account_contacts).where(account_contacts.c.id.in_(sorted(contact_ids))))
        return {row.id: _contact(row) for row in rows}

    def all_contacts(self, *, visible_to: Scope) -> list[AccountContact]:
        """Return the contacts of every account in use, by account and call order; for files."""
        rows = self._connection.execute(
            select(account_contacts)
            .join(devices, devices.c.id == account_contacts.c.device_id)
            .where(*_in_use(visible_to))
            .order_by(account_contacts.c.device_id, account_contacts.c.rank)
        )
        return [_contact(row) for row in rows]

    def count_contacts(self, device_id: str, today: date) -> tuple[int, int]:
        """Return how many contacts there are, and how many should be looked at again."""
        row = self._connection.execute(
            select(func.count(), func.count().filter(account_contacts.c.review_on < today.isoformat())).where(
                account_contacts.c.device_id == device_id, _not_over(account_contacts.c.ends_on, today)
            )
        ).one()
        return int(row[0]), int(row[1])

    def add_contact(self, contact: AccountContact) -> None:
        """Add a contact."""
        self._connection.execute(
            insert(account_contacts).values(id=contact.id, version=contact.version, **_contact_values(contact))
        )

    def save_contact(self, contact: AccountContact) -> AccountContact:
        """Write a contact; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        done = self._connection.execute(
            update(account_contacts)
            .where(account_contacts.c.id == contact.id, account_contacts.c.version == contact.version)
            .values(version=contact.version + 1, **_contact_values(contact))
        )
        if done.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"contact {contact.id} has changed", key="stale")
        return replace(contact, version=contact.version + 1)

    def order_contacts(self, contact_ids: Sequence[str]) -> None:
        """Write the call order, without new versions: nobody's edit of a contact becomes stale."""
        for rank, contact_id in enumerate(contact_ids, 1):
            self._connection.execute(
                update(account_contacts).where(account_contacts.c.id == contact_id).values(rank=rank)
            )

    def remove_contact(self, contact_id: str) -> None:
        """Delete a contact."""
        self._connection.execute(delete(account_contacts).where(account_contacts.c.id == contact_id))

    # --- notes ---

    def notes(self, device_ids: Collection[str], now: datetime) -> list[ResponderNote]:
        """Return the notes that are valid, the one that ends first first."""
        rows = self._connection.execute(
            _NOTES.where(
                account_notes.c.device_id.in_(sorted(device_ids)), account_notes.c.until_us > to_us(now)
            ).order_by(account_notes.c.until_us, account_notes.c.id)
        )
        return [_note(row) for row in rows]

    def note(self, device_id: str, note_id: str) -> ResponderNote:
        """Return one note of an account. Errors: NOT_FOUND."""
        row = self._connection.execute(
            _NOTES.where(account_notes.c.id == note_id, account_notes.c.device_id == device_id)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no note {note_id}")
        return _note(row)

    def add_note(self, note: ResponderNote) -> None:
        """Add a note."""
        self._connection.execute(
            insert(account_notes).values(
                id=note.id,
                device_id=note.device_id,
                text=note.text,
                until_us=to_us(note.until),
                made_at_us=to_us(note.made_at),
                made_by=note.made_by,
            )
        )

    def end_note(self, note_id: str, until: datetime) -> None:
        """Let a note end at another time."""
        self._connection.execute(
            update(account_notes).where(account_notes.c.id == note_id).values(until_us=to_us(until))
        )

    def load_notes(self, note_ids: Collection[str]) -> dict[str, ResponderNote]:
        """Return notes by id."""
        rows = self._connection.execute(_NOTES.where(account_notes.c.id.in_(sorted(note_ids))))
        return {row.id: _note(row) for row in rows}

    def all_notes(self, now: datetime, *, visible_to: Scope) -> list[ResponderNote]:
        """Return the valid notes of every account in use, by account and end; for files."""
        rows = self._connection.execute(
            _NOTES.join(devices, devices.c.id == account_notes.c.device_id)
            .where(account_notes.c.until_us > to_us(now), *_in_use(visible_to))
            .order_by(account_notes.c.device_id, account_notes.c.until_us, account_notes.c.id)
        )
        return [_note(row) for row in rows]

    def remove_note(self, note_id: str) -> None:
        """Delete a note."""
        self._connection.execute(delete(account_notes).where(account_notes.c.id == note_id))

    # --- floor plans and zones on them ---

    def plans(self, device_id: str) -> list[FloorPlan]:
        """Return the floor plans by name."""
        rows = self._connection.execute(
            select(account_plans)
            .where(account_plans.c.device_id == device_id)
            .order_by(account_plans.c.name, account_plans.c.id)
        )
        return [_plan(row) for row in rows]

    def plan(self, device_id: str, plan_id: str) -> FloorPlan:
        """Return one floor plan of an account. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(account_plans).where(account_plans.c.id == plan_id, account_plans.c.device_id == device_id)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no floor plan {plan_id}")
        return _plan(row)

    def plan_files(self) -> frozenset[str]:
        """Return the names of the files of all floor plans."""
        return frozenset(_plan(row).file for row in self._connection.execute(select(account_plans)))

    def add_plan(self, plan: FloorPlan) -> None:
        """Add a floor plan."""
        self._connection.execute(
            insert(account_plans).values(
                id=plan.id,
                device_id=plan.device_id,
                name=plan.name,
                form=plan.form_,
                width_px=plan.width_px,
                height_px=plan.height_px,
                size_bytes=plan.size_bytes,
                sha256=plan.sha256,
            )
        )

    def rename_plan(self, plan_id: str, name: str) -> None:
        """Give a floor plan another name."""
        self._connection.execute(update(account_plans).where(account_plans.c.id == plan_id).values(name=name))

    def remove_plan(self, plan_id: str) -> int:
        """Delete a floor plan and take its zones off it; return how many zones."""
        count = self._connection.execute(delete(zone_points).where(zone_points.c.plan_id == plan_id)).rowcount
        self._connection.execute(delete(account_plans).where(account_plans.c.id == plan_id))
        return count

    def points(self, device_id: str) -> dict[str, ZonePoint]:
        """Return where the zones of a device are, by zone id."""
        rows = self._connection.execute(
            select(zone_points).join(zones, zones.c.id == zone_points.c.zone_id).where(zones.c.device_id == device_id)
        )
        return {row.zone_id: ZonePoint(row.zone_id, row.plan_id, row.x, row.y) for row in rows}

    def all_plans(self, *, visible_to: Scope) -> dict[str, list[FloorPlan]]:
        """Return the floor plans of every account in use, each account's by name; for files."""
        found: dict[str, list[FloorPlan]] = {}
        rows = self._connection.execute(
            select(account_plans)
            .join(devices, devices.c.id == account_plans.c.device_id)
            .where(*_in_use(visible_to))
            .order_by(account_plans.c.name, account_plans.c.id)
        )
        for row in rows:
            found.setdefault(row.device_id, []).append(_plan(row))
        return found

    def all_points(self, *, visible_to: Scope) -> list[tuple[str, str, str, ZonePoint | None]]:
        """Return every zone of the accounts in use, by device and number, and where it is: device, number, zone's id,
        point; for files.
        """
        rows = self._connection.execute(
            select(
                zones.c.id, zones.c.device_id, zones.c.number, zone_points.c.plan_id, zone_points.c.x, zone_points.c.y
            )
            .join(devices, devices.c.id == zones.c.device_id)
            .outerjoin(zone_points, zone_points.c.zone_id == zones.c.id)
            .where(*_in_use(visible_to))
            .order_by(zones.c.device_id, zones.c.number)
        )
        return [
            (
                row.device_id,
                row.number,
                row.id,
                None if row.plan_id is None else ZonePoint(row.id, row.plan_id, row.x, row.y),
            )
            for row in rows
        ]

    def put_point(self, point: ZonePoint) -> None:
        """Write where a zone is."""
        self.remove_point(point.zone_id)
        self._connection.execute(
            insert(zone_points).values(zone_id=point.zone_id, plan_id=point.plan_id, x=point.x, y=point.y)
        )

    def remove_point(self, zone_id: str) -> int:
        """Take a zone off its plan; return how many rows went."""
        return self._connection.execute(delete(zone_points).where(zone_points.c.zone_id == zone_id)).rowcount

    # --- passwords ---

    def passwords(self, device_id: str) -> list[PremisesPassword]:
        """Return the passwords as hashes, the oldest first."""
        rows = self._connection.execute(
            select(account_passwords).where(account_passwords.c.device_id == device_id).order_by(account_passwords.c.id)
        )
        return [_password(row) for row in rows]

    def load_passwords(self, password_ids: Collection[str]) -> dict[str, PremisesPassword]:
        """Return passwords by id, as hashes."""
        rows = self._connection.execute(
            select(account_passwords).where(account_passwords.c.id.in_(sorted(password_ids)))
        )
        return {row.id: _password(row) for row in rows}

    def all_passwords(self, *, visible_to: Scope) -> list[PremisesPassword]:
        """Return the passwords of every account in use, as hashes, by account; for files."""
        rows = self._connection.execute(
            select(account_passwords)
            .join(devices, devices.c.id == account_passwords.c.device_id)
            .where(*_in_use(visible_to))
            .order_by(account_passwords.c.device_id, account_passwords.c.id)
        )
        return [_password(row) for row in rows]

    def count_passwords(self, device_id: str, today: date) -> int:
        """Return how many passwords are valid."""
        query = select(func.count()).where(
            account_passwords.c.device_id == device_id, _not_over(account_passwords.c.ends_on, today)
        )
        return int(self._connection.execute(query).scalar_one())

    def add_password(self, password: PremisesPassword) -> None:
        """Add a password."""
        self._connection.execute(
            insert(account_passwords).values(
                id=password.id,
                device_id=password.device_id,
                label=password.label,
                is_duress=password.is_duress,
                hash=password.hash,
                ends_on=None if password.ends_on is None else password.ends_on.isoformat(),
            )
        )

    def remove_password(self, password_id: str) -> None:
        """Delete a password."""
        self._connection.execute(delete(account_passwords).where(account_passwords.c.id == password_id))

    # --- what time asks for ---

    def over(self, now: datetime, today: date, limit: int) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield what must go: what it is, its id, its device, the device's division code, and why.

        Contacts and passwords after their end or thirty days after their device was retired, notes thirty days after
        their end.
        """
        retired = devices.c.retired_at_us < to_us(now - RETIRED_KEPT)
        for what, table in (("contact", account_contacts), ("password", account_passwords)):
            is_over = and_(table.c.ends_on.is_not(None), table.c.ends_on < today.isoformat())
            rows = self._connection.execute(
                select(table.c.id, table.c.device_id, devices.c.jurisdiction_code, table.c.ends_on)
                .join(devices, devices.c.id == table.c.device_id)
                .where(or_(is_over, retired))
                .limit(limit)
            )
            for row in rows:
                has_ended = row.ends_on is not None and row.ends_on < today.isoformat()
                yield what, row.id, row.device_id, row.jurisdiction_code, "ended" if has_ended else "retired"
        rows = self._connection.execute(
            select(account_notes.c.id, account_notes.c.device_id, devices.c.jurisdiction_code)
            .join(devices, devices.c.id == account_notes.c.device_id)
            .where(account_notes.c.until_us < to_us(now - NOTES_KEPT))
            .limit(limit)
        )
        for row in rows:
            yield "note", row.id, row.device_id, row.jurisdiction_code, "ended"


_NOTES: Select[Any] = select(account_notes, users.c.name.label("user_name")).outerjoin(
    users, users.c.id == account_notes.c.made_by
)


def _in_use(visible_to: Scope) -> tuple[Any, ...]:
    return devices.c.retired_at_us.is_(None), within(devices.c.jurisdiction_code, visible_to, devices.c.id)


def _not_over(column: Any, today: date) -> Any:
    return or_(column.is_(None), column >= today.isoformat())


def _contact_values(contact: AccountContact) -> dict[str, object]:
    return {
        "device_id": contact.device_id,
        "rank": contact.rank,
        "name": contact.name,
        "role": contact.role,
        "phone": contact.phone,
        "languages": _encode(contact.languages).decode(),
        "note": contact.note,
        "review_on": contact.review_on.isoformat(),
        "ends_on": None if contact.ends_on is None else contact.ends_on.isoformat(),
    }


def _contact(row: Row[Any]) -> AccountContact:
    return AccountContact(
        id=row.id,
        device_id=row.device_id,
        rank=row.rank,
        name=row.name,
        role=row.role,
        phone=row.phone,
        review_on=date.fromisoformat(row.review_on),
        languages=_languages.decode(row.languages),
        note=row.note,
        ends_on=None if row.ends_on is None else date.fromisoformat(row.ends_on),
        version=row.version,
    )


def _note(row: Row[Any]) -> ResponderNote:
    return ResponderNote(
        id=row.id,
        device_id=row.device_id,
        text=row.text,
        until=from_us(row.until_us),
        made_at=from_us(row.made_at_us),
        made_by=row.made_by,
        made_by_name=row.user_name or "",
    )


def _plan(row: Row[Any]) -> FloorPlan:
    return FloorPlan(row.id, row.device_id, row.name, row.form, row.width_px, row.height_px, row.size_bytes, row.sha256)


def _password(row: Row[Any]) -> PremisesPassword:
    return PremisesPassword(
        row.id,
        row.device_id,
        row.label,
        row.is_duress,
        row.hash,
        None if row.ends_on is None else date.fromisoformat(row.ends_on),
    )
