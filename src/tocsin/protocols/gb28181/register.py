"""Registrar decisions: challenge, grant, refuse. No sockets and no clock; the caller sends what is decided.

Only known devices enter, each by its own password. A wrong password is challenged once more and then refused, since
cameras repeat for ever on 401. Failures make their source wait, but never lock out a device that registers from where
it last succeeded.

Source: GB/T 28181-2022, "Registration" and "Network time"; RFC 3261, "Registrations".
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final

from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.digest import (
    Algorithm,
    Challenge,
    Credentials,
    Nonces,
    NonceState,
    parse_credentials,
    verify,
)
from tocsin.protocols.sip.message import Request, expires_of, parse_uri

BEIJING: Final = timezone(timedelta(hours=8))
DEFAULT_EXPIRES_S: Final = 3600
SHORTEST_EXPIRES_S: Final = 60
LONGEST_EXPIRES_S: Final = 86_400
OUR_VERSION: Final = "3.0"
_MAX_COUNTERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the registrar needs to know of a device. `last_host` is where it last registered from."""

    gb_id: str
    password: str = field(repr=False)
    username: str = ""
    sha256: bool = False
    last_host: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeIt:
    """Answer 401 with these WWW-Authenticate values. `key` names the step for people."""

    challenges: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class GrantIt:
    """Answer 200; `expires_s` 0 ends the registration."""

    expires_s: int
    asked_s: int | None
    contact: str
    version: str


@dataclass(frozen=True, slots=True)
class RefuseIt:
    """Answer with this status."""

    status: int
    key: str
    retry_after_s: int = 0


Decision = ChallengeIt | GrantIt | RefuseIt


@dataclass(slots=True)
class _Failures:
    count: int = 0
    blocked_until_s: int = 0
    last_s: int = 0


@dataclass(slots=True)
class BackOff:
    """Counts failures per key and blocks it for a growing time after `allowed` of them. Bounded."""

    allowed: int
    first_s: int = 60
    longest_s: int = 600
    forget_s: int = 1800
    _known: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def blocked_s(self, key: str, now_s: int) -> int:
        """Return for how many seconds more the key is blocked, 0 when it is not."""
        found = self._known.get(key)
        return max(0, found.blocked_until_s - now_s) if found else 0

    def fail(self, key: str, now_s: int) -> int:
        """Record a failure and return how many there were."""
        found = self._known.get(key)
        if found is None or now_s - found.last_s > self.forget_s:
            while len(self._known) >= _MAX_COUNTERS:
                self._known.popitem(last=False)
            found = self._known[key] = _Failures()
        self._known.move_to_end(key)
        found.count += 1
        found.last_s = now_s
        if found.count >= self.allowed:
            found.blocked_until_s = now_s + min(self.longest_s, self.first_s * 2 ** min(found.count - self.allowed, 10))
        return found.count

    def succeed(self, key: str) -> None:
        """Forget the failures of a key."""
        self._known.pop(key, None)


