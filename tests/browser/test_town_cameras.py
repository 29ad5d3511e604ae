"""All cameras of the town on the map: clusters that open, single cameras that lead to their page."""

from __future__ import annotations

import re
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import until

pytestmark = pytest.mark.browser
CANVAS = "canvas.maplibregl-canvas"
STEP_PX = 12
FIND = """(step) => {
  const canvas = document.querySelector('canvas.maplibregl-canvas');
  const box = canvas.getBoundingClientRect();
  const found = [];
  for (let y = step; y < box.height; y += step)
    for (let x = step; x < box.width; x += step) {
      const at = { clientX: box.x + x, clientY: box.y + y, bubbles: true };
      canvas.dispatchEvent(new MouseEvent('mousemove', at));
      if (canvas.title) found.push([canvas.title, at.clientX, at.clientY]);
    }
  return found;
}"""


def _marks(page: Page, words: str) -> list[tuple[str, float, float]]:
    """Return the marks the pointer finds on the map whose title matches."""
    return [(title, x, y) for title, x, y in page.evaluate(FIND, STEP_PX) if re.search(words, title)]


def _has_changed(page: Page, before: object) -> bool:
    return bool(page.evaluate(FIND, STEP_PX) != before)


def _at(page: Page, words: str) -> tuple[str, float, float]:
    return until(lambda: _marks(page, words))[0]


@pytest.mark.parametrize(
    ("language", "theme", "cluster"), [("en", "dark", "cameras, "), ("zh-CN", "light", "台摄像机")]
)
def test_a_cluster_opens_and_a_camera_leads_to_its_page(
    open_seat: OpenSeat, language: str, theme: str, cluster: str
) -> None:
    seat = open_seat(language, "dark" if theme == "dark" else "light", width=1600, height=900).sign_in(path="/cameras")
    page = seat.page
    names = {
        one["name" if language == "zh-CN" else "name_en"] or one["name"]: one["id"]
        for one in seat.town.ask("GET", "/cameras?limit=200")["items"]
    }
    page.locator(CANVAS).wait_for()
    for _ in range(8):
        until(lambda: _marks(page, ""))
        page.screenshot(path=SCREENSHOTS / f"map-{language}-{theme}.png")
        single = [mark for mark in _marks(page, "") if mark[0] in names]
        if single:
            break
        _, x, y = _at(page, cluster)
        before = page.evaluate(FIND, STEP_PX)
        page.mouse.click(x, y)
        until(partial(_has_changed, page, before))
    title, x, y = single[0]
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile(f"/cameras/{names[title]}$"))


def test_the_control_room_shows_the_town_without_reading_every_camera(open_seat: OpenSeat) -> None:
    seat = open_seat(width=1600, height=900).sign_in()
    page = seat.page
    page.locator(CANVAS).wait_for()
    assert until(lambda: _marks(page, "cameras, |Camera|camera"))
    page.screenshot(path=SCREENSHOTS / "map-room.png")
    assert [url for url in seat.urls if re.search(r"/api/v1/cameras\?", url)] == []
    assert len([url for url in seat.urls if url.endswith("/api/v1/camera-points")]) == 1
