"""What intercoms report, kept: a call and its signal in one commit, whole or not at all.

An SOS call is an alarm with its incident in the same commit as the call (docs/design/0031-door-intercoms.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import SYSTEM, ActorRef
from tocsin.domain.intercom_calls import Binding, DoorCall, Finished, Raised, Rang
from tocsin.domain.intercom_events import CallEnded, CallRaised, CallRang
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.store import Store
from tocsin.domain.views import end_views

BATCH = "intercom.calls"


class SignalIntake(Protocol):
    """The part of intake that calls need: it stores signals inside the caller's transaction."""

    def accept_many(self, tx: Any, signals: Sequence[Signal]) -> list[Receipt]:
        """Store a group of signals with everything that follows from them."""


class IntercomIntake:
    """Where the gateway hands in calls as they ring and end; each future resolves after the COMMIT."""

    def __init__(self, store: Store, intake: SignalIntake) -> None:
        self._store = store
        self._intake = intake
        store.batch(BATCH, self.take_many)

    def rang(self, ring: Rang) -> asyncio.Future[DoorCall]:
        """Keep that an intercom rings. Errors: NOT_FOUND when it was retired meanwhile."""
        return self._store.submit(BATCH, ring)

    def finished(self, end: Finished) -> asyncio.Future[DoorCall]:
        """Keep that a call ended; a call nobody answered leaves a signal of its own."""
        return self._store.submit(BATCH, end)

    def raised(self, wish: Raised) -> asyncio.Future[DoorCall]:
        """Make an incident of a call. Errors: NOT_FOUND, CONFLICT when it was made already."""
        return self._store.submit(BATCH, wish)

    async def bindings(self, now: datetime) -> list[Binding]:
        """Return the intercoms that were registered when we last ran and may be there still."""
        return await self._store.read(lambda tx: list(tx.intercoms.bindings(now)))

    def take_many(self, tx: Any, items: Sequence[Rang | Finished | Raised]) -> list[DoorCall | TocsinError]:
        """Store a group of happenings; the set-based use case `intercom.calls`."""
        known: dict[str, DoorCall] = tx.intercoms.load({item.call_id for item in items if not isinstance(item, Rang)})
        kept = [item for item in items if _is_signal(item, known)]
        receipts = self._intake.accept_many(tx, [item.signal for item in kept]) if kept else []
        signal_of = {id(item): receipt.signal_id for item, receipt in zip(kept, receipts, strict=True)}
        results: list[DoorCall | TocsinError] = []
        for item in items:
            if isinstance(item, Rang):
                results.append(_ring(tx, item, signal_of[id(item)]))
                continue
            call = known.get(item.call_id)
            if call is None:
                results.append(TocsinError(ErrorCode.NOT_FOUND, f"no call {item.call_id}"))
            elif isinstance(item, Finished):
                results.append(end_call(tx, call, item.reason))
            elif id(item) in signal_of:
                results.append(_raise(tx, call, item, signal_of[id(item)]))
            else:
                results.append(TocsinError(ErrorCode.CONFLICT, "raised already", key="call.raised"))
        return results


def _is_signal(item: Rang | Finished | Raised, known: dict[str, DoorCall]) -> bool:
    if isinstance(item, Rang):
        return True
    call = known.get(item.call_id)
    if call is None:
        return False
    return not call.incident_id if isinstance(item, Raised) else call.answered_at is None and not call.is_over


def _ring(tx: Any, item: Rang, signal_id: str) -> DoorCall | TocsinError:
    device = tx.devices.load([item.device_id]).get(item.device_id)
    if device is None or device.retired_at is not None:
        return TocsinError(ErrorCode.NOT_FOUND, f"no device {item.device_id}")
    incident_id = tx.intercoms.incident_of_signal(signal_id) if item.is_sos else ""
    call = DoorCall(
        item.call_id,
        device.id,
        device.jurisdiction_code,
        item.called,
        item.is_sos,
        item.has_sound,
        tx.now,
        signal_id=signal_id,
        incident_id=incident_id,
        has_picture=item.has_picture,
    )
    tx.intercoms.add(call)
    call = _loaded(tx, call.id)
    tx.record(
        CallRang(
            subject_id=call.id,
            at=tx.now,
            jurisdiction_code=call.jurisdiction_code,
            data=call.form(),
            device_id=call.device_id,
            signal_id=signal_id,
            sos=call.is_sos,
            incident_id=incident_id,
        )
    )
    return call


def _loaded(tx: Any, call_id: str) -> DoorCall:
    found: dict[str, DoorCall] = tx.intercoms.load([call_id])
    return found[call_id]


def end_call(tx: Any, call: DoorCall, reason: str, by: ActorRef = SYSTEM) -> DoorCall:
    """End a call and every view opened for it; ending twice changes nothing."""
    if call.is_over:
        return call
    ended = call.ended(reason, tx.now)
    tx.intercoms.save(ended)
    tx.record(
        CallEnded(
            subject_id=ended.id,
            at=tx.now,
            jurisdiction_code=ended.jurisdiction_code,
            actor=by,
            data=ended.form(),
            device_id=ended.device_id,
            reason=ended.end_reason,
            missed=ended.was_missed,
            lasted_s=round((tx.now - ended.started_at).total_seconds()),
        )
    )
    end_views(tx, tx.views.of_call(ended.id), reason="call_over", by=by)
    return ended


def _raise(tx: Any, call: DoorCall, item: Raised, signal_id: str) -> DoorCall:
    incident_id = tx.intercoms.incident_of_signal(signal_id)
    raised = replace(call, incident_id=incident_id)
    tx.intercoms.save(raised)
    tx.record(
        CallRaised(
            subject_id=call.id,
            at=tx.now,
            jurisdiction_code=call.jurisdiction_code,
            actor=ActorRef(item.user_kind, item.user_id),
            data=raised.form(),
            device_id=call.device_id,
            incident_id=incident_id,
        )
    )
    return raised
