"""Facts about signals, alarms and incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalQuarantined(Fact):
    """A signal was kept aside: its account or its code is unknown."""

    ACTION: ClassVar[str] = "signal.quarantined"
    SUBJECT: ClassVar[str] = "signal"
    FEED_TYPE: ClassVar[str] = "signal.quarantined"

    reason: str
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalUnprocessed(Fact):
    """The rules failed for a signal; it is kept and will be run again."""

    ACTION: ClassVar[str] = "signal.unprocessed"
    SUBJECT: ClassVar[str] = "signal"

    error: str
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReprocessed(Fact):
    """The repair pass ran the rules for a kept signal."""

    ACTION: ClassVar[str] = "signal.reprocessed"
    SUBJECT: ClassVar[str] = "signal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Fact):
    """A signal asked for a decision; it belongs to an incident from the first moment."""

    ACTION: ClassVar[str] = "alarm.raised"
    SUBJECT: ClassVar[str] = "alarm"
    FEED_TYPE: ClassVar[str] = "alarm.raised"

    signal_id: str
    incident_id: str
    device_id: str
    code: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRestored(Fact):
    """The source went back to normal; the alarm itself stays to be closed by a person."""

    ACTION: ClassVar[str] = "alarm.restored"
    SUBJECT: ClassVar[str] = "alarm"
    FEED_TYPE: ClassVar[str] = "alarm.changed"

    signal_id: str
    incident_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmClosed(Fact):
    """An alarm was closed with its incident (the incident's closing is what the audit keeps)."""

    ACTION: ClassVar[str] = "alarm.closed"
    SUBJECT: ClassVar[str] = "alarm"
    FEED_TYPE: ClassVar[str] = "alarm.changed"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFact(Fact):
    """Anything that changes an incident."""

    SUBJECT: ClassVar[str] = "incident"
    FEED_TYPE: ClassVar[str] = "incident.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened(IncidentFact):
    """An alarm with no open incident at its place opened one."""

    ACTION: ClassVar[str] = "incident.opened"
    FEED_TYPE: ClassVar[str] = "incident.opened"

    number: str
    priority: int
    plan_id: str = ""
    plan_version_no: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentGrew(IncidentFact):
    """Alarms joined an open incident (each alarm has its own audit record)."""

    ACTION: ClassVar[str] = "incident.grew"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMoved(IncidentFact):
    """The terminal of an open incident said where it is (what it sent is what the audit has: its press)."""

    ACTION: ClassVar[str] = "incident.moved"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRetitled(IncidentFact):
    """The title of an outage's incident tells its present number (the devices on its list are what is kept)."""

    ACTION: ClassVar[str] = "incident.retitled"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClaimed(IncidentFact):
    """Somebody took the incident in hand; `taken_from` is the owner a supervisor relieved."""

    ACTION: ClassVar[str] = "incident.claimed"

    lease_expires_at: datetime
    taken_from: str = ""
    ended_views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReleased(IncidentFact):
    """The owner gave the incident back."""

    ACTION: ClassVar[str] = "incident.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired(IncidentFact):
    """The owner did nothing for the length of the lease; the incident is free again."""

    ACTION: ClassVar[str] = "incident.lease_expired"

    owner_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGiven(IncidentFact):
    """A person decided what the alarm was."""

    ACTION: ClassVar[str] = "incident.verdict"

    verdict: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(IncidentFact):
    """A step of the plan was done, by a person's hand or by what it waited for."""

    ACTION: ClassVar[str] = "incident.step_done"

    step: int
    by: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped(IncidentFact):
    """A step that is not mandatory was passed over."""

    ACTION: ClassVar[str] = "incident.step_skipped"

    step: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOverdue(IncidentFact):
    """A timed step passed its time undone."""

    ACTION: ClassVar[str] = "incident.step_overdue"

    step: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAssigned(IncidentFact):
    """A unit was sent."""

    ACTION: ClassVar[str] = "incident.unit_assigned"

    assignment_id: str
    unit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentAdvanced(IncidentFact):
    """A sent unit went one state on; `source` says who told us."""

    ACTION: ClassVar[str] = "incident.assignment_advanced"

    assignment_id: str
    unit_id: str
    state: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentParked(IncidentFact):
    """The incident waits for something, until a stated time."""

    ACTION: ClassVar[str] = "incident.parked"

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReturned(IncidentFact):
    """A parked incident came back: its time was up, or a new alarm woke it."""

    ACTION: ClassVar[str] = "incident.returned"

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAdded(IncidentFact):
    """Somebody wrote something down; the text stays with the incident."""

    ACTION: ClassVar[str] = "incident.note_added"

    note_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClosed(IncidentFact):
    """The work is over, with a disposition."""

    ACTION: ClassVar[str] = "incident.closed"
    FEED_TYPE: ClassVar[str] = "incident.closed"

    verdict: str
    disposition: str
    cause: str = ""
    ended_views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReopened(IncidentFact):
    """A supervisor opened a closed incident again, with a reason."""

    ACTION: ClassVar[str] = "incident.reopened"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActUndone(IncidentFact):
    """A verdict or a parking was taken back within the five seconds."""

    ACTION: ClassVar[str] = "incident.undone"

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPresented(IncidentFact):
    """A console showed the incident for the first time (t4)."""

    ACTION: ClassVar[str] = "incident.presented"

    seat: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFrameShown(IncidentFact):
    """A console showed the first picture of the incident (t6)."""

    ACTION: ClassVar[str] = "incident.first_frame"

    view_id: str
    channel_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactCalled(IncidentFact):
    """Somebody called a contact of an account: what came of it, and which in the order it was. Never the number."""

    ACTION: ClassVar[str] = "incident.called"

    device_id: str
    contact_id: str
    rank: int
    role: str
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StampCorrected(IncidentFact):
    """A person corrected a timestamp; the first value stays beside it."""

    ACTION: ClassVar[str] = "incident.stamp_corrected"

    stamp: str
    corrected_to: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentUnattended(IncidentFact):
    """Nobody took a priority 1 incident in hand in time."""

    ACTION: ClassVar[str] = "incident.unattended"
    FEED_TYPE: ClassVar[str] = "notice.raised"

    number: str
    key: str = "incident_unattended"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAttended(IncidentFact):
    """Somebody took an unattended incident in hand."""

    ACTION: ClassVar[str] = "incident.attended"
    FEED_TYPE: ClassVar[str] = "notice.cleared"
    IS_AUDITED: ClassVar[bool] = False

    number: str
    key: str = "incident_unattended"
