"""The index of recordings as rows: volumes, streams, codecs, segments, gaps, coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import optional_us
from tocsin.domain.coverage import quarters_added, quarters_of
from tocsin.domain.segments import (
    DAY_MS,
    LONGEST_SEGMENT_MS,
    MINUTE_MS,
    MINUTES_BYTES,
    PLAYABLE,
    Codec,
    CoverageDay,
    Gap,
    RecordedStream,
    Segment,
    SegmentKey,
    SegmentState,
    Span,
    Volume,
    clipped,
    day_of,
    day_sums,
    joined,
    merged,
    minutes_of,
    spans_of_minutes,
    split_by_day,
)
from tocsin.storage.segment_rows import (
    CLOSED,
    COVERED,
    WHOLE,
    coverage_of,
    gap_of,
    row_of,
    segment_of,
    stream_of,
    volume_of,
)
from tocsin.storage.segment_sums import SegmentSums
from tocsin.storage.tables_recording import (
    codecs,
    coverage_days,
    recorded_streams,
    recording_gaps,
    segments,
    volumes,
)

CHUNK: Final = 500
_s = segments.c
_IS_PLAYABLE = _s.state.in_(sorted(PLAYABLE))
_OF_KEY = (_s.stream_no == bindparam("b_stream_no"), _s.start_ms == bindparam("b_start_ms"))


class SegmentRepository:
    """What is recorded and where it lies."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_postgresql = connection.dialect.name == "postgresql"
        self._insert: Any = postgresql.insert if self._is_postgresql else sqlite.insert
        self.sums = SegmentSums(connection)

    # --- volumes ---

    def volumes(self) -> list[Volume]:
        """Return every volume there ever was, in the order they were entered."""
        return [volume_of(row) for row in self._connection.execute(select(volumes).order_by(volumes.c.no))]

    def enter_volume(self, volume: Volume) -> Volume:
        """Enter a volume, or change what is set of one with the same id; return it with its number."""
        values = {
            "kind": volume.kind,
            "location": volume.location,
            "tier": volume.tier,
            "reserve_bytes": volume.reserve_bytes,
            "high_pct": volume.high_pct,
            "low_pct": volume.low_pct,
        }
        found = self._connection.execute(
            self._insert(volumes)
            .values(id=volume.id, state=volume.state, **values)
            .on_conflict_do_update(index_elements=["id"], set_=values)
            .returning(volumes)
        ).one()
        return volume_of(found)

    def save_volume_state(self, volume: Volume) -> None:
        """Write what was told of a volume: its state, size and free bytes."""
        self._connection.execute(
            update(volumes)
            .where(volumes.c.no == volume.no)
            .values(
                state=volume.state,
                total_bytes=volume.total_bytes,
                free_bytes=volume.free_bytes,
                seen_at_us=optional_us(volume.seen_at),
            )
        )

    def stored_bytes(self) -> dict[int, int]:
        """Return how many bytes of segments lie on each volume, by our own sums."""
        return self.sums.bytes_by_volume()

    # --- streams and codecs ---

    def stream_no(self, channel_id: str, stream: str, jurisdiction_code: str) -> int:
        """Return the number of a stream, entered when it is met first; its jurisdiction follows the channel's."""
        found = self._connection.execute(
            self._insert(recorded_streams)
            .values(channel_id=channel_id, stream=stream, jurisdiction_code=jurisdiction_code)
            .on_conflict_do_update(
                index_elements=["channel_id", "stream"], set_={"jurisdiction_code": jurisdiction_code}
            )
            .returning(recorded_streams.c.no)
        )
        return int(found.scalar_one())

    def streams(self, channel_ids: Collection[str] | None = None) -> list[RecordedStream]:
        """Return the streams of channels, without `channel_ids` all."""
        asked = select(recorded_streams).order_by(recorded_streams.c.no)
        if channel_ids is None:
            return [stream_of(row) for row in self._connection.execute(asked)]
        wanted = sorted(channel_ids)
        return [
            stream_of(row)
            for at in range(0, len(wanted), CHUNK)
            for row in self._connection.execute(asked.where(recorded_streams.c.channel_id.in_(wanted[at : at + CHUNK])))
        ]

    def stream(self, stream_no: int) -> RecordedStream:
        """Return one stream. Errors: NOT_FOUND."""
        row = self._connection.execute(select(recorded_streams).where(recorded_streams.c.no == stream_no)).first()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no recorded stream {stream_no}")
        return stream_of(row)

    def codec_no(self, codec: Codec) -> int:
        """Return the number of a set of parameters, entered when it is met first."""
        known = select(codecs.c.no).where(codecs.c.sha256 == codec.sha256)
        found = self._connection.execute(known).scalar()
        if found is None:
            self._connection.execute(
                self._insert(codecs)
                .values(
                    sha256=codec.sha256,
                    codec=codec.codec,
                    width=codec.width,
                    height=codec.height,
                    mime=codec.mime,
                    init=codec.init,
                )
                .on_conflict_do_nothing(index_elements=["sha256"])
            )
            found = self._connection.execute(known).scalar_one()
        return int(found)

    def codecs(self, numbers: Collection[int]) -> dict[int, Codec]:
        """Return sets of parameters by their numbers."""
        rows = self._connection.execute(select(codecs).where(codecs.c.no.in_(sorted(numbers))))
        return {
            row.no: Codec(bytes(row.sha256), row.codec, row.width, row.height, row.mime, bytes(row.init), row.no)
            for row in rows
        }

    # --- segments: written ---

    def open(self, opened: Sequence[Segment]) -> None:
        """Write segments whose file was begun. One that is known already stays as it is."""
        if opened:
            self._connection.execute(
                self._insert(segments).on_conflict_do_nothing(index_elements=["stream_no", "start_ms"]),
                [row_of(segment) for segment in opened],
            )

    def close(self, closed: Sequence[Segment]) -> list[SegmentKey]:
        """Write whole rows of closed segments in one statement, and count them in coverage and sums of their days.

        Returns those that were new or open; one that was closed before stays as it is, so that hearing of it twice
        changes nothing.
        """
        rows = {segment.key: segment for segment in closed}
        if not rows:
            return []
        asked = self._insert(segments)
        asked = asked.on_conflict_do_update(
            index_elements=["stream_no", "start_ms"],
            set_={name: asked.excluded[name] for name in CLOSED},
            where=_s.state == SegmentState.OPEN,
        ).returning(_s.stream_no, _s.start_ms)
        found = self._connection.execute(asked, [row_of(segment) for segment in rows.values()])
        written = [SegmentKey(row.stream_no, row.start_ms) for row in found]
        self._cover([rows[key] for key in written])
        self.sums.add(day_sums(rows[key] for key in written).values())
        return written

    def set_state(self, keys: Collection[SegmentKey], state: SegmentState, *, due_ms: int | None = None) -> None:
        """Change the state of segments; `due_ms` is set with it."""
        self._change(keys, state=int(state), due_ms=due_ms)
        self.sums.count_again({(key.stream_no, day_of(key.start_ms)) for key in keys})

    def set_due(self, keys: Collection[SegmentKey], due_ms: int | None) -> None:
        """Say when the tier rule looks at segments next."""
        self._change(keys, due_ms=due_ms)

    def move(self, keys: Collection[SegmentKey], volume_no: int, *, due_ms: int | None = None) -> None:
        """Say that the files of segments now lie on another volume."""
        self._change(keys, volume_no=volume_no, due_ms=due_ms)
        self.sums.count_again({(key.stream_no, day_of(key.start_ms)) for key in keys})

    def _change(self, keys: Collection[SegmentKey], **values: Any) -> None:
        if keys:
            self._connection.execute(
                update(segments).where(*_OF_KEY).values(**values),
                [{"b_stream_no": key.stream_no, "b_start_ms": key.start_ms} for key in keys],
            )

    def rewrite(self, segment: Segment) -> None:
        """Write a whole row anew, for what the files turned out to hold. Coverage and sums are to be counted again."""
        asked = self._insert(segments)
        self._connection.execute(
            asked.values(row_of(segment)).on_conflict_do_update(
                index_elements=["stream_no", "start_ms"], set_={name: asked.excluded[name] for name in CLOSED}
            )
        )

    def delete(self, keys: Collection[SegmentKey]) -> None:
        """Delete rows; coverage and sums of their days are to be counted again with `count_again`."""
        if keys:
            self._connection.execute(
                delete(segments).where(*_OF_KEY),
                [{"b_stream_no": key.stream_no, "b_start_ms": key.start_ms} for key in keys],
            )

    # --- segments: read ---

    def get(self, stream_no: int, start_ms: int) -> Segment:
        """Return one segment. Errors: NOT_FOUND."""
        row = self._connection.execute(select(*WHOLE).where(_s.stream_no == stream_no, _s.start_ms == start_ms)).first()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no segment {start_ms} of stream {stream_no}")
        return segment_of(row)

    def between(self, stream_no: int, from_ms: int, to_ms: int) -> list[Segment]:
        """Return the segments of a stream that may show something between two times, by their beginning, in whatever
        state. One that is still open counts as reaching to any time after its beginning.
        """
        found = [segment_of(row) for row in self._connection.execute(_reaching_in(select(*WHOLE), stream_no, from_ms))]
        if found and found[0].state != SegmentState.OPEN and found[0].end_ms <= from_ms:
            found = []
        return found + [
            segment_of(row) for row in self._connection.execute(beginning_between(stream_no, from_ms, to_ms))
        ]

    def stretches(self, stream_no: int, from_ms: int, to_ms: int, *, now_ms: int) -> list[Span]:
        """Return what of a period is recorded and playable, a stretch for each segment; an open one reaches to now."""
        columns = select(_s.start_ms, _s.end_ms, _s.state)
        rows = [
            *self._connection.execute(_reaching_in(columns, stream_no, from_ms).where(_IS_PLAYABLE)),
            *self._connection.execute(_beginning(columns, stream_no, from_ms, to_ms).where(_IS_PLAYABLE)),
        ]
        spans = (Span(row.start_ms, now_ms if row.state == SegmentState.OPEN else row.end_ms) for row in rows)
        return clipped(spans, from_ms, to_ms)

    def spans(self, stream_no: int, from_ms: int, to_ms: int, *, now_ms: int, resolution_ms: int = 1) -> list[Span]:
        """Return the recorded stretches of a period, joined where less than `resolution_ms` lies between them.

        From a minute a point on, the minutes of days are read instead of segments: a month is thirty small rows.
        """
        if resolution_ms < MINUTE_MS:
            return merged(self.stretches(stream_no, from_ms, to_ms, now_ms=now_ms), resolution_ms)
        days = self.coverage([stream_no], day_of(from_ms), day_of(to_ms - 1))
        spans = [span for day in days for span in spans_of_minutes(day.minutes, day.day)]
        running = [Span(row.start_ms, now_ms) for row in self.unsettled(SegmentState.OPEN, stream_nos=[stream_no])]
        return merged(clipped(sorted(spans + running), from_ms, to_ms), resolution_ms)

    def unsettled(
        self, state: SegmentState, *, stream_nos: Collection[int] | None = None, limit: int = 100_000
    ) -> list[Segment]:
        """Return segments in a state other than OK, oldest first."""
        asked = select(*WHOLE).where(_s.state == state, _s.state != SegmentState.OK)
        if stream_nos is not None:
            asked = asked.where(_s.stream_no.in_(sorted(stream_nos)))
        return [segment_of(row) for row in self._connection.execute(asked.order_by(_s.start_ms).limit(limit))]

    def due(self, now_ms: int, limit: int) -> list[Segment]:
        """Return segments the tier rule is to look at, those that wait longest first."""
        asked = select(*WHOLE).where(_s.due_ms <= now_ms).order_by(_s.due_ms).limit(limit)
        return [segment_of(row) for row in self._connection.execute(asked)]

    def oldest(self, volume_no: int, limit: int, *, after_ms: int = 0) -> list[Segment]:
        """Return the oldest closed segments of a volume that began at `after_ms` or later."""
        asked = (
            select(*WHOLE)
            .where(
                _s.volume_no == volume_no,
                _s.start_ms >= after_ms,
                _s.state.in_([SegmentState.OK, SegmentState.DAMAGED]),
            )
            .order_by(_s.start_ms)
            .limit(limit)
        )
        return [segment_of(row) for row in self._connection.execute(asked)]

    def of_volume(self, volume_no: int, from_ms: int, to_ms: int) -> list[Segment]:
        """Return the segments of a volume that began between two times, oldest first."""
        asked = (
            select(*WHOLE)
            .where(_s.volume_no == volume_no, _s.start_ms >= from_ms, _s.start_ms < to_ms)
            .order_by(_s.start_ms, _s.stream_no)
        )
        return [segment_of(row) for row in self._connection.execute(asked)]

    def days_of_volume(self, volume_no: int) -> list[int]:
        """Return the days on which a segment of a volume began."""
        day = func.floor(_s.start_ms / DAY_MS) if self._is_postgresql else _s.start_ms.op("/")(DAY_MS)
        found = self._connection.execute(select(day).where(_s.volume_no == volume_no).distinct())
        return sorted(int(one) for one in found.scalars())

    def last_ends(self, stream_nos: Collection[int], since_ms: int) -> dict[int, int]:
        """Return for each stream when what is known of it ends; streams without a segment since then are absent."""
        wanted, found = sorted(stream_nos), {}
        for at in range(0, len(wanted), CHUNK):
            rows = self._connection.execute(
                select(_s.stream_no, func.max(_s.end_ms))
                .where(_s.stream_no.in_(wanted[at : at + CHUNK]), _s.start_ms >= since_ms)
                .group_by(_s.stream_no)
            )
            found.update({no: int(end) for no, end in rows})
        return found

    # --- gaps ---

    def begin_gaps(self, gaps: Iterable[Gap]) -> None:
        """Write gaps; one that is known already gets the end it did not have."""
        rows = {(gap.stream_no, gap.from_ms): gap for gap in gaps}
        if rows:
            asked = self._insert(recording_gaps)
            self._connection.execute(
                asked.on_conflict_do_update(
                    index_elements=["stream_no", "from_ms"],
                    set_={"to_ms": func.coalesce(asked.excluded.to_ms, recording_gaps.c.to_ms)},
                ),
                [
                    {"stream_no": gap.stream_no, "from_ms": gap.from_ms, "to_ms": gap.to_ms, "reason": gap.reason}
                    for gap in rows.values()
                ],
            )

    def name_gap(self, gap: Gap, *, knows_better: bool) -> None:
        """Write a gap; gaps that overlap it become one, with its reason where it `knows_better`."""
        until_ms = gap.to_ms if gap.to_ms is not None else 1 << 62
        known = [one for one in self.gaps(gap.stream_no, gap.from_ms, until_ms) if one.from_ms < until_ms]
        if known:
            ends = [one.to_ms for one in (gap, *known) if one.to_ms is not None]
            gap = Gap(
                gap.stream_no,
                min(gap.from_ms, *(one.from_ms for one in known)),
                gap.reason if knows_better else known[0].reason,
                None if gap.to_ms is None else max(ends),
            )
            g = recording_gaps.c
            self._connection.execute(
                delete(recording_gaps).where(
                    g.stream_no == gap.stream_no, g.from_ms.in_([one.from_ms for one in known])
                )
            )
        self.begin_gaps([gap])

    def end_gaps(self, stream_no: int, to_ms: int) -> None:
        """End whatever gap of a stream lasts; one that would end before it began is taken back."""
        lasts = (recording_gaps.c.stream_no == stream_no, recording_gaps.c.to_ms.is_(None))
        self._connection.execute(delete(recording_gaps).where(*lasts, recording_gaps.c.from_ms >= to_ms))
        self._connection.execute(update(recording_gaps).where(*lasts).values(to_ms=to_ms))

    def gaps(self, stream_no: int, from_ms: int, to_ms: int) -> list[Gap]:
        """Return the gaps of a stream that touch a period, by their beginning."""
        g = recording_gaps.c
        asked = (
            select(recording_gaps)
            .where(g.stream_no == stream_no, g.from_ms < to_ms, g.to_ms.is_(None) | (g.to_ms > from_ms))
            .order_by(g.from_ms)
        )
        return [gap_of(row) for row in self._connection.execute(asked)]

    def gaps_of(self, stream_nos: Collection[int], from_ms: int, to_ms: int) -> dict[int, list[Gap]]:
        """Return the gaps of streams that touch a period, by stream and beginning."""
        g, found, wanted = recording_gaps.c, defaultdict(list), sorted(stream_nos)
        for at in range(0, len(wanted), CHUNK):
            asked = (
                select(recording_gaps)
                .where(
                    g.stream_no.in_(wanted[at : at + CHUNK]), g.from_ms < to_ms, g.to_ms.is_(None) | (g.to_ms > from_ms)
                )
                .order_by(g.stream_no, g.from_ms)
            )
            for row in self._connection.execute(asked):
                found[row.stream_no].append(gap_of(row))
        return found

    def lasting_gaps(self) -> dict[int, Gap]:
        """Return the gaps that last, by stream."""
        rows = self._connection.execute(select(recording_gaps).where(recording_gaps.c.to_ms.is_(None)))
        return {row.stream_no: gap_of(row) for row in rows}

    def last_gaps(self, stream_nos: Collection[int]) -> dict[int, Gap]:
        """Return the newest gap of each stream."""
        g, found, wanted = recording_gaps.c, {}, sorted(stream_nos)
        for at in range(0, len(wanted), CHUNK):
            newest = (
                select(g.stream_no, func.max(g.from_ms).label("from_ms"))
                .where(g.stream_no.in_(wanted[at : at + CHUNK]))
                .group_by(g.stream_no)
                .subquery()
            )
            rows = self._connection.execute(
                select(recording_gaps).join(
                    newest, (newest.c.stream_no == g.stream_no) & (newest.c.from_ms == g.from_ms)
                )
            )
            found.update({row.stream_no: gap_of(row) for row in rows})
        return found

    # --- coverage ---

    def coverage(self, stream_nos: Collection[int], from_day: int, to_day: int) -> list[CoverageDay]:
        """Return what is recorded of days, the last included, by stream and day; days without anything are absent."""
        c, wanted = coverage_days.c, sorted(stream_nos)
        return [
            coverage_of(row)
            for at in range(0, len(wanted), CHUNK)
            for row in self._connection.execute(
                select(coverage_days)
                .where(c.stream_no.in_(wanted[at : at + CHUNK]), c.day >= from_day, c.day <= to_day)
                .order_by(c.stream_no, c.day)
            )
        ]

    def expect(self, wanted: Iterable[tuple[int, int, int]]) -> None:
        """Count stretches (stream, from, to in ms) that were to be recorded."""
        added: dict[tuple[int, int], list[Span]] = defaultdict(list)
        for stream_no, from_ms, to_ms in wanted:
            for day, begin_ms, end_ms in split_by_day(from_ms, to_ms):
                added[stream_no, day].append(Span(begin_ms, end_ms))
        self._add_to_days(
            CoverageDay(
                stream_no,
                day,
                expected_ms=_length(spans),
                stored_quarters=quarters_of((), day),
                expected_quarters=quarters_of(spans, day),
            )
            for (stream_no, day), spans in sorted(added.items())
        )

    def count_again(self, stream_no: int, day: int) -> CoverageDay:
        """Count coverage and sums of a day anew from its segments, keeping what was expected."""
        begin_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
        stretches = self.stretches(stream_no, begin_ms, end_ms, now_ms=begin_ms)
        known = self.coverage([stream_no], day, day)
        counted = CoverageDay(
            stream_no,
            day,
            minutes_of(stretches, day),
            min(DAY_MS, _length(stretches)),
            known[0].expected_ms if known else 0,
            quarters_of(stretches, day),
            known[0].expected_quarters if known else quarters_of((), day),
        )
        self._save_days([counted])
        self.sums.count_again({(stream_no, day)})
        return counted

    def _cover(self, closed: Iterable[Segment]) -> None:
        days: dict[tuple[int, int], list[Span]] = defaultdict(list)
        for segment in closed:
            if segment.state in PLAYABLE:
                for day, from_ms, to_ms in split_by_day(segment.start_ms, segment.end_ms):
                    days[segment.stream_no, day].append(Span(from_ms, to_ms))
        self._add_to_days(
            CoverageDay(
                no,
                day,
                minutes_of(spans, day),
                _length(spans),
                stored_quarters=quarters_of(spans, day),
                expected_quarters=quarters_of((), day),
            )
            for (no, day), spans in sorted(days.items())
        )

    def _add_to_days(self, added: Iterable[CoverageDay]) -> None:
        more = {(day.stream_no, day.day): day for day in added}
        if not more:
            return
        known = {
            (day.stream_no, day.day): day
            for day in self.coverage({no for no, _ in more}, min(day for _, day in more), max(day for _, day in more))
        }
        self._save_days(
            day
            if before is None
            else replace(
                day,
                minutes=joined(before.minutes, day.minutes),
                stored_ms=min(DAY_MS, before.stored_ms + day.stored_ms),
                expected_ms=min(DAY_MS, before.expected_ms + day.expected_ms),
                stored_quarters=quarters_added(before.stored_quarters, day.stored_quarters),
                expected_quarters=quarters_added(before.expected_quarters, day.expected_quarters),
            )
            for key, day in more.items()
            for before in (known.get(key),)
        )

    def _save_days(self, days: Iterable[CoverageDay]) -> None:
        rows = [
            {
                "stream_no": day.stream_no,
                "day": day.day,
                "minutes": day.minutes or bytes(MINUTES_BYTES),
                "stored_ms": day.stored_ms,
                "expected_ms": day.expected_ms,
                "stored_quarters": day.stored_quarters,
                "expected_quarters": day.expected_quarters,
            }
            for day in days
        ]
        asked = self._insert(coverage_days)
        self._connection.execute(
            asked.on_conflict_do_update(
                index_elements=["stream_no", "day"],
                set_={name: asked.excluded[name] for name in COVERED},
            ),
            rows,
        )


def beginning_between(stream_no: int, from_ms: int, to_ms: int) -> Select[Any]:
    """Return the question for the segments of a stream that begin in a period: on PostgreSQL it touches the partitions
    of the period's days alone.
    """
    return _beginning(select(*WHOLE), stream_no, from_ms, to_ms)


def _beginning(asked: Select[Any], stream_no: int, from_ms: int, to_ms: int) -> Select[Any]:
    return asked.where(_s.stream_no == stream_no, _s.start_ms >= from_ms, _s.start_ms < to_ms).order_by(_s.start_ms)


def _reaching_in(asked: Select[Any], stream_no: int, at_ms: int) -> Select[Any]:
    """Return the question for the last segment that began before a time, and may reach over it."""
    return (
        asked.where(_s.stream_no == stream_no, _s.start_ms >= at_ms - LONGEST_SEGMENT_MS, _s.start_ms < at_ms)
        .order_by(_s.start_ms.desc())
        .limit(1)
    )


def _length(spans: Iterable[Span]) -> int:
    return sum(span.to_ms - span.from_ms for span in spans)
