"""Settings of sources that send messages."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr

from tocsin.settings_fields import Section, setting


class WebhookSettings(Section):
    """Signed messages over HTTP, at /api/v1/ingest/NAME of the web server."""

    window_s: float = setting(
        300.0,
        ge=10,
        le=3600,
        description="How far the time stamp of a message may be off ours.",
        unit="seconds",
    )
    per_s: float = setting(
        50.0, gt=0, le=10_000, description="Messages one source may send each second in the long run.", unit="1/s"
    )
    burst: int = setting(
        500, ge=1, le=100_000, description="Messages one source may send at once before that counts.", unit="messages"
    )


class MqttSettings(Section):
    """Devices on an MQTT broker. The broker is yours: none is built in."""

    url: str = setting(
        "",
        pattern=r"^(mqtts?://[A-Za-z0-9._\[\]:-]+)?$",
        description="The broker, such as mqtts://broker.example.org:8883; mqtt:// is without TLS. Empty: none.",
        unit="URL",
    )
    username: str = setting("", description="User at the broker; empty without one.", unit="name")
    password: SecretStr = setting(SecretStr(""), description="Its password.", unit="secret")
    client_id: str = setting(
        "tocsin",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Name of our session at the broker. One server each: two with one name throw each other out.",
        unit="name",
    )
    version: Literal["5", "3.1.1"] = setting("5", description="Version of the protocol.", unit="version")
    keepalive_s: int = setting(45, ge=5, le=600, description="How often we show that we live.", unit="seconds")
    session_s: int = setting(
        86_400,
        ge=0,
        le=4_294_967_294,
        description="How long the broker keeps messages for us while we are away (version 5).",
        unit="seconds",
    )
    ca_file: str = setting(
        "", description="Certificate authority of the broker; empty takes those of the system.", unit="path"
    )
    certificate_file: str = setting("", description="Our own certificate, when the broker wants one.", unit="path")
    key_file: str = setting("", description="The key of our own certificate.", unit="path")


class CapSettings(Section):
    """Public warnings that go out (CAP 1.2)."""

    sender: str = setting(
        "tocsin",
        pattern=r"^[^\s,<&]{1,120}$",
        description="Who we are in public warnings: a name that is ours alone, such as control-room@hewan.example.",
        unit="name",
    )
