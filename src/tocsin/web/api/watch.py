"""Hours of premises, tests and permits to be on test of an account; what is on test or late now in the whole house."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, Permission
from tocsin.domain.permit_service import PermitService
from tocsin.domain.permits import MAX_ZONES, Permit
from tocsin.domain.schedule_service import ScheduleService
from tocsin.domain.schedules import (
    MAX_A_DAY,
    MAX_GRACE_MIN,
    MAX_USERS,
    DayException,
    Hours,
    Schedule,
    area_key,
    hours_of,
    tidy_hours,
    users_of,
)
from tocsin.web.api.shapes import After, Filter, In, Limit, Moment, Out, Page, Version, listed, page, reply, spoken
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1", tags=["schedules, tests and permits"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Handler = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
HouseKeeper = Annotated[Actor, allowed(Permission.MANAGE_SETTINGS)]
Name = Annotated[str, Field(max_length=100)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Clock = Annotated[str, Field(pattern="^[0-2][0-9]:[0-5][0-9]$", description="HH:MM of the house's clock")]
WholeNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]
SeenVersion = Annotated[int, Query(ge=1, le=2**31 - 1, description="version as the caller knows it")]


class HoursIn(In):
    """One opening of a day; a closing before the opening is on the next day."""

    open_from: Clock
    open_by: Annotated[Clock | None, Field(description="late to open after this; null: never")] = None
    close_from: Annotated[Clock | None, Field(description="early to close before this; null: never")] = None
    close_by: Clock


Day = Annotated[list[HoursIn], Field(max_length=MAX_A_DAY)]


class ScheduleIn(In):
    """Weekly hours as they shall be from now on; `version` is the one its sender knows, 0 enters new ones."""

    version: WholeNumber = 0
    area: Annotated[str, Field(max_length=16, description="area number; empty: the whole account")] = ""
    name: Name = ""
    weekly: Annotated[list[Day], Field(min_length=7, max_length=7, description="from Monday")]
    is_closed_on_holidays: bool = True
    grace_min: Annotated[int, Field(ge=0, le=MAX_GRACE_MIN)] = 10
    users: Annotated[
        list[Annotated[str, Field(max_length=20)]],
        Field(
            max_length=MAX_USERS, description="user numbers of the panel that may open, such as 7 or 20-29; none: all"
        ),
    ] = []


class ExceptionIn(In):
    """Other hours on some days; without hours it is closed."""

    day_from: Annotated[date, Field(alias="from")]
    day_to: Annotated[date, Field(alias="to")]
    hours: Day = []
    reason: Reason


class HolidayIn(In):
    """A holiday of the house."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    name_en: Name = ""


class PermitIn(In):
    """Who works there, why and until when; without zones the whole account."""

    owner: Annotated[str, Field(min_length=1, max_length=100, description="who works there and answers for it")]
    phone: Annotated[str, Field(max_length=40, pattern=r"^[0-9+()#*, -]*$")] = ""
    reason: Reason
    until: Moment
    zones: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MAX_ZONES)] = []
    life_kinds: Annotated[
        list[Annotated[str, Field(max_length=16)]],
        Field(max_length=4, description="fire | gas | medical | panic: covered too; asks for `second`"),
    ] = []
    second: Annotated[str, Field(max_length=100, description="who agreed that alarms about life are covered")] = ""


class ExtendIn(In):
    """A later end of a test."""

    version: Version
    until: Moment
    reason: Annotated[str, Field(max_length=500)] = ""


class EndIn(In):
    """The version of the permit that shall end."""

    version: Version


class ScheduleOut(Out):
    """Hours with what is known of their premises: open, closed or unknown, and late since when."""

    id: str
    device_id: str
    area: str
    name: str
    weekly: list[list[dict[str, Any]]]
    is_closed_on_holidays: bool
    grace_min: int
    users: list[str]
    exceptions: list[dict[str, Any]]
    version: int
    state: str
    changed_at: str | None
    late: str
    late_since: str | None
    due_at: str | None


class HolidayOut(Out):
    """A holiday of the house."""

    day: str
    name: str
    name_en: str


class TestsOut(Out):
    """When a device was last tested, when the next test is due, and the newest."""

    device_id: str
    interval_s: float
    last_at: str | None
    due_at: str | None
    is_late: bool
    misses: int
    tests: list[dict[str, Any]]


