"""The town of Hewan in a process of its own: its panels, cameras and crews, over the same protocols as real ones.

It reads `town.json`, which `tocsin demo` writes beside `demo.json` (addresses, keys and passwords; for its owner's eyes
alone). Crews drive where they were sent, and report only where they are: what they say by radio, the operator enters.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.geo import distance_m
from tocsin.base.ids import new_token
from tocsin.base.times import iso
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.history_sdp import HistoryWish
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_recordings import make_recordings
from tocsin.sim.camera_wire import Wire
from tocsin.sim.intercom_run import IntercomKeeper
from tocsin.sim.ip_town import IpCameraKeeper
from tocsin.sim.panel import CodeForm, PanelSpec, SimEvent, SimPanel
from tocsin.sim.panel_device import Outcome
from tocsin.sim.picture import PictureSender, PictureSpec, make_sender, sub_stream, take_still, warm_up
from tocsin.sim.radio import Radio, RadioError
from tocsin.sim.recording_picture import RecordingSender
from tocsin.sim.streets import Path as Way
from tocsin.sim.streets import Position, Streets, make_path

REDIAL_S: Final = 2.0
SIGN_OFF_S: Final = 2.0
STEP_S: Final = 2.0
LEAST_MOVE_M: Final = 2.0
RECORDED_FPS: Final = 12
WRITTEN_AFTER_S: Final = 1.0
CHINA_UTC_OFFSET_S: Final = 8 * 3600
ROUND_JITTER_S: Final = 45.0
DRIVING: Final = frozenset({"en_route"})
HALTED: Final = frozenset(
    {"on_scene", "staged", "at_facility", "emergency", "contact_lost", "out_of_service", "off_duty"}
)


@dataclass(slots=True)
class TownReport:
    """What the town did, for the last line of the command."""

    alarms_sent: int = 0
    alarms_acknowledged: int = 0
    alarms_refused: int = 0
    alarms_unanswered: int = 0
    ack_ms: list[float] = field(default_factory=list)
    registrations: int = 0
    pictures: int = 0
    fixes_sent: int = 0
    fixes_refused: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        ordered = sorted(self.ack_ms)
        figures = {"p50": ordered[len(ordered) // 2], "max": ordered[-1]} if ordered else {}
        return {
            "sent": self.alarms_sent,
            "acknowledged": self.alarms_acknowledged,
            "refused": self.alarms_refused,
            "no_reply": self.alarms_unanswered,
            "latency_ms": {name: round(value, 1) for name, value in figures.items()},
            "registrations": self.registrations,
            "pictures": self.pictures,
            "fixes_sent": self.fixes_sent,
            "fixes_refused": self.fixes_refused,
        }


def read_town(path: Path) -> dict[str, Any]:
    """Return the content of a `town.json`. Errors: INVALID when it is absent or no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TocsinError(
            ErrorCode.INVALID, f"cannot read {path}: {error}; `tocsin demo` writes it into its data folder"
        ) from error
    if not isinstance(content, dict):
        raise TocsinError(ErrorCode.INVALID, f"{path} does not hold a town")
    return content


