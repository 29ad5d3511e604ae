"""Segments made by hand: each picture recognisable by its number."""

from __future__ import annotations

import struct
from collections.abc import Collection

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS
from tocsin.media.segment_format import Note, Parameters, Picture, group_head, note_box, parameters_of
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.ps import StreamType

START_MS = 1_795_312_847_123
CHANNEL = "01jd000000000000000000camera"
FRAME_TICKS = 3600
PER_GROUP = 5


def h264_sets() -> ParameterSets:
    """Return complete parameter sets of 640x360 H.264."""
    sets = ParameterSets(StreamType.H264)
    for nal in (H264_SPS, H264_PPS):
        sets.take(nal)
    return sets


def h265_sets() -> ParameterSets:
    """Return complete parameter sets of 640x360 H.265."""
    sets = ParameterSets(StreamType.H265)
    for nal in (H265_VPS, H265_SPS, H265_PPS):
        sets.take(nal)
    return sets


def parameters(*, is_h265: bool = False) -> Parameters:
    """Return the parameters of a segment."""
    return parameters_of(h265_sets() if is_h265 else h264_sets())


def group_bytes(number: int, *, size: int = 200, damaged: Collection[int] = (), pictures: int = PER_GROUP) -> bytes:
    """Return the group of a number, its pictures `<000000>` on, of 40 ms each."""
    rows, data = [], []
    for index in range(number * pictures, (number + 1) * pictures):
        nals = [b"\x65\x88" if index % pictures == 0 else b"\x41\x9a"]
        nals[0] += b"<%06d>" % index + b"\x5a" * size
        if index % pictures == 0:
            nals = [H264_SPS, H264_PPS, *nals]
        body = b"".join(struct.pack("!I", len(nal)) + nal for nal in nals)
        rows.append(Picture(len(body), FRAME_TICKS, index % pictures == 0, index in damaged))
        data.append(body)
    return group_head(number + 1, number * pictures * FRAME_TICKS, rows) + b"".join(data)


def segment_bytes(
    *,
    groups: int = 3,
    size: int = 200,
    is_h265: bool = False,
    damaged: Collection[int] = (),
    channel_id: str = CHANNEL,
    start_ms: int = START_MS,
) -> bytes:
    """Return a whole segment's file."""
    head = parameters(is_h265=is_h265).init + note_box(Note(channel_id, "main", start_ms))
    return head + b"".join(group_bytes(number, size=size, damaged=damaged) for number in range(groups))
