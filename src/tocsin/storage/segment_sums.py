"""Sums of segments by stream, day and volume: written in the transaction that changes the segments."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tocsin.domain.segments import DAY_MS, DaySum, Segment, SegmentState, day_sums
from tocsin.storage.tables_recording import segment_sums, segments

_s = segments.c
_sum = segment_sums.c


class SegmentSums:
    """What lies of each stream and day on each volume, without reading segments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    def bytes_by_volume(self) -> dict[int, int]:
        """Return how many bytes of segments lie on each volume."""
        rows = self._connection.execute(select(_sum.volume_no, func.sum(_sum.bytes)).group_by(_sum.volume_no))
        return {no: int(total or 0) for no, total in rows}

    def of_volume(self, volume_no: int, day: int | None = None) -> list[DaySum]:
        """Return the sums of a volume by stream and day, of all days or of one."""
        asked = select(segment_sums).where(_sum.volume_no == volume_no)
        if day is not None:
            asked = asked.where(_sum.day == day)
        return [_day_sum(row) for row in self._connection.execute(asked.order_by(_sum.day, _sum.stream_no))]

    def count_again(self, days: Collection[tuple[int, int]]) -> None:
        """Count the sums of days (stream, day) anew from their segments."""
        for stream_no, day in sorted(days):
            self._connection.execute(delete(segment_sums).where(_sum.stream_no == stream_no, _sum.day == day))
            asked = select(_s.start_ms, _s.end_ms, _s.volume_no, _s.state, _s.bytes)
            asked = asked.where(
                _s.stream_no == stream_no, _s.start_ms >= day * DAY_MS, _s.start_ms < (day + 1) * DAY_MS
            )
            rows = self._connection.execute(asked)
            self.add(
                day_sums(
                    Segment(stream_no, row.start_ms, row.end_ms, row.volume_no, SegmentState(row.state), row.bytes)
                    for row in rows
                ).values()
            )

    def add(self, sums: Collection[DaySum]) -> None:
        """Add to the sums what was closed."""
        if not sums:
            return
        asked = self._insert(segment_sums)
        new = asked.excluded
        self._connection.execute(
            asked.on_conflict_do_update(
                index_elements=["stream_no", "day", "volume_no"],
                set_={
                    **{name: _sum[name] + new[name] for name in ("segments", "bytes", "ms")},
                    "first_ms": case((new.first_ms < _sum.first_ms, new.first_ms), else_=_sum.first_ms),
                    "last_ms": case((new.last_ms > _sum.last_ms, new.last_ms), else_=_sum.last_ms),
                },
            ),
            [
                {
                    "stream_no": one.stream_no,
                    "day": one.day,
                    "volume_no": one.volume_no,
                    "segments": one.segments,
                    "bytes": one.size_bytes,
                    "ms": one.duration_ms,
                    "first_ms": one.first_ms,
                    "last_ms": one.last_ms,
                }
                for one in sums
            ],
        )


def _day_sum(row: Any) -> DaySum:
    return DaySum(row.stream_no, row.day, row.volume_no, row.segments, row.bytes, row.ms, row.first_ms, row.last_ms)
