"""Recording: a camera's plan changed on its page, seen to record, and taken back; volumes on the health page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town

pytestmark = pytest.mark.browser

CAMERA = "34029900001310000901"  # by the pond in the park: nobody else's test looks at it
WORDS = {
    "en": {
        "not": "Not recorded",
        "now": "Recording",
        "change": "Change plan…",
        "schedule": "By a weekly schedule",
        "all": "Whole week",
        "save": "Save plan",
        "undo": "Undo",
        "cell": re.compile("^Monday 08:00 to 09:00$"),
        "taken": "Takes recordings",
    },
    "zh-CN": {
        "not": "未录像",
        "now": "正在录像",
        "change": "修改计划…",
        "schedule": "按周计划录像",
        "all": "整周",
        "save": "保存计划",
        "undo": "撤销",
        "cell": re.compile("^星期一 08:00 至 09:00$"),
        "taken": "正常写入",
    },
}


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_a_plan_is_made_counts_at_once_and_is_taken_back(
    language: str, theme: str, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    camera = next(one["id"] for one in town.ask("GET", "/cameras?limit=200")["items"] if one["gb_id"] == CAMERA)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat = open_seat(language, theme, height=1400).sign_in(path=f"/cameras/{camera}")  # type: ignore[arg-type]
    page, section = seat.page, seat.page.locator(".recording-plan")
    expect(section).to_contain_text(str(words["not"]))
    section.get_by_role("button", name=str(words["change"])).click()
    section.get_by_role("radio", name=str(words["schedule"])).check()
    section.get_by_role("button", name=str(words["all"]), exact=True).click()
    cell = section.get_by_role("gridcell", name=words["cell"])
    cell.focus()
    page.keyboard.press("Space")
    expect(cell).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Space")
    expect(cell).to_have_attribute("aria-selected", "true")
    section.screenshot(path=SCREENSHOTS / f"recording-plan-{language}-{theme}.png")
    section.get_by_role("button", name=str(words["save"])).click()
    expect(section).to_contain_text(str(words["now"]))
    section.screenshot(path=SCREENSHOTS / f"recording-now-{language}-{theme}.png")
    page.get_by_role("button", name=str(words["undo"])).click()
    expect(section).to_contain_text(str(words["not"]))
    page.goto(page.url.rsplit("/cameras", 1)[0] + "/health")
    volumes = page.locator(".volumes")
    expect(volumes).to_contain_text(str(words["taken"]))
    volumes.scroll_into_view_if_needed()
    volumes.screenshot(path=SCREENSHOTS / f"recording-volumes-{language}-{theme}.png")
