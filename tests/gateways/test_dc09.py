"""The DC-09 gateway on loopback: when it answers, when it stays silent, and what it bears."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.dc09 import FixedAccounts, NotedKeys, NotedTouches, WaitingIntake
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind
from tocsin.domain.directory import Dc09Account
from tocsin.gateways.dc09 import Dc09Config, Dc09Gateway
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import FrameReader, encode_frame
from tocsin.protocols.dc09.sender import ReplyKind, Sender
from tocsin.protocols.dc09.xdata import Xdata

KEY, OLD_KEY = bytes(range(16)), bytes(range(100, 116))
PLAIN = Dc09Account("device-1", "1234")
KEYED = Dc09Account("device-2", "5678", keys=(KEY,))


class House:
    """A gateway with stand-ins around it."""

    def __init__(self, config: Dc09Config, *, commits_at_once: bool = True) -> None:
        self.clock = FixedClock()
        self.intake = WaitingIntake(commits_at_once=commits_at_once)
        self.accounts = FixedAccounts(PLAIN, KEYED)
        self.supervision = NotedTouches()
        self.keys = NotedKeys()
        self.gateway = Dc09Gateway(config, self.intake, self.accounts, self.supervision, self.clock, self.keys)

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(5000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to that within five seconds")

    async def sweep(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.clock.advance(1)
            for _ in range(5):
                await asyncio.sleep(0)


class Peer:
    """The far end of one TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.frames = reader, writer, FrameReader()

    async def ask(self, *octets: bytes) -> list[bytes]:
        """Send, and return as many answers as frames were sent."""
        self.writer.write(b"".join(octets))
        return await self.answers(len(octets))

    async def answers(self, count: int) -> list[bytes]:
        found: list[bytes] = []
        async with asyncio.timeout(5):
            while len(found) < count:
                found += [frame.raw for frame in self.frames.receive(await self.reader.read(65536))]
        return found

    async def is_silent(self, house: House) -> bool:
        """Say whether nothing came before the answer to a poll sent now."""
        self.writer.write(Sender("1234").poll(house.clock.now()))
        (first,) = await self.answers(1)
        return b'"ACK"0000' in first


@pytest.fixture
def start():
    houses: list[House] = []

    @contextlib.asynccontextmanager
    async def run(*, commits_at_once: bool = True, **settings: object) -> AsyncIterator[House]:
        house = House(Dc09Config(port=0, **settings), commits_at_once=commits_at_once)  # type: ignore[arg-type]
        await house.gateway.start()
        houses.append(house)
        try:
            yield house
        finally:
            house.intake.fail(OSError("test ends"))
            await house.gateway.stop()

    return run


@contextlib.asynccontextmanager
async def dial(house: House) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", house.gateway.health().tcp_port))
    try:
        yield peer
    finally:
        peer.writer.close()
        with contextlib.suppress(OSError):
            await peer.writer.wait_closed()


def burglary(account: str = "1234", key: bytes | None = None, zone: str = "003", sequence: int = 1) -> bytes:
    sender = Sender(account, key=AesKey(key) if key else None, first_sequence=sequence)
    return sender.send("SIA-DCS", f"#{account}|Nri1/BA{zone}".encode(), START)


