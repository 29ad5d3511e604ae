"""How the messages of a source are read: where the parts of an event stand in them, and what its codes mean.

A people's matter is never a part: who passed a door has no place in this form (docs/not-built.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PARTS: Final = ("events", "id", "code", "state", "zone", "area", "text", "priority", "occurred_at")
FORMS: Final = ("events", "access", "cap")
MAX_CODES: Final = 128
_ABOUT_SOMEBODY: Final = re.compile(
    r"card|holder|badge|credential|employee|staff|person|people|human|visitor|user|owner|operator|phone|mobile|e-?mail"
    r"|id[_-]?(?:no|num)|passport|password|passcode|^pin|pin$|token|photo|picture|image|snapshot|(?<!inter)(?<!sur)face"
    r"|finger|biometr|(?<!tem)plate|licen[cs]e|vehicle|first[_-]?name|last[_-]?name|full[_-]?name|sur[_-]?name|^name$"
    r"|gender|age$|department|姓名|人员|卡号|工号|持卡|身份证|电话|手机|照片|车牌|住户|访客|部门|性别",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MessageForm:
    """`kind` is one of `FORMS`; `paths` says where a part stands (absent: under its own name), `codes` what a source's
    words mean in ours. Of `access` only door, kind and time are ever kept.
    """

    kind: str = "events"
    paths: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)

    def path(self, part: str) -> str:
        """Return where a part stands."""
        return self.paths.get(part) or part


def is_about_somebody(name: str) -> bool:
    """Say whether a name of a field is one under which systems write who somebody is."""
    return _ABOUT_SOMEBODY.search(name) is not None
