"""What the console may not need: other hosts, a graphics card, a heavy first load."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Playwright, Response, expect

from bench.chromium import launch
from tests.browser.conftest import OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

MOST_SCRIPT_BYTES = 400_000
MAP = re.compile(r"/(TownMap|maplibre)[^/]*\.m?js$")


def test_the_room_works_without_webgl(
    town: Town, playwright: Playwright, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    plain = launch(playwright, "--disable-gpu", "--disable-3d-apis")
    seat = open_seat("en", width=1280, height=720, browser=plain).sign_in()
    assert seat.page.evaluate("document.createElement('canvas').getContext('webgl2')") is None
    incident_id = alarm()
    expect(seat.row(incident_id)).to_be_visible()
    expect(seat.picture("live")).to_have_count(1)
    seat.expect_advancing(5)
    expect(seat.page.locator(".dispatch")).to_contain_text("This machine cannot draw the map.")
    expect(seat.page.locator(".dispatch button[data-unit]")).to_have_count(5)
    expect(seat.page.locator(".dispatch button[data-unit]").first).to_contain_text(re.compile(r"\d m"))
    assert not any(MAP.search(url) for url in seat.urls), "the map was loaded for nothing"
    plain.close()


def test_the_room_needs_under_400_kb_of_script_before_the_map(open_seat: OpenSeat) -> None:
    seat = open_seat("en")
    scripts: dict[str, int] = {}

    def _note(response: Response) -> None:
        if response.request.resource_type == "script" and not MAP.search(response.url):
            scripts[response.url] = len(response.body())

    seat.page.on("response", _note)
    seat.sign_in()
    expect(seat.page.locator("#queue-rows")).to_contain_text("Nothing waits.")
    until(lambda: any(MAP.search(url) for url in seat.urls))
    assert scripts
    assert sum(scripts.values()) < MOST_SCRIPT_BYTES, scripts


def test_nothing_is_asked_of_another_host(town: Town, open_seat: OpenSeat, alarm: Callable[[], str]) -> None:
    seat = open_seat("zh-CN").sign_in()
    expect(seat.row(alarm())).to_be_visible()
    expect(seat.picture("live")).to_have_count(1)
    expect(seat.page.locator("canvas.maplibregl-canvas")).to_be_visible()
    assert any("/live/" in url for url in seat.urls)
    assert seat.strangers() == []
    page = seat.context.request.get(town.url)
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy or "default-src 'none'" in policy
