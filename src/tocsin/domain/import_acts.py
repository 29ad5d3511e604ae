"""What a line of an import does to one object that is there, and what must be known to take it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import account_desk, place_service, registry
from tocsin.domain.access import Actor
from tocsin.domain.accounts import Account, AccountContact, PremisesPassword, ResponderNote, ZonePoint
from tocsin.domain.cameras import change_channel
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import Device, Zone
from tocsin.domain.places import Place

Work = Callable[[Any, Actor, datetime], Any]


@dataclass(frozen=True, slots=True)
class Act:
    """A use case of one object. `work` returns what it saved; `asked`, `kind` and `subject_id` name a refusal of it.

    `of` and `before` are for taking it back: what kind of object it is (`import_undo.KINDS`) and the values it had.
    `code` is where it lies. `device_id` is the device that the gateways must read again, empty when none.
    """

    asked: str
    kind: str
    subject_id: str
    work: Work
    of: str
    before: Mapping[str, object] = field(default_factory=dict)
    code: str = ""
    device_id: str = ""


def change_place(known: Place, changes: Mapping[str, Any]) -> Act:
    """Return the change of a place."""
    work = _of(place_service.change_place, known.id, changes, known.version)
    return Act("place.changed", "place", known.id, work, "place", _before(known, changes), known.jurisdiction_code)


def change_device(known: Device, changes: Mapping[str, Any], sealed: bytes | None) -> Act:
    """Return the change of a device; `sealed` is the secret of one that has none."""

    def _work(tx: Any, actor: Actor, now: datetime) -> Device:
        saved = registry.managed_device(tx, actor, known.id, known.version)
        if changes:
            saved = registry.change_device(tx, actor, now, known.id, changes, known.version)
        if sealed is not None:
            saved = registry.put_secret(tx, actor, now, saved, sealed)
        return saved

    before = _before(known, changes) | ({} if sealed is None else {"secret": None})
    return Act("device.changed", "device", known.id, _work, "device", before, known.jurisdiction_code, known.id)


def change_camera(known: ChannelRecord, changes: Mapping[str, Any]) -> Act:
    """Return the change of a camera; it may put the camera into service."""
    work = _of(change_channel, known.id, changes, known.version)
    before = _before(known, changes) | {"stage": known.stage}
    return Act(
        "channel.changed", "channel", known.id, work, "channel", before, known.jurisdiction_code, known.device_id
    )


def add_zone(device: Device, given: Mapping[str, Any]) -> Act:
    """Return the entry of a zone."""
    work = _of(registry.add_zone, device.id, given)
    return Act("zone.added", "device", device.id, work, "zone", {}, device.jurisdiction_code)


def change_zone(known: Zone, changes: Mapping[str, Any], code: str) -> Act:
    """Return the change of a zone."""
    work = _of(registry.change_zone, known.device_id, known.number, changes, known.version)
    return Act("zone.changed", "device", known.device_id, work, "zone", _before(known, changes), code)


def link_cameras(known: Zone, cameras: tuple[str, ...], code: str) -> Act:
    """Return the setting of the cameras of a zone."""
    work = _of(registry.link_cameras, known.device_id, known.number, cameras, known.version)
    return Act("zone.linked", "device", known.device_id, work, "zone", {"cameras": list(known.cameras)}, code)


def change_account(known: Account, changes: Mapping[str, Any], code: str) -> Act:
    """Return the change of owner and way in."""
    work = _of(account_desk.change, known.device_id, changes, known.version)
    before = {name: getattr(known, name) for name in changes}
    return Act("account.changed", "account", known.device_id, work, "account", before, code)


def add_contact(device: Device, given: Mapping[str, Any], today: date) -> Act:
    """Return the entry of a contact."""
    work = _of(account_desk.add_contact, device.id, given, today)
    return Act("account.contact_added", "account", device.id, work, "contact", {}, device.jurisdiction_code)


def change_contact(known: AccountContact, changes: Mapping[str, Any], today: date, code: str) -> Act:
    """Return the change of a contact."""
    work = _of(account_desk.change_contact, known.id, changes, known.version, today)
    return Act("account.contact_changed", "account", known.device_id, work, "contact", _before(known, changes), code)


def add_note(device: Device, text: str, until: datetime) -> Act:
    """Return the writing of a note for responders."""
    return Act(
        "account.note_added", "account", device.id,
        lambda tx, actor, _now: account_desk.add_note(tx, actor, device.id, text, until),
        "note", {}, device.jurisdiction_code,
    )  # fmt: skip


def change_note(known: ResponderNote, until: datetime, code: str) -> Act:
    """Return another end of a note."""
    return Act(
        "account.note_changed", "account", known.device_id,
        lambda tx, actor, _now: account_desk.change_note(tx, actor, known, until),
        "note", {"until": known.until.isoformat()}, code,
    )  # fmt: skip


def place_zone(device: Device, number: str, known: ZonePoint | None, point: ZonePoint) -> Act:
    """Return the putting of a zone on a floor plan."""

    def _work(tx: Any, actor: Actor, _now: datetime) -> ZonePoint | None:
        if tx.accounts.points(device.id).get(point.zone_id) != known:
            raise TocsinError(ErrorCode.CONFLICT, f"zone {number} was moved meanwhile", key="stale", field="zone")
        return account_desk.place_zone(tx, actor, device.id, number, point.form())

    before = {} if known is None else known.form()
    return Act("account.zone_placed", "account", device.id, _work, "point", before, device.jurisdiction_code)


def set_password(device: Device, known: PremisesPassword | None, made: PremisesPassword) -> Act:
    """Return the setting of a password, in the place of `known`; both are hashes."""

    def _work(tx: Any, actor: Actor, _now: datetime) -> PremisesPassword:
        if known is not None:
            account_desk.remove_password(tx, actor, device.id, known.id, why="replaced")
        return account_desk.add_password(tx, actor, made)

    before = {} if known is None else {**known.form(), "hash": known.hash}
    return Act("account.password_added", "account", device.id, _work, "password", before, device.jurisdiction_code)


def _before(known: Any, changes: Mapping[str, Any]) -> dict[str, object]:
    shown = known.form()
    return {name: shown[name] for name in changes}


def _of(use_case: Callable[..., Any], *args: Any) -> Work:
    return lambda tx, actor, now: use_case(tx, actor, now, *args)
