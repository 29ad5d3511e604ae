"""An installer's test on a phone: a link, zones tried with a simulated panel, a line that breaks, an end."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, send_alarm

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "make": "Send a test link…", "who": "Who tests", "do": "Make the link",
        "close": "Close",
        "begin": "Begin the test", "ok": "Right zone", "wrong": "Wrong zone", "lost": "No connection", "live": "Live",
        "end": "End the test", "seen": "zones seen", "closed": "Closed", "withdraw": "Withdraw",
        "waiting": "Trigger it now",
    },
    "zh-CN": {
        "make": "发送测试链接…", "who": "测试人", "do": "创建链接", "close": "关闭",
        "begin": "开始测试", "ok": "防区正确", "wrong": "防区不符", "lost": "网络中断", "live": "实时",
        "end": "结束测试", "seen": "个防区", "closed": "链接不可用", "withdraw": "撤回", "waiting": "请触发探测器",
    },
}  # fmt: skip


def report(town: Town, zone: str) -> None:
    """Report a burglary from a zone of the reader's panel: it is no matter of life, which a test does not hold back."""
    panel = town.panel
    send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], "BA", zone)


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_zones_are_tried_from_a_phone(language: str, theme: Theme, town: Town, open_seat: OpenSeat) -> None:
    words = WORDS[language]
    device = next(
        one for one in town.ask("GET", "/devices?kind=panel&limit=500")["items"]
        if one["address"]["account"] == town.panel["account"]
    )  # fmt: skip
    zones = [zone["number"] for zone in town.ask("GET", f"/devices/{device['id']}/zones")["items"]]
    zone = str(int(town.panel["zone"]))
    desk = open_seat(language, theme, width=1300, height=950)
    desk.sign_in(path=f"/devices/{device['id']}")
    desk.page.get_by_role("button", name=words["make"]).click()
    dialog = desk.dialog()
    dialog.get_by_label(words["who"]).fill("Zhao")
    dialog.get_by_role("button", name=words["do"]).click()
    expect(dialog.get_by_role("img")).to_be_visible()
    desk.page.screenshot(path=SCREENSHOTS / f"zone-test-link-{language}.png")
    assert desk.violations() == []
    url = dialog.locator("code").inner_text()
    dialog.locator(".actions").get_by_role("button", name=words["close"]).click()

    phone = open_seat(language, theme, width=360, height=740)
    page = phone.page
    page.goto(url)
    begin = page.get_by_role("button", name=words["begin"])
    expect(begin).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"zone-test-before-{language}.png")
    assert phone.violations() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = "[...document.querySelectorAll('button')].filter((b) => b.getBoundingClientRect().height < 44).length"
    assert page.evaluate(small) == 0  # a thumb finds each
    row = page.locator(".zones button").filter(has_text=f"{zone} ").first
    row.click()
    expect(page.get_by_text(words["waiting"])).to_be_visible()
    report(town, zone)
    expect(page.locator(".now")).to_contain_text(words["ok"])
    expect(row).to_contain_text("✓")
    page.screenshot(path=SCREENSHOTS / f"zone-test-ok-{language}.png")
    assert phone.violations() == []

    phone.cut()
    expect(page.get_by_text(words["lost"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"zone-test-lost-{language}.png")
    if len(zones) > 1:
        report(town, next(number for number in zones if number != zone))
    phone.mend()
    expect(page.get_by_text(words["live"], exact=True)).to_be_visible()
    if len(zones) > 1:
        expect(page.locator(".now")).to_contain_text(words["wrong"])
    assert town.open_incidents() == []  # the device is on test
    page.get_by_role("button", name=words["end"]).click()
    expect(page.locator(".summary")).to_contain_text(words["seen"])
    page.screenshot(path=SCREENSHOTS / f"zone-test-summary-{language}.png", full_page=True)
    assert phone.violations() == []

    desk.page.reload()
    expect(desk.page.locator("#links-title")).to_be_visible()
    desk.page.locator("section", has=desk.page.locator("#links-title")).locator("summary").first.click()
    desk.page.screenshot(path=SCREENSHOTS / f"zone-test-device-{language}.png", full_page=True)
    assert desk.violations() == []
    desk.page.get_by_role("button", name=words["withdraw"]).first.click()
    expect(page.get_by_text(words["closed"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"zone-test-closed-{language}.png")
