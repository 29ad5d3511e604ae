"""Whether pictures are pictures: overview, faults with stills, one camera, and what people do about it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.picture_desk import PictureDesk
from tocsin.web.api.shapes import After, Filter, In, Limit, Out, Page, listed, reply, spoken
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["picture health"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]


class DenyIn(In):
    """Which open fault is none."""

    fault_id: Annotated[str, Field(max_length=36)]


class PictureStill(Out):
    """A still of a fault; `GET /picture-stills/{id}/picture` shows it for a day."""

    id: str
    camera_id: str
    fault_id: str
    key: str
    taken_at: str
    expires_at: str
    width: int
    height: int


class PictureFault(Out):
    """A fault of a picture; `is_unsteady` when it comes and goes."""

    id: str
    camera_id: str
    key: str = Field(examples=["image.black"])
    since: str
    words: str
    is_unsteady: bool
    stills: list[PictureStill]


class PictureDay(Out):
    """Scores of a day, 0 to 100."""

    day: str
    checks: int
    mean: float | None
    lowest: int


class SiteFault(Out):
    """Much of a site looks wrong at once; `site` is a place's id, else a division code."""

    id: str
    site: str
    key: str
    cameras: int
    of: int
    since: str
    words: str


class PictureOverview(Out):
    """How the pictures of an area are; `problem` says why none are examined, empty when they are."""

    problem: str
    problem_words: str
    cameras: int
    examined: int
    learned: int
    doubtful: int
    not_possible: int
    checked_at: str | None
    by_kind: dict[str, int]
    opened_30_days: int
    denied_30_days: int
    false_fault_rate: float | None
    trend: list[PictureDay]
    sites: list[SiteFault]
    may_see_stills: bool


class CameraPicture(Out):
    """How a camera's picture is. `state`: unknown, learning, good, doubt or fault; `ratios`: measure over limit."""

    state: str
    why_not: str
    why_not_words: str
    score: int | None
    checked_at: str | None
    source: str
    problem: str
    problem_words: str
    reference_pictures: int
    measures: dict[str, float]
    ratios: dict[str, float]
    doubts: list[str]
    trend: list[PictureDay]
    faults: list[PictureFault]
    relaxed: list[dict[str, Any]]
    may_see_stills: bool


@router.get("/picture-health", response_model=PictureOverview)
async def read_picture_health(house: House, actor: Reader, language: Language) -> Response:
    """Read how the pictures in the caller's area are: counts, faults by kind, false-fault rate, trend."""
    form = await _desk(house).overview(actor=actor)
    form["problem_words"] = _words(house, form["problem"], language)
    for site in form["sites"]:
        site["words"] = house.words.text(site["key"], language, {"count": site["cameras"], "all": site["of"]})
    return reply(form)


@router.get("/picture-faults", response_model=Page[PictureFault])
async def list_picture_faults(
    house: House,
    actor: Reader,
    language: Language,
    kind: Filter = "",
    jurisdiction_id: Filter = "",
    after: After = "",
    limit: Limit = 50,
) -> Response:
    """List open faults of pictures, newest first, with stills for those who may look at pictures for upkeep."""
    found = await _desk(house).faults(actor=actor, key=kind, jurisdiction_id=jurisdiction_id, after=after, limit=limit)
    return listed([spoken(form, language) for form in found.items], found.next)


@router.get("/cameras/{camera_id}/picture-health", response_model=CameraPicture)
async def read_camera_picture(camera_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read how the picture of one camera is. Errors: not_found."""
    return _rendered(await _desk(house).camera(camera_id, actor=actor), house, language)


@router.post("/cameras/{camera_id}/picture-health/check", response_model=CameraPicture)
async def check_camera_picture(camera_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Have the picture of a camera examined now, shown to nobody. Errors: not_found, conflict with the reason."""
    return _rendered(await _desk(house).look(camera_id, actor=actor), house, language)


@router.post("/cameras/{camera_id}/picture-health/no-fault", response_model=CameraPicture)
async def deny_picture_fault(camera_id: str, house: House, actor: Keeper, language: Language, body: DenyIn) -> Response:
    """Say that a fault is none: it closes, its rule is relaxed for this camera for 30 days. Errors: conflict."""
    return _rendered(await _desk(house).deny(camera_id, body.fault_id, actor=actor), house, language)


@router.post("/cameras/{camera_id}/picture-health/reference", response_model=CameraPicture)
async def renew_picture_reference(camera_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Take what the camera shows from now on as its reference. Errors: not_found."""
    return _rendered(await _desk(house).renew(camera_id, actor=actor), house, language)


@router.get("/picture-stills/{still_id}/picture")
async def read_picture_still(
    still_id: str, house: House, actor: Annotated[Actor, allowed(Permission.VIEW_LIVE)]
) -> Response:
    """Look at a still of a fault (JPEG, at most 640 px, watermarked), for upkeep. Errors: not_found, forbidden."""
    picture = await _desk(house).still(still_id, actor=actor)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _desk(house: Services) -> PictureDesk:
    if house.pictures is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "no such address")
    return house.pictures


def _words(house: Services, key: str, language: str) -> str:
    return house.words.text(key, language) if key else ""


def _rendered(form: dict[str, Any], house: Services, language: str) -> Response:
    form["problem_words"] = _words(house, form["problem"], language)
    form["why_not_words"] = _words(house, form["why_not"], language)
    form["faults"] = [spoken(fault, language) for fault in form["faults"]]
    return reply(form)
