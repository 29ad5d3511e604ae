"""The JT/T 808 gateway on loopback: who is let in, when it answers, what it bears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.dc09 import WaitingIntake
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import Source
from tocsin.domain.terminals import Report, Terminal, hash_of, judge
from tocsin.gateways.jt808 import Jt808Config, Jt808Gateway
from tocsin.protocols.jt808.frame import Frame, FrameReader, encode_frame, encode_message
from tocsin.protocols.jt808.location import Location
from tocsin.protocols.jt808.messages import (
    Ack,
    Authentication,
    Batch,
    Body,
    Edition,
    Empty,
    MessageId,
    Multimedia,
    MultimediaAck,
    Parameters,
    Registration,
    RegistrationReply,
    Resend,
    Result,
    Text,
    decode_body,
    encode_body,
)
from tocsin.sim.terminal_device import SimTerminal, TerminalSpec

PHONE, OTHER = "13800138000", "13800138001"


class Kept:
    """Terminals by the rules of the domain, in memory; commits end when the test says so."""

    def __init__(self) -> None:
        self.terminals: dict[str, Terminal] = {}
        self.reports: list[Report] = []
        self.raised: list[str] = []
        self.commits_at_once = True
        self._open: list[tuple[Report, asyncio.Future[str]]] = []

    async def register(self, device_id: str, terminal_id: str, edition: str, *rest: str) -> str | None:
        known = self.terminals.get(device_id, Terminal(device_id))
        if known.terminal_id not in ("", terminal_id):
            return None
        code = f"CODE{len(self.terminals)}"
        self.terminals[device_id] = replace(known, terminal_id=terminal_id, next_hash=hash_of(code), edition=edition)
        return code

    async def unregister(self, device_id: str) -> None:
        self.terminals.pop(device_id)

    async def authenticate(self, device_id: str, code: str) -> Terminal | None:
        known = self.terminals.get(device_id)
        if known is None or not known.knows(code):
            return None
        self.terminals[device_id] = known.shown(code)
        return known

    def accept(self, report: Report) -> asyncio.Future[str]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.reports.append(report)
        self._open.append((report, future))
        if self.commits_at_once:
            self.commit()
        return future

    def commit(self) -> None:
        waiting, self._open = self._open, []
        for report, future in waiting:
            judged = judge(self.terminals[report.device_id], report)
            self.terminals[report.device_id] = judged.terminal
            self.raised += [event.code for event in judged.events]
            future.set_result(f"s{len(self.raised)}" if judged.events else "")

    def fail(self, error: Exception) -> None:
        waiting, self._open = self._open, []
        for _, future in waiting:
            future.set_exception(error)


class Watched:
    """Signs of life."""

    def __init__(self) -> None:
        self.seen_of: list[str] = []
        self.faults: list[tuple[str, str]] = []
        self.signed_off: list[str] = []

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        self.seen_of.append(device_id)

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        self.signed_off.append(device_id)

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        self.faults.append((device_id, key))


class Registry:
    def __init__(self, **settings: Any) -> None:
        self.by_phone: dict[str, Source] = {
            PHONE: Source("t1", "jt808", "terminal", PHONE, settings=settings),
            OTHER: Source("t2", "jt808", "terminal", OTHER),
        }

    def source(self, protocol: str, account: str) -> Source | None:
        return self.by_phone.get(account)


class House:
    def __init__(self, config: Jt808Config, settings: Mapping[str, Any]) -> None:
        self.clock = FixedClock()
        self.kept = Kept()
        self.intake = WaitingIntake()
        self.registry = Registry(**settings)
        self.watched = Watched()
        self.gateway = Jt808Gateway(config, self.kept, self.intake, self.registry, self.watched, self.clock)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(5000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to that within five seconds")

    async def sweep(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            for _ in range(5):
                await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def terminal(
        self, phone: str = PHONE, edition: Edition = Edition.Y2013, code: str = ""
    ) -> AsyncIterator[SimTerminal]:
        """A simulated terminal, connected."""
        made = SimTerminal(TerminalSpec(phone, edition, code=code), self.clock)
        await made.connect("127.0.0.1", self.gateway.health().port)
        try:
            yield made
        finally:
            made.close()


class Peer:
    """The far end of one TCP connection, octet by octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.frames = reader, writer, FrameReader()

    async def ask(self, message_id: int, body: Body, serial: int = 1, phone: str = PHONE) -> Body:
        self.writer.write(wire(message_id, body, serial, phone))
        return (await self.answers(1))[0]

    async def answers(self, count: int) -> list[Any]:
        found: list[Any] = []
        async with asyncio.timeout(5):
            while len(found) < count:
                octets = await self.reader.read(65536)
                assert octets, "the gateway closed the connection"
                for item in self.frames.receive(octets):
                    assert isinstance(item, Frame)
                    found.append(decode_body(item.message_id, item.body, item.version))
        return found

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read(65536) == b""


