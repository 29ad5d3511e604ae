"""The objects of the interface as OpenAPI describes them. A test compares the domain's forms with them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tocsin.web.api.shapes import Out

Id = str
Time = str

_TIME = "2026-11-22T02:14:07.000000Z"
_ID = "019aa9c5-3f10-7aaa-8bbb-0242ac120002"


class JurisdictionRef(Out):
    """A jurisdiction as a session names it."""

    id: Id
    name: str
    name_en: str
    code: str


class SessionUser(Out):
    """Who is signed in."""

    id: Id
    username: str
    name: str
    roles: list[str]
    jurisdictions: list[JurisdictionRef]
    permissions: list[str]
    language: str
    seat: str


class Session(Out):
    """The caller's session. `csrf` goes into `X-CSRF-Token` on writes."""

    user: SessionUser
    csrf: str
    expires_at: Time = Field(examples=[_TIME])
    on_duty: bool


class Defaults(Out):
    """What cameras get when they are commissioned in bulk."""

    owner: str
    purpose: str


class SessionRow(Out):
    """A session or token of a user; the token itself is known to its holder alone."""

    id: Id
    kind: Literal["cookie", "token"]
    seat: str
    label: str
    on_duty: bool
    made_at: Time
    expires_at: Time
    ended_at: Time | None


class Jurisdiction(Out):
    """A node of the tree city, county, township."""

    id: Id = Field(examples=[_ID])
    code: str = Field(examples=["340223"])
    name: str = Field(examples=["河湾县"])
    name_en: str = Field(examples=["Hewan county"])
    level: Literal["city", "county", "township"]
    parent_id: Id | None
    defaults: Defaults
    version: int


class Contact(Out):
    """Whom to call."""

    name: str
    role: str
    phone: str


class Place(Out):
    """An address with a position (degrees, WGS-84), an owner and a class."""

    id: Id = Field(examples=[_ID])
    jurisdiction_id: Id
    name: str = Field(examples=["河湾第一小学"])
    name_en: str = Field(examples=["Hewan First Primary School"])
    place_class: str = Field(alias="class", examples=["school"])
    address: str
    owner: str
    lon: float | None
    lat: float | None
    contacts: list[Contact]
    notes: str
    version: int
    retired: bool


class Fault(Out):
    """What is wrong with a device, in the caller's language."""

    key: str
    since: Time
    words: str


class Device(Out):
    """A panel, camera, platform or sensor."""

    id: Id = Field(examples=[_ID])
    kind: str = Field(examples=["panel"])
    name: str
    name_en: str
    place_id: Id | None
    jurisdiction_id: Id
    protocol: str = Field(examples=["dc09"])
    address: dict[str, str] = Field(examples=[{"account": "3411", "prefix": "", "receiver": ""}])
    transport: str
    maker: str
    model: str
    firmware: str
    line: str
    state: Literal["never", "online", "offline", "pending"]
    state_since: Time | None
    last_seen_at: Time | None
    peer: str
    keyed: bool
    poll_interval_s: float
    clock_offset_s: float
    faults: list[Fault]
    profile: dict[str, Any]
    version: int
    retired: bool


class Trait(Out):
    """One thing a device was found to need; `state` says how sure it is, `setting` what overrules it."""

    trait: str = Field(examples=["sdp_variant"])
    value: str = Field(examples=["wide"])
    words: str
    state: Literal["set", "proven", "guess"]
    at: Time | None
    evidence: str
    setting: str


class DeviceProfile(Out):
    """What is known of a device beyond what people entered."""

    device_id: Id
    version: int
    traits: list[Trait]


class Make(Out):
    """Devices of one maker, model and firmware: how many show which value of each trait."""

    maker: str
    model: str
    firmware: str
    devices: int
    traits: dict[str, dict[str, int]] = Field(examples=[{"sdp_variant": {"wide": 3}}])


class Entry(Out):
    """What is to be typed into a camera."""

    server_id: str
    realm: str
    host: str
    port: int
    udp: bool
    tcp: bool
    keepalive_s: int
    proposed_id: str


