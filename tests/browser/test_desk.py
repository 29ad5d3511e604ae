"""The device page asks the simulated device itself: how it is, armed or not, how it is set, and sets it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

ASK = {
    "en": ("Ask it now", "right within a second", "Read from the device", "Set in the device", "read back", "Edit"),
    "zh-CN": ("立即查询", "准确", "从设备读取", "写入设备", "回读", "编辑"),
}
ARM = {
    "en": ("Arm…", "Arm", "The device says it is armed.", "armed"),
    "zh-CN": ("布防…", "布防", "设备确认已布防。", "布防"),
}


def _device(town: Town) -> str:
    return str(town.ask("GET", f"/cameras/{town.camera}")["device_id"])


def _itself(page: Page) -> Any:
    return page.locator("section[aria-labelledby=itself-title]")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_device_is_asked_how_it_is_and_set_and_read_back(language: str, town: Town, open_seat: OpenSeat) -> None:
    ask, right, read, put, read_back, edit = ASK[language]
    theme: Any = "dark" if language == "en" else "light"
    device = _device(town)
    seat = open_seat(language, theme, width=1500, height=1400).sign_in(path=f"/devices/{device}")
    page, itself = seat.page, _itself(seat.page)
    itself.get_by_role("button", name=ask).click()
    expect(itself).to_contain_text(right)
    itself.get_by_role("button", name=read).click()
    count = "4" if language == "en" else "5"
    expect(itself.locator("input[name=HeartBeatCount]")).not_to_have_value("")
    itself.locator("input[name=HeartBeatCount]").fill(count)
    itself.get_by_role("button", name=put).click()
    expect(itself.get_by_role("status").filter(has_text=read_back)).to_be_visible()
    expect(itself.locator("input[name=HeartBeatCount]")).to_have_value(count)
    found = town.ask("GET", f"/devices/{device}/configuration")["values"]
    assert found["BasicParam"]["HeartBeatCount"] == count
    assert seat.violations() == []
    page.screenshot(path=SCREENSHOTS / f"desk-device-{language}.png", full_page=True)

    page.locator("a.button", has_text=edit).click()
    page.locator("select[name=channel_status]").select_option("check")
    page.screenshot(path=SCREENSHOTS / f"desk-form-{language}.png", full_page=True)
    assert seat.violations() == []
    page.locator("form button[type=submit]").click()
    expect(page).to_have_url(f"{town.url}/devices/{device}")
    until(lambda: town.ask("GET", f"/devices/{device}")["settings"].get("channel_status") == "check")
    before = town.ask("GET", f"/devices/{device}")
    town.ask("PATCH", f"/devices/{device}", {"version": before["version"], "settings": {"channel_status": "believe"}})


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_device_is_armed_from_its_page_and_says_so(language: str, town: Town, open_seat: OpenSeat) -> None:
    open_it, arm, said, counted = ARM[language]
    theme: Any = "light" if language == "en" else "dark"
    device = _device(town)
    seat = open_seat(language, theme, width=1500, height=1000).sign_in(path=f"/devices/{device}")
    itself = _itself(seat.page)
    itself.get_by_role("button", name=open_it, exact=True).click()
    seat.page.screenshot(path=SCREENSHOTS / f"desk-arm-{language}.png")
    seat.dialog().get_by_role("button", name=arm, exact=True).click()
    expect(itself.get_by_role("status")).to_contain_text(said)
    until(lambda: "ONDUTY" in str(town.ask("GET", f"/devices/{device}")["profile"].get("duty", "")))
    expect(itself).to_contain_text(counted)
    records = town.ask("GET", "/audit?action=device.guard_asked&limit=20")["items"]
    assert device in str(records)
    seat.page.screenshot(path=SCREENSHOTS / f"desk-armed-{language}.png", full_page=True)


MORE = {
    "en": ("Look…", "Patrol", "Look until", "More", "Tour", "Start", "The tour has been started.", "You have control"),
    "zh-CN": ("查看图像…", "巡", "查看至", "更多", "巡航", "开始", "已开始巡航。", "您自"),
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_tour_is_started_and_who_holds_the_camera_stands_at_its_head(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    look, patrol, look_until, more, tour, start, said, mine = MORE[language]
    theme: Any = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, width=1500, height=1400).sign_in(path=f"/cameras/{town.camera}")
    page = seat.page
    page.get_by_role("button", name=look).click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=look_until).click()
    expect(page.locator("figure[data-phase=live]")).to_have_count(1)
    pad = page.locator("section.control")
    pad.locator("summary", has_text=more).click()
    pad.get_by_role("group", name=tour).get_by_role("button", name=start).click()
    expect(seat.toast(said)).to_be_visible()
    expect(page.locator(".reg-status")).to_contain_text(mine)
    assert seat.violations() == []
    page.screenshot(path=SCREENSHOTS / f"desk-more-{language}.png", full_page=True)
