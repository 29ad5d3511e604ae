"""Use cases of jurisdictions and places: who may enter, change and retire them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain import events, places
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import Page, bounded, check_version, guard, page
from tocsin.domain.fields import refuse
from tocsin.domain.places import Contact, Jurisdiction, Place
from tocsin.domain.prohibited import refuse_class
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

T = TypeVar("T")
READ = Permission.READ_REGISTRY
MANAGE = Permission.MANAGE_REGISTRY


class PlaceService(UseCases):
    """Use cases of jurisdictions and places; each is one transaction and leaves one audit record."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock

    async def jurisdictions(self, actor: Actor) -> list[Jurisdiction]:
        """Return the nodes the actor may see, in the order of their codes."""
        return await self._store.read(lambda tx: list(tx.places.jurisdictions(visible_to=scope(actor, READ))))

    async def jurisdiction(self, jurisdiction_id: str, *, actor: Actor) -> Jurisdiction:
        """Return one node. Errors: NOT_FOUND."""
        visible = scope(actor, READ)
        found: Jurisdiction = await self._store.read(
            lambda tx: tx.places.jurisdiction(jurisdiction_id, visible_to=visible)
        )
        return found

    async def create_jurisdiction(self, given: Mapping[str, Any], *, actor: Actor) -> Jurisdiction:
        """Add a node below `parent_id`, or a root. Errors: INVALID, CONFLICT on a code in use, FORBIDDEN."""
        return await self._do(actor, "jurisdiction.added", "jurisdiction", "", _create_jurisdiction, given)

    async def change_jurisdiction(
        self, jurisdiction_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int
    ) -> Jurisdiction:
        """Change names, level and defaults. Errors: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN."""
        return await self._do(
            actor,
            "jurisdiction.changed",
            "jurisdiction",
            jurisdiction_id,
            _change_jurisdiction,
            jurisdiction_id,
            changes,
            version,
        )

    async def places(
        self,
        actor: Actor,
        *,
        text: str = "",
        jurisdiction_id: str = "",
        place_class: str = "",
        with_retired: bool = False,
        after: str = "",
        limit: int = 100,
    ) -> Page[Place]:
        """Return places newest first, within a subtree when one is named."""
        size = bounded(limit)
        found = await self._store.read(
            _find_places, actor, jurisdiction_id, text, place_class, with_retired, after, size + 1
        )
        return page(found, size, lambda place: place.id)

    async def place(self, place_id: str, *, actor: Actor) -> Place:
        """Return one place. Errors: NOT_FOUND."""
        found: Place = await self._store.read(lambda tx: tx.places.get(place_id, visible_to=scope(actor, READ)))
        return found

    async def contacts(self, place_id: str, *, actor: Actor, incident_id: str = "") -> list[Contact]:
        """Return the contacts in call order with their numbers; the reading is a record.

        Errors: NOT_FOUND, FORBIDDEN, CONFLICT when the incident is of another place.
        """
        return await self._do(actor, "place.contacts_read", "place", place_id, _read_contacts, place_id, incident_id)

    async def create_place(self, given: Mapping[str, Any], *, actor: Actor) -> Place:
        """Enter a place of `jurisdiction_id`. Errors: INVALID, NOT_FOUND, FORBIDDEN."""
        return await self._do(actor, "place.added", "place", "", _create_place, given)

    async def change_place(self, place_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> Place:
        """Change a place. Errors: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN."""
        return await self._do(actor, "place.changed", "place", place_id, change_place, place_id, changes, version)

    async def retire_place(self, place_id: str, *, actor: Actor, version: int) -> Place:
        """Retire a place that nothing in use stands at. Errors: NOT_FOUND, CONFLICT, FORBIDDEN."""
        return await self._do(actor, "place.retired", "place", place_id, retire_place, place_id, version)

    async def _do(self, actor: Actor, asked: str, kind: str, subject_id: str, work: Callable[..., T], *args: Any) -> T:
        now = self._clock.now()
        return await self._act(asked, kind, subject_id, actor, work, actor, now, *args)


def _create_jurisdiction(tx: Any, actor: Actor, now: datetime, given: Mapping[str, Any]) -> Jurisdiction:
    parent = None
    if given.get("parent_id"):
        parent = tx.places.jurisdiction(given["parent_id"], visible_to=scope(actor, READ))
    made = places.new_jurisdiction(new_id(), given, parent)
    guard(actor, MANAGE, "jurisdiction", made.id, made.code)
    if tx.places.jurisdiction_of_code(made.code) is not None:
        raise TocsinError(ErrorCode.CONFLICT, f"code {made.code} is in use", key="registry.code_taken", field="code")
    tx.places.add_jurisdiction(made)
    tx.record(
        events.JurisdictionAdded(
            subject_id=made.id, at=now, jurisdiction_code=made.code, actor=actor.ref, parent_id=made.parent_id or ""
        )
    )
    return made


def _change_jurisdiction(
    tx: Any, actor: Actor, now: datetime, jurisdiction_id: str, changes: Mapping[str, Any], version: int
) -> Jurisdiction:
    known = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "jurisdiction", known.id, known.code)
    check_version("jurisdiction", known.id, known.version, version)
    saved: Jurisdiction = tx.places.save_jurisdiction(places.changed_jurisdiction(known, changes))
    tx.record(
        events.JurisdictionChanged(
            subject_id=saved.id, at=now, jurisdiction_code=saved.code, actor=actor.ref, changed=tuple(sorted(changes))
        )
    )
    return saved


