"""What is in a camera: its settings, card, tours; a card erased by two people; firmware by an administrator."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Person, Town, until

pytestmark = pytest.mark.browser

CHANNEL = "34029900001310000102"  # the west gate of the school: a dome of a 2022 recorder


def camera_of(town: Town) -> Any:
    found = town.ask("GET", f"/cameras?q={CHANNEL}")["items"]
    return next(item for item in found if item["gb_id"] == CHANNEL)


def installer(town: Town, name: str) -> Person:
    """Enter an installer of the county."""
    county = next(one for one in town.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
    person = Person(name, "Bridge-head-2711-" + secrets.token_hex(4))
    given = {"username": person.username, "password": person.password, "name": name.upper()}
    town.ask("POST", "/users", {**given, "roles": ["installer"], "jurisdiction_ids": [county["id"]]})
    return person


SET = {
    "en": (
        "Read from the device",
        "Text in the picture",
        "Recording by the week",
        "Mon",
        "Set in the device",
        "read back",
    ),
    "zh-CN": ("从设备读取", "画面字幕（OSD）", "录像计划", "周一", "写入设备", "回读"),
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_settings_of_a_channel_are_read_set_and_read_back(language: str, town: Town, open_seat: OpenSeat) -> None:
    read, osd, plan, monday, put, read_back = SET[language]
    theme: Any = "dark" if language == "en" else "light"
    camera = camera_of(town)
    seat = open_seat(language, theme, width=1500, height=1500).sign_in(path=f"/devices/{camera['device_id']}")
    page = seat.page
    itself = page.locator("section[aria-labelledby=itself-title]")
    itself.get_by_role("button", name=read).click()
    itself.locator("select").first.select_option(camera["id"])
    text = f"西门 {language}"
    itself.locator("summary", has_text=osd).click()
    form = itself.locator("details[data-setting=OSDConfig]")
    expect(form.locator("input[name=Text]")).not_to_have_value("")
    form.locator("input[name=Text]").fill(text)
    form.get_by_role("button", name=put).click()
    expect(itself.get_by_role("status").filter(has_text=read_back)).to_be_visible()
    expect(form.locator("input[name=Text]")).to_have_value(text)

    itself.locator("summary", has_text=plan).click()
    form = itself.locator("details[data-setting=VideoRecordPlan]")
    day = form.get_by_role("group", name=monday).locator("input")
    day.fill("8-12")
    form.get_by_role("button", name=put).click()
    expect(form.get_by_role("alert")).to_be_visible()
    day.fill("00:00-06:30, 18:00-24:00")
    for setting in ("PictureMask", "VideoParamAttribute", "AlarmReport", "VideoAlarmRecord"):
        itself.locator(f"details[data-setting={setting}] summary").click()
    page.screenshot(path=SCREENSHOTS / f"in-camera-settings-{language}.png", full_page=True)
    form.get_by_role("button", name=put).click()
    expect(form.get_by_role("alert")).to_have_count(0)
    expect(day).to_have_value("00:00-06:30, 18:00-24:00")
    path = f"/devices/{camera['device_id']}/configuration?channel_id={camera['id']}"

    def _set() -> Any:
        values = town.ask("GET", path)["values"]
        return values if values.get("VideoRecordPlan", {}).get("RecordSchedule.TimeSegment.1.StopMin") == "30" else None

    assert until(_set)["OSDConfig"]["Item.Text"] == text
    records = town.ask("GET", "/audit?action=device.config_asked&limit=20")["items"]
    assert f"-> {text}" in str(records)
    assert seat.violations() == []


ASK = {
    "en": (
        "Ask the camera",
        "Card 1",
        "Erase…",
        "Ask for confirmation",
        "waits for a second person",
        "Confirm…",
        "Confirm and erase",
    ),
    "zh-CN": ("向摄像机查询", "存储卡 1", "格式化…", "提交申请", "等待第二人确认", "确认…", "确认并格式化"),
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_card_is_erased_by_two_people(language: str, town: Town, open_seat: OpenSeat) -> None:
    ask, card, erase, request, waits, confirm, now = ASK[language]
    theme: Any = "light" if language == "en" else "dark"
    camera = camera_of(town)
    first = open_seat(language, theme, width=1500, height=1500)
    first.sign_in(installer(town, f"fang-{language.lower()}"), path=f"/cameras/{camera['id']}")
    section = first.page.locator("section[aria-labelledby=in-camera-title]")
    section.get_by_role("button", name=ask).click()
    expect(section).to_contain_text(card)
    section.get_by_role("button", name=erase).click()
    first.dialog().locator("textarea").fill("卡已损坏")
    first.page.screenshot(path=SCREENSHOTS / f"in-camera-erase-{language}.png")
    first.dialog().get_by_role("button", name=request).click()
    expect(section).to_contain_text(waits)
    expect(section.get_by_role("button", name=confirm)).to_have_count(0)
    first.page.screenshot(path=SCREENSHOTS / f"in-camera-{language}.png", full_page=True)
    assert first.violations() == []

    second = open_seat(language, theme, width=1500, height=1200)
    second.sign_in(installer(town, f"gu-{language.lower()}"), path="/devices")
    second.page.locator("p.reg-say a").first.click()
    expect(second.page).to_have_url(f"{town.url}/cameras/{camera['id']}")
    section = second.page.locator("section[aria-labelledby=in-camera-title]")
    section.get_by_role("button", name=confirm).click()
    second.dialog().get_by_role("button", name=now).click()
    until(lambda: town.ask("GET", f"/device-acts?device_id={camera['device_id']}")["items"][0]["state"] == "taken")
    cards = town.ask("GET", f"/cameras/{camera['id']}/device/cards")["items"]
    assert cards[0]["free_mb"] == cards[0]["capacity_mb"]
    actions = [item["action"] for item in town.ask("GET", "/audit?limit=30")["items"]]
    assert {"device.format_asked", "device.act_confirmed", "device.act_answered"} <= set(actions)
    second.page.screenshot(path=SCREENSHOTS / f"in-camera-erased-{language}.png", full_page=True)


UPGRADE = {
    "en": ("New firmware…", "Upgrade", "done"),
    "zh-CN": ("升级固件…", "开始升级", "已完成"),
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_administrator_gives_firmware_and_its_result_appears(language: str, town: Town, open_seat: OpenSeat) -> None:
    new, send, done = UPGRADE[language]
    theme: Any = "dark" if language == "en" else "light"
    device_id = camera_of(town)["device_id"]
    seat = open_seat(language, theme, width=1500, height=1200).sign_in(path=f"/devices/{device_id}")
    section = seat.page.locator("section[aria-labelledby=firmware-title]")
    section.get_by_role("button", name=new).click()
    dialog = seat.dialog()
    dialog.locator("input[name=firmware]").fill(f"3.{len(language)}")
    dialog.locator("input[name=url]").fill("file:///etc/passwd")
    dialog.get_by_role("button", name=send).click()
    expect(dialog.locator("input[name=url]")).to_have_attribute("aria-invalid", "true")
    seat.page.screenshot(path=SCREENSHOTS / f"firmware-dialog-{language}.png")
    dialog.locator("input[name=url]").fill("http://192.0.2.9/fw.bin")
    dialog.get_by_role("button", name=send).click()
    expect(section).to_contain_text(done)
    assert seat.violations() == []
    seat.page.screenshot(path=SCREENSHOTS / f"firmware-{language}.png", full_page=True)
