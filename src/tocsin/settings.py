"""Settings: one typed model, read from defaults, a TOML file, `TOCSIN_<SECTION>__<KEY>` variables and the command line.

What operators tune by day (plans, thresholds, rosters) is data with an audit record and is not here.
An unknown name stops the start and the message names the nearest known one.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from tocsin.base.errors import ErrorCode, TocsinError

ENV_PREFIX = "TOCSIN_"
OTHER_VARIABLES = frozenset({"TOCSIN_CONFIG", "TOCSIN_DATA"})  # not settings: where to look
OTHER_PREFIXES = ("TOCSIN_FUZZ_", "TOCSIN_TEST_", "TOCSIN_BENCH_")  # belong to the test runners
MASK = "********"


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _transport(text: str) -> str:
    if text not in ("udp", "tcp_passive", "tcp_active"):
        raise ValueError("must be udp, tcp_passive or tcp_active")
    return text


Port = Annotated[int, Field(ge=0, le=65535)]
Network = Annotated[str, AfterValidator(_network)]
Transport = Annotated[str, AfterValidator(_transport)]


def _setting(default: Any, *, unit: str, description: str, **limits: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class ServerSettings(_Section):
    """The web server and the data folder."""

    data: Path = _setting(
        Path("tocsin-data"),
        description="Folder of everything that is kept: database, audit.heads, secret.key. "
        "A relative path starts at the folder the server is started in.",
        unit="path",
    )
    host: str = _setting(
        "127.0.0.1",
        description="Address the console and the API listen on. Loopback until you choose otherwise.",
        unit="address",
    )
    port: Port = _setting(8080, description="Port of the console and the API; 0 takes a free one.", unit="port")
    public_url: str = _setting(
        "",
        description="Address people type when a proxy stands in front, such as https://tocsin.example.org. "
        "With https the session cookie is marked Secure.",
        unit="URL",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        ("127.0.0.1", "localhost", "[::1]"),
        description="Host names a request may name, without port; anything else is refused. "
        "The host of public_url and the listening address are always allowed.",
        unit="names",
    )
    session_hours: float = _setting(12.0, gt=0, le=168, description="How long a sign-in lasts at most.", unit="hours")
    metrics_token: SecretStr = _setting(
        SecretStr(""),
        description="Bearer token that /metrics asks for when the caller is not on loopback; "
        "empty refuses every such caller.",
        unit="secret",
    )


class StorageSettings(_Section):
    """The database."""

    url: SecretStr = _setting(
        SecretStr(""),
        description="Database URL: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. "
        "Empty is tocsin.sqlite3 in the data folder.",
        unit="URL",
    )

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return url

    group_cap: int = _setting(
        2_000,
        ge=1,
        le=20_000,
        description="Most pieces of work committed together; waiting work is committed once the last commit has ended.",
        unit="items",
    )


class Dc09Settings(_Section):
    """Alarm panels over SIA DC-09."""

    host: str = _setting("127.0.0.1", description="Address panels connect to.", unit="address")
    port: Port = _setting(10500, description="Port for TCP and UDP alike; 0 takes a free one.", unit="port")
    tcp: bool = _setting(True, description="Listen on TCP.", unit="yes or no")
    udp: bool = _setting(True, description="Listen on UDP.", unit="yes or no")
    max_connections: int = _setting(
        20_000,
        ge=1,
        description="Most TCP connections at a time; more are closed.",
        unit="connections",
    )
    max_connections_per_address: int = _setting(
        8,
        ge=1,
        description="Most TCP connections from one address, exempt networks aside.",
        unit="connections",
    )
    exempt_networks: tuple[Network, ...] = _setting(
        ("127.0.0.0/8", "::1/128"),
        description="Networks without the limit per address: a carrier's NAT, a receiver in front.",
        unit="networks",
    )
    frame_timeout_s: float = _setting(
        10.0,
        gt=0,
        description="A frame must be complete within this time from its first byte.",
        unit="seconds",
    )
    idle_timeout_s: float = _setting(
        900.0,
        gt=0,
        description="A TCP connection without a byte for this time is closed.",
        unit="seconds",
    )
    max_waiting: int = _setting(
        4096,
        ge=1,
        description="Most signals waiting for their commit; reading stops there and the panels' own buffers fill.",
        unit="signals",
    )
    answers_duh: bool = _setting(
        False,
        description="Answer DUH to what cannot be understood; off by default: a panel may give a signal up on DUH.",
        unit="yes or no",
    )
    panel_utc_offset_hours: float = _setting(
        8.0,
        ge=-14,
        le=14,
        description="How far the wall clock of panels is ahead of UTC; times inside SIA blocks are local.",
        unit="hours",
    )


class SipSettings(_Section):
    """Cameras and platforms over GB/T 28181."""

    host: str = _setting("127.0.0.1", description="Address devices register at.", unit="address")
    port: Port = _setting(5060, description="Port for UDP and TCP alike; 0 takes a free one.", unit="port")
    udp: bool = _setting(True, description="Listen on UDP.", unit="yes or no")
    tcp: bool = _setting(True, description="Listen on TCP.", unit="yes or no")
    server_id: str = _setting(
        "34020000002000000001",
        pattern=r"^[0-9]{20}$",
        description="Our own 20-digit id, type 200 (central signalling server).",
        unit="id",
    )
    realm: str = _setting(
        "3402000000",
        min_length=1,
        description="SIP domain and digest realm; by custom the first ten digits of server_id.",
        unit="name",
    )
    contact_ip: str = _setting(
        "",
        description="Our address as devices see it, written into Via and Contact. Empty is the listening address, "
        "or the address of the route to the device when that is 0.0.0.0.",
        unit="address",
    )
    media_ip: str = _setting(
        "",
        description="Address written into the session description: where devices send pictures. "
        "Empty is the same as contact_ip.",
        unit="address",
    )
    redirect_to: str = _setting(
        "",
        pattern=r"^([0-9]{20}@[A-Za-z0-9.-]+:[0-9]{1,5})?$",
        description="Send devices on to this server when they register (302), to spread the load: id@host:port. "
        "A device that comes back within five minutes is served here. Empty keeps everybody.",
        unit="id@host:port",
    )
    catalogs_per_s: float = _setting(
        50.0,
        gt=0,
        le=1000,
        description="At most so many devices are asked for their catalogue each second.",
        unit="1/s",
    )
    keepalive_misses: int = _setting(
        3, ge=1, description="A device is offline after this many missed keepalives.", unit="count"
    )
    media_ladder: tuple[Transport, ...] = _setting(
        ("udp", "tcp_passive", "tcp_active"),
        min_length=1,
        description="Ways to ask for a picture, in this order; the one that worked is remembered for each device.",
        unit="udp, tcp_passive, tcp_active",
    )
    invite_timeout_s: float = _setting(
        10.0, gt=0, description="How long a device may take to answer an INVITE.", unit="seconds"
    )
    first_packet_timeout_s: float = _setting(
        8.0,
        gt=0,
        description="How long the first picture packet may take after the answer; then the next way is tried.",
        unit="seconds",
    )


class MediaSettings(_Section):
    """Live pictures: the media workers."""

    workers: int = _setting(
        1,
        ge=1,
        le=64,
        description="Worker processes; plan 300 streams of 2 Mbit/s for each.",
        unit="processes",
    )
    host: str = _setting(
        "127.0.0.1",
        description="Address viewers fetch pictures from and devices send them to.",
        unit="address",
    )
    port: Port = _setting(
        8081,
        description="Port viewers fetch pictures from; further workers take the next ports; 0 takes free ones.",
        unit="port",
    )
    rtp_ports: str = _setting(
        "25000-29999",
        description="Ports devices send pictures to, first-last, shared out among the workers.",
        unit="ports",
    )
    rtp_mode: Literal["ports", "shared"] = _setting(
        "ports",
        description="Where devices send pictures: `ports` gives each stream one of rtp_ports; `shared` takes all on"
        " rtp_shared_port over UDP and TCP, told apart by their SSRC, for networks that let one port through.",
        unit="word",
    )
    rtp_shared_port: Port = _setting(
        24990,
        description="The shared port, with rtp_mode `shared`; further workers take the next ones; 0 takes free ones.",
        unit="port",
    )
    download_keep_days: float = _setting(
        7.0,
        gt=0,
        le=90,
        description="A recording fetched from a device as a file is deleted after this time, with its record.",
        unit="days",
    )
    disk_reserve_mb: int = _setting(
        2048,
        ge=0,
        description="Downloads leave this much of the disk free.",
        unit="MB",
    )
    stop_after_s: float = _setting(
        30.0,
        ge=0,
        description="A camera is asked to stop this long after its last viewer left.",
        unit="seconds",
    )
    max_speech_s: float = _setting(
        180.0,
        ge=10,
        le=3600,
        description="Longest time somebody speaks through a camera without calling it again.",
        unit="seconds",
    )
    fragment_ms: int = _setting(
        200,
        ge=40,
        le=1000,
        description="Longest piece of picture a worker sends at once when it does not keep up.",
        unit="milliseconds",
    )
    receive_buffer_bytes: int = _setting(
        4 * 1024 * 1024,
        ge=65_536,
        description="Receive buffer asked for per socket; the system caps it (net.core.rmem_max), "
        "the log tells what was granted.",
        unit="bytes",
    )
    viewer_queue_bytes: int = _setting(
        1024 * 1024,
        ge=65_536,
        description="A viewer this far behind skips to the next key frame and is told of the gap.",
        unit="bytes",
    )
    max_transcodes: int = _setting(
        1,
        ge=0,
        description="H.265 cameras converted for browsers at a time; each costs a fifth of a core or more. "
        "0 switches it off.",
        unit="processes",
    )
    ffmpeg: str = _setting(
        "ffmpeg",
        description="Program that converts H.265, started as a process of its own.",
        unit="program",
    )

    relay: Literal["own", "zlmediakit"] = _setting(
        "own",
        description="Who carries live pictures: `own` workers, or a ZLMediaKit server named by the external_ settings, "
        "for live GB/T 28181 pictures only. That way is untested against a real server.",
        unit="word",
    )
    external_url: str = _setting(
        "",
        description="The media server's HTTP interface, such as http://127.0.0.1:80. Untested against a real server.",
        unit="URL",
    )
    external_secret: SecretStr = _setting(
        SecretStr(""), description="`secret` of section `api` of the media server's configuration.", unit="secret"
    )
    external_public: str = _setting(
        "",
        description="Where browsers fetch pictures from the media server, such as ws://media.example.org:80.",
        unit="URL",
    )
    external_hook_host: str = _setting(
        "127.0.0.1", description="Address on which the media server's hooks are heard.", unit="address"
    )
    external_hook_port: Port = _setting(
        8090, description="Port on which the media server's hooks are heard; 0 takes a free one.", unit="port"
    )
    external_hook_secret: SecretStr = _setting(
        SecretStr(""),
        description="Secret in the path of the hooks, 16 letters and digits at least: /hook/SECRET/on_play.",
        unit="secret",
    )
    external_hook_networks: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1/128"),
        description="Networks hooks may come from; others are turned away.",
        unit="networks",
    )

    @field_validator("external_hook_networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            ipaddress.ip_network(text, strict=False)
        return networks

    @field_validator("external_url", "external_public")
    @classmethod
    def _is_server(cls, text: str, info: ValidationInfo) -> str:
        schemes = ("http", "https") if info.field_name == "external_url" else ("ws", "wss")
        parts = urlsplit(text)
        is_server = parts.scheme in schemes and parts.hostname and parts.port != 0 and parts.path in ("", "/")
        is_plain = not (parts.query or parts.fragment) and re.fullmatch(r"[a-z]+://[A-Za-z0-9.:\[\]-]+/?", text)
        if text and not (is_server and is_plain):
            raise ValueError(f"must be {schemes[0]}://HOST:PORT or {schemes[1]}://HOST:PORT")
        return text.rstrip("/")

    @field_validator("external_hook_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if text and not (len(text) >= 16 and text.isascii() and text.isalnum()):
            raise ValueError("must be 16 letters and digits or more")
        return secret

    @model_validator(mode="after")
    def _is_complete(self) -> MediaSettings:
        names = ("external_url", "external_secret", "external_public", "external_hook_secret")
        if self.relay == "zlmediakit":
            values = {name: getattr(self, name) for name in names}
            missing = [
                f"media.{name}"
                for name, value in values.items()
                if not (value.get_secret_value() if isinstance(value, SecretStr) else value)
            ]
            if missing:
                raise ValueError(f"relay zlmediakit needs {', '.join(missing)}")
        return self

    @field_validator("rtp_ports")
    @classmethod
    def _is_range(cls, text: str) -> str:
        first, dash, last = text.partition("-")
        if not (dash and first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
            raise ValueError("must be FIRST-LAST between 1024 and 65535")
        return text

    @property
    def rtp_port_first(self) -> int:
        """The first picture port."""
        return int(self.rtp_ports.partition("-")[0])

    @property
    def rtp_port_last(self) -> int:
        """The last picture port."""
        return int(self.rtp_ports.partition("-")[2])


class AuditSettings(_Section):
    """The proof of what was done."""

    heads: str = _setting(
        "",
        description="File that receives the head of the audit chain before any reply leaves. Empty is audit.heads "
        "in the data folder; another disk or another machine's mount makes a cut tail provable.",
        unit="path",
    )


class SupervisionSettings(_Section):
    """When silence becomes an event."""

    check_s: float = _setting(5.0, gt=0, description="How often overdue devices are looked for.", unit="seconds")
    overdue_factor: float = _setting(
        1.5,
        ge=1,
        description="A panel is overdue after this many of its own supervision intervals.",
        unit="times",
    )
    start_grace_s: float = _setting(
        120.0,
        ge=0,
        description="After our own start or outage nobody is overdue before this time: our silence is not theirs.",
        unit="seconds",
    )


class HealthSettings(_Section):
    """When a camera's picture counts as faulty, and how often pictures are checked."""

    check_interval_h: float = _setting(
        24.0,
        ge=0,
        le=8784,
        description="Once in this time each camera in service is asked for its picture, for its figures; "
        "nobody sees it. 0 never asks.",
        unit="hours",
    )
    loss_percent: float = _setting(
        2.0, ge=0, le=100, description="More lost packets than this are a fault.", unit="percent"
    )
    key_interval_s: float = _setting(8.0, gt=0, description="Rarer key frames than this are a fault.", unit="seconds")
    least_kbps: float = _setting(32.0, ge=0, description="A lower bit rate than this is a fault.", unit="kbit/s")
    clock_offset_s: float = _setting(
        60.0, gt=0, description="A device's clock further off than this is a fault.", unit="seconds"
    )


