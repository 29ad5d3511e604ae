"""Settings of the far place that recordings move to."""

from __future__ import annotations

import re

from pydantic import SecretStr, field_validator

from tocsin.settings_fields import Section, setting


class TierSettings(Section):
    """The far place that recordings move to after a while: a second folder, or a bucket."""

    cold: str = setting(
        "",
        description="A folder (of a NAS, say), or a bucket as s3://bucket/prefix. Empty is no far place: recordings "
        "stay where they were recorded.",
        unit="path or s3://bucket/prefix",
    )
    after_days: int = setting(
        7,
        ge=0,
        le=3650,
        description="Recordings move after this time, counted from their end; a retention policy may say otherwise. "
        "They move an hour of a camera at a time.",
        unit="days",
    )
    at_percent: int = setting(
        80,
        ge=10,
        le=98,
        description="At this fill level of a disk its oldest recordings move earlier. Below recording.high_percent, so "
        "that they move before any is deleted for room.",
        unit="percent",
    )
    rate_mb_s: float = setting(
        50.0, ge=0, le=10_000, description="Over time no more is moved in a second; 0 is no limit.", unit="MB/s"
    )
    endpoint: str = setting(
        "", description="Address of the S3 service, such as https://s3.example.org; empty is AWS.", unit="URL"
    )
    region: str = setting("us-east-1", description="Region the requests are signed for.", unit="name")
    path_style: bool = setting(
        True, description="Whether the bucket stands in the path and not in the host's name.", unit="true or false"
    )
    access_key: str = setting(
        "", description="Access key of the bucket; empty takes the credentials of the machine.", unit="text"
    )
    secret_key: SecretStr = setting(
        SecretStr(""), description="Secret of the access key; best given as TOCSIN_TIERS__SECRET_KEY.", unit="secret"
    )

    @field_validator("cold")
    @classmethod
    def _is_place(cls, place: str) -> str:
        if "://" in place and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.!*'()/-]*)?", place):
            raise ValueError("must be a folder, or s3://bucket/prefix")
        return place.rstrip("/") if len(place) > 1 else place
