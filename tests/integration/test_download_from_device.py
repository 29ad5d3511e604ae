"""A recording fetched from a simulated device by SIP and a real worker: the whole period, and a true digest."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.test_recording_to_worker import CHANNEL, CHANNELS, DEVICE, START, shown_times
from tests.support.gb28181 import PASSWORD, House, words
from tests.support.media import running_link
from tocsin.domain.downloads import Download
from tocsin.media.downloads import Downloads
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec
from tocsin.sim.recording_picture import RecordingSender

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("quirk", [None, Quirk.NEVER_TELLS_END], ids=["told", "never-told"])
async def test_a_period_arrives_whole_faster_than_it_was_recorded(quirk: Quirk | None, tmp_path: Path) -> None:
    async with House(DEVICE) as house, running_link() as link:
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        file = Recording(CHANNEL.gb_id, START, START + timedelta(minutes=30), file_path="/a")
        quirks = frozenset([quirk] if quirk else [])
        plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, recordings=(file,), quirks=quirks)
        spec = PictureSpec(width=640, height=360, fps=10, bitrate_bps=600_000)

        def recorder(gb_id: str, wish, files, on_end) -> RecordingSender:
            return RecordingSender(spec, house.clock, wish, files, on_end)

        camera = SimCamera(plan, wire, house.clock, words("r"), None, recorder)
        assert await camera.register()
        fetcher = Downloads(link, house.gb.playback, house.clock, tmp_path, reserve_bytes=0)
        path = tmp_path / "a.mp4"
        began_s = house.clock.monotonic()
        ends = START + timedelta(seconds=16)
        wanted = Download("d1", CHANNEL.id, "", "u1", "patrol", START, ends, START)
        done = await fetcher.fetch(wanted, CHANNEL, path)
        took_s = house.clock.monotonic() - began_s
        data = path.read_bytes()
        assert (done.state, done.reason) == ("finished", "")
        assert (done.sha256, done.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        times = [(one / 1000 - START.timestamp()) for one in shown_times([data])]
        assert times[0] == pytest.approx(0, abs=0.2)
        assert 13.9 <= times[-1] <= 16.2
        assert took_s < 16 + (0 if quirk is None else 10), "a device that says nothing costs 10 s of silence"
        assert house.gb.playback.open_calls == 0
        await camera.stop()
        await wire.close()
