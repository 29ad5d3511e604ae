"""The viewers of one worker: who is let in, on which stream they sit, and what ends their view.

Source: media reference, viewers and tickets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.media.forward import Forwards
from tocsin.media.pace import Pace
from tocsin.media.stage import Stage
from tocsin.media.stages import Stages
from tocsin.media.talk import Talks
from tocsin.media.tickets import Ticket, TicketBox
from tocsin.media.transcode import IDLE_S, Transcoder
from tocsin.media.viewer import CLOSE_SLOW, HANDSHAKE_S, Viewer
from tocsin.media.wire import Message

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 4000
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Gallery:
    """Viewers and tickets; the verbs `ticket`, `revoke`, `renew` and `turn_away`. A `Hall` for its viewers."""

    def __init__(
        self,
        stages: Stages,
        pace: Pace,
        talks: Talks,
        forwards: Forwards,
        clock: Clock,
        *,
        host: str,
        ffmpeg: str | None,
        transcodes: int,
    ) -> None:
        self._stages = stages
        self._pace = pace
        self._talks = talks
        self._forwards = forwards
        self._clock = clock
        self._host = host
        self._ffmpeg = ffmpeg
        self._transcodes = transcodes
        self._tickets = TicketBox()
        self._closing: set[asyncio.Task[None]] = set()
        self.viewers: set[Viewer] = set()
        self._past_gaps = self._past_skipped = 0  # of viewers that left

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {
            "ticket": self._ticket,
            "revoke": self._revoke,
            "renew": self._renew,
            "turn_away": self._turn_away,
        }

    # -- time

    def end_expired(self, now: float) -> None:
        """End views whose time is over and handshakes that do not come; `now` epoch seconds."""
        for viewer in list(self.viewers):
            ticket = viewer.ticket
            if ticket is not None and now >= ticket.expires_at_s:
                viewer.end("expired")
            elif not viewer.is_seated and self._pace.now_s - viewer.connected_s > HANDSHAKE_S:
                viewer.end("handshake_timeout")

    def each_second(self, now: float) -> None:
        """Forget unused tickets and end viewers that take nothing."""
        self._tickets.expire(now)
        for viewer in list(self.viewers):
            if viewer.is_stuck(self._pace.now_s):
                viewer.end("slow", CLOSE_SLOW)

    def figures(self) -> Message:
        """Return what `WorkerFigures` holds of viewers."""
        viewers = self.viewers
        return {
            "viewers": sum(viewer.is_seated for viewer in viewers),
            "keys_only": sum(viewer.told_keys_only for viewer in viewers),
            "queue_bytes": sum(viewer.waiting_bytes for viewer in viewers),
            "gaps": self._past_gaps + sum(viewer.gaps for viewer in viewers),
            "skipped": self._past_skipped + sum(viewer.skipped for viewer in viewers),
        }

    def throttle(self, is_overloaded: bool) -> None:
        """Send key frames only to viewers without an alarm, or everything again."""
        for viewer in self.viewers:
            viewer.is_throttled = is_overloaded and (viewer.ticket is None or not viewer.ticket.is_alarm)

    def end_all(self, reason: str) -> None:
        """End every viewer."""
        for viewer in list(self.viewers):
            viewer.end(reason)

    # -- verbs

    async def _ticket(self, message: Message) -> object:
        ticket = Ticket(
            str(message["ticket"]),
            str(message["stream_id"]),
            str(message["viewer_id"]),
            str(message["view_id"]),
            float(message["expires_at"]),
            tuple(str(codec) for codec in message.get("codecs", ())),
            bool(message.get("audio")),
            is_alarm=bool(message.get("alarm")),
            may_change=bool(message.get("may_change")),
        )
        self._tickets.put(ticket, self._clock.now().timestamp())
        return {}

    async def _revoke(self, message: Message) -> object:
        view_id, reason = str(message["view_id"]), str(message.get("reason") or "revoked")
        self._tickets.revoke(view_id)
        ended = 0
        for viewer in list(self.viewers):
            if viewer.ticket is not None and viewer.ticket.view_id == view_id:
                viewer.end(reason)
                ended += 1
        return {"ended": ended + self._forwards.revoke(view_id, reason)}

    async def _renew(self, message: Message) -> object:
        view_id, expires_at_s = str(message["view_id"]), float(message["expires_at"])
        self._tickets.renew(view_id, expires_at_s)
        for viewer in self.viewers:
            if viewer.ticket is not None and viewer.ticket.view_id == view_id:
                viewer.ticket = replace(viewer.ticket, expires_at_s=expires_at_s)
        return {}

    async def _turn_away(self, message: Message) -> object:
        stage = self._stages.get(str(message["stream_id"]))
        return {"ended": 0 if stage is None else stage.turn_away(str(message["reason"]))}

    # -- viewers

    def arrived(self, viewer: Viewer) -> None:
        """Note when somebody connected, or end the connection when far too many are there."""
        viewer.connected_s = self._pace.now_s
        self.viewers.add(viewer)
        if len(self.viewers) > MAX_CONNECTIONS:
            viewer.end("too_many")

    def admit(self, viewer: Viewer, path: str, host: str) -> tuple[int, str]:
        """Check the Host header, the path and the ticket."""
        if self._host in ("127.0.0.1", "::1", "localhost") and _name_of(host) not in LOOPBACK_NAMES:
            return HTTPStatus.FORBIDDEN, "this port answers to this machine's own names"
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return HTTPStatus.OK, "ok"
        secret = (parse_qs(parts.query).get("ticket") or [""])[0]
        if parts.path.startswith("/talk/"):
            return self._talks.admit(viewer, unquote(parts.path.removeprefix("/talk/")), secret)
        if not parts.path.startswith("/live/"):
            return HTTPStatus.NOT_FOUND, "not found"
        stream_id = unquote(parts.path.removeprefix("/live/"))
        ticket = self._tickets.take(secret, stream_id, self._clock.now().timestamp())
        if ticket is None:
            return HTTPStatus.FORBIDDEN, "this ticket is unknown, used or too old"
        viewer.ticket = ticket
        viewer.wants_audio = ticket.wants_audio
        return HTTPStatus.SWITCHING_PROTOCOLS, ""

    def seat(self, viewer: Viewer) -> None:
        """Put a viewer on the stage of its stream and ask for the stream if nobody sends it."""
        ticket = viewer.ticket
        assert ticket is not None
        if viewer.is_microphone:
            self._talks.seat(viewer)
            return
        stage = self._stages.open(ticket.stream_id)
        stage.viewers.add(viewer)
        stage.choose_sound()
        self._stages.event("viewer_opened", stage.stream_id, viewer_id=ticket.viewer_id, view_id=ticket.view_id)
        self._stages.event("demand", stage.stream_id)
        if stage.feed.codec:
            self.place(stage, viewer)

    def left(self, viewer: Viewer) -> None:
        """Take a viewer off its stage."""
        if viewer in self.viewers:
            self._past_gaps += viewer.gaps
            self._past_skipped += viewer.skipped
        self.viewers.discard(viewer)
        ticket = viewer.ticket
        if ticket is None or not viewer.is_seated:
            return
        if viewer.is_microphone:
            self._talks.left(viewer)
            return
        stage = self._stages.get(ticket.stream_id)
        if stage is None or viewer not in stage.viewers:
            return
        stage.leave(viewer)
        self._stages.event(
            "viewer_closed",
            stage.stream_id,
            viewer_id=ticket.viewer_id,
            view_id=ticket.view_id,
            reason=viewer.ended or "left",
            gaps=viewer.gaps,
        )
        if not stage.viewers:
            self._stages.event("idle", stage.stream_id)
        self._stages.drop_if_empty(stage)

    def heard(self, viewer: Viewer, data: bytes) -> None:
        """Take sound of a microphone."""
        self._talks.heard(viewer, data)

    def resumed(self, viewer: Viewer) -> None:
        """Show a viewer that paused what it missed since the last key picture."""
        stage = self._stages.get(viewer.ticket.stream_id) if viewer.ticket is not None else None
        if stage is not None:
            stage.resume(viewer)

    def place(self, stage: Stage, viewer: Viewer) -> None:
        """Join a viewer to the stream as it is, or to its conversion."""
        if not stage.needs_conversion(viewer):
            stage.show(viewer, stage.feed)
            return
        if viewer.ticket is not None and viewer.ticket.may_change:
            viewer.end("use_sub_stream")
            return
        if stage.transcoder is None:
            if self._ffmpeg is None:
                viewer.end("transcode_missing")
                return
            if self._stages.converting >= self._transcodes:
                viewer.end("transcode_limit")
                return
            stage.transcoder = Transcoder(stage.stream_id, self._ffmpeg, self._clock, self._transcode_ended)
            stage.transcoder.start()
            if stage.source is not None:
                stage.source.tap = stage.transcoder
            log.info("transcode started", stream_id=stage.stream_id)
        stage.show(viewer, stage.transcoder.feed)

    def _transcode_ended(self, stream_id: str) -> None:
        stage = self._stages.get(stream_id)
        if stage is not None:
            stage.forget_transcode("source_lost")

    def stop_idle_transcode(self, stage: Stage) -> None:
        transcoder = stage.transcoder
        if transcoder is None:
            return
        if transcoder.feed.outlets:
            transcoder.idle_since_s = self._pace.now_s
        elif self._pace.now_s - transcoder.idle_since_s > IDLE_S:
            task = asyncio.get_running_loop().create_task(stage.stop_transcode())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.rsplit(":", 1)[0]
