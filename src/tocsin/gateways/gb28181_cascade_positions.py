"""Positions for upper platforms: what vehicles' devices below report, told to those who subscribed and may know.

Only the latest position is held, in memory, and only for as long as it says where the vehicle is now. Devices that
somebody wears report where that somebody is: theirs are never told. Source: GB/T 28181-2022, "Mobile device position".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import structlog

from tocsin.base.errors import TocsinError
from tocsin.domain.cascade import ExportedItem, Verb
from tocsin.domain.devices import PositionReport
from tocsin.gateways.gb28181_cascade_subscriptions import Subscription
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.recordings import gb_time
from tocsin.protocols.gb28181.subscribe import Position, position_notify
from tocsin.protocols.sip.codes import Transport

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_cascade import GbCascade, UpperLine

log = structlog.get_logger(__name__)

MAX_HELD: Final = 20_000
STALE_S: Final = 300.0
ITEMS_UDP: Final = 4
ITEMS_TCP: Final = 50


class CascadePositions:
    """Where shared vehicles are now, for every line up."""

    def __init__(self, cascade: GbCascade) -> None:
        self._cascade = cascade
        self._latest: OrderedDict[tuple[str, str], PositionReport] = OrderedDict()

    def heard(self, device_id: str, found: Sequence[PositionReport]) -> None:
        """Take what a device below reports; nothing is held while nobody above may know."""
        if not any(line.upper.may(Verb.POSITIONS) for line in self._cascade.lines.values()):
            self._latest.clear()
            return
        for report in found:
            self._latest[device_id, report.gb_id] = report
            self._latest.move_to_end((device_id, report.gb_id))
        while len(self._latest) > MAX_HELD:
            self._latest.popitem(last=False)

    async def begin(self, line: UpperLine, subscription: Subscription, identity: str) -> None:
        """Record that an upper platform is told positions from now on; without the right it ends again."""
        asked = line.catalogue.by_exported.get(subscription.device_id)
        channel_id = asked.channel_id if asked is not None else ""
        try:
            await self._cascade.service.note_positions(line.upper.id, channel_id, subscription.interval_s, identity)
        except TocsinError as error:
            line.subscriptions.end(subscription)
            self._cascade.note_failure(line, channel_id, "positions", error.key, 403, identity)
            return
        if not self.carriers(line, subscription):
            self._cascade.note_failure(line, channel_id, "positions", "cascade.no_carriers", 200, identity)

    def carriers(self, line: UpperLine, subscription: Subscription) -> list[ExportedItem]:
        """Return the shared cameras on vehicles that a subscription is about."""
        asked, catalogue = subscription.device_id, line.catalogue
        found = [item for item in catalogue.by_channel.values() if item.tells_position]
        if not found or asked == line.upper.local_id:
            return found
        ids = {item.gb_id for item in wire.subtree(_items(line), asked, line.upper.local_id) or ()}
        return [item for item in found if item.exported_id in ids]

    def tick(self) -> None:
        """Tell what is new and due, each camera once in an interval."""
        now = self._cascade.clock.monotonic()
        for line in self._cascade.lines.values():
            if not line.upper.may(Verb.POSITIONS):
                continue
            for subscription in line.subscriptions.all_of("position", now):
                due = self._due(line, subscription, now)
                if due:
                    self._cascade.start_task(self._tell(line, subscription, due))

    def _due(self, line: UpperLine, subscription: Subscription, now: float) -> list[Position]:
        due: list[Position] = []
        for item in self.carriers(line, subscription):
            report = self._report(line, item)
            former, sent = subscription.told_at.get(item.exported_id, (None, -1e9))
            if report is None or report == former or now - sent < subscription.interval_s:
                continue
            subscription.told_at[item.exported_id] = (report, now)
            due.append(
                Position(item.exported_id, report.lon, report.lat, report.at, report.speed_kmh, report.direction_deg)
            )
        return due

    def _report(self, line: UpperLine, item: ExportedItem) -> PositionReport | None:
        """Return where a camera is now: by its own report, or by its device's when it is that device's only one."""
        found = self._latest.get((item.device_id, item.own_id))
        if found is None:
            same = [one for one in line.catalogue.by_channel.values() if one.device_id == item.device_id]
            own = self._cascade.calls.gb_id_of(item.device_id)
            found = self._latest.get((item.device_id, own)) if len(same) == 1 else None
        if found is not None and (self._cascade.clock.now() - found.at).total_seconds() > STALE_S:
            return None
        return found

    async def _tell(self, line: UpperLine, subscription: Subscription, due: list[Position]) -> None:
        is_list = line.upper.gb_version.startswith("3")
        is_tcp = line.peer is not None and line.peer.transport is Transport.TCP
        size = (ITEMS_TCP if is_tcp else ITEMS_UDP) if is_list else 1
        for at in range(0, len(due), size):
            part = due[at : at + size]
            sender = line.upper.local_id if is_list else part[0].gb_id
            time_text = gb_time(part[0].at or self._cascade.clock.now())
            body = position_notify(line.next_sn(), sender, part, as_list=is_list, time_text=time_text, label=line.label)
            if not await self._cascade.queries.notify(line, subscription, body):
                log.info("positions not taken", upper=line.upper.id)
                return


def _items(line: UpperLine) -> Sequence[CatalogItem]:
    from tocsin.gateways.gb28181_cascade_queries import items_of_catalogue

    return items_of_catalogue(line.catalogue)
