"""Who spoke through which camera, as rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from tocsin.base.times import from_us, to_us
from tocsin.domain.speaking import Speech
from tocsin.storage.tables_control import camera_speeches
from tocsin.storage.tables_registry import channels


class SpeechRepository:
    """Voice lines from their beginning to their end; what was said is not kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, speech: Speech) -> None:
        """Write a line that is about to be opened."""
        self._connection.execute(
            insert(camera_speeches).values(
                id=speech.id,
                channel_id=speech.channel_id,
                jurisdiction_code=speech.jurisdiction_code,
                user_id=speech.user_id,
                session_id=speech.session_id,
                view_id=speech.view_id,
                purpose=speech.purpose,
                incident_id=speech.incident_id or None,
                started_at_us=to_us(speech.started_at),
                ends_at_us=to_us(speech.ends_at),
            )
        )

    def end(self, speech_id: str, reason: str, at: datetime) -> None:
        """Write the end of a line."""
        table = camera_speeches
        self._connection.execute(
            update(table).where(table.c.id == speech_id).values(ended_at_us=to_us(at), end_reason=reason[:48])
        )

    def open(self) -> list[Speech]:
        """Return the lines that have not ended."""
        table = camera_speeches
        asked = (
            select(table, channels.c.device_id)
            .join(channels, channels.c.id == table.c.channel_id)
            .where(table.c.ended_at_us.is_(None))
        )
        return [_speech(row) for row in self._connection.execute(asked)]


def _speech(row: Row) -> Speech:  # type: ignore[type-arg]
    return Speech(
        id=row.id,
        channel_id=row.channel_id,
        device_id=row.device_id,
        jurisdiction_code=row.jurisdiction_code,
        user_id=row.user_id,
        user_name="",
        session_id=row.session_id,
        view_id=row.view_id,
        purpose=row.purpose,
        incident_id=row.incident_id or "",
        started_at=from_us(row.started_at_us),
        ends_at=from_us(row.ends_at_us),
    )
