"""A source of messages is entered, gets its secret, and a message is tried before the first one comes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "name": "Name", "source": "Name of the source", "kind": "What it is", "codes": "What its codes mean",
        "jurisdiction": "Jurisdiction", "enter": "Enter the device", "line": "Line 2 is not of the form",
        "make": "Make a secret", "copied": "I have copied it", "try": "Try a message", "see": "See what it means",
        "forced": "Door forced open", "dropped": "1 kept nowhere", "again": "Make a new secret",
    },
    "zh-CN": {
        "name": "名称", "source": "来源名称", "kind": "来源类型", "codes": "代码含义",
        "jurisdiction": "辖区", "enter": "登记", "line": "第 2 行不是",
        "make": "生成密钥", "copied": "已复制", "try": "试读报文", "see": "查看含义",
        "forced": "门被强行打开", "dropped": "1 条不予保存", "again": "重新生成密钥",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_a_webhook_is_entered_keyed_and_tried(language: str, theme: Theme, town: Town, open_seat: OpenSeat) -> None:
    words, account = WORDS[language], f"east-door-{theme}"
    seat = open_seat(language, theme, width=1280, height=1300).sign_in(path="/devices/new")
    page = seat.page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"source-{name}-{language}-{theme}.png")
        assert seat.violations() == []

    page.get_by_text("Webhook").click()
    page.get_by_label(words["source"], exact=True).fill(account)
    page.get_by_label(words["kind"], exact=True).select_option("access")
    page.get_by_label(words["codes"], exact=True).fill("27 = door_forced\n28 door_held")
    page.get_by_label(words["name"], exact=True).fill(f"East door {theme}")
    page.get_by_label(words["jurisdiction"], exact=True).select_option(index=1)
    page.get_by_role("button", name=words["enter"], exact=True).click()
    expect(page.get_by_text(words["line"])).to_be_visible()
    picture("form")
    page.get_by_label(words["codes"], exact=True).fill("27 = door_forced\n1 = access_granted")
    page.get_by_role("button", name=words["enter"], exact=True).click()

    make = page.get_by_role("button", name=words["make"], exact=True)
    expect(make).to_be_visible()
    expect(page.get_by_text(f"/api/v1/ingest/{account}")).to_be_visible()
    device_id = page.url.rpartition("/")[2]
    make.click()
    expect(seat.dialog().get_by_test_id("secret")).not_to_have_text("")
    picture("secret")
    seat.dialog().get_by_role("button", name=words["copied"], exact=True).click()
    expect(page.get_by_role("button", name=words["again"])).to_be_visible()
    for body, meaning in (('{"code": "27", "zone": "3"}', "forced"), ('{"code": "1"}', "dropped")):
        page.get_by_label(words["try"]).fill(body)
        page.get_by_role("button", name=words["see"]).click()
        expect(page.locator(".meant")).to_contain_text(words[meaning])
    picture("tried")
    town.retire_device(device_id)
