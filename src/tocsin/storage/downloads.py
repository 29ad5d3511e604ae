"""Downloads as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.downloads import Download
from tocsin.storage.tables_people import downloads


class DownloadRepository:
    """Recordings fetched as files."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, download: Download) -> None:
        """Add one."""
        self._connection.execute(insert(downloads).values(**_row(download)))

    def save(self, download: Download) -> None:
        """Keep what changed."""
        row = _row(download)
        self._connection.execute(update(downloads).where(downloads.c.id == row.pop("id")).values(**row))

    def get(self, download_id: str, *, user_id: str) -> Download:
        """Return a download of that user. Errors: NOT_FOUND."""
        found = self._find(downloads.c.id == download_id, downloads.c.user_id == user_id)
        if not found:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no download {download_id}")
        return found[0]

    def of_user(self, user_id: str, limit: int = 200) -> list[Download]:
        """Return a user's downloads, newest first."""
        return self._find(downloads.c.user_id == user_id, limit=limit)

    def running(self) -> list[Download]:
        """Return what an earlier run left unfinished, or runs now."""
        return self._find(downloads.c.state == "running")

    def expired(self, now: datetime) -> list[Download]:
        """Return those whose file must go."""
        return self._find(downloads.c.state.in_(("finished", "partial")), downloads.c.expires_at_us <= to_us(now))

    def _find(self, *clauses: ColumnElement[bool], limit: int = 1000) -> list[Download]:
        query = select(downloads).where(*clauses).order_by(downloads.c.id.desc()).limit(limit)
        return [_download(row) for row in self._connection.execute(query)]


def _row(one: Download) -> dict[str, Any]:
    return {
        "id": one.id,
        "channel_id": one.channel_id,
        "jurisdiction_code": one.jurisdiction_code,
        "user_id": one.user_id,
        "purpose": one.purpose,
        "starts_at_us": to_us(one.starts),
        "ends_at_us": to_us(one.ends),
        "state": one.state,
        "reason": one.reason,
        "created_at_us": to_us(one.created_at),
        "ended_at_us": optional_us(one.ended_at),
        "expires_at_us": optional_us(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
        "format": one.format,
        "speed": one.speed,
        "codec": one.codec,
    }


def _download(row: Any) -> Download:
    return Download(
        id=row.id,
        channel_id=row.channel_id,
        jurisdiction_code=row.jurisdiction_code,
        user_id=row.user_id,
        purpose=row.purpose,
        starts=from_us(row.starts_at_us),
        ends=from_us(row.ends_at_us),
        created_at=from_us(row.created_at_us),
        state=row.state,
        reason=row.reason,
        ended_at=optional_from_us(row.ended_at_us),
        expires_at=optional_from_us(row.expires_at_us),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        format=row.format,
        speed=row.speed,
        codec=row.codec,
    )
