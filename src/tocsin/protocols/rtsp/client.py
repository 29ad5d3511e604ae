"""One client's conversation with an RTSP server: numbering, credentials given once, sessions. Pure.

A password is sent in answer to a challenge and, if the server refuses it, never again in this conversation: a camera
that locks people out after some wrong tries must not be locked by us.

Source: RFC 2326; RFC 2617 and RFC 7616 (digest), "The Authorization Header Field".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tocsin.protocols.rtsp.message import Bad, Interleaved, Reader, Request, Response, encode_request, encode_response
from tocsin.protocols.sip import digest

AGENT: Final = "Tocsin"
DEFAULT_TIMEOUT_S: Final = 60
MAX_OPEN: Final = 16


@dataclass(frozen=True, slots=True)
class Answered:
    """The final answer to a request."""

    number: int
    method: str
    response: Response


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to write now: credentials in answer to a challenge, or an answer to the server's own request."""

    data: bytes


@dataclass(slots=True)
class _Open:
    method: str
    uri: str
    headers: list[tuple[str, str]]
    first: int = 0  # the number its caller waits for
    challenges: int = 0


@dataclass(slots=True)
class Conversation:
    """The messages of one connection. `cnonce` is our part of the digest, fresh for each conversation."""

    username: str = ""
    password: str = field(default="", repr=False)
    cnonce: str = "0a4f113b"
    session: str = ""
    timeout_s: int = DEFAULT_TIMEOUT_S
    sent_credentials: bool = False
    has_accepted: bool = False  # some request with credentials went through
    _reader: Reader = field(default_factory=Reader)
    _number: int = 0
    _count: int = 0
    _open: dict[int, _Open] = field(default_factory=dict)
    _challenge: digest.Challenge | None = None
    _is_basic: bool = False

    def send(self, method: str, uri: str, headers: list[tuple[str, str]] | None = None) -> tuple[int, bytes]:
        """Return the number of a new request and its bytes. Errors: ValueError on a URL with a line break."""
        asked = _Open(method, uri, headers or [], self._number + 1)
        return asked.first, self._encode(asked)

    def receive(self, data: bytes) -> Iterator[Answered | Reply | Interleaved | Bad]:
        """Take bytes; yield answers, packets, and what must be written back."""
        for event in self._reader.receive(data):
            if isinstance(event, Interleaved | Bad):
                yield event
            elif isinstance(event, Request):
                headers = [("CSeq", event.header("cseq") or "0")]
                yield Reply(encode_response(200, "OK", headers))
            else:
                yield from self._take(event)

    def _take(self, response: Response) -> Iterator[Answered | Reply]:
        if 100 <= response.status < 200:
            return
        number = _number_of(response.header("cseq"))
        if number not in self._open:  # some servers forget the number: the oldest request is meant
            if not self._open:
                return
            number = min(self._open)
        asked = self._open.pop(number)
        if response.status == 401 and self.username and asked.challenges < 2:
            is_first = not self.sent_credentials
            if self._read_challenge(response) and (is_first or self._may_repeat(response)):
                asked.challenges += 1
                self.sent_credentials = True
                yield Reply(self._encode(asked))
                return
        if self.sent_credentials and response.status != 401:
            self.has_accepted = True
        self._note_session(response)
        yield Answered(asked.first, asked.method, response)

    def _may_repeat(self, response: Response) -> bool:
        """Only an old nonce is answered again; a password that was refused is not."""
        challenge = self._challenge
        return self.has_accepted or (challenge is not None and challenge.stale)

    def _read_challenge(self, response: Response) -> bool:
        found: list[digest.Challenge] = []
        has_basic = False
        for value in response.all("www-authenticate"):
            challenge = digest.parse_challenge(value)
            if challenge is not None:
                found.append(challenge)
            has_basic = has_basic or value.strip().lower().startswith("basic")
        found.sort(key=lambda challenge: challenge.algorithm is not digest.Algorithm.SHA256)
        self._challenge = found[0] if found else None
        self._is_basic = not found and has_basic
        self._count = 0
        return bool(found) or has_basic

    def _authorization(self, method: str, uri: str) -> str:
        if self._challenge is not None:
            self._count += 1
            return digest.answer(
                self._challenge,
                username=self.username,
                password=self.password,
                method=method,
                uri=uri,
                cnonce=self.cnonce,
                count=self._count,
            ).encode()
        if self._is_basic:
            return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()
        return ""

    def _encode(self, asked: _Open) -> bytes:
        self._number += 1
        headers = [("CSeq", str(self._number)), ("User-Agent", AGENT)]
        authorization = self._authorization(asked.method, asked.uri)
        if authorization:
            headers.append(("Authorization", authorization))
        if self.session:
            headers.append(("Session", self.session))
        while len(self._open) >= MAX_OPEN:
            self._open.pop(min(self._open))
        data = encode_request(asked.method, asked.uri, headers + asked.headers)
        self._open[self._number] = asked
        return data

    def _note_session(self, response: Response) -> None:
        value = response.header("session")
        if not value or response.status >= 300:
            return
        name, _, rest = value.partition(";")
        self.session = name.strip()[:256]
        key, _, seconds = rest.strip().partition("=")
        if key.strip().lower() == "timeout" and seconds.strip().isascii() and seconds.strip().isdigit():
            self.timeout_s = max(5, min(3600, int(seconds.strip()[:6])))


def transport_of(value: str) -> dict[str, str]:
    """Return the parameters of a Transport header, keys in lower case; the protocol under `transport`."""
    words = value.split(",")[0].split(";")
    found = {"transport": words[0].strip().upper()}
    for word in words[1:]:
        key, _, said = word.strip().partition("=")
        found[key.lower()] = said.strip()
    return found


def pair_of(value: str) -> tuple[int, int] | None:
    """Return the two numbers of `6970-6971`, or of `6970` and the one after; None when it is neither."""
    low, dash, high = value.partition("-")
    if not (low.isascii() and low.isdigit() and len(low) <= 5):
        return None
    if not dash:
        return int(low), int(low) + 1
    return (int(low), int(high)) if high.isascii() and high.isdigit() and len(high) <= 5 else None


def _number_of(value: str) -> int:
    word = value.strip().split(" ")[0]
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 9 else -1
