"""What people do about the health of pictures: read it, ask for a look, see stills, deny a fault, renew a reference.

Source: design note 0021; governance reference, REQ-G20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import from_us, iso, to_us
from tocsin.domain.access import ROLE_PURPOSES, Actor, Permission, Purpose, Rule, scope
from tocsin.domain.acts import Page, bounded, guard, page
from tocsin.domain.channel_health import CLOCK, IMAGE, ChannelFault
from tocsin.domain.channels import IN_SERVICE, ChannelRecord
from tocsin.domain.picture_events import (
    PictureAsked,
    PictureFaultDenied,
    PictureReferenceRenewed,
    PictureStillViewed,
)
from tocsin.domain.picture_health import Denial, PictureState, Still
from tocsin.domain.picture_rounds import PictureRounds, Pictures
from tocsin.domain.place_service import subtree_code
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store

READ: Final = Permission.READ_REGISTRY
RELAXED_FOR: Final = timedelta(days=30)
RATE_OVER: Final = timedelta(days=30)
ALSO: Final[Mapping[str, tuple[str, ...]]] = {"": (CLOCK,), "clock": (CLOCK,)}
"""What else is shown under a kind: GB/T 28181 and many ONVIF streams carry no wall clock, their devices have one."""


def may_see_stills(actor: Actor) -> bool:
    """Say whether stills of faults are for this actor: who may look at pictures, and for upkeep."""
    is_upkeep = any(Purpose.MAINTENANCE in ROLE_PURPOSES[role] for role in actor.roles)
    return actor.may(Permission.VIEW_LIVE) and is_upkeep


class PictureDesk(UseCases):
    """Use cases of people. Each act leaves its audit record in the same transaction."""

    def __init__(self, store: Store, rounds: PictureRounds, stills: Pictures) -> None:
        super().__init__(store)
        self._rounds = rounds
        self._stills = stills

    async def overview(self, *, actor: Actor) -> dict[str, Any]:
        """Return how the pictures in the actor's area are: counts, faults by kind, false-fault rate, trend, sites."""
        found: dict[str, Any] = await self._store.read(_overview, actor)
        return {"problem": self._rounds.problem, **found}

    async def faults(
        self, *, actor: Actor, key: str = "", jurisdiction_id: str = "", after: str = "", limit: int = 50
    ) -> Page[dict[str, Any]]:
        """Return open faults of pictures, newest first, with camera, score and stills."""
        size = bounded(limit)
        found = await self._store.read(_faults, actor, key, jurisdiction_id, after, size + 1)
        return page(found, size, lambda form: str(form["id"]))

    async def camera(self, camera_id: str, *, actor: Actor) -> dict[str, Any]:
        """Return how the picture of one camera is. Errors: NOT_FOUND."""
        form: dict[str, Any] = await self._store.read(_camera, camera_id, actor)
        why = self._rounds.problem
        if not why and self._rounds.is_steered(camera_id):
            why = "picture.steered"
        return {"is_examined": self._rounds.is_busy(camera_id), "why_not": why or form.pop("why_not"), **form}

    async def look(self, camera_id: str, *, actor: Actor) -> dict[str, Any]:
        """Have the picture of a camera examined now; it is shown to nobody.

        Errors: NOT_FOUND, FORBIDDEN; CONFLICT with the key of why it cannot be examined.
        """
        why = self._rounds.problem or ("picture.steered" if self._rounds.is_steered(camera_id) else "")
        await self._act("picture.asked", "channel", camera_id, actor, _ask, camera_id, why, actor)
        await self._rounds.look_now(camera_id)
        return await self.camera(camera_id, actor=actor)

    async def deny(self, camera_id: str, fault_id: str, *, actor: Actor) -> dict[str, Any]:
        """Say that a fault is none: it closes, its rule is relaxed for this camera for 30 days.

        Errors: NOT_FOUND, FORBIDDEN, CONFLICT when it is not open any more.
        """
        await self._act("picture.fault_denied", "channel", camera_id, actor, _deny, camera_id, fault_id, actor)
        return await self.camera(camera_id, actor=actor)

    async def renew(self, camera_id: str, *, actor: Actor) -> dict[str, Any]:
        """Forget what was learned of a camera, so that what it shows from now on is the reference.

        Errors: NOT_FOUND, FORBIDDEN.
        """
        await self._act("picture.reference_renewed", "channel", camera_id, actor, _renew, camera_id, actor)
        await self._rounds.forget(camera_id)
        return await self.camera(camera_id, actor=actor)

    async def still(self, still_id: str, *, actor: Actor) -> bytes:
        """Return a still to who may look at pictures for upkeep; the look is recorded before.

        Errors: NOT_FOUND, FORBIDDEN.
        """
        found = await self._act("picture.still_viewed", "picture_still", still_id, actor, _see, still_id, actor)
        return await self._stills.read(found.id)


