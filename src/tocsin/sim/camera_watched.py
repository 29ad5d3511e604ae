"""Catalogue and position subscriptions of a simulated device: taken, renewed, forgotten; its notifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tocsin.protocols.gb28181.catalog import CatalogItem, item_fields
from tocsin.protocols.gb28181.manscdp import Pair, build_document
from tocsin.protocols.gb28181.register import gb_date
from tocsin.protocols.gb28181.subscribe import (
    Position,
    PtzPosition,
    Topic,
    catalog_notify,
    position_notify,
    ptz_position_fields,
)
from tocsin.protocols.sip.message import Request, expires_of
from tocsin.sim.camera_plan import Quirk

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

LONGEST_EXPIRES_S: Final = 3600


@dataclass(slots=True)
class Watch:
    """One subscription the device holds."""

    topic: Topic
    call_id: str
    server_tag: str
    own_tag: str
    ends_at: float
    cseq: int
    renewals: int = 0


class SimWatched:
    """What a device tells those who subscribed to its channels and positions. `held` is by Call-ID."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera
        self.held: dict[str, Watch] = {}
        self._off: set[str] = set()

    def of(self, topic: Topic) -> list[Watch]:
        """Return the subscriptions to a topic that last."""
        now = self._camera.clock.monotonic()
        return [watch for watch in self.held.values() if watch.topic is topic and watch.ends_at > now]

    def is_on(self, channel_id: str) -> bool:
        """Say whether a channel really has a picture."""
        return channel_id not in self._off

    def forget(self) -> None:
        """Lose every subscription, as a reboot does."""
        self.held.clear()

    def subscribe(self, request: Request, topic: Topic) -> None:
        """Take, renew or end a subscription."""
        camera, quirks = self._camera, self._camera.plan.quirks
        camera.report.subscriptions += 1
        if Quirk.SILENT_TO_SUBSCRIBE in quirks:
            return
        if Quirk.REFUSES_SUBSCRIBE in quirks:
            camera.reply(request, 489)
            return
        known = self.held.get(request.call_id)
        if request.to_tag and (known is None or Quirk.FORGETS_SUBSCRIPTION in quirks):
            camera.reply(request, 481)
            return
        cseq = int(request.headers.get("cseq").split()[0])
        if known is not None and cseq <= known.cseq:
            camera.reply(request, 500)
            return
        expires_s = min(LONGEST_EXPIRES_S, expires_of(request) or 0)
        tag = request.to_tag or camera.new_word()[:8]
        camera.reply(request, 200, tag=tag, headers=[("Expires", str(expires_s)), ("Contact", f"<{camera.contact}>")])
        if expires_s == 0:
            self.held.pop(request.call_id, None)
            return
        ends_at = camera.clock.monotonic() + expires_s
        renewals = known.renewals + 1 if known is not None else 0
        self.held[request.call_id] = Watch(topic, request.call_id, request.from_tag, tag, ends_at, cseq, renewals)

    async def tell_channels(self, events: Sequence[tuple[str, str]], added: Sequence[CatalogItem] = ()) -> int:
        """Tell what happened to channels, as (id, event) and whole items; return the status, 0 when none came."""
        is_mistaken = Quirk.CHANNEL_OFF_BY_MISTAKE in self._camera.plan.quirks
        for gb_id, event in events:
            (self._off.add if event == "OFF" and not is_mistaken else self._off.discard)(gb_id)
        rows: list[Sequence[Pair]] = [[("DeviceID", gb_id), ("Event", event or None)] for gb_id, event in events]
        rows += [[*item_fields(item), ("Event", "ADD")] for item in added]
        body = catalog_notify(self._camera.next_sn(), self._camera.plan.gb_id, rows, self._camera.label)
        return await self.send(Topic.CATALOG, body)

    async def tell_positions(self, *positions: Position, as_list: bool | None = None) -> int:
        """Tell where channels are, in the form of the edition unless `as_list` says which."""
        camera = self._camera
        is_list = camera.plan.version.startswith("3") if as_list is None else as_list
        time_text = gb_date(camera.clock.now())
        sender = camera.plan.gb_id if is_list else positions[0].gb_id
        body = position_notify(
            camera.next_sn(), sender, positions, as_list=is_list, time_text=time_text, label=camera.label
        )
        return await self.send(Topic.POSITION, body)

    async def tell_aim(self, aim: PtzPosition) -> int:
        """Tell where a camera looks."""
        camera = self._camera
        fields = ptz_position_fields(aim)
        body = build_document("Notify", "PTZPosition", camera.next_sn(), aim.gb_id, fields, label=camera.label)
        return await self.send(Topic.PTZ_POSITION, body)

    async def end(self, topic: Topic, reason: str = "timeout") -> None:
        """End a subscription from this side."""
        for watch in self.of(topic):
            del self.held[watch.call_id]
            await self._camera.wire.transact(self._notification(watch, b"", f"terminated;reason={reason}"))

    async def send(self, topic: Topic, body: bytes) -> int:
        """Send a body to whoever subscribed; unasked by MESSAGE when nobody did. Return the last status."""
        camera, status = self._camera, 0
        watches = self.of(topic)
        if not watches:
            response = await camera.wire.transact(camera.outgoing("MESSAGE", body))
            return response.status if response is not None else 0
        for watch in watches:
            left_s = max(0, round(watch.ends_at - camera.clock.monotonic()))
            response = await camera.wire.transact(self._notification(watch, body, f"active;expires={left_s}"))
            status = response.status if response is not None else 0
        return status

    def _notification(self, watch: Watch, body: bytes, state: str) -> Request:
        camera, quirks = self._camera, self._camera.plan.quirks
        headers = [("Event", watch.topic.event), ("Subscription-State", state)]
        if Quirk.NO_SUBSCRIPTION_STATE in quirks:
            headers.pop()
        if Quirk.NOTIFY_OUTSIDE_DIALOG in quirks:
            return camera.outgoing("NOTIFY", body, headers=headers)
        return camera.outgoing(
            "NOTIFY",
            body,
            call_id=watch.call_id,
            own_tag=watch.own_tag,
            server_tag=watch.server_tag,
            headers=headers,
        )
