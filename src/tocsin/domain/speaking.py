"""Speaking through a camera: who may, for how long, and the line that always ends. Sound is never kept.

No speaking without a view: whoever speaks has the camera's picture open for a stated purpose. One speaks at a time to a
device. The record is committed before the device is called, and again when the line has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, Rule, scope
from tocsin.domain.channels import IN_SERVICE, ChannelRecord
from tocsin.domain.control_sessions import channel_of
from tocsin.domain.directory import Channel
from tocsin.domain.events import SpeechEnded, SpeechStarted
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store
from tocsin.domain.video import Endpoint
from tocsin.domain.view_service import Announced, Channels
from tocsin.domain.views import View

SPEAK: Final = Permission.SPEAK_TO_CAMERA
MAX_SPEECH_S: Final = 180.0
JOIN_S: Final = 15.0

WORDS: Final = Words(
    {
        "speech.held": ("{holder} is speaking through this camera.", "{holder} 正在通过该摄像机喊话。"),
        "speech.device_busy": (
            "Somebody is speaking through another camera of this device; it carries one voice at a time.",
            "该设备的另一路正在喊话，同一设备同时只能一路喊话。",
        ),
        "speech.device_offline": ("The camera is off line, so it cannot be spoken to.", "摄像机离线，无法喊话。"),
        "speech.no_answer": (
            "The camera did not answer the call to listen within {waited_s} s.",
            "摄像机 {waited_s} 秒内没有应答喊话请求。",
        ),
        "speech.no_invite": (
            "The camera took the call to listen but never fetched the sound. It may have no loudspeaker.",
            "摄像机接受了喊话请求，但没有来取音频流，可能未配扬声器。",
        ),
        "speech.refused": (
            "The camera refused to listen ({status}). It may have no loudspeaker, or sound is switched off in it.",
            "摄像机拒绝喊话（{status}），可能未配扬声器或未开启音频。",
        ),
        "speech.refused_busy": (
            "The camera says its loudspeaker is in use already.",
            "摄像机报告扬声器正被占用。",
        ),
        "speech.format": (
            "The camera asks for a sound format other than G.711 A. Set its audio encoding to G.711 A.",
            "摄像机要求的音频格式不是 G.711A，请将其音频编码设为 G.711A。",
        ),
        "speech.no_connection": (
            "The camera's sound port cannot be reached.",
            "无法连接摄像机的音频端口。",
        ),
        "speech.not_supported": (
            "This camera's protocol carries no voice yet.",
            "该摄像机的接入协议暂不支持喊话。",
        ),
    }
)


class TalkPorts(Protocol):
    """Voice lines of the media side."""

    async def open_talk(
        self, talk_id: str, transport: str, *, peer_ip: str | None, ssrc: int, payload: str, payload_type: int
    ) -> Endpoint:
        """Open a line over `udp`, `tcp_passive` or `tcp_active`; return our address."""

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        """Say where the sound goes; over TCP connect there."""

    async def start_talk(self, talk_id: str) -> None:
        """Begin to send, silence until somebody speaks."""

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        """Return the one-use address of its microphone."""

    async def close_talk(self, talk_id: str, reason: str) -> None:
        """End a line; ending it twice is no error."""


class TalkSession(Protocol):
    """A device that listens."""

    async def close(self, reason: str) -> None:
        """Hang up; closing twice is no error."""

    async def wait_ended(self) -> str:
        """Wait until the device hung up; return the message key of why."""


class VoiceLine(Protocol):
    """Calls devices to listen; a gateway implements it."""

    async def open_talk(self, channel: Channel, talk_id: str, media: TalkPorts) -> TalkSession:
        """Return once the device listens. Errors: UNAVAILABLE or CONFLICT with the key of what failed."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One line of one speaker through one camera."""

    id: str
    channel_id: str
    device_id: str
    jurisdiction_code: str
    user_id: str
    user_name: str
    session_id: str
    view_id: str
    purpose: str
    incident_id: str
    started_at: datetime
    ends_at: datetime


@dataclass(slots=True)
class _Held:
    speech: Speech
    ends_s: float
    join_by_s: float
    line: TalkSession | None = None
    watch: asyncio.Task[None] | None = None
    has_joined: bool = False
    is_ending: bool = False
    address: str = ""
    opening: asyncio.Task[Any] | None = field(default=None, repr=False)


def speech_form(channel_id: str, speech: Speech | None, reason: str = "") -> dict[str, object]:
    """Return who speaks through a camera as API and feed show it; `reason` says why the last one no longer does."""
    return {
        "camera_id": channel_id,
        "speaker": {"user_id": speech.user_id, "name": speech.user_name} if speech is not None else None,
        "since": iso(speech.started_at) if speech is not None else None,
        "ends_at": iso(speech.ends_at) if speech is not None else None,
        "reason": reason,
    }


