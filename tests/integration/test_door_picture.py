"""A door call that brings its own picture: seen before the answer, with it, or not at all where media is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.clocks import FixedClock
from tests.support.gb28181 import eventually
from tests.support.house import PEOPLE
from tests.support.intercoms import DOOR, DoorHouse, door_house
from tests.support.media import Watcher, running_link
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.domain.access import Actor, Purpose
from tocsin.domain.video import OF_CALL, RoutedSource
from tocsin.domain.view_service import OpenedView, ViewService
from tocsin.gateways.intercom_pictures import CallPictures
from tocsin.media.link import MediaLink
from tocsin.media.relay import LiveStreams
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store

pytestmark = pytest.mark.integration


class Now(FixedClock):
    """Views end by the real clock of the worker."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Looking:
    """Streams, views and the pictures of calls over a real worker."""

    def __init__(self, house: DoorHouse, link: MediaLink) -> None:
        source = RoutedSource(lambda device_id: "", None)  # type: ignore[arg-type]
        self.streams = LiveStreams(link, source, SystemClock(), public_host="127.0.0.1", channel_of=self.channel)
        self.pictures = CallPictures(link, self.streams)
        source.add(OF_CALL, self.pictures)
        self.views = ViewService(house.store, self, self.streams)
        house.calls.pictures, house.calls.early = self.pictures, link
        house.service._media = link

    def channel(self, channel_id: str) -> object:
        return self.pictures.channel(channel_id)

    async def look(self, call_id: str, actor: Actor) -> OpenedView:
        return await self.views.open(
            actor=actor, session_id="s", channels=[DOOR], purpose=Purpose.DOOR_CALL, minutes=5, call_id=call_id
        )


def rubbish(looking: Looking) -> None:
    """Send what is no picture, from the intercom's address and from a stranger's; packets of a stranger's own too."""
    port = looking.pictures._shown[DOOR].endpoint.result().port
    for host in ("127.0.0.1", "127.0.0.2"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.bind((host, 0))
            for number in range(200):
                packet = bytes((0x80, 99, 0, number)) + bytes(8) + b"\x65" * 40
                made.sendto(packet if number % 2 else bytes([number]) * (number + 1), ("127.0.0.1", port))


@asynccontextmanager
async def shown(opened: OpenedView) -> AsyncIterator[Watcher]:
    async with connect(opened.live[DOOR].url, compression=None, max_size=None) as connection:
        watcher = Watcher(connection)
        await watcher.until(lambda: watcher.binaries, 20)
        yield watcher
        await watcher.close()


async def test_the_picture_of_a_call_before_its_answer_with_it_and_not_at_all(tmp_path: Path) -> None:
    clock, url = Now(), f"sqlite:///{tmp_path / 'doors.sqlite3'}"
    schema.prepare(url)
    store = make_store(url, clock, HeadsFile(tmp_path / "heads"), group_cap=100)
    await store.start()
    async with running_link() as link, door_house(store, clock) as house:
        looking = Looking(house, link)
        await looking.streams.start()
        store.on_committed(looking.views.hear)
        ends = asyncio.create_task(looking.views.pass_ends())

        # before the answer: the intercom insists on PRACK, and who is on duty sees it
        async with house.intercom(video="early", prack=True) as fleet:
            ringing = fleet.ring(0)
            await ringing.rang
            await eventually(lambda: ringing.early_status == 183, 10)
            call = await house.only()
            assert (call.state, call.has_picture) == ("ringing", True)
            async with (
                shown(await looking.look(call.id, PEOPLE.li)) as mine,
                shown(await looking.look(call.id, PEOPLE.wang)) as other,
            ):
                with pytest.raises(TocsinError):
                    await looking.look(call.id, PEOPLE.south)
                assert looking.streams.watched() == []  # no camera of anybody
                await house.service.answer(call.id, actor=PEOPLE.li)
                assert await ringing.outcome == "answered"
                await other.until(lambda: other.close_code, 10)  # it is in the hands of one now
                rubbish(looking)
                before = len(mine.binaries)
                await mine.until(lambda: len(mine.binaries) > before, 10)
                await eventually(lambda: ringing.heard > 0, 10)
                await house.service.hang_up(call.id, actor=PEOPLE.li)
                await mine.until(lambda: mine.close_code, 10)  # ended with the call
            with pytest.raises(TocsinError) as late:
                await looking.look(call.id, PEOPLE.li)
            assert late.value.key == "call_over"
            await eventually(lambda: looking.streams.state(DOOR).state == "idle", 10)

        # with the answer: the same port, the picture only then
        async with house.intercom(video="late") as fleet:
            ringing = fleet.ring(0)
            await eventually(lambda: ringing.early_status == 183, 10)
            call = (await house.list())[0]
            await house.service.answer(call.id, actor=PEOPLE.li)
            async with shown(await looking.look(call.id, PEOPLE.li)):
                ringing.hang_up()
            await house.until("ended")
            await eventually(lambda: len(looking.pictures) == 0)

        # no media: it rings all the same
        await link.stop()
        async with house.intercom(video="early", prack=True) as fleet:
            ringing = fleet.ring(0)
            await ringing.rang
            assert ringing.early_status == 180
        ends.cancel()
        await looking.streams.stop()
    await store.stop()
