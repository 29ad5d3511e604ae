"""Feeds of public warnings (CAP 1.2 in Atom, RSS or bare): fetched in turn, each message once, silence told.

Addresses a feed names are fetched only at its own host. Nothing a message names is opened.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import httpx
import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.tasks import Supervisor
from tocsin.domain.directory import Source
from tocsin.domain.ingest import Arrival, Arrivals, mark
from tocsin.domain.signals import Signal
from tocsin.gateways.message_reading import read_warning
from tocsin.protocols.cap import alert

log = structlog.get_logger(__name__)

EVERY_S: Final = 60.0
LEAST_EVERY_S: Final = 15.0
FETCH_WITHIN_S: Final = 20.0
MAX_BYTES: Final = 1 << 20
AT_ONCE: Final = 4
TRIES: Final = 3
MAX_SEEN: Final = 10_000
SEEN_FOR_S: Final = 43_200.0  # then the store is asked again, so that its marks of what still stands stay
FEED_SILENT: Final = "message.feed_silent"


class Sources(Protocol):
    """Which feeds there are."""

    def sources(self, *protocols: str) -> list[Source]:
        """Return every device of these protocols."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def touch(self, device_id: str, at: datetime) -> None:
        """Note that the feed answered."""

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        """Note that it does not answer any more."""


class CapFeeds:
    """Fetches the feeds of the registry."""

    def __init__(
        self,
        sources: Sources,
        arrivals: Arrivals,
        supervision: Supervision,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._sources = sources
        self._arrivals = arrivals
        self._supervision = supervision
        self._clock = clock
        self._transport = transport
        self.counters: Counter[str] = Counter()
        self._http: httpx.AsyncClient | None = None
        self._tasks = Supervisor(clock)
        self._due_s: dict[str, float] = {}
        self._misses: Counter[str] = Counter()
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Begin to fetch."""
        self._http = httpx.AsyncClient(
            timeout=FETCH_WITHIN_S,
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
            headers={"Accept": "application/cap+xml, application/atom+xml, application/xml", "User-Agent": "Tocsin"},
        )
        self._tasks.spawn("cap feeds", self._look_forever)

    async def stop(self) -> None:
        """End."""
        await self._tasks.stop()
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def check(self) -> None:
        """Nothing listens here; what a feed does is its own fault."""

    async def _look_forever(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(1.0)

    async def look(self) -> None:
        """Fetch the feeds whose time has come."""
        now_s = self._clock.monotonic()
        feeds = self._sources.sources("cap")
        for gone in self._due_s.keys() - {feed.device_id for feed in feeds}:
            del self._due_s[gone]
        due = [feed for feed in feeds if self._due_s.get(feed.device_id, 0.0) <= now_s]
        for feed in due:
            self._due_s[feed.device_id] = now_s + max(LEAST_EVERY_S, feed.poll_interval_s or EVERY_S)
        await asyncio.gather(*(self._fetch_feed(feed) for feed in due))

    async def _fetch_feed(self, feed: Source) -> None:
        async with self._gate:
            try:
                body = await self._fetch(feed.url)
                await self._take(feed, body, feed.url)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, TocsinError) as error:
                self.counters["failed"] += 1
                self._misses[feed.device_id] += 1
                if self._misses[feed.device_id] == TRIES:
                    log.warning("feed of public warnings silent", device_id=feed.device_id, error=str(error)[:120])
                    self._supervision.lost(feed.device_id, self._clock.now(), FEED_SILENT)
                return
            self._misses[feed.device_id] = 0
            self._supervision.touch(feed.device_id, self._clock.now())

    async def _fetch(self, url: str) -> bytes:
        assert self._http is not None
        body = bytearray()
        async with asyncio.timeout(FETCH_WITHIN_S), self._http.stream("GET", url) as answer:
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError("the feed is larger than 1 MiB")
        self.counters["fetched"] += 1
        return bytes(body)

    async def _take(self, feed: Source, body: bytes, url: str) -> None:
        """Take a document: the messages in it, or those it names."""
        found = alert.read(body)
        links = alert.links_of(body)
        if isinstance(found, alert.BadAlert) and found.reason == "missing" and isinstance(links, list):
            for link in _at_host(links, url):
                if not self._is_seen(feed, link):
                    await self._keep_all(feed, await self._fetch(link))
                    self._note_seen(feed, link)
            return
        await self._keep_all(feed, body)

    async def _keep_all(self, feed: Source, body: bytes) -> None:
        for raw in alert.split(body):
            name = mark("raw", raw)
            if not self._is_seen(feed, name):
                await self._keep(feed, raw)
                self._note_seen(feed, name)

    async def _keep(self, feed: Source, raw: bytes) -> None:
        reading = read_warning(raw, self._clock.now())
        own = mark("cap", reading.identity or raw)
        signal = Signal(
            protocol="cap",
            transport="http",
            peer=urlsplit(feed.url).netloc[:80],
            account=feed.account or feed.device_id,
            raw=reading.kept,
            received_at=self._clock.now(),
            device_id=feed.device_id,
            token="cap",  # noqa: S106  what kind of message it is
            events=reading.events,
            quarantine=reading.quarantine,
        )
        receipt = await self._arrivals.accept(Arrival(signal, (own,), (own,)))
        self.counters["duplicates" if receipt.is_duplicate else "kept"] += 1

    def _is_seen(self, feed: Source, name: str) -> bool:
        at_s = self._seen.get((feed.device_id, name))
        return at_s is not None and self._clock.monotonic() - at_s < SEEN_FOR_S

    def _note_seen(self, feed: Source, name: str) -> None:
        self._seen[(feed.device_id, name)] = self._clock.monotonic()
        self._seen.move_to_end((feed.device_id, name))
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)


def _at_host(links: Iterable[str], url: str) -> Iterable[str]:
    """Return the addresses that are at the feed's own host."""
    home: Any = urlsplit(url)
    for link in links:
        whole = urljoin(url, link)
        try:
            parts = urlsplit(whole)
        except ValueError:
            continue
        if (parts.scheme, parts.netloc) == (home.scheme, home.netloc):
            yield whole
