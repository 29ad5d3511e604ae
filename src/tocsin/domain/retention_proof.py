"""Retention proof: for each camera-day what was to be recorded, what is stored, and why something is not.

Source: REQ-G15. Days are those of the house's time zone; one in which the clocks change has 23 or 25 hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso_us, to_us
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.coverage import begin_of_day, day_at, recorded_between
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import require
from tocsin.domain.retention import Keeping, Policy, keeping
from tocsin.domain.segments import CoverageDay, Gap, Span, day_of
from tocsin.domain.store import Store
from tocsin.domain.tombstones import Tombstone

READ: Final = Permission.READ_REGISTRY
USUAL_DAYS: Final = 30
MOST_DAYS: Final = 400
MOST_ROWS: Final = 200_000
TOGETHER: Final = 200  # streams whose evidence is read at once
MISSED_MS: Final = 10_000  # less is no gap: a segment begins with the first key picture
NOT_TO_BE: Final = frozenset({"planned", "not_asked"})


class DayState(StrEnum):
    """How a camera-day is."""

    WHOLE = "whole"
    GAPS = "gaps"
    NOTHING = "nothing"
    DELETED = "deleted"
    TOO_YOUNG = "too_young"
    NOT_PLANNED = "not_planned"


@dataclass(frozen=True, slots=True)
class DayProof:
    """One day of one stream: ms expected and stored, ms missed by reason, gaps, and the tombstones of that day."""

    day: date
    state: DayState
    expected_ms: int = 0
    stored_ms: int = 0
    missed_ms: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[tuple[int, int, str], ...] = ()
    tombstones: tuple[int, ...] = ()

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "day": self.day.isoformat(),
            "state": self.state.value,
            "expected_s": self.expected_ms // 1000,
            "stored_s": self.stored_ms // 1000,
            "missed_s": {reason: ms // 1000 for reason, ms in sorted(self.missed_ms.items())},
            "gaps": [
                {"from": iso_us(from_ms * 1000), "to": iso_us(to_ms * 1000), "reason": reason}
                for from_ms, to_ms, reason in self.gaps
            ],
            "tombstones": list(self.tombstones),
        }


@dataclass(frozen=True, slots=True)
class CameraProof:
    """The days of one camera's stream."""

    channel_id: str
    name: str
    name_en: str
    gb_id: str
    stream: str
    keeping: Keeping
    since_ms: int | None
    days: tuple[DayProof, ...]

    @property
    def state(self) -> str:
        """whole, gaps (something is missing), young (all there is, but fewer days than the floor), none."""
        states = {day.state for day in self.days}
        if states & {DayState.GAPS, DayState.NOTHING}:
            return "gaps"
        if self.since_ms is None:
            return "none"
        return "young" if DayState.TOO_YOUNG in states else "whole"

    def form(self, *, with_days: bool) -> dict[str, object]:
        """Return it as the API shows it."""
        counts: dict[str, int] = defaultdict(int)
        missed: dict[str, int] = defaultdict(int)
        for day in self.days:
            counts[day.state.value] += 1
            for reason, ms in day.missed_ms.items():
                missed[reason] += ms // 1000
        shown: dict[str, object] = {
            "id": self.channel_id,
            "name": self.name,
            "name_en": self.name_en,
            "gb_id": self.gb_id,
            "stream": self.stream,
            "state": self.state,
            "floor_days": self.keeping.floor_days if self.keeping.floor else None,
            "since": None if self.since_ms is None else iso_us(self.since_ms * 1000),
            "expected_s": sum(day.expected_ms for day in self.days) // 1000,
            "stored_s": sum(day.stored_ms for day in self.days) // 1000,
            "missed_s": dict(sorted(missed.items())),
            "days_by_state": dict(sorted(counts.items())),
        }
        if with_days:
            shown["days"] = [day.form() for day in self.days]
        return shown


