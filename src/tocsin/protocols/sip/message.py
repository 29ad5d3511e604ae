"""SIP messages: bytes <-> Request or Response.

A bad peer is data (`BadMessage`), a bad caller (a line break inside a header) raises `ValueError`.
Header bytes that are not UTF-8 survive a round trip, because peers compare what we echo with what they sent.

Source: RFC 3261, "SIP Messages" and "Header Fields"; RFC 3581 (rport).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.protocols.sip.codes import (
    BRANCH_COOKIE,
    COMPACT,
    MAX_DATAGRAM_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    REASONS,
    Oddity,
    Transport,
)

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_REQUEST_LINE: Final = re.compile(r"([A-Z]{1,20}) +([^\s\x00-\x20\x7f]{1,512}) +SIP/2\.0 *\Z")
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 +([1-6][0-9][0-9])(?: ([^\r\n\0]*))?\Z")
_HEADER_NAME: Final = re.compile(r"[!-9;-~]{1,64}\Z")
_URI: Final = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@;>?\s]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:;>?\s]*)(?::(?P<port>\d{1,5}))?"
    r"(?P<params>[;?][^>\s]*)?",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r";\s*tag\s*=\s*([^;\s>]+)", re.IGNORECASE)
_EXPIRES_PARAM: Final = re.compile(r";\s*expires\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_VIA: Final = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*(?P<transport>[A-Za-z]+)\s+(?P<host>\[[0-9A-Fa-f:.]+\]|[^:;\s]+)(?:\s*:\s*(?P<port>\d{1,5}))?"
    r"(?P<params>.*)\Z",
    re.IGNORECASE,
)
_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_PRETTY: Final = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "rseq": "RSeq",
    "rack": "RAck",
    "www-authenticate": "WWW-Authenticate",
    "x-gb-ver": "X-GB-ver",
}


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP URI; `host` may be a 10-digit domain that must never be resolved."""

    user: str
    host: str
    port: int | None = None
    params: str = ""

    def __str__(self) -> str:
        at = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"sip:{at}{self.host}{port}{self.params}"