# --- in a transaction -------------------------------------------------------------------------------------------------


def _overview(tx: Any, actor: Actor) -> dict[str, Any]:
    visible = require(actor, READ)
    rows = tx.pictures.summary(visible_to=visible)
    days: dict[str, list[int]] = {}
    counts = {"cameras": len(rows), "examined": 0, "doubtful": 0, "not_possible": 0, "learned": 0}
    for row in rows:
        counts["examined"] += row.score is not None
        counts["learned"] += bool(row.pictures)
        counts["doubtful"] += bool(row.is_doubtful)
        counts["not_possible"] += bool(row.problem)
        for day, checks, total, lowest in tx.pictures.trend_of(row.trend or "[]"):
            sums = days.setdefault(day, [0, 0, 100])
            sums[0] += checks
            sums[1] += total
            sums[2] = min(sums[2], lowest)
    opened, denied = tx.pictures.opened_since(to_us(tx.now - RATE_OVER), visible_to=visible)
    last = max((row.checked_at_us for row in rows if row.checked_at_us is not None), default=None)
    return {
        **counts,
        "checked_at": None if last is None else iso(from_us(last)),
        "by_kind": tx.pictures.open_by_kind(visible_to=visible),
        "opened_30_days": opened,
        "denied_30_days": denied,
        "false_fault_rate": denied / opened if opened else None,
        "trend": [_day(day, *sums) for day, sums in sorted(days.items())],
        "sites": [
            {
                "id": item.id,
                "site": item.site,
                "key": item.key,
                "cameras": item.cameras,
                "of": item.of,
                "since": iso(item.opened_at),
            }
            for item in tx.pictures.open_sites(visible_to=visible).values()
        ],
        "may_see_stills": may_see_stills(actor),
    }


def _day(day: str, checks: int, total: int, lowest: int) -> dict[str, Any]:
    return {"day": day, "checks": checks, "mean": round(total / checks, 1) if checks else None, "lowest": lowest}


def _faults(tx: Any, actor: Actor, key: str, jurisdiction_id: str, after: str, limit: int) -> list[dict[str, Any]]:
    code = subtree_code(tx, actor, jurisdiction_id)
    rows = tx.health.find_faults(
        visible_to=require(actor, READ), keys=(IMAGE + key, *ALSO.get(key, ())), code=code, before=after, limit=limit
    )
    ids = [fault.channel_id for fault, _ in rows]
    states: Mapping[str, PictureState] = tx.pictures.load(ids)
    stills = _stills(tx, ids, actor)
    return [
        {
            **fault.form(),
            "name": row.name,
            "name_en": row.name_en,
            "jurisdiction_id": row.jurisdiction_id,
            "score": states[fault.channel_id].score if fault.channel_id in states else None,
            "is_unsteady": _is_unsteady(states.get(fault.channel_id), fault.key),
            "stills": [still.form() for still in stills if still.fault_id == fault.id],
        }
        for fault, row in rows
    ]


def _is_unsteady(state: PictureState | None, key: str) -> bool:
    track = None if state is None else state.tracks.get(key.removeprefix(IMAGE))
    return track is not None and track.is_unsteady


def _stills(tx: Any, channel_ids: Sequence[str], actor: Actor) -> list[Still]:
    """Return stills for whom they are; nobody else learns that there are any."""
    if not may_see_stills(actor):
        return []
    visible = scope(actor, Permission.VIEW_LIVE)
    found: list[Still] = tx.pictures.stills_of(channel_ids, tx.now)
    return [still for still in found if visible.covers(still.jurisdiction_code, still.channel_id)]


def _camera(tx: Any, camera_id: str, actor: Actor) -> dict[str, Any]:
    channel: ChannelRecord = tx.devices.channel(camera_id, visible_to=scope(actor, READ))
    state: PictureState = tx.pictures.load([camera_id]).get(camera_id, PictureState(camera_id))
    faults: Mapping[str, ChannelFault] = tx.health.open_faults([camera_id]).get(camera_id, {})
    stills = _stills(tx, [camera_id], actor)
    denials: list[Denial] = tx.pictures.denials_of([camera_id], tx.now).get(camera_id, [])
    return {
        "why_not": "" if _is_looked_at(channel) else "picture.not_in_service",
        "state": state.word,
        "score": state.score,
        "checked_at": None if state.checked_at is None else iso(state.checked_at),
        "source": state.source,
        "problem": state.problem,
        "reference_pictures": state.pictures,
        "measures": dict(state.measures),
        "ratios": dict(state.ratios),
        "doubts": sorted(key for key, track in state.tracks.items() if "1" in track.recent and not track.is_open),
        "trend": [_day(day, checks, total, lowest) for day, checks, total, lowest in state.trend],
        "faults": [
            {
                **fault.form(),
                "is_unsteady": _is_unsteady(state, fault.key),
                "stills": [still.form() for still in stills if still.fault_id == fault.id],
            }
            for key, fault in sorted(faults.items())
            if key.startswith(IMAGE) or key == CLOCK
        ],
        "relaxed": [{"key": item.key, "until": iso(item.until), "factor": item.factor} for item in denials],
        "may_see_stills": may_see_stills(actor),
    }