def wire(message_id: int, body: Body, serial: int = 1, phone: str = PHONE) -> bytes:
    return encode_frame(Frame(message_id, phone, serial, encode_body(message_id, body)))


@pytest.fixture
def start():
    @contextlib.asynccontextmanager
    async def run(settings: Mapping[str, Any] | None = None, **config: Any) -> AsyncIterator[House]:
        house = House(Jt808Config(port=0, **config), settings or {})
        await house.gateway.start()
        try:
            yield house
        finally:
            house.kept.fail(OSError("test ends"))
            await house.gateway.stop()

    return run


@contextlib.asynccontextmanager
async def dial(house: House) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", house.gateway.health().port))
    try:
        yield peer
    finally:
        peer.writer.close()
        with contextlib.suppress(OSError):
            await peer.writer.wait_closed()


async def admit(peer: Peer, phone: str = PHONE) -> None:
    reply = await peer.ask(MessageId.REGISTER, Registration(terminal_id="T1"), 1, phone)
    assert isinstance(reply, RegistrationReply)
    assert await peer.ask(MessageId.AUTHENTICATE, Authentication(reply.code), 2, phone) == Ack(2, 0x0102, 0)


SPOT = Location(alarm=1, status=2, lat_e6=31_000_000, lon_e6=118_000_000, at=START)


@pytest.mark.parametrize("edition", list(Edition))
async def test_a_terminal_of_every_edition_registers_shows_its_code_and_reports(start, edition):
    async with start({"unit_id": "u1"}) as house, house.terminal(edition=edition) as terminal:
        assert await terminal.admit()
        assert await terminal.ask(MessageId.LOCATION, terminal.location(house.clock.now()))
        assert await terminal.ask(MessageId.HEARTBEAT, Empty())
        (report,) = house.kept.reports
        assert (report.account, report.unit_id, report.is_batch) == (PHONE, "u1", False)
        assert report.position is not None
        assert house.kept.terminals["t1"].edition == edition.value
        assert house.watched.seen_of.count("t1") >= 3


