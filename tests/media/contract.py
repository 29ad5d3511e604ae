"""What every implementation of the relay's control interface keeps, said once; `test_contract.py` runs it.

Each function takes a running link. A viewer counts as let in when a picture reaches it, as turned away when the
connection ends without one: where in the handshake an implementation refuses is its own affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.media import SSRC, HandCamera
from tocsin.base.ids import new_id, new_token

WITHIN_S = 20.0
CONTRACT: list[Any] = []


def rule(function: Any) -> Any:
    CONTRACT.append(function)
    return function


@asynccontextmanager
async def sending(link: Any) -> AsyncIterator[str]:
    """Open a receiver and send pictures to it all the while; gives the stream's id."""
    stream_id = new_id()
    endpoint = await link.open_receiver(stream_id, "udp", ssrc=SSRC, peer_ip=None)

    async def send() -> None:
        camera = HandCamera()
        while True:
            await camera.send_udp(endpoint.ip, endpoint.port, 5)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(send())
    try:
        assert await link.first_packet(stream_id, WITHIN_S)
        yield stream_id
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await link.close_receiver(stream_id)


async def issue(link: Any, stream_id: str, *, view_id: str = "view", lasts_s: float = 60.0) -> str:
    """Return the address for one viewer."""
    path = await link.ticket(
        stream_id=stream_id,
        ticket=new_token(),
        viewer_id=f"somebody/{new_id()}",
        view_id=view_id,
        expires_at=datetime.now(UTC) + timedelta(seconds=lasts_s),
        codecs=("avc1.640028",),
    )
    return f"ws://127.0.0.1:{link.viewer_port(stream_id)}{path}"


async def is_shown(url: str) -> bool:
    """Tell whether a picture comes from an address."""
    try:
        async with asyncio.timeout(WITHIN_S), connect(url) as socket:
            async for message in socket:
                if isinstance(message, bytes):
                    return True
    except (InvalidHandshake, ConnectionClosed, EOFError):
        return False
    return False


async def shown_until_ended(url: str, shown: asyncio.Event) -> None:
    """Watch until the other side ends it; tell when the first picture came."""
    try:
        async with asyncio.timeout(WITHIN_S), connect(url, max_size=None) as socket:
            async for message in socket:
                if isinstance(message, bytes):
                    shown.set()
    except ConnectionClosed:
        return


@rule
async def a_device_that_sends_is_heard_and_described(link: Any) -> None:
    keys: asyncio.Queue[str] = asyncio.Queue()
    link.events.on_first_key = lambda stream_id, at: keys.put_nowait(stream_id)
    async with sending(link) as stream_id, asyncio.timeout(WITHIN_S):
        assert await keys.get() == stream_id
        stats = {row.stream_id: row for row in await link.stats()}[stream_id]
        assert (stats.codec, stats.state) == ("h264", "live")


@rule
async def a_device_that_is_silent_is_not_heard(link: Any) -> None:
    await link.open_receiver("silent", "udp", ssrc=SSRC, peer_ip=None)
    assert not await link.first_packet("silent", 0.3)
    await link.close_receiver("silent")


@rule
async def closing_twice_is_no_error_and_opening_again_works(link: Any) -> None:
    for _ in range(2):
        endpoint = await link.open_receiver("again", "udp", ssrc=SSRC, peer_ip=None)
        assert endpoint.port > 0
        await link.close_receiver("again")
        await link.close_receiver("again")


@rule
async def a_ticket_is_good_once_and_for_its_stream(link: Any) -> None:
    async with sending(link) as stream_id:
        url = await issue(link, stream_id)
        assert await is_shown(url)
        assert not await is_shown(url)
        assert not await is_shown(url.partition("?")[0])
        assert not await is_shown(url.partition("?")[0] + "?ticket=guessed")
        other = await issue(link, "another")
        assert not await is_shown(url.partition("?")[0] + "?" + other.partition("?")[2])


@rule
async def a_ticket_past_its_end_is_refused(link: Any) -> None:
    async with sending(link) as stream_id:
        assert not await is_shown(await issue(link, stream_id, lasts_s=-1.0))


@rule
async def a_revoked_view_ends_its_viewers_and_its_tickets_and_no_others(link: Any) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    link.events.on_viewer = lambda view_id, viewer_id, stream_id, what: heard.put_nowait((view_id, what))
    async with sending(link) as stream_id, asyncio.timeout(WITHIN_S):
        shown, other_shown = asyncio.Event(), asyncio.Event()
        watching = asyncio.create_task(shown_until_ended(await issue(link, stream_id, view_id="one"), shown))
        other = asyncio.create_task(shown_until_ended(await issue(link, stream_id, view_id="two"), other_shown))
        unused = await issue(link, stream_id, view_id="one")
        await shown.wait()
        await other_shown.wait()
        await link.revoke("one", "ended")
        await watching
        assert not await is_shown(unused)
        assert not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        while await heard.get() != ("one", "closed"):
            pass


@rule
async def a_view_that_expires_ends_its_viewers(link: Any) -> None:
    async with sending(link) as stream_id, asyncio.timeout(WITHIN_S):
        shown = asyncio.Event()
        watching = asyncio.create_task(shown_until_ended(await issue(link, stream_id, lasts_s=1.5), shown))
        await shown.wait()
        await watching
