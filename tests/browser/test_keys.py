"""The whole work without a mouse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenSeat
from tests.browser.town import Town

pytestmark = pytest.mark.browser

FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect();
  const style = getComputedStyle(at);
  return {
    what: at.outerHTML.slice(0, 90),
    isVisible: at.matches(':focus-visible'),
    hasRing: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none',
    isOnPage: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
  };
}"""


def test_a_false_alarm_is_worked_with_keys_alone(town: Town, open_seat: OpenSeat, alarm: Callable[[], str]) -> None:
    seat = open_seat("en")
    keys, page = seat.page.keyboard, seat.page
    person = town.operator("Kay")
    page.goto(town.url)
    expect(page.locator("input[name=username]")).to_be_focused()
    keys.type(person.username)
    keys.press("Tab")
    keys.type(person.password)
    keys.press("Enter")
    expect(page.locator("#queue-rows")).to_contain_text("Nothing waits.")
    incident_id = alarm()
    expect(seat.row(incident_id)).to_be_visible()

    keys.press("ArrowDown")
    expect(seat.row(incident_id)).to_be_focused()
    keys.press("Enter")
    expect(seat.card).to_be_focused()
    keys.press("c")
    expect(seat.card).to_contain_text("Claimed by you")
    keys.press("t")
    expect(seat.dialog()).to_contain_text("Add a note")
    seat.dialog().locator("textarea").press_sequentially("A bus turned at the bridge head")
    keys.press("Escape")
    expect(seat.dialog()).to_have_count(0)
    expect(seat.card).to_be_focused()
    keys.press("f")
    expect(seat.dialog()).to_contain_text("Why was it false?")
    keys.press("3")
    expect(seat.toast("Decided: false alarm.")).to_be_visible()
    keys.press("x")
    expect(seat.dialog().get_by_role("radio", name="False: weather, light or animal")).to_be_checked()
    while (
        not seat.dialog()
        .get_by_role("button", name="Close", exact=True)
        .last.evaluate("(one) => one === document.activeElement")
    ):
        keys.press("Tab")
    keys.press("Enter")
    expect(seat.toast("Incident closed.")).to_be_visible()
    expect(seat.row(incident_id)).to_have_count(0)
    closed = town.incident(incident_id)
    assert (closed["state"], closed["verdict"], closed["cause"]) == ("closed", "false", "environment")


def test_a_unit_is_sent_and_a_step_written_with_keys_alone(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat("zh-CN").sign_in()
    keys, page = seat.page.keyboard, seat.page
    incident_id = alarm()
    expect(seat.row(incident_id)).to_be_visible()
    expect(page.locator(".dispatch button[data-unit]")).to_have_count(5)
    keys.press("ArrowDown")
    expect(seat.row(incident_id)).to_be_focused()
    keys.press("Enter")
    keys.press("g")
    expect(seat.toast("已判定：属实。")).to_be_visible()
    expect(seat.card).to_contain_text("由您接警")
    second = seen = None
    while second is None or seen != second:  # the order on screen has to have stood still for the eye
        second = page.locator(".dispatch button[data-unit]").nth(1).get_attribute("data-unit")
        page.wait_for_timeout(700)
        seen = page.locator(".dispatch button[data-unit]").nth(1).get_attribute("data-unit")
    keys.press("2")
    expect(page.locator("[data-assignment]")).to_have_count(1)
    sent = town.incident(incident_id)["assignments"][0]
    assert sent["unit_id"] == second
    town.act(incident_id, f"assignments/{sent['id']}", state="accepted")
    expect(seat.card.locator(".step.now input")).to_be_visible()
    keys.press("d")
    expect(seat.card.locator(".step.now input")).to_be_focused()
    keys.type("现场无人受伤")
    keys.press("Enter")
    expect(seat.card.locator(".step.done").filter(has_text="现场无人受伤")).to_be_visible()


def test_letters_outside_card_and_queue_do_nothing_and_help_lists_every_key(
    town: Town, open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat("en").sign_in()
    keys, page = seat.page.keyboard, seat.page
    incident_id = alarm()
    expect(seat.row(incident_id)).to_be_visible()
    page.locator("body").evaluate("() => document.activeElement?.blur()")
    keys.press("g")
    keys.press("c")
    keys.press("?")
    expect(seat.dialog()).to_contain_text("Single keys work inside the work card and the queue only")
    expect(seat.dialog()).to_contain_text("Claim")
    keys.press("Escape")
    expect(seat.dialog()).to_have_count(0)
    keys.press("/")
    page.keyboard.type("incidents")
    expect(page.locator("#command-meaning")).to_contain_text("opens Incidents")
    keys.press("Enter")
    expect(page).to_have_url(f"{town.url}/incidents")
    incident = town.incident(incident_id)
    assert (incident["owner"], incident["verdict"]) == (None, "none")


def test_the_focus_is_always_visible(open_seat: OpenSeat, alarm: Callable[[], str]) -> None:
    seat = open_seat("en").sign_in()
    expect(seat.row(alarm())).to_be_visible()
    expect(seat.card.locator("section.plan")).to_be_visible()
    stops = _walk(seat.page, 40)
    assert len({stop["what"] for stop in stops}) > 20
    assert [stop["what"] for stop in stops if not (stop["isVisible"] and stop["hasRing"] and stop["isOnPage"])] == []


def _walk(page: Page, most: int) -> list[dict[str, object]]:
    """Press Tab until the page is left; return where the focus stood."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            break
        stops.append(stop)
    return stops


def test_the_menu_of_the_seat_opens_moves_and_leaves_by_keys(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en").sign_in(path="/help")
    keys, page = seat.page.keyboard, seat.page
    button, menu = page.locator("header button.seat"), page.get_by_role("menu")
    items = menu.locator("[role^=menuitem]")
    for key, n in (("Enter", 0), ("Space", 0), ("ArrowDown", 0), ("ArrowUp", -1)):
        button.focus()
        keys.press(key)
        expect(items.nth(n)).to_be_focused()
        assert seat.violations() == []
        keys.press("Escape")
        expect(menu).to_have_count(0)
        expect(button).to_be_focused()
    keys.press("ArrowDown")
    keys.press("End")
    expect(items.last).to_be_focused()
    keys.press("ArrowDown")
    expect(items.first).to_be_focused()
    keys.press("d")  # Dark
    expect(page.get_by_role("menuitemradio", name="Dark")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.get_by_role("menuitemradio", name="Light")).to_be_checked()  # and the menu stays
    keys.press("q")
    keys.press("Enter")
    expect(page).to_have_url(f"{town.url}/quarantine")
    expect(menu).to_have_count(0)
    button.click()
    page.locator("main h1").click()
    expect(menu).to_have_count(0)