class MatrixTaken(Out):
    """What came of an imported matrix, counted."""

    rows: int
    guesses: int
    devices: int


class MediaTest(Out):
    """Whether a packet sent to the address announced to cameras arrives at a receiver of ours."""

    arrived: bool
    address: str
    transport: str
    words: str


class GuardAct(Out):
    """What came of arming or disarming a device."""

    device_id: Id
    armed: bool
    outcome: Literal["done", "unconfirmed"]


class Zone(Out):
    """An alarm point; `cameras` in the order they are shown."""

    id: Id
    device_id: Id
    number: str = Field(examples=["3"])
    name: str
    name_en: str
    kind: str
    place_id: Id | None
    cameras: list[Id]
    version: int


class AttemptStep(Out):
    """One step, in the caller's language; milliseconds since the start."""

    key: str
    state: Literal["ok", "failed", "skipped"]
    at_ms: int
    words: str
    params: dict[str, Any]


class Attempt(Out):
    """What was tried with a device and what became of it."""

    id: Id
    device_id: Id
    channel_id: Id | None
    kind: Literal["registration", "catalog", "play", "subscription", "control"]
    started_at: Time
    ended_at: Time | None
    outcome: Literal["ok", "failed", "running"]
    failure: str
    failure_words: str
    steps: list[AttemptStep]


class FoundCamera(Out):
    """A camera that answered on the local net: the address of its device service, and what it calls itself."""

    url: str
    name: str
    hardware: str


class PendingDevice(Out):
    """A device nobody has entered that tried to register."""

    gb_id: str = Field(examples=["34020000001320000001"])
    peer: str
    user_agent: str
    first_at: Time
    last_at: Time
    knocks: int


class Live(Out):
    """How the picture of a camera is doing; the counters are of packets since the stream began.

    `strangers` came from another sender and were dropped, `kernel_drops` found the worker too slow, `late` came after
    their turn, and `resyncs` times the beginning of a packet had to be searched for.
    """

    state: Literal["idle", "starting", "live", "stale", "failed"]
    reason: str
    words: str
    codec: str
    width: int
    height: int
    bitrate_bps: int
    viewers: int
    loss_share: float
    last_frame_at: Time | None
    converted: bool
    stream: Literal["main", "sub"]
    main_only: str
    strangers: int
    kernel_drops: int
    late: int
    resyncs: int


class Camera(Out):
    """A picture of a camera or recorder."""

    id: Id = Field(examples=[_ID])
    device_id: Id
    gb_id: str
    name: str
    name_en: str
    place_id: Id | None
    jurisdiction_id: Id
    lon: float | None
    lat: float | None
    bearing_deg: float | None
    fov_deg: float | None
    range_m: float | None
    owner: str
    purpose: str
    stage: Literal["discovered", "in_service", "retired"]
    missing: list[str]
    state: Literal["online", "offline"]
    tags: list[str]
    can_move: bool
    live: Live
    version: int


class CameraMeasures(Out):
    """What was last measured of a camera's picture; null: not known."""

    at: Time
    source: Literal["live", "check"]
    last_frame_at: Time | None
    bitrate_bps: int | None
    loss_share: float | None
    key_interval_ms: int | None
    codec: str
    width: int
    height: int


class CameraFault(Out):
    """What is wrong with a camera; opens once, closes by itself."""

    id: Id
    camera_id: Id
    key: str = Field(examples=["offline.device"])
    params: dict[str, Any]
    since: Time
    until: Time | None
    words: str


class CameraHealth(Out):
    """How a camera is doing; `online_share` of the last days, by their number."""

    state: Literal["unknown", "online", "offline"]
    because: str
    since: Time | None
    measures: CameraMeasures | None
    checked_at: Time | None
    clock_offset_s: float | None
    online_share: dict[str, float | None]
    faults: list[CameraFault]
    history: list[CameraFault]


