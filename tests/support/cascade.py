"""A lower platform with its registry and cameras, and simulated upper platforms, all on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.dc09 import WaitingIntake
from tests.support.gb28181 import PASSWORD, QUICK, LoopbackMedia, TinyRecorder, TinySender, eventually, words
from tests.support.registry import ADMINISTRATOR, HOUSE, make_house
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.vault import Vault
from tocsin.domain.cascade_service import CascadeService
from tocsin.domain.directory import Channel
from tocsin.domain.video import Endpoint, ForwardTarget, LiveState
from tocsin.gateways.gb28181 import Gb28181Gateway, GbConfig
from tocsin.gateways.gb28181_cascade import CascadeConfig, GbCascade
from tocsin.gateways.gb28181_cascade_control import CascadeControl
from tocsin.gateways.gb28181_recordings import SearchConfig
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.media.link_words import MediaEvents, StreamStats
from tocsin.media.playback import Playbacks
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_wire import Wire
from tocsin.sim.platform import PlatformPlan, SimPlatform
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store

LOCAL_ID = "34022300002000000001"
UPPER_ID = "34020000002000000001"
OTHER_UPPER_ID = "34010000002000000001"
RECORDER_ID = "34022300001180000001"
CHANNELS = make_channels(7, 3, "3402230000", RECORDER_ID)
SECRET = "Upper#2026"
DAY = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # midnight in Beijing
RECORDED = tuple(
    Recording(
        CHANNELS[0].gb_id,
        DAY + timedelta(minutes=30 * number),
        DAY + timedelta(minutes=30 * number + 30),
        file_path=f"/{number}",
        kind="alarm" if number == 4 else "time",
        recorder_id=RECORDER_ID,
        size_bytes=1000,
    )
    for number in range(5)
)


class LoopbackForwarder:
    """`Forwarder` that keeps what it was told; `live` is the state of every picture."""

    def __init__(self) -> None:
        self.live = LiveState("live")
        self.opened: dict[str, tuple[str, str, ForwardTarget, datetime]] = {}
        self.started: list[str] = []
        self.closed: list[str] = []

    async def open_forward(
        self, channel: Channel, *, forward_id: str, view_id: str, to: ForwardTarget, expires_at: datetime
    ) -> Endpoint:
        self.opened[forward_id] = (channel.id, view_id, to, expires_at)
        return Endpoint("127.0.0.1", 30_000)

    async def start_forward(self, channel_id: str, forward_id: str) -> None:
        if forward_id in self.closed:
            raise TocsinError(ErrorCode.UNAVAILABLE, "ended")
        self.started.append(forward_id)

    async def close_forward(self, channel_id: str, forward_id: str) -> None:
        self.closed.append(forward_id)

    def state(self, channel_id: str) -> LiveState:
        return self.live


class LoopbackLink(LoopbackMedia):
    """A media link that keeps what recordings ask of it; `record_at` is where every recording is."""

    def __init__(self) -> None:
        super().__init__()
        self.events = MediaEvents()
        self.forwards: dict[str, dict[str, Any]] = {}
        self.started: list[str] = []
        self.closed: list[str] = []
        self.acts: list[str] = []
        self.record_at: datetime | None = None

    async def ticket(self, **asked: Any) -> str:
        raise AssertionError("nobody here looks at it")

    def viewer_port(self, stream_id: str) -> int:
        return 0

    def last_stats(self, stream_id: str) -> StreamStats | None:
        if self.record_at is None:
            return None
        return StreamStats(stream_id, record_ms=round(self.record_at.timestamp() * 1000))

    async def steer(self, stream_id: str, act: str, **content: float) -> None:
        self.acts.append(act)

    async def save(self, stream_id: str, path: Path, max_bytes: int) -> None:
        raise AssertionError("nothing is kept")

    async def forward_open(self, **asked: Any) -> Endpoint:
        self.forwards[asked["forward_id"]] = asked
        self.events.on_viewer(asked["view_id"], asked["forward_id"], asked["stream_id"], "opened")
        return Endpoint("127.0.0.1", 30_002)

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        self.started.append(forward_id)

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        if forward_id not in self.closed:
            self.closed.append(forward_id)
            self.events.on_forward_ended(forward_id, "closed")


@dataclass
class LowerHouse:
    """A lower platform: registry, SIP, devices below, cascade above."""

    registry: Any
    sip: SipGateway
    gb: Gb28181Gateway
    cascade: GbCascade
    service: CascadeService
    forwarder: LoopbackForwarder
    media: LoopbackLink
    playbacks: Playbacks
    clock: SystemClock = field(default_factory=SystemClock)
    recorders: list[TinyRecorder] = field(default_factory=list)
    camera: SimCamera | None = None
    device_id: str = ""
    channels: list[Any] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    async def enter(self, platform: SimPlatform, **given: Any) -> str:
        """Enter an upper platform that shares county A; return its id."""
        made = await self.service.create(
            {
                "jurisdiction_id": self.registry.city.id,
                "name": "市局平台",
                "name_en": "City platform",
                "upper_id": platform.plan.gb_id,
                "host": "127.0.0.1",
                "port": platform.port,
                "local_id": LOCAL_ID,
                "password": platform.plan.password,
                "owner": "河湾县公安局",
                "purpose": "patrol",
                "ends_at": self.clock.now() + timedelta(days=30),
                "keepalive_s": 5,
                "rights": ["live", "ptz", "presets", "guard", "reset", "record"],
                "lines": [{"kind": "node", "value": self.registry.county_a.id}],
                **given,
            },
            actor=ADMINISTRATOR,
            now=self.clock.now(),
        )
        await self.cascade.reload()
        return made

    async def share(self, upper: str, *lines: tuple[str, str]) -> int:
        """Choose what is shared; county A by default."""
        wanted = lines or (("node", self.registry.county_a.id),)
        return await self.service.select(
            upper, [{"kind": kind, "value": value} for kind, value in wanted], actor=ADMINISTRATOR
        )

    async def views(self, upper: str) -> list[dict[str, Any]]:
        """Return what an upper platform opened."""
        return await self.service.history(upper, actor=ADMINISTRATOR)

    async def failed(self, upper: str, count: int = 1) -> list[tuple[object, object]]:
        """Return why and with which status so many asks failed: they are kept right after the answer left."""
        async with asyncio.timeout(5):
            while len(rows := await self.service.failures(upper, actor=ADMINISTRATOR)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return [(row["key"], row["status"]) for row in rows]

    async def audited(self) -> list[tuple[str, str]]:
        """Return action and outcome of every record."""
        return [tuple(map(str, pair)) for pair in await self.registry.audited()]


@asynccontextmanager
async def lower_house(tmp_path: Path, **config: Any) -> AsyncIterator[LowerHouse]:
    """A lower platform with one recorder of three cameras in service."""
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    schema.prepare(url)
    clock = SystemClock()
    store = make_store(url, clock, HeadsFile(tmp_path / "audit.heads"))
    await store.start()
    registry = await make_house(store, clock)
    sip = SipGateway(SipConfig(port=0, timers=QUICK), clock, words("l"))
    gb = Gb28181Gateway(
        sip,
        registry.directory,
        registry.reports,
        clock,
        intake=WaitingIntake(),
        nonce_secret=b"secret",
        config=GbConfig(
            server_id=LOCAL_ID,
            realm=LOCAL_ID[:10],
            query_catalog=False,
            subscribe_alarms=False,
            search=SearchConfig(first_s=0.4, idle_s=0.2),
            subscriptions_path=None,
        ),
    )
    service, forwarder = CascadeService(store, Vault(bytes(32))), LoopbackForwarder()
    control = CascadeControl(
        service,
        gb.control,
        clock,
        channel_of=registry.directory.channel,
        set_guard=lambda device_id, is_set: gb.set_guard(device_id, is_set=is_set),
        reset_alarm=gb.reset_alarm,
    )
    settings = {"debounce_s": 0.2, "start_grace_s": 0.0, "early_answer_s": 0.3, "picture_within_s": 1.5, **config}
    cascade = GbCascade(sip, service, clock, forwarder=forwarder, control=control, config=CascadeConfig(**settings))
    cascade.calls.channel_of = registry.directory.channel
    link = LoopbackLink()
    playbacks = Playbacks(link, gb.playback, clock, public_host="127.0.0.1")
    link.events.on_forward_ended = cascade.calls.forward_ended
    cascade.recordings.files, cascade.recordings.relay = gb.recordings, playbacks
    cascade.calls.gb_id_of = lambda device_id: entry.gb_id if (entry := registry.directory.sip_of(device_id)) else ""
    cascade.calls.ways = gb.calls.ways
    gb.uppers = cascade
    gb.on_alarm_kept(cascade.alarm_kept)
    gb.on_positions(cascade.positions.heard)
    house = LowerHouse(registry, sip, gb, cascade, service, forwarder, link, playbacks, clock)
    control.is_held = lambda channel_id: channel_id in house.held
    store.on_committed(cascade.hear)
    await sip.start()
    await gb.start()
    await cascade.start()
    await playbacks.start()
    wires: list[Wire] = []
    try:
        await _cameras(house, wires)
        yield house
    finally:
        await cascade.stop()
        await playbacks.stop()
        if house.camera is not None:
            await house.camera.stop()
        for wire in wires:
            await wire.close()
        await gb.stop()
        await sip.stop()
        await store.stop()


async def _cameras(house: LowerHouse, wires: list[Wire]) -> None:
    registry = house.registry
    device = await registry.devices.create(
        {
            "kind": "camera",
            "name": "第一小学录像机",
            "protocol": "gb28181",
            "address": {"gb_id": RECORDER_ID},
            "place_id": registry.school_a.id,
        },
        actor=HOUSE,
    )
    await registry.devices.set_secret(device.id, actor=HOUSE, password=PASSWORD)
    house.device_id = device.id
    await registry.directory.load()
    wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock, timers=QUICK)
    await wire.open()
    wires.append(wire)
    plan = CameraPlan(
        RECORDER_ID,
        PASSWORD,
        channels=CHANNELS,
        server_id=LOCAL_ID,
        realm=LOCAL_ID[:10],
        page_items=1,
        recordings=RECORDED,
    )

    def recorder(gb_id: str, wish: Any, files: Any, on_end: Any) -> TinyRecorder:
        made = TinyRecorder(wish, on_end)
        house.recorders.append(made)
        return made

    house.camera = SimCamera(plan, wire, house.clock, words("c"), lambda _: TinySender(), recorder)
    assert await house.camera.register()
    found = house.gb.table.get(RECORDER_ID)
    assert found is not None
    assert await house.gb.catalogs.read(found)
    await registry.cameras.commission(actor=ADMINISTRATOR, jurisdiction_id=registry.county_a.id)
    await settle(house)
    page = await registry.cameras.cameras(ADMINISTRATOR, stage="in_service")
    house.channels = sorted(page.items, key=lambda channel: channel.gb_id)
    assert len(house.channels) == 3


async def settle(house: LowerHouse) -> None:
    """Write down what was heard: who is on line."""
    await house.registry.reports.flush()
    await house.registry.supervision.check()
    await house.registry.supervision.settle()
    await house.registry.directory.load()


@asynccontextmanager
async def upper_platform(**plan: Any) -> AsyncIterator[SimPlatform]:
    """A simulated upper platform."""
    made = SimPlatform(
        PlatformPlan(**{"gb_id": UPPER_ID, "password": SECRET, **plan}), SystemClock(), words("u"), QUICK
    )
    await made.start()
    yield made
    await made.stop()


__all__ = ["LOCAL_ID", "UPPER_ID", "LowerHouse", "asyncio", "eventually", "lower_house", "settle", "upper_platform"]
