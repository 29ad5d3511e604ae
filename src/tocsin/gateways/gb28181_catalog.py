"""Reading catalogues: a paced queue of questions, one attempt each, a second try when pages are missing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.camera_tree import CatalogNode
from tocsin.domain.devices import CatalogEntry, DeviceReports
from tocsin.gateways.gb28181_devices import AttemptLog, DeviceTable, RegisteredDevice
from tocsin.gateways.sip import SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogItem, CatalogPage, CatalogSet, ItemEvent, place
from tocsin.protocols.gb28181.charset import label_for
from tocsin.protocols.gb28181.ids import Role, role_of, type_of
from tocsin.protocols.gb28181.manscdp import CONTENT_TYPE, Document, catalog_query, device_info_query
from tocsin.protocols.gb28181.timeline import Timeline
from tocsin.protocols.gb28181.voice import VOICE_OUTPUT
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import Response

log = structlog.get_logger(__name__)

TICK_S: Final = 0.1
ONE_PACKET_BYTES: Final = 1300
WORTH_ASKING_AGAIN: Final = frozenset(
    {"catalog.incomplete", "catalog.no_answer", "catalog.unreachable", "catalog.empty_page"}
)
MAX_UNDER_WAY: Final = 64
MAX_TRIES: Final = 4  # of a catalogue that comes in part; each adds what the others lost
TOLD: Final = frozenset({ItemEvent.ON, ItemEvent.OFF, ItemEvent.VLOST, ItemEvent.DEFECT, ItemEvent.DEL})
NOT_PICTURES: Final = frozenset(
    {Role.GROUP, Role.ORGANISATION, Role.DIVISION, Role.PLATFORM, Role.ALARM_INPUT, Role.ALARM_OUTPUT, Role.VOICE}
)
_DIRECTORIES: Final = {
    Role.GROUP: "group",
    Role.ORGANISATION: "organisation",
    Role.DIVISION: "division",
    Role.PLATFORM: "platform",
    Role.DEVICE: "device",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are towards devices."""

    server_id: str
    realm: str


class Asker:
    """Sends MANSCDP questions to registered devices."""

    def __init__(self, sip: SipGateway, identity: Identity) -> None:
        self.identity = identity
        self._sip = sip
        self._sn = 0

    def next_sn(self) -> int:
        """Return the next serial number."""
        self._sn = self._sn % 999_999_999 + 1
        return self._sn

    async def message(self, peer: Peer, target_id: str, body: bytes) -> Response | None:
        """Send a MESSAGE; None when nobody answered."""
        realm = self.identity.realm
        fields = [
            ("From", f"<sip:{self.identity.server_id}@{realm}>;tag={self._sip.new_word()[:10]}"),
            ("To", f"<sip:{target_id}@{target_id[:10] if len(target_id) == 20 else realm}>"),
            ("Call-ID", self._sip.new_word()[:24]),
            ("CSeq", "20 MESSAGE"),
            ("Content-Type", CONTENT_TYPE),
        ]
        target = f"sip:{target_id}@{peer.host}:{peer.port}"
        return await self._sip.request(peer, "MESSAGE", target, fields=fields, body=body)

    async def connect(self, peer: Peer) -> Peer | None:
        """Return the device over TCP, at the port it uses for UDP; None when it takes none."""
        if not self._sip.config.tcp:
            return None
        made = await self._sip.connect(peer.host, peer.port)
        if made is not None:
            self._sip.trust(made)
        return made

    def new_word(self) -> str:
        """Return a fresh unguessable word for tags and Call-IDs."""
        return self._sip.new_word()

    async def subscribe(
        self,
        peer: Peer,
        target_id: str,
        body: bytes,
        *,
        call_id: str,
        local_tag: str,
        remote_tag: str,
        cseq: int,
        event: str,
        expires_s: int,
    ) -> Response | None:
        """Send a SUBSCRIBE, in its dialog when `remote_tag` is known; None when nobody answered."""
        own, realm = self.identity.server_id, self.identity.realm
        to = f"<sip:{target_id}@{target_id[:10] if len(target_id) == 20 else realm}>"
        fields = [
            ("From", f"<sip:{own}@{realm}>;tag={local_tag}"),
            ("To", f"{to};tag={remote_tag}" if remote_tag else to),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} SUBSCRIBE"),
            ("Contact", f"<sip:{own}@{self._sip.local_host(peer)}:{self._sip.port}>"),
            ("Event", event),
            ("Expires", str(expires_s)),
            ("Content-Type", CONTENT_TYPE),
        ]
        target = f"sip:{target_id}@{peer.host}:{peer.port}"
        return await self._sip.request(peer, "SUBSCRIBE", target, fields=fields, body=body)


