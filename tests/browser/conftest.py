"""One town and one browser for all tests of this folder; a context of its own for each seat of a test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from bench.chromium import launch
from tests.browser.seat import NOTE_TONES, Seat
from tests.browser.town import Town, running_town

SCREENSHOTS = Path(__file__).with_name("screenshots")
TIMEOUT_MS = 45_000
expect.set_options(timeout=TIMEOUT_MS)  # patience, not a promise: what is promised in figures is a bench
Theme = Literal["dark", "light"]
VIDEOS = """() => [...document.querySelectorAll('video')].map(one => ({
  phase: one.dataset.phase, ready: one.readyState, network: one.networkState, error: one.error?.message,
  paused: one.paused, seeking: one.seeking, at_s: one.currentTime, width: one.videoWidth,
  buffered: [...Array(one.buffered.length).keys()].map(n => [one.buffered.start(n), one.buffered.end(n)]),
  top: one.getBoundingClientRect().top, height: innerHeight, hidden: document.hidden }))"""
_failed = pytest.StashKey[bool]()


class OpenSeat(Protocol):
    """Opens a page in a context of its own; nobody is signed in on it."""

    def __call__(
        self,
        language: str = "en",
        theme: Theme = "dark",
        *,
        width: int = 1280,
        height: int = 800,
        browser: Browser | None = None,
    ) -> Seat: ...


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Remember that a test failed: its pages are then kept as pictures."""
    report = yield
    if report.failed and report.when == "call":
        item.stash[_failed] = True
    return report


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The demo town, quiet."""
    with running_town(tmp_path_factory.mktemp("town") / "data") as running:
        yield running


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """The driver. It ends with this folder's last test: it keeps the thread's event loop, which others need."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium."""
    running = launch(playwright)
    yield running
    running.close()


@pytest.fixture
def open_seat(request: pytest.FixtureRequest, town: Town, browser: Browser) -> Iterator[OpenSeat]:
    """Opens seats; afterwards nothing may have been asked of another host, and no script may have failed."""
    seats: list[Seat] = []

    def _open(
        language: str = "en",
        theme: Theme = "dark",
        *,
        width: int = 1280,
        height: int = 800,
        browser: Browser | None = None,
    ) -> Seat:
        chosen: Browser = browser or request.getfixturevalue("browser")
        context = chosen.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            timezone_id="Asia/Shanghai",  # where Hewan would be: its cameras draw that time into their pictures
            color_scheme=theme,
            reduced_motion="reduce",
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(NOTE_TONES)
        seat = Seat(town, context, context.new_page(), language)
        seat.watch()
        seats.append(seat)
        return seat

    yield _open
    errors = [error for seat in seats for error in seat.errors]  # what is still loading fails when a page is closed
    has_failed = request.node.stash.get(_failed, False)
    for n, seat in enumerate(seats):
        if has_failed:
            folder = SCREENSHOTS / "failed"
            folder.mkdir(parents=True, exist_ok=True)
            seat.page.screenshot(path=folder / f"{request.node.name}-{n}.png")
            videos = seat.page.evaluate(VIDEOS)
            said = f"{seat.page.url}\nerrors: {seat.errors}\nvideos: {videos}"
            request.node.add_report_section("teardown", f"seat {n}", said)
        seat.context.close()
    strangers = [url for seat in seats for url in seat.strangers()]
    assert strangers == [], "something was asked of another host"
    assert errors == []


@pytest.fixture(autouse=True)
def quiet(town: Town) -> Iterator[None]:
    """Each test begins and ends without an open incident."""
    yield
    town.clear()


@pytest.fixture
def alarm(town: Town) -> Callable[[], str]:
    """Raises the alarm of the reader's panel and returns its incident's id."""
    return town.alarm
