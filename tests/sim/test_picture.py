"""The simulated picture: a time code that survives compression, a free-running encoder, and what cameras do wrong."""

import asyncio
import itertools
import socket

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.media import SSRC
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.audio import AudioUnit
from tocsin.protocols.rtp.packet import is_rtcp, read_packet
from tocsin.protocols.rtp.receiver import Receiver
from tocsin.sim.picture import Packer, PictureQuirks, PictureSpec, make_sender, prepare_loop, warm_up
from tocsin.sim.street import Street, draw_time_code, read_time_code

SMALL = {"width": 320, "height": 180, "bitrate_bps": 400_000}


@settings(max_examples=50)
@given(st.integers(0, (1 << 48) - 1), st.sampled_from([(320, 180), (640, 360), (1280, 720)]))
def test_a_time_code_is_read_back(epoch_ms, size):
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    draw_time_code(pixels, epoch_ms)
    assert read_time_code(pixels) == epoch_ms


def test_a_picture_without_a_whole_time_code_has_none():
    pixels = np.full((360, 640, 3), 90, np.uint8)
    assert read_time_code(pixels) is None
    draw_time_code(pixels, 1_795_000_000_000)
    pixels[8:24, 400:416] = 255 - pixels[8:24, 400:416]
    assert read_time_code(pixels) is None
    assert read_time_code(pixels[:4]) is None


@pytest.mark.parametrize(("codec", "decoder"), [("h264", "h264"), ("h265", "hevc")])
def test_the_time_code_survives_the_encoder(codec, decoder):
    loop = prepare_loop(PictureSpec(seed=2, codec=codec, live_encoder=False))
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, av.VideoCodecContext)
    codes = []
    for picture, _ in loop:
        codes += [read_time_code(frame.to_ndarray(format="rgb24")) for frame in context.decode(av.Packet(picture))]
    codes += [read_time_code(frame.to_ndarray(format="rgb24")) for frame in context.decode(None)]
    assert len(codes) == len(loop) == 50
    assert None not in codes
    assert [later - earlier for earlier, later in itertools.pairwise(codes)] == [40] * 49
    assert [is_key for _, is_key in loop] == ([True] + [False] * 24) * 2


def test_every_seed_is_another_street_and_time_moves_the_cars():
    first, second = (Street(seed, "CAM", 320, 180) for seed in (1, 2))
    assert np.abs(first.draw(0).astype(int) - second.draw(0)).mean() > 5
    assert np.array_equal(first.draw(0), Street(1, "CAM", 320, 180).draw(0))
    assert np.abs(first.draw(0).astype(int) - first.draw(2000)).mean() > 0.5
    assert Street(1, "CAM", 320, 180, night=True).draw(0).mean() < first.draw(0).mean() / 2


def units_of(spec, ssrc=SSRC):
    packer, receiver = Packer(spec, ssrc), Receiver(None)
    packets, units = [], []
    for index, (picture, is_key) in enumerate(prepare_loop(spec)):
        packets += packer.pack(picture, index * 3600, is_key=is_key, sound_samples=320 if spec.audio else 0)
    for index, packet in enumerate(packets):
        units += receiver.receive(packet, index * 5.0)
    return packets, units, receiver


@pytest.mark.parametrize(
    "quirks",
    [
        {},
        {"no_stream_map": True},
        {"wrong_map_crc": True},
        {"marker": "always"},
        {"marker": "never"},
        {"slices": 3, "delimiters": True},
        {"pts_start": (1 << 33) - 7200},
        {"swap_share": 0.05},
        {"payload_bytes": 700},
    ],
)
def test_each_oddity_is_survived_by_our_receiver(quirks):
    _, units, receiver = units_of(PictureSpec(seed=3, live_encoder=False, quirks=PictureQuirks(**quirks), **SMALL))
    pictures = [unit for unit in units if isinstance(unit, AccessUnit)]
    assert len(pictures) >= 49
    assert not any(unit.is_damaged for unit in pictures)
    assert receiver.reorder.lost == 0


def test_losses_are_as_many_as_ordered_and_repeatable():
    spec = PictureSpec(seed=3, live_encoder=False, quirks=PictureQuirks(loss_share=0.02), **SMALL)
    packets, units, receiver = units_of(spec)
    clean = units_of(PictureSpec(seed=3, live_encoder=False, **SMALL))[0]
    assert packets == units_of(spec)[0]
    assert receiver.reorder.lost == len(clean) - len(packets) > 0
    assert any(unit.is_damaged for unit in units)


def test_sound_and_another_source_number_can_be_had():
    spec = PictureSpec(seed=3, live_encoder=False, audio=True, quirks=PictureQuirks(ssrc_offset=7), **SMALL)
    packets, units, _ = units_of(spec)
    assert {read_packet(packet).ssrc for packet in packets} == {SSRC + 7}
    sound = [unit for unit in units if isinstance(unit, AudioUnit)]
    assert sum(len(unit.payload) for unit in sound) == 50 * 320


async def datagrams(spec, count):
    loop = asyncio.get_running_loop()
    sender = make_sender(spec)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        await sender.start_udp("127.0.0.1", made.getsockname()[1], SSRC)
        async with asyncio.timeout(20):
            found = [await loop.sock_recv(made, 2048) for _ in range(count)]
        await sender.stop()
    return found


async def test_a_live_sender_streams_pictures_of_now_beside_its_reports():
    spec = PictureSpec(seed=4, key_every_s=0.2, quirks=PictureQuirks(rtcp=True), **SMALL)
    await warm_up([spec])
    packets = await datagrams(spec, 40)
    assert sum(map(is_rtcp, packets)) == 1
    receiver, context = Receiver(SSRC), av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    units = [unit for packet in packets for unit in receiver.receive(packet, 0.0)]
    first_key = next(index for index, unit in enumerate(units) if unit.is_key)
    codes = []
    for unit in units[first_key:]:
        packet = av.Packet(b"".join(b"\0\0\0\1" + nal for nal in unit.nals))
        codes += [read_time_code(frame.to_ndarray(format="rgb24")) for frame in context.decode(packet)]
    assert len(codes) >= 3
    assert None not in codes
    assert codes == sorted(codes)


@pytest.mark.parametrize("mode", ["active", "passive"])
async def test_a_sender_speaks_tcp_from_either_side(mode):
    from tocsin.protocols.rtp.framing import PacketReader

    spec = PictureSpec(seed=4, live_encoder=False, **SMALL)
    await warm_up([spec])
    sender = make_sender(spec)
    arrived = asyncio.get_running_loop().create_future()

    async def read(reader, writer):
        framing, packets = PacketReader(), []
        while len(packets) < 20:
            packets += framing.receive(await reader.read(5000))
        arrived.set_result(packets)
        writer.close()

    async with asyncio.timeout(20):
        if mode == "active":
            server = await asyncio.start_server(read, "127.0.0.1", 0)
            await sender.start_tcp_active("127.0.0.1", server.sockets[0].getsockname()[1], SSRC)
        else:
            server = None
            reader, writer = await asyncio.open_connection("127.0.0.1", await sender.start_tcp_passive(SSRC))
            asyncio.get_running_loop().create_task(read(reader, writer))
        packets = await arrived
    await sender.stop()
    if server is not None:
        server.close()
    assert {read_packet(packet).ssrc for packet in packets} == {SSRC}
