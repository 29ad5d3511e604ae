"""Moving cameras over GB/T 28181: each act a MESSAGE, and a stop that always leaves.

A movement lasts until stopped, so whatever moves has a dead-man time; every stop is sent twice; and what is still
being repeated of an earlier command is called back before the next one leaves, so that no late copy starts a camera
again. Source: GB/T 28181-2022, "Device control" and the table of commands and answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import control as asked
from tocsin.domain.control import DEAD_MAN_S, CameraPreset
from tocsin.domain.directory import Channel
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181 import control, ptz
from tocsin.protocols.gb28181.charset import label_for
from tocsin.protocols.gb28181.manscdp import Document

log = structlog.get_logger(__name__)

ANSWERS: Final = frozenset({control.DEVICE_CONTROL.lower(), control.PRESET_QUERY.lower()})
WINDOW: Final = (1920, 1080)
STILL: Final = asked.Move()


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """Seconds to wait for a SIP answer and for a Response, between the two stops, and how long a movement may last:
    longer than an answer may take, so that silence is told.
    """

    answer_within_s: float = 1.5
    response_within_s: float = 5.0
    stop_again_s: float = 0.25
    dead_man_s: float = DEAD_MAN_S


@dataclass(slots=True)
class _Moving:
    """A channel that moves until `due`, monotonic seconds."""

    channel: Channel
    move: asked.Move
    due: float


@dataclass(slots=True)
class _Question:
    """A document that waits for its Response."""

    gb_id: str
    sn: int
    command: str
    answer: asyncio.Future[Document] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class GbControl:
    """Moves the cameras of registered devices. Implements `CameraMover`."""

    def __init__(
        self,
        asker: Asker,
        table: DeviceTable,
        clock: Clock,
        *,
        charset_of: Callable[[str], str],
        config: ControlConfig,
    ) -> None:
        self._asker = asker
        self._table = table
        self._clock = clock
        self._charset_of = charset_of
        self._config = config
        self._moving: dict[str, _Moving] = {}
        self._sending: dict[str, set[asyncio.Task[Any]]] = {}
        self._questions: list[_Question] = []
        self._watches: set[asyncio.Task[None]] = set()

    @property
    def moving(self) -> int:
        """How many channels move."""
        return len(self._moving)

    async def perform(self, channel: Channel, act: asked.Act) -> None:
        """Return once the camera has taken it; a movement is renewed by the same movement and else ends by itself.

        Errors: UNAVAILABLE with the key of what failed.
        """
        if isinstance(act, asked.Move):
            await self._move(channel, act)
            return
        device = self._device(channel)
        if isinstance(act, asked.Aim) and not device.version.strip().startswith("3"):
            raise _unavailable("control.not_supported", "only devices of the 2022 edition take an angle")
        if _travels(act):
            if channel.id in self._moving:
                await self.stop(channel)
            self._call_back(channel.id)  # a second stop would end what begins now
        target = device.gb_id if isinstance(act, asked.Reboot) else channel.gb_id
        await self._tell(device, channel, target, _wire_of(act))

    async def stop(self, channel: Channel) -> None:
        """Send the stop, and once more; a silent camera is not waited for longer than an answer takes."""
        former = self._forget(channel.id)
        try:
            device = self._device(channel)
        except TocsinError:
            return  # it has left: there is nobody to tell
        has_lens = former is not None and bool(former.move.focus or former.move.iris)
        stops: list[control.Control] = [control.Ptz(ptz.STOP)]
        if has_lens:
            stops.append(control.Ptz(ptz.LENS_STOP))
        self._start(channel.id, self._stop_again(device, channel, stops))
        try:
            for one in stops:
                if channel.id in self._moving:
                    return  # somebody began anew meanwhile
                await self._tell(device, channel, channel.gb_id, one)
        except TocsinError as error:
            log.warning("stop not confirmed", channel_id=channel.id, reason=error.key)

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        """Return the presets the camera knows. Errors: UNAVAILABLE with the key of what failed."""
        device = self._device(channel)
        question = _Question(device.gb_id, self._asker.next_sn(), control.PRESET_QUERY.lower())
        body = control.preset_query(question.sn, channel.gb_id, self._label(device))
        document = await self._ask(device, channel.gb_id, body, question)
        return tuple(CameraPreset(item.number, item.name) for item in control.read_presets(document))

    def take(self, device: RegisteredDevice, document: Document) -> bool:
        """Take a Response; one without a serial number answers the sole question of its kind. False: nobody asked."""
        command = document.cmd_type.lower()
        of_kind = [q for q in self._questions if q.gb_id == device.gb_id and q.command == command]
        found = [q for q in of_kind if q.sn == document.sn] or (of_kind if document.sn is None else [])
        if len(found) != 1:
            return False
        if not found[0].answer.done():
            found[0].answer.set_result(document)
        return True

    async def close(self) -> None:
        """Stop whatever moves, then end every task."""
        await asyncio.gather(*(self.stop(moving.channel) for moving in list(self._moving.values())))
        tasks: list[asyncio.Task[Any]] = [*self._watches, *(one for kept in self._sending.values() for one in kept)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _move(self, channel: Channel, move: asked.Move) -> None:
        if move.is_still:
            await self.stop(channel)
            return
        device = self._device(channel)
        due = self._clock.monotonic() + self._config.dead_man_s
        former = self._moving.get(channel.id)
        if former is not None and former.move == move:
            former.due = due
            return
        self._call_back(channel.id)
        moving = self._moving[channel.id] = _Moving(channel, move, due)
        if former is None:
            self._watch(moving.channel.id)
        for one in _wires_of_move(move, former.move if former is not None else STILL):
            if self._moving.get(channel.id) is not moving:
                return
            await self._tell(device, channel, channel.gb_id, one)

    def _watch(self, channel_id: str) -> None:
        task = asyncio.create_task(self._stop_when_due(channel_id), name=f"dead man {channel_id}")
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _stop_when_due(self, channel_id: str) -> None:
        while (moving := self._moving.get(channel_id)) is not None:
            left_s = moving.due - self._clock.monotonic()
            if left_s <= 0:
                log.warning("movement not renewed: stopped", channel_id=channel_id)
                await self.stop(moving.channel)
                return
            await self._clock.sleep(left_s)

    def _forget(self, channel_id: str) -> _Moving | None:
        self._call_back(channel_id)
        return self._moving.pop(channel_id, None)

    def _call_back(self, channel_id: str) -> None:
        """Cancel what is still being repeated to a channel."""
        for task in self._sending.get(channel_id, ()):
            task.cancel()

    async def _stop_again(self, device: RegisteredDevice, channel: Channel, stops: Sequence[control.Control]) -> None:
        await self._clock.sleep(self._config.stop_again_s)
        for one in stops:
            body = self._document(device, channel.gb_id, self._asker.next_sn(), one)
            await self._asker.message(device.peer, channel.gb_id, body)

    async def _tell(self, device: RegisteredDevice, channel: Channel, target: str, one: control.Control) -> None:
        sn = self._asker.next_sn()
        body = self._document(device, target, sn, one)
        if control.is_answered(one):
            question = _Question(device.gb_id, sn, control.DEVICE_CONTROL.lower())
            answer = await self._ask(device, target, body, question)
            if answer.root.get("Result").upper() != "OK":
                raise _unavailable("control.failed", "the camera says it could not do it")
            return
        task = self._start(channel.id, self._send(device, target, body))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_being_cancelled():
                return  # a later command took its place
            raise

    async def _ask(self, device: RegisteredDevice, target: str, body: bytes, question: _Question) -> Document:
        self._questions.append(question)
        try:
            await self._send(device, target, body)
            async with asyncio.timeout(self._config.response_within_s):
                return await question.answer
        except TimeoutError:
            raise _unavailable(
                "control.no_response",
                "the camera took the command and did not say what became of it",
                waited_s=f"{self._config.response_within_s:g}",
            ) from None
        finally:
            self._questions.remove(question)

    async def _send(self, device: RegisteredDevice, target: str, body: bytes) -> None:
        """Send a MESSAGE. Errors: UNAVAILABLE when nobody answered in time or the answer is a refusal."""
        answer = None
        try:
            async with asyncio.timeout(self._config.answer_within_s):
                answer = await self._asker.message(device.peer, target, body)
        except TimeoutError:
            pass
        if answer is None:
            waited_s = f"{self._config.answer_within_s:g}"
            raise _unavailable("control.no_answer", f"the camera did not answer in {waited_s} s", waited_s=waited_s)
        if answer.status >= 300:
            raise _unavailable("control.refused", f"the camera refused: {answer.status}", status=answer.status)

    def _start(self, channel_id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._sending.setdefault(channel_id, set()).add(task)
        task.add_done_callback(lambda done: self._done(channel_id, done))
        return task

    def _done(self, channel_id: str, task: asyncio.Task[Any]) -> None:
        kept = self._sending.get(channel_id, set())
        kept.discard(task)
        if not kept:
            self._sending.pop(channel_id, None)
        if not task.cancelled():
            task.exception()  # told to whoever waits; the second stop has nobody

    def _document(self, device: RegisteredDevice, target: str, sn: int, one: control.Control) -> bytes:
        return control.control_document(sn, target, one, version=device.version, label=self._label(device))

    def _label(self, device: RegisteredDevice) -> Any:
        return label_for(device.version, self._charset_of(device.gb_id))

    def _device(self, channel: Channel) -> RegisteredDevice:
        device = self._table.by_id(channel.device_id)
        if device is None:
            raise _unavailable("control.device_offline", "the camera is not registered")
        return device


def _wires_of_move(move: asked.Move, former: asked.Move) -> list[control.Control]:
    """Return what to send: the turn, and the lens only when it moves or just moved."""
    wires: list[control.Control] = []
    turn = ptz.Move(_speed(move.pan), _speed(move.tilt), _speed(move.zoom, ptz.MAX_ZOOM_SPEED))
    lens = ptz.Lens(_speed(move.focus), _speed(move.iris))
    if turn != ptz.STOP or former.pan or former.tilt or former.zoom:
        wires.append(control.Ptz(turn))
    if lens != ptz.LENS_STOP or former.focus or former.iris:
        wires.append(control.Ptz(lens))
    return wires


def _travels(act: asked.Act) -> bool:
    """Say whether an act makes the camera go somewhere by itself: a movement under way ends with it."""
    match act:
        case asked.PresetAct(op):
            return op is asked.PresetOp.CALL
        case asked.Cruise(op):
            return op is asked.CruiseOp.START
        case asked.Scan(op):
            return op is asked.ScanOp.START
        case _:
            return isinstance(act, asked.DragZoom | asked.Aim)


def _speed(share: float, most: int = ptz.MAX_SPEED) -> int:
    """Return the speed of a share of the fastest; the slowest is still a movement."""
    speed = round(min(1.0, abs(share)) * most)
    return (1 if share > 0 else -1) * max(1, speed) if share else 0


def _wire_of(act: asked.Act) -> control.Control:
    """Return the document's part of an act that is no movement."""
    match act:
        case asked.PresetAct(op, number):
            return control.Ptz(ptz.Preset(_PRESET_OPS[op], number))
        case asked.Switch(number, is_on):
            return control.Ptz(ptz.Auxiliary(number, is_on))
        case asked.Home(is_on, preset, after_s):
            return control.HomePosition(is_on, after_s, preset)
        case asked.DragZoom():
            return _drag_of(act)
        case asked.Aim(pan_deg, tilt_deg, zoom):
            return control.PreciseAim(pan_deg, tilt_deg, zoom)
        case asked.Cruise():
            return control.Ptz(_cruise_of(act))
        case asked.Scan(asked.ScanOp.SPEED, group, speed):
            return control.Ptz(ptz.ScanSpeed(group, speed))
        case asked.Scan(op, group):
            return control.Ptz(ptz.Scan(group, _SCAN_OPS[op]))
        case asked.KeyFrame():
            return control.KeyFrame()
        case asked.Reboot():
            return control.TeleBoot()
        case asked.Recording(is_on):
            return control.Record(is_on)
        case asked.Move():
            return control.Ptz(ptz.STOP)


