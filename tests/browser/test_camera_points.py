"""The map when its cameras cannot be read: it says so, offers to try again, and pales what is of earlier."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.test_town_cameras import CANVAS, _marks
from tests.browser.town import until

pytestmark = pytest.mark.browser
POINTS = "**/api/v1/camera-points"


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_cameras_that_cannot_be_read_are_said_and_read_on_request(
    open_seat: OpenSeat, language: str, theme: str
) -> None:
    seat = open_seat(language, "dark" if theme == "dark" else "light", width=1600, height=900)
    page = seat.page
    page.route(POINTS, lambda route: route.abort())
    seat.sign_in(path="/cameras")
    page.locator(CANVAS).wait_for()
    said = page.locator(".pane .state.wrong")
    expect(said).to_contain_text("地图上暂不显示摄像机" if language == "zh-CN" else "the map shows none")
    assert _marks(page, "") == []
    page.screenshot(path=SCREENSHOTS / f"map-failed-{language}-{theme}.png")
    page.unroute(POINTS)
    said.get_by_role("button").click()
    expect(said).to_have_count(0)
    assert until(lambda: _marks(page, ""))


def test_points_of_earlier_say_their_time_until_they_are_read_again(open_seat: OpenSeat) -> None:
    seat = open_seat(width=1600, height=900).sign_in(path="/cameras")
    page = seat.page
    page.locator(CANVAS).wait_for()
    assert until(lambda: _marks(page, ""))
    page.route(POINTS, lambda route: route.abort())
    page.get_by_role("link", name="Places").first.click()
    expect(page).to_have_url(re.compile("/places"))
    page.get_by_role("link", name="Cameras").first.click()
    said = page.locator(".pane .state.wrong")
    expect(said).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    page.screenshot(path=SCREENSHOTS / "map-old.png")
    page.unroute(POINTS)
    said.get_by_role("button").click()
    expect(said).to_have_count(0)
