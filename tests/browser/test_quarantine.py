"""A signal nobody understood: somebody says what its code means, it is read again, and all of it is taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, send_alarm, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "code": "QX", "meaning": "Say what it means…", "event": "Means", "search": "Burglary", "because": "Why",
        "do": "Say it and read again", "said": "What was said", "back": "Take back…", "undo": "Take back",
        "undone": "taken back", "waiting": "Waiting",
    },
    "zh-CN": {
        "code": "ZQ", "meaning": "补录含义…", "event": "含义", "search": "入侵", "because": "依据",
        "do": "补录并重新读取", "said": "补录记录", "back": "撤销…", "undo": "撤销",
        "undone": "已撤销", "waiting": "待查",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_an_unknown_code_is_given_a_meaning_and_taken_back(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    words, panel = WORDS[language], town.panel
    send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], words["code"], "1")
    seat = open_seat(language, theme, width=1400, height=900).sign_in(path="/quarantine")
    page = seat.page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"quarantine-{name}-{language}-{theme}.png")
        assert seat.violations() == []

    row = page.get_by_role("row").filter(has_text=f"sia:{words['code']}")
    expect(row).to_have_count(1)
    row.get_by_role("button").first.click()
    expect(page.locator("#waiting-title")).to_be_visible()
    picture("waiting")
    row.get_by_role("button", name=words["meaning"]).click()
    dialog = seat.dialog()
    dialog.get_by_role("searchbox").fill(words["search"])
    dialog.locator(".found label").filter(has_text=words["search"]).first.click()
    expect(dialog.locator(".reg-say")).to_contain_text("1")
    dialog.get_by_label(words["because"]).fill("the maker's manual, page 12")
    picture("meaning")
    dialog.get_by_role("button", name=words["do"]).click()
    expect(row).to_have_count(0)
    assert until(town.open_incidents), "a signal this young is an alarm once it is understood"

    page.get_by_role("link", name=words["said"]).click()
    said = page.get_by_role("listitem").filter(has_text=f"sia:{words['code']}")
    picture("said")
    said.get_by_role("button", name=words["back"]).click()
    picture("undo")
    seat.dialog().get_by_role("button", name=words["undo"], exact=True).click()
    expect(said.get_by_text(words["undone"], exact=True)).to_be_visible()
    page.get_by_role("link", name=words["waiting"]).click()
    expect(row).to_have_count(1)
