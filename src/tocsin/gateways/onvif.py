"""ONVIF cameras: first contact, live pictures, moving, and whether they are there. Events are in `onvif_events`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import control as asked
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.control import DEAD_MAN_S, CameraPreset
from tocsin.domain.devices import CatalogEntry, DeviceReports
from tocsin.domain.directory import Channel, IpCamera
from tocsin.domain.streams import Stream, stream_id_of
from tocsin.domain.video import LiveSession, MediaPorts
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif_calls import SKEW_TOLD_S, CallFailed, OnvifCalls, make_http
from tocsin.gateways.onvif_events import EventPuller, Intake
from tocsin.gateways.rtsp import (
    CHECK_EVERY_S,
    CHECKS_AT_ONCE,
    EARLY_CHECKS,
    EARLY_EVERY_S,
    FIXED,
    REFUSED,
    UNTRUSTED,
    Cameras,
    open_pulled,
)
from tocsin.protocols.gb28181.timeline import Timeline
from tocsin.protocols.onvif import calls
from tocsin.protocols.onvif.soap import Element

log = structlog.get_logger(__name__)

MOVES: Final = 1  # PTZType of a dome
PRESET_NAME: Final = "tocsin-{number}"
LOOK_WITHIN_S: Final = 90.0


class CameraReports(DeviceReports, Protocol):
    """What is reported of a camera we call."""

    async def inputs(self, device_id: str, numbers: Sequence[str]) -> None:
        """Enter the alarm inputs of a camera as zones, those that are there already left as they are."""


class _Known:
    """A camera after its first contact."""

    def __init__(self, way: tuple[object, ...], reach: OnvifCalls) -> None:
        self.way = way
        self.reach = reach
        self.is_ready = False
        self.gone = ""  # why it counts as gone: a message key
        self.profiles: list[calls.Profile] = []
        self.puller: EventPuller | None = None
        self.stops: dict[str, asyncio.Task[None]] = {}
        self.lens: set[str] = set()

    @property
    def is_media2(self) -> bool:
        """True when the camera speaks Media 2 (profile T)."""
        return self.reach.is_media2


class OnvifGateway:
    """Live source, mover and keeper of ONVIF cameras."""

    def __init__(
        self, cameras: Cameras, reports: CameraReports, attempts: AttemptLog, intake: Intake, clock: Clock
    ) -> None:
        self._cameras = cameras
        self._reports = reports
        self._attempts = attempts
        self._intake = intake
        self._clock = clock
        self._http = make_http()
        self._known: dict[str, _Known] = {}
        self._gate = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._on_back: Callable[[str], None] = lambda device_id: None
        self.counts: dict[str, int] = {}

    def on_back(self, callback: Callable[[str], None]) -> None:
        """Call back when a camera that was silent answers again."""
        self._on_back = callback

    async def start(self) -> None:
        """Begin to look after the cameras."""
        if self._http.is_closed:
            self._http = make_http()
        self._task = asyncio.create_task(self._look_forever(), name="onvif cameras")

    def check(self) -> None:
        """Raise when it does not look after the cameras any more."""
        if self._task is None or self._task.done():
            raise RuntimeError("the cameras are not looked after any more")

    async def stop(self) -> None:
        """Give the cameras their subscriptions back and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        looks = list(self._looks.values())
        for look in looks:
            look.cancel()
        pullers = [known.puller.stop() for known in self._known.values() if known.puller is not None]
        await asyncio.gather(*looks, *pullers, return_exceptions=True)
        self._known.clear()
        await self._http.aclose()

    # --- looking after them ---

    async def look(self) -> None:
        """Look at every camera once; those entered or changed since get their first contact."""
        await asyncio.gather(*await self._begin_round())

    async def _begin_round(self) -> list[asyncio.Task[None]]:
        """Begin to look at every camera that is not being looked at: nobody waits for one that is slow."""
        cameras = [camera for camera in self._cameras.ip_cameras() if camera.protocol == "onvif"]
        for device_id in self._known.keys() - {camera.device_id for camera in cameras}:
            await self._forget(device_id)
        return [self._begin_look(camera) for camera in cameras if camera.device_id not in self._looks]

    def _begin_look(self, camera: IpCamera) -> asyncio.Task[None]:
        look = asyncio.create_task(self._look_alone(camera), name=f"onvif camera {camera.device_id}")
        self._looks[camera.device_id] = look
        look.add_done_callback(partial(self._looked, camera.device_id))
        return look

    def _looked(self, device_id: str, look: asyncio.Task[None]) -> None:
        if self._looks.get(device_id) is look:
            del self._looks[device_id]

    async def _look_alone(self, camera: IpCamera) -> None:
        """Look at a camera; whatever it does is its own matter."""
        async with self._gate:
            try:
                async with asyncio.timeout(LOOK_WITHIN_S):
                    await self._look_at(camera)
            except Exception as error:  # a strange camera must not end the round of the others
                self.counts["strange"] = self.counts.get("strange", 0) + 1
                log.error("onvif camera not understood", device_id=camera.device_id, error=repr(error)[:200])
                if (known := self._known.get(camera.device_id)) is not None and not known.is_ready:
                    self._note_failed(known, "camera.silent")

    async def try_now(self, device_id: str) -> bool:
        """Try a camera again because somebody asked: its password counts as new. Tell whether it is ready."""
        camera = self._cameras.ip_camera(device_id)
        if camera is None or camera.protocol != "onvif":
            return False
        await self._forget(device_id)
        self._reports.learned(device_id, credentials="")
        await self._begin_look(self._cameras.ip_camera(device_id) or camera)
        known = self._known.get(device_id)
        return known is not None and known.is_ready

    async def _look_forever(self) -> None:
        early = EARLY_CHECKS
        while True:
            await self._begin_round()
            is_early, early = early > 0 and any(known.gone for known in self._known.values()), early - 1
            due_s = self._clock.monotonic() + (EARLY_EVERY_S if is_early else CHECK_EVERY_S)
            while self._clock.monotonic() < due_s:
                await self._clock.sleep(1.0)
                cameras = [c for c in self._cameras.ip_cameras() if c.protocol == "onvif"]
                if any(c.device_id not in self._looks and self._is_new(c) for c in cameras):
                    break

    def _is_new(self, camera: IpCamera) -> bool:
        known = self._known.get(camera.device_id)
        return known is None or known.way != _way_to(camera)

    async def _forget(self, device_id: str) -> None:
        look = self._looks.get(device_id)
        if look is not None and look is not asyncio.current_task():
            look.cancel()
            await asyncio.gather(look, return_exceptions=True)
        known = self._known.pop(device_id, None)
        if known is not None and known.puller is not None:
            await known.puller.stop()

    async def _look_at(self, camera: IpCamera) -> None:
        if self._is_new(camera):
            if camera.device_id in self._known:
                await self._forget(camera.device_id)
                self._reports.learned(camera.device_id, credentials="")
                camera = self._cameras.ip_camera(camera.device_id) or camera
            known = self._known[camera.device_id] = _Known(_way_to(camera), OnvifCalls(camera, self._clock, self._http))
            await self._first_contact(known, camera)
            return
        known = self._known[camera.device_id]
        try:
            await known.reach.read_clock()
        except CallFailed as failed:
            self._note_failed(known, failed.key)
            return
        if not known.is_ready and not known.reach.is_refused and camera.credentials != REFUSED:
            await self._first_contact(known, camera)
        elif known.is_ready:
            self._note_seen(known)

    def _note_seen(self, known: _Known) -> None:
        camera = known.reach.camera
        self._reports.seen(camera.device_id, self._clock.now(), urlsplit(camera.url).netloc, "http")
        if known.gone:
            known.gone = ""
            self._on_back(camera.device_id)

    def _note_failed(self, known: _Known, key: str) -> None:
        """Say once that a camera is gone: silent, or one whose certificate nobody accepted."""
        reason = key if key in UNTRUSTED else "camera.silent"
        if known.gone != reason:
            known.gone = reason
            self._reports.unregistered(known.reach.camera.device_id, self._clock.now(), reason)

    async def _first_contact(self, known: _Known, camera: IpCamera) -> None:
        """Learn what the camera is and has, step by step; its password is given once."""
        timeline = self._attempts.begin()
        timeline.ok("camera.asked", self._clock.monotonic(), host=urlsplit(camera.url).netloc)
        is_ok = False
        try:
            if camera.credentials == REFUSED:
                known.reach.is_refused = True
                raise CallFailed("camera.password_held_back")
            await self._learn(known, timeline)
            is_ok = True
        except CallFailed as failed:
            timeline.failed(failed.key, self._clock.monotonic(), **failed.params)
            if failed.key == "camera.wrong_password":
                self._reports.learned(camera.device_id, credentials=REFUSED)
                self._reports.unregistered(camera.device_id, self._clock.now(), "camera.wrong_password")
            elif failed.key == "camera.silent" or failed.key in UNTRUSTED:
                self._note_failed(known, failed.key)
        except Exception as error:  # what it said broke the reading: its attempt says so
            self.counts["strange"] = self.counts.get("strange", 0) + 1
            log.error("onvif camera not understood", device_id=camera.device_id, error=repr(error)[:200])
            timeline.failed("camera.not_understood", self._clock.monotonic(), reason=type(error).__name__)
        self._attempts.finish(AttemptKind.REGISTRATION, camera.device_id, timeline, is_ok=is_ok)
        if not is_ok:
            return
        known.is_ready = True
        self._reports.learned(camera.device_id, credentials="accepted")
        known.gone = "camera.silent"  # so that whoever waits for it hears
        self._note_seen(known)
        await self._reports.catalog(camera.device_id, self._entries(known), complete=True)
        if calls.DEVICE_IO in known.reach.services:
            with contextlib.suppress(CallFailed):
                answer = await known.reach.call(calls.GET_INPUTS, service=calls.DEVICE_IO)
                await self._reports.inputs(camera.device_id, calls.read_inputs(answer))
        if camera.takes_events and calls.EVENTS in known.reach.services:
            known.puller = EventPuller(
                known.reach, self._clock, self._intake, self._attempts, self._cameras, self.counts
            )
            known.puller.start()

    async def _learn(self, known: _Known, timeline: Timeline) -> None:
        reach, now = known.reach, self._clock.monotonic
        skew_s = await reach.read_clock()
        if abs(skew_s) > SKEW_TOLD_S:
            timeline.ok("camera.clock", now(), skew_s=round(skew_s))
        information = calls.read_information(await reach.call(calls.GET_INFORMATION))
        timeline.ok("camera.is", now(), maker=information.maker, model=information.model, firmware=information.firmware)
        self._reports.learned(
            reach.camera.device_id,
            maker=information.maker,
            model=information.model,
            firmware=information.firmware,
        )
        known.profiles = await reach.find_profiles()
        sources = {profile.source for profile in known.profiles}
        if not sources:
            raise CallFailed("camera.no_video")
        timeline.ok("camera.pictures", now(), count=len(sources))

    def _entries(self, known: _Known) -> list[CatalogEntry]:
        entries = []
        sources = list(dict.fromkeys(profile.source for profile in known.profiles))
        for number, source in enumerate(sources, start=1):
            moves = any(profile.has_ptz for profile in known.profiles if profile.source == source)
            # Profiles are called "main" or "Profile_1": who made it, and which picture it is, says more.
            label = known.reach.camera.name
            name = f"{label or source} {number}" if len(sources) > 1 else label or source
            kind = MOVES if moves and calls.PTZ in known.reach.services else FIXED
            entries.append(CatalogEntry(gb_id=source, name=name, is_online=True, ptz_type=kind))
        return entries

    # --- pictures ---

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = Stream.MAIN) -> LiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        known = self._ready(channel)
        main, sub = calls.streams_of(known.profiles, channel.gb_id)
        if stream == Stream.SUB and sub is None:
            raise _unavailable("play.no_sub_stream")
        chosen = sub if stream == Stream.SUB else main
        if chosen is None:
            raise _unavailable("camera.no_video")
        try:
            url = await known.reach.stream_url(chosen)
        except CallFailed as failed:
            raise _unavailable(failed.key, **failed.params) from failed
        camera = self._cameras.ip_camera(channel.device_id) or known.reach.camera
        stream_id = stream_id_of(channel.id, stream)
        return await open_pulled(stream_id, channel, camera, url, media, self._attempts, self._reports, self._clock)

    async def ask(self, channel: Channel, body: str, service: str) -> Element:
        """Return the answer of a camera to a question. Errors: UNAVAILABLE, as `CameraMover`."""
        return await self._say(self._ready(channel, key="control.device_offline"), body, service)

    def is_ready(self, device_id: str) -> bool:
        """Say whether the first contact with a camera is behind us."""
        known = self._known.get(device_id)
        return known is not None and known.is_ready

    def reach(self, channel: Channel) -> tuple[OnvifCalls, tuple[str, ...]]:
        """Return the way to a camera and the tokens of its sensors. Errors: UNAVAILABLE when it is not ready."""
        known = self._ready(channel, key="recording.device_offline")
        return known.reach, tuple(dict.fromkeys(profile.source for profile in known.profiles))

    def services(self, device_id: str) -> frozenset[str]:
        """Return the services a camera offers; none before its first contact."""
        known = self._known.get(device_id)
        return frozenset(known.reach.services) if known is not None and known.is_ready else frozenset()

    async def snapshot(self, channel: Channel, limit: int, within_s: float) -> tuple[str, bytes]:
        """Fetch a picture from the address the camera names, at the host people entered. Errors: CallFailed."""
        known = self._known.get(channel.device_id)
        if known is None or not known.is_ready:
            raise CallFailed("camera.not_ready")
        main, _ = calls.streams_of(known.profiles, channel.gb_id)
        if main is None:
            raise CallFailed("camera.no_video")
        is_media2 = known.is_media2
        question = calls.get_snapshot_uri(main.token, is_media2=is_media2)
        answer = await known.reach.call(question, service=calls.MEDIA2 if is_media2 else calls.MEDIA1)
        url = calls.at_host(calls.read_uri(answer), known.reach.camera.url)
        if not url.startswith("http"):
            raise CallFailed("camera.not_understood", reason="uri")
        return await known.reach.fetch(url, limit, within_s)

    # --- moving ---

    async def perform(self, channel: Channel, act: asked.Act) -> None:
        """Return once the camera has taken it; a movement ends by itself. Errors: UNAVAILABLE, as `CameraMover`."""
        known = self._ready(channel, key="control.device_offline")
        profile = self._head(known, channel)
        match act:
            case asked.Move():
                await self._move(known, channel, profile, act)
            case asked.PresetAct(op, number):
                await self._preset(known, profile, op, number)
            case asked.Switch(1, is_on):
                await self._say(known, calls.auxiliary(profile, f"tt:Wiper|{'On' if is_on else 'Off'}"), calls.PTZ)
            case asked.Aim(pan_deg, tilt_deg, zoom):
                pan = ((pan_deg + 180) % 360 - 180) / 180
                await self._say(
                    known,
                    calls.absolute_move(profile, pan, max(-1.0, min(1.0, -tilt_deg / 90)), min(1.0, (zoom - 1) / 29)),
                    calls.PTZ,
                )
            case asked.KeyFrame():
                is_media2 = known.is_media2
                service = calls.MEDIA2 if is_media2 else calls.MEDIA1
                await self._say(known, calls.key_frame(profile, is_media2=is_media2), service)
            case asked.Reboot():
                await self._say(known, calls.REBOOT, calls.DEVICE)
            case _:
                raise _unavailable("control.not_supported")

    async def stop_moving(self, channel: Channel) -> None:
        """End every movement of a channel; never raises for a silent camera."""
        known = self._known.get(channel.device_id)
        if known is None or not known.is_ready:
            return
        with contextlib.suppress(TocsinError):
            await self._halt(known, channel, self._head(known, channel))

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        """Return the presets the camera knows. Errors: UNAVAILABLE."""
        known = self._ready(channel, key="control.device_offline")
        found = await self._list_presets(known, self._head(known, channel))
        return tuple(CameraPreset(number, preset.name) for number, preset in sorted(found.items()))

    async def _move(self, known: _Known, channel: Channel, profile: str, move: asked.Move) -> None:
        if move.is_still:
            await self._halt(known, channel, profile)
            return
        if move.iris:
            raise _unavailable("control.not_supported")
        self._arm_stop(known, channel, profile)
        if move.pan or move.tilt or move.zoom:
            await self._say(
                known, calls.continuous_move(profile, move.pan, move.tilt, move.zoom, DEAD_MAN_S), calls.PTZ
            )
        if move.focus:
            known.lens.add(channel.id)
            await self._say(known, calls.focus_move(channel.gb_id, move.focus), calls.IMAGING)

    async def _halt(self, known: _Known, channel: Channel, profile: str) -> None:
        task = known.stops.pop(channel.id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if channel.id in known.lens:
            known.lens.discard(channel.id)
            await self._say(known, calls.focus_move(channel.gb_id, 0.0), calls.IMAGING)
        if calls.PTZ in known.reach.services:
            await self._say(known, calls.stop(profile), calls.PTZ)

    def _arm_stop(self, known: _Known, channel: Channel, profile: str) -> None:
        """Whatever moves is stopped when the movement is not renewed in time, even by cameras that know no time-out."""
        former = known.stops.pop(channel.id, None)
        if former is not None:
            former.cancel()

        async def later() -> None:
            await self._clock.sleep(DEAD_MAN_S)
            with contextlib.suppress(TocsinError):
                await self._halt(known, channel, profile)

        known.stops[channel.id] = asyncio.create_task(later(), name=f"dead man {channel.id}")

    async def _preset(self, known: _Known, profile: str, op: asked.PresetOp, number: int) -> None:
        found = (await self._list_presets(known, profile)).get(number)
        if op is asked.PresetOp.SET:
            token = found.token if found is not None else ""
            await self._say(known, calls.set_preset(profile, PRESET_NAME.format(number=number), token), calls.PTZ)
        elif found is not None:
            make = calls.goto_preset if op is asked.PresetOp.CALL else calls.remove_preset
            await self._say(known, make(profile, found.token), calls.PTZ)
        elif op is asked.PresetOp.CALL:
            raise _unavailable("control.failed")

    async def _list_presets(self, known: _Known, profile: str) -> dict[int, calls.Preset]:
        """Return the camera's presets under our numbers: ours by name, then by a token that is one, then free ones."""
        listed = calls.read_presets(await self._say(known, calls.get_presets(profile), calls.PTZ))
        found: dict[int, calls.Preset] = {}
        rest: list[calls.Preset] = []
        for preset in listed:
            word = preset.name.removeprefix("tocsin-") if preset.name.startswith("tocsin-") else preset.token
            number = int(word) if word.isascii() and word.isdigit() and len(word) <= 3 else 0
            if 1 <= number <= asked.MAX_PRESETS and number not in found:
                found[number] = preset
            else:
                rest.append(preset)
        free = (number for number in range(1, asked.MAX_PRESETS + 1) if number not in found)
        for preset, number in zip(rest, list(free), strict=False):
            found[number] = preset
        return found

    async def _say(self, known: _Known, body: str, service: str) -> Element:
        try:
            return await known.reach.call(body, service=service)
        except CallFailed as failed:
            if failed.key == "camera.silent":
                raise _unavailable("control.no_answer", waited_s="8") from failed
            if failed.key == "camera.not_offered":
                raise _unavailable("control.not_supported") from failed
            raise _unavailable("control.refused", status=str(failed.params.get("reason", ""))) from failed

    def _head(self, known: _Known, channel: Channel) -> str:
        for profile in known.profiles:
            if profile.source == channel.gb_id and profile.has_ptz:
                return profile.token
        main, _ = calls.streams_of(known.profiles, channel.gb_id)
        if main is None:
            raise _unavailable("control.not_supported")
        return main.token

    def _ready(self, channel: Channel, key: str = "") -> _Known:
        known = self._known.get(channel.device_id)
        if known is None or not known.is_ready:
            is_refused = known is not None and known.reach.is_refused
            raise _unavailable(key or ("camera.password_held_back" if is_refused else "camera.not_ready"))
        return known


class OnvifMover:
    """The gateway as control knows it."""

    def __init__(self, gateway: OnvifGateway) -> None:
        self._gateway = gateway
        self.perform = gateway.perform
        self.presets = gateway.presets

    async def stop(self, channel: Channel) -> None:
        """End every movement of a channel."""
        await self._gateway.stop_moving(channel)


def _way_to(camera: IpCamera) -> tuple[object, ...]:
    return camera.url, camera.username, camera.password, camera.certificate, camera.takes_events


def _unavailable(key: str, **params: str | int) -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, key, key=key, **params)
