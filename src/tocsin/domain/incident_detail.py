"""What hangs on an incident, and how lists of incidents are narrowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin.domain.alarms import Alarm
from tocsin.domain.assignments import Assignment
from tocsin.domain.dispositions import Block
from tocsin.domain.incident_points import NearPlace
from tocsin.domain.incidents import Incident, Stamp
from tocsin.domain.plans import StepStanding


class NoteKind(StrEnum):
    """What a note says: anything, the first report from the scene (t13), or that the scene is under control (t14)."""

    NOTE = "note"
    REPORT = "report"
    UNDER_CONTROL = "under_control"


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote on an incident."""

    id: str
    incident_id: str
    at: datetime
    user_id: str
    kind: NoteKind
    text: str
    user_name: str = ""


@dataclass(frozen=True, slots=True)
class AccountRef:
    """A device whose alarms belong to an incident, with the account it reports under."""

    device_id: str
    name: str
    name_en: str
    account: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of an incident's history, from the audit chain."""

    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """An incident with everything that hangs on it; `channel_ids` are the linked cameras, best first.

    `near` is the place of the registry nearest to the point of its terminal.
    """

    incident: Incident
    alarms: tuple[Alarm, ...]
    accounts: tuple[AccountRef, ...]
    channel_ids: tuple[str, ...]
    steps: tuple[StepStanding, ...]
    assignments: tuple[Assignment, ...]
    notes: tuple[Note, ...]
    stamp_rows: tuple[Stamp, ...]
    history: tuple[HistoryEntry, ...]
    blocked_by: tuple[Block, ...]
    near: NearPlace | None = None


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What a list of incidents is narrowed to; empty fields narrow nothing. `before` is the cursor, an incident id."""

    states: tuple[str, ...] = ()
    is_open: bool | None = None
    owner_id: str = ""
    is_unclaimed: bool = False
    place_id: str = ""
    device_id: str = ""
    jurisdiction_id: str = ""
    priority_at_most: int | None = None
    verdict: str = ""
    kind: str = ""
    disposition: str = ""
    opened_from: datetime | None = None
    opened_to: datetime | None = None
    text: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """What a list of alarms is narrowed to. `before` is the cursor, an alarm id."""

    states: tuple[str, ...] = ()
    kind: str = ""
    device_id: str = ""
    zone_id: str = ""
    place_id: str = ""
    incident_id: str = ""
    priority_at_most: int | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    before: str = ""


@dataclass(frozen=True, slots=True)
class SignalFilter:
    """What a list of signals is narrowed to. Newest last: `after` is the cursor, a signal id.

    `newest_first` turns the order: `after` then stands for older ones. `without_silent` leaves out what tells of
    duress.
    """

    device_id: str = ""
    account: str = ""
    state: str = ""
    received_from: datetime | None = None
    received_to: datetime | None = None
    after: str = ""
    protocol: str = ""
    reason: str = ""
    code: str = ""
    newest_first: bool = False
    without_silent: bool = False
