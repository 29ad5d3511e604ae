"""Alarm rules in the console: one is tried, adopted, at work and switched off; low class is closed together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "new": "New rule…", "name": "Name", "why": "Why", "try": "Try on the last 30 days", "save": "Save",
        "acts": "Held and hidden", "repairs": "Repairs", "history": "History (v1)", "change": "Change…",
        "on": "In force", "off": "off", "close": "Close", "does": "What it does", "measures": "Measures",
        "cancelled": "cancelled", "dismiss": "Dismiss…", "dismiss_do": "Dismiss", "together": "Close together…",
        "reason": "Reason for all", "together_do": "Close them",
    },
    "zh-CN": {
        "new": "新建规则…", "name": "名称", "why": "原因", "try": "用最近 30 天试运行", "save": "保存",
        "acts": "暂缓与归并", "repairs": "报修建议", "history": "历史（v1）", "change": "修改…",
        "on": "启用", "off": "已停用", "close": "关闭", "does": "作用", "measures": "指标",
        "cancelled": "已撤销", "dismiss": "驳回…", "dismiss_do": "驳回", "together": "合并处理…",
        "reason": "统一说明", "together_do": "全部结案",
    },
}  # fmt: skip


def save_rule(town: Town, device_id: str, language: str, *, is_on: bool, version_no: int) -> None:
    """Have a cancel window for a panel, or switch it off."""
    town.ask(
        "PUT",
        f"/rules/window-{language}",
        {
            "version_no": version_no,
            "method": "cancel_window",
            "name": "撤销窗口",
            "name_en": "Cancel window",
            "device_id": device_id,
            "knobs": {"hold_s": 300},
            "is_on": is_on,
            "owner": "林青",
            "until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
            "reason": "teachers come in early",
        },
    )


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_a_rule_is_tried_adopted_at_work_and_switched_off(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    town.clear()
    account = next(panel["account"] for panel in town.kept["panels"] if panel["key"] == "school")
    devices: list[Any] = town.ask("GET", "/devices?limit=200")["items"]
    school = next(one for one in devices if one["address"]["account"] == account)
    seat = open_seat(language, theme, width=1500, height=950)
    seat.sign_in(path="/rules")
    page = seat.page

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"rules-{name}-{language}.png")
        assert seat.violations() == []

    page.get_by_role("button", name=words["new"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["does"]).select_option("chatter")
    name = f"chatter {language}"
    dialog.get_by_label(words["name"]).fill(name)
    dialog.get_by_label(words["why"]).fill("the wind")
    dialog.get_by_role("button", name=words["try"]).click()
    expect(dialog.locator(".reg-say")).to_contain_text("30")
    picture("tried")
    dialog.get_by_role("button", name=words["save"], exact=True).click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_have_count(1)
    row.get_by_role("button", name=words["history"]).click()
    expect(seat.dialog().get_by_text("the wind")).to_be_visible()
    picture("history")
    seat.dialog().locator(".actions").get_by_role("button", name=words["close"]).click()

    # three burglaries wait, a user cancels them: no incident, one repair
    save_rule(town, school["id"], language, is_on=True, version_no=0)
    page.get_by_role("link", name=words["acts"], exact=True).click()
    for _ in range(3):
        town.alarm_of("school", "BA", "4")
    town.alarm_of("school", "BC", "4")
    expect(page.get_by_role("row").filter(has_text=words["cancelled"]).nth(2)).to_be_visible()
    picture("acts")
    assert town.open_incidents() == []
    save_rule(town, school["id"], language, is_on=False, version_no=1)
    page.get_by_role("link", name=words["repairs"], exact=True).click()
    page.get_by_role("button", name=words["dismiss"]).click()
    picture("repairs")
    seat.dialog().get_by_role("textbox").fill("a drill")
    seat.dialog().get_by_role("button", name=words["dismiss_do"], exact=True).click()
    expect(page.get_by_role("button", name=words["dismiss"])).to_have_count(0)

    # mains lost: low class, closed with one reason
    town.alarm_of("school", "AT", "0")
    seat.visit("/load")
    page.get_by_role("button", name=words["together"]).click()
    picture("load-now")
    seat.dialog().get_by_label(words["reason"]).fill("mains lost in the district")
    seat.dialog().get_by_role("button", name=words["together_do"]).click()
    expect(page.get_by_role("button", name=words["together"])).to_have_count(0)
    assert town.open_incidents() == []
    page.get_by_role("link", name=words["measures"], exact=True).click()
    expect(page.locator("#load-measures")).to_be_visible()
    picture("load-measures")

    seat.visit("/rules")
    row.get_by_role("button", name=words["change"]).click()
    seat.dialog().get_by_label(words["on"]).uncheck()
    seat.dialog().get_by_label(words["why"]).fill("calm again")
    seat.dialog().get_by_role("button", name=words["save"], exact=True).click()
    expect(row.get_by_text(words["off"])).to_be_visible()
    picture("list")
    saved = [rule for rule in town.ask("GET", "/rules")["items"] if rule["name"] == name]
    assert [(rule["version_no"], rule["is_on"]) for rule in saved] == [(2, False)]
