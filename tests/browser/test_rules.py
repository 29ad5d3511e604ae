"""Alarm rules in the console: one is tried on past signals, adopted, looked at and switched off."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "new": "New rule…", "name": "Name", "why": "Why", "try": "Try on the last 30 days", "save": "Save",
        "acts": "Held and hidden", "repairs": "Repairs", "history": "History (v1)", "change": "Change…",
        "on": "In force", "off": "off", "close": "Close", "does": "What it does",
        "measures": "Measures", "later": "Later:", "stale": "try again",
    },
    "zh-CN": {
        "new": "新建规则…", "name": "名称", "why": "原因", "try": "用最近 30 天试运行", "save": "保存",
        "acts": "暂缓与归并", "repairs": "报修建议", "history": "历史（v1）", "change": "修改…",
        "on": "启用", "off": "已停用", "close": "关闭", "does": "作用",
        "measures": "指标", "later": "推迟：", "stale": "规则已改动，请重新试运行",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_a_rule_is_tried_adopted_and_switched_off(language: str, theme: Theme, town: Town, open_seat: OpenSeat) -> None:
    words = WORDS[language]
    seat = open_seat(language, theme, width=1500, height=950)
    seat.sign_in(path="/rules")
    page = seat.page

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"rules-{name}-{language}.png")
        assert seat.violations() == []

    expect(page.get_by_role("button", name=words["new"])).to_be_enabled()
    picture("list-before")
    town.alarm_of("museum", "BA", "2")
    page.get_by_role("button", name=words["new"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["does"]).select_option("cancel_window")
    name = f"chatter {language}"
    dialog.get_by_label(words["name"]).fill(name)
    dialog.get_by_label(words["why"]).fill("the wind")
    dialog.get_by_role("button", name=words["try"]).click()
    expect(dialog.locator(".kinds")).to_contain_text(words["later"])
    expect(dialog.locator("tbody tr").first).to_be_visible()
    picture("tried")
    dialog.get_by_label(words["does"]).select_option("chatter")
    expect(dialog.locator(".reg-say")).to_contain_text(words["stale"])
    dialog.get_by_role("button", name=words["try"]).click()
    expect(dialog.locator(".reg-say")).not_to_contain_text(words["stale"])
    dialog.get_by_role("button", name=words["save"], exact=True).click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_have_count(1)
    picture("list")
    row.get_by_role("button", name=words["history"]).click()
    expect(seat.dialog().get_by_text("the wind")).to_be_visible()
    picture("history")
    seat.dialog().locator(".actions").get_by_role("button", name=words["close"]).click()

    row.get_by_role("button", name=words["change"]).click()
    seat.dialog().get_by_label(words["on"]).uncheck()
    seat.dialog().get_by_label(words["why"]).fill("calm again")
    seat.dialog().get_by_role("button", name=words["save"], exact=True).click()
    expect(row.get_by_text(words["off"])).to_be_visible()
    for part in ("acts", "repairs"):
        page.get_by_role("link", name=words[part], exact=True).click()
        expect(page.locator(".skeleton")).to_have_count(0)
        picture(part)
    seat.visit("/load")
    expect(page.locator("[role=status].reg-say")).to_be_visible()
    picture("load-now")
    page.get_by_role("link", name=words["measures"], exact=True).click()
    expect(page.locator("#load-measures")).to_be_visible()
    picture("load-measures")
    saved = [rule for rule in town.ask("GET", "/rules")["items"] if rule["name"] == name]
    assert [(rule["version_no"], rule["is_on"]) for rule in saved] == [(2, False)]
