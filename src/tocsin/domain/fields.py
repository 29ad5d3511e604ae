"""What people enter, checked field by field: each rule returns the value to keep or says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words

Rule = Callable[[str, Any], Any]

WORDS: Final = Words(
    {
        "registry.field_unknown": ("{field} is not a known field.", "未知字段 {field}。"),
        "registry.field_required": ("{field} must not be empty.", "{field} 不能为空。"),
        "registry.field_text": ("{field} must be text.", "{field} 必须是文本。"),
        "registry.field_long": ("{field} may have at most {limit} characters.", "{field} 最多 {limit} 个字符。"),
        "registry.field_number": (
            "{field} must be a number from {low} to {high}.",
            "{field} 必须是 {low} 到 {high} 之间的数。",
        ),
        "registry.field_choice": ("{field} must be one of: {choices}.", "{field} 只能是：{choices}。"),
        "registry.field_flag": ("{field} must be yes or no.", "{field} 必须是“是”或“否”。"),
        "registry.field_fixed": ("{field} cannot be changed.", "{field} 不可更改。"),
        "registry.code_form": ("A division code has 1 to 12 digits.", "行政区划代码为 1 至 12 位数字。"),
        "registry.code_parent": (
            "The code must begin with {parent}, its parent's.",
            "代码必须以上级代码 {parent} 开头。",
        ),
        "registry.code_taken": ("Another jurisdiction has this code.", "该代码已被其他辖区使用。"),
        "registry.position_half": ("A position needs longitude and latitude.", "位置需同时填写经度和纬度。"),
        "registry.place_elsewhere": (
            "The place lies in another jurisdiction.",
            "该场所属于其他辖区。",
        ),
        "registry.zone_taken": ("The device has a zone of this number.", "该设备已有此防区号。"),
        "registry.in_use": ("It is still used: {by}.", "仍在使用：{by}。"),
        "registry.retired": ("It is retired.", "已停用。"),
        "registry.camera_missing": ("The camera {id} does not exist here.", "摄像机 {id} 不存在。"),
        "registry.channel_incomplete": (
            "The camera cannot go into service: {missing} is missing.",
            "摄像机不能投入使用：缺少 {missing_zh}。",
        ),
        "place.not_of_incident": ("This incident is of another place.", "该警情属于其他场所。"),
        "registry.phone_covered": (
            "Write the number of {name} whole, or leave it as it was shown.",
            "请完整填写{name}的电话，或保持原样不动。",
        ),
        "registry.many_tags": ("A camera has at most {most} tags.", "每台摄像机最多 {most} 个标签。"),
        "registry.field_form": ("{field} has the wrong form: {form}.", "{field} 格式不正确：{form}。"),
    }
)


def refuse(field: str, key: str, detail: str, **params: object) -> TocsinError:
    """Return the error that names a field; `key` is a message key."""
    return TocsinError(ErrorCode.INVALID, detail, key=key, field=field, **params)


def read(given: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the checked values of the fields given. Errors: INVALID, naming the first field that is wrong."""
    values = {}
    for field, value in given.items():
        rule = rules.get(field)
        if rule is None:
            raise refuse(field, "registry.field_unknown", f"{field} is not a known field")
        values[field] = rule(field, value)
    return values


def require(given: Mapping[str, Any], *names: str) -> None:
    """Refuse when one of these is absent or empty. Errors: INVALID."""
    for name in names:
        if given.get(name) in (None, ""):
            raise refuse(name, "registry.field_required", f"{name} must not be empty")


def text(limit: int = 200, *, required: bool = False) -> Rule:
    """Text of at most `limit` characters, trimmed; control characters but tab and line feed are taken out."""

    def _rule(field: str, value: Any) -> str:
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise refuse(field, "registry.field_text", f"{field} must be text")
        kept = "".join(c for c in value if c.isprintable() or c in "\t\n").strip()
        if required and not kept:
            raise refuse(field, "registry.field_required", f"{field} must not be empty")
        if len(kept) > limit:
            raise refuse(field, "registry.field_long", f"{field} may have at most {limit} characters", limit=limit)
        return kept

    return _rule


def number(low: float, high: float, *, optional: bool = True) -> Rule:
    """A number within both bounds; None is kept when `optional`."""

    def _rule(field: str, value: Any) -> float | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _out_of(field, low, high)
        if not low <= value <= high:
            raise _out_of(field, low, high)
        return float(value)

    return _rule


def _out_of(field: str, low: float, high: float) -> TocsinError:
    return refuse(
        field,
        "registry.field_number",
        f"{field} must be a number from {low:g} to {high:g}",
        low=f"{low:g}",
        high=f"{high:g}",
    )


def choice(*words: str) -> Rule:
    """One of these words."""

    def _rule(field: str, value: Any) -> str:
        if value not in words:
            listed = ", ".join(word for word in words if word)
            raise refuse(field, "registry.field_choice", f"{field} must be one of: {listed}", choices=listed)
        return str(value)

    return _rule


def flag(field: str, value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise refuse(field, "registry.field_flag", f"{field} must be yes or no")
    return value


def optional_id(field: str, value: Any) -> str | None:
    """An id, or None for none."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > 36:
        raise refuse(field, "registry.field_text", f"{field} must be an id")
    return value
