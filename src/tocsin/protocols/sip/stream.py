"""Reassembly of SIP messages: from a TCP stream, and from datagrams that a recorder split outside SIP.

On a stream an XML body ends at the close tag of its root, because Content-Length is wrong in the field (characters
counted instead of bytes, line ends added later); any other body ends where Content-Length says. After rubbish the
reader searches the next start line.

Source: RFC 3261, "Transport"; RFC 5626, "Keepalive with CRLF"; GB/T 28181 field reports.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tocsin.protocols.sip.codes import (
    MAX_DATAGRAM_BYTES,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    MAX_STRANGER_BODY_BYTES,
    Oddity,
)
from tocsin.protocols.sip.message import (
    BadMessage,
    Message,
    Ping,
    Request,
    Response,
    content_length,
    parse_datagram,
    parse_head,
)

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_START_LINE: Final = re.compile(rb"(?:SIP/2\.0 +[1-6]\d\d(?: [^\r\n]*)?|[A-Z]{1,20} +[^\s]+ +SIP/2\.0 *)\r?\n\Z")
_NEXT_START: Final = re.compile(rb"\n(?:SIP/2\.0 +[1-6]\d\d|[A-Z]{1,20} +sips?:[^\s]+ +SIP/2\.0)")
_ROOT: Final = re.compile(rb"<(Control|Query|Notify|Response)(?=[\s>/])", re.IGNORECASE)
_PROLOGUE_BYTES: Final = 512
_CLOSE_BYTES: Final = 64  # more than any closing tag of ours: it is found whole, however the bytes were cut
_PING: Final = b"\r\n\r\n"
XML_TYPES: Final = frozenset({"application/manscdp+xml", "application/xml", "text/xml"})


class StreamReader:
    """Cuts a byte stream into messages; any split of the same stream gives the same result.

    `max_body_bytes` may be raised once the sender is known. Memory stays below it plus the header limit.
    """

    def __init__(self, max_body_bytes: int = MAX_STRANGER_BODY_BYTES) -> None:
        self.max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._head: Message | None = None
        self._scanned = 0
        self._blank_left = 0
        self._lost = False

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their message."""
        return len(self._buffer)

    def receive(self, data: bytes) -> Iterator[Message | BadMessage | Ping]:
        """Add bytes and yield what became complete."""
        self._buffer += data
        while True:
            before = len(self._buffer), self._head is None
            found = self._next()
            if found is not None:
                yield found
            elif before == (len(self._buffer), self._head is None):
                return

    def _next(self) -> Message | BadMessage | Ping | None:
        if self._head is not None:
            return self._read_body(self._head)
        if self._skip_blank():
            return Ping()
        if not self._buffer or self._buffer[0] in b"\r\n":
            return None
        return self._read_head()

    def _skip_blank(self) -> bool:
        """Drop line breaks before a start line; True when they were a ping."""
        buffer = self._buffer
        while self._blank_left and buffer and buffer[0] in b" \t\r\n":
            del buffer[0]
            self._blank_left -= 1
        if buffer:
            self._blank_left = 0
        while buffer and buffer[0] in b"\r\n":
            if buffer.startswith(_PING):
                del buffer[: len(_PING)]
                return not self._lost
            if len(buffer) < len(_PING) and _PING.startswith(bytes(buffer)):
                return False  # the rest of a ping may follow
            del buffer[0]
        return False

    def _read_head(self) -> BadMessage | None:
        buffer = self._buffer
        line_end = buffer.find(b"\n", 0, MAX_LINE_BYTES)
        if line_end < 0:
            return self._reject(MAX_LINE_BYTES, "line too long") if len(buffer) >= MAX_LINE_BYTES else None
        if not _START_LINE.match(bytes(buffer[: line_end + 1])):
            return self._reject(line_end + 1, "not a SIP start line")
        end = _HEAD_END.search(buffer, 0, MAX_HEAD_BYTES)
        if end is None:
            return self._reject(line_end + 1, "header section too large") if len(buffer) >= MAX_HEAD_BYTES else None
        message = parse_head(bytes(buffer[: end.start()]))
        del buffer[: end.end()]
        self._scanned = 0
        if isinstance(message, BadMessage):
            self._lost = True
            return message
        self._lost = False
        self._head = message
        return None

    def _read_body(self, head: Message) -> Message | BadMessage | None:
        declared = content_length(head.headers)
        size = self._measure(head, declared)
        if size is None:
            return None
        self._head = None
        self._scanned = 0
        if size > self.max_body_bytes:
            self._lost = True
            return BadMessage(head.encode()[:256], "body too large")
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        trailing = (declared or 0) - size
        self._blank_left = max(0, trailing)
        odd = head.oddities | {Oddity.CONTENT_LENGTH} if trailing < 0 else head.oddities
        return replace(head, body=body, oddities=odd)

    def _measure(self, head: Message, declared: int | None) -> int | None:
        """Return the body size, or None while it waits for more bytes. Beyond the limit means too large."""
        if head.content_type not in XML_TYPES or declared == 0:
            return self._by_length(declared or 0)
        buffer = self._buffer
        prologue = min(_PROLOGUE_BYTES, declared) if declared else _PROLOGUE_BYTES
        root = _ROOT.search(buffer, 0, prologue)
        if root is None:  # not one of our documents: only the header can tell its size
            return self._by_length(declared or 0) if len(buffer) >= prologue else None
        close = re.compile(rb"</" + root[1] + rb"\s{0,32}>", re.IGNORECASE).search(
            buffer, max(0, self._scanned - _CLOSE_BYTES)
        )
        cut = _NEXT_START.search(
            buffer, max(0, self._scanned - MAX_LINE_BYTES), close.start() if close else len(buffer)
        )
        self._scanned = len(buffer)
        if cut is not None:
            return cut.start() + 1  # the document ended unclosed and the next message began
        if close is not None:
            return close.end()
        return len(buffer) if len(buffer) > self.max_body_bytes else None

    def _by_length(self, size: int) -> int | None:
        return size if len(self._buffer) >= size or size > self.max_body_bytes else None

    def _reject(self, size: int, reason: str) -> BadMessage | None:
        raw = bytes(self._buffer[: min(size, 256)])
        del self._buffer[:size]
        first, self._lost = not self._lost, True
        return BadMessage(raw, reason) if first else None


