"""Jurisdictions and places as rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import search_text
from tocsin.base.times import optional_from_us, optional_us
from tocsin.domain.access import Scope
from tocsin.domain.places import Contact, Jurisdiction, Place
from tocsin.storage.bulk import Bulk
from tocsin.storage.scope import below, within
from tocsin.storage.search import matches
from tocsin.storage.tables_registry import channels, devices, jurisdictions, places

_encode = msgspec.json.Encoder().encode
_contacts = msgspec.json.Decoder(tuple[Contact, ...])


class PlaceRepository:
    """The tree of jurisdictions, and places."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- jurisdictions ---

    def jurisdictions(self, *, visible_to: Scope) -> list[Jurisdiction]:
        """Return the tree in the order of its codes."""
        rows = self._connection.execute(
            select(jurisdictions)
            .where(within(jurisdictions.c.code, visible_to, jurisdictions.c.id))
            .order_by(jurisdictions.c.code)
        )
        return [_jurisdiction(row) for row in rows]

    def all_jurisdictions(self) -> list[Jurisdiction]:
        """Return the whole tree, for the house's own work."""
        return [_jurisdiction(row) for row in self._connection.execute(select(jurisdictions))]

    def jurisdiction(self, jurisdiction_id: str, *, visible_to: Scope) -> Jurisdiction:
        """Return one node. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(jurisdictions)
            .where(jurisdictions.c.id == jurisdiction_id)
            .where(within(jurisdictions.c.code, visible_to, jurisdictions.c.id))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no jurisdiction {jurisdiction_id}")
        return _jurisdiction(row)

    def jurisdiction_of_code(self, code: str) -> Jurisdiction | None:
        """Return the node of a division code, for the house's own work."""
        row = self._connection.execute(select(jurisdictions).where(jurisdictions.c.code == code)).one_or_none()
        return None if row is None else _jurisdiction(row)

    def codes_of(self, jurisdiction_ids: Collection[str]) -> dict[str, str]:
        """Return id -> division code."""
        if not jurisdiction_ids:
            return {}
        rows = self._connection.execute(
            select(jurisdictions.c.id, jurisdictions.c.code).where(jurisdictions.c.id.in_(sorted(jurisdiction_ids)))
        )
        return {row.id: row.code for row in rows}

    def add_jurisdiction(self, jurisdiction: Jurisdiction) -> None:
        """Add a node."""
        self._connection.execute(
            insert(jurisdictions).values(id=jurisdiction.id, version=1, **_jurisdiction_values(jurisdiction))
        )

    def save_jurisdiction(self, jurisdiction: Jurisdiction) -> Jurisdiction:
        """Write a node; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(jurisdictions)
            .where(jurisdictions.c.id == jurisdiction.id, jurisdictions.c.version == jurisdiction.version)
            .values(version=jurisdiction.version + 1, **_jurisdiction_values(jurisdiction))
        )
        if result.rowcount != 1:
            raise stale("jurisdiction", jurisdiction.id)
        return replace(jurisdiction, version=jurisdiction.version + 1)

    # --- places ---

    def find(
        self,
        *,
        visible_to: Scope,
        text: str = "",
        code: str = "",
        place_class: str = "",
        with_retired: bool = False,
        before: str = "",
        limit: int = 100,
    ) -> list[Place]:
        """Return places newest first; `code` narrows to a subtree, `before` is the cursor, a place id."""
        query = select(places).where(within(places.c.jurisdiction_code, visible_to, places.c.id))
        if text:
            query = query.where(matches(text, places.c.search))
        if code:
            query = query.where(below(places.c.jurisdiction_code, code))
        if place_class:
            query = query.where(places.c["class"] == place_class)
        if not with_retired:
            query = query.where(places.c.retired_at_us.is_(None))
        if before:
            query = query.where(places.c.id < before)
        rows = self._connection.execute(query.order_by(places.c.id.desc()).limit(limit))
        return [_place(row) for row in rows]

    def get(self, place_id: str, *, visible_to: Scope) -> Place:
        """Return one place. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(places)
            .where(places.c.id == place_id)
            .where(within(places.c.jurisdiction_code, visible_to, places.c.id))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no place {place_id}")
        return _place(row)

    def load(self, place_ids: Collection[str]) -> dict[str, Place]:
        """Return places by id, for the house's own work: no scope applies."""
        if not place_ids:
            return {}
        rows = self._connection.execute(select(places).where(places.c.id.in_(sorted(place_ids))))
        return {row.id: _place(row) for row in rows}

    def add(self, place: Place) -> None:
        """Add a place."""
        self._connection.execute(insert(places).values(id=place.id, version=1, **_place_values(place)))

    def add_many(self, new: Sequence[Place]) -> None:
        """Add places."""
        _ADD.run(self._connection, [(place.id, 1, *_place_values(place).values()) for place in new])

    def save(self, place: Place) -> Place:
        """Write a place; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(places)
            .where(places.c.id == place.id, places.c.version == place.version)
            .values(version=place.version + 1, **_place_values(place))
        )
        if result.rowcount != 1:
            raise stale("place", place.id)
        return replace(place, version=place.version + 1)

    def cameras_at(self, place_id: str) -> int:
        """Return how many cameras stand at a place: channels, retired ones aside, and devices that are cameras."""
        standing = select(func.count()).select_from(channels)
        filming = select(func.count()).select_from(devices)
        count = self._connection.execute(
            select(
                standing.where(channels.c.place_id == place_id, channels.c.stage != "retired").scalar_subquery(),
                filming.where(
                    devices.c.place_id == place_id, devices.c.kind == "camera", devices.c.retired_at_us.is_(None)
                ).scalar_subquery(),
            )
        ).one()
        return int(count[0]) or int(count[1])

    def uses(self, place_id: str) -> tuple[int, int]:
        """Return how many devices and channels in use stand at a place."""
        count = self._connection.execute(
            select(
                select(func.count())
                .select_from(devices)
                .where(devices.c.place_id == place_id, devices.c.retired_at_us.is_(None))
                .scalar_subquery(),
                select(func.count())
                .select_from(channels)
                .where(channels.c.place_id == place_id, channels.c.stage == "in_service")
                .scalar_subquery(),
            )
        ).one()
        return int(count[0]), int(count[1])


def contains(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that one of the columns contains a text, without regard to Latin case."""
    return or_(*(func.lower(column).contains(text.lower(), autoescape=True) for column in columns))


