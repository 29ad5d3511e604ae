"""The feed: order, visibility, resume, slow clients, ended sessions, reports; over a real socket and through ASGI."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from tests.support.clocks import START, FixedClock
from tocsin.base.clock import SystemClock
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Role
from tocsin.domain.audit import AuditEntry
from tocsin.domain.store import FeedEntry
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import SqliteStore
from tocsin.storage.uow import Announcement, Transaction
from tocsin.web import live
from tocsin.web.live import Feed, payload_of
from tocsin.web.server import FeedProtocol, Server, listen, make_server

OPERATOR = Actor("u1", "Li", frozenset({Role.OPERATOR}), ("3402",), is_on_duty=True, seat="A1")
ELSEWHERE = Actor("u2", "Wang", frozenset({Role.OPERATOR}), ("3501",))
ADMINISTRATOR = Actor("u3", "Zhao", frozenset({Role.ADMINISTRATOR}), ("3402",))
AUDITOR = Actor("u4", "Sun", frozenset({Role.AUDITOR}), ("3402",))


class KeptReports:
    """Remembers what consoles reported."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.frames: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.is_complete = asyncio.Event()

    async def presented(self, actor: Actor, incident_ids: Sequence[str]) -> None:
        self.shown.extend(incident_ids)
        self._look()

    async def first_frame(self, actor: Actor, view_id: str, channel_id: str) -> None:
        self.frames.append((view_id, channel_id))
        self._look()

    async def session_ended(self, session_id: str) -> None:
        self.ended.append(session_id)

    def _look(self) -> None:
        if len(self.shown) >= 3 and self.frames:
            self.is_complete.set()


class Hall:
    """A feed on a real store behind a real server; `actors` says who a token is."""

    def __init__(self, store: SqliteStore, feed: Feed, reports: KeptReports, url: str) -> None:
        self.store = store
        self.feed = feed
        self.reports = reports
        self.url = url
        self.left: list[str] = []
        self.actors = {"li": OPERATOR, "wang": ELSEWHERE, "zhao": ADMINISTRATOR, "sun": AUDITOR}

    async def say(self, *names: str, code: str = "3402", permission: str = "read_incidents", pad: int = 0) -> None:
        """Commit one change for each name."""

        def _say(tx: Transaction, name: str) -> None:
            data = {"name": name, "pad": "x" * pad}
            tx.announce(FeedEntry(START, "incident.opened", name, code, data, permission))

        await asyncio.gather(*(self.store.run(_say, name) for name in names))

    @asynccontextmanager
    async def listener(self, token: str = "li", after: int | None = None) -> AsyncIterator[ClientConnection]:
        suffix = "" if after is None else f"&after={after}"
        async with connect(f"{self.url}?token={token}{suffix}", compression=None) as socket:
            yield socket


@pytest.fixture
async def hall(tmp_path: Path, empty_database: Path) -> AsyncIterator[Hall]:
    url = f"sqlite:///{shutil.copy(empty_database, tmp_path / 'tocsin.db')}"
    store = SqliteStore(url, SystemClock(), HeadsFile(tmp_path / "audit.heads"))
    await store.start()
    reports = KeptReports()
    left: list[str] = []

    async def _note_left(session_id: str) -> None:
        left.append(session_id)

    feed = Feed(store, SystemClock(), reports, tick_s=1.0, recheck_s=0.1, on_left=_note_left)
    listener = listen("127.0.0.1", 0)
    made = Hall(store, feed, reports, f"ws://127.0.0.1:{listener.getsockname()[1]}/feed")

    made.left = left

    async def _app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        token = websocket.query_params["token"]
        after = websocket.query_params.get("after")
        await websocket.accept()

        async def _recheck() -> Actor | None:
            return made.actors.get(token)

        await feed.serve(
            websocket, made.actors[token], _recheck, None if after is None else int(after), session_id=token
        )

    server: Server = make_server(_app)
    serving = asyncio.create_task(server.serve_on([listener]))
    watching = asyncio.create_task(feed.run())
    yield made
    watching.cancel()
    server.should_exit = True
    await serving
    await asyncio.gather(watching, return_exceptions=True)
    await store.stop()


async def _hear(socket: ClientConnection, count: int) -> list[Any]:
    """Return the next `count` frames that are not ticks."""
    heard: list[Any] = []
    while len(heard) < count:
        frame = msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10))
        if frame["type"] != "tick":
            heard.append(frame)
    return heard


