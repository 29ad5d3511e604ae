"""What a public warning may be said to mean: the categories of CAP as events, their end, and a mere record.

A message that can be read says in its own words what it is. These rows are for what cannot: a
status or kind of message that is none of the standard's, and codes of other sources that warn the public.

Source: OASIS CAP 1.2, category, responseType.
"""

from __future__ import annotations

from typing import Final

from tocsin.base.normal import Category, EventKind

SYSTEM: Final = "cap"

Row = tuple[str, EventKind, Category, int, str, str]

_W: Final = Category.PUBLIC_WARNING
ROWS: Final[tuple[Row, ...]] = (
    ("Geo", EventKind.ALARM, _W, 3, "Public warning: geological hazard", "地质灾害预警"),
    ("Met", EventKind.ALARM, _W, 3, "Public warning: weather", "气象灾害预警"),
    ("Safety", EventKind.ALARM, _W, 3, "Public warning: public safety", "公共安全预警"),
    ("Security", EventKind.ALARM, _W, 3, "Public warning: security", "社会安全预警"),
    ("Rescue", EventKind.ALARM, _W, 3, "Public warning: rescue", "救援预警"),
    ("Fire", EventKind.ALARM, _W, 2, "Public warning: fire", "火灾预警"),
    ("Health", EventKind.ALARM, _W, 3, "Public warning: public health", "公共卫生预警"),
    ("Env", EventKind.ALARM, _W, 3, "Public warning: environment", "环境污染预警"),
    ("Transport", EventKind.ALARM, _W, 4, "Public warning: transport", "交通预警"),
    ("Infra", EventKind.ALARM, _W, 4, "Public warning: utilities", "公用设施预警"),
    ("CBRNE", EventKind.ALARM, _W, 2, "Public warning: hazardous substances", "危险物质预警"),
    ("Other", EventKind.ALARM, _W, 4, "Public warning", "公共预警"),
    ("AllClear", EventKind.RESTORE, _W, 9, "Public warning: all clear", "预警解除"),
    ("Record", EventKind.LOG, _W, 9, "Public warning: for the record only", "预警信息（仅记录）"),
    ("Test", EventKind.TEST, _W, 9, "Public warning: test or exercise", "预警测试或演练"),
)