def prove_day(
    day: date,
    span: Span,
    coverage: Iterable[CoverageDay],
    gaps: Iterable[Gap],
    stones: Sequence[Tombstone],
    *,
    since_ms: int | None,
    now_ms: int,
) -> DayProof:
    """Return how a day, which is that span, is: from the coverage of the UTC days it touches, gaps and tombstones."""
    begin_ms, end_ms = span
    stored_ms, expected_ms = recorded_between(coverage, begin_ms, end_ms)
    clipped = []
    missed: dict[str, int] = defaultdict(int)
    for gap in gaps:
        from_ms, to_ms = max(gap.from_ms, begin_ms), min(gap.to_ms if gap.to_ms is not None else now_ms, end_ms)
        if from_ms < to_ms and gap.reason not in NOT_TO_BE:
            clipped.append((from_ms, to_ms, str(gap.reason)))
            missed[str(gap.reason)] += to_ms - from_ms
    touching = tuple(stone.no for stone in stones if stone.from_ms < end_ms and stone.to_ms > begin_ms)
    lacking_ms = expected_ms - stored_ms
    if touching and lacking_ms > MISSED_MS:
        missed["deleted"] = max(0, lacking_ms - sum(missed.values()))
    elif lacking_ms - sum(missed.values()) > MISSED_MS:
        missed["unknown"] = lacking_ms - sum(missed.values())
    if stored_ms == 0 and touching:
        state = DayState.DELETED
    elif since_ms is None or end_ms <= since_ms:
        state = DayState.TOO_YOUNG
    elif expected_ms == 0 and stored_ms == 0 and not missed:
        state = DayState.NOT_PLANNED
    elif stored_ms == 0:
        state = DayState.NOTHING
    elif lacking_ms > MISSED_MS:
        state = DayState.GAPS
    else:
        state = DayState.WHOLE
        missed.clear()
        clipped.clear()
    return DayProof(
        day,
        state,
        expected_ms,
        stored_ms,
        {reason: ms for reason, ms in missed.items() if ms},
        tuple(clipped),
        touching,
    )


class ProofService:
    """Retention proofs of cameras."""

    def __init__(self, store: Store, zone: tzinfo | None) -> None:
        """`zone` is the house's; None is the server's own."""
        self._store = store
        self._zone = zone

    async def prove(
        self,
        *,
        actor: Actor,
        from_day: date | None = None,
        to_day: date | None = None,
        channel_id: str = "",
        jurisdiction_id: str = "",
    ) -> list[CameraProof]:
        """Return the proofs of the cameras the actor sees, those with gaps first. Without days: the 30 before today, or
        as many as the camera's floor asks for.

        Errors: FORBIDDEN, NOT_FOUND, INVALID when the days are in the wrong order or too many.
        """
        require(actor, READ)
        if from_day and to_day and (to_day < from_day or (to_day - from_day).days >= MOST_DAYS):
            raise refuse("to", "retention.hold_range", f"at most {MOST_DAYS} days, the first before the last")
        return await self._store.read(
            _prove, scope(actor, READ), from_day, to_day, channel_id, jurisdiction_id, self._zone
        )


def _prove(
    tx: Any,
    visible: Scope,
    from_day: date | None,
    to_day: date | None,
    channel_id: str,
    jurisdiction_id: str,
    zone: tzinfo | None,
) -> list[CameraProof]:
    if jurisdiction_id:
        home: Jurisdiction = tx.places.jurisdiction(jurisdiction_id, visible_to=visible)
        codes = tuple(one for one in visible.prefixes if one.startswith(home.code)) or (home.code,)
        visible = Scope(codes)
    cameras = {row.channel_id: row for row in tx.kept.cameras(visible_to=visible, channel_id=channel_id)}
    if channel_id and not cameras:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no recordings of camera {channel_id}")
    policies: list[Policy] = tx.retention.policies()
    streams = [one for one in tx.kept.streams() if one.channel_id in cameras]
    since: dict[int, int] = tx.kept.began(streams)
    now_ms = to_us(tx.now) // 1000
    today = day_at(now_ms, zone)
    last = min(to_day, today) if to_day else today - timedelta(days=1)
    asked: list[_Asked] = []
    rows = 0
    for stream in streams:
        kept = keeping(policies, stream.jurisdiction_code, stream.place_class)
        first = from_day or last - timedelta(days=max(kept.floor_days or USUAL_DAYS, 1) - 1)
        first = max(first, last - timedelta(days=MOST_DAYS - 1))
        asked.append(_Asked(stream, kept, first))
        rows += max(0, (last - first).days + 1)
        if rows > MOST_ROWS:
            raise TocsinError(
                ErrorCode.INVALID,
                f"that are more than {MOST_ROWS} camera-days: ask for fewer days or one jurisdiction",
                key="retention.proof_large",
                field="from",
            )
    earliest = min((one.first for one in asked), default=last)
    days = [last - timedelta(days=back) for back in range((last - earliest).days + 1)]
    spans = {day: Span(begin_of_day(day, zone), begin_of_day(day + timedelta(days=1), zone)) for day in days}
    proofs = []
    for at in range(0, len(asked), TOGETHER):
        some = asked[at : at + TOGETHER]
        evidence = _read(tx, [one.stream for one in some], list(spans.values()))
        for one in some:
            camera, since_ms = cameras[one.stream.channel_id], since.get(one.stream.no)
            wanted = {day: span for day, span in spans.items() if day >= one.first}
            proofs.append(
                CameraProof(
                    camera.channel_id,
                    camera.name,
                    camera.name_en,
                    camera.gb_id,
                    one.stream.stream,
                    one.keeping,
                    since_ms,
                    _days(evidence, one.stream, wanted, since_ms, now_ms),
                )
            )
    order = {"gaps": 0, "none": 1, "young": 2, "whole": 3}
    proofs.sort(key=lambda one: (order[one.state], one.name, one.stream))
    return proofs


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stream whose days are asked for, from the first on."""

    stream: Any
    keeping: Keeping
    first: date


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of some streams in a period."""

    coverage: Mapping[int, Mapping[int, CoverageDay]]
    gaps: Mapping[int, Sequence[Gap]]
    stones: Mapping[tuple[str, str], Sequence[Tombstone]]