class PictureHealthSettings(_Section):
    """Whether pictures are pictures: key frames are examined by machine, for upkeep; nobody sees them."""

    every_minutes: float = _setting(
        5.0,
        ge=0,
        le=1440,
        description="A camera whose stream runs is looked at once in this time. 0 examines no picture at all.",
        unit="minutes",
    )
    open_every_hours: float = _setting(
        4.0,
        ge=0,
        le=8784,
        description="A camera in service that nobody watches is opened for some seconds once in this time; "
        "0 never opens one.",
        unit="hours",
    )
    opens_per_minute: float = _setting(
        6.0,
        ge=0,
        le=600,
        description="At most so many cameras are opened for this, each device at most once in ten minutes.",
        unit="cameras a minute",
    )


class SnapshotSettings(_Section):
    """Pictures that cameras upload on request."""

    upload_url: str = _setting(
        "",
        description="Address cameras reach this server by, such as http://10.0.0.5:8080; its host must be in "
        "server.allowed_hosts. Empty is server.public_url, else the address and port the console listens on.",
        unit="URL",
    )
    keep_days: float = _setting(30.0, gt=0, le=3650, description="How long an uploaded picture is kept.", unit="days")
    on_alarm: bool = _setting(
        False,
        description="Whether the house takes one picture from each linked camera that can, at most four, when an "
        "incident opens. It is the house's own act: the incident is its purpose, the audit names it.",
        unit="true or false",
    )


