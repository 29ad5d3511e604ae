"""Alarm notifications: what a device's alarm document means, and what of it is not ours to know.

Only what concerns a place or a device is read. Analytics that count or judge people, and whatever recognises somebody,
never become meaning: the caller counts `NotKept` and forgets the document.

Source: GB/T 28181-2022, "Alarm notification"; editions 2016 and 2022 differ in the types of method 5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import is_acceptable
from tocsin.protocols.gb28181.manscdp import Document, Element, document_of
from tocsin.protocols.gb28181.register import BEIJING

LOWEST_LEVEL: Final = 4
OTHER_METHOD: Final = 7
DEVICE_METHOD: Final = 2
VIDEO_METHOD: Final = 5
MAX_TEXT_CHARS: Final = 200
SKEW_WARNED_S: Final = 60


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a method with a type stands for; `priority` is the gravest the device may make of it, 1 to 9."""

    kind: EventKind
    category: Category
    priority: int
    label_en: str
    label_zh: str
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class NotKept:
    """An alarm about people instead of a place: answered, counted under `word`, and forgotten."""

    word: str


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """One alarm as a device tells it; texts that are absent are empty.

    `source` is the DeviceID as sent when it can be an id. `level` runs from 1 (highest) to 4. `cleaned` is the body
    without what recognises people, None when there was nothing to take out.
    """

    source: str
    sn: int | None
    method: str
    type: str
    type_param: str
    level: int
    priority: int
    meaning: Meaning
    at: datetime | None
    time_text: str
    text: str
    lon: float | None
    lat: float | None
    asks_for_reset: bool
    cleaned: bytes | None = None

    @property
    def code(self) -> str:
        """Method and type as one word: `2`, `5/6`."""
        return f"{self.method}/{self.type}" if self.type else self.method

    @property
    def repeat_key(self) -> str:
        """What a repetition has in common with the first, by whatever way it comes; empty when nothing can tell.

        Source: GB/T 28181 reference, rules of alarms: (DeviceID, AlarmMethod, AlarmType, AlarmTime).
        """
        if self.time_text:
            return f"alarm|{self.source}|{self.code}|{self.time_text}"
        return f"alarm|{self.source}|{self.code}|sn{self.sn}" if self.sn is not None else ""


def _alarm(category: Category, priority: int, label_en: str, label_zh: str) -> Meaning:
    return Meaning(EventKind.ALARM, category, priority, label_en, label_zh)


def _fault(category: Category, priority: int, label_en: str, label_zh: str) -> Meaning:
    return Meaning(EventKind.TROUBLE, category, priority, label_en, label_zh)


METHODS: Final[Mapping[int, Meaning]] = {
    1: _alarm(Category.UNKNOWN, 2, "Telephone alarm", "电话报警"),
    2: _alarm(Category.BURGLARY, 2, "Device alarm", "设备报警"),
    3: _alarm(Category.UNKNOWN, 2, "Text-message alarm", "短信报警"),
    4: _alarm(Category.UNKNOWN, 2, "Positioning alarm", "GPS 报警"),
    5: _alarm(Category.VERIFY, 3, "Video alarm", "视频报警"),
    6: _fault(Category.TROUBLE, 5, "Device fault", "设备故障报警"),
    7: _alarm(Category.UNKNOWN, 3, "Other alarm", "其他报警"),
}
TYPES: Final[Mapping[tuple[int, int], Meaning]] = {
    (2, 1): _fault(Category.TROUBLE, 4, "Video loss", "视频丢失"),
    (2, 2): _alarm(Category.TAMPER, 3, "Tamper", "设备防拆"),
    (2, 3): _fault(Category.TROUBLE, 6, "Storage full", "存储设备磁盘满"),
    (2, 4): _fault(Category.TECHNICAL, 4, "Over-temperature", "设备高温"),
    (2, 5): _fault(Category.TECHNICAL, 4, "Under-temperature", "设备低温"),
    (5, 1): _alarm(Category.PANIC, 2, "Manual video alarm", "人工视频报警"),
    (5, 2): _alarm(Category.PERIMETER, 4, "Motion", "运动目标检测"),
    (5, 3): _alarm(Category.VERIFY, 3, "Object left", "遗留物检测"),
    (5, 4): _alarm(Category.BURGLARY, 3, "Object removed", "物体移除检测"),
    (5, 5): _alarm(Category.PERIMETER, 3, "Line crossed", "绊线检测"),
    (5, 6): _alarm(Category.PERIMETER, 3, "Area entered", "入侵检测"),
    (5, 11): _alarm(Category.TAMPER, 4, "Picture abnormal", "视频异常检测"),
    (5, 13): _alarm(Category.TAMPER, 3, "Lens covered", "视频遮挡"),
    (6, 1): _fault(Category.TROUBLE, 5, "Disk fault", "存储设备磁盘故障"),
    (6, 2): _fault(Category.TROUBLE, 6, "Fan fault", "存储设备风扇故障"),
}
# How people move, gather or linger, and how many they are: not kept (docs/not-built.md).
NOT_KEPT_TYPES: Final[Mapping[tuple[int, int], str]] = {
    (5, 7): "direction",
    (5, 8): "loitering",
    (5, 9): "flow",
    (5, 10): "density",
    (5, 12): "movement",
}
RECOGNITION: Final = "recognition"
_ENTERED_OR_LEFT: Final[Mapping[str, tuple[str, str]]] = {
    "1": ("Area entered", "进入区域"),
    "2": ("Area left", "离开区域"),
}

