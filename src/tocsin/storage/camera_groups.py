"""People's own groups of cameras as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.camera_groups import CameraGroup
from tocsin.storage.camera_tree import CHUNK, is_online
from tocsin.storage.places import stale
from tocsin.storage.scope import within
from tocsin.storage.tables_registry import channels, devices
from tocsin.storage.tables_tree import camera_group_members, camera_groups

_members = camera_group_members.c


class CameraGroupRepository:
    """Groups and their members."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, *, visible_to: Scope) -> list[CameraGroup]:
        """Return the groups of the jurisdictions one may see, and of those above them, by name."""
        rows = self._connection.execute(
            select(camera_groups).where(_visible(visible_to)).order_by(camera_groups.c.name, camera_groups.c.id)
        )
        return [_group(row) for row in rows]

    def get(self, group_id: str, *, visible_to: Scope) -> CameraGroup:
        """Return one group. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(camera_groups).where(camera_groups.c.id == group_id, _visible(visible_to))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no group {group_id}")
        return _group(row)

    def parents(self) -> dict[str, str | None]:
        """Return every group's parent, for the house's own checks."""
        rows = self._connection.execute(select(camera_groups.c.id, camera_groups.c.parent_id))
        return {row.id: row.parent_id for row in rows}

    def add(self, group: CameraGroup) -> None:
        """Add a group."""
        self._connection.execute(insert(camera_groups).values(id=group.id, version=1, **_values(group)))

    def save(self, group: CameraGroup) -> CameraGroup:
        """Write a group; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(camera_groups)
            .where(camera_groups.c.id == group.id, camera_groups.c.version == group.version)
            .values(version=group.version + 1, **_values(group))
        )
        if result.rowcount != 1:
            raise stale("group", group.id)
        return replace(group, version=group.version + 1)

    def remove(self, group_id: str) -> int:
        """Dissolve a group; return how many cameras were in it."""
        held = self._connection.execute(delete(camera_group_members).where(_members.group_id == group_id)).rowcount
        self._connection.execute(delete(camera_groups).where(camera_groups.c.id == group_id))
        return int(held)

    def of_channels(self, channel_ids: Collection[str]) -> dict[str, set[str]]:
        """Return the groups of channels, for the house's own work."""
        found: dict[str, set[str]] = {channel_id: set() for channel_id in channel_ids}
        wanted = sorted(channel_ids)
        for start in range(0, len(wanted), CHUNK):
            for row in self._connection.execute(
                select(camera_group_members).where(_members.channel_id.in_(wanted[start : start + CHUNK]))
            ):
                found[row.channel_id].add(row.group_id)
        return found

    def set_groups(self, channel_id: str, added: Collection[str], removed: Collection[str]) -> None:
        """Put a channel into groups and take it out of others."""
        if removed:
            self._connection.execute(
                delete(camera_group_members).where(
                    _members.channel_id == channel_id, _members.group_id.in_(sorted(removed))
                )
            )
        if added:
            self._connection.execute(
                insert(camera_group_members),
                [{"group_id": group_id, "channel_id": channel_id} for group_id in sorted(added)],
            )

    def counts(self, chains: Mapping[str, frozenset[str]], visible_to: Scope) -> list[tuple[str, int, int]]:
        """Return for each group the cameras one may see in it and below it, each once, and how many are online.

        `chains` has for each group itself and those above it.
        """
        column = channels.c
        rows = self._connection.execute(
            select(_members.group_id, column.id, is_online().label("online"))
            .select_from(
                camera_group_members.join(channels, column.id == _members.channel_id).join(
                    devices, devices.c.id == column.device_id
                )
            )
            .where(column.stage != "retired", within(column.jurisdiction_code, visible_to, column.id))
        )
        seen: dict[str, dict[str, bool]] = {group_id: {} for group_id in chains}
        for row in rows:
            for group_id in chains.get(row.group_id, ()):
                seen[group_id][row.id] = bool(row.online)
        return [(group_id, len(held), sum(held.values())) for group_id, held in seen.items()]

    def ungrouped(self, *, visible_to: Scope, groups: Collection[str]) -> tuple[int, int]:
        """Return the cameras in use that are in no group at all, and how many of them are online."""
        if not groups:
            return 0, 0
        column = channels.c
        row = self._connection.execute(
            select(func.count(), func.count().filter(is_online()))
            .select_from(channels.join(devices, devices.c.id == column.device_id))
            .where(
                column.stage != "retired",
                within(column.jurisdiction_code, visible_to, column.id),
                ~exists().where(_members.channel_id == column.id),
            )
        ).one()
        return int(row[0]), int(row[1])


def _visible(visible_to: Scope) -> ColumnElement[bool]:
    code = camera_groups.c.jurisdiction_code
    above = sorted({prefix[:length] for prefix in visible_to.prefixes for length in range(1, len(prefix))})
    return or_(within(code, visible_to), code.in_(above))


def _values(group: CameraGroup) -> dict[str, Any]:
    return {
        "parent_id": group.parent_id,
        "jurisdiction_id": group.jurisdiction_id,
        "jurisdiction_code": group.jurisdiction_code,
        "name": group.name,
        "changed_at_us": to_us(group.changed_at),
    }


def _group(row: Any) -> CameraGroup:
    return CameraGroup(
        row.id,
        row.name,
        row.parent_id,
        row.jurisdiction_id,
        row.jurisdiction_code,
        from_us(row.changed_at_us),
        row.version,
    )
