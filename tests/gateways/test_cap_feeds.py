"""Feeds of public warnings: each message once, cancelled by the next, only at the feed's own host, silence told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from tests.support.clocks import START, FixedClock
from tests.support.warnings import FLOOD
from tocsin.base.normal import EventKind
from tocsin.domain.directory import Source
from tocsin.domain.ingest import Arrival
from tocsin.domain.signals import Receipt
from tocsin.gateways.cap import CapFeeds
from tocsin.protocols.cap.alert import Reference, time_text, write

FEED = Source("feed-1", "cap", "platform", url="https://water.example/feed", poll_interval_s=60)
ACTUAL = replace(
    FLOOD, infos=tuple(replace(info, expires=START + timedelta(days=9)) for info in FLOOD.infos), sent=START
)


class Pages:
    """A web server in memory."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.asked.append(url)
        body = self.pages.get(url)
        return httpx.Response(404) if body is None else httpx.Response(200, content=body)


class Kept:
    """Arrivals, sources and supervision, as lists."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.told: list[str] = []
        self.feeds = [FEED]

    def accept(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        self.arrivals.append(arrival)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        future.set_result(Receipt("s"))
        return future

    def sources(self, *protocols: str) -> list[Source]:
        return self.feeds

    def touch(self, device_id: str, at: object, way: object = None, skew_s: float | None = None) -> None:
        self.told.append("heard")

    def lost(self, device_id: str, at: object, reason: str) -> None:
        self.told.append(reason)


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def feeds_of(pages: Pages, kept: Kept, clock: FixedClock) -> CapFeeds:
    return CapFeeds(kept, kept, kept, clock, httpx.MockTransport(pages))  # type: ignore[arg-type]


async def look(feeds: CapFeeds, clock: FixedClock) -> None:
    clock.advance(61)
    await feeds.look()


async def test_each_message_of_a_feed_is_taken_once_and_only_from_its_own_host(pages: Pages, kept: Kept) -> None:
    clock = FixedClock()
    feeds = feeds_of(pages, kept, clock)
    pages.pages["https://water.example/feed"] = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="/w/1"/></entry>'
        b'<entry><link href="http://10.0.0.1/admin"/></entry><entry><link href="file:///etc/passwd"/></entry></feed>'
    )
    pages.pages["https://water.example/w/1"] = write(ACTUAL)
    await feeds.start()
    await look(feeds, clock)
    await look(feeds, clock)
    assert [one.signal.events[0].kind for one in kept.arrivals] == [EventKind.ALARM]
    assert kept.arrivals[0].signal.raw == write(ACTUAL)
    assert set(pages.asked) == {"https://water.example/feed", "https://water.example/w/1"}
    assert "heard" in kept.told
    await feeds.stop()


async def test_a_feed_that_is_one_document_is_read_when_it_changes(pages: Pages, kept: Kept) -> None:
    clock = FixedClock()
    feeds = feeds_of(pages, kept, clock)
    await feeds.start()
    pages.pages["https://water.example/feed"] = write(ACTUAL)
    await look(feeds, clock)
    over = replace(
        ACTUAL,
        identifier="over",
        msg_type="Cancel",
        infos=(),
        references=(Reference(ACTUAL.sender, ACTUAL.identifier, time_text(ACTUAL.sent)),),
    )
    pages.pages["https://water.example/feed"] = write(over)
    await look(feeds, clock)
    first, second = kept.arrivals
    assert (second.signal.events[0].kind, second.signal.events[0].zone) == (EventKind.RESTORE, ACTUAL.identifier)
    assert first.marks != second.marks
    await feeds.stop()


async def test_what_is_no_feed_is_kept_aside_once_and_a_silent_feed_is_told_once(pages: Pages, kept: Kept) -> None:
    clock = FixedClock()
    feeds = feeds_of(pages, kept, clock)
    await feeds.start()
    pages.pages["https://water.example/feed"] = b"<html>we moved"
    for _ in range(3):
        await look(feeds, clock)
    assert [one.signal.quarantine for one in kept.arrivals] == ["unreadable"]
    pages.pages.clear()
    kept.told.clear()
    for _ in range(5):
        await look(feeds, clock)
    assert kept.told == ["message.feed_silent"]
    pages.pages["https://water.example/feed"] = b"<rss/>" + b" " * (1 << 20)
    await look(feeds, clock)
    assert kept.told == ["message.feed_silent"]
    await feeds.stop()
