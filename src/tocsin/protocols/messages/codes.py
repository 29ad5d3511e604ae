"""What an event of a message is called: our own words, two-letter SIA codes and Contact ID numbers, in one look-up.

Source: SIA DC-03 and DC-05 codes by their own tables; alarm reference, MQTT and HTTP webhooks, and Normalised event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id import codes as contact_id
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.contact_id.payload import to_event as cid_event
from tocsin.protocols.sia_codes.codes import CODES as SIA

CODE_SYSTEM: Final = "message"
RESTORE_SUFFIX: Final = ".restore"
IGNORE: Final = "ignore"
LOG_PRIORITY: Final = 9
UNKNOWN_PRIORITY: Final = 5
GRAVE: Final = frozenset({Category.FIRE, Category.PANIC, Category.DURESS, Category.MEDICAL, Category.GAS})

_ROWS: Final = """
burglary|burglary|2|alarm|Burglary alarm|入侵报警
perimeter|perimeter|3|alarm|Perimeter alarm|周界报警
motion|perimeter|4|alarm|Motion|移动侦测报警
panic|panic|1|alarm|Panic alarm|紧急求助报警
duress|duress|1|alarm|Duress alarm|胁迫报警
medical|medical|1|alarm|Medical alarm|医疗求助报警
fire|fire|1|alarm|Fire alarm|火灾报警
gas|gas|1|alarm|Gas alarm|可燃气体报警
water|technical|3|alarm|Water leak|漏水报警
technical|technical|4|alarm|Technical alarm|设备环境报警
tamper|tamper|3|alarm|Tamper alarm|防拆报警
door_forced|access|2|alarm|Door forced open|门被强行打开
door_held|access|4|alarm|Door held open|门开启超时
door_tamper|tamper|3|alarm|Reader or lock tampered with|门禁设备防拆报警
door_duress|duress|1|alarm|Duress at a door|门禁胁迫报警
door_fault|trouble|5|trouble|Door or lock fault|门禁设备故障
power|power|4|trouble|Mains failure|市电故障
battery|power|5|trouble|Battery low|电池欠压
comms|comms|4|trouble|Connection trouble|通信故障
trouble|trouble|5|trouble|Device trouble|设备故障
test|test|9|test|Test message|测试报文
"""
PASSAGES: Final = frozenset(
    {
        *("access_granted", "access_denied", "door_opened", "door_closed", "door_locked", "door_unlocked"),
        *("exit_requested", "passage"),
    }
)
_STANDS: Final = frozenset({EventKind.ALARM, EventKind.TROUBLE, EventKind.RESTORE, EventKind.BYPASS})
_CID: Final = re.compile(r"^[136]?[0-9A-F]{3}$")


@dataclass(frozen=True, slots=True)
class Word:
    """One of our own words for what happened."""

    category: Category
    priority: int
    kind: EventKind
    label_en: str
    label_zh: str


def _words() -> dict[str, Word]:
    table: dict[str, Word] = {}
    for row in filter(None, _ROWS.split("\n")):
        code, category, priority, kind, en, zh = row.split("|")
        table[code] = Word(Category(category), int(priority), EventKind(kind), en, zh)
    return table


WORDS: Final = _words()


def is_code(text: str) -> bool:
    """Say whether a text is a code that `find` knows, or one of those that are kept by nobody."""
    return text == IGNORE or text in PASSAGES or find(text).is_known


def find(text: str, *, is_over: bool = False) -> NormalEvent:
    """Return what a code means: a word of ours, `sia:BA` or `BA`, `cid:1130` or `cid:130`; `is_over`: it has ended.

    A code nobody knows gives an event that is marked so.
    """
    bare = text.removesuffix(RESTORE_SUFFIX)
    is_over = is_over or bare != text
    event = _found(bare)
    if event is None:
        label = text[:40]
        return NormalEvent(
            CODE_SYSTEM,
            label,
            EventKind.TROUBLE,
            Category.UNKNOWN,
            UNKNOWN_PRIORITY,
            f"Unknown event {label}",
            f"未知事件 {label}",
            is_known=False,
        )
    if is_over and event.kind in (EventKind.ALARM, EventKind.TROUBLE, EventKind.SUPERVISION, EventKind.BYPASS):
        return replace(
            event,
            kind=EventKind.RESTORE,
            priority=LOG_PRIORITY,
            label_en=f"{event.label_en}: over",
            label_zh=f"{event.label_zh}恢复",
        )
    return event


def is_passage(event: NormalEvent) -> bool:
    """Say whether an event only tells that somebody passed, or tried to: it is kept nowhere."""
    return event.code in PASSAGES or (event.category is Category.ACCESS and event.kind not in _STANDS)


def _found(text: str) -> NormalEvent | None:
    word = WORDS.get(text)
    if word is not None:
        return NormalEvent(CODE_SYSTEM, text, word.kind, word.category, word.priority, word.label_en, word.label_zh)
    if text in PASSAGES:
        return NormalEvent(CODE_SYSTEM, text, EventKind.LOG, Category.ACCESS, LOG_PRIORITY, "Passage", "通行")
    code = SIA.get(text.removeprefix("sia:").upper() if text.startswith("sia:") else text)
    if code is not None:
        return NormalEvent("sia", code.code, code.kind, code.category, code.priority, code.label_en, code.label_zh)
    digits = text.removeprefix("cid:").upper()
    if text.startswith("cid:") and _CID.match(digits):
        qualifier, number = (digits[0], digits[1:]) if len(digits) == 4 else ("1", digits)
        if number in contact_id.CODES:
            return cid_event(CidReport("", qualifier, number, "00", "000"))
    return None