class CatalogReader:
    """Asks devices for their channels and hands what comes to the domain."""

    def __init__(
        self,
        asker: Asker,
        table: DeviceTable,
        reports: DeviceReports,
        attempts: AttemptLog,
        clock: Clock,
        *,
        charset_of: Callable[[str], str],
        per_s: float = 50.0,
        assembler: CatalogAssembler | None = None,
    ) -> None:
        self._asker = asker
        self._table = table
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._charset_of = charset_of
        self._per_tick = max(1, round(per_s * TICK_S))
        self._assembler = assembler or CatalogAssembler()
        self._queue: OrderedDict[str, float] = OrderedDict()
        self._sets: dict[tuple[str, int], asyncio.Future[CatalogSet]] = {}
        self._timelines: dict[str, Timeline] = {}
        self._largest: dict[str, int] = {}
        self._partial: dict[str, tuple[int, CatalogSet | None]] = {}  # received before, and the newest answer
        self._under_way: set[asyncio.Task[object]] = set()
        self._asking = 0

    @property
    def waiting(self) -> int:
        """How many devices are still to be asked."""
        return len(self._queue) + len(self._under_way)

    def want(self, gb_id: str, delay_s: float = 0.0) -> None:
        """Ask a device soon; asking twice at once is asking once."""
        self._queue.setdefault(gb_id, self._clock.monotonic() + delay_s)

    async def run(self) -> None:
        """Ask whoever is due, at most so many a second, until cancelled."""
        try:
            while True:
                self.tick()
                await self._clock.sleep(TICK_S)
        finally:
            for task in list(self._under_way):
                task.cancel()

    def tick(self) -> None:
        """Start due questions and finish the sets whose pages stopped coming."""
        now = self._clock.monotonic()
        for late in self._assembler.handle_timer(now):
            self._settle(late)
        for gb_id, due in list(islice(self._queue.items(), 4 * self._per_tick)):
            if self._asking >= MAX_UNDER_WAY:  # what devices tell unasked holds no question up
                return
            del self._queue[gb_id]
            if due > now:
                self._queue[gb_id] = due
                continue
            device = self._table.get(gb_id)
            if device is None or gb_id in self._timelines:
                continue
            self._asking += 1
            self._start(self._read_counted(device))

    async def _read_counted(self, device: RegisteredDevice) -> None:
        try:
            await self.read(device)
        finally:
            self._asking -= 1

    async def read(self, device: RegisteredDevice) -> bool:
        """Read one catalogue, trying twice, then ask who made the device; True when the set was complete."""
        timeline = self._timelines[device.gb_id] = self._attempts.begin()
        try:
            is_ok = await self._try(device, device.peer, timeline)
            if not is_ok and timeline.failure in WORTH_ASKING_AGAIN:
                is_ok = await self._try_again(device, timeline)
            tries = 2
            while not is_ok and timeline.failure == "catalog.incomplete" and self._gains(device, tries):
                timeline.ok("catalog.retry", self._clock.monotonic())
                is_ok, tries = await self._try(device, device.peer, timeline), tries + 1
        finally:
            del self._timelines[device.gb_id]
            self._largest.pop(device.gb_id, None)
            self._partial.pop(device.gb_id, None)
        self._attempts.finish(AttemptKind.CATALOG, device.device_id, timeline, is_ok=is_ok)
        if is_ok:
            label = label_for(device.version, self._charset_of(device.gb_id))
            question = device_info_query(self._asker.next_sn(), device.gb_id, label)
            self._start(self._asker.message(device.peer, device.gb_id, question))
        return is_ok

    def _gains(self, device: RegisteredDevice, tries: int) -> bool:
        """Say whether to ask once more: the last answer brought something its forerunner lacked."""
        before, after = self._partial.get(device.gb_id, (0, None))
        return tries < MAX_TRIES and after is not None and after.received > before

    async def _try_again(self, device: RegisteredDevice, timeline: Timeline) -> bool:
        """Ask a second time, over TCP where the device takes it: what got lost were packets."""
        largest = self._largest.get(device.gb_id, 0)
        if device.transport is Transport.UDP and largest > ONE_PACKET_BYTES:
            timeline.ok("catalog.large_pages", self._clock.monotonic(), size_bytes=largest)
        peer = await self._asker.connect(device.peer) if device.transport is Transport.UDP else None
        if peer is None and timeline.failure == "catalog.unreachable":
            return False
        if peer is None:
            timeline.ok("catalog.retry", self._clock.monotonic())
            return await self._try(device, device.peer, timeline)
        timeline.ok("catalog.retry_tcp", self._clock.monotonic())
        is_ok = await self._try(device, peer, timeline)
        if is_ok:
            self._reports.found(device.device_id, self._clock.now(), "signalling", "tcp", "catalog_only_by_tcp")
        return is_ok

    def empty_page(self, device: RegisteredDevice) -> None:
        """Note a message without a body while a catalogue was under way: its body was lost at the sender."""
        timeline = self._timelines.get(device.gb_id)
        if timeline is not None:
            timeline.failed("catalog.empty_page", self._clock.monotonic())

    def measured(self, device: RegisteredDevice, size_bytes: int) -> None:
        """Note how large a page was while a catalogue was under way."""
        if device.gb_id in self._timelines:
            self._largest[device.gb_id] = max(size_bytes, self._largest.get(device.gb_id, 0))

    def take(self, device: RegisteredDevice, document: Document) -> None:
        """Take a page or an unsolicited item."""
        now = self._clock.monotonic()
        found = self._assembler.receive(device.gb_id, document, now)
        if isinstance(found, CatalogPage):
            timeline = self._timelines.get(device.gb_id)
            if timeline is not None:
                expected = found.expected if found.expected is not None else "?"
                timeline.waiting("catalog.page", now, received=found.received, expected=expected)
        elif found.is_solicited:
            self._settle(found)
        else:
            self._start(self._upsert(device, found.items))

    def unreadable(self, device: RegisteredDevice, reason: str) -> None:
        """Note a body that could not be read while a catalogue was under way."""
        timeline = self._timelines.get(device.gb_id)
        if timeline is not None:
            timeline.failed("catalog.unreadable", self._clock.monotonic(), reason=reason)

    async def _try(self, device: RegisteredDevice, peer: Peer, timeline: Timeline) -> bool:
        sn = self._asker.next_sn()
        future: asyncio.Future[CatalogSet] = asyncio.get_running_loop().create_future()
        self._sets[device.gb_id, sn] = future
        earlier = self._partial.get(device.gb_id, (0, None))[1]
        self._assembler.ask(device.gb_id, sn, self._clock.monotonic(), earlier)
        label = label_for(device.version, self._charset_of(device.gb_id))
        try:
            timeline.ok("catalog.asked", self._clock.monotonic())
            answer = await self._asker.message(peer, device.gb_id, catalog_query(sn, device.gb_id, label))
            now = self._clock.monotonic()
            if answer is None and not (future.done() and future.result().pages):
                timeline.failed("catalog.unreachable", now)
                return False
            if answer is not None and answer.status >= 300:
                timeline.failed("catalog.refused", now, status=answer.status)
                return False
            if not future.done():
                timeline.waiting("catalog.acknowledged", now)
            return await self._store(device, await future, timeline)
        finally:
            self._assembler.cancel(device.gb_id, sn)
            self._sets.pop((device.gb_id, sn), None)

    async def _store(self, device: RegisteredDevice, found: CatalogSet, timeline: Timeline) -> bool:
        now = self._clock.monotonic()
        if found.repaired_pages:
            timeline.ok("catalog.repaired", now, pages=found.repaired_pages)
        if found.is_complete:
            timeline.ok("catalog.complete", now, received=found.received)
        elif not found.pages:
            timeline.failed("catalog.no_answer", now)
            return False
        else:
            expected = found.expected if found.expected is not None else "?"
            timeline.failed("catalog.incomplete", now, received=found.received, expected=expected)
            earlier = self._partial.get(device.gb_id, (0, None))[1]
            self._partial[device.gb_id] = (0 if earlier is None else earlier.received, found)
        entries = entries_of(found.items, device.gb_id, self._asker.identity.server_id)
        voices = [item.gb_id for item in found.items if type_of(item.gb_id) == VOICE_OUTPUT]
        if voices:
            self._reports.learned(device.device_id, voice_ids=",".join(voices[:16]))
        nodes = nodes_of(found.items, device.gb_id, self._asker.identity.server_id)
        result = await self._reports.catalog(device.device_id, entries, found.is_complete)
        await self._reports.directories(device.device_id, nodes, found.is_complete)
        timeline.ok(
            "catalog.stored",
            self._clock.monotonic(),
            added=result.added,
            changed=result.changed + result.returned,
            gone=result.gone,
        )
        return found.is_complete

    async def _upsert(self, device: RegisteredDevice, items: Sequence[CatalogItem]) -> None:
        entries = entries_of(items, device.gb_id, self._asker.identity.server_id)
        if entries:
            await self._reports.catalog(device.device_id, entries, False)
        if nodes := nodes_of(items, device.gb_id, self._asker.identity.server_id):
            await self._reports.directories(device.device_id, nodes, False)

    def _settle(self, found: CatalogSet) -> None:
        future = self._sets.get((found.peer, found.sn or 0))
        if future is not None and not future.done():
            future.set_result(found)

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("catalogue not stored", error=f"{type(error).__name__}: {error}")


