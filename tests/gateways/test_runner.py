"""Gateways side by side: one that ends is started again alone."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clocks import FixedClock
from tests.support.dc09 import FixedAccounts, NotedTouches, WaitingIntake
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.gateways.dc09 import Dc09Config, Dc09Gateway
from tocsin.gateways.runner import CHECK_S, FIRST_PAUSE_S, Gateways
from tocsin.protocols.dc09.sender import Sender


class Part:
    """A gateway of a few lines."""

    def __init__(self, fails_to_start: int = 0) -> None:
        self.starts = self.stops = 0
        self.fault: Exception | None = None
        self.fails_to_start = fails_to_start

    async def start(self) -> None:
        self.starts += 1
        self.fault = None
        if self.starts > 1 and self.fails_to_start:
            self.fails_to_start -= 1
            raise OSError(98, "Address already in use")

    async def stop(self) -> None:
        self.stops += 1
        raise RuntimeError("half dead")

    def check(self) -> None:
        if self.fault is not None:
            raise self.fault


async def passing(clock: FixedClock, seconds: float) -> None:
    clock.advance(seconds)
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_gateway_that_dies_is_started_again_alone_and_people_are_told():
    clock, told, heard = FixedClock(), [], []
    first, second = Part(fails_to_start=1), Part()
    gateways = Gateways(clock)
    gateways.on_change = lambda name, reason: told.append((name, reason))
    gateways.on_listening = lambda protocols, *, is_listening: heard.append((protocols, is_listening))
    gateways.add("one", first, serves=("dc09",))
    gateways.add("two", second)
    await gateways.start()
    await passing(clock, 0)
    first.fault = ValueError("its socket is closed")
    await passing(clock, CHECK_S)
    assert told == [("one", "its socket is closed")]
    assert not gateways.standings[0].is_up
    await passing(clock, FIRST_PAUSE_S)  # its port is taken
    await passing(clock, 2 * FIRST_PAUSE_S)
    assert told[1:] == [("one", "[Errno 98] Address already in use"), ("one", "")]
    assert heard == [(("dc09",), False), (("dc09",), False), (("dc09",), True)]  # its devices are not overdue meanwhile
    assert (first.starts, first.stops) == (3, 2)
    assert (second.starts, second.stops) == (1, 0)
    assert [standing.restarts for standing in gateways.standings] == [2, 0]
    await gateways.stop()
    assert (first.stops, second.stops) == (3, 1)


async def test_a_port_that_is_not_free_at_the_start_is_named_and_nothing_stays_open():
    first, second = Part(), Part()
    second.starts, second.fails_to_start = 1, 1
    gateways = Gateways(FixedClock())
    gateways.add("one", first)
    gateways.add("Sur-Gard port 1", second, "receivers.surgard_port")
    with pytest.raises(TocsinError) as caught:
        await gateways.start()
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert "Sur-Gard port 1 cannot start" in caught.value.detail
    assert "receivers.surgard_port" in caught.value.detail
    assert first.stops == 1


async def test_the_dc09_gateway_listens_again_after_its_sockets_are_gone():
    clock = FixedClock()
    gateway = Dc09Gateway(Dc09Config(port=0), WaitingIntake(), FixedAccounts(), NotedTouches(), clock)
    gateways = Gateways(clock)
    gateways.add("DC-09", gateway)
    await gateways.start()
    await passing(clock, 0)
    assert gateway._server is not None
    gateway._server.close()
    await passing(clock, CHECK_S)
    assert not gateways.standings[0].is_up
    await passing(clock, FIRST_PAUSE_S)
    assert gateways.standings[0].is_up
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.health().tcp_port)
    writer.write(Sender("1234").poll(clock.now()))
    async with asyncio.timeout(5):
        assert b'"ACK"' in await reader.read(100)
    writer.close()
    await gateways.stop()
