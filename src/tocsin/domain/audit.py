"""The audit record: what was done, seen and refused, as a hash chain.

`hash[n] = SHA-256(hash[n-1] + canonical(record n))`, numbered 1, 2, 3 without gaps. Heads kept elsewhere (audit.heads)
bind the tail. The record holds ids, never names, so that the chain survives the lawful erasure of a name.
Source: governance reference, tamper-evident audit log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.base.times import to_us
from tocsin.base.words import Words

GENESIS = "0" * 64


class Outcome(StrEnum):
    """Whether the act happened."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act before it has its place in the chain."""

    at: datetime
    actor_kind: str
    actor_id: str
    action: str
    subject_kind: str
    subject_id: str
    jurisdiction_code: str = ""
    outcome: Outcome = Outcome.DONE
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One link of the chain, as stored. `detail` is the JSON text that was hashed."""

    seq: int
    at_us: int
    actor_kind: str
    actor_id: str
    action: str
    subject_kind: str
    subject_id: str
    jurisdiction_code: str
    outcome: str
    detail: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head of the chain as written to audit.heads; `confirmed` when its commit was seen to end."""

    seq: int
    hash: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the chain: in English, and as a key of `PROBLEM_WORDS` with its parameters."""

    seq: int
    what: str
    key: str = ""
    params: Mapping[str, object] = field(default_factory=dict)


PROBLEM_WORDS: Final = Words(
    {
        "heads_line": ("audit.heads line {line} is not a head", "audit.heads 第 {line} 行不是链头"),
        "heads_two": (
            "audit.heads holds two different heads for record {seq}",
            "audit.heads 中第 {seq} 条记录有两个不同的链头",
        ),
        "missing_one": ("records {first} are missing before record {seq}", "第 {seq} 条之前缺少第 {first} 条记录"),
        "missing": (
            "records {first} to {last} are missing before record {seq}",
            "第 {seq} 条之前缺少第 {first} 至 {last} 条记录",
        ),
        "broken_link": (
            "record {seq} does not follow record {before}: the link is broken",
            "第 {seq} 条与第 {before} 条不衔接：链已断开",
        ),
        "changed": (
            "record {seq} was changed: its content does not give its hash",
            "第 {seq} 条记录被改动：内容与其哈希值不符",
        ),
        "not_kept": (
            "record {seq} is not the one whose head was kept in audit.heads",
            "第 {seq} 条记录与 audit.heads 保存的链头不一致",
        ),
        "cut": (
            "the chain ends at record {last}, but audit.heads saw record {seq}: the tail was cut",
            "链止于第 {last} 条，而 audit.heads 曾记到第 {seq} 条：末尾被截断",
        ),
        "gone": (
            "record {seq}, whose head was kept in audit.heads, is gone",
            "audit.heads 保存过链头的第 {seq} 条记录已不存在",
        ),
    }
)


def _problem(seq: int, key: str, **params: object) -> Problem:
    return Problem(seq, PROBLEM_WORDS.text(key, "en", {"seq": seq, **params}), key, {"seq": seq, **params})


_encode = msgspec.json.Encoder(order="deterministic").encode


def link(entry: AuditEntry, seq: int, prev_hash: str) -> tuple[object, ...]:
    """Return the fields of `entry`'s record in the order of `AuditRecord`, as link `seq` after `prev_hash`."""
    fields = (
        seq,
        to_us(entry.at),
        entry.actor_kind,
        entry.actor_id,
        entry.action,
        entry.subject_kind,
        entry.subject_id,
        entry.jurisdiction_code,
        entry.outcome.value,
        _encode(entry.detail).decode(),
    )
    return *fields, prev_hash, _digest(prev_hash, *fields)


def _digest(prev_hash: str, *fields: object) -> str:
    return hashlib.sha256(prev_hash.encode() + _encode(fields)).hexdigest()


def expected_hash(record: AuditRecord) -> str:
    """Return the hash that the content of a record asks for."""
    return _digest(
        record.prev_hash,
        record.seq,
        record.at_us,
        record.actor_kind,
        record.actor_id,
        record.action,
        record.subject_kind,
        record.subject_id,
        record.jurisdiction_code,
        record.outcome,
        record.detail,
    )


def read_heads(lines: Iterable[str]) -> Iterator[Head | Problem]:
    """Read audit.heads: `<seq> <hash>` is a head on its way to disk with its commit, `= <seq>` says the commit ended.

    A last line cut off by a power failure is not a problem: nothing had left for it.
    """
    pending: dict[int, Head] = {}
    all_lines = list(lines)
    for number, line in enumerate(all_lines, start=1):
        words = line.split()
        if len(words) == 2 and words[0] == "=" and words[1].isdigit():
            head = pending.pop(int(words[1]), None)
            if head is not None:
                yield Head(head.seq, head.hash, confirmed=True)
        elif len(words) == 2 and words[0].isdigit() and len(words[1]) == 64:
            head = Head(int(words[0]), words[1], confirmed=False)
            if head.seq in pending:  # the commit of the earlier one failed and its number was given again
                yield pending[head.seq]
            pending[head.seq] = head
        elif number == len(all_lines) and not line.endswith("\n"):
            break
        elif words:
            yield _problem(0, "heads_line", line=number)
    yield from pending.values()


def verify(records: Iterable[AuditRecord], heads: Iterable[Head | Problem]) -> Iterator[Problem]:
    """Yield every problem of a chain given in order of `seq`: edits, deletions, insertions, swaps, a tail cut back.

    An unconfirmed head binds nothing: its commit may never have ended, and then no reply left for it.
    """
    known: dict[int, str] = {}
    for head in heads:
        if isinstance(head, Problem):
            yield head
        elif head.confirmed:
            if known.get(head.seq, head.hash) != head.hash:
                yield _problem(head.seq, "heads_two")
            known[head.seq] = head.hash

    last_seq, last_hash = 0, GENESIS
    for record in records:
        if record.seq != last_seq + 1:
            key = "missing_one" if record.seq == last_seq + 2 else "missing"
            yield _problem(record.seq, key, first=last_seq + 1, last=record.seq - 1)
        elif record.prev_hash != last_hash:
            yield _problem(record.seq, "broken_link", before=last_seq)
        if expected_hash(record) != record.hash:
            yield _problem(record.seq, "changed")
        if record.seq in known and known.pop(record.seq) != record.hash:
            yield _problem(record.seq, "not_kept")
        last_seq, last_hash = record.seq, record.hash
    beyond = [seq for seq in known if seq > last_seq]
    if beyond:
        yield _problem(max(beyond), "cut", last=last_seq)
    for seq in sorted(seq for seq in known if seq <= last_seq):
        yield _problem(seq, "gone")
