"""The relay's control interface on a ZLMediaKit server: it carries the streams, we keep permission and expiry.

The server asks us before it shows anything to anybody (`on_play`); without those hooks we give out no ticket. Who is
let in is kept here and told to go when the view ends, again each second until the server says that he is gone.

Untested against a real server: none can be installed from the package registries this project uses (design note 0014).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.video import Endpoint
from tocsin.media import zlm
from tocsin.media.link_words import MediaEvents, StreamStats, WorkerHealth
from tocsin.media.tickets import Ticket, TicketBox
from tocsin.media.zlm_http import HookServer, ZlmClient

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
CHECK_HOOKS_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 15.0
FIRST_PACKET_STEP_S: Final = 0.2
STALE_AFTER_S: Final = 3.0
FAILS_UNTIL_DOWN: Final = 3
MAX_VIEWERS: Final = 20_000
_MIME: Final = {"h264": "avc1", "h265": "hvc1"}
UNTESTED: Final = "the way to an external media server is untested against a real one; see docs/design/0014"


@dataclass(frozen=True, slots=True)
class ZlmSettings:
    """Where the server is, where its hooks come in, and where viewers fetch pictures (`public`, ws:// or wss://)."""

    url: str
    secret: str
    hook_secret: str
    public: str
    rtp_ip: str
    hook_host: str = "127.0.0.1"
    hook_port: int = 8090
    hook_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


@dataclass(slots=True, eq=False)
class _Stream:
    is_seen: bool = False
    frames: int = -1
    picture_s: float = 0.0
    stats: StreamStats | None = None
    at: datetime | None = None


@dataclass(slots=True, eq=False)
class _Viewer:
    ticket: Ticket
    is_ended: bool = False
    is_listed: bool = False  # the server has named his connection


class ZlmLink:
    """Speaks to one ZLMediaKit server; has the interface of `MediaLink`, and refuses what the server cannot do."""

    def __init__(self, settings: ZlmSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client = ZlmClient(settings.url, settings.secret)
        self._hooks = HookServer(settings.hook_secret, settings.hook_networks, self.answer_hook)
        self.events = MediaEvents()
        self._tickets = TicketBox()
        self._streams: dict[str, _Stream] = {}
        self._viewers: dict[str, _Viewer] = {}  # by the server's name of the connection
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_alive = False
        self._is_tidied = False
        self._checked_s = float("-inf")
        self._fails = 0
        self._outages = 0

    # -- life

    async def start(self) -> None:
        """Listen for hooks and look at the server; one that does not answer is waited for.

        Errors: UNAVAILABLE when the hooks' port is taken.
        """
        log.warning(UNTESTED, server="ZLMediaKit")
        await self._hooks.start(self._settings.hook_host, self._settings.hook_port)
        await self.look()
        self._task = asyncio.create_task(self._keep(), name="external media server")

    async def stop(self) -> None:
        """Close what was opened, as far as the server answers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._is_alive:
            await asyncio.gather(*(self.close_receiver(stream_id) for stream_id in list(self._streams)))
        self._hooks.stop()

    def health(self) -> list[WorkerHealth]:
        """Return how the server is doing, in the words for a worker: `restarts` counts its outages."""
        return [WorkerHealth(0, self._is_alive, 0, self.viewer_port(""), self._outages, len(self._streams))]

    @property
    def hook_port(self) -> int:
        """The port on which hooks are heard."""
        return self._hooks.port

    # -- receivers

    async def open_receiver(
        self,
        stream_id: str,
        transport: str,
        *,
        ssrc: int | None,
        peer_ip: str | None,
        audio: bool = False,
        loss: str = "drop",
    ) -> Endpoint:
        """Let the server open a port for a device; return where the device has to send.

        The server cannot keep strangers from that port by address (`peer_ip`) and shows no sound (`audio`).
        Errors: UNAVAILABLE, with `media_external_unsupported` for another `loss` than `drop`.
        """
        if loss != "drop":
            _refuse("a loss policy other than `drop`")
        await self._close(stream_id)  # one that we lost sight of
        port = zlm.read_port(await self._client.call("openRtpServer", zlm.receiver_fields(stream_id, transport, ssrc)))
        self._streams[stream_id] = _Stream()
        return Endpoint(self._settings.rtp_ip, port)

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        """Let the server connect to a device that listens (`tcp_active`). Errors: UNAVAILABLE."""
        fields = {"stream_id": stream_id, "dst_url": ip, "dst_port": str(port)}
        await self._client.call("connectRtpServer", fields, timeout_s=CONNECT_TIMEOUT_S)

    async def open_rtsp(
        self,
        stream_id: str,
        url: str,
        *,
        username: str = "",
        password: str = "",
        transport: str = "tcp",
        audio: bool = False,
        loss: str = "drop",
        certificate: str = "",
    ) -> Mapping[str, object]:
        """Refuse: the camera's password would have to be given to the server."""
        _refuse("RTSP cameras")

    async def open_replay(self, stream_id: str, url: str, **how: Any) -> None:
        """Refuse, as `open_rtsp`."""
        _refuse("RTSP cameras")

    async def replay(self, stream_id: str, act: str, **how: Any) -> float:
        """Refuse, as `open_rtsp`."""
        _refuse("RTSP cameras")

    async def first_packet(self, stream_id: str, timeout_s: float) -> bool:
        """Wait until the server hears the device; False when it does not in time."""
        until_s = self._clock.monotonic() + timeout_s
        while stream_id in self._streams:
            with contextlib.suppress(TocsinError):
                if (await self._client.call("getRtpInfo", {"stream_id": stream_id})).get("exist") is True:
                    return True
            if self._clock.monotonic() >= until_s:
                return False
            await self._clock.sleep(FIRST_PACKET_STEP_S)
        return False

    async def close_receiver(self, stream_id: str) -> None:
        """Close the port and the stream; closing twice, or while the server is down, is no error."""
        self._streams.pop(stream_id, None)
        with contextlib.suppress(TocsinError):
            await self._close(stream_id)

    async def _close(self, stream_id: str) -> None:
        await self._client.call("closeRtpServer", {"stream_id": stream_id})
        await self._client.call("close_streams", {**zlm.named(stream_id), "force": "1"})

    # -- viewers

    async def ticket(
        self,
        *,
        stream_id: str,
        ticket: str,
        viewer_id: str,
        view_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...] = (),
        audio: bool = False,
        alarm: bool = False,
        may_change: bool = False,
    ) -> str:
        """Keep a one-use ticket; return the path of its URL at the server.

        Errors: UNAVAILABLE while the server does not answer or does not ask us before it shows a picture.
        """
        if not self._is_alive:
            detail = "the media server does not answer, or does not ask Tocsin before it shows a picture; see the log"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_down")
        kept = Ticket(ticket, stream_id, viewer_id, view_id, expires_at.timestamp(), codecs)
        self._tickets.put(kept, self._now_s())
        return zlm.viewer_path(stream_id, ticket)

    def viewer_port(self, stream_id: str) -> int:
        """Return the port of `public`."""
        parts = urlsplit(self._settings.public)
        return parts.port or (443 if parts.scheme == "wss" else 80)

    async def revoke(self, view_id: str, reason: str) -> None:
        """End a view: its tickets are forgotten, its viewers told to go, again each second until they are gone."""
        self._tickets.revoke(view_id)
        for viewer in self._viewers.values():
            if viewer.ticket.view_id == view_id:
                viewer.is_ended = True
        await self._kick()

    async def renew(self, view_id: str, expires_at: datetime) -> None:
        """Let the viewers and unused tickets of a view end at another time."""
        self._tickets.renew(view_id, expires_at.timestamp())
        for viewer in self._viewers.values():
            if viewer.ticket.view_id == view_id:
                viewer.ticket = replace(viewer.ticket, expires_at_s=expires_at.timestamp())

    async def turn_away(self, stream_id: str, reason: str) -> None:
        """End the viewers of a stream, who ask again by themselves; the server has no word for why."""
        for viewer in self._viewers.values():
            if viewer.ticket.stream_id == stream_id:
                viewer.is_ended = True
        await self._kick()

    async def stats(self) -> list[StreamStats]:
        """Ask the server about our streams now."""
        await self.look()
        return [stream.stats for stream in self._streams.values() if stream.stats is not None]

    def last_stats(self, stream_id: str) -> StreamStats | None:
        """Return what was last said of a stream, a second old at most while the server answers."""
        stream = self._streams.get(stream_id)
        return stream.stats if stream is not None else None

    def unknown_sources(self) -> tuple[int, dict[str, int]]:
        """Return nothing: the server does not count packets that belong to no stream."""
        return 0, {}

    # -- hooks

    def answer_hook(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one hook; what is not known is refused."""
        if name in zlm.NEWS:
            self._news.set()
        if name == "on_play":
            return self._answer_play(fields)
        if name == "on_publish":
            is_ours = fields.get("app") == zlm.APP and fields.get("stream") in self._streams
            return {"code": 0, "msg": "success"} if is_ours else zlm.refused("nobody publishes here")
        return zlm.answer_quiet(name) or zlm.refused("unknown hook")

    def _answer_play(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        play = zlm.read_play(fields)
        if play is None or play.app != zlm.APP or play.schema != zlm.SCHEMA:
            return zlm.refused("no ticket")
        if len(self._viewers) >= MAX_VIEWERS:
            return zlm.refused("too many viewers")
        ticket = self._tickets.take(play.ticket, play.stream_id, self._now_s())
        if ticket is None:
            return zlm.refused("the ticket is unknown, used or too old")
        self._forget(play.session)
        self._viewers[play.session] = _Viewer(ticket)
        self.events.on_viewer(ticket.view_id, ticket.viewer_id, ticket.stream_id, "opened")
        stream = self._streams.get(play.stream_id)
        if stream is None or not stream.is_seen:
            self.events.on_demand(play.stream_id)
        return {"code": 0, "msg": "success"}

    # -- looking after it

    async def _keep(self) -> None:
        while True:
            tasks = [asyncio.create_task(self._clock.sleep(LOOK_S)), asyncio.create_task(self._news.wait())]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
            self._news.clear()
            await self.look()

    async def look(self) -> None:
        """Compare the server with what we know: pictures that came or went, viewers that left or have to."""
        self._tickets.expire(self._now_s())
        try:
            await self._check_hooks()
            known, before = set(self._streams), set(self._viewers)
            media = zlm.read_media(await self._client.call("getMediaList", {"vhost": zlm.VHOST, "app": zlm.APP}))
            sessions = zlm.read_sessions(await self._client.call("getAllSession")) if before else frozenset()
        except TocsinError as error:
            self._failed(error)
            return
        if not self._is_alive:
            log.info("media server answers")
        self._is_alive, self._fails = True, 0
        for stream_id in known & self._streams.keys():  # what was opened while we asked is judged next time
            self._note(stream_id, self._streams[stream_id], media.get(stream_id))
        for session in before & self._viewers.keys():
            if session in sessions:
                self._viewers[session].is_listed = True
            elif self._viewers[session].is_listed:
                self._forget(session)
        await self._kick()

    async def _check_hooks(self) -> None:
        """Refuse a server that shows pictures without asking us; close what an earlier run of ours left open."""
        if self._is_alive and self._clock.monotonic() - self._checked_s < CHECK_HOOKS_S:
            return
        path = f"/hook/{self._settings.hook_secret}"
        missing = zlm.missing_hooks(await self._client.call("getServerConfig"), path)
        if missing:
            detail = f"the media server does not ask Tocsin: {', '.join(missing)} not set"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_hooks")
        if not self._is_tidied:
            left = zlm.read_receivers(await self._client.call("listRtpServer")) - self._streams.keys()
            for stream_id in left:
                await self._close(stream_id)
            self._is_tidied = True
        self._checked_s = self._clock.monotonic()

    def _failed(self, error: TocsinError) -> None:
        self._fails += 1
        is_closed = error.key in ("media_external_hooks", "media_external_secret")
        if self._fails == 1 or (is_closed and self._is_alive):
            log.error("media server", error=error.detail, key=error.key)
        if self._is_alive and (is_closed or self._fails >= FAILS_UNTIL_DOWN):
            self._is_alive = False
            self._outages += 1
            streams = tuple(self._streams)
            self._streams.clear()
            self.events.on_worker_lost(streams)

    def _note(self, stream_id: str, stream: _Stream, row: zlm.MediaRow | None) -> None:
        now_s = self._clock.monotonic()
        if row is None:
            if stream.is_seen:
                del self._streams[stream_id]
                self.events.on_source_lost(stream_id, "silence")
            return
        if not row.is_ready:
            return
        is_new = row.frames != stream.frames if row.frames is not None else row.bitrate_bps > 0
        if is_new:
            stream.picture_s, stream.at = now_s, self._clock.now()
            stream.frames = row.frames if row.frames is not None else -1
        is_live = now_s - stream.picture_s <= STALE_AFTER_S
        stream.stats = StreamStats(
            stream_id,
            state="live" if is_live else "stale",
            viewers=row.readers,
            codec=row.codec,
            width=row.width,
            height=row.height,
            bitrate_bps=row.bitrate_bps,
            loss_share=row.loss_share,
            last_picture_at=stream.at,
            key_interval_ms=row.key_interval_ms,
            pictures=row.frames or 0,
        )
        if is_new and not stream.is_seen:
            stream.is_seen = True
            self.events.on_source_up(stream_id)
            if row.codec in _MIME:
                self.events.on_mime(stream_id, f'video/mp4; codecs="{_MIME[row.codec]}"')
            self.events.on_first_key(stream_id, self._clock.now())

    def _forget(self, session: str) -> None:
        viewer = self._viewers.pop(session, None)
        if viewer is not None:
            ticket = viewer.ticket
            self.events.on_viewer(ticket.view_id, ticket.viewer_id, ticket.stream_id, "closed")

    async def _kick(self) -> None:
        """Tell those to go whose view has ended or expired; they are forgotten once the server names them no more."""
        now_s = self._now_s()
        due = [
            session
            for session, viewer in self._viewers.items()
            if viewer.is_ended or now_s >= viewer.ticket.expires_at_s
        ]
        for session in due:
            try:
                await self._client.call("kick_session", {"id": session})
            except TocsinError as error:
                if error.key != "media_external_refused":
                    log.warning("a viewer could not be told to go yet", error=error.detail)
                    return
                if session in self._viewers and not self._viewers[session].is_listed:
                    log.warning("a viewer's connection is not known to the media server", session=session[:64])
                self._forget(session)  # refused: he is gone already

    def _now_s(self) -> float:
        return self._clock.now().astimezone(UTC).timestamp()

    # -- what the server does not do for us

    async def key_picture(self, stream_id: str, path: Path) -> dict[str, Any]:
        """Errors: UNAVAILABLE always: another server's key pictures are not at hand."""
        raise TocsinError(ErrorCode.UNAVAILABLE, "pictures are served by another server", key="picture.elsewhere")

    async def steer(self, stream_id: str, act: str, **content: float) -> None:
        """Refuse."""
        _refuse("recordings")

    async def save(self, stream_id: str, path: Path, max_bytes: int, *, is_bare: bool = False) -> None:
        """Refuse."""
        _refuse("recordings")

    async def saved(self, stream_id: str, *, keep: bool) -> dict[str, Any]:
        """Refuse."""
        _refuse("recordings")

    async def open_talk(
        self, talk_id: str, transport: str, *, peer_ip: str | None, ssrc: int, payload: str, payload_type: int
    ) -> Endpoint:
        """Refuse."""
        _refuse("speaking through cameras")

    async def open_call(
        self, talk_id: str, *, peer_ip: str, codec: str, payload_type: int, event_type: int, silent_after_s: float
    ) -> Endpoint:
        """Refuse."""
        _refuse("calls of door intercoms")

    async def send_tones(self, talk_id: str, digits: str) -> None:
        """Refuse."""
        _refuse("calls of door intercoms")

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        """Refuse."""
        _refuse("speaking through cameras")

    async def start_talk(self, talk_id: str) -> None:
        """Refuse."""
        _refuse("speaking through cameras")

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        """Refuse."""
        _refuse("speaking through cameras")

    async def close_talk(self, talk_id: str, reason: str) -> None:
        """Do nothing: no line was ever opened."""

    async def forward_open(
        self,
        *,
        stream_id: str,
        forward_id: str,
        view_id: str,
        mode: str,
        ip: str,
        port: int,
        ssrc: int,
        expires_at: datetime,
        keeps: bool = False,
    ) -> Endpoint:
        """Refuse."""
        _refuse("pictures for upper platforms")

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        """Refuse."""
        _refuse("pictures for upper platforms")

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        """Do nothing: nothing was ever sent on."""


def _refuse(what: str) -> NoReturn:
    detail = f"the external media server is not used for {what}; media.relay = own does it"
    raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_external_unsupported")
