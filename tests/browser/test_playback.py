"""Our own recordings in the browser: recorded by the town, opened for a purpose, sought, stepped, backwards, ended."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.seat import Seat
from tests.browser.test_recordings import TIME_CODE
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser
WORDS = {
    "en": ("Patrol", "Look until", "Goes on at", "The time for looking is over."),
    "zh-CN": ("巡", "查看至", "起有录像", "查看时间已到"),
}
ENOUGH_MS = 25_000
APART_MS = 1_000  # pictures that a busy machine draws may lie so far apart, and the moment told is a picture's


def _iso(at_ms: float) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _recorded(town: Town) -> tuple[list[str], float]:
    """Return two cameras the town records, and since when both are, once there is enough to play."""
    status = town.ask("GET", "/recording-status")["items"]
    kept = [one for one in status if one["mode"] == "continuous"]
    cameras = [one["camera_id"] for one in sorted(kept, key=lambda one: one["stream"])][:2]
    assert len(cameras) == 2

    def _since() -> float:
        now_ms = time.time() * 1000
        starts = []
        for camera in cameras:
            path = f"/cameras/{camera}/recordings?source=house&from={_iso(now_ms - 3_600_000)}&to={_iso(now_ms)}"
            spans = town.ask("GET", path)["spans"]
            if not spans:
                return 0
            starts.append(datetime.fromisoformat(spans[-1]["starts_at"]).timestamp() * 1000)
        return max(starts) if now_ms - max(starts) > ENOUGH_MS else 0

    return cameras, until(_since, 60)


def _tile(seat: Seat, camera: str) -> Locator:
    return seat.page.locator(f"figure[data-camera='{camera}']")


def _drawn(seat: Seat, camera: str) -> int:
    seen: int = _tile(seat, camera).locator("video").evaluate(TIME_CODE)
    return seen


def _told(seat: Seat, camera: str) -> float:
    """Return the moment a tile says, ms since 1970; 0 while it says none."""
    shown = _tile(seat, camera).locator(".moment")
    text = shown.text_content() if shown.count() else ""
    found = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)", text or "")
    return datetime.fromisoformat(f"{found[1]}T{found[2]}+08:00").timestamp() * 1000 if found else 0.0


def _look(seat: Seat, language: str) -> None:
    patrol, until_words, *_ = WORDS[language]
    seat.page.locator(".closed button").click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()


def test_our_recordings_are_sought_stepped_fast_and_backwards_until_the_view_ends(
    town: Town, open_seat: OpenSeat
) -> None:
    cameras, since_ms = _recorded(town)
    first, second = cameras
    seat = open_seat("en", "dark").sign_in(path=f"/recordings?cameras={first},{second}&at={_iso(since_ms + 2_000)}")
    page = seat.page
    expect(page.locator(".timeline rect.house").first).to_be_visible()
    _look(seat, "en")
    until(lambda: _drawn(seat, first) > 0 and _told(seat, second) > 0)
    until(lambda: abs(_told(seat, first) - _told(seat, second)) <= 1_000)
    assert abs(_told(seat, first) - since_ms) < 10_000

    _tile(seat, first).focus()
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    until(lambda: _told(seat, first) % 1000 != 0)
    shown = _told(seat, first)
    ahead = _drawn(seat, first) - shown  # the camera's own clock draws the time
    page.keyboard.press(".")
    until(lambda: 0 < _told(seat, first) - shown <= APART_MS)
    page.keyboard.press(",")
    until(lambda: abs(_told(seat, first) - shown) < 1)

    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    until(lambda: abs(_told(seat, first) - shown - 10_000) < APART_MS)
    until(lambda: abs(_drawn(seat, first) - _told(seat, first) - ahead) < APART_MS)
    page.locator(".transport select").select_option("-2")
    _tile(seat, first).focus()
    page.keyboard.press("Space")
    at = _told(seat, first)
    until(lambda: at - _told(seat, first) > 3_000)
    page.locator(".transport select").select_option("4")
    back = _drawn(seat, first)
    until(lambda: _drawn(seat, first) - back > 4_000)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "playback-en-dark.png")
    assert seat.violations() == []

    [view] = [one for one in town.ask("GET", "/views")["items"] if one["recordings"] and first in one["channels"]]
    town.ask("DELETE", f"/views/{view['id']}")
    expect(page.get_by_text(WORDS["en"][3])).to_be_visible(timeout=5_000)
    assert _tile(seat, first).locator("video").evaluate("video => video.videoWidth") == 0
    assert seat.errors == []


def test_a_moment_without_recording_says_so_and_when_it_goes_on(town: Town, open_seat: OpenSeat) -> None:
    (first, _), _ = _recorded(town)
    now_ms = time.time() * 1000
    path = f"/cameras/{first}/recordings?source=house&from={_iso(now_ms - 6 * 3_600_000)}&to={_iso(now_ms)}"
    since_ms = datetime.fromisoformat(town.ask("GET", path)["spans"][0]["starts_at"]).timestamp() * 1000  # of the first
    seat = open_seat("zh-CN", "light").sign_in(path=f"/recordings?cameras={first}&at={_iso(since_ms - 600_000)}")
    _look(seat, "zh-CN")
    expect(_tile(seat, first).locator(".words")).to_contain_text(WORDS["zh-CN"][2])
    seat.page.screenshot(path=SCREENSHOTS / "playback-gap-zh-CN-light.png")
    until(lambda: _told(seat, first) >= since_ms - 2_000)
