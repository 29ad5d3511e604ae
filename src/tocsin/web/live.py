"""The live feed: a committed change is encoded once, joined once per class of listeners, written once per client.

Listeners with the same permissions and area form a class and get the same bytes. A client whose socket does not drain
is not waited for: what it misses becomes one `gap` frame once it has drained, and it reads again. Nothing is kept per
client but its place. Missed changes after a break are read from the outbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from prometheus_client.core import Metric
from starlette.websockets import WebSocket, WebSocketDisconnect

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.incident_events import AlarmRaised
from tocsin.domain.notices import Notice
from tocsin.web.frames import text_frame
from tocsin.web.metrics import counter, gauge
from tocsin.web.server import TRANSPORT
from tocsin.web.services import Announcement, FeedStore

BEHIND_BYTES = 1024 * 1024  # more than this waiting in a client's socket: it is skipped until it has drained
DRAINED_BYTES = 64 * 1024
TICK_S = 5.0
TOGETHER_S = 0.02
LOOK_S = 0.1
RECHECK_S = 2.0
STALLED_S = 60.0
RESUME_ENTRIES = 20_000  # further behind than this, reading again is cheaper than being told
PAGE_ENTRIES = 500
MAX_CLIENTS = 2_000
REMEMBERED_REPORTS = 20_000
SESSION_ENDED = 4401
ALARM_RAISED = AlarmRaised.FEED_TYPE

Recheck = Callable[[], Awaitable[Actor | None]]


class Reports(Protocol):
    """Where the moments that only a console knows go: t4 and t6."""

    async def presented(self, actor: Actor, incident_ids: Sequence[str]) -> None:
        """Keep that a console has painted these incidents."""

    async def first_frame(self, actor: Actor, view_id: str, channel_id: str) -> None:
        """Keep that a console has painted the first picture of a channel."""

    async def session_ended(self, session_id: str) -> None:
        """End what a session that ended still holds open."""


class _FirstFrame(msgspec.Struct, frozen=True):
    view: str
    channel: str


class _FromClient(msgspec.Struct, frozen=True):
    presented: list[str] = []
    first_frame: _FirstFrame | None = None


_from_client = msgspec.json.Decoder(_FromClient)
_encode = msgspec.json.Encoder().encode


class Batch:
    """Payloads for one class of listeners; the framed bytes are made once, when the first socket needs them."""

    __slots__ = ("_framed", "payloads", "size_bytes")

    def __init__(self, payloads: list[bytes]) -> None:
        self.payloads = payloads
        self.size_bytes = sum(map(len, payloads))  # once, not for each client
        self._framed: bytes | None = None

    @property
    def framed(self) -> bytes:
        """All payloads as WebSocket frames, in one piece."""
        if self._framed is None:
            self._framed = b"".join([text_frame(payload) for payload in self.payloads])
        return self._framed


class TransportSink:
    """Writes finished frames straight to the socket's transport; never waits."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def send(self, batch: Batch) -> None:
        """Write a batch in one call."""
        if not self._transport.is_closing():
            self._transport.write(batch.framed)

    def waiting_bytes(self) -> int:
        """Return what the peer has not taken yet."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()


class QueueSink:
    """The same through plain ASGI, for servers that lend no transport: a queue, and a task that sends from it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._task = asyncio.create_task(self._pump(), name="feed-pump")

    def send(self, batch: Batch) -> None:
        """Queue a batch."""
        for payload in batch.payloads:
            self._waiting_bytes += len(payload)
            self._queue.put_nowait(payload)

    def waiting_bytes(self) -> int:
        """Return what has not been sent yet."""
        return self._waiting_bytes

    def abort(self) -> None:
        """Stop sending."""
        self._task.cancel()

    async def _pump(self) -> None:
        while True:
            payload = await self._queue.get()
            try:
                await self._websocket.send_text(payload.decode())
            except (WebSocketDisconnect, RuntimeError):
                return
            self._waiting_bytes -= len(payload)


Sink = TransportSink | QueueSink


