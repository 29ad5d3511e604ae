"""SIA DC-09 framing: bytes <-> body. Pure: no sockets, clock, logging or settings.

    LF | CRC | 0LLL | body | CR

CRC is four hex characters, or two raw octets in an old habit that some cameras still have; `0LLL` is the body length in
hex; the body begins with the quote of the token. A frame is measured by the position of that quote and by the length,
never by searching for a line end alone, because raw CRC octets may themselves be LF or CR.

Source: SIA DC-09, message format (clause table: docs/protocols/dc09.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fastcrc.crc16 import arc

MAX_BODY_BYTES = 0xFFF
MAX_FRAME_BYTES = 4110
"""Most octets looked at for one frame, and most octets skipped between two good frames of a stream."""

_ASCII_QUOTE_AT, _BINARY_QUOTE_AT = 9, 7
_SHORTEST_HEADER = 10
_FILLER = b"\r\n\0 \t"


class CrcForm(StrEnum):
    """How the checksum travels: four hex characters or two raw octets."""

    ASCII = "ascii"
    BINARY = "binary"


class FrameFault(StrEnum):
    """Why octets were not a frame."""

    CRC_MISMATCH = "crc_mismatch"
    OVERSIZE = "oversize"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose checksum holds: `raw` from LF to CR, `body` between the length and CR."""

    raw: bytes
    body: bytes
    crc_form: CrcForm = CrcForm.ASCII
    length_differs: bool = False


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Octets that looked like a frame and are not: nothing may be answered to them."""

    raw: bytes
    reason: FrameFault


def encode_frame(body: bytes, crc_form: CrcForm = CrcForm.ASCII) -> bytes:
    """Wrap a body (at most 4,095 octets, starting with a quote) into a frame.

    Errors: ValueError when the body is too long or does not start with the quote of a token.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a body holds at most {MAX_BODY_BYTES} octets, not {len(body)}")
    if body[:1] != b'"':
        raise ValueError("a body starts with the quote of its token")
    if crc_form is CrcForm.ASCII:
        return b"\n%04X%04X%b\r" % (arc(body), len(body), body)
    return b"\n%b%04X%b\r" % (arc(body).to_bytes(2, "big"), len(body), body)


