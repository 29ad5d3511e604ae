"""RTSP against independent peers: GStreamer's server for our client, ffmpeg for our simulated camera."""

import asyncio
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.media import running_link, watching
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.picture import PictureSpec, open_pictures
from tocsin.sim.rtsp_server import RtspCamera, RtspQuirks

pytestmark = pytest.mark.integration

SERVER = Path(__file__).with_name("gst_rtsp.py")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Four seconds of a test picture in H.264."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-t", "4"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", str(path)]
    subprocess.run(command, check=True)
    return path


@contextmanager
def gstreamer(film, user="", password=""):
    process = subprocess.Popen(
        ["/usr/bin/python3", str(SERVER), str(film), user, password],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    try:
        yield f"rtsp://127.0.0.1:{int(process.stdout.readline())}/t"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_our_client_pulls_from_gstreamer(film, transport):
    with gstreamer(film, "admin", "Tocsin-12") as url:
        async with running_link() as link, watching(link, "cam") as viewer:
            agreed = await link.open_rtsp("cam", url, username="admin", password="Tocsin-12", transport=transport)
            assert (agreed["transport"], agreed["codec"]) == (transport, "h264")
            await viewer.until(lambda: len(viewer.binaries) >= 20)
            assert viewer.texts[0]["width"] == 320
            stats = {row.stream_id: row for row in await link.stats()}["cam"]
            assert (stats.lost, stats.damaged) == (0, 0)


async def test_gstreamer_refuses_a_wrong_password_and_we_stop(film):
    with gstreamer(film, "admin", "Tocsin-12") as url:
        async with running_link() as link:
            with pytest.raises(TocsinError) as refused:
                await link.open_rtsp("cam", url, username="admin", password="wrong")
            assert refused.value.key == "media_rtsp_wrong_password"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_ffmpeg_plays_our_simulated_camera(transport, codec):
    spec = PictureSpec(codec=codec, live_encoder=False)
    clock = SystemClock()
    pictures = await asyncio.get_running_loop().run_in_executor(None, open_pictures, spec, clock)
    kind = StreamType.H264 if codec == "h264" else StreamType.H265
    camera = RtspCamera(pictures, clock, codec=kind, quirks=RtspQuirks(auth="md5"))
    await camera.start()
    url = camera.url.replace("rtsp://", "rtsp://admin:Tocsin-12@")
    command = ["ffprobe", "-v", "error", "-rtsp_transport", transport, "-read_intervals", "%+2", "-count_frames"]
    command += ["-show_entries", "stream=codec_name,width,nb_read_frames", "-of", "json", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with asyncio.timeout(40):
        out, errors = await process.communicate()
    await camera.stop()
    (stream,) = json.loads(out)["streams"]
    assert (stream["codec_name"], stream["width"]) == ({"h264": "h264", "h265": "hevc"}[codec], 640), errors
    assert int(stream["nb_read_frames"]) >= 25
