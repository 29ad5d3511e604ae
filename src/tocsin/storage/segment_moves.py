"""Moves of segments between volumes: what may move, and the moves under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, not_, or_, select, tuple_

from tocsin.base.times import to_us
from tocsin.domain.segments import SegmentKey, SegmentState, Span
from tocsin.domain.tiers import Movable, Move
from tocsin.storage.segments import SegmentRepository
from tocsin.storage.tables_recording import recorded_streams, segments
from tocsin.storage.tables_retention import segment_moves

CHUNK: Final = 300
_s, _m = segments.c, segment_moves.c
_MAY_MOVE: Final = _s.state.in_([SegmentState.OK, SegmentState.DAMAGED])


class MoveRepository:
    """Segments on their way from one volume to another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def movable(
        self,
        stream_no: int,
        volume_no: int,
        since_ms: int,
        ends_before_ms: int,
        spared: Sequence[Span],
        now_ms: int,
        *,
        limit: int,
    ) -> list[Movable]:
        """Return the oldest closed segments of a stream on a volume that began since a time and end before another,
        touch none of `spared`, and are not to be left alone until later.
        """
        asked = (
            select(_s.stream_no, _s.start_ms, _s.end_ms, _s.volume_no, _s.bytes, _s.sha256)
            .where(
                _s.stream_no == stream_no,
                _s.start_ms >= since_ms,
                _s.start_ms < ends_before_ms,
                _s.end_ms <= ends_before_ms,
                _s.volume_no == volume_no,
                _MAY_MOVE,
                _s.sha256.is_not(None),
                or_(_s.due_ms.is_(None), _s.due_ms <= now_ms),
            )
            .order_by(_s.start_ms)
            .limit(limit)
        )
        if spared:
            asked = asked.where(not_(or_(*(and_(_s.start_ms < one.to_ms, _s.end_ms > one.from_ms) for one in spared))))
        return [
            Movable(row.stream_no, row.start_ms, row.end_ms, row.volume_no, row.bytes, bytes(row.sha256))
            for row in self._connection.execute(asked)
        ]

    def left_alone(self) -> dict[int, int]:
        """Return how many segments of each volume are left alone until later: their files differ."""
        rows = self._connection.execute(
            select(_s.volume_no, func.count()).where(_s.due_ms.is_not(None), _MAY_MOVE).group_by(_s.volume_no)
        )
        return {no: int(count) for no, count in rows}

    def begin(self, chosen: Sequence[Movable], to_no: int, at: datetime) -> list[Movable]:
        """Write that segments are about to move; return those that still lie where they did and are not deleted."""
        lies = self._lying([one.key for one in chosen])
        begun = [one for one in chosen if lies.get(one.key) == one.volume_no]
        if begun:
            self._connection.execute(
                insert(segment_moves),
                [
                    {
                        "stream_no": one.stream_no,
                        "start_ms": one.start_ms,
                        "from_no": one.volume_no,
                        "to_no": to_no,
                        "begun_at_us": to_us(at),
                    }
                    for one in begun
                ],
            )
        return begun

    def settle(self, copied: Sequence[Movable], to_no: int) -> list[Movable]:
        """Say that copied segments lie on their new volume; return those, without any that is being deleted."""
        lies = self._lying([one.key for one in copied])
        settled = [one for one in copied if lies.get(one.key) == one.volume_no]
        SegmentRepository(self._connection).move([one.key for one in settled], to_no)
        return settled

    def end(self, keys: Iterable[SegmentKey]) -> None:
        """Write that moves are over: one copy is left of each segment."""
        rows = [{"b_stream_no": key.stream_no, "b_start_ms": key.start_ms} for key in keys]
        if rows:
            self._connection.execute(
                delete(segment_moves).where(
                    _m.stream_no == bindparam("b_stream_no"), _m.start_ms == bindparam("b_start_ms")
                ),
                rows,
            )

    def under_way(self, keys: Collection[SegmentKey] | None = None) -> list[Move]:
        """Return moves that are not over, with where each segment's row points; of some segments, or all."""
        asked = select(
            segment_moves,
            recorded_streams.c.channel_id,
            recorded_streams.c.stream,
            _s.volume_no.label("now_no"),
        ).select_from(
            segment_moves.join(recorded_streams, recorded_streams.c.no == _m.stream_no).outerjoin(
                segments, and_(_s.stream_no == _m.stream_no, _s.start_ms == _m.start_ms)
            )
        )
        if keys is None:
            return [_move(row) for row in self._connection.execute(asked.order_by(_m.stream_no, _m.start_ms))]
        wanted = sorted(keys)
        return [
            _move(row)
            for at in range(0, len(wanted), CHUNK)
            for row in self._connection.execute(
                asked.where(tuple_(_m.stream_no, _m.start_ms).in_(wanted[at : at + CHUNK]))
            )
        ]

    def _lying(self, keys: Sequence[SegmentKey]) -> dict[SegmentKey, int]:
        """Return where segments that may move lie now."""
        found: dict[SegmentKey, int] = {}
        for at in range(0, len(keys), CHUNK):
            rows = self._connection.execute(
                select(_s.stream_no, _s.start_ms, _s.volume_no).where(
                    tuple_(_s.stream_no, _s.start_ms).in_(keys[at : at + CHUNK]), _MAY_MOVE
                )
            )
            found.update({SegmentKey(row.stream_no, row.start_ms): row.volume_no for row in rows})
        return found


def _move(row: Any) -> Move:
    return Move(row.stream_no, row.start_ms, row.from_no, row.to_no, row.channel_id, row.stream, row.now_no)
