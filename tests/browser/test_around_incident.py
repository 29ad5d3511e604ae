"""From an alarm to what was recorded around it, for the incident's sake alone; renewed before it ends, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat
from tests.browser.test_recordings import TIME_CODE
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser
WORDS = {
    "en": ("Everything recorded around the alarm", "Look, for this incident", "10 more min", "Open the incident"),
    "zh-CN": ("查看报警前后的全部录像", "为该警情查看", "续看 10 分钟", "打开警情"),
}


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("zh-CN", "light")])
def test_an_incident_leads_to_its_recordings_and_they_lead_back(
    language: str, theme: str, town: Town, open_seat: OpenSeat
) -> None:
    around, look, renew, back = WORDS[language]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    town.clear()
    seat = open_seat(language, theme, width=1600, height=1100).sign_in()  # type: ignore[arg-type]
    page = seat.page
    until(lambda: _recorded(town), 60)
    town.alarm_of("school", "BA", "1")  # the yard's camera, which the house records all the time
    incident = until(lambda: [one["id"] for one in town.open_incidents()])[0]
    seat.card.get_by_role("link", name=around).click()
    expect(page).to_have_url(re.compile(f"incident={incident}"))
    expect(page.locator(".closed button")).to_have_text(look)
    page.screenshot(path=SCREENSHOTS / f"around-incident-{language}-{theme}.png")
    page.locator(".closed button").click()
    until(lambda: any(video.evaluate(TIME_CODE) > 0 for video in page.locator("figure video").all()), 30)
    page.screenshot(path=SCREENSHOTS / f"around-playing-{language}-{theme}.png")
    opened = town.ask("GET", "/audit?action=view.opened&limit=5")["items"][0]
    assert (opened["detail"]["incident_id"], opened["detail"]["purpose"]) == (incident, "alarm_verification")
    page.get_by_role("button", name=renew).click()
    until(lambda: list(town.ask("GET", "/audit?action=view.renewed&limit=5")["items"]))
    assert seat.violations() == []
    expect(page.locator(".timeline .links a").first).to_be_attached()
    page.get_by_role("link", name=back).last.click()
    expect(page).to_have_url(re.compile(f"/incidents/{incident}"))
    expect(page.get_by_role("link", name=around)).to_be_visible()
    town.clear()


def _recorded(town: Town) -> bool:
    """Say whether some camera has been recorded for a while."""
    now = datetime.now(UTC)
    kept = [one["camera_id"] for one in town.ask("GET", "/recording-status")["items"] if one["mode"] == "continuous"]
    for camera in kept:
        starts, ends = ((now - timedelta(hours=1)).isoformat(), now.isoformat())
        path = f"/cameras/{camera}/recordings?source=house&from={starts}&to={ends}".replace("+00:00", "Z")
        spans = town.ask("GET", path)["spans"]
        if not spans or now - datetime.fromisoformat(spans[-1]["starts_at"]) < timedelta(seconds=15):
            return False
    return bool(kept)