class SpeakingService(UseCases):
    """Use cases of speaking. One process holds the lines; beginning and end are rows and audit records."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: Channels,
        line: VoiceLine,
        media: TalkPorts,
        *,
        max_speech_s: float = MAX_SPEECH_S,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._line = line
        self._media = media
        self._max_speech_s = max_speech_s
        self._held: dict[str, _Held] = {}  # by speech id
        self._ends: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(10_000)
        self._unrecorded: list[tuple[Speech, str, ActorRef]] = []

    async def begin(self, channel_id: str, *, actor: Actor, session_id: str, view_id: str) -> dict[str, object]:
        """Call the camera to listen; return the address of the microphone once it does.

        Errors: FORBIDDEN with the rule (`no_view`); NOT_FOUND; CONFLICT `speech.held`, `speech.device_busy`;
        UNAVAILABLE as the camera says.
        """
        speech_id = new_id()
        wish = (speech_id, channel_id, session_id, view_id, self._max_speech_s)
        speech = await self._act("speech.started", "channel", channel_id, actor, _start, wish, actor, self._busy)
        now = self._clock.monotonic()
        held = _Held(speech, now + self._max_speech_s, now + JOIN_S + self._max_speech_s)
        clash = self._busy(speech.device_id, channel_id)
        if clash is not None:  # two asked in one breath and both were recorded: the second goes
            await self._end_record(speech, clash.key, SYSTEM)
            raise clash
        self._held[speech.id] = held
        held.opening = asyncio.current_task()
        try:
            channel = self._channels.channel(channel_id)
            if channel is None:
                raise TocsinError(ErrorCode.UNAVAILABLE, "not registered", key="speech.device_offline")
            held.line = await self._line.open_talk(channel, speech.id, self._media)
            address = await self._media.talk_address(
                speech.id, ticket=new_token(), user_id=actor.id, view_id=view_id, expires_at=speech.ends_at
            )
        except BaseException as error:
            held.opening = None
            reason = error.key if isinstance(error, TocsinError) else "given_up"
            await asyncio.shield(self._end(held, reason, SYSTEM))
            raise
        finally:
            held.opening = None
        held.join_by_s = self._clock.monotonic() + JOIN_S
        if held.is_ending or self._held.get(speech.id) is not held:  # ended while the camera was being called
            await held.line.close("ended")
            raise TocsinError(ErrorCode.CONFLICT, "the line was ended meanwhile", key="speech.refused", status="ended")
        held.watch = asyncio.create_task(self._watch(held), name=f"speech {speech.id}")
        return {"id": speech.id, "url": address, "max_s": self._max_speech_s, **speech_form(channel_id, speech)}

    async def end(self, channel_id: str, *, actor: Actor) -> None:
        """End the actor's own line; a supervisor ends anybody's. Ending what is not there is no error."""
        for held in list(self._held.values()):
            if held.speech.channel_id != channel_id:
                continue
            if held.speech.user_id != actor.id:
                if not scope(actor, Permission.SUPERVISE_INCIDENT).covers(held.speech.jurisdiction_code, channel_id):
                    continue
                await self._end(held, "ended_by_supervisor", actor.ref)
            else:
                await self._end(held, "ended", actor.ref)

    async def read(self, channel_id: str, *, actor: Actor) -> dict[str, object]:
        """Return who speaks through a camera. Errors: NOT_FOUND."""
        await self._store.read(_visible, channel_id, actor)
        found = next((held.speech for held in self._held.values() if held.speech.channel_id == channel_id), None)
        return speech_form(channel_id, found)

    # --- losing it ---

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): with its view, speaking ends."""
        for announcement in announcements:
            if announcement.type == "view.ended" and self._held:
                self._want_end("view", announcement.subject_id, "view_ended")

    def talk_event(self, talk_id: str, what: str, reason: str) -> None:
        """Hear of a line's microphone: it joined, it left, or the line itself was lost."""
        held = self._held.get(talk_id)
        if held is None:
            return
        if what == "joined":
            held.has_joined = True
        else:
            self._want_end("speech", talk_id, "microphone_left" if what == "left" else reason)

    def _want_end(self, what: str, subject_id: str, reason: str) -> None:
        if not self._ends.full():
            self._ends.put_nowait((what, subject_id, reason))

    async def pass_ends(self) -> None:
        """End what has to end, for ever."""
        while True:
            what, subject_id, reason = await self._ends.get()
            if what == "view":
                await self._end_where(lambda held, wanted=subject_id: held.speech.view_id == wanted, reason)  # type: ignore[misc]
            else:
                await self._end_where(lambda held, wanted=subject_id: held.speech.id == wanted, reason)  # type: ignore[misc]

    async def connection_ended(self, session_id: str) -> None:
        """End what a console spoke whose connection is gone."""
        await self._end_where(lambda held: held.speech.session_id == session_id, "connection_lost")

    async def check(self) -> None:
        """End lines whose time is up or whose microphone never came; keep records that could not be kept before."""
        now = self._clock.monotonic()
        while self._unrecorded:
            await self._store.run(_end_speech, *self._unrecorded[0])
            del self._unrecorded[0]
        await self._end_where(lambda held: held.ends_s <= now, "time_over")
        await self._end_where(lambda held: not held.has_joined and held.join_by_s <= now, "no_microphone")

    async def start(self) -> None:
        """End in the books what an earlier run left open; its cameras were told when the gateways started."""
        await self._store.run(_end_leftovers)

    async def stop(self) -> None:
        """End every line."""
        await self._end_where(lambda held: True, "stopped")

    # --- inside ---

    async def _watch(self, held: _Held) -> None:
        assert held.line is not None
        reason = await held.line.wait_ended()
        self._want_end("speech", held.speech.id, reason)

    def _busy(self, device_id: str, channel_id: str) -> TocsinError | None:
        for held in self._held.values():
            if held.speech.channel_id == channel_id:
                return TocsinError(
                    ErrorCode.CONFLICT,
                    f"{held.speech.user_name} is speaking",
                    key="speech.held",
                    holder=held.speech.user_name,
                )
            if held.speech.device_id == device_id:
                return TocsinError(ErrorCode.CONFLICT, "its device is in use", key="speech.device_busy")
        return None

    async def _end_where(self, is_meant: Callable[[_Held], bool], reason: str) -> None:
        for held in [held for held in self._held.values() if is_meant(held)]:
            await self._end(held, reason, SYSTEM)

    async def _end(self, held: _Held, reason: str, by: ActorRef) -> None:
        """Hang up first, then keep the record: a store that fails leaves no loudspeaker open."""
        if held.is_ending:
            return
        held.is_ending = True
        if held.watch is not None:
            held.watch.cancel()
        if held.opening is not None and held.opening is not asyncio.current_task():
            held.opening.cancel()
        try:
            if held.line is not None:
                await held.line.close(reason)
            await self._media.close_talk(held.speech.id, reason)
        finally:
            self._held.pop(held.speech.id, None)
            await self._end_record(held.speech, reason, by)

    async def _end_record(self, speech: Speech, reason: str, by: ActorRef) -> None:
        try:
            await self._store.run(_end_speech, speech, reason, by)
        except TocsinError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            self._unrecorded.append((speech, reason, by))


