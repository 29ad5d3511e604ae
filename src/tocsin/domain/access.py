"""Who may do what, to what, for which purpose, now: pure rules, one table of roles.

`decide` answers for one resource, `scope` for a list; `storage/scope.py` turns a `Scope` into SQL. They agree by test.
A denial always wins, and what nobody granted is denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Permission(StrEnum):
    """What a role may do; routes and use cases name one of these."""

    HANDLE_INCIDENT = "handle_incident"
    SUPERVISE_INCIDENT = "supervise_incident"
    VIEW_LIVE = "view_live"
    VIEW_LIVE_OTHER_PURPOSE = "view_live_other_purpose"
    CONTROL_CAMERA = "control_camera"
    SPEAK_TO_CAMERA = "speak_to_camera"
    MANAGE_REGISTRY = "manage_registry"
    MANAGE_USERS = "manage_users"
    MANAGE_PLANS = "manage_plans"
    READ_AUDIT = "read_audit"
    READ_REGISTRY = "read_registry"
    READ_INCIDENTS = "read_incidents"
    MANAGE_SETTINGS = "manage_settings"
    COMMISSION_CAMERA = "commission_camera"
    SET_UNIT = "set_unit"
    ARM_DEVICE = "arm_device"
    SHARE_CAMERAS = "share_cameras"
    STOP_SHARING = "stop_sharing"
    INVITE_TEST = "invite_test"
    OPEN_DOOR = "open_door"
    READ_CONTACTS = "read_contacts"
    MANAGE_CONTACTS = "manage_contacts"
    NOTE_ACCOUNT = "note_account"


class Role(StrEnum):
    """What a user is to the house."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    INSTALLER = "installer"
    AUDITOR = "auditor"


class Purpose(StrEnum):
    """Why somebody may look: a closed list, shipped with the release."""

    ALARM_VERIFICATION = "alarm_verification"
    PATROL = "patrol"
    MAINTENANCE = "maintenance"
    DRILL = "drill"
    DOOR_CALL = "door_call"


_OPERATOR = frozenset(
    {
        Permission.HANDLE_INCIDENT,
        Permission.VIEW_LIVE,
        Permission.VIEW_LIVE_OTHER_PURPOSE,
        Permission.CONTROL_CAMERA,
        Permission.SPEAK_TO_CAMERA,
        Permission.READ_REGISTRY,
        Permission.READ_INCIDENTS,
        Permission.SET_UNIT,
        Permission.INVITE_TEST,
        Permission.OPEN_DOOR,
        Permission.READ_CONTACTS,
        Permission.NOTE_ACCOUNT,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OPERATOR: _OPERATOR,
    Role.SUPERVISOR: _OPERATOR
    | {
        Permission.SUPERVISE_INCIDENT,
        Permission.MANAGE_PLANS,
        Permission.ARM_DEVICE,
        Permission.STOP_SHARING,
        Permission.MANAGE_CONTACTS,
    },
    # No picture: who runs the house does not look through it.
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.MANAGE_REGISTRY,
            Permission.READ_REGISTRY,
            Permission.MANAGE_USERS,
            Permission.MANAGE_SETTINGS,
            Permission.COMMISSION_CAMERA,
            Permission.SHARE_CAMERAS,
            Permission.STOP_SHARING,
            Permission.INVITE_TEST,
            Permission.READ_CONTACTS,
            Permission.MANAGE_CONTACTS,
            Permission.NOTE_ACCOUNT,
        }
    ),
    Role.INSTALLER: frozenset(
        {
            Permission.MANAGE_REGISTRY,
            Permission.READ_REGISTRY,
            Permission.VIEW_LIVE,
            Permission.ARM_DEVICE,
            Permission.NOTE_ACCOUNT,
        }
    ),
    Role.AUDITOR: frozenset({Permission.READ_AUDIT, Permission.READ_INCIDENTS, Permission.READ_REGISTRY}),
}

ROLE_PURPOSES: Mapping[Role, frozenset[Purpose]] = {
    Role.OPERATOR: frozenset(Purpose),
    Role.SUPERVISOR: frozenset(Purpose),
    Role.ADMINISTRATOR: frozenset(),
    Role.INSTALLER: frozenset({Purpose.MAINTENANCE}),
    Role.AUDITOR: frozenset(),
}

PURPOSE_LIMIT_MIN: Mapping[Purpose, int] = {
    Purpose.ALARM_VERIFICATION: 60,
    Purpose.PATROL: 30,
    Purpose.MAINTENANCE: 30,
    Purpose.DRILL: 60,
    Purpose.DOOR_CALL: 15,
}


