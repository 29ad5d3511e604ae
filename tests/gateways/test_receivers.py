"""Hardware receivers on loopback: committed, then taken; repeated, refused, garbled, silent, called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from tests.support.clocks import FixedClock
from tests.support.dc09 import NotedTouches, WaitingIntake
from tocsin.domain.directory import Source
from tocsin.domain.intake_rules import LastSignal, is_duplicate
from tocsin.domain.spoken import RECEIVERS
from tocsin.gateways.door import Limits
from tocsin.gateways.receivers import FIRST_PAUSE_S, ReceiverGateway, ReceiversConfig
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.dc09.messages import Header
from tocsin.protocols.receiver_lines import ademco685, dc07, radionics6500, surgard
from tocsin.protocols.receiver_lines.line import ACK, NAK

BURGLARY = CidReport("1234", "1", "130", "01", "003")
MESSAGES = {
    "surgard": surgard.encode_contact_id("01", "1", BURGLARY),
    "ademco685": ademco685.encode_contact_id("1", "1", BURGLARY, is_user=False),
    "radionics6500": radionics6500.encode_contact_id("01", "1", BURGLARY),
    "dc07": dc07.encode_report(Header("ADM-CID", "0007", "01", "1", None), b"#1234|1130 01 003"),
}
HEARTBEATS = {
    "surgard": surgard.HEARTBEAT,
    "ademco685": ademco685.HEARTBEAT,
    "radionics6500": radionics6500.HEARTBEAT,
    "dc07": dc07.HEARTBEAT,
}


class Entered:
    """Panels and receivers somebody has entered."""

    def __init__(self) -> None:
        self.panels = {"1234": "panel-1"}
        self.receivers = [Source(f"receiver-{word}", word, "receiver", url="tcp://127.0.0.1") for word in RECEIVERS]

    def relayed(self, receiver: str, line: str, account: str) -> str:
        return self.panels.get(account, "")

    def sources(self, *protocols: str) -> list[Source]:
        return [source for source in self.receivers if source.protocol in protocols]


class House:
    """A gateway with stand-ins around it."""

    def __init__(self, *, commits_at_once: bool = True) -> None:
        self.clock = FixedClock()
        self.intake = WaitingIntake(commits_at_once=commits_at_once)
        self.entered = Entered()
        self.supervision = NotedTouches()
        self.gateway = ReceiverGateway(ReceiversConfig(), self.intake, self.entered, self.supervision, self.clock)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(5000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to that within five seconds")


@contextlib.asynccontextmanager
async def started(house: House) -> AsyncIterator[House]:
    await house.gateway.start()
    try:
        yield house
    finally:
        await house.gateway.stop()


@contextlib.asynccontextmanager
async def dialled(house: House, word: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.gateway.ports[word])
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.read(200)


def is_ack(octets: bytes) -> bool:
    return octets == ACK or b'"ACK"' in octets


@pytest.mark.parametrize("word", RECEIVERS)
async def test_a_report_is_taken_after_the_commit_and_belongs_to_its_panel(word: str) -> None:
    async with started(House(commits_at_once=False)) as house, dialled(house, word) as (reader, writer):
        for octet in MESSAGES[word]:
            writer.write(bytes([octet]))
            await writer.drain()
        await house.until(lambda: len(house.intake.signals) == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)
        house.intake.commit()
        assert is_ack(await answer(reader))
        signal = house.intake.signals[0]
        assert (signal.protocol, signal.account, signal.device_id) == (word, "1234", "panel-1")
        assert (signal.events[0].code, signal.quarantine, signal.flags) == ("1130", "", ())
        assert signal.raw == MESSAGES[word]
        assert len(house.intake.acknowledgements) == 1
        assert ("panel-1", "") in house.supervision.touches
        assert (f"receiver-{word}", "") in house.supervision.touches


@pytest.mark.parametrize("word", RECEIVERS)
async def test_a_heartbeat_is_a_sign_of_life_of_the_receiver_and_no_signal(word: str) -> None:
    async with started(House()) as house, dialled(house, word) as (reader, writer):
        writer.write(HEARTBEATS[word])
        assert is_ack(await answer(reader))
        assert house.supervision.touches == [(f"receiver-{word}", "")]
        assert house.intake.signals == []


@pytest.mark.parametrize("word", RECEIVERS)
async def test_without_a_commit_nothing_is_answered_and_the_repetition_is(word: str) -> None:
    async with started(House(commits_at_once=False)) as house, dialled(house, word) as (reader, writer):
        writer.write(MESSAGES[word])
        await house.until(lambda: len(house.intake.signals) == 1)
        house.intake.fail(OSError("disk"))
        await house.until(lambda: house.gateway.counters["not_committed"] == 1)
        house.intake.commits_at_once = True
        writer.write(MESSAGES[word])
        assert is_ack(await answer(reader))
        first, second = house.intake.signals
        assert first.dedup_key == second.dedup_key != ""


async def test_a_repetition_during_the_commit_is_one_more_copy_and_gets_no_second_answer() -> None:
    async with started(House(commits_at_once=False)) as house, dialled(house, "surgard") as (reader, writer):
        writer.write(MESSAGES["surgard"])
        await house.until(lambda: len(house.intake.signals) == 1)
        writer.write(MESSAGES["surgard"])
        await house.until(lambda: len(house.intake.signals) == 2)
        house.intake.commit()
        assert await answer(reader) == ACK
        writer.write(HEARTBEATS["surgard"])
        assert await answer(reader) == ACK  # that of the heartbeat, and no more
        assert house.gateway.counters["repeated_while_waiting"] == 1


async def test_two_messages_in_one_segment_are_answered_in_order_one_by_one() -> None:
    other = surgard.encode_contact_id("01", "1", replace(BURGLARY, point="004"))
    async with started(House(commits_at_once=False)) as house, dialled(house, "surgard") as (reader, writer):
        writer.write(MESSAGES["surgard"] + b"%%\x7f\x14" + other)
        await house.until(lambda: len(house.intake.signals) == 1)
        house.intake.commits_at_once = True
        house.intake.commit()
        assert await answer(reader) in (ACK, ACK + NAK, ACK + NAK + ACK)
        await house.until(lambda: len(house.intake.signals) == 2)
        assert [s.events[0].zone for s in house.intake.signals] == ["003", "004"]


async def test_a_garbled_line_is_asked_for_again_then_kept() -> None:
    async with started(House()) as house, dialled(house, "surgard") as (reader, writer):
        for expected in (NAK, NAK, ACK):
            writer.write(b"5011 18\x01234E130\x14")
            assert await answer(reader) == expected
        (signal,) = house.intake.signals
        assert (signal.quarantine, signal.raw) == ("unreadable", b"5011 18\x01234E130\x14")
        assert signal.device_id == "receiver-surgard"


async def test_an_unknown_account_and_an_unknown_receiver_lose_nothing() -> None:
    house = House()
    house.entered.receivers = []
    async with started(house), dialled(house, "surgard") as (reader, writer):
        writer.write(MESSAGES["surgard"])
        assert await answer(reader) == ACK
        writer.write(surgard.encode_contact_id("01", "1", replace(BURGLARY, account="9999")))
        assert await answer(reader) == ACK
        known, strange = house.intake.signals
        assert (known.device_id, known.quarantine, known.flags) == ("panel-1", "", ("unknown_receiver",))
        assert (strange.device_id, strange.quarantine, strange.account) == (None, "unknown_account", "9999")


async def test_what_the_receiver_says_of_itself_belongs_to_it() -> None:
    async with started(House()) as house, dialled(house, "surgard") as (reader, writer):
        writer.write(b"0011 PRINTER ERROR\x14")
        assert await answer(reader) == ACK
        signal = house.intake.signals[0]
        assert (signal.device_id, signal.quarantine) == ("receiver-surgard", "unknown_receiver_event")


async def test_the_same_text_after_fifteen_seconds_is_a_new_message() -> None:
    async with started(House()) as house, dialled(house, "surgard") as (reader, writer):
        writer.write(MESSAGES["surgard"])
        await answer(reader)
        first = house.intake.signals[0]
        last = LastSignal("x", first.dedup_key, "s1", first.received_at, None)
        for wait_s, is_repeat in ((12, True), (4, False)):
            house.clock.advance(wait_s)
            writer.write(MESSAGES["surgard"])
            await answer(reader)
            assert is_duplicate(house.intake.signals[-1], last) is is_repeat


async def test_a_receiver_with_a_port_is_called_and_called_again() -> None:
    calls: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    far = await asyncio.start_server(lambda reader, writer: calls.put((reader, writer)), "127.0.0.1", 0)
    port = far.sockets[0].getsockname()[1]
    house = House()
    house.entered.receivers = [Source("receiver-9", "ademco685", "receiver", url=f"tcp://127.0.0.1:{port}")]
    async with started(house):
        for number in (1, 2):
            async with asyncio.timeout(5):
                reader, writer = await calls.get()
            writer.write(MESSAGES["ademco685"])
            assert await answer(reader) == ACK
            assert ("receiver-9", "") in house.supervision.touches
            writer.close()
            await house.until(lambda: not house.gateway.connections)
            if number == 1:
                await asyncio.sleep(0)
                await house.until(lambda: bool(house.clock._sleepers))
                house.clock.advance(FIRST_PAUSE_S)
        house.gateway.check()
    far.close()


async def test_a_silent_line_is_closed_and_a_crowd_is_refused() -> None:
    house = House()
    house.gateway.limits = Limits(1)
    async with started(house), dialled(house, "surgard") as (reader, _):
        await house.until(lambda: len(house.gateway.connections) == 1)
        async with dialled(house, "surgard") as (crowded, _writer):
            assert await answer(crowded) == b""
        for _ in range(30):
            house.clock.advance(5)
            await asyncio.sleep(0)
        assert await answer(reader) == b""
        assert house.gateway.counters["closed_silent"] == 1
