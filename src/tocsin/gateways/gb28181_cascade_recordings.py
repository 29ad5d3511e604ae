"""Recordings for upper platforms: their questions carried down and answered page by page, recordings sent on.

A list is the device's own, with the ids and the serial number of the upper platform. A recording is a playback of our
own under a view of that platform, which names the period; INFO is carried down, the end of the file up, and a BYE of
either side ends both.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.cascade import Verb
from tocsin.domain.cascade_service import SharedView
from tocsin.domain.directory import Channel
from tocsin.domain.playback import REVERSE, SPEEDS, PlaybackState
from tocsin.domain.video import Endpoint, ForwardTarget
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181.history_sdp import HistoryWish, history_answer
from tocsin.protocols.gb28181.manscdp import CONTENT_TYPE, Document
from tocsin.protocols.gb28181.mansrtsp import CONTENT_TYPE as STEERING_TYPE
from tocsin.protocols.gb28181.mansrtsp import (
    BadSteering,
    Pause,
    Play,
    Steered,
    Teardown,
    media_status,
    read_steering,
    steered_body,
)
from tocsin.protocols.gb28181.recordings import Recording, read_record_query, record_response
from tocsin.protocols.sip.message import Request, Response, response_to
from tocsin.protocols.sip.sdp import Sdp

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_cascade import GbCascade, UpperLine
    from tocsin.gateways.gb28181_cascade_calls import UpperCall

log = structlog.get_logger(__name__)

LONGEST_LIST: Final = timedelta(days=31)
LONGEST_PLAYBACK: Final = timedelta(hours=24)
MAX_ASKING: Final = 8
TCP_PAGE_ITEMS: Final = 20
AFTER_END_S: Final = 10.0
TEARDOWN_WAIT_S: Final = 2.0
TOLD_ENDS: Final = frozenset({"recording.ended", "recording.silent"})
STATUS_OF_STEERING: Final = {
    "recording.steer_unanswered": 408,
    "recording.steer_refused": 488,
    "recording.ended_by_device": 481,
}


class RecordingFiles(Protocol):
    """Asks devices for their recordings, file by file."""

    async def files(self, channel: Channel, starts: datetime, ends: datetime) -> tuple[list[Recording], str]:
        """Return files and why the list is not whole. Errors: UNAVAILABLE."""


class RecordingRelay(Protocol):
    """Brings recordings and sends them on; the playbacks of the house implement it."""

    async def open_forwarded(
        self,
        playback_id: str,
        *,
        view_id: str,
        channel: Channel,
        starts: datetime,
        ends: datetime,
        expires_at: datetime,
        to: ForwardTarget,
        download_speed: int,
        on_over: Callable[[str], None],
    ) -> tuple[Endpoint, int | None]:
        """Return our media address and a download's size once media arrives. Errors: UNAVAILABLE."""

    async def start_forwarded(self, playback_id: str) -> None:
        """Begin to send on."""

    async def steer_playback(
        self, playback_id: str, *, paused: bool | None = None, at: datetime | None = None, speed: float | None = None
    ) -> PlaybackState:
        """Pause or go on, go to a moment, change the speed."""

    async def close_playback(self, playback_id: str) -> None:
        """End one; ending it twice is no error."""