class LateTestOut(Out):
    """A device whose test is overdue; one never tested has no times."""

    device_id: str
    device_name: str
    account: str
    interval_s: float
    last_at: str | None
    due_at: str | None
    late_s: int | None


class PermitOut(Out):
    """An account or zones of it on test: by whom, why, until when, and how it ended."""

    id: str
    device_id: str
    zones: list[str]
    life_kinds: list[str]
    second: str
    owner: str
    phone: str
    reason: str
    begun_at: str
    until: str
    given_by: str
    given_name: str
    ended_at: str | None
    ended_by: str
    how_ended: str
    left: list[str]
    version: int


class PermitDetailOut(PermitOut):
    """A permit with what came of each zone during the test."""

    seen: list[dict[str, Any]]
    seen_count: int
    zone_count: int


def _schedules(house: House) -> ScheduleService:
    if house.schedules is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "hours are not kept here")
    return house.schedules


def _permits(house: House) -> PermitService:
    if house.permits is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "permits are not kept here")
    return house.permits


def _hours(given: list[HoursIn], name: str) -> tuple[Hours, ...]:
    return tidy_hours(
        [
            hours_of(one.open_from, one.close_by, one.open_by, one.close_from, f"{name}.{number}")
            for number, one in enumerate(given)
        ],
        name,
    )


# --- hours ------------------------------------------------------------------------------------------------------------


@router.get("/accounts/{device_id}/schedules", response_model=Page[ScheduleOut])
async def list_schedules(device_id: str, house: House, actor: Reader) -> Response:
    """List the hours of an account with what is known of its premises. Errors: not_found."""
    return listed(await _schedules(house).find(device_id, actor=actor), None)


@router.put("/accounts/{device_id}/schedules/{schedule_id}", response_model=ScheduleOut)
async def save_schedule(
    device_id: str,
    schedule_id: Annotated[str, Field(max_length=36)],
    house: House,
    actor: Keeper,
    body: ScheduleIn,
) -> Response:
    """Enter or change weekly hours; they judge what comes. Errors: invalid, forbidden, not_found, conflict."""
    schedule = Schedule(
        schedule_id,
        device_id,
        area_key(body.area),
        body.name.strip(),
        {number: _hours(day, f"weekly.{number}") for number, day in enumerate(body.weekly)},
        body.is_closed_on_holidays,
        body.grace_min,
        version=body.version,
        users=users_of(body.users, "users"),
    )
    return reply(await _schedules(house).save(schedule, actor=actor))


@router.delete("/accounts/{device_id}/schedules/{schedule_id}", status_code=204)
async def remove_schedule(
    device_id: str, schedule_id: str, house: House, actor: Keeper, version: SeenVersion
) -> Response:
    """Remove hours with their exceptions. Errors: forbidden, not_found, conflict."""
    await _schedules(house).remove(schedule_id, device_id, actor=actor, version=version)
    return Response(status_code=204)


@router.post("/accounts/{device_id}/schedules/{schedule_id}/exceptions", response_model=ScheduleOut, status_code=201)
async def add_schedule_exception(
    device_id: str, schedule_id: str, house: House, actor: Handler, body: ExceptionIn
) -> Response:
    """Enter other hours for some days, or that it is closed. Errors: invalid, forbidden, not_found."""
    one = DayException(new_id(), body.day_from, body.day_to, _hours(body.hours, "hours"), body.reason.strip())
    return reply(await _schedules(house).add_exception(schedule_id, device_id, one, actor=actor), 201)


@router.delete("/accounts/{device_id}/schedules/{schedule_id}/exceptions/{exception_id}", response_model=ScheduleOut)
async def remove_schedule_exception(
    device_id: str, schedule_id: str, exception_id: str, house: House, actor: Handler
) -> Response:
    """Take other hours back. Errors: forbidden, not_found."""
    return reply(await _schedules(house).remove_exception(exception_id, schedule_id, device_id, actor=actor))


@router.get("/watch/late", response_model=Page[ScheduleOut])
async def list_late_premises(house: House, actor: Reader, after: After = "", limit: Limit = 100) -> Response:
    """List what is late to open or to close now."""
    return page(await _schedules(house).late(actor=actor, after=after, limit=limit), limit)


