"""What retention asks of the index: which segments may go, what is held, what each stream takes, which cameras are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, not_, or_, select, update

from tocsin.domain.access import Scope
from tocsin.domain.channels import IN_SERVICE
from tocsin.domain.holds import HoldCost
from tocsin.domain.segments import DAY_MS, LONGEST_SEGMENT_MS, SegmentKey, SegmentState, Span, day_of
from tocsin.storage.retention import RetentionRepository
from tocsin.storage.scope import within
from tocsin.storage.segment_sums import SegmentSums
from tocsin.storage.tables_recording import (
    coverage_days,
    recorded_streams,
    recording_gaps,
    recording_plans,
    segment_sums,
    segments,
    volumes,
)
from tocsin.storage.tables_registry import channels, places
from tocsin.storage.tables_retention import tombstones

CHUNK: Final = 500
USUAL_PRIORITY: Final = 5
_s = segments.c
_sum = segment_sums.c
_IS_CLOSED: Final = _s.state.in_([SegmentState.OK, SegmentState.DAMAGED, SegmentState.LOST])


@dataclass(frozen=True, slots=True)
class KeptStream:
    """A recorded stream with what decides how long it is kept."""

    no: int
    channel_id: str
    stream: str
    jurisdiction_code: str
    place_class: str
    priority: int
    name: str = ""
    name_en: str = ""


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera with what decides how long its recordings are kept."""

    channel_id: str
    name: str
    name_en: str
    gb_id: str
    jurisdiction_code: str
    place_class: str


@dataclass(frozen=True, slots=True)
class Doomed:
    """A segment that is to go."""

    stream_no: int
    start_ms: int
    end_ms: int
    volume_no: int
    size_bytes: int
    sha256: bytes | None

    @property
    def key(self) -> SegmentKey:
        """What names it."""
        return SegmentKey(self.stream_no, self.start_ms)


@dataclass(frozen=True, slots=True)
class StreamSum:
    """What a stream has on a volume: bytes, ms of pictures, segments, from and to in ms."""

    stream_no: int
    volume_no: int
    size_bytes: int
    duration_ms: int
    segments: int
    from_ms: int
    to_ms: int

    def joined(self, later: StreamSum) -> StreamSum:
        """Return both together."""
        return StreamSum(
            self.stream_no,
            self.volume_no,
            self.size_bytes + later.size_bytes,
            self.duration_ms + later.duration_ms,
            self.segments + later.segments,
            self.from_ms,
            later.to_ms,
        )


