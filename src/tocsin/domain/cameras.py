"""Use cases of channels: changing, putting into service alone or in bulk, retiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import channels as rules
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import Page, bounded, check_version, guard, page
from tocsin.domain.camera_tree import read_key
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import Zone
from tocsin.domain.directory import Directory
from tocsin.domain.fields import refuse
from tocsin.domain.lists import Marks, checked_order, cursor, sort_values, values_of
from tocsin.domain.place_service import MANAGE, READ, subtree_code
from tocsin.domain.places import Jurisdiction, Place
from tocsin.domain.prohibited import is_prohibited, refuse_camera, refuse_cameras
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store
from tocsin.domain.views import end_views

T = TypeVar("T")
COMMISSION: Final = Permission.COMMISSION_CAMERA
CHUNK: Final = 500
_ANSWERED_FOR: Final = frozenset({"owner", "place_id", "purpose"})


@dataclass(frozen=True, slots=True)
class Commissioned:
    """What a bulk commissioning did: channels now in service, and those left with what each is missing."""

    commissioned: tuple[str, ...]
    refused: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "commissioned": list(self.commissioned),
            "refused": [{"id": channel_id, "missing": list(missing)} for channel_id, missing in self.refused],
        }


class ChannelService(UseCases):
    """Use cases of channels. What changes counts for gateways and views on return."""

    def __init__(self, store: Store, clock: Clock, directory: Directory) -> None:
        super().__init__(store)
        self._clock = clock
        self._directory = directory

    async def cameras(
        self,
        actor: Actor,
        *,
        text: str = "",
        stage: str = "",
        state: str = "",
        jurisdiction_id: str = "",
        place_id: str = "",
        device_id: str = "",
        maker: str = "",
        tag: str = "",
        node: str = "",
        order: str = "newest",
        after: str = "",
        limit: int = 100,
    ) -> Page[ChannelRecord]:
        """Return channels, newest first unless `order` says `name` or `state`; retired ones only when that stage is
        asked for. `node` is a key of a tree (`domain/camera_tree.py`). Errors: INVALID, NOT_FOUND.
        """
        size = bounded(limit)
        narrowed = {
            "text": text,
            "stage": stage,
            "state": state,
            "place_id": place_id,
            "device_id": device_id,
            "maker": maker,
            "tag": tag,
            "order": checked_order(order),
            "after": sort_values(order, after),
        }
        found = await self._store.read(_find, actor, jurisdiction_id, node, narrowed, size + 1)
        return page(found, size, lambda one: cursor(order, _sorted_by(one, order)))

    async def marks(
        self,
        actor: Actor,
        *,
        text: str = "",
        stage: str = "",
        state: str = "",
        jurisdiction_id: str = "",
        maker: str = "",
        tag: str = "",
        node: str = "",
        order: str = "newest",
        size: int = 100,
    ) -> Marks:
        """Return how many channels such a list has and where its pages begin. Errors: INVALID, NOT_FOUND."""
        narrowed = {"text": text, "stage": stage, "state": state, "maker": maker, "tag": tag}
        narrowed["order"] = checked_order(order)
        found: Marks = await self._store.read(_mark, actor, jurisdiction_id, node, narrowed, size)
        return found

    async def camera(self, channel_id: str, *, actor: Actor) -> ChannelRecord:
        """Return one channel. Errors: NOT_FOUND."""
        found: ChannelRecord = await self._store.read(
            lambda tx: tx.devices.channel(channel_id, visible_to=scope(actor, READ))
        )
        return found

    async def zones(self, channel_id: str, *, actor: Actor) -> list[Zone]:
        """Return the zones a channel shows, of devices the actor may see. Errors: NOT_FOUND."""
        return await self._store.read(_zones, actor, channel_id)

    async def change(self, channel_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> ChannelRecord:
        """Change a channel. With owner, place and purpose set by somebody who may commission, it goes into service;
        `stage` may ask for `in_service` in so many words. Errors: INVALID naming the field, NOT_FOUND, CONFLICT,
        FORBIDDEN.
        """
        saved = await self._do(actor, "channel.changed", channel_id, change_channel, channel_id, changes, version)
        await self._directory.refresh(saved.device_id)
        return saved

    async def retire(self, channel_id: str, *, actor: Actor, version: int) -> ChannelRecord:
        """Take a channel out of service for good and end the views of it. Errors: NOT_FOUND, CONFLICT, FORBIDDEN."""
        saved = await self._do(actor, "channel.retired", channel_id, retire_channel, channel_id, version)
        await self._directory.refresh(saved.device_id)
        return saved

    async def commission(self, *, actor: Actor, jurisdiction_id: str = "", cameras: Sequence[str] = ()) -> Commissioned:
        """Put channels into service, what they lack taken from the defaults of their jurisdiction and the place of
        their device. Named cameras: all or none. A whole jurisdiction: those that can, the others are listed.
        Errors: INVALID naming the missing field, NOT_FOUND, FORBIDDEN.
        """
        if bool(jurisdiction_id) == bool(cameras):
            raise refuse("cameras", "registry.field_required", "give jurisdiction_id or cameras")
        if cameras:
            if len(cameras) > 2_000:
                raise refuse("cameras", "registry.field_form", "at most 2000 cameras at a time", form="[id, ...]")
            done = await self._do(actor, "channel.commissioned", cameras[0], _commission_named, tuple(cameras))
            await self._directory.refresh(*{channel.device_id for channel in done})
            return Commissioned(tuple(channel.id for channel in done))
        commissioned: list[str] = []
        refused: list[tuple[str, tuple[str, ...]]] = []
        after: str | None = ""
        while after is not None:  # in pieces: no alarm waits for twenty thousand cameras
            done, left, after = await self._do(
                actor, "channel.commissioned", jurisdiction_id, _commission_below, jurisdiction_id, after
            )
            commissioned.extend(channel.id for channel in done)
            refused.extend((channel.id, channel.missing) for channel in left)
            await self._directory.refresh(*{channel.device_id for channel in done})
        return Commissioned(tuple(commissioned), tuple(refused))

    async def refresh(self, *device_ids: str) -> None:
        """Have what changed of these devices' channels count for gateways and views."""
        await self._directory.refresh(*device_ids)

    async def _do(self, actor: Actor, asked: str, subject_id: str, work: Callable[..., T], *args: Any) -> T:
        return await self._act(asked, "channel", subject_id, actor, work, actor, self._clock.now(), *args)


