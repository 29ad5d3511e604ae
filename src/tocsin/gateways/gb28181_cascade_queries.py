"""What upper platforms ask and subscribe to: catalogue by subtree, device, presets; changes and alarms pushed up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from tocsin.domain.cascade import Catalogue, ExportedItem, Verb
from tocsin.gateways.gb28181_cascade_subscriptions import (
    DEFAULT_EXPIRES_S,
    KINDS,
    LONGEST_EXPIRES_S,
    Subscription,
)
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181.alarm import AlarmNotice
from tocsin.protocols.gb28181.catalog import CatalogItem, ItemEvent
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.manscdp import (
    CONTENT_TYPE,
    BadDocument,
    Document,
    Pair,
    build_document,
    parse_document,
    result_response,
)
from tocsin.protocols.gb28181.subscribe import INTERVAL_S
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import Request, Response, expires_of, response_to, tag_of

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_cascade import GbCascade, UpperLine

log = structlog.get_logger(__name__)

BATCH_UDP: Final = 8
BATCH_TCP: Final = 100
WHOLE_ITEMS_UDP: Final = 2
TCP_PAGE_ITEMS: Final = 20


def item_of(item: ExportedItem) -> CatalogItem:
    """Return an exported item as the wire writes it."""
    return CatalogItem(
        gb_id=item.exported_id,
        name=item.name,
        manufacturer=item.manufacturer,
        model=item.model,
        civil_code=item.civil_code,
        address=item.address,
        parent_id=item.parent_id,
        business_group_id=item.group_id,
        is_online=item.is_online,
        lon=item.lon,
        lat=item.lat,
        ptz_type=item.ptz_type,
        stream_numbers=item.streams,
        mobile_type=item.mobile_type,
    )


def _interval_s(document: Document) -> float:
    """Return how often positions are wanted, in seconds: what is asked for, one at least, five when nothing is."""
    asked = document.root.integer("Interval")
    return float(min(max(asked, 1), 3600)) if asked is not None else float(INTERVAL_S)


def items_of_catalogue(catalogue: Catalogue) -> tuple[CatalogItem, ...]:
    """Return everything an upper platform sees."""
    return tuple(item_of(item) for item in catalogue.items)


class CascadeQueries:
    """Answers and pushes of every line."""

    def __init__(self, cascade: GbCascade) -> None:
        self._cascade = cascade

    def take(self, line: UpperLine, document: Document, identity: str) -> int:
        """Answer a query in a message of its own, one we do not know with ERROR; return the SIP status."""
        cascade, command = self._cascade, document.cmd_type.lower()
        if command == "catalog":
            cascade.start_task(self._catalog(line, document))
        elif command == "presetquery":
            cascade.start_task(self._presets(line, document))
        elif command == "recordinfo":
            return cascade.recordings.ask(line, document, identity)
        else:
            cascade.start_task(cascade.tell(line, self._about(line, document)))
        return 200

    async def _catalog(self, line: UpperLine, document: Document) -> None:
        line.catalogue = await self._cascade.service.catalogue(line.upper.id)
        own = line.upper.local_id
        asked = document.device_id or own
        found = wire.subtree(items_of_catalogue(line.catalogue), asked, own) or ()
        size = line.upper.page_items
        if line.upper.transport == "tcp":
            size = max(size, TCP_PAGE_ITEMS)
        for page in wire.pages(found, size):
            body = wire.catalog_page(document.sn or 0, asked, len(found), page, line.label)
            if await self._cascade.tell(line, body) is None:
                log.info("catalogue not taken", upper=line.upper.id)
                return  # a page that nobody takes: the asker asks again

    async def _presets(self, line: UpperLine, document: Document) -> None:
        body = await self._cascade.control.presets(line.upper, line.catalogue, document, line.label)
        await self._cascade.tell(line, body)

    def _about(self, line: UpperLine, document: Document) -> bytes:
        """Return what we say of ourselves, or of a camera we share."""
        command, sn, asked = document.cmd_type, document.sn or 0, document.device_id
        item = line.catalogue.by_exported.get(asked)
        own = asked == line.upper.local_id
        fields: list[Pair] = []
        is_ok = own or item is not None
        match command.lower():
            case "deviceinfo" if is_ok:
                name = item.name if item is not None else "Tocsin"
                count = len(line.catalogue.by_channel) if own else 1
                fields = [
                    ("DeviceName", name),
                    ("Manufacturer", "Tocsin"),
                    ("Model", "Tocsin"),
                    ("Firmware", self._cascade.config.version),
                    ("Channel", count),
                ]
            case "devicestatus" if is_ok:
                is_online = own or (item is not None and item.is_online is not False)
                fields = [
                    ("Online", "ONLINE" if is_online else "OFFLINE"),
                    ("Status", "OK"),
                    ("Encode", "ON" if is_online else "OFF"),
                    ("Record", "OFF"),
                ]
            case "configdownload" if is_ok and "basicparam" in document.root.get("ConfigType").lower():
                basic: list[Pair] = [
                    ("Name", item.name if item is not None else "Tocsin"),
                    ("Expiration", line.upper.expires_s),
                    ("HeartBeatInterval", line.upper.keepalive_s),
                    ("HeartBeatCount", 3),
                ]
                fields = [("BasicParam", basic)]
            case _:
                is_ok = False
        return result_response(command or "DeviceInfo", sn, asked, fields, is_ok=is_ok, label=line.label)

    # --- subscriptions ---

    def subscribe(self, line: UpperLine, request: Request, peer: Peer) -> Response:
        """Grant, refresh or end a subscription; the body says what it is about, not the Event header."""
        sip, now = self._cascade.sip, self._cascade.clock.monotonic()
        document = parse_document(request.body, line.upper.charset)
        asked_s = expires_of(request)
        expires_s = DEFAULT_EXPIRES_S if asked_s is None else min(asked_s, LONGEST_EXPIRES_S)
        known = line.subscriptions.by_call(request.call_id, now)
        identity = wire.identity_of(request.headers.get(wire.IDENTITY_HEADER))
        kind = known.kind if known is not None else ""
        if not kind and not isinstance(document, BadDocument):
            kind = KINDS.get(document.cmd_type.lower(), "")
        if not kind:
            return sip.reply_to(request, peer, 481 if request.to_tag else 489)
        asked, interval_s = line.upper.local_id, 0.0
        if kind == "position":
            if not isinstance(document, BadDocument):
                asked, interval_s = document.device_id or asked, _interval_s(document)
            status, key = self._may_hear_positions(line, asked)
            if status != 200:
                self._cascade.note_failure(line, asked, "positions", key, status, identity)
                return sip.reply_to(request, peer, status)
        tag = tag_of(known.local) if known is not None else sip.new_word()[:10]
        answer = self._granted(line, request, peer, document, expires_s, tag)
        if expires_s == 0:
            if known is not None:
                line.subscriptions.end(known)
            self._cascade.keep_subscriptions(line)
            return answer
        subscription = known or Subscription(
            kind,
            request.call_id,
            f"{request.headers.get('to')};tag={tag}",
            request.headers.get("from"),
            f"sip:{line.upper.upper_id}@{line.upper.domain}",
            request.headers.get("event") or "presence",
            asked,
            now + expires_s,
        )
        subscription.ends_at = now + expires_s
        subscription.interval_s = interval_s or subscription.interval_s
        if not line.subscriptions.put(subscription):
            return sip.reply_to(request, peer, 503)
        self._cascade.keep_subscriptions(line)
        if known is None:
            self.begin(line, subscription, identity)
        return answer

    def begin(self, line: UpperLine, subscription: Subscription, identity: str = "") -> None:
        """Tell a new subscriber what it has to know first; a resumed one is told it again."""
        if subscription.kind == "catalog":
            self._cascade.start_task(self._begin(line, subscription))
        elif subscription.kind == "position":
            self._cascade.start_task(self._cascade.positions.begin(line, subscription, identity))

    def _may_hear_positions(self, line: UpperLine, asked: str) -> tuple[int, str]:
        if not line.upper.may(Verb.POSITIONS):
            return 403, "cascade.no_right"
        known = asked in line.catalogue.by_exported or role_of(asked) is Role.DIVISION
        return (200, "") if known or asked == line.upper.local_id else (404, "cascade.unknown_id")

    def _granted(
        self, line: UpperLine, request: Request, peer: Peer, document: Document | BadDocument, expires_s: int, tag: str
    ) -> Response:
        body, headers = b"", [("Expires", str(expires_s))]
        if not isinstance(document, BadDocument):
            body = build_document(
                "Response",
                document.cmd_type,
                document.sn or 0,
                document.device_id,
                [("Result", "OK")],
                label=line.label,
            )
            headers.append(("Content-Type", CONTENT_TYPE))
        return response_to(request, 200, to_tag=tag, source=(peer.host, peer.port), headers=headers, body=body)

    async def _begin(self, line: UpperLine, subscription: Subscription) -> None:
        """The subscriber takes everything in scope for ON; what is not is told at once."""
        line.catalogue = await self._cascade.service.catalogue(line.upper.id)
        subscription.told = tuple(
            replace(item, is_online=None if item.is_online is None else True)
            for item in items_of_catalogue(line.catalogue)
        )
        await self.push(line, is_settling=self._cascade.is_settling)

    async def push(self, line: UpperLine, *, is_settling: bool) -> None:
        """Tell the subscriber what changed since it was last told; OFF waits while our own devices come back."""
        now = self._cascade.clock.monotonic()
        line.catalogue = await self._cascade.service.catalogue(line.upper.id)
        subscription = line.subscriptions.of("catalog", now)
        if subscription is None or line.peer is None:
            return
        items = items_of_catalogue(line.catalogue)
        known = {item.gb_id: item for item in subscription.told}
        if is_settling:
            items = tuple(
                replace(item, is_online=True)
                if item.is_online is False and (former := known.get(item.gb_id)) is not None and former.is_online
                else item
                for item in items
            )
            self._cascade.mark_stale(line.upper.id)
        changes = wire.changes_between(subscription.told, items)
        is_tcp = line.peer.transport is Transport.TCP
        while changes:
            whole = changes[0].event in (ItemEvent.ADD, ItemEvent.UPDATE)
            size = BATCH_TCP if is_tcp else WHOLE_ITEMS_UDP if whole else BATCH_UDP
            batch, changes = changes[:size], changes[size:]
            body = wire.catalog_notify(line.next_sn(), line.upper.local_id, batch, line.label)
            if not await self.notify(line, subscription, body):
                self._cascade.mark_stale(line.upper.id)  # what was not taken is told again
                return
            told = {item.gb_id: item for item in subscription.told}
            for change in batch:
                if change.event is ItemEvent.DEL:
                    told.pop(change.item.gb_id, None)
                else:
                    told[change.item.gb_id] = change.item
            subscription.told = tuple(told.values())

    async def notify(self, line: UpperLine, subscription: Subscription, body: bytes) -> bool:
        """Tell a subscriber; False when it did not take it. One that no longer knows the dialog is forgotten."""
        if line.peer is None:
            return False
        fields = [*subscription.fields(self._cascade.clock.monotonic()), ("Content-Type", CONTENT_TYPE)]
        response = await self._cascade.sip.request(line.peer, "NOTIFY", subscription.target, fields=fields, body=body)
        if response is not None and response.status == 481:
            line.subscriptions.end(subscription)
            self._cascade.keep_subscriptions(line)
        return response is not None and response.status < 300

    # --- alarms ---

    def alarm(self, line: UpperLine, device: RegisteredDevice, document: Document, notice: AlarmNotice) -> None:
        """Pass an alarm on when its camera, or a camera of its device, is shared with this upper platform."""
        if line.upper.send_alarms == "never" or line.peer is None:
            return
        of_device = [item for item in line.catalogue.by_channel.values() if item.device_id == device.device_id]
        if not of_device:
            return
        named = [item for item in of_device if item.own_id == notice.source]
        exported = named[0].exported_id if named else notice.source or of_device[0].exported_id
        if not named and (notice.source in ("", device.gb_id)):
            exported = of_device[0].exported_id  # a camera that names itself
        told = document
        if notice.cleaned is not None:
            cleaned = parse_document(notice.cleaned)
            if isinstance(cleaned, BadDocument):
                return
            told = cleaned
        body = wire.with_ids(told, exported, line.next_sn(), line.label)
        subscription = line.subscriptions.of("alarm", self._cascade.clock.monotonic())
        if subscription is not None:
            self._cascade.start_task(self.notify(line, subscription, body))
        elif line.upper.send_alarms == "always":
            self._cascade.start_task(self._cascade.tell(line, body))
