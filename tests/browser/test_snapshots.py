"""Snapshots: taken on a camera's page under a purpose, shown as they come, saved; taken by the house for an alarm.

A town of its own: here `snapshots.on_alarm` is on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, running_town, until

pytestmark = pytest.mark.browser

NEWER = "34029900001310000102"  # of the school's recorder, which follows the 2022 edition
OLDER = "34029900001310000501"  # of the market's camera, which does not
WORDS = {
    "en": {
        "take": "Take snapshots…",
        "patrol": "Patrol",
        "until": "Look until",
        "end": "End",
        "save": "Save as a file",
        "older": "does not follow the 2022 edition",
        "close": "Close",
        "of_incident": "Pictures of this incident",
        "house": "taken by the house",
        "show": "Show",
    },
    "zh-CN": {
        "take": "抓图…",
        "patrol": "巡",
        "until": "查看至",
        "end": "结束查看",
        "save": "保存为文件",
        "older": "不支持 GB/T 28181-2022",
        "close": "关闭",
        "of_incident": "本警情抓图",
        "house": "平台自动抓拍",
        "show": "查看",
    },
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A quiet town whose house takes pictures when an incident opens."""
    data = tmp_path_factory.mktemp("pictures") / "data"
    with running_town(data, TOCSIN_SNAPSHOTS__ON_ALARM="true") as running:
        yield running


def _camera(town: Town, gb_id: str) -> str:
    return str(next(one["id"] for one in town.ask("GET", "/cameras?limit=200")["items"] if one["gb_id"] == gb_id))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_pictures_are_taken_shown_as_they_come_and_saved(
    language: str, town: Town, open_seat: OpenSeat, tmp_path: Path
) -> None:
    words = WORDS[language]
    theme = "dark" if language == "en" else "light"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat = open_seat(language, theme, height=1500).sign_in(path=f"/cameras/{_camera(town, NEWER)}")
    page, section = seat.page, seat.page.locator(".snapshots")
    section.locator("select").first.select_option("3")
    section.locator("select").nth(1).select_option("2")
    section.get_by_role("button", name=words["take"], exact=True).click()
    seat.dialog().locator("label.why").filter(has_text=words["patrol"]).first.click()
    seat.dialog().get_by_role("button", name=words["until"]).click()
    expect(section.locator("[data-snapshot] img").first).to_be_visible()
    expect(section.locator("progress")).to_be_visible()
    section.screenshot(path=SCREENSHOTS / f"snapshots-coming-{language}-{theme}.png")
    expect(section.locator("progress")).to_have_count(0)
    until(lambda: section.locator("[data-snapshot] img").count() in (3, 6))  # those of the other language stay
    assert section.locator("[data-snapshot] img").first.evaluate("image => image.naturalWidth") > 200
    section.screenshot(path=SCREENSHOTS / f"snapshots-{language}-{theme}.png")
    assert seat.violations() == []

    section.locator("[data-snapshot] button").first.click()
    first = seat.dialog().locator(".dialog-title").text_content()
    page.keyboard.press("ArrowRight")
    expect(seat.dialog().locator(".dialog-title")).not_to_have_text(first or "")
    page.keyboard.press("ArrowLeft")
    expect(seat.dialog().locator(".dialog-title")).to_have_text(first or "")
    page.screenshot(path=SCREENSHOTS / f"snapshot-large-{language}-{theme}.png")
    assert seat.violations() == []
    told = re.search(r"SHA-256 ([0-9a-f]{64})", seat.dialog().text_content() or "")
    assert told is not None
    with page.expect_download() as coming:
        seat.dialog().get_by_role("button", name=words["save"]).click()
    coming.value.save_as(tmp_path / "one.jpg")
    assert coming.value.suggested_filename.startswith(f"{NEWER}_")
    assert hashlib.sha256((tmp_path / "one.jpg").read_bytes()).hexdigest() == told[1]
    [record] = town.ask("GET", "/audit?action=snapshot.taken&limit=1")["items"]
    assert record["detail"]["sha256"] == told[1]
    page.keyboard.press("Escape")
    section.get_by_role("button", name=words["end"]).click()
    expect(section.locator("[data-snapshot]")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_device_that_is_too_old_is_told_instead_of_offered(language: str, town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat(language).sign_in(path=f"/cameras/{_camera(town, OLDER)}")
    expect(seat.page.locator(".snapshots")).to_contain_text(WORDS[language]["older"])
    expect(seat.page.locator(".snapshots").get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_an_alarm_brings_a_picture_of_each_linked_camera_that_can(
    language: str, town: Town, open_seat: OpenSeat
) -> None:
    words = WORDS[language]
    theme = "light" if language == "en" else "dark"
    town.alarm_of("school", "BA", "4")
    incident = until(lambda: [one["id"] for one in town.open_incidents()])[0]
    until(lambda: town.ask("GET", f"/snapshots?incident_id={incident}")["items"])
    asked = town.ask("GET", "/audit?action=snapshot.asked&limit=1")["items"][0]
    assert (asked["actor"]["kind"], asked["detail"]["incident_id"]) == ("system", incident)
    seat = open_seat(language, theme, width=1600, height=1200).sign_in(path=f"/?incident={incident}")
    card = seat.card
    expect(card).to_contain_text(words["of_incident"])
    expect(card.locator("[data-snapshot] img").first).to_be_visible()
    expect(card.locator("[data-snapshot]").first).to_contain_text(words["house"])
    seat.page.screenshot(path=SCREENSHOTS / f"snapshots-card-{language}-{theme}.png")
    assert seat.violations() == []
    seat.visit(f"/incidents/{incident}")
    pictures = seat.page.locator("[data-snapshot]")
    expect(pictures.first).to_contain_text(words["show"])
    pictures.first.get_by_role("button").click()
    expect(seat.dialog().locator("img")).to_be_visible()
    seat.page.keyboard.press("Escape")
    expect(pictures.first.locator("img")).to_be_visible()
    pictures.first.scroll_into_view_if_needed()
    seat.page.screenshot(path=SCREENSHOTS / f"snapshots-incident-{language}-{theme}.png")
    assert seat.violations() == []
