"""The index of recordings against the files of the volumes, and made equal to them, day by day, beside a server too.

The files count: what lies there is entered, what is torn is cut, what is gone is marked lost, and what nobody can read
is put aside in `lost+found`. A copy of what lies on another volume is removed, once the other is seen to be there.
A volume that is not there, or is another house's, is named and left as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.domain.access import Permission, scope
from tocsin.domain.acts import house_actor
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.domain.segment_groups import pack
from tocsin.domain.segments import (
    DAY_MS,
    PLAYABLE,
    Codec,
    DaySum,
    Segment,
    SegmentState,
    Volume,
    day_of,
    day_sums,
    read_segment_path,
    segment_path,
    split_by_day,
)
from tocsin.domain.tiers import PART
from tocsin.folder import is_served
from tocsin.recording import house_id, tier_volumes
from tocsin.recordings_places import Place, folder_of, place_of
from tocsin.settings import Settings
from tocsin.storage.store import AnyStore
from tocsin.stores import open_store

REPAIRED: Final = "recordings.repaired"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One file and its row that do not agree. `kind`: missing, size, hash, open, unknown, copy, unreadable; or sums,
    when those kept of a stream and day are not those of its rows.
    """

    volume: str
    path: str
    kind: str
    detail: str = ""
    done: str = ""


