"""The list of cameras of a platform: read by the page, sorted by trees, changed many at once and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.platform import GROUP_ID, SCHOOLS_ID, SimPlatform
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser
COUNT = 420
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "catalog": "Catalogue",
        "groups": "Own groups",
        "new": "New group",
        "save": "Save",
        "change": "Change…",
        "preview": "Preview",
        "go": "Change 3 cameras",
        "done": "3 cameras changed.",
        "undo": "Undo",
        "undone": "2 cameras are as they were.",
        "left": "1 stays as it is.",
        "close": "Close",
        "all": "Choose all 140 that match",
        "owner": "Owner",
        "tags": "Add tags",
        "put": "Put into group",
    },
    "zh-CN": {
        "catalog": "国标目录",
        "groups": "自建分组",
        "new": "新建分组",
        "save": "保存",
        "change": "更改…",
        "preview": "预览",
        "go": "更改 3 台",
        "done": "已更改 3 台摄像机。",
        "undo": "撤销",
        "undone": "2 台已恢复原值。",
        "left": "1 台保持不变。",
        "close": "关闭",
        "all": "选择全部 140 台符合条件的",
        "owner": "责任单位",
        "tags": "添加标签",
        "put": "放入分组",
    },
}
BOTH = [("en", "dark"), ("zh-CN", "light")]


@pytest.fixture(scope="module")
def platform(town: Town) -> Iterator[SimPlatform]:
    made = SimPlatform(town, COUNT)
    yield made
    made.stop()


def _is_drawn(page: Page, index: int) -> bool:
    return bool(page.locator(f'tr[data-index="{index}"] .reg-name').count())


@pytest.mark.parametrize(("language", "theme"), BOTH)
def test_a_long_list_is_read_where_one_looks_and_found_again_after_a_camera(
    open_seat: OpenSeat, platform: SimPlatform, language: str, theme: Theme
) -> None:
    seat = open_seat(language, theme).sign_in(path=f"/cameras?in=d:{platform.id}")
    page = seat.page
    first = page.locator('tr[data-index="0"] .reg-name')
    expect(first).to_be_visible()
    expect(page.locator(".reg-count")).to_contain_text(str(COUNT))
    assert page.locator("tr[data-index]").count() < 60
    assert len([url for url in seat.urls if re.search(r"/api/v1/cameras\?", url)]) == 1
    page.screenshot(path=SCREENSHOTS / f"cameras-long-{language}-{theme}.png")

    first.focus()
    page.keyboard.press("End")
    last = page.locator(f'tr[data-index="{COUNT - 1}"] .reg-name')
    expect(last).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageUp")
    here = page.locator("tr[data-index] .reg-name:focus")
    expect(here).to_have_count(1)
    name = here.text_content()
    top = page.evaluate("document.querySelector('section.list').scrollTop")
    assert top > 10_000
    assert seat.violations() == []
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name or "")
    page.keyboard.press("Escape")
    expect(page.locator("tr[data-index] .reg-name", has_text=name or "")).to_be_visible()
    assert abs(page.evaluate("document.querySelector('section.list').scrollTop") - top) < 2
    assert seat.errors == []


@pytest.mark.parametrize(("language", "theme"), BOTH)
def test_the_tree_by_business_group_is_walked_with_the_keys_and_narrows_the_list(
    open_seat: OpenSeat, platform: SimPlatform, language: str, theme: Theme
) -> None:
    seat = open_seat(language, theme).sign_in(path="/cameras")
    page = seat.page
    page.get_by_role("radio", name=WORDS[language]["catalog"]).check(force=True)
    tree = page.get_by_role("tree")
    root = tree.locator(f'[data-node="d:{platform.id}"]')
    group = tree.locator(f'[data-node="n:{platform.id}:{GROUP_ID}"]')
    schools = tree.locator(f'[data-node="n:{platform.id}:{SCHOOLS_ID}"]')
    expect(group).to_be_visible()  # the highest nodes are open the first time
    root.focus()
    page.keyboard.press("ArrowRight")
    expect(group).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(schools).to_be_visible()
    page.keyboard.type("xiaoy")
    expect(schools).to_be_focused()
    page.keyboard.press("Enter")
    expect(schools).to_have_attribute("aria-selected", "true")
    expect(page.locator(".reg-count")).to_contain_text("140")
    expect(schools.locator(".n")).to_have_text("120/140")
    page.screenshot(path=SCREENSHOTS / f"cameras-tree-{language}-{theme}.png")
    assert seat.violations() == []
    page.keyboard.press("ArrowLeft")
    expect(group).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(schools).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    page.keyboard.press("End")
    expect(tree.locator("[role=treeitem]").last).to_be_focused()
    page.reload()  # open nodes are remembered, and what the list shows stands in the address
    expect(schools).to_have_attribute("aria-selected", "true")
    assert seat.errors == []


@pytest.mark.parametrize(("language", "theme"), BOTH)
def test_many_cameras_are_previewed_changed_and_taken_back(
    open_seat: OpenSeat, platform: SimPlatform, town: Town, language: str, theme: Theme
) -> None:
    words = WORDS[language]
    seat = open_seat(language, theme).sign_in(path=f"/cameras?in=n:{platform.id}:{SCHOOLS_ID}&by=groups")
    page = seat.page
    name = f"重点 {language}"
    page.get_by_role("button", name=words["new"]).click()
    seat.dialog().locator("input").first.fill(name)
    seat.dialog().get_by_role("button", name=words["save"]).click()
    expect(page.get_by_role("treeitem", name=re.compile(name))).to_be_visible()

    page.locator('tr[data-index="1"] .pick input').click()
    page.locator('tr[data-index="3"] .pick input').click(modifiers=["Shift"])
    expect(page.locator("tr.chosen")).to_have_count(3)
    expect(page.get_by_role("button", name=words["all"])).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"cameras-bulk-bar-{language}-{theme}.png")
    page.get_by_role("button", name=words["change"]).click()
    dialog = seat.dialog()
    dialog.get_by_role("textbox", name=words["owner"]).fill("科信中队")
    dialog.get_by_role("combobox", name=words["tags"]).fill("夜间, 校门")
    dialog.get_by_role("combobox", name=words["put"]).select_option(label=name)
    page.screenshot(path=SCREENSHOTS / f"cameras-bulk-ask-{language}-{theme}.png")
    assert seat.violations() == []
    dialog.get_by_role("button", name=words["preview"]).click()
    expect(dialog.locator("tbody tr")).to_have_count(9)
    page.screenshot(path=SCREENSHOTS / f"cameras-bulk-preview-{language}-{theme}.png")
    assert seat.violations() == []
    before = town.ask("GET", f"/cameras?node=n:{platform.id}:{SCHOOLS_ID}&order=name&limit=10")["items"]
    assert {one["owner"] for one in before} == {""}  # a preview changes nothing
    dialog.get_by_role("button", name=words["go"]).click()
    expect(dialog.get_by_text(words["done"])).to_be_visible()
    dialog.get_by_role("button", name=words["close"]).last.click()
    expect(page.locator("tr.chosen .tag").filter(has_text="夜间")).to_have_count(3)

    after = town.ask("GET", f"/cameras?node=n:{platform.id}:{SCHOOLS_ID}&order=name&limit=10")["items"]
    touched = after[2]
    assert (touched["owner"], touched["tags"]) == ("科信中队", ["夜间", "校门"])
    town.ask("PATCH", f"/cameras/{touched['id']}", {"version": touched["version"], "purpose": "test"})
    page.locator(".bar").get_by_role("button", name=words["undo"]).click()
    expect(page.locator(".bar")).to_contain_text(words["undone"])
    expect(page.locator(".bar")).to_contain_text(words["left"])
    page.screenshot(path=SCREENSHOTS / f"cameras-bulk-undone-{language}-{theme}.png")
    left = town.ask("GET", f"/cameras?node=n:{platform.id}:{SCHOOLS_ID}&order=name&limit=10")["items"]
    assert [one["tags"] for one in left[1:4]] == [[], ["夜间", "校门"], []]
    assert seat.errors == []
    _put_back(town, left[2], name)


def _put_back(town: Town, camera: dict[str, Any], group: str) -> None:
    items = [{"id": camera["id"], "version": camera["version"]}]
    items[0]["changes"] = {"owner": "", "purpose": "", "tags": [], "groups": []}
    town.ask("POST", "/cameras/bulk", {"act": "restore", "items": items})
    [made] = [one for one in town.ask("GET", "/camera-groups")["items"] if one["name"] == group]
    town.ask("DELETE", f"/camera-groups/{made['id']}")


def test_all_that_match_are_chosen_and_the_list_follows_the_feed(
    open_seat: OpenSeat, platform: SimPlatform, town: Town
) -> None:
    seat = open_seat("en", "light", width=1920, height=1080).sign_in(path=f"/cameras?in=n:{platform.id}:{SCHOOLS_ID}")
    page = seat.page
    page.locator("thead .pick input").click()
    expect(page.get_by_text("140 cameras chosen")).to_be_visible()
    page.get_by_role("button", name="Change…").click()
    seat.dialog().get_by_role("textbox", name="Purpose").fill("Schools")
    seat.dialog().get_by_role("button", name="Preview").click()
    seat.dialog().get_by_role("button", name="Change 140 cameras").click()
    expect(seat.dialog().get_by_text("140 cameras changed.")).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "cameras-bulk-result.png")
    seat.dialog().get_by_role("button", name="Undo").click()
    expect(seat.dialog().get_by_text("140 cameras are as they were.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(seat.dialog()).to_have_count(0)

    shown = town.ask("GET", f"/cameras?node=n:{platform.id}:{SCHOOLS_ID}&order=name&limit=3")["items"][1]
    assert shown["purpose"] == ""
    town.ask("PATCH", f"/cameras/{shown['id']}", {"version": shown["version"], "name_en": "Gate by the river"})
    expect(page.locator('tr[data-index="1"] .reg-name')).to_have_text("Gate by the river")
    assert until(lambda: _is_drawn(page, 1))
    assert seat.errors == []


@pytest.mark.parametrize(("language", "theme"), BOTH)
def test_devices_are_listed_in_a_window_and_narrowed_by_maker(
    open_seat: OpenSeat, platform: SimPlatform, language: str, theme: Theme
) -> None:
    seat = open_seat(language, theme, width=1920, height=1080).sign_in(path="/devices?maker=Dahua")
    page = seat.page
    expect(page.locator(f'tbody a[href="/devices/{platform.id}"]')).to_be_visible()
    expect(page.locator("tr[data-index]")).to_have_count(1)
    page.screenshot(path=SCREENSHOTS / f"devices-long-{language}-{theme}.png")
    assert seat.violations() == []
    assert seat.errors == []
