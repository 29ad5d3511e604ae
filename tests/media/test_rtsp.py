"""The worker pulls pictures from RTSP cameras: every way of asking, and cameras that behave badly."""

import asyncio
import socket

import pytest

from tests.support.media import running_link, watching
from tests.support.rtsp import HandPictures, rtsp_camera
from tocsin.base.errors import TocsinError
from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.rtsp_sound import SimSound

PASSWORD = {"username": "admin", "password": "Tocsin-12"}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("auth", ["md5", "sha256", "basic", "none"])
async def test_a_picture_is_pulled_whatever_the_transport_and_the_challenge(transport, auth):
    async with rtsp_camera(auth=auth) as camera, running_link() as link, watching(link, "cam") as viewer:
        agreed = await link.open_rtsp("cam", camera.url, transport=transport, **PASSWORD)
        assert (agreed["transport"], agreed["codec"]) == (transport, "h264")
        assert await link.first_packet("cam", 3.0)
        await viewer.until(lambda: len(viewer.numbers()) >= 12)
        numbers = viewer.numbers()
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert camera.refused == 0
        await link.close_receiver("cam")
        async with asyncio.timeout(3):
            await camera.until(lambda camera: camera.counts["TEARDOWN"] == 1 and not camera.playing)


async def test_a_wrong_password_is_given_exactly_once():
    async with rtsp_camera() as camera, running_link() as link:
        with pytest.raises(TocsinError) as refused:
            await link.open_rtsp("cam", camera.url, username="admin", password="wrong")
        assert refused.value.key == "media_rtsp_wrong_password"
        assert camera.refused == 1


async def test_a_camera_that_always_asks_for_a_password_ends_the_asking():
    async with rtsp_camera(always_401=True) as camera, running_link() as link:
        with pytest.raises(TocsinError) as refused:
            await link.open_rtsp("cam", camera.url, **PASSWORD)
        assert refused.value.key == "media_rtsp_wrong_password"
        assert camera.refused == 1


@pytest.mark.parametrize(
    ("quirks", "asked", "used"),
    [
        ({"refuses_udp": True}, "udp", "tcp"),
        ({"refuses_tcp": True}, "tcp", "udp"),
        ({"absolute_control": True}, "tcp", "tcp"),
        ({"no_content_base": True}, "tcp", "tcp"),
        ({"junk": True}, "tcp", "tcp"),
        ({"no_sets_in_band": True}, "tcp", "tcp"),
    ],
)
async def test_oddities_of_cameras_are_survived(quirks, asked, used):
    async with rtsp_camera(**quirks) as camera, running_link() as link, watching(link, "cam") as viewer:
        assert (await link.open_rtsp("cam", camera.url, transport=asked, **PASSWORD))["transport"] == used
        await viewer.until(lambda: len(viewer.numbers()) >= 8)


async def test_the_session_is_kept_alive():
    async with rtsp_camera(needs_keepalive_s=5.0) as camera, running_link() as link:
        await link.open_rtsp("cam", camera.url, **PASSWORD)
        async with asyncio.timeout(8):
            await camera.until(lambda camera: camera.counts["GET_PARAMETER"] > 0)
        assert camera.playing == 1


async def test_a_camera_that_goes_away_is_told_as_lost():
    async with rtsp_camera() as camera, running_link() as link:
        lost = asyncio.Event()
        link.events.on_source_lost = lambda stream_id, reason: lost.set() if stream_id == "cam" else None
        await link.open_rtsp("cam", camera.url, **PASSWORD)
        camera.drop_all()
        async with asyncio.timeout(3):
            await lost.wait()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("rtsp://127.0.0.1:9/none", "media_rtsp_unreachable"),
        ("http://127.0.0.1/none", "media_rtsp_bad_url"),
    ],
)
async def test_an_address_without_a_camera_is_named(url, key):
    async with running_link() as link:
        with pytest.raises(TocsinError) as refused:
            await link.open_rtsp("cam", url)
        assert refused.value.key == key


async def test_a_path_without_a_stream_is_named():
    async with rtsp_camera() as camera, running_link() as link:
        with pytest.raises(TocsinError) as refused:
            await link.open_rtsp("cam", camera.url + "-other", **PASSWORD)
        assert refused.value.key == "media_rtsp_not_found"


@pytest.mark.parametrize("payload_type", [96, 98])
async def test_a_gb_camera_that_sends_bare_h264_where_a_program_stream_was_agreed_is_shown(payload_type):
    packer, pictures = NalPacker(StreamType.H264, 7, payload_type), HandPictures()
    async with running_link() as link, watching(link, "cam") as viewer:
        endpoint = await link.open_receiver("cam", "udp", ssrc=None, peer_ip="127.0.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            for number in range(20):
                for packet in packer.packetize(split_nals(pictures.at(number)[0]), number * 3600):
                    made.sendto(packet, (endpoint.ip, endpoint.port))
                await asyncio.sleep(0.004)
        await viewer.until(lambda: 18 in viewer.numbers())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(("codec", "word"), [("pcma", "flac"), ("aac", "mp4a.40.2")])
async def test_sound_of_a_pulled_camera_reaches_who_may_hear_it(transport, codec, word):
    sound = SimSound(codec)
    async with rtsp_camera(sound=sound) as camera, running_link() as link:
        agreed = await link.open_rtsp("cam", camera.url, transport=transport, audio=True, **PASSWORD)
        assert agreed["sound"] == ("mpeg4-generic" if codec == "aac" else "pcma")
        async with watching(link, "cam") as deaf, watching(link, "cam", audio=True) as hearing:
            await hearing.until(lambda: any(data.count(b"traf") == 2 for data in hearing.binaries))
            await deaf.until(lambda: len(deaf.binaries) > 10)
            assert word in hearing.kinds("mime")[-1]["mime"]
            assert not any(data.count(b"traf") == 2 for data in deaf.binaries)


async def test_two_who_look_share_one_encoder_and_the_later_joins_where_it_is():
    async with rtsp_camera() as camera, running_link() as link, watching(link, "two") as second:
        await link.open_rtsp("one", camera.url, **PASSWORD)
        await link.first_packet("one", 3.0)
        await camera.until(lambda camera: camera.sent_pictures > 10)
        await link.open_rtsp("two", camera.url, **PASSWORD)
        await second.until(lambda: len(second.numbers()) >= 5)
        assert second.numbers()[0] > 10
