"""A recording plan for chosen cameras: what it would take is seen first, it counts at once, and is taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser
CAMERA = "34029900001310000901"  # by the pond in the park
WORDS = {
    "en": ("Change…", "Set recording plan", "All the time", "Preview", "1 more recorded", "Change 1", "Undo"),
    "zh-CN": ("更改…", "设置录像计划", "全天录像", "预览", "新增录像 1 台", "更改 1 台", "撤销"),
}


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_a_plan_is_given_to_chosen_cameras_and_taken_back(
    language: str, theme: str, town: Town, open_seat: OpenSeat
) -> None:
    change, act, mode, preview, more, go, undo = WORDS[language]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    camera = next(one["id"] for one in town.ask("GET", "/cameras?limit=200")["items"] if one["gb_id"] == CAMERA)
    seat = open_seat(language, theme).sign_in(path=f"/cameras?q={CAMERA}")  # type: ignore[arg-type]
    page = seat.page
    expect(page.locator("tbody td.pick input")).to_have_count(1)
    page.locator("thead td.pick input, thead th.pick input").check()
    page.get_by_role("button", name=change, exact=True).click()
    dialog = seat.dialog()
    dialog.get_by_role("radio", name=act).check()
    dialog.get_by_role("radio", name=mode).check()
    page.screenshot(path=SCREENSHOTS / f"bulk-plan-{language}-{theme}.png")
    dialog.get_by_role("button", name=preview).click()
    expect(dialog).to_contain_text(more)
    page.screenshot(path=SCREENSHOTS / f"bulk-plan-preview-{language}-{theme}.png")
    assert seat.violations() == []
    dialog.get_by_role("button", name=go).click()
    until(lambda: _mode(town, camera) == "continuous")
    dialog.get_by_role("button", name=undo).click()
    until(lambda: _mode(town, camera) == "off")


def _mode(town: Town, camera: str) -> str:
    return str(town.ask("GET", f"/cameras/{camera}/recording-plan")["mode"])
