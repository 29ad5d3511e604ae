"""Many new devices and places at once: the rules and records of single ones, with one statement for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import events
from tocsin.domain.access import Actor, scope
from tocsin.domain.acts import guard
from tocsin.domain.devices import Device, taken
from tocsin.domain.place_service import MANAGE, READ
from tocsin.domain.places import Place
from tocsin.domain.prohibited import refuse_device
from tocsin.domain.refusals import AUDITED, note_refusal


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device that passed the rules of one, and its sealed secret."""

    device: Device
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A place that passed the rules of one."""

    place: Place


def add_devices(tx: Any, actor: Actor, now: datetime, new: Sequence[NewDevice]) -> dict[str, TocsinError]:
    """Enter devices that name different addresses; return by id the refusals of those that cannot be entered.

    Each leaves its own record, and one more for its secret.
    """
    others: Mapping[tuple[str, ...], str] = tx.devices.addresses_in_use([one.device for one in new])
    at_place = _standing(tx, actor, (one.device.place_id for one in new))
    refused = _refused(
        tx, actor, "device", (one.device for one in new), lambda device: _check(device, others, at_place)
    )
    kept = [one for one in new if one.device.id not in refused]
    tx.devices.add_many([(one.device, one.sealed) for one in kept])
    tx.attempts.forget_pending(*(one.device.gb_id for one in kept))
    for one in kept:
        device = one.device
        # The feed has the last word of each device: the same for both records.
        data = {**device.form(), "keyed": one.sealed is not None}
        told: dict[str, Any] = {
            "subject_id": device.id,
            "at": now,
            "jurisdiction_code": device.jurisdiction_code,
            "actor": actor.ref,
        }
        tx.record(events.DeviceAdded(**told, data=data, kind=device.kind, protocol=device.protocol))
        if one.sealed is not None:
            tx.record(events.DeviceSecretSet(**told, data=data))
    return refused


def add_places(tx: Any, actor: Actor, now: datetime, new: Sequence[NewPlace]) -> dict[str, TocsinError]:
    """Enter places; return by id the refusals of those that cannot be entered."""
    refused = _refused(tx, actor, "place", (one.place for one in new), lambda _place: None)
    kept = [one.place for one in new if one.place.id not in refused]
    tx.places.add_many(kept)
    for place in kept:
        tx.record(
            events.PlaceAdded(subject_id=place.id, at=now, jurisdiction_code=place.jurisdiction_code, actor=actor.ref)
        )
    return refused


def _refused(
    tx: Any, actor: Actor, kind: str, new: Iterable[Any], check: Callable[[Any], None]
) -> dict[str, TocsinError]:
    """Return the refusals by id, each kept in the audit as that of a single act is."""
    found: dict[str, TocsinError] = {}
    homes = {node.id for node in tx.places.jurisdictions(visible_to=scope(actor, READ))}
    for one in new:
        try:
            if one.jurisdiction_id not in homes:
                raise TocsinError(ErrorCode.NOT_FOUND, f"no jurisdiction {one.jurisdiction_id}")
            guard(actor, MANAGE, kind, one.id, one.jurisdiction_code)
            check(one)
        except TocsinError as error:
            found[one.id] = error
            if error.code in AUDITED:
                note_refusal(tx, f"{kind}.added", kind, "", actor, error)
    return found


def _standing(tx: Any, actor: Actor, place_ids: Iterable[str | None]) -> Mapping[str, Place]:
    visible = scope(actor, READ)
    found: Mapping[str, Place] = tx.places.load({place_id for place_id in place_ids if place_id})
    return {key: place for key, place in found.items() if visible.covers(place.jurisdiction_code, place.id)}


def _check(device: Device, others: Mapping[tuple[str, ...], str], places: Mapping[str, Place]) -> None:
    if device.place_id is not None:
        place = places.get(device.place_id)
        if place is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no place {device.place_id}", field="place_id")
        if place.retired_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "the place is retired", key="registry.retired", field="place_id")
        refuse_device(device.kind, place)
    other = others.get(device.address)
    if other is None:
        return
    if device.has_account:
        raise taken("address.account", "registry.account_taken", "another device has this account", other)
    raise taken("address.gb_id", "registry.gb_id_taken", "another device has this id", other)
