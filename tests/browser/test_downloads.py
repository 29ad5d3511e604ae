"""Recordings as files from a camera's page: chosen, fetched with progress, saved once under a purpose, cancelled."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

RECORDER = "34029900001310000101"  # the west gate of the school: a 2022 recorder
WORDS = {
    "en": {
        "show": "Show recordings",
        "before": "The day before",
        "open": "Download…",
        "next": "State the purpose…",
        "patrol": "Patrol",
        "start": "Start the download",
        "done": "Done",
        "save": "Save the file…",
        "saved": "Saved",
        "cancel": "Cancel",
        "cancelled": "Cancelled",
        "left": "left",
        "order": "The end must come after the beginning",
    },
    "zh-CN": {
        "show": "查看录像",
        "before": "前一天",
        "open": "下载…",
        "next": "填写用途…",
        "patrol": "巡",
        "start": "开始下载",
        "done": "已完成",
        "save": "保存文件…",
        "saved": "已保存",
        "cancel": "取消",
        "cancelled": "已取消",
        "left": "剩余",
        "order": "结束时间须晚于开始时间",
    },
}


def _choose(seat: Seat, words: dict[str, str], begin: str, end: str, speed: str = "4") -> None:
    seat.page.get_by_role("button", name=words["open"]).click()
    dialog = seat.dialog()
    expect(dialog.locator("select[name=speed]")).to_be_enabled()
    dialog.locator("input[name=from]").fill(end)
    dialog.locator("input[name=to]").fill(begin)
    expect(dialog).to_contain_text(words["order"])
    expect(dialog.get_by_role("button", name=words["next"])).to_be_disabled()
    dialog.locator("input[name=from]").fill(begin)
    dialog.locator("input[name=to]").fill(end)
    dialog.locator("select[name=speed]").select_option(speed)


def _state_purpose(seat: Seat, words: dict[str, str], button: str) -> None:
    seat.dialog().locator("label.why").filter(has_text=words["patrol"]).first.click()
    seat.dialog().get_by_role("button", name=button).click()


def _newest(town: Town) -> dict[str, Any]:
    return dict(town.ask("GET", "/downloads")["items"][0])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_period_becomes_a_file_that_is_saved_once(
    language: str, town: Town, open_seat: OpenSeat, tmp_path: Path
) -> None:
    words = WORDS[language]
    theme = "dark" if language == "en" else "light"
    camera = next(one["id"] for one in town.ask("GET", "/cameras?limit=200")["items"] if one["gb_id"] == RECORDER)
    seat = open_seat(language, theme, height=1500).sign_in(path=f"/cameras/{camera}")
    page = seat.page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.get_by_role("button", name=words["show"]).click()
    page.get_by_role("button", name=words["before"]).click()
    expect(page.locator(".recordings .span").first).to_be_attached()

    _choose(seat, words, "12:00:00", "12:00:40")
    seat.dialog().screenshot(path=SCREENSHOTS / f"download-choice-{language}-{theme}.png")
    assert seat.violations() == []
    seat.dialog().get_by_role("button", name=words["next"]).click()
    _state_purpose(seat, words, words["start"])
    row = page.locator("[data-download]").first
    expect(row).to_contain_text(words["left"])
    page.locator(".recordings").screenshot(path=SCREENSHOTS / f"download-running-{language}-{theme}.png")
    expect(row.locator("progress")).to_be_visible()
    expect(row).to_contain_text(words["done"])
    told = re.search(r"SHA-256 ([0-9a-f]{64})", row.text_content() or "")
    assert told is not None
    page.locator(".recordings").screenshot(path=SCREENSHOTS / f"download-done-{language}-{theme}.png")
    assert seat.violations() == []

    with page.expect_download() as coming:
        row.get_by_role("button", name=words["save"]).click()
    saved = tmp_path / "saved"
    coming.value.save_as(saved)
    assert re.fullmatch(rf"{RECORDER}_\d{{8}}T\d{{6}}Z_\d{{8}}T\d{{6}}Z\.mp4", coming.value.suggested_filename)
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == told[1]
    expect(row).to_contain_text(words["saved"])
    expect(row.get_by_role("button")).to_have_count(0)
    records = town.ask("GET", "/audit?action=download.&limit=10")["items"]
    assert [one["action"] for one in records[:3]] == ["download.handed_over", "download.taken", "download.finished"]
    assert {one["detail"]["sha256"] for one in records[:3]} == {told[1]}


def test_a_download_is_cancelled_and_a_second_of_the_same_camera_is_refused_with_words(
    town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS["en"]
    camera = next(one["id"] for one in town.ask("GET", "/cameras?limit=200")["items"] if one["gb_id"] == RECORDER)
    seat = open_seat("en").sign_in(path=f"/cameras/{camera}")
    page = seat.page
    page.get_by_role("button", name=words["show"]).click()
    page.get_by_role("button", name=words["before"]).click()
    expect(page.locator(".recordings .span").first).to_be_attached()
    _choose(seat, words, "09:00:00", "10:00:00", "1")
    seat.dialog().get_by_role("button", name=words["next"]).click()
    _state_purpose(seat, words, words["start"])
    row = page.locator("[data-download]").first
    expect(row.get_by_role("button", name=words["cancel"])).to_be_visible()
    _choose(seat, words, "09:00:00", "09:10:00")
    seat.dialog().get_by_role("button", name=words["next"]).click()
    expect(page.locator(".downloads [role=alert]")).to_contain_text("sending a download already")
    until(lambda: _newest(town)["received_bytes"] > 0)
    row.get_by_role("button", name=words["cancel"]).click()
    expect(row).to_contain_text(words["cancelled"])
    assert _newest(town)["state"] == "cancelled"
