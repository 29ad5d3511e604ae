"""A drawn recording from a simulated device through SIP, a real worker and a viewer: the picture tells its own time."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually, words
from tests.support.media import Watcher, running_link
from tocsin.domain.directory import SipDevice
from tocsin.media.playback import Playbacks
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec
from tocsin.sim.recording_picture import RecordingSender

pytestmark = pytest.mark.integration
CHANNELS = make_channels(3, 1)
DEVICE = SipDevice("camera-1", "34020000001320000001", PASSWORD, media_ladder=("tcp_passive", "udp", "tcp_active"))
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)
START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def shown_times(binaries: list[bytes]) -> list[int]:
    """Return the time codes of the pictures received, milliseconds since 1970."""
    import av

    from tocsin.sim.street import read_time_code

    with av.open(io.BytesIO(b"".join(binaries)), format="mp4") as file:
        found = [read_time_code(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("quirk", [None, Quirk.RESTAMPS_PLAYBACK], ids=["honest", "restamps"])
async def test_the_record_time_told_is_the_time_drawn_in_the_picture(quirk: Quirk | None) -> None:
    from websockets.asyncio.client import connect

    async with House(DEVICE) as house, running_link() as link:
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        file = Recording(CHANNEL.gb_id, START, START + timedelta(minutes=30), file_path="/a")
        plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, recordings=(file,), version="3.0")
        spec = PictureSpec(width=640, height=360, fps=10, bitrate_bps=600_000)

        def recorder(gb_id: str, wish, files, on_end) -> RecordingSender:
            return RecordingSender(spec, house.clock, wish, files, on_end, restamps=quirk is not None)

        camera = SimCamera(plan, wire, house.clock, words("r"), None, recorder)
        assert await camera.register()
        playbacks = Playbacks(link, house.gb.playback, house.clock, public_host="127.0.0.1")
        playback_id, url = await playbacks.open_playback(
            view_id="view",
            channel=CHANNEL,
            user_id="li",
            starts=START,
            ends=START + timedelta(minutes=20),
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
            codecs=(),
        )
        async with connect(url, compression=None, max_size=None) as connection:
            watcher = Watcher(connection)
            await watcher.until(lambda: len(watcher.binaries) > 12)
            first = shown_times(watcher.binaries)
            begin_ms = START.timestamp() * 1000
            assert first[0] == begin_ms
            assert first == sorted(first)
            clock = watcher.kinds("record_clock")[0]
            assert clock["record_ms"] - (clock["media_time"] - 1.0) * 1000 == pytest.approx(begin_ms)

            state = await playbacks.steer_playback(playback_id, at=START + timedelta(minutes=10, seconds=5))
            assert state.state == "playing"
            seen = len(watcher.binaries)
            await watcher.until(lambda: len(watcher.binaries) > seen + 12)
            await watcher.until(lambda: len(watcher.kinds("record_clock")) >= 2)
            jumped = [one for one in shown_times(watcher.binaries) if one > begin_ms + 300_000]
            told = watcher.kinds("record_clock")[1]["record_ms"]
            assert abs(jumped[0] - begin_ms - 605_000) <= 1000
            assert abs(told - jumped[0]) <= (0 if quirk is None else 1000), "the key before the moment asked for"

            await playbacks.steer_playback(playback_id, paused=True)
            paused = lambda: [one for one in watcher.kinds("status") if one["paused"]]  # noqa: E731
            await watcher.until(lambda: len(paused()) >= 3)
            assert paused()[-1]["record_ms"] == paused()[-2]["record_ms"], "the picture stands"
            assert playbacks.playback_state(playback_id).state == "paused"

            await playbacks.steer_playback(playback_id, paused=False, speed=4.0)
            seen = len(watcher.binaries)
            await watcher.until(lambda: len(watcher.binaries) > seen + 30)
            assert sorted(camera.report.steerings) == ["pause", "resume", "seek 605", "speed 4"]
            await watcher.close()
        await playbacks.stop()
        await eventually(lambda: camera.open_calls == 0)
        await camera.stop()
        await wire.close()
