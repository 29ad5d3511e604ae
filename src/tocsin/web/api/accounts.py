"""Accounts of alarm devices: way in, contacts, notes, floor plans, passwords, history; the id is the device's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field, SecretStr
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.account_desk import HISTORY_MOST, HistoryLine
from tocsin.domain.account_service import AccountService
from tocsin.domain.accounts import MAX_CONTACTS, MAX_PLAN_BYTES
from tocsin.domain.door_openers import READERS, DoorOpeners
from tocsin.domain.fields import refuse
from tocsin.web.api.imports import TABLE_FILE, Form, table_file
from tocsin.web.api.objects_registry import Zone
from tocsin.web.api.shapes import After, Id, In, Limit, Out, Page, Version, listed, reply, whole_number
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Caller = Annotated[Actor, allowed(Permission.READ_CONTACTS)]
Contacts = Annotated[Actor, allowed(Permission.MANAGE_CONTACTS)]
Noter = Annotated[Actor, allowed(Permission.NOTE_ACCOUNT)]
Operator = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
Exporter = Annotated[Actor, allowed(Permission.MANAGE_CONTACTS, Permission.MANAGE_REGISTRY)]
Auditing = Annotated[Actor, allowed(*READERS)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2027-06-30"])]
Share = Annotated[float, Field(ge=0, le=1, description="share of the picture's side, from its upper left corner")]
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {"requestBody": {"required": True, "content": {"application/octet-stream": _PICTURE}}}
_SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "the picture", "content": {"image/png": _PICTURE, "image/jpeg": _PICTURE}}
}


class Premises(Out):
    """The place the device stands at."""

    id: Id
    name: str
    name_en: str
    place_class: str = Field(alias="class")
    address: str
    owner: str
    lon: float | None
    lat: float | None
    notes: str


class Point(Out):
    """Where a zone is: shares of the picture's width and height from its upper left corner."""

    plan_id: Id
    x: float
    y: float


class AccountZone(Zone):
    """A zone; `point` is null while it stands on no plan."""

    point: Point | None


class ResponderNoteOut(Out):
    """What responders must know until a time."""

    id: Id
    text: str
    until: str
    at: str
    by: str


class FloorPlanOut(Out):
    """A floor plan; its picture is at `plans/{id}/picture`."""

    id: Id
    name: str
    width_px: int
    height_px: int
    size_bytes: int
    sha256: str


class AccountOut(Out):
    """An account; its id is its device's. Contacts and passwords are counted here, never named."""

    id: Id
    name: str
    name_en: str
    kind: str
    protocol: str
    address: dict[str, Any]
    state: str
    place: Premises | None
    owner: str
    access: str
    contacts: int
    contacts_due: int
    passwords: int
    notes: list[ResponderNoteOut]
    plans: list[FloorPlanOut]
    zones: list[AccountZone]
    version: int
    retired: bool


class AccountContactOut(Out):
    """Whom to call, `rank` from 1. To be looked at again by `review_on`; deleted after `ends_on`."""

    id: Id
    device_id: Id
    rank: int
    name: str
    role: str
    phone: str
    languages: list[str]
    note: str
    review_on: str
    ends_on: str | None
    version: int


class AccountHistory(Out):
    """What happened to an account, its device or zones."""

    seq: int
    at: str
    actor: dict[str, str]
    action: str
    outcome: str
    detail: dict[str, Any]


class PasswordOut(Out):
    """A password by its label; the word is kept by nobody."""

    id: Id
    label: str
    is_duress: bool
    ends_on: str | None


class CheckedOut(Out):
    """`duress`: it was said under threat, and an alarm was raised. `left`: how many wrong ones are still taken."""

    result: Literal["right", "wrong", "duress"]
    left: int


class AccountIn(In):
    """What changes of an account."""

    version: Version
    owner: Annotated[str, Field(max_length=200)] = ""
    access: Annotated[str, Field(max_length=4000)] = ""


class AreaOut(Out):
    """A node of the tree."""

    id: str
    code: str
    name: str
    name_en: str


class OpenerOut(Out):
    """A user who may open a door: the roles that allow it, and the areas of the user that the door lies in."""

    user_id: str
    username: str
    name: str
    roles: list[str]
    areas: list[AreaOut]


