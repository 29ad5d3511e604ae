"""An alarm's clip on the work card: announced, made from what the device recorded, looping; then with the incident.

A town of its own: here clips end four seconds after the alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.town import Town, running_town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": (
        "Clip ready in",
        "Play the clip",
        "From the device",
        "Look…",
        "Patrol",
        "Look until",
        "Clips of this incident",
    ),
    "zh-CN": ("短片", "播放短片", "来自设备录像", "查看…", "巡", "查看至", "本警情短片"),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A quiet town whose clips are short; nobody's looking leaves pictures in memory for the next."""
    data = tmp_path_factory.mktemp("clips") / "data"
    with running_town(data, TOCSIN_CLIPS__POST_S="4", TOCSIN_MEDIA__STOP_AFTER_S="0") as running:
        yield running


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_clip_appears_loops_and_stays_with_the_incident(language: str, town: Town, open_seat: OpenSeat) -> None:
    soon, play, from_device, look, patrol, until_words, title = WORDS[language]
    theme = "dark" if language == "en" else "light"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seat = open_seat(language, theme, width=1600, height=1100).sign_in()
    until(lambda: _is_recorded(town), 30)
    town.alarm_of("school", "BA", "4")
    incident = until(lambda: [one["id"] for one in town.open_incidents()])[0]
    town.alarm_of("school", "BA", "1")  # the yard's camera, which the house records all the time
    tile = seat.card.locator("[data-clip][data-kind=clip]").first
    expect(tile).to_contain_text(soon)
    seat.page.screenshot(path=SCREENSHOTS / f"clips-coming-{language}-{theme}.png")

    ready = until(lambda: _ready(town, incident), 60) or []
    assert {(one["source"], one["pre_roll"]) for one in ready} == {("device", "device"), ("own", "disk")}
    ours = next(one["id"] for one in ready if one["source"] == "own")
    yard = seat.card.locator(f'[data-clip="{ours}"] video')
    until(lambda: yard.evaluate("(video) => video.readyState >= 2 && video.duration > 10 && video.duration < 20"))
    video = tile.locator("video")
    expect(video).to_be_visible()
    until(lambda: video.evaluate("(video) => video.readyState >= 2 && video.videoWidth > 0"))
    # motion is unwanted in these seats: it stands still until it is asked to move
    assert video.evaluate("(video) => video.paused && video.loop && video.muted")
    seat.card.get_by_role("button", name=play).first.press("Enter")
    until(lambda: video.evaluate("(video) => video.currentTime > 1"))
    length_s = video.evaluate("(video) => video.duration")
    assert 12 <= length_s <= 16
    video.evaluate("(video) => { video.currentTime = video.duration - 0.4; }")
    until(lambda: video.evaluate("(video) => !video.paused && video.currentTime < 5"))  # round and round
    expect(seat.card.locator(".clips")).to_contain_text(from_device)
    seat.page.screenshot(path=SCREENSHOTS / f"clips-{language}-{theme}.png")
    assert seat.violations() == []
    opened = town.ask("GET", "/audit?action=clip.opened&limit=5")["items"]
    assert incident in {one["detail"]["incident_id"] for one in opened}

    town.clear()
    seat.visit(f"/incidents/{incident}")
    section = seat.page.locator(".clips")
    expect(section).to_contain_text(title)
    until(lambda: section.locator("[data-kind=minutes][data-state=ready]").count(), 30)
    section.get_by_role("button", name=look).last.click()
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()
    shown = section.locator("video").last
    until(lambda: shown.evaluate("(video) => video.readyState >= 1 && video.duration > 14"))
    section.scroll_into_view_if_needed()
    seat.page.screenshot(path=SCREENSHOTS / f"clips-incident-{language}-{theme}.png")
    assert seat.violations() == []


def _is_recorded(town: Town) -> bool:
    """Say whether the yard's camera, the only one recorded in full, has been long enough for a clip."""
    begun = [int(path.stem) for path in (town.data / "recordings").rglob("main/*.mp4")]
    return bool(begun) and min(begun) < datetime.now(UTC).timestamp() * 1000 - 12_000


def _ready(town: Town, incident_id: str) -> list[Any]:
    """Return the clips of the three cameras once all are there."""
    found = town.ask("GET", f"/incidents/{incident_id}/clips")["items"]
    ready = [one for one in found if one["kind"] == "clip" and one["state"] == "ready"]
    return ready if len(ready) == 3 else []