def _read(tx: Any, streams: Sequence[Any], spans: Sequence[Span]) -> _Evidence:
    if not spans:
        return _Evidence({}, {}, {})
    begin_ms, end_ms = min(spans).from_ms, max(spans).to_ms
    numbers = [stream.no for stream in streams]
    coverage: dict[int, dict[int, CoverageDay]] = defaultdict(dict)
    for day in tx.segments.coverage(numbers, day_of(begin_ms), day_of(end_ms - 1)):
        coverage[day.stream_no][day.day] = day
    channel_ids = {stream.channel_id for stream in streams}
    return _Evidence(
        coverage,
        tx.segments.gaps_of(numbers, begin_ms, end_ms),
        tx.retention.tombstones_of(channel_ids, begin_ms, end_ms),
    )


def _days(
    evidence: _Evidence, stream: Any, spans: Mapping[date, Span], since_ms: int | None, now_ms: int
) -> tuple[DayProof, ...]:
    """Return the days of a stream in the order of `spans`."""
    if not spans:
        return ()
    begin_ms, end_ms = min(spans.values()).from_ms, max(spans.values()).to_ms
    coverage = evidence.coverage.get(stream.no, {})
    gaps = [one for one in evidence.gaps.get(stream.no, ()) if one.to_ms is None or one.to_ms > begin_ms]
    stones = evidence.stones.get((stream.channel_id, stream.stream), ())
    by_day: dict[int, list[Gap]] = defaultdict(list)  # by the UTC days they touch
    for gap in gaps:
        until_ms = min(gap.to_ms if gap.to_ms is not None else now_ms, end_ms)
        for number in range(day_of(max(begin_ms, gap.from_ms)), day_of(max(begin_ms, gap.from_ms, until_ms - 1)) + 1):
            by_day[number].append(gap)
    found = []
    for day, span in spans.items():
        numbers = range(day_of(span.from_ms), day_of(span.to_ms - 1) + 1)
        touching = {gap.from_ms: gap for number in numbers for gap in by_day[number]}
        covered = [coverage[number] for number in numbers if number in coverage]
        found.append(prove_day(day, span, covered, touching.values(), stones, since_ms=since_ms, now_ms=now_ms))
    return tuple(found)


CSV_HEADER: Final = (
    "camera_id", "gb_id", "name", "stream", "day", "state", "floor_days", "expected_s", "stored_s", "missed_s",
    "reasons", "tombstones",
)  # fmt: skip


def csv_rows(proofs: Iterable[CameraProof]) -> Iterable[tuple[object, ...]]:
    """Yield the rows of a proof for a spreadsheet, the header first."""
    yield CSV_HEADER
    for proof in proofs:
        for day in reversed(proof.days):
            reasons = "; ".join(f"{reason} {ms // 1000}" for reason, ms in sorted(day.missed_ms.items()))
            yield (
                proof.channel_id,
                proof.gb_id,
                proof.name,
                proof.stream,
                day.day.isoformat(),
                day.state.value,
                proof.keeping.floor_days if proof.keeping.floor else "",
                day.expected_ms // 1000,
                day.stored_ms // 1000,
                max(0, day.expected_ms - day.stored_ms) // 1000,
                reasons,
                " ".join(map(str, day.tombstones)),
            )


def parse_day(text: str, field_name: str) -> date | None:
    """Return the date of a text; None without one. Errors: INVALID."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise refuse(field_name, "registry.field_form", "a day is written 2026-11-27", form="2026-11-27") from error
