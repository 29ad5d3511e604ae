"""Terminals of units and their alarm word: what a report changes. Pure rules.

Source: alarm reference, JT/T 808, and docs/design/0025-terminals.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from tocsin.base.normal import EventKind, NormalEvent

OLD_AFTER: Final = timedelta(minutes=10)
"""A batch older than this raises no alarm, and a held bit not seen for as long counts as pressed anew."""
HEARD_STEP: Final = timedelta(seconds=60)
AHEAD_MOST: Final = timedelta(minutes=10)
LATE: Final = "late"
CLOCK_SKEW: Final = "clock_skew"
MAX_HOURS_READ: Final = 1.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """What is known of a terminal beside its device. Codes are SHA-256 in hex; words are alarm bits."""

    device_id: str
    code_hash: str = ""
    next_hash: str = ""
    terminal_id: str = ""
    edition: str = ""
    maker: str = ""
    model: str = ""
    registered_at: datetime | None = None
    word: int = 0
    late_word: int = 0
    heard_at: datetime | None = None
    settled_at: datetime | None = None
    press_serial: int = 0
    pressed_at: datetime | None = None
    confirmed_at: datetime | None = None

    def knows(self, code: str) -> bool:
        """Say whether this is its code, in constant time: the one it last showed, or the newest it was given."""
        given = hash_of(code)
        shown, new = hmac.compare_digest(given, self.code_hash), hmac.compare_digest(given, self.next_hash)
        return shown or new

    def shown(self, code: str) -> Terminal:
        """Return it after it has shown a code it knows: a newer code puts the older out of use."""
        if self.next_hash and hmac.compare_digest(hash_of(code), self.next_hash):
            return replace(self, code_hash=self.next_hash, next_hash="")
        return self


@dataclass(frozen=True, slots=True)
class Position:
    """Where a terminal was, degrees x 1e6 (WGS-84), 0.1 km/h, degrees."""

    device_id: str
    fix_at: datetime
    lon_e6: int
    lat_e6: int
    speed_dkmh: int = 0
    heading_deg: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """One location report of a terminal, as a gateway hands it in.

    `word` is the alarm bits that mean something here, `held` those a terminal holds until they are confirmed.
    `events(before)` returns what came and went since that word. `position` is None without a fix.
    """

    device_id: str
    account: str
    peer: str
    raw: bytes
    serial: int
    received_at: datetime
    at: datetime | None
    word: int
    held: int
    events: Callable[[int], tuple[NormalEvent, ...]]
    position: Position | None = None
    unit_id: str = ""
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What a report changes: the terminal after it, the events to hand to intake, and remarks about them."""

    terminal: Terminal
    events: tuple[NormalEvent, ...] = ()
    flags: tuple[str, ...] = ()


def hash_of(code: str) -> str:
    """Return what is kept of a code. It is random, so a plain digest tells nothing of it."""
    return sha256(code.encode()).hexdigest()


def judge(known: Terminal, report: Report) -> Judged:
    """Return what a report changes. A repeated report changes nothing."""
    if report.is_batch:
        return _judge_batch(known, report)
    before = known.word
    now = report.received_at
    is_forgotten = known.heard_at is not None and now - known.heard_at > OLD_AFTER
    if is_forgotten:
        before &= ~report.held
    events = report.events(before) if report.word != before else ()
    is_skewed = report.at is not None and abs(now - report.at) > OLD_AFTER
    return Judged(_after_live(known, report, before), events, (CLOCK_SKEW,) if events and is_skewed else ())


def _after_live(known: Terminal, report: Report, before: int) -> Terminal:
    word, now = report.word, report.received_at
    held_before, held = before & report.held, word & report.held
    came = held & ~held_before
    if word == known.word and not came:
        if not word or (known.heard_at is not None and now - known.heard_at < HEARD_STEP):
            return known
        return replace(known, heard_at=now)
    after = replace(known, word=word, heard_at=now if word else None)
    if came:
        return replace(after, settled_at=now, pressed_at=now, press_serial=report.serial, confirmed_at=None)
    if known.word & report.held and not held:
        return replace(after, settled_at=now, pressed_at=None, confirmed_at=None)
    return after


def _judge_batch(known: Terminal, report: Report) -> Judged:
    """Judge what a terminal kept while it had no network: it adds what came, and clears nothing."""
    now, at = report.received_at, report.at
    is_old = at is None or now - at > OLD_AFTER or (known.settled_at is not None and at <= known.settled_at)
    if is_old:
        if report.word == known.late_word:
            return Judged(known)
        came = _came(report.events(known.late_word | known.word))
        return Judged(replace(known, late_word=report.word), came, (LATE,) if came else ())
    new = report.word & ~known.word
    if not new:
        return Judged(known)
    after = replace(known, word=known.word | new, heard_at=now)
    if new & report.held:
        after = replace(after, settled_at=now, pressed_at=now, press_serial=report.serial, confirmed_at=None)
    return Judged(after, _came(report.events(known.word)))


def _came(events: tuple[NormalEvent, ...]) -> tuple[NormalEvent, ...]:
    return tuple(event for event in events if event.kind is not EventKind.RESTORE)


def is_plausible(position: Position, received_at: datetime, oldest: timedelta) -> bool:
    """Say whether a position is young enough to be kept, and not of the future."""
    return -AHEAD_MOST <= received_at - position.fix_at <= oldest
