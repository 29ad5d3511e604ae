"""JT/T 808 framing: a stream of octets <-> frames. Pure: no sockets, clock, logging or settings.

    7E | header | body | xor | 7E

Between the flags 7D is written 7D 01 and 7E is written 7D 02. One flag may end a frame and begin the next. The header
of 2019 has a bit that says so, a version octet and a phone number of 20 digits; before, 12 digits. A SIM that changes
from one edition to the next stays one terminal: its number counts without left zeros.

Source: JT/T 808-2011, -2013 and -2019, message structure (clause table: docs/protocols/jt808.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor
from struct import Struct
from typing import Final

MAX_BODY_BYTES: Final = 1023
MAX_WIRE_BYTES: Final = 2 + 2 * (17 + 4 + MAX_BODY_BYTES + 1)
"""Octets of the longest frame, every one of them escaped."""
MAX_NOISE_BYTES: Final = 4 * MAX_WIRE_BYTES
"""Most octets in a row without a good frame; then the peer speaks something else."""
SERIALS: Final = 0x1_0000

_FLAG: Final = b"\x7e"
_ESCAPE: Final = b"\x7d"
_PARTED: Final = 0x2000
_VERSIONED: Final = 0x4000
_HEAD: Final = Struct(">HH")
_PAIR: Final = Struct(">HH")


class FrameFault(StrEnum):
    """Why octets were not a frame."""

    ESCAPE = "escape"
    CHECKSUM = "checksum"
    SHORT = "short"
    LENGTH = "length"
    PHONE = "phone"
    PART = "part"
    OVERSIZE = "oversize"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose checksum holds.

    `phone` is the terminal's number without left zeros. `version` is 0 before 2019, else the version octet (from 1).
    `part` is (total, index from 1) of a sub-package. `encryption` is the three bits of the header; bit 0 is RSA.
    """

    message_id: int
    phone: str
    serial: int
    body: bytes = b""
    version: int = 0
    part: tuple[int, int] | None = None
    encryption: int = 0
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Octets that are no frame: nothing may be answered to them."""

    raw: bytes
    reason: FrameFault


def checksum(octets: bytes) -> int:
    """Return the XOR of all octets."""
    return reduce(xor, octets, 0)


def escape(octets: bytes) -> bytes:
    """Write 7D as 7D 01 and 7E as 7D 02."""
    return octets.replace(_ESCAPE, b"\x7d\x01").replace(_FLAG, b"\x7d\x02")


def unescape(octets: bytes) -> bytes | None:
    """Undo `escape`; None when a 7D is followed by something else."""
    escapes = octets.count(_ESCAPE)
    if not escapes:
        return octets
    if octets.count(b"\x7d\x01") + octets.count(b"\x7d\x02") != escapes:
        return None
    return octets.replace(b"\x7d\x02", _FLAG).replace(b"\x7d\x01", _ESCAPE)


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as it stands on the wire, with both flags.

    Errors: ValueError when the body or the phone number is too long, or a part is numbered outside its total.
    """
    if len(frame.body) > MAX_BODY_BYTES:
        raise ValueError(f"a body holds at most {MAX_BODY_BYTES} octets, not {len(frame.body)}")
    digits = 20 if frame.version else 12
    if not frame.phone.isascii() or not frame.phone.isdigit() or len(frame.phone) > digits:
        raise ValueError(f"a phone number has at most {digits} digits")
    properties = len(frame.body) | (frame.encryption & 7) << 10
    if frame.version:
        properties |= _VERSIONED
    part = b""
    if frame.part is not None:
        total, index = frame.part
        if not 1 <= index <= total < SERIALS:
            raise ValueError("a part has an index from 1 to its total")
        properties |= _PARTED
        part = _PAIR.pack(total, index)
    version = bytes((frame.version,)) if frame.version else b""
    phone = bytes.fromhex(frame.phone.zfill(digits))
    head = _HEAD.pack(frame.message_id, properties) + version + phone + frame.serial.to_bytes(2, "big")
    inner = head + part + frame.body
    return _FLAG + escape(inner + bytes((checksum(inner),))) + _FLAG


def split_body(body: bytes, part_bytes: int = MAX_BODY_BYTES) -> list[bytes]:
    """Return the parts of a body that is longer than one frame holds; one part when it is not."""
    return [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)] or [b""]