class RecordingSettings(_Section):
    """Recordings of our own. Nothing is recorded until a camera's plan says so."""

    volumes: tuple[str, ...] = _setting(
        (),
        description="Folders recordings lie in, each on a disk of its own; streams are spread over them. Empty is the "
        "folder recordings in the data folder.",
        unit="paths",
    )
    segment_s: int = _setting(
        60,
        ge=10,
        le=600,
        description="Length of a recorded file; 300 where more than 1,000 streams are recorded.",
        unit="seconds",
    )
    reserve_mb: int = _setting(2048, ge=0, description="Recordings leave this much of each volume free.", unit="MB")
    high_percent: int = _setting(
        90, ge=10, le=99, description="At this fill level the oldest recordings make room.", unit="percent"
    )
    low_percent: int = _setting(85, ge=5, le=98, description="Room is made down to this fill level.", unit="percent")
    hold_quota_percent: int = _setting(
        25, ge=1, le=90, description="The most of all volumes that may be held from deletion.", unit="percent"
    )
    time_zone: str = _setting(
        "Asia/Shanghai",
        description="Time zone of recording schedules, such as Asia/Shanghai; empty is the server's own.",
        unit="name",
    )

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        if name:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError("must be the name of a time zone, such as Asia/Shanghai") from error
        return name

    @model_validator(mode="after")
    def _has_room(self) -> RecordingSettings:
        if self.low_percent >= self.high_percent:
            raise ValueError("low_percent must be below high_percent")
        return self


