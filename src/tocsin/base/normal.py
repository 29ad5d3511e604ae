"""The normal form: what any alarm protocol says, in the words the rest of the house uses.

Codecs fill it, the domain reads it. Priorities run from 1 (life, fire, duress) to 9 (log only).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What an event does to the state of its source."""

    ALARM = "alarm"
    RESTORE = "restore"
    STATUS = "status"
    OPEN = "open"
    CLOSE = "close"
    CANCEL = "cancel"
    TEST = "test"
    TROUBLE = "trouble"
    SUPERVISION = "supervision"
    BYPASS = "bypass"
    LOG = "log"


class Category(StrEnum):
    """What an event is about."""

    MEDICAL = "medical"
    FIRE = "fire"
    PANIC = "panic"
    DURESS = "duress"
    GAS = "gas"
    BURGLARY = "burglary"
    PERIMETER = "perimeter"
    TAMPER = "tamper"
    TECHNICAL = "technical"
    SUPERVISORY = "supervisory"
    TROUBLE = "trouble"
    POWER = "power"
    COMMS = "comms"
    OPENCLOSE = "openclose"
    ACCESS = "access"
    BYPASS = "bypass"
    TEST = "test"
    SYSTEM = "system"
    CANCEL = "cancel"
    VERIFY = "verify"
    PUBLIC_WARNING = "public_warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NormalEvent:
    """One thing a device reported. Area, zone and user are text: leading zeros carry meaning.

    `channel` is our id of the picture that reported it itself, with its name; empty when no picture did.
    """

    code_system: str
    code: str
    kind: EventKind
    category: Category
    priority: int
    label_en: str
    label_zh: str
    qualifier: str = ""
    area: str = ""
    zone: str = ""
    user: str = ""
    text: str = ""
    occurred_at: datetime | None = None
    lon: float | None = None
    lat: float | None = None
    is_known: bool = True
    channel: str = ""
    channel_name: str = ""
