"""Device profiles: what devices were found to need, by device and by make; and the test of our own media address."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.device_profiles import MAX_MATRIX_BYTES, matrix_csv, matrix_json, profile_form
from tocsin.web.api import objects_registry
from tocsin.web.api.places import VersionIn
from tocsin.web.api.shapes import Filter, In, Page, listed, reply
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]

Importer = Annotated[Actor, allowed(Permission.MANAGE_SETTINGS)]


class MatrixIn(In):
    """A matrix as it was exported, CSV or JSON; `check` changes nothing."""

    model_config = ConfigDict(extra="forbid", str_max_length=MAX_MATRIX_BYTES, populate_by_name=True)

    text: Annotated[str, Field(min_length=1, max_length=MAX_MATRIX_BYTES)]
    check: bool = False


@router.get("/profiles", response_model=Page[objects_registry.Make])
async def list_makes(house: House, actor: Reader) -> Response:
    """List makers, models and firmwares in the caller's area with what their devices were found to need."""
    return listed([row.form() for row in await house.profiles.matrix(actor=actor)], None)


@router.get(
    "/profiles/export",
    response_class=Response,
    responses={
        200: {
            "description": "the file",
            "content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def export_makes(house: House, actor: Reader, format: Literal["csv", "json"] = "csv") -> Response:
    """Return that list as a file to keep and to import elsewhere."""
    rows = await house.profiles.matrix(actor=actor)
    headers = {"Content-Disposition": f'attachment; filename="device-profiles.{format}"'}
    if format == "json":
        return Response(matrix_json(rows), media_type="application/json", headers=headers)
    text = "\ufeff" + matrix_csv(rows)  # the mark tells spreadsheets that this is UTF-8
    return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/profiles/import", response_model=objects_registry.MatrixTaken)
async def import_makes(house: House, actor: Importer, body: MatrixIn) -> Response:
    """Take a matrix as first guesses for devices of the same maker and model. Errors: invalid naming the row."""
    return reply(await house.profiles.take_in(body.text, actor=actor, is_check=body.check))


@router.get("/entry", response_model=objects_registry.Entry)
async def read_entry(house: House, actor: Keeper, jurisdiction_id: Filter = "", place_id: Filter = "") -> Response:
    """Read what is to be typed into a camera so that it registers here; `host` empty: the name this server has.

    `proposed_id` is a free id for a camera of that place or jurisdiction.
    """
    entry = dict(house.entry())
    proposed = await house.devices.propose_gb_id(
        str(entry["server_id"])[:8], actor=actor, jurisdiction_id=jurisdiction_id, place_id=place_id
    )
    return reply({**entry, "proposed_id": proposed})


@router.post("/media-test", response_model=objects_registry.MediaTest)
async def test_media(house: House, actor: Keeper, language: Language) -> Response:
    """Send a packet to the address we announce to cameras and see whether it arrives. Errors: unavailable."""
    if house.test_media is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "no media worker is running")
    found = await house.test_media()
    return reply(found.form(language))


@router.get("/{device_id}/profile", response_model=objects_registry.DeviceProfile)
async def read_profile(device_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read what a device was found to need, when, and from what. Errors: not_found."""
    return reply(_form(await house.profiles.profile(device_id, actor=actor), language))


@router.post("/{device_id}/profile/forget", response_model=objects_registry.DeviceProfile)
async def forget_profile(device_id: str, house: House, actor: Keeper, language: Language, body: VersionIn) -> Response:
    """Forget what was learned of a device, so that it is learned again. Errors: not_found, conflict."""
    return reply(_form(await house.profiles.forget(device_id, actor=actor, version=body.version), language))


def _form(found: tuple[Any, Any], language: str) -> dict[str, Any]:
    device, findings = found
    return {"device_id": device.id, "version": device.version, "traits": profile_form(device, findings, language)}
