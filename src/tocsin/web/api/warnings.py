"""An incident as a public warning (CAP 1.2), handed out as a file."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.web.api.shapes import In
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
Worker = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]


class WarningIn(In):
    """What the warning says. `radius_km` 0 names the place only; Update and Cancel carry `references`."""

    event: Annotated[str, Field(min_length=1, max_length=120, examples=["Gas leak"])]
    headline: Annotated[str, Field(min_length=1, max_length=160, examples=["Gas leak in Riverside Road: stay indoors"])]
    status: Literal["Actual", "Exercise", "Test", "Draft"] = "Draft"
    kind: Literal["Alert", "Update", "Cancel"] = "Alert"
    references: Annotated[str, Field(max_length=1000)] = ""
    category: Annotated[str, Field(max_length=16)] = "Safety"
    urgency: Annotated[str, Field(max_length=16)] = "Unknown"
    severity: Annotated[str, Field(max_length=16)] = "Unknown"
    certainty: Annotated[str, Field(max_length=16)] = "Unknown"
    language: Literal["zh-CN", "en-US"] = "zh-CN"
    description: Annotated[str, Field(max_length=2000)] = ""
    instruction: Annotated[str, Field(max_length=2000)] = ""
    area: Annotated[str, Field(max_length=200)] = ""
    radius_km: Annotated[float, Field(ge=0, le=500)] = 0.0
    expires_min: Annotated[float, Field(ge=5, le=10_080)] = 360.0


@router.post("/{incident_id}/warning", response_class=Response)
async def export_warning(incident_id: str, house: House, actor: Worker, body: WarningIn) -> Response:
    """Hand an incident out as a CAP 1.2 message, recorded. `Actual` needs a supervisor who does not hold it.

    Errors: not_found, invalid with the field, forbidden, conflict for who holds the incident.
    """
    if house.warnings is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "no warnings here")
    name, message = await house.warnings.export(incident_id, body.given(), actor=actor)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(message, media_type="application/cap+xml", headers=headers)
