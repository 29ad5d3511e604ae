"""Settings of pictures: media workers, the health of pictures, snapshots."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator, model_validator

from tocsin.settings_fields import Port, Section, setting


class MediaSettings(Section):
    """Live pictures: the media workers."""

    workers: int = setting(
        1,
        ge=1,
        le=64,
        description="Worker processes; plan 300 streams of 2 Mbit/s for each.",
        unit="processes",
    )
    host: str = setting(
        "127.0.0.1",
        description="Address viewers fetch pictures from and devices send them to.",
        unit="address",
    )
    port: Port = setting(
        8081,
        description="Port viewers fetch pictures from; further workers take the next ports; 0 takes free ones.",
        unit="port",
    )
    rtp_ports: str = setting(
        "25000-29999",
        description="Ports devices send pictures to, first-last, shared out among the workers.",
        unit="ports",
    )
    rtp_mode: Literal["ports", "shared"] = setting(
        "ports",
        description="Where devices send pictures: `ports` gives each stream one of rtp_ports; `shared` takes all on"
        " rtp_shared_port over UDP and TCP, told apart by their SSRC, for networks that let one port through.",
        unit="word",
    )
    rtp_shared_port: Port = setting(
        24990,
        description="The shared port, with rtp_mode `shared`; further workers take the next ones; 0 takes free ones.",
        unit="port",
    )
    download_keep_days: float = setting(
        7.0,
        gt=0,
        le=90,
        description="A recording fetched from a device as a file is deleted after this time, with its record.",
        unit="days",
    )
    disk_reserve_mb: int = setting(
        2048,
        ge=0,
        description="Downloads leave this much of the disk free.",
        unit="MB",
    )
    stop_after_s: float = setting(
        30.0,
        ge=0,
        description="A camera is asked to stop this long after its last viewer left.",
        unit="seconds",
    )
    max_speech_s: float = setting(
        180.0,
        ge=10,
        le=3600,
        description="Longest time somebody speaks through a camera without calling it again.",
        unit="seconds",
    )
    fragment_ms: int = setting(
        200,
        ge=40,
        le=1000,
        description="Longest piece of picture a worker sends at once when it does not keep up.",
        unit="milliseconds",
    )
    receive_buffer_bytes: int = setting(
        4 * 1024 * 1024,
        ge=65_536,
        description="Receive buffer asked for per socket; the system caps it (net.core.rmem_max), "
        "the log tells what was granted.",
        unit="bytes",
    )
    viewer_queue_bytes: int = setting(
        1024 * 1024,
        ge=65_536,
        description="A viewer this far behind skips to the next key frame and is told of the gap.",
        unit="bytes",
    )
    max_transcodes: int = setting(
        1,
        ge=0,
        description="H.265 cameras converted for browsers at a time; each costs a fifth of a core or more. "
        "0 switches it off.",
        unit="processes",
    )
    ffmpeg: str = setting(
        "ffmpeg",
        description="Program that converts H.265, started as a process of its own.",
        unit="program",
    )

    relay: Literal["own", "zlmediakit"] = setting(
        "own",
        description="Who carries live pictures: `own` workers, or a ZLMediaKit server named by the external_ settings, "
        "for live GB/T 28181 pictures only. That way is untested against a real server.",
        unit="word",
    )
    external_url: str = setting(
        "",
        description="The media server's HTTP interface, such as http://127.0.0.1:80. Untested against a real server.",
        unit="URL",
    )
    external_secret: SecretStr = setting(
        SecretStr(""), description="`secret` of section `api` of the media server's configuration.", unit="secret"
    )
    external_public: str = setting(
        "",
        description="Where browsers fetch pictures from the media server, such as ws://media.example.org:80.",
        unit="URL",
    )
    external_hook_host: str = setting(
        "127.0.0.1", description="Address on which the media server's hooks are heard.", unit="address"
    )
    external_hook_port: Port = setting(
        8090, description="Port on which the media server's hooks are heard; 0 takes a free one.", unit="port"
    )
    external_hook_secret: SecretStr = setting(
        SecretStr(""),
        description="Secret in the path of the hooks, 16 letters and digits at least: /hook/SECRET/on_play.",
        unit="secret",
    )
    external_hook_networks: tuple[str, ...] = setting(
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


class HealthSettings(Section):
    """When a camera's picture counts as faulty, and how often pictures are checked."""

    check_interval_h: float = setting(
        24.0,
        ge=0,
        le=8784,
        description="Once in this time each camera in service is asked for its picture, for its figures; "
        "nobody sees it. 0 never asks.",
        unit="hours",
    )
    loss_percent: float = setting(
        2.0, ge=0, le=100, description="More lost packets than this are a fault.", unit="percent"
    )
    key_interval_s: float = setting(8.0, gt=0, description="Rarer key frames than this are a fault.", unit="seconds")
    least_kbps: float = setting(32.0, ge=0, description="A lower bit rate than this is a fault.", unit="kbit/s")
    clock_offset_s: float = setting(
        60.0, gt=0, description="A device's clock further off than this is a fault.", unit="seconds"
    )


class PictureHealthSettings(Section):
    """Whether pictures are pictures: key frames are examined by machine, for upkeep; nobody sees them."""

    every_minutes: float = setting(
        5.0,
        ge=0,
        le=1440,
        description="A camera whose stream runs is looked at once in this time. 0 examines no picture at all.",
        unit="minutes",
    )
    open_every_hours: float = setting(
        4.0,
        ge=0,
        le=8784,
        description="A camera in service that nobody watches is opened for some seconds once in this time; "
        "0 never opens one.",
        unit="hours",
    )
    opens_per_minute: float = setting(
        6.0,
        ge=0,
        le=600,
        description="At most so many cameras are opened for this, each device at most once in ten minutes.",
        unit="cameras a minute",
    )


class SnapshotSettings(Section):
    """Pictures that cameras upload on request."""

    upload_url: str = setting(
        "",
        description="Address cameras reach this server by, such as http://10.0.0.5:8080; its host must be in "
        "server.allowed_hosts. Empty is server.public_url, else the address and port the console listens on.",
        unit="URL",
    )
    keep_days: float = setting(30.0, gt=0, le=3650, description="How long an uploaded picture is kept.", unit="days")
    on_alarm: bool = setting(
        False,
        description="Whether the house takes one picture from each linked camera that can, at most four, when an "
        "incident opens. It is the house's own act: the incident is its purpose, the audit names it.",
        unit="true or false",
    )
