"""Recordings from a camera's page: the time bar, a purpose, the picture that draws its own time, seek, pause, speed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.seat import Seat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser

WORDS = {
    "en": ("Show recordings", "The day before", "Patrol", "Look until", "Pause", "Play", "recorded", "more min"),
    "zh-CN": ("查看录像", "前一天", "巡", "查看至", "暂停", "播放", "有录像", "续看"),
}
# The time code at the top of a drawn picture, milliseconds since 1970; 0 when it cannot be read.
TIME_CODE = """video => {
  const side = Math.floor(video.videoWidth / 80);
  if (!side) return 0;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = 3 * side;
  const paper = canvas.getContext('2d');
  paper.drawImage(video, 0, 0);
  const bytes = new Array(8).fill(0);
  for (let n = 0; n < 64; n++) {
    const x = Math.floor((46 + n % 32 + 0.5) * side), y = Math.floor((1.5 + Math.floor(n / 32)) * side);
    const [r, g, b] = paper.getImageData(x, y, 1, 1).data;
    if ((r + g + b) / 3 > 128) bytes[n >> 3] |= 0x80 >> (n & 7);
  }
  if (bytes[0] !== 0xa5) return 0;
  return bytes.slice(1, 7).reduce((sum, one) => sum * 256 + one, 0);
}"""

# What the page asks again and again about a playback is answered late, as on a slow line: it tells how things were
# before a person steered.
LATE = """
const asked = window.fetch;
window.fetch = async (...given) => {
  const answer = await asked(...given);
  const method = given[1]?.method ?? 'GET';
  if (method === 'GET' && String(given[0]).includes('/playbacks/')) await new Promise((done) => setTimeout(done, 900));
  return answer;
};
"""


def _drawn(seat: Seat) -> int:
    seen: int = seat.page.locator(".recordings video").evaluate(TIME_CODE)
    return seen


def _told(seat: Seat) -> float:
    """Return the moment the page says, milliseconds since 1970; 0 while it says none."""
    shown = seat.page.locator(".recordings .moment")
    text = shown.text_content() if shown.count() else ""
    found = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", text or "")
    return datetime.fromisoformat(f"{found[1]}T{found[2]}+08:00").timestamp() * 1000 if found else 0.0


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_recording_is_played_steered_and_tells_its_time(language: str, town: Town, open_seat: OpenSeat) -> None:
    show, before, patrol, until_words, pause, play, recorded, renew = WORDS[language]
    theme = "dark" if language == "en" else "light"
    seat = open_seat(language, theme, height=1500).sign_in(path=f"/cameras/{town.camera}")
    page = seat.page
    page.evaluate(LATE)
    page.get_by_role("button", name=show).click()
    page.get_by_role("button", name=before).click()
    bar = page.get_by_role("slider")
    expect(page.locator(".recordings")).to_contain_text(recorded)
    box = bar.bounding_box()
    assert box is not None
    bar.click(position={"x": box["width"] * 0.5, "y": 10})
    seat.dialog().locator("label.why").filter(has_text=patrol).first.click()
    seat.dialog().get_by_role("button", name=until_words).click()

    until(lambda: _drawn(seat) > 0 and _told(seat) > 0)
    noon = datetime.now().astimezone() - timedelta(days=1)
    assert abs(_drawn(seat) / 1000 - noon.timestamp()) < 86_400
    until(lambda: abs(_drawn(seat) - _told(seat)) < 1500)

    bar.click(position={"x": box["width"] * 0.75, "y": 10})
    first = _drawn(seat)
    until(lambda: _drawn(seat) - first > 5 * 3_600_000)
    until(lambda: abs(_drawn(seat) - _told(seat)) < 1500)

    page.get_by_role("button", name=pause, exact=True).click()
    expect(page.get_by_role("button", name=play, exact=True)).to_be_visible()
    page.wait_for_timeout(800)
    still = _drawn(seat)
    page.wait_for_timeout(800)
    assert _drawn(seat) == still
    bar.focus()
    page.keyboard.press("Space")
    until(lambda: _drawn(seat) > still)
    page.get_by_role("button", name="4×").click()
    begin = _drawn(seat)
    until(lambda: _drawn(seat) - begin > 8_000)
    page.get_by_role("button", name=renew).click()
    until(lambda: list(town.ask("GET", "/audit?action=view.renewed&limit=1")["items"]))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.locator(".recordings").screenshot(path=SCREENSHOTS / f"recordings-{language}-{theme}.png")
    assert seat.violations() == []
