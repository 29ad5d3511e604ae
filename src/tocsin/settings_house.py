"""Settings of the house itself: its server, its store, its audit, its log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr, field_validator

from tocsin.settings_fields import Port, Section, setting


class ServerSettings(Section):
    """The web server and the data folder."""

    data: Path = setting(
        Path("tocsin-data"),
        description="Folder of everything that is kept: database, audit.heads, secret.key. "
        "A relative path starts at the folder the server is started in.",
        unit="path",
    )
    host: str = setting(
        "127.0.0.1",
        description="Address the console and the API listen on. Loopback until you choose otherwise.",
        unit="address",
    )
    port: Port = setting(8080, description="Port of the console and the API; 0 takes a free one.", unit="port")
    public_url: str = setting(
        "",
        description="Address people type when a proxy stands in front, such as https://tocsin.example.org. "
        "With https the session cookie is marked Secure.",
        unit="URL",
    )
    allowed_hosts: tuple[str, ...] = setting(
        ("127.0.0.1", "localhost", "[::1]"),
        description="Host names a request may name, without port; anything else is refused. "
        "The host of public_url and the listening address are always allowed.",
        unit="names",
    )
    session_hours: float = setting(12.0, gt=0, le=168, description="How long a sign-in lasts at most.", unit="hours")
    metrics_token: SecretStr = setting(
        SecretStr(""),
        description="Bearer token that /metrics asks for when the caller is not on loopback; "
        "empty refuses every such caller.",
        unit="secret",
    )


class StorageSettings(Section):
    """The database."""

    url: SecretStr = setting(
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

    group_cap: int = setting(
        2_000,
        ge=1,
        le=20_000,
        description="Most pieces of work committed together; waiting work is committed once the last commit has ended.",
        unit="items",
    )


class AuditSettings(Section):
    """The proof of what was done."""

    heads: str = setting(
        "",
        description="File that receives the head of the audit chain before any reply leaves. Empty is audit.heads "
        "in the data folder; another disk or another machine's mount makes a cut tail provable.",
        unit="path",
    )


class SupervisionSettings(Section):
    """When silence becomes an event."""

    check_s: float = setting(5.0, gt=0, description="How often overdue devices are looked for.", unit="seconds")
    overdue_factor: float = setting(
        1.5,
        ge=1,
        description="A panel is overdue after this many of its own supervision intervals.",
        unit="times",
    )
    start_grace_s: float = setting(
        120.0,
        ge=0,
        description="After our own start or outage nobody is overdue before this time: our silence is not theirs.",
        unit="seconds",
    )
    cause_least: int = setting(
        20,
        ge=2,
        description="So many devices of one carrier, uplink, receiver, power district or part of the town that fall "
        "silent together are one incident.",
        unit="devices",
    )
    cause_share: float = setting(
        0.2, gt=0, le=1, description="And so great a part of that cause's devices.", unit="0 to 1"
    )
    cause_window_s: float = setting(
        300.0,
        ge=10,
        description="Devices lost within this time count as lost together; the last fifth of them may return as much "
        "later than the others.",
        unit="seconds",
    )


class LogSettings(Section):
    """What the server writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", description="Least severe line written.", unit="debug, info, warning, error"
    )
    format: Literal["auto", "json", "text"] = setting(
        "auto",
        description="JSON lines or coloured text; auto is text on a terminal.",
        unit="auto, json, text",
    )
