"""Retention in the console: a policy adopted, one that contradicts refused, a hold set and released."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "adopt": "Adopt…", "save": "Save", "add": "Add a policy…", "name": "Name", "most": "At most (days)",
        "least": "At least (days)", "basis": "Basis", "refused": "This contradicts the policy",
        "hold": "Hold recordings…",
        "request": "Request", "reason": "Reason", "do": "Hold", "release": "Release…", "released": "Release",
        "remove": "Remove…", "removed": "Remove", "storage": "Storage", "proof": "Proof", "deleted": "Deleted",
        "holds": "Holds", "policies": "Policies", "cancel": "Cancel", "none": "Nothing is held.",
        "far": "Moving to the far place", "well": "Moves what is due",
    },
    "zh-CN": {
        "adopt": "采用…", "save": "保存", "add": "新增策略…", "name": "名称", "most": "最长保存（天）",
        "least": "最短保存（天）", "basis": "依据", "refused": "与策略", "hold": "锁定录像…",
        "request": "请求编号", "reason": "原因", "do": "锁定", "release": "解除…", "released": "解除",
        "remove": "移除…", "removed": "移除", "storage": "存储测算", "proof": "留存证明", "deleted": "删除记录",
        "holds": "留存锁定", "policies": "策略", "cancel": "取消", "none": "没有锁定的录像。",
        "far": "转存", "well": "正常转存",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_policies_and_holds_are_set_and_taken_back(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    seat = open_seat(language, theme, width=1500, height=950)
    seat.sign_in(path="/retention")
    page = seat.page

    def picture(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"retention-{name}-{language}.png")
        assert seat.violations() == []

    page.get_by_role("button", name=words["adopt"]).first.click()
    expect(seat.dialog().get_by_label(words["least"])).to_have_value("30")
    expect(seat.dialog().locator(".reg-say")).to_be_visible()
    picture("adopt")
    seat.dialog().get_by_role("button", name=words["save"]).click()
    expect(page.locator("tbody").first.get_by_role("row")).to_have_count(1)

    page.get_by_role("button", name=words["add"]).click()
    dialog = seat.dialog()
    dialog.get_by_label(words["name"]).fill("3")
    dialog.get_by_label(words["least"]).fill("0")
    dialog.get_by_label(words["most"]).fill("3")
    dialog.get_by_label(words["basis"]).fill("GDPR")
    expect(dialog.get_by_role("alert")).to_contain_text(words["refused"])
    picture("contradiction")
    dialog.get_by_role("button", name=words["cancel"]).click()
    picture("policies")

    page.get_by_role("link", name=words["holds"], exact=True).click()
    page.get_by_role("button", name=words["hold"]).click()
    dialog = seat.dialog()
    dialog.locator(".found input").first.check()
    dialog.get_by_label(words["request"]).fill("2026-118")
    dialog.get_by_label(words["reason"]).fill("court")
    expect(dialog.locator(".reg-say")).to_be_visible()
    picture("hold")
    dialog.get_by_role("button", name=words["do"], exact=True).click()
    expect(page.get_by_text("2026-118")).to_be_visible()
    picture("holds")
    page.get_by_role("button", name=words["release"]).click()
    seat.dialog().get_by_label(words["reason"]).fill("done")
    seat.dialog().get_by_role("button", name=words["released"], exact=True).click()
    expect(page.get_by_text(words["none"])).to_be_visible()

    for part in ("storage", "proof", "deleted"):
        page.get_by_role("link", name=words[part], exact=True).click()
        expect(page.locator(".skeleton")).to_have_count(0)
        if part == "storage":
            far = page.get_by_role("region", name=words["far"])
            expect(far).to_contain_text("/far")
            expect(far).to_contain_text(words["well"])
            far.scroll_into_view_if_needed()
        picture(part)
    page.get_by_role("link", name=words["policies"], exact=True).click()
    page.get_by_role("button", name=words["remove"]).click()
    seat.dialog().get_by_role("button", name=words["removed"], exact=True).click()
    expect(page.get_by_role("button", name=words["remove"])).to_have_count(0)
    assert town.ask("GET", "/retention/policies")["items"] == []