def parse_uri(text: str) -> Uri | None:
    """Return the first SIP URI found in a header value or request line, or None."""
    match = _URI.search(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65_535:
        return None
    return Uri((match["user"] or "").split(":", 1)[0], match["host"], port, match["params"] or "")


def tag_of(value: str) -> str:
    """Return the tag of a From or To value, or an empty string."""
    match = _TAG.search(value[value.rfind(">") + 1 :] if ">" in value else value)
    return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Via:
    """The top Via of a message."""

    transport: str
    host: str
    port: int | None
    branch: str
    raw: str


def parse_via(value: str) -> Via | None:
    """Read one Via value; None when it is not a Via."""
    match = _VIA.match(value.strip())
    if match is None:
        return None
    branch = ""
    for part in match["params"].split(";"):
        name, _, given = part.partition("=")
        if name.strip().lower() == "branch":
            branch = given.strip()
    return Via(
        match["transport"].upper(), match["host"], int(match["port"]) if match["port"] else None, branch, value.strip()
    )


def stamp_via(value: str, host: str, port: int) -> str:
    """Return the Via value with `received` and `rport` set to the observed source."""
    parts = [value.split(";", 1)[0].strip()]
    for part in value.split(";")[1:]:
        name = part.partition("=")[0].strip().lower()
        if name not in ("received", "rport") and part.strip():
            parts.append(part.strip())
    return ";".join([*parts, f"received={host}", f"rport={port}"])


class Headers:
    """Header fields in order of arrival; names are compared in lower case, compact forms expanded."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: tuple[tuple[str, str], ...] = tuple((_fold(name), value) for name, value in fields)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of the field, or the default."""
        wanted = name.lower()
        for key, value in self._fields:
            if key == wanted:
                return value
        return default

    def all(self, name: str) -> list[str]:
        """Return every value of the field."""
        wanted = name.lower()
        return [value for key, value in self._fields if key == wanted]

    def __contains__(self, name: str) -> bool:
        return any(key == name.lower() for key, _ in self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """A SIP request."""

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    oddities: frozenset[Oddity] = field(default=frozenset(), compare=False)

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id")

    @property
    def cseq(self) -> int:
        return _cseq(self.headers)[0]

    @property
    def from_user(self) -> str:
        return _user(self.headers.get("from"))

    @property
    def to_user(self) -> str:
        return _user(self.headers.get("to"))

    @property
    def uri_user(self) -> str:
        return _user(self.uri)

    @property
    def from_tag(self) -> str:
        return tag_of(self.headers.get("from"))

    @property
    def to_tag(self) -> str:
        return tag_of(self.headers.get("to"))

    @property
    def via(self) -> Via | None:
        return top_via(self.headers)

    @property
    def content_type(self) -> str:
        return _media_type(self.headers)

    def encode(self) -> bytes:
        """Return the message as bytes, with Content-Length computed from the body."""
        return _encode(f"{self.method} {_clean(self.uri)} SIP/2.0", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A SIP response."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    oddities: frozenset[Oddity] = field(default=frozenset(), compare=False)

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id")

    @property
    def cseq(self) -> int:
        return _cseq(self.headers)[0]

    @property
    def method(self) -> str:
        """The method of the request this answers, from CSeq."""
        return _cseq(self.headers)[1]

    @property
    def from_tag(self) -> str:
        return tag_of(self.headers.get("from"))

    @property
    def to_tag(self) -> str:
        return tag_of(self.headers.get("to"))

    @property
    def via(self) -> Via | None:
        return top_via(self.headers)

    @property
    def content_type(self) -> str:
        return _media_type(self.headers)

    def encode(self) -> bytes:
        """Return the message as bytes, with Content-Length computed from the body."""
        return _encode(f"SIP/2.0 {self.status} {_clean(self.reason)}", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class BadMessage:
    """Bytes that are not a SIP message; `raw` is at most 256 bytes of them."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Ping:
    """A keep-alive made of line breaks; on a connection it wants CRLF back (RFC 5626)."""


Message = Request | Response


def top_via(headers: Headers) -> Via | None:
    """Return the first Via, also when several share one line."""
    value = headers.get("via")
    return parse_via(value.split(",", 1)[0]) if value else None


def expires_of(message: Message) -> int | None:
    """Return the asked or granted expiry in seconds: Contact parameter, else Expires header, else None."""
    match = _EXPIRES_PARAM.search(message.headers.get("contact"))
    text = match[1] if match else message.headers.get("expires").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def parse_datagram(data: bytes) -> Message | BadMessage | Ping:
    """Read one UDP datagram.

    The body is what follows the blank line; a Content-Length that disagrees is noted as an oddity, because several
    camera stacks count characters instead of bytes.
    """
    if len(data) > MAX_DATAGRAM_BYTES:
        return BadMessage(data[:256], "datagram too large")
    stripped = data.lstrip(b"\r\n\0")
    if not stripped:
        return Ping()
    end = _HEAD_END.search(stripped)
    head, body = (stripped[: end.start()], stripped[end.end() :]) if end else (stripped, b"")
    message = parse_head(head)
    if isinstance(message, BadMessage):
        return message
    declared = content_length(message.headers)
    odd = (
        message.oddities | {Oddity.CONTENT_LENGTH}
        if declared is not None and declared != len(body)
        else message.oddities
    )
    return replace(message, body=body, oddities=odd)


def parse_head(head: bytes) -> Message | BadMessage:
    """Read the start line and the header lines (without the blank line)."""
    if len(head) > MAX_HEAD_BYTES:
        return BadMessage(head[:256], "header section too large")
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    oddities: set[Oddity] = set()
    if len(lines) > 1 and not lines[0].endswith("\r"):
        oddities.add(Oddity.LINE_ENDS)
    if len(lines) > MAX_HEADERS + 1:
        return BadMessage(head[:256], "too many header lines")
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {_one_line(line)}".strip())
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not _HEADER_NAME.match(name):
            if line.strip():
                oddities.add(Oddity.HEADER_LINE)  # an unreadable line must not cost the device its registration
            continue
        fields.append((name, _one_line(value)))
    return _start(lines[0].rstrip("\r"), Headers(fields), oddities, head)


def _one_line(text: str) -> str:
    """Return a header's text without what may not be written again: it is copied into our answers."""
    return text.replace("\r", " ").replace("\0", " ").strip()


def content_length(headers: Headers) -> int | None:
    """Return the declared body length, or None when absent or unreadable."""
    text = headers.get("content-length").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def response_to(
    request: Request,
    status: int,
    *,
    to_tag: str = "",
    source: tuple[str, int] | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    reason: str = "",
) -> Response:
    """Return a response that copies Via, From, To, Call-ID and CSeq of the request.

    `source` is the observed address: it goes into `received` and `rport`. `to_tag` is added when To has none.
    """
    fields: list[tuple[str, str]] = []
    for number, via in enumerate(request.headers.all("via")):
        fields.append(("Via", stamp_via(via, *source) if number == 0 and source else via))
    to = request.headers.get("to")
    if to_tag and not tag_of(to):
        to = f"{to};tag={to_tag}"
    fields += [
        ("From", request.headers.get("from")),
        ("To", to),
        ("Call-ID", request.headers.get("call-id")),
        ("CSeq", request.headers.get("cseq")),
    ]
    return Response(status, reason or REASONS.get(status, "Unknown"), Headers([*fields, *headers]), body)


def new_branch(token: str) -> str:
    """Return a branch made of the RFC 3261 cookie and the caller's unique token."""
    return BRANCH_COOKIE + token


def via_value(transport: Transport, host: str, port: int, branch: str) -> str:
    """Return our own Via value, which always asks for rport."""
    return f"SIP/2.0/{transport.value.upper()} {host}:{port};rport;branch={branch}"


def readable(value: str) -> str:
    """Return a header value safe for logs, pages and the database."""
    return value.encode("utf-8", "replace").decode("utf-8")[:256]


def _start(line: str, headers: Headers, oddities: set[Oddity], head: bytes) -> Message | BadMessage:
    for needed in ("via", "from", "to", "call-id", "cseq"):
        if not headers.get(needed):
            if not _is_start(line):
                return BadMessage(head[:256], "not a SIP message")
            return BadMessage(head[:256], f"no {needed} header")
    via = top_via(headers)
    if via is None:
        return BadMessage(head[:256], "unreadable Via")
    number, method = _cseq(headers)
    if number < 0:
        return BadMessage(head[:256], "unreadable CSeq")
    if not via.branch.startswith(BRANCH_COOKIE):
        oddities.add(Oddity.NO_BRANCH_COOKIE)
    if match := _STATUS_LINE.match(line):
        return Response(int(match[1]), (match[2] or "").strip(), headers, b"", frozenset(oddities))
    if match := _REQUEST_LINE.match(line):
        if method != match[1]:
            return BadMessage(head[:256], "CSeq names another method")
        return Request(match[1], match[2], headers, b"", frozenset(oddities))
    return BadMessage(head[:256], "not a SIP message")


def _is_start(line: str) -> bool:
    return bool(_STATUS_LINE.match(line) or _REQUEST_LINE.match(line))


def _fold(name: str) -> str:
    lowered = name.lower()
    return COMPACT.get(lowered, lowered)


def _user(value: str) -> str:
    uri = parse_uri(value)
    return uri.user if uri else ""


def _cseq(headers: Headers) -> tuple[int, str]:
    number, _, method = headers.get("cseq").strip().partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) <= 10):
        return -1, ""
    return int(number), method.strip().upper()


def _media_type(headers: Headers) -> str:
    return headers.get("content-type").partition(";")[0].strip().lower()


def _clean(value: str) -> str:
    if _FORBIDDEN.search(value):
        raise ValueError("a SIP header or start line may not hold a line break")
    return value


def _pretty(name: str) -> str:
    return _PRETTY.get(name) or "-".join(part.capitalize() for part in name.split("-"))


def _encode(start: str, headers: Headers, body: bytes) -> bytes:
    lines = [start]
    for name, value in headers:
        if name != "content-length":
            lines.append(f"{_pretty(_clean(name))}: {_clean(value)}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
