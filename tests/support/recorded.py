"""Recordings of our own on a disk and in the index: real files of a few pictures, rows as the recorder leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.nals import H264_PPS, H264_SPS
from tocsin.domain.segment_groups import GAP_BEFORE, Group, pack
from tocsin.domain.segments import Codec, Gap, Segment, SegmentState, Volume
from tocsin.media.segment_file import SegmentWriter
from tocsin.media.segment_format import TICKS_PER_MS, Note, Parameters, Picture, group_head, parameters_of
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.ps import StreamType

PICTURE_MS = 500
GROUP_MS = 2_000


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file with what the index says of it, and the bytes of its groups' key pictures."""

    path: Path
    groups: tuple[Group, ...]
    parameters: Parameters
    sha256: bytes
    keys: tuple[bytes, ...]


def parameters() -> Parameters:
    """Return the parameters of the pictures made here."""
    sets = ParameterSets(StreamType.H264)
    sets.take(H264_SPS)
    sets.take(H264_PPS)
    return parameters_of(sets)


def make_file(
    volume: Path, channel_id: str, start_ms: int, groups: int, *, hole_before: int | None = None, is_open: bool = False
) -> MadeFile:
    """Write a file of groups of two seconds and four pictures; a second is missing before group `hole_before`."""
    given = parameters()
    writer = SegmentWriter(volume, Note(channel_id, "main", start_ms), given)
    made, keys, at_ms = [], [], 0
    for n in range(groups):
        if n == hole_before:
            at_ms += 1_000
        pictures, data = [], b""
        for p in range(GROUP_MS // PICTURE_MS):
            nal = bytes([0x65 if p == 0 else 0x41]) + bytes([n % 250 + 1]) * (40 + p)
            unit = len(nal).to_bytes(4) + nal
            pictures.append(Picture(len(unit), PICTURE_MS * TICKS_PER_MS, p == 0, False))
            data += unit
            if p == 0:
                keys.append(unit)
        offset = writer.size_bytes
        writer.append(group_head(n + 1, at_ms * TICKS_PER_MS, pictures) + data)
        flags = GAP_BEFORE if n == hole_before else 0
        made.append(Group(offset, writer.size_bytes - offset, at_ms, GROUP_MS, flags))
        at_ms += GROUP_MS
    if is_open:
        writer.let_go()
    else:
        writer.close()
    return MadeFile(writer.path, tuple(made), given, writer.sha256, tuple(keys))


def enter(
    tx: Any,
    volume: Path,
    channel_id: str,
    files: Sequence[tuple[int, MadeFile]],
    *,
    states: dict[int, SegmentState] | None = None,
    gaps: Sequence[tuple[int, int | None, str]] = (),
    clock_offset_ms: int | None = None,
) -> int:
    """Write the rows of files that begin at these times; return the number of the stream."""
    stream_no: int = tx.segments.stream_no(channel_id, "main", "330110")
    disk = tx.segments.enter_volume(Volume("volume-1", str(volume)))
    for start_ms, made in files:
        given = made.parameters
        codec_no = tx.segments.codec_no(
            Codec(given.sha256, given.codec, given.width, given.height, given.mime, given.init)
        )
        state = (states or {}).get(start_ms, SegmentState.OK)
        whole = Segment(
            stream_no,
            start_ms,
            start_ms + made.groups[-1].end_ms,
            disk.no,
            state,
            made.path.stat().st_size,
            4 * len(made.groups),
            codec_no=codec_no,
            sha256=made.sha256,
            groups=pack(made.groups),
            clock_offset_ms=clock_offset_ms,
        )
        if state is SegmentState.OPEN:
            tx.segments.open([Segment(stream_no, start_ms, start_ms, disk.no)])
        else:
            tx.segments.close([whole])
    tx.segments.begin_gaps(Gap(stream_no, from_ms, reason, to_ms) for from_ms, to_ms, reason in gaps)
    return stream_no
