"""Kept snapshots: their rows, and the folder their files lie in."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, to_us
from tocsin.domain.snapshots import Snapshot
from tocsin.storage.tables_snapshots import snapshots

FORM_BYTES = 64 * 1024  # what a multipart body may have beside the picture


class SnapshotRepository:
    """Pictures that are kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, snapshot: Snapshot) -> None:
        """Write a picture that was received."""
        self._connection.execute(
            insert(snapshots).values(
                id=snapshot.id,
                channel_id=snapshot.channel_id,
                jurisdiction_code=snapshot.jurisdiction_code,
                user_id=snapshot.user_id,
                view_id=snapshot.view_id,
                purpose=snapshot.purpose,
                incident_id=snapshot.incident_id,
                received_at_us=to_us(snapshot.received_at),
                expires_at_us=to_us(snapshot.expires_at),
                size_bytes=snapshot.size_bytes,
                sha256=snapshot.sha256,
            )
        )

    def get(self, snapshot_id: str, *, now: datetime) -> Snapshot:
        """Return a picture whose time is not up. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(snapshots).where(snapshots.c.id == snapshot_id, snapshots.c.expires_at_us > to_us(now))
        ).first()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no snapshot {snapshot_id}")
        return _snapshot(row)

    def of(self, *, view_id: str, incident_id: str, now: datetime) -> list[Snapshot]:
        """Return the pictures of an incident, else of a view, oldest first."""
        whose = snapshots.c.incident_id == incident_id if incident_id else snapshots.c.view_id == view_id
        asked = select(snapshots).where(whose, snapshots.c.expires_at_us > to_us(now)).order_by(snapshots.c.id)
        return [_snapshot(row) for row in self._connection.execute(asked.limit(500))]

    def of_user(self, user_id: str, channel_id: str, *, now: datetime, limit: int = 200) -> list[Snapshot]:
        """Return the pictures of a camera a user asked for outside incidents, newest first."""
        asked = (
            select(snapshots)
            .where(
                snapshots.c.user_id == user_id,
                snapshots.c.channel_id == channel_id,
                snapshots.c.incident_id.is_(None),
                snapshots.c.expires_at_us > to_us(now),
            )
            .order_by(snapshots.c.id.desc())
        )
        return [_snapshot(row) for row in self._connection.execute(asked.limit(limit))]

    def expired(self, now: datetime, limit: int) -> list[Snapshot]:
        """Return pictures whose time is up."""
        asked = select(snapshots).where(snapshots.c.expires_at_us <= to_us(now)).order_by(snapshots.c.id).limit(limit)
        return [_snapshot(row) for row in self._connection.execute(asked)]

    def delete(self, snapshot_ids: list[str]) -> None:
        """Delete rows."""
        if snapshot_ids:
            self._connection.execute(delete(snapshots).where(snapshots.c.id.in_(snapshot_ids)))

    def ids(self) -> frozenset[str]:
        """Return the ids of all."""
        return frozenset(self._connection.execute(select(snapshots.c.id)).scalars())


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(
        id=row.id,
        channel_id=row.channel_id,
        jurisdiction_code=row.jurisdiction_code,
        user_id=row.user_id,
        view_id=row.view_id,
        purpose=row.purpose,
        received_at=from_us(row.received_at_us),
        expires_at=from_us(row.expires_at_us),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        incident_id=row.incident_id,
    )


class SnapshotFolder:
    """Files named by our ids. `picture_in` finds the JPEG in a body of a content type. Implements `PictureKeep`."""

    def __init__(self, folder: Path, picture_in: Callable[[bytes, str], bytes | None]) -> None:
        self._folder = folder
        self._picture_in = picture_in

    async def take(self, name: str, content_type: str, body: AsyncIterator[bytes], limit: int) -> tuple[int, str]:
        """Write an upload as it comes, then keep the picture in it; return size and SHA-256.

        Errors: INVALID when it is too large or no JPEG; UNAVAILABLE when it cannot be written. Nothing stays then.
        """
        part = self._folder / f"{name}.part"
        is_form = content_type.lower().startswith("multipart/")
        most = limit + (FORM_BYTES if is_form else 0)
        try:
            size_bytes = 0
            handle = await asyncio.to_thread(self._open, part)
            try:
                async for chunk in body:
                    size_bytes += len(chunk)
                    if size_bytes > most:
                        raise TocsinError(ErrorCode.INVALID, f"a picture has at most {limit} bytes")
                    await asyncio.to_thread(_write, handle, chunk)
            finally:
                await asyncio.to_thread(os.close, handle)
            return await asyncio.to_thread(self._finish, name, part, content_type, limit)
        except OSError as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the picture cannot be kept: {error.strerror}") from error
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)

    async def read(self, name: str) -> bytes:
        """Return a kept picture. Errors: NOT_FOUND."""
        try:
            return await asyncio.to_thread((self._folder / f"{name}.jpg").read_bytes)
        except FileNotFoundError as error:
            raise TocsinError(ErrorCode.NOT_FOUND, f"the file of snapshot {name} is missing") from error

    async def remove(self, names: list[str]) -> None:
        """Delete pictures; one that is not there is no error."""
        for name in names:
            await asyncio.to_thread((self._folder / f"{name}.jpg").unlink, missing_ok=True)

    async def keep_only(self, names: frozenset[str]) -> None:
        """Delete whatever else lies there."""
        await asyncio.to_thread(self._keep_only, names)

    def _keep_only(self, names: frozenset[str]) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.suffix == ".part" or (path.suffix == ".jpg" and path.stem not in names):
                    path.unlink(missing_ok=True)

    def _open(self, part: Path) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def _finish(self, name: str, part: Path, content_type: str, limit: int) -> tuple[int, str]:
        picture = self._picture_in(part.read_bytes(), content_type)
        if picture is None or len(picture) > limit:
            raise TocsinError(ErrorCode.INVALID, "this is no JPEG picture")
        handle = os.open(self._folder / f"{name}.jpg", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(handle, picture)
            os.fsync(handle)
        finally:
            os.close(handle)
        return len(picture), hashlib.sha256(picture).hexdigest()


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
