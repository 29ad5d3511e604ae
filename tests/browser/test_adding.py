"""An installer brings cameras on line: tried step by step, certificate accepted, picture seen, GB values typed over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.test_ip_cameras import _choose_jurisdiction, camera
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

LANGUAGES = ("en", "zh-CN")
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "onvif": "Camera · ONVIF",
        "gb": "Camera or recorder · GB/T 28181",
        "name": "Name",
        "try": "Try it now",
        "again": "Try again",
        "accept": "Accept this certificate",
        "refused": "refused the user name or password",
        "same": "not sent again",
        "propose": "Propose an id",
        "password": "Make a password",
        "look": "Put it into service and look",
        "settings": "Picture settings",
        "undo": "Undo",
    },
    "zh-CN": {
        "onvif": "摄像机 · ONVIF",
        "gb": "摄像机或录像机 · GB/T 28181",
        "name": "名称",
        "try": "开始试连",
        "again": "重新试连",
        "accept": "确认该证书",
        "refused": "拒绝了用户名或密码",
        "same": "未再发送",
        "propose": "推荐编号",
        "password": "生成密码",
        "look": "启用并查看画面",
        "settings": "图像参数",
        "undo": "撤销",
    },
}
SIZES = {"en": (1440, 1000), "zh-CN": (390, 844)}
THEMES: dict[str, Theme] = {"en": "light", "zh-CN": "dark"}
BRIGHTNESS = """video => {
  const canvas = document.createElement('canvas');
  canvas.width = 48; canvas.height = 27;
  const paper = canvas.getContext('2d');
  paper.drawImage(video, 0, video.videoHeight * 0.15, video.videoWidth, video.videoHeight * 0.6, 0, 0, 48, 27);
  const pixels = paper.getImageData(0, 0, 48, 27).data;
  return pixels.reduce((sum, part, n) => n % 4 === 3 ? sum : sum + part, 0) / (48 * 27 * 3);
}"""


def _stage(page: Page, name: str) -> Any:
    return page.locator(f"[data-stage={name}]")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_camera_is_tried_before_it_is_entered_and_shows_its_picture(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    words, (width, height) = WORDS[language], SIZES[language]
    seat = open_seat(language, THEMES[language], width=width, height=height).sign_in(path="/devices/new")
    page = seat.page
    with camera("--tls", "--model", "IPC-9") as found:
        page.get_by_text(words["onvif"]).click()
        page.locator("input[inputmode=url]").fill(found["onvif"].removesuffix("/onvif/device_service"))
        page.locator("input[autocomplete=off].mono").fill("admin")
        page.locator("input[type=password]").fill("wrong")
        page.get_by_role("button", name=words["try"]).click()
        expect(page.get_by_role("button", name=words["accept"])).to_be_visible()
        pairs = found["certificate"].upper()
        expect(page.locator(".print")).to_have_text(":".join(pairs[n : n + 2] for n in range(0, 64, 2)))
        page.locator(".try").screenshot(path=SCREENSHOTS / f"trial-certificate-{language}.png")
        page.get_by_role("button", name=words["accept"]).click()
        expect(_stage(page, "credentials")).to_contain_text(words["refused"])
        page.get_by_role("button", name=words["again"]).click()
        expect(_stage(page, "credentials")).to_contain_text(words["same"])
        page.locator(".try").screenshot(path=SCREENSHOTS / f"trial-refused-{language}.png")
        page.locator("input[type=password]").fill("Tocsin-12")
        page.get_by_role("button", name=words["again"]).click()
        expect(_stage(page, "picture")).to_have_attribute("data-state", "ok")
        video = page.locator(".try video")
        expect(video).to_have_attribute("data-phase", "live")
        until(lambda: video.evaluate("one => one.videoWidth") > 0)
        assert seat.violations() == []
        page.locator(".try").screenshot(path=SCREENSHOTS / f"trial-picture-{language}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_label(words["name"], exact=True).first.fill(f"Tried {language}")
        _choose_jurisdiction(page)
        page.locator("button[type=submit]").click()
        page.wait_for_url("**/devices/*-*")
        device_id = page.url.rpartition("/")[2]
        until(lambda: town.ask("GET", f"/devices/{device_id}")["state"] == "online")
        assert town.ask("GET", f"/devices/{device_id}")["settings"]["certificate"] == found["certificate"]
        page.screenshot(path=SCREENSHOTS / f"trial-device-{language}.png", full_page=True)
    town.retire_device(device_id)


@contextmanager
def _gb_camera(values: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "tocsin", "simulate", "camera", "--loop", "--seconds", "120"]
    command += [part for name, value in values.items() for part in (f"--{name}", value)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_gb_camera_is_followed_coming_on_line(language: str, town: Town, open_seat: OpenSeat) -> None:
    words, (width, height) = WORDS[language], SIZES[language]
    seat = open_seat(language, THEMES[language], width=width, height=height).sign_in(path="/devices/new")
    page = seat.page
    place = next(iter(town.ask("GET", "/places?limit=1")["items"]))
    page.goto(f"{town.url}/devices/new?place={place['id']}")
    page.get_by_text(words["gb"]).click()
    page.get_by_role("button", name=words["propose"]).click()
    gb_id = page.locator("input[inputmode=numeric]")
    expect(gb_id).not_to_have_value("")
    page.get_by_role("button", name=words["password"]).click()
    password = page.locator("input[type=password]").input_value()
    page.get_by_label(words["name"], exact=True).first.fill(f"Followed {language}")
    proposed = gb_id.input_value()
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/arrival")
    device_id = page.url.split("/")[-2]
    expect(page.get_by_text(password)).to_be_visible()
    expect(_stage(page, "registered")).to_have_attribute("data-state", "running")
    page.screenshot(path=SCREENSHOTS / f"arrival-waits-{language}.png", full_page=True)
    entry = town.ask("GET", "/devices/entry")
    assert entry["proposed_id"] != proposed
    values = {
        "server": f"{entry['host']}:{entry['port']}",
        "id": proposed,
        "password": password,
        "server-id": entry["server_id"],
        "realm": entry["realm"],
    }
    with _gb_camera(values):
        expect(_stage(page, "catalogue")).to_have_attribute("data-state", "ok")
        page.get_by_role("button", name=words["look"]).click()
        expect(_stage(page, "picture")).to_have_attribute("data-state", "ok")
        expect(page.locator("figure[data-phase=live]")).to_have_count(1)
        assert seat.violations() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=SCREENSHOTS / f"arrival-done-{language}.png", full_page=True)
    town.retire_device(device_id)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_of_a_shops_camera_is_made_brighter_and_put_back(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    shop = next(one for one in town.ask("GET", "/cameras?limit=200")["items"] if one["name"] == "锦绣珠宝柜台")
    until(lambda: town.ask("GET", f"/cameras/{shop['id']}")["state"] == "online", 60.0)
    seat = open_seat(language, THEMES[language], width=1440, height=1100).sign_in(path=f"/cameras/{shop['id']}")
    page = seat.page
    page.locator(".dark button").click()
    seat.dialog().locator("label.why").first.click()
    seat.dialog().locator("button.primary").click()
    expect(page.locator("figure[data-phase=live]")).to_have_count(1)
    page.locator("details.sheet summary").click()
    expect(page.locator("details.sheet[open]")).to_have_count(1)
    slider = page.locator("input[name=brightness]")
    expect(slider).to_have_value("50")
    video = page.locator("figure video").first
    before = video.evaluate(BRIGHTNESS)
    slider.focus()
    slider.evaluate("one => { one.value = '85'; one.dispatchEvent(new Event('input', {bubbles: true})); }")
    slider.evaluate("one => one.dispatchEvent(new Event('change', {bubbles: true}))")
    until(lambda: video.evaluate(BRIGHTNESS) > before + 25)
    page.get_by_role("button", name=words["undo"]).click()
    until(lambda: abs(video.evaluate(BRIGHTNESS) - before) < 15)
    assert town.ask("GET", f"/cameras/{shop['id']}/control")["held_by"] is not None
    page.screenshot(path=SCREENSHOTS / f"image-sheet-{language}.png")
    assert seat.violations() == []