class HealthGroup(Out):
    """The cameras in service of one maker, line or jurisdiction (its division code)."""

    key: str
    cameras: int
    online: int
    offline: int
    faulty: int
    online_share: float | None


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
    raw: str
    encrypted: bool
    copies: int
    quarantine: str
    quarantine_words: str
    flags: list[str]
    events: list[SignalEvent]
    alarm_ids: list[Id]
    state: Literal["processed", "unprocessed", "quarantined"]


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

    id: Id = Field(examples=[_ID])
    number: str = Field(examples=["HW-2611-0417"])
    jurisdiction_id: Id
    place: PlaceRef | None
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


class User(Out):
    """Somebody who works here."""

    id: Id
    username: str
    name: str
    roles: list[str]
    jurisdiction_ids: list[Id]
    disabled: bool
    last_seen_at: Time | None
    version: int


class AuditActor(Out):
    """Who did it; the name is looked up now and is not part of the chain."""

    kind: str
    id: str
    name: str


class Subject(Out):
    """What it was done to."""

    kind: str
    id: str


class AuditRecord(Out):
    """A link of the audit chain."""

    seq: int
    at: Time
    actor: AuditActor
    action: str
    subject: Subject
    outcome: Literal["done", "refused"]
    detail: dict[str, Any]
    hash: str
    prev_hash: str


class Name(Out):
    """What an id is called; `kind` says what it is."""

    kind: str
    name: str
    name_en: str


class AuditPage(Out):
    """A page of the audit, with the names of the ids its records mention."""

    items: list[AuditRecord]
    next: str | None = None
    names: dict[str, Name]


class AuditHead(Out):
    """The newest link."""

    seq: int
    hash: str
    at: Time | None


class AuditProblem(Out):
    """One thing that is wrong with the chain."""

    seq: int
    what: str


class AuditVerdict(Out):
    """What a check of the whole chain against the kept heads found."""

    holds: bool
    checked: int
    problems: list[AuditProblem]


class Period(Out):
    """A recorded period."""

    starts_at: Time
    ends_at: Time


class View(Out):
    """A permission to look; `live` is a one-use address for each channel, `streams` what it shows, `notes` why."""

    id: Id
    expires_at: Time
    purpose: str
    incident_id: Id | None
    channels: list[Id]
    recordings: Period | None
    live: dict[str, str]
    streams: dict[str, Literal["main", "sub"]]
    notes: dict[str, str]


class Counted(Out):
    """How many of how many."""

    online: int
    total: int


class StoreState(Out):
    """Whether the store takes work: `ok` or `failing`."""

    state: Literal["ok", "failing"]
    reason: str


class MediaState(Out):
    """Picture workers started and alive."""

    workers: int
    alive: int


class HeadRef(Out):
    """The newest audit record."""

    seq: int
    at: Time


class Notice(Out):
    """What the control room must know about the system itself."""

    key: str
    words: str
    since: Time
    severity: str


class Status(Out):
    """The house at a glance."""

    server_time: Time
    version: str
    panels: Counted
    cameras: Counted
    store: StoreState
    media: MediaState
    alarms_last_10_min: int
    audit_head: HeadRef | None
    notices: list[Notice]


class Role(Out):
    """What a role may do, and for which purposes it may look."""

    role: str
    permissions: list[str]
    purposes: list[str]


class Setting(Out):
    """A setting in force; secrets are masked."""

    name: str
    value: str
    default: str
    source: str
    description: str
    unit: str


class Word(Out):
    """A keyed word in both languages."""

    key: str
    zh: str
    en: str


class PurposeWord(Word):
    """Why somebody looks, and for how many minutes at most."""

    limit_min: int


class Vocabulary(Out):
    """The keyed lists people choose from."""

    false_causes: list[Word]
    dispositions: list[Word]
    park_reasons: list[Word]
    purposes: list[PurposeWord]
    unit_states: list[Word]


class FeatureCollection(Out):
    """The town as GeoJSON."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]
