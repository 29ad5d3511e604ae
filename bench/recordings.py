"""Recordings made beforehand: drawn pictures in files as the recorder leaves them, and their rows in the index.

The pictures of a minute are drawn and encoded, each with the time it claims, and stand in each file that was asked
for; with `drawn` each file has its own, so that the time in the picture is that of the index.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, event

from tocsin.domain.segment_groups import Group, pack
from tocsin.domain.segments import Codec, Gap, Segment, SegmentState, Volume
from tocsin.media.segment_file import SegmentWriter
from tocsin.media.segment_format import Note, Parameters, Picture, group_head, milliseconds, parameters_of
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.street import Encoder, Street
from tocsin.storage.segments import SegmentRepository

SEGMENT_MS = 60_000
KEY_EVERY = 50
FPS = 25


@dataclass(frozen=True, slots=True)
class Look:
    """What the pictures are like."""

    width: int = 1280
    height: int = 720
    bitrate_bps: int = 2_000_000
    name: str = "REC"


def draw(look: Look, start_ms: int, seconds: int) -> Iterator[tuple[list[bytes], bool]]:
    """Yield the NAL units of each picture and whether it is a key."""
    street = Street(7, look.name, look.width, look.height, night=False, utc_offset_s=8 * 3600)
    encoder = Encoder(look.width, look.height, FPS, look.bitrate_bps)
    for n in range(seconds * FPS):
        is_key = n % KEY_EVERY == 0
        stream = encoder.encode(street.draw(start_ms + n * 1000 // FPS), is_key=is_key)
        yield _nals(stream), is_key


def _nals(stream: bytes) -> list[bytes]:
    return [nal for part in stream.split(b"\0\0\1") if (nal := part.rstrip(b"\0"))]


def write(volume: Path, channel_id: str, start_ms: int, pictures: Sequence[tuple[list[bytes], bool]]) -> Segment:
    """Write one file of pictures; return its row without stream, volume and codec."""
    sets = ParameterSets(StreamType.H264)
    for nal in pictures[0][0]:
        sets.take(nal)
    writer = SegmentWriter(volume, Note(channel_id, "main", start_ms), parameters_of(sets))
    ticks = 90_000 // FPS
    groups: list[Group] = []
    for first in range(0, len(pictures), KEY_EVERY):
        run = pictures[first : first + KEY_EVERY]
        units = [b"".join(len(nal).to_bytes(4) + nal for nal in nals) for nals, _ in run]
        rows = [Picture(len(unit), ticks, is_key, False) for unit, (_, is_key) in zip(units, run, strict=True)]
        offset, at = writer.size_bytes, first * ticks
        writer.append(group_head(len(groups) + 1, at, rows) + b"".join(units))
        start = milliseconds(at)
        groups.append(Group(offset, writer.size_bytes - offset, start, milliseconds(at + len(run) * ticks) - start))
    writer.close()
    return Segment(
        0,
        start_ms,
        start_ms + groups[-1].end_ms,
        0,
        SegmentState.OK,
        writer.size_bytes,
        len(pictures),
        sha256=writer.sha256,
        groups=pack(groups),
    )


def parameters(pictures: Sequence[tuple[list[bytes], bool]]) -> Parameters:
    """Return what the first picture says of the others."""
    sets = ParameterSets(StreamType.H264)
    for nal in pictures[0][0]:
        sets.take(nal)
    return parameters_of(sets)


def enter(
    database: Path,
    volume: Path,
    channel_id: str,
    code: str,
    given: Parameters,
    segments: Sequence[Segment],
    gaps: Sequence[tuple[int, int | None, str]] = (),
) -> None:
    """Write the rows beside a server that may be running on the same SQLite file."""
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 30})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA foreign_keys=ON"))
    with engine.begin() as connection:
        index = SegmentRepository(connection)
        stream_no = index.stream_no(channel_id, "main", code)
        disk = index.enter_volume(Volume(f"volume-{channel_id}"[:36], str(volume)))
        codec_no = index.codec_no(Codec(given.sha256, given.codec, given.width, given.height, given.mime, given.init))
        index.close(
            [
                Segment(
                    stream_no,
                    one.start_ms,
                    one.end_ms,
                    disk.no,
                    one.state,
                    one.size_bytes,
                    one.pictures,
                    codec_no=codec_no,
                    sha256=one.sha256,
                    groups=one.groups,
                    clock_offset_ms=1_300,
                )
                for one in segments
            ]
        )
        index.begin_gaps(Gap(stream_no, from_ms, reason, to_ms) for from_ms, to_ms, reason in gaps)
    engine.dispose()


def record(
    volume: Path, channel_id: str, starts_ms: Sequence[int], look: Look, *, drawn: bool = True
) -> tuple[Parameters, list[Segment]]:
    """Write a file of a minute for each beginning; without `drawn` all have the pictures of the first."""
    made: list[Segment] = []
    pictures: list[tuple[list[bytes], bool]] = []
    for start_ms in starts_ms:
        if drawn or not pictures:
            pictures = list(draw(look, start_ms, SEGMENT_MS // 1000))
        made.append(write(volume, channel_id, start_ms, pictures))
    return parameters(pictures), made


def main() -> None:
    """Put recordings of a channel beside a running server, to look at them."""
    asked = argparse.ArgumentParser(description=main.__doc__)
    asked.add_argument("database", type=Path)
    asked.add_argument("volume", type=Path)
    asked.add_argument("channel")
    asked.add_argument("start_ms", type=int)
    asked.add_argument("--minutes", type=int, default=3)
    asked.add_argument("--width", type=int, default=640)
    given = asked.parse_args()
    given.volume.mkdir(parents=True, exist_ok=True)
    starts = [given.start_ms + n * SEGMENT_MS for n in range(given.minutes) if n != 1]
    look = Look(given.width, given.width * 9 // 16, 1_000_000, given.channel[-4:])
    found, made = record(given.volume, given.channel, starts, look)
    gap = (given.start_ms + SEGMENT_MS, given.start_ms + 2 * SEGMENT_MS, "device_offline")
    enter(given.database, given.volume, given.channel, "340299", found, made, [gap] if given.minutes > 1 else [])


if __name__ == "__main__":
    main()