def _at(tx: Any, actor: Actor, jurisdiction_id: str, node: str) -> dict[str, Any]:
    """Return what a jurisdiction and a node of a tree narrow a list to. Errors: INVALID, NOT_FOUND."""
    key = read_key(node)
    code = subtree_code(tx, actor, jurisdiction_id)
    if key is not None and key.kind == "g" and key.id:
        tx.groups.get(key.id, visible_to=scope(actor, READ))
    if key is None or key.kind != "j":
        return {"code": code, "node": key}
    below = subtree_code(tx, actor, key.id)
    if code and not below.startswith(code):
        below = code if code.startswith(below) else "0" * 13  # nothing lies in both
    return {"code": below, "node": None}


def _find(
    tx: Any, actor: Actor, jurisdiction_id: str, node: str, narrowed: Mapping[str, Any], limit: int
) -> list[ChannelRecord]:
    at = _at(tx, actor, jurisdiction_id, node)
    found: list[ChannelRecord] = tx.devices.find_channels(visible_to=scope(actor, READ), limit=limit, **at, **narrowed)
    return found


def _mark(tx: Any, actor: Actor, jurisdiction_id: str, node: str, narrowed: Mapping[str, Any], size: int) -> Marks:
    at = _at(tx, actor, jurisdiction_id, node)
    found: Marks = tx.devices.channel_marks(visible_to=scope(actor, READ), size=size, **at, **narrowed)
    return found


def _sorted_by(channel: ChannelRecord, order: str) -> tuple[str, ...]:
    return values_of(order, channel.name, channel.id, "1" if channel.is_online else "0")


def _zones(tx: Any, actor: Actor, channel_id: str) -> list[Zone]:
    visible = scope(actor, READ)
    tx.devices.channel(channel_id, visible_to=visible)
    found: list[Zone] = tx.devices.zones_with(channel_id, visible_to=visible)
    return found


