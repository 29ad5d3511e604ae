"""RTSP messages and interleaved data: bytes <-> values, for the client and for the simulated server. Pure.

    $ | channel | len16 | data          RTSP/1.0 200 OK ... | blank line | body of Content-Length

Source: RFC 2326, RTSP message, general syntax, embedded (interleaved) binary data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_HEAD_BYTES: Final = 16 << 10
MAX_BODY_BYTES: Final = 256 << 10
MAX_HEADERS: Final = 64
VERSION: Final = "RTSP/1.0"
_METHODS: Final = (b"OPTIONS", b"DESCRIBE", b"SETUP", b"PLAY", b"PAUSE", b"TEARDOWN", b"GET_PARAMETER")
_METHODS_BACK: Final = (b"SET_PARAMETER", b"ANNOUNCE", b"REDIRECT")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names in lower case, several of one name in order."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header of that name; empty when there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def all(self, name: str) -> list[str]:
        """Return every header of that name."""
        return [value for key, value in self.headers if key == name.lower()]


@dataclass(frozen=True, slots=True)
class Request:
    """A request; header names in lower case."""

    method: str
    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header of that name; empty when there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Interleaved:
    """One packet of RTP or RTCP between the messages."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """Bytes that are no message; `reason` is a word."""

    reason: str


Event = Response | Request | Interleaved | Bad


class Reader:
    """Takes a byte stream apart, however it is cut. Junk between messages is skipped and counted in `resyncs`."""

    def __init__(self) -> None:
        self.resyncs = 0
        self._buffer = bytearray()

    def receive(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes; yield what they complete."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while at < size:
            first = buffer[at]
            if first == 0x24:
                if at + 4 > size:
                    break
                length = buffer[at + 2] << 8 | buffer[at + 3]
                if at + 4 + length > size:
                    break
                yield Interleaved(buffer[at + 1], bytes(buffer[at + 4 : at + 4 + length]))
                at += 4 + length
                continue
            if first in b"\r\n":
                at += 1
                continue
            if not _may_begin(bytes(buffer[at : at + 14])):
                self.resyncs += 1
                at = _next_start(buffer, at + 1)
                continue
            end = buffer.find(b"\r\n\r\n", at)
            gap = 4
            if end < 0:
                end, gap = buffer.find(b"\n\n", at), 2
            if end < 0:
                if size - at > MAX_HEAD_BYTES:
                    yield Bad("head_too_long")
                    at = size
                break
            head = bytes(buffer[at:end])
            message = _read_head(head) if len(head) <= MAX_HEAD_BYTES else Bad("head_too_long")
            if isinstance(message, Bad):
                yield message
                at = end + gap
                continue
            body_size = _body_length(message)
            if body_size is None:
                yield Bad("body_too_long")
                at = size
                break
            if end + gap + body_size > size:
                break
            at = end + gap + body_size
            body = bytes(buffer[end + gap : at])
            if isinstance(message, Response):
                yield Response(message.status, message.reason, message.headers, body)
            else:
                yield Request(message.method, message.uri, message.headers, body)
        del buffer[:at]


def encode_request(method: str, uri: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return the bytes of a request. Errors: ValueError when a value would break out of its line."""
    return _encode(f"{method} {uri} {VERSION}", headers, body)


def encode_response(status: int, reason: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return the bytes of a response."""
    return _encode(f"{VERSION} {status} {reason}", headers, body)


def frame(channel: int, data: bytes) -> bytes:
    """Return a packet as interleaved data."""
    return b"$" + bytes((channel & 0xFF,)) + len(data).to_bytes(2, "big") + data


def _encode(first: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header must not hold a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


def _may_begin(data: bytes) -> bool:
    starts = (b"RTSP/", *(method + b" " for method in (*_METHODS, *_METHODS_BACK)))
    return any(start.startswith(data) or data.startswith(start) for start in starts)


def _next_start(buffer: bytearray, at: int) -> int:
    """Return where a message or a packet may begin next; the end when nowhere."""
    found = [place for place in (buffer.find(b"$", at), buffer.find(b"RTSP/", at)) if place >= 0]
    return min(found) if found else len(buffer)


def _read_head(head: bytes) -> Response | Request | Bad:
    lines = head.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", " ").split("\n")
    if len(lines) > MAX_HEADERS:
        return Bad("too_many_headers")
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon and name.strip():
            headers.append((name.strip().lower(), value.strip()))
    parts = lines[0].split(" ", 2)
    if parts[0].startswith("RTSP/"):
        if len(parts) < 2 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) == 3):
            return Bad("bad_status")
        return Response(int(parts[1]), parts[2][:200] if len(parts) > 2 else "", tuple(headers))
    if len(parts) < 3:
        return Bad("bad_request_line")
    return Request(parts[0], parts[1][:2048], tuple(headers))


def _body_length(message: Response | Request) -> int | None:
    text = message.header("content-length")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) > MAX_BODY_BYTES:
        return None
    return int(text)
