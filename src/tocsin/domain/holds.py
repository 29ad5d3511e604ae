"""Holds: recordings of some cameras are exempt from deletion, for a reason and until an end. Source: REQ-G14."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso
from tocsin.domain import fields
from tocsin.domain.access import SYSTEM, Actor, Permission, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.fields import refuse
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.retention_events import HoldReleased, HoldRenewed, HoldSet
from tocsin.domain.store import Store

LONGEST: Final = timedelta(days=180)
MAX_CAMERAS: Final = 500
READ: Final = Permission.READ_REGISTRY
HOLDERS: Final = (Permission.SUPERVISE_INCIDENT, Permission.MANAGE_SETTINGS)


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a range of some cameras. `released_at` is set once it has ended, early or by itself."""

    id: str
    channel_ids: tuple[str, ...]
    jurisdiction_code: str
    from_at: datetime
    to_at: datetime
    reason: str
    request_id: str
    set_by: str
    set_at: datetime
    ends_at: datetime
    released_at: datetime | None = None
    release_reason: str = ""
    version: int = 1

    def is_active(self, now: datetime) -> bool:
        """Say whether it keeps anything from deletion now."""
        return self.released_at is None and now < self.ends_at

    def form(self, now: datetime, size_bytes: int = 0) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "cameras": list(self.channel_ids),
            "from": iso(self.from_at),
            "to": iso(self.to_at),
            "reason": self.reason,
            "request_id": self.request_id,
            "set_by": self.set_by,
            "set_at": iso(self.set_at),
            "ends_at": iso(self.ends_at),
            "state": "active" if self.is_active(now) else "ended",
            "released_at": None if self.released_at is None else iso(self.released_at),
            "release_reason": self.release_reason,
            "bytes": size_bytes,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class HoldCost:
    """What a hold takes: bytes there now, seconds there, seconds asked for."""

    size_bytes: int
    stored_s: int
    asked_s: int


