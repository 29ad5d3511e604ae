"""How long recordings are kept: policies, holds, what was deleted, proofs, and how many days the disks give."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import write_csv
from tocsin.domain.access import Actor, Permission
from tocsin.domain.holds import MAX_CAMERAS
from tocsin.domain.retention import MAX_DAYS, SUGGESTIONS, Policy
from tocsin.domain.retention_desk import RetentionDesk
from tocsin.domain.retention_proof import csv_rows, parse_day
from tocsin.domain.storage_forecast import WhatIf
from tocsin.web.api.shapes import (
    After,
    Filter,
    In,
    Limit,
    Moment,
    Out,
    Page,
    Version,
    listed,
    page,
    reply,
    whole_number,
)
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/retention", tags=["retention"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Manager = Annotated[Actor, allowed(Permission.MANAGE_SETTINGS)]
Holder = Annotated[Actor, allowed(Permission.SUPERVISE_INCIDENT, Permission.MANAGE_SETTINGS)]
Days = Annotated[int, Field(ge=0, le=MAX_DAYS)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Day = Annotated[str, Query(max_length=10, description="a day, UTC: 2026-11-27")]
JurisdictionId = Annotated[str | None, Field(max_length=36, description="where it applies; null: everywhere")]
HotDays = Annotated[
    int | None, Field(ge=0, le=MAX_DAYS, description="days until recordings move to the far tier; null: says nothing")
]
MaxDays = Annotated[int | None, Field(ge=1, le=MAX_DAYS, description="null: no ceiling")]


class PolicyIn(In):
    """A policy: at least and at most so many days, where, and on which basis."""

    name: Name
    jurisdiction_id: JurisdictionId = None
    place_class: Annotated[str, Field(max_length=24, description="class of place; empty: any")] = ""
    min_days: Days = 0
    max_days: MaxDays = None
    hot_days: HotDays = None
    basis: Reason


class PolicyPatch(In):
    """Changes of a policy, on the version its sender knows."""

    version: Version
    name: Name | None = None
    jurisdiction_id: JurisdictionId = None
    place_class: Annotated[str, Field(max_length=24)] = ""
    min_days: Days = 0
    max_days: MaxDays = None
    hot_days: HotDays = None
    basis: Reason | None = None


class PolicyTry(In):
    """A policy thought through before it is saved; `id` when it is a change of one."""

    id: Annotated[str, Field(max_length=36)] = ""
    policy: PolicyIn


class HoldIn(In):
    """A hold: cameras, range, why, for which request, until when (at most 180 days ahead)."""

    cameras: Annotated[list[Annotated[str, Field(max_length=36)]], Field(min_length=1, max_length=MAX_CAMERAS)]
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    reason: Reason
    request_id: Name
    ends_at: Moment


class HoldTry(In):
    """What a hold would take."""

    cameras: Annotated[list[Annotated[str, Field(max_length=36)]], Field(min_length=1, max_length=MAX_CAMERAS)]
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment


class HoldRenewal(In):
    """Another end of a hold."""

    version: Version
    ends_at: Moment
    reason: Reason


class HoldRelease(In):
    """The end of a hold before its time."""

    version: Version
    reason: Reason


class RetentionPolicy(Out):
    """A policy that counts."""

    id: str
    name: str
    jurisdiction_id: str | None
    jurisdiction_code: str
    place_class: str
    min_days: int
    max_days: int | None
    hot_days: int | None
    basis: str
    changed_at: str | None
    version: int


class Suggestion(Out):
    """A policy to adopt, with its basis."""

    key: str
    name_en: str
    name_zh: str
    min_days: int
    max_days: int | None
    basis_en: str
    basis_zh: str
    place_class: str


class PolicyEffect(Out):
    """What saving would do: cameras whose days change; what would be deleted at the next pass."""

    cameras: int
    segments: int
    bytes: int


class KeptCamera(Out):
    """A camera and the policies that decide for it; null days: none does."""

    id: str
    name: str
    name_en: str
    jurisdiction_code: str
    place_class: str
    floor_days: int | None
    floor_policy: str
    ceiling_days: int | None
    ceiling_policy: str
    hot_days: int | None


class HoldCost(Out):
    """What a hold takes: bytes there, seconds there, seconds asked for."""

    bytes: int
    stored_s: int
    asked_s: int


class RecordingHold(Out):
    """A hold; `bytes` is what it keeps now."""

    id: str
    cameras: list[str]
    reason: str
    request_id: str
    set_by: str
    set_at: str
    ends_at: str
    state: str
    released_at: str | None
    release_reason: str
    bytes: int
    version: int


class DeletedRecording(Out):
    """A tombstone, with the signature of the house."""

    no: int
    at: str
    channel_id: str
    stream: str
    segments: int
    bytes: int
    reason: str
    basis: str
    root: str
    key_id: str
    signature: str


class Proof(Out):
    """A camera's days: state whole, gaps, young or none; seconds expected, stored and missed by reason."""

    id: str
    name: str
    state: str
    expected_s: int
    stored_s: int
    missed_s: dict[str, int]
    days_by_state: dict[str, int]


