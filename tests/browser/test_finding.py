"""The command line finds cameras, devices and places by name and pinyin, with the keys alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_a_camera_is_found_by_pinyin_and_opened_by_enter(open_seat: OpenSeat, language: str, theme: Theme) -> None:
    seat = open_seat(language, theme).sign_in(path="/audit")
    page = seat.page
    page.keyboard.press("/")
    field = page.get_by_role("combobox").and_(page.locator("footer input"))
    field.press_sequentially("shuichang")
    options = page.locator("#command-found [role=option]")
    expect(options.first).to_be_visible()
    [place] = [one for one in seat.town.ask("GET", "/search?q=shuichang&limit=8")["items"] if one["kind"] == "place"]
    name = place["name"] if language == "zh-CN" else place["name_en"]
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.screenshot(path=SCREENSHOTS / f"finding-{language}-{theme}.png")
    assert seat.violations() == []
    while name not in (options.and_(page.locator("[aria-selected=true]")).text_content() or ""):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/places/{place['id']}$"))
    expect(field).to_have_count(0)
