"""Moving cameras as the web calls it: control is taken, used, and always given back with the camera standing still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain import events
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, Rule, is_supervisor_of, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.control import (
    DEAD_MAN_S,
    Act,
    CameraMover,
    Home,
    Move,
    PresetAct,
    PresetOp,
    Reboot,
)
from tocsin.domain.control_sessions import (
    CONTROL,
    UNDO_S,
    ControlSession,
    PresetRecord,
    Wish,
    channel_of,
    control_form,
    end,
    free_number,
    may_take_over,
    preset_names,
    take,
)
from tocsin.domain.directory import Channel
from tocsin.domain.refusals import UseCases, forbidden
from tocsin.domain.store import Store
from tocsin.domain.view_service import Announced, Channels

LEASE_S: Final = 15.0
RETRY_S: Final = 60.0
MAX_WAITING_ENDS: Final = 10_000


@dataclass(slots=True)
class _Held:
    """A session in memory: its lease and its last movement, in monotonic seconds."""

    session: ControlSession
    lease_until: float
    moving_since: float | None = None


class ControlService(UseCases):
    """Use cases of camera control. One process holds the locks; their beginning and end are rows and audit records."""

    def __init__(
        self, store: Store, clock: Clock, channels: Channels, mover: CameraMover, *, lease_s: float = LEASE_S
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._mover = mover
        self._lease_s = lease_s
        self._held: dict[str, _Held] = {}
        self._taking: dict[str, asyncio.Lock] = {}
        self._ends: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING_ENDS)
        self._unrecorded: list[tuple[ControlSession, str, ActorRef]] = []
        self._not_before: dict[tuple[str, int], float] = {}

    # --- taking and giving back ---

    async def take(
        self,
        channel_id: str,
        *,
        actor: Actor,
        session_id: str,
        view_id: str,
        take_over: bool = False,
        for_image: bool = False,
    ) -> dict[str, object]:
        """Take control of a channel the actor looks at, or renew it; return who holds it now.

        `for_image`: to set its picture, which a camera that cannot move takes as well.

        Errors: FORBIDDEN with the rule (`no_view`); NOT_FOUND; CONFLICT `control.held`, `control.fixed`.
        """
        wish = Wish(new_id(), channel_id, view_id, session_id, take_over, for_image)
        async with self._taking.setdefault(channel_id, asyncio.Lock()):
            held = self._held.get(channel_id)
            if held is not None and held.lease_until <= self._clock.monotonic():
                await self._end(held, "unused", SYSTEM)
                held = None
            former = held.session if held is not None else None
            session = await self._act(
                "control.taken", "channel", channel_id, actor, take, wish, actor, former, self._lease_s
            )
            is_same = former is not None and former.id == session.id
            moving_since = held.moving_since if held is not None and is_same else None
            self._held[channel_id] = _Held(session, self._clock.monotonic() + self._lease_s, moving_since)
            if former is not None and not is_same:
                await self._stand_still(channel_id)
        return self.holder(channel_id)

    async def release(self, channel_id: str, *, actor: Actor) -> None:
        """Give control back; the camera is stopped. Giving back what one does not hold is no error."""
        held = self._held.get(channel_id)
        if held is not None and held.session.user_id == actor.id:
            await self._end(held, "released", actor.ref)

    def is_held(self, channel_id: str) -> bool:
        """Say whether somebody here has control of a channel."""
        return channel_id in self._held

    def holder(self, channel_id: str) -> dict[str, object]:
        """Return who holds a channel, as the API shows it."""
        held = self._held.get(channel_id)
        if held is None:
            return control_form(channel_id, None, None)
        left_s = max(0.0, held.lease_until - self._clock.monotonic())
        return control_form(channel_id, held.session, self._clock.now() + timedelta(seconds=left_s))

    async def read(self, channel_id: str, *, actor: Actor, view_id: str = "") -> dict[str, object]:
        """Return what a console needs: whether the camera moves, who holds it, its presets. Errors: NOT_FOUND.

        `may_take_over`: the actor, looking through that view, goes before the holder.
        """
        held = self._held.get(channel_id)
        session = held.session if held is not None else None
        channel, presets, may_take_over = await self._store.read(_read, channel_id, actor, session, view_id)
        return {
            **self.holder(channel_id),
            "can_move": channel.can_move,
            "may_take_over": may_take_over and self.is_held(channel_id),
            "presets": [preset.form() for preset in presets],
        }

    # --- moving ---

    async def move(self, channel_id: str, move: Move, *, actor: Actor) -> None:
        """Move, or stop with all speeds 0. Renew within two seconds: a movement that is not renewed is stopped.

        Errors: CONFLICT `control.not_held`; UNAVAILABLE as the camera says.
        """
        held = self._use(channel_id, actor)
        if not held.session.can_move and (move.pan or move.tilt or move.zoom):
            raise TocsinError(ErrorCode.CONFLICT, f"camera {channel_id} cannot move", key="control.fixed")
        now, tally = self._clock.monotonic(), held.session.tally
        if held.moving_since is not None:
            tally.moved_ms += round(min(now - held.moving_since, DEAD_MAN_S) * 1000)
        elif not move.is_still:
            tally.moves += 1
        held.moving_since = None if move.is_still else now
        await self._mover.perform(self._channel(channel_id), move)

    async def perform(self, channel_id: str, act: Act, *, actor: Actor) -> None:
        """Do anything else a camera can. A reboot is for supervisors and kept in the audit before it leaves.

        Errors: CONFLICT `control.not_held`; FORBIDDEN; UNAVAILABLE as the camera says.
        """
        held = self._use(channel_id, actor)
        if isinstance(act, Reboot):
            await self._act("control.rebooted", "channel", channel_id, actor, _reboot, held.session, actor)
        held.session.tally.acts += 1
        await self._mover.perform(self._channel(channel_id), act)

    def use(self, channel_id: str, *, actor: Actor) -> ControlSession:
        """Return the actor's control of a channel, renewed and with one act more.

        Errors: CONFLICT `control.not_held`.
        """
        held = self._use(channel_id, actor)
        held.session.tally.acts += 1
        return held.session

    # --- presets ---

    async def save_preset(
        self, channel_id: str, *, actor: Actor, name: str, name_en: str = "", number: int | None = None
    ) -> PresetRecord:
        """Keep where the camera looks now as a preset, at the lowest free number or at one that is there already.

        Errors: INVALID; CONFLICT `control.not_held`, `control.presets_full`; UNAVAILABLE as the camera says.
        """
        held = self._use(channel_id, actor)
        names = preset_names(name, name_en)
        if number is None:
            number = free_number(await self._store.read(_all_presets, channel_id))
        await self._mover.perform(self._channel(channel_id), PresetAct(PresetOp.SET, number))
        return await self._store.run(_save_preset, held.session, actor, number, *names)

    async def call_preset(self, channel_id: str, number: int, *, actor: Actor) -> None:
        """Let the camera go to a preset. Errors: NOT_FOUND; CONFLICT `control.not_held`; UNAVAILABLE."""
        held = self._use(channel_id, actor)
        await self._store.read(_preset, channel_id, number)
        held.session.tally.calls += 1
        await self._mover.perform(self._channel(channel_id), PresetAct(PresetOp.CALL, number))

    async def rename_preset(
        self, channel_id: str, number: int, *, actor: Actor, name: str, name_en: str, version: int
    ) -> PresetRecord:
        """Give a preset other names. Errors: INVALID; NOT_FOUND; CONFLICT when stale; FORBIDDEN."""
        names = preset_names(name, name_en)
        return await self._act(
            "preset.renamed", "channel", channel_id, actor, _rename, channel_id, actor, number, version, *names
        )

    async def delete_preset(self, channel_id: str, number: int, *, actor: Actor, version: int) -> None:
        """Take a preset out of the list; the camera forgets it when nobody undid that within some seconds.

        Errors: NOT_FOUND; CONFLICT when stale or `control.preset_is_home`; FORBIDDEN.
        """
        await self._act("preset.deleted", "channel", channel_id, actor, _delete, channel_id, actor, number, version)

    async def restore_preset(self, channel_id: str, number: int, *, actor: Actor) -> PresetRecord:
        """Undo a deletion. Errors: NOT_FOUND when the camera has forgotten it; FORBIDDEN."""
        return await self._act("preset.restored", "channel", channel_id, actor, _restore, channel_id, actor, number)

    async def set_home(
        self, channel_id: str, *, actor: Actor, number: int | None, after_s: int = 60
    ) -> list[PresetRecord]:
        """Let the camera return to a preset by itself after so many seconds; None ends that. Return the presets.

        Errors: NOT_FOUND; CONFLICT `control.not_held`; UNAVAILABLE as the camera says.
        """
        held = self._use(channel_id, actor)
        if number is not None:
            await self._store.read(_preset, channel_id, number)
        await self._mover.perform(self._channel(channel_id), Home(number is not None, number or 1, after_s))
        return await self._store.run(_set_home, held.session, actor, number, after_s)

    async def read_presets(self, channel_id: str, *, actor: Actor) -> list[PresetRecord]:
        """Ask the camera which presets it knows and add those that are not in the list. Return the presets.

        Errors: CONFLICT `control.not_held`; UNAVAILABLE as the camera says.
        """
        held = self._use(channel_id, actor)
        found = await self._mover.presets(self._channel(channel_id))
        pairs = tuple((preset.number, preset.name) for preset in found)
        return await self._store.run(_add_found, held.session, actor, pairs)

    # --- losing it ---

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): with its view, control ends."""
        for announcement in announcements:
            if announcement.type == "view.ended" and self._held and not self._ends.full():
                self._ends.put_nowait(announcement.subject_id)

    async def pass_ends(self) -> None:
        """End control of ended views, for ever."""
        while True:
            await self._end_of_view(await self._ends.get())

    async def _end_of_view(self, view_id: str) -> None:
        await self._end_where(lambda held: held.session.view_id == view_id, "view_ended")

    async def connection_ended(self, session_id: str) -> None:
        """End what a console held whose connection is gone."""
        await self._end_where(lambda held: held.session.session_id == session_id, "connection_lost")

    async def check(self) -> None:
        """End what was not used for the lease or whose view is over; let cameras forget deleted presets."""
        now, moment = self._clock.monotonic(), self._clock.now()
        while self._unrecorded:
            await self._store.run(end, *self._unrecorded[0])
            del self._unrecorded[0]
        await self._end_where(lambda held: held.session.view_ends_at <= moment, "view_ended")
        await self._end_where(lambda held: held.lease_until <= now, "unused")
        for preset in await self._store.read(_to_forget):
            key = (preset.channel_id, preset.number)
            if self._not_before.get(key, 0.0) > now:
                continue
            try:
                channel = self._channel(preset.channel_id)
                await self._mover.perform(channel, PresetAct(PresetOp.DELETE, preset.number))
            except TocsinError:
                self._not_before[key] = now + RETRY_S
                continue
            self._not_before.pop(key, None)
            await self._store.run(_forget, preset)

    async def start(self) -> None:
        """End in the books what an earlier run left open; what moved then was stopped by its dead-man time."""
        await self._store.run(_end_leftovers)

    async def stop(self) -> None:
        """Stop every camera and end every session."""
        await self._end_where(lambda held: True, "stopped")

    async def _end_where(self, is_meant: Callable[[_Held], bool], reason: str) -> None:
        for held in [held for held in self._held.values() if is_meant(held)]:
            await self._end(held, reason, SYSTEM)

    async def _end(self, held: _Held, reason: str, by: ActorRef) -> None:
        """Stop the camera first, then keep the record: a store that fails leaves no camera turning."""
        channel_id = held.session.channel_id
        if self._held.get(channel_id) is not held:
            return
        del self._held[channel_id]
        if held.moving_since is not None:
            passed_s = self._clock.monotonic() - held.moving_since
            held.session.tally.moved_ms += round(min(passed_s, DEAD_MAN_S) * 1000)
            await self._stand_still(channel_id)
        try:
            await self._store.run(end, held.session, reason, by)
        except TocsinError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            self._unrecorded.append((held.session, reason, by))

    async def _stand_still(self, channel_id: str) -> None:
        channel = self._channels.channel(channel_id)
        if channel is not None:
            await self._mover.stop(channel)

    def _use(self, channel_id: str, actor: Actor) -> _Held:
        """Return the actor's session and renew its lease. Errors: CONFLICT `control.not_held`."""
        held = self._held.get(channel_id)
        if held is None or held.session.user_id != actor.id or held.session.view_ends_at <= self._clock.now():
            holder = held.session.user_name if held is not None and held.session.user_id != actor.id else ""
            raise TocsinError(
                ErrorCode.CONFLICT, "take control of the camera first", key="control.not_held", holder=holder
            )
        held.lease_until = self._clock.monotonic() + self._lease_s
        return held

    def _channel(self, channel_id: str) -> Channel:
        channel = self._channels.channel(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera is not registered", key="control.device_offline")
        return channel


def _read(
    tx: Any, channel_id: str, actor: Actor, held: ControlSession | None, view_id: str
) -> tuple[Any, list[PresetRecord], bool]:
    channel = tx.devices.channel(channel_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    is_before = held is not None and may_take_over(tx, held, view_id, actor)
    return channel, tx.control.presets(channel_id), is_before


def _all_presets(tx: Any, channel_id: str) -> list[PresetRecord]:
    found: list[PresetRecord] = tx.control.presets(channel_id, with_deleted=True)
    return found


def _preset(tx: Any, channel_id: str, number: int) -> PresetRecord:
    found: PresetRecord = tx.control.preset(channel_id, number)
    if found.deleted_at is not None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no preset {number}")
    return found


def _governed(tx: Any, channel_id: str, actor: Actor) -> str:
    """Return the jurisdiction of a channel whose presets the actor may change. Errors: NOT_FOUND, FORBIDDEN."""
    channel = channel_of(tx, channel_id)
    guard(actor, CONTROL, "channel", channel.id, channel.jurisdiction_code)
    return channel.jurisdiction_code


def _fact(kind: Any, channel_id: str, code: str, at: datetime, actor: ActorRef, preset: PresetRecord) -> Any:
    return kind(
        subject_id=channel_id,
        at=at,
        jurisdiction_code=code,
        actor=actor,
        number=preset.number,
        name=preset.name or preset.name_en,
    )


def _save_preset(tx: Any, session: ControlSession, actor: Actor, number: int, name: str, name_en: str) -> PresetRecord:
    known = {preset.number: preset for preset in _all_presets(tx, session.channel_id)}.get(number)
    wanted = PresetRecord(session.channel_id, number, name, name_en)
    if known is not None:
        wanted = replace(known, name=name, name_en=name_en, deleted_at=None, version=known.version + 1)
    tx.control.save_preset(wanted)
    tx.record(_fact(events.PresetSaved, session.channel_id, session.jurisdiction_code, tx.now, actor.ref, wanted))
    return wanted


def _rename(tx: Any, channel_id: str, actor: Actor, number: int, version: int, name: str, name_en: str) -> PresetRecord:
    code, known = _governed(tx, channel_id, actor), _preset(tx, channel_id, number)
    check_version("preset", str(number), known.version, version)
    renamed = replace(known, name=name, name_en=name_en, version=known.version + 1)
    tx.control.save_preset(renamed)
    tx.record(_fact(events.PresetRenamed, channel_id, code, tx.now, actor.ref, renamed))
    return renamed


def _delete(tx: Any, channel_id: str, actor: Actor, number: int, version: int) -> None:
    code, known = _governed(tx, channel_id, actor), _preset(tx, channel_id, number)
    check_version("preset", str(number), known.version, version)
    if known.is_home:
        raise TocsinError(ErrorCode.CONFLICT, "the preset is the home position", key="control.preset_is_home")
    tx.control.save_preset(replace(known, deleted_at=tx.now, version=known.version + 1))
    tx.record(_fact(events.PresetDeleted, channel_id, code, tx.now, actor.ref, known))


def _restore(tx: Any, channel_id: str, actor: Actor, number: int) -> PresetRecord:
    code = _governed(tx, channel_id, actor)
    known: PresetRecord = tx.control.preset(channel_id, number)
    restored = replace(known, deleted_at=None, version=known.version + 1)
    tx.control.save_preset(restored)
    tx.record(_fact(events.PresetRestored, channel_id, code, tx.now, actor.ref, restored))
    return restored


def _set_home(tx: Any, session: ControlSession, actor: Actor, number: int | None, after_s: int) -> list[PresetRecord]:
    for preset in _all_presets(tx, session.channel_id):
        is_home = preset.number == number
        if is_home or preset.is_home:
            tx.control.save_preset(
                replace(preset, is_home=is_home, home_after_s=after_s if is_home else 0, version=preset.version + 1)
            )
    tx.record(
        events.HomeSet(
            subject_id=session.channel_id,
            at=tx.now,
            jurisdiction_code=session.jurisdiction_code,
            actor=actor.ref,
            number=number or 0,
            after_s=after_s if number is not None else 0,
        )
    )
    found: list[PresetRecord] = tx.control.presets(session.channel_id)
    return found


def _add_found(tx: Any, session: ControlSession, actor: Actor, pairs: Sequence[tuple[int, str]]) -> list[PresetRecord]:
    known = {preset.number for preset in _all_presets(tx, session.channel_id)}
    new = [PresetRecord(session.channel_id, number, name or str(number), "") for number, name in pairs]
    added = [preset for preset in new if preset.number not in known]
    for preset in added:
        tx.control.save_preset(preset)
    tx.record_many(
        _fact(events.PresetSaved, session.channel_id, session.jurisdiction_code, tx.now, actor.ref, preset)
        for preset in added
    )
    found: list[PresetRecord] = tx.control.presets(session.channel_id)
    return found


def _to_forget(tx: Any) -> list[PresetRecord]:
    found: list[PresetRecord] = tx.control.deleted_before(tx.now - timedelta(seconds=UNDO_S))
    return found


def _forget(tx: Any, preset: PresetRecord) -> None:
    tx.control.forget(preset)


def _reboot(tx: Any, session: ControlSession, actor: Actor) -> None:
    if not is_supervisor_of(actor, session.jurisdiction_code, session.channel_id):
        raise forbidden(Rule.NO_PERMISSION)
    tx.record(
        events.CameraRebooted(
            subject_id=session.channel_id,
            at=tx.now,
            jurisdiction_code=session.jurisdiction_code,
            actor=actor.ref,
            control_id=session.id,
        )
    )


def _end_leftovers(tx: Any) -> int:
    left: list[ControlSession] = tx.control.open()
    for session in left:
        end(tx, session, "restarted", SYSTEM)
    return len(left)
