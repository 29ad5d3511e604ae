"""Step timelines: what was tried with a device, step by step, and what failed, kept as message keys and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

KEPT_PER_DEVICE: Final = 50


class StepState(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class AttemptKind(StrEnum):
    """What was tried."""

    REGISTRATION = "registration"
    CATALOG = "catalog"
    PLAY = "play"
    SUBSCRIPTION = "subscription"
    CONTROL = "control"
    REPORT = "report"


class AttemptOutcome(StrEnum):
    """How it ended; `running` while it lasts."""

    OK = "ok"
    FAILED = "failed"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its message key and parameters, milliseconds since the start of the attempt."""

    key: str
    state: str
    at_ms: int
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try; `failure` is the message key of what went wrong, empty when nothing did."""

    id: str
    device_id: str
    channel_id: str | None
    kind: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    failure: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingDevice:
    """A device nobody has entered that tried to register; knocks are counted."""

    gb_id: str
    peer: str
    user_agent: str
    first_at: datetime
    last_at: datetime
    knocks: int = 1