class Rule(StrEnum):
    """The rule that decided; a refusal names it to the user and to the audit."""

    ALLOWED = "allowed"
    NO_PERMISSION = "no_permission"
    OUT_OF_SCOPE = "out_of_scope"
    ACCOUNT_DISABLED = "account_disabled"
    PURPOSE_MISSING = "purpose_missing"
    PURPOSE_NOT_PERMITTED = "purpose_not_permitted"
    MINUTES_OVER_LIMIT = "minutes_over_limit"
    CHANNEL_NOT_IN_SERVICE = "channel_not_in_service"
    INCIDENT_MISSING = "incident_missing"
    INCIDENT_NOT_OPEN = "incident_not_open"
    CHANNEL_NOT_LINKED = "channel_not_linked"
    CLAIMED_BY_OTHER = "claimed_by_other"
    OFF_DUTY = "off_duty"
    NO_VIEW = "no_view"
    CALL_MISSING = "call_missing"
    CALL_OVER = "call_over"


@dataclass(frozen=True, slots=True)
class ActorRef:
    """Who did it, as the audit keeps it: ids, never names."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks: a user with roles in jurisdictions.

    `jurisdiction_codes` are division codes; each covers itself and all below it.
    `granted_ids` are single objects lent to the actor outside those codes.
    """

    id: str
    name: str
    roles: frozenset[Role] = frozenset()
    jurisdiction_codes: tuple[str, ...] = ()
    granted_ids: frozenset[str] = frozenset()
    is_on_duty: bool = False
    is_disabled: bool = False
    seat: str = ""
    kind: str = "user"

    @property
    def ref(self) -> ActorRef:
        """The actor as audit records name it."""
        return ActorRef(self.kind, self.id)

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything the actor's roles grant."""
        return frozenset().union(*(ROLE_PERMISSIONS[role] for role in self.roles))

    def may(self, permission: Permission) -> bool:
        """Say whether one of the actor's roles grants `permission`."""
        return not self.is_disabled and any(permission in ROLE_PERMISSIONS[role] for role in self.roles)


SYSTEM = ActorRef("system", "tocsin")


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for. An empty code is the house's own: an unknown account's signal, a system fault."""

    kind: str
    id: str
    jurisdiction_code: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class IncidentAccess:
    """What the view rules need to know of an incident."""

    id: str
    jurisdiction_code: str
    is_open: bool
    owner_id: str | None
    channel_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class CallAccess:
    """What the view rules need to know of a door call; `own_picture` is the channel of the picture it brings itself."""

    id: str
    jurisdiction_code: str
    is_live: bool
    answered_by: str | None
    channel_ids: frozenset[str]
    own_picture: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The stated purpose of a view, its length, and the incident or door call it serves."""

    purpose: str
    minutes: float = 0.0
    incident: IncidentAccess | None = None
    call: CallAccess | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and by which rule."""

    allowed: bool
    rule: Rule


@dataclass(frozen=True, slots=True)
class Scope:
    """What a list may show: division codes (a child's begins with its parent's), single ids, the house's own rows."""

    prefixes: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    includes_house: bool = False

    @property
    def is_empty(self) -> bool:
        """True when nothing at all is covered."""
        return not self.prefixes and not self.ids and not self.includes_house

    def covers(self, jurisdiction_code: str, object_id: str = "") -> bool:
        """Say whether a row of that code and id may be shown."""
        if jurisdiction_code:
            return jurisdiction_code.startswith(self.prefixes) or object_id in self.ids
        return self.includes_house or object_id in self.ids


NOTHING = Scope()
_ALLOWED = Decision(True, Rule.ALLOWED)


def scope(actor: Actor, action: Permission) -> Scope:
    """Return what `actor` may see or touch with `action`."""
    if not actor.may(action):
        return NOTHING
    prefixes = {code for code in actor.jurisdiction_codes if code}
    narrow = tuple(sorted(p for p in prefixes if not any(p != q and p.startswith(q) for q in prefixes)))
    return Scope(narrow, actor.granted_ids, includes_house=bool(narrow))


def decide(
    actor: Actor, action: Permission, resource: Resource, ticket: Ticket | None = None, now: datetime | None = None
) -> Decision:
    """Decide one request; for live pictures a `ticket` must state the purpose.

    `now` bounds nothing today but is part of the shape: leases and duty are evaluated by the caller at that moment.
    """
    if actor.is_disabled:
        return Decision(False, Rule.ACCOUNT_DISABLED)
    if not actor.may(action):
        return Decision(False, Rule.NO_PERMISSION)
    if action is Permission.VIEW_LIVE:
        return _decide_view(actor, resource, ticket)
    if not scope(actor, action).covers(resource.jurisdiction_code, resource.id):
        return Decision(False, Rule.OUT_OF_SCOPE)
    return _ALLOWED