class Registrar:
    """Decides about REGISTER requests."""

    def __init__(
        self,
        realm: str,
        nonces: Nonces,
        *,
        shortest_s: int = SHORTEST_EXPIRES_S,
        longest_s: int = LONGEST_EXPIRES_S,
    ) -> None:
        self._realm = realm
        self._nonces = nonces
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._by_pair = BackOff(allowed=3)
        self._by_source = BackOff(allowed=50)
        self._by_id = BackOff(allowed=10)

    def decide(
        self, request: Request, host: str, device: KnownDevice | None, *, now_s: int, random_word: str
    ) -> Decision:
        """Judge a REGISTER from `host`. `device` is None when nobody knows the id in To."""
        gb_id = request.to_user or request.from_user
        if request.from_user and request.from_user != gb_id:
            return RefuseIt(403, "register.ids_differ")
        return self.prove(request, gb_id, host, device, now_s=now_s, random_word=random_word)

    def prove(
        self, request: Request, gb_id: str, host: str, device: KnownDevice | None, *, now_s: int, random_word: str
    ) -> Decision:
        """Judge any request of who calls itself `gb_id`: `GrantIt` when it proves the password."""
        if waits_s := self._blocked_s(gb_id, host, device, now_s):
            return RefuseIt(403, "register.backing_off", waits_s)
        if device is None:
            return RefuseIt(403, "register.unknown_device")
        if not device.password:
            return RefuseIt(403, "register.no_password")
        credentials = _credentials(request)
        if credentials is None:
            return self._challenge(device, now_s, random_word, "register.challenged")
        return self._judge(request, credentials, host, device, now_s, random_word)

    def _judge(
        self, request: Request, credentials: Credentials, host: str, device: KnownDevice, now_s: int, random_word: str
    ) -> Decision:
        state = self._nonces.judge(credentials, device.gb_id, now_s)
        if state is not NonceState.FRESH or credentials.realm != self._realm:
            return self._challenge(device, now_s, random_word, "register.nonce_stale", is_stale=True)
        name_fits = credentials.username in (device.gb_id, device.username or device.gb_id)
        algorithm_fits = device.sha256 or credentials.algorithm is Algorithm.MD5
        if not (name_fits and algorithm_fits and verify(credentials, device.password, request.method)):
            failures = self._by_pair.fail(_pair(device.gb_id, host), now_s)
            self._by_source.fail(host, now_s)
            self._by_id.fail(device.gb_id, now_s)
            if failures < 2:
                key = "register.wrong_password" if name_fits else "register.wrong_username"
                return self._challenge(device, now_s, random_word, key)
            return RefuseIt(403, "register.wrong_password" if name_fits else "register.wrong_username")
        self._nonces.use(credentials, now_s)
        self._by_pair.succeed(_pair(device.gb_id, host))
        self._by_id.succeed(device.gb_id)
        asked_s = expires_of(request)
        return GrantIt(
            clamp_expires(asked_s, self._shortest_s, self._longest_s),
            asked_s,
            request.headers.get("contact"),
            request.headers.get("x-gb-ver")[:8],
        )

    def _blocked_s(self, gb_id: str, host: str, device: KnownDevice | None, now_s: int) -> int:
        waits_s = self._by_pair.blocked_s(_pair(gb_id, host), now_s)
        if device is not None and device.last_host == host:
            return waits_s
        return max(waits_s, self._by_source.blocked_s(host, now_s), self._by_id.blocked_s(gb_id, now_s))

    def _challenge(
        self, device: KnownDevice, now_s: int, random_word: str, key: str, *, is_stale: bool = False
    ) -> ChallengeIt:
        nonce = self._nonces.issue(device.gb_id, now_s, random_word)
        algorithms = [Algorithm.MD5, Algorithm.SHA256] if device.sha256 else [Algorithm.MD5]
        made = tuple(Challenge(self._realm, nonce, algorithm, stale=is_stale).encode() for algorithm in algorithms)
        return ChallengeIt(made, key)


def clamp_expires(asked_s: int | None, shortest_s: int = SHORTEST_EXPIRES_S, longest_s: int = LONGEST_EXPIRES_S) -> int:
    """Return the granted expiry in seconds; 0 stays 0, absent is an hour, the rest lies between the limits."""
    if asked_s == 0:
        return 0
    return min(max(DEFAULT_EXPIRES_S if asked_s is None else asked_s, shortest_s), longest_s)


def gb_date(now: datetime, *, milliseconds: bool = True) -> str:
    """Return a Date value: Beijing local time without a zone."""
    text = now.astimezone(BEIJING).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.partition("+")[0]


def grant_headers(grant: GrantIt, gb_id: str, source: tuple[str, int], date: str) -> list[tuple[str, str]]:
    """Return the headers of the 200: the device's contact with the granted expiry; `date` "" leaves the clock out."""
    uri = parse_uri(grant.contact)
    shown = str(uri) if uri is not None and uri.host else f"sip:{gb_id}@{source[0]}:{source[1]}"
    fields = [("Contact", f"<{shown}>;expires={grant.expires_s}"), ("Expires", str(grant.expires_s))]
    if date:
        fields.append(("Date", date))
    return [*fields, ("X-GB-ver", OUR_VERSION)]


def transport_of(text: str) -> Transport | None:
    """Return a transport by its word, or None for "learn it"."""
    return Transport(text) if text in tuple(Transport) else None


def _credentials(request: Request) -> Credentials | None:
    for value in request.headers.all("authorization")[:4]:
        found = parse_credentials(value)
        if found is not None:
            return found
    return None


def _pair(gb_id: str, host: str) -> str:
    return f"{gb_id}@{host}"