def _drag_of(act: asked.DragZoom) -> control.DragZoom:
    length, width = WINDOW
    return control.DragZoom(
        act.is_in,
        length,
        width,
        round((act.x + act.width / 2) * length) if act.x + act.width <= 1 else round((act.x + 1) / 2 * length),
        round((act.y + act.height / 2) * width) if act.y + act.height <= 1 else round((act.y + 1) / 2 * width),
        max(1, round(min(act.width, 1 - act.x) * length)),
        max(1, round(min(act.height, 1 - act.y) * width)),
    )


def _cruise_of(act: asked.Cruise) -> ptz.PtzCommand:
    match act.op:
        case asked.CruiseOp.ADD | asked.CruiseOp.REMOVE:
            return ptz.CruisePoint(act.group, act.preset, act.op is asked.CruiseOp.ADD)
        case asked.CruiseOp.DELETE:
            return ptz.CruisePoint(act.group, 0, False)
        case asked.CruiseOp.SPEED:
            return ptz.CruiseSpeed(act.group, act.value)
        case asked.CruiseOp.DWELL:
            return ptz.CruiseDwell(act.group, act.value)
        case asked.CruiseOp.START:
            return ptz.CruiseStart(act.group)


_PRESET_OPS: Final = {
    asked.PresetOp.SET: ptz.PresetOp.SET,
    asked.PresetOp.CALL: ptz.PresetOp.CALL,
    asked.PresetOp.DELETE: ptz.PresetOp.DELETE,
}
_SCAN_OPS: Final = {
    asked.ScanOp.START: ptz.ScanOp.START,
    asked.ScanOp.LEFT: ptz.ScanOp.LEFT,
    asked.ScanOp.RIGHT: ptz.ScanOp.RIGHT,
}


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _unavailable(key: str, detail: str, **params: object) -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, detail, key=key, **params)
