"""A queue of thousands: the page stays small, whole and worked with keys."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import OpenSeat
from tests.browser.town import Town

pytestmark = pytest.mark.browser

INCIDENTS = 2_000
MOST_ROWS = 80
ROWS = "#queue-rows [data-incident]"


def test_two_thousand_incidents_are_a_few_rows_on_the_page(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    first = town.incident(alarm())
    many = [copy.deepcopy(first)]
    for n in range(1, INCIDENTS):
        many.append({**copy.deepcopy(first), "id": f"{first['id'][:-4]}{n:04d}", "number": f"99-2611-{n:04d}"})
        many[-1]["priority"] = 4
    by_id = {one["id"]: one for one in many}

    def _list(route: Route) -> None:
        route.fulfill(body=json.dumps({"items": many, "next": None}), content_type="application/json")

    def _one(route: Route) -> None:
        one = by_id[route.request.url.rsplit("/", 1)[1]]
        route.fulfill(body=json.dumps(one), content_type="application/json")

    seat = open_seat("en")
    page = seat.page
    page.route("**/api/v1/incidents?open=true*", _list)
    page.route("**/api/v1/incidents/????????-*", _one)
    seat.sign_in()
    expect(page.locator("#tab-unclaimed")).to_contain_text(str(INCIDENTS))
    rows = page.locator(ROWS)
    expect(rows.nth(5)).to_be_visible()
    assert rows.count() < MOST_ROWS
    place = page.locator("#queue-rows li").nth(3)
    assert (place.get_attribute("aria-posinset"), place.get_attribute("aria-setsize")) == ("4", str(INCIDENTS))
    assert seat.violations() == []

    page.keyboard.press("ArrowDown")
    expect(rows.first).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(f'[data-incident="{many[-1]["id"]}"]')).to_be_focused()
    expect(page.locator(f'[data-incident="{many[-1]["id"]}"]')).to_be_in_viewport()
    expect(page.locator(f'[data-incident="{many[-8]["id"]}"]')).to_be_in_viewport()
    assert rows.count() < MOST_ROWS
    page.keyboard.press("Home")
    expect(page.locator(f'[data-incident="{first["id"]}"]')).to_be_focused()

    # Scrolled with the wheel, the row with the focus stays on the page and the arrow goes on from it.
    page.locator("#queue-rows").hover()
    page.mouse.wheel(0, 30_000)
    expect(page.locator(f'[data-incident="{many[3]["id"]}"]')).to_have_count(0)
    assert 5 < rows.count() < MOST_ROWS
    page.keyboard.press("ArrowDown")
    expect(page.locator(f'[data-incident="{many[1]["id"]}"]')).to_be_focused()
    expect(page.locator(f'[data-incident="{many[1]["id"]}"]')).to_be_in_viewport()


def test_on_a_phone_the_notices_take_one_line_until_they_are_asked_for(open_seat: OpenSeat) -> None:
    seat = open_seat("zh-CN", "light", width=360, height=740)
    page = seat.page

    def _status(route: Route) -> None:
        status = route.fetch().json()
        words = "有三起警情超过两分钟无人签收，请立即接警或通知带班领导。"
        since = status["server_time"]
        notice = {"key": "unattended", "severity": "critical", "since": since, "words": words}
        status["notices"] = [{**notice, "words": f"{n}：{words}"} for n in range(1, 4)]
        route.fulfill(json=status)

    page.route("**/api/v1/status", _status)
    seat.sign_in()
    notices = page.locator(".banners .banner.act")
    expect(notices).to_have_count(1)
    box = notices.bounding_box()
    assert box is not None
    assert box["height"] <= 40
    more = notices.locator("button")
    expect(more).to_have_text("另有 2 条通知")
    assert seat.violations() == []
    more.click()
    expect(notices).to_have_count(3)
    page.locator(".banners button[aria-expanded=true]").click()
    expect(notices).to_have_count(1)