class OpenIn(In):
    """The incident the contacts are read for, if there is one."""

    incident_id: Annotated[str, Field(max_length=36)] = ""


class ContactIn(In):
    """A new contact; without `review_on` it is looked at again in a year."""

    name: Annotated[str, Field(max_length=100)]
    phone: Annotated[str, Field(max_length=40)]
    role: Annotated[str, Field(max_length=16, examples=["key_holder"])] = "key_holder"
    languages: Annotated[list[str], Field(max_length=6)] = []
    note: Annotated[str, Field(max_length=300)] = ""
    review_on: Day | None = None
    ends_on: Day | None = None


class ContactPatch(In):
    """What changes of a contact."""

    version: Version
    name: Annotated[str, Field(max_length=100)] = ""
    phone: Annotated[str, Field(max_length=40)] = ""
    role: Annotated[str, Field(max_length=16)] = ""
    languages: Annotated[list[str], Field(max_length=6)] = []
    note: Annotated[str, Field(max_length=300)] = ""
    review_on: Day | None = None
    ends_on: Day | None = None


class OrderIn(In):
    """The ids of all contacts, in call order."""

    order: Annotated[list[Annotated[str, Field(max_length=36)]], Field(max_length=MAX_CONTACTS)]


class NoteIn(In):
    """A note for responders and its end, a year from now at most."""

    text: Annotated[str, Field(max_length=1000)]
    until: AwareDatetime


class PlanIn(In):
    """The name of a floor plan."""

    name: Annotated[str, Field(max_length=100)]


class PointIn(In):
    """Where the zone is."""

    plan_id: Annotated[str, Field(max_length=36)]
    x: Share
    y: Share


class PasswordIn(In):
    """A new password; `is_duress` for the one said under threat."""

    label: Annotated[str, Field(max_length=100)]
    password: Annotated[SecretStr, Field(max_length=128)]
    is_duress: bool = False
    ends_on: Day | None = None


class CheckIn(In):
    """What was said on the telephone, and for which incident."""

    password: Annotated[SecretStr, Field(max_length=128)]
    incident_id: Annotated[str, Field(max_length=36)] = ""


@router.get("/export/{kind}.{form}", response_class=Response, responses=TABLE_FILE)
async def export_accounts(
    kind: Literal["account", "contact", "note", "position"],
    form: Form,
    house: House,
    actor: Exporter,
    language: Language,
) -> Response:
    """Return the accounts, contacts, notes for responders or places of zones on floor plans that one keeps, as a file
    that an import takes; it leaves a record. Of passwords an account says how many there are. Errors: forbidden.

    Columns are named in the caller's language (`?lang=`).
    """
    if house.account_files is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "accounts are not served here")
    return table_file(await house.account_files.export(kind, language, actor=actor), form, f"tocsin-{kind}s")


@router.get("/{device_id}/openers", response_model=Page[OpenerOut])
async def list_openers(device_id: str, house: House, actor: Auditing) -> Response:
    """List who may open the door of an intercom now, and why: by which role, in which area; nobody is entered here.

    Opening asks besides for a call one has in hand, and a reason. Errors: not_found, conflict when it has no door.
    """
    found = await DoorOpeners(house.store).read(device_id, actor=actor)
    return listed([one.form() for one in found], None)


@router.get("/{device_id}/openers.{form}", response_class=Response, responses=TABLE_FILE)
async def export_openers(device_id: str, form: Form, house: House, actor: Auditing, language: Language) -> Response:
    """Return the same as a file; it leaves a record. Errors: not_found, conflict when it has no door."""
    is_chinese = language.startswith("zh")
    head = (
        ("姓名", "登录名", "角色", "辖区代码", "辖区") if is_chinese else ("name", "username", "role", "code", "area")
    )
    rows = [
        (
            one.name,
            one.username,
            ";".join(one.roles),
            ";".join(area.code for area in one.areas),
            ";".join(area.name if is_chinese else area.name_en or area.name for area in one.areas),
        )
        for one in await DoorOpeners(house.store).export(device_id, actor=actor)
    ]
    return table_file([head, *rows], form, "tocsin-openers")


@router.get("/{device_id}", response_model=AccountOut)
async def read_account(device_id: str, house: House, actor: Reader) -> Response:
    """Read the account of an alarm device. Errors: not_found, conflict for a platform, which has none."""
    return reply((await _service(house).view(device_id, actor=actor)).form())


