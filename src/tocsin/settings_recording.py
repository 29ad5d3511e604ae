"""Settings of recordings, alarm clips and what is fetched from devices."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator, model_validator

from tocsin.settings_fields import Section, setting


class RecordingSettings(Section):
    """Recordings of our own. Nothing is recorded until a camera's plan says so."""

    volumes: tuple[str, ...] = setting(
        (),
        description="Folders recordings lie in, each on a disk of its own; streams are spread over them. Empty is the "
        "folder recordings in the data folder.",
        unit="paths",
    )
    segment_s: int = setting(
        60,
        ge=10,
        le=600,
        description="Length of a recorded file; 300 where more than 1,000 streams are recorded.",
        unit="seconds",
    )
    reserve_mb: int = setting(2048, ge=0, description="Recordings leave this much of each volume free.", unit="MB")
    high_percent: int = setting(
        90, ge=10, le=99, description="At this fill level the oldest recordings make room.", unit="percent"
    )
    low_percent: int = setting(85, ge=5, le=98, description="Room is made down to this fill level.", unit="percent")
    pre_roll_memory_mb: int = setting(
        256,
        ge=16,
        le=65_536,
        description="Memory for the seconds before an alarm: of cameras recorded on events, and of those somebody "
        "watches without a plan. When it is full the latter lose theirs first.",
        unit="MB",
    )
    hold_quota_percent: int = setting(
        25, ge=1, le=90, description="The most of all volumes that may be held from deletion.", unit="percent"
    )
    time_zone: str = setting(
        "Asia/Shanghai",
        description="Time zone of recording schedules and of the days of retention proofs, such as Asia/Shanghai; "
        "empty is the server's own.",
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


class ClipSettings(Section):
    """What is kept of linked cameras around an alarm."""

    on_alarm: bool = setting(
        True,
        description="Whether each alarm with linked cameras gets its clip. It is the house's own act: the incident is "
        "its purpose, the audit names it.",
        unit="true or false",
    )
    record: bool = setting(
        True,
        description="Whether a camera without a recording plan is recorded from an alarm to the end of its clip.",
        unit="true or false",
    )
    pre_s: float = setting(10.0, ge=0, le=60, description="How much before an alarm a clip begins.", unit="seconds")
    post_s: float = setting(
        20.0,
        ge=1,
        le=300,
        description="How much after an alarm a clip ends; a further alarm of the incident extends it.",
        unit="seconds",
    )
    longest_s: float = setting(
        600.0, ge=60, le=3600, description="A clip grows no longer; what comes after begins another.", unit="seconds"
    )
    keep_days: float = setting(
        90.0, ge=1, le=3650, description="How long clips are kept after their incident was closed.", unit="days"
    )


class EdgeSettings(Section):
    """What is fetched from the device that recorded it, around an alarm."""

    fetch: bool = setting(
        True,
        description="Whether what we did not record ourselves is fetched from the camera or recorder after an alarm.",
        unit="true or false",
    )
    before_s: float = setting(
        60.0, ge=0, le=600, description="How much before an alarm is fetched besides its clip.", unit="seconds"
    )
    after_s: float = setting(
        180.0,
        ge=0,
        le=1800,
        description="How much after it. Both 0: the clip alone is fetched.",
        unit="seconds",
    )