class Forecast(Out):
    """How many days the disks give, for each volume and camera; null days: never full, or nothing measured yet."""

    volumes: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    total_bytes: int
    used_bytes: int
    held_bytes: int
    bytes_per_day: int
    held_days: float
    least_days: float | None
    full_in_days: float | None
    meets_floors: bool
    lacking_bytes: int
    needed_bytes: int | None


class RecordingTier(Out):
    """The far place recordings move to: ok, full, gone, read_only or foreign, why, and when it is tried again.

    `waiting` are files due now (more when `has_more`), `oldest_due_ms` since when the oldest is; `moved` counts since
    the start of the server. `differing` files are not as they were recorded, and stay.
    """

    location: str
    kind: str
    state: str
    reason: str
    again_at: str | None
    waiting: int
    waiting_bytes: int
    has_more: bool
    oldest_due_ms: int | None
    moved: int
    moved_bytes: int
    moved_at: str | None
    differing: int
    after_days: int | None
    at_percent: int
    rate_bytes_s: int


class RecordingTiers(Out):
    """Null without a far place."""

    tier: RecordingTier | None


def _desk(house: House) -> RetentionDesk:
    if house.retention is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "recordings are not kept here")
    return house.retention


async def _forms(house: House, policies: list[Policy]) -> list[dict[str, object]]:
    codes = {node.code: node.id for node in await house.store.read(lambda tx: tx.places.all_jurisdictions())}
    return [{**policy.form(), "jurisdiction_id": codes.get(policy.jurisdiction_code)} for policy in policies]


# --- policies ---------------------------------------------------------------------------------------------------------


@router.get("/policies", response_model=Page[RetentionPolicy])
async def list_retention_policies(house: House, actor: Reader) -> Response:
    """List the policies that touch what the caller sees, by name."""
    return listed(await _forms(house, await _desk(house).policies.find(actor=actor)), None)


@router.get("/suggestions", response_model=Page[Suggestion])
async def list_retention_suggestions(house: House, actor: Reader) -> Response:
    """List policies that laws ask for, with their basis: none counts before it is adopted."""
    return listed([one.form() for one in SUGGESTIONS], None)


@router.post("/policies", response_model=RetentionPolicy, status_code=201)
async def add_retention_policy(house: House, actor: Manager, body: PolicyIn) -> Response:
    """Adopt a policy. Errors: invalid; conflict when it contradicts another, which is named."""
    policy = await _desk(house).policies.add(body.given(), actor=actor)
    return reply((await _forms(house, [policy]))[0], 201)


@router.post("/policies/try", response_model=PolicyEffect)
async def try_retention_policy(house: House, actor: Manager, body: PolicyTry) -> Response:
    """Say what saving a policy would do. Errors: invalid; conflict when it contradicts another."""
    effect = await _desk(house).policies.effect(body.policy.given(), actor=actor, policy_id=body.id)
    return reply(effect.form())


@router.patch("/policies/{policy_id}", response_model=RetentionPolicy)
async def change_retention_policy(policy_id: str, house: House, actor: Manager, body: PolicyPatch) -> Response:
    """Change a policy; what is past a lower ceiling goes within a day. Errors: invalid, not_found, conflict."""
    policy = await _desk(house).policies.change(policy_id, body.given(), actor=actor, version=body.version)
    return reply((await _forms(house, [policy]))[0])


@router.delete("/policies/{policy_id}", status_code=204)
async def remove_retention_policy(
    policy_id: str, house: House, actor: Manager, version: Annotated[int, Query(ge=1)]
) -> Response:
    """Have a policy count no more. Errors: not_found, conflict."""
    await _desk(house).policies.remove(policy_id, actor=actor, version=version)
    return Response(status_code=204)


@router.get("/cameras", response_model=Page[KeptCamera])
async def list_kept_cameras(house: House, actor: Reader, without: bool = False) -> Response:
    """List cameras with the policies that decide for them, those under none first; `without` lists those alone."""
    cameras = await _desk(house).policies.cameras(actor=actor, only_without=without)
    return listed([camera.form() for camera in cameras], None)


# --- holds ------------------------------------------------------------------------------------------------------------


@router.get("/holds", response_model=Page[RecordingHold])
async def list_recording_holds(house: House, actor: Reader, ended: bool = False) -> Response:
    """List holds, newest first; `ended` with those that are over."""
    desk = _desk(house)
    holds = await desk.holds.find(actor=actor, with_ended=ended)
    now = house.clock.now()
    return listed([hold.form(now, size) for hold, size in holds], None)


