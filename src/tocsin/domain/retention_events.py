"""Facts about keeping recordings: policies, holds, deletions with their tombstones, and what a full disk led to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySaved(Fact):
    """A retention policy was added or changed; the audit keeps all of it."""

    ACTION: ClassVar[str] = "retention.policy_saved"
    SUBJECT: ClassVar[str] = "retention_policy"

    min_days: int
    max_days: int | None
    basis: str
    place_class: str
    version: int
    hot_days: int | None = None
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRemoved(Fact):
    """A retention policy counts no more."""

    ACTION: ClassVar[str] = "retention.policy_removed"
    SUBJECT: ClassVar[str] = "retention_policy"

    min_days: int
    max_days: int | None
    basis: str
    place_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSet(Fact):
    """Recordings of some cameras are exempt from deletion until an end."""

    ACTION: ClassVar[str] = "retention.hold_set"
    SUBJECT: ClassVar[str] = "recording_hold"

    channels: tuple[str, ...]
    from_at: datetime
    to_at: datetime
    reason: str
    request_id: str
    ends_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRenewed(Fact):
    """A hold got another end."""

    ACTION: ClassVar[str] = "retention.hold_renewed"
    SUBJECT: ClassVar[str] = "recording_hold"

    ends_at: datetime
    ended_before: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased(Fact):
    """A hold ended: by somebody, or by itself."""

    ACTION: ClassVar[str] = "retention.hold_released"
    SUBJECT: ClassVar[str] = "recording_hold"

    reason: str
    is_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDeleted(Fact):
    """Recordings of a camera were deleted; the detail is the tombstone with its signature."""

    ACTION: ClassVar[str] = "recording.deleted"
    SUBJECT: ClassVar[str] = "channel"

    tombstone: int
    stream: str
    from_ms: int
    to_ms: int
    segments: int
    bytes: int
    reason: str
    policy_id: str
    policy_version: int
    basis: str
    root: str
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceShort(Fact):
    """A disk is full of what must be kept: below the floor, or held. `rule` is at_floor or only_held."""

    ACTION: ClassVar[str] = "recording.space_short"
    SUBJECT: ClassVar[str] = "volume"

    rule: str
    used_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(Fact):
    """Recording of one priority stopped because no space that may be used is left on a disk."""

    ACTION: ClassVar[str] = "recording.stopped_for_space"
    SUBJECT: ClassVar[str] = "volume"

    priority: int
    channels: tuple[str, ...]
    used_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingResumed(Fact):
    """Recording that a full disk had stopped goes on."""

    ACTION: ClassVar[str] = "recording.resumed_after_space"
    SUBJECT: ClassVar[str] = "volume"

    channels: tuple[str, ...]
    used_pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingMoved(Fact):
    """Recordings were moved to another volume, byte for byte; `root` binds the hashes as in a tombstone."""

    ACTION: ClassVar[str] = "recording.moved"
    SUBJECT: ClassVar[str] = "volume"

    from_volume: str
    segments: int
    bytes: int
    from_ms: int
    to_ms: int
    root: str
