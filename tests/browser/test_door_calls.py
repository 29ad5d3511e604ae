"""A door call in the browser: it rings, is answered and heard, opens the door, becomes an incident, is hung up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect

from bench.chromium import launch
from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": (
        "Connected",
        "Open the door …",
        "Open",
        "Make an incident",
        "To the incident",
        "Hang up",
        "Hung up",
        "Intercom's own picture",
    ),
    "zh-CN": ("通话中", "开门…", "开门", "转为警情", "查看警情", "挂断", "已挂断", "对讲机画面"),
}


@pytest.fixture(scope="module")
def listening(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium with a microphone."""
    running = launch(playwright, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    yield running
    running.close()


@pytest.mark.parametrize(("language", "theme"), [("zh-CN", "light")])
def test_a_door_call_from_the_ring_to_the_end(
    town: Town, open_seat: OpenSeat, listening: Browser, language: str, theme: str
) -> None:
    connected, open_door, open_now, raise_it, to_incident, hang_up, hung_up, own = WORDS[language]
    page = open_seat(language, theme, browser=listening).sign_in().page  # type: ignore[arg-type]
    command = [sys.executable, "-m", "tocsin", "simulate", "intercom", "--town", str(town.data), "--ring", "1"]
    command += ["--video", "early", "--prack"]
    door = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        card = page.locator("article.call").first
        expect(card.locator("video")).to_be_visible()  # the door's picture, while it rings
        page.screenshot(path=SCREENSHOTS / f"door-call-{language}-{theme}.png")
        call = town.ask("GET", "/calls?state=open")["items"][0]
        assert (call["picture"], call["device_id"] in call["cameras"]) == (True, False)
        card.get_by_role("button", name=own, exact=True).click()  # the picture the call brings, before the answer
        expect(card.locator(f'figure[data-channel="{call["device_id"]}"][data-phase="live"]')).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"door-call-own-{language}-{theme}.png")
        page.keyboard.press("a")
        expect(card.get_by_text(connected, exact=True)).to_be_visible()
        call = town.ask("GET", "/calls?state=open")["items"][0]
        assert call["answered_by"]["name"]
        card.get_by_role("button", name=open_door).click()
        card.get_by_role("button", name=open_now, exact=True).click()  # without a reason nothing happens
        card.locator("form input").fill("送水")
        card.get_by_role("button", name=open_now, exact=True).click()
        expect(card.locator("form")).to_have_count(0)
        card.get_by_role("button", name=raise_it).click()
        expect(card.get_by_role("link", name=to_incident)).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"door-call-answered-{language}-{theme}.png")
        until(lambda: page.locator("article.call meter").first.evaluate("(meter) => meter.value > 0.1"))
        card.get_by_role("button", name=hang_up).click()
        expect(card.get_by_text(hung_up)).to_be_visible()
        report = json.loads(door.communicate(timeout=60)[0].splitlines()[-1])
    finally:
        door.kill()
    assert (report["rang"], report["answered"], report["digits"]) == (1, 1, ["0#"])
    assert report["packets_heard"] > 10
    assert report["video_packets"] > 10
    ended = town.ask("GET", f"/calls/{call['id']}")
    assert (ended["reason"], ended["opened"], ended["incident_id"] is not None) == ("hung_up", 1, True)
