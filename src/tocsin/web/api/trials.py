"""Trying a camera before it is entered: begun, read stage by stage, shown once, ended."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.trials import Trial, TrialService, may_look
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/camera-trials", tags=["devices"])
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]


class TrialIn(In):
    """What a device would be entered with; the password is used once and kept nowhere."""

    protocol: Annotated[str, Field(max_length=8, examples=["onvif"])]
    url: Annotated[str, Field(max_length=512)]
    username: Annotated[str, Field(max_length=64)] = ""
    password: Annotated[str, Field(max_length=200)] = ""
    transport: Annotated[str, Field(max_length=8)] = "tcp"
    certificate: Annotated[str, Field(max_length=128, description="the accepted SHA-256 fingerprint")] = ""


class PictureIn(In):
    """What the browser can play."""

    codecs: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=16)] = []


class TrialStage(Out):
    """One stage: `state` is waiting, running, ok or failed; `words` say what came of it and what to do next."""

    name: str
    state: str
    key: str
    words: str
    took_ms: int


class TrialCertificate(Out):
    """The certificate the camera shows, to be compared and accepted."""

    fingerprint: str
    subject: str
    until: str


class CameraTrial(Out):
    """A trial: `state` is running, ok, failed or ended; `shows` when its picture may be asked for."""

    id: str
    state: str
    ends_at: str
    stages: list[TrialStage]
    certificate: TrialCertificate | None
    maker: str
    model: str
    shows: bool


class TrialPicture(Out):
    """Where the picture is shown, once, and until when."""

    url: str
    expires_at: str


@router.post("", response_model=CameraTrial, status_code=201)
async def begin_trial(house: House, actor: Keeper, language: Language, body: TrialIn) -> Response:
    """Try a camera; an earlier trial of the caller ends. Errors: invalid naming the field, forbidden, unavailable."""
    trial = await _service(house).begin(body.model_dump(), actor=actor)
    return reply(_form(trial, house, language), 201)


@router.get("/{trial_id}", response_model=CameraTrial)
async def read_trial(trial_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Read how one of the caller's own trials is doing. Errors: not_found."""
    return reply(_form(_service(house).state(trial_id, actor=actor), house, language))


@router.post("/{trial_id}/picture", response_model=TrialPicture)
async def show_trial(trial_id: str, house: House, actor: Keeper, body: PictureIn) -> Response:
    """Ask for the picture of a trial that came to one. Errors: not_found, forbidden, conflict, unavailable."""
    service = _service(house)
    url = await service.picture(trial_id, tuple(body.codecs), actor=actor)
    return reply({"url": url, "expires_at": iso(service.state(trial_id, actor=actor).ends_at)})


@router.delete("/{trial_id}", status_code=204)
async def end_trial(trial_id: str, house: House, actor: Keeper) -> Response:
    """End a trial and its picture. Errors: not_found."""
    await _service(house).end(trial_id, actor=actor)
    return Response(status_code=204)


def _service(house: Services) -> TrialService:
    if house.trials is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "cameras cannot be tried here")
    return house.trials


def _form(trial: Trial, house: Services, language: str) -> dict[str, Any]:
    shown = trial.certificate
    return {
        "id": trial.id,
        "state": trial.state,
        "ends_at": iso(trial.ends_at),
        "stages": [
            {
                "name": one.name,
                "state": one.state.value,
                "key": one.key,
                "words": house.words.text(one.key, language, one.params) if one.key else "",
                "took_ms": one.took_ms,
            }
            for one in trial.stages
        ],
        "certificate": (
            {"fingerprint": shown.fingerprint, "subject": shown.subject, "until": shown.until} if shown else None
        ),
        "maker": trial.maker,
        "model": trial.model,
        "shows": trial.state == "ok" and trial.has_picture and may_look(trial.actor),
    }
