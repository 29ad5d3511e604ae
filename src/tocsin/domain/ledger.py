"""The delivery ledger: what is noted of a signal's way beside the signal, and lists of ways that were slow.

Answers and pushes are noted in memory and written together about once a second, as one item of whatever group is under
way; a crash loses the last second of them and nothing else (docs/design/0032-delivery-ledger.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso, to_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import optional_iso
from tocsin.domain.ledger_trace import Trace, trace
from tocsin.domain.refusals import require
from tocsin.domain.signals import Copy, Signal
from tocsin.domain.store import Store

KEPT_AFTER_S: Final = 1.0
MAX_WAITING: Final = 100_000
MAX_DAYS: Final = 31
MAX_ROWS: Final = 50_000
DEFAULT_LIMIT_MS: Final = 1_000
_BATCH: Final = "ledger"
Answer = tuple[str, int]
Push = tuple[str, int, int]


def copy_of(signal_id: str, signal: Signal, now: datetime) -> Copy:
    """Return the row of a signal that came once more."""
    return Copy(new_id(), signal_id, signal.received_at, now, signal.transport, signal.peer)


class Ledger:
    """Where gateways and the feed note what happened after the commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: list[Answer] = []
        self._pushes: list[Push] = []
        self._is_due = False
        self.lost = 0
        store.batch(_BATCH, _write)

    def answered(self, arrival_id: str, at: datetime) -> None:
        """Note that the acknowledgement of an arrival left."""
        self._answers.append((arrival_id, to_us(at)))
        self._arm()

    def pushed(self, alarm_ids: Iterable[tuple[str, int]], at: datetime) -> None:
        """Note that consoles were told of alarms: (alarm id, number of consoles)."""
        at_us = to_us(at)
        self._pushes.extend((alarm_id, at_us, consoles) for alarm_id, consoles in alarm_ids)
        self._arm()

    def _arm(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(KEPT_AFTER_S, self.keep)
        if len(self._answers) + len(self._pushes) > MAX_WAITING:  # the store does not answer
            self.lost += len(self._answers) + len(self._pushes)
            self._answers, self._pushes = [], []

    def keep(self) -> asyncio.Future[Any] | None:
        """Hand in what was noted since the last time; what cannot be committed is tried again with what follows."""
        self._is_due = False
        answers, self._answers = self._answers, []
        pushes, self._pushes = self._pushes, []
        if not answers and not pushes:
            return None
        try:
            future = self._store.submit(_BATCH, (answers, pushes))
        except TocsinError:
            self._again(answers, pushes)
            return None
        future.add_done_callback(lambda done: self._again(answers, pushes) if _has_failed(done) else None)
        return future

    async def stop(self) -> None:
        """Write what is still waiting."""
        future = self.keep()
        if future is not None:
            await asyncio.gather(future, return_exceptions=True)

    def _again(self, answers: list[Answer], pushes: list[Push]) -> None:
        self._answers[:0] = answers
        self._pushes[:0] = pushes
        self._arm()


def _has_failed(future: asyncio.Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is not None


def _write(tx: Any, items: Sequence[tuple[list[Answer], list[Push]]]) -> list[None]:
    """Keep what was noted; the set-based use case `ledger`."""
    tx.ledger.add_answers([row for answers, _ in items for row in answers])
    tx.ledger.add_pushes([row for _, pushes in items for row in pushes])
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One signal's way to its answer. `answer_ms` counts from the first arrival to the first answer of any arrival."""

    signal_id: str
    device_id: str
    device_name: str
    device_name_en: str
    protocol: str
    transport: str
    peer: str
    account: str
    received_at: datetime
    committed_at: datetime | None
    answered_at: datetime | None
    copies: int
    state: str
    quarantine: str
    label_en: str
    label_zh: str

    @property
    def answer_ms(self) -> float | None:
        """Milliseconds to the answer; None without one."""
        if self.answered_at is None:
            return None
        return (self.answered_at - self.received_at) / timedelta(milliseconds=1)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "signal_id": self.signal_id,
            "device_id": self.device_id,
            "device_name": self.device_name,
            "device_name_en": self.device_name_en,
            "protocol": self.protocol,
            "transport": self.transport,
            "peer": self.peer,
            "account": self.account,
            "received_at": iso(self.received_at),
            "committed_at": optional_iso(self.committed_at),
            "answered_at": optional_iso(self.answered_at),
            "answer_ms": self.answer_ms,
            "copies": self.copies,
            "state": self.state,
            "quarantine": self.quarantine,
            "label": self.label_zh,
            "label_en": self.label_en,
            "label_zh": self.label_zh,
        }


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """The deliveries of one source in a time."""

    device_id: str
    device_name: str
    device_name_en: str
    protocol: str
    account: str
    deliveries: int
    unanswered: int
    slow: int
    repetitions: int
    longest_ms: float | None
    mean_ms: float | None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What a list of deliveries is narrowed to. `which`: all, late (slow or unanswered), slow, unanswered.

    `before` is the cursor (time of receipt in us, signal id); newest first. `settled_before` leaves out those too
    young to be called unanswered.
    """

    received_from: datetime
    received_to: datetime
    settled_before: datetime
    which: str = "late"
    over_ms: int = DEFAULT_LIMIT_MS
    device_id: str = ""
    account: str = ""
    protocol: str = ""
    before: tuple[int, str] | None = None
    without_silent: bool = False


class DeliveryService:
    """How fast signals were answered, and which were not."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self.ledger = ledger

    async def deliveries(self, wanted: DeliveryFilter, *, actor: Actor, limit: int) -> list[Delivery]:
        """Return deliveries, newest first. Errors: FORBIDDEN, INVALID when more than 31 days are asked for."""
        _check(wanted)
        return await self._store.read(_list, wanted, actor, limit)

    async def sources(self, wanted: DeliveryFilter, *, actor: Actor) -> list[SourceFigures]:
        """Return figures by source, the worst first. Errors: as `deliveries`."""
        _check(wanted)
        return await self._store.read(_sources, wanted, actor)

    async def trace(self, signal_id: str, *, actor: Actor) -> tuple[Trace, str, str]:
        """Return the way of one signal, and its device's name and English name; it ends at the answer without the right
        to read incidents. Errors: NOT_FOUND."""
        return await self._store.read(_trace, signal_id, actor)


def _check(wanted: DeliveryFilter) -> None:
    if not timedelta() < wanted.received_to - wanted.received_from <= timedelta(days=MAX_DAYS):
        raise TocsinError(ErrorCode.INVALID, f"ask for at most {MAX_DAYS} days", field="to")


def _trace(tx: Any, signal_id: str, actor: Actor) -> tuple[Trace, str, str]:
    found = trace(tx, signal_id, actor)
    origin = tx.signals.origins([found.stored.signal.device_id] if found.stored.signal.device_id else [])
    named = next(iter(origin.values()), None)
    return found, named.name if named is not None else "", named.name_en if named is not None else ""


def _list(tx: Any, wanted: DeliveryFilter, actor: Actor, limit: int) -> list[Delivery]:
    found: list[Delivery] = tx.ledger.find(wanted, visible_to=require(actor, Permission.READ_REGISTRY), limit=limit)
    return found


def _sources(tx: Any, wanted: DeliveryFilter, actor: Actor) -> list[SourceFigures]:
    found: list[SourceFigures] = tx.ledger.sources(wanted, visible_to=require(actor, Permission.READ_REGISTRY))
    return found


COLUMNS: Final = (
    ("signal_id", "Signal", "信号"),
    ("device_name", "Device", "设备"),
    ("account", "Account", "账号"),
    ("protocol", "Protocol", "协议"),
    ("label", "Event", "事件"),
    ("received_at", "Received (UTC)", "接收时间（UTC）"),
    ("committed_at", "Committed (UTC)", "落盘时间（UTC）"),
    ("answered_at", "Acknowledged (UTC)", "应答时间（UTC）"),
    ("answer_ms", "Receipt to acknowledgement (ms)", "接收到应答（毫秒）"),
    ("copies", "Times received", "接收次数"),
    ("quarantine", "Kept aside because", "隔离原因"),
)


def csv_rows(deliveries: Iterable[Delivery], language: str) -> Iterable[tuple[object, ...]]:
    """Return the lines of the export, the heading first."""
    is_zh = language.startswith("zh")
    yield tuple(zh if is_zh else en for _, en, zh in COLUMNS)
    for one in deliveries:
        form = one.form()
        if not is_zh:
            form["label"] = one.label_en
            form["device_name"] = one.device_name_en or one.device_name
        yield tuple("" if form[name] is None else form[name] for name, _, _ in COLUMNS)
