"""The wall: sixteen live tiles of sub streams, one enlarged to its main stream, steps, layouts, and the end of all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Look…", "Patrol", "Look until", "Save layout", "End", "minutes more"),
    "zh-CN": ("开始调看…", "巡", "查看至", "保存布局", "结束", "分钟"),
}
SIZES = "() => [...document.querySelectorAll('[data-tile] video')].map((v) => v.videoWidth)"


def _places(town: Town, tiles: int) -> list[list[str]]:
    found: dict[str, Any] = town.ask("GET", "/cameras?stage=in_service&state=online&limit=100")
    ids = [one["id"] for one in found["items"]]
    assert ids
    return [[ids[tile % len(ids)]] for tile in range(tiles)]


def _open_wall(seat: Seat, places: list[list[str]], language: str) -> None:
    kept = json.dumps({"tiles": len(places), "places": places, "dwell_s": 5})
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
