"""A recording as a file: fragmented MP4 or bare, with every NAL unit byte for byte, and its SHA-256 as it is written.

The sample entry is the kind that allows parameter sets in band, so nothing has to be taken out. Bare is the byte stream
alone, start code and NAL unit: what examiners' tools take, without times. One write a run of pictures from key to key;
sound is not kept: it needs a permission of its own.

Source: ISO/IEC 14496-12 and 14496-15 (avc3, hev1); H.264 and H.265, "Byte stream format"; media reference.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
from pathlib import Path

from tocsin.media.fmp4 import Sample, fragment, init_segment
from tocsin.protocols.rtp.access_unit import AccessUnit, ParameterSets
from tocsin.protocols.rtp.ps import StreamType

MAX_GROUP_BYTES = 16 << 20
LAST_DURATION = 3600
START_CODE = b"\x00\x00\x00\x01"

_length = struct.Struct("!I").pack


class RecordingFile:
    """Writes `<path>.part`, at most `max_bytes`; `finish` gives it its name.

    `problem` is the key of what went wrong, empty while all is well.
    """

    def __init__(self, path: Path, max_bytes: int, *, is_bare: bool = False) -> None:
        self.problem = ""
        self.size_bytes = 0
        self.pictures = 0
        self.damaged = 0
        self.first_record_ms: float | None = None
        self.last_record_ms: float | None = None
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._max_bytes = max_bytes
        self._is_bare = is_bare
        self._digest = hashlib.sha256()
        self._file = self._part.open("wb")
        os.chmod(self._part, 0o600)
        self._sets: ParameterSets | None = None
        self._sequence = 0
        self._group: list[tuple[bytes, int, bool]] = []
        self._group_bytes = 0
        self._is_started = False

    def take(self, unit: AccessUnit, media: int, record_ms: float) -> None:
        """Take one picture; those before the first key with its parameter sets are not kept."""
        if self.problem:
            return
        if self._sets is None:
            self._sets = ParameterSets(unit.codec)
        if unit.codec != self._sets.codec:
            self.problem = "download.codec_changed"
            return
        for nal in unit.nals:
            self._sets.take(nal)
        if not self._is_started:
            if not unit.is_key or not self._sets.is_complete:
                return
            if self._is_bare:
                units = set(unit.nals)
                self._write(b"".join(START_CODE + one for one in self._sets.units() if one not in units))
            else:
                self._write(init_segment(self._sets, in_band=True))
            self._is_started = True
        if unit.is_key or self._group_bytes > MAX_GROUP_BYTES:
            self._end_group(media)
        data = b"".join(part for nal in unit.nals for part in (START_CODE if self._is_bare else _length(len(nal)), nal))
        self._group.append((data, media, unit.is_key))
        self._group_bytes += len(data)
        self.pictures += 1
        self.damaged += unit.is_damaged
        if self.first_record_ms is None:
            self.first_record_ms = record_ms
        self.last_record_ms = record_ms

    def finish(self) -> dict[str, object]:
        """Write what is left, give the file its name and return its size, digest and record times."""
        self._end_group(None)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self.pictures and not self.problem:
                self._part.rename(self._path)
            else:
                self._part.unlink(missing_ok=True)
        except OSError:
            self.problem = self.problem or "download.disk"
        return {
            "size_bytes": self.size_bytes,
            "sha256": self._digest.hexdigest(),
            "pictures": self.pictures,
            "damaged": self.damaged,
            "first_record_ms": self.first_record_ms,
            "last_record_ms": self.last_record_ms,
            "codec": "" if self._sets is None else "h265" if self._sets.codec == StreamType.H265 else "h264",
            "problem": self.problem,
        }

    def discard(self) -> None:
        """Throw away what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _end_group(self, following: int | None) -> None:
        group, self._group, self._group_bytes = self._group, [], 0
        if not group or self.problem:
            return
        if self._is_bare:
            self._write(b"".join(data for data, _, _ in group))
            return
        times = [media for _, media, _ in group]
        last = following - times[-1] if following is not None and following > times[-1] else LAST_DURATION
        steps = [*(max(1, after - before) for before, after in itertools.pairwise(times)), last]
        samples = [Sample(data, step, is_key) for (data, _, is_key), step in zip(group, steps, strict=True)]
        self._sequence += 1
        self._write(b"".join(fragment(self._sequence, times[0], samples)))

    def _write(self, data: bytes) -> None:
        if self.size_bytes + len(data) > self._max_bytes:
            self.problem = "download.too_large"
            return
        try:
            self._file.write(data)
        except OSError:
            self.problem = "download.disk"
            return
        self._digest.update(data)
        self.size_bytes += len(data)
