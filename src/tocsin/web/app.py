"""The web application: routes, feed, console, health and figures, behind one border."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client.core import Metric
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route, WebSocketRoute

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import (
    accounts,
    camera_desk,
    camera_groups,
    cascade_words,
    channel_health,
    clips,
    control,
    device_acts,
    device_desk,
    device_profiles,
    device_settings,
    devices,
    door_openers,
    fields,
    guarding,
    imaging,
    import_accounts,
    import_plan,
    import_undo,
    intercom_calls,
    message_sources,
    notices,
    people,
    picture_words,
    prohibited,
    quarantine,
    recorded,
    recorder_memory,
    recorder_plans,
    recorder_volumes,
    recorder_words,
    retention,
    snapshot_reach,
    snapshots,
    speaking,
    terminal_service,
    tiers,
    warnings,
    zone_test_service,
)
from tocsin.domain.dispositions import BLOCK_WORDS
from tocsin.web import api, errors, metrics
from tocsin.web.api import feed as feed_route
from tocsin.web.api.snapshots import UPLOAD_ROUTES
from tocsin.web.border import Border, host_names
from tocsin.web.console import Console
from tocsin.web.deps import COOKIE
from tocsin.web.live import Feed
from tocsin.web.services import Services, WebSettings

API = "/api/v1"
_DESCRIPTION = (
    "Tocsin's interface. Sign in with `POST /session` (cookie; writes carry `X-CSRF-Token`) or send "
    "`Authorization: Bearer <token>`. Times are RFC 3339 UTC. Lists take `after` and `limit` and answer "
    "`{items, next}`. Every mutable object carries `version`; a stale one is answered with 409 and `current_version`. "
    "Errors are problem+json with a stable `code`. Changes come over the WebSocket `/api/v1/feed?after=<seq>`."
)


async def _left(services: Services, session_id: str) -> None:
    """End what a console held whose last connection is gone."""
    await services.control.connection_ended(session_id)
    await services.speaking.connection_ended(session_id)


def make_app(services: Services, settings: WebSettings) -> FastAPI:
    """Return the application of composed services; `settings` is the server section.

    `app.state.feed.run` is the feed's timed work: its owner keeps it running.
    """
    app = FastAPI(
        title="Tocsin",
        version=services.version or "0",
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    services.words = services.words.merged(
        fields.WORDS,
        accounts.WORDS,
        door_openers.WORDS,
        import_accounts.WORDS,
        import_plan.WORDS,
        import_undo.WORDS,
        control.WORDS,
        speaking.WORDS,
        intercom_calls.WORDS,
        device_profiles.WORDS,
        camera_groups.WORDS,
        cascade_words.WORDS,
        recorder_words.WORDS,
        devices.WORDS,
        message_sources.WORDS,
        warnings.WORDS,
        guarding.WORDS,
        channel_health.WORDS,
        picture_words.WORDS,
        device_desk.WORDS,
        terminal_service.WORDS,
        camera_desk.WORDS,
        device_acts.WORDS,
        device_settings.WORDS,
        snapshots.WORDS,
        clips.WORDS,
        snapshot_reach.WORDS,
        imaging.WORDS,
        people.WORDS,
        retention.WORDS,
        prohibited.WORDS,
        recorder_memory.WORDS,
        recorder_plans.WORDS,
        quarantine.WORDS,
        recorder_volumes.WORDS,
        tiers.WORDS,
        notices.WORDS,
        recorded.WORDS,
        zone_test_service.WORDS,
        BLOCK_WORDS,
    )
    services.public_url = settings.public_url
    feed = Feed(
        services.store,
        services.clock,
        feed_route.ConsoleReports(services),
        on_left=partial(_left, services),
        on_told=services.deliveries.ledger.pushed if services.deliveries is not None else None,
    )
    requests = metrics.RequestMetrics()
    services.users.on_ended(feed.end_sessions)
    services.notices.on_transient(feed.tell_notice)
    app.state.services = services
    app.state.feed = feed
    errors.install(app, services.words)
    for router in api.ROUTERS:
        app.router.routes.extend(router.routes)
    app.router.routes.extend(_own_routes(app, services, settings, feed, requests))
    app.add_middleware(
        Border,
        clock=services.clock,
        names=host_names(settings.allowed_hosts, settings.host, settings.public_url),
        media_ports=lambda: services.media().ports,
        elsewhere=lambda: services.media().elsewhere,
        requests=requests,
        is_secure=settings.public_url.startswith("https://"),
    )
    return app


def _own_routes(
    app: FastAPI, services: Services, settings: WebSettings, feed: Feed, requests: metrics.RequestMetrics
) -> list[BaseRoute]:
    schema: dict[str, Any] = {}

    async def _openapi(_request: Request) -> Response:
        if not schema:
            schema.update(openapi(app))
        return JSONResponse(schema)

    async def _healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(_request: Request) -> Response:
        if not services.is_ready():
            return PlainTextResponse("starting\n", 503)
        health = services.store.health
        if not health.is_ok:
            return PlainTextResponse("the store cannot commit\n", 503)
        return PlainTextResponse("ready\n")

    def _store_metrics() -> Iterator[Metric]:
        store = services.store
        yield metrics.gauge("store_ok", "1 while commits succeed", float(store.health.is_ok))
        yield metrics.counter("store_groups", "Groups committed", store.groups)
        yield metrics.counter("store_jobs", "Use cases and items committed", store.committed)
        media = services.media()
        yield metrics.gauge("media_workers", "Picture workers configured", media.workers)
        yield metrics.gauge("media_workers_alive", "Picture workers that answer", media.alive)

    async def _metrics(request: Request) -> Response:
        _may_read_metrics(request, settings)
        body = metrics.render((requests.metrics, feed.metrics, _store_metrics, *services.metrics))
        return Response(body, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _unknown(request: Request) -> Response:
        allow: set[str] = set()
        for route in app.router.routes:
            if (
                isinstance(route, Route)
                and route.name not in ("unknown", "console")
                and route.matches(request.scope)[0] is Match.PARTIAL
            ):
                allow |= route.methods or set()
        if allow:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allow))})
        raise TocsinError(ErrorCode.NOT_FOUND, f"no address {request.url.path[:200]}")

    console = Console(services.static)
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    return [
        Route(f"{API}/openapi.json", _openapi, methods=["GET"], name="openapi"),
        WebSocketRoute(f"{API}/feed", feed_route.feed, name="feed"),
        Route("/healthz", _healthz, methods=["GET"], name="healthz"),
        Route("/readyz", _readyz, methods=["GET"], name="readyz"),
        Route("/metrics", _metrics, methods=["GET"], name="metrics"),
        *UPLOAD_ROUTES,
        Route("/api", _unknown, methods=every, name="unknown"),
        Route("/api/{path:path}", _unknown, methods=every, name="unknown"),
        Route("/{path:path}", console.serve, methods=["GET"], name="console"),
    ]


def _may_read_metrics(request: Request, settings: WebSettings) -> None:
    """Loopback reads freely, unless a proxy stands in front; others bring the token of the settings."""
    wanted = settings.metrics_token.get_secret_value()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if wanted and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), wanted.encode()):
        return
    if request.client is not None and "x-forwarded-for" not in request.headers and _is_loopback(request.client.host):
        return
    raise TocsinError(ErrorCode.UNAUTHENTICATED, "the metrics need their token (server.metrics_token)")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: each operation names its permission, every error is a problem."""
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = errors.PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "signature": {"type": "apiKey", "in": "header", "name": "X-Tocsin-Signature"},
        "link": {"type": "apiKey", "in": "header", "name": "X-Test-Link"},
    }
    for route in app.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            operation = schema["paths"][route.path_format][method.lower()]
            stated = permissions_of(route)
            if stated is not None:
                operation["security"] = [{"bearer": []}, {"session": []}]
                operation["x-permission"] = [permission.value for permission in stated]
            answers = operation["responses"]
            answers.pop("422", None)
            for status in (401, 403, 404, 409, 413, 422, 429, 503):
                answers.setdefault(str(status), errors.RESPONSES[status])
    return schema


def permissions_of(route: APIRoute) -> tuple[Any, ...] | None:
    """Return what a route's callers must hold one of; None when the route asks for nothing."""
    waiting = list(route.dependant.dependencies)
    while waiting:
        dependency = waiting.pop()
        stated: tuple[Any, ...] | None = getattr(dependency.call, "permissions", None)
        if stated is not None:
            return stated
        waiting.extend(dependency.dependencies)
    return None