class DatagramReader:
    """Reads datagrams and joins bodies that a sender split over datagrams which are not SIP.

    Keeps at most `max_sources` unfinished bodies, each for `hold_s` seconds.
    """

    def __init__(self, hold_s: float = 2.0, max_sources: int = 64) -> None:
        self._hold_s = hold_s
        self._max_sources = max_sources
        self._held: OrderedDict[tuple[str, int], tuple[float, Message]] = OrderedDict()

    def receive(self, data: bytes, source: tuple[str, int], now: float) -> Message | BadMessage | Ping | None:
        """Read a datagram; None when its message waits for the rest."""
        message = parse_datagram(data)
        held = self._held.pop(source, None) if self._held else None
        if isinstance(message, Request | Response):
            return self._hold_back(source, now, message)
        if held is None or isinstance(message, Ping) or held[0] <= now:
            return message
        joined = replace(held[1], body=held[1].body + data, oddities=held[1].oddities | {Oddity.SPLIT_DATAGRAM})
        if len(joined.body) > MAX_DATAGRAM_BYTES * 4:
            return BadMessage(data[:256], "body too large")
        return self._hold_back(source, now, joined)

    def expire(self, now: float) -> list[tuple[tuple[str, int], Message]]:
        """Return and forget the bodies whose rest did not come in time."""
        late = [(source, message) for source, (until, message) in self._held.items() if until <= now]
        for source, _ in late:
            del self._held[source]
        return late

    def _hold_back(self, source: tuple[str, int], now: float, message: Message) -> Message | None:
        if not _is_unfinished(message):
            return message
        while len(self._held) >= self._max_sources:
            self._held.popitem(last=False)
        self._held[source] = (now + self._hold_s, message)
        return None


def _is_unfinished(message: Message) -> bool:
    """True for an XML body shorter than declared whose root is still open."""
    declared = content_length(message.headers)
    if declared is None or declared <= len(message.body) or message.content_type not in XML_TYPES:
        return False
    root = _ROOT.search(message.body, 0, _PROLOGUE_BYTES)
    return root is not None and re.search(rb"</" + root[1] + rb"\s*>\s*\Z", message.body, re.IGNORECASE) is None
