"""What the alarm word of a location report means in the normal form.

Bits about how somebody drives (speeding, driving hours, fatigue, irregular driving) and about where a vehicle goes
(areas, routes) are not events here: they are answered, counted and forgotten (docs/not-built.md).

Source: JT/T 808, alarm word of the location report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.jt808.location import Location

SOS: Final = 0
CLEARED_BY_CONFIRMATION: Final = 1 << 0 | 1 << 3 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 27 | 1 << 28 | 1 << 31
"""Bits a terminal holds until the platform has confirmed the alarm."""
CONFIRMABLE: Final = 1 << 0 | 1 << 3 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 27 | 1 << 28
"""Bits 0x8203 can name."""


@dataclass(frozen=True, slots=True)
class BitMeaning:
    """What one bit says."""

    kind: EventKind
    category: Category
    priority: int
    label_en: str
    label_zh: str


_T, _A = EventKind.TROUBLE, EventKind.ALARM
MEANINGS: Final[Mapping[int, BitMeaning]] = {
    0: BitMeaning(_A, Category.PANIC, 1, "SOS button", "紧急报警按钮"),
    3: BitMeaning(_A, Category.TECHNICAL, 3, "Danger warning", "危险预警"),
    4: BitMeaning(_T, Category.TROUBLE, 6, "Positioning module faulty", "定位模块故障"),
    5: BitMeaning(_T, Category.TROUBLE, 6, "Antenna disconnected or cut", "定位天线未接或被剪断"),
    6: BitMeaning(_T, Category.TROUBLE, 6, "Antenna shorted", "定位天线短路"),
    7: BitMeaning(_T, Category.TROUBLE, 6, "Main power low", "主电源欠压"),
    8: BitMeaning(_T, Category.POWER, 5, "Main power cut", "主电源掉电"),
    9: BitMeaning(_T, Category.TROUBLE, 7, "Display faulty", "显示屏故障"),
    10: BitMeaning(_T, Category.TROUBLE, 7, "Speech module faulty", "语音模块故障"),
    11: BitMeaning(_T, Category.TROUBLE, 7, "Vehicle camera faulty", "车载摄像头故障"),
    12: BitMeaning(_T, Category.TROUBLE, 7, "Card reader faulty", "IC 卡模块故障"),
    16: BitMeaning(_T, Category.TECHNICAL, 6, "Tyre pressure", "胎压异常"),
    24: BitMeaning(_T, Category.TROUBLE, 7, "Speed sensor faulty", "车速传感器故障"),
    25: BitMeaning(_T, Category.TECHNICAL, 6, "Fuel level abnormal", "油量异常"),
    26: BitMeaning(_A, Category.BURGLARY, 2, "Vehicle stolen", "车辆被盗"),
    27: BitMeaning(_A, Category.BURGLARY, 3, "Ignition without permission", "非法点火"),
    28: BitMeaning(_A, Category.BURGLARY, 3, "Vehicle moved without permission", "非法位移"),
    29: BitMeaning(_A, Category.TECHNICAL, 2, "Collision", "碰撞报警"),
    30: BitMeaning(_A, Category.TECHNICAL, 2, "Roll-over", "侧翻报警"),
    31: BitMeaning(_A, Category.TAMPER, 4, "Door opened without permission", "非法开门"),
}
KEPT_BITS: Final = sum(1 << bit for bit in MEANINGS)
_ALARM_BITS: Final = sum(1 << bit for bit, meaning in MEANINGS.items() if meaning.kind is EventKind.ALARM)
LIFTED: Final = "Restored: {0}", "恢复：{0}"


def bits_of(word: int) -> list[int]:
    """Return the numbers of the bits that are set, lowest first."""
    return [bit for bit in range(32) if word >> bit & 1]


def edge_events(before: int, location: Location) -> tuple[NormalEvent, ...]:
    """Return what changed between the alarm word before and that of a report: what came, then what went.

    An event carries the report's time, and its position when it is one. Alarms that a terminal drops because they were
    confirmed are not restores of anything; only the end of a fault is.
    """
    came = location.alarm & ~before & KEPT_BITS
    went = before & ~location.alarm & KEPT_BITS & ~_ALARM_BITS
    if not came and not went:
        return ()
    where = (location.lon, location.lat) if location.is_fix else (None, None)
    found = []
    for bit in bits_of(came):
        found.append(_event(bit, MEANINGS[bit], location, where))
    for bit in bits_of(went):
        meaning = MEANINGS[bit]
        event = _event(bit, meaning, location, where)
        found.append(
            replace(
                event,
                kind=EventKind.RESTORE,
                qualifier="R",
                priority=8,
                label_en=LIFTED[0].format(meaning.label_en),
                label_zh=LIFTED[1].format(meaning.label_zh),
            )
        )
    return tuple(found)


def _event(bit: int, meaning: BitMeaning, location: Location, where: tuple[float | None, float | None]) -> NormalEvent:
    return NormalEvent(
        code_system="jt808",
        code=f"bit{bit}",
        kind=meaning.kind,
        category=meaning.category,
        priority=meaning.priority,
        label_en=meaning.label_en,
        label_zh=meaning.label_zh,
        qualifier="E",
        occurred_at=location.at,
        lon=where[0],
        lat=where[1],
    )
