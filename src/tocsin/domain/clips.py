"""Alarm clips: what a linked camera saw around an alarm, when one is made, extended and whole. Pure.

Source: design note 0020; media reference, event clips and pre-roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.base.ids import new_id
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.playback import Piece

CLIP: Final = "clip"
MINUTES: Final = "minutes"
RECORDING, FETCHING, READY, PARTIAL, FAILED = "recording", "fetching", "ready", "partial", "failed"
UNDER_WAY: Final = (RECORDING, FETCHING)
DEVICE: Final = "device"
OWN: Final = "own"
MAX_CAMERAS: Final = 8
SETTLE: Final = timedelta(seconds=3)
SLACK: Final = timedelta(seconds=2)
PAUSES_S: Final = (5, 10, 20, 40, 60, 120)
LISTED_TRIES: Final = 3  # so often a list that does not reach the end is believed

WORDS: Final = Words(
    {
        "clip.not_written": (
            "The device has not written that time yet. It is asked again.",
            "设备尚未写入该时段录像，稍后自动重试。",
        ),
        "clip.no_recorder": (
            "We do not record this camera, and it keeps no recording we can ask for.",
            "本平台未录制该摄像机，也无法从设备取回录像。",
        ),
        "clip.not_fetched": (
            "We do not record this camera, and fetching from devices is switched off.",
            "本平台未录制该摄像机，且未启用从设备取回录像。",
        ),
        "clip.device_has_none": ("The device has no recording of that time.", "设备没有该时段的录像。"),
        "clip.begins_late": (
            "The recording begins after the time before the alarm.",
            "录像开始较晚，缺少警情发生前的画面。",
        ),
        "clip.has_gap": ("The recording has a gap.", "录像有缺口。"),
        "clip.busy": ("Another recording is being fetched from this camera.", "正在从该摄像机取回其他录像。"),
        "clip.camera_gone": ("The camera is no longer in service.", "该摄像机已停用。"),
        "clip.no_video": ("There is no video yet.", "暂无录像。"),
        "clip.under_way": ("It is being made already.", "正在生成，请稍候。"),
    }
)


@dataclass(frozen=True, slots=True)
class Clip:
    """What one camera saw around the alarms of an incident; `kind` is clip or minutes (four around the first alarm).

    `state`: recording (its time is not over, or it waits for the device), fetching, ready, partial or failed, with
    `reason`, a message key. `source` is own or device once there is video, `pre_roll` none, memory, disk or device.
    `due_at` is when it is looked at next. `file` is the name of a fetched file, empty for our own segments.
    """

    id: str
    kind: str
    incident_id: str
    alarm_id: str
    channel_id: str
    jurisdiction_code: str
    alarm_at: datetime
    starts: datetime
    ends: datetime
    created_at: datetime
    state: str = RECORDING
    source: str = ""
    pre_roll: str = "none"
    reason: str = ""
    tries: int = 0
    due_at: datetime | None = None
    size_bytes: int = 0
    sha256: str = ""
    codec: str = ""
    file: str = ""
    video_from: datetime | None = None
    video_to: datetime | None = None

    @property
    def has_video(self) -> bool:
        """True when something can be shown, whatever its state."""
        return self.video_from is not None

    def covers(self, at: datetime) -> bool:
        """True when a moment lies inside it."""
        return self.starts <= at <= self.ends


@dataclass(frozen=True, slots=True)
class ClipRules:
    """How much time is kept around an alarm, in seconds."""

    pre_s: float = 10.0
    post_s: float = 20.0
    longest_s: float = 600.0
    before_s: float = 60.0
    after_s: float = 180.0
    may_fetch: bool = True

    def window(self, at: datetime) -> tuple[datetime, datetime]:
        """Return the time of a clip around an alarm."""
        return at - timedelta(seconds=self.pre_s), at + timedelta(seconds=self.post_s)

    def minutes(self, at: datetime) -> tuple[datetime, datetime]:
        """Return the minutes around an alarm."""
        return at - timedelta(seconds=self.before_s), at + timedelta(seconds=self.after_s)

    @property
    def wants_minutes(self) -> bool:
        """True when more than the clip is fetched."""
        return self.may_fetch and self.before_s + self.after_s > 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """An alarm and one camera linked to it."""

    alarm_id: str
    incident_id: str
    jurisdiction_code: str
    at: datetime
    channel_id: str


def new_clip(seen: Sighting, kind: str, window: tuple[datetime, datetime], now: datetime) -> Clip:
    """Return a clip that has nothing yet."""
    starts, ends = window
    return Clip(
        new_id(),
        kind,
        seen.incident_id,
        seen.alarm_id,
        seen.channel_id,
        seen.jurisdiction_code,
        seen.at,
        starts,
        ends,
        now,
        due_at=max(now, ends + SETTLE),
    )


def grow(newest: Clip | None, seen: Sighting, rules: ClipRules, now: datetime) -> Clip | None:
    """Return the clip an alarm asks for: the newest one extended, or a new one; None when it is inside already."""
    starts, ends = rules.window(seen.at)
    if newest is None or ends - newest.starts > timedelta(seconds=rules.longest_s):
        if newest is not None and newest.covers(seen.at):
            return None  # the longest there may be, and the alarm itself lies in it
        return new_clip(seen, CLIP, (starts, ends), now)
    if ends <= newest.ends:
        return None
    return replace(newest, ends=ends, state=RECORDING, reason="", tries=0, due_at=max(now, ends + SETTLE))


def pause_after(tries: int) -> timedelta | None:
    """Return how long to wait after so many tries; None when it is given up."""
    return timedelta(seconds=PAUSES_S[tries - 1]) if 0 < tries <= len(PAUSES_S) else None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a period is recorded: its first and last moment, and whether something between is missing."""

    starts: datetime
    ends: datetime
    has_gap: bool = False


def coverage(pieces: Sequence[Piece], starts: datetime, ends: datetime) -> Coverage | None:
    """Return what pieces hold of a period; None for nothing. Pauses of up to two seconds are none."""
    inside = sorted((max(p.starts, starts), min(p.ends, ends)) for p in pieces if p.ends > starts and p.starts < ends)
    if not inside:
        return None
    reached, has_gap = inside[0][1], False
    for begins, stops in inside[1:]:
        has_gap = has_gap or begins - reached > SLACK
        reached = max(reached, stops)
    return Coverage(inside[0][0], reached, has_gap)


def lacks(found: Coverage | None, starts: datetime, ends: datetime) -> str:
    """Return the key of what a recording lacks of a period; empty when it is whole."""
    if found is None:
        return "clip.device_has_none"
    if found.ends < ends - SLACK:
        return "clip.not_written"
    if found.starts > starts + SLACK:
        return "clip.begins_late"
    return "clip.has_gap" if found.has_gap else ""


def clip_form(one: Clip) -> dict[str, object]:
    """Return a clip as the feed tells it; the API adds the reason in words and when it will be ready."""
    return {
        "id": one.id,
        "kind": one.kind,
        "incident_id": one.incident_id,
        "alarm_id": one.alarm_id,
        "camera_id": one.channel_id,
        "alarm_at": iso(one.alarm_at),
        "starts_at": iso(one.starts),
        "ends_at": iso(one.ends),
        "state": one.state,
        "source": one.source,
        "pre_roll": one.pre_roll,
        "reason": one.reason,
        "has_video": one.has_video,
        "video_from": None if one.video_from is None else iso(one.video_from),
        "video_to": None if one.video_to is None else iso(one.video_to),
        "codec": one.codec,
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }
