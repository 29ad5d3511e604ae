"""Storage arithmetic in use: rates measured over the last day, volumes as they are, a notice before they fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.refusals import require
from tocsin.domain.retention import Policy, keeping
from tocsin.domain.retention_service import SegmentFiles
from tocsin.domain.segments import DAY_MS, Volume
from tocsin.domain.storage_forecast import (
    Flow,
    Outlook,
    Room,
    WhatIf,
    hours_left,
    needed_bytes,
    outlook,
    supposed,
)
from tocsin.domain.storage_tiers import FarPlace, days_of, near_flows, split
from tocsin.domain.store import Store
from tocsin.domain.tiers import TierRules

READ: Final = Permission.READ_REGISTRY
FRESH_S: Final = 600.0
LEAST_MS: Final = 10 * 60_000
WARN_HOURS: Final = 24.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: volumes with their room, flows, and the stream behind each."""

    at_s: float
    volumes: tuple[Volume, ...]
    rooms: tuple[Room, ...]
    flows: tuple[Flow, ...]
    streams: Mapping[int, Any]
    far: FarPlace | None = None
    stored_far: Mapping[int, int] = field(default_factory=dict)

    def split(self, what: WhatIf) -> tuple[list[Room], list[Flow], list[Flow]]:
        """Return volumes, flows as they fill them, and what each stream brings, as it is or would be."""
        far = self.far
        near = [room for room in self.rooms if far is None or room.volume_no != far.volume_no]
        brought = list(self.flows)
        if not what.is_nothing:
            near, brought = supposed(what, near, brought)
        if far is None:
            return near, brought, brought
        rooms = near + [room for room in self.rooms if room.volume_no == far.volume_no]
        return rooms, split(near, brought, self.stored_far, far), brought


class StorageService:
    """How many days the disks give."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        files: SegmentFiles,
        notices: NoticeBoard | None = None,
        tier: TierRules | None = None,
    ) -> None:
        """With `tier` recordings move to a far place."""
        self._store = store
        self._clock = clock
        self._files = files
        self._notices = notices
        self._tier = tier
        self._measured: Measured | None = None

    async def look(self, *, actor: Actor, what: WhatIf = WhatIf()) -> dict[str, object]:
        """Return the outlook of all volumes, and of each camera the actor sees; with `what`, as it would be.

        Errors: FORBIDDEN.
        """
        require(actor, READ)
        return shown(await self._measure(), scope(actor, READ), what)

    async def check(self) -> None:
        """Measure anew; warn of volumes that in less than a day hold nothing that may be deleted for room."""
        self._measured = None
        found = await self._measure()
        if self._notices is None:
            return
        rooms, flows, _ = found.split(WhatIf())
        volumes = {volume.no: volume for volume in found.volumes}
        for room in rooms:
            volume = volumes[room.volume_no]
            hours = hours_left(room, flows)
            if hours < WARN_HOURS:
                params = {"volume": volume.location, "hours": round(hours)}
                await self._notices.raise_notice(
                    "recording.filling", Severity.WARNING, subject_id=volume.id, params=params
                )
            else:
                await self._notices.clear_notice("recording.filling", volume.id)

    async def _measure(self) -> Measured:
        known = self._measured
        if known is not None and self._clock.monotonic() - known.at_s < FRESH_S:
            return known
        volumes: list[Volume] = await self._store.read(lambda tx: tx.segments.volumes())
        usages: dict[int, tuple[int, int]] = {}
        for volume in volumes:
            usage = await self._files.usage(volume)
            if usage is not None and usage[0] > 0:
                usages[volume.no] = usage
        present = [volume for volume in volumes if volume.no in usages]
        found: Measured = await self._store.read(_measure, present, usages, self._clock.monotonic(), self._tier)
        self._measured = found
        return found


def _measure(
    tx: Any, volumes: Sequence[Volume], usages: Mapping[int, tuple[int, int]], at_s: float, tier: TierRules | None
) -> Measured:
    now_ms = to_us(tx.now) // 1000
    policies: list[Policy] = tx.retention.policies()
    streams = {stream.no: stream for stream in tx.kept.streams()}
    stored = {(one.stream_no, one.volume_no): one for one in tx.kept.sums()}
    recent = {(one.stream_no, one.volume_no): one for one in tx.kept.sums(since_ms=now_ms - DAY_MS)}
    flows = []
    near_days: dict[int, int] = {}
    for (stream_no, volume_no), whole in sorted(stored.items()):
        stream = streams[stream_no]
        last = recent.get((stream_no, volume_no))
        rate = 0.0
        if last is not None:
            window_ms = max(LEAST_MS, min(DAY_MS, now_ms - last.from_ms))
            rate = last.size_bytes * DAY_MS / window_ms
        kept = keeping(policies, stream.jurisdiction_code, stream.place_class)
        if kept.hot_days is not None:
            near_days[stream_no] = kept.hot_days
        flows.append(
            Flow(
                stream_no,
                volume_no,
                rate,
                whole.size_bytes,
                stream.priority,
                float(kept.floor_days),
                None if kept.ceiling_days is None else float(kept.ceiling_days),
            )
        )
    rooms = []
    for volume in volumes:
        total, free = usages[volume.no]
        ours = sum(flow.stored_bytes for flow in flows if flow.volume_no == volume.no)
        rooms.append(
            Room(
                volume.no,
                total,
                total - free,
                min(total * volume.high_pct // 100, total - volume.reserve_bytes),
                tx.kept.held_bytes(tx.now, volume.no),
                max(0, total - free - ours),
            )
        )
    far = _far(tx, tier, near_days)
    if far is None:
        return Measured(at_s, tuple(volumes), tuple(rooms), tuple(flows), streams)
    stored_far = {flow.stream_no: flow.stored_bytes for flow in flows if flow.volume_no == far.volume_no}
    return Measured(at_s, tuple(volumes), tuple(rooms), tuple(near_flows(flows, far)), streams, far, stored_far)


def _far(tx: Any, tier: TierRules | None, days: Mapping[int, int]) -> FarPlace | None:
    """Return where recordings move; None when they do not."""
    if tier is None:
        return None
    for volume in tx.segments.volumes():
        if volume.kind == tier.kind and volume.location == tier.location:
            return FarPlace(volume.no, days, tier.after_days, tier.at_pct)
    return None


def shown(found: Measured, visible: Scope, what: WhatIf) -> dict[str, object]:
    """Return an outlook as the API shows it: volumes, cameras of `visible`, sums."""
    rooms, flows, brought = found.split(what)
    outlooks = [outlook(room, flows) for room in rooms]
    if found.far is None:
        rate = sum(one.bytes_per_day for one in outlooks)
        days = {no: value for one in outlooks for no, value in one.days.items()}
    else:
        rate = sum(flow.bytes_per_day for flow in brought)
        days = days_of(outlooks, flows, found.far)
    volumes = {volume.no: volume for volume in found.volumes}
    cameras = []
    for flow in brought:
        stream = found.streams.get(flow.stream_no)
        if stream is None or not visible.covers(stream.jurisdiction_code, stream.channel_id):
            continue
        cameras.append(
            {
                "id": stream.channel_id,
                "name": stream.name,
                "name_en": stream.name_en,
                "stream": stream.stream,
                "volume": flow.volume_no,
                "priority": flow.priority,
                "kbps": round(flow.bytes_per_day * 8 / 86_400 / 1000, 1),
                "bytes_per_day": round(flow.bytes_per_day),
                "stored_bytes": flow.stored_bytes + found.stored_far.get(flow.stream_no, 0),
                "floor_days": flow.floor_days,
                "ceiling_days": flow.ceiling_days,
                "days": _days(days.get(flow.stream_no)),
                "meets_floor": flow.bytes_per_day <= 0 or days.get(flow.stream_no, 0.0) >= flow.floor_days - 0.01,
            }
        )
    cameras.sort(key=lambda one: (one["meets_floor"], one["days"] if one["days"] is not None else 0.0))
    full = [one.full_in_days for one in outlooks if one.full_in_days is not None]
    return {
        "volumes": [_volume(volumes[room.volume_no], room, one) for room, one in zip(rooms, outlooks, strict=True)],
        "cameras": cameras,
        "total_bytes": sum(room.total_bytes for room in rooms),
        "used_bytes": sum(room.used_bytes for room in rooms),
        "held_bytes": sum(room.held_bytes for room in rooms),
        "bytes_per_day": round(rate),
        "held_days": round(sum(room.held_bytes for room in rooms) / rate, 2) if rate else 0.0,
        "least_days": _days(min(days.values(), default=None)),
        "full_in_days": _days(min(full, default=None)),
        "meets_floors": all(one.fits for one in outlooks),
        "lacking_bytes": round(sum(one.lacking_bytes for one in outlooks)),
        "needed_bytes": None if what.keep_days is None else round(needed_bytes(rooms, brought, what.keep_days)),
    }


def _volume(volume: Volume, room: Room, one: Outlook) -> dict[str, object]:
    return {
        "no": volume.no,
        "location": volume.location,
        "tier": str(volume.tier),
        "total_bytes": room.total_bytes,
        "used_bytes": room.used_bytes,
        "full_at_bytes": room.full_at_bytes,
        "held_bytes": room.held_bytes,
        "other_bytes": room.other_bytes,
        "bytes_per_day": round(one.bytes_per_day),
        "least_days": _days(one.least_days),
        "full_in_days": _days(one.full_in_days),
        "meets_floors": one.fits,
        "lacking_bytes": round(one.lacking_bytes),
    }


def _days(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
