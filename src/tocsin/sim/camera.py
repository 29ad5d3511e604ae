"""A simulated GB/T 28181 camera or recorder: registers, keeps alive, lists its channels, sends pictures when invited.

It is the sender side of our own codecs, with switches for the oddities seen in the field. The picture comes from an
injected sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from tocsin.base.clock import Clock
from tocsin.protocols.gb28181.catalog import item_fields
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.control import (
    DEVICE_CONTROL,
    PRESET_QUERY,
    BadControl,
    KeyFrame,
    Ptz,
    TeleBoot,
    is_answered,
    preset_response,
    read_control,
)
from tocsin.protocols.gb28181.manscdp import (
    CONTENT_TYPE,
    BadDocument,
    Document,
    Pair,
    catalog_response,
    keepalive_notify,
    parse_document,
    result_response,
)
from tocsin.protocols.gb28181.ptz import STOP
from tocsin.protocols.gb28181.subscribe import Topic, topic_of
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.dialog import Local
from tocsin.protocols.sip.digest import answer, parse_challenge
from tocsin.protocols.sip.message import (
    Headers,
    Request,
    Response,
    expires_of,
    new_branch,
    response_to,
    via_value,
)
from tocsin.sim.camera_alarms import SimAlarms
from tocsin.sim.camera_call import SimCall
from tocsin.sim.camera_channels import make_channels
from tocsin.sim.camera_head import CameraHead
from tocsin.sim.camera_maintenance import SimMaintenance
from tocsin.sim.camera_plan import CameraPlan, CameraReport, Quirk
from tocsin.sim.camera_quirks import STRANGE_HEADERS, branch_of, damage_numbers, drops_date, listed
from tocsin.sim.camera_recordings import RecordingSenders, SimRecorder
from tocsin.sim.camera_settings import SimSettings
from tocsin.sim.camera_voice import SimVoice
from tocsin.sim.camera_watched import SimWatched
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSender, Sender

__all__ = ["CameraPlan", "CameraReport", "Quirk", "SimCamera", "make_channels"]

T = TypeVar("T")
ONE_PACKET_BYTES: Final = 1300
PAGE_PAUSE_S: Final = 0.001  # a page of one packet each millisecond: about 10 Mbit/s
RETRY_S: Final = 1.0
_CONTACT: Final = re.compile(r"sip:[^@>]*@(?P<host>[^:;>]+):(?P<port>\d{1,5})")
LONGEST_RETRY_S: Final = 60.0


class SimCamera:
    """One device on a wire. `run` works until cancelled; `sign_off` ends the registration."""

    def __init__(
        self,
        plan: CameraPlan,
        wire: Wire,
        clock: Clock,
        new_word: Callable[[], str],
        senders: Callable[[str], PictureSender] | None = None,
        recordings: RecordingSenders | None = None,
        sub_senders: Callable[[str], PictureSender] | None = None,
    ) -> None:
        self.plan = plan
        self.report = CameraReport()
        self._wire = wire
        self._clock = clock
        self._new_word = new_word
        self._senders = senders
        self._sub_senders = sub_senders
        self._cseq = 0
        self._sn = 0
        self._is_registered = asyncio.Event()
        self._home: tuple[str, int] | None = None  # where we were sent on from
        self._calls: dict[str, SimCall] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pages_lost = 0
        self.leaked: list[PictureSender] = []  # encoders that nobody stops
        self._old_streams: dict[str, str] = {}  # Call-ID -> branch of the BYE that got lost
        self._stops_lost = 0
        self.heads = {gb_id: CameraHead(clock.monotonic) for gb_id in self._channel_ids()}
        self.alarms = SimAlarms(self)
        self.recorder = SimRecorder(self, recordings)
        self.watched = SimWatched(self)
        self.settings = SimSettings(self)
        self.maintenance = SimMaintenance(self)
        self.voice = SimVoice(self)
        wire.attach(plan.gb_id, self)
        for channel in plan.channels:
            wire.attach(channel.gb_id, self)

    @property
    def is_registered(self) -> bool:
        return self._is_registered.is_set()

    @property
    def open_calls(self) -> int:
        """How many pictures are being sent."""
        return len(self._calls)

    def _channel_ids(self) -> list[str]:
        return [channel.gb_id for channel in self.plan.channels] or [self.plan.gb_id]

    async def wait_registered(self) -> None:
        """Wait until the server granted a registration."""
        await self._is_registered.wait()

    async def run(self) -> None:
        """Register, send keepalives, register again when told to or when the time comes."""
        pause_s = RETRY_S
        while True:
            if not (await self._is_connected() and await self.register()):
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_RETRY_S)
                continue
            pause_s = RETRY_S
            renew_at = self._clock.monotonic() + 0.8 * self.report.granted_s
            while self._is_registered.is_set() and self._wire.is_open and self._clock.monotonic() < renew_at:
                await self._clock.sleep(min(self.plan.keepalive_s, max(0.1, renew_at - self._clock.monotonic())))
                await self.keep_alive()

    async def _is_connected(self) -> bool:
        """Connect again when the connection broke; False when the server is not there."""
        if not self._wire.is_open:
            try:
                await self._wire.open()
            except OSError:
                return False
        return True

    async def register(self, expires_s: int | None = None, *, follows: bool = True) -> bool:
        """Register once, answering the challenge, and go where a 302 points when it `follows`; True when granted."""
        asked_s = self.plan.expires_s if expires_s is None else expires_s
        started = self._clock.monotonic()
        call_id, tag = self._new_word()[:20], self._new_word()[:8]
        response = await self._wire.transact(self._register_request(call_id, tag, asked_s, ""))
        for _ in range(2):
            if response is None or response.status != 401:
                break
            challenge = parse_challenge(response.headers.get("www-authenticate"))
            if challenge is None:
                break
            credentials = answer(
                challenge,
                username=self.plan.username or self.plan.gb_id,
                password=self.plan.password,
                method="REGISTER",
                uri=self._server_uri,
                cnonce=self._new_word()[:8],
            )
            response = await self._wire.transact(self._register_request(call_id, tag, asked_s, credentials.encode()))
        self.report.last_status = response.status if response is not None else 0
        if response is not None and response.status == 302 and asked_s and follows and self._home is None:
            return await self._go_on(response)
        if response is None or response.status != 200:
            self.report.refusals += 1
            self._is_registered.clear()
            return False
        self.report.registrations += 1
        self.report.date = response.headers.get("date")
        if asked_s and drops_date(self.plan.quirks, self.report.date):
            self._is_registered.clear()
            return False
        self.report.granted_s = expires_of(response) or 0
        self.report.register_ms.append((self._clock.monotonic() - started) * 1000)
        self._is_registered.set() if asked_s else self._is_registered.clear()
        return True

    async def _go_on(self, response: Response) -> bool:
        """Register where a 302 points to; back where it came from when nobody is there."""
        found = _CONTACT.search(response.headers.get("contact"))
        if found is None:
            return False
        self.report.redirects += 1
        self._home = self._wire.server
        try:
            await self._wire.go_to((found["host"], int(found["port"])))
            if await self.register():
                return True
        except OSError:
            pass
        await self._go_home()
        return await self.register(follows=False)

    async def _go_home(self) -> None:
        """Return to the server that sent us on, if one did."""
        if self._home is not None:
            home, self._home = self._home, None
            self._is_registered.clear()
            with contextlib.suppress(OSError):
                await self._wire.go_to(home)

    async def keep_alive(self, faulty: Sequence[str] = ()) -> bool:
        """Send one keepalive; a refusal ends the registration, so that the camera registers again."""
        started = self._clock.monotonic()
        self.report.keepalives_sent += 1
        body = keepalive_notify(self.next_sn(), self.plan.gb_id, faulty, self._label)
        response = await self._wire.transact(self._message(body))
        if response is None:
            await self._go_home()
            return False
        if response.status >= 300:
            self.report.keepalives_refused += 1
            self._is_registered.clear()
            return False
        self.report.keepalives_answered += 1
        self.report.keepalive_ms.append((self._clock.monotonic() - started) * 1000)
        return True

    async def sign_off(self) -> None:
        """End calls and the registration."""
        for call in list(self._calls.values()):
            await call.stop()
        await self.register(expires_s=0)
        await self.stop()

    async def stop(self) -> None:
        """Stop sending without a word, as a power cut does."""
        for call in list(self._calls.values()):
            await call.stop()
        for sender in self.leaked:
            await sender.stop()
        await self.voice.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Say BYE on every call."""
        for call in list(self._calls.values()):
            call.hang_up()
        self.voice.hang_up()

    def receive(self, request: Request) -> None:
        """Take a request from the server."""
        call = self._calls.get(request.call_id)
        if call is not None and request.method == "BYE" and Quirk.KEEPS_OLD_STREAM in self.plan.quirks:
            self._lose_bye(call, request)
        elif call is not None:
            call.receive(request)
        elif self.voice.receive(request):
            pass
        elif request.method == "INVITE":
            self._receive_invite(request)
        elif request.method == "SUBSCRIBE":
            self._receive_subscribe(request)
        elif request.method == "MESSAGE":
            self._receive_message(request)
        elif request.method in ("BYE", "CANCEL"):
            self.report.byes += request.method == "BYE"
            lost = self._old_streams.get(request.call_id)
            if lost == branch_of(request):
                return  # lost again, as its first copy was
            is_old = self._old_streams.pop(request.call_id, None) is not None
            self.reply(request, 200 if is_old else 481)
        elif request.method != "ACK":
            self.reply(request, 200)

    def _lose_bye(self, call: SimCall, request: Request) -> None:
        """The BYEs get lost in the device: it keeps the stream until it is told again, later."""
        self._old_streams[request.call_id] = branch_of(request)
        self.start(call.stop_sending())

    @property
    def has_old_streams(self) -> bool:
        """True while a stream is held that nobody watches."""
        return bool(self._old_streams)

    def receive_response(self, response: Response) -> None:
        """Take the answer to a BYE of ours."""
        call = self._calls.get(response.call_id)
        if call is not None:
            call.receive_response(response)
        else:
            self.voice.receive_response(response)

    def _receive_subscribe(self, request: Request) -> None:
        document = parse_document(request.body)
        topic = topic_of(document) if isinstance(document, Document) else None
        if topic is None or topic is Topic.ALARM:
            self.alarms.subscribe(request)
        else:
            self.watched.subscribe(request, topic)

    def _receive_invite(self, request: Request) -> None:
        self.report.invites += 1
        if Quirk.SILENT_TO_INVITE in self.plan.quirks:
            return
        call = SimCall(self, request)
        self._calls[request.call_id] = call
        self._wire.own_call(request.call_id, self)
        self.start(call.run())

    def _receive_message(self, request: Request) -> None:
        document = parse_document(request.body)
        is_control = not isinstance(document, BadDocument) and document.kind == "control"
        if is_control and Quirk.SILENT_TO_CONTROL in self.plan.quirks:
            return
        status = 0 if isinstance(document, BadDocument) else self.voice.take(document)
        if status:
            if status > 0:
                self.reply(request, status)
            return
        self.reply(request, 403 if is_control and Quirk.REFUSES_CONTROL in self.plan.quirks else 200)
        if isinstance(document, Document) and not self.alarms.take(document) and not self.recorder.take(document):
            self._receive_document(document)

    def _receive_document(self, document: Document) -> None:
        command = document.cmd_type.lower()
        if self.settings.take(document) or self.maintenance.take(document):
            return
        if document.kind == "query" and command == "catalog" and Quirk.NO_CATALOG not in self.plan.quirks:
            self.start(self._send_catalog(document))
        elif document.kind == "query" and command == "deviceinfo":
            fields: list[Pair] = [
                ("Manufacturer", "Tocsin"),
                ("Model", "Sim"),
                ("Firmware", self.maintenance.firmware),
                ("Channel", len(self.plan.channels)),
            ]
            body = result_response("DeviceInfo", document.sn or 1, self.plan.gb_id, fields, label=self._label)
            self.start(self._wire.transact(self._message(body)))
        elif document.kind == "query" and command == PRESET_QUERY.lower():
            head = self.heads.get(document.device_id)
            sn = None if Quirk.MISSING_SN in self.plan.quirks else document.sn
            listed = preset_response(sn, document.device_id, head.listed() if head else (), self._label)
            self.start(self._wire.transact(self._message(listed)))
        elif document.kind == "control" and command == DEVICE_CONTROL.lower():
            self._obey(document)

    def _obey(self, document: Document) -> None:
        """Do as the standard says; a control that cannot be read is answered and forgotten, as devices do."""
        quirks, control = self.plan.quirks, read_control(document)
        head = self.heads.get(document.device_id)
        is_obeyed = False
        if isinstance(control, BadControl):
            self.report.bad_controls += 1
        elif isinstance(control, KeyFrame):
            self.report.key_frame_requests += 1
        elif isinstance(control, TeleBoot):
            self.report.reboots += 1
        elif control == Ptz(STOP) and Quirk.LOSES_FIRST_STOP in quirks and self._stops_lost == 0:
            self._stops_lost += 1
        elif head is not None and Quirk.REFUSES_CONTROL not in quirks:
            self.report.controls += 1
            is_obeyed = head.obey(control)
        if isinstance(control, BadControl) or (is_answered(control) and Quirk.NO_CONTROL_RESPONSE not in quirks):
            is_ok = is_obeyed and Quirk.FAILS_CONTROL not in quirks
            sn = document.sn or 1
            body = result_response(DEVICE_CONTROL, sn, document.device_id, is_ok=is_ok, label=self._label)
            self.start(self._wire.transact(self._message(body)))

    async def _send_catalog(self, query: Document) -> None:
        """Send the pages in order, so many at a time as the plan says, the next ones after the answers."""
        quirks, items = self.plan.quirks, listed(self.plan)
        sn = None if Quirk.MISSING_SN in quirks else query.sn
        size = max(1, self.plan.page_items)
        pages = [items[at : at + size] for at in range(0, len(items), size)] or [()]
        loses = Quirk.LOST_PAGE in quirks or (Quirk.LOST_PAGE_ONCE in quirks and not self._pages_lost)
        self.report.catalogs += 1
        window: set[asyncio.Task[Response | None]] = set()
        for number, page in enumerate(pages):
            if loses and number == len(pages) - 1:
                self._pages_lost += 1
                continue
            rows = [item_fields(item) for item in page]
            body = self._damage(catalog_response(sn, self.plan.gb_id, len(items), rows, self._label))
            for _ in range(2 if Quirk.DUPLICATE_PAGE in quirks and number == 0 else 1):
                self.report.pages += 1
                if Quirk.NEVER_REPEATS_PAGES in quirks:
                    self._wire.send(self._message(body).encode())
                    await asyncio.sleep(PAGE_PAUSE_S)
                    continue
                window.add(self.start(self._send_document(body)))
                if len(window) < self.plan.page_window:
                    continue
                done, window = await asyncio.wait(window, return_when=asyncio.FIRST_COMPLETED)
                if any(task.result() is None for task in done):
                    return
        if window:
            await asyncio.wait(window)

    async def _send_document(self, body: bytes) -> Response | None:
        quirks = self.plan.quirks
        is_udp = self._wire.transport is Transport.UDP
        request = self._message(b"" if Quirk.EMPTY_BODY in quirks and is_udp else body)
        if Quirk.STRANGE_HEADERS in quirks:
            request = replace(request, headers=Headers([*request.headers, *STRANGE_HEADERS]))
        data = request.encode()
        if Quirk.LARGE_PAGES_LOST in quirks and is_udp and len(data) > ONE_PACKET_BYTES:
            return None  # its fragments never arrive
        if Quirk.LENGTH_IN_CHARACTERS in quirks:
            characters = len(body.decode("gb18030", "replace"))
            data = data.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % characters)
        if Quirk.LENGTH_ZERO in quirks:
            data = data.replace(b"Content-Length: %d" % len(body), b"Content-Length: 0")
        if Quirk.LINE_FEEDS_ONLY in quirks:
            head, _, rest = data.partition(b"\r\n\r\n")
            data = head.replace(b"\r\n", b"\n") + b"\n\n" + rest
        if Quirk.SPLIT_DATAGRAM in quirks and self._wire.transport is Transport.UDP:
            cut = len(data) - len(body) // 2
            waiting = asyncio.create_task(self._wire.transact(request, data=data[:cut]))
            await asyncio.sleep(0)
            self._wire.send(data[cut:])
            return await waiting
        return await self._wire.transact(request, data=data)

    def _damage(self, body: bytes) -> bytes:
        quirks = self.plan.quirks
        body = damage_numbers(body, quirks, self.plan.server_id)
        if Quirk.UTF8_LABELLED_GB2312 in quirks:
            body = body.decode("gb18030").encode("utf-8")
        if Quirk.BARE_AMPERSAND in quirks:
            body = body.replace(b"<Manufacturer>", b"<Manufacturer>A&B ")
        if Quirk.RAW_LESS_THAN in quirks:
            body = re.sub(rb"<Address>", b"<Address>5 < 6 ", body)
        return body

    @property
    def label(self) -> Label:
        """How the camera declares its text."""
        return self._label

    @property
    def _label(self) -> Label:
        return Label.GB18030 if self.plan.version.startswith("3") else Label.GB2312

    @property
    def _server_uri(self) -> str:
        return f"sip:{self.plan.server_id}@{self.plan.realm}"

    @property
    def contact(self) -> str:
        """The camera's own address, as it believes it is."""
        if Quirk.WRONG_CONTACT in self.plan.quirks:
            return f"sip:{self.plan.gb_id}@192.168.254.254:5060"
        return f"sip:{self.plan.gb_id}@{self._wire.host}:{self._wire.port}"

    @property
    def local(self) -> Local:
        """Who and where the camera is in a call."""
        own = f"sip:{self.plan.gb_id}@{self.plan.realm}"
        return Local(own, self.contact, self._wire.host, self._wire.port, self._wire.transport)

    @property
    def wire(self) -> Wire:
        return self._wire

    @property
    def clock(self) -> Clock:
        return self._clock

    def new_word(self) -> str:
        """Return a fresh word for tags and branches."""
        return self._new_word()

    def sender_for(self, channel_id: str, stream: str = "main") -> PictureSender | None:
        """Return a picture for a channel, None when the camera has none to send."""
        quirks = self.plan.quirks
        if self._senders is None or Quirk.NO_MEDIA in quirks or (stream == "sub" and Quirk.SILENT_SUB_STREAM in quirks):
            return None
        senders = self._senders if stream == "main" or self._sub_senders is None else self._sub_senders
        sender = senders(channel_id)
        head = self.heads.get(channel_id)
        if head is not None and isinstance(sender, Sender):
            sender.follow(head.look)
        return sender

    def start(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Run work that ends with the camera."""
        task: asyncio.Task[T] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def forget(self, call_id: str) -> None:
        """A call is over."""
        self._calls.pop(call_id, None)
        self._wire.forget_call(call_id)

    def _register_request(self, call_id: str, tag: str, expires_s: int, authorization: str) -> Request:
        self._cseq += 1
        own = f"<sip:{self.plan.gb_id}@{self.plan.realm}>"
        fields = [
            self._via(),
            ("From", f"{own};tag={tag}"),
            ("To", own),
            ("Call-ID", f"{call_id}@{self._wire.host}"),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"<{self.contact}>"),
            ("Max-Forwards", "70"),
            ("Expires", str(expires_s)),
            ("User-Agent", self.plan.user_agent),
            ("X-GB-ver", self.plan.version),
        ]
        if authorization:
            fields.append(("Authorization", authorization))
        return Request("REGISTER", self._server_uri, Headers(fields))

    def _message(self, body: bytes) -> Request:
        return self.outgoing("MESSAGE", body)

    def outgoing(
        self,
        method: str,
        body: bytes,
        *,
        call_id: str = "",
        own_tag: str = "",
        server_tag: str = "",
        sender: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Request:
        """Return a request to the server; without `call_id` it belongs to no dialog."""
        self._cseq += 1
        server = f"<{self._server_uri}>"
        fields = [
            self._via(),
            ("From", f"<sip:{sender or self.plan.gb_id}@{self.plan.realm}>;tag={own_tag or self._new_word()[:8]}"),
            ("To", f"{server};tag={server_tag}" if server_tag else server),
            ("Call-ID", call_id or f"{self._new_word()[:20]}@{self._wire.host}"),
            ("CSeq", f"{self._cseq} {method}"),
            ("Max-Forwards", "70"),
            *headers,
            ("Content-Type", CONTENT_TYPE),
        ]
        return Request(method, self._server_uri, Headers(fields), body)

    def _via(self) -> tuple[str, str]:
        wire = self._wire
        return "Via", via_value(wire.transport, wire.host, wire.port, new_branch(self._new_word()))

    def reply(self, request: Request, status: int, *, tag: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer a request of the server."""
        made = response_to(request, status, to_tag=tag or self._new_word()[:8], headers=headers)
        self._wire.send(made.encode())

    def next_sn(self) -> int:
        self._sn += 1
        return self._sn
