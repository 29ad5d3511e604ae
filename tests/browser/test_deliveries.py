"""The delivery ledger in the console: late ones, the way of one, from the card of an incident too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {"way": "Its way", "shown": "Shown on a screen", "left": "Acknowledgement left", "all": "all"},
    "zh-CN": {"way": "查看全程", "shown": "屏幕显示", "left": "发出应答", "all": "全部"},
}


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_the_way_of_an_alarm_is_read_from_its_card_and_from_the_ledger(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    words = WORDS[language]
    incident_id = alarm()
    seat = open_seat(language, theme, width=1500, height=950)
    seat.sign_in()
    page = seat.page
    signal_id = town.ask("GET", f"/incidents/{incident_id}")["alarms"][0]["signal_id"]

    def is_kept() -> bool:
        steps = town.ask("GET", f"/signals/{signal_id}/trace")["steps"]
        return {"answered", "pushed", "presented"} <= {step["key"] for step in steps if step["at"]}

    until(is_kept)
    page.get_by_role("button", name=words["way"]).first.click()
    dialog = seat.dialog()
    expect(dialog.get_by_text(words["shown"])).to_be_visible()
    expect(dialog.get_by_text(words["left"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"deliveries-card-{language}.png")
    assert seat.violations() == []
    page.keyboard.press("Escape")

    seat.visit("/deliveries?which=all&hours=1")
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name=words["way"]))
    expect(row.first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"deliveries-{language}.png")
    assert seat.violations() == []
    row.first.get_by_role("button", name=words["way"]).click()
    expect(seat.dialog().get_by_text(words["left"])).to_be_visible()
    with page.expect_download() as download:
        page.keyboard.press("Escape")
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "deliveries.csv"
    seat.visit(f"/deliveries/{signal_id}")
    expect(page.get_by_text(words["shown"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"deliveries-way-{language}.png")