class KeptRepository:
    """Reads of retention over the index of segments, and the marks it sets there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- streams and cameras ---

    def streams(self, numbers: Collection[int] | None = None) -> list[KeptStream]:
        """Return recorded streams with class and priority, by number; without `numbers` all."""
        asked = (
            select(
                recorded_streams.c.no,
                recorded_streams.c.channel_id,
                recorded_streams.c.stream,
                func.coalesce(channels.c.jurisdiction_code, recorded_streams.c.jurisdiction_code).label("code"),
                func.coalesce(places.c["class"], "").label("place_class"),
                func.coalesce(recording_plans.c.priority, USUAL_PRIORITY).label("priority"),
                func.coalesce(channels.c.name, "").label("name"),
                func.coalesce(channels.c.name_en, "").label("name_en"),
            )
            .select_from(
                recorded_streams.outerjoin(channels, channels.c.id == recorded_streams.c.channel_id)
                .outerjoin(places, places.c.id == channels.c.place_id)
                .outerjoin(recording_plans, recording_plans.c.channel_id == recorded_streams.c.channel_id)
            )
            .order_by(recorded_streams.c.no)
        )
        if numbers is not None:
            asked = asked.where(recorded_streams.c.no.in_(sorted(numbers)))
        return [
            KeptStream(
                row.no, row.channel_id, row.stream, row.code, row.place_class, row.priority, row.name, row.name_en
            )
            for row in self._connection.execute(asked)
        ]

    def cameras(self, *, visible_to: Scope, channel_id: str = "") -> list[CameraRow]:
        """Return cameras in service or with recordings, by code and name."""
        has_recordings = channels.c.id.in_(select(recorded_streams.c.channel_id))
        asked = (
            select(
                channels.c.id,
                channels.c.name,
                channels.c.name_en,
                channels.c.gb_id,
                channels.c.jurisdiction_code,
                func.coalesce(places.c["class"], "").label("place_class"),
            )
            .select_from(channels.outerjoin(places, places.c.id == channels.c.place_id))
            .where(
                within(channels.c.jurisdiction_code, visible_to, channels.c.id),
                or_(channels.c.stage == IN_SERVICE, has_recordings),
            )
            .order_by(channels.c.jurisdiction_code, channels.c.name, channels.c.id)
        )
        if channel_id:
            asked = asked.where(channels.c.id == channel_id)
        return [
            CameraRow(row.id, row.name, row.name_en, row.gb_id or "", row.jurisdiction_code, row.place_class)
            for row in self._connection.execute(asked)
        ]

    def firsts(self, stream_nos: Collection[int]) -> dict[int, int]:
        """Return when the oldest closed segment of each stream began (ms); streams without one are absent."""
        found: dict[int, int] = {}
        wanted = sorted(stream_nos)
        for at in range(0, len(wanted), CHUNK):
            rows = self._connection.execute(
                select(_sum.stream_no, func.min(_sum.first_ms))
                .where(_sum.stream_no.in_(wanted[at : at + CHUNK]))
                .group_by(_sum.stream_no)
            )
            found.update({no: int(first_ms) for no, first_ms in rows})
        return found

    def firsts_on(self, volume_no: int) -> dict[int, int]:
        """Return when the oldest closed segment of each stream on a volume began (ms)."""
        rows = self._connection.execute(
            select(_sum.stream_no, func.min(_sum.first_ms)).where(_sum.volume_no == volume_no).group_by(_sum.stream_no)
        )
        return {no: int(first_ms) for no, first_ms in rows}

    # --- what may go ---

    def doomed(
        self,
        stream_no: int,
        ends_before_ms: int,
        spared: Sequence[Span],
        *,
        limit: int,
        volume_no: int | None = None,
    ) -> list[Doomed]:
        """Return the oldest closed segments of a stream that end at or before a time and touch none of `spared`."""
        asked = (
            select(_s.stream_no, _s.start_ms, _s.end_ms, _s.volume_no, _s.bytes, _s.sha256)
            .where(_s.stream_no == stream_no, _s.start_ms < ends_before_ms, _s.end_ms <= ends_before_ms, _IS_CLOSED)
            .order_by(_s.start_ms)
            .limit(limit)
        )
        if volume_no is not None:
            asked = asked.where(_s.volume_no == volume_no)
        if spared:
            asked = asked.where(not_(_touching(spared)))
        return [_doomed(row) for row in self._connection.execute(asked)]

    def mark_deleting(self, keys: Iterable[SegmentKey]) -> None:
        """Write that the files of closed segments are about to be removed; they count in no sum from here on."""
        keys = list(keys)
        self._connection.execute(
            update(segments)
            .where(
                _s.stream_no == bindparam("b_stream_no"),
                _s.start_ms == bindparam("b_start_ms"),
                _s.state != SegmentState.OPEN,
            )
            .values(state=int(SegmentState.DELETING), due_ms=None),
            [{"b_stream_no": key.stream_no, "b_start_ms": key.start_ms} for key in keys],
        )
        SegmentSums(self._connection).count_again({(key.stream_no, day_of(key.start_ms)) for key in keys})

    def deleting(self, stream_no: int, from_ms: int, to_ms: int) -> list[Doomed]:
        """Return the segments of a stream whose deletion is under way and that began in a range, the end included."""
        rows = self._connection.execute(
            select(_s.stream_no, _s.start_ms, _s.end_ms, _s.volume_no, _s.bytes, _s.sha256)
            .where(
                _s.stream_no == stream_no,
                _s.start_ms >= from_ms,
                _s.start_ms <= to_ms,
                _s.state == SegmentState.DELETING,
                _s.state != SegmentState.OK,
            )
            .order_by(_s.start_ms)
        )
        return [_doomed(row) for row in rows]

    def has_beyond(self, stream_nos: Collection[int], volume_no: int, ends_before_ms: int) -> bool:
        """Say whether streams have closed segments on a volume that end before a time, held or not."""
        wanted = sorted(stream_nos)
        for at in range(0, len(wanted), CHUNK):
            found = self._connection.execute(
                select(_s.start_ms)
                .where(
                    _s.stream_no.in_(wanted[at : at + CHUNK]),
                    _s.volume_no == volume_no,
                    _s.end_ms <= ends_before_ms,
                    _IS_CLOSED,
                )
                .limit(1)
            ).first()
            if found is not None:
                return True
        return False

    def days_of(self, doomed: Iterable[Doomed]) -> set[int]:
        """Return the days that segments lie in."""
        return {
            day for one in doomed for day in range(day_of(one.start_ms), day_of(max(one.start_ms, one.end_ms - 1)) + 1)
        }

    def began(self, streams: Collection[KeptStream]) -> dict[int, int]:
        """Return since when something is known of each stream (ms): recorded, missed or deleted."""
        found = self.firsts([one.no for one in streams])
        g, t = recording_gaps.c, tombstones.c
        by_name = {(one.channel_id, one.stream): one.no for one in streams}
        numbers = sorted(by_name.values())
        channel_ids = sorted({channel_id for channel_id, _ in by_name})
        earliest: list[tuple[int, int]] = []
        for at in range(0, len(numbers), CHUNK):
            asked = select(g.stream_no, func.min(g.from_ms)).where(g.stream_no.in_(numbers[at : at + CHUNK]))
            earliest += [(row[0], row[1]) for row in self._connection.execute(asked.group_by(g.stream_no))]
        for at in range(0, len(channel_ids), CHUNK):
            stones = (
                select(t.channel_id, t.stream, func.min(t.from_ms))
                .where(t.channel_id.in_(channel_ids[at : at + CHUNK]))
                .group_by(t.channel_id, t.stream)
            )
            for channel_id, stream, from_ms in self._connection.execute(stones):
                if (channel_id, stream) in by_name:
                    earliest.append((by_name[channel_id, stream], from_ms))
        for no, from_ms in earliest:
            found[no] = min(found.get(no, int(from_ms)), int(from_ms))
        return found

    def forget_empty_days(self, stream_no: int, days: Iterable[int]) -> None:
        """Delete the coverage of days of which nothing is stored."""
        c = coverage_days.c
        self._connection.execute(
            delete(coverage_days).where(c.stream_no == stream_no, c.day.in_(sorted(days)), c.stored_ms == 0)
        )

    def trim_gaps(self, stream_no: int, before_ms: int) -> int:
        """Delete gaps of a stream that ended before a time: nothing is kept of it; return how many."""
        g = recording_gaps.c
        asked = delete(recording_gaps).where(g.stream_no == stream_no, g.to_ms <= before_ms)
        return int(self._connection.execute(asked).rowcount)

    # --- sums ---

    def older_than(self, channel_id: str, ends_before_ms: int) -> tuple[int, int]:
        """Return how many closed segments of a channel end before a time, and their bytes."""
        nos = select(recorded_streams.c.no).where(recorded_streams.c.channel_id == channel_id).scalar_subquery()
        count = size_bytes = 0
        for day in self._connection.execute(
            select(segment_sums).where(_sum.stream_no.in_(nos), _sum.first_ms < ends_before_ms)
        ).all():
            if day.last_ms <= ends_before_ms:
                count, size_bytes = count + day.segments, size_bytes + day.bytes
            else:
                some = self._counted(day, _s.end_ms <= ends_before_ms, _IS_CLOSED)
                count, size_bytes = count + some[0], size_bytes + some[1]
        return count, size_bytes

    def _counted(self, day: Any, *which: ColumnElement[bool]) -> tuple[int, int]:
        """Return how many segments of a stream, day and volume there are of some kind, and their bytes."""
        row = self._connection.execute(
            select(func.count(), func.coalesce(func.sum(_s.bytes), 0)).where(
                _s.stream_no == day.stream_no,
                _s.start_ms >= day.day * DAY_MS,
                _s.start_ms < (day.day + 1) * DAY_MS,
                _s.volume_no == day.volume_no,
                *which,
            )
        ).one()
        return int(row[0]), int(row[1])

    def held(self, channel_ids: Collection[str], from_ms: int, to_ms: int) -> HoldCost:
        """Return what a range of some cameras takes: bytes of the segments it touches, seconds stored and asked for."""
        size_bytes = stored_ms = 0
        wanted = sorted(channel_ids)
        for at in range(0, len(wanted), CHUNK):
            nos = (
                select(recorded_streams.c.no)
                .where(recorded_streams.c.channel_id.in_(wanted[at : at + CHUNK]))
                .scalar_subquery()
            )
            row = self._connection.execute(
                select(
                    func.coalesce(func.sum(_s.bytes), 0),
                    func.coalesce(func.sum(_s.end_ms - _s.start_ms), 0),
                ).where(
                    _s.stream_no.in_(nos),
                    _s.start_ms >= from_ms - LONGEST_SEGMENT_MS,
                    _s.start_ms < to_ms,
                    _s.end_ms > from_ms,
                    _s.state.in_([SegmentState.OK, SegmentState.DAMAGED]),
                )
            ).one()
            size_bytes += int(row[0])
            stored_ms += int(row[1])
        asked_s = (to_ms - from_ms) // 1000 * len(wanted)
        return HoldCost(size_bytes, min(stored_ms // 1000, asked_s), asked_s)

    def held_bytes(self, now: datetime, volume_no: int | None = None) -> int:
        """Return the bytes of all segments that some hold keeps now, each counted once; of one volume by its number."""
        spans = RetentionRepository(self._connection).held_spans(now)
        total = 0
        wanted = sorted(spans)
        for at in range(0, len(wanted), CHUNK):
            asked = (
                select(segment_sums, recorded_streams.c.channel_id)
                .join(recorded_streams, recorded_streams.c.no == _sum.stream_no)
                .where(recorded_streams.c.channel_id.in_(wanted[at : at + CHUNK]))
            )
            if volume_no is not None:
                asked = asked.where(_sum.volume_no == volume_no)
            for day in self._connection.execute(asked).all():
                total += self._held_of(day, spans[day.channel_id])
        return total

    def _held_of(self, day: Any, spans: Sequence[Span]) -> int:
        """Return the bytes of a stream, day and volume that lie in held spans; segments are read at edges alone."""
        touching = [span for span in spans if span.from_ms < day.last_ms and day.first_ms < span.to_ms]
        if not touching:
            return 0
        if any(span.from_ms <= day.first_ms and day.last_ms <= span.to_ms for span in touching):
            return int(day.bytes)
        return self._counted(day, _touching(touching), _s.state.in_([SegmentState.OK, SegmentState.DAMAGED]))[1]

    def total_bytes(self) -> int:
        """Return the size of all volumes as last told."""
        return int(self._connection.execute(select(func.coalesce(func.sum(volumes.c.total_bytes), 0))).scalar_one())

    def sums(self, *, since_ms: int = 0) -> list[StreamSum]:
        """Return what each stream has on each volume since a time; the day the time falls on counts by the share of its
        stretch that lies behind it.
        """
        whole = (
            select(
                _sum.stream_no,
                _sum.volume_no,
                func.sum(_sum.bytes).label("bytes"),
                func.sum(_sum.ms).label("ms"),
                func.sum(_sum.segments).label("segments"),
                func.min(_sum.first_ms).label("first_ms"),
                func.max(_sum.last_ms).label("last_ms"),
            )
            .where(_sum.first_ms >= since_ms, _sum.bytes > 0)
            .group_by(_sum.stream_no, _sum.volume_no)
        )
        found = {(row.stream_no, row.volume_no): _stream_sum(row) for row in self._connection.execute(whole)}
        cut = select(segment_sums).where(
            _sum.day == day_of(since_ms), _sum.first_ms < since_ms, _sum.last_ms > since_ms, _sum.bytes > 0
        )
        for row in self._connection.execute(cut):
            key = row.stream_no, row.volume_no
            part = _part(_stream_sum(row), since_ms)
            found[key] = part.joined(found[key]) if key in found else part
        return list(found.values())

    def writing(self, volume_no: int, since_ms: int) -> list[int]:
        """Return the streams that have written to a volume since a time, and those that write there now."""
        rows = self._connection.execute(
            select(_s.stream_no)
            .where(
                _s.volume_no == volume_no,
                _s.start_ms >= since_ms - LONGEST_SEGMENT_MS,
                or_(_s.end_ms >= since_ms, _s.state == SegmentState.OPEN),
            )
            .distinct()
        )
        return sorted(row.stream_no for row in rows)


def _touching(spans: Sequence[Span]) -> ColumnElement[bool]:
    return or_(*(and_(_s.start_ms < span.to_ms, _s.end_ms > span.from_ms) for span in spans))


def _stream_sum(row: Any) -> StreamSum:
    return StreamSum(
        row.stream_no, row.volume_no, int(row.bytes), int(row.ms), int(row.segments), row.first_ms, row.last_ms
    )


def _part(whole: StreamSum, since_ms: int) -> StreamSum:
    """Return what of a sum lies behind a time within it, taken as even."""

    def _share(of: int) -> int:
        return of * (whole.to_ms - since_ms) // (whole.to_ms - whole.from_ms)

    return replace(
        whole,
        size_bytes=_share(whole.size_bytes),
        duration_ms=_share(whole.duration_ms),
        segments=_share(whole.segments),
        from_ms=since_ms,
    )


def _doomed(row: Any) -> Doomed:
    return Doomed(
        row.stream_no,
        row.start_ms,
        row.end_ms,
        row.volume_no,
        row.bytes,
        None if row.sha256 is None else bytes(row.sha256),
    )