def _is_looked_at(channel: ChannelRecord) -> bool:
    return channel.stage == IN_SERVICE and not channel.missing


def _kept(tx: Any, camera_id: str, actor: Actor) -> ChannelRecord:
    """Return a camera whose registry the actor keeps. Errors: NOT_FOUND, FORBIDDEN."""
    channel: ChannelRecord = tx.devices.channel(camera_id, visible_to=scope(actor, READ))
    guard(actor, Permission.MANAGE_REGISTRY, "channel", channel.id, channel.jurisdiction_code)
    return channel


def _ask(tx: Any, camera_id: str, why: str, actor: Actor) -> None:
    channel = _kept(tx, camera_id, actor)
    problem = why or ("" if _is_looked_at(channel) else "picture.not_in_service")
    if problem:
        raise TocsinError(ErrorCode.CONFLICT, "this camera cannot be examined now", key=problem)
    code = channel.jurisdiction_code
    tx.record(PictureAsked(subject_id=camera_id, at=tx.now, jurisdiction_code=code, actor=actor.ref))


def _deny(tx: Any, camera_id: str, fault_id: str, actor: Actor) -> None:
    channel = _kept(tx, camera_id, actor)
    faults: Mapping[str, ChannelFault] = tx.health.open_faults([camera_id]).get(camera_id, {})
    fault = next((item for item in faults.values() if item.id == fault_id and item.key.startswith(IMAGE)), None)
    if fault is None:
        raise TocsinError(ErrorCode.CONFLICT, "this fault is not open", key="picture.no_such_fault")
    key, until = fault.key.removeprefix(IMAGE), tx.now + RELAXED_FOR
    state: PictureState = tx.pictures.load([camera_id]).get(camera_id, PictureState(camera_id))
    tx.health.close_faults([fault_id], to_us(tx.now))
    tx.pictures.save([replace(state, tracks={one: item for one, item in state.tracks.items() if one != key})])
    tx.pictures.add_denial(Denial(new_id(), camera_id, fault_id, key, tx.now, until, actor.id, measures=state.measures))
    tx.record(
        PictureFaultDenied(
            subject_id=camera_id,
            at=tx.now,
            jurisdiction_code=channel.jurisdiction_code,
            actor=actor.ref,
            fault_id=fault_id,
            key=fault.key,
            until=iso(until),
        )
    )


def _renew(tx: Any, camera_id: str, actor: Actor) -> None:
    channel = _kept(tx, camera_id, actor)
    state: PictureState = tx.pictures.load([camera_id]).get(camera_id, PictureState(camera_id))
    compared = ("moved", "not_home", "part_cover", "blur", "noise", "cast")
    faults: Mapping[str, ChannelFault] = tx.health.open_faults([camera_id]).get(camera_id, {})
    tx.health.close_faults([faults[IMAGE + key].id for key in compared if IMAGE + key in faults], to_us(tx.now))
    tracks = {key: track for key, track in state.tracks.items() if key not in compared}
    tx.pictures.save([replace(state, tracks=tracks, pictures=0, doubted_at=None)])
    code = channel.jurisdiction_code
    tx.record(PictureReferenceRenewed(subject_id=camera_id, at=tx.now, jurisdiction_code=code, actor=actor.ref))


def _see(tx: Any, still_id: str, actor: Actor) -> Still:
    if not may_see_stills(actor):
        raise forbidden(Rule.NO_PERMISSION)
    found: Still = tx.pictures.still(still_id, visible_to=scope(actor, Permission.VIEW_LIVE), now=tx.now)
    tx.record(
        PictureStillViewed(
            subject_id=found.id,
            at=tx.now,
            jurisdiction_code=found.jurisdiction_code,
            actor=actor.ref,
            channel_id=found.channel_id,
            fault_id=found.fault_id,
            purpose=Purpose.MAINTENANCE.value,
        )
    )
    return found