def managed_channel(tx: Any, actor: Actor, channel_id: str, version: int) -> ChannelRecord:
    """Return a channel the actor may change and has seen as it is. Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
    known: ChannelRecord = tx.devices.channel(channel_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "channel", known.id, known.jurisdiction_code)
    check_version("camera", known.id, known.version, version)
    if known.stage == rules.RETIRED:
        raise TocsinError(ErrorCode.CONFLICT, "the camera is retired", key="registry.retired")
    return known


def changed_of(
    tx: Any, actor: Actor, channel_id: str, changes: Mapping[str, Any], version: int
) -> tuple[ChannelRecord, ChannelRecord, tuple[str, ...]]:
    """Return a channel as it is, as it would be, and the fields given; nothing is saved. Errors: as `change`."""
    known = managed_channel(tx, actor, channel_id, version)
    wanted = dict(changes)
    stage = wanted.pop("stage", known.stage)
    if stage not in (known.stage, rules.IN_SERVICE):
        raise refuse("stage", "registry.field_choice", "stage must be in_service", choices=rules.IN_SERVICE)
    home = _home(tx, actor, known, wanted.pop("jurisdiction_id", None))
    changed = rules.changed_channel(known, wanted)
    if home is not None:
        changed = replace(changed, jurisdiction_id=home.id, jurisdiction_code=home.code)
        wanted["jurisdiction_id"] = home.id
    if changed.place_id is not None and changed.place_id != known.place_id:
        place = tx.places.get(changed.place_id, visible_to=scope(actor, READ))
        if place.retired_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "the place is retired", key="registry.retired", field="place_id")
        refuse_camera(place)
    if stage != known.stage:
        guard(actor, COMMISSION, "channel", known.id, known.jurisdiction_code)
        changed = rules.commissioned(changed)
    elif (
        known.stage == rules.DISCOVERED
        and not changed.missing
        and _ANSWERED_FOR & wanted.keys()
        and scope(actor, COMMISSION).covers(known.jurisdiction_code, known.id)
    ):
        changed = rules.commissioned(changed)
    return known, changed, tuple(sorted(wanted))


def _home(tx: Any, actor: Actor, known: ChannelRecord, jurisdiction_id: str | None) -> Jurisdiction | None:
    """Return the jurisdiction a channel moves to; None when it stays. Errors: NOT_FOUND, FORBIDDEN."""
    if jurisdiction_id is None or jurisdiction_id == known.jurisdiction_id:
        return None
    home: Jurisdiction = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "channel", known.id, home.code)
    return home


def change_channel(
    tx: Any, actor: Actor, now: datetime, channel_id: str, changes: Mapping[str, Any], version: int
) -> ChannelRecord:
    """Change one channel with its record. Errors: as `ChannelService.change`."""
    known, changed, wanted = changed_of(tx, actor, channel_id, changes, version)
    if changed.jurisdiction_id != known.jurisdiction_id:
        end_views(tx, tx.views.live_of_channels([channel_id]), reason="moved", by=actor.ref)
    saved: ChannelRecord = tx.devices.save_channel(changed)
    if saved.stage != known.stage:
        tx.record(_commissioned(saved, actor, now, wanted))
    else:
        tx.record(
            events.ChannelChanged(
                subject_id=saved.id,
                at=now,
                jurisdiction_code=saved.jurisdiction_code,
                actor=actor.ref,
                data=saved.form(),
                changed=wanted,
                place_id=(saved.place_id or "") if saved.place_id != known.place_id else "",
                moved_from=known.jurisdiction_code if saved.jurisdiction_code != known.jurisdiction_code else "",
            )
        )
    return saved


def _commissioned(
    channel: ChannelRecord, actor: Actor, now: datetime, changed: tuple[str, ...] = (), *, by_defaults: bool = False
) -> events.ChannelCommissioned:
    return events.ChannelCommissioned(
        subject_id=channel.id,
        at=now,
        jurisdiction_code=channel.jurisdiction_code,
        actor=actor.ref,
        data=channel.form(),
        changed=changed,
        place_id=channel.place_id or "",
        by_defaults=by_defaults,
    )


def commission_channel(tx: Any, actor: Actor, now: datetime | None, channel_id: str, version: int) -> ChannelRecord:
    """Put one channel into service with the defaults above it; without `now` only check. Errors: INVALID naming what
    is missing, NOT_FOUND, CONFLICT, FORBIDDEN.
    """
    known = managed_channel(tx, actor, channel_id, version)
    guard(actor, COMMISSION, "channel", known.id, known.jurisdiction_code)
    [filled] = _filled(tx, [known])
    ready = rules.commissioned(filled)
    refuse_cameras(tx, [ready])
    return ready if now is None else _put_into_service(tx, actor, now, [ready])[0]


def retire_channel(tx: Any, actor: Actor, now: datetime, channel_id: str, version: int) -> ChannelRecord:
    """Take one channel out of service for good, with its record. Errors: NOT_FOUND, CONFLICT, FORBIDDEN."""
    known = managed_channel(tx, actor, channel_id, version)
    end_views(tx, tx.views.live_of_channels([channel_id]), reason="retired", by=actor.ref)
    saved: ChannelRecord = tx.devices.save_channel(replace(known, stage=rules.RETIRED, retired_at=now))
    tx.record(
        events.ChannelRetired(
            subject_id=saved.id,
            at=now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            data=saved.form(),
        )
    )
    return saved


def restore_channel(
    tx: Any, actor: Actor, now: datetime | None, channel_id: str, values: Mapping[str, Any], version: int
) -> ChannelRecord:
    """Give a channel back the values it had, its stage too; without `now` only check. Views of one that leaves service
    end. Errors: INVALID, NOT_FOUND, CONFLICT when it has changed since or its device is retired, FORBIDDEN.
    """
    known: ChannelRecord = tx.devices.channel(channel_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "channel", known.id, known.jurisdiction_code)
    check_version("camera", known.id, known.version, version)
    wanted = dict(values)
    stage = str(wanted.pop("stage", known.stage))
    if stage != known.stage:
        guard(actor, COMMISSION, "channel", known.id, known.jurisdiction_code)
        device = tx.devices.load([known.device_id]).get(known.device_id)
        if stage == rules.RETIRED or device is None or device.retired_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "the camera is retired", key="registry.retired")
    home = _home(tx, actor, known, wanted.pop("jurisdiction_id", None))
    changed = rules.changed_channel(replace(known, stage=rules.DISCOVERED), wanted)
    if home is not None:
        changed = replace(changed, jurisdiction_id=home.id, jurisdiction_code=home.code)
    changed = rules.commissioned(changed) if stage == rules.IN_SERVICE else replace(changed, stage=stage)
    changed = replace(changed, retired_at=None if stage != rules.RETIRED else known.retired_at)
    refuse_cameras(tx, [changed])
    if now is None:
        return changed
    if home is not None or (known.stage == rules.IN_SERVICE and stage != known.stage):
        end_views(tx, tx.views.live_of_channels([channel_id]), reason="moved", by=actor.ref)
    saved: ChannelRecord = tx.devices.save_channel(changed)
    tx.record(
        events.ChannelRestored(
            subject_id=saved.id,
            at=now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            data=saved.form(),
            changed=tuple(sorted(values)),
            stage=saved.stage,
            stage_before=known.stage if known.stage != saved.stage else "",
        )
    )
    return saved


def _commission_named(tx: Any, actor: Actor, now: datetime, cameras: tuple[str, ...]) -> list[ChannelRecord]:
    found = tx.devices.load_channels(cameras)
    visible = scope(actor, READ)
    chosen: list[ChannelRecord] = []
    for camera_id in dict.fromkeys(cameras):
        channel = found.get(camera_id)
        if channel is None or not visible.covers(channel.jurisdiction_code, camera_id):
            raise TocsinError(ErrorCode.NOT_FOUND, f"no camera {camera_id}")
        guard(actor, COMMISSION, "channel", channel.id, channel.jurisdiction_code)
        if channel.stage != rules.IN_SERVICE:
            chosen.append(channel)
    ready = [rules.commissioned(channel) for channel in _filled(tx, chosen)]
    refuse_cameras(tx, ready)
    return _put_into_service(tx, actor, now, ready)


def _commission_below(
    tx: Any, actor: Actor, now: datetime, jurisdiction_id: str, after: str
) -> tuple[list[ChannelRecord], list[ChannelRecord], str | None]:
    """Commission one piece; return what went into service, what is left, and where to go on."""
    home: Jurisdiction = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ))
    guard(actor, COMMISSION, "jurisdiction", home.id, home.code)
    found = tx.devices.to_commission(home.code, after, CHUNK, visible_to=scope(actor, COMMISSION))
    filled = _filled(tx, found)
    places: Mapping[str, Place] = tx.places.load({channel.place_id for channel in filled if channel.place_id})
    barred = {key for key, place in places.items() if is_prohibited(place)}
    left = [channel for channel in filled if channel.missing or channel.place_id in barred]
    stays = {channel.id for channel in left}
    ready = [rules.commissioned(channel) for channel in filled if channel.id not in stays]
    return _put_into_service(tx, actor, now, ready), left, found[-1].id if len(found) == CHUNK else None


def _filled(tx: Any, channels: Sequence[ChannelRecord]) -> list[ChannelRecord]:
    """Return channels with what they lack from their jurisdiction, or the nearest above that has a default."""
    nodes: dict[str, Jurisdiction] = {node.id: node for node in tx.places.all_jurisdictions()}
    devices = tx.devices.load({channel.device_id for channel in channels})
    filled = []
    for channel in channels:
        node: Jurisdiction | None = nodes[channel.jurisdiction_id]
        while node is not None:
            channel = rules.with_defaults(channel, node, devices[channel.device_id].place_id)
            node = nodes.get(node.parent_id or "")
        filled.append(channel)
    return filled


def _put_into_service(tx: Any, actor: Actor, now: datetime, ready: Sequence[ChannelRecord]) -> list[ChannelRecord]:
    saved: list[ChannelRecord] = tx.devices.save_channels(ready)
    tx.record_many(_commissioned(channel, actor, now, by_defaults=True) for channel in saved)
    return saved
