"""Pictures by every transport, codec, stream map and stream number: a simulated device, the gateway, a real worker."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tests.support.media import running_link
from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS, annex_b
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_wire import Wire

CHANNELS = make_channels(5, 1)
PAUSE_S = 0.005


class HandSender:
    """Sends hand-made pictures of a codec, each a key, with or without a stream map."""

    def __init__(self, codec: str, *, has_map: bool) -> None:
        self._codec = codec
        self._map = None if has_map else b""
        self._task: asyncio.Task[None] | None = None
        self._closers: list[Callable[[], None]] = []

    async def start_udp(self, ip: str, port: int, ssrc: int, *, local_port: int | None = None) -> int:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", local_port or 0))
        self._closers.append(made.close)
        self._start(ssrc, lambda packet: made.sendto(packet, (ip, port)))
        return int(made.getsockname()[1])

    async def start_tcp_active(self, ip: str, port: int, ssrc: int) -> int:
        _, writer = await asyncio.open_connection(ip, port)
        self._closers.append(writer.close)
        self._start(ssrc, lambda packet: writer.write(frame_packet(packet)))
        return int(writer.get_extra_info("sockname")[1])

    async def start_tcp_passive(self, ssrc: int) -> int:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._closers.append(writer.close)
            self._start(ssrc, lambda packet: writer.write(frame_packet(packet)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._closers.append(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for close in self._closers:
            close()

    def _start(self, ssrc: int, send: Callable[[bytes], object]) -> None:
        self._task = asyncio.create_task(self._play(ssrc, send))

    async def _play(self, ssrc: int, send: Callable[[bytes], object]) -> None:
        is_h264 = self._codec == "h264"
        muxer, cutter = Muxer(StreamType.H264 if is_h264 else StreamType.H265), Packetizer(ssrc)
        for number in itertools.count():
            body = b"<%06d>" % number + b"\x5a" * 1500
            picture = (
                annex_b(H264_SPS, H264_PPS, b"\x65\x88" + body)
                if is_h264
                else annex_b(H265_VPS, H265_SPS, H265_PPS, b"\x26\x01\xaf" + body)
            )
            stamp = number * 3600
            for packet in cutter.packetize(muxer.write_video(picture, stamp, is_key=True, stream_map=self._map), stamp):
                send(packet)
            await asyncio.sleep(PAUSE_S)


@pytest.mark.parametrize("ssrc", [None, Quirk.OTHER_SSRC, Quirk.NO_SSRC], ids=["same", "other", "missing"])
@pytest.mark.parametrize("mode", ["udp", "tcp_passive", "tcp_active"])
async def test_every_codec_and_map_shows_by_this_transport(mode: str, ssrc: Quirk | None) -> None:
    device = SipDevice("camera-1", "34020000001320000001", PASSWORD, media_ladder=(mode,))
    channel = channel_of(device, CHANNELS[0].gb_id)
    live = LiveConfig(answer_within_s=5, media_within_s=5)
    async with running_link() as link, House(device, live=live) as house:
        shown: list[str] = []
        link.events.on_first_key = lambda stream_id, at: shown.append(stream_id)
        quirks = frozenset({ssrc} if ssrc else ())
        plan = CameraPlan(device.gb_id, PASSWORD, channels=CHANNELS, quirks=quirks)
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        making = {"codec": "h264", "map": True}
        camera = SimCamera(
            plan,
            wire,
            house.clock,
            house.sip.new_word,
            lambda _: HandSender(str(making["codec"]), has_map=bool(making["map"])),
        )
        assert await camera.register()
        for number, (codec, has_map) in enumerate(itertools.product(("h264", "h265"), (True, False)), start=1):
            making.update(codec=codec, map=has_map)
            session = await house.gb.open_live(channel, link)
            await eventually(lambda number=number: len(shown) == number, 5)  # type: ignore[misc]
            assert camera.report.modes[-1] == mode
            await session.close("test")
        await camera.stop()
        await wire.close()