def _visible(tx: Any, channel_id: str, actor: Actor) -> ChannelRecord:
    found: ChannelRecord = tx.devices.channel(channel_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    return found


def _start(
    tx: Any,
    wish: tuple[str, str, str, str, float],
    actor: Actor,
    busy: Callable[[str, str], TocsinError | None],
) -> Speech:
    """Let somebody speak: the record is there before the device is called. Errors: FORBIDDEN, NOT_FOUND, CONFLICT."""
    speech_id, channel_id, session_id, view_id, max_speech_s = wish
    require(actor, SPEAK)
    channel = channel_of(tx, channel_id)
    live: list[View] = [view for view in tx.views.live([view_id]) if view.is_live(tx.now)]
    if not live or live[0].user_id != actor.id or channel_id not in live[0].channel_ids:
        raise forbidden(Rule.NO_VIEW)
    view = live[0]
    if not scope(actor, SPEAK).covers(channel.jurisdiction_code, channel.id) and view.incident_id is None:
        raise forbidden(Rule.OUT_OF_SCOPE)
    if channel.stage != IN_SERVICE:
        raise forbidden(Rule.CHANNEL_NOT_IN_SERVICE)
    clash = busy(channel.device_id, channel.id)
    if clash is not None:
        raise clash
    speech = Speech(
        id=speech_id,
        channel_id=channel.id,
        device_id=channel.device_id,
        jurisdiction_code=channel.jurisdiction_code,
        user_id=actor.id,
        user_name=actor.name,
        session_id=session_id,
        view_id=view.id,
        purpose=view.purpose,
        incident_id=view.incident_id or "",
        started_at=tx.now,
        ends_at=min(view.expires_at, tx.now + timedelta(seconds=max_speech_s)),
    )
    tx.speeches.add(speech)
    tx.record(
        SpeechStarted(
            subject_id=channel.id,
            at=tx.now,
            jurisdiction_code=channel.jurisdiction_code,
            actor=actor.ref,
            data=speech_form(channel.id, speech),
            speech_id=speech.id,
            view_id=view.id,
            purpose=view.purpose,
            incident_id=speech.incident_id,
        )
    )
    return speech


def _end_speech(tx: Any, speech: Speech, reason: str, by: ActorRef) -> None:
    tx.speeches.end(speech.id, reason, tx.now)
    tx.record(
        SpeechEnded(
            subject_id=speech.channel_id,
            at=tx.now,
            jurisdiction_code=speech.jurisdiction_code,
            actor=by,
            data=speech_form(speech.channel_id, None, reason),
            speech_id=speech.id,
            user_id=speech.user_id,
            reason=reason,
            purpose=speech.purpose,
            incident_id=speech.incident_id,
            lasted_ms=max(0, round((tx.now - speech.started_at).total_seconds() * 1000)),
        )
    )


def _end_leftovers(tx: Any) -> int:
    left: list[Speech] = tx.speeches.open()
    for speech in left:
        _end_speech(tx, speech, "restarted", SYSTEM)
    return len(left)