class Town:
    """Runs the devices of one town file until told to end."""

    def __init__(self, town: Mapping[str, Any], clock: Clock, *, seed: int = 1, is_quiet: bool = False) -> None:
        self.report = TownReport()
        self._town = town
        self._clock = clock
        self._rng = random.Random(seed)
        self._seed = seed
        self._is_quiet = is_quiet
        self._panels = {given["key"]: _panel(given, clock) for given in town["panels"]}
        self._ip_cameras = [IpCameraKeeper(given, clock, seed) for given in town.get("ip_cameras", ())]
        self._intercoms = [IntercomKeeper(given, town["sip"], clock) for given in town.get("intercoms", ())]
        self._cameras = [CameraKeeper(given, town["sip"], clock, self.report, seed) for given in town["cameras"]]

    async def run(self, ended: asyncio.Event) -> None:
        """Connect everything, let things happen until `ended` is set, sign everything off."""
        work = [asyncio.create_task(camera.run(), name=f"camera {camera.gb_id}") for camera in self._cameras]
        work += [asyncio.create_task(camera.run(), name=f"camera {camera.key}") for camera in self._ip_cameras]
        work += [asyncio.create_task(one.run(), name=f"intercom {one.account}") for one in self._intercoms]
        address = self._town["dc09"]
        for given in self._town["panels"]:
            await self._panels[given["key"]].start(address["host"], address["port"], given["transport"])
        if self._town.get("units") and self._town.get("api"):
            crews = Crews(self._town, self._clock, self.report)
            work.append(asyncio.create_task(crews.run(), name="crews"))
        if not self._is_quiet:
            work.append(asyncio.create_task(self._play(), name="script"))
        warming = asyncio.create_task(warm_up([one for camera in self._cameras for one in camera.specs], self._clock))
        waiting = asyncio.create_task(ended.wait())
        try:
            done, _ = await asyncio.wait([waiting, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiting}:
                task.result()  # whatever ended before it was told to, failed
        finally:
            for task in (waiting, warming, *work):
                task.cancel()
            await asyncio.gather(waiting, warming, *work, return_exceptions=True)
            await asyncio.gather(*(camera.stop() for camera in self._ip_cameras))
            await asyncio.gather(*(camera.sign_off() for camera in self._cameras))
            await asyncio.gather(*(panel.stop() for panel in self._panels.values()))

    async def _play(self) -> None:
        """Raise the alarms of the script; later rounds come at other moments, from the seed."""
        script = self._town["script"]
        round_no = 0
        while True:
            began_s = self._clock.monotonic()
            late_s = self._rng.uniform(0, ROUND_JITTER_S) if round_no else 0.0
            for alarm in script["alarms"]:
                wait_s = began_s + late_s + alarm["at_s"] - self._clock.monotonic()
                if wait_s > 0:
                    await self._clock.sleep(wait_s)
                await self._raise(alarm)
            rest_s = began_s + script["repeat_s"] - self._clock.monotonic()
            if rest_s > 0:
                await self._clock.sleep(rest_s)
            round_no += 1

    async def _raise(self, alarm: Mapping[str, Any]) -> None:
        panel = self._panels[alarm["panel"]]
        while not panel.is_connected:
            await self._clock.sleep(0.2)
        self.report.alarms_sent += 1
        delivery = await panel.send_event(SimEvent(alarm["event"], zone=alarm.get("zone", "")))
        if delivery.outcome is Outcome.ACKNOWLEDGED:
            self.report.alarms_acknowledged += 1
            self.report.ack_ms.append(delivery.latency_ms)
        elif delivery.outcome is Outcome.REFUSED:
            self.report.alarms_refused += 1
        else:
            self.report.alarms_unanswered += 1


def _panel(given: Mapping[str, Any], clock: Clock) -> SimPanel:
    key = AesKey(bytes.fromhex(given["secret"])) if given.get("secret") else None
    return SimPanel(
        PanelSpec(
            account=given["account"],
            key=key,
            form=CodeForm(given.get("format", "sia")),
            poll_interval_s=float(given.get("poll_interval_s", 60.0)),
        ),
        clock,
    )


class CameraKeeper:
    """Keeps one simulated camera or recorder on a wire; dials again when the wire breaks."""

    def __init__(
        self, given: Mapping[str, Any], sip: Mapping[str, Any], clock: Clock, report: TownReport, seed: int
    ) -> None:
        self.gb_id = str(given["gb_id"])
        self._clock = clock
        self._report = report
        self._server = (str(sip["host"]), int(sip["port"]))
        self._transport = Transport(str(given.get("transport", "udp")))
        self._specs = _specs(given, seed)
        self._plan = CameraPlan(
            gb_id=self.gb_id,
            password=str(given["secret"]),
            server_id=str(sip["server_id"]),
            realm=str(sip["realm"]),
            channels=tuple(_item(given, channel) for channel in given["channels"]),
            keepalive_s=float(given.get("keepalive_s", 20.0)),
            version=str(given.get("version", "2.0")),
            quirks=frozenset(Quirk(word) for word in given.get("quirks", ())),
            recordings=make_recordings(
                [str(channel["gb_id"]) for channel in given["channels"]], clock.now(), seed=seed
            ),
            written_after_s=WRITTEN_AFTER_S,
        )
        self._camera: SimCamera | None = None
        self._wire: Wire | None = None

    @property
    def specs(self) -> Sequence[PictureSpec]:
        """The pictures of its channels."""
        return tuple(self._specs.values())

    async def _still(self, channel_gb_id: str) -> bytes:
        first = next(iter(self._specs))
        return await take_still(self._specs.get(channel_gb_id, self._specs[first]), self._clock)

    def _sender(self, channel_gb_id: str) -> PictureSender:
        self._report.pictures += 1
        first = next(iter(self._specs))
        return make_sender(self._specs.get(channel_gb_id, self._specs[first]), self._clock)

    def _recorder(
        self, channel_gb_id: str, wish: HistoryWish, files: Sequence[Recording], on_end: Callable[[bool], None]
    ) -> RecordingSender:
        first = next(iter(self._specs))
        spec = replace(self._specs.get(channel_gb_id, self._specs[first]), fps=RECORDED_FPS)
        restamps = Quirk.RESTAMPS_PLAYBACK in self._plan.quirks
        return RecordingSender(spec, self._clock, wish, files, on_end, restamps=restamps)

    def _sub_sender(self, channel_gb_id: str) -> PictureSender:
        self._report.pictures += 1
        first = next(iter(self._specs))
        return make_sender(sub_stream(self._specs.get(channel_gb_id, self._specs[first])), self._clock)

    async def run(self) -> None:
        """Register and answer for ever."""
        while True:
            wire = Wire(self._server, self._transport, self._clock)
            broken = asyncio.Event()
            wire.on_loss = broken.set
            try:
                await wire.open()
            except OSError:
                await self._clock.sleep(REDIAL_S)
                continue
            self._wire = wire
            self._camera = camera = SimCamera(
                self._plan, wire, self._clock, new_token, self._sender, self._recorder, self._sub_sender
            )
            camera.settings.still, camera.settings.paces = self._still, self._clock
            life = asyncio.create_task(camera.run())
            loss = asyncio.create_task(broken.wait())
            try:
                await asyncio.wait([life, loss], return_when=asyncio.FIRST_COMPLETED)
                if life.done():
                    life.result()
            finally:
                life.cancel()
                loss.cancel()
                await asyncio.gather(life, loss, return_exceptions=True)
                self._report.registrations += camera.report.registrations
            await camera.stop()
            await wire.close()
            await self._clock.sleep(REDIAL_S)

    async def sign_off(self) -> None:
        """End the calls and the registration; a server that is gone is not waited for."""
        if self._camera is not None and self._wire is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SIGN_OFF_S):
                    if self._wire.is_open and self._camera.is_registered:
                        await self._camera.sign_off()
            await self._camera.stop()
            await self._wire.close()


