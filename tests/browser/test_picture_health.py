"""Picture health in the browser: a black camera is examined, its still seen, listed on Health, and called no fault."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

GB_ID = "34029900001320000021"
PASSWORD = "Bridge-head-2611"
WORDS = {
    "en": ("Examine now", "The picture is black.", "Still", "Close", "This is no fault", "Relaxed"),
    "zh-CN": ("立即检查", "画面全黑。", "截图", "关闭", "不是故障", "已放宽"),
}


@pytest.fixture(scope="module")
def black(town: Town) -> Iterator[str]:
    """A camera in service whose picture is black; its channel's id."""
    environment = Path(f"/proc/{town.process.pid}/environ").read_bytes().split(b"\0")
    sip_port = next(int(one.partition(b"=")[2]) for one in environment if one.startswith(b"TOCSIN_SIP__PORT="))
    place = town.ask("GET", "/places?limit=1")["items"][0]
    given = {"kind": "camera", "protocol": "gb28181", "name": "黑屏测试", "name_en": "Black camera"}
    given |= {"jurisdiction_id": place["jurisdiction_id"], "place_id": place["id"], "address": {"gb_id": GB_ID}}
    device = town.ask("POST", "/devices", given)
    town.ask("PUT", f"/devices/{device['id']}/secret", {"password": PASSWORD})
    arguments = ["--server", f"127.0.0.1:{sip_port}", "--id", GB_ID, "--password", PASSWORD, "--size", "640x360"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "simulate", "camera", *arguments, "--picture-fault", "black"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    channel = until(lambda: town.ask("GET", f"/cameras?device_id={device['id']}")["items"], 40.0)[0]
    owned = {"version": channel["version"], "owner": "Test", "purpose": "test", "place_id": place["id"]}
    version = town.ask("PATCH", f"/cameras/{channel['id']}", owned)["version"]
    if town.ask("GET", f"/cameras/{channel['id']}")["stage"] != "in_service":
        town.ask("POST", "/cameras/commission", {"cameras": [channel["id"]]})
    assert version
    yield str(channel["id"])
    process.terminate()
    process.wait(20)
    town.retire_device(device["id"])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_black_picture_is_found_seen_and_called_no_fault(
    language: str, town: Town, black: str, open_seat: OpenSeat
) -> None:
    examine, fault, still, close, no_fault, relaxed = WORDS[language]
    theme = "dark" if language == "en" else "light"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat = open_seat(language, theme, height=1400).sign_in(path=f"/cameras/{black}")
    page, section = seat.page, seat.page.locator("[data-picture-health]")
    button = section.get_by_role("button", name=examine, exact=True)
    if language == "en":
        for state in ("doubt", "doubt", "fault"):
            button.click()
            expect(page.locator(f"[data-picture-health={state}]")).to_be_visible()
            expect(button).to_be_enabled()
    expect(section.get_by_text(fault)).to_be_visible()
    section.screenshot(path=SCREENSHOTS / f"picture-health-camera-{language}-{theme}.png")
    section.get_by_role("button", name=still).first.click()
    picture = seat.dialog().locator("img")
    expect(picture).to_be_visible()
    assert until(lambda: picture.evaluate("(image) => image.naturalWidth")) == 640
    seat.dialog().screenshot(path=SCREENSHOTS / f"picture-health-still-{language}-{theme}.png")
    seat.dialog().get_by_role("button", name=close).first.click()

    page.goto(f"{town.url}/health")
    row = page.locator(".pictures tbody tr", has=page.locator(f'a[href="/cameras/{black}"]'))
    expect(row.get_by_text(fault)).to_be_visible()
    page.locator(".pictures").scroll_into_view_if_needed()
    page.screenshot(path=SCREENSHOTS / f"picture-health-{language}-{theme}.png", full_page=True)
    assert seat.errors == []
    if language == "zh-CN":
        page.goto(f"{town.url}/cameras/{black}")
        section.get_by_role("button", name=no_fault, exact=True).click()
        seat.dialog().get_by_role("button", name=no_fault, exact=True).click()
        expect(section.get_by_text(relaxed)).to_be_visible()
        expect(section.get_by_text(fault)).to_have_count(0)
