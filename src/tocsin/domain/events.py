"""Every fact that can happen, in one file.

A fact is written by `tx.record` in the same transaction as the change: into the audit chain when `IS_AUDITED`, and to
the outbox when it has a `FEED_TYPE` and `data`, the object as the API shows it. `detail` is what the audit keeps: ids
and words, never names or secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar

from tocsin.base.times import iso
from tocsin.domain.access import SYSTEM, ActorRef, Permission
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.domain.store import FeedEntry

_BASE = frozenset({"subject_id", "jurisdiction_code", "at", "actor", "data"})
_NAMES: dict[type, tuple[str, ...]] = {}
_PLAIN = frozenset({str, int, float, bool})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened to one subject, by somebody, at a time.

    `jurisdiction_code` decides who sees it on the feed (empty: the house's own, see `access.Scope`).
    """

    ACTION: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = ""
    FEED_TYPE: ClassVar[str] = ""
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_INCIDENTS
    IS_AUDITED: ClassVar[bool] = True
    OUTCOME: ClassVar[Outcome] = Outcome.DONE

    subject_id: str
    at: datetime
    jurisdiction_code: str = ""
    actor: ActorRef = SYSTEM
    data: Mapping[str, object] | None = None

    @property
    def action(self) -> str:
        """The word of the audit record, such as `incident.claimed`."""
        return self.ACTION

    @property
    def subject_kind(self) -> str:
        """What kind of thing it happened to, such as `incident`."""
        return self.SUBJECT

    def detail(self) -> dict[str, object]:
        """Return what is particular to this fact, ready for JSON; empty values are left out."""
        kind = type(self)
        names = _NAMES.get(kind)
        if names is None:
            names = _NAMES[kind] = tuple(field.name for field in fields(kind) if field.name not in _BASE)
        return {
            name: value if type(value) in _PLAIN else _plain(value)
            for name in names
            if (value := getattr(self, name)) not in ("", None, ())
        }

    def audit(self) -> AuditEntry | None:
        """Return the audit entry; None when the change is part of another act that is audited."""
        if not self.IS_AUDITED:
            return None
        return AuditEntry(
            self.at,
            self.actor.kind,
            self.actor.id,
            self.action,
            self.subject_kind,
            self.subject_id,
            self.jurisdiction_code,
            self.OUTCOME,
            self.detail(),
        )

    def feed(self) -> Sequence[FeedEntry]:
        """Return what the consoles hear."""
        if not self.FEED_TYPE or self.data is None:
            return ()
        return (
            FeedEntry(
                self.at, self.FEED_TYPE, self.subject_id, self.jurisdiction_code, self.data, self.FEED_PERMISSION.value
            ),
        )


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it."""
    if isinstance(value, datetime):
        return iso(value)
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Fact):
    """Somebody asked for `asked` on a `kind` and was told no by `rule`; the audit keeps it like a deed."""

    OUTCOME: ClassVar[Outcome] = Outcome.REFUSED

    asked: str
    kind: str
    rule: str
    purpose: str = ""
    channels: tuple[str, ...] = ()
    incident_id: str = ""

    @property
    def action(self) -> str:
        """The action that did not happen."""
        return self.asked

    @property
    def subject_kind(self) -> str:
        """What it would have happened to."""
        return self.kind


# --- signals and alarms -----------------------------------------------------------------------------------------------


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


# --- incidents --------------------------------------------------------------------------------------------------------


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


# --- units, plans, views ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAdded(Fact):
    """A unit was entered."""

    ACTION: ClassVar[str] = "unit.added"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"

    call_sign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChanged(Fact):
    """A unit changed state; `source` says who told us."""

    ACTION: ClassVar[str] = "unit.changed"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"

    state: str
    previous: str
    reason: str = ""
    source: str = ""
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMoved(Fact):
    """A unit's position changed (the position itself is not an audit matter)."""

    ACTION: ClassVar[str] = "unit.moved"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSaved(Fact):
    """A response plan got a new version."""

    ACTION: ClassVar[str] = "plan.saved"
    SUBJECT: ClassVar[str] = "plan"

    version_no: int
    step_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOpened(Fact):
    """Somebody was given a view of channels, for a purpose, until a time."""

    ACTION: ClassVar[str] = "view.opened"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""
    recordings_from: datetime | None = None
    recordings_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOpened(Fact):
    """Somebody began to play a recorded period of a camera under a view."""

    ACTION: ClassVar[str] = "recording.opened"
    SUBJECT: ClassVar[str] = "channel"

    view_id: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSaved(Fact):
    """A layout of the video wall was saved or changed."""

    ACTION: ClassVar[str] = "layout.saved"
    SUBJECT: ClassVar[str] = "layout"

    tiles: int
    channels: tuple[str, ...]
    is_shared: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutRemoved(Fact):
    """A layout of the video wall was deleted."""

    ACTION: ClassVar[str] = "layout.removed"
    SUBJECT: ClassVar[str] = "layout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewExtended(Fact):
    """Channels were added to an open view, under its purpose and until its end."""

    ACTION: ClassVar[str] = "view.extended"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRenewed(Fact):
    """The holder of a view stated that he goes on looking, until a new time."""

    ACTION: ClassVar[str] = "view.renewed"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStreamsChosen(Fact):
    """The holder of a view asked for other streams of its channels; `streams` are `<channel>:main|sub`."""

    ACTION: ClassVar[str] = "view.streams"
    SUBJECT: ClassVar[str] = "view"

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadStarted(Fact):
    """Somebody asked a device for a recorded period as a file."""

    ACTION: ClassVar[str] = "download.started"
    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    view_id: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    format: str
    speed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadEnded(Fact):
    """A download came to its end: finished, partial, failed, cancelled; its file was handed over or deleted."""

    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    state: str
    reason: str = ""
    size_bytes: int = 0
    sha256: str = ""

    @property
    def action(self) -> str:
        """The word of how it ended."""
        return f"download.{self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadTaken(Fact):
    """Somebody begins to take the file of a download out of the house."""

    ACTION: ClassVar[str] = "download.taken"
    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    view_id: str
    purpose: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEnded(Fact):
    """A view ended: by its holder, its time, a claim, a closing or a withdrawal."""

    ACTION: ClassVar[str] = "view.ended"
    SUBJECT: ClassVar[str] = "view"
    FEED_TYPE: ClassVar[str] = "view.ended"

    reason: str
    user_id: str
    channels: tuple[str, ...] = ()
    incident_id: str = ""


