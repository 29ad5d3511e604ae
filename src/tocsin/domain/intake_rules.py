"""The pure rules of intake: what repeats, what an event asks for, where it belongs, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.base.normal import EventKind, NormalEvent
from tocsin.domain.alarms import asks_for_decision, zone_key
from tocsin.domain.incidents import GROUP_WINDOW, Incident, IncidentState
from tocsin.domain.own_silence import Silence, about, heard_from
from tocsin.domain.signals import LATE, Signal

DUPLICATE_WINDOW = timedelta(seconds=60)
DEAF_AT_MOST = timedelta(minutes=4)
SYSTEM_PRIORITY = 2
JOINABLE = frozenset(IncidentState) - {
    IncidentState.CLEARED,
    IncidentState.CLOSED,
    IncidentState.CANCELLED,
    IncidentState.MERGED,
}


@dataclass(frozen=True, slots=True)
class LastSignal:
    """The last event frame accepted from a source."""

    source: str
    dedup_key: str
    signal_id: str
    received_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlaceInfo:
    """A place as intake needs it."""

    id: str
    jurisdiction_id: str
    jurisdiction_code: str
    short: str
    place_class: str
    name: str
    name_en: str
    address: str
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True)
class Origin:
    """The device a signal came from, with its place if it has one. `short` begins incident numbers."""

    device_id: str
    name: str
    name_en: str
    jurisdiction_id: str
    jurisdiction_code: str
    short: str
    is_retired: bool
    place: PlaceInfo | None


@dataclass(frozen=True, slots=True)
class ZoneInfo:
    """A zone as intake needs it; `place` when it differs from its panel's."""

    id: str
    device_id: str
    number: str
    name: str
    name_en: str
    place: PlaceInfo | None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules say a signal asks for."""

    alarms: tuple[NormalEvent, ...] = ()
    restores: tuple[NormalEvent, ...] = ()


def source_of(signal: Signal) -> str:
    """Return the name under which the last frame of a signal's source is kept."""
    source = f"{signal.protocol}:{signal.device_id or '?' + signal.account}"
    return (f"{source}:{signal.repeat_scope}" if signal.repeat_scope else source)[:160]


def is_duplicate(signal: Signal, last: LastSignal | None, silences: Sequence[Silence] = ()) -> bool:
    """Say whether a signal repeats the last event frame of its source.

    The key holds receiver, prefix, account, token, sequence and data; any other event frame in between, 60 s on our
    clock, or 60 s between the transmission times end it. Times in which we could not hear the device are not counted,
    four minutes of them at most: who was not answered before our stop repeats itself after it, and later the same
    words are more likely news. Source: alarm reference, Duplicates.
    """
    if last is None or not signal.dedup_key or signal.dedup_key != last.dedup_key:
        return False
    ours = about(signal.protocol, silences)
    deaf = heard_from(last.received_at, ours, signal.received_at) - last.received_at
    deaf = max(timedelta(), min(deaf, DEAF_AT_MOST))
    if abs(signal.received_at - last.received_at) - deaf > timedelta(seconds=signal.repeat_within_s):
        return False
    if signal.sent_at is not None and last.sent_at is not None:
        return abs(signal.sent_at - last.sent_at) - deaf <= DUPLICATE_WINDOW
    return True


def read_events(signal: Signal) -> Reading:
    """Sort the known events of a signal into alarms and restores; all else is kept as events of the signal.

    What came late asks for nothing any more: it neither raises an alarm nor ends one.
    """
    if LATE in signal.flags:
        return Reading()
    alarms = tuple(e for e in signal.events if e.is_known and asks_for_decision(e))
    restores = tuple(e for e in signal.events if e.is_known and e.kind is EventKind.RESTORE)
    return Reading(alarms, restores)


def names_zone(event: NormalEvent) -> str:
    """Return the registry's number of the zone an event names; empty when it names none."""
    number = zone_key(event.zone)
    return "" if number == "0" else number


def may_join(incident: Incident, received_at: datetime) -> bool:
    """Say whether an alarm of that moment belongs to an open incident of its place."""
    return incident.state in JOINABLE and abs(received_at - incident.last_alarm_at) <= GROUP_WINDOW


def title_of(event: NormalEvent, origin: Origin, zone: ZoneInfo | None, place: PlaceInfo | None) -> tuple[str, str]:
    """Return the English and Chinese sentence that names an alarm: what, which zone, where."""
    number = names_zone(event)
    where_en = (place.name_en or place.name) if place else (origin.name_en or origin.name)
    where_zh = place.name if place else origin.name
    zone_en, zone_zh = "", ""
    if event.channel and zone is None:
        zone_en, zone_zh = f", camera {event.channel_name}", f"摄像机 {event.channel_name}："
    elif number:
        name_en = (zone.name_en or zone.name) if zone else ""
        name_zh = zone.name if zone else ""
        zone_en = f", zone {number}" + (f" {name_en}" if name_en else "")
        zone_zh = f"{number} 号防区" + (f" {name_zh}" if name_zh else "") + "："
    return f"{event.label_en}{zone_en}, {where_en}", f"{where_zh} {zone_zh}{event.label_zh}"


def system_title(origin: Origin) -> tuple[str, str]:
    """Return the title of the incident that says a signal could not be read by the rules."""
    name_en = origin.name_en or origin.name
    return (
        f"A signal of {name_en} was kept but could not be processed",
        f"{origin.name} 的信号已保存，但未能处理",
    )


def month_of(moment: datetime) -> str:
    """Return year and month as numbers carry them: `2611`."""
    return f"{moment.year % 100:02d}{moment.month:02d}"
