"""What upper platforms order: the right, the record, then the act; whoever moves a camera here goes before them.

A movement ordered from above lasts until their stop. It is renewed for them, 20 s at the most, so that a stop that got
lost, or a platform that fell silent, leaves no camera turning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain import control as asked
from tocsin.domain.cascade import Catalogue, Upper, Verb
from tocsin.domain.cascade_service import CascadeService, refused
from tocsin.domain.control import CameraMover
from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181 import control, ptz
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.control import BadControl, PresetItem, preset_response, read_control
from tocsin.protocols.gb28181.manscdp import Document, result_response

log = structlog.get_logger(__name__)

RENEW_S: Final = 1.0
LONGEST_MOVE_S: Final = 20.0
RECORD_AGAIN_S: Final = 30.0


@dataclass(slots=True)
class _Moving:
    """A camera an upper platform moves."""

    upper: str
    priority: int
    task: asyncio.Task[None]


class CascadeControl:
    """Carries out orders of upper platforms."""

    def __init__(
        self,
        service: CascadeService,
        mover: CameraMover,
        clock: Clock,
        *,
        channel_of: Callable[[str], Channel | None],
        set_guard: Callable[[str, bool], Awaitable[CommandOutcome]],
        reset_alarm: Callable[[str, str], Awaitable[CommandOutcome]],
    ) -> None:
        """Guard takes a device id, reset a device and its source. `is_held`: whether somebody here moves a channel."""
        self._service = service
        self._mover = mover
        self._clock = clock
        self._channel_of = channel_of
        self.is_held: Callable[[str], bool] = lambda channel_id: False
        self._set_guard = set_guard
        self._reset_alarm = reset_alarm
        self._moving: dict[str, _Moving] = {}
        self._recorded: dict[tuple[str, str], float] = {}

    async def obey(
        self, upper: Upper, catalogue: Catalogue, document: Document, identity: str, label: Label
    ) -> tuple[int, bytes | None]:
        """Do it; return the SIP status and the Response to send, if the standard has one for this order."""
        is_answered = wire.expects_response(document)
        status, is_done = await self._obey(upper, catalogue, document, identity)
        if not is_answered:
            return status, None
        body = result_response(document.cmd_type, document.sn or 0, document.device_id, is_ok=is_done, label=label)
        return 200, body

    async def presets(self, upper: Upper, catalogue: Catalogue, document: Document, label: Label) -> bytes:
        """Return the presets of a camera as an upper platform reads them; none without the right."""
        item = catalogue.by_exported.get(document.device_id)
        channel = self._channel_of(item.channel_id) if item is not None and item.channel_id else None
        found: list[PresetItem] = []
        if channel is not None and upper.may(Verb.PRESETS):
            try:
                found = [PresetItem(one.number, one.name) for one in await self._mover.presets(channel)]
            except TocsinError as error:
                log.info("presets not told", channel_id=channel.id, reason=error.key)
        return preset_response(document.sn, document.device_id, found, label)

    async def stop(self) -> None:
        """Stop whatever upper platforms move."""
        for channel_id in list(self._moving):
            await self._stop_moving(channel_id)

    async def _obey(self, upper: Upper, catalogue: Catalogue, document: Document, identity: str) -> tuple[int, bool]:
        needed = wire.verb_of(document)
        verb = Verb(needed.value) if needed is not None else None
        item = catalogue.by_exported.get(document.device_id)
        if item is None or not item.channel_id:
            return 404, False
        channel = self._channel_of(item.channel_id)
        if verb is None:
            await self._service.note_refusal(upper.id, "upper.acted", item.channel_id, "cascade.no_right", identity)
            return 403, False
        code = document.root.child("PTZCmd")
        if code is not None and not wire.has_valid_checksum(code.text):
            return 400, False
        order = read_control(document)
        is_stop = isinstance(order, control.Ptz) and order.command in (ptz.STOP, ptz.LENS_STOP)
        if is_stop and channel is not None:
            moving = self._moving.get(channel.id)
            if moving is not None and moving.upper == upper.id:
                await self._stop_moving(channel.id)
            return 200, True
        if channel is None:
            return 480, False
        try:
            await self._record(upper, channel.id, verb, _name_of(document), identity)
            return await self._perform(upper, channel, verb, document, order)
        except TocsinError as error:
            log.info("order from above not carried out", channel_id=channel.id, reason=error.key or error.detail)
            if error.key.startswith("cascade."):
                await self._service.note_refusal(upper.id, "upper.acted", channel.id, error.key, identity)
                return 403, False
            return 480, False

    async def _record(self, upper: Upper, channel_id: str, verb: Verb, act: str, identity: str) -> None:
        """Record the act before it is done; a row of movements is one record in half a minute."""
        key, now = (upper.id, channel_id), self._clock.monotonic()
        if verb is Verb.PTZ and now - self._recorded.get(key, -1e9) < RECORD_AGAIN_S:
            return
        await self._service.note_act(upper.id, channel_id, verb, act, identity)
        if verb is Verb.PTZ:
            self._recorded[key] = now

    async def _perform(
        self, upper: Upper, channel: Channel, verb: Verb, document: Document, order: control.Control | BadControl
    ) -> tuple[int, bool]:
        if verb is Verb.GUARD:
            word = document.root.get("GuardCmd").lower()
            outcome = await self._set_guard(channel.device_id, word == "setguard")
            return 200, outcome in (CommandOutcome.DONE, CommandOutcome.UNCONFIRMED)
        if verb is Verb.RESET:
            outcome = await self._reset_alarm(channel.device_id, channel.gb_id)
            return 200, outcome in (CommandOutcome.DONE, CommandOutcome.UNCONFIRMED)
        if isinstance(order, BadControl):
            return 400, False
        act = act_of(order)
        moves = verb in (Verb.PTZ, Verb.PRESETS)
        if moves and self.is_held(channel.id):
            raise refused("cascade.held")
        priority = (order.priority or 0) if isinstance(order, control.Ptz) else 0
        moving = self._moving.get(channel.id)
        if moves and moving is not None and moving.upper != upper.id and moving.priority >= priority:
            raise refused("cascade.held")
        if isinstance(act, asked.Move):
            await self._begin(upper, channel, act, priority)
        else:
            await self._mover.perform(channel, act)
        return 200, True

    async def _begin(self, upper: Upper, channel: Channel, move: asked.Move, priority: int) -> None:
        former = self._moving.pop(channel.id, None)
        if former is not None:
            former.task.cancel()
        await self._mover.perform(channel, move)
        task = asyncio.create_task(self._renew(channel, move), name=f"move from above {channel.id}")
        self._moving[channel.id] = _Moving(upper.id, priority, task)

    async def _renew(self, channel: Channel, move: asked.Move) -> None:
        """Renew a movement until it is stopped, somebody here takes the camera, or its longest time has passed."""
        until = self._clock.monotonic() + LONGEST_MOVE_S
        try:
            while self._clock.monotonic() < until:
                await self._clock.sleep(RENEW_S)
                if self.is_held(channel.id):
                    return
                await self._mover.perform(channel, move)
            await self._mover.stop(channel)
        except TocsinError as error:
            log.info("movement from above ended", channel_id=channel.id, reason=error.key)
        finally:
            if (kept := self._moving.get(channel.id)) is not None and kept.task is asyncio.current_task():
                del self._moving[channel.id]

    async def _stop_moving(self, channel_id: str) -> None:
        moving = self._moving.pop(channel_id, None)
        channel = self._channel_of(channel_id)
        if moving is not None:
            moving.task.cancel()
            if channel is not None and not self.is_held(channel_id):
                await self._mover.stop(channel)


def act_of(order: control.Control) -> asked.Act:
    """Return an order in the words of the house; speeds keep their value to the bit when they go out again."""
    match order:
        case control.Ptz(command):
            return _act_of_ptz(command)
        case control.DragZoom() as drag:
            x = max(0.0, (drag.mid_x - drag.length_x / 2) / drag.window_length)
            y = max(0.0, (drag.mid_y - drag.length_y / 2) / drag.window_width)
            width, height = drag.length_x / drag.window_length, drag.length_y / drag.window_width
            return asked.DragZoom(drag.is_in, x, y, min(1.0, width), min(1.0, height))
        case control.HomePosition(is_on, after_s, preset):
            return asked.Home(is_on, preset, after_s)
        case control.KeyFrame():
            return asked.KeyFrame()
        case control.TeleBoot():
            return asked.Reboot()
        case control.Record(is_on):
            return asked.Recording(is_on)
        case control.PreciseAim(pan_deg, tilt_deg, zoom):
            return asked.Aim(pan_deg, tilt_deg, zoom)


def _act_of_ptz(command: ptz.PtzCommand) -> asked.Act:
    match command:
        case ptz.Move(pan, tilt, zoom):
            return asked.Move(pan / ptz.MAX_SPEED, tilt / ptz.MAX_SPEED, zoom / ptz.MAX_ZOOM_SPEED)
        case ptz.Lens(focus, iris):
            return asked.Move(focus=focus / ptz.MAX_SPEED, iris=iris / ptz.MAX_SPEED)
        case ptz.Preset(op, number):
            return asked.PresetAct(asked.PresetOp[op.name], number)
        case ptz.CruisePoint(group, preset, is_added):
            removed = asked.CruiseOp.REMOVE if preset else asked.CruiseOp.DELETE
            return asked.Cruise(asked.CruiseOp.ADD if is_added else removed, group, preset)
        case ptz.CruiseSpeed(group, speed):
            return asked.Cruise(asked.CruiseOp.SPEED, group, value=speed)
        case ptz.CruiseDwell(group, dwell_s):
            return asked.Cruise(asked.CruiseOp.DWELL, group, value=dwell_s)
        case ptz.CruiseStart(group):
            return asked.Cruise(asked.CruiseOp.START, group)
        case ptz.Scan(group, scan):
            return asked.Scan(asked.ScanOp[scan.name], group)
        case ptz.ScanSpeed(group, speed):
            return asked.Scan(asked.ScanOp.SPEED, group, speed)
        case ptz.Auxiliary(number, is_on):
            return asked.Switch(number, is_on)


def _name_of(document: Document) -> str:
    names = [child.name for child in document.root.children if child.name.lower() not in _HEAD]
    return names[0][:32] if names else ""


_HEAD: Final = frozenset({"cmdtype", "sn", "deviceid", "info"})
