"""Jurisdictions and places."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.web.api import objects_registry
from tocsin.web.api.accounts import OpenIn
from tocsin.web.api.shapes import After, Filter, In, Limit, Page, Text, Version, listed, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1", tags=["places"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Caller = Annotated[Actor, allowed(Permission.READ_CONTACTS)]


class DefaultsIn(In):
    """What cameras get when they are commissioned in bulk."""

    owner: Text = ""
    purpose: Text = ""


class JurisdictionIn(In):
    """A new node; its code begins with its parent's."""

    code: Annotated[str, Field(pattern=r"^[0-9]{1,12}$", examples=["340223"])]
    name: Text
    name_en: Text = ""
    short: Annotated[str, Field(max_length=8, examples=["HW"])] = ""
    level: Annotated[str, Field(pattern="^(city|county|township)$")] = "county"
    parent_id: str | None = None
    defaults: DefaultsIn = DefaultsIn()


class JurisdictionPatch(In):
    """What may change of a node."""

    version: Version
    name: Text = ""
    name_en: Text = ""
    short: Annotated[str, Field(max_length=8)] = ""
    level: Annotated[str, Field(pattern="^(city|county|township)$")] = "county"
    defaults: DefaultsIn = DefaultsIn()


class ContactIn(In):
    """Whom to call, in call order."""

    name: Text
    role: Text = ""
    phone: Text = ""


class PlacePatch(In):
    """What may change of a place."""

    version: Version
    jurisdiction_id: str = ""
    name: Text = ""
    name_en: Text = ""
    place_class: Annotated[str, Field(alias="class", examples=["school"])] = ""
    address: Text = ""
    owner: Text = ""
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    contacts: Annotated[list[ContactIn], Field(max_length=50)] = []
    notes: Text = ""


class PlaceIn(In):
    """A new place."""

    jurisdiction_id: str
    name: Text
    name_en: Text = ""
    place_class: Annotated[str, Field(alias="class", examples=["school"])] = "other"
    address: Text = ""
    owner: Text = ""
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    contacts: Annotated[list[ContactIn], Field(max_length=50)] = []
    notes: Text = ""


class VersionIn(In):
    """The version the caller has seen."""

    version: Version


@router.get("/jurisdictions", response_model=Page[objects_registry.Jurisdiction])
async def list_jurisdictions(house: House, actor: Reader) -> Response:
    """List the nodes of the tree the caller may see, in the order of their codes."""
    return reply({"items": [node.form() for node in await house.places.jurisdictions(actor)], "next": None})


@router.post("/jurisdictions", response_model=objects_registry.Jurisdiction, status_code=201)
async def create_jurisdiction(house: House, actor: Keeper, body: JurisdictionIn) -> Response:
    """Add a node. Errors: invalid, conflict on a code in use."""
    given: dict[str, Any] = body.given()
    return reply((await house.places.create_jurisdiction(given, actor=actor)).form(), 201)


@router.get("/jurisdictions/{jurisdiction_id}", response_model=objects_registry.Jurisdiction)
async def read_jurisdiction(jurisdiction_id: str, house: House, actor: Reader) -> Response:
    """Read one node. Errors: not_found."""
    return reply((await house.places.jurisdiction(jurisdiction_id, actor=actor)).form())


@router.patch("/jurisdictions/{jurisdiction_id}", response_model=objects_registry.Jurisdiction)
async def change_jurisdiction(jurisdiction_id: str, house: House, actor: Keeper, body: JurisdictionPatch) -> Response:
    """Change names, level and defaults. Errors: invalid, not_found, conflict."""
    changed = await house.places.change_jurisdiction(jurisdiction_id, body.given(), actor=actor, version=body.version)
    return reply(changed.form())


@router.get("/places", response_model=Page[objects_registry.Place])
async def list_places(
    house: House,
    actor: Reader,
    q: Filter = "",
    jurisdiction_id: Filter = "",
    place_class: Annotated[str, Query(alias="class", max_length=40)] = "",
    retired: bool = False,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List places, newest first; `jurisdiction_id` covers its subtree, `retired` adds the retired ones."""
    found = await house.places.places(
        actor,
        text=q,
        jurisdiction_id=jurisdiction_id,
        place_class=place_class,
        with_retired=retired,
        after=after,
        limit=limit,
    )
    return listed([place.form() for place in found.items], found.next)


@router.post("/places", response_model=objects_registry.Place, status_code=201)
async def create_place(house: House, actor: Keeper, body: PlaceIn) -> Response:
    """Enter a place. Errors: invalid, not_found."""
    return reply((await house.places.create_place(body.given(), actor=actor)).form(), 201)


@router.get("/places/{place_id}", response_model=objects_registry.Place)
async def read_place(place_id: str, house: House, actor: Reader) -> Response:
    """Read one place. Errors: not_found."""
    return reply((await house.places.place(place_id, actor=actor)).form())


@router.post("/places/{place_id}/contacts/open", response_model=Page[objects_registry.Contact])
async def open_place_contacts(place_id: str, house: House, actor: Caller, body: OpenIn) -> Response:
    """Read whom to call, in order, with the numbers; the reading leaves a record.

    Errors: not_found, forbidden, conflict when the incident is of another place.
    """
    found = await house.places.contacts(place_id, actor=actor, incident_id=body.incident_id)
    return listed([one.form() for one in found], None)


@router.patch("/places/{place_id}", response_model=objects_registry.Place)
async def change_place(place_id: str, house: House, actor: Keeper, body: PlacePatch) -> Response:
    """Change a place; a contact's number that is sent covered, as it was shown, stays.

    Errors: invalid, not_found, conflict.
    """
    return reply((await house.places.change_place(place_id, body.given(), actor=actor, version=body.version)).form())


@router.post("/places/{place_id}/retire", response_model=objects_registry.Place)
async def retire_place(place_id: str, house: House, actor: Keeper, body: VersionIn) -> Response:
    """Retire a place nothing in use stands at. Errors: not_found, conflict."""
    return reply((await house.places.retire_place(place_id, actor=actor, version=body.version)).form())
