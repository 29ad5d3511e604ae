"""Times as they are stored: microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 UTC of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(value_us: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value_us)


def optional_us(moment: datetime | None) -> int | None:
    """Return `to_us`, or None for None."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def optional_from_us(value_us: int | None) -> datetime | None:
    """Return `from_us`, or None for None."""
    return None if value_us is None else _EPOCH + timedelta(microseconds=value_us)


@lru_cache(maxsize=256)  # the time of a group and of each alarm is written several times over
def iso(moment: datetime) -> str:
    """Return RFC 3339 text in UTC with microseconds and `Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"  # three times as fast as strftime, and met on each alarm


def iso_us(value_us: int) -> str:
    """Return RFC 3339 text of microseconds since 1970."""
    return iso(from_us(value_us))


def delayed(due: datetime, since: datetime, down_from: datetime, down_to: datetime) -> datetime:
    """Return a deadline moved by that part of our own silence that lies after `since`, from when it was waited for.

    Silence that ended before, or began after the deadline, moves nothing.
    """
    if down_to <= since or down_from >= due:
        return due
    return due + (down_to - max(since, down_from))