@router.get("/holidays", response_model=Page[HolidayOut])
async def list_holidays(house: House, actor: Reader) -> Response:
    """List the holidays of the house."""
    return listed(await _schedules(house).holidays(actor=actor), None)


@router.put("/holidays/{day}", response_model=HolidayOut)
async def save_holiday(day: date, house: House, actor: HouseKeeper, body: HolidayIn) -> Response:
    """Enter a holiday of the house, or rename it. Errors: invalid, forbidden."""
    return reply(await _schedules(house).save_holiday(day, body.name, body.name_en, actor=actor))


@router.delete("/holidays/{day}", status_code=204)
async def remove_holiday(day: date, house: House, actor: HouseKeeper) -> Response:
    """Remove a holiday. Errors: forbidden, not_found."""
    await _schedules(house).remove_holiday(day, actor=actor)
    return Response(status_code=204)


# --- tests ------------------------------------------------------------------------------------------------------------


@router.get("/accounts/{device_id}/tests", response_model=TestsOut)
async def read_tests(device_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Say when a device was last tested and when the next test is due. Errors: not_found."""
    form: dict[str, Any] = await _schedules(house).tests(device_id, actor=actor)
    for one in form["tests"]:
        spoken(one, language)
    return reply(form)


@router.get("/watch/tests", response_model=Page[LateTestOut])
async def list_late_tests(house: House, actor: Reader, after: After = "", limit: Limit = 100) -> Response:
    """List devices whose periodic test is overdue."""
    return page(await _schedules(house).late_tests(actor=actor, after=after, limit=limit), limit, "device_id")


# --- permits ----------------------------------------------------------------------------------------------------------


@router.get("/watch/on-test", response_model=Page[PermitOut])
async def list_on_test(
    house: House, actor: Reader, device_id: Filter = "", after: After = "", limit: Limit = 100
) -> Response:
    """List what is on test now, oldest first."""
    return page(await _permits(house).on_test(actor=actor, device_id=device_id, after=after, limit=limit), limit)


@router.get("/accounts/{device_id}/permits", response_model=Page[PermitOut])
async def list_permits(device_id: str, house: House, actor: Reader) -> Response:
    """List the newest permits of an account, newest first. Errors: not_found."""
    return listed(await _permits(house).find(device_id, actor=actor), None)


@router.get("/accounts/{device_id}/permits/{permit_id}", response_model=PermitDetailOut)
async def read_permit(device_id: str, permit_id: str, house: House, actor: Reader) -> Response:
    """Read a permit with what came of each zone during the test. Errors: not_found."""
    return reply(await _permits(house).read(permit_id, device_id, actor=actor))


@router.post("/accounts/{device_id}/permits", response_model=PermitOut, status_code=201)
async def give_permit(device_id: str, house: House, actor: Handler, body: PermitIn) -> Response:
    """Put an account, or zones of it, on test from now on. Errors: invalid, forbidden, not_found, conflict."""
    permit = Permit(
        id=new_id(),
        device_id=device_id,
        owner=body.owner.strip(),
        reason=body.reason.strip(),
        begun_at=body.until,
        until=body.until,
        phone=body.phone.strip(),
        zones=tuple(body.zones),
        life_kinds=tuple(dict.fromkeys(body.life_kinds)),
        second=body.second.strip(),
    )
    return reply(await _permits(house).give(permit, actor=actor), 201)


@router.post("/accounts/{device_id}/permits/{permit_id}/extend", response_model=PermitOut)
async def extend_permit(device_id: str, permit_id: str, house: House, actor: Handler, body: ExtendIn) -> Response:
    """Move the end of a test. Errors: invalid, forbidden, not_found, conflict."""
    return reply(
        await _permits(house).extend(
            permit_id, device_id, body.until, body.reason.strip(), actor=actor, version=body.version
        )
    )


@router.post("/accounts/{device_id}/permits/{permit_id}/end", response_model=PermitOut)
async def end_permit(device_id: str, permit_id: str, house: House, actor: Handler, body: EndIn) -> Response:
    """End a test now. Errors: forbidden, not_found, conflict."""
    return reply(await _permits(house).end(permit_id, device_id, actor=actor, version=body.version))