def subtree_code(tx: Any, actor: Actor, jurisdiction_id: str) -> str:
    """Return the division code a list is narrowed to; empty when none is named. Errors: NOT_FOUND."""
    if not jurisdiction_id:
        return ""
    return str(tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ)).code)


def _find_places(
    tx: Any,
    actor: Actor,
    jurisdiction_id: str,
    text: str,
    place_class: str,
    with_retired: bool,
    before: str,
    limit: int,
) -> list[Place]:
    found: list[Place] = tx.places.find(
        visible_to=scope(actor, READ),
        text=text,
        code=subtree_code(tx, actor, jurisdiction_id),
        place_class=place_class,
        with_retired=with_retired,
        before=before,
        limit=limit,
    )
    return found


def _create_place(tx: Any, actor: Actor, now: datetime, given: Mapping[str, Any]) -> Place:
    home = home_of(tx, actor, given)
    made = places.new_place(new_id(), given, home)
    guard(actor, MANAGE, "place", made.id, made.jurisdiction_code)
    tx.places.add(made)
    tx.record(events.PlaceAdded(subject_id=made.id, at=now, jurisdiction_code=made.jurisdiction_code, actor=actor.ref))
    return made


def _read_contacts(tx: Any, actor: Actor, now: datetime, place_id: str, incident_id: str) -> list[Contact]:
    place: Place = tx.places.get(place_id, visible_to=scope(actor, READ))
    guard(actor, Permission.READ_CONTACTS, "place", place.id, place.jurisdiction_code)
    if incident_id:
        incident = tx.incidents.get(incident_id, visible_to=scope(actor, Permission.READ_INCIDENTS))
        if incident.place_id != place_id:
            raise TocsinError(ErrorCode.CONFLICT, "the incident is of another place", key="place.not_of_incident")
    if place.contacts:
        tx.record(
            events.PlaceContactsRead(
                subject_id=place.id,
                at=now,
                jurisdiction_code=place.jurisdiction_code,
                actor=actor.ref,
                count=len(place.contacts),
                incident_id=incident_id,
            )
        )
    return list(place.contacts)


def home_of(tx: Any, actor: Actor, given: Mapping[str, Any]) -> Jurisdiction:
    """Return the jurisdiction that new things name. Errors: INVALID, NOT_FOUND."""
    if not given.get("jurisdiction_id"):
        raise refuse("jurisdiction_id", "registry.field_required", "jurisdiction_id must not be empty")
    home: Jurisdiction = tx.places.jurisdiction(given["jurisdiction_id"], visible_to=scope(actor, READ))
    return home


def moved_to(tx: Any, actor: Actor, kind: str, known: Any, changes: Mapping[str, Any]) -> Jurisdiction | None:
    """Return the jurisdiction something moves to, None when it stays; the actor must manage both."""
    target = changes.get("jurisdiction_id")
    if not target or target == known.jurisdiction_id:
        return None
    home: Jurisdiction = tx.places.jurisdiction(target, visible_to=scope(actor, READ))
    guard(actor, MANAGE, kind, known.id, home.code)
    return home


def change_place(
    tx: Any, actor: Actor, now: datetime, place_id: str, changes: Mapping[str, Any], version: int
) -> Place:
    known = tx.places.get(place_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "place", known.id, known.jurisdiction_code)
    check_version("place", known.id, known.version, version)
    home = moved_to(tx, actor, "place", known, changes)
    changed = places.changed_place(known, changes, home)
    refuse_class(tx, known, changed)
    saved: Place = tx.places.save(changed)
    tx.record(
        events.PlaceChanged(
            subject_id=saved.id,
            at=now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            changed=tuple(sorted(changes)),
            moved_from=known.jurisdiction_code if home is not None else "",
        )
    )
    return saved


def retire_place(tx: Any, actor: Actor, now: datetime, place_id: str, version: int) -> Place:
    known = tx.places.get(place_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "place", known.id, known.jurisdiction_code)
    check_version("place", known.id, known.version, version)
    if known.retired_at is not None:
        return known  # type: ignore[no-any-return]
    devices, cameras = tx.places.uses(place_id)
    if devices or cameras:
        raise TocsinError(
            ErrorCode.CONFLICT,
            f"{devices} devices and {cameras} cameras in use stand there",
            key="registry.in_use",
            by=f"{devices} + {cameras}",
        )
    saved: Place = tx.places.save(replace(known, retired_at=now))
    tx.record(
        events.PlaceRetired(subject_id=saved.id, at=now, jurisdiction_code=saved.jurisdiction_code, actor=actor.ref)
    )
    return saved
