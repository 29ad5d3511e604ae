"""HTTP digest as SIP uses it: challenges, credentials, and nonces that hold no memory until they are used.

The count `nc` enters the hash exactly as received, because some peers write it in upper and some in lower case.

Source: RFC 2617 and RFC 7616, "The Authorization Header Field"; RFC 8760 (SHA-256 in SIP).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_PAIR: Final = re.compile(r'([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_SAFE: Final = re.compile(r'[^"\\\r\n]*\Z')
_STAMP_HEX: Final = 8
_RANDOM_HEX: Final = 16
_SEAL_HEX: Final = 16
MAX_USED_NONCES: Final = 65_536


class Algorithm(StrEnum):
    """A digest algorithm, by its name on the wire."""

    MD5 = "MD5"
    SHA256 = "SHA-256"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for."""

    realm: str
    nonce: str
    algorithm: Algorithm = Algorithm.MD5
    qop: str = "auth"
    stale: bool = False
    opaque: str = ""

    def encode(self) -> str:
        """Return the value of a WWW-Authenticate header."""
        parts = [f"realm={_quote(self.realm)}", f"nonce={_quote(self.nonce)}"]
        if self.opaque:
            parts.append(f"opaque={_quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        parts.append(f"algorithm={self.algorithm.value}")
        if self.qop:
            parts.append(f"qop={_quote(self.qop)}")
        return "Digest " + ",".join(parts)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client answered."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm = Algorithm.MD5
    qop: str = ""
    nc: str = ""
    cnonce: str = ""
    opaque: str = ""

    def encode(self) -> str:
        """Return the value of an Authorization header."""
        parts = [
            f"username={_quote(self.username)}",
            f"realm={_quote(self.realm)}",
            f"nonce={_quote(self.nonce)}",
            f"uri={_quote(self.uri)}",
            f"response={_quote(self.response)}",
            f"algorithm={self.algorithm.value}",
        ]
        if self.opaque:
            parts.append(f"opaque={_quote(self.opaque)}")
        if self.qop:
            parts += [f"qop={self.qop}", f"nc={self.nc}", f"cnonce={_quote(self.cnonce)}"]
        return "Digest " + ",".join(parts)


def parse_challenge(value: str) -> Challenge | None:
    """Read a WWW-Authenticate value; None when it is not a digest we can answer."""
    fields = _fields(value)
    if fields is None or not fields.get("nonce"):
        return None
    algorithm = _algorithm(fields.get("algorithm", ""))
    if algorithm is None:
        return None
    offered = [word.strip().lower() for word in fields.get("qop", "").split(",") if word.strip()]
    if offered and "auth" not in offered:
        return None
    return Challenge(
        fields.get("realm", ""),
        fields["nonce"],
        algorithm,
        "auth" if offered else "",
        fields.get("stale", "").lower() == "true",
        fields.get("opaque", ""),
    )


def parse_credentials(value: str) -> Credentials | None:
    """Read an Authorization value; None when it is not a complete digest."""
    fields = _fields(value)
    if fields is None or not all(fields.get(name) for name in ("username", "nonce", "uri", "response")):
        return None
    algorithm = _algorithm(fields.get("algorithm", ""))
    qop = fields.get("qop", "").strip().lower()
    if algorithm is None or qop not in ("", "auth") or (qop and not (fields.get("nc") and fields.get("cnonce"))):
        return None
    return Credentials(
        fields["username"],
        fields.get("realm", ""),
        fields["nonce"],
        fields["uri"],
        fields["response"],
        algorithm,
        qop,
        fields.get("nc", ""),
        fields.get("cnonce", ""),
        fields.get("opaque", ""),
    )


def digest(credentials: Credentials, password: str, method: str) -> str:
    """Return the response these credentials should carry, as lower-case hex."""
    a1 = _hash(credentials.algorithm, f"{credentials.username}:{credentials.realm}:{password}")
    a2 = _hash(credentials.algorithm, f"{method}:{credentials.uri}")
    if not credentials.qop:
        return _hash(credentials.algorithm, f"{a1}:{credentials.nonce}:{a2}")
    middle = f"{credentials.nonce}:{credentials.nc}:{credentials.cnonce}:{credentials.qop}"
    return _hash(credentials.algorithm, f"{a1}:{middle}:{a2}")


def verify(credentials: Credentials, password: str, method: str) -> bool:
    """True when the response proves the password; compared in constant time."""
    given = credentials.response.lower().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(digest(credentials, password, method).encode(), given)


def answer(
    challenge: Challenge, *, username: str, password: str, method: str, uri: str, cnonce: str, count: int = 1
) -> Credentials:
    """Return the credentials that answer a challenge."""
    nc, shown = (f"{count:08x}", cnonce) if challenge.qop else ("", "")
    blank = Credentials(
        username,
        challenge.realm,
        challenge.nonce,
        uri,
        "",
        challenge.algorithm,
        challenge.qop,
        nc,
        shown,
        challenge.opaque,
    )
    return Credentials(
        username,
        challenge.realm,
        challenge.nonce,
        uri,
        digest(blank, password, method),
        challenge.algorithm,
        challenge.qop,
        nc,
        shown,
        challenge.opaque,
    )


class NonceState(StrEnum):
    """What a nonce in credentials is worth."""

    FRESH = "fresh"
    STALE = "stale"
    FORGED = "forged"


@dataclass(slots=True)
class Nonces:
    """Issues nonces bound to one identity and a time, and recognises a second use.

    A nonce carries its own seal, so that a flood of unanswered challenges costs no memory; only accepted ones are
    remembered until they expire. With qop the same nonce may come again with a higher count.
    """

    secret: bytes = field(repr=False)
    lifetime_s: int = 300
    _used: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict, repr=False)

    def issue(self, identity: str, now_s: int, random_word: str) -> str:
        """Return a nonce; `random_word` is 16 characters of the caller's randomness, safe inside quotes."""
        body = f"{now_s & 0xFFFFFFFF:08x}{random_word[:_RANDOM_HEX]:0>16}"
        return body + self._seal(body, identity)

    def judge(self, credentials: Credentials, identity: str, now_s: int) -> NonceState:
        """Say whether the nonce is ours, in time and not used before. Does not record its use."""
        nonce = credentials.nonce
        body = nonce[: _STAMP_HEX + _RANDOM_HEX]
        if len(nonce) != _STAMP_HEX + _RANDOM_HEX + _SEAL_HEX or not nonce.isascii():
            return NonceState.FORGED
        if not hmac.compare_digest(nonce[len(body) :], self._seal(body, identity)):
            return NonceState.FORGED
        age_s = now_s - int(body[:_STAMP_HEX], 16)
        if not -1 <= age_s <= self.lifetime_s:
            return NonceState.STALE
        used = self._used.get(nonce)
        if used is not None and (not credentials.qop or _count(credentials.nc) <= used[0]):
            return NonceState.STALE
        return NonceState.FRESH

    def use(self, credentials: Credentials, now_s: int) -> None:
        """Remember an accepted nonce with its count."""
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest][1] > now_s and len(self._used) < MAX_USED_NONCES:
                break
            del self._used[oldest]
        expires_s = int(credentials.nonce[:_STAMP_HEX], 16) + self.lifetime_s + 1
        self._used[credentials.nonce] = (_count(credentials.nc), expires_s)

    def _seal(self, body: str, identity: str) -> str:
        text = f"{body}:{identity}".encode("utf-8", "surrogateescape")
        return hmac.digest(self.secret, text, "sha256").hex()[:_SEAL_HEX]


def _count(nc: str) -> int:
    try:
        return int(nc, 16)
    except ValueError:
        return 0


def _algorithm(name: str) -> Algorithm | None:
    wanted = name.strip().upper() or Algorithm.MD5.value
    return next((known for known in Algorithm if known.value == wanted), None)


def _hash(algorithm: Algorithm, text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    if algorithm is Algorithm.SHA256:
        return hashlib.sha256(data).hexdigest()
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _fields(value: str) -> dict[str, str] | None:
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest" or len(rest) > 4096:
        return None
    return {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PAIR.finditer(rest)
    }


def _quote(value: str) -> str:
    if not _SAFE.match(value):
        value = re.sub(r"[\r\n]", "", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