async def test_a_signal_is_acknowledged_after_the_commit_and_not_before(start):
    async with start(commits_at_once=False) as house, dial(house) as peer:
        peer.writer.write(burglary())
        await house.until(lambda: len(house.intake.signals) == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await peer.reader.read(1)
        house.intake.commit()
        assert await peer.answers(1) == [encode_frame(b'"ACK"0001L0#1234[]')]
        assert house.intake.acknowledgements == ["s1"]


async def test_a_signal_carries_everything_the_domain_needs(start):
    async with start() as house, dial(house) as peer:
        await peer.ask(burglary("5678", KEY))
        (signal,) = house.intake.signals
        assert (signal.protocol, signal.transport, signal.account, signal.token) == ("dc09", "tcp", "5678", "SIA-DCS")
        assert (signal.device_id, signal.encrypted, signal.quarantine) == ("device-2", True, "")
        assert signal.raw.startswith(b"\n")
        assert signal.raw.endswith(b"\r")
        assert signal.sent_at == START
        assert signal.received_at == START
        assert len(signal.dedup_key) == 32
        (event,) = signal.events
        assert (event.code_system, event.code, event.kind) == ("sia", "BA", EventKind.ALARM)
        assert (event.area, event.zone) == ("1", "003")
        assert house.supervision.touches == [("device-2", "")]


async def test_no_ack_leaves_when_the_commit_fails_and_the_panel_may_ask_again(start):
    async with start(commits_at_once=False) as house, dial(house) as peer:
        peer.writer.write(burglary())
        await house.until(lambda: len(house.intake.signals) == 1)
        house.intake.fail(TocsinError(ErrorCode.UNAVAILABLE, "disk full"))
        assert await peer.is_silent(house)
        peer.writer.write(burglary())
        await house.until(lambda: len(house.intake.signals) == 2)
        house.intake.commit(is_duplicate=True)
        assert await peer.answers(1) == [encode_frame(b'"ACK"0001L0#1234[]')]
        assert house.gateway.counters["not_committed"] == 1
        assert house.gateway.counters["duplicates"] == 1


async def test_answers_of_one_connection_leave_in_order_whatever_order_commits_end_in(start):
    async with start(commits_at_once=False) as house, dial(house) as peer:
        poll = Sender("1234").poll(START)
        peer.writer.write(burglary(sequence=7) + burglary(sequence=8) + poll)
        await house.until(lambda: len(house.intake.signals) == 2)
        house.intake.commit_last()
        await asyncio.sleep(0)
        house.intake.commit()
        replies = await peer.answers(3)
        assert [reply[14:18] for reply in replies] == [b"0007", b"0008", b"0000"]


async def test_another_connection_does_not_wait_for_a_slow_commit(start):
    async with start(commits_at_once=False) as house, dial(house) as slow, dial(house) as other:
        slow.writer.write(burglary(sequence=1))
        await house.until(lambda: len(house.intake.signals) == 1)
        other.writer.write(burglary(sequence=2))
        await house.until(lambda: len(house.intake.signals) == 2)
        house.intake.commit_last()
        assert (await other.answers(1))[0][14:18] == b"0002"


async def test_a_link_test_is_answered_without_a_commit_and_restarts_supervision(start):
    async with start() as house, dial(house) as peer:
        (plain,) = await peer.ask(Sender("1234", receiver="1").poll(START))
        assert plain == encode_frame(b'"ACK"0000R1L0#1234[]')
        sender = Sender("5678", key=AesKey(KEY))
        (sealed,) = await peer.ask(sender.poll(START))
        assert sender.receive(FrameReader().receive(sealed)[0], START).kind is ReplyKind.ACKNOWLEDGED
        assert house.intake.signals == []
        assert house.supervision.touches == [("device-1", ""), ("device-2", "")]


async def test_an_unknown_account_is_quarantined_and_acknowledged(start):
    async with start() as house, dial(house) as peer:
        assert await peer.ask(burglary("0099")) == [encode_frame(b'"ACK"0001L0#0099[]')]
        (signal,) = house.intake.signals
        assert (signal.quarantine, signal.device_id, signal.account) == ("unknown_account", None, "0099")
        assert signal.events[0].code == "BA"
        assert house.supervision.touches == []


async def test_polls_of_an_unknown_account_leave_one_record_a_minute(start):
    async with start() as house, dial(house) as peer:
        poll = Sender("0099").poll(START)
        assert len(await peer.ask(poll, poll, poll)) == 3
        assert len(house.intake.signals) == 1
        house.clock.advance(61)
        await peer.ask(poll)
        assert len(house.intake.signals) == 2


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (burglary("5678"), "security.downgrade"),
        (burglary("5678", OLD_KEY), "key_mismatch"),
        (burglary("0099", KEY), "unknown_account"),
        (burglary("1234", KEY), "no_key"),
    ],
)
async def test_what_cannot_be_trusted_is_kept_without_events_and_gets_no_answer(start, frame, reason):
    async with start() as house, dial(house) as peer:
        peer.writer.write(frame)
        assert await peer.is_silent(house)
        (signal,) = house.intake.signals
        assert signal.quarantine == reason
        assert signal.events == ()


