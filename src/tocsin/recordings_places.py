"""Where recordings lie, as check and repair look at it: a folder, or a bucket.

A bucket's objects are whole or not there: nothing of them is cut, and what cannot be read is left where it is.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from tocsin.domain.segments import Volume
from tocsin.domain.tiers import PART, TierFailed
from tocsin.media.segment_file import Recovered, digest_of, examine, recover
from tocsin.media.segment_format import Walk
from tocsin.media.volume_mark import MARK
from tocsin.storage.tier_s3 import Buckets

ASIDE: Final = "lost+found"
_DAY: Final = re.compile(r"\d{4}/\d{2}/\d{2}(?=/)")


class Place(Protocol):
    """The files of a volume. Errors of each: OSError."""

    def problem(self, house_id: str) -> str:
        """Return why it cannot be looked at; empty when it can."""

    def days(self) -> set[int]:
        """Return the days of which there are files."""

    def files(self, day: int) -> Iterator[tuple[str, int]]:
        """Yield paths and sizes of a day."""

    def digest(self, path: str, size_bytes: int) -> bytes:
        """Return the SHA-256 of a file."""

    def examine(self, path: str) -> Walk:
        """Walk a file and change nothing."""

    def recover(self, path: str) -> Recovered:
        """Make a file whole, and say what it holds."""

    def remove(self, path: str) -> bool:
        """Remove a file that lies elsewhere too; say whether it is gone."""

    def put_aside(self, path: str) -> bool:
        """Put what nobody can read where it is in nobody's way; say whether that was done."""


def place_of(volume: Volume, buckets: Buckets) -> Place:
    """Return the files of a volume."""
    return _Folder(volume) if volume.kind == "folder" else _Bucket(volume, buckets)


def problem_of_mark(content: bytes, volume: Volume, house_id: str) -> str:
    """Return what is wrong with a mark; empty when it is this house's of this volume."""
    try:
        mark = json.loads(content)
    except ValueError as error:
        return f"its mark cannot be read: {error}"
    if not isinstance(mark, dict) or mark.get("volume") != volume.id or mark.get("house") != house_id:
        return "its mark is another house's"
    return ""


def folder_of(day: int) -> str:
    """Return the folder of a day."""
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y/%m/%d}"


def _day_of(text: str) -> int | None:
    try:
        at = datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) // 86_400


class _Folder:
    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._root = Path(volume.location)

    def problem(self, house_id: str) -> str:
        try:
            return problem_of_mark((self._root / MARK).read_bytes(), self._volume, house_id)
        except FileNotFoundError:
            return "the folder is not there, or carries no mark: is its disk attached?"
        except OSError as error:
            return f"its mark cannot be read: {error}"

    def days(self) -> set[int]:
        folders = self._root.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")
        return {day for folder in folders if (day := _day_of("/".join(folder.parts[-3:]))) is not None}

    def files(self, day: int) -> Iterator[tuple[str, int]]:
        for at, _, names in os.walk(self._root / folder_of(day)):
            for name in sorted(names):
                path = Path(at) / name
                try:
                    size = path.lstat().st_size
                except FileNotFoundError:
                    continue  # deleted while we looked
                yield path.relative_to(self._root).as_posix(), size

    def digest(self, path: str, size_bytes: int) -> bytes:
        with (self._root / path).open("rb") as file:
            return digest_of(file.fileno(), size_bytes)

    def examine(self, path: str) -> Walk:
        return examine(self._root / path)

    def recover(self, path: str) -> Recovered:
        return recover(self._root / path)

    def remove(self, path: str) -> bool:
        try:
            (self._root / path).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def put_aside(self, path: str) -> bool:
        target = self._root / ASIDE / path.replace("/", "_")
        try:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(self._root / path, target)
        except OSError:
            return False
        return True


class _Bucket:
    def __init__(self, volume: Volume, buckets: Buckets) -> None:
        self._volume = volume
        self._buckets = buckets
        self._listed: dict[int, list[tuple[str, int]]] | None = None

    def problem(self, house_id: str) -> str:
        try:
            mark = self._buckets.mark(self._volume)
        except TierFailed as failure:
            return failure.reason
        return "it carries no mark of ours" if mark is None else problem_of_mark(mark, self._volume, house_id)

    def days(self) -> set[int]:
        return set(self._all())

    def files(self, day: int) -> Iterator[tuple[str, int]]:
        yield from self._all().get(day, [])

    def digest(self, path: str, size_bytes: int) -> bytes:
        try:
            return self._buckets.digest(self._volume, path)
        except TierFailed as failure:
            raise OSError(failure.reason) from failure

    def examine(self, path: str) -> Walk:
        return self._fetched(path).walk

    def recover(self, path: str) -> Recovered:
        found = self._fetched(path)
        if found.cut_bytes:
            raise OSError("it is torn, and nothing of an object is cut")
        return found

    def remove(self, path: str) -> bool:
        return not self._buckets.remove(self._volume, [path])

    def put_aside(self, path: str) -> bool:
        return False

    def _all(self) -> dict[int, list[tuple[str, int]]]:
        if self._listed is None:
            listed: dict[int, list[tuple[str, int]]] = {}
            try:
                for path, size in self._buckets.listed(self._volume, ""):
                    found = _DAY.match(path)
                    day = _day_of(found[0]) if found else None
                    if day is not None:
                        listed.setdefault(day, []).append((path, size))
            except TierFailed as failure:
                raise OSError(failure.reason) from failure
            self._listed = listed
        return self._listed

    def _fetched(self, path: str) -> Recovered:
        """Fetch an object into a file that is gone afterwards, and say what it holds."""
        with tempfile.NamedTemporaryFile(suffix=PART) as file:
            try:
                for data in self._buckets.content(self._volume, path):
                    file.write(data)
            except TierFailed as failure:
                raise OSError(failure.reason) from failure
            file.flush()
            size = os.fstat(file.fileno()).st_size
            walk = examine(Path(file.name), is_deep=True)
            return Recovered(
                walk, digest_of(file.fileno(), size), cut_bytes=size - walk.size_bytes if walk.groups else 0
            )