async def test_a_console_hears_each_change_once_in_the_order_of_commits(hall: Hall) -> None:
    async with hall.listener() as socket:
        hello = (await _hear(socket, 1))[0]
        assert (hello["type"], hello["seq"], hello["seat"]) == ("hello", 0, "A1")
        names = [f"n{number}" for number in range(200)]
        await hall.say(*names)
        heard = await _hear(socket, 200)
    assert [frame["seq"] for frame in heard] == list(range(1, 201))
    assert [frame["data"]["name"] for frame in heard] == names
    assert heard[0]["at"] == "2026-11-22T02:14:07.000000Z"
    assert {frame["id"] for frame in heard} == set(names)


async def test_a_change_of_another_area_or_another_permission_is_not_heard(hall: Hall) -> None:
    async with hall.listener("li") as li, hall.listener("wang") as wang, hall.listener("zhao") as zhao:
        for socket in (li, wang, zhao):
            await _hear(socket, 1)
        await hall.say("a", code="340223")
        await hall.say("b", code="3501")
        await hall.say("c", code="3402", permission="read_registry")
        await hall.say("d", code="3402", permission="nobody_holds_this")
        await hall.say("e", code="340223")
        await hall.say("f", code="3501")
        assert [frame["id"] for frame in await _hear(li, 3)] == ["a", "c", "e"]
        assert [frame["id"] for frame in await _hear(wang, 2)] == ["b", "f"]
        assert [frame["id"] for frame in await _hear(zhao, 1)] == ["c"]


async def test_a_client_that_comes_back_is_told_what_it_missed_and_nothing_twice(hall: Hall) -> None:
    await hall.say(*(f"n{number}" for number in range(1, 1301)))
    async with hall.listener(after=700) as socket:
        saying = asyncio.create_task(hall.say(*(f"n{number}" for number in range(1301, 1401))))
        heard = await _hear(socket, 701)
        await saying
    assert heard[0]["type"] == "hello"
    assert [frame["seq"] for frame in heard[1:]] == list(range(701, 1401))


async def test_a_client_with_a_number_we_never_gave_is_told_to_read_again(hall: Hall) -> None:
    await hall.say("a", "b")
    async with hall.listener(after=99) as socket:
        hello, gap = await _hear(socket, 2)
        assert hello["seq"] == 2
        assert gap == {"type": "gap", "from": 2, "to": 2}
        await hall.say("c")
        assert (await _hear(socket, 1))[0]["seq"] == 3


async def test_a_client_older_than_what_is_kept_gets_a_gap(hall: Hall) -> None:
    await hall.say("a", "b", "c", "d")
    await hall.store.run(lambda tx: tx.outbox.trim(to_us(START) + 1))
    await hall.say("e")
    async with hall.listener(after=1) as socket:
        assert (await _hear(socket, 2))[1] == {"type": "gap", "from": 2, "to": 5}
        await hall.say("f")
        assert (await _hear(socket, 1))[0]["seq"] == 6


async def test_a_slow_client_is_not_waited_for_and_gets_a_gap_when_it_has_drained(hall: Hall) -> None:
    async with (
        hall.listener("li") as quick,
        connect(f"{hall.url}?token=li", compression=None, max_queue=1, max_size=None) as slow,
    ):
        await _hear(quick, 1)
        slow.transport.pause_reading()
        sent = 0
        for _ in range(60):
            if hall.feed._gapped:
                break
            await hall.say(*(f"s{sent + number}" for number in range(40)), pad=10_000)
            sent += 40
            assert (await _hear(quick, 40))[0]["id"] == f"s{sent - 40}"
        assert len(hall.feed._gapped) == 1
        slow.transport.resume_reading()
        heard: list[Any] = []
        while not heard or heard[-1]["type"] != "gap":
            heard.extend(await _hear(slow, 1))
        await hall.say("last")
        after = (await _hear(slow, 1))[0]
    told = [frame["seq"] for frame in heard[1:-1]]
    assert told == list(range(1, told[-1] + 1))
    assert heard[-1] == {"type": "gap", "from": told[-1] + 1, "to": sent}
    assert after["seq"] == sent + 1


async def test_an_ended_session_closes_its_feed_and_a_changed_role_hears_anew(hall: Hall) -> None:
    async with hall.listener("li") as li, hall.listener("wang") as wang:
        await _hear(li, 1)
        await _hear(wang, 1)
        del hall.actors["li"]
        hall.actors["wang"] = OPERATOR
        with pytest.raises(Exception, match="4401"):
            await asyncio.wait_for(li.recv(), 10)
        assert (await _hear(wang, 1))[0]["type"] == "gap"
        await hall.say("a", code="3402")
        assert (await _hear(wang, 1))[0]["id"] == "a"
    assert hall.reports.ended == ["li"]


