"""A simulated upper platform: lower ones register; it asks, subscribes, invites, counts pictures, moves cameras.

The upper side of our own codecs, usable against any lower platform. It registers nowhere itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogItem, CatalogSet, items_of
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.history_sdp import HistoryWish, history_offer
from tocsin.protocols.gb28181.manscdp import (
    CONTENT_TYPE,
    BadDocument,
    Document,
    Pair,
    build_document,
    parse_document,
    result_response,
)
from tocsin.protocols.gb28181.mansrtsp import CONTENT_TYPE as STEERING_TYPE
from tocsin.protocols.gb28181.mansrtsp import is_end_of_file
from tocsin.protocols.gb28181.recordings import RECORD_INFO, RecordAssembler, RecordSet, gb_time
from tocsin.protocols.gb28181.register import ChallengeIt, KnownDevice, RefuseIt, Registrar, grant_headers
from tocsin.protocols.gb28181.ssrc import SsrcPool
from tocsin.protocols.rtp.framing import PacketReader
from tocsin.protocols.sip.codes import DEFAULT_TIMERS, Timers, Transport
from tocsin.protocols.sip.dialog import Accepted, Ended, InviteClient, Local, Rejected, Unanswered
from tocsin.protocols.sip.digest import Nonces
from tocsin.protocols.sip.message import (
    Headers,
    Request,
    Response,
    new_branch,
    parse_datagram,
    response_to,
    tag_of,
    via_value,
)
from tocsin.protocols.sip.sdp import Answer, MediaMode, judge_answer, make_offer
from tocsin.protocols.sip.transaction import Answered, ClientTransaction, Send, TimedOut
from tocsin.sim.platform_view import SimView

ANSWER_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """Who it is. `refuses_as` answers every registration with that status; `reveals` then names its true id."""

    gb_id: str = "34020000002000000001"
    realm: str = "3402000000"
    password: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    sha256: bool = False
    refuses_as: int = 0
    reveals: str = ""
    is_silent: bool = False


@dataclass(slots=True)
class Lower:
    """A lower platform that registered."""

    gb_id: str
    address: tuple[str, int]
    keepalives: int = 0
    is_registered: bool = True
    items: dict[str, CatalogItem] = field(default_factory=dict)


@dataclass(slots=True)
class PlatformReport:
    """What happened."""

    registrations: int = 0
    sign_offs: int = 0
    keepalives: int = 0
    documents: list[Document] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)  # catalogue events: event, id
    byes: int = 0


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, addr)


class SimPlatform:
    """An upper platform on one UDP socket."""

    def __init__(
        self, plan: PlatformPlan, clock: Clock, new_word: Callable[[], str], timers: Timers = DEFAULT_TIMERS
    ) -> None:
        self.plan = plan
        self.report = PlatformReport()
        self.lowers: dict[str, Lower] = {}
        self.changed = asyncio.Event()
        self.port = 0
        self._clock = clock
        self._new_word = new_word
        self._timers = timers
        self._registrar = Registrar(plan.realm, Nonces(b"simulated platform"))
        self._pool = SsrcPool(plan.gb_id)
        self._history_pool = SsrcPool(plan.gb_id, is_history=True)
        self._records = RecordAssembler(ANSWER_WITHIN_S, ANSWER_WITHIN_S)
        self._lists: dict[int, asyncio.Future[RecordSet]] = {}
        self._assembler = CatalogAssembler()
        self._sets: dict[int, asyncio.Future[CatalogSet]] = {}
        self._answers: dict[int, asyncio.Future[Document]] = {}
        self._waiting: dict[tuple[str, str], asyncio.Queue[Response]] = {}
        self._views: dict[str, SimView] = {}
        self._seen: dict[tuple[str, str], bytes] = {}
        self._dialogs: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sn = 0
        self._cseq = 0

    async def start(self) -> None:
        """Listen. Errors: OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        made, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._take), local_addr=(self.plan.host, self.plan.port)
        )
        self._transport = made
        self.port = made.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        """Hang up and close."""
        for view in self._views.values():
            view.hang_up()
            view.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    def now(self) -> float:
        """Return seconds that do not go back."""
        return self._clock.monotonic()

    # --- what it does ---

    async def wait(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True

    async def catalogue(self, lower_id: str, asked_id: str = "") -> CatalogSet:
        """Ask for the catalogue of a lower platform, or a subtree of it. Errors: TimeoutError."""
        sn = self._next_sn()
        future: asyncio.Future[CatalogSet] = asyncio.get_running_loop().create_future()
        self._sets[sn] = future
        self._assembler.ask(lower_id, sn, self.now())
        await self.tell(lower_id, "Query", "Catalog", asked_id or lower_id, sn=sn)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            found = await future
        if not asked_id or asked_id == lower_id:
            self.lowers[lower_id].items = {item.gb_id: item for item in found.items}
        return found

    async def ask(self, lower_id: str, command: str, asked_id: str, fields: list[Pair] | None = None) -> Document:
        """Ask a question and wait for the Response. Errors: TimeoutError."""
        return await self._answered(lower_id, "Query", command, asked_id, fields or [])

    async def order(
        self,
        lower_id: str,
        channel_id: str,
        fields: list[Pair],
        *,
        is_answered: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> tuple[int, Document | None]:
        """Send a DeviceControl; return the SIP status and the Response when one is expected."""
        sn = self._next_sn()
        future: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._answers[sn] = future
        response = await self.tell(lower_id, "Control", "DeviceControl", channel_id, fields, sn=sn, headers=headers)
        status = response.status if response is not None else 0
        if not is_answered:
            return status, None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return status, await future

    async def subscribe(
        self, lower_id: str, command: str, expires_s: int = 600, *, asked_id: str = "", interval_s: int | None = None
    ) -> int:
        """Subscribe to Catalog, Alarm or MobilePosition, refresh or end that; return the status."""
        key = f"{command} {asked_id}" if asked_id else command
        known = self._dialogs.get((lower_id, key))
        call_id, tag, remote = known or (self._new_word()[:20], self._new_word()[:8], "")
        body = build_document("Query", command, self._next_sn(), asked_id or lower_id, [("Interval", interval_s)])
        event = "Catalog;id=1894" if command == "Catalog" else "presence"
        fields = [
            ("From", f"<sip:{self.plan.gb_id}@{self.plan.realm}>;tag={tag}"),
            ("To", f"<sip:{lower_id}@{lower_id[:10]}>" + (f";tag={remote}" if remote else "")),
            ("Call-ID", call_id),
            ("Contact", f"<sip:{self.plan.gb_id}@{self.plan.host}:{self.port}>"),
            ("Event", event),
            ("Expires", str(expires_s)),
            ("Content-Type", CONTENT_TYPE),
        ]
        response = await self._request(lower_id, "SUBSCRIBE", lower_id, fields, body)
        if response is None:
            return 0
        if response.status == 200:
            self._dialogs[lower_id, key] = (call_id, tag, tag_of(response.headers.get("to")))
        return response.status

    async def play(
        self,
        lower_id: str,
        channel_id: str,
        mode: MediaMode = MediaMode.UDP,
        *,
        ssrc: int | None = -1,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> SimView:
        """Invite a channel; -1 takes a fresh stream number, None leaves y out."""
        return await self._call(lower_id, channel_id, mode, ssrc=ssrc, headers=headers)

    async def play_back(
        self,
        lower_id: str,
        channel_id: str,
        starts: datetime,
        ends: datetime,
        mode: MediaMode = MediaMode.UDP,
        *,
        download_speed: int = 0,
        ssrc: int | None = -1,
    ) -> SimView:
        """Ask for a recording, to watch or, with a speed, to keep."""
        wish = HistoryWish(channel_id, starts, ends, is_download=download_speed > 0, speed=max(1, download_speed))
        return await self._call(lower_id, channel_id, mode, ssrc=ssrc, wish=wish)

    async def records(self, lower_id: str, channel_id: str, starts: datetime, ends: datetime) -> RecordSet | int:
        """Ask for the recordings of a period; the status when the lower platform refuses. Errors: TimeoutError."""
        sn = self._next_sn()
        future: asyncio.Future[RecordSet] = asyncio.get_running_loop().create_future()
        self._lists[sn] = future
        self._records.ask(sn, self.now())
        fields: list[Pair] = [("StartTime", gb_time(starts)), ("EndTime", gb_time(ends)), ("Type", "all")]
        response = await self.tell(lower_id, "Query", RECORD_INFO, channel_id, fields, sn=sn)
        if response is None or response.status >= 300:
            return 0 if response is None else response.status
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await future

    async def inform(self, view: SimView, body: bytes) -> Response | None:
        """Send an INFO inside a call."""
        state = view.client.saved
        fields = [
            ("From", state.local),
            ("To", state.remote),
            ("Call-ID", state.call_id),
            ("CSeq", f"{view.client.take_cseq()} INFO"),
            ("Content-Type", STEERING_TYPE),
        ]
        return await self._send_request(view.peer, "INFO", state.target, fields, body)

    async def _call(
        self,
        lower_id: str,
        channel_id: str,
        mode: MediaMode,
        *,
        ssrc: int | None,
        headers: tuple[tuple[str, str], ...] = (),
        wish: HistoryWish | None = None,
    ) -> SimView:
        peer = self.lowers[lower_id].address
        made = None
        if mode is MediaMode.TCP_ACTIVE:
            port = 9
        else:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if mode is MediaMode.UDP else socket.SOCK_STREAM)
            made.setblocking(False)
            made.bind((self.plan.host, 0))
            port = made.getsockname()[1]
        pool = self._pool if wish is None else self._history_pool
        number = pool.take(self.now()) if ssrc == -1 else ssrc
        offer = make_offer(own_id=self.plan.gb_id, ip=self.plan.host, port=port, mode=mode, ssrc=number)
        if wish is not None:
            offer = history_offer(
                wish, own_id=self.plan.gb_id, ip=self.plan.host, port=port, mode=mode, ssrc=number or 0
            )
        local = Local(
            f"sip:{self.plan.gb_id}@{self.plan.realm}",
            f"sip:{self.plan.gb_id}@{self.plan.host}:{self.port}",
            self.plan.host,
            self.port,
            Transport.UDP,
        )
        client = InviteClient(
            target=f"sip:{channel_id}@{peer[0]}:{peer[1]}",
            to_uri=f"sip:{channel_id}@{channel_id[:10]}",
            local=local,
            call_id=self._new_word()[:24],
            tag=self._new_word()[:12],
            tokens=self._new_word,
            body=offer.encode(),
            headers=[("Subject", f"{channel_id}:{number or 0:010d},{self.plan.gb_id}:0"), *headers],
            answer_within_s=ANSWER_WITHIN_S,
            timers=self._timers,
        )
        view = SimView(self, client, peer)
        self._views[client.call_id] = view
        loop = asyncio.get_running_loop()
        if made is not None and mode is MediaMode.UDP:
            loop.add_reader(made.fileno(), self._drain, made, view)
            view.closers.append(lambda: _close(loop, made))
        elif made is not None:
            server = await asyncio.start_server(lambda r, w: self._read(view, r, w), sock=made)
            view.closers.append(server.close)
        self.perform(view, client.start(self.now()))
        self._start(self._drive(view))
        if await view.settled() == 200 and view.response is not None:
            judged = judge_answer(offer, view.response.body, mode)
            view.answer = judged if isinstance(judged, Answer) else None
            if mode is MediaMode.TCP_ACTIVE and view.answer is not None:
                reader, writer = await asyncio.open_connection(view.answer.ip, view.answer.port)
                self._start(self._read(view, reader, writer))
        else:
            view.close()
        return view

    async def tell(
        self,
        lower_id: str,
        root: str,
        command: str,
        device_id: str,
        fields: list[Pair] | None = None,
        *,
        sn: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response | None:
        """Send a document."""
        body = build_document(root, command, sn or self._next_sn(), device_id, fields or [], label=Label.GB2312)
        head = [
            ("From", f"<sip:{self.plan.gb_id}@{self.plan.realm}>;tag={self._new_word()[:8]}"),
            ("To", f"<sip:{device_id}@{device_id[:10]}>"),
            ("Call-ID", self._new_word()[:24]),
            ("Content-Type", CONTENT_TYPE),
            *headers,
        ]
        return await self._request(lower_id, "MESSAGE", device_id, head, body)

    # --- inside ---

    async def _answered(self, lower_id: str, root: str, command: str, asked_id: str, fields: list[Pair]) -> Document:
        sn = self._next_sn()
        future: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._answers[sn] = future
        await self.tell(lower_id, root, command, asked_id, fields, sn=sn)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await future

    async def _request(
        self, lower_id: str, method: str, target_id: str, fields: list[tuple[str, str]], body: bytes
    ) -> Response | None:
        host, port = self.lowers[lower_id].address
        self._cseq += 1
        head = [*fields, ("CSeq", f"{self._cseq} {method}")]
        return await self._send_request((host, port), method, f"sip:{target_id}@{host}:{port}", head, body)

    async def _send_request(
        self, peer: tuple[str, int], method: str, target: str, fields: list[tuple[str, str]], body: bytes
    ) -> Response | None:
        via = via_value(Transport.UDP, self.plan.host, self.port, new_branch(self._new_word()))
        hops = [] if any(name == "Max-Forwards" for name, _ in fields) else [("Max-Forwards", "70")]
        head = Headers([("Via", via), *fields, *hops])
        transaction = ClientTransaction(Request(method, target, head, body), is_reliable=False, timers=self._timers)
        queue: asyncio.Queue[Response] = asyncio.Queue()
        self._waiting[transaction.key] = queue
        try:
            outputs = transaction.start(self.now())
            while True:
                for output in outputs:
                    if isinstance(output, Send):
                        self._send(output.data, peer)
                    elif isinstance(output, Answered):
                        return output.response
                    elif isinstance(output, TimedOut):
                        return None
                due = transaction.timer()
                if due is None:
                    return None
                try:
                    async with asyncio.timeout(max(0.0, due - self.now())):
                        outputs = transaction.receive(await queue.get(), self.now())
                except TimeoutError:
                    outputs = transaction.handle_timer(max(due, self.now()))
        finally:
            self._waiting.pop(transaction.key, None)

    def perform(self, view: SimView, outputs: Sequence[object]) -> None:
        """Send and note what a call produced."""
        for output in outputs:
            if isinstance(output, Send):
                self._send(output.data, view.peer)
            elif isinstance(output, Accepted):
                view.response = output.response
                view.settle(200)
            elif isinstance(output, Rejected):
                view.response = output.response
                view.is_ended = True
                view.settle(output.response.status)
            elif isinstance(output, Unanswered):
                view.settle(0)
            elif isinstance(output, Ended):
                view.is_ended, view.ended_by_lower = True, output.by_peer
                view.close()
                view.changed.set()

    async def _drive(self, view: SimView) -> None:
        while not view.is_ended:
            due = view.client.timer()
            await self._clock.sleep(0.02 if due is None else max(0.005, min(0.05, due - self.now())))
            if due is not None and due <= self.now():
                self.perform(view, list(view.client.handle_timer(self.now())))

    def _take(self, data: bytes, peer: tuple[str, int]) -> None:
        if self.plan.is_silent:
            return
        message = parse_datagram(data)
        if isinstance(message, Response):
            self._take_response(message)
        elif isinstance(message, Request):
            self._take_request(message, peer)
        self.changed.set()

    def _take_response(self, response: Response) -> None:
        via = response.via
        queue = self._waiting.get((via.branch if via else "", response.method))
        if queue is not None:
            queue.put_nowait(response)
        elif (view := self._views.get(response.call_id)) is not None:
            if response.method == "INVITE" and response.status < 200:
                view.provisional.append(response.status)
            self.perform(view, list(view.client.receive(response, self.now())))

    def _take_request(self, request: Request, peer: tuple[str, int]) -> None:
        view = self._views.get(request.call_id)
        if view is not None:
            self.report.byes += request.method == "BYE"
            if request.method == "MESSAGE":
                document = parse_document(request.body)
                view.ends_told += not isinstance(document, BadDocument) and is_end_of_file(document)
                view.changed.set()
            self.perform(view, list(view.client.receive_request(request)))
            return
        via = request.via
        key = (via.branch if via else "", request.method)
        if key not in self._seen:
            if len(self._seen) > 4096:
                self._seen.clear()
            answer = self._register(request, peer) if request.method == "REGISTER" else self._document(request, peer)
            self._seen[key] = answer.encode()
        self._send(self._seen[key], peer)

    def _register(self, request: Request, peer: tuple[str, int]) -> Response:
        plan, tag = self.plan, self._new_word()[:8]
        if plan.refuses_as:
            warning = [("Warning", f'399 platform "this is {plan.reveals}"')] if plan.reveals else []
            return response_to(request, plan.refuses_as, to_tag=tag, source=peer, headers=warning)
        if request.uri.partition(":")[2].partition("@")[0] != plan.gb_id:
            return response_to(request, 404, to_tag=tag, source=peer)
        gb_id = request.from_user
        known = KnownDevice(gb_id, plan.password, sha256=plan.sha256)
        decision = self._registrar.decide(
            request, peer[0], known, now_s=int(self._clock.now().timestamp()), random_word=self._new_word()[:16]
        )
        if isinstance(decision, ChallengeIt):
            headers = [("WWW-Authenticate", value) for value in decision.challenges]
            return response_to(request, 401, to_tag=tag, source=peer, headers=headers)
        if isinstance(decision, RefuseIt):
            return response_to(request, decision.status, to_tag=tag, source=peer)
        if decision.expires_s == 0:
            self.report.sign_offs += 1
            if gb_id in self.lowers:
                self.lowers[gb_id].is_registered = False
        else:
            self.report.registrations += 1
            known_lower = self.lowers.get(gb_id)
            self.lowers[gb_id] = Lower(gb_id, peer, items=known_lower.items if known_lower else {})
        return response_to(request, 200, to_tag=tag, source=peer, headers=grant_headers(decision, gb_id, peer, ""))

    def _document(self, request: Request, peer: tuple[str, int]) -> Response:
        lower = self.lowers.get(request.from_user)
        if lower is None or not lower.is_registered or lower.address[0] != peer[0]:
            return response_to(request, 403, to_tag=self._new_word()[:8], source=peer)
        document = parse_document(request.body)
        if not isinstance(document, BadDocument):
            self._read_document(lower, document)
        return response_to(request, 200, to_tag=self._new_word()[:8], source=peer)

    def _read_document(self, lower: Lower, document: Document) -> None:
        command = document.cmd_type.lower()
        if command == "keepalive":
            lower.keepalives += 1
            self.report.keepalives += 1
            return
        self.report.documents.append(document)
        if command == "catalog" and document.kind == "response":
            found = self._assembler.receive(lower.gb_id, document, self.now())
            future = self._sets.get(document.sn or 0)
            if isinstance(found, CatalogSet) and future is not None and not future.done():
                future.set_result(found)
        elif command == RECORD_INFO.lower() and document.kind == "response":
            listed = self._records.receive(document, self.now())
            waiting = self._lists.get(document.sn or 0)
            if isinstance(listed, RecordSet) and waiting is not None and not waiting.done():
                waiting.set_result(listed)
        elif command == "catalog":
            self._note_changes(lower, document)
        elif command == "alarm" and document.kind == "notify":
            body = result_response("Alarm", document.sn or 0, document.device_id)
            self._start(self._confirm(lower, body))
        future_answer = self._answers.get(document.sn or 0)
        if document.kind == "response" and future_answer is not None and not future_answer.done():
            future_answer.set_result(document)

    def _note_changes(self, lower: Lower, document: Document) -> None:
        items, _ = items_of(document)
        for item in items:
            self.report.events.append((item.event.value, item.gb_id))
            if item.event.value == "DEL":
                lower.items.pop(item.gb_id, None)
            elif item.event.value in ("ADD", "UPDATE"):
                lower.items[item.gb_id] = item

    async def _confirm(self, lower: Lower, body: bytes) -> None:
        head = [
            ("From", f"<sip:{self.plan.gb_id}@{self.plan.realm}>;tag={self._new_word()[:8]}"),
            ("To", f"<sip:{lower.gb_id}@{lower.gb_id[:10]}>"),
            ("Call-ID", self._new_word()[:24]),
            ("Content-Type", CONTENT_TYPE),
        ]
        await self._request(lower.gb_id, "MESSAGE", lower.gb_id, head, body)

    def _drain(self, made: socket.socket, view: SimView) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            while True:
                view.arrived(made.recv(65_535))

    async def _read(self, view: SimView, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = PacketReader()
        view.closers.append(writer.close)
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                for packet in packets.receive(data):
                    view.arrived(packet)

    def _send(self, data: bytes, peer: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, peer)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _next_sn(self) -> int:
        self._sn += 1
        return self._sn


def _close(loop: asyncio.AbstractEventLoop, made: socket.socket) -> None:
    if made.fileno() >= 0:
        loop.remove_reader(made.fileno())
        made.close()