async def test_a_stale_encrypted_message_gets_our_time_and_leaves_one_record(start):
    async with start() as house, dial(house) as peer:
        sender = Sender("5678", key=AesKey(KEY), clock_offset_s=-3600.0)
        (nak,) = await peer.ask(sender.send("SIA-DCS", b"#5678|Nri1/BA003", START))
        assert nak == encode_frame(b'"NAK"0000R0L0A0[]_02:14:07,11-22-2026')
        assert [(s.quarantine, s.events) for s in house.intake.signals] == [("clock_out_of_window", ())]
        reply = sender.receive(FrameReader().receive(nak)[0], START)
        assert reply.kind is ReplyKind.CLOCK_SET
        (ack,) = await peer.ask(*reply.resend)
        assert sender.receive(FrameReader().receive(ack)[0], START).kind is ReplyKind.ACKNOWLEDGED
        assert [s.quarantine for s in house.intake.signals] == ["clock_out_of_window", ""]


async def test_the_old_key_works_until_the_new_one_has_been_used_once(start):
    async with start() as house, dial(house) as peer:
        house.accounts.by_text["5678"] = Dc09Account("device-2", "5678", keys=(KEY, OLD_KEY))
        assert len(await peer.ask(burglary("5678", OLD_KEY, sequence=1))) == 1
        assert house.intake.signals[-1].flags == ("old_key",)
        assert house.keys.confirmations == []
        assert len(await peer.ask(burglary("5678", KEY, sequence=2))) == 1
        peer.writer.write(burglary("5678", OLD_KEY, sequence=3))
        assert await peer.is_silent(house)
        assert house.intake.signals[-1].quarantine == "key_mismatch"
        assert house.keys.confirmations == [("device-2", KEY)]


async def test_what_a_refused_or_skewed_frame_shows_is_told_of_its_device(start):
    async with start() as house, dial(house) as peer:
        house.accounts.by_text["9999"] = Dc09Account("device-3", "9999")
        peer.writer.write(burglary("5678"))
        peer.writer.write(burglary("5678", OLD_KEY))
        peer.writer.write(burglary("9999", KEY))
        peer.writer.write(burglary("0000"))  # nobody's
        peer.writer.write(burglary("0000", KEY))
        late = Sender("5678", key=AesKey(KEY), clock_offset_s=-3600.0)
        await peer.ask(late.send("SIA-DCS", b"#5678|Nri1/BA003", START))
        assert house.supervision.faults == [
            ("device-2", "security.downgrade", 0.0),
            ("device-2", "security.key_mismatch", None),
            ("device-3", "security.key_missing", None),
            ("device-2", "clock.skew", -3600.0),
        ]
        assert house.supervision.touches == []
        local = Sender("1234", clock_offset_s=8 * 3600.0)
        await peer.ask(local.send("SIA-DCS", b"#1234|Nri1/BA003", START), burglary("5678", KEY, sequence=9))
        assert house.supervision.skews == [8 * 3600.0, None]


async def test_a_legacy_token_is_kept_raw_and_acknowledged_as_an_undecoded_signal(start):
    async with start() as house, dial(house) as peer:
        frame = encode_frame(b'"ADM-41E"0005L0#1234[#1234|whatever it says]')
        assert await peer.ask(frame) == [encode_frame(b'"ACK"0005L0#1234[]')]
        (signal,) = house.intake.signals
        assert (signal.raw, signal.token, signal.quarantine) == (frame, "ADM-41E", "undecoded")
        assert signal.events[0].label_zh == "未解码信号（ADM-41E）"


async def test_a_key_in_a_frame_is_not_kept(start):
    async with start() as house, dial(house) as peer:
        secret = b"000102030405060708090A0B0C0D0E0F"
        await peer.ask(encode_frame(b'"SIA-DCS"0005L0#1234[#1234|NRP0][K%b]' % secret))
        (signal,) = house.intake.signals
        assert secret not in signal.raw
        assert b"[K" + b"*" * 32 + b"]" in signal.raw