@router.post("/holds", response_model=RecordingHold, status_code=201)
async def set_recording_hold(house: House, actor: Holder, body: HoldIn) -> Response:
    """Exempt recordings from deletion. Errors: invalid, forbidden, not_found; conflict when too much would be held."""
    hold, cost = await _desk(house).holds.set(
        tuple(body.cameras),
        body.from_,
        body.to,
        reason=body.reason,
        request_id=body.request_id,
        ends_at=body.ends_at,
        actor=actor,
    )
    shown = hold.form(house.clock.now(), cost.size_bytes)
    return reply({**shown, "stored_s": cost.stored_s, "asked_s": cost.asked_s}, 201)


@router.post("/holds/try", response_model=HoldCost)
async def try_recording_hold(house: House, actor: Holder, body: HoldTry) -> Response:
    """Say what a hold would take, and how much of it is there. Errors: invalid, not_found."""
    cost = await _desk(house).holds.cost(tuple(body.cameras), body.from_, body.to, actor=actor)
    return reply({"bytes": cost.size_bytes, "stored_s": cost.stored_s, "asked_s": cost.asked_s})


@router.post("/holds/{hold_id}/renew", response_model=RecordingHold)
async def renew_recording_hold(hold_id: str, house: House, actor: Holder, body: HoldRenewal) -> Response:
    """Give a hold another end. Errors: invalid, forbidden, not_found, conflict."""
    hold = await _desk(house).holds.renew(hold_id, body.ends_at, body.reason, actor=actor, version=body.version)
    return reply(hold.form(house.clock.now()))


@router.post("/holds/{hold_id}/release", response_model=RecordingHold)
async def release_recording_hold(hold_id: str, house: House, actor: Holder, body: HoldRelease) -> Response:
    """End a hold early: what is past its ceiling goes within a day. Errors: forbidden, not_found, conflict."""
    hold = await _desk(house).holds.release(hold_id, body.reason, actor=actor, version=body.version)
    return reply(hold.form(house.clock.now()))


# --- what was deleted, and what is there ------------------------------------------------------------------------------


@router.get("/tombstones", response_model=Page[DeletedRecording])
async def list_tombstones(
    house: House, actor: Reader, camera: Filter = "", after: After = "", limit: Limit = 100
) -> Response:
    """List what was deleted, newest first, with reason, basis and signature."""
    stones = await _desk(house).tombstones(actor=actor, channel_id=camera, before_no=whole_number(after), limit=limit)
    return page([stone.form() for stone in stones], limit, "no")


@router.get("/proof", response_model=Page[Proof])
async def list_retention_proofs(
    house: House,
    actor: Reader,
    camera: Filter = "",
    jurisdiction_id: Filter = "",
    from_: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
) -> Response:
    """Say of each camera whether its days are whole, and why not; with `camera` each day with its gaps.

    Without days: as many before today as the camera's policy asks for, or 30. Errors: invalid, not_found.
    """
    proofs = await _desk(house).proofs.prove(
        actor=actor,
        from_day=parse_day(from_, "from"),
        to_day=parse_day(to, "to"),
        channel_id=camera,
        jurisdiction_id=jurisdiction_id,
    )
    return listed([proof.form(with_days=bool(camera)) for proof in proofs], None)


@router.get("/proof.csv", responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
async def export_retention_proof(
    house: House,
    actor: Reader,
    camera: Filter = "",
    jurisdiction_id: Filter = "",
    from_: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
) -> Response:
    """Export camera-days as CSV (UTF-8): seconds expected, stored and missed with the reasons. Errors: invalid."""
    proofs = await _desk(house).proofs.prove(
        actor=actor,
        from_day=parse_day(from_, "from"),
        to_day=parse_day(to, "to"),
        channel_id=camera,
        jurisdiction_id=jurisdiction_id,
    )
    headers = {"Content-Disposition": 'attachment; filename="retention-proof.csv"'}
    return Response(write_csv(csv_rows(proofs)), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/forecast", response_model=Forecast)
async def read_storage_forecast(
    house: House,
    actor: Reader,
    add_cameras: Annotated[int, Query(ge=0, le=100_000, description="what if so many cameras were added")] = 0,
    add_kbps: Annotated[int, Query(ge=16, le=200_000, description="bit rate of each of these")] = 2_000,
    rate_pct: Annotated[int, Query(ge=1, le=1_000, description="what if all bit rates were so many percent")] = 100,
    keep_days: Annotated[int | None, Query(ge=1, le=MAX_DAYS, description="what if all kept so many days")] = None,
    add_gb: Annotated[int, Query(ge=0, le=100_000_000, description="what if the disks had so many GB more")] = 0,
) -> Response:
    """Say how many days the disks give at the last day's bit rates, when they fill, what holds cost, what if."""
    what = WhatIf(add_cameras, add_kbps, rate_pct, keep_days, add_gb * 1_000_000_000)
    return reply(await _desk(house).storage.look(actor=actor, what=what))


@router.get("/tier", response_model=RecordingTiers)
async def read_recording_tier(house: House, actor: Reader) -> Response:
    """Say where recordings move, how that is doing, and what waits."""
    found = _desk(house).tier(actor=actor)
    return reply({"tier": None if found is None else found.form()})
