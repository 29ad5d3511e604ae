"""Use cases of our own recordings: what there is, and its bytes under a view that names the period.

The rule and the record are those of recordings in devices: a view over recordings that covers camera and period at that
moment, and `recording.opened` before the first byte of a stretch.

Source: design note 0019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Rule, scope
from tocsin.domain.events import RecordingOpened
from tocsin.domain.recorded import (
    LONGEST_LISTING_MS,
    MOST_GROUPS,
    MOST_KEYS,
    PACES,
    Keys,
    Listing,
    Mark,
    Part,
    Recorded,
    RecordedFiles,
    StreamSpans,
    covers,
    gaps_of,
)
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.segment_groups import Group, unpack
from tocsin.domain.segments import (
    PLAYABLE,
    Codec,
    RecordedStream,
    Segment,
    SegmentState,
    Span,
    Volume,
    merged,
    segment_path,
)
from tocsin.domain.store import Store
from tocsin.domain.view_service import Announced
from tocsin.domain.views import View

LONGEST_TIMELINE: Final = timedelta(days=7)
TIMELINE_POINTS: Final = 4_000
NEAREST_MS: Final = 24 * 3_600_000
MOST_VIEWS: Final = 1_000
MOST_MARKS: Final = 500
LEASE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class TakenGroups:
    """Bytes of a file, with the file's SHA-256 once it is closed."""

    part: Part
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A segment, whose it is, and where it lies."""

    stream: RecordedStream
    segment: Segment
    volume: Volume


class RecordedService(UseCases):
    """Lists and reads what the house recorded."""

    def __init__(self, store: Store, clock: Clock, files: RecordedFiles) -> None:
        super().__init__(store)
        self._clock = clock
        self._files = files
        self._opened: dict[tuple[str, str], list[Span]] = {}  # stretches that have their record, by view and channel

    async def spans(
        self, channel_id: str, starts: datetime, ends: datetime, *, actor: Actor
    ) -> tuple[list[StreamSpans], list[Mark]]:
        """Return what is recorded of a camera in a period of at most seven days, and marks; no picture, so no view.

        Errors: FORBIDDEN, NOT_FOUND, INVALID.
        """
        require(actor, Permission.VIEW_LIVE)
        if not timedelta() < ends - starts <= LONGEST_TIMELINE:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most seven days", field="to")
        return await self._store.read(_spans, channel_id, _ms(starts), _ms(ends), _ms(self._clock.now()), actor)

    async def listing(
        self, view_id: str, channel_id: str, starts: datetime, ends: datetime, *, actor: Actor, stream: str
    ) -> Listing:
        """Return segments and groups of at most four hours that the view covers.

        Errors: NOT_FOUND, INVALID, FORBIDDEN when the view does not permit it, UNAVAILABLE.
        """
        from_ms, to_ms = _ms(starts), _ms(ends)
        if not 0 < to_ms - from_ms <= LONGEST_LISTING_MS:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most four hours", field="to")
        await self._open(view_id, channel_id, Span(from_ms, to_ms), actor)
        found, volumes = await self._store.read(_listing, channel_id, stream, from_ms, to_ms)
        segments = []
        for one in found.segments:
            if one.segment.state is SegmentState.OPEN:
                one = await self._look(channel_id, stream, one.segment, volumes)
            if one.groups:
                segments.append(one)
        numbers = {one.segment.codec_no for one in segments if one.segment.codec_no is not None}
        codecs: dict[int, Codec] = await self._store.read(lambda tx: tx.segments.codecs(numbers)) if numbers else {}
        return replace(found, segments=tuple(segments), codecs=tuple(replace(one, init=b"") for one in codecs.values()))

    async def init(self, view_id: str, channel_id: str, codec_no: int, *, actor: Actor) -> Codec:
        """Return the initialisation segment of a set of parameters. Errors: NOT_FOUND, FORBIDDEN."""
        codec: Codec = await self._store.read(_init, view_id, channel_id, codec_no, actor)
        return codec

    async def groups(
        self, view_id: str, channel_id: str, start_ms: int, first: int, last: int, *, actor: Actor, stream: str
    ) -> TakenGroups:
        """Return groups of a segment as they stand in its file.

        Errors: NOT_FOUND, INVALID, FORBIDDEN when they lie outside the view, UNAVAILABLE when the file is not there.
        """
        found, groups = await self._groups(view_id, channel_id, stream, start_ms, first, last, MOST_GROUPS, actor)
        path = segment_path(channel_id, stream, start_ms)
        return TakenGroups(await self._files.take(found.volume, path, groups), found.segment.sha256)

    async def keys(
        self,
        view_id: str,
        channel_id: str,
        start_ms: int,
        first: int,
        last: int,
        *,
        actor: Actor,
        stream: str,
        pace: int,
        is_reverse: bool,
    ) -> Keys:
        """Return the key pictures of groups as one fragment that is shown in the time of the groups over `pace`.

        Fewer groups than were asked for when they would be large. Errors: as `groups`.
        """
        if pace not in PACES:
            raise TocsinError(ErrorCode.INVALID, f"pace is one of {PACES}", field="pace")
        found, groups = await self._groups(view_id, channel_id, stream, start_ms, first, last, MOST_KEYS, actor)
        path = segment_path(channel_id, stream, start_ms)
        made = await self._files.keys(found.volume, path, groups, pace=pace, is_reverse=is_reverse)
        return Keys(made.data, last - made.last if is_reverse else first + made.last)

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): what was opened under a view goes with it."""
        ended = {one.subject_id for one in announcements if one.type == "view.ended"}
        if ended:
            self._opened = {key: spans for key, spans in self._opened.items() if key[0] not in ended}

    async def _open(self, view_id: str, channel_id: str, wanted: Span, actor: Actor) -> None:
        """Make sure that the record of a stretch is committed. Errors: NOT_FOUND, FORBIDDEN."""
        known = self._opened.get((view_id, channel_id), [])
        if covers(known, wanted):
            await self._store.read(_permitted, view_id, channel_id, wanted, actor)
            return
        await self._act("recording.opened", "view", view_id, actor, _note_opened, view_id, channel_id, wanted, actor)
        while len(self._opened) >= MOST_VIEWS:
            self._opened.pop(next(iter(self._opened)))
        self._opened[view_id, channel_id] = merged(sorted([*known, wanted]))

    async def _look(self, channel_id: str, stream: str, segment: Segment, volumes: dict[int, Volume]) -> Recorded:
        """Return an open segment as far as its file goes; without groups when it cannot be read just now."""
        volume = volumes.get(segment.volume_no)
        if volume is None:
            return Recorded(segment, ())
        try:
            seen = await self._files.look(volume, segment_path(channel_id, stream, segment.start_ms))
        except TocsinError:
            return Recorded(segment, ())  # it is closed or removed at this moment: the next question knows
        if seen.codec is None or not seen.groups:
            return Recorded(segment, ())
        no = await self._store.run(lambda tx: tx.segments.codec_no(seen.codec))
        end_ms = segment.start_ms + seen.groups[-1].end_ms
        return Recorded(replace(segment, codec_no=no, end_ms=end_ms), seen.groups)

    async def _groups(
        self,
        view_id: str,
        channel_id: str,
        stream: str,
        start_ms: int,
        first: int,
        last: int,
        most: int,
        actor: Actor,
    ) -> tuple[_Found, list[Group]]:
        if not 0 <= first <= last or last - first >= most:
            raise TocsinError(ErrorCode.INVALID, f"name 1 to {most} groups", field="groups")
        view, found = await self._store.read(_found, view_id, channel_id, stream, start_ms, actor)
        if found.segment.state is SegmentState.OPEN:
            seen = await self._files.look(found.volume, segment_path(channel_id, stream, start_ms))
            groups = list(seen.groups)
        elif found.segment.state in PLAYABLE:
            groups = unpack(found.segment.groups)
        else:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the recording is not there", key="recorded.gone")
        if last >= len(groups):
            raise TocsinError(ErrorCode.NOT_FOUND, f"segment {start_ms} has {len(groups)} groups")
        wanted = groups[first : last + 1]
        stretch = Span(start_ms + wanted[0].start_ms, start_ms + wanted[-1].end_ms)
        assert view.recordings_from is not None
        assert view.recordings_to is not None
        inside = Span(max(stretch.from_ms, _ms(view.recordings_from)), min(stretch.to_ms, _ms(view.recordings_to)))
        edges = [
            one
            for one in (wanted[0], wanted[-1])
            if start_ms + one.end_ms <= _ms(view.recordings_from) or start_ms + one.start_ms >= _ms(view.recordings_to)
        ]
        if edges or inside.from_ms >= inside.to_ms:
            raise forbidden(Rule.NO_VIEW)
        if not covers(self._opened.get((view_id, channel_id), []), inside):
            await self._open(view_id, channel_id, inside, actor)
        return found, wanted


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _view(tx: Any, view_id: str, channel_id: str, actor: Actor) -> View:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not view.is_of_recordings or channel_id not in view.channel_ids:
        raise forbidden(Rule.NO_VIEW)
    return view


