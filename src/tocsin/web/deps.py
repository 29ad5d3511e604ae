"""Who asks, and whether they may: the session of a cookie or bearer token, CSRF, and the permission of each route."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.params import Depends as DependsParameter
from starlette.requests import HTTPConnection

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Rule
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.web.errors import language_of
from tocsin.web.services import Services

COOKIE = "tocsin_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Routes that ask for no session at all; a test compares this with what is served.
PUBLIC: frozenset[tuple[str, str]] = frozenset(
    {
        ("POST", "/api/v1/session"),
        ("GET", "/api/v1/openapi.json"),
        ("POST", "/api/v1/ingest/{source}"),  # webhooks: the signature is the permission
        ("GET", "/api/v1/zone-test"),  # installers: the token of the link is the permission
        ("POST", "/api/v1/zone-test/begin"),
        ("POST", "/api/v1/zone-test/end"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("POST", "/upload/{token}"),  # cameras: the token is the permission
        ("PUT", "/upload/{token}"),
        ("POST", "/upload/{token}/{name:path}"),
        ("PUT", "/upload/{token}/{name:path}"),
    }
)

# Routes for everybody with a session, whatever the role.
SIGNED_IN: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/api/v1/session"),
        ("PATCH", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
        ("POST", "/api/v1/users/{user_id}/password"),  # one's own; others' the service guards
        ("GET", "/api/v1/words"),
        ("GET", "/api/v1/status"),
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's actor and the session it came with. `kind` is cookie or token."""

    actor: Actor
    session_id: str
    kind: str
    csrf: str
    expires_at: datetime
    token: str


def services(connection: HTTPConnection) -> Services:
    """Return the services of the application."""
    found: Services = connection.app.state.services
    return found


def credential(connection: HTTPConnection) -> tuple[str, str]:
    """Return the token a request carries and its kind; empty when it carries none."""
    header = connection.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip(), "token"
    cookie = connection.cookies.get(COOKIE, "")
    return cookie, "cookie" if cookie else ""


async def find_caller(connection: HTTPConnection) -> Caller | None:
    """Return who asks, or None without a valid session."""
    token, kind = credential(connection)
    if not token or len(token) > 200:
        return None
    session = await services(connection).users.authenticate(token)
    if session is None:
        return None
    return Caller(session.actor, session.id, kind, session.csrf, session.expires_at, token)


async def signed_in(request: Request) -> Caller:
    """Return who asks. Errors: UNAUTHENTICATED; FORBIDDEN for a write by cookie without its CSRF token."""
    caller = await find_caller(request)
    if caller is None:
        raise TocsinError(ErrorCode.UNAUTHENTICATED, "sign in first")
    if caller.kind == "cookie" and request.method not in _SAFE:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), caller.csrf.encode()):
            raise TocsinError(ErrorCode.FORBIDDEN, "the CSRF token is missing or wrong", key="csrf", rule="csrf")
    return caller


def allowed(*permissions: Permission) -> DependsParameter:
    """Return the dependency that lets a route's caller in with any of `permissions`; its value is the `Actor`.

    A refusal is in the audit before it is answered. With no permission at all the route is for everybody signed in,
    and stands in `SIGNED_IN`.
    """

    async def _allow(request: Request, caller: Annotated[Caller, Depends(signed_in)]) -> Actor:
        actor = caller.actor
        if permissions and not any(actor.may(permission) for permission in permissions):
            await _refuse(request, actor, permissions[0])
        return actor

    _allow.permissions = permissions  # type: ignore[attr-defined]  # what the route walk and OpenAPI read
    dependency: DependsParameter = Depends(_allow)
    return dependency


async def _refuse(request: Request, actor: Actor, permission: Permission) -> None:
    house = services(request)
    rule = Rule.ACCOUNT_DISABLED if actor.is_disabled else Rule.NO_PERMISSION
    route = getattr(request.scope.get("route"), "path", "")
    kind, subject = subject_of(route, request.path_params)
    await house.store.refuse(
        AuditEntry(
            house.clock.now(),
            actor.kind,
            actor.id,
            permission.value,
            kind,
            subject,
            outcome=Outcome.REFUSED,
            detail={"rule": rule.value, "method": request.method, "route": route},
        )
    )
    raise TocsinError(
        ErrorCode.FORBIDDEN,
        f"none of your roles holds {permission.value}",
        rule=rule.value,
        permission=permission.value,
    )


def subject_of(route: str, path: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and id of what a route is about: `/api/v1/incidents/{incident_id}/claim` is an incident."""
    word = route.removeprefix("/api/v1/").partition("/")[0]
    kind = {"audit": "audit", "status": "status", "settings": "settings", "map": "map"}.get(
        word, word.removesuffix("s")
    )
    return kind[:24], str(next(iter(path.values()), ""))[:64]


def same_origin(connection: HTTPConnection) -> bool:
    """Say whether a browser's request comes from our own page; programs name no origin."""
    origin = connection.headers.get("origin")
    if not origin:
        return connection.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    public = services(connection).public_url
    hosts = {connection.headers.get("host", "").lower()}
    if public:
        hosts.add(urlsplit(public).netloc.lower())
    return urlsplit(origin).netloc.lower() in hosts


def language(request: Request) -> str:
    """Return the caller's language, `zh-CN` or `en`."""
    return language_of(request)


House = Annotated[Services, Depends(services)]
Who = Annotated[Caller, Depends(signed_in)]
Language = Annotated[str, Depends(language)]
Check = Callable[[], Awaitable[Actor | None]]