class _Class:
    """Listeners that may hear the same things."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._scopes: dict[str, Scope] = {}
        self._memo: dict[tuple[str, str], bool] = {}
        self._has_ids = bool(actor.granted_ids)
        self.clients: set[Client] = set()

    def hears(self, item: Announcement) -> bool:
        """Say whether this class may hear a change."""
        key = (item.permission, item.jurisdiction_code)
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) > 10_000:
                self._memo.clear()
            known = self._memo[key] = self._scope(item.permission).covers(item.jurisdiction_code)
        return known or (self._has_ids and self._scope(item.permission).covers(item.jurisdiction_code, item.subject_id))

    def sees(self, permission: Permission, jurisdiction_code: str) -> bool:
        """Say whether the class may know of something of that area."""
        return self._scope(permission.value).covers(jurisdiction_code)

    def may(self, permission: Permission) -> bool:
        """Say whether the class holds a permission."""
        return self._actor.may(permission)

    def _scope(self, permission: str) -> Scope:
        found = self._scopes.get(permission)
        if found is None:
            known = permission in Permission._value2member_map_
            found = self._scopes[permission] = scope(self._actor, Permission(permission)) if known else Scope()
        return found


class Client:
    """One console's feed."""

    __slots__ = (
        "actor",
        "checked_s",
        "ended",
        "floor",
        "gap_from",
        "gapped_s",
        "group",
        "recheck",
        "sent_s",
        "session_id",
        "sink",
    )

    def __init__(self, actor: Actor, session_id: str, sink: Sink, recheck: Recheck, now_s: float) -> None:
        self.actor = actor
        self.session_id = session_id
        self.sink = sink
        self.recheck = recheck
        self.group: _Class | None = None
        self.floor = 0  # changes up to this number were sent during the resume
        self.gap_from = 0  # first change it missed; 0 when it has all
        self.gapped_s = 0.0
        self.sent_s = now_s
        self.checked_s = now_s
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """Ask the endpoint to close the socket."""
        if not self.ended.done():
            self.ended.set_result(reason)


@dataclass(slots=True)
class FeedFigures:
    """Counts since the start."""

    changes: int = 0
    batches: int = 0
    sent_bytes: int = 0
    gaps: int = 0
    resumes: int = 0
    ignored: int = 0


