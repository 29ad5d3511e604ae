"""The database's version: migrated forward at the start; a database newer than the code is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.storage import engine as engines

MIGRATIONS = Path(__file__).parent / "migrations"


def known() -> list[str]:
    """Return every revision of this code, oldest first: a migration's file is named NNNN_title.py after it."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def latest() -> str:
    """Return the revision this code was written for."""
    return known()[-1]


def current(connection: Connection) -> str | None:
    """Return the revision of a database; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def prepare(url: str) -> None:
    """Bring a database to this code's revision. Errors: UNAVAILABLE when it is newer than the code, damaged or out of
    reach.
    """
    if engines.is_sqlite(url):
        path = engines.sqlite_path(url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _prepare_sqlite(url)
        except (DBAPIError, OSError) as error:
            hint = "if it is damaged, restore a backup; the file is left as it is"
            raise _unusable(f"the database file {path}", error, hint) from error
    else:
        from asyncpg.exceptions import InterfaceError, PostgresError  # here: SQLite starts without it

        shown = make_url(url).render_as_string(hide_password=True)
        try:
            asyncio.run(_prepare_postgresql(url))
        except (DBAPIError, PostgresError, InterfaceError, OSError) as error:
            raise _unusable(f"the database {shown}", error, "check storage.url and that PostgreSQL runs") from error


def _unusable(what: str, error: Exception, hint: str) -> TocsinError:
    reason = (error.orig if isinstance(error, DBAPIError) else None) or error
    return TocsinError(ErrorCode.UNAVAILABLE, f"{what} cannot be used: {reason}; {hint}", key="store.unusable")


def _prepare_sqlite(url: str) -> None:
    engine = engines.sqlite_writer(url)
    try:
        with engine.connect() as connection:
            _upgrade(connection)
    finally:
        engine.dispose()


async def _prepare_postgresql(url: str) -> None:
    engine = engines.postgresql_engine(url, 1)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    revision = current(connection)
    connection.rollback()
    if revision is not None and revision not in known():
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"the database is at revision {revision}, this version of Tocsin knows up to {latest()}: "
            "it was written by a newer version; install that version or restore a backup made before the upgrade",
            key="store.newer",
        )
    if revision == latest():
        return
    from alembic import command  # here: a third of a second that only a migration needs
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
