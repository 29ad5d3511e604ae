"""The SIA code table."""

from __future__ import annotations

import re

import pytest

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.sia_codes.codes import CODES


@pytest.mark.parametrize(
    ("code", "kind", "category", "priority", "zh"),
    [
        ("BA", EventKind.ALARM, Category.BURGLARY, 2, "入侵报警"),
        ("FA", EventKind.ALARM, Category.FIRE, 1, "火警"),
        ("PA", EventKind.ALARM, Category.PANIC, 1, "紧急报警"),
        ("TA", EventKind.ALARM, Category.TAMPER, 3, "防拆报警"),
        ("BR", EventKind.RESTORE, Category.BURGLARY, 9, "入侵防区恢复"),
        ("BB", EventKind.BYPASS, Category.BYPASS, 7, "入侵防区旁路"),
        ("FB", EventKind.BYPASS, Category.BYPASS, 4, "火警防区旁路"),
        ("BU", EventKind.RESTORE, Category.BYPASS, 9, "入侵防区旁路解除"),
        ("HT", EventKind.TROUBLE, Category.TROUBLE, 4, "劫警防区故障"),
        ("WS", EventKind.SUPERVISION, Category.SUPERVISORY, 4, "漏水防区监管信号"),
        ("CL", EventKind.CLOSE, Category.OPENCLOSE, 9, "用户布防"),
        ("OP", EventKind.OPEN, Category.OPENCLOSE, 9, "用户撤防"),
        ("OR", EventKind.OPEN, Category.CANCEL, 7, "报警后撤防"),
        ("OC", EventKind.CANCEL, Category.CANCEL, 7, "报警取消"),
        ("AT", EventKind.TROUBLE, Category.POWER, 5, "交流断电"),
        ("AR", EventKind.RESTORE, Category.POWER, 9, "交流恢复"),
        ("RP", EventKind.TEST, Category.TEST, 9, "自动测试"),
        ("TS", EventKind.TEST, Category.TEST, 8, "测试开始"),
        ("BV", EventKind.ALARM, Category.BURGLARY, 1, "入侵报警（区域内复核确认）"),
        ("JA", EventKind.ALARM, Category.TAMPER, 4, "密码多次错误"),
    ],
)
def test_a_code_means_what_the_control_room_expects(code, kind, category, priority, zh):
    found = CODES[code]
    assert (found.kind, found.category, found.priority, found.label_zh) == (kind, category, priority, zh)


def test_every_family_has_every_regular_letter():
    for family in "BFGHKMPQSTUWZ":
        for second in "ABUTJHRS":
            assert family + second in CODES


def test_every_code_has_a_label_in_both_languages_and_a_priority():
    assert len(CODES) == 305
    for code, entry in CODES.items():
        assert re.fullmatch("[A-Z]{2}", code)
        assert entry.code == code
        assert 1 <= entry.priority <= 9
        assert entry.label_en.isascii()
        assert re.search("[\u4e00-\u9fff]", entry.label_zh), code
        assert not re.search("[\u4e00-\u9fff]", entry.label_en), code


def test_a_restore_never_asks_for_anybody():
    for entry in CODES.values():
        assert entry.kind is not EventKind.RESTORE or entry.priority == 9, entry.code


def test_life_comes_first():
    for entry in CODES.values():
        if entry.priority == 1:
            assert entry.kind is EventKind.ALARM, entry.code
