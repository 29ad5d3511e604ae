"""What the lines of hardware receivers have in common: items, framing by a last octet, parity. Pure.

A receiver sends one message and waits for one octet, 0x06 (taken) or 0x15 (send it again). A message that cannot be
read is still a message: answered, or the receiver would hold back all that follow.

Source: alarm reference, receiver-to-automation outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id import payload as contact_id
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.dc09.text import displayable
from tocsin.protocols.sia_codes.kinds import UNKNOWN_PRIORITY

ACK: Final = b"\x06"
NAK: Final = b"\x15"
DC4: Final = b"\x14"
MAX_LINE_BYTES: Final = 1024
QUALIFIER_OF_LETTER: Final = {"E": "1", "R": "3", "P": "6", "1": "1", "3": "3", "6": "6"}
LETTER_OF_QUALIFIER: Final = {"1": "E", "3": "R", "6": "P"}

UNREADABLE: Final = "unreadable"
UNDECODED: Final = "undecoded"
UNKNOWN_CODE: Final = "unknown_code"
UNKNOWN_QUALIFIER: Final = "unknown_qualifier"


@dataclass(frozen=True, slots=True)
class Report:
    """One message about a panel, or about the receiver itself when `is_own`.

    `receiver` and `line` are the numbers the message names, as text. `key` is what a repetition has in common with its
    first. `reason` is a word when a person should look at it. `reply` acknowledges it, `refusal` asks for it again;
    either is empty when there is none.
    """

    raw: bytes
    token: str
    receiver: str
    line: str
    account: str
    events: tuple[NormalEvent, ...]
    key: str
    reason: str = ""
    flags: tuple[str, ...] = ()
    is_own: bool = False
    is_garbled: bool = False
    reply: bytes = ACK
    refusal: bytes = NAK


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life of the receiver; `reply` answers it."""

    raw: bytes
    reply: bytes = ACK


@dataclass(frozen=True, slots=True)
class Noise:
    """Octets that belong to no message: nothing is answered."""

    raw: bytes
    reason: str


Item = Report | Heartbeat | Noise


class Line(Protocol):
    """One direction of one connection of a receiver."""

    def receive(self, data: bytes, now: datetime) -> list[Item]:
        """Take octets of the stream and return what is complete, in order; any split gives the same items."""

    @property
    def buffered_bytes(self) -> int:
        """Octets kept for the next call."""


class MarkedLine:
    """Lines that end with one octet. Octets before `head`, if there is one, belong to nothing."""

    def __init__(self, read: Callable[[bytes, bytes, datetime], Item], end: bytes, head: bytes = b"") -> None:
        self._read = read
        self._end = end
        self._head = head
        self._buffer = b""
        self._is_lost = False

    @property
    def buffered_bytes(self) -> int:
        """Octets kept for the next call; never more than `MAX_LINE_BYTES`."""
        return len(self._buffer)

    def receive(self, data: bytes, now: datetime) -> list[Item]:
        """Take octets of the stream and return what is complete, in order."""
        found: list[Item] = []
        self._buffer += data
        while (end := self._buffer.find(self._end)) >= 0:
            raw, self._buffer = self._buffer[: end + 1], self._buffer[end + 1 :]
            self._take(raw, now, found)
        if len(self._buffer) > MAX_LINE_BYTES:
            if not self._is_lost:
                found.append(Noise(self._buffer[:MAX_LINE_BYTES], "oversize"))
            self._is_lost, self._buffer = True, b""
        return found

    def _take(self, raw: bytes, now: datetime, found: list[Item]) -> None:
        if self._is_lost or len(raw) > MAX_LINE_BYTES:  # the tail of what was too long
            if not self._is_lost:
                found.append(Noise(raw[:MAX_LINE_BYTES], "oversize"))
            self._is_lost = False
            return
        start = raw.rfind(self._head) if self._head else 0
        if start < 0:
            found.append(Noise(raw, "no_head"))
            return
        if start > 0 and raw[:start].strip(b"\r\n\0 "):
            found.append(Noise(raw[:start], "between_messages"))
        body = raw[start + len(self._head) : -1]
        if body.strip(b"\r\n\0 "):
            found.append(self._read(raw[start:], body, now))
        elif not self._head and body:
            found.append(Noise(raw, "empty"))


def without_parity(octets: bytes) -> bytes:
    """Return the octets of a line sent with seven bits and even parity without the parity bit; others as they are.

    A line is one when every octet has even parity and at least one shows it: text in an eight-bit alphabet never has.
    """
    if octets.isascii() or any(octet.bit_count() % 2 for octet in octets):
        return octets
    return bytes(octet & 0x7F for octet in octets)


def is_garbled(octets: bytes) -> bool:
    """Say whether control characters stand in a line: noise of a serial link, worth asking for it again."""
    return any(octet < 0x20 or octet == 0x7F for octet in octets)


def of_contact_id(report: CidReport) -> tuple[NormalEvent, str]:
    """Return the normal event of a report and why a person should look at it, or ""."""
    event = contact_id.to_event(report)
    if event.category is Category.UNKNOWN:
        return event, UNKNOWN_CODE
    return event, "" if event.is_known else UNKNOWN_QUALIFIER


def unknown_event(system: str, code: str, zone: str = "", *, reason: str = UNKNOWN_CODE) -> NormalEvent:
    """Return the event of a code that only a table of the panel explains; a mapping says later what it means."""
    shown = displayable(code, 20)
    words = (f"Code {shown}, meaning unknown", f"代码 {shown}，含义未知")
    if reason != UNKNOWN_CODE:
        words = (f"Undecoded signal ({shown})", f"未解码信号（{shown}）")
    return NormalEvent(
        system, shown, EventKind.TROUBLE, Category.UNKNOWN, UNKNOWN_PRIORITY, *words, zone=zone, is_known=False
    )


def unreadable(system: str, raw: bytes, body: bytes, *, key: str) -> Report:
    """Return the report of a line that is no message of the protocol."""
    event = unknown_event(system, "line", reason=UNREADABLE)
    return Report(raw, "?", "", "", "", (event,), key, UNREADABLE, is_garbled=is_garbled(body))
