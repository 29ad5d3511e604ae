"""Hours of premises and being on test in the console: entered, put on test, zones counted, ended."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town, send_alarm, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "new": "Enter hours…", "save": "Save", "name": "Name", "other": "Other hours…", "why": "Reason",
        "permits": "Tests and permits", "give": "Put on test…", "put": "Put on test", "who": "Who works there",
        "phone": "Telephone", "seen": "have reported", "end": "End now", "late": "Late to open or close",
        "tests": "Late tests", "users": "Users who may open", "holidays": "Holidays",
        "until": "On test until", "shift": "shop",
    },
    "zh-CN": {
        "new": "录入营业时间…", "save": "保存", "name": "名称", "other": "临时时间…", "why": "原因",
        "permits": "测试与许可", "give": "准予测试…", "put": "准予测试", "who": "现场测试人",
        "phone": "电话", "seen": "已有信号", "end": "立即结束", "late": "逾时未开关门",
        "tests": "逾期测试", "users": "允许撤防的用户", "holidays": "节假日", "until": "测试中，至", "shift": "店面",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_hours_are_entered_and_an_account_is_tested(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    words, panel = WORDS[language], town.panel
    (device,) = [
        one for one in town.ask("GET", f"/devices?q={panel['account']}")["items"]
        if one["address"]["account"] == panel["account"]
    ]  # fmt: skip
    seat = open_seat(language, theme, width=1400, height=950)
    seat.sign_in(path=f"/devices/{device['id']}/account?tab=schedule")
    page = seat.page

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"watch-{name}-{language}.png", full_page=True)
        assert seat.violations() == []

    page.get_by_role("button", name=words["new"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["name"]).fill(words["shift"])
    dialog.get_by_label(words["users"]).fill("1，2 x")
    picture("hours-dialog")
    dialog.get_by_role("button", name=words["save"], exact=True).click()
    expect(dialog.get_by_label(words["users"])).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label(words["users"]).fill("002，1 20-29")
    dialog.get_by_role("button", name=words["save"], exact=True).click()
    section = page.get_by_role("region", name=words["shift"])
    section.get_by_role("button", name=words["other"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["why"]).fill("stocktaking 盘点")
    picture("exception-dialog")
    dialog.get_by_role("button", name=words["save"], exact=True).click()
    expect(section.get_by_text("stocktaking")).to_be_visible()
    expect(section).to_contain_text("1, 2, 20-29")
    picture("hours")

    page.get_by_role("link", name=words["permits"], exact=True).click()
    page.get_by_role("button", name=words["give"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["who"]).fill("Zhou 周师傅")
    dialog.get_by_label(words["phone"]).fill("139 0000 0000")
    dialog.get_by_label(words["why"]).fill("yearly check 年检")
    picture("permit-dialog")
    dialog.get_by_role("button", name=words["put"], exact=True).click()
    article = page.get_by_role("article")
    expect(article.first.get_by_role("button", name=words["end"])).to_be_visible()
    expect(article.first).to_contain_text("Zhou")
    send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], "BA", panel["zone"])
    expect(article.first.get_by_text(words["seen"], exact=False).first).to_be_visible()
    assert town.open_incidents() == []
    picture("permit")

    seat.visit("/watch")
    expect(page.get_by_role("row").filter(has_text="Zhou")).to_have_count(1)
    picture("on-test")
    for part in ("late", "tests", "holidays"):
        page.get_by_role("link", name=words[part], exact=True).click()
        expect(page.locator(".skeleton")).to_have_count(0)
        picture(part)

    send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], "FA", panel["zone"])
    (incident,) = until(town.open_incidents)
    seat.visit(f"/incidents/{incident['id']}")
    expect(page.get_by_text(words["until"])).to_be_visible()
    picture("incident")
    seat.visit(f"/devices/{device['id']}/account?tab=tests")
    article.first.get_by_role("button", name=words["end"]).click()
    expect(article.first).not_to_contain_text(words["end"])
    picture("ended")
    schedules = town.ask("GET", f"/accounts/{device['id']}/schedules")["items"]
    assert [one["name"] for one in schedules] == [words["shift"]]
    town.ask("DELETE", f"/accounts/{device['id']}/schedules/{schedules[0]['id']}?version={schedules[0]['version']}")
