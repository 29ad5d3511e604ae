"""Recording plans: what is to be recorded of a camera, and when. Pure.

A camera without a plan is not recorded. A schedule is windows of the week in the house's own time zone.
Source: design note 0017; governance reference, REQ-G01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.channels import IN_SERVICE, ChannelRecord
from tocsin.domain.fields import refuse
from tocsin.domain.segments import DAY_MS, MINUTE_MS, Span, merged
from tocsin.domain.streams import Stream

DAY_MINUTES: Final = 24 * 60
MAX_WINDOWS: Final = 84
MOST_PRE_S: Final = 60
MOST_POST_S: Final = 600
_MISSING_ZH: Final = {"owner": "责任单位", "place": "位置", "purpose": "用途"}

WORDS: Final = Words(
    {
        "recording.not_in_service": (
            "Only a camera in service is recorded: somebody must answer for it, and it needs a place and a purpose.",
            "只有已投入使用的摄像机才能录像：须有责任单位、位置和用途。",
        ),
        "recording.camera_incomplete": (
            "The camera cannot be recorded: {missing} is missing.",
            "摄像机不能录像：缺少{missing_zh}。",
        ),
        "recording.no_windows": (
            "A schedule needs at least one hour of the week.",
            "计划录像至少要选定一个时段。",
        ),
        "recording.window_form": (
            "A window of a schedule has days from 1 (Monday) to 7 and times from 00:00 to 24:00: {window}.",
            "时段须注明星期（1 为周一，至 7）和 00:00 至 24:00 的起止时间：{window}。",
        ),
        "recording.many_windows": (
            "A schedule has at most {most} windows.",
            "一个录像计划最多 {most} 个时段。",
        ),
        "recording.edge_needs_event": (
            "Recording by the device is for event recording: the device records, we fetch after an alarm.",
            "设备端录像仅用于事件录像：由设备录像，报警后再取回。",
        ),
        "recording.plan_changed": (
            "Somebody else changed the plan meanwhile.",
            "录像计划已被他人修改。",
        ),
    }
)


class Mode(StrEnum):
    """When a camera is recorded."""

    OFF = "off"
    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"
    EVENT = "event"


class Want(StrEnum):
    """What is wanted of a stream now: nothing, the last seconds in memory, or a recording."""

    NOTHING = "nothing"
    RING = "ring"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Window:
    """Days of the week (1 is Monday) and minutes of the day; an end before the begin lies on the next day."""

    days: tuple[int, ...]
    from_minute: int
    to_minute: int

    def holds(self, weekday: int, minute: int) -> bool:
        """Say whether a minute of a day of the week (1 to 7) lies in it."""
        if self.from_minute < self.to_minute:
            return weekday in self.days and self.from_minute <= minute < self.to_minute
        before = 7 if weekday == 1 else weekday - 1
        return (weekday in self.days and minute >= self.from_minute) or (
            before in self.days and minute < self.to_minute
        )

    def form(self) -> dict[str, object]:
        """Return it as the API shows it and the row keeps it."""
        return {"days": list(self.days), "from": _clock(self.from_minute), "to": _clock(self.to_minute)}


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """What is to be recorded of a camera; `version` 0 is a plan that nobody has written."""

    channel_id: str
    mode: Mode = Mode.OFF
    stream: Stream = Stream.MAIN
    schedule: tuple[Window, ...] = ()
    pre_s: int = 10
    post_s: int = 30
    is_edge_first: bool = False
    priority: int = 5
    version: int = 0

    def want(self, local: datetime) -> Want:
        """Return what is wanted at a time of the house's zone."""
        if self.mode is Mode.CONTINUOUS:
            return Want.RECORD
        if self.mode is Mode.EVENT:
            return Want.NOTHING if self.is_edge_first else Want.RING
        if self.mode is Mode.SCHEDULED:
            weekday, minute = local.isoweekday(), local.hour * 60 + local.minute
            if any(window.holds(weekday, minute) for window in self.schedule):
                return Want.RECORD
        return Want.NOTHING

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "camera_id": self.channel_id,
            "mode": self.mode.value,
            "stream": self.stream.value,
            "schedule": [window.form() for window in self.schedule],
            "pre_s": self.pre_s,
            "post_s": self.post_s,
            "edge_first": self.is_edge_first,
            "priority": self.priority,
            "version": self.version,
        }