_ABOUT_SOMEBODY: Final = re.compile(
    r"(?<!inter)(?<!sur)face|(?<!tem)plate|licen[cs]e|person|people|human|pedestrian|gender|biometr|gait|id_?card"
    r"|similarity|feature|vehicle|blacklist|whitelist",
    re.IGNORECASE,
)
_SAYS_RECOGNITION: Final = re.compile(
    r"人脸|面部|车牌|黑名单|白名单|身份证|\bface\b|facial|licen[cs]e plate|number plate|blacklist", re.IGNORECASE
)
_NUMBER_OF_SOMEBODY: Final = re.compile(
    r"(?<![0-9A-Za-z])\d{17}[0-9Xx](?![0-9A-Za-z])"
    r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-Z][·\s-]?[A-HJ-NP-Z0-9]{5,6}"
)
_OUR_FIELDS: Final = frozenset(
    {"cmdtype", "sn", "deviceid", "time", "alarmtime", "alarmmethod", "alarmtype", "alarmpriority"}
)
_LOOKS_LIKE_ALARM: Final = re.compile(rb"<CmdType>\s{0,8}Alarm\s{0,8}<", re.IGNORECASE)
_STRANGE_METHOD: Final = re.compile(r"[^0-7/,\s]", re.ASCII)
_DIGITS: Final = re.compile(r"\d", re.ASCII)
_SHORT_NUMBER: Final = re.compile(r"\d{1,4}\Z", re.ASCII)
_TIME: Final = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6}))?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?\Z",
    re.ASCII,
)


def is_alarm(document: Document) -> bool:
    """True for a notification of an alarm, whichever way it came."""
    return document.kind == "notify" and document.cmd_type.lower() == "alarm"


def may_be_alarm(body: bytes) -> bool:
    """True when a body that cannot be read as a document looks like an alarm all the same."""
    return _LOOKS_LIKE_ALARM.search(body[:4096]) is not None


def read_alarm(document: Document, near: datetime) -> AlarmNotice | NotKept:
    """Say what an alarm document means; `near` is when it arrived. Nothing in it is an error, unknown values are kept.

    Missing AlarmMethod and AlarmPriority count as 7 and 4.
    """
    root = document.root
    info = root.child("Info")
    method_text = root.get("AlarmMethod") or (info.get("AlarmMethod") if info else "")
    type_text = root.get("AlarmType") or (info.get("AlarmType") if info else "")
    description = root.get("AlarmDescription")
    methods = methods_of(method_text)
    found = _meaning(methods, type_text)
    if isinstance(found, NotKept):
        return found
    method, meaning, is_typed = found
    says_recognition = _SAYS_RECOGNITION.search(description) is not None
    if says_recognition and not is_typed and method in (VIDEO_METHOD, OTHER_METHOD):
        return NotKept(RECOGNITION)

    kept = without_people(root)
    if says_recognition:
        kept = _without(kept, "alarmdescription")
    type_param = _type_param(root, info)
    if (method, type_text) == (VIDEO_METHOD, "6") and type_param in _ENTERED_OR_LEFT:
        label_en, label_zh = _ENTERED_OR_LEFT[type_param]
        meaning = replace(meaning, label_en=label_en, label_zh=label_zh)
    level = root.integer("AlarmPriority")
    level = level if level is not None and 1 <= level <= LOWEST_LEVEL else LOWEST_LEVEL
    source = document.device_id
    lon, lat = position_of(root)
    return AlarmNotice(
        source=source if is_acceptable(source) else "",
        sn=document.sn,
        method=_short(method_text) if _STRANGE_METHOD.search(method_text) else str(method),
        type=_short(type_text),
        type_param=_short(type_param),
        level=level,
        priority=max(level, meaning.priority),
        meaning=meaning,
        at=read_time(root.get("AlarmTime"), near),
        time_text=root.get("AlarmTime")[:32],
        text=kept.get("AlarmDescription")[:MAX_TEXT_CHARS],
        lon=lon,
        lat=lat,
        asks_for_reset=DEVICE_METHOD in methods,
        cleaned=None if kept is root else document_of(kept, Label.GB18030),
    )