def stale(kind: str, subject_id: str) -> TocsinError:
    """Return the refusal to a writer who had not seen the newest version."""
    return TocsinError(ErrorCode.CONFLICT, f"{kind} {subject_id} has changed", key="stale")


def _jurisdiction_values(jurisdiction: Jurisdiction) -> dict[str, object]:
    return {
        "code": jurisdiction.code,
        "short": jurisdiction.short,
        "name": jurisdiction.name,
        "name_en": jurisdiction.name_en,
        "level": jurisdiction.level,
        "parent_id": jurisdiction.parent_id,
        "default_owner": jurisdiction.default_owner,
        "default_purpose": jurisdiction.default_purpose,
    }


def _jurisdiction(row: Row[Any]) -> Jurisdiction:
    return Jurisdiction(
        row.id,
        row.code,
        row.short,
        row.name,
        row.name_en,
        row.level,
        row.parent_id,
        row.default_owner,
        row.default_purpose,
        row.version,
    )


def _place_values(place: Place) -> dict[str, object]:
    return {
        "jurisdiction_id": place.jurisdiction_id,
        "jurisdiction_code": place.jurisdiction_code,
        "name": place.name,
        "name_en": place.name_en,
        "class": place.place_class,
        "address": place.address,
        "owner": place.owner,
        "lon": place.lon,
        "lat": place.lat,
        "contacts": _encode(place.contacts).decode(),
        "search": search_text(place.name, place.name_en, place.address),
        "notes": place.notes,
        "retired_at_us": optional_us(place.retired_at),
    }


_ADD = Bulk.into(places, ("id", "version", *_place_values(Place("", "", "", ""))))


def _place(row: Row[Any]) -> Place:
    return Place(
        id=row.id,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        name=row.name,
        name_en=row.name_en,
        place_class=row._mapping["class"],
        address=row.address,
        owner=row.owner,
        lon=row.lon,
        lat=row.lat,
        contacts=_contacts.decode(row.contacts),
        notes=row.notes,
        retired_at=optional_from_us(row.retired_at_us),
        version=row.version,
    )
