"""The wall: sixteen live tiles of sub streams, one enlarged to its main stream, steps, layouts, and the end of all."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.seat import Seat
from tests.browser.test_ip_cameras import camera as ip_camera
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Look…", "Patrol", "Look until", "Save layout", "End", "minutes more"),
    "zh-CN": ("开始调看…", "巡", "查看至", "保存布局", "结束", "分钟"),
}
# A page too slow for its pictures, without making the machine slow: half the frames count as dropped.
DROPS = """
const asked = HTMLVideoElement.prototype.getVideoPlaybackQuality;
HTMLVideoElement.prototype.getVideoPlaybackQuality = function () {
  const real = asked.call(this);
  if (!window.drops) return real;
  this.lost = (this.lost ?? real.droppedVideoFrames) + 30;
  this.all = (this.all ?? real.totalVideoFrames) + 60;
  return { totalVideoFrames: this.all, droppedVideoFrames: this.lost };
};
"""
SIZES = "() => [...document.querySelectorAll('[data-tile] video')].map((v) => v.videoWidth)"


def _places(town: Town, tiles: int) -> list[list[str]]:
    """Return the town's own cameras, over and over: what other tests entered may give no picture."""
    found: dict[str, Any] = town.ask("GET", "/cameras?stage=in_service&state=online&limit=500")
    ids = [one["id"] for one in found["items"] if (one["gb_id"] or "").startswith("340299")]
    assert len(ids) > 1
    return [[ids[tile % len(ids)]] for tile in range(tiles)]


def _open_wall(
    seat: Seat, places: list[list[str]], language: str, *, dwell_s: int = 3600, together: bool = False
) -> None:
    kept = json.dumps({"tiles": len(places), "places": places, "dwell_s": dwell_s, "together": together})
    seat.page.evaluate("(kept) => localStorage.setItem('tocsin.wall', kept)", kept)
    seat.page.goto(f"{seat.town.url}/wall")
    look, patrol, until_words, *_ = WORDS[language]
    seat.page.get_by_role("button", name=look).click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_sixteen_tiles_play_and_one_is_enlarged_to_its_main_stream(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    theme = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, width=1920, height=1080).sign_in(path="/help")
    page = seat.page
    _open_wall(seat, _places(town, 16), language)
    expect(page.locator("[data-tile][data-phase=live]")).to_have_count(16)
    small = max(page.evaluate(SIZES))
    page.screenshot(path=SCREENSHOTS / f"wall-16-{language}.png")
    page.locator("[data-tile='0']").dblclick(position={"x": 40, "y": 40})
    expect(page.locator(".cell.large video[data-which=main]")).to_have_count(1)
    expect(page.locator(".cell.large [data-phase=live]")).to_have_count(1)
    page.wait_for_function(
        "(small) => document.querySelector('.cell.large video[data-which=main]')?.videoWidth > small", arg=small
    )
    page.screenshot(path=SCREENSHOTS / f"wall-large-{language}.png")
    page.keyboard.press("Escape")
    expect(page.locator(".cell.large")).to_have_count(0)
    page.get_by_role("button", name=WORDS[language][4], exact=True).click()
    expect(page.locator("[data-tile] video")).to_have_count(0)
    assert seat.violations() == []


