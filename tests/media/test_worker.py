"""The worker over real sockets: what a viewer gets, who is kept out, and what ends a view."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.media import SSRC, HandCamera, running_link, top_boxes, watching
from tests.support.nals import H264_SPS
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.media.link import MediaLink
from tocsin.media.link_words import MediaSettings
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packet import RtpPacket, build_packet
from tocsin.sim.picture import PictureSpec, make_sender, warm_up


async def test_a_viewer_gets_type_initialisation_and_every_picture():
    async with running_link() as link:
        keys = []
        link.events.on_first_key = lambda stream_id, at: keys.append((stream_id, at))
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        async with watching(link, "cam") as viewer:
            await HandCamera().send_udp(endpoint.ip, endpoint.port, 30)
            await viewer.until(lambda: len(viewer.numbers()) >= 29)
            assert viewer.texts[0]["mime"] == 'video/mp4; codecs="avc1.64001E"'
            assert (viewer.texts[0]["width"], viewer.texts[0]["height"]) == (640, 360)
            assert top_boxes(viewer.binaries[0]) == ["ftyp", "moov"]
            assert {tuple(top_boxes(data)) for data in viewer.binaries[1:]} == {("moof", "mdat")}
            numbers = viewer.numbers()
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            await viewer.until(lambda: viewer.kinds("status"))
            status = viewer.kinds("status")[-1]
            assert status["state"] in ("live", "stale")
            assert abs(status["wall_ms"] / 1000 - datetime.now(UTC).timestamp()) < 10
        assert await link.first_packet("cam", 1.0)
        assert [stream_id for stream_id, _ in keys] == ["cam"]


async def test_a_second_viewer_starts_at_the_last_key_at_once():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        camera = HandCamera(key_every=10)
        async with watching(link, "cam") as first:
            await camera.send_udp(endpoint.ip, endpoint.port, 18)
            await first.until(lambda: 17 in first.numbers())
            async with watching(link, "cam") as second:  # nothing is sent any more
                await second.until(lambda: len(second.binaries) >= 2)
                assert second.numbers() == [10, 11, 12, 13, 14, 15, 16, 17]
                assert len(second.binaries) == 2  # initialisation and one catch-up fragment


@pytest.mark.parametrize("transport", ["tcp_passive", "tcp_active"])
async def test_media_over_tcp_arrives_whoever_connects(transport):
    async with running_link() as link:
        camera = HandCamera()
        endpoint = await link.open_receiver("cam", transport, ssrc=SSRC, peer_ip="127.0.0.1")
        lost = asyncio.Event()
        link.events.on_source_lost = lambda stream_id, reason: lost.set()
        async with watching(link, "cam") as viewer:
            writers = []
            if transport == "tcp_passive":
                _, writer = await asyncio.open_connection(endpoint.ip, endpoint.port)
                writers.append(writer)
            else:
                came = asyncio.Event()

                async def accept(reader, writer):
                    writers.append(writer)
                    came.set()

                server = await asyncio.start_server(accept, "127.0.0.1", 0)
                await link.connect("cam", "127.0.0.1", server.sockets[0].getsockname()[1])
                await came.wait()
                server.close()
            data = camera.framed(20)
            for start in range(0, len(data), 1111):
                writers[0].write(data[start : start + 1111])
                await writers[0].drain()
            await viewer.until(lambda: 18 in viewer.numbers())
            writers[0].close()
            async with asyncio.timeout(5):
                await lost.wait()


async def test_a_stranger_on_the_media_port_is_not_shown():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)
        async with watching(link, "cam") as viewer:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for sequence in range(20):
                    forged = build_packet(RtpPacket(96, sequence, 0, 0xBAD, True, b"\x00\x00\x01\xba<999999>"))
                    stranger.sendto(forged, (endpoint.ip, endpoint.port))
                    stranger.sendto(b"garbage", (endpoint.ip, endpoint.port))
            camera = HandCamera()
            await camera.send_udp(endpoint.ip, endpoint.port, 12)
            await viewer.until(lambda: 9 in viewer.numbers())
            assert 999999 not in viewer.numbers()
        stats = {row.stream_id: row for row in await link.stats()}["cam"]
        assert stats.strangers == 40
        assert (stats.codec, stats.width, stats.height) == ("h264", 640, 360)


async def test_new_parameters_send_a_new_type_and_initialisation():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=None, peer_ip=None)
        async with watching(link, "cam") as viewer:
            camera = HandCamera()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
                made.connect((endpoint.ip, endpoint.port))
                for number in range(20):
                    if number == 10:
                        camera.sps = H264_SPS[:3] + b"\x1f" + H264_SPS[4:]
                    for packet in camera.packets():
                        made.send(packet)
                    await asyncio.sleep(0.004)
            await viewer.until(lambda: 18 in viewer.numbers())
            assert [text["mime"] for text in viewer.kinds("mime")] == [
                'video/mp4; codecs="avc1.64001E"',
                'video/mp4; codecs="avc1.64001F"',
            ]


async def test_tickets_are_used_once_and_for_their_stream():
    async with running_link() as link:
        async with watching(link, "cam", secret="once"):
            pass
        port = link.viewer_port("cam")
        for path in ("/live/cam?ticket=once", "/live/cam", "/live/cam?ticket=guess", "/elsewhere"):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://127.0.0.1:{port}{path}"):
                    pass
            assert refused.value.response.status_code == (404 if path == "/elsewhere" else 403)
        path = await link.ticket(
            stream_id="cam", ticket="x", viewer_id="v", view_id="w", expires_at=datetime.now(UTC) + timedelta(minutes=1)
        )
        with pytest.raises(InvalidStatus):
            async with connect(f"ws://127.0.0.1:{port}{path.replace('cam', 'other')}"):
                pass


async def test_the_picture_port_answers_health_and_refuses_foreign_names():
    async with running_link() as link, httpx.AsyncClient() as client:
        async with watching(link, "cam"):
            port = link.viewer_port("cam")
        answer = await client.get(f"http://127.0.0.1:{port}/healthz")
        assert answer.status_code == 200
        answer = await client.get(f"http://127.0.0.1:{port}/healthz", headers={"Host": "evil.example:8081"})
        assert answer.status_code == 403


async def test_garbage_on_the_picture_port_disturbs_nobody():
    async with running_link() as link, watching(link, "cam") as viewer:
        for garbage in (b"\x16\x03\x01\x00\xff\n\n" * 50, b"GET / HTTP/1.0\r\n\r\n", b"A" * 100_000, b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", link.viewer_port("cam"))
            writer.write(garbage)
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.close()
        await viewer.until(lambda: viewer.kinds("status"))


async def test_a_view_ends_at_its_time_and_a_revocation_ends_it_now():
    async with running_link() as link:
        async with watching(link, "cam", life_s=0.5) as viewer:
            await viewer.until(lambda: viewer.kinds("end"))
            assert viewer.kinds("end")[0]["reason"] == "expired"
        async with watching(link, "cam", view_id="mine") as mine, watching(link, "cam", view_id="yours") as yours:
            await link.revoke("mine", "claimed_by_other")
            await mine.until(lambda: mine.close_code)
            assert mine.kinds("end")[0]["reason"] == "claimed_by_other"
            await yours.until(lambda: yours.kinds("status"))
            assert not yours.kinds("end")


async def test_demand_and_idle_tell_when_a_stream_is_wanted():
    async with running_link() as link:
        said = []
        link.events.on_demand = lambda stream_id: said.append(("demand", stream_id))
        idle = asyncio.Event()
        link.events.on_idle = lambda stream_id: (said.append(("idle", stream_id)), idle.set())
        link.events.on_viewer = lambda view_id, viewer_id, stream_id, what: said.append((what, view_id))
        async with watching(link, "cam", view_id="w"):
            pass
        await asyncio.wait_for(idle.wait(), 5)
        assert said == [("opened", "w"), ("demand", "cam"), ("closed", "w"), ("idle", "cam")]


async def test_viewers_keep_their_connection_when_the_source_is_opened_again():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)
        camera = HandCamera()
        async with watching(link, "cam") as viewer:
            await camera.send_udp(endpoint.ip, endpoint.port, 8)
            await viewer.until(lambda: 6 in viewer.numbers())
            endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)
            camera.number = 100_000
            await camera.send_udp(endpoint.ip, endpoint.port, 12)
            await viewer.until(lambda: 100_009 in viewer.numbers())
            assert len(viewer.kinds("mime")) == 1
            assert viewer.kinds("gap")
            times = [int.from_bytes(data[60:68], "big") for data in viewer.binaries[1:]]
            assert times == sorted(times)
            assert times[-1] - times[0] < 30 * 90_000


async def test_a_paused_viewer_gets_nothing_and_resumes_at_the_last_key():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)
        camera = HandCamera(key_every=5)
        async with watching(link, "cam") as viewer, watching(link, "cam") as other:
            await camera.send_udp(endpoint.ip, endpoint.port, 7)
            await viewer.until(lambda: 5 in viewer.numbers())
            await viewer.connection.send('{"type":"pause"}')
            await asyncio.wait_for(viewer.connection.ping(), 5)
            await asyncio.sleep(0.1)
            await camera.send_udp(endpoint.ip, endpoint.port, 20)
            await other.until(lambda: 25 in other.numbers())
            assert 24 not in viewer.numbers()
            await viewer.connection.send('{"type":"resume"}')
            await viewer.until(lambda: 26 in viewer.numbers() or 25 in viewer.numbers())
            assert viewer.kinds("gap")[-1]["reason"] == "paused"


async def test_a_killed_worker_is_back_and_its_streams_are_reported():
    async with running_link() as link:
        lost = asyncio.get_running_loop().create_future()
        link.events.on_worker_lost = lost.set_result
        await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)
        os.kill(link.health()[0].pid, signal.SIGKILL)
        assert await asyncio.wait_for(lost, 5) == ("cam",)
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip=None)  # waits for the new one
        async with watching(link, "cam") as viewer:
            await HandCamera().send_udp(endpoint.ip, endpoint.port, 12)
            await viewer.until(lambda: 9 in viewer.numbers())
        assert link.health()[0].restarts == 1


async def test_requests_that_cannot_be_met_say_why():
    async with running_link() as link:
        with pytest.raises(TocsinError) as refused:
            await link.open_receiver("cam", "carrier_pigeon", ssrc=None, peer_ip=None)
        assert refused.value.key == "media_invalid"
        with pytest.raises(TocsinError) as refused:
            await link.connect("nobody", "127.0.0.1", 9)
        assert refused.value.key == "media_not_found"
        assert not await link.first_packet("nobody", 0.01)
        await link.close_receiver("nobody")


async def test_one_torn_tcp_source_does_not_stop_the_worker():
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "tcp_passive", ssrc=SSRC, peer_ip="127.0.0.1")
        _, writer = await asyncio.open_connection(endpoint.ip, endpoint.port)
        camera = HandCamera()
        async with watching(link, "cam") as viewer:
            writer.write(camera.framed(6))
            writer.write(frame_packet(camera.packets()[0])[:700])  # a camera that ignored a short write
            writer.write(camera.framed(14))
            await writer.drain()
            await viewer.until(lambda: 20 in viewer.numbers())
        writer.close()


async def test_a_slow_viewer_skips_to_a_key_and_the_others_notice_nothing():
    async with running_link(viewer_queue_bytes=100_000) as link:
        endpoint = await link.open_receiver("cam", "tcp_passive", ssrc=SSRC, peer_ip="127.0.0.1")
        _, source = await asyncio.open_connection(endpoint.ip, endpoint.port)
        camera = HandCamera(size=60_000, key_every=10)
        async with watching(link, "cam") as fast:
            path = await link.ticket(
                stream_id="cam",
                ticket="slow",
                viewer_id="s",
                view_id="s",
                expires_at=datetime.now(UTC) + timedelta(minutes=1),
            )
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            made.connect(("127.0.0.1", link.viewer_port("cam")))
            reader, writer = await asyncio.open_connection(sock=made, limit=1)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            received = await reader.readexactly(200)  # the handshake; then it reads no more for a while
            source.write(camera.framed(2))  # the first waits for the second: markers are not trusted before
            for expected in range(1, 100):
                mark = b"<%06d>" % expected
                await fast.until(lambda mark=mark: mark in b"".join(fast.binaries[-1:]))
                source.write(camera.framed(1))
                await source.drain()
            assert fast.numbers()[:100] == list(range(100))
            assert not fast.kinds("gap")

            async def read_until(mark):
                nonlocal received
                while mark not in received:
                    received += await reader.read(1 << 20)

            sending = True

            async def keep_sending():
                while sending:
                    source.write(camera.framed(1))
                    await source.drain()
                    await asyncio.sleep(0.005)

            task = asyncio.create_task(keep_sending())
            await asyncio.wait_for(read_until(b'{"type":"gap","reason":"slow"}'), 20)
            sending = False
            await task
            seen = [int(number) for number in re.findall(rb"<(\d{6})>", received)]
            assert len(seen) < 50  # what it got before it skipped is bounded
            writer.close()
        source.close()


async def test_a_busy_picture_port_stops_the_start_with_a_clear_word(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        link = MediaLink(MediaSettings(tmp_path, port=port, rtp_low=0, rtp_high=0), SystemClock())
        with pytest.raises(TocsinError, match=f"what uses port {port}"):
            await link.start()


async def test_a_worker_ends_with_its_control_process():
    async with running_link() as link:
        pid = link.health()[0].pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_sound_reaches_only_viewers_whose_ticket_says_so():
    spec = PictureSpec(seed=3, width=320, height=180, bitrate_bps=300_000, audio=True, live_encoder=False)
    await warm_up([spec])
    sender = make_sender(spec)
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        await sender.start_udp(endpoint.ip, endpoint.port, SSRC)
        async with watching(link, "cam") as deaf, watching(link, "cam", audio=True) as hearing:
            await hearing.until(lambda: any(data.count(b"traf") == 2 for data in hearing.binaries))
            await deaf.until(lambda: len(deaf.binaries) > 10)
            assert ["flac" in text["mime"] for text in hearing.kinds("mime")] == [True]
            assert not any("flac" in text["mime"] for text in deaf.kinds("mime"))
            assert not any(data.count(b"traf") == 2 for data in deaf.binaries)
        await sender.stop()