def _permitted(tx: Any, view_id: str, channel_id: str, wanted: Span, actor: Actor) -> View:
    view = _view(tx, view_id, channel_id, actor)
    if not view.shows_recording(channel_id, _moment(wanted.from_ms), _moment(wanted.to_ms)):
        raise forbidden(Rule.NO_VIEW)
    return view


def _note_opened(tx: Any, view_id: str, channel_id: str, wanted: Span, actor: Actor) -> None:
    view = _permitted(tx, view_id, channel_id, wanted, actor)
    tx.record(
        RecordingOpened(
            subject_id=channel_id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=actor.ref,
            view_id=view.id,
            purpose=view.purpose,
            starts_at=_moment(wanted.from_ms),
            ends_at=_moment(wanted.to_ms),
            incident_id=view.incident_id or "",
        )
    )
    # What is being looked at is passed over by the next deletion, once: a look cannot keep a recording for good.
    until = min(view.expires_at, tx.now + LEASE)
    for stream in tx.segments.streams([channel_id]):
        tx.retention.take_lease(stream.no, wanted.from_ms, wanted.to_ms, until)


def _stream(tx: Any, channel_id: str, stream: str) -> RecordedStream | None:
    known: list[RecordedStream] = tx.segments.streams([channel_id])
    return next((one for one in known if one.stream == stream), None)


