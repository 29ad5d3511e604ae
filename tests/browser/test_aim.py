"""The view of a camera is set on the map: with the pointer, with the keys, and in figures; the sector follows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser
WORDS = {
    "en": ("Direction and reach", "Opening angle", "Direction", "Width of view", "Useful distance", "Save"),
    "zh-CN": ("朝向与视距", "视场角", "朝向", "视场角", "有效距离", "保存"),
}


def _camera(town: Town) -> dict[str, Any]:
    items = town.ask("GET", "/cameras?limit=200")["items"]
    return next(one for one in items if one["gb_id"].startswith("340299") and one["bearing_deg"] is not None)


def _middle(handle: Locator) -> tuple[float, float]:
    box = handle.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _figures(page: Page) -> list[float]:
    return [float(page.locator("fieldset input[type=number]").nth(n).input_value()) for n in (2, 3, 4)]


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_a_view_is_dragged_turned_by_keys_and_saved(
    open_seat: OpenSeat, town: Town, language: str, theme: Theme
) -> None:
    camera = _camera(town)
    tip_label, edge_label, *_, save = WORDS[language]
    seat = open_seat(language, theme, width=1440, height=1000).sign_in(path=f"/cameras/{camera['id']}/edit")
    page = seat.page
    tip, edge = page.get_by_role("slider", name=tip_label), page.get_by_role("slider", name=edge_label)
    expect(tip).to_be_visible()
    until(lambda: _figures(page)[0] == camera["bearing_deg"])
    before = _figures(page)

    x, y = _middle(tip)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 40, steps=4)
    page.mouse.up()
    dragged = _figures(page)
    assert dragged[:1] + dragged[2:] != before[:1] + before[2:]
    assert dragged[1] == before[1]
    page.screenshot(path=SCREENSHOTS / f"aim-{language}-{theme}.png")
    assert seat.violations() == []

    edge.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    tip.focus()
    page.keyboard.press("ArrowRight")
    bearing, fov, reach = _figures(page)
    assert (fov, reach) == (round(dragged[1]) + 6, dragged[2])
    assert bearing == (dragged[0] + 5) % 360

    page.get_by_role("button", name=save).click()
    expect(page).to_have_url(re.compile(f"/cameras/{camera['id']}$"))
    saved = town.ask("GET", f"/cameras/{camera['id']}")
    assert [saved[name] for name in ("bearing_deg", "fov_deg", "range_m")] == [bearing, fov, reach]
    old = {name: camera[name] for name in ("bearing_deg", "fov_deg", "range_m")}
    town.ask("PATCH", f"/cameras/{camera['id']}", {"version": saved["version"], **old})
