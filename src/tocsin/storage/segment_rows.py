"""Rows of the index of recordings and the values they are."""

from __future__ import annotations

from typing import Any, Final

from tocsin.base.times import optional_from_us
from tocsin.domain.coverage import quarters_guessed
from tocsin.domain.segments import (
    CoverageDay,
    Gap,
    RecordedStream,
    Segment,
    SegmentState,
    Tier,
    Volume,
    VolumeState,
)
from tocsin.storage.tables_recording import segments

_s = segments.c
_STATES: Final = tuple(SegmentState)
WHOLE: Final = (
    _s.stream_no, _s.start_ms, _s.end_ms, _s.volume_no, _s.state, _s.bytes, _s.pictures, _s.lost_packets, _s.damaged,
    _s.codec_no, _s.sha256, _s.groups, _s.clock_offset_ms, _s.end_reason, _s.due_ms,
)  # fmt: skip

COVERED: Final = ("minutes", "stored_ms", "expected_ms", "stored_quarters", "expected_quarters")
CLOSED: Final = (
    "end_ms", "volume_no", "state", "bytes", "pictures", "lost_packets", "damaged", "codec_no", "sha256", "groups",
    "clock_offset_ms", "end_reason", "due_ms",
)  # fmt: skip


def row_of(segment: Segment) -> dict[str, Any]:
    """Return the row of a segment."""
    return {
        "stream_no": segment.stream_no,
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "volume_no": segment.volume_no,
        "state": int(segment.state),
        "bytes": segment.size_bytes,
        "pictures": segment.pictures,
        "lost_packets": segment.lost_packets,
        "damaged": segment.damaged,
        "codec_no": segment.codec_no,
        "sha256": segment.sha256,
        "groups": segment.groups,
        "clock_offset_ms": segment.clock_offset_ms,
        "end_reason": segment.end_reason,
        "due_ms": segment.due_ms,
    }


def segment_of(row: Any) -> Segment:
    """Return the segment of a row of `WHOLE`, taken by place: hundreds are read at a time."""
    stream_no, start_ms, end_ms, volume_no, state, *rest = row
    return Segment(stream_no, start_ms, end_ms, volume_no, _STATES[state], *rest)


def volume_of(row: Any) -> Volume:
    """Return the volume of a row."""
    return Volume(
        row.id,
        row.location,
        row.kind,
        Tier(row.tier),
        VolumeState(row.state),
        row.reserve_bytes,
        row.high_pct,
        row.low_pct,
        row.total_bytes,
        row.free_bytes,
        optional_from_us(row.seen_at_us),
        row.no,
    )


def stream_of(row: Any) -> RecordedStream:
    """Return the stream of a row."""
    return RecordedStream(row.no, row.channel_id, row.stream, row.jurisdiction_code)


def coverage_of(row: Any) -> CoverageDay:
    """Rows of before there were quarters have none: theirs are spread from the sums."""
    minutes = bytes(row.minutes)
    stored, expected = row.stored_quarters, row.expected_quarters
    return CoverageDay(
        row.stream_no,
        row.day,
        minutes,
        row.stored_ms,
        row.expected_ms,
        bytes(stored) if stored is not None else quarters_guessed(row.stored_ms, minutes),
        bytes(expected) if expected is not None else quarters_guessed(row.expected_ms, minutes),
    )


def gap_of(row: Any) -> Gap:
    """Return the gap of a row."""
    return Gap(row.stream_no, row.from_ms, row.reason, row.to_ms)