def _listing(tx: Any, channel_id: str, stream: str, from_ms: int, to_ms: int) -> tuple[Listing, dict[int, Volume]]:
    known = _stream(tx, channel_id, stream)
    listing = Listing(channel_id, stream, from_ms, to_ms)
    if known is None:
        return listing, {}
    segments: list[Segment] = tx.segments.between(known.no, from_ms, to_ms)
    before: list[Span] = tx.segments.stretches(known.no, from_ms - NEAREST_MS, from_ms, now_ms=from_ms)
    behind: list[Span] = tx.segments.stretches(known.no, to_ms, to_ms + NEAREST_MS, now_ms=to_ms + 1)
    return (
        replace(
            listing,
            segments=tuple(
                Recorded(one, tuple(unpack(one.groups)) if one.state is not SegmentState.OPEN else ())
                for one in segments
                if one.state in PLAYABLE
            ),
            gaps=gaps_of(tx.segments.gaps(known.no, from_ms, to_ms), segments, from_ms, to_ms),
            previous_ms=before[-1].to_ms - 1 if before else None,
            next_ms=behind[0].from_ms if behind else None,
        ),
        {volume.no: volume for volume in tx.segments.volumes()},
    )


def _init(tx: Any, view_id: str, channel_id: str, codec_no: int, actor: Actor) -> Codec:
    _view(tx, view_id, channel_id, actor)
    codec: Codec | None = tx.segments.codecs([codec_no]).get(codec_no)
    if codec is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no codec {codec_no}")
    return codec


def _found(tx: Any, view_id: str, channel_id: str, stream: str, start_ms: int, actor: Actor) -> tuple[View, _Found]:
    view = _view(tx, view_id, channel_id, actor)
    known = _stream(tx, channel_id, stream)
    if known is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"nothing is recorded of {channel_id}")
    segment: Segment = tx.segments.get(known.no, start_ms)
    volume = next((one for one in tx.segments.volumes() if one.no == segment.volume_no), None)
    if volume is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the volume is not known", key="recorded.volume")
    return view, _Found(known, segment, volume)


def _spans(
    tx: Any, channel_id: str, from_ms: int, to_ms: int, now_ms: int, actor: Actor
) -> tuple[list[StreamSpans], list[Mark]]:
    tx.devices.channel(channel_id, visible_to=scope(actor, Permission.VIEW_LIVE))
    resolution_ms = max(1_000, (to_ms - from_ms) // TIMELINE_POINTS)
    found = []
    for one in tx.segments.streams([channel_id]):
        spans = tx.segments.spans(one.no, from_ms, to_ms, now_ms=now_ms, resolution_ms=resolution_ms)
        missing = [
            segment
            for state in (SegmentState.LOST, SegmentState.DELETING)
            for segment in tx.segments.unsettled(state, stream_nos=[one.no])
        ]
        gaps = gaps_of(tx.segments.gaps(one.no, from_ms, to_ms), missing, from_ms, to_ms)
        found.append(StreamSpans(one.stream, tuple(spans), gaps))
    marks = [
        Mark("hold", max(from_ms, _ms(one.from_at)), min(to_ms, _ms(one.to_at)), one.reason, one.reason)
        for one in tx.retention.holds_of([channel_id], from_ms, to_ms, tx.now)
    ]
    if actor.may(Permission.READ_INCIDENTS):
        alarms = tx.alarms.of_channel(
            channel_id, from_ms, to_ms, visible_to=scope(actor, Permission.READ_INCIDENTS), limit=MOST_MARKS
        )
        marks += [
            Mark(
                "alarm",
                at_ms := _ms(alarm.received_at),
                at_ms if alarm.restored_at is None else max(at_ms, _ms(alarm.restored_at)),
                alarm.label_en,
                alarm.label_zh,
                alarm.incident_id,
                alarm.priority,
            )
            for alarm in alarms
        ]
    return found, marks