def methods_of(text: str) -> tuple[int, ...]:
    """Return the methods a text names, each once: `2`, `1/2` and, from 2016 devices, `12`; (7,) when it names none."""
    known = tuple(dict.fromkeys(int(digit) for digit in _DIGITS.findall(text[:32]) if int(digit) in METHODS))
    return known or (OTHER_METHOD,)


def read_time(text: str, near: datetime) -> datetime | None:
    """Return the moment of a device's time text, None when it is none.

    It is Beijing time; a space for T, missing zeros and slashes occur. Of a trailing Z nobody can say what it means:
    the reading nearer to the arrival is taken.
    """
    match = _TIME.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micros = int((match[7] or "").ljust(6, "0") or 0)
    try:
        local = datetime(year, month, day, hour, minute, min(second, 59), micros, tzinfo=BEIJING)
    except ValueError:
        return None
    if not 1990 <= year <= 2100:
        return None
    zone = match[8]
    if zone is None:
        return local.astimezone(UTC)
    if zone == "Z":
        readings = (local.astimezone(UTC), local.replace(tzinfo=UTC))
        return min(readings, key=lambda moment: abs(moment - near))
    sign = -1 if zone[0] == "-" else 1
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return local.replace(tzinfo=UTC) - sign * offset


def _meaning(methods: tuple[int, ...], type_text: str) -> tuple[int, Meaning, bool] | NotKept:
    """Return method, meaning and whether the type was known: the gravest of what several methods make of one type."""
    if _ABOUT_SOMEBODY.search(type_text):
        return NotKept(RECOGNITION)
    number = int(type_text) if _SHORT_NUMBER.match(type_text) else None
    readings: list[tuple[int, Meaning, bool]] = []
    word = ""
    for method in methods:
        if number is not None and (method, number) in NOT_KEPT_TYPES:
            word = NOT_KEPT_TYPES[method, number]
        elif number is not None and (method, number) in TYPES:
            readings.append((method, TYPES[method, number], True))
        else:
            readings.append((method, _generic(method, type_text, is_plain=number in (None, 0)), False))
    if not readings:
        return NotKept(word)
    typed = [reading for reading in readings if reading[2]] or readings
    return min(typed, key=lambda reading: reading[1].priority)


def _generic(method: int, type_text: str, *, is_plain: bool) -> Meaning:
    """Return a method's meaning with a type nobody defined. An unknown analytic is shown and rings nobody."""
    meaning = METHODS[method]
    if not type_text or (is_plain and type_text.strip("0") == ""):
        return meaning
    shown = _short(type_text)
    return replace(
        meaning,
        label_en=f"{meaning.label_en}, type {shown}",
        label_zh=f"{meaning.label_zh}（类型 {shown}）",
        is_known=method != VIDEO_METHOD,
    )


def _type_param(root: Element, info: Element | None) -> str:
    for parent in (info, root):
        found = parent.child("AlarmTypeParam") if parent is not None else None
        if found is not None:
            return found.get("EventType") or found.text
    return ""


def position_of(root: Element) -> tuple[float | None, float | None]:
    """Return longitude and latitude as sent; (None, None) when there is no fix or they are none."""
    lon, lat = root.number("Longitude"), root.number("Latitude")
    if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90) or (lon == 0 and lat == 0):
        return None, None
    return lon, lat


def _short(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:6]


def _without(element: Element, name: str) -> Element:
    return replace(element, children=tuple(item for item in element.children if item.name.lower() != name))


def without_people(element: Element) -> Element:
    """Return it without elements named after people or vehicles and without their numbers; itself when it has none."""
    children = tuple(
        without_people(item)
        for item in element.children
        if item.name.lower() in _OUR_FIELDS or not _ABOUT_SOMEBODY.search(item.name)
    )
    text = element.text
    if element.name.lower() not in _OUR_FIELDS:
        text = _NUMBER_OF_SOMEBODY.sub("***", text)
    is_same = len(children) == len(element.children) and all(
        new is old for new, old in zip(children, element.children, strict=True)
    )
    return element if is_same and text == element.text else replace(element, text=text, children=children)
