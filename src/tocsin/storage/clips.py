"""Alarm clips as rows, and what alarms and cameras ask for one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, literal, or_, select, union_all, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.channels import IN_SERVICE
from tocsin.domain.clips import FAILED, MAX_CAMERAS, Clip, Sighting
from tocsin.storage.tables_alarms import alarms, incidents
from tocsin.storage.tables_clips import clips
from tocsin.storage.tables_registry import channels, zone_cameras

_STANDS_ON_OURS = (clips.c.file == "") & (clips.c.state != FAILED)


class ClipRepository:
    """What was kept around alarms."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- what asks for clips ---

    def sightings(self, alarm_ids: Collection[str]) -> list[Sighting]:
        """Return alarms with the cameras linked to each, oldest alarm first, best linked camera first.

        Only cameras in service, at most eight an alarm: the camera that raised it itself, then those of its zone.
        """
        if not alarm_ids:
            return []
        base = (alarms.c.id, alarms.c.incident_id, alarms.c.jurisdiction_code, alarms.c.received_at_us)
        is_meant = alarms.c.id.in_(sorted(alarm_ids))
        own = select(*base, alarms.c.channel_id, literal(-1).label("rank")).where(
            is_meant, alarms.c.channel_id.is_not(None)
        )
        of_zone = (
            select(*base, zone_cameras.c.channel_id, zone_cameras.c.rank)
            .join(zone_cameras, zone_cameras.c.zone_id == alarms.c.zone_id)
            .where(is_meant)
        )
        both = union_all(own, of_zone).subquery()
        rows = self._connection.execute(
            select(both)
            .join(channels, channels.c.id == both.c.channel_id)
            .where(channels.c.stage == IN_SERVICE)
            .order_by(both.c.id, both.c.rank, both.c.channel_id)
        )
        found: list[Sighting] = []
        cameras: dict[str, set[str]] = {}
        for row in rows:
            known = cameras.setdefault(row.id, set())
            if row.channel_id in known or len(known) >= MAX_CAMERAS:
                continue
            known.add(row.channel_id)
            found.append(
                Sighting(row.id, row.incident_id, row.jurisdiction_code, from_us(row.received_at_us), row.channel_id)
            )
        return found

    def alarms_without(self, since: datetime, limit: int = 1_000) -> list[str]:
        """Return alarms received since a time that no clip was begun for or covers, oldest first."""
        has_clip = exists().where(
            or_(
                clips.c.alarm_id == alarms.c.id,
                (clips.c.incident_id == alarms.c.incident_id) & (clips.c.ends_at_us > alarms.c.received_at_us),
            )
        )
        has_camera = or_(alarms.c.channel_id.is_not(None), exists().where(zone_cameras.c.zone_id == alarms.c.zone_id))
        rows = self._connection.execute(
            select(alarms.c.id)
            .where(alarms.c.received_at_us >= to_us(since), has_camera, ~has_clip)
            .order_by(alarms.c.id)
            .limit(limit)
        )
        return list(rows.scalars())

    # --- rows ---

    def add(self, clip: Clip) -> None:
        """Add one."""
        self._connection.execute(insert(clips).values(**_row(clip)))

    def save(self, clip: Clip) -> None:
        """Keep what changed."""
        row = _row(clip)
        self._connection.execute(update(clips).where(clips.c.id == row.pop("id")).values(**row))

    def get(self, clip_id: str) -> Clip:
        """Return one. Errors: NOT_FOUND."""
        found = self._find(clips.c.id == clip_id)
        if not found:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no clip {clip_id}")
        return found[0]

    def find(self, clip_id: str) -> Clip | None:
        """Return one, or None."""
        found = self._find(clips.c.id == clip_id)
        return found[0] if found else None

    def newest(self, incident_id: str, channel_id: str, kind: str) -> Clip | None:
        """Return the newest clip of a camera in an incident, or None."""
        found = self._find(
            clips.c.incident_id == incident_id, clips.c.channel_id == channel_id, clips.c.kind == kind, newest=True
        )
        return found[0] if found else None

    def of_incident(self, incident_id: str) -> list[Clip]:
        """Return the clips of an incident, oldest first."""
        return self._find(clips.c.incident_id == incident_id)

    def due(self, now: datetime, limit: int = 50) -> list[Clip]:
        """Return those that are to be looked at, longest due first; the minutes give way to clips."""
        asked = (
            select(clips)
            .where(clips.c.due_at_us <= to_us(now))
            .order_by(clips.c.kind, clips.c.due_at_us, clips.c.id)
            .limit(limit)
        )
        return [_clip(row) for row in self._connection.execute(asked)]

    def files(self) -> frozenset[str]:
        """Return the names of all files that rows stand for."""
        return frozenset(self._connection.execute(select(clips.c.file).where(clips.c.file != "")).scalars())

    def expired(self, closed_before: datetime, limit: int) -> list[Clip]:
        """Return clips whose incident was closed before a time."""
        asked = (
            select(clips)
            .join(incidents, incidents.c.id == clips.c.incident_id)
            .where(incidents.c.closed_at_us <= to_us(closed_before))
            .order_by(clips.c.id)
            .limit(limit)
        )
        return [_clip(row) for row in self._connection.execute(asked)]

    def delete(self, clip_ids: Collection[str]) -> None:
        """Delete rows."""
        if clip_ids:
            self._connection.execute(delete(clips).where(clips.c.id.in_(sorted(clip_ids))))

    # --- what must not be deleted ---

    def is_protected(self, channel_id: str, from_ms: int, to_ms: int) -> bool:
        """Say whether a clip stands on that time of a camera: whoever deletes recordings leaves it."""
        asked = select(clips.c.id).where(
            clips.c.channel_id == channel_id,
            clips.c.starts_at_us < to_ms * 1000,
            clips.c.ends_at_us > from_ms * 1000,
            _STANDS_ON_OURS,
        )
        return self._connection.execute(asked.limit(1)).first() is not None

    def protected(self) -> list[tuple[str, int, int]]:
        """Return the time clips stand on, as camera and ms since 1970."""
        asked = select(clips.c.channel_id, clips.c.starts_at_us, clips.c.ends_at_us).where(_STANDS_ON_OURS)
        rows = self._connection.execute(asked)
        return [(row.channel_id, row.starts_at_us // 1000, -(-row.ends_at_us // 1000)) for row in rows]

    def _find(self, *clauses: ColumnElement[bool], newest: bool = False) -> list[Clip]:
        asked = select(clips).where(*clauses).order_by(clips.c.id.desc() if newest else clips.c.id)
        return [_clip(row) for row in self._connection.execute(asked.limit(1 if newest else 500))]


def _row(one: Clip) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "incident_id": one.incident_id,
        "alarm_id": one.alarm_id,
        "channel_id": one.channel_id,
        "jurisdiction_code": one.jurisdiction_code,
        "alarm_at_us": to_us(one.alarm_at),
        "starts_at_us": to_us(one.starts),
        "ends_at_us": to_us(one.ends),
        "created_at_us": to_us(one.created_at),
        "state": one.state,
        "source": one.source,
        "pre_roll": one.pre_roll,
        "reason": one.reason,
        "tries": one.tries,
        "due_at_us": optional_us(one.due_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
        "codec": one.codec,
        "file": one.file,
        "video_from_us": optional_us(one.video_from),
        "video_to_us": optional_us(one.video_to),
    }


def _clip(row: Any) -> Clip:
    return Clip(
        id=row.id,
        kind=row.kind,
        incident_id=row.incident_id,
        alarm_id=row.alarm_id,
        channel_id=row.channel_id,
        jurisdiction_code=row.jurisdiction_code,
        alarm_at=from_us(row.alarm_at_us),
        starts=from_us(row.starts_at_us),
        ends=from_us(row.ends_at_us),
        created_at=from_us(row.created_at_us),
        state=row.state,
        source=row.source,
        pre_roll=row.pre_roll,
        reason=row.reason,
        tries=row.tries,
        due_at=optional_from_us(row.due_at_us),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        codec=row.codec,
        file=row.file,
        video_from=optional_from_us(row.video_from_us),
        video_to=optional_from_us(row.video_to_us),
    )
