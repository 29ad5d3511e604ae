"""Use cases of door calls: list, answer (the first operator wins), open the door, make an incident, hang up.

Each act is recorded before it is done. A door is opened by a person who may, in a call that person has in hand, for a
reason; nothing here opens one by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_token
from tocsin.domain.access import Actor, Permission, is_supervisor_of
from tocsin.domain.acts import Page, bounded, page
from tocsin.domain.intercom_calls import (
    ANSWER,
    ANSWERED,
    OPEN,
    DoorCall,
    Finished,
    Raised,
    checked_reason,
    forgotten_before,
)
from tocsin.domain.intercom_events import CallAnswered, CallsForgotten, DoorOpened
from tocsin.domain.intercom_intake import IntercomIntake, end_call
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.signals import Signal
from tocsin.domain.store import Store
from tocsin.domain.views import end_views

LONGEST_CALL: Final = timedelta(hours=2)
REJOIN_S: Final = 15.0
FORGET_EVERY_S: Final = 3600.0
MAX_UNRECORDED: Final = 5000


class CallLine(Protocol):
    """The calls under way; a gateway implements it."""

    async def answer(self, call_id: str, media: Any) -> None:
        """Join a call to a voice line. Errors: CONFLICT `call.over`, UNAVAILABLE."""

    async def hang_up(self, call_id: str, reason: str) -> None:
        """End a call; ending it twice is no error."""

    async def send_code(self, call_id: str, method: str, code: str) -> None:
        """Send what opens the door. Errors: CONFLICT, UNAVAILABLE."""

    def can_send(self, call_id: str, method: str) -> bool:
        """Say whether the intercom takes a code this way in this call."""

    def is_live(self, call_id: str) -> bool:
        """Say whether a call is under way."""


class CallMedia(Protocol):
    """The media side of a call."""

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        """Return the one-use address of its microphone and loudspeaker."""


class IntercomService(UseCases):
    """Door calls as consoles see them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        intake: IntercomIntake,
        line: CallLine,
        media: CallMedia,
        *,
        keep_days: float,
        raised_signal: Callable[[DoorCall, datetime], Signal],
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._intake = intake
        self._line = line
        self._media = media
        self._keep_days = keep_days
        self._raised_signal = raised_signal
        self._unrecorded: list[Finished] = []
        self._leaving: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- reading

    async def find(
        self, actor: Actor, *, device_id: str = "", state: str = "", after: str = "", limit: int = 100
    ) -> Page[DoorCall]:
        """Return calls newest first; `state` is open, missed, sos or empty. Errors: FORBIDDEN."""
        visible, size = require(actor, Permission.READ_INCIDENTS), bounded(limit)
        found = await self._store.read(
            lambda tx: list(
                tx.intercoms.find(visible_to=visible, device_id=device_id, state=state, before=after, limit=size + 1)
            )
        )
        return page(found, size, lambda call: call.id)

    async def get(self, call_id: str, *, actor: Actor) -> DoorCall:
        """Return one call. Errors: FORBIDDEN, NOT_FOUND."""
        visible = require(actor, Permission.READ_INCIDENTS)
        found: DoorCall = await self._store.read(lambda tx: tx.intercoms.get(call_id, visible_to=visible))
        return found

    # --- acts

    async def answer(self, call_id: str, *, actor: Actor) -> dict[str, object]:
        """Take a call: the first operator has it, others hear who. Return it with the address of its sound.

        Errors: NOT_FOUND; CONFLICT `call.answered_elsewhere`, `call.over`; UNAVAILABLE when no line can be opened.
        """
        call = await self._act("call.answered", "call", call_id, actor, _answer, call_id, actor)
        try:
            await self._line.answer(call_id, self._media)
            address = await self._address(call, actor)
        except BaseException:
            await asyncio.shield(self._end(call_id, "failed", actor))
            raise
        return {**call.form(), "url": address}

    async def rejoin(self, call_id: str, *, actor: Actor) -> dict[str, object]:
        """Return a new address of the sound of a call one has in hand: the page was loaded again.

        Errors: NOT_FOUND, CONFLICT `call.not_answered`, `call.not_yours`.
        """
        call = await self._act("call.answered", "call", call_id, actor, _own, call_id, actor)
        address = await self._address(call, actor)
        self._leaving.pop(call_id, None)
        return {**call.form(), "url": address}

    async def hang_up(self, call_id: str, *, actor: Actor) -> DoorCall:
        """End a call one has in hand, or decline one that rings; a supervisor ends anybody's. Errors: NOT_FOUND,
        CONFLICT `call.not_yours`.
        """
        call = await self._act("call.ended", "call", call_id, actor, _hang_up, call_id, actor)
        await self._line.hang_up(call_id, call.end_reason)
        return call

    async def open_door(self, call_id: str, reason: str, *, actor: Actor) -> DoorCall:
        """Send the code that opens the door of a call one has in hand, for a reason. Recorded before it leaves.

        Errors: INVALID without a reason; FORBIDDEN; NOT_FOUND; CONFLICT `call.not_answered`, `call.no_code`,
        `call.no_tones`; UNAVAILABLE `call.code_refused`, `call.code_unanswered`.
        """
        text = checked_reason(reason)
        call, method, code = await self._act(
            "call.door_opened", "call", call_id, actor, _open, call_id, actor, text, self._line.can_send
        )
        await self._line.send_code(call_id, method, code)
        return call

    async def raise_incident(self, call_id: str, *, actor: Actor) -> DoorCall:
        """Make an incident of a call, with the door's place and cameras. Errors: NOT_FOUND, CONFLICT `call.raised`."""
        call = await self._act("call.raised", "call", call_id, actor, _raisable, call_id, actor)
        signal = self._raised_signal(call, self._clock.now())
        return await self._intake.raised(Raised(call_id, signal, actor.id, actor.kind))

    # --- the line and the media side tell

    def talk_event(self, talk_id: str, what: str, reason: str) -> None:
        """Hear of a call's sound: the browser joined or left, or the line was lost."""
        if what == "joined":
            self._leaving.pop(talk_id, None)
        elif not self._line.is_live(talk_id):
            return
        elif what == "left":
            self._leaving[talk_id] = self._clock.monotonic() + REJOIN_S
        else:
            self._begin_end(talk_id, reason)

    def keep_later(self, end: Finished) -> None:
        """Keep an end that could not be committed; `check` tries again."""
        if len(self._unrecorded) < MAX_UNRECORDED:
            self._unrecorded.append(end)

    async def check(self) -> None:
        """End calls whose operator left and did not come back; record ends that could not be recorded before."""
        while self._unrecorded:
            await self._intake.finished(self._unrecorded[0])
            del self._unrecorded[0]
        now = self._clock.monotonic()
        for call_id in [call_id for call_id, until in self._leaving.items() if until <= now]:
            del self._leaving[call_id]
            self._begin_end(call_id, "operator_left")

    async def keep_bounded(self) -> None:
        """Delete calls past their time, for ever."""
        while True:
            while await self._store.run(_forget, forgotten_before(self._clock.now(), self._keep_days)):
                pass
            await self._clock.sleep(FORGET_EVERY_S)

    async def start(self) -> None:
        """End in the books what an earlier run left open."""
        await self._store.run(_end_leftovers)

    # --- inside

    async def _address(self, call: DoorCall, actor: Actor) -> str:
        return await self._media.talk_address(
            call.id,
            ticket=new_token(),
            user_id=actor.id,
            view_id="",
            expires_at=self._clock.now() + LONGEST_CALL,
        )

    def _begin_end(self, call_id: str, reason: str) -> None:
        task = asyncio.create_task(self._end(call_id, reason, None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, call_id: str, reason: str, actor: Actor | None) -> None:
        await self._line.hang_up(call_id, reason)
        await self._store.run(_end, call_id, reason, actor)


def _visible(tx: Any, call_id: str, actor: Actor, permission: Permission = ANSWER) -> DoorCall:
    call: DoorCall = tx.intercoms.get(call_id, visible_to=require(actor, permission))
    return call


def _answer(tx: Any, call_id: str, actor: Actor) -> DoorCall:
    call = _visible(tx, call_id, actor).answered(actor.id, actor.name, tx.now)
    if not call.has_sound:
        raise TocsinError(ErrorCode.CONFLICT, "no sound we can play", key="call.no_sound")
    tx.intercoms.save(call)
    tx.record(
        CallAnswered(
            subject_id=call.id,
            at=tx.now,
            jurisdiction_code=call.jurisdiction_code,
            actor=actor.ref,
            data=call.form(),
            device_id=call.device_id,
        )
    )
    end_views(tx, tx.views.of_call(call.id, but_not_of=actor.id), reason="answered_elsewhere", by=actor.ref)
    return call


def _own(tx: Any, call_id: str, actor: Actor, permission: Permission = ANSWER) -> DoorCall:
    """Return a call the actor has in hand. Errors: NOT_FOUND, CONFLICT."""
    call = _visible(tx, call_id, actor, permission)
    if call.is_over:
        raise TocsinError(ErrorCode.CONFLICT, "the call is over", key="call.over")
    if call.state != ANSWERED:
        raise TocsinError(ErrorCode.CONFLICT, "not answered yet", key="call.not_answered")
    if call.answered_by != actor.id:
        raise TocsinError(ErrorCode.CONFLICT, "somebody else has it", key="call.not_yours")
    return call


def _hang_up(tx: Any, call_id: str, actor: Actor) -> DoorCall:
    call = _visible(tx, call_id, actor)
    is_others = call.state == ANSWERED and call.answered_by != actor.id
    if is_others and not call.is_over and not is_supervisor_of(actor, call.jurisdiction_code):
        raise TocsinError(ErrorCode.CONFLICT, "somebody else has it", key="call.not_yours")
    return end_call(tx, call, "hung_up" if call.state == ANSWERED else "declined", actor.ref)


def _open(
    tx: Any, call_id: str, actor: Actor, reason: str, can_send: Callable[[str, str], bool]
) -> tuple[DoorCall, str, str]:
    call = _own(tx, call_id, actor, OPEN)
    device = tx.devices.load([call.device_id])[call.device_id]
    code, method = str(device.settings.get("door_code", "")), str(device.settings.get("door_method", "rfc4733"))
    if not code:
        raise TocsinError(ErrorCode.CONFLICT, "no code is entered", key="call.no_code")
    if not can_send(call_id, method):
        raise TocsinError(ErrorCode.CONFLICT, "no tones were agreed", key="call.no_tones")
    opened = replace(call, opened=call.opened + 1)
    tx.intercoms.save(opened)
    tx.record(
        DoorOpened(
            subject_id=call.id,
            at=tx.now,
            jurisdiction_code=call.jurisdiction_code,
            actor=actor.ref,
            data=opened.form(),
            device_id=call.device_id,
            method=method,
            reason=reason,
        )
    )
    return opened, method, code


def _raisable(tx: Any, call_id: str, actor: Actor) -> DoorCall:
    call = _visible(tx, call_id, actor)
    if call.incident_id:
        raise TocsinError(ErrorCode.CONFLICT, "raised already", key="call.raised")
    return call


def _end(tx: Any, call_id: str, reason: str, actor: Actor | None) -> None:
    call = tx.intercoms.load([call_id]).get(call_id)
    if call is not None:
        if actor is None:
            end_call(tx, call, reason)
        else:
            end_call(tx, call, reason, actor.ref)


def _end_leftovers(tx: Any) -> int:
    left: list[DoorCall] = tx.intercoms.open()
    for call in left:
        end_call(tx, call, "restarted")
    return len(left)


def _forget(tx: Any, before: datetime) -> int:
    gone = int(tx.intercoms.forget(before))
    if gone:
        tx.record(CallsForgotten(subject_id="", at=tx.now, count=gone, before=before.isoformat()))
    return gone
