"""Small real stand-ins for the neighbours of the SIP gateway: reports kept in lists, sockets that receive and send."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.support.dc09 import WaitingIntake
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.attempts import Attempt
from tocsin.domain.camera_tree import CatalogNode
from tocsin.domain.devices import CatalogEntry, CatalogResult, PositionReport
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.video import Endpoint
from tocsin.gateways.gb28181 import Gb28181Gateway, GbConfig
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.gateways.gb28181_recordings import SearchConfig
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.protocols.gb28181.catalog import CatalogAssembler
from tocsin.protocols.gb28181.history_sdp import HistoryWish
from tocsin.protocols.gb28181.mansrtsp import Play, Steered, Steering
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Timers, Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_wire import Wire

SERVER_ID = "34020000002000000001"
REALM = "3402000000"
PASSWORD = "Tocsin#2026"
QUICK = Timers(t1_s=0.05, t2_s=0.2)


def words(prefix: str = "w") -> Callable[[], str]:
    """Return a source of distinct words, long enough to be cut."""
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):06d}{prefix}".ljust(32, "0")


class Reports:
    """Keeps what the gateway reports."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.registrations: list[tuple[str, int, str, str]] = []
        self.departures: list[tuple[str, str]] = []
        self.knocks: list[str] = []
        self.sightings: list[tuple[str, datetime, str]] = []
        self.profile: dict[str, dict[str, str]] = {}
        self.catalogs: list[tuple[str, tuple[CatalogEntry, ...], bool]] = []
        self.directories_found: list[tuple[str, tuple[CatalogNode, ...], bool]] = []
        self.findings: list[tuple[str, str, str, str, bool]] = []
        self.positions_found: list[tuple[str, PositionReport]] = []
        self.learn: Callable[[str, dict[str, str]], None] | None = None

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        self.sightings.append((device_id, at, peer))

    def registered(
        self, device_id: str, at: datetime, expires_s: int, peer: str, transport: str, user_agent: str, version: str
    ) -> None:
        self.registrations.append((device_id, expires_s, peer, transport))

    def unregistered(self, device_id: str, at: datetime, reason: str, *, is_bound: bool = False) -> None:
        self.departures.append((device_id, reason))

    def pending(self, gb_id: str, at: datetime, peer: str, user_agent: str) -> None:
        self.knocks.append(gb_id)

    def attempt(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def learned(self, device_id: str, **profile: str) -> None:
        self.profile.setdefault(device_id, {}).update(profile)
        if self.learn is not None:
            self.learn(device_id, profile)

    def found(
        self,
        device_id: str,
        at: datetime,
        trait: str,
        value: str,
        evidence: str,
        *,
        is_proven: bool = True,
        **params: str | int,
    ) -> None:
        self.findings.append((device_id, trait, value, evidence, is_proven))
        self.learned(device_id, **{trait: value})

    def trait(self, device_id: str, trait: str) -> tuple[str, str, bool]:
        """Return value, evidence and whether it is proven, as last found."""
        return [one for one in self.findings if one[:2] == (device_id, trait)][-1][2:]

    def positions(self, device_id: str, found: Sequence[PositionReport]) -> None:
        self.positions_found += [(device_id, report) for report in found]

    async def catalog(self, device_id: str, items: Sequence[CatalogEntry], complete: bool) -> CatalogResult:
        self.catalogs.append((device_id, tuple(items), complete))
        return CatalogResult(added=len(items))

    async def directories(self, device_id: str, nodes: Sequence[CatalogNode], complete: bool) -> None:
        self.directories_found.append((device_id, tuple(nodes), complete))

    def last(self, kind: str) -> Attempt:
        return [attempt for attempt in self.attempts if attempt.kind == kind][-1]

    def keys(self, kind: str) -> list[str]:
        return [step.key for step in self.last(kind).steps]


class KnownDevices:
    """The part of the directory the gateway asks, filled by hand."""

    def __init__(self, *devices: SipDevice) -> None:
        self.devices = {device.gb_id: device for device in devices}
        self.channels: list[Channel] = []

    def sip_device(self, gb_id: str) -> SipDevice | None:
        return self.devices.get(gb_id)

    def channel_by_gb_id(self, device_id: str, gb_id: str) -> Channel | None:
        return next((found for found in self.channels_of(device_id) if found.gb_id == gb_id), None)

    def channels_of(self, device_id: str) -> Iterator[Channel]:
        return (found for found in self.channels if found.device_id == device_id)

    def change(self, gb_id: str, **fields: object) -> None:
        self.devices[gb_id] = replace(self.devices[gb_id], **fields)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, arrived: Callable[[bytes], None]) -> None:
        self._arrived = arrived

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._arrived(data)


