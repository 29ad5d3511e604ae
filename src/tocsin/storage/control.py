"""Sessions of camera control and presets, as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.control_sessions import ControlSession, PresetRecord, Tally
from tocsin.storage.tables_control import camera_presets, control_sessions


class ControlRepository:
    """Who moved which camera, and the places cameras remember."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, session: ControlSession) -> None:
        """Write a session that was taken, or that goes on through another view."""
        values = {
            "channel_id": session.channel_id,
            "jurisdiction_code": session.jurisdiction_code,
            "user_id": session.user_id,
            "session_id": session.session_id,
            "view_id": session.view_id,
            "purpose": session.purpose,
            "incident_id": session.incident_id or None,
            "rank": session.rank,
            "taken_at_us": to_us(session.taken_at),
            "view_ends_at_us": to_us(session.view_ends_at),
        }
        table = control_sessions
        changed = self._connection.execute(update(table).where(table.c.id == session.id).values(**values))
        if changed.rowcount == 0:
            self._connection.execute(insert(table).values(id=session.id, **values))

    def end(self, session: ControlSession, reason: str, at: datetime) -> None:
        """Write the end of a session with the sum of what was done."""
        tally = session.tally
        self._connection.execute(
            update(control_sessions)
            .where(control_sessions.c.id == session.id)
            .values(
                ended_at_us=to_us(at),
                end_reason=reason,
                moves=tally.moves,
                moved_ms=tally.moved_ms,
                presets_called=tally.calls,
                other_acts=tally.acts,
            )
        )

    def open(self) -> list[ControlSession]:
        """Return the sessions that have not ended."""
        rows = self._connection.execute(select(control_sessions).where(control_sessions.c.ended_at_us.is_(None)))
        return [_session(row) for row in rows]

    def presets(self, channel_id: str, *, with_deleted: bool = False) -> list[PresetRecord]:
        """Return the presets of a channel by number."""
        table = camera_presets
        asked = select(table).where(table.c.channel_id == channel_id).order_by(table.c.number)
        if not with_deleted:
            asked = asked.where(table.c.deleted_at_us.is_(None))
        return [_preset(row) for row in self._connection.execute(asked)]

    def preset(self, channel_id: str, number: int) -> PresetRecord:
        """Return one preset, also one whose deletion can be undone. Errors: NOT_FOUND."""
        table = camera_presets
        row = self._connection.execute(
            select(table).where(table.c.channel_id == channel_id, table.c.number == number)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no preset {number}")
        return _preset(row)

    def save_preset(self, preset: PresetRecord) -> None:
        """Write a preset."""
        table = camera_presets
        values = {
            "name": preset.name,
            "name_en": preset.name_en,
            "is_home": preset.is_home,
            "home_after_s": preset.home_after_s,
            "deleted_at_us": optional_us(preset.deleted_at),
            "version": preset.version,
        }
        is_this = (table.c.channel_id == preset.channel_id, table.c.number == preset.number)
        changed = self._connection.execute(update(table).where(*is_this).values(**values))
        if changed.rowcount == 0:
            self._connection.execute(insert(table).values(channel_id=preset.channel_id, number=preset.number, **values))

    def deleted_before(self, at: datetime, limit: int = 20) -> list[PresetRecord]:
        """Return presets whose deletion can no longer be undone."""
        table = camera_presets
        rows = self._connection.execute(
            select(table).where(table.c.deleted_at_us <= to_us(at)).order_by(table.c.deleted_at_us).limit(limit)
        )
        return [_preset(row) for row in rows]

    def forget(self, preset: PresetRecord) -> None:
        """Remove a preset that is still deleted, and was not saved anew meanwhile."""
        table = camera_presets
        self._connection.execute(
            delete(table).where(
                table.c.channel_id == preset.channel_id,
                table.c.number == preset.number,
                table.c.version == preset.version,
                table.c.deleted_at_us.is_not(None),
            )
        )


def _session(row: Any) -> ControlSession:
    return ControlSession(
        id=row.id,
        channel_id=row.channel_id,
        jurisdiction_code=row.jurisdiction_code,
        user_id=row.user_id,
        user_name="",
        session_id=row.session_id,
        view_id=row.view_id,
        purpose=row.purpose,
        incident_id=row.incident_id or "",
        rank=row.rank,
        taken_at=from_us(row.taken_at_us),
        view_ends_at=from_us(row.view_ends_at_us),
        tally=Tally(row.moves, row.moved_ms, row.presets_called, row.other_acts),
    )


def _preset(row: Any) -> PresetRecord:
    return PresetRecord(
        channel_id=row.channel_id,
        number=row.number,
        name=row.name,
        name_en=row.name_en,
        is_home=bool(row.is_home),
        home_after_s=row.home_after_s,
        deleted_at=optional_from_us(row.deleted_at_us),
        version=row.version,
    )