async def test_an_answer_leaves_after_the_commit_and_not_before_and_none_without_one(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        house.kept.commits_at_once = False
        peer.writer.write(wire(MessageId.LOCATION, SPOT, 7))
        await house.until(lambda: len(house.kept.reports) == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.reader.read(1)
        house.kept.commit()
        assert await peer.answers(1) == [Ack(7, 0x0200, 0)]
        assert house.intake.acknowledgements == ["s1"]
        peer.writer.write(wire(MessageId.LOCATION, SPOT, 8))
        await house.until(lambda: len(house.kept.reports) == 2)
        house.kept.fail(OSError("disk full"))
        assert await peer.ask(MessageId.HEARTBEAT, Empty(), 9) == Ack(9, 0x0002, 0)


async def test_a_press_is_one_event_until_an_operator_confirms_it_and_the_terminal_clears_it(start):
    async with start() as house, house.terminal() as terminal:
        assert await terminal.admit()
        terminal.press()
        for _ in range(3):
            assert await terminal.ask(MessageId.LOCATION, terminal.location(house.clock.now()))
        assert house.kept.raised == ["bit0"]
        pressed = replace(house.kept.terminals["t1"], confirmed_at=house.clock.now())
        house.kept.terminals["t1"] = pressed
        house.gateway.confirm(pressed)
        await house.until(lambda: terminal.alarm == 0)
        assert terminal.confirmed == 1
        assert await terminal.ask(MessageId.LOCATION, terminal.location(house.clock.now()))
        terminal.press()
        assert await terminal.ask(MessageId.LOCATION, terminal.location(house.clock.now()))
        assert house.kept.raised == ["bit0", "bit0"]


async def test_a_confirmation_waits_for_the_terminal_and_is_repeated_while_the_bit_stays(start):
    async with start() as house:
        async with dial(house) as peer:
            await admit(peer)
            await peer.ask(MessageId.LOCATION, SPOT, 3)
        await house.until(lambda: not house.gateway.sessions)
        confirmed = replace(house.kept.terminals["t1"], confirmed_at=START)
        house.kept.terminals["t1"] = confirmed
        house.gateway.confirm(confirmed)
        async with dial(house) as peer:
            peer.writer.write(wire(MessageId.AUTHENTICATE, Authentication("CODE0"), 1))
            first, second = await peer.answers(2)
            assert (first, second.bits, second.serial) == (Ack(1, 0x0102, 0), 1, 3)
            assert await peer.ask(MessageId.LOCATION, SPOT, 2) == Ack(2, 0x0200, 0)
            house.clock.advance(30)
            peer.writer.write(wire(MessageId.LOCATION, SPOT, 3))
            again = await peer.answers(2)
            assert sorted(type(one).__name__ for one in again) == ["Ack", "ConfirmAlarm"]


async def test_nobody_is_heard_before_the_code_and_is_closed_after_thirty_seconds(start):
    async with start() as house, dial(house) as peer:
        peer.writer.write(wire(MessageId.LOCATION, SPOT) + wire(MessageId.HEARTBEAT, Empty()))
        assert await peer.ask(MessageId.AUTHENTICATE, Authentication("guess"), 3) == Ack(3, 0x0102, Result.FAILED)
        assert house.kept.reports == []
        assert house.watched.faults == [("t1", "security.wrong_code")]
        await house.sweep(32)
        assert await peer.is_closed()


async def test_an_unknown_terminal_is_refused_by_name_and_stands_aside_once_a_minute_without_its_code(start):
    async with start() as house, dial(house) as peer:
        reply = await peer.ask(MessageId.REGISTER, Registration(vehicle_mark="WB12345"), 1, "139")
        assert reply == RegistrationReply(1, 4)
        assert await peer.ask(MessageId.AUTHENTICATE, Authentication("secret"), 2, "139") == Ack(2, 0x0102, 1)
        peer.writer.write(wire(MessageId.LOCATION, SPOT, 3, "139"))
        await house.until(lambda: house.gateway.counters["not_admitted"] == 1)
        (first,) = house.intake.signals
        assert (first.quarantine, first.account, first.device_id, first.raw) == ("unknown_account", "139", None, b"")
        assert b"secret" not in b"".join(signal.raw for signal in house.intake.signals)


async def test_another_terminal_under_the_number_is_refused(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        async with dial(house) as stranger:
            reply = await stranger.ask(MessageId.REGISTER, Registration(terminal_id="T2"))
            assert reply == RegistrationReply(1, 3)
        assert house.watched.faults == [("t1", "security.other_terminal")]


async def test_a_new_connection_of_a_terminal_takes_the_place_of_the_old(start):
    async with start() as house, dial(house) as old:
        await admit(old)
        async with dial(house) as new:
            assert await new.ask(MessageId.AUTHENTICATE, Authentication("CODE0"), 1) == Ack(1, 0x0102, 0)
            assert await old.is_closed()
            assert await new.ask(MessageId.LOCATION, SPOT, 2) == Ack(2, 0x0200, 0)
            assert len(house.gateway.sessions) == 1
        assert house.watched.signed_off == []


async def test_a_batch_is_answered_once_all_of_it_is_committed(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        house.kept.commits_at_once = False
        batch = Batch((replace(SPOT, alarm=0), SPOT, SPOT), is_refill=True)
        peer.writer.write(wire(MessageId.BATCH, batch, 5))
        await house.until(lambda: len(house.kept.reports) == 3)
        assert all(report.is_batch for report in house.kept.reports)
        house.kept.commit()
        assert await peer.answers(1) == [Ack(5, 0x0704, 0)]


async def test_a_long_batch_in_parts_is_put_together_and_missing_parts_are_asked_for(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        body = encode_body(MessageId.BATCH, Batch((replace(SPOT, alarm=0),) * 60))
        wires = list(encode_message(Frame(MessageId.BATCH, PHONE, 100, body), 500))
        for one in (wires[0], *wires[2:]):
            peer.writer.write(one)
        assert [one.result for one in await peer.answers(len(wires) - 1)] == [0] * (len(wires) - 1)
        assert house.kept.reports == []
        await house.sweep(62)
        assert await peer.answers(1) == [Resend(100, (2,))]
        peer.writer.write(wires[1])
        assert await peer.answers(1) == [Ack(101, 0x0704, 0)]
        assert len(house.kept.reports) == 60


async def test_what_cannot_be_read_is_kept_aside_named_and_hurts_nobody(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        peer.writer.write(encode_frame(Frame(MessageId.LOCATION, PHONE, 3, b"short")))
        assert await peer.answers(1) == [Ack(3, 0x0200, Result.BAD_MESSAGE)]
        (aside,) = house.intake.signals
        assert (aside.quarantine, aside.device_id) == ("unreadable", "t1")
        peer.writer.write(encode_frame(Frame(0x0F01, PHONE, 4, b"vendor")))
        assert await peer.answers(1) == [Ack(4, 0x0F01, Result.UNSUPPORTED)]
        peer.writer.write(encode_frame(Frame(MessageId.LOCATION, PHONE, 5, b"x", encryption=1)))
        assert await peer.answers(1) == [Ack(5, 0x0200, Result.UNSUPPORTED)]
        peer.writer.write(b"\x7e\x00\x7e" + wire(MessageId.HEARTBEAT, Empty(), 6, OTHER))
        assert await peer.ask(MessageId.HEARTBEAT, Empty(), 7) == Ack(7, 0x0002, 0)
        assert house.gateway.counters["other_phone"] == 1


async def test_a_peer_that_speaks_http_is_closed(start):
    async with start() as house, dial(house) as peer:
        peer.writer.write(b"GET / HTTP/1.1\r\n" * 1000)
        assert await peer.is_closed()
        assert house.gateway.counters["closed_overflow"] == 1


async def test_a_picture_is_answered_and_not_kept(start):
    async with start() as house, dial(house) as peer:
        await admit(peer)
        picture = encode_body(MessageId.MULTIMEDIA, Multimedia(77, location=SPOT, data=bytes(3000)))
        for one in encode_message(Frame(MessageId.MULTIMEDIA, PHONE, 10, picture)):
            peer.writer.write(one)
        answers = await peer.answers(3)
        assert answers[-1] == MultimediaAck(77)
        assert house.gateway.counters["pictures_not_kept"] == 1
        assert house.intake.signals == []


async def test_questions_to_a_terminal_are_answered_and_one_that_is_away_is_said_to_be(start):
    async with start() as house, house.terminal(edition=Edition.Y2019) as terminal:
        assert await terminal.admit()
        assert await house.gateway.ask("t1", MessageId.TEXT, Text("请到西门")) == Ack(2, 0x8300, 0)
        assert terminal.texts == ["请到西门"]
        await house.gateway.ask("t1", MessageId.SET_PARAMETERS, Parameters(((0x29, (15).to_bytes(4, "big")),)))
        answer = await house.gateway.ask("t1", MessageId.QUERY_PARAMETERS, Empty())
        assert isinstance(answer, Parameters)
        assert answer.number(0x29) == 15
        with pytest.raises(TocsinError) as caught:
            house.gateway.ask("t2", MessageId.QUERY_PARAMETERS, Empty())
        assert caught.value.key == "terminal.not_connected"
        terminal.close()
        await house.until(lambda: not house.gateway.sessions)


async def test_reading_stops_while_the_store_does_not_answer_and_goes_on_after(start):
    async with start(max_waiting=8) as house, dial(house) as peer:
        await admit(peer)
        house.kept.commits_at_once = False
        peer.writer.write(b"".join(wire(MessageId.LOCATION, SPOT, n) for n in range(8)))
        await house.until(lambda: len(house.kept.reports) == 8)
        peer.writer.write(b"".join(wire(MessageId.LOCATION, SPOT, n) for n in range(8, 16)))
        await house.sweep(4)
        assert house.gateway.is_stalled
        assert len(house.kept.reports) == 8
        house.kept.commits_at_once = True
        house.kept.commit()
        assert sorted(one.serial for one in await peer.answers(16)) == list(range(16))


async def test_connections_are_bounded_and_a_silent_one_is_closed(start):
    async with start(max_connections=1) as house, dial(house) as peer:
        await admit(peer)
        async with dial(house) as refused:
            assert await refused.is_closed()
        await house.sweep(212)
        assert await peer.is_closed()
        assert house.gateway.counters["closed_idle"] == 1


async def test_a_terminal_that_signs_off_is_void_and_one_taken_out_of_the_registry_is_closed(start):
    async with start() as house:
        async with dial(house) as peer:
            await admit(peer)
            assert await peer.ask(MessageId.UNREGISTER, Empty(), 3) == Ack(3, 0x0003, 0)
            assert await peer.is_closed()
        assert house.watched.signed_off == ["t1"]
        async with dial(house) as peer:
            assert await peer.ask(MessageId.AUTHENTICATE, Authentication("CODE0"), 1) == Ack(1, 0x0102, 1)
            await admit(peer)
            del house.registry.by_phone[PHONE]
            peer.writer.write(wire(MessageId.HEARTBEAT, Empty(), 4))
            assert await peer.is_closed()


async def test_a_gateway_can_be_started_again_and_says_when_its_port_is_gone(start):
    async with start() as house:
        house.gateway.check()
        await house.gateway.stop()
        with pytest.raises(ConnectionError):
            house.gateway.check()
        await house.gateway.start()
        async with dial(house) as peer:
            await admit(peer)