class ClipSettings(_Section):
    """What is kept of linked cameras around an alarm."""

    on_alarm: bool = _setting(
        True,
        description="Whether each alarm with linked cameras gets its clip. It is the house's own act: the incident is "
        "its purpose, the audit names it.",
        unit="true or false",
    )
    record: bool = _setting(
        True,
        description="Whether a camera without a recording plan is recorded from an alarm to the end of its clip.",
        unit="true or false",
    )
    pre_s: float = _setting(10.0, ge=0, le=60, description="How much before an alarm a clip begins.", unit="seconds")
    post_s: float = _setting(
        20.0,
        ge=1,
        le=300,
        description="How much after an alarm a clip ends; a further alarm of the incident extends it.",
        unit="seconds",
    )
    longest_s: float = _setting(
        600.0, ge=60, le=3600, description="A clip grows no longer; what comes after begins another.", unit="seconds"
    )
    keep_days: float = _setting(
        90.0, ge=1, le=3650, description="How long clips are kept after their incident was closed.", unit="days"
    )


class EdgeSettings(_Section):
    """What is fetched from the device that recorded it, around an alarm."""

    fetch: bool = _setting(
        True,
        description="Whether what we did not record ourselves is fetched from the camera or recorder after an alarm.",
        unit="true or false",
    )
    before_s: float = _setting(
        60.0, ge=0, le=600, description="How much before an alarm is fetched besides its clip.", unit="seconds"
    )
    after_s: float = _setting(
        180.0,
        ge=0,
        le=1800,
        description="How much after it. Both 0: the clip alone is fetched.",
        unit="seconds",
    )


