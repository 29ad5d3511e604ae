"""An ONVIF camera is entered on the form and shows a picture; a wrong password is told, once, with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import expect
from websockets.sync.client import connect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": (
        "Camera · ONVIF",
        "Camera · RTSP",
        "Enter the device",
        "Try again",
        "It is a Hewan",
        "refused the user name",
    ),
    "zh-CN": ("摄像机 · ONVIF", "摄像机 · RTSP", "录入设备", "重试", "设备为 Hewan", "拒绝了用户名或密码"),
}


@contextmanager
def camera(*arguments: str) -> Iterator[dict[str, str]]:
    """Run a simulated camera beside the town; yield its addresses."""
    command = [sys.executable, "-m", "tocsin", "simulate", "onvif", "--seconds", "120", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def _place(town: Town) -> dict[str, Any]:
    return next(iter(town.ask("GET", "/places?limit=1")["items"]))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_onvif_camera_is_entered_and_shows_a_picture(language: str, town: Town, open_seat: OpenSeat) -> None:
    onvif, _, _, _, is_a, _ = WORDS[language]
    theme: Any = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, width=1600, height=1000).sign_in(path="/devices/new")
    page = seat.page
    with camera("--model", f"IPC-{theme}") as found:
        page.get_by_text(onvif).click()
        page.locator("input[inputmode=url]").fill(found["onvif"].removesuffix("/onvif/device_service"))
        page.locator("input[autocomplete=off].mono").fill("admin")
        page.locator("input[type=password]").fill("Tocsin-12")
        page.get_by_label({"en": "Name", "zh-CN": "名称"}[language], exact=True).first.fill(f"ONVIF {theme}")
        place = _place(town)
        devices = {one["id"] for one in town.ask("GET", "/devices?limit=500")["items"]}
        _choose_jurisdiction(page)
        page.screenshot(path=SCREENSHOTS / f"onvif-form-{language}.png", full_page=True)
        page.locator("button[type=submit]").click()
        made = until(lambda: [d for d in town.ask("GET", "/devices?limit=500")["items"] if d["id"] not in devices])[0]
        channel = until(lambda: town.ask("GET", f"/cameras?device_id={made['id']}")["items"])[0]
        page.reload()
        expect(page.get_by_text(is_a).first).to_be_visible()
        wired = page.get_by_role("combobox", name="DI_1")
        wired.select_option("fire")
        page.locator("section:has(#inputs-title)").get_by_role("checkbox").check()
        page.locator("section:has(#inputs-title) button.primary").click()
        until(lambda: town.ask("GET", f"/devices/{made['id']}")["settings"].get("inputs") == {"DI_1": "fire inverted"})
        expect(page.locator("section:has(#inputs-title) button.primary")).to_be_disabled()
        page.screenshot(path=SCREENSHOTS / f"onvif-device-{language}.png", full_page=True)
        wanted = {"version": channel["version"], "owner": "Town", "purpose": "Test", "place_id": place["id"]}
        town.ask("PATCH", f"/cameras/{channel['id']}", wanted)
        view = town.ask("POST", "/views", {"channels": [channel["id"]], "purpose": "maintenance", "minutes": 5})
        url = next(iter(view["live"].values()))
        with connect(url.replace("http", "ws", 1), max_size=None) as live:
            while not isinstance(live.recv(timeout=15), bytes):
                pass
    town.retire_device(made["id"])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_wrong_password_is_told_on_the_page_and_tried_again_only_when_pressed(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    again, refused = WORDS[language][3], WORDS[language][5]
    place = _place(town)
    with camera() as found:
        given = {"kind": "camera", "protocol": "rtsp", "name": f"Shop {language}", "place_id": place["id"]}
        made = town.ask("POST", "/devices", {**given, "address": {"url": found["rtsp"], "username": "admin"}})
        town.ask("PUT", f"/devices/{made['id']}/secret", {"password": "wrong"})
        until(lambda: town.ask("GET", f"/devices/{made['id']}")["profile"].get("credentials") == "refused")
        theme: Any = "light" if language == "en" else "dark"
        seat = open_seat(language, theme, width=1600, height=1000).sign_in(path=f"/devices/{made['id']}")
        expect(seat.page.get_by_text(refused).first).to_be_visible()
        seat.page.screenshot(path=SCREENSHOTS / f"rtsp-refused-{language}.png", full_page=True)
        town.ask("PUT", f"/devices/{made['id']}/secret", {"password": "Tocsin-12"})
        seat.page.get_by_role("button", name=again).click()
        until(lambda: town.ask("GET", f"/devices/{made['id']}")["state"] == "online")
    town.retire_device(made["id"])


def _choose_jurisdiction(page: Any) -> None:
    """Choose the first jurisdiction where the form asks for one."""
    for number in range(page.locator("select").count()):
        one = page.locator("select").nth(number)
        values = one.locator("option").evaluate_all("all => all.map(o => o.value)")
        if any(len(value) > 30 for value in values) and not one.input_value():
            one.select_option(next(value for value in values if len(value) > 30))
            return
