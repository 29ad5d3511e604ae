"""What a device says of itself and how it is set: DeviceInfo, DeviceStatus, ConfigDownload, DeviceConfig.

Some makers answer under another element name than was asked for, so whatever is no part of the envelope is read.

Source: GB/T 28181-2022, "Device information query", "Device configuration"; field reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.device_clock import read_clock
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, build_document

CONFIG_DOWNLOAD: Final = "ConfigDownload"
DEVICE_CONFIG: Final = "DeviceConfig"
READ_2016: Final = ("BasicParam", "VideoParamOpt")
READ_2022: Final = (
    *READ_2016, "VideoParamAttribute", "VideoRecordPlan", "VideoAlarmRecord", "PictureMask", "FrameMirror",
    "AlarmReport", "OSDConfig",
)  # fmt: skip
MAX_VALUES: Final = 600
MAX_VALUE_CHARS: Final = 256
_ENVELOPE: Final = frozenset({"cmdtype", "sn", "deviceid", "result", "sumnum"})


@dataclass(frozen=True, slots=True)
class Condition:
    """How a device says it is; None and empty where it does not. `clock_diff_s` is its clock minus ours."""

    maker: str = ""
    model: str = ""
    firmware: str = ""
    channels: int | None = None
    is_online: bool | None = None
    is_recording: bool | None = None
    is_encoding: bool | None = None
    reason: str = ""
    clock_diff_s: float | None = None


def read_condition(
    info: Document | None, status: Document | None, now: datetime, asked_at: datetime | None = None
) -> Condition:
    """Read both answers, either of which may be missing; `now` is when they came, `asked_at` when we asked."""
    said = info.root if info is not None else Element("Response")
    state = status.root if status is not None else Element("Response")
    clock = read_clock(state.get("DeviceTime"), asked_at or now, now)
    return Condition(
        maker=_short(said.get("Manufacturer")),
        model=_short(said.get("Model")),
        firmware=_short(said.get("Firmware")),
        channels=said.integer("Channel"),
        is_online=_either(state.get("Online"), "ONLINE", "OFFLINE"),
        is_recording=_either(state.get("Record"), "ON", "OFF"),
        is_encoding=_either(state.get("Encode"), "ON", "OFF"),
        reason=_short(state.get("Reason")),
        clock_diff_s=clock.offset_s if clock is not None else None,
    )


def config_query(sn: int, target_id: str, types: Sequence[str], label: Label = Label.GB2312) -> bytes:
    """Return the question for how a device or channel is set."""
    return build_document("Query", CONFIG_DOWNLOAD, sn, target_id, [("ConfigType", "/".join(types))], label=label)


def read_configuration(document: Document) -> dict[str, dict[str, str]]:
    """Return the values by type, inner ones named by their path (`Item.1.Text`), a bare one by `""`."""
    found: dict[str, dict[str, str]] = {}
    left = MAX_VALUES
    for element in document.root.children:
        if element.name.lower() in _ENVELOPE or left <= 0:
            continue
        values = found.setdefault(_short(element.name), {})
        _flatten(element, "", values, left)
        left -= len(values)
    return found


def device_config(
    sn: int, target_id: str, config_type: str, values: Mapping[str, Any], label: Label = Label.GB2312
) -> bytes:
    """Return the command that sets a device; a bare value has the name `""`, a list is an element that repeats."""
    content: Pair = (config_type, values[""]) if "" in values else (config_type, pairs_of(values))
    body = build_document("Control", DEVICE_CONFIG, sn, target_id, [content], label=label)
    return _with_counts(body, config_type, values)


def pairs_of(values: Mapping[str, Any]) -> list[Pair]:
    """Return a tree of values as elements in order."""
    found: list[Pair] = []
    for name, value in values.items():
        rows = value if isinstance(value, list) else [value]
        found += [(name, pairs_of(row) if isinstance(row, Mapping) else row) for row in rows]
    return found


def _with_counts(body: bytes, config_type: str, values: Mapping[str, Any]) -> bytes:
    """Write the number of regions or streams beside the name of their list, as the standard has it."""
    regions = values.get("RegionList")
    if config_type == "PictureMask" and isinstance(regions, Mapping):
        body = body.replace(b"<RegionList>", b'<RegionList Num="%d">' % len(regions["Item"]), 1)
    if config_type == "VideoParamAttribute":
        mark = b'<VideoParamAttribute Num="%d">' % len(values.get("Item", ()))
        body = body.replace(b"<VideoParamAttribute>", mark, 1)
    return body


def _flatten(element: Element, path: str, values: dict[str, str], left: int) -> None:
    if len(values) >= left:
        return
    if not element.children:
        values[path[:MAX_VALUE_CHARS]] = element.text[:MAX_VALUE_CHARS]
        return
    names = [child.name for child in element.children]
    seen: dict[str, int] = {}
    for child in element.children:
        seen[child.name] = seen.get(child.name, 0) + 1
        name = f"{child.name}.{seen[child.name]}" if names.count(child.name) > 1 else child.name
        _flatten(child, f"{path}.{name}" if path else name, values, left)


def _either(text: str, yes: str, no: str) -> bool | None:
    return {yes: True, no: False}.get(text.upper())


def _short(text: str) -> str:
    return text[:128]