class LogSettings(_Section):
    """What the server writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", description="Least severe line written.", unit="debug, info, warning, error"
    )
    format: Literal["auto", "json", "text"] = _setting(
        "auto",
        description="JSON lines or coloured text; auto is text on a terminal.",
        unit="auto, json, text",
    )


class Settings(_Section):
    """All settings, by section."""

    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    dc09: Dc09Settings = Dc09Settings()
    sip: SipSettings = SipSettings()
    media: MediaSettings = MediaSettings()
    audit: AuditSettings = AuditSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    health: HealthSettings = HealthSettings()
    picture_health: PictureHealthSettings = PictureHealthSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    recording: RecordingSettings = RecordingSettings()
    clips: ClipSettings = ClipSettings()
    edge: EdgeSettings = EdgeSettings()
    log: LogSettings = LogSettings()

    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.server.data

    @property
    def storage_url(self) -> str:
        """The database URL, with the default filled in."""
        return self.storage.url.get_secret_value() or f"sqlite:///{self.data.absolute() / 'tocsin.sqlite3'}"

    @property
    def heads_path(self) -> Path:
        """Where the heads of the audit chain go."""
        return Path(self.audit.heads) if self.audit.heads else self.data / "audit.heads"

    @property
    def secret_key_path(self) -> Path:
        """The key under which device secrets are sealed."""
        return self.data / "secret.key"

    @property
    def signing_key_path(self) -> Path:
        """The key the house signs with; its public half lies beside it."""
        return self.data / "signing.key"

    @property
    def sip_contact_ip(self) -> str:
        """The address written into Via and Contact; empty when it depends on the route."""
        return self.sip.contact_ip or ("" if self.sip.host in ("0.0.0.0", "::") else self.sip.host)  # noqa: S104

    @property
    def sip_media_ip(self) -> str:
        """The address devices send pictures to; empty when it depends on the route."""
        return self.sip.media_ip or self.sip_contact_ip


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting as it is now, for people."""

    name: str
    value: str
    default: str
    source: str
    description: str
    unit: str