class HoldService(UseCases):
    """Setting, renewing and releasing holds. `quota_pct` is the most of all disks that may be held."""

    def __init__(self, store: Store, clock: Clock, *, quota_pct: int = 25) -> None:
        super().__init__(store)
        self._clock = clock
        self._quota_pct = quota_pct

    async def find(self, *, actor: Actor, with_ended: bool = False) -> list[tuple[Hold, int]]:
        """Return holds with the bytes each keeps now, newest first. Errors: FORBIDDEN."""
        require(actor, READ)
        return await self._store.read(_find, scope(actor, READ), with_ended)

    async def cost(self, channel_ids: tuple[str, ...], from_at: datetime, to_at: datetime, *, actor: Actor) -> HoldCost:
        """Return what a hold would take. Errors: INVALID, NOT_FOUND."""
        _check_range(channel_ids, from_at, to_at)
        return await self._store.read(_cost, actor, channel_ids, from_at, to_at)

    async def set(
        self,
        channel_ids: tuple[str, ...],
        from_at: datetime,
        to_at: datetime,
        *,
        reason: str,
        request_id: str,
        ends_at: datetime,
        actor: Actor,
    ) -> tuple[Hold, HoldCost]:
        """Set a hold; return it with what is there of it. Errors: INVALID naming the field; NOT_FOUND for a camera the
        actor may not see; FORBIDDEN; CONFLICT when holds would take more than their quota.
        """
        channel_ids = tuple(dict.fromkeys(channel_ids))
        _check_range(channel_ids, from_at, to_at)
        given = _read({"reason": reason, "request_id": request_id})
        return await self._act(
            "retention.hold_set",
            "recording_hold",
            channel_ids[0],
            actor,
            _set,
            actor,
            (channel_ids, from_at, to_at, given["reason"], given["request_id"], ends_at),
            self._quota_pct,
        )

    async def renew(self, hold_id: str, ends_at: datetime, reason: str, *, actor: Actor, version: int) -> Hold:
        """Give a hold another end, at most 180 days ahead. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        said = str(_read({"reason": reason})["reason"])
        return await self._act(
            "retention.hold_renewed", "recording_hold", hold_id, actor, _renew, actor, hold_id, ends_at, said, version
        )

    async def release(self, hold_id: str, reason: str, *, actor: Actor, version: int) -> Hold:
        """End a hold before its time. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT."""
        said = str(_read({"reason": reason})["reason"])
        return await self._act(
            "retention.hold_released", "recording_hold", hold_id, actor, _release, actor, hold_id, said, version
        )

    async def check(self) -> int:
        """Release the holds whose end has come; return how many."""
        if not await self._store.read(lambda tx: tx.retention.holds_to_release(self._clock.now())):
            return 0
        return await self._store.run(_expire)


_RULES: Final = {"reason": fields.text(500, required=True), "request_id": fields.text(100, required=True)}


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    fields.require(given, *given)
    return fields.read(given, _RULES)


def _check_range(channel_ids: tuple[str, ...], from_at: datetime, to_at: datetime) -> None:
    if not 1 <= len(channel_ids) <= MAX_CAMERAS:
        raise refuse("cameras", "retention.no_camera", f"a hold is of 1 to {MAX_CAMERAS} cameras")
    if to_at <= from_at:
        raise refuse("to", "retention.hold_range", "the end must be after the beginning")


def _check_end(now: datetime, ends_at: datetime) -> None:
    if not now < ends_at <= now + LONGEST:
        raise refuse("ends_at", "retention.hold_too_long", "a hold ends within 180 days from now")


def _may_hold(actor: Actor, jurisdiction_code: str) -> None:
    """Let the act pass where one of the permissions reaches. Errors: FORBIDDEN."""
    refusal = TocsinError(ErrorCode.FORBIDDEN, "refused")
    for permission in HOLDERS:
        try:
            guard(actor, permission, "recording_hold", "", jurisdiction_code)
            return
        except TocsinError as error:
            refusal = error
    raise refusal


def common_code(codes: list[str]) -> str:
    """Return the longest division code that all begin with; empty when they share none."""
    if not codes:
        return ""
    first, last = min(codes), max(codes)
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]


def _codes(tx: Any, actor: Actor, channel_ids: tuple[str, ...]) -> list[str]:
    visible = scope(actor, READ)
    return [tx.devices.channel(channel_id, visible_to=visible).jurisdiction_code for channel_id in channel_ids]


def _find(tx: Any, visible: Any, with_ended: bool) -> list[tuple[Hold, int]]:
    holds: list[Hold] = tx.retention.holds(visible_to=visible, active_at=None if with_ended else tx.now)
    return [
        (hold, tx.kept.held(hold.channel_ids, *_range_ms(hold.from_at, hold.to_at)).size_bytes)
        if hold.is_active(tx.now)
        else (hold, 0)
        for hold in holds
    ]


def _range_ms(from_at: datetime, to_at: datetime) -> tuple[int, int]:
    return round(from_at.timestamp() * 1000), round(to_at.timestamp() * 1000)


def _cost(tx: Any, actor: Actor, channel_ids: tuple[str, ...], from_at: datetime, to_at: datetime) -> HoldCost:
    _codes(tx, actor, channel_ids)
    cost: HoldCost = tx.kept.held(channel_ids, *_range_ms(from_at, to_at))
    return cost


def _set(tx: Any, actor: Actor, given: tuple[Any, ...], quota_pct: int) -> tuple[Hold, HoldCost]:
    channel_ids, from_at, to_at, reason, request_id, ends_at = given
    codes = _codes(tx, actor, channel_ids)
    if not any(actor.may(permission) for permission in HOLDERS):
        require(actor, HOLDERS[0])
    for code in codes:
        _may_hold(actor, code)
    _check_end(tx.now, ends_at)
    cost: HoldCost = tx.kept.held(channel_ids, *_range_ms(from_at, to_at))
    total_bytes = tx.kept.total_bytes()
    held_bytes = tx.kept.held_bytes(tx.now)
    allowed_bytes = total_bytes * quota_pct // 100
    if total_bytes and cost.size_bytes and held_bytes + cost.size_bytes > allowed_bytes:
        raise TocsinError(
            ErrorCode.CONFLICT,
            f"holds may take {quota_pct} % of the disks",
            key="retention.hold_quota",
            quota_pct=quota_pct,
            wanted_gb=round((held_bytes + cost.size_bytes) / 1e9, 1),
            allowed_gb=round(allowed_bytes / 1e9, 1),
        )
    hold = Hold(
        new_id(), channel_ids, common_code(codes), from_at, to_at, reason, request_id, actor.id, tx.now, ends_at
    )
    tx.retention.add_hold(hold)
    tx.record(
        HoldSet(
            subject_id=hold.id,
            at=tx.now,
            jurisdiction_code=hold.jurisdiction_code,
            actor=actor.ref,
            channels=channel_ids,
            from_at=from_at,
            to_at=to_at,
            reason=reason,
            request_id=request_id,
            ends_at=ends_at,
            size_bytes=cost.size_bytes,
        )
    )
    return hold, cost


def _active(tx: Any, actor: Actor, hold_id: str, version: int) -> Hold:
    hold: Hold = tx.retention.hold(hold_id, visible_to=scope(actor, READ))
    if not any(actor.may(permission) for permission in HOLDERS):
        require(actor, HOLDERS[0])
    _may_hold(actor, hold.jurisdiction_code)
    check_version("hold", hold.id, hold.version, version)
    if not hold.is_active(tx.now):
        raise TocsinError(ErrorCode.CONFLICT, "this hold has ended", key="retention.hold_ended")
    return hold


def _renew(tx: Any, actor: Actor, hold_id: str, ends_at: datetime, reason: str, version: int) -> Hold:
    hold = _active(tx, actor, hold_id, version)
    _check_end(tx.now, ends_at)
    saved: Hold = tx.retention.end_hold(hold, ends_at=ends_at)
    tx.record(
        HoldRenewed(
            subject_id=hold.id,
            at=tx.now,
            jurisdiction_code=hold.jurisdiction_code,
            actor=actor.ref,
            ends_at=ends_at,
            ended_before=hold.ends_at,
            reason=reason,
        )
    )
    return saved


def _release(tx: Any, actor: Actor, hold_id: str, reason: str, version: int) -> Hold:
    hold = _active(tx, actor, hold_id, version)
    saved: Hold = tx.retention.end_hold(hold, released_at=tx.now, release_reason=reason)
    tx.record(
        HoldReleased(
            subject_id=hold.id,
            at=tx.now,
            jurisdiction_code=hold.jurisdiction_code,
            actor=actor.ref,
            reason=reason,
            is_expired=False,
        )
    )
    return saved


def _expire(tx: Any) -> int:
    due: list[Hold] = tx.retention.holds_to_release(tx.now)
    for hold in due:
        tx.retention.end_hold(hold, released_at=hold.ends_at, release_reason="expired")
        tx.record(
            HoldReleased(
                subject_id=hold.id,
                at=tx.now,
                jurisdiction_code=hold.jurisdiction_code,
                actor=SYSTEM,
                reason="expired",
                is_expired=True,
            )
        )
    return len(due)
