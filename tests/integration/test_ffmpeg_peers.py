"""ffmpeg as an independent peer: it reads our PS, our RTP-borne fragments, and converts H.265 for us."""

import asyncio
import json
import shutil
import subprocess

import pytest

from tests.support.media import SSRC, running_link, watching
from tocsin.media.feed import Feed
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.audio import AudioUnit
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.protocols.rtp.receiver import Receiver
from tocsin.sim.picture import Packer, PictureQuirks, PictureSpec, make_sender, prepare_loop

pytestmark = pytest.mark.integration

FFMPEG = shutil.which("ffmpeg") or "ffmpeg"
FFPROBE = shutil.which("ffprobe") or "ffprobe"


def probe(data: bytes, form: str) -> list[dict[str, str]]:
    """Return ffprobe's account of every stream, each picture decoded and counted."""
    command = [FFPROBE, "-v", "error", "-f", form, "-count_frames", "-show_streams", "-of", "json", "pipe:0"]
    made = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60)
    assert made.stderr == b"", made.stderr
    return json.loads(made.stdout)["streams"]


class Recorder:
    """A viewer that keeps the bytes of the boxes."""

    def __init__(self, *, wants_audio: bool = False) -> None:
        self.wants_audio = wants_audio
        self.frames: list[bytes] = []

    def send_media(self, frame: bytes, *, is_key: bool) -> None:
        self.frames.append(frame)

    def send_init(self, frames: bytes) -> None:
        self.frames.append(frames)

    def send_text(self, frame: bytes) -> None:
        pass

    def wait_for_key(self) -> None:
        raise AssertionError("the cache was cut")

    def file(self) -> bytes:
        """Return what a browser would append."""
        out = b""
        for frame in self.frames:
            while frame:
                first, short = frame[0], frame[1]
                size, head = short, 2
                if short == 126:
                    size, head = int.from_bytes(frame[2:4], "big"), 4
                elif short == 127:
                    size, head = int.from_bytes(frame[2:10], "big"), 10
                if first == 0x82:
                    out += frame[head : head + size]
                frame = frame[head + size :]
        return out


def spec_of(codec: str, **quirks: object) -> PictureSpec:
    return PictureSpec(
        seed=5,
        name="peer",
        codec=codec,
        width=640,
        height=360,
        audio=True,
        live_encoder=False,
        quirks=PictureQuirks(**quirks),
    )


def received(spec: PictureSpec, *, wants_audio: bool = True) -> tuple[list[AccessUnit], list[AudioUnit]]:
    """Send a loop through packer and receiver; return what comes out."""
    packer, receiver = Packer(spec, SSRC), Receiver(None)
    units = []
    for index, (picture, is_key) in enumerate(prepare_loop(spec)):
        for packet in packer.pack(picture, index * 3600, is_key=is_key, sound_samples=320):
            units += receiver.receive(packet, index * 40.0)
    return (
        [unit for unit in units if isinstance(unit, AccessUnit)],
        [unit for unit in units if isinstance(unit, AudioUnit)],
    )


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("h265", "hevc")])
def test_ffmpeg_demuxes_and_decodes_our_program_stream(codec, name):
    spec = spec_of(codec)
    # Without sound: ffmpeg's demuxer takes any audio stream of this kind for MPEG layer 2, whatever the map says.
    muxer = Muxer(StreamType.H264 if codec == "h264" else StreamType.H265)
    stream = b""
    for index, (picture, is_key) in enumerate(prepare_loop(spec)):
        stream += muxer.write_video(picture, 90_000 + index * 3600, is_key=is_key)
    (video,) = probe(stream, "mpeg")
    assert video["codec_name"] == name
    assert int(video["nb_read_frames"]) == 50
    assert (video["width"], video["height"]) == (640, 360)


