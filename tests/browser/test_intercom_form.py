"""A door intercom is entered and changed in the console: what is wrong stands at its field, and nothing is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "user": "SIP user", "password": "Password", "code": "Code that opens", "wrong": "Up to 16 of", "name": "Name",
        "jurisdiction": "Jurisdiction", "enter": "Enter the device", "edit": "Edit", "save": "Save",
    },
    "zh-CN": {
        "user": "SIP 账号", "password": "密码", "code": "开门码", "wrong": "最多 16 位", "name": "名称",
        "jurisdiction": "辖区", "enter": "登记", "edit": "编辑", "save": "保存",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_an_intercom_is_entered_and_its_door_code_changed(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    seat = open_seat(language, theme, width=1280, height=1000)
    seat.sign_in(path="/devices/new-intercom")
    page = seat.page
    page.get_by_label(words["user"], exact=True).fill(f"gate-{language}")
    page.get_by_label(words["password"], exact=True).fill("river-stone-26")
    page.get_by_label(words["code"], exact=True).fill("0#!")
    page.get_by_label(words["name"], exact=True).fill("North gate 北门")
    page.get_by_label(words["jurisdiction"], exact=True).select_option(index=1)
    page.get_by_role("button", name=words["enter"], exact=True).click()
    expect(page.get_by_text(words["wrong"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"intercom-form-{language}-{theme}.png")
    assert seat.violations() == []
    page.get_by_label(words["code"], exact=True).fill("0#")
    page.get_by_role("button", name=words["enter"], exact=True).click()
    expect(page.get_by_role("heading", name="North gate 北门")).to_be_visible()
    device_id = page.url.rpartition("/")[2]
    try:
        page.get_by_role("link", name=words["edit"], exact=True).click()
        page.get_by_label(words["code"], exact=True).fill("*1")
        page.get_by_role("button", name=words["save"], exact=True).click()
        expect(page.get_by_role("heading", name="North gate 北门")).to_be_visible()
        expect(page.locator("[data-openers]").get_by_role("row").nth(1)).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"intercom-page-{language}-{theme}.png")
        assert seat.violations() == []
        assert town.ask("GET", f"/devices/{device_id}")["settings"]["door_code"] == "*1"
    finally:
        town.retire_device(device_id)
