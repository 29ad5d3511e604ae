"""Access units: PES payloads joined into whole pictures, and the parameter sets that describe them. Pure.

Source: ITU-T H.264 and H.265, order of NAL units and detection of the first one of a picture.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tocsin.protocols.rtp import h264, h265
from tocsin.protocols.rtp.nal import MAX_NALS, MAX_PARAMETER_SET_BYTES, split_nals
from tocsin.protocols.rtp.ps import StreamType

MAX_ACCESS_UNIT_BYTES = 4 << 20
MAX_PARAMETER_SETS = 32


class AccessUnit(NamedTuple):
    """One picture: NAL units byte for byte and in order, without start codes; times in raw 90 kHz ticks.

    A named tuple because every picture of every camera passes here.
    """

    codec: int
    pts: int | None
    dts: int | None
    nals: list[bytes]
    is_key: bool
    is_damaged: bool
    is_recovery_point: bool


_NONE: Final[list[AccessUnit]] = []


class Assembler:
    """Joins the video payloads of one stream into access units.

    A picture ends with a new PTS, an access unit delimiter, a first slice after other slices, or `end`.
    """

    __slots__ = ("_carried", "_damaged", "_dts", "_parts", "_pts", "_size", "codec", "oversized", "unreadable")

    def __init__(self, codec: int = 0) -> None:
        self.codec = codec
        self.oversized = 0
        self.unreadable = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._pts: int | None = None
        self._dts: int | None = None
        self._damaged = False
        self._carried: list[bytes] = []  # parameter sets sent ahead of their picture

    def add(self, pts: int | None, dts: int | None, payload: bytes) -> list[AccessUnit]:
        """Take the payload of one video PES packet; return pictures that a new PTS ended."""
        units = _NONE
        if self._parts:
            if pts is not None and self._pts is not None and pts != self._pts:
                units = self.end()
            elif self._size + len(payload) > MAX_ACCESS_UNIT_BYTES:
                self.oversized += 1
                self._clear()
                self._damaged = True
        if pts is not None:
            self._pts = pts
            self._dts = dts
        self._parts.append(payload)
        self._size += len(payload)
        return units

    def damage(self) -> None:
        """Bytes of the present picture are missing."""
        self._damaged = True

    def end(self) -> list[AccessUnit]:
        """The present picture is complete: return it, or several when one pack held several."""
        parts = self._parts
        if not parts:
            return _NONE
        nals = split_nals(parts[0] if len(parts) == 1 else b"".join(parts))
        pts, dts, damaged = self._pts, self._dts, self._damaged
        self._clear()
        if not self.codec:
            self.codec = sniff_codec(nals)
        if nals and not damaged and not is_readable(nals, self.codec):
            self.unreadable += 1
            return _NONE
        if self.codec == StreamType.H264:
            return self._cut_h264(nals, pts, dts, damaged)
        if self.codec == StreamType.H265:
            return self._cut_h265(nals, pts, dts, damaged)
        return _NONE

    def cut(self, nals: list[bytes], pts: int | None, damaged: bool) -> list[AccessUnit]:
        """Return the pictures these NAL units make, for streams that arrive unit by unit."""
        if self.codec == StreamType.H264:
            return self._cut_h264(nals, pts, None, damaged)
        return self._cut_h265(nals, pts, None, damaged)

    def _clear(self) -> None:
        self._parts = []
        self._size = 0
        self._pts = self._dts = None
        self._damaged = False

    def _cut_h264(self, nals: list[bytes], pts: int | None, dts: int | None, damaged: bool) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        current = self._take_carried()
        has_slice = is_key = is_recovery = False
        for nal in nals:
            kind = nal[0] & 31
            if kind == h264.SLICE or kind == h264.IDR:
                is_first = len(nal) > 1 and nal[1] >= 0x80
                if has_slice and is_first:
                    units.append(AccessUnit(StreamType.H264, pts, dts, current, is_key, damaged, is_recovery))
                    current, is_key, is_recovery = [], False, False
                elif not has_slice and not is_first:
                    damaged = True
                has_slice = True
                is_key = is_key or kind == h264.IDR
            elif h264.SEI <= kind <= h264.AUD:
                if has_slice:  # these may only stand before the slices of a picture
                    units.append(AccessUnit(StreamType.H264, pts, dts, current, is_key, damaged, is_recovery))
                    current, has_slice, is_key, is_recovery = [], False, False, False
                if kind == h264.SEI and h264.is_recovery_point(nal):
                    is_recovery = True
            current.append(nal)
        if has_slice:
            units.append(AccessUnit(StreamType.H264, pts, dts, current, is_key, damaged, is_recovery))
        else:
            self._carry(current)
        return units

    def _cut_h265(self, nals: list[bytes], pts: int | None, dts: int | None, damaged: bool) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        current = self._take_carried()
        has_slice = is_key = False
        for nal in nals:
            kind = nal[0] >> 1 & 63
            if kind <= h265.LAST_VCL:
                is_first = len(nal) > 2 and nal[2] >= 0x80
                if has_slice and is_first:
                    units.append(AccessUnit(StreamType.H265, pts, dts, current, is_key, damaged, False))
                    current, is_key = [], False
                elif not has_slice and not is_first:
                    damaged = True
                has_slice = True
                is_key = is_key or h265.FIRST_KEY <= kind <= h265.LAST_KEY
            elif has_slice and (h265.VPS <= kind <= h265.AUD or kind == h265.SEI_PREFIX):
                units.append(AccessUnit(StreamType.H265, pts, dts, current, is_key, damaged, False))
                current, has_slice, is_key = [], False, False
            current.append(nal)
        if has_slice:
            units.append(AccessUnit(StreamType.H265, pts, dts, current, is_key, damaged, False))
        else:
            self._carry(current)
        return units

    def _take_carried(self) -> list[bytes]:
        carried = self._carried
        if carried:
            self._carried = []
            return carried
        return []

    def _carry(self, nals: list[bytes]) -> None:
        self._carried = [nal for nal in nals if len(nal) <= MAX_PARAMETER_SET_BYTES][-MAX_PARAMETER_SETS:]


def is_readable(nals: list[bytes], codec: int) -> bool:
    """Say whether a picture begins with a NAL unit that exists in its codec; encrypted ones begin with anything.

    Source: ITU-T H.264, nal_unit_type 0 and 24 to 31 unspecified; ITU-T H.265, types 48 to 63 unspecified.
    """
    first = nals[0]
    if codec == StreamType.H264:
        return first[0] < 0x80 and 0 < first[0] & 31 < 24
    if codec == StreamType.H265:
        return first[0] < 0x80 and first[0] >> 1 < 48 and len(first) > 1 and first[1] & 7 != 0
    return True


def sniff_codec(nals: list[bytes]) -> int:
    """Tell H.264 from H.265 by their parameter sets, for streams without a map; 0 when neither shows itself."""
    for nal in nals[:MAX_NALS]:
        if len(nal) > 1 and nal[0] in (0x40, 0x42, 0x44, 0x26) and nal[1] == 1:
            return StreamType.H265
        if nal[0] < 0x80 and nal[0] & 0x60 and nal[0] & 31 in (h264.SPS, h264.PPS, h264.IDR):
            return StreamType.H264
    return 0


class ParameterSets:
    """The parameter sets in force of one stream; `version` grows when their bytes change."""

    __slots__ = ("_sets", "codec", "rejected", "sps", "version")

    def __init__(self, codec: int) -> None:
        self.codec = codec
        self.version = 0
        self.rejected = 0
        self.sps: h264.Sps | h265.Sps | None = None
        self._sets: dict[tuple[int, int], bytes] = {}

    def take(self, nal: bytes) -> bool:
        """Take a NAL unit if it is a parameter set and tell whether it is one; one that cannot be read is ignored."""
        kind = nal[0] & 31 if self.codec == StreamType.H264 else nal[0] >> 1 & 63
        if self.codec == StreamType.H264:
            if kind != h264.SPS and kind != h264.PPS:
                return kind == h264.SPS_EXTENSION
        elif not h265.VPS <= kind <= h265.PPS:
            return False
        for known in self._sets.values():
            if known == nal:
                return True
        self._replace(kind, nal)
        return True

    def _replace(self, kind: int, nal: bytes) -> None:
        sps: h264.Sps | h265.Sps | None = None
        set_id: int | None
        if self.codec == StreamType.H264:
            if kind == h264.SPS:
                sps = h264.read_sps(nal)
                set_id = sps.id if sps is not None else None
            else:
                set_id = h264.read_pps_id(nal)
        elif kind == h265.SPS:
            sps = h265.read_sps(nal)
            set_id = sps.id if sps is not None else None
        elif kind == h265.VPS:
            set_id = nal[2] >> 4 if 3 < len(nal) <= MAX_PARAMETER_SET_BYTES else None
        else:
            set_id = h265.read_pps_id(nal)
        if set_id is None or (len(self._sets) >= MAX_PARAMETER_SETS and (kind, set_id) not in self._sets):
            self.rejected += 1
            return
        self._sets[kind, set_id] = nal
        if sps is not None:
            self.sps = sps
        self.version += 1

    def of_kind(self, kind: int) -> list[bytes]:
        """Return the sets of one NAL unit type, by id."""
        return [nal for key, nal in sorted(self._sets.items()) if key[0] == kind]

    def units(self) -> list[bytes]:
        """Return every set in force, in the order a decoder needs them."""
        return [nal for _, nal in sorted(self._sets.items())]

    @property
    def is_complete(self) -> bool:
        """True when a decoder could start."""
        if self.sps is None:
            return False
        if self.codec == StreamType.H264:
            return bool(self.of_kind(h264.PPS))
        return bool(self.of_kind(h265.VPS) and self.of_kind(h265.PPS))
