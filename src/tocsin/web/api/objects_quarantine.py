"""The quarantine as the API describes it."""

from __future__ import annotations

from typing import Literal

from tocsin.web.api.shapes import Id, Out, Time


class QuarantineSource(Out):
    """How many signals of one source wait for one reason; `code` is that of the newest."""

    protocol: str
    account: str
    device_id: Id | None
    device_name: str
    device_name_en: str
    reason: str
    words: str
    count: int
    first_at: Time
    last_at: Time
    code_system: str
    code: str


class EventMeaning(Out):
    """An event of our tables."""

    id: str
    kind: str
    category: str
    priority: int
    label_en: str
    label_zh: str


class PreviewSource(Out):
    """How many signals of one source a repair reads."""

    account: str
    device_id: Id | None
    count: int


class RepairPreview(Out):
    """What a repair would do: signals read, of them too late for an alarm, alarms now, alarms that came too late."""

    read: int
    late: int
    alarms: int
    late_alarms: int
    not_understood: int
    first_at: Time | None
    last_at: Time | None
    sources: list[PreviewSource]


class Repair(Out):
    """What somebody said a code means, or whose an account is, and how many signals were read again by it."""

    id: Id
    kind: Literal["code", "account"]
    reason: str
    reach: str
    reach_value: str
    code_system: str
    code: str
    event: str
    event_en: str
    event_zh: str
    priority: int | None
    protocol: str
    account: str
    device_id: Id | None
    created_at: Time | None
    created_by: str
    undone_at: Time | None
    undone_by: str
    read: int
    late: int
    alarms: int
