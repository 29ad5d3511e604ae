"""An installer's test of zones: what each signal says about the zone that was tried, and what has been seen. Pure.

Source: docs/design/0032-delivery-ledger.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind, NormalEvent
from tocsin.base.times import iso
from tocsin.domain.alarm_rules import is_silent
from tocsin.domain.alarms import asks_for_decision, zone_key
from tocsin.domain.forms import optional_iso
from tocsin.domain.signals import LATE, StoredSignal

LONGEST_LINK: Final = timedelta(hours=12)
LONGEST_TEST: Final = timedelta(minutes=60)
MAX_HOLDER_CHARS: Final = 120
MAX_ASKS: Final = 500
MAX_RAW_CHARS: Final = 300


class Verdict(StrEnum):
    """What a signal says about the zone that was tried."""

    OK = "ok"
    WRONG_ZONE = "wrong_zone"
    NOT_MAPPED = "not_mapped"
    NOT_UNDERSTOOD = "not_understood"
    NO_ZONE = "no_zone"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class TestLink:
    """A link that opens the test of one device, for hours. Only the hash of its token is kept."""

    __test__ = False

    id: str
    device_id: str
    jurisdiction_code: str
    holder: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    made_by_name: str = ""

    def check(self, now: datetime) -> None:
        """Refuse a link that opens nothing any more. Errors: UNAUTHENTICATED, saying why."""
        if self.revoked_at is not None:
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "the link was withdrawn", key="test_link.revoked")
        if now >= self.expires_at:
            raise TocsinError(
                ErrorCode.UNAUTHENTICATED, "the link is over", key="test_link.expired", at=iso(self.expires_at)
            )

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "holder": self.holder,
            "made_at": iso(self.made_at),
            "made_by": self.made_by,
            "made_by_name": self.made_by_name,
            "expires_at": iso(self.expires_at),
            "revoked_at": optional_iso(self.revoked_at),
        }


@dataclass(frozen=True, slots=True)
class Ask:
    """The zone the installer said he would trigger next; empty: any."""

    zone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ZoneTest:
    """One test: begun by a link, for an hour at most. `permit_id` is what keeps the device on test meanwhile."""

    id: str
    link_id: str
    device_id: str
    jurisdiction_code: str
    holder: str
    begun_at: datetime
    until: datetime
    asks: tuple[Ask, ...] = ()
    permit_id: str = ""
    ended_at: datetime | None = None
    how_ended: str = ""
    summary: Mapping[str, object] | None = None

    @property
    def asked(self) -> str:
        """The zone that is tried now."""
        return self.asks[-1].zone if self.asks else ""

    def asked_at(self, at: datetime) -> str:
        """Return the zone that was tried at a time."""
        return next((ask.zone for ask in reversed(self.asks) if ask.at <= at), "")

    def asking(self, zone: str, at: datetime) -> ZoneTest:
        """Return it with the zone that is tried next. Errors: TOO_MANY."""
        if len(self.asks) >= MAX_ASKS:
            raise TocsinError(ErrorCode.TOO_MANY, "end this test and begin another", key="zone_test.long")
        return replace(self, asks=(*self.asks, Ask(zone, at)))

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "link_id": self.link_id,
            "device_id": self.device_id,
            "holder": self.holder,
            "begun_at": iso(self.begun_at),
            "until": iso(self.until),
            "zone": self.asked,
            "asked_at": iso(self.asks[-1].at) if self.asks else None,
            "ended_at": optional_iso(self.ended_at),
            "how_ended": self.how_ended,
            "summary": self.summary,
        }


@dataclass(frozen=True, slots=True)
class Arrived:
    """One event of a signal that came during a test, judged."""

    signal_id: str
    received_at: datetime
    committed_at: datetime | None
    answered_at: datetime | None
    event: NormalEvent | None
    zone: str
    raw: str
    verdict: Verdict
    would_raise: bool
    is_raised: bool

    def form(self) -> dict[str, object]:
        """Return it as the page shows it."""
        event = self.event
        answered = self.answered_at
        return {
            "signal_id": self.signal_id,
            "received_at": iso(self.received_at),
            "committed_at": optional_iso(self.committed_at),
            "answered_at": optional_iso(answered),
            "answer_ms": None if answered is None else (answered - self.received_at) / timedelta(milliseconds=1),
            "code": "" if event is None else f"{event.code_system}:{event.code}",
            "kind": "" if event is None else event.kind.value,
            "label_en": "" if event is None else event.label_en,
            "label_zh": "" if event is None else event.label_zh,
            "zone": self.zone,
            "raw": self.raw,
            "verdict": self.verdict.value,
            "priority": event.priority if event is not None and self.would_raise else None,
            "raised": self.is_raised,
        }


def is_shown(stored: StoredSignal) -> bool:
    """Say whether those on the premises may read a signal: nothing that tells of duress."""
    return not any(is_silent(event.category.value) for event in stored.signal.events)


def judge(
    test: ZoneTest,
    stored: StoredSignal,
    known_zones: Sequence[str],
    *,
    answered_at: datetime | None,
    alarm_zones: Iterable[str],
) -> list[Arrived]:
    """Return what a signal says about the zone tried when it came, one for each event, at least one."""
    signal = stored.signal
    tried = test.asked_at(signal.received_at)
    raised = {zone_key(zone) for zone in alarm_zones}
    found = []
    for event in signal.events or (None,):
        zone = "" if event is None else zone_key(event.zone)
        zone = "" if zone == "0" else zone
        would_raise = event is not None and event.is_known and asks_for_decision(event) and LATE not in signal.flags
        found.append(
            Arrived(
                stored.id,
                signal.received_at,
                stored.committed_at,
                answered_at,
                event,
                zone,
                printable(signal.raw),
                _verdict(stored, event, zone, tried, known_zones),
                would_raise,
                would_raise and zone in raised,
            )
        )
    return found


def _verdict(
    stored: StoredSignal, event: NormalEvent | None, zone: str, tried: str, known_zones: Sequence[str]
) -> Verdict:
    if event is None or not event.is_known or stored.signal.quarantine:
        return Verdict.NOT_UNDERSTOOD
    if LATE in stored.signal.flags:
        return Verdict.LATE
    if not zone:
        return Verdict.NO_ZONE
    if zone not in known_zones:
        return Verdict.NOT_MAPPED
    if tried and zone != tried:
        return Verdict.WRONG_ZONE
    return Verdict.OK


def printable(raw: bytes) -> str:
    """Return octets as text one can read, what cannot be printed as a dot."""
    text = raw[: MAX_RAW_CHARS + 1].decode("ascii", "replace")
    shown = "".join(c if " " <= c <= "~" else "·" for c in text[:MAX_RAW_CHARS]).strip("·")
    return shown + ("…" if len(raw) > MAX_RAW_CHARS else "")


def checklist(zones: Sequence[tuple[str, str, str]], arrived: Sequence[Arrived]) -> list[dict[str, object]]:
    """Return each zone (number, name, English name) with how often an alarm of it came, and when last.

    A restore alone does not count: the detector must have said something.
    """
    seen: dict[str, list[Arrived]] = {}
    for one in arrived:
        says = one.event is not None and one.event.kind is not EventKind.RESTORE
        if says and one.verdict in (Verdict.OK, Verdict.WRONG_ZONE):
            seen.setdefault(one.zone, []).append(one)
    rows: list[dict[str, object]] = []
    for number, name, name_en in zones:
        of = seen.get(number, [])
        last = max(of, key=lambda one: one.received_at, default=None)
        rows.append(
            {
                "number": number,
                "name": name,
                "name_en": name_en,
                "times": len(of),
                "last_at": None if last is None else iso(last.received_at),
                "label_en": "" if last is None or last.event is None else last.event.label_en,
                "label_zh": "" if last is None or last.event is None else last.event.label_zh,
            }
        )
    return rows


def summary_of(zones: Sequence[tuple[str, str, str]], arrived: Sequence[Arrived]) -> dict[str, object]:
    """Return what is kept of a test: the zones, what came that names none of them, and how fast it was answered."""
    answers = [ms for one in arrived if isinstance(ms := one.form()["answer_ms"], float)]
    strange = [one for one in arrived if one.verdict in (Verdict.NOT_MAPPED, Verdict.NOT_UNDERSTOOD)]
    rows = checklist(zones, arrived)
    return {
        "zones": rows,
        "seen": sum(1 for row in rows if row["times"]),
        "events": len(arrived),
        "wrong": sum(1 for one in arrived if one.verdict is Verdict.WRONG_ZONE),
        "strange": [
            {"zone": one.zone, "code": one.form()["code"], "at": iso(one.received_at), "verdict": one.verdict.value}
            for one in strange[:50]
        ],
        "longest_answer_ms": max(answers, default=None),
    }
