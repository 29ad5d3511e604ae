"""Every page in both languages and themes: it speaks, axe finds nothing, and its picture is kept to be looked at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, OpenSeat, Theme
from tests.browser.seat import Seat
from tests.browser.town import Town, send_alarm, until

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "images"
STILL = """async () => {
  if (document.querySelector('.skeleton')) return false;
  await document.fonts.ready;
  return true;
}"""
WHOLE = """(nav) => {
  const shown = [...nav.querySelectorAll('a, button')].filter((one) => getComputedStyle(one).visibility === 'visible');
  const edges = shown.map((one) => one.getBoundingClientRect().right);
  return Math.max(...edges) <= nav.getBoundingClientRect().right + 1
    && shown.every((one) => one.parentElement.scrollLeft === 0 && one.scrollWidth <= one.clientWidth + 1);
}"""
"""Say whether what is seen of the strip of pages stands inside it."""
REACHED = """() => [...document.querySelectorAll('header nav a, [role=menuitem]')]
  .filter((one) => getComputedStyle(one).visibility === 'visible').map((one) => one.innerText.trim())"""
PAINTED_MS, MAP_DRAWN_MS = 250, 1_200
CHINESE = re.compile(r"[一-鿿]")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_page_is_accessible_and_whole(language: str, town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat(language, "dark", width=1600, height=900)
    looker = Looker(seat, {"dark": f"{language}-dark", "light": f"{language}-light"})
    seat.page.goto(f"{town.url}/zone-test#no-such-link")
    expect(seat.page.locator("h1").first).to_be_visible()
    looker.look("zone-test")
    seat.page.goto(town.url)
    seat.page.locator("input[name=username]").wait_for()
    looker.look("sign-in")
    seat.sign_in()
    expect(seat.page.locator("main h1").first).to_be_attached()
    looker.look("room-empty")

    incident_id = _make_a_night(town)
    seat.row(incident_id).click()
    _work(seat, town, incident_id)
    looker.look("room")
    if os.environ.get("TOCSIN_TEST_KEEP_SCREENSHOTS"):
        DOCS.mkdir(parents=True, exist_ok=True)
        name = "control-room.png" if language == "en" else f"control-room.{language}.png"
        shutil.copyfile(looker.path("room", "dark"), DOCS / name)
    for key, name in (("f", "false"), ("p", "park"), ("t", "note"), ("x", "close"), ("?", "keys")):
        seat.card.focus()
        seat.page.keyboard.press(key)
        expect(seat.dialog()).to_be_visible()
        looker.look(f"room-dialog-{name}")
        seat.page.keyboard.press("Escape")
        expect(seat.dialog()).to_have_count(0)

    paths = dict(_paths(town, incident_id))
    assert _known_pages() <= {"/" + re.split("[/?]", path)[1] for path in paths.values()} | {
        "/",
        "/sign-in",
        "/zone-test",
    }
    for name, path in paths.items():
        seat.visit(path)
        looker.look(name)
    assert looker.violations == {}


def test_every_page_fits_a_phone(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("zh-CN", "light", width=360, height=740)
    looker = Looker(seat, {"light": "phone"})
    seat.sign_in()
    incident_id = town.alarm()
    expect(seat.row(incident_id)).to_be_visible()
    looker.look("room")
    seat.row(incident_id).click()
    expect(seat.card).to_be_visible()
    looker.look("card")
    wide = {}
    for name, path in _paths(town, incident_id):
        seat.visit(path)
        looker.look(name)
        width = seat.page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
    assert wide == {}
    assert looker.violations == {}


def test_no_page_is_cut_off_the_strip(town: Town, open_seat: OpenSeat) -> None:
    seat = open_seat("en", "light", width=1920)
    seat.sign_in()
    page = seat.page
    strip = page.get_by_role("navigation", name="Pages")
    expect(strip.get_by_role("link", name="Settings in force")).to_be_visible()
    pages = page.evaluate(REACHED)
    for width in (1280, 760, 360):
        page.set_viewport_size({"width": width, "height": 800})
        expect(strip.get_by_role("link", name="Settings in force")).to_have_count(0)
        assert until(lambda: strip.evaluate(WHOLE)), width
        strip.get_by_role("button", name="More").click()
        items = page.get_by_role("menuitem")
        expect(items.last).to_have_text("Settings in force")
        assert until(lambda: page.evaluate(REACHED) == pages), page.evaluate(REACHED)
        page.keyboard.press("Escape")
        expect(items).to_have_count(0)
    strip.get_by_role("button", name="More").click()
    items.last.click()
    expect(page).to_have_url(f"{town.url}/settings")


class Looker:
    """Takes a picture of a page in each of its themes and lets axe judge it."""

    def __init__(self, seat: Seat, folders: dict[Theme, str]) -> None:
        self._seat = seat
        self._folders = {theme: SCREENSHOTS / name for theme, name in folders.items()}
        for folder in self._folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        self.violations: dict[str, list[str]] = {}

    def path(self, name: str, theme: Theme) -> Path:
        """Where the picture of a page lies."""
        return self._folders[theme] / f"{name}.png"

    def look(self, name: str) -> None:
        """Wait until the page stands still, keep its pictures, note what axe says; of a second theme about colours."""
        page = self._seat.page
        for number, theme in enumerate(self._folders):
            page.emulate_media(color_scheme=theme)
            _stand_still(page)
            page.screenshot(path=self.path(name, theme))
            if found := self._seat.violations(only_colours=number > 0):
                self.violations[f"{name} {theme}"] = found
        if self._seat.language == "zh-CN":
            assert CHINESE.search(page.locator("body").inner_text())


def _stand_still(page: Page) -> None:
    page.wait_for_function(STILL)
    page.wait_for_timeout(MAP_DRAWN_MS if page.locator("canvas.maplibregl-canvas").count() else PAINTED_MS)


def _make_a_night(town: Town) -> str:
    """Raise alarms at several places; return the incident at the school, which has two pictures."""
    panel = town.panel
    send_alarm((panel["host"], panel["port"]), panel["account"], panel["key"], "RP", "0")  # a test: now it is on line
    for key, event, zone in (("waterworks", "BA", "1"), ("willow", "AT", "1"), ("museum", "BA", "2")):
        town.alarm_of(key, event, zone)
    town.alarm_of("school", "BA", "4")
    school = until(lambda: [one for one in town.open_incidents() if one["place"]["name"] == "新华学校"])[0]
    town.alarm_of("school", "BA", "5")
    until(lambda: town.incident(school["id"])["alarm_count"] == 2)
    town.alarm_of("clinic", "PA", "1")
    until(lambda: len(town.open_incidents()) == 5)
    return str(school["id"])


def _work(seat: Seat, town: Town, incident_id: str) -> None:
    """Claim, decide, send a unit; both pictures play, the map is drawn."""
    expect(seat.row(incident_id)).to_be_visible()
    expect(seat.picture("live")).to_have_count(2, timeout=30_000)
    town.act(incident_id, "claim")
    town.act(incident_id, "verdict", verdict="genuine")
    place = town.incident(incident_id)["place"]
    unit = town.ask("GET", f"/units?near={place['lon']},{place['lat']}")["items"][0]
    assigned = town.act(incident_id, "assignments", unit_id=unit["id"])["assignments"][0]
    town.act(incident_id, f"assignments/{assigned['id']}", state="accepted")
    expect(seat.page.locator("[data-assignment]")).to_have_attribute("data-state", "accepted")
    expect(seat.page.locator(".maplibregl-marker").first).to_be_visible()
    expect(seat.picture("live")).to_have_count(2)
    seat.expect_advancing(5)


def _paths(town: Town, incident_id: str) -> Iterator[tuple[str, str]]:
    """Every page with an example of each thing."""

    def _first(path: str, **wanted: Any) -> str:
        items = town.ask("GET", f"{path}{'&' if '?' in path else '?'}limit=200")["items"]
        return str(next(one["id"] for one in items if all(one[key] == value for key, value in wanted.items())))

    panel = _first("/devices?kind=panel", name="新华学校报警主机")
    camera_device = _first("/devices?kind=camera", name="新华学校录像机")
    place = _first("/places", name="新华学校")
    yield "incidents", "/incidents"
    yield "incident", f"/incidents/{incident_id}"
    yield "cameras", "/cameras"
    yield "camera", f"/cameras/{town.camera}"
    yield "camera-edit", f"/cameras/{town.camera}/edit"
    yield "devices", "/devices"
    yield "device-panel", f"/devices/{panel}"
    yield "device-camera", f"/devices/{camera_device}"
    for tab in ("premises", "contacts", "zones", "passwords", "history", "schedule", "tests"):
        yield f"account-{tab}", f"/devices/{panel}/account?tab={tab}"
    yield "device-new", "/devices/new"
    yield "device-edit", f"/devices/{panel}/edit"
    yield "places", "/places"
    yield "place", f"/places/{place}"
    yield "health", "/health"
    yield "recordings", "/recordings"
    yield "retention", "/retention"
    yield "rules", "/rules"
    yield "load", "/load"
    yield "quarantine", "/quarantine"
    yield "deliveries", "/deliveries?which=all"
    for tab in ("test", "late", "tests", "holidays"):
        yield f"watch-{tab}", f"/watch?tab={tab}"
    yield "wall", "/wall"
    yield "users", "/users"
    yield "user", f"/users/{_first('/users', username='zhao.min')}"
    yield "audit", "/audit"
    yield "uppers", "/upper-platforms"
    yield "upper-new", "/upper-platforms/new"
    yield "settings", "/settings"
    yield "help", "/help"
    yield "lost", "/no-such-page"


def _known_pages() -> set[str]:
    """The pages that the console declares: none may be forgotten here."""
    declared = (ROOT / "console" / "src" / "pages").glob("*/page.ts")
    found = {re.search(r"path: '([^']+)'", page.read_text(encoding="utf-8")) for page in declared}
    return {match.group(1) for match in found if match}
