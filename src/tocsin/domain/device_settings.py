"""What of a device may be set, field by field in the standard's words: ranges, lists, and what a change changes.

Counts (SumNum and its like) are ours to write. Source: GB/T 28181-2022, "Device configuration" and its types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.fields import Rule, refuse

MAX_CHANGES: Final = 60
MAX_CHANGE_CHARS: Final = 160
MAX_MASKS: Final = 4
MAX_TEXTS: Final = 8
MAX_SEGMENTS: Final = 8
MAX_STREAMS: Final = 8
_POINT: Final = re.compile(r"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*,\s*(\d{1,5})\s*\Z", re.ASCII)
_RESOLUTION: Final = re.compile(r"(?:\d|\d{2,5}[xX*]\d{2,5})\Z", re.ASCII)

WORDS: Final = Words(
    {
        "setting.point": (
            "A mask is left,top,right,bottom in pixels, right and bottom the larger: 20,30,50,60.",
            "遮挡区域格式为 左,上,右,下（像素），右大于左、下大于上，如 20,30,50,60。",
        ),
        "setting.segment": (
            "A stretch of time ends after it begins, within one day.",
            "时间段的结束须晚于开始，且在同一天内。",
        ),
        "setting.too_many": ("At most {limit} of {field}.", "{field} 最多 {limit} 项。"),
        "setting.twice": ("{field}: each once.", "{field} 不能重复。"),
        "setting.of_device": (
            "This is set on the device itself, not on a channel.",
            "此项须在设备上设置，不能按通道设置。",
        ),
        "setting.of_channel": ("This is set on a channel. Choose one.", "此项须按通道设置，请先选择通道。"),
    }
)

Values = dict[str, Any]
_switch: Final = fields.number(0, 1, optional=False)
_stream: Final = fields.number(0, 15, optional=False)
_pixel: Final = fields.number(0, 16_384, optional=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """One type: on a channel or the device, its fields, those that must be given, and how lists become a tree."""

    rules: Mapping[str, Rule]
    of_channel: bool = True
    required: tuple[str, ...] = ()
    finish: Callable[[Values], Values] = field(default=lambda values: values)


def _rows(most: int, rules: Mapping[str, Rule], required: Sequence[str], unique: str = "") -> Rule:
    """A list of at most `most` rows; `unique` names the field that differs."""

    def _rule(name: str, value: Any) -> list[Values]:
        if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
            raise refuse(name, "registry.field_form", f"{name} must be a list of objects", form="[{...}]")
        if len(value) > most:
            raise refuse(name, "setting.too_many", f"at most {most} of {name}", limit=most)
        rows = []
        for row in value:
            for needed in required:
                if row.get(needed) is None:
                    raise refuse(needed, "registry.field_required", f"{needed} must not be empty")
            rows.append(_whole(fields.read(row, rules)))
        if unique and len({row[unique] for row in rows}) != len(rows):
            raise refuse(unique, "setting.twice", f"{unique}: each once")
        return rows

    return _rule


def _point(name: str, value: Any) -> str:
    found = _POINT.match(value) if isinstance(value, str) else None
    if found is None:
        raise refuse(name, "setting.point", "a mask is left,top,right,bottom")
    left, top, right, bottom = (int(part) for part in found.groups())
    if left >= right or top >= bottom:
        raise refuse(name, "setting.point", "a mask is left,top,right,bottom")
    return f"{left},{top},{right},{bottom}"


def _resolution(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _RESOLUTION.match(value):
        raise refuse(name, "registry.field_form", f"{name} is no resolution", form="6, 1920x1080")
    return value


_TIMES: Final = ("StartHour", "StartMin", "StartSec", "StopHour", "StopMin", "StopSec")
_SEGMENT: Final[Mapping[str, Rule]] = {
    name: fields.number(0, 24 if name == "StopHour" else 23 if name == "StartHour" else 59, optional=False)
    for name in _TIMES
}


def _segments(name: str, value: Any) -> list[Values]:
    rows: list[Values] = _rows(MAX_SEGMENTS, _SEGMENT, _TIMES)(name, value)
    for row in rows:
        begin, end = (row[f"{at}Hour"] * 3600 + row[f"{at}Min"] * 60 + row[f"{at}Sec"] for at in ("Start", "Stop"))
        if not begin < end <= 86_400:
            raise refuse(name, "setting.segment", "a stretch of time ends after it begins")
    return rows


def _mask(values: Values) -> Values:
    regions = values.pop("RegionList", [])
    return {**values, "SumNum": len(regions), **({"RegionList": {"Item": regions}} if regions else {})}


def _osd(values: Values) -> Values:
    texts = values.pop("Item", [])
    return {**values, "SumNum": len(texts), **({"Item": texts} if texts else {})}


def _plan(values: Values) -> Values:
    days = [
        {"WeekDayNum": day["WeekDayNum"], "TimeSegmentSumNum": len(day["TimeSegment"]), **day}
        for day in sorted(values["RecordSchedule"], key=lambda day: int(day["WeekDayNum"]))
        if day["TimeSegment"]
    ]
    return {
        "RecordEnable": values["RecordEnable"],
        "RecordScheduleSumNum": len(days),
        **({"RecordSchedule": days} if days else {}),
        "StreamNumber": values["StreamNumber"],
    }


SETTINGS: Final[Mapping[str, Setting]] = {
    "BasicParam": Setting(
        {
            "Name": fields.text(64, required=True),
            "Expiration": fields.number(3_600, 86_400, optional=False),
            "HeartBeatInterval": fields.number(5, 3_600, optional=False),
            "HeartBeatCount": fields.number(1, 255, optional=False),
        },
        of_channel=False,
    ),
    "FrameMirror": Setting({"": fields.number(0, 3, optional=False)}, required=("",)),
    "AlarmReport": Setting(
        {"MotionDetection": _switch, "FieldDetection": _switch}, required=("MotionDetection", "FieldDetection")
    ),
    "OSDConfig": Setting(
        {
            "Length": _pixel,
            "Width": _pixel,
            "TimeX": _pixel,
            "TimeY": _pixel,
            "TimeEnable": _switch,
            "TimeType": _switch,
            "TextEnable": _switch,
            "Item": _rows(
                MAX_TEXTS, {"Text": fields.text(32, required=True), "X": _pixel, "Y": _pixel}, ("Text", "X", "Y")
            ),
        },
        required=("Length", "Width", "TimeX", "TimeY"),
        finish=_osd,
    ),
    "PictureMask": Setting(
        {
            "On": _switch,
            "RegionList": _rows(
                MAX_MASKS,
                {"Seq": fields.number(1, MAX_MASKS, optional=False), "Point": _point},
                ("Seq", "Point"),
                "Seq",
            ),
        },
        required=("On",),
        finish=_mask,
    ),
    "VideoRecordPlan": Setting(
        {
            "RecordEnable": _switch,
            "StreamNumber": _stream,
            "RecordSchedule": _rows(
                7,
                {"WeekDayNum": fields.number(1, 7, optional=False), "TimeSegment": _segments},
                ("WeekDayNum", "TimeSegment"),
                "WeekDayNum",
            ),
        },
        required=("RecordEnable", "StreamNumber", "RecordSchedule"),
        finish=_plan,
    ),
    "VideoAlarmRecord": Setting(
        {
            "RecordEnable": _switch,
            "StreamNumber": _stream,
            "RecordTime": fields.number(0, 86_400, optional=False),
            "PreRecordTime": fields.number(0, 3_600, optional=False),
        },
        required=("RecordEnable", "StreamNumber"),
    ),
    "VideoParamAttribute": Setting(
        {
            "Item": _rows(
                MAX_STREAMS,
                {
                    "StreamNumber": _stream,
                    "VideoFormat": fields.choice("1", "2", "3", "4", "5"),
                    "Resolution": _resolution,
                    "FrameRate": fields.number(0, 99, optional=False),
                    "BitRateType": fields.choice("1", "2"),
                    "VideoBitRate": fields.number(0, 100_000, optional=False),
                },
                ("StreamNumber", "VideoFormat", "Resolution", "FrameRate", "BitRateType", "VideoBitRate"),
                "StreamNumber",
            )
        },
        required=("Item",),
    ),
}


def checked(config_type: str, given: Mapping[str, Any]) -> Values:
    """Return what to send of a type, as a tree. Errors: INVALID naming what is wrong."""
    setting = SETTINGS.get(config_type)
    if setting is None:
        raise refuse("type", "registry.field_form", f"{config_type} cannot be set", form=", ".join(SETTINGS))
    if not given:
        raise refuse("values", "registry.field_required", "values must not be empty")
    for name in setting.required:
        if given.get(name) is None:
            raise refuse(name or "values", "registry.field_required", f"{name} must not be empty")
    return setting.finish(_whole(fields.read(given, setting.rules)))


def check_target(config_type: str, channel_id: str) -> None:
    """Refuse a type of the other kind of target. Errors: INVALID."""
    if SETTINGS[config_type].of_channel != bool(channel_id):
        key = "setting.of_channel" if SETTINGS[config_type].of_channel else "setting.of_device"
        raise refuse("channel_id", key, "this is set on the other kind")


def changes_of(before: Mapping[str, str] | None, after: Values) -> tuple[str, ...]:
    """Return each field that changes as `name: before -> after`; a before nobody told is `?`."""
    wanted: dict[str, str] = {}
    _flatten(after, "", wanted)
    found = []
    for name in wanted:
        old = "?" if before is None else before.get(name, "")
        if old != wanted[name]:
            found.append(f"{name or 'value'}: {old} -> {wanted[name]}"[:MAX_CHANGE_CHARS])
    heads = {name.split(".")[0] for name, value in after.items() if isinstance(value, list | dict)} | {
        "RegionList", "Item", "RecordSchedule",
    }  # fmt: skip
    for name in before or {}:
        if name not in wanted and name.split(".")[0] in heads:
            found.append(f"{name}: {(before or {})[name]} -> "[:MAX_CHANGE_CHARS])
    return tuple(found[:MAX_CHANGES])


def _flatten(tree: Any, path: str, found: dict[str, str]) -> None:
    """Name each value by its path, with the place in a list that has several, as what a device says is named."""
    if not isinstance(tree, Mapping):
        found[path] = str(tree)
        return
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        rows = value if isinstance(value, list) else [value]
        for number, row in enumerate(rows, 1):
            _flatten(row, f"{here}.{number}" if len(rows) > 1 else here, found)


def _whole(values: Mapping[str, Any]) -> Values:
    return {name: int(value) if isinstance(value, float) else value for name, value in values.items()}
