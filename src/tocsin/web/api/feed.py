"""The feed's socket: who may open it, from where, and what consoles report through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.websockets import WebSocket

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.people import SessionRow
from tocsin.web.deps import find_caller, same_origin, services
from tocsin.web.errors import of_error
from tocsin.web.live import MAX_CLIENTS, Feed
from tocsin.web.services import Services


class ConsoleReports:
    """Hands the console's own moments to the services that keep them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def presented(self, actor: Actor, incident_ids: Sequence[str]) -> None:
        """Keep t4 of incidents."""
        await self._services.incidents.presented(incident_ids, actor=actor)

    async def first_frame(self, actor: Actor, view_id: str, channel_id: str) -> None:
        """Keep t6 of a view's channel."""
        await self._services.views.first_frame(view_id, channel_id, actor=actor)

    async def session_ended(self, session_id: str) -> None:
        """End the views of a session."""
        await self._services.views.end_of_session(session_id, "session_ended")


async def feed(websocket: WebSocket) -> None:
    """Serve `WS /api/v1/feed?after=<seq>`; a refusal is an HTTP answer before the upgrade."""
    live: Feed = websocket.app.state.feed
    try:
        caller = await find_caller(websocket)
        if caller is None:
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "sign in first")
        if caller.kind == "cookie" and not same_origin(websocket):
            raise TocsinError(
                ErrorCode.FORBIDDEN, "the request comes from another site", key="cross_site", rule="origin"
            )
        if live.clients >= MAX_CLIENTS:
            raise TocsinError(ErrorCode.UNAVAILABLE, "too many feeds are open")
        after = _number(websocket.query_params.get("after"))
    except TocsinError as error:
        await websocket.send_denial_response(of_error(error, "en"))
        return

    async def _recheck() -> Actor | None:
        # The store is asked past the memory of sessions: another process of ours may have ended this one.
        if not await services(websocket).store.read(_is_open, caller.session_id):
            return None
        again = await find_caller(websocket)
        return None if again is None or again.actor.is_disabled else again.actor

    await websocket.accept()
    await live.serve(websocket, caller.actor, _recheck, after, session_id=caller.session_id)


def _is_open(tx: Any, session_id: str) -> bool:
    row: SessionRow | None = tx.users.session_by_id(session_id)
    return row is not None and row.ended_at is None and row.expires_at > tx.now


def _number(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise TocsinError(ErrorCode.INVALID, "after must be a number", field="after")
    return int(text)