def _decide_view(actor: Actor, resource: Resource, ticket: Ticket | None) -> Decision:
    """Apply the rules of looking: purpose, minutes, stage of the channel, then the incident or the jurisdiction."""
    covered = scope(actor, Permission.VIEW_LIVE).covers(resource.jurisdiction_code, resource.id)
    linked = _is_linked(actor, resource, ticket)
    if not covered and not linked:
        return Decision(False, Rule.OUT_OF_SCOPE)
    if ticket is None or ticket.purpose not in {p.value for p in Purpose}:
        return Decision(False, Rule.PURPOSE_MISSING)
    purpose = Purpose(ticket.purpose)
    if not any(purpose in ROLE_PURPOSES[role] for role in actor.roles):
        return Decision(False, Rule.PURPOSE_NOT_PERMITTED)
    if not 0 < ticket.minutes <= PURPOSE_LIMIT_MIN[purpose]:
        return Decision(False, Rule.MINUTES_OVER_LIMIT)
    if resource.stage != "in_service":
        return Decision(False, Rule.CHANNEL_NOT_IN_SERVICE)
    if purpose is Purpose.ALARM_VERIFICATION:
        return _decide_verification(actor, resource, ticket.incident)
    if purpose is Purpose.DOOR_CALL:
        return _decide_door_call(actor, resource, ticket.call)
    if not covered:
        return Decision(False, Rule.OUT_OF_SCOPE)
    if not _may_other_purpose(actor, purpose):
        return Decision(False, Rule.PURPOSE_NOT_PERMITTED)
    return _ALLOWED


def _is_linked(actor: Actor, resource: Resource, ticket: Ticket | None) -> bool:
    """Say whether the channel belongs to an open incident or call that the actor handles, wherever it stands."""
    served = None if ticket is None else ticket.incident or ticket.call
    if served is None or resource.id not in served.channel_ids:
        return False
    return scope(actor, Permission.HANDLE_INCIDENT).covers(served.jurisdiction_code, served.id)


def _may_other_purpose(actor: Actor, purpose: Purpose) -> bool:
    """An installer's own purpose needs no further grant; all else does."""
    if actor.may(Permission.VIEW_LIVE_OTHER_PURPOSE):
        return True
    return purpose is Purpose.MAINTENANCE and Role.INSTALLER in actor.roles


def _decide_verification(actor: Actor, resource: Resource, incident: IncidentAccess | None) -> Decision:
    """An open incident shows its linked channels to all on duty until a claim, then to claimant and supervisors."""
    if incident is None:
        return Decision(False, Rule.INCIDENT_MISSING)
    if not scope(actor, Permission.HANDLE_INCIDENT).covers(incident.jurisdiction_code, incident.id):
        return Decision(False, Rule.OUT_OF_SCOPE)
    if not incident.is_open:
        return Decision(False, Rule.INCIDENT_NOT_OPEN)
    if resource.id not in incident.channel_ids:
        return Decision(False, Rule.CHANNEL_NOT_LINKED)
    if is_supervisor_of(actor, incident.jurisdiction_code, incident.id) or incident.owner_id == actor.id:
        return _ALLOWED
    if incident.owner_id is not None:
        return Decision(False, Rule.CLAIMED_BY_OTHER)
    return _ALLOWED if actor.is_on_duty else Decision(False, Rule.OFF_DUTY)


def _decide_door_call(actor: Actor, resource: Resource, call: CallAccess | None) -> Decision:
    """A call shows its door to all on duty while it rings, then to who answered and supervisors, until it ends."""
    if call is None:
        return Decision(False, Rule.CALL_MISSING)
    if not scope(actor, Permission.HANDLE_INCIDENT).covers(call.jurisdiction_code, call.id):
        return Decision(False, Rule.OUT_OF_SCOPE)
    if not call.is_live:
        return Decision(False, Rule.CALL_OVER)
    if resource.id not in call.channel_ids:
        return Decision(False, Rule.CHANNEL_NOT_LINKED)
    if is_supervisor_of(actor, call.jurisdiction_code, call.id) or call.answered_by == actor.id:
        return _ALLOWED
    if call.answered_by is not None:
        return Decision(False, Rule.CLAIMED_BY_OTHER)
    return _ALLOWED if actor.is_on_duty else Decision(False, Rule.OFF_DUTY)


def is_supervisor_of(actor: Actor, jurisdiction_code: str, object_id: str = "") -> bool:
    """Say whether `actor` supervises incidents of that jurisdiction."""
    return scope(actor, Permission.SUPERVISE_INCIDENT).covers(jurisdiction_code, object_id)
