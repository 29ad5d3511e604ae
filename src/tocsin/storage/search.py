"""Finding by name: the search column as a condition and as an order, and the map and tree in few columns."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Numeric, Table, Text, and_, case, cast, func, select

from tocsin.base.pinyin import folded, search_words
from tocsin.domain.access import Scope
from tocsin.domain.finding import CameraCount, Named
from tocsin.storage.camera_tree import is_online
from tocsin.storage.scope import within
from tocsin.storage.tables_registry import channels, devices, places

_TABLES: dict[str, Table] = {"camera": channels, "device": devices, "place": places}


def matches(text: str, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a search column holds every word of a text; the words are folded like the column."""
    return and_(True, *(column.contains(word, autoescape=True) for word in search_words(text)))


class SearchPart:
    """The part of the device repository that answers search, map and tree."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_named(self, kind: str, text: str, limit: int, *, visible_to: Scope) -> list[Named]:
        """Return things of a kind (`camera`, `device`, `place`) in use: names that begin so, then words, then parts."""
        table = _TABLES[kind]
        column = table.c
        asked = folded(text)
        rank = case(
            (column.search.startswith(asked, autoescape=True), 0),
            (column.search.contains(f" {asked}", autoescape=True), 1),
            else_=2,
        )
        rows = self._connection.execute(
            select(column.id, column.name, column.name_en, column.jurisdiction_id, rank.label("rank"))
            .where(
                matches(text, column.search),
                column.retired_at_us.is_(None),
                within(column.jurisdiction_code, visible_to, column.id),
            )
            .order_by(rank, func.length(column.name), column.name, column.id)
            .limit(limit)
        )
        return [Named(kind, row.id, row.name, row.name_en, row.jurisdiction_id, int(row.rank)) for row in rows]

    def points(self, *, visible_to: Scope) -> dict[str, str]:
        """Return every camera in use that has a position: its columns as JSON lists of equal length.

        The database writes the lists. Row by row, the interpreter would be given up and waited for 30,000 times.
        """
        column = channels.c
        found = (
            select(
                column.id,
                func.round(cast(column.lon, Numeric), 6).label("lon"),
                func.round(cast(column.lat, Numeric), 6).label("lat"),
                column.bearing_deg,
                column.fov_deg,
                column.range_m,
                case((is_online(), 1), else_=0).label("online"),
                case((column.stage == "in_service", 1), else_=0).label("in_service"),
                column.name,
                column.name_en,
            )
            .select_from(channels.join(devices, devices.c.id == column.device_id))
            .where(
                column.stage != "retired",
                column.lon.is_not(None),
                column.lat.is_not(None),
                within(column.jurisdiction_code, visible_to, column.id),
            )
            .order_by(column.id)
            .subquery()
        )
        listed = func.json_group_array if self._connection.dialect.name == "sqlite" else func.json_agg
        row = self._connection.execute(
            select(*(func.coalesce(cast(listed(one), Text), "[]").label(one.name) for one in found.c))
        ).one()
        return dict(row._mapping)

    def camera_counts(self, *, visible_to: Scope) -> list[CameraCount]:
        """Return how many cameras are in use at each place of each jurisdiction, and how many are online."""
        column = channels.c
        rows = self._connection.execute(
            select(column.jurisdiction_id, column.place_id, func.count(), func.count().filter(is_online()))
            .select_from(channels.join(devices, devices.c.id == column.device_id))
            .where(column.stage != "retired", within(column.jurisdiction_code, visible_to, column.id))
            .group_by(column.jurisdiction_id, column.place_id)
            .order_by(column.jurisdiction_id, column.place_id)
        )
        return [CameraCount(row[0], row[1], int(row[2]), int(row[3])) for row in rows]