class FrameReader:
    """Reassembles frames of one stream; any split of the same stream gives the same result.

    Once `MAX_FRAME_BYTES` octets passed without a good frame, `overflowed` is set, one `BadFrame` says so, and
    everything later is ignored: the owner closes the connection.
    """

    __slots__ = ("_buffer", "_checked", "_crc", "_skipped", "noise_bytes", "overflowed")

    def __init__(self) -> None:
        self._buffer = b""
        # Progress inside the frame at the head of the buffer: octets already in the running checksum.
        self._checked = 0
        self._crc = 0
        self._skipped = 0
        self.noise_bytes = 0
        self.overflowed = False

    @property
    def buffered_bytes(self) -> int:
        """Octets kept for the next call; never more than `MAX_FRAME_BYTES`."""
        return len(self._buffer)

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun; line ends and zeros that panels append do not begin one."""
        return bool(self._buffer) and bool(self._buffer.strip(_FILLER))

    def receive(self, data: bytes) -> list[Frame | BadFrame]:
        """Take octets of the stream and return what is complete, in order."""
        if self.overflowed:
            return []
        if not self._buffer and (frame := _sole_frame(data)) is not None:
            self._skipped = 0
            return [frame]
        buffer = self._buffer + data if self._buffer else data
        found: list[Frame | BadFrame] = []
        start = 0
        while not self.overflowed:
            head = self._find_head(buffer, start)
            self._skip(head - start, found)
            start = head
            if self.overflowed or start == len(buffer):
                break
            item, size = self._measure(buffer, start)
            if size == 0:
                break
            self._checked = self._crc = 0
            if isinstance(item, Frame):
                found.append(item)
                self._skipped = 0
                start += size
                continue
            if item is not None:
                found.append(item)
            self._skip(size, found)
            start += size
        self._buffer = b"" if self.overflowed else buffer[start:]
        return found

    def _find_head(self, buffer: bytes, start: int) -> int:
        """Return where the next frame may begin: an LF with a quote in place, or one too near the end to tell."""
        while True:
            at = buffer.find(b"\n", start)
            if at < 0:
                return len(buffer)
            if _quote_offset(buffer, at) is not None or len(buffer) - at < _SHORTEST_HEADER:
                return at
            start = at + 1

    def _skip(self, size: int, found: list[Frame | BadFrame]) -> None:
        if not size:
            return
        self.noise_bytes += size
        self._skipped += size
        if self._skipped >= MAX_FRAME_BYTES:
            self.overflowed = True
            found.append(BadFrame(b"", FrameFault.OVERSIZE))

    def _measure(self, buffer: bytes, start: int) -> tuple[Frame | BadFrame | None, int]:
        """Judge the frame that may begin at `start`: what it is and how many octets it takes; size 0 means wait."""
        quote = _quote_offset(buffer, start)
        if quote is None:
            return None, 0
        declared_end = _declared_end(buffer, start, quote)
        scan = start + quote + self._checked
        limit = start + MAX_FRAME_BYTES
        while True:
            end = buffer.find(b"\r", scan, limit)
            if end < 0:
                stop = min(len(buffer), limit)
                self._crc = arc(buffer[scan:stop], self._crc)
                self._checked = stop - start - quote
                return None, limit - start if stop == limit else 0
            self._crc = arc(buffer[scan:end], self._crc)
            if _crc_matches(buffer, start, quote, self._crc):
                form = CrcForm.ASCII if quote == _ASCII_QUOTE_AT else CrcForm.BINARY
                raw = buffer[start : end + 1]
                return Frame(raw, raw[quote:-1], form, end != declared_end), end + 1 - start
            if end >= declared_end:
                return BadFrame(buffer[start : end + 1], FrameFault.CRC_MISMATCH), _resume_after(buffer, start, end)
            # A raw CR inside the declared length: part of the data, or a length that lies. Look at the next one.
            self._crc = arc(b"\r", self._crc)
            scan = end + 1


def read_datagram(data: bytes) -> list[Frame | BadFrame]:
    """Read one UDP datagram, which holds one whole frame; a rest that is no frame is reported as incomplete."""
    reader = FrameReader()
    found = reader.receive(data[: 4 * MAX_FRAME_BYTES])
    if reader.is_inside_frame or not found:
        found.append(BadFrame(data[:MAX_FRAME_BYTES], FrameFault.INCOMPLETE))
    return found


def _sole_frame(data: bytes) -> Frame | None:
    """Return the frame when the octets are exactly one in its usual form: what nearly every read brings."""
    end = len(data) - 1
    if end < _SHORTEST_HEADER or data[0] != 0x0A or data[_ASCII_QUOTE_AT] != 0x22 or data.find(b"\r", 10) != end:
        return None
    body = data[_ASCII_QUOTE_AT:end]
    if data[1:_ASCII_QUOTE_AT] != b"%04X%04X" % (arc(body), len(body)) or data[_BINARY_QUOTE_AT] == 0x22:
        return None
    return Frame(data, body)


def _quote_offset(buffer: bytes, start: int) -> int | None:
    """Return the offset of the token's quote from the LF: 7 after a raw checksum, 9 after a written one."""
    if buffer[start + _BINARY_QUOTE_AT : start + _BINARY_QUOTE_AT + 1] == b'"':
        return _BINARY_QUOTE_AT
    if buffer[start + _ASCII_QUOTE_AT : start + _ASCII_QUOTE_AT + 1] == b'"':
        return _ASCII_QUOTE_AT
    return None


def _declared_end(buffer: bytes, start: int, quote: int) -> int:
    """Return where CR should be by the length field, or the start when that field is not `0` and three hex digits."""
    field = buffer[start + quote - 4 : start + quote]
    if field.isalnum() and field[0] == 0x30:
        try:
            return start + quote + int(field, 16)
        except ValueError:
            return start
    return start


def _crc_matches(buffer: bytes, start: int, quote: int, crc: int) -> bool:
    if quote == _ASCII_QUOTE_AT:
        return buffer[start + 1 : start + 5].upper() == b"%04X" % crc
    return buffer[start + 1 : start + 3] == crc.to_bytes(2, "big")


def _resume_after(buffer: bytes, start: int, end: int) -> int:
    """Return how much of a bad span to drop: up to the last frame head inside it, so a whole frame is not lost.

    A head so near the span's end that its quote would lie outside is kept without looking: octets after the span may
    not have arrived yet, and the answer must not depend on that.
    """
    at = buffer.rfind(b"\n", start + 1, end)
    while at >= 0:
        if end - at <= _ASCII_QUOTE_AT or _quote_offset(buffer, at) is not None:
            return at - start
        at = buffer.rfind(b"\n", start + 1, at)
    return end + 1 - start
