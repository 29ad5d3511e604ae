"""Users: who works here, and the sessions they have open."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.web.api import objects_people
from tocsin.web.api.shapes import After, Filter, In, Limit, Page, Version, listed, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/users", tags=["users"])
Keeper = Annotated[Actor, allowed(Permission.MANAGE_USERS)]
Password = Annotated[str, Field(max_length=1024)]


class UserIn(In):
    """A new user."""

    username: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=200)]
    password: Password
    roles: Annotated[list[str], Field(max_length=20, examples=[["operator"]])]
    jurisdiction_ids: Annotated[list[str], Field(max_length=100)]
    language: str = ""


class UserPatch(In):
    """What may change of a user; `disabled` ends all sessions."""

    version: Version
    name: Annotated[str, Field(max_length=200)] = ""
    roles: Annotated[list[str], Field(max_length=20)] = []
    jurisdiction_ids: Annotated[list[str], Field(max_length=100)] = []
    language: str = ""
    disabled: bool = False


class PasswordIn(In):
    """The new password; one's own needs the present one."""

    password: Password
    current: Annotated[str | None, Field(max_length=1024)] = None


@router.get("", response_model=Page[objects_people.User])
async def list_users(
    house: House, actor: Keeper, q: Filter = "", role: Filter = "", after: After = "", limit: Limit = 100
) -> Response:
    """List the users whose areas the caller manages, newest first."""
    found = await house.users.users(actor, text=q, role=role, after=after, limit=limit)
    return listed([user.form() for user in found.items], found.next)


@router.post("", response_model=objects_people.User, status_code=201)
async def create_user(house: House, actor: Keeper, body: UserIn) -> Response:
    """Enter a user. Errors: invalid, conflict on a name in use, forbidden outside the caller's areas."""
    given = body.given()
    password = given.pop("password")
    return reply((await house.users.create(given, password, actor=actor)).form(), 201)


@router.get("/{user_id}", response_model=objects_people.User)
async def read_user(user_id: str, house: House, actor: Keeper) -> Response:
    """Read one user. Errors: not_found."""
    return reply((await house.users.user(user_id, actor=actor)).form())


@router.patch("/{user_id}", response_model=objects_people.User)
async def change_user(user_id: str, house: House, actor: Keeper, body: UserPatch) -> Response:
    """Change a user. Errors: invalid, not_found, conflict, also for the last administrator."""
    return reply((await house.users.change(user_id, body.given(), actor=actor, version=body.version)).form())


@router.post("/{user_id}/password", status_code=204)
async def set_password(user_id: str, house: House, actor: Annotated[Actor, allowed()], body: PasswordIn) -> Response:
    """Set a password, one's own or that of a user one manages; the user's sessions end.

    Errors: invalid, not_found, forbidden.
    """
    await house.users.set_password(user_id, body.password, actor=actor, current=body.current)
    return Response(status_code=204)


@router.get("/{user_id}/sessions", response_model=Page[objects_people.SessionRow])
async def list_sessions(user_id: str, house: House, actor: Keeper) -> Response:
    """List the sessions and tokens of a user that count, newest first. Errors: not_found."""
    return listed([row.form() for row in await house.users.sessions(user_id, actor=actor)], None)


@router.delete("/{user_id}/sessions/{session_id}", status_code=204)
async def end_session(user_id: str, session_id: str, house: House, actor: Keeper) -> Response:
    """Withdraw a session or token; its feed and views end. Errors: not_found."""
    known = await house.users.sessions(user_id, actor=actor)
    if session_id not in {row.id for row in known}:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no session {session_id}")
    await house.users.end_session(session_id, actor=actor)
    return Response(status_code=204)