# --- moving cameras ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFact(Fact):
    """Anything about who moves a camera; consoles that may look hear of it."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "control.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTaken(ControlFact):
    """Somebody took control of a camera, from somebody else when `taken_from` names one."""

    ACTION: ClassVar[str] = "control.taken"

    control_id: str
    view_id: str
    purpose: str
    incident_id: str = ""
    taken_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEnded(ControlFact):
    """Control of a camera ended; single movements are summed here and recorded nowhere else."""

    ACTION: ClassVar[str] = "control.ended"

    control_id: str
    user_id: str
    reason: str
    purpose: str
    incident_id: str = ""
    moves: int = 0
    moved_ms: int = 0
    presets_called: int = 0
    other_acts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRebooted(ControlFact):
    """A supervisor ordered a camera to start again."""

    ACTION: ClassVar[str] = "control.rebooted"

    control_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeSet(ControlFact):
    """The preset a camera returns to by itself was chosen; number 0: it stays where it is."""

    ACTION: ClassVar[str] = "control.home_set"

    number: int
    after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFact(ControlFact):
    """Anything that changes a preset."""

    number: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetSaved(PresetFact):
    """Where a camera looked was kept as a preset, or the camera's own was taken into the list."""

    ACTION: ClassVar[str] = "preset.saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRenamed(PresetFact):
    """A preset got other names."""

    ACTION: ClassVar[str] = "preset.renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetDeleted(PresetFact):
    """A preset was deleted."""

    ACTION: ClassVar[str] = "preset.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRestored(PresetFact):
    """The deletion of a preset was undone."""

    ACTION: ClassVar[str] = "preset.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFact(Fact):
    """Anything about who speaks through a camera; consoles that may look hear of it. What was said is not kept."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "speech.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE

    speech_id: str
    purpose: str
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(SpeechFact):
    """Somebody is about to speak through a camera."""

    ACTION: ClassVar[str] = "speech.started"

    view_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(SpeechFact):
    """A voice line ended, or was not opened at all: `reason` says which."""

    ACTION: ClassVar[str] = "speech.ended"

    user_id: str
    reason: str
    lasted_ms: int = 0


# --- the registry: jurisdictions, places, devices, zones, channels, users ---------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFact(Fact):
    """A person changed the registry; `changed` names the fields, values of personal fields are not kept."""

    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JurisdictionAdded(RegistryFact):
    """A node of the tree was made."""

    ACTION: ClassVar[str] = "jurisdiction.added"
    SUBJECT: ClassVar[str] = "jurisdiction"

    parent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JurisdictionChanged(RegistryFact):
    """A node of the tree was changed."""

    ACTION: ClassVar[str] = "jurisdiction.changed"
    SUBJECT: ClassVar[str] = "jurisdiction"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAdded(RegistryFact):
    """A place was entered."""

    ACTION: ClassVar[str] = "place.added"
    SUBJECT: ClassVar[str] = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChanged(RegistryFact):
    """A place was changed."""

    ACTION: ClassVar[str] = "place.changed"
    SUBJECT: ClassVar[str] = "place"

    moved_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRetired(RegistryFact):
    """A place was retired; what is known of it stays."""

    ACTION: ClassVar[str] = "place.retired"
    SUBJECT: ClassVar[str] = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact(RegistryFact):
    """Anything that changes a device."""

    SUBJECT: ClassVar[str] = "device"
    FEED_TYPE: ClassVar[str] = "device.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded(DeviceFact):
    """A device was entered."""

    ACTION: ClassVar[str] = "device.added"

    kind: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanged(DeviceFact):
    """A device was changed; where and how it is reached is kept in words."""

    ACTION: ClassVar[str] = "device.changed"

    account: str = ""
    gb_id: str = ""
    place_id: str = ""
    jurisdiction_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRetired(DeviceFact):
    """A device was retired: it is no longer known to the receivers."""

    ACTION: ClassVar[str] = "device.retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSecretSet(DeviceFact):
    """A key or password was set or removed; `keeps_previous` while a key rolls over. Never the secret itself."""

    ACTION: ClassVar[str] = "device.secret_set"

    keeps_previous: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKeyConfirmed(DeviceFact):
    """A device has used its new key; the previous one is no longer taken."""

    ACTION: ClassVar[str] = "device.key_confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAsked(Fact):
    """Somebody asked a device to arm (`set_guard`) or disarm (`reset_guard`); recorded before anything is sent."""

    ACTION: ClassVar[str] = "device.guard_asked"
    SUBJECT: ClassVar[str] = "device"

    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAnswered(Fact):
    """What came of arming or disarming: done, unconfirmed, refused, unreachable or not_connected."""

    ACTION: ClassVar[str] = "device.guard_answered"
    SUBJECT: ClassVar[str] = "device"

    command: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileForgotten(DeviceFact):
    """Somebody had what was learned of a device forgotten, so that it is learned again."""

    ACTION: ClassVar[str] = "device.profile_forgotten"

    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesImported(Fact):
    """A matrix of makers and models was taken in as first guesses."""

    ACTION: ClassVar[str] = "profiles.imported"
    SUBJECT: ClassVar[str] = "profiles"

    rows: int
    guesses: int
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBegun(Fact):
    """The lines of a file begin to be entered; each object changed has a record of its own."""

    ACTION: ClassVar[str] = "import.begun"
    SUBJECT: ClassVar[str] = "import"

    lists: str
    file: str
    create: int
    change: int
    same: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEnded(Fact):
    """An import has ended. `outcome` is done, cancelled, failed or stopped (the server ended)."""

    ACTION: ClassVar[str] = "import.ended"
    SUBJECT: ClassVar[str] = "import"

    outcome: str
    created: int
    changed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUndoBegun(Fact):
    """An import begins to be taken back; each object has a record of its own."""

    ACTION: ClassVar[str] = "import.undo_begun"
    SUBJECT: ClassVar[str] = "import"

    file: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUndone(Fact):
    """An import was taken back, but for `left` lines. `outcome` is done, failed or stopped (the server ended)."""

    ACTION: ClassVar[str] = "import.undone"
    SUBJECT: ClassVar[str] = "import"

    file: str
    outcome: str
    taken_back: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAsked(Fact):
    """Somebody sets a device; recorded before anything is sent. `changes` has what stood there and what shall."""

    ACTION: ClassVar[str] = "device.config_asked"
    SUBJECT: ClassVar[str] = "device"

    config_type: str
    fields_set: tuple[str, ...] = ()
    channel_id: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAnswered(Fact):
    """What came of setting a device: done, unconfirmed, refused, unreachable or not_connected."""

    ACTION: ClassVar[str] = "device.config_answered"
    SUBJECT: ClassVar[str] = "device"

    config_type: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStateChanged(DeviceFact):
    """A device is heard again, or no longer (nobody's act)."""

    ACTION: ClassVar[str] = "device.state_changed"
    IS_AUDITED: ClassVar[bool] = False

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOpened(DeviceFact):
    """Something is wrong with a device."""

    ACTION: ClassVar[str] = "device.fault_opened"
    IS_AUDITED: ClassVar[bool] = False

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultClosed(DeviceFact):
    """A fault is over."""

    ACTION: ClassVar[str] = "device.fault_closed"
    IS_AUDITED: ClassVar[bool] = False

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAdded(DeviceFact):
    """A zone was entered."""

    ACTION: ClassVar[str] = "zone.added"

    zone_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTried(DeviceFact):
    """Somebody had a camera called again, its password counting as new."""

    ACTION: ClassVar[str] = "device.tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSearched(Fact):
    """Somebody had the local net searched for cameras."""

    ACTION: ClassVar[str] = "net.searched"
    SUBJECT: ClassVar[str] = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRemoved(DeviceFact):
    """A zone was removed: the import that entered it was taken back."""

    ACTION: ClassVar[str] = "zone.removed"

    zone_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneChanged(DeviceFact):
    """A zone was changed."""

    ACTION: ClassVar[str] = "zone.changed"

    zone_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLinked(DeviceFact):
    """The cameras that show a zone were set, first the one shown first."""

    ACTION: ClassVar[str] = "zone.linked"

    zone_id: str
    cameras: tuple[str, ...]
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFact(RegistryFact):
    """Anything that changes a channel."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "camera.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDiscovered(ChannelFact):
    """A device's catalogue named a channel for the first time."""

    ACTION: ClassVar[str] = "channel.discovered"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged(ChannelFact):
    """A person changed a channel."""

    ACTION: ClassVar[str] = "channel.changed"

    place_id: str = ""
    moved_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRestored(ChannelFact):
    """A change of many channels was taken back: this one is as it was before."""

    ACTION: ClassVar[str] = "channel.restored"

    stage: str
    stage_before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraGroupSaved(Fact):
    """A group of cameras was made, renamed or hung elsewhere."""

    ACTION: ClassVar[str] = "camera_group.saved"
    SUBJECT: ClassVar[str] = "camera_group"

    parent_id: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraGroupRemoved(Fact):
    """A group of cameras was dissolved; its cameras stay."""

    ACTION: ClassVar[str] = "camera_group.removed"
    SUBJECT: ClassVar[str] = "camera_group"

    cameras: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCommissioned(ChannelFact):
    """A channel went into service: somebody answers for it, it has a place and a purpose."""

    ACTION: ClassVar[str] = "channel.commissioned"

    place_id: str
    by_defaults: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRetired(ChannelFact):
    """A channel was taken out of service for good."""

    ACTION: ClassVar[str] = "channel.retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReported(ChannelFact):
    """A catalogue or a device's state changed what is known of a channel (nobody's act)."""

    ACTION: ClassVar[str] = "channel.reported"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChecked(ChannelFact):
    """A camera is about to be asked for its picture for its figures' sake; it is shown to nobody."""

    ACTION: ClassVar[str] = "channel.checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGone(ChannelFact):
    """A complete catalogue no longer names a channel."""

    ACTION: ClassVar[str] = "channel.gone"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReturned(ChannelFact):
    """A catalogue names a gone channel again."""

    ACTION: ClassVar[str] = "channel.returned"

    device_id: str


# --- people -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAdded(Fact):
    """A user was entered."""

    ACTION: ClassVar[str] = "user.added"
    SUBJECT: ClassVar[str] = "user"

    roles: tuple[str, ...]
    jurisdiction_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged(Fact):
    """A user was changed; roles and jurisdictions are kept when they are what changed."""

    ACTION: ClassVar[str] = "user.changed"
    SUBJECT: ClassVar[str] = "user"

    changed: tuple[str, ...]
    roles: tuple[str, ...] = ()
    roles_before: tuple[str, ...] = ()
    jurisdiction_ids: tuple[str, ...] = ()
    jurisdiction_ids_before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDisabled(Fact):
    """A user may no longer sign in; the sessions ended with it."""

    ACTION: ClassVar[str] = "user.disabled"
    SUBJECT: ClassVar[str] = "user"

    ended_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEnabled(Fact):
    """A disabled user may sign in again."""

    ACTION: ClassVar[str] = "user.enabled"
    SUBJECT: ClassVar[str] = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(Fact):
    """A user's password was set; other sessions ended."""

    ACTION: ClassVar[str] = "user.password_set"
    SUBJECT: ClassVar[str] = "user"

    ended_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Fact):
    """Somebody signed in."""

    ACTION: ClassVar[str] = "session.signed_in"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    seat: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(Fact):
    """A sign-in failed: wrong password, unknown, disabled or locked. What was typed is not kept."""

    ACTION: ClassVar[str] = "session.signed_in"
    SUBJECT: ClassVar[str] = "user"
    OUTCOME: ClassVar[Outcome] = Outcome.REFUSED

    reason: str
    seat: str = ""
    peer: str = ""
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Fact):
    """A session ended: by its user, its time, or because it was withdrawn."""

    ACTION: ClassVar[str] = "session.signed_out"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(Fact):
    """A bearer token was made for a user."""

    ACTION: ClassVar[str] = "session.token_made"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChanged(Fact):
    """Somebody went on or off duty."""

    ACTION: ClassVar[str] = "session.duty_changed"
    SUBJECT: ClassVar[str] = "user"

    session_id: str
    on_duty: bool


# --- the house itself -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRaised(Fact):
    """The control room must know something about the system itself."""

    ACTION: ClassVar[str] = "notice.raised"
    SUBJECT: ClassVar[str] = "notice"
    FEED_TYPE: ClassVar[str] = "notice.raised"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    key: str
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCleared(Fact):
    """A notice is over."""

    ACTION: ClassVar[str] = "notice.cleared"
    SUBJECT: ClassVar[str] = "notice"
    FEED_TYPE: ClassVar[str] = "notice.cleared"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    key: str