@router.patch("/{device_id}", response_model=AccountOut)
async def change_account(device_id: str, house: House, actor: Keeper, body: AccountIn) -> Response:
    """Change owner and way in. Errors: invalid, not_found, forbidden, conflict."""
    await _service(house).change(device_id, body.given(), actor=actor, version=body.version)
    return reply((await _service(house).view(device_id, actor=actor)).form())


@router.get("/{device_id}/history", response_model=Page[AccountHistory])
async def read_account_history(
    device_id: str, house: House, actor: Reader, after: After = "", limit: Limit = 100
) -> Response:
    """Read what happened to an account, its device and zones, newest first. Errors: not_found.

    Passwords are left out for who reads no incidents.
    """
    size = min(limit, HISTORY_MOST)
    found = await _service(house).history(device_id, actor=actor, before_seq=whole_number(after), limit=size)
    return listed([_line(one) for one in found], str(found[-1].seq) if len(found) == size else None)


@router.post("/{device_id}/contacts/open", response_model=Page[AccountContactOut])
async def open_contacts(device_id: str, house: House, actor: Caller, body: OpenIn) -> Response:
    """Read whom to call, in order; the reading leaves a record. Errors: not_found, forbidden, conflict."""
    found = await _service(house).contacts(device_id, actor=actor, incident_id=body.incident_id)
    return listed([one.form() for one in found], None)


@router.post("/{device_id}/contacts", response_model=AccountContactOut, status_code=201)
async def add_contact(device_id: str, house: House, actor: Contacts, body: ContactIn) -> Response:
    """Enter a contact, the last in the order. Errors: invalid naming the field, not_found, forbidden, conflict."""
    return reply((await _service(house).add_contact(device_id, body.given(), actor=actor)).form(), 201)


@router.patch("/{device_id}/contacts/{contact_id}", response_model=AccountContactOut)
async def change_contact(
    device_id: str, contact_id: str, house: House, actor: Contacts, body: ContactPatch
) -> Response:
    """Change a contact. Errors: invalid naming the field, not_found, forbidden, conflict."""
    saved = await _service(house).change_contact(device_id, contact_id, body.given(), actor=actor, version=body.version)
    return reply(saved.form())


@router.delete("/{device_id}/contacts/{contact_id}", status_code=204)
async def remove_contact(device_id: str, contact_id: str, house: House, actor: Contacts) -> Response:
    """Delete a contact. Errors: not_found, forbidden."""
    await _service(house).remove_contact(device_id, contact_id, actor=actor)
    return Response(status_code=204)


@router.put("/{device_id}/contacts/order", status_code=204)
async def order_contacts(device_id: str, house: House, actor: Contacts, body: OrderIn) -> Response:
    """Set the call order. Errors: invalid unless every contact is named once; not_found, forbidden."""
    await _service(house).order_contacts(device_id, body.order, actor=actor)
    return Response(status_code=204)


@router.post("/{device_id}/notes", response_model=ResponderNoteOut, status_code=201)
async def add_note(device_id: str, house: House, actor: Noter, body: NoteIn) -> Response:
    """Write a note for responders. Errors: invalid, not_found, forbidden, conflict."""
    return reply((await _service(house).add_note(device_id, body.text, body.until, actor=actor)).form(), 201)


@router.delete("/{device_id}/notes/{note_id}", status_code=204)
async def remove_note(device_id: str, note_id: str, house: House, actor: Noter) -> Response:
    """Take a note away before its end. Errors: not_found, forbidden."""
    await _service(house).remove_note(device_id, note_id, actor=actor)
    return Response(status_code=204)