async def test_garbage_is_not_answered_and_the_connection_lives_on(start):
    async with start() as house, dial(house) as peer:
        bad = burglary().replace(b"BA003", b"BA004")
        peer.writer.write(b"\0\xff\r\n" + bad + b"noise" + burglary(sequence=2))
        assert await peer.answers(1) == [encode_frame(b'"ACK"0002L0#1234[]')]
        assert house.gateway.counters["bad_crc_mismatch"] == 1


async def test_a_peer_that_sends_no_frame_is_closed_after_4110_octets(start):
    async with start() as house, dial(house) as peer:
        peer.writer.write(b"GET / HTTP/1.1\r\n" + b"x" * 5000)
        async with asyncio.timeout(5):
            assert await peer.reader.read() == b""
        assert house.gateway.counters["closed_overflow"] == 1
        assert house.gateway.counters["foreign_protocol"] == 1


async def test_a_frame_that_dribbles_for_more_than_ten_seconds_is_closed(start):
    async with start() as house, dial(house) as slow, dial(house) as well:
        slow.writer.write(burglary()[:20])
        well.writer.write(burglary() + b"\r\n\0")
        await well.answers(1)
        await house.until(lambda: len(house.gateway.inside_frame) == 1)
        await house.sweep(12)
        async with asyncio.timeout(5):
            assert await slow.reader.read() == b""
        assert len(await well.ask(burglary(sequence=2))) == 1
        assert house.gateway.counters["closed_frame_timeout"] == 1


async def test_a_frame_cut_by_our_own_pause_is_not_the_panels_fault(start):
    async with start(commits_at_once=False, max_waiting_per_connection=2) as house, dial(house) as peer:
        frames = [burglary(sequence=number) for number in range(1, 5)]
        peer.writer.write(b"".join(frames[:3]) + frames[3][:20])
        await house.until(lambda: len(house.gateway.inside_frame) == 1 and len(house.intake.signals) >= 2)
        await house.sweep(15)
        assert house.gateway.counters["closed_frame_timeout"] == 0
        house.intake.commits_at_once = True
        house.intake.commit()
        await house.sweep(2)
        peer.writer.write(frames[3][20:])
        assert len(await peer.answers(4)) == 4


async def test_a_silent_connection_is_closed_after_the_idle_time(start):
    async with start(idle_timeout_s=30.0) as house, dial(house) as peer:
        await peer.ask(burglary())
        await house.sweep(45)
        async with asyncio.timeout(5):
            assert await peer.reader.read() == b""
        assert house.gateway.counters["closed_idle"] == 1


async def test_a_panel_that_ends_its_side_after_sending_still_gets_its_ack(start):
    async with start(commits_at_once=False) as house, dial(house) as peer:
        peer.writer.write(burglary())
        peer.writer.write_eof()
        await house.until(lambda: house.gateway.waiting == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        house.intake.commit()
        async with asyncio.timeout(5):
            assert await peer.reader.read() == encode_frame(b'"ACK"0001L0#1234[]')
        await house.until(lambda: not house.gateway.connections)


async def test_a_path_number_and_the_offset_of_a_local_clock_are_passed_on(start):
    async with start() as house, dial(house) as peer:
        await peer.ask(Sender("1234").poll(START, token="XNM", xdata=(Xdata("G", b"2"), Xdata("C", b"CDP"))))
        assert house.supervision.touches == [("device-1", "2")]
        house.accounts.by_text["1234"] = Dc09Account("device-1", "1234", clock_offset_s=8 * 3600.0)
        await peer.ask(Sender("1234", clock_offset_s=8 * 3600.0).send("SIA-DCS", b"#1234|NRP0", START))
        assert (house.intake.signals[0].sent_at, house.intake.signals[0].flags) == (START, ())


async def test_one_address_gets_no_more_than_its_share_of_connections(start):
    async with start(max_connections_per_address=2, exempt_networks=("10.0.0.0/8",)) as house:
        async with dial(house) as first, dial(house) as second, dial(house) as third:
            await first.ask(burglary())
            await second.ask(burglary())
            async with asyncio.timeout(5):
                assert await third.reader.read() == b""
        assert house.gateway.counters["closed_too_many_from_address"] == 1


async def test_loopback_is_exempt_from_the_share_by_default(start):
    async with start() as house, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(dial(house)) for _ in range(12)]
        for peer in peers:
            assert len(await peer.ask(Sender("1234").poll(START))) == 1