def encode_message(frame: Frame, part_bytes: int = MAX_BODY_BYTES) -> Iterator[bytes]:
    """Yield the frames of a message whose body may be longer than one holds; serials count on from the frame's."""
    parts = split_body(frame.body, part_bytes)
    total = len(parts)
    for index, body in enumerate(parts, 1):
        serial = (frame.serial + index - 1) % SERIALS
        part = (total, index) if total > 1 else None
        yield encode_frame(
            Frame(frame.message_id, frame.phone, serial, body, frame.version, part, frame.encryption),
        )


def decode_frame(segment: bytes) -> Frame | BadFrame:
    """Read what stands between two flags."""
    raw = _FLAG + segment + _FLAG
    inner = unescape(segment)
    if inner is None:
        return BadFrame(raw, FrameFault.ESCAPE)
    if len(inner) < 13:
        return BadFrame(raw, FrameFault.SHORT)
    if checksum(inner):  # with its own checksum octet, all of it cancels out
        return BadFrame(raw, FrameFault.CHECKSUM)
    message_id, properties = _HEAD.unpack_from(inner)
    is_parted = bool(properties & _PARTED)
    if properties & _VERSIONED:
        version, phone_at, serial_at = inner[4], 5, 15
    else:
        version, phone_at, serial_at = 0, 4, 10
    body_at = serial_at + (6 if is_parted else 2)
    if len(inner) - 1 - body_at != properties & MAX_BODY_BYTES:
        return BadFrame(raw, FrameFault.LENGTH)
    phone = inner[phone_at:serial_at].hex()
    if not phone.isdecimal():
        return BadFrame(raw, FrameFault.PHONE)
    part = None
    if is_parted:
        part = _PAIR.unpack_from(inner, serial_at + 2)
        if not 1 <= part[1] <= part[0]:
            return BadFrame(raw, FrameFault.PART)
    if properties & _VERSIONED and not version:
        version = 1  # the octet starts at 1; terminals that send 0 there are of 2019 all the same
    return Frame(
        message_id,
        phone.lstrip("0") or "0",
        int.from_bytes(inner[serial_at : serial_at + 2], "big"),
        inner[body_at:-1],
        version,
        part,
        properties >> 10 & 7,
        raw,
    )


class FrameReader:
    """Reassembles frames of one stream; any split of the same stream gives the same frames.

    Once `MAX_NOISE_BYTES` octets passed without a good frame, `overflowed` is set and everything later is ignored: the
    owner closes the connection.
    """

    __slots__ = ("_buffer", "_is_in_step", "_noise", "_too_long", "overflowed")

    def __init__(self) -> None:
        self._buffer = b""
        self._is_in_step = False
        self._too_long = False
        self._noise = 0
        self.overflowed = False

    @property
    def buffered_bytes(self) -> int:
        """Octets kept for the next call; fewer than `MAX_WIRE_BYTES`."""
        return len(self._buffer)

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer) or self._too_long

    def receive(self, data: bytes) -> list[Frame | BadFrame]:
        """Take octets of the stream and return what is complete, in order."""
        if self.overflowed:
            return []
        found: list[Frame | BadFrame] = []
        segments = data.split(_FLAG)
        segments[0] = self._buffer + segments[0]
        for segment in segments[:-1]:
            self._take(segment, found)
            if self.overflowed:
                self._buffer = b""
                return found
        self._buffer = segments[-1]
        if self._too_long or not self._is_in_step or len(self._buffer) >= MAX_WIRE_BYTES:
            self._drop_rest(found)
        return found

    def _take(self, segment: bytes, found: list[Frame | BadFrame]) -> None:
        """Judge what stood before a flag."""
        was_in_step, was_too_long = self._is_in_step, self._too_long
        self._is_in_step, self._too_long = True, False
        if not segment:
            return
        if was_too_long or not was_in_step:
            self._count_noise(len(segment))
            return
        item = BadFrame(b"", FrameFault.OVERSIZE) if len(segment) >= MAX_WIRE_BYTES else decode_frame(segment)
        found.append(item)
        if isinstance(item, Frame):
            self._noise = 0
        else:
            self._count_noise(len(segment))

    def _drop_rest(self, found: list[Frame | BadFrame]) -> None:
        """Forget an unfinished segment that can no longer be a frame."""
        if self._is_in_step and not self._too_long:
            found.append(BadFrame(b"", FrameFault.OVERSIZE))
            self._too_long = True
        self._count_noise(len(self._buffer))
        self._buffer = b""

    def _count_noise(self, size: int) -> None:
        self._noise += size
        if self._noise >= MAX_NOISE_BYTES:
            self.overflowed = True
