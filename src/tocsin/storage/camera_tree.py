"""The trees of cameras as rows: directories of catalogues, counts of their cameras, and a tree node as a condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, exists, func, insert, select, update

from tocsin.domain.access import Scope
from tocsin.domain.camera_tree import CatalogNode, TreeKey
from tocsin.storage.scope import within
from tocsin.storage.tables_registry import channels, devices, places
from tocsin.storage.tables_tree import camera_group_members, camera_groups, catalog_nodes

CHUNK = 500
_DIVISION = func.substr(channels.c.civil_code, 1, 6)


def is_online() -> ColumnElement[Any]:
    """Return the condition that a picture can be expected of a channel joined with its device."""
    return (
        (devices.c.state == "online")
        & (channels.c.status != "OFF")
        & channels.c.gone_at_us.is_(None)
        & (channels.c.parent_off == 0)
    )


def in_node(key: TreeKey) -> ColumnElement[bool]:
    """Return the condition that a channel hangs at or below a node; jurisdictions are told by their code elsewhere."""
    column = channels.c
    if key.kind == "p":
        at = column.place_id == key.part if key.part else column.place_id.is_(None)
        return (column.jurisdiction_id == key.id) & at
    if key.kind == "d":
        return column.device_id == key.id
    if key.kind == "n":
        node = catalog_nodes.c
        below = select(node.gb_id).where(node.device_id == key.id, node.gb_id == key.part).cte("below", recursive=True)
        below = below.union(  # not all: a catalogue may go in circles
            select(node.gb_id).where(node.device_id == key.id, node.parent_id == below.c.gb_id)
        )
        return (column.device_id == key.id) & column.catalog_parent.in_(select(below.c.gb_id))
    if key.kind == "z":
        is_loose = ~_has_directory()
        return is_loose & (key.id == _DIVISION) if key.id else is_loose
    members = camera_group_members.c
    if not key.id:
        return ~exists().where(members.channel_id == column.id)
    top = select(camera_groups.c.id).where(camera_groups.c.id == key.id).cte("groups_below", recursive=True)
    top = top.union(select(camera_groups.c.id).where(camera_groups.c.parent_id == top.c.id))
    return column.id.in_(select(members.channel_id).where(members.group_id.in_(select(top.c.id))))


def _has_directory() -> ColumnElement[bool]:
    return exists().where(catalog_nodes.c.device_id == channels.c.device_id)


@dataclass(frozen=True, slots=True)
class CatalogCount:
    """Cameras in use of a device that hang under one thing of its catalogue."""

    device_id: str
    parent: str
    division: str
    total: int
    online: int


class TreeRepository:
    """What the trees are made of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def nodes_of(self, device_id: str) -> list[CatalogNode]:
        """Return the directories of one device, for the house's own work."""
        rows = self._connection.execute(select(catalog_nodes).where(catalog_nodes.c.device_id == device_id))
        return [_node(row) for row in rows]

    def write_nodes(self, device_id: str, nodes: Sequence[CatalogNode], gone: Sequence[str]) -> None:
        """Keep the directories of a device, and forget some."""
        for start in range(0, len(gone), CHUNK):
            self._connection.execute(
                delete(catalog_nodes).where(
                    catalog_nodes.c.device_id == device_id, catalog_nodes.c.gb_id.in_(gone[start : start + CHUNK])
                )
            )
        known = {node.gb_id for node in self.nodes_of(device_id)} if nodes else set()
        fresh = [node for node in nodes if node.gb_id not in known]
        if fresh:
            self._connection.execute(
                insert(catalog_nodes), [{"device_id": device_id, **_values(node)} for node in fresh]
            )
        changed = [node for node in nodes if node.gb_id in known]
        if changed:
            self._connection.execute(
                _CHANGE,
                [{"b_device": device_id, **{f"b_{k}": v for k, v in _values(node).items()}} for node in changed],
            )

    def nodes(self, *, visible_to: Scope) -> dict[str, list[CatalogNode]]:
        """Return the directories of devices in use that have a channel one may see, by device."""
        column = channels.c
        shown = select(column.device_id).where(within(column.jurisdiction_code, visible_to, column.id))
        rows = self._connection.execute(
            select(catalog_nodes)
            .join(devices, devices.c.id == catalog_nodes.c.device_id)
            .where(devices.c.retired_at_us.is_(None), catalog_nodes.c.device_id.in_(shown))
        )
        found: dict[str, list[CatalogNode]] = {}
        for row in rows:
            found.setdefault(row.device_id, []).append(_node(row))
        return found

    def device_names(self, device_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return the names of devices."""
        wanted = sorted(device_ids)
        found: dict[str, tuple[str, str]] = {}
        for start in range(0, len(wanted), CHUNK):
            rows = self._connection.execute(
                select(devices.c.id, devices.c.name, devices.c.name_en).where(
                    devices.c.id.in_(wanted[start : start + CHUNK])
                )
            )
            found.update((row.id, (row.name, row.name_en)) for row in rows)
        return found

    def place_names(self, *, visible_to: Scope) -> dict[str, tuple[str, str]]:
        """Return the names of the places one may see."""
        rows = self._connection.execute(
            select(places.c.id, places.c.name, places.c.name_en).where(
                within(places.c.jurisdiction_code, visible_to, places.c.id)
            )
        )
        return {row.id: (row.name, row.name_en) for row in rows}

    def catalog_counts(self, *, visible_to: Scope) -> list[CatalogCount]:
        """Count the cameras in use by device and what they hang under; those of no directory by division alone."""
        column = channels.c
        held = _has_directory()
        named = (
            select(
                _where(held, column.device_id).label("device"),
                _where(held, column.catalog_parent).label("parent"),
                _where(~held, _DIVISION).label("division"),
                _where(is_online(), column.id).label("online"),
            )
            .select_from(channels.join(devices, devices.c.id == column.device_id))
            .where(column.stage != "retired", within(column.jurisdiction_code, visible_to, column.id))
            .subquery("named")
        ).c
        rows = self._connection.execute(
            select(named.device, named.parent, named.division, func.count(), func.count(named.online)).group_by(
                named.device, named.parent, named.division
            )
        )
        return [CatalogCount(row[0] or "", row[1] or "", row[2] or "", int(row[3]), int(row[4])) for row in rows]

    def facets(
        self, *, visible_to: Scope
    ) -> tuple[list[tuple[str, int]], list[tuple[str, int]], list[tuple[str, int]]]:
        """Return the makers of cameras, the makers of devices and the tags, each with how many bear it."""
        column = channels.c
        in_use = and_(column.stage != "retired", within(column.jurisdiction_code, visible_to, column.id))
        cameras = self._connection.execute(
            select(devices.c.maker, func.count())
            .select_from(channels.join(devices, devices.c.id == column.device_id))
            .where(in_use, devices.c.maker != "")
            .group_by(devices.c.maker)
        ).all()
        makers = self._connection.execute(
            select(devices.c.maker, func.count())
            .where(
                devices.c.retired_at_us.is_(None),
                devices.c.maker != "",
                within(devices.c.jurisdiction_code, visible_to, devices.c.id),
            )
            .group_by(devices.c.maker)
        ).all()
        tags: dict[str, int] = {}
        for text, count in self._connection.execute(
            select(column.tags, func.count()).where(in_use, column.tags != "").group_by(column.tags)
        ):
            for tag in tags_of(text):
                tags[tag] = tags.get(tag, 0) + int(count)
        return (
            sorted((str(row[0]), int(row[1])) for row in cameras),
            sorted((str(row[0]), int(row[1])) for row in makers),
            sorted(tags.items()),
        )


def tags_of(text: str) -> tuple[str, ...]:
    """Return the tags of a row."""
    return tuple(part for part in text.split("\n") if part)


def tags_text(tags: Sequence[str]) -> str:
    """Return tags as a row keeps them: each between line feeds."""
    return "\n" + "\n".join(tags) + "\n" if tags else ""


def _where(condition: ColumnElement[bool], value: Any) -> ColumnElement[Any]:
    return case((condition, value), else_=None)


def _values(node: CatalogNode) -> Mapping[str, str]:
    return {"gb_id": node.gb_id, "kind": node.kind, "name": node.name, "parent_id": node.parent_id}


def _node(row: Any) -> CatalogNode:
    return CatalogNode(row.gb_id, row.kind, row.name, row.parent_id)


_CHANGE = (
    update(catalog_nodes)
    .where(catalog_nodes.c.device_id == bindparam("b_device"), catalog_nodes.c.gb_id == bindparam("b_gb_id"))
    .values({name: bindparam(f"b_{name}") for name in ("kind", "name", "parent_id")})
)
