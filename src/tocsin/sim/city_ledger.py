"""What the city sent, and whether it was acknowledged, stored and shown: once each, nothing lost, nothing doubled.

A panel numbers its events, and the number stands in clear in the head of every frame, encrypted or not. So (account,
number) names what a panel sent exactly, in what it was told, in what is stored and, by the alarm, in what was shown.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HEAD: Final = re.compile(rb'"\*?[A-Z0-9-]+"(\d{4})')
SOS_CODE: Final = "bit0"
SOS_CALL: Final = "sos_call"
CALLS_FOR_HELP: Final = {"jt808": SOS_CODE, "sip": SOS_CALL}
NAMED: Final = 20

Key = tuple[str, str]


@dataclass(slots=True)
class Entry:
    """One event of a panel, press or call for help. Times are ours, monotonic; None: not yet, or never.

    `calls`: how often somebody rang for the same help, because nothing was heard; each call may be stored, once.
    """

    code: str
    is_life: bool
    happened_s: float
    acked_ms: float | None = None
    is_refused: bool = False
    calls: int = 1


@dataclass(slots=True)
class Ledger:
    """Everything that was sent."""

    events: dict[Key, Entry] = field(default_factory=dict)
    presses: dict[str, Entry] = field(default_factory=dict)

    @property
    def acknowledged(self) -> int:
        """How much has its acknowledgement."""
        return sum(entry.acked_ms is not None for entry in self._all())

    @property
    def refused(self) -> int:
        """How much was refused."""
        return sum(entry.is_refused for entry in self._all())

    @property
    def sent(self) -> int:
        """How much was sent."""
        return len(self.events) + len(self.presses)

    def latencies_ms(self) -> list[float]:
        """Return how long the acknowledgements took."""
        return [entry.acked_ms for entry in self._all() if entry.acked_ms is not None]

    def _all(self) -> Iterable[Entry]:
        yield from self.events.values()
        yield from self.presses.values()


@dataclass(slots=True)
class Reckoning:
    """How it adds up. `unanswered`, `lost`, `doubled` and `unseen` name what is wrong."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    no_reply: int = 0
    stored: int = 0
    copies: int = 0
    put_aside: int = 0
    alarms: int = 0
    shown: int = 0
    shown_after_gap: int = 0
    unanswered: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    shown_ms: dict[str, float] = field(default_factory=dict)
    life_shown_ms: dict[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether all that was sent was acknowledged, and that is stored once, and every alarm of it was shown."""
        return not (self.no_reply or self.refused or self.lost or self.doubled or self.unseen)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able values; of what is wrong the count, and the first few by name."""
        named = {f"first_{name}": getattr(self, name)[:NAMED] for name in ("unanswered", "lost", "doubled", "unseen")}
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "no_reply": self.no_reply,
            "stored": self.stored,
            "copies": self.copies,
            "put_aside": self.put_aside,
            "alarms": self.alarms,
            "shown": self.shown,
            "shown_after_gap": self.shown_after_gap,
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "not_shown": len(self.unseen),
            **{name: words for name, words in named.items() if words},
            "shown_ms": self.shown_ms,
            "life_shown_ms": self.life_shown_ms,
            "holds": self.holds,
        }


def reckon(
    ledger: Ledger,
    signals: Iterable[Mapping[str, Any]],
    heard: Mapping[str, float],
    listed: frozenset[str] = frozenset(),
) -> Reckoning:
    """Compare what was sent with the signals of the API (since the run began), and with alarms a screen heard of.

    `heard` holds when, on the ledger's clock, by alarm id; `listed` are alarms a list read after a gap has shown.
    """
    found = Reckoning(ledger.sent, ledger.acknowledged, ledger.refused)
    found.no_reply = found.sent - found.acknowledged - found.refused
    found.unanswered = [
        " ".join([*key, entry.code])
        for key, entry in [*ledger.events.items(), *(((phone,), entry) for phone, entry in ledger.presses.items())]
        if entry.acked_ms is None and not entry.is_refused
    ]
    stored: Counter[Key] = Counter()
    pressed: Counter[str] = Counter()
    times: list[float] = []
    life: list[float] = []
    for signal in signals:
        key = key_of(signal)
        entry = ledger.events.get(key) if key is not None else _press_of(ledger, signal)
        if entry is None:
            continue
        if not signal["events"]:
            found.put_aside += 1  # the record of a clock that was wrong: the event itself came again, and is kept
            continue
        found.stored += 1
        found.copies += int(signal["copies"])
        name = f"{signal['account']} {key[1] if key else 'SOS'}"
        if key is not None:
            stored[key] += 1
            if stored[key] > 1:
                found.doubled.append(name)
        else:
            pressed[str(signal["account"])] += 1
            if pressed[str(signal["account"])] > entry.calls:
                found.doubled.append(name)
        alarm_ids = signal["alarm_ids"]
        if len(alarm_ids) > len(signal["events"]):
            found.doubled.append(name)
        for alarm_id in alarm_ids:
            found.alarms += 1
            at_s = heard.get(alarm_id)
            if at_s is not None:
                found.shown += 1
                times.append((at_s - entry.happened_s) * 1000)
                if entry.is_life:
                    life.append(times[-1])
            elif alarm_id in listed:
                found.shown_after_gap += 1
            else:
                found.unseen.append(f"{name} {alarm_id}")
    found.lost += [
        " ".join(key) for key, entry in ledger.events.items() if entry.acked_ms is not None and not stored[key]
    ]
    found.lost += [
        f"{phone} SOS" for phone, entry in ledger.presses.items() if entry.acked_ms is not None and not pressed[phone]
    ]
    found.shown_ms, found.life_shown_ms = spread(times), spread(life)
    return found


def key_of(signal: Mapping[str, Any]) -> Key | None:
    """Return account and number of a panel's signal, from the head of its frame; None when it is no panel's."""
    if signal["protocol"] != "dc09" or not signal["raw"]:
        return None
    match = HEAD.search(base64.b64decode(signal["raw"]))
    return (str(signal["account"]), match[1].decode()) if match is not None else None


def _press_of(ledger: Ledger, signal: Mapping[str, Any]) -> Entry | None:
    code = CALLS_FOR_HELP.get(str(signal["protocol"]))
    if not any(event["code"] == code for event in signal["events"]):
        return None
    return ledger.presses.get(str(signal["account"]))


def spread(values: list[float]) -> dict[str, float]:
    """Return p50, p99 and the longest of times in ms; nothing of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in shares}