def _item(device: Mapping[str, Any], channel: Mapping[str, Any]) -> CatalogItem:
    return CatalogItem(
        gb_id=str(channel["gb_id"]),
        name=str(channel["name"]),
        manufacturer=str(device.get("maker", "")),
        model=str(device.get("model", "")),
        civil_code=str(device["gb_id"])[:6],
        parent_id=str(device["gb_id"]),
        is_online=True,
        lon=channel.get("lon"),
        lat=channel.get("lat"),
        ptz_type=channel.get("ptz_type"),
        stream_numbers=tuple(channel.get("stream_numbers", (0, 1))),
    )


def _specs(given: Mapping[str, Any], seed: int) -> dict[str, PictureSpec]:
    """Return the picture of each channel by its id: each has a street of its own, from the seed."""
    return {
        str(channel["gb_id"]): PictureSpec(
            seed=seed * 1_000 + int(str(given["gb_id"])[-4:]) * 16 + order,
            name=str(channel.get("name_en") or channel["name"]),
            codec=str(given.get("codec", "h264")),
            width=int(given.get("width", 640)),
            height=int(given.get("height", 360)),
            fps=int(given.get("fps", 25)),
            bitrate_bps=int(given.get("bitrate_bps", 1_000_000)),
            audio=bool(given.get("audio", False)),
            utc_offset_s=int(given.get("utc_offset_s", CHINA_UTC_OFFSET_S)),
        )
        for order, channel in enumerate(given["channels"])
    }


