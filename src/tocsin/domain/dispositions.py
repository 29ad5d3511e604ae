"""Keyed lists people choose from, in both languages: causes, dispositions, park reasons, purposes, closing blocks.

Starter set of the dispatch reference (exchange section). Each false cause feeds the repair file of its device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tocsin.base.words import Words
from tocsin.domain.access import Purpose


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list: a stable key and its words."""

    key: str
    en: str
    zh: str


FALSE_CAUSES: tuple[Choice, ...] = (
    Choice("user_error", "User error", "使用不当"),
    Choice("equipment", "Equipment fault", "设备故障"),
    Choice("environment", "Weather, light or animal", "环境或动物"),
    Choice("maintenance", "Maintenance or test", "维护或测试"),
    Choice("unknown", "Cause unknown", "原因不明"),
)

DISPOSITIONS: tuple[Choice, ...] = (
    Choice("genuine_handled", "Genuine, handled", "属实，已处置"),
    Choice("genuine_report_taken", "Genuine, report taken", "属实，已立案登记"),
    Choice("handed_to_police", "Handed to the police", "移交公安"),
    Choice("false_user_error", "False: user error", "误报：使用不当"),
    Choice("false_equipment", "False: equipment fault", "误报：设备故障"),
    Choice("false_environment", "False: weather, light or animal", "误报：环境或动物"),
    Choice("false_maintenance", "False: maintenance or test", "误报：维护或测试"),
    Choice("false_unknown", "False: cause unknown", "误报：原因不明"),
    Choice("unfounded", "Unfounded", "查无此事"),
    Choice("gone_on_arrival", "Gone on arrival", "到场时已离开"),
    Choice("unable_to_locate", "Unable to locate", "未找到现场"),
    Choice("duplicate", "Duplicate of another incident", "重复警情"),
    Choice("cancelled_by_caller", "Cancelled by the caller", "报警人撤销"),
    Choice("cancelled_by_centre", "Cancelled by the centre", "中心撤销"),
    Choice("transferred", "Transferred to another agency", "转其他部门"),
    Choice("referred_mediation", "Referred to mediation or the service desk", "转调解或服务窗口"),
    Choice("no_access", "No access", "无法进入"),
    Choice("advised_only", "Advised only", "已告知处理办法"),
)

PARK_REASONS: tuple[Choice, ...] = (
    Choice("awaiting_keyholder", "Waiting for the key-holder", "等待钥匙持有人"),
    Choice("awaiting_guard", "Waiting for the guard post", "等待门卫核实"),
    Choice("awaiting_callback", "Waiting for a call back", "等待回电"),
    Choice("maintenance_on_site", "Maintenance is on site", "现场正在维护"),
    Choice("awaiting_unit", "Waiting for a free unit", "等待可派警力"),
    Choice("other", "Other, see note", "其他，见备注"),
)

PURPOSES: tuple[Choice, ...] = (
    Choice(Purpose.ALARM_VERIFICATION.value, "Alarm verification", "报警复核"),
    Choice(Purpose.PATROL.value, "Patrol", "视频巡查"),
    Choice(Purpose.MAINTENANCE.value, "Maintenance", "设备维护"),
    Choice(Purpose.DRILL.value, "Drill", "演练"),
    Choice(Purpose.DOOR_CALL.value, "Door call", "门口呼叫"),
)

# How long an incident may rest, by priority; 5 stands for all lower ones.
PARK_LIMIT: Mapping[int, timedelta] = {
    1: timedelta(minutes=5),
    2: timedelta(minutes=15),
    3: timedelta(minutes=30),
    4: timedelta(hours=1),
    5: timedelta(hours=4),
}

BLOCK_WORDS = Words(
    {
        "verdict_missing": ("Decide first: genuine, false or unsure", "请先判定：属实、误报或不确定"),
        "cause_missing": ("Name the cause of the false alarm", "请选择误报原因"),
        "disposition_missing": ("Choose a disposition", "请选择处置结果"),
        "units_assigned": ("{count} unit(s) still assigned", "还有 {count} 个警力未处置完毕"),
        "step_undone": ("Step {n} is not done: {title}", "第 {n} 步未完成：{title}"),
    }
)


@dataclass(frozen=True, slots=True)
class Block:
    """One thing that keeps an incident from being closed, with its words in both languages."""

    key: str
    en: str
    zh: str
    step: int = 0


def block(key: str, *, step: int = 0, title_en: str = "", title_zh: str = "", count: int = 0) -> Block:
    """Return a block with its words filled in."""
    return Block(
        key,
        BLOCK_WORDS.text(key, "en", {"n": step, "title": title_en, "count": count}),
        BLOCK_WORDS.text(key, "zh", {"n": step, "title": title_zh, "count": count}),
        step,
    )


def is_choice(choices: Sequence[Choice], key: str) -> bool:
    """Say whether `key` is one of a list."""
    return any(choice.key == key for choice in choices)


def park_limit(priority: int) -> timedelta:
    """Return the longest rest an incident of that priority may have."""
    return PARK_LIMIT[min(max(priority, 1), 5)]


def disposition_of_cause(cause: str) -> str:
    """Return the disposition a false cause stands for: a false alarm closes on its cause alone."""
    return f"false_{cause}"