@dataclass(slots=True)
class _Receiver:
    transport: str
    peer_ip: str | None
    event: asyncio.Event = field(default_factory=asyncio.Event)
    received: list[bytes] = field(default_factory=list)
    close: Callable[[], None] = lambda: None

    def arrived(self, data: bytes) -> None:
        self.received.append(data)
        self.event.set()


class LoopbackMedia:
    """`MediaPorts` on loopback sockets: receives bytes and says so."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.receivers: dict[str, _Receiver] = {}
        self.refuses = False

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
        if self.refuses:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no port free")
        await self.close_receiver(stream_id)
        self.opened.append(transport)
        receiver = self.receivers[stream_id] = _Receiver(transport, peer_ip)
        loop = asyncio.get_running_loop()
        port = 9
        if transport == "udp":
            made, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(receiver.arrived), local_addr=("127.0.0.1", 0)
            )
            receiver.close = made.close
            port = made.get_extra_info("sockname")[1]
        elif transport == "tcp_passive":

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while data := await reader.read(2000):
                    receiver.arrived(data)
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            receiver.close = server.close
            port = server.sockets[0].getsockname()[1]
        return Endpoint("127.0.0.1", port)

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        receiver = self.receivers[stream_id]
        reader, writer = await asyncio.open_connection(ip, port)
        receiver.close = writer.close

        async def read() -> None:
            while data := await reader.read(2000):
                receiver.arrived(data)

        self._reading = asyncio.create_task(read())

    async def first_packet(self, stream_id: str, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self.receivers[stream_id].event.wait()
        except TimeoutError:
            return False
        return True

    async def close_receiver(self, stream_id: str) -> None:
        receiver = self.receivers.pop(stream_id, None)
        if receiver is not None:
            self.closed.append(stream_id)
            receiver.close()


class TinySender:
    """`PictureSender` that sends one RTP-like packet with the SSRC it was given."""

    def __init__(self) -> None:
        self.ssrc = 0
        self.stopped = 0
        self._closers: list[Callable[[], None]] = []

    async def start_udp(self, ip: str, port: int, ssrc: int, *, local_port: int | None = None) -> int:
        self.ssrc = ssrc
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", local_port or 0))
        made.sendto(self._packet(), (ip, port))
        self._closers.append(made.close)
        return int(made.getsockname()[1])

    async def start_tcp_active(self, ip: str, port: int, ssrc: int) -> int:
        self.ssrc = ssrc
        _, writer = await asyncio.open_connection(ip, port)
        writer.write(self._packet())
        self._closers.append(writer.close)
        return int(writer.get_extra_info("sockname")[1])

    async def start_tcp_passive(self, ssrc: int) -> int:
        self.ssrc = ssrc

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(self._packet())
            self._closers.append(writer.close)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._closers.append(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self.stopped += 1
        for close in self._closers:
            close()

    def _packet(self) -> bytes:
        return b"\x80\x60\x00\x01" + bytes(4) + self.ssrc.to_bytes(4, "big") + b"\x00\x00\x01\xba"


class TinyRecorder(TinySender):
    """A sender of a recording that keeps what it is told and ends files when the test says so."""

    def __init__(self, wish: HistoryWish, end_file: Callable[[bool], None]) -> None:
        super().__init__()
        self.wish = wish
        self.end_file = end_file
        self.real_scale: float | None = None
        self.told: list[Steering] = []

    def steer(self, steering: Steering) -> Steered:
        self.told.append(steering)
        if isinstance(steering, Play):
            return Steered(200, scale=self.real_scale or steering.scale, npt_s=steering.npt_s)
        return Steered(200)


class House:
    """A SIP server with its neighbours, and cameras that connect to it, all on loopback."""

    def __init__(self, *devices: SipDevice, port: int = 0, timers: Timers = QUICK, **config: object) -> None:
        self.clock = SystemClock()
        self.reports = Reports()
        self.directory = KnownDevices(*devices)
        self.media = LoopbackMedia()
        self.intake = WaitingIntake()
        self.sip = SipGateway(SipConfig(port=port, timers=timers), self.clock, words("s"))
        live = LiveConfig(answer_within_s=0.6, media_within_s=0.4, connect_pause_s=0.01)
        options = {
            "query_catalog": False,
            "subscribe_alarms": False,
            "live": live,
            "server_id": SERVER_ID,
            "realm": REALM,
            "search": SearchConfig(first_s=0.4, idle_s=0.2),
            **config,
        }
        self.gb = Gb28181Gateway(
            self.sip,
            self.directory,  # type: ignore[arg-type]
            self.reports,
            self.clock,
            intake=self.intake,
            nonce_secret=b"secret",
            config=GbConfig(**options),  # type: ignore[arg-type]
        )
        self.gb.catalogs._assembler = CatalogAssembler(
            first_s=6.0, idle_s=3.0
        )  # a test that fails need not take a minute
        self.senders: list[TinySender] = []
        self.reports.learn = self._learn
        self._wires: list[Wire] = []
        self._cameras: list[SimCamera] = []

    async def __aenter__(self) -> House:
        await self.sip.start()
        await self.gb.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        for camera in self._cameras:
            await camera.stop()
        for wire in self._wires:
            await wire.close()
        await self.gb.stop()
        await self.sip.stop()
        for stream_id in list(self.media.receivers):
            await self.media.close_receiver(stream_id)

    async def camera(self, plan: CameraPlan, transport: Transport = Transport.UDP, *, loss: float = 0.0) -> SimCamera:
        """Return a camera on a wire of its own, which loses a share of the datagrams."""
        wire = Wire(("127.0.0.1", self.sip.port), transport, self.clock, timers=QUICK, loss=loss)
        await wire.open()
        self._wires.append(wire)
        camera = SimCamera(plan, wire, self.clock, words(f"c{len(self._cameras)}"), self._sender, self._recorder)
        self._cameras.append(camera)
        return camera

    def _sender(self, channel_id: str) -> TinySender:
        self.senders.append(TinySender())
        return self.senders[-1]

    def _recorder(
        self, channel_id: str, wish: HistoryWish, files: Sequence[Recording], on_end: Callable[[bool], None]
    ) -> TinyRecorder:
        self.senders.append(TinyRecorder(wish, on_end))
        return self.senders[-1]  # type: ignore[return-value]

    def _learn(self, device_id: str, profile: dict[str, str]) -> None:
        for gb_id, device in self.directory.devices.items():
            if device.device_id == device_id and "charset" in profile:
                self.directory.change(gb_id, charset=profile["charset"])
            if device.device_id == device_id and "media_ladder" in profile:
                self.directory.change(gb_id, media_ladder=tuple(profile["media_ladder"].split(",")))
            for name in ("sdp_variant", "call_target", "date_form", "signalling", "record_uri"):
                if device.device_id == device_id and name in profile:
                    self.directory.change(gb_id, **{name: profile[name]})


def channel_of(device: SipDevice, gb_id: str) -> Channel:
    """Return a channel of a device."""
    return Channel(id=f"channel-{gb_id[-4:]}", device_id=device.device_id, gb_id=gb_id)


async def eventually(condition: Callable[[], bool], timeout_s: float = 3.0) -> None:
    """Wait for something that other tasks bring about; AssertionError when it does not come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError("it did not happen") from None
