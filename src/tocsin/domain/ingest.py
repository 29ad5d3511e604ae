"""Messages that come again are one signal: marks of what was taken, kept beside it in the same commit.

A webhook is repeated after a lost answer, an MQTT message after a lost acknowledgement, a replayed one looks like
either. Each message carries marks (a signature, the sender's own key, a packet of a session); one that is known makes
it a repetition, whatever happened in between, a restart included.

Source: alarm reference, MQTT and HTTP webhooks.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.domain.intake import Intake
from tocsin.domain.ledger import copy_of
from tocsin.domain.signals import Copy, Receipt, Signal
from tocsin.domain.store import Store

KEPT_FOR: Final = timedelta(days=3)
SWEEP_EVERY: Final = timedelta(hours=1)
_BATCH: Final = "ingest"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message with its marks: any of `known_by` that was kept before makes it a repetition; `marks` are kept."""

    signal: Signal
    marks: tuple[str, ...] = ()
    known_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message. `events` that are kept, `dropped` ones that are not: passages, and what is ignored."""

    signal_id: str = ""
    is_duplicate: bool = False
    events: int = 0
    dropped: int = 0
    unknown: int = 0


def mark(kind: str, *parts: str | bytes) -> str:
    """Return a mark: a word and the hash of what makes the message itself."""
    digest = hashlib.sha256()
    for part in parts:
        given = part.encode() if isinstance(part, str) else part
        digest.update(len(given).to_bytes(4, "big") + given)
    return f"{kind}:{digest.hexdigest()[:48]}"


class Arrivals:
    """Where gateways of messages hand in what came."""

    def __init__(self, store: Store, intake: Intake) -> None:
        self._store = store
        self._intake = intake
        self._swept_at: datetime | None = None
        store.batch(_BATCH, self._accept_many)

    def accept(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the COMMIT and raises when nothing was committed."""
        return self._store.submit(_BATCH, arrival)

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the answer to an arrival left."""
        self._intake.acknowledged(arrival_id, at)

    def _accept_many(self, tx: Any, arrivals: Sequence[Arrival]) -> list[Receipt]:
        wanted = {(_owner(one), mark) for one in arrivals for mark in one.known_by}
        known: dict[tuple[str, str], str] = tx.marks.known(wanted)
        place_of: dict[tuple[str, str], int] = {}  # of those in this group
        fresh: list[Arrival] = []
        places: list[int | str] = []
        again: dict[tuple[str, str], str] = {}
        for one in arrivals:
            owner = _owner(one)
            earlier: int | str | None = None
            for word in one.known_by:
                key = (owner, word)
                earlier = known[key] if key in known else place_of.get(key)
                if earlier is not None:
                    break
            if earlier is None:
                earlier = len(fresh)
                fresh.append(one)
                places.append(-1 - earlier)  # negative: the first of its kind
                for word in one.marks:
                    place_of.setdefault((owner, word), earlier)
            else:
                places.append(earlier)
                if isinstance(earlier, str):  # what still comes is still known when the first is long forgotten
                    again.update(((owner, word), earlier) for word in one.known_by if (owner, word) in known)
        receipts = self._intake.accept_many(tx, [one.signal for one in fresh]) if fresh else []
        rows = {(owner, word): receipts[place].signal_id for (owner, word), place in place_of.items()}
        tx.marks.keep({**again, **rows}, tx.now)
        if self._swept_at is None or tx.now - self._swept_at > SWEEP_EVERY:
            tx.marks.forget_before(tx.now - KEPT_FOR)
            self._swept_at = tx.now
        found: list[Receipt] = []
        copies: list[Copy] = []
        for one, place in zip(arrivals, places, strict=True):
            if isinstance(place, int) and place < 0:
                found.append(receipts[-1 - place])
                continue
            signal_id = place if isinstance(place, str) else receipts[place].signal_id
            copies.append(copy_of(signal_id, one.signal, tx.now))
            found.append(Receipt(signal_id, is_duplicate=True, copy_id=copies[-1].id))
        if copies:
            tx.signals.add_copies(Counter(copy.signal_id for copy in copies))
            tx.ledger.add_copies(copies)
        return found


def _owner(arrival: Arrival) -> str:
    return arrival.signal.device_id or arrival.signal.account
