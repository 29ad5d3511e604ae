"""Files of a volume after their writer ended: found, made whole, and described as the index has them.

Source: design note 0017; media reference, durability order, start-up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tocsin.base.errors import TocsinError
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import LONGEST_SEGMENT_MS, SegmentState, read_segment_path, segment_path
from tocsin.media.segment_file import Recovered, recover
from tocsin.media.segment_format import Parameters
from tocsin.media.wire import Message

_YEAR: Final = re.compile(r"\d{4}\Z")
_TWO: Final = re.compile(r"\d{2}\Z")


def changed_files(volume: Path, since_ms: int) -> Iterator[tuple[str, str, int]]:
    """Yield channel, stream and beginning of each segment's file written since a time; other files are passed over.

    Errors: OSError when the volume itself cannot be read.
    """
    since_s = since_ms / 1000
    first = f"{datetime.fromtimestamp(max(0, since_ms - LONGEST_SEGMENT_MS) / 1000, UTC):%Y/%m/%d}"
    years = _folders(str(volume), _YEAR)
    if years is None:
        raise FileNotFoundError(f"{volume} cannot be read")
    for year in years:
        for month in _folders(f"{volume}/{year}", _TWO) or ():
            for day in _folders(f"{volume}/{year}/{month}", _TWO) or ():
                prefix = f"{year}/{month}/{day}"
                if prefix >= first:
                    yield from _of_day(volume, prefix, since_s)


def _folders(path: str, pattern: re.Pattern[str]) -> list[str] | None:
    try:
        with os.scandir(path) as entries:
            found = [one.name for one in entries if pattern.match(one.name) and one.is_dir(follow_symlinks=False)]
    except OSError:
        return None
    return sorted(found)


def _of_day(volume: Path, day: str, since_s: float) -> Iterator[tuple[str, str, int]]:
    anything = re.compile("")
    for channel in _folders(f"{volume}/{day}", anything) or ():
        for stream in _folders(f"{volume}/{day}/{channel}", anything) or ():
            try:
                with os.scandir(f"{volume}/{day}/{channel}/{stream}") as entries:
                    names = sorted(
                        one.name
                        for one in entries
                        if one.is_file(follow_symlinks=False) and one.stat(follow_symlinks=False).st_mtime >= since_s
                    )
            except OSError:
                continue
            for name in names:
                try:
                    yield read_segment_path(f"{day}/{channel}/{stream}/{name}")
                except TocsinError:
                    continue  # something else lies there


def recover_segment(volume: Path, channel_id: str, stream: str, start_ms: int) -> Recovered | None:
    """Make one file whole; None when it is not there. Errors: OSError."""
    try:
        return recover(volume / segment_path(channel_id, stream, start_ms))
    except FileNotFoundError:
        return None


def codec_row(parameters: Parameters | None) -> Message | None:
    """Return the parameters of a segment as they are told."""
    return None if parameters is None else asdict(parameters)


def recovered_row(volume_no: int, key: tuple[str, str, int], found: Recovered | None) -> Message:
    """Return what is told of a file after its recovery; one that is not there, or held nothing, is lost."""
    channel_id, stream, start_ms = key
    walk = found.walk if found is not None and not found.is_removed else None
    state = SegmentState.LOST
    if walk is not None and walk.groups:
        state = SegmentState.DAMAGED if walk.skipped_bytes else SegmentState.OK
    return {
        "channel_id": channel_id,
        "stream": stream,
        "start_ms": start_ms,
        "end_ms": start_ms + (walk.duration_ms if walk is not None else 0),
        "volume": volume_no,
        "state": int(state),
        "bytes": walk.size_bytes if walk is not None else 0,
        "pictures": walk.pictures if walk is not None else 0,
        "damaged": walk.damaged if walk is not None else 0,
        "lost_packets": None,
        "clock_offset_ms": None,
        "sha256": found.sha256 if found is not None else b"",
        "groups": group_rows(walk.groups) if walk is not None else [],
        "codec": codec_row(walk.parameters) if walk is not None else None,
        "end_reason": "recovered",
        "is_recovered": True,
    }


def group_rows(groups: tuple[Group, ...]) -> list[tuple[int, ...]]:
    """Return groups as they are told: offset, bytes, beginning, duration, flags."""
    return [(one.offset, one.size_bytes, one.start_ms, one.duration_ms, one.flags) for one in groups]
