"""Settings of sources that send messages."""

from __future__ import annotations

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
