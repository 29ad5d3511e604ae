"""Tombstones: what remains of deleted recordings, signed by the house. Pure.

A tombstone says which stretch of which camera was deleted, how much, why, and under which policy. `root` binds the
hashes of the deleted files: SHA-256 over (beginning in ms, 8 bytes big-endian; SHA-256 of the file, 32 bytes) of each.
Source: design note 0018; REQ-G13.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

from tocsin.base.signing import HouseKey, is_signed
from tocsin.base.times import iso_us

NO_HASH: Final = bytes(32)
_encode = msgspec.json.Encoder(order="deterministic").encode
_SIGNED: Final = (
    "no",
    "at_us",
    "channel_id",
    "stream",
    "from_ms",
    "to_ms",
    "segments",
    "bytes",
    "reason",
    "policy_id",
    "policy_version",
    "basis",
    "root",
)


class DeletionReason(StrEnum):
    """Why recordings were deleted."""

    CEILING = "ceiling"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One deletion: numbered 1, 2, 3 without gaps; times in ms since 1970, `bytes` of the files."""

    no: int
    at_us: int
    channel_id: str
    stream: str
    jurisdiction_code: str
    from_ms: int
    to_ms: int
    segments: int
    bytes: int
    reason: str
    policy_id: str
    policy_version: int
    basis: str
    root: str
    key_id: str = ""
    signature: str = ""

    def message(self) -> builtins.bytes:
        """Return what is signed."""
        fields = asdict(self)
        return b"tocsin tombstone 1\n" + _encode([fields[name] for name in _SIGNED])

    def signed(self, key: HouseKey) -> Tombstone:
        """Return it with the signature of the house."""
        return replace(self, key_id=key.id, signature=key.sign(self.message()))

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        shown = {name: getattr(self, name) for name in _SIGNED if name != "at_us"}
        return {
            **shown,
            "at": iso_us(self.at_us),
            "from": iso_us(self.from_ms * 1000),
            "to": iso_us(self.to_ms * 1000),
            "key_id": self.key_id,
            "signature": self.signature,
        }


def root_of(files: Iterable[tuple[int, bytes | None]]) -> str:
    """Return the root over beginning (ms) and hash of each file; a file that had no hash counts as 32 zero bytes."""
    digest = hashlib.sha256()
    for start_ms, sha256 in files:
        digest.update(start_ms.to_bytes(8, "big"))
        digest.update(sha256 or NO_HASH)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class TombstoneProblem:
    """One thing that is wrong, in English; `no` is the tombstone's number."""

    no: int
    what: str


def check_tombstones(
    stones: Iterable[Tombstone], recorded: Mapping[int, Mapping[str, Any]], public: bytes
) -> Iterator[TombstoneProblem]:
    """Yield every problem of tombstones given in order of `no`.

    `recorded` holds the audit's records of deletions by the number of their tombstone: their detail and `channel_id`.
    """
    before = 0
    seen: set[int] = set()
    for stone in stones:
        if stone.no != before + 1:
            yield TombstoneProblem(stone.no, f"tombstones {before + 1} to {stone.no - 1} are missing")
        before = stone.no
        seen.add(stone.no)
        if not is_signed(public, stone.message(), stone.signature):
            yield TombstoneProblem(stone.no, f"tombstone {stone.no} does not carry the signature of the house")
        record = recorded.get(stone.no)
        if record is None:
            yield TombstoneProblem(stone.no, f"tombstone {stone.no} has no audit record")
        elif changed := _different(stone, record):
            yield TombstoneProblem(stone.no, f"tombstone {stone.no} differs from its audit record in {changed}")
    for no in sorted(set(recorded) - seen):
        yield TombstoneProblem(no, f"the audit records tombstone {no}, which is gone")


def _different(stone: Tombstone, record: Mapping[str, Any]) -> str:
    """Return the names of fields in which a tombstone is not what the audit kept; empty values are left out there."""
    names: Sequence[str] = (
        "channel_id",
        "stream",
        "from_ms",
        "to_ms",
        "segments",
        "bytes",
        "reason",
        "policy_id",
        "policy_version",
        "basis",
        "root",
        "signature",
    )
    return ", ".join(name for name in names if record.get(name, type(getattr(stone, name))()) != getattr(stone, name))
