"""Permits at work between a committed signal and its alarms: the signal is marked, the record names the permit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tocsin.domain.alarms import asks_for_decision
from tocsin.domain.permits import ON_TEST, Permit
from tocsin.domain.signals import StoredSignal
from tocsin.domain.watch_events import PermitHeld


def on_test(stored: StoredSignal) -> StoredSignal:
    """Return a signal with its mark."""
    flags = stored.signal.flags
    return stored if ON_TEST in flags else replace(stored, signal=replace(stored.signal, flags=(*flags, ON_TEST)))


def held_facts(stored: StoredSignal, held: Mapping[int, Permit], code: str, now: datetime) -> Iterable[PermitHeld]:
    """Return the record of what would have been an alarm, one for each permit that held it."""
    by_permit: dict[str, tuple[Permit, list[str]]] = {}
    for number, permit in held.items():
        event = stored.signal.events[number]
        if asks_for_decision(event):
            by_permit.setdefault(permit.id, (permit, []))[1].append(f"{event.code_system}:{event.code}")
    for permit, codes in by_permit.values():
        yield PermitHeld(
            subject_id=stored.id,
            at=now,
            jurisdiction_code=code,
            permit_id=permit.id,
            device_id=permit.device_id,
            until=permit.until,
            codes=tuple(codes),
            data={"signal_id": stored.id, "permit_id": permit.id, "device_id": permit.device_id},
        )
