"""A file dropped on the console: what is wrong in it is seen, the rest is entered; the same file does nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.town import Town
from tocsin.base.sheets import write_csv

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Import…", "Leave out the 1 wrong lines", "Enter 3 lines", "Done", "Another file…",
           "Everything in this file is there already. There is nothing to do.", "is not a number", "Templates"),
    "zh-CN": ("导入…", "跳过有误的 1 行", "录入 3 行", "导入完成", "换一个文件…",
              "文件内容均已存在，无需导入。", "不是数字", "模板"),
}  # fmt: skip


UNDO = {
    "en": ("Take back…", "3 lines are taken back.", "Take 3 lines back", "3 lines taken back, 0 stayed.", "Close",
           "All taken back"),
    "zh-CN": ("撤回…", "将撤回 3 行。", "撤回 3 行", "已撤回 3 行，0 行保持不变。", "关闭", "已全部撤回"),
}  # fmt: skip


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("zh-CN", "dark")])
def test_a_file_is_checked_mended_by_leaving_out_and_entered(
    language: str, theme: Theme, town: Town, open_seat: OpenSeat
) -> None:
    link, leave_out, enter, done, other, nothing, cure, templates = WORDS[language]
    take_back, ready, go, undone, close, all_back = UNDO[language]
    code = min((str(one["code"]) for one in town.ask("GET", "/jurisdictions")["items"]), key=len)
    good = [(code, f"{'Depot' if language == 'en' else '仓库'} {number}", "120.1", "30.2") for number in range(3)]
    head = ("jurisdiction", "name", "lon", "lat")
    wrong = {"name": "places.csv", "mimeType": "text/csv", "buffer": write_csv([head, *good, (code, "X", "12x", "30")])}
    right = {"name": "places.csv", "mimeType": "text/csv", "buffer": write_csv([head, *good])}

    seat = open_seat(language, theme, width=1440, height=1000).sign_in(path="/devices")
    page = seat.page
    page.get_by_role("link", name=link).click()
    expect(page.get_by_role("heading", name=templates)).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"import-empty-{language}.png")
    assert seat.violations() == []
    page.locator("input[type=file]").set_input_files(wrong)  # type: ignore[arg-type]
    expect(page.get_by_role("button", name=enter)).to_be_disabled()
    expect(page.locator("table").first).to_contain_text(cure)
    page.screenshot(path=SCREENSHOTS / f"import-checked-{language}.png")
    assert seat.violations() == []

    with page.expect_download() as loaded:
        page.locator("a[href*='errors.csv']").click()
    assert "12x" in loaded.value.path().read_text("utf-8-sig")
    page.get_by_label(leave_out).check()
    page.get_by_role("button", name=enter).click()
    expect(page.get_by_text(done, exact=True)).to_be_visible(timeout=15_000)
    page.screenshot(path=SCREENSHOTS / f"import-done-{language}.png")
    assert seat.violations() == []
    page.reload()
    expect(page.get_by_text(done, exact=True)).to_be_visible()

    page.get_by_role("button", name=other).click()
    page.locator("input[type=file]").set_input_files(right)  # type: ignore[arg-type]
    expect(page.get_by_text(nothing)).to_be_visible()
    page.get_by_role("button", name=other).click()
    page.locator("input[type=file]").set_input_files({"name": "x.xls", "mimeType": "", "buffer": b"\xd0\xcf\x11\xe0"})
    expect(page.locator("main").get_by_role("alert")).to_contain_text(".xlsx" if language == "en" else "")
    page.screenshot(path=SCREENSHOTS / f"import-refused-{language}.png")

    page.get_by_role("button", name=take_back).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(ready)
    page.screenshot(path=SCREENSHOTS / f"import-undo-{language}.png")
    assert seat.violations() == []
    dialog.get_by_role("button", name=go).click()
    expect(dialog).to_contain_text(undone)
    page.screenshot(path=SCREENSHOTS / f"import-undone-{language}.png")
    dialog.get_by_role("button", name=close, exact=True).first.click()
    expect(page.get_by_text(all_back).first).to_be_visible()
    names = [one["name"] for one in town.ask("GET", "/places?limit=200")["items"]]
    assert [name for name in names if name in [row[1] for row in good]] == []
