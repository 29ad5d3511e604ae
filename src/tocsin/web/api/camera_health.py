"""How the cameras are doing: one, all that are faulty, and sums over makers, lines and jurisdictions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission
from tocsin.domain.channel_health_service import NO_PICTURE
from tocsin.web.api import objects_registry
from tocsin.web.api.shapes import After, Filter, Limit, Page, listed, reply, spoken
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["camera health"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]


def _fault(form: dict[str, Any], words: Words, language: str) -> dict[str, Any]:
    """Return a fault in the caller's language; the reason of a missing picture in words too."""
    reason = str(form["params"].get("reason", ""))
    if form["key"] == NO_PICTURE and reason:
        for code, name in (("zh", "words_zh"), ("en", "words_en")):
            form[name] = str(form[name]).replace(reason, words.text(reason, code))
    return spoken(form, language)


@router.get("/cameras/{camera_id}/health", response_model=objects_registry.CameraHealth)
async def read_camera_health(camera_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read the state, measures, faults and on-line rates of a camera. Errors: not_found."""
    return _rendered((await house.health.health(camera_id, actor=actor)).form(), house, language)


@router.post("/cameras/{camera_id}/check", response_model=objects_registry.CameraHealth)
async def check_camera(
    camera_id: str,
    house: House,
    actor: Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)],
    language: Language,
) -> Response:
    """Ask a camera for its picture for some seconds, shown to nobody, and measure it. Errors: not_found, conflict."""
    return _rendered((await house.health.check_camera(camera_id, actor=actor)).form(), house, language)


@router.get("/camera-faults", response_model=Page[objects_registry.CameraFault])
async def list_camera_faults(
    house: House,
    actor: Reader,
    language: Language,
    key: Filter = "",
    maker: Annotated[str | None, Query(max_length=100, description="exactly this maker; empty: none known")] = None,
    line: Annotated[str | None, Query(max_length=100, description="exactly this line; empty: none entered")] = None,
    jurisdiction_id: Filter = "",
    state: Annotated[str, Query(pattern="^(open|all)$")] = "open",
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List faults of cameras in service, newest first; `key` is a beginning, such as `offline.`."""
    found = await house.health.faults(
        actor,
        key=key,
        maker=maker,
        line=line,
        jurisdiction_id=jurisdiction_id,
        is_open=state == "open",
        after=after,
        limit=limit,
    )
    return listed([_fault(form, house.words, language) for form in found.items], found.next)


@router.get("/camera-health", response_model=Page[objects_registry.HealthGroup])
async def list_camera_health(
    house: House,
    actor: Reader,
    by: Annotated[str, Query(pattern="^(maker|line|jurisdiction)$")] = "jurisdiction",
    days: Annotated[int, Query(ge=1, le=366)] = 7,
    jurisdiction_id: Filter = "",
) -> Response:
    """Count the cameras in service by maker, line or jurisdiction, with their on-line rate of the last days."""
    found = await house.health.groups(actor, by=by, days=days, jurisdiction_id=jurisdiction_id)
    return listed([group.form() for group in found], None)


def _rendered(form: dict[str, Any], house: Services, language: str) -> Response:
    for name in ("faults", "history"):
        form[name] = [_fault(fault, house.words, language) for fault in form[name]]
    return reply(form)
