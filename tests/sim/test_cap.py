"""A simulated office of warnings against our own feeds: each message is fetched once, a cancel ends its warning."""

from __future__ import annotations

import asyncio

from tests.gateways.test_cap_feeds import Kept
from tests.support.clocks import FixedClock
from tocsin.base.normal import EventKind
from tocsin.domain.directory import Source
from tocsin.gateways.cap import CapFeeds
from tocsin.sim.cap import WarningOffice, WarningPlan


async def test_each_warning_and_its_cancel_is_fetched_once_and_read():
    clock = FixedClock()
    office = WarningOffice(WarningPlan(alerts=2, cancels=True, every_s=60.0), clock)
    await office.start("127.0.0.1", 0)
    kept = Kept()
    kept.feeds = [Source("feed-1", "cap", "platform", url=f"http://127.0.0.1:{office.port}/feed", poll_interval_s=60)]
    feeds = CapFeeds(kept, kept, kept, clock)
    await feeds.start()
    issuing = asyncio.create_task(office.issue_all())
    try:
        for count in range(1, 5):
            async with asyncio.timeout(20):
                while len(kept.arrivals) < count:
                    clock.advance(61)
                    await feeds.look()
        kinds = [arrival.signal.events[0].kind for arrival in kept.arrivals]
        assert kinds == [EventKind.ALARM, EventKind.RESTORE] * 2
        assert office.to_json()["issued"] == office.to_json()["fetched"] == 4
        labels = kept.arrivals[0].signal.events[0]
        assert labels.label_zh != labels.label_en
    finally:
        issuing.cancel()
        await asyncio.gather(issuing, return_exceptions=True)
        await feeds.stop()
        await office.stop()
