"""Layouts of the video wall as rows."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.layouts import Layout
from tocsin.storage.scope import within
from tocsin.storage.tables_registry import jurisdictions
from tocsin.storage.tables_wall import wall_layouts

_places = msgspec.json.Decoder(tuple[tuple[str, ...], ...])


class LayoutRepository:
    """Saved walls."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def visible(self, user_id: str, shared_in: Scope) -> list[Layout]:
        """Return a user's own layouts and those shared in `shared_in` or above it, by name."""
        rows = self._connection.execute(
            _rows().where(_visible(user_id, shared_in)).order_by(wall_layouts.c.name, wall_layouts.c.id).limit(500)
        )
        return [_layout(row) for row in rows]

    def get(self, layout_id: str, user_id: str, shared_in: Scope) -> Layout:
        """Return one of those. Errors: NOT_FOUND."""
        row = self._connection.execute(
            _rows().where(wall_layouts.c.id == layout_id, _visible(user_id, shared_in))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no layout {layout_id}")
        return _layout(row)

    def count(self, user_id: str) -> int:
        """Return how many layouts a user owns."""
        found = self._connection.execute(
            select(func.count()).select_from(wall_layouts).where(wall_layouts.c.owner_id == user_id)
        )
        return int(found.scalar_one())

    def add(self, layout: Layout) -> None:
        """Add a layout."""
        self._connection.execute(insert(wall_layouts).values(id=layout.id, owner_id=layout.owner_id, **_values(layout)))

    def save(self, layout: Layout) -> None:
        """Write a changed layout."""
        self._connection.execute(update(wall_layouts).where(wall_layouts.c.id == layout.id).values(**_values(layout)))

    def remove(self, layout_id: str) -> None:
        """Delete a layout."""
        self._connection.execute(delete(wall_layouts).where(wall_layouts.c.id == layout_id))


def _rows() -> Select[Any]:
    home = select(jurisdictions.c.id).where(jurisdictions.c.code == wall_layouts.c.jurisdiction_code).scalar_subquery()
    return select(wall_layouts, home.label("jurisdiction_id"))


def _visible(user_id: str, shared_in: Scope) -> ColumnElement[bool]:
    above = sorted({prefix[:length] for prefix in shared_in.prefixes for length in range(1, len(prefix))})
    code = wall_layouts.c.jurisdiction_code
    is_shared = wall_layouts.c.is_shared.is_(True) & or_(within(code, shared_in), code.in_(above))
    return or_(wall_layouts.c.owner_id == user_id, is_shared)


def _values(layout: Layout) -> dict[str, Any]:
    return {
        "name": layout.name,
        "tiles": layout.tiles,
        "places": msgspec.json.encode(layout.places).decode(),
        "dwell_s": layout.dwell_s,
        "jurisdiction_code": layout.jurisdiction_code,
        "is_shared": layout.is_shared,
        "is_together": layout.is_together,
        "changed_at_us": to_us(layout.changed_at),
        "version": layout.version,
    }


def _layout(row: Any) -> Layout:
    return Layout(
        row.id,
        row.owner_id,
        row.name,
        row.tiles,
        _places.decode(row.places),
        row.dwell_s,
        row.jurisdiction_code,
        bool(row.is_shared),
        from_us(row.changed_at_us),
        row.version,
        bool(row.is_together),
        row.jurisdiction_id or "",
    )
