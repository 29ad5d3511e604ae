"""Moving a camera from its page: a key turns the simulated camera, the street turns, and letting go stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Look…", "Patrol", "Look until", "You have control since", "Save this position", "Give back"),
    "zh-CN": ("查看图像…", "巡", "查看至", "您自", "保存当前位置", "交还控制"),
}
# The picture in a few grey numbers, without the clock at its top.
GLANCE = """video => {
  const canvas = document.createElement('canvas');
  canvas.width = 48; canvas.height = 27;
  const paper = canvas.getContext('2d');
  paper.drawImage(video, 0, video.videoHeight * 0.15, video.videoWidth, video.videoHeight * 0.6, 0, 0, 48, 27);
  const pixels = paper.getImageData(0, 0, 48, 27).data;
  return Array.from({length: 48 * 27}, (_, n) => (pixels[4 * n] + pixels[4 * n + 1] + pixels[4 * n + 2]) / 3);
}"""


def _glance(seat: Seat) -> list[float]:
    seen: list[float] = seat.page.locator("figure video").first.evaluate(GLANCE)
    return seen


def _difference(one: list[float], other: list[float]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_arrow_key_turns_the_camera_until_it_is_let_go(language: str, town: Town, open_seat: OpenSeat) -> None:
    look, patrol, until_words, mine, save, give_back = WORDS[language]
    seat = open_seat(language, "dark" if language == "en" else "light").sign_in(path=f"/cameras/{town.camera}")
    page = seat.page
    page.get_by_role("button", name=look).click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()
    expect(page.locator("figure[data-phase=live]")).to_have_count(1)
    surface = page.locator("figure [role=application]")
    surface.focus()
    page.wait_for_timeout(500)
    still, later = _glance(seat), _glance(seat)
    page.keyboard.down("ArrowRight")
    expect(page.locator("section.control")).to_contain_text(mine)
    state: dict[str, Any] = town.ask("GET", f"/cameras/{town.camera}/control")
    assert state["held_by"] is not None
    until(lambda: _difference(still, _glance(seat)) > 3 * _difference(still, later) + 5)
    page.keyboard.up("ArrowRight")
    assert seat.violations() == []
    name = page.locator(".presets").get_by_role("button", name=save)
    name.click()
    seat.dialog().locator("input").first.fill("大门")
    seat.dialog().locator("button[type=submit]").click()
    expect(page.locator(".presets li").first).to_contain_text("大门")
    page.locator("section.control").get_by_role("button", name=give_back).click()
    until(lambda: town.ask("GET", f"/cameras/{town.camera}/control")["held_by"] is None)


def test_the_card_of_an_incident_moves_its_camera_and_a_fixed_one_has_no_pad(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat("en", width=1600, height=900).sign_in()
    seat.row(alarm()).click()
    expect(seat.picture("live")).to_have_count(1)
    seat.card.locator("summary", has_text="Control").click()
    pad = seat.card.locator("section.control")
    pad.get_by_role("button", name="Zoom in").hover()
    seat.page.mouse.down()
    expect(pad).to_contain_text("You have control since")
    seat.page.mouse.up()
    assert seat.violations() == []
    cameras: list[dict[str, Any]] = town.ask("GET", "/cameras?limit=100")["items"]
    fixed = next(camera for camera in cameras if not camera["can_move"])
    seat.visit(f"/cameras/{fixed['id']}")
    seat.page.get_by_role("button", name="Look…").click()
    seat.dialog().locator("label.why").filter(has_text="Patrol").first.click()
    seat.dialog().get_by_role("button", name="Look until").click()
    expect(seat.page.locator("figure[data-phase=live]")).to_have_count(1)
    expect(seat.page.locator("section.control")).to_have_count(0)
