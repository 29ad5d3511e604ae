"""Edge-first: the time around an alarm from a simulated recorder that goes on writing, through SIP and a worker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.test_recording_to_worker import CHANNEL, CHANNELS, DEVICE, shown_times
from tests.support.gb28181 import PASSWORD, House, words
from tests.support.media import running_link
from tests.support.recordings import FakeFetcher
from tocsin.domain.clip_device import DeviceClips
from tocsin.domain.clips import CLIP, ClipRules, Sighting, new_clip
from tocsin.media.downloads import Downloads
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec
from tocsin.sim.recording_picture import RecordingSender

pytestmark = pytest.mark.integration
RULES = ClipRules(pre_s=8, post_s=4)


class OneAtATime:
    """Lends every camera."""

    def lend(self, channel_id: str, key: str) -> bool:
        return True

    def give_back(self, key: str) -> None:
        return None


async def test_a_recorder_that_writes_late_is_waited_for_and_then_brings_the_time(tmp_path: Path) -> None:
    async with House(DEVICE) as house, running_link() as link:
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        now = datetime.now(UTC)
        alarm_at = now - timedelta(seconds=30)
        file = Recording(CHANNEL.gb_id, now - timedelta(minutes=20), now - timedelta(minutes=19), file_path="/a")
        plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, recordings=(file,), written_after_s=40.0)
        spec = PictureSpec(width=320, height=180, fps=10, bitrate_bps=300_000)

        def recorder(gb_id: str, wish, files, on_end) -> RecordingSender:
            return RecordingSender(spec, house.clock, wish, files, on_end)

        camera = SimCamera(plan, wire, house.clock, words("r"), None, recorder)
        assert await camera.register()
        fetcher = Downloads(link, house.gb.playback, house.clock, tmp_path, reserve_bytes=0)
        clips = DeviceClips(
            house.gb.recordings,
            fetcher,
            FakeFetcher(),
            OneAtATime(),
            house.clock,
            tmp_path,
            can_ask=lambda _device: True,
        )
        seen = Sighting("alarm", "incident", "330110", alarm_at, CHANNEL.id)
        clip = new_clip(seen, CLIP, RULES.window(alarm_at), now)

        early = await clips.fetch(clip, CHANNEL, 0.0)
        assert (early.state, early.reason, early.file) == ("failed", "clip.not_written", "")
        assert camera.report.recordings_sent == 0, "its list alone was asked"

        camera.plan = replace(plan, written_after_s=1.0)
        done = await clips.fetch(replace(clip, tries=1), CHANNEL, 0.0)
        assert (done.state, done.reason, done.source, done.pre_roll) == ("ready", "", "device", "device")
        times = shown_times([(tmp_path / done.file).read_bytes()])
        begin_ms = clip.starts.timestamp() * 1000
        assert abs(times[0] - begin_ms) <= 1500, "devices tell whole seconds"
        assert 9_500 <= times[-1] - begin_ms <= 13_500
        assert house.gb.playback.open_calls == 0
        await camera.stop()
        await wire.close()