async def test_reading_stops_while_too_much_waits_and_nothing_is_lost(start):
    async with start(commits_at_once=False, max_waiting=10) as house, dial(house) as peer:
        peer.writer.write(b"".join(burglary(sequence=n) for n in range(1, 2001)))
        await house.until(lambda: house.gateway.waiting >= 10 and house.gateway.counters["held"] > 0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(house.intake.signals) < 600
        house.intake.commits_at_once = True
        house.intake.commit()
        replies = await peer.answers(2000)
        assert [int(reply[14:18]) for reply in replies] == list(range(1, 2001))


async def test_a_store_that_stops_for_two_seconds_stops_reading_and_answering_until_it_is_back(start):
    async with start(commits_at_once=False) as house, dial(house) as peer, dial(house) as other:
        peer.writer.write(burglary())
        await house.until(lambda: house.gateway.waiting == 1)
        await house.sweep(4)
        assert house.gateway.health().is_stalled
        other.writer.write(Sender("1234").poll(START))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await other.reader.read(1)
        house.intake.commit()
        assert len(await peer.answers(1)) == 1
        assert len(await other.answers(1)) == 1
        assert not house.gateway.health().is_stalled


async def test_a_datagram_is_answered_to_the_address_and_port_it_came_from(start):
    async with start() as house:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
            address = ("127.0.0.1", house.gateway.health().udp_port)
            await loop.sock_sendto(sock, b"no frame at all", address)
            await loop.sock_sendto(sock, burglary(), address)
            async with asyncio.timeout(5):
                reply, sender = await loop.sock_recvfrom(sock, 4096)
            assert (reply, sender) == (encode_frame(b'"ACK"0001L0#1234[]'), address)
            assert house.intake.signals[0].transport == "udp"
            assert house.intake.signals[0].peer == f"127.0.0.1:{sock.getsockname()[1]}"
            assert house.gateway.counters["bad_incomplete"] == 1


async def test_datagrams_wait_in_the_socket_while_the_store_is_behind(start):
    async with start(commits_at_once=False, max_waiting=4) as house:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for n in range(1, 21):
                await loop.sock_sendto(sock, burglary(sequence=n), ("127.0.0.1", house.gateway.health().udp_port))
            await house.until(lambda: house.gateway.waiting == 4)
            house.intake.commits_at_once = True
            house.intake.commit()
            async with asyncio.timeout(5):
                got = {(await loop.sock_recv(sock, 4096))[14:18] for _ in range(20)}
        assert got == {b"%04d" % n for n in range(1, 21)}


async def test_a_busy_port_is_named_in_a_clear_error(start):
    async with start() as house:
        port = house.gateway.health().tcp_port
        second = House(Dc09Config(port=port))
        with pytest.raises(TocsinError, match=f"port {port} .TCP.: another program has it") as caught:
            await second.gateway.start()
        assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_stopping_answers_what_is_being_committed_and_closes_the_rest():
    house = House(Dc09Config(port=0), commits_at_once=False)
    await house.gateway.start()
    async with dial(house) as peer:
        peer.writer.write(burglary())
        await house.until(lambda: house.gateway.waiting == 1)
        stopping = asyncio.create_task(house.gateway.stop())
        await asyncio.sleep(0)
        house.intake.commit()
        await stopping
        async with asyncio.timeout(5):
            assert await peer.reader.read() == encode_frame(b'"ACK"0001L0#1234[]')
    assert house.gateway.health().connections == 0
