"""The day partitions of `segments` on PostgreSQL: made ahead, swept when over, dropped whole. On SQLite there are none.

A day that is over is swept once (VACUUM): its rows are marked as seen by everybody, so that lists come from the key
alone and reading no longer writes. Nobody waits for it.

A segment whose day has no partition (a clock off by years) lies in `segments_other` until the day is made.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text

from tocsin.domain.segments import DAY_MS

OTHER: Final = "segments_other"
_EPOCH: Final = date(1970, 1, 1)
_NAME: Final = re.compile(r"segments_([0-9]{4})([0-9]{2})([0-9]{2})")


def name_of(day: int) -> str:
    """Return the name of a day's partition."""
    return f"segments_{_EPOCH + timedelta(days=day):%Y%m%d}"


def is_partition(table: str) -> bool:
    """Say whether a table is a partition of ours."""
    return table == OTHER or _NAME.fullmatch(table) is not None


def days(connection: Connection) -> list[int]:
    """Return the days that have a partition, oldest first."""
    if connection.dialect.name != "postgresql":
        return []
    names = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'segments'::regclass")
    ).scalars()
    found = (_NAME.fullmatch(name) for name in names)
    return sorted(
        (date(int(match[1]), int(match[2]), int(match[3])) - _EPOCH).days for match in found if match is not None
    )


def make(connection: Connection, from_day: int, to_day: int) -> list[int]:
    """Make the partitions of days that have none, the last included; return which were made.

    Segments of such a day that were written before it had a partition are moved into it.
    """
    if connection.dialect.name != "postgresql":
        return []
    missing = sorted(set(range(from_day, to_day + 1)) - set(days(connection)))
    for day in missing:
        low, high, name = day * DAY_MS, (day + 1) * DAY_MS, name_of(day)
        connection.execute(text(f"CREATE TABLE {name} (LIKE segments INCLUDING DEFAULTS INCLUDING COMMENTS)"))
        connection.execute(
            text(
                f"WITH moved AS (DELETE FROM {OTHER} WHERE start_ms >= {low} AND start_ms < {high} RETURNING *) "
                f"INSERT INTO {name} SELECT * FROM moved"
            )
        )
        connection.execute(text(f"ALTER TABLE segments ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"))
    return missing


def to_sweep(connection: Connection, before_day: int) -> list[int]:
    """Return the days before that were not swept since they ended, oldest first."""
    if connection.dialect.name != "postgresql":
        return []
    rows = connection.execute(
        text(
            "SELECT relname, extract(epoch FROM last_vacuum) FROM pg_stat_user_tables "
            "WHERE left(relname, 9) = 'segments_' AND last_vacuum IS NOT NULL"
        )
    )
    swept: dict[str, float] = {name: float(at_s) for name, at_s in rows}
    ended = [day for day in days(connection) if day < before_day]
    return [day for day in ended if swept.get(name_of(day), 0.0) < (day + 1) * DAY_MS // 1000]


def rows(connection: Connection, day: int) -> int:
    """Return how many segments began on a day."""
    asked = text("SELECT count(*) FROM segments WHERE start_ms >= :low AND start_ms < :high")
    return int(connection.execute(asked, {"low": day * DAY_MS, "high": (day + 1) * DAY_MS}).scalar_one())


def drop_empty(connection: Connection, before_day: int) -> list[int]:
    """Drop the partitions of days before that hold nothing any more; return which."""
    gone = [day for day in days(connection) if day < before_day and not _has_rows(connection, day)]
    for day in gone:
        drop(connection, day)
    return gone


def _has_rows(connection: Connection, day: int) -> bool:
    return bool(connection.execute(text(f"SELECT EXISTS (SELECT 1 FROM {name_of(day)})")).scalar_one())


def drop(connection: Connection, day: int) -> bool:
    """Drop a day's partition with every row in it; False when it has none."""
    if day not in days(connection):
        return False
    connection.execute(text(f"DROP TABLE {name_of(day)}"))
    return True