def test_a_tile_steps_through_its_cameras_and_a_layout_comes_back(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en").sign_in(path="/help")
    page = seat.page
    places = _places(town, 4)
    first, second = places[0][0], places[1][0]
    _open_wall(seat, [[first, second], [second], [], []], "en")
    expect(page.locator("[data-tile='0'][data-phase=live]")).to_have_count(1)
    page.locator("[data-tile='0']").focus()
    page.keyboard.press("n")
    expect(page.locator(f"[data-tile='0'] video[data-camera='{second}']")).to_have_count(1)
    expect(page.locator("[data-tile='0'] video")).to_have_count(1)
    page.get_by_role("button", name="Save layout").click()
    seat.dialog().get_by_label("Name").fill("Two gates")
    seat.dialog().get_by_role("button", name="Save layout").click()
    expect(page.get_by_text("Layout Two gates saved.")).to_be_visible()
    page.evaluate("localStorage.removeItem('tocsin.wall')")
    page.goto(f"{town.url}/wall")
    page.get_by_label("Layouts").select_option(label="Two gates")
    expect(page.locator("[data-tile='0']")).to_contain_text("/2")


@contextmanager
def _dark_camera(town: Town) -> Iterator[dict[str, Any]]:
    """A camera in service that no longer answers: it was taken off the wall after it had been entered."""
    place = next(iter(town.ask("GET", "/places?limit=1")["items"]))
    with ip_camera("--model", "IPC-DARK") as found:
        made = town.ask(
            "POST",
            "/devices",
            {
                "kind": "camera",
                "protocol": "onvif",
                "name": "已拆除的摄像机",
                "name_en": "Camera taken down",
                "jurisdiction_id": place["jurisdiction_id"],
                "place_id": place["id"],
                "address": {"url": found["onvif"], "username": "admin"},
            },
        )
        town.ask("PUT", f"/devices/{made['id']}/secret", {"password": "Tocsin-12"})
        channel = until(lambda: town.ask("GET", f"/cameras?device_id={made['id']}")["items"])[0]
        owned = {"version": channel["version"], "owner": "Town", "purpose": "Test", "place_id": place["id"]}
        camera = town.ask("PATCH", f"/cameras/{channel['id']}", owned)
    try:
        yield camera
    finally:
        town.retire_device(made["id"])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_tile_says_that_its_next_camera_has_no_picture_and_goes_on(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    seat = open_seat(language, "light" if language == "en" else "dark").sign_in(path="/help")
    page = seat.page
    good = _places(town, 1)[0][0]
    with _dark_camera(town) as dark:
        _open_wall(seat, [[good, dark["id"]], [], [], []], language, dwell_s=12)
        tile = page.locator("[data-tile='0']")
        expect(page.locator("[data-tile='0'][data-phase=live]")).to_have_count(1)
        tile.focus()
        page.keyboard.press("n")
        expect(page.locator("[data-tile='0'][data-phase=none]")).to_have_count(1)
        expect(tile).to_contain_text("No picture" if language == "en" else "没有图像")
        expect(tile).to_contain_text(dark["name_en"] if language == "en" else dark["name"])
        expect(page.locator(f"[data-tile='0'] video[data-camera='{good}']")).to_have_count(0)
        expect(page.locator("[data-tile='0'] video")).to_have_count(1)
        page.screenshot(path=SCREENSHOTS / f"wall-none-{language}.png")
        expect(page.locator("[data-tile='0'][data-phase=live]")).to_have_count(1)  # after its seconds
        expect(page.locator(f"[data-tile='0'] video[data-camera='{good}']")).to_have_count(1)
        expect(page.locator("[data-tile='0'] video")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_all_tiles_change_page_together(language: str, town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat(language, width=1600, height=900).sign_in(path="/wall")
    page = seat.page
    page.locator(".tree .name").first.click()  # the county
    expect(page.locator(".tree .name[aria-pressed=true]")).to_have_count(1)
    page.locator(".tree .turn:not([disabled])").first.click()
    expect(page.locator(".tree ul ul .name").first).to_be_visible()
    page.locator("aside").get_by_role("button", name="in turn" if language == "en" else "整屏轮巡").click()
    pages = page.locator(".pages [role=status]")
    expect(pages).to_contain_text("1")
    look, patrol, until_words, *_ = WORDS[language]
    page.get_by_role("button", name=look).click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()
    shown = "() => [...document.querySelectorAll('[data-tile]')].map((tile) => tile.ariaLabel)"
    first = page.evaluate(shown)
    page.locator("[data-tile='0']").focus()
    page.keyboard.press("n")
    expect(pages).to_contain_text("2")
    second = page.evaluate(shown)
    assert all(one != other for one, other in zip(first, second, strict=True))
    page.keyboard.press("p")
    expect(pages).to_contain_text("1")
    assert page.evaluate(shown) == first
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Hold" if language == "en" else "暂停轮巡", pressed=True)).to_be_visible()
    page.keyboard.press("Space")
    page.get_by_label("Seconds each" if language == "en" else "轮巡间隔").fill("5")
    expect(pages).to_contain_text("2")  # by itself
    page.keyboard.press("Escape")
    page.screenshot(path=SCREENSHOTS / f"wall-together-{language}.png")
    assert seat.violations() == []


def test_a_page_that_falls_behind_gives_up_streams_and_says_so(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en", width=1600, height=900)
    seat.page.add_init_script(DROPS)
    seat.sign_in(path="/help")
    page = seat.page
    _open_wall(seat, _places(town, 4), "en")
    expect(page.locator("[data-tile][data-phase=live]")).to_have_count(4)
    page.locator("[data-tile='1']").dblclick(position={"x": 40, "y": 40})
    expect(page.locator(".cell.large video[data-which=main]")).to_have_count(1)
    page.evaluate("window.drops = true")
    relief = page.locator(".cell.large .relief")
    expect(relief).to_have_text("sub stream: page behind")
    expect(page.locator(".cell.large video[data-which=sub]")).to_have_count(1)
    page.screenshot(path=SCREENSHOTS / "wall-behind.png")
    expect(relief).to_have_text("Key frames only")
    with urllib.request.urlopen(f"{town.url}/metrics") as answer:
        figures = answer.read().decode()
    assert "tocsin_media_viewers_keys_only" in figures
    assert "tocsin_media_delay_seconds_bucket" in figures


def test_all_tiles_end_when_the_view_does(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en").sign_in(path="/help")
    page = seat.page
    _open_wall(seat, _places(town, 4), "en")
    expect(page.locator("[data-tile][data-phase=live]")).to_have_count(4)
    page.clock.install()
    page.clock.fast_forward(61 * 60_000)
    expect(page.locator("[data-tile][data-phase=over]")).to_have_count(4)


def test_a_second_window_carries_a_view_of_its_own_and_closes_from_the_first(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en").sign_in(path="/wall")
    with seat.page.expect_popup() as opened:
        seat.page.get_by_role("button", name="Second screen").click()
    second = opened.value
    expect(second.locator(".wall.second")).to_be_visible()
    close = seat.page.get_by_role("button", name="Close second screen")
    expect(close).to_be_visible()
    with second.expect_event("close"):
        close.click()
    expect(seat.page.get_by_role("button", name="Second screen", exact=True)).to_be_visible()
