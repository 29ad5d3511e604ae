"""Speaking through a camera: a tone at Chromium's microphone is heard at a simulated camera's loudspeaker."""

from __future__ import annotations

import asyncio
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from bench.chromium import launch
from tests.browser.conftest import OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town, until
from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_voice import strength, tone
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec, make_sender

pytestmark = pytest.mark.browser

GB_ID = "34029900001110000077"
CHANNEL_ID = "34029900001320000077"
PASSWORD = "Bridge-head-2611"
TONE_HZ = 700.0
WORDS = {
    "en": ("Look…", "Patrol", "Look until", "Speak through the camera", "Hold to talk", "End", "is speaking through"),
    "zh-CN": ("查看图像…", "巡", "查看至", "喊话", "按住说话", "结束喊话", "正在通过该摄像机喊话"),
}


class Speaker:
    """A camera with a loudspeaker, on a loop and a thread of its own."""

    def __init__(self, sip_port: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.camera: SimCamera | None = None
        self._sip_port = sip_port
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._run()), daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        clock = SystemClock()
        wire = Wire(("127.0.0.1", self._sip_port), Transport.UDP, clock)
        await wire.open()
        spec = PictureSpec(seed=7, width=640, height=360, bitrate_bps=500_000, live_encoder=True)
        plan = CameraPlan(
            GB_ID,
            PASSWORD,
            channels=(CatalogItem(CHANNEL_ID, "喊话测试", is_online=True, parent_id=GB_ID),),
            keepalive_s=20.0,
        )
        camera = self.camera = SimCamera(plan, wire, clock, new_token, lambda _: make_sender(spec, clock))
        running = asyncio.create_task(camera.run())
        await self._end.wait()
        running.cancel()
        await camera.stop()
        await wire.close()

    def heard(self) -> bytes:
        """The last half second it played."""
        return bytes(self.camera.voice.heard[-4000:]) if self.camera is not None else b""

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture(scope="module")
def speaker(town: Town) -> Iterator[tuple[Speaker, str]]:
    environment = Path(f"/proc/{town.process.pid}/environ").read_bytes().split(b"\0")
    sip_port = next(int(one.partition(b"=")[2]) for one in environment if one.startswith(b"TOCSIN_SIP__PORT="))
    county = next(one for one in town.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
    place = town.ask("GET", "/places?limit=1")["items"][0]
    given = {"kind": "camera", "protocol": "gb28181", "name": "喊话", "name_en": "Loudspeaker"}
    given |= {"jurisdiction_id": county["id"], "place_id": place["id"], "address": {"gb_id": GB_ID}}
    device = town.ask("POST", "/devices", given)
    town.ask("PUT", f"/devices/{device['id']}/secret", {"password": PASSWORD})
    made = Speaker(sip_port)

    def found() -> list[dict[str, object]]:
        cameras = town.ask("GET", f"/cameras?device_id={device['id']}")["items"]
        return [one for one in cameras if one["gb_id"] == CHANNEL_ID]

    channel = until(found, 40.0)[0]
    wanted = {"owner": "Test", "purpose": "test", "place_id": place["id"], "version": channel["version"]}
    town.ask("PATCH", f"/cameras/{channel['id']}", wanted)
    yield made, str(channel["id"])
    made.stop()
    town.retire_device(device["id"])


@pytest.fixture(scope="module")
def whistling(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A Chromium whose microphone hears a tone."""
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tone(TONE_HZ, 10.0))
    running = launch(
        playwright,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    )
    yield running
    running.close()


def _look(seat: Seat, words: tuple[str, ...]) -> None:
    seat.page.get_by_role("button", name=words[0]).click()
    seat.dialog().locator("label.why").filter(has_text=words[1]).first.click()
    seat.dialog().get_by_role("button", name=words[2]).click()
    expect(seat.page.locator("figure[data-phase=live]")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_is_said_while_the_key_is_held_is_heard_at_the_camera(
    language: str, town: Town, open_seat: OpenSeat, speaker: tuple[Speaker, str], whistling: object
) -> None:
    made, channel = speaker
    words = WORDS[language]
    theme = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, browser=whistling).sign_in(path=f"/cameras/{channel}")  # type: ignore[arg-type]
    page = seat.page
    _look(seat, words)
    page.locator(".speech").get_by_role("button", name=words[3]).click()
    talk = page.locator(".speech").get_by_role("button", name=words[4])
    expect(talk).to_be_visible()
    until(lambda: len(made.heard()) >= 800)
    assert strength(made.heard(), TONE_HZ) < 0.1  # the line is open, and silent
    state = town.ask("GET", f"/cameras/{channel}/speech")
    assert state["speaker"]["name"] == "林青"

    other = open_seat(language).sign_in(town.operator("Speech Listener"), path=f"/cameras/{channel}")
    _look(other, words)
    expect(other.page.locator(".speech")).to_contain_text(words[6])
    page.screenshot(path=Path(__file__).with_name("screenshots") / f"speech-{language}-{theme}.png")

    page.keyboard.down("b")
    until(lambda: strength(made.heard(), TONE_HZ) > 0.5)
    expect(talk).to_have_count(0)
    page.keyboard.up("b")
    until(lambda: strength(made.heard(), TONE_HZ) < 0.1)
    assert seat.violations() == []
    page.locator(".speech").get_by_role("button", name=words[5]).click()
    until(lambda: town.ask("GET", f"/cameras/{channel}/speech")["speaker"] is None)
    expect(other.page.locator(".speech")).not_to_contain_text(words[6])
    actions = [one["action"] for one in town.ask("GET", "/audit?limit=30")["items"]]
    assert {"speech.started", "speech.ended"} <= set(actions)