_RULES: Final[Mapping[str, fields.Rule]] = {
    "mode": fields.choice(*Mode),
    "stream": fields.choice(*Stream),
    "schedule": lambda field, value: read_schedule(field, value),
    "pre_s": lambda field, value: _whole(field, value, 0, MOST_PRE_S),
    "post_s": lambda field, value: _whole(field, value, 0, MOST_POST_S),
    "edge_first": fields.flag,
    "priority": lambda field, value: _whole(field, value, 1, 9),
}


def changed_plan(plan: RecordingPlan, changes: Mapping[str, Any]) -> RecordingPlan:
    """Return a plan with fields changed, checked. Errors: INVALID, naming the field."""
    values = fields.read(changes, _RULES)
    if "edge_first" in values:
        values["is_edge_first"] = values.pop("edge_first")
    if "mode" in values:
        values["mode"] = Mode(values["mode"])
    if "stream" in values:
        values["stream"] = Stream(values["stream"])
    changed = replace(plan, **values)
    if changed.mode is Mode.SCHEDULED and not changed.schedule:
        raise refuse("schedule", "recording.no_windows", "a schedule needs at least one window")
    if changed.is_edge_first and changed.mode in (Mode.CONTINUOUS, Mode.SCHEDULED):
        raise refuse("edge_first", "recording.edge_needs_event", "recording by the device is for event recording")
    return changed


def check_recordable(plan: RecordingPlan, channel: ChannelRecord) -> None:
    """Refuse to record a camera nobody answers for. Errors: CONFLICT naming what is missing."""
    if plan.mode is Mode.OFF:
        return
    if channel.stage != IN_SERVICE:
        raise TocsinError(ErrorCode.CONFLICT, "the camera is not in service", key="recording.not_in_service")
    if channel.missing:
        raise TocsinError(
            ErrorCode.CONFLICT,
            f"the camera has no {' and no '.join(channel.missing)}",
            key="recording.camera_incomplete",
            missing=", ".join(channel.missing),
            missing_zh="、".join(_MISSING_ZH[name] for name in channel.missing),
        )


def wanted_within(plan: RecordingPlan, from_ms: int, to_ms: int, zone: tzinfo | None) -> list[Span]:
    """Return what of a stretch a plan wants recorded, as it is now, to the minute; of its last week at most."""
    if plan.mode is Mode.CONTINUOUS:
        return [Span(from_ms, to_ms)] if from_ms < to_ms else []
    if plan.mode is not Mode.SCHEDULED:
        return []
    found: list[Span] = []
    at_ms = max(from_ms, to_ms - 7 * DAY_MS)
    while at_ms < to_ms:
        until_ms = min(to_ms, (at_ms // MINUTE_MS + 1) * MINUTE_MS)
        if plan.want(datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)) is Want.RECORD:
            found.append(Span(at_ms, until_ms))
        at_ms = until_ms
    return merged(found)


def read_schedule(field: str, given: Any) -> tuple[Window, ...]:
    """Return the windows of a schedule, as the API and the row give them. Errors: INVALID, naming the window."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise refuse(field, "recording.window_form", "a schedule is a list of windows", window=str(given)[:80])
    if len(given) > MAX_WINDOWS:
        raise refuse(field, "recording.many_windows", f"at most {MAX_WINDOWS} windows", most=MAX_WINDOWS)
    return tuple(_window(field, one) for one in given)


def differences(before: RecordingPlan, after: RecordingPlan) -> tuple[str, ...]:
    """Return the names of the fields in which two plans differ, as the API names them."""
    was, now = before.form(), after.form()
    return tuple(name for name in was if name != "version" and was[name] != now[name])


def _window(field: str, given: Any) -> Window:
    try:
        days = tuple(sorted({int(day) for day in given["days"]}))
        made = Window(days, _minute(given["from"]), _minute(given["to"]))
        is_good = (
            days and days[0] >= 1 and days[-1] <= 7 and made.from_minute != made.to_minute
            and made.from_minute < DAY_MINUTES and made.to_minute > 0
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        is_good = False
    if not is_good:
        raise refuse(field, "recording.window_form", "no window of a week", window=str(given)[:80])
    return made


def _minute(text: Any) -> int:
    hours, _, minutes = str(text).partition(":")
    if not (len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        raise ValueError(text)
    found = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or found > DAY_MINUTES:
        raise ValueError(text)
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _whole(field: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refuse(field, "registry.field_number", f"{field} is a whole number", low=low, high=high)
    return value
