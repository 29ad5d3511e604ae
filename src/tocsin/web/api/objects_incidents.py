"""The objects of the interface as OpenAPI describes them: signals, alarms, incidents, plans and units.

A test compares the domain's forms with them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tocsin.web.api.objects_registry import Camera
from tocsin.web.api.shapes import EXAMPLE_ID, Id, Out, Time


class SignalEvent(Out):
    """One event read from a signal."""

    code_system: str
    code: str = Field(examples=["BA"])
    kind: str
    category: str
    priority: int
    area: str
    zone: str
    user: str
    text: str
    label: str
    label_en: str
    label_zh: str


class Signal(Out):
    """What a device sent; `raw` is base64 of the frame with keys redacted."""

    id: Id
    protocol: str
    transport: str
    peer: str
    account: str
    device_id: Id | None
    token: str
    received_at: Time
    sent_at: Time | None
    committed_at: Time | None
    raw: str
    encrypted: bool
    copies: int
    quarantine: str
    quarantine_words: str
    flags: list[str]
    events: list[SignalEvent]
    alarm_ids: list[Id]
    state: Literal["processed", "unprocessed", "quarantined"]
    rules: list[dict[str, Any]] = Field([], description="what rules did to its events")


class Stamp(Out):
    """A moment of the dispatch reference with who or what said so."""

    at: Time
    source: str
    who: str


class Alarm(Out):
    """A signal that asks for a decision."""

    id: Id
    number: str = Field(examples=["A-2611-000417"])
    signal_id: Id
    device_id: Id | None
    zone_id: Id | None
    channel_id: Id | None
    place_id: Id | None
    jurisdiction_id: Id
    incident_id: Id | None
    kind: str
    code: str
    priority: int
    label: str
    label_en: str
    label_zh: str
    text: str
    state: Literal["open", "restored", "closed"]
    stamps: dict[str, Stamp]


class PlaceRef(Out):
    """A place as incidents name it."""

    id: Id
    name: str
    name_en: str
    address: str
    lon: float | None
    lat: float | None


class IncidentPoint(Out):
    """Where the terminal of an incident says it is, WGS-84; `fix_at` is of its newest position.

    Without a fix in its newest report (`has_fix`, `heard_at`) this is the last position known, or none.
    """

    device_id: Id
    lon: float | None
    lat: float | None
    fix_at: Time | None
    has_fix: bool
    heard_at: Time
    moving: bool
    speed_kmh: float
    heading_deg: int


class NearPlace(Out):
    """The place of the registry nearest to a point; the direction is from the place to the point."""

    id: Id
    name: str
    name_en: str
    address: str
    distance_m: float
    bearing_deg: float


class PlanRef(Out):
    """The plan of an incident, in the version it began with."""

    id: Id
    name: str
    name_en: str
    version_no: int


class Owner(Out):
    """Who has an incident in hand."""

    user_id: Id
    name: str


class Incident(Out):
    """The work: one or more alarms."""

    id: Id = Field(examples=[EXAMPLE_ID])
    number: str = Field(examples=["HW-2611-0417"])
    jurisdiction_id: Id
    place: PlaceRef | None
    point: IncidentPoint | None
    title: str
    title_en: str
    title_zh: str
    kind: str
    priority: int
    state: str
    owner: Owner | None
    lease_expires_at: Time | None
    verdict: Literal["none", "genuine", "false", "unsure"]
    cause: str
    disposition: str
    opened_at: Time
    last_alarm_at: Time
    alarm_count: int
    parked_until: Time | None
    park_reason: str
    plan: PlanRef | None
    next_deadline_at: Time | None
    stamps: dict[str, Stamp]
    version: int


class Account(Out):
    """A device whose alarms belong to an incident."""

    device_id: Id
    name: str
    account: str


class Step(Out):
    """A step of the plan as it stands."""

    n: int
    title: str
    title_en: str
    title_zh: str
    kind: str
    mandatory: bool
    applies: str
    state: Literal["waiting", "open", "done", "skipped", "not_applicable"]
    due_at: Time | None
    overdue: bool
    done_at: Time | None
    done_by: str | None
    note: str


class Assignment(Out):
    """A unit sent to an incident."""

    id: Id
    unit_id: Id
    unit_name: str
    state: Literal["sent", "delivered", "accepted", "en_route", "on_scene", "cleared", "recalled"]
    sent_at: Time


class Block(Out):
    """What keeps an incident from being closed."""

    key: str
    words: str


class Closing(Out):
    """Whether the incident may be closed."""

    ready: bool
    blocked_by: list[Block]


class IncidentFull(Incident):
    """An incident with everything that hangs on it."""

    alarms: list[Alarm]
    accounts: list[Account]
    channels: list[Camera]
    steps: list[Step]
    assignments: list[Assignment]
    notes: list[dict[str, Any]]
    history: list[dict[str, Any]]
    near: NearPlace | None
    closing: Closing


class Unit(Out):
    """A crew that can be sent; `near=` adds distance and bearing."""

    id: Id
    name: str
    call_sign: str
    kind: str
    crew: int
    jurisdiction_id: Id
    state: str
    lon: float | None
    lat: float | None
    fix_at: Time | None
    incident_id: Id | None
    version: int


class Plan(Out):
    """A response plan in its current version."""

    id: Id
    name: str
    name_en: str
    kind: str
    version_no: int
    active: bool
    steps: list[dict[str, Any]]
    dispositions: list[str]
    false_causes: list[str]
    version: int


class LostDevice(Out):
    """A device of an outage; `back_at` is null while it is away."""

    device_id: Id
    name: str
    name_en: str
    kind: str
    account: str
    jurisdiction_id: Id
    lost_at: Time
    back_at: Time | None


class Outage(Out):
    """Many devices that fell silent by one cause; `size` could be heard when it began. Items as the caller may see."""

    id: Id
    cause: Literal["receiver", "line", "network", "feeder", "town", "county"]
    value: str
    size: int
    opened_at: Time
    ended_at: Time | None
    lost: int
    back: int
    most: int = Field(description="how many were away at once at the worst")
    items: list[LostDevice]
    next: str | None