async def test_the_end_of_a_sessions_last_feed_is_told_once(hall: Hall) -> None:
    async with hall.listener() as first, hall.listener("wang") as other:
        async with hall.listener() as second:
            await asyncio.gather(_hear(first, 1), _hear(second, 1), _hear(other, 1))
        async with asyncio.timeout(5):
            while hall.feed.clients > 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert hall.left == []
    async with asyncio.timeout(5):
        while len(hall.left) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert sorted(hall.left) == ["li", "wang"]


async def test_reports_of_consoles_are_handed_on_once_and_nonsense_is_counted(hall: Hall) -> None:
    async with hall.listener("li") as one, hall.listener("li") as other:
        for socket in (one, other):
            await _hear(socket, 1)
        for text in ("{", "[]", '{"presented":"x"}', '{"presented":[1]}', "{}", '{"first_frame":{"view":"v"}}'):
            await one.send(text)
        await one.send(b"\x00\xff")
        await one.send('{"presented":["i1","i2"]}')
        await other.send('{"presented":["i2","i3"]}')
        await one.send('{"first_frame":{"view":"v1","channel":"c1"}}')
        await asyncio.wait_for(hall.reports.is_complete.wait(), 10)
    assert sorted(hall.reports.shown) == ["i1", "i2", "i3"]
    assert hall.reports.frames == [("v1", "c1")]
    assert hall.feed.figures.ignored == 7


async def test_the_head_of_the_audit_is_told_to_those_who_may_read_it(hall: Hall) -> None:
    async with hall.listener("sun") as sun, hall.listener("li") as li:
        await _hear(sun, 1)
        await _hear(li, 1)
        await hall.store.refuse(AuditEntry(START, "user", "u", "x", "y", "z"))
        frame = (await _hear(sun, 1))[0]
        assert frame["type"] == "audit.head"
        assert frame["data"]["seq"] == 1
        tick = msgspec.json.decode(await asyncio.wait_for(li.recv(), 10))
        assert tick["type"] == "tick"


async def test_what_another_process_committed_is_admitted_as_a_gap(hall: Hall) -> None:
    async with hall.listener() as socket:
        await _hear(socket, 1)
        await hall.say("a")
        hall.feed.publish([Announcement(5, to_us(START), "unit.changed", "u", "3402", "read_incidents", b"{}")])
        own, gap, change = await _hear(socket, 3)
    assert own["seq"] == 1
    assert gap == {"type": "gap", "from": 2, "to": 4}
    assert change["seq"] == 5


class _FakeStore(SimpleNamespace):
    def on_committed(self, listener: Any) -> None:
        self.listener = listener

    async def read(self, work: Any, *args: Any) -> Any:
        return 7


async def test_without_a_lent_transport_the_feed_speaks_plain_asgi_and_ticks_in_silence() -> None:
    clock = FixedClock()
    feed = Feed(_FakeStore(), clock, KeptReports())  # type: ignore[arg-type]
    sent: asyncio.Queue[Any] = asyncio.Queue()
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "extensions": {}}
    websocket = WebSocket(scope, incoming.get, sent.put)
    await websocket.accept()

    async def _recheck() -> Actor | None:
        return OPERATOR

    serving = asyncio.create_task(feed.serve(websocket, OPERATOR, _recheck, None))
    watching = asyncio.create_task(feed.run())
    assert (await sent.get())["type"] == "websocket.accept"
    assert msgspec.json.decode((await sent.get())["text"])["seq"] == 7
    for seq in (8, 9):
        feed.publish([Announcement(seq, to_us(START), "unit.changed", "u", "3402", "read_incidents", b"{}")])
    assert [msgspec.json.decode((await sent.get())["text"])["seq"] for _ in range(2)] == [8, 9]
    while sent.empty():
        clock.advance(live.LOOK_S)
        await asyncio.sleep(0)
    tick = msgspec.json.decode((await sent.get())["text"])
    assert (tick["type"], tick["seq"]) == ("tick", 9)
    assert tick["server_time"] >= "2026-11-22T02:14:12"
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    watching.cancel()
    assert feed.clients == 0


def test_a_change_is_written_as_json_whatever_its_id_holds() -> None:
    item = Announcement(5, 1_500_000, "device.changed", 'a"b\\', "", "read_registry", b'{"n":1}')
    assert msgspec.json.decode(payload_of(item)) == {
        "seq": 5,
        "at": "1970-01-01T00:00:01.500000Z",
        "type": "device.changed",
        "id": 'a"b\\',
        "data": {"n": 1},
    }


def test_the_protocol_is_the_one_that_lends_its_transport() -> None:
    assert make_server(lambda scope: None).config.ws is FeedProtocol  # type: ignore[arg-type, misc]