def entries_of(items: Iterable[CatalogItem], device_id: str, own_id: str) -> list[CatalogEntry]:
    """Return the items that are pictures, in the domain's words, each with its place in the tree."""
    rows = tuple(items)
    parents = place(rows, device_id, own_id)
    return [
        CatalogEntry(
            gb_id=item.gb_id,
            name=item.name,
            manufacturer=item.manufacturer,
            model=item.model,
            civil_code=item.civil_code,
            address=item.address,
            parent_id=parents.get(item.gb_id, ""),
            is_online=item.is_online,
            lon=item.lon,
            lat=item.lat,
            ptz_type=item.ptz_type,
            extra=_extra(item),
            event=item.event.value if item.event in TOLD else "",
        )
        for item in rows
        if is_picture(item)
    ]


def nodes_of(items: Iterable[CatalogItem], device_id: str, own_id: str) -> list[CatalogNode]:
    """Return the items channels hang under: business groups, organisations, divisions, platforms, recorders."""
    rows = tuple(items)
    parents = place(rows, device_id, own_id)
    found = []
    for item in rows:
        kind = _DIRECTORIES.get(role_of(item.gb_id), "")
        told = item.event in TOLD
        if not kind or is_picture(item) or item.gb_id == device_id or (told and item.event is not ItemEvent.DEL):
            continue
        name = item.name.strip()[:200] or item.gb_id
        found.append(CatalogNode(item.gb_id, kind, name, parents.get(item.gb_id, ""), is_deleted=told))
    return found


def is_picture(item: CatalogItem) -> bool:
    """True unless the id says it is something else; a recorder that holds channels is not one itself."""
    role = role_of(item.gb_id)
    return role not in NOT_PICTURES and not (role is Role.DEVICE and item.is_parent)


def _extra(item: CatalogItem) -> dict[str, str]:
    extra = {
        "block": item.block,
        "business_group_id": item.business_group_id,
        "ip": item.ip,
        "stream_numbers": "/".join(str(number) for number in item.stream_numbers),
        "mobile_type": str(item.mobile_type) if item.mobile_type is not None else "",
        "coordinates_swapped": "yes" if item.coordinates_swapped else "",
    }
    return {name: value for name, value in extra.items() if value}
