"""The objects of the interface as OpenAPI describes them: the registry, and how what is in it is doing.

A test compares the domain's forms with them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tocsin.web.api.shapes import EXAMPLE_ID, Id, Out, Time


class Defaults(Out):
    """What cameras get when they are commissioned in bulk."""

    owner: str
    purpose: str


class Jurisdiction(Out):
    """A node of the tree city, county, township."""

    id: Id = Field(examples=[EXAMPLE_ID])
    code: str = Field(examples=["340223"])
    name: str = Field(examples=["河湾县"])
    name_en: str = Field(examples=["Hewan county"])
    level: Literal["city", "county", "township"]
    parent_id: Id | None
    defaults: Defaults
    version: int


class Contact(Out):
    """Whom to call. In a place each digit of `phone` but the last two is a `•`: it is read whole by
    `POST /places/{id}/contacts/open`, on record.
    """

    name: str
    role: str
    phone: str = Field(examples=["•••••••••78"])


class Place(Out):
    """An address with a position (degrees, WGS-84), an owner and a class."""

    id: Id = Field(examples=[EXAMPLE_ID])
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

    id: Id = Field(examples=[EXAMPLE_ID])
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
    network: str
    feeder: str
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


class DevicePath(Out):
    """A way a device reports by; `entered` is false for one the device has named itself."""

    name: str = Field(examples=["LAN"])
    by: Literal["number", "receiver", "line", "address", "transport"]
    value: str = Field(examples=["10.8.0.0/16"])
    interval_s: float | None
    entered: bool
    state: Literal["never", "ok", "failed"]
    since: Time | None
    last_seen_at: Time | None


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

    id: Id = Field(examples=[EXAMPLE_ID])
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