class Feed:
    """Tells consoles what was committed."""

    def __init__(
        self,
        store: FeedStore,
        clock: Clock,
        reports: Reports,
        *,
        tick_s: float = TICK_S,
        recheck_s: float = RECHECK_S,
        on_left: Callable[[str], Awaitable[None]] | None = None,
        on_told: Callable[[Sequence[tuple[str, int]], datetime], None] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._reports = reports
        self._tick_s = tick_s
        self._recheck_s = recheck_s
        self._on_left = on_left
        self._on_told = on_told
        self._head: int | None = None
        self._audit_head = 0
        self._told_s = clock.monotonic()
        self._classes: dict[object, _Class] = {}
        self._gapped: set[Client] = set()
        self._reported: dict[object, dict[str, None]] = {}
        self._ended_sessions: deque[str] = deque(maxlen=MAX_CLIENTS)
        self.figures = FeedFigures()
        self._waiting: list[Announcement] = []
        self._published_s = 0.0
        store.on_committed(self.hear)

    @property
    def clients(self) -> int:
        """How many feeds are open."""
        return sum(len(group.clients) for group in self._classes.values())

    # --- publishing: on the loop, never waits ---

    def hear(self, announcements: Sequence[Announcement]) -> None:
        """Take a committed group: told at once after a pause, else with what follows within `TOGETHER_S`.

        Small groups are committed many times within a blink; a write to each console for each of them is what costs.
        """
        if not announcements:
            return
        waiting = self._waiting
        if waiting and announcements[0].seq != waiting[-1].seq + 1:
            self._publish_waiting()  # another process committed in between: that gap must stay visible
        is_first = not self._waiting
        self._waiting.extend(announcements)
        if is_first:
            due_s = self._published_s + TOGETHER_S - self._clock.monotonic()
            if due_s <= 0:
                self._publish_waiting()
            else:
                asyncio.get_running_loop().call_later(due_s, self._publish_waiting)

    def _publish_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self._published_s = self._clock.monotonic()
        self.publish(waiting)

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """Send a committed group to every client that may hear of it."""
        if not announcements:
            return
        first, last = announcements[0].seq, announcements[-1].seq
        head, self._head = self._head, last
        self.figures.changes += len(announcements)
        if not self._classes:
            self._note_told(announcements)
            return
        if head is not None and first > head + 1:
            self._admit_missed(head + 1, first - 1)
        payloads = [payload_of(item) for item in announcements]
        whole: Batch | None = None
        now_s = self._clock.monotonic()
        for group in self._classes.values():
            picked = [payload for item, payload in zip(announcements, payloads, strict=True) if group.hears(item)]
            if not picked:
                continue
            if len(picked) == len(payloads):
                batch = whole = whole or Batch(payloads)
            else:
                batch = Batch(picked)
            for client in group.clients:
                if client.floor >= first:
                    self._offer_rest(client, group, announcements, payloads, now_s)
                else:
                    self._offer(client, batch, first, now_s)
        self._note_told(announcements)

    def _note_told(self, announcements: Sequence[Announcement]) -> None:
        """Say of each alarm to how many consoles it was told."""
        alarms = [item for item in announcements if item.type == ALARM_RAISED]
        if self._on_told is None or not alarms:
            return
        groups = self._classes.values()
        told = [(item.subject_id, sum(len(one.clients) for one in groups if one.hears(item))) for item in alarms]
        self._on_told(told, self._clock.now())

    def _admit_missed(self, first: int, last: int) -> None:
        """Tell everybody to read again: another process of ours (the command line) committed these changes."""
        for group in self._classes.values():
            for client in group.clients:
                if not client.gap_from and client.floor < last:
                    self._tell_gap(client, first, last)

    def _offer_rest(
        self,
        client: Client,
        group: _Class,
        announcements: Sequence[Announcement],
        payloads: Sequence[bytes],
        now_s: float,
    ) -> None:
        rest = [
            payload
            for item, payload in zip(announcements, payloads, strict=True)
            if item.seq > client.floor and group.hears(item)
        ]
        if rest:
            self._offer(client, Batch(rest), client.floor + 1, now_s)

    def _offer(self, client: Client, batch: Batch, first: int, now_s: float) -> None:
        if client.gap_from:
            return
        if client.sink.waiting_bytes() > BEHIND_BYTES:
            client.gap_from = first
            client.gapped_s = now_s
            self._gapped.add(client)
            return
        self._send(client, batch, now_s)

    def _send(self, client: Client, batch: Batch, now_s: float) -> None:
        client.sink.send(batch)
        client.sent_s = now_s
        self.figures.batches += 1
        self.figures.sent_bytes += batch.size_bytes

    def end_sessions(self, session_ids: Sequence[str]) -> None:
        """Close the feeds of sessions that ended; what else they hold is ended by `run`."""
        self._ended_sessions.extend(session_ids)
        ended = frozenset(session_ids)
        for group in self._classes.values():
            for client in group.clients:
                if client.session_id in ended:
                    client.end("session ended")

    def tell_notice(self, what: str, notice: Notice) -> None:
        """Tell at once of a notice that cannot pass through the store: `what` is raised or cleared; it has no `seq`."""
        at = iso(self._clock.now())
        data = notice.form()
        batch = Batch([_encode({"type": f"notice.{what}", "at": at, "id": notice.id, "data": data})])
        now_s = self._clock.monotonic()
        for group in self._classes.values():
            if group.sees(Permission.READ_REGISTRY, notice.jurisdiction_code):
                for client in group.clients:
                    if not client.gap_from:
                        self._send(client, batch, now_s)

    # --- one console ---

    async def serve(
        self, websocket: WebSocket, actor: Actor, recheck: Recheck, after: int | None, *, session_id: str = ""
    ) -> None:
        """Serve one accepted socket until it closes, its session ends, or it stalls."""
        transport = websocket.scope.get("extensions", {}).get(TRANSPORT)
        sink: Sink = QueueSink(websocket) if transport is None else TransportSink(transport)
        client = Client(actor, session_id, sink, recheck, self._clock.monotonic())
        listening = asyncio.create_task(self._listen(client, websocket), name="feed-listen")
        resuming = asyncio.create_task(self._resume(client, after), name="feed-resume")
        try:
            await asyncio.wait((listening, resuming), return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                if resuming.exception() is not None:
                    client.end("unavailable")
                ends: list[asyncio.Future[Any]] = [listening, client.ended]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if client.ended.done() and not listening.done():
                if client.sink.waiting_bytes() > DRAINED_BYTES:
                    client.sink.abort()
                else:
                    await websocket.close(SESSION_ENDED, client.ended.result())
        finally:
            self._leave(client)
            for task in (listening, resuming):
                task.cancel()
            await asyncio.gather(listening, resuming, return_exceptions=True)
            if isinstance(sink, QueueSink):
                sink.abort()
            if self._on_left is not None and session_id and not self._has_session(session_id):
                await self._on_left(session_id)

    def _has_session(self, session_id: str) -> bool:
        """Say whether another feed of this session is open."""
        return any(client.session_id == session_id for group in self._classes.values() for client in group.clients)

    async def _listen(self, client: Client, websocket: WebSocket) -> None:
        """Take the console's reports until it leaves."""
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None:
                await self._take(client, text)
            else:
                self.figures.ignored += 1

    async def _take(self, client: Client, text: str) -> None:
        try:
            report = _from_client.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            self.figures.ignored += 1
            return
        ids = [one for one in report.presented[:500] if len(one) <= 64]
        if len(ids) != len(report.presented) or (not ids and report.first_frame is None):
            self.figures.ignored += 1
        try:
            new = self._unreported(client.actor, ids)
            if new:
                await self._reports.presented(client.actor, new)
            if report.first_frame is not None:
                await self._reports.first_frame(client.actor, report.first_frame.view, report.first_frame.channel)
        except TocsinError:
            self.figures.ignored += 1

    def _unreported(self, actor: Actor, incident_ids: Iterable[str]) -> list[str]:
        """Return those that nobody of the same rights has reported yet, and remember them: only the first counts."""
        known = self._reported.setdefault(_class_key(actor), {})
        new = [one for one in dict.fromkeys(incident_ids) if one not in known]
        known.update(dict.fromkeys(new))
        while len(known) > REMEMBERED_REPORTS:
            del known[next(iter(known))]
        return new

    async def _resume(self, client: Client, after: int | None) -> None:
        """Say hello, send what was missed, and join the live ones without losing or repeating a change."""
        if self._waiting:
            self._publish_waiting()  # "now" includes what is about to be told
        head = await self._current()
        hello = {"type": "hello", "seq": head, "server_time": iso(self._clock.now()), "seat": client.actor.seat}
        self._send(client, Batch([_encode(hello)]), self._clock.monotonic())
        if after is None or after == head:
            self._join(client, self._head or head)
            return
        self.figures.resumes += 1
        oldest = 0 if after > head else await self._store.read(_oldest)
        head = self._head or head
        if after > head or after + 1 < oldest or head - after > RESUME_ENTRIES:
            self._tell_gap(client, min(after + 1, head), head)
            self._join(client, head)
            return
        group = _Class(client.actor)
        position = after
        while True:
            items = await self._store.read(_after, position, PAGE_ENTRIES)
            payloads = [payload_of(item) for item in items if group.hears(item)]
            if payloads:
                self._send(client, Batch(payloads), self._clock.monotonic())
            if items:
                position = items[-1].seq
            if not items or position >= (self._head or 0):
                self._join(client, position)
                return
            while client.sink.waiting_bytes() > BEHIND_BYTES:
                await self._clock.sleep(LOOK_S)

    def _join(self, client: Client, position: int) -> None:
        client.floor = position
        key = _class_key(client.actor)
        group = self._classes.get(key)
        if group is None:
            group = self._classes[key] = _Class(client.actor)
        group.clients.add(client)
        client.group = group

    def _leave(self, client: Client) -> None:
        self._gapped.discard(client)
        group = client.group
        if group is not None:
            group.clients.discard(client)
            if not group.clients:
                self._classes = {key: kept for key, kept in self._classes.items() if kept is not group}

    def _tell_gap(self, client: Client, first: int, last: int) -> None:
        self.figures.gaps += 1
        self._send(client, Batch([_encode({"type": "gap", "from": first, "to": last})]), self._clock.monotonic())

    async def _current(self) -> int:
        if self._head is None:
            head = await self._store.read(_head)
            self._head = max(head, self._head or 0)
        return self._head

    # --- timed work ---

    async def run(self) -> None:
        """Look after the clients: gaps, ticks, ended sessions, the audit head. Runs until cancelled."""
        await self._current()
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look after the clients once."""
        now_s = self._clock.monotonic()
        self._mend_gaps(now_s)
        self._tick(now_s)
        await self._recheck(now_s)
        while self._ended_sessions:
            await self._reports.session_ended(self._ended_sessions[0])
            self._ended_sessions.popleft()
        if now_s - self._told_s >= self._tick_s and self._classes:
            self._told_s = now_s
            await self._tell_audit_head()

    def _mend_gaps(self, now_s: float) -> None:
        for client in list(self._gapped):
            if client.sink.waiting_bytes() <= DRAINED_BYTES:
                self._gapped.discard(client)
                first, client.gap_from = client.gap_from, 0
                self._tell_gap(client, first, self._head or first)
            elif now_s - client.gapped_s > STALLED_S:
                client.end("stalled")

    def _tick(self, now_s: float) -> None:
        tick: Batch | None = None
        for group in self._classes.values():
            for client in group.clients:
                if now_s - client.sent_s >= self._tick_s and not client.gap_from:
                    if tick is None:
                        text = {"type": "tick", "seq": self._head, "server_time": iso(self._clock.now())}
                        tick = Batch([_encode(text)])
                    self._send(client, tick, now_s)

    async def _recheck(self, now_s: float) -> None:
        """End the feeds of ended sessions; move those whose rights changed to their new class."""
        due = [
            client
            for group in self._classes.values()
            for client in group.clients
            if now_s - client.checked_s >= self._recheck_s
        ]
        for client in due:
            client.checked_s = now_s
            try:
                actor = await client.recheck()
            except TocsinError:
                continue  # the store cannot be asked at the moment: looked at again in two seconds
            if actor is None:
                self.end_sessions([client.session_id])
            elif client.group is not None and _class_key(actor) != _class_key(client.actor):
                self._leave(client)
                client.actor, client.gap_from = actor, 0
                self._join(client, self._head or 0)
                self._tell_gap(client, self._head or 0, self._head or 0)

    async def _tell_audit_head(self) -> None:
        if not any(group.may(Permission.READ_AUDIT) for group in self._classes.values()):
            return
        seq, digest = await self._store.read(_audit_head)
        if seq == self._audit_head:
            return
        self._audit_head = seq
        at = iso(self._clock.now())
        text = {"type": "audit.head", "at": at, "id": "audit", "data": {"seq": seq, "hash": digest, "at": at}}
        batch = Batch([_encode(text)])
        now_s = self._clock.monotonic()
        for group in self._classes.values():
            if group.may(Permission.READ_AUDIT):
                for client in group.clients:
                    if not client.gap_from:
                        self._send(client, batch, now_s)

    def metrics(self) -> Iterator[Metric]:
        """Yield the feed's figures."""
        figures = self.figures
        yield gauge("feed_clients", "Open feeds", self.clients)
        yield counter("feed_changes", "Changes told", figures.changes)
        yield counter("feed_batches", "Writes to sockets", figures.batches)
        yield counter("feed_sent_bytes", "Bytes of payload written", figures.sent_bytes)
        yield counter("feed_gaps", "Gap frames sent", figures.gaps)
        yield counter("feed_resumes", "Feeds resumed after a break", figures.resumes)
        yield counter("feed_ignored_messages", "Client messages that made no sense", figures.ignored)


_seconds: dict[int, str] = {}


def payload_of(item: Announcement) -> bytes:
    """Return the JSON text of one change: `{"seq","at","type","id","data"}`."""
    second, micros = divmod(item.at_us, 1_000_000)
    prefix = _seconds.get(second)
    if prefix is None:
        if len(_seconds) > 1_000:
            _seconds.clear()
        prefix = _seconds[second] = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    head = f'{{"seq":{item.seq},"at":"{prefix}.{micros:06d}Z","type":"{item.type}","id":'
    return b"".join((head.encode(), _encode(item.subject_id), b',"data":', item.data, b"}"))


def _class_key(actor: Actor) -> tuple[object, ...]:
    return actor.roles, tuple(sorted(actor.jurisdiction_codes)), actor.granted_ids, actor.is_disabled


def _head(tx: Any) -> int:
    return int(tx.outbox.head())


def _oldest(tx: Any) -> int:
    return int(tx.outbox.oldest())


def _after(tx: Any, seq: int, limit: int) -> list[Announcement]:
    found: list[Announcement] = tx.outbox.after(seq, limit)
    return found


def _audit_head(tx: Any) -> tuple[int, str]:
    head: tuple[int, str] = tx.audit.head()
    return head
