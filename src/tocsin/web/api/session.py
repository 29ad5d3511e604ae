"""Signing in and out, duty and language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.web.api import objects_people
from tocsin.web.api.shapes import In, reply
from tocsin.web.deps import COOKIE, House, Language, Who, allowed, same_origin

router = APIRouter(prefix="/api/v1/session", tags=["session"])


class SignInIn(In):
    """Name, password, and the seat the caller sits at."""

    username: Annotated[str, Field(max_length=200, examples=["operator"])]
    password: Annotated[str, Field(max_length=1024)]
    seat: Annotated[str, Field(max_length=100)] = ""


class SessionPatch(In):
    """On or off duty; the language of the user."""

    on_duty: bool | None = None
    language: Annotated[str | None, Field(pattern="^(zh-CN|en)?$")] = None


@router.post("", response_model=objects_people.Session, status_code=201)
async def sign_in(request: Request, house: House, language: Language, body: SignInIn) -> Response:
    """Sign in: the answer sets the session cookie and holds the CSRF token that writes by cookie carry.

    Errors: unauthenticated, too_many while the name is locked after failed tries.
    """
    if not same_origin(request):
        raise TocsinError(ErrorCode.FORBIDDEN, "the request comes from another site", key="cross_site", rule="origin")
    peer = request.client.host if request.client is not None else ""
    asked = language if "accept-language" in request.headers or "lang" in request.query_params else ""
    made = await house.users.sign_in(body.username, body.password, seat=body.seat, peer=peer, language=asked)
    response = reply(made.session.form(), 201)
    response.set_cookie(
        COOKIE,
        made.token,
        max_age=max(1, int((made.session.expires_at - house.clock.now()).total_seconds())),
        path="/",
        secure=house.public_url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("", response_model=objects_people.Session)
async def read_session(house: House, caller: Who, _actor: Annotated[Actor, allowed()]) -> Response:
    """Read the caller's session. Errors: unauthenticated."""
    session = await house.users.authenticate(caller.token)
    if session is None:
        raise TocsinError(ErrorCode.UNAUTHENTICATED, "sign in first")
    return reply(session.form())


@router.patch("", response_model=objects_people.Session)
async def change_session(
    house: House, caller: Who, _actor: Annotated[Actor, allowed()], body: SessionPatch
) -> Response:
    """Go on or off duty, choose a language. Errors: unauthenticated, invalid."""
    if body.language is not None:
        await house.users.set_language(caller.token, body.language)
    if body.on_duty is not None:
        await house.users.set_duty(caller.token, body.on_duty)
    return await read_session(house, caller, _actor)


@router.delete("", status_code=204)
async def sign_out(house: House, caller: Who, _actor: Annotated[Actor, allowed()]) -> Response:
    """Sign out: the session, its feed and its views end."""
    await house.users.sign_out(caller.token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response