@router.post("/{device_id}/plans", response_model=FloorPlanOut, status_code=201, openapi_extra=_UPLOAD)
async def add_plan(
    device_id: str,
    request: Request,
    house: House,
    actor: Keeper,
    name: Annotated[str, Query(max_length=100, description="such as the floor it shows")],
) -> Response:
    """Add a floor plan: a PNG or JPEG, sent as the body as it is, at most 8 MiB.

    Errors: invalid, too_large, not_found, forbidden, conflict.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_PLAN_BYTES:
            raise refuse("picture", "account.plan_form", "a floor plan is a PNG or JPEG of at most 8 MiB")
    return reply((await _service(house).add_plan(device_id, name, bytes(raw), actor=actor)).form(), 201)


@router.get("/{device_id}/plans/{plan_id}/picture", response_class=Response, responses=_SHOWN)
async def read_plan(device_id: str, plan_id: str, house: House, actor: Reader) -> Response:
    """Read the picture of a floor plan. Errors: not_found."""
    plan, data = await _service(house).plan_picture(device_id, plan_id, actor=actor)
    headers = {"Cache-Control": "private, max-age=3600", "X-Sha256": plan.sha256}
    return Response(data, media_type=f"image/{plan.form_}", headers=headers)


@router.patch("/{device_id}/plans/{plan_id}", response_model=FloorPlanOut)
async def rename_plan(device_id: str, plan_id: str, house: House, actor: Keeper, body: PlanIn) -> Response:
    """Give a floor plan another name. Errors: invalid, not_found, forbidden."""
    return reply((await _service(house).rename_plan(device_id, plan_id, body.name, actor=actor)).form())


@router.delete("/{device_id}/plans/{plan_id}", status_code=204)
async def remove_plan(device_id: str, plan_id: str, house: House, actor: Keeper) -> Response:
    """Delete a floor plan; its zones stand nowhere then. Errors: not_found, forbidden."""
    await _service(house).remove_plan(device_id, plan_id, actor=actor)
    return Response(status_code=204)


@router.put("/{device_id}/zones/{number}/point", response_model=Point)
async def place_zone(device_id: str, number: str, house: House, actor: Keeper, body: PointIn) -> Response:
    """Put a zone on a floor plan, or move it there. Errors: invalid, not_found, forbidden."""
    point = await _service(house).place_zone(device_id, number, body.given(), actor=actor)
    return reply(point.form() if point else None)


@router.delete("/{device_id}/zones/{number}/point", status_code=204)
async def unplace_zone(device_id: str, number: str, house: House, actor: Keeper) -> Response:
    """Take a zone off its floor plan. Errors: not_found, forbidden."""
    await _service(house).place_zone(device_id, number, None, actor=actor)
    return Response(status_code=204)


@router.get("/{device_id}/passwords", response_model=Page[PasswordOut])
async def list_passwords(device_id: str, house: House, actor: Contacts) -> Response:
    """List the passwords by label; the words are kept by nobody. Errors: not_found, forbidden."""
    return listed([one.form() for one in await _service(house).passwords(device_id, actor=actor)], None)


@router.post("/{device_id}/passwords", response_model=PasswordOut, status_code=201)
async def add_password(device_id: str, house: House, actor: Contacts, body: PasswordIn) -> Response:
    """Set a password of the premises. Errors: invalid, not_found, forbidden, conflict."""
    made = await _service(house).add_password(
        device_id,
        body.label,
        body.password.get_secret_value(),
        is_duress=body.is_duress,
        ends_on=body.ends_on,
        actor=actor,
    )
    return reply(made.form(), 201)


@router.delete("/{device_id}/passwords/{password_id}", status_code=204)
async def remove_password(device_id: str, password_id: str, house: House, actor: Contacts) -> Response:
    """Delete a password. Errors: not_found, forbidden."""
    await _service(house).remove_password(device_id, password_id, actor=actor)
    return Response(status_code=204)


@router.post("/{device_id}/passwords/check", response_model=CheckedOut)
async def check_password(device_id: str, house: House, actor: Operator, body: CheckIn) -> Response:
    """Say whether what was said on the telephone is right; a duress word raises an alarm before the answer.

    Errors: too_many after five wrong ones in ten minutes; not_found, forbidden, conflict.
    """
    found = await _service(house).check_password(
        device_id, body.password.get_secret_value(), actor=actor, incident_id=body.incident_id
    )
    return reply({"result": found.result.value, "left": found.left})


def _service(house: Services) -> AccountService:
    if house.accounts is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "accounts are not served here")
    return house.accounts


def _line(one: HistoryLine) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at": iso_us(one.at_us),
        "actor": {"kind": one.actor_kind, "id": one.actor_id, "name": one.actor_name},
        "action": one.action,
        "outcome": one.outcome,
        "detail": one.detail,
    }