@dataclass(slots=True)
class _Crew:
    """One unit: its beat, where it is, and the way it is driving."""

    unit_id: str
    beat: Way
    speed_m_s: float
    walked_m: float
    way: Way | None = None
    driven_m: float = 0.0
    target: Position | None = None
    is_back: bool = False
    sent: Position | None = None

    @property
    def position(self) -> Position:
        return self.beat.round(self.walked_m) if self.way is None else self.way.at(self.driven_m)


class Crews:
    """Moves the units: along their beats, to an incident while they are en route, back to the beat afterwards."""

    def __init__(self, town: Mapping[str, Any], clock: Clock, report: TownReport) -> None:
        self._clock = clock
        self._report = report
        self._radio = Radio(town["api"]["url"], town["api"]["token"])
        streets = town.get("streets", {"nodes": [], "edges": []})
        self._streets = Streets(_positions(streets["nodes"]), [(a, b) for a, b in streets["edges"]])
        self._crews = [
            _Crew(
                unit_id=unit["id"],
                beat=make_path(_positions(unit["route"])),
                speed_m_s=float(unit["speed_kmh"]) / 3.6,
                walked_m=97.0 * index,
            )
            for index, unit in enumerate(town["units"])
        ]
        self._scenes: dict[str, Position | None] = {}

    async def run(self) -> None:
        """Look, move, report, for ever; a server that does not answer is asked again."""
        while True:
            try:
                listed = await self._radio.get("/api/v1/units?limit=200")
            except RadioError:
                await self._clock.sleep(STEP_S)
                continue
            states = {unit["id"]: unit for unit in listed["items"]}
            for crew in self._crews:
                unit = states.get(crew.unit_id)
                if unit is None:
                    continue
                try:
                    await self._step(crew, unit)
                except RadioError:
                    self._report.fixes_refused += 1
            await self._clock.sleep(STEP_S)

    async def _step(self, crew: _Crew, unit: Mapping[str, Any]) -> None:
        incident_id, state = unit.get("incident_id"), str(unit["state"])
        if incident_id and state in DRIVING:
            await self._head_for(crew, str(incident_id))
        elif not incident_id:
            self._head_back(crew)
        if state not in HALTED:
            self._advance(crew)
        await self._report_fix(crew)

    async def _head_for(self, crew: _Crew, incident_id: str) -> None:
        if incident_id not in self._scenes:
            incident = await self._radio.get(f"/api/v1/incidents/{incident_id}")
            place = incident.get("place") or {}
            has_fix = place.get("lon") is not None and place.get("lat") is not None
            self._scenes[incident_id] = (place["lon"], place["lat"]) if has_fix else None
        scene = self._scenes[incident_id]
        if scene is not None and crew.target != scene:
            crew.way, crew.driven_m, crew.target = self._streets.way(crew.position, scene), 0.0, scene
            crew.is_back = False

    def _head_back(self, crew: _Crew) -> None:
        if crew.target is None:
            return
        start = crew.beat.round(crew.walked_m)
        crew.way, crew.driven_m, crew.target = self._streets.way(crew.position, start), 0.0, None
        crew.is_back = True

    def _advance(self, crew: _Crew) -> None:
        if crew.way is None:
            crew.walked_m += crew.speed_m_s * STEP_S
            return
        crew.driven_m += crew.speed_m_s * 1.4 * STEP_S
        if crew.is_back and crew.driven_m >= crew.way.length_m:
            crew.way, crew.is_back = None, False

    async def _report_fix(self, crew: _Crew) -> None:
        position = crew.position
        if crew.sent is not None and distance_m(*crew.sent, *position) < LEAST_MOVE_M:
            return
        fix = {"lon": round(position[0], 6), "lat": round(position[1], 6), "fix_at": iso(self._clock.now())}
        await self._radio.post(f"/api/v1/units/{crew.unit_id}/fix", fix)
        crew.sent = position
        self._report.fixes_sent += 1


def _positions(points: Sequence[Sequence[float]]) -> list[Position]:
    return [(float(lon), float(lat)) for lon, lat in points]