@pytest.mark.parametrize(
    ("codec", "name", "quirks"),
    [
        ("h264", "h264", {}),
        ("h265", "hevc", {}),
        ("h264", "h264", {"slices": 4, "delimiters": True, "no_stream_map": True}),
        ("h264", "h264", {"marker": "always", "wrong_map_crc": True, "pts_start": (1 << 33) - 20 * 3600}),
    ],
)
@pytest.mark.parametrize("is_grouped", [False, True])
def test_ffmpeg_decodes_every_picture_of_our_fragments(codec, name, quirks, is_grouped):
    pictures, _ = received(spec_of(codec, **quirks))
    feed, recorder = Feed("cam"), Recorder()
    feed.is_grouped = is_grouped
    feed.join(recorder)
    for index, unit in enumerate(pictures):
        feed.take(unit, index * 40.0)
    feed.flush()
    (stream,) = probe(recorder.file(), "mp4")
    assert stream["codec_name"] == name
    assert int(stream["nb_read_frames"]) == len(pictures) >= 49
    assert (stream["width"], stream["height"]) == (640, 360)


def test_ffmpeg_decodes_our_flac_sound_beside_the_picture():
    packer, receiver = Packer(spec_of("h264"), SSRC), Receiver(None)
    feed, recorder = Feed("cam"), Recorder(wants_audio=True)
    feed.join(recorder)
    samples = 0
    for index, (picture, is_key) in enumerate(prepare_loop(spec_of("h264"))):
        for packet in packer.pack(picture, index * 3600, is_key=is_key, sound_samples=320):
            for unit in receiver.receive(packet, index * 40.0):
                if isinstance(unit, AccessUnit):
                    feed.take(unit, index * 40.0)
                else:
                    samples += len(unit.payload)
                    feed.take_sound(unit)
    data = recorder.file()
    command = [FFMPEG, "-v", "error", "-f", "mp4", "-i", "pipe:0", "-map", "0:a", "-f", "s16le", "pipe:1"]
    # The first picture comes before the sound is known, so its initialisation has no sound: begin at the second.
    data = data[data.rindex(b"ftyp") - 4 :]
    made = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60)
    assert made.stderr == b""
    heard = memoryview(made.stdout).cast("h")
    assert samples - 640 <= len(heard) <= samples + 640
    assert max(heard) > 7000
    streams = {row["codec_type"]: row for row in probe(data, "mp4")}
    assert streams["audio"]["codec_name"] == "flac"
    assert int(streams["video"]["nb_read_frames"]) >= 49


async def test_an_h265_camera_is_converted_for_a_browser_that_cannot_show_it():
    sender = make_sender(PictureSpec(seed=6, name="hevc", codec="h265", live_encoder=False))
    async with running_link(transcodes=1) as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        await sender.start_udp(endpoint.ip, endpoint.port, SSRC)
        async with watching(link, "cam", codecs=("avc1.640028",)) as viewer:
            await viewer.until(lambda: len(viewer.binaries) > 20, 30)
            await viewer.until(lambda: viewer.kinds("status"), 5)
            mime = viewer.kinds("mime")[0]
            assert mime["converted"] is True
            assert 'codecs="avc1.' in mime["mime"]
            assert viewer.kinds("status")[-1]["converted"] is True
            (stream,) = await asyncio.to_thread(probe, b"".join(viewer.binaries), "mp4")
            assert stream["codec_name"] == "h264"
            assert int(stream["nb_read_frames"]) >= 15
            async with watching(link, "cam", codecs=("hvc1",)) as able:
                await able.until(lambda: len(able.binaries) > 3)
                assert 'codecs="hvc1.' in able.kinds("mime")[0]["mime"]
        await sender.stop()


async def test_without_a_free_conversion_the_viewer_is_told_so():
    sender = make_sender(PictureSpec(seed=6, name="hevc", codec="h265", live_encoder=False))
    for settings, reason in (
        ({"transcodes": 0}, "transcode_limit"),
        ({"ffmpeg": "absent-program"}, "transcode_missing"),
    ):
        async with running_link(**settings) as link:
            endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
            await sender.start_udp(endpoint.ip, endpoint.port, SSRC)
            async with watching(link, "cam") as viewer:
                await viewer.until(lambda viewer=viewer: viewer.kinds("end"))
                assert viewer.kinds("end")[0]["reason"] == reason
            await sender.stop()
