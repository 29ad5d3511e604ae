"""What supervision reads and writes: paths, our own silences, outages. Each is a use case of `tx`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.times import from_us, to_us
from tocsin.domain.devices import Fault
from tocsin.domain.events import IncidentRetitled
from tocsin.domain.forms import incident_form
from tocsin.domain.incidents import Incident
from tocsin.domain.own_silence import Silence
from tocsin.domain.paths import StoredPath
from tocsin.domain.signals import Home
from tocsin.domain.supervision_causes import Outage

LAST_ALIVE: Final = "last_alive"
SILENCES_KEPT: Final = timedelta(days=60)
OUTAGES_KEPT: Final = timedelta(days=400)
_FAULTS: Final = ("comms.", "test.", "security.", "clock.")


@dataclass(frozen=True, slots=True)
class Started:
    """What supervision knew when it last ran."""

    last_alive: datetime | None
    faults: Sequence[Fault]
    paths: Mapping[str, Sequence[StoredPath]]
    silences: Sequence[Silence]
    outages: Sequence[Outage]


def read_start(tx: Any, now: datetime) -> Started:
    """Return what supervision knew when it last ran."""
    last_alive_us = tx.devices.mark(LAST_ALIVE)
    return Started(
        None if last_alive_us is None else from_us(last_alive_us),
        [fault for prefix in _FAULTS for fault in tx.devices.open_faults(prefix)],
        tx.supervision.paths(),
        tx.supervision.silences(now - SILENCES_KEPT),
        tx.supervision.open_outages(),
    )


def keep_alive(tx: Any, now: datetime, paths: Sequence[StoredPath], silences: Sequence[Silence]) -> None:
    """Note that we work, when paths were heard, and when we could not hear."""
    tx.devices.set_mark(LAST_ALIVE, to_us(now))
    tx.supervision.keep_paths(paths)
    if silences:
        tx.supervision.add_silences(silences)
        tx.supervision.trim(now - SILENCES_KEPT, now - OUTAGES_KEPT)


def keep_paths(tx: Any, paths: Sequence[StoredPath]) -> None:
    """Keep how paths stand."""
    tx.supervision.keep_paths(paths)


def write_outages(tx: Any, outages: Collection[Outage]) -> dict[str, Home]:
    """Keep outages with the devices that changed; return where each belongs: the narrowest division that holds all."""
    homes = {}
    for outage in outages:
        tx.supervision.keep_outage(outage)
        home = _home(tx, outage.codes)
        if home is not None:
            homes[outage.id] = home
    return homes


def retitle(tx: Any, outages: Sequence[tuple[str, tuple[str, str]]]) -> list[str]:
    """Give the open incidents of outages, named by their signal, their present title; return their ids.

    No new version: a number that grows must not make what somebody is writing stale.
    """
    incident_of: dict[str, str] = tx.incidents.of_signals([signal_id for signal_id, _ in outages])
    known: dict[str, Incident] = tx.incidents.load(set(incident_of.values()))
    titled = []
    for signal_id, (title_en, title_zh) in outages:
        incident = known.get(incident_of.get(signal_id, ""))
        if incident is not None and incident.is_open and (incident.title_en, incident.title_zh) != (title_en, title_zh):
            titled.append(replace(incident, title_en=title_en, title_zh=title_zh))
    tx.incidents.set_titles(titled)
    tx.record_many(
        [
            IncidentRetitled(
                subject_id=one.id, at=tx.now, jurisdiction_code=one.jurisdiction_code, data=incident_form(one)
            )
            for one in titled
        ]
    )
    return [one.id for one in titled]


def note_signals(tx: Any, told: Sequence[tuple[str, str]]) -> None:
    """Keep which signals told of which outages."""
    for outage_id, signal_id in told:
        tx.supervision.set_signal(outage_id, signal_id)


def late_tests(tx: Any, asked: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return when devices sent a test after a moment, in microseconds."""
    found = {}
    for device_id, after_us in asked:
        at_us = tx.devices.last_test_us(device_id, after_us)
        if at_us is not None:
            found[device_id] = at_us
    return found


def _home(tx: Any, codes: Collection[str]) -> Home | None:
    shared = _shared_start(codes)
    while shared:
        known = tx.places.jurisdiction_of_code(shared)
        if known is not None:
            return Home(known.id, known.code, known.short)
        shared = shared[:-1]
    return None


def _shared_start(codes: Collection[str]) -> str:
    """Return the digits all codes begin with."""
    first, last = min(codes, default=""), max(codes, default="")
    return next((first[:n] for n, digit in enumerate(first) if n >= len(last) or digit != last[n]), first)
