"""Accounts of alarm devices as the console calls them. Design note 0028."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Protocol, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.passwords import Passwords
from tocsin.base.picture_size import picture_size
from tocsin.domain import account_desk as desk
from tocsin.domain import accounts as rules
from tocsin.domain.access import Actor
from tocsin.domain.accounts import (
    Account,
    AccountContact,
    AccountView,
    CheckResult,
    FloorPlan,
    PremisesPassword,
    ResponderNote,
    ZonePoint,
)
from tocsin.domain.fields import refuse
from tocsin.domain.intake import Intake
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

T = TypeVar("T")


class PlanKeep(Protocol):
    """Where the pictures of floor plans lie; storage implements it."""

    async def write(self, name: str, data: bytes) -> None:
        """Keep a file. Errors: UNAVAILABLE."""

    async def read(self, name: str) -> bytes:
        """Return a file. Errors: NOT_FOUND."""

    async def remove(self, name: str) -> None:
        """Delete a file."""

    async def keep_only(self, names: frozenset[str]) -> None:
        """Delete whatever else lies there."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a password; `left`: how many wrong ones are still taken."""

    result: CheckResult
    left: int


class AccountService(UseCases):
    """Use cases of accounts; each is one transaction and leaves one audit record."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        intake: Intake,
        keep: PlanKeep,
        passwords: Passwords,
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._intake = intake
        self._keep = keep
        self._passwords = passwords
        self._zone = zone

    async def start(self) -> None:
        """Delete pictures whose plan was never entered, and what is over."""
        await self._keep.keep_only(await self._store.read(lambda tx: tx.accounts.plan_files()))
        await self.clear_over()

    async def clear_over(self) -> int:
        """Delete contacts, passwords and notes whose time is over; return how many."""
        count: int = await self._store.run(desk.clear_over, self.today())
        return count

    def today(self) -> date:
        """Return the day it is where the house is."""
        return self._clock.now().astimezone(self._zone).date()

    # --- reading ---

    async def view(self, device_id: str, *, actor: Actor) -> AccountView:
        """Return an account; contacts are counted. Errors: NOT_FOUND, CONFLICT when the device has none."""
        return await self._store.read(desk.view, actor, device_id, self.today())

    async def contacts(self, device_id: str, *, actor: Actor, incident_id: str = "") -> list[AccountContact]:
        """Return the contacts in call order; the reading is a record. Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
        return await self._act(
            "account.contacts_read", "account", device_id, actor,
            desk.read_contacts, actor, device_id, incident_id, self.today(),
        )  # fmt: skip

    async def history(
        self, device_id: str, *, actor: Actor, before_seq: int | None = None, limit: int = 100
    ) -> list[desk.HistoryLine]:
        """Return what happened to an account, newest first. Errors: NOT_FOUND."""
        return await self._store.read(desk.history, actor, device_id, before_seq, limit)

    # --- owner, way in, contacts ---

    async def change(self, device_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> Account:
        """Change owner and way in. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        return await self._do(
            "account.changed", device_id, actor, desk.change, actor, self._clock.now(), device_id, changes, version
        )

    async def add_contact(self, device_id: str, given: Mapping[str, Any], *, actor: Actor) -> AccountContact:
        """Enter a contact. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        return await self._do(
            "account.contact_added", device_id, actor,
            desk.add_contact, actor, self._clock.now(), device_id, given, self.today(),
        )  # fmt: skip

    async def change_contact(
        self, device_id: str, contact_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int
    ) -> AccountContact:
        """Change a contact. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        return await self._do(
            "account.contact_changed", device_id, actor,
            desk.change_contact, actor, self._clock.now(), contact_id, changes, version, self.today(),
        )  # fmt: skip

    async def remove_contact(self, device_id: str, contact_id: str, *, actor: Actor) -> None:
        """Delete a contact. Errors: NOT_FOUND, FORBIDDEN."""
        await self._do(
            "account.contact_removed", device_id, actor, desk.remove_contact, actor, self._clock.now(), contact_id
        )

    async def order_contacts(self, device_id: str, order: Sequence[str], *, actor: Actor) -> None:
        """Set the call order. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
        await self._do(
            "account.contacts_ordered", device_id, actor,
            desk.order_contacts, actor, self._clock.now(), device_id, tuple(order),
        )  # fmt: skip

    # --- notes ---

    async def add_note(self, device_id: str, text: str, until: datetime, *, actor: Actor) -> ResponderNote:
        """Write a note for responders. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        return await self._do("account.note_added", device_id, actor, desk.add_note, actor, device_id, text, until)

    async def remove_note(self, device_id: str, note_id: str, *, actor: Actor) -> None:
        """Take a note away. Errors: NOT_FOUND, FORBIDDEN."""
        await self._do("account.note_removed", device_id, actor, desk.remove_note, actor, device_id, note_id)

    # --- floor plans ---

    async def add_plan(self, device_id: str, name: str, data: bytes, *, actor: Actor) -> FloorPlan:
        """Keep a floor plan. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT, UNAVAILABLE."""
        kept_name = rules.plan_name(name)
        size = picture_size(data)
        if size is None or len(data) > rules.MAX_PLAN_BYTES or size.width_px * size.height_px > rules.MAX_PLAN_PIXELS:
            raise refuse("picture", "account.plan_form", "a floor plan is a PNG or JPEG of at most 8 MiB")
        await self._do("account.plan_added", device_id, actor, desk.may_add_plan, actor, device_id)
        digest = hashlib.sha256(data).hexdigest()
        plan = FloorPlan(new_id(), device_id, kept_name, size.form, size.width_px, size.height_px, len(data), digest)
        await self._keep.write(plan.file, data)
        is_kept = False
        try:
            added = await self._do("account.plan_added", device_id, actor, desk.add_plan, actor, plan)
            is_kept = True
        finally:
            if not is_kept:
                await self._keep.remove(plan.file)
        return added

    async def plan_picture(self, device_id: str, plan_id: str, *, actor: Actor) -> tuple[FloorPlan, bytes]:
        """Return a floor plan and its picture. Errors: NOT_FOUND."""
        plan = await self._store.read(desk.find_plan, actor, device_id, plan_id)
        return plan, await self._keep.read(plan.file)

    async def rename_plan(self, device_id: str, plan_id: str, name: str, *, actor: Actor) -> FloorPlan:
        """Give a floor plan another name. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
        return await self._do(
            "account.plan_renamed", device_id, actor, desk.rename_plan, actor, device_id, plan_id, name
        )

    async def remove_plan(self, device_id: str, plan_id: str, *, actor: Actor) -> None:
        """Delete a floor plan. Errors: NOT_FOUND, FORBIDDEN."""
        plan = await self._do("account.plan_removed", device_id, actor, desk.remove_plan, actor, device_id, plan_id)
        await self._keep.remove(plan.file)

    async def place_zone(
        self, device_id: str, number: str, given: Mapping[str, Any] | None, *, actor: Actor
    ) -> ZonePoint | None:
        """Put a zone on a floor plan, or take it off. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
        return await self._do("account.zone_placed", device_id, actor, desk.place_zone, actor, device_id, number, given)

    # --- passwords ---

    async def passwords(self, device_id: str, *, actor: Actor) -> list[PremisesPassword]:
        """Return what passwords there are, by label. Errors: NOT_FOUND, FORBIDDEN."""
        return await self._store.read(desk.list_passwords, actor, device_id)

    async def add_password(
        self, device_id: str, label: str, word: str, *, is_duress: bool, ends_on: str | None, actor: Actor
    ) -> PremisesPassword:
        """Set a password. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT when the account has this word already."""
        spoken = rules.checked_password(word)
        kept_label: str = rules.plain_text(100, required=True)("label", label)
        last = rules.read_day("ends_on", ends_on)
        if last is not None:
            rules.check_day("ends_on", last, self.today())
        for one in await self.passwords(device_id, actor=actor):
            if await self._passwords.verify(one.hash, spoken):
                raise refuse("password", "account.password_used", "this account has this password already")
        made = PremisesPassword(new_id(), device_id, kept_label, is_duress, await self._passwords.hash(spoken), last)
        return await self._do("account.password_added", device_id, actor, desk.add_password, actor, made)

    async def remove_password(self, device_id: str, password_id: str, *, actor: Actor) -> None:
        """Delete a password. Errors: NOT_FOUND, FORBIDDEN."""
        await self._do(
            "account.password_removed", device_id, actor, desk.remove_password, actor, device_id, password_id
        )

    async def check_password(self, device_id: str, word: str, *, actor: Actor, incident_id: str = "") -> Checked:
        """Say whether what was said on the telephone is right, wrong, or said under threat.

        Every password is compared, so that the time taken says nothing. Under threat an alarm is raised before the
        answer. Errors: TOO_MANY after five wrong ones in ten minutes; NOT_FOUND, FORBIDDEN, CONFLICT.
        """
        device, known, closed_until = await self._do(
            "account.password_checked", device_id, actor, desk.begin_check, actor, device_id, incident_id, self.today()
        )
        if closed_until is not None:
            wait_s = max(1, round((closed_until - self._clock.now()).total_seconds()))
            raise TocsinError(
                ErrorCode.TOO_MANY, "too many wrong passwords", key="account.closed", retry_after_s=wait_s
            )
        spoken = rules.as_spoken(word)
        matched = [one for one in known if await self._passwords.verify(one.hash, spoken)]
        result = CheckResult.WRONG
        if any(one.is_duress for one in matched):
            result = CheckResult.DURESS
            await self._intake.accept(desk.duress_signal(device, self._clock.now(), new_id()))
        elif matched:
            result = CheckResult.RIGHT
        checks = await self._store.run(desk.end_check, actor, device_id, incident_id, result)
        return Checked(result, max(0, rules.WRONG_MOST - checks.wrong))

    async def _do(self, asked: str, device_id: str, actor: Actor, work: Callable[..., T], *args: Any) -> T:
        return await self._act(asked, "account", device_id, actor, work, *args)