@dataclass(slots=True)
class Report:
    """What was found, volume by volume; `left` names volumes that could not be looked at, and why."""

    segments: int = 0
    files: int = 0
    differences: list[Difference] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether index and files agree on every volume, or were made to."""
        return not self.left and all(one.done for one in self.differences)


async def check(
    settings: Settings, *, is_repair: bool = False, is_deep: bool = False, progress: Progress = lambda _at, _of: None
) -> Report:
    """Compare, and with `is_repair` make the index equal to the files; `is_deep` compares the hash of every file too.

    Errors: UNAVAILABLE when the database cannot be used.
    """
    report = Report()
    buckets = tier_volumes(settings, SystemClock()).buckets
    async with open_store(settings) as store:
        volumes: list[Volume] = await store.read(lambda tx: tx.segments.volumes())
        places: dict[int, Place] = {}
        for volume in volumes:
            place = place_of(volume, buckets)
            problem = place.problem(house_id(settings))
            if problem:
                report.left.append((volume.location, problem))
            else:
                places[volume.no] = place
        for volume in volumes:
            if volume.no not in places:
                continue
            work = _VolumeWork(store, volume, places, is_deep=is_deep, is_running=is_served(settings.data))
            days = await work.days()
            for at, day in enumerate(days):
                await work.look(day, report, is_repair=is_repair)
                progress(at + 1, len(days))
    return report


class _VolumeWork:
    """One volume, looked at a day at a time, so that memory holds a day of it."""

    def __init__(
        self, store: AnyStore, volume: Volume, places: dict[int, Place], *, is_deep: bool, is_running: bool
    ) -> None:
        self._store = store
        self._volume = volume
        self._places = places
        self._place = places[volume.no]
        self._is_deep = is_deep
        self._is_running = is_running

    async def days(self) -> list[int]:
        """Return the days of which there are rows or files."""
        found = set(await self._store.read(_days, self._volume.no))
        return sorted(found | self._place.days())

    async def look(self, day: int, report: Report, *, is_repair: bool) -> None:
        """Compare a day, and repair it in one transaction."""
        rows, names, sums = await self._store.read(_rows, self._volume.no, day)
        files = dict(self._place.files(day))
        report.segments += len(rows)
        report.files += len(files)
        found: list[Difference] = []
        for row in rows:
            path = names[row.stream_no] and segment_path(*names[row.stream_no], row.start_ms)
            size = files.pop(path, None)
            difference = self._compare(row, path, size)
            if difference is not None:
                found.append(difference)
        missing = {one.path for one in found if one.kind == "missing"}
        elsewhere, moving = await self._store.read(_elsewhere, [*files, *missing], self._volume.no)
        found = [one for one in found if one.path not in missing or one.path not in elsewhere]  # moved as we looked
        for path, size in files.items():
            name = path.removesuffix(PART)
            if self._is_running and name in moving:
                continue  # the server is about it
            if name in elsewhere or name != path:
                found.append(self._difference(path, "copy", f"{size} bytes, which lie on another volume too"))
            else:
                found.append(self._unknown(path))
        found += self._sums(day, rows, sums, names)
        if is_repair and found:
            found = await self._store.run(self._repair, day, found)
        report.differences += found

    def _sums(
        self, day: int, rows: list[Segment], kept: list[DaySum], names: dict[int, tuple[str, str]]
    ) -> Iterator[Difference]:
        """Compare the sums kept of the day with those of its rows."""
        counted = {one.stream_no: one for one in day_sums(rows).values()}
        known = {one.stream_no: one for one in kept}
        for stream_no in sorted(counted.keys() | known.keys()):
            one, other = counted.get(stream_no), known.get(stream_no)
            if one != other:
                of_rows, of_sums = one.size_bytes if one else 0, other.size_bytes if other else 0
                detail = f"{of_sums} bytes, {of_rows} in the index"
                yield self._difference(f"{'/'.join(names[stream_no])}/{_date(day)}", "sums", detail)

    def _compare(self, row: Segment, path: str, size: int | None) -> Difference | None:
        if row.state is SegmentState.LOST:
            return None if size is None else self._difference(path, "unknown", "the index says that it is lost")
        if row.state is SegmentState.DELETING:
            return None  # finished at the next start of the server
        if size is None:
            return self._difference(path, "missing", f"{row.size_bytes} bytes")
        if row.state is SegmentState.OPEN:
            return None if self._is_running else self._difference(path, "open", "its writer ended")
        if size != row.size_bytes:
            return self._difference(path, "size", f"{size} bytes, {row.size_bytes} in the index")
        if self._is_deep and self._digest(path, size) != row.sha256:
            return self._difference(path, "hash", "its bytes are not those that were recorded")
        return None

    def _digest(self, path: str, size: int) -> bytes:
        try:
            return self._place.digest(path, size)
        except OSError:
            return b""

    def _unknown(self, path: str) -> Difference:
        try:
            read_segment_path(path)
            walk = self._place.examine(path)
        except TocsinError:
            return self._difference(path, "unreadable", "it has no name of a segment")
        except OSError as error:
            return self._difference(path, "unreadable", error.strerror or str(error))
        if not walk.groups:
            return self._difference(path, "unreadable", "no picture can be read from it")
        return self._difference(path, "unknown", f"{walk.duration_ms / 1000:.1f} s nobody knew of")

    def _difference(self, path: str, kind: str, detail: str) -> Difference:
        return Difference(self._volume.location, path, kind, detail)

    # --- repair ---

    def _repair(self, tx: Any, day: int, found: list[Difference]) -> list[Difference]:
        done: list[Difference] = []
        touched: set[tuple[int, int]] = set()
        counts: dict[str, int] = {}
        for one in found:
            if one.kind == "sums":
                continue
            what, segment = self._mend(tx, one)
            done.append(Difference(one.volume, one.path, one.kind, one.detail, what))
            if what:
                counts[what] = counts.get(what, 0) + 1
            if segment is not None:
                touched |= {(segment.stream_no, part) for part, _, _ in split_by_day(segment.start_ms, segment.end_ms)}
                touched.add((segment.stream_no, day_of(segment.start_ms)))
        for one in found:
            if one.kind == "sums":
                channel_id, stream, _ = one.path.split("/")
                touched.add((tx.segments.stream_no(channel_id, stream, _code_of(tx, channel_id)), day))
                done.append(replace(one, done="counted again"))
                counts["counted again"] = counts.get("counted again", 0) + 1
        for stream_no, part in sorted(touched):
            tx.segments.count_again(stream_no, part)
        detail: dict[str, object] = {"day": _date(day), **counts}
        tx.audit_entry(
            AuditEntry(
                tx.now, "command", "tocsin recordings", REPAIRED, "volume", self._volume.id, "", Outcome.DONE, detail
            )
        )
        return done

    def _mend(self, tx: Any, one: Difference) -> tuple[str, Segment | None]:
        """Return what was done, empty when nothing could be, and the segment whose days count anew."""
        if one.kind == "unreadable":
            return "put aside" if self._place.put_aside(one.path) else "", None
        channel_id, stream, start_ms = read_segment_path(one.path.removesuffix(PART))
        number = tx.segments.stream_no(channel_id, stream, _code_of(tx, channel_id))
        try:
            known: Segment | None = tx.segments.get(number, start_ms)
        except TocsinError:
            known = None
        if one.kind == "missing":
            return self._mark_lost(tx, known)
        if one.kind == "copy":
            return self._one_of_two(tx, one.path, known), None
        try:
            found = self._place.recover(one.path)
        except FileNotFoundError:
            return self._mark_lost(tx, known)
        except OSError:
            return "", None
        if found.is_busy:
            return "", None
        if found.is_removed or not found.walk.groups:
            return self._mark_lost(tx, known)
        walk, parameters = found.walk, found.walk.parameters
        codec_no = None
        if parameters is not None:
            codec_no = tx.segments.codec_no(
                Codec(
                    parameters.sha256,
                    parameters.codec,
                    parameters.width,
                    parameters.height,
                    parameters.mime,
                    parameters.init,
                )
            )
        state = SegmentState.DAMAGED if walk.skipped_bytes or one.kind == "hash" else SegmentState.OK
        segment = Segment(
            number,
            start_ms,
            start_ms + walk.duration_ms,
            self._volume.no,
            state,
            walk.size_bytes,
            walk.pictures,
            known.lost_packets if known is not None else 0,
            walk.damaged,
            codec_no,
            found.sha256,
            pack(walk.groups),
            known.clock_offset_ms if known is not None else None,
            "repaired",
            known.due_ms if known is not None else None,
        )
        tx.segments.rewrite(segment)
        longest = segment if known is None or known.end_ms <= segment.end_ms else known
        return ("adopted" if known is None or known.state is SegmentState.LOST else "cut"), longest

    def _mark_lost(self, tx: Any, known: Segment | None) -> tuple[str, Segment | None]:
        if known is None:
            return "removed", None
        if known.state is SegmentState.OPEN:
            tx.segments.delete([known.key])
        else:
            tx.segments.set_state([known.key], SegmentState.LOST)
        return "lost", known

    def _one_of_two(self, tx: Any, path: str, known: Segment | None) -> str:
        """Remove a copy when the file the index means is there; when that is gone the copy takes its place."""
        if path.endswith(PART):
            return "removed" if self._place.remove(path) else ""
        other = self._places.get(known.volume_no) if known is not None else None
        if known is None or other is None or known.sha256 is None:
            return ""
        with contextlib.suppress(OSError):  # not there, or not to be read: then this one counts
            if other.digest(path, known.size_bytes) == known.sha256:
                return "removed" if self._place.remove(path) else ""
        if self._digest(path, known.size_bytes) != known.sha256:
            return ""
        tx.segments.move([known.key], self._volume.no)
        return "adopted"


def _elsewhere(tx: Any, paths: Iterable[str], volume_no: int) -> tuple[set[str], set[str]]:
    """Return which paths are of segments that lie on another volume, and which are moving."""
    streams = {(one.channel_id, one.stream): one.no for one in tx.segments.streams()}
    found: set[str] = set()
    for path in paths:
        name = path.removesuffix(PART)
        try:
            channel_id, stream, start_ms = read_segment_path(name)
            row: Segment = tx.segments.get(streams.get((channel_id, stream), 0), start_ms)
        except TocsinError:
            continue
        if row.volume_no != volume_no and row.state in PLAYABLE:
            found.add(name)
    return found, {segment_path(one.channel_id, one.stream, one.start_ms) for one in tx.moves.under_way()}


def _date(day: int) -> str:
    return folder_of(day).replace("/", "-")


def _days(tx: Any, volume_no: int) -> list[int]:
    return [*tx.segments.days_of_volume(volume_no), *(one.day for one in tx.segments.sums.of_volume(volume_no))]


def _rows(tx: Any, volume_no: int, day: int) -> tuple[list[Segment], dict[int, tuple[str, str]], list[DaySum]]:
    rows = tx.segments.of_volume(volume_no, day * DAY_MS, (day + 1) * DAY_MS)
    names = {stream.no: (stream.channel_id, stream.stream) for stream in tx.segments.streams()}
    return rows, names, tx.segments.sums.of_volume(volume_no, day)


def _code_of(tx: Any, channel_id: str) -> str:
    try:
        seen = scope(house_actor(), Permission.READ_REGISTRY)
        return str(tx.devices.channel(channel_id, visible_to=seen).jurisdiction_code)
    except TocsinError:
        return ""