def load_settings(
    config: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings; later sources win: default, file, variable, command line.

    `overrides` is keyed `section.key`. Errors: INVALID on an unreadable file, an unknown name or an impossible value;
    the text says where it came from and what would be right.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, name, value in _given(config, os.environ if environ is None else environ, overrides or {}):
        values[name] = value
        sources[name] = source
    tree: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        tree.setdefault(section, {})[key] = value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise TocsinError(ErrorCode.INVALID, _explain(error, sources), key="settings.invalid") from error
    settings._sources = sources
    return settings


def known_settings() -> Iterator[tuple[str, FieldInfo]]:
    """Yield `section.key` and its field, in the order of the file."""
    for section, info in Settings.model_fields.items():
        kind = info.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        for key, field in kind.model_fields.items():
            yield f"{section}.{key}", field


def settings_in_force(settings: Settings) -> list[SettingInForce]:
    """List every setting with its value, default and source; secrets are masked."""
    listed = []
    for name, field in known_settings():
        section, _, key = name.partition(".")
        value = getattr(getattr(settings, section), key)
        listed.append(
            SettingInForce(
                name=name,
                value=setting_text(value),
                default=setting_text(field.default),
                source=settings._sources.get(name, "default"),
                description=field.description or "",
                unit=setting_unit(field),
            )
        )
    return listed


def example_toml() -> str:
    """Return the text of `tocsin.example.toml`: every setting with its default and a comment."""
    lines = [
        "# Every setting of Tocsin with its default. Copy what you change into a file of your own and start",
        "# `tocsin serve --config FILE`. Each can also be given as a variable: TOCSIN_<SECTION>__<KEY>, lists",
        "# separated by commas. An unknown name stops the start.",
        "# This file is made from src/tocsin/settings.py by `python docs/generate.py`.",
    ]
    section = ""
    for name, field in known_settings():
        head, _, key = name.partition(".")
        if head != section:
            section = head
            kind = Settings.model_fields[section].annotation
            assert kind is not None
            lines += ["", f"# {kind.__doc__}", f"[{section}]"]
        lines += textwrap.wrap(
            f"{field.description} ({setting_unit(field)})", 108, initial_indent="# ", subsequent_indent="# "
        )
        lines.append(f"{key} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def _given(
    config: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yield (source, name, value), weakest source first; refuse unknown names."""
    known = dict(known_settings())
    if config is None and environ.get("TOCSIN_CONFIG"):
        config = Path(environ["TOCSIN_CONFIG"])
    if config is not None:
        for name, value in _read_toml(config):
            _check_known(name, known, str(config))
            yield f"file {config}", name, value
    if environ.get("TOCSIN_DATA"):
        yield "variable TOCSIN_DATA", "server.data", environ["TOCSIN_DATA"]
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in OTHER_VARIABLES or variable.startswith(OTHER_PREFIXES):
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        name = f"{section}.{key}"
        _check_known(name, known, f"variable {variable}")
        yield f"variable {variable}", name, _from_text(text, known[name])
    for name, value in overrides.items():
        if value is not None:
            _check_known(name, known, "command line")
            yield "command line", name, value


def _read_toml(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TocsinError(ErrorCode.INVALID, f"the settings file {path} is not TOML: {error}") from error
    for section, content in tree.items():
        if not isinstance(content, dict):
            _check_known(f"{section}.", {name: None for name, _ in known_settings()}, str(path))
        else:
            for key, value in content.items():
                yield f"{section}.{key}", value


def _check_known(name: str, known: Mapping[str, object], where: str) -> None:
    if name in known:
        return
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    key = name.partition(".")[2]
    if not nearest and key:
        nearest = [candidate for candidate in known if candidate.endswith(f".{key}")][:1]
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; the sections are {', '.join(Settings.model_fields)}"
    raise TocsinError(
        ErrorCode.INVALID, f"{where}: there is no setting {name.rstrip('.')}{hint}", key="settings.unknown", name=name
    )


def _from_text(text: str, field: FieldInfo) -> Any:
    if isinstance(field.default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    parts = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"][:2])
        given = "" if "secret" in name or name == "storage.url" else f" (given: {problem['input']!r})"
        parts.append(f"{sources.get(name, 'settings')}: {name}: {problem['msg'].removeprefix('Value error, ')}{given}")
    return "; ".join(parts)


def setting_text(value: Any) -> str:
    """Return a value as people read it; secrets are masked."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def setting_unit(field: FieldInfo) -> str:
    """Return the unit of a setting."""
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else ""


def _toml(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(part) for part in value) + "]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)


def upload_address(settings: Settings) -> str:
    """Return the address cameras upload snapshots to: the one set, else the public one, else where the console is."""
    server = settings.server
    return settings.snapshots.upload_url or server.public_url or f"http://{server.host}:{server.port}"