class CascadeRecordings:
    """Lists and recordings for every line up. `files` and `relay` are set by whoever has them."""

    def __init__(self, cascade: GbCascade) -> None:
        self._cascade = cascade
        self.files: RecordingFiles | None = None
        self.relay: RecordingRelay | None = None
        self._asking: Counter[str] = Counter()

    # --- lists ---

    def ask(self, line: UpperLine, document: Document, identity: str) -> int:
        """Take a RecordInfo question; return the SIP status. The list follows in messages of its own after a 200."""
        item = line.catalogue.by_exported.get(document.device_id)
        query = read_record_query(document)
        status, key = 200, ""
        if item is None or not item.channel_id:
            status, key = 404, "cascade.unknown_id"
        elif not line.upper.may(Verb.RECORDINGS):
            status, key = 403, "cascade.no_right"
        elif query is None or query.ends - query.starts > LONGEST_LIST:
            status, key = 400, "cascade.bad_period"
        elif self._asking[line.upper.id] >= MAX_ASKING:
            return 503
        if item is not None and query is not None and not key:
            self._asking[line.upper.id] += 1
            self._cascade.start_task(self._list(line, document, identity))
            return 200
        subject = item.channel_id if item is not None else document.device_id
        hours = LONGEST_LIST // timedelta(hours=1)
        self._cascade.note_failure(line, subject, "list", key, status, identity, {"hours": hours})
        return status

    async def _list(self, line: UpperLine, document: Document, identity: str) -> None:
        files: list[Recording] = []
        item = line.catalogue.by_exported[document.device_id]
        query = read_record_query(document)
        assert query is not None
        try:
            period = f"{iso(query.starts)}/{iso(query.ends)}"
            await self._cascade.service.note_act(
                line.upper.id, item.channel_id, Verb.RECORDINGS, f"list {period}", identity
            )
            channel = self._cascade.calls.channel_of(item.channel_id)
            if not item.has_recordings:
                raise TocsinError(ErrorCode.UNAVAILABLE, "no GB/T 28181 device", key="cascade.no_recordings")
            if channel is None or self.files is None:
                raise TocsinError(ErrorCode.UNAVAILABLE, "the camera has left", key="channel_absent")
            found, problem = await self.files.files(channel, query.starts, query.ends)
            files = [one for one in found if query.kind in ("", "all", one.kind)]
            if problem:
                self._cascade.note_failure(line, item.channel_id, "list", problem, 200, identity)
        except TocsinError as error:
            self._cascade.note_failure(line, item.channel_id, "list", error.key or "recording.failed", 200, identity)
        finally:
            self._asking[line.upper.id] -= 1
        size = line.upper.page_items
        if line.upper.transport == "tcp":
            size = max(size, TCP_PAGE_ITEMS)
        told = [_as_told(one, item.exported_id, line.upper.local_id) for one in files]
        pages = [told[at : at + size] for at in range(0, len(told), max(1, size))] or [[]]
        for page in pages:
            body = record_response(document.sn or 0, item.exported_id, item.name, len(told), page, line.label)
            if await self._cascade.tell(line, body) is None:
                log.info("list of recordings not taken", upper=line.upper.id)
                return

    # --- recordings ---

    async def show(self, line: UpperLine, made: UpperCall, offer: Sdp, wish: HistoryWish, view: SharedView) -> str:
        """Send a recording on until it is over; return why it ended. Errors: UNAVAILABLE when it does not begin."""
        cascade, relay = self._cascade, self.relay
        channel = cascade.calls.channel_of(made.item.channel_id)
        if channel is None or relay is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera has left", key="channel_absent")
        ssrc = wire.usable_ssrc(offer.ssrc, line.upper.local_id, made.serial, is_history=True)
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def heard(reason: str) -> None:
            if not over.done():
                over.set_result(reason)

        opening = asyncio.create_task(
            relay.open_forwarded(
                made.id,
                view_id=view.view_id,
                channel=channel,
                starts=wish.starts,
                ends=wish.ends,
                expires_at=view.expires_at,
                to=cascade.calls.target_of(offer, ssrc),
                download_speed=wish.speed if wish.is_download else 0,
                on_over=heard,
            )
        )
        if not await self._opened(made, opening):
            return "given_up"
        endpoint, size = opening.result()
        ip = cascade.calls.media_ip(endpoint, made.call.peer)
        answer = history_answer(
            offer, own_id=made.item.exported_id, ip=ip, port=endpoint.port, ssrc=ssrc, file_bytes=size
        )
        made.call.on_info = lambda request: self._steer(made, request, wish)
        made.call.accept(answer.encode(), [(wire.ROUTE_HEADER, cascade.calls.route_up(line, channel))])
        if not await made.call.confirmed():
            return "unconfirmed"
        await relay.start_forwarded(made.id)
        return await self._until_over(line, made, over)

    async def _opened(self, made: UpperCall, opening: asyncio.Task[tuple[Endpoint, int | None]]) -> bool:
        """Wait for the device; 183 when it takes long. False when the upper platform gave up meanwhile."""
        ended = asyncio.create_task(made.call.ended())
        over = asyncio.ensure_future(asyncio.shield(made.over))
        try:
            early_s = self._cascade.config.early_answer_s
            await asyncio.wait((opening, ended, over), timeout=early_s, return_when=asyncio.FIRST_COMPLETED)
            if not (opening.done() or made.call.is_over or made.over.done()):
                made.call.trying(183)
                await asyncio.wait((opening, ended, over), return_when=asyncio.FIRST_COMPLETED)
            if made.call.is_over or made.over.done():
                return False
            opening.result()
            return True
        finally:
            for task in (opening, ended, over):
                task.cancel()
            await asyncio.gather(opening, ended, over, return_exceptions=True)

    async def _until_over(self, line: UpperLine, made: UpperCall, over: asyncio.Future[str]) -> str:
        ended = asyncio.create_task(made.call.ended())
        try:
            await asyncio.wait((ended, made.over, over), return_when=asyncio.FIRST_COMPLETED)
            if over.done() and not ended.done() and not made.over.done():
                if over.result() in TOLD_ENDS:
                    await self._tell_end(line, made)
                    await asyncio.wait((ended, made.over), timeout=AFTER_END_S, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    made.call.hang_up()
                return over.result()
            if made.over.done():
                made.call.hang_up()
                await asyncio.wait((ended,), timeout=TEARDOWN_WAIT_S)
                return made.over.result()
            return "closed" if ended.result() else "ended"
        finally:
            ended.cancel()

    async def _tell_end(self, line: UpperLine, made: UpperCall) -> None:
        """Carry the end of the file up, inside the call."""
        peer, upper, sip = line.peer, line.upper, self._cascade.sip
        if peer is None:
            return
        body = media_status(line.next_sn(), made.item.exported_id, label=line.label)
        fields = [
            ("From", f"<sip:{upper.local_id}@{upper.local_id[:10]}>;tag={made.call.server.tag}"),
            ("To", made.call.invite.headers.get("from")),
            ("Call-ID", made.call.call_id),
            ("CSeq", "20 MESSAGE"),
            ("Content-Type", CONTENT_TYPE),
        ]
        await sip.request(peer, "MESSAGE", f"sip:{upper.upper_id}@{upper.domain}", fields=fields, body=body)

    def _steer(self, made: UpperCall, request: Request, wish: HistoryWish) -> Response | None:
        """Carry an INFO down; what comes again meanwhile waits for the same answer and is not done twice."""
        number = request.headers.get("cseq")
        if number in made.steered:
            return made.steered[number]
        found = read_steering(request.body)
        if isinstance(found, BadSteering):
            return self._answer(made, request, 400)
        made.remember(number)
        steering, cseq = found
        if isinstance(steering, Teardown):
            self._cascade.start_task(self._end_soon(made))
            return self._answer(made, request, 200, Steered(200, cseq))
        self._cascade.start_task(self._carry_down(made, request, wish, steering, cseq))
        return None

    async def _carry_down(
        self, made: UpperCall, request: Request, wish: HistoryWish, steering: Play | Pause, cseq: int | None
    ) -> None:
        assert self.relay is not None
        steered = Steered(200, cseq)
        status = 200
        try:
            if isinstance(steering, Pause):
                await self.relay.steer_playback(made.id, paused=True)
            elif steering.npt_s is not None:
                at = wish.starts + timedelta(seconds=steering.npt_s)
                state = await self.relay.steer_playback(made.id, at=at)
                steered = replace(steered, npt_s=max(0.0, (state.at - wish.starts).total_seconds()))
            elif steering.scale is not None:
                if steering.scale not in (*SPEEDS, REVERSE):
                    raise TocsinError(ErrorCode.INVALID, "no speed of the standard", field="speed")
                state = await self.relay.steer_playback(made.id, speed=steering.scale)
                steered = replace(steered, scale=state.speed)
            else:
                await self.relay.steer_playback(made.id, paused=False)
        except TocsinError as error:
            status = STATUS_OF_STEERING.get(error.key, 400 if error.code is ErrorCode.INVALID else 488)
            log.info("steering from above not carried out", reason=error.key or error.detail, status=status)
        answer = self._answer(made, request, status, steered if status == 200 else None)
        self._cascade.sip.send(made.call.peer, answer.encode())

    def _answer(self, made: UpperCall, request: Request, status: int, steered: Steered | None = None) -> Response:
        peer = made.call.peer
        body = steered_body(steered) if steered is not None else b""
        headers = [("Content-Type", STEERING_TYPE)] if body else []
        made_up = response_to(
            request, status, to_tag=made.call.server.tag, source=(peer.host, peer.port), headers=headers, body=body
        )
        made.steered[request.headers.get("cseq")] = made_up
        return made_up

    async def _end_soon(self, made: UpperCall) -> None:
        """Its BYE follows a TEARDOWN; without one the call ends all the same."""
        await self._cascade.clock.sleep(TEARDOWN_WAIT_S)
        made.end("closed")


def _as_told(recording: Recording, exported_id: str, own_id: str) -> Recording:
    """Return a file with the ids of the upper platform: the recorder below is none of its business."""
    return replace(recording, gb_id=exported_id, recorder_id=own_id if recording.recorder_id else "")
