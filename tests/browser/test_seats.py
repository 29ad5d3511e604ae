"""What other people's acts, broken lines and dead processes do to a seat."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenSeat
from tests.browser.town import Town, until

pytestmark = pytest.mark.browser


def test_a_claim_takes_the_picture_and_the_sound_from_the_other_operators(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    mei = open_seat("en", width=1100, height=700).sign_in(town.operator("Mei"))
    jun = open_seat("zh-CN", width=1100, height=700).sign_in(town.operator("Jun"))
    incident_id = alarm()
    for seat in (mei, jun):
        expect(seat.picture("live")).to_have_count(1)
        seat.expect_advancing(5)
        until(seat.tones)

    mei.button("Claim").first.click()
    expect(mei.card).to_contain_text("Claimed by you")
    expect(jun.card).to_contain_text("Mei 已接警，图像仅对 Mei 和值班长开放。")
    expect(jun.card.locator("video")).to_have_count(0)
    expect(jun.button("接警")).to_have_count(0)
    expect(jun.tab("unclaimed")).to_have_text("待接0")
    expect(jun.row(incident_id)).to_contain_text("Mei")  # what the card shows stays in sight
    jun.expect_silence(2.5)
    mei.expect_advancing(5)
    history = town.incident(incident_id)["history"]
    ended = [entry for entry in history if entry["action"] == "view.ended"]
    assert any(entry["detail"].get("reason", "").startswith("claimed") for entry in ended), ended


def test_the_picture_resumes_by_itself_after_its_worker_was_killed(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat("en", width=1100, height=700).sign_in()
    alarm()
    expect(seat.picture("live")).to_have_count(1)
    seat.expect_advancing(5)
    workers = town.worker_pids()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    expect(seat.picture("live")).to_have_count(0)
    expect(seat.card.locator("figure[data-phase]")).to_have_count(1)
    expect(seat.picture("live")).to_have_count(1, timeout=30_000)
    seat.expect_advancing(5)
    assert not set(town.worker_pids()) & set(workers)


def test_a_page_that_is_cut_off_says_how_far_behind_it_is_and_catches_up(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    town.alarm_of("museum", "BA", "2")
    seat = open_seat("en", "light", width=1100, height=700).sign_in()
    expect(seat.page.locator("footer")).to_contain_text("Feed live")
    expect(seat.page.locator(".maplibregl-marker").first).to_be_visible()
    seat.cut()
    incident_id = alarm()
    expect(seat.page.locator("footer")).to_contain_text("Behind by")
    expect(seat.page.locator(".banners")).to_contain_text("This page is behind by")
    assert seat.page.evaluate("document.documentElement.dataset.feed") == "stale"
    expect(seat.row(incident_id)).to_have_count(0)
    assert seat.violations() == []
    seat.mend()
    expect(seat.row(incident_id)).to_be_visible()
    expect(seat.page.locator("footer")).to_contain_text("Feed live")
    expect(seat.page.locator(".banners")).not_to_contain_text("This page is behind by")
    seat.row(incident_id).click()
    expect(seat.picture("live")).to_have_count(1)
