"""Use cases of the registry: who may enter, change and retire devices, zones and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.base.times import to_us
from tocsin.base.vault import Vault
from tocsin.domain import devices as rules
from tocsin.domain import events
from tocsin.domain.access import Actor, scope
from tocsin.domain.acts import Page, bounded, check_version, guard, page
from tocsin.domain.alarms import zone_key
from tocsin.domain.attempts import Attempt, PendingDevice
from tocsin.domain.devices import Device, DeviceState, Zone, taken
from tocsin.domain.directory import Directory
from tocsin.domain.fields import refuse
from tocsin.domain.lists import Marks, checked_order, cursor, sort_values, values_of
from tocsin.domain.paths import forms as path_forms
from tocsin.domain.paths import rules_of as path_rules
from tocsin.domain.place_service import MANAGE, READ, home_of, moved_to, subtree_code
from tocsin.domain.places import Place
from tocsin.domain.prohibited import refuse_device
from tocsin.domain.refusals import UseCases
from tocsin.domain.spoken import IP_PROTOCOLS
from tocsin.domain.store import Store
from tocsin.domain.views import end_views
from tocsin.domain.zone_faults import note_entered

T = TypeVar("T")


class DeviceService(UseCases):
    """Use cases of devices, their secrets, zones and links. What changes counts for the gateways on return."""

    def __init__(self, store: Store, clock: Clock, vault: Vault, directory: Directory) -> None:
        super().__init__(store)
        self._clock = clock
        self._vault = vault
        self._directory = directory

    async def devices(
        self,
        actor: Actor,
        *,
        kind: str = "",
        state: str = "",
        text: str = "",
        jurisdiction_id: str = "",
        place_id: str = "",
        maker: str = "",
        with_retired: bool = False,
        order: str = "newest",
        after: str = "",
        limit: int = 100,
    ) -> Page[Device]:
        """Return devices with their open faults, newest first unless `order` says `name` or `state`."""
        size = bounded(limit)
        narrowed = {
            "kind": kind,
            "state": state,
            "text": text,
            "place_id": place_id,
            "maker": maker,
            "with_retired": with_retired,
            "order": checked_order(order),
            "after": sort_values(order, after),
        }
        found = await self._store.read(_find_devices, actor, jurisdiction_id, narrowed, size + 1)
        return page(found, size, lambda one: cursor(order, _sorted_by(one, order)))

    async def marks(
        self,
        actor: Actor,
        *,
        kind: str = "",
        state: str = "",
        text: str = "",
        jurisdiction_id: str = "",
        maker: str = "",
        order: str = "newest",
        size: int = 100,
    ) -> Marks:
        """Return how many devices such a list has and where its pages begin. Errors: INVALID."""
        narrowed = {"kind": kind, "state": state, "text": text, "maker": maker, "order": checked_order(order)}
        found: Marks = await self._store.read(_mark_devices, actor, jurisdiction_id, narrowed, size)
        return found

    async def device(self, device_id: str, *, actor: Actor) -> Device:
        """Return one device. Errors: NOT_FOUND."""
        found: Device = await self._store.read(lambda tx: tx.devices.get(device_id, visible_to=scope(actor, READ)))
        return found

    async def paths(self, device_id: str, *, actor: Actor) -> list[dict[str, object]]:
        """Return the ways a device reports by, and how each stands. Errors: NOT_FOUND."""
        return await self._store.read(_paths, actor, device_id)

    async def propose_gb_id(self, center: str, *, actor: Actor, jurisdiction_id: str = "", place_id: str = "") -> str:
        """Return a free 20-digit id for a camera: of its place or jurisdiction, else of `center` (8 digits).

        Source: GB/T 28181, annex on unified codes: centre 8, line of business 2, kind 3 (132 a camera), network 1,
        number 6.
        """
        return await self._store.read(_propose_gb_id, center, jurisdiction_id, place_id, actor)

    async def create(self, given: Mapping[str, Any], *, actor: Actor) -> Device:
        """Enter a device. Errors: INVALID, CONFLICT on an account or id in use, NOT_FOUND, FORBIDDEN."""
        made: Device = await self._do(actor, "device.added", "", _create_device, given)
        await self._directory.refresh(made.id)
        return made

    async def change(self, device_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> Device:
        """Change a device; its channels follow it to another jurisdiction. Errors: as `create`, and CONFLICT."""
        saved: Device = await self._do(actor, "device.changed", device_id, change_device, device_id, changes, version)
        await self._directory.refresh(device_id)
        return saved

    async def retire(self, device_id: str, *, actor: Actor, version: int) -> Device:
        """Retire a device and its channels, and end the views of them: the receivers no longer know it. Errors:
        NOT_FOUND, CONFLICT, FORBIDDEN.
        """
        saved: Device = await self._do(actor, "device.retired", device_id, retire_device, device_id, version)
        await self._directory.refresh(device_id)
        return saved

    async def set_secret(
        self,
        device_id: str,
        *,
        actor: Actor,
        key_hex: str = "",
        key_text: str = "",
        password: str = "",
        remove: bool = False,
        keep_previous: bool = True,
    ) -> Device:
        """Set a key or password, or take it away. A replaced DC-09 key stays valid beside the new one until the next
        change, or is dropped at once without `keep_previous`. Errors: INVALID, NOT_FOUND, FORBIDDEN.
        """
        given = None if remove else {"key_hex": key_hex, "key_text": key_text, "password": password}
        saved: Device = await self._do(
            actor, "device.secret_set", device_id, set_secret, device_id, given, keep_previous, self._vault
        )
        await self._directory.refresh(device_id)
        return saved

    async def make_secret(self, device_id: str, *, actor: Actor) -> tuple[Device, str]:
        """Make a new secret for a webhook and return it: the only time it is seen. The one before stays valid until
        the new one has been used. Errors: NOT_FOUND, FORBIDDEN, CONFLICT when the device is no webhook.
        """
        secret = new_token()
        saved: Device = await self._do(
            actor, "device.secret_set", device_id, _make_secret, device_id, self._vault.seal(secret.encode())
        )
        await self._directory.refresh(device_id)
        return saved, secret

    def seal(self, protocol: str, given: Mapping[str, str]) -> bytes:
        """Return what was entered as a key or password, sealed. Errors: INVALID."""
        return self._vault.seal(rules.secret_of(protocol, **given))

    async def refresh(self, *device_ids: str) -> None:
        """Have what changed of these devices count for the gateways."""
        await self._directory.refresh(*device_ids)

    async def note_try(self, device_id: str, *, actor: Actor) -> Device:
        """Record that the actor has a camera called again; return it. Errors: NOT_FOUND, FORBIDDEN, CONFLICT when the
        device calls us and not we it.
        """
        tried: Device = await self._do(actor, "device.tried", device_id, _note_try, device_id)
        return tried

    async def note_search(self, *, actor: Actor) -> None:
        """Record that the actor has the local net searched. Errors: FORBIDDEN."""
        await self._do(actor, "net.searched", "", _note_search)

    async def zones(self, device_id: str, *, actor: Actor) -> list[Zone]:
        """Return the zones of a device with linked cameras. Errors: NOT_FOUND."""
        return await self._store.read(_zones, actor, device_id)

    async def add_zone(self, device_id: str, given: Mapping[str, Any], *, actor: Actor) -> Zone:
        """Enter a zone. Errors: INVALID, CONFLICT on a number in use, NOT_FOUND, FORBIDDEN."""
        made: Zone = await self._do(actor, "zone.added", device_id, add_zone, device_id, given)
        return made

    async def change_zone(
        self, device_id: str, number: str, changes: Mapping[str, Any], *, actor: Actor, version: int
    ) -> Zone:
        """Change a zone. Errors: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN."""
        saved: Zone = await self._do(actor, "zone.changed", device_id, change_zone, device_id, number, changes, version)
        return saved

    async def link_cameras(
        self, device_id: str, number: str, cameras: Sequence[str], *, actor: Actor, version: int
    ) -> Zone:
        """Set which channels show a zone, the first one first. Errors: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN."""
        saved: Zone = await self._do(
            actor, "zone.linked", device_id, link_cameras, device_id, number, tuple(cameras), version
        )
        return saved

    async def attempts(self, actor: Actor, *, device_id: str = "", channel_id: str = "") -> list[Attempt]:
        """Return the step timelines of a device or of a channel, newest first. Errors: NOT_FOUND."""
        return await self._store.read(_attempts, actor, device_id, channel_id)

    async def pending(self, actor: Actor, limit: int = 200) -> list[PendingDevice]:
        """Return devices nobody has entered that tried to register, newest first; for those who manage the registry."""
        guard(actor, MANAGE, "device", "", "")
        return await self._store.read(lambda tx: list(tx.attempts.pending(bounded(limit))))

    async def _do(self, actor: Actor, asked: str, device_id: str, work: Callable[..., T], *args: Any) -> T:
        now = self._clock.now()
        return await self._act(asked, "device", device_id, actor, work, actor, now, *args)


def _paths(tx: Any, actor: Actor, device_id: str) -> list[dict[str, object]]:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, READ))
    return path_forms(path_rules(device.settings), tx.supervision.paths(device_id).get(device_id, ()))


def _sorted_by(device: Device, order: str) -> tuple[str, ...]:
    rank = {"offline": "0", "online": "2"}.get(device.state, "1")
    return values_of(order, device.name, device.id, rank)


def _mark_devices(tx: Any, actor: Actor, jurisdiction_id: str, narrowed: Mapping[str, Any], size: int) -> Marks:
    code = subtree_code(tx, actor, jurisdiction_id)
    found: Marks = tx.devices.marks(visible_to=scope(actor, READ), size=size, code=code, **narrowed)
    return found


def _find_devices(tx: Any, actor: Actor, jurisdiction_id: str, narrowed: Mapping[str, Any], limit: int) -> list[Device]:
    code = subtree_code(tx, actor, jurisdiction_id)
    found: list[Device] = tx.devices.find(visible_to=scope(actor, READ), limit=limit, code=code, **narrowed)
    return found


def managed_device(tx: Any, actor: Actor, device_id: str, version: int | None = None) -> Device:
    """Return a device the actor manages and has seen as it is."""
    known: Device = tx.devices.get(device_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "device", known.id, known.jurisdiction_code)
    if version is not None:
        check_version("device", known.id, known.version, version)
    if known.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "the device is retired", key="registry.retired")
    return known


def _check_address(tx: Any, device: Device) -> None:
    if device.has_account:
        other = tx.devices.of_account(device.account, device.prefix, device.receiver, device.protocol)
        if other not in (None, device.id):
            raise taken("address.account", "registry.account_taken", "another device has this account", other)
    elif device.gb_id:
        other = tx.devices.of_gb_id(device.gb_id)
        if other not in (None, device.id):
            raise taken("address.gb_id", "registry.gb_id_taken", "another device has this id", other)


def _check_place(tx: Any, actor: Actor, place_id: str | None) -> Place | None:
    """Return a place the actor may see and that is in use. Errors: NOT_FOUND, CONFLICT."""
    if place_id is None:
        return None
    place: Place = tx.places.get(place_id, visible_to=scope(actor, READ))
    if place.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "the place is retired", key="registry.retired", field="place_id")
    return place


def _propose_gb_id(tx: Any, center: str, jurisdiction_id: str, place_id: str, actor: Actor) -> str:
    code = ""
    if place_id:
        code = tx.places.get(place_id, visible_to=scope(actor, READ)).jurisdiction_code
    elif jurisdiction_id:
        code = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ)).code
    if code[:8].isdigit() and len(code) >= 6:
        center = code[:6] + "00"
    prefix = f"{center:0<8.8}001320"
    highest = tx.devices.highest_gb_id(prefix)
    number = int(highest[-6:]) + 1 if highest else 1
    return f"{prefix}{min(number, 999_999):06d}"


def _create_device(tx: Any, actor: Actor, now: datetime, given: Mapping[str, Any]) -> Device:
    place = _check_place(tx, actor, given.get("place_id"))
    if given.get("jurisdiction_id") or place is None:
        home = home_of(tx, actor, given)
        at = (home.id, home.code)
    else:
        at = (place.jurisdiction_id, place.jurisdiction_code)
    made = rules.new_device(new_id(), given, *at)
    refuse_device(made.kind, place)
    guard(actor, MANAGE, "device", made.id, made.jurisdiction_code)
    _check_address(tx, made)
    tx.devices.add(made)
    tx.attempts.forget_pending(made.gb_id)
    _record(tx, events.DeviceAdded, made, actor, now, kind=made.kind, protocol=made.protocol)
    return made


def change_device(
    tx: Any, actor: Actor, now: datetime, device_id: str, changes: Mapping[str, Any], version: int
) -> Device:
    known = managed_device(tx, actor, device_id, version)
    home = moved_to(tx, actor, "device", known, changes)
    if changes.get("place_id") not in (None, known.place_id):
        refuse_device(known.kind, _check_place(tx, actor, changes["place_id"]))
    changed = rules.changed_device(known, changes, None if home is None else (home.id, home.code))
    _check_address(tx, changed)
    saved: Device = tx.devices.save(changed)
    if home is not None:
        moved = [
            replace(channel, jurisdiction_id=home.id, jurisdiction_code=home.code)
            for channel in tx.devices.channels_of([device_id])
            if channel.jurisdiction_code == known.jurisdiction_code  # one put elsewhere by itself stays there
        ]
        end_views(tx, tx.views.live_of_channels([c.id for c in moved]), reason="moved", by=actor.ref)
        for channel in tx.devices.save_channels(moved):
            tx.record(
                events.ChannelChanged(
                    subject_id=channel.id,
                    at=now,
                    jurisdiction_code=channel.jurisdiction_code,
                    actor=actor.ref,
                    data=channel.form(),
                    changed=("jurisdiction_id",),
                )
            )
    _record(
        tx,
        events.DeviceChanged,
        saved,
        actor,
        now,
        changed=tuple(sorted(changes)),
        account=saved.account if saved.account != known.account else "",
        gb_id=saved.gb_id if saved.gb_id != known.gb_id else "",
        place_id=(saved.place_id or "") if saved.place_id != known.place_id else "",
        jurisdiction_id=saved.jurisdiction_id if home is not None else "",
    )
    return saved


def retire_device(tx: Any, actor: Actor, now: datetime, device_id: str, version: int) -> Device:
    known = managed_device(tx, actor, device_id, version)
    tx.devices.close_faults([fault.id for fault in known.faults], to_us(now))
    tx.devices.set_secrets(device_id, None, None)
    tx.devices.note_states([(device_id, DeviceState.OFFLINE, to_us(now))])
    retired = replace(
        known,
        retired_at=now,
        version=known.version + 1,
        faults=(),
        is_keyed=False,
        is_rolling_over=False,
        state=DeviceState.OFFLINE,
        state_since=now,
    )
    saved: Device = tx.devices.save(retired)
    channels = [c for c in tx.devices.channels_of([device_id]) if c.retired_at is None]
    end_views(tx, tx.views.live_of_channels([c.id for c in channels]), reason="retired", by=actor.ref)
    for channel in tx.devices.save_channels([replace(c, stage="retired", retired_at=now) for c in channels]):
        tx.record(
            events.ChannelRetired(
                subject_id=channel.id,
                at=now,
                jurisdiction_code=channel.jurisdiction_code,
                actor=actor.ref,
                data=channel.form(),
            )
        )
    _record(tx, events.DeviceRetired, saved, actor, now)
    return saved


def set_secret(
    tx: Any,
    actor: Actor,
    now: datetime,
    device_id: str,
    given: Mapping[str, str] | None,
    keep_previous: bool,
    vault: Vault,
) -> Device:
    known = managed_device(tx, actor, device_id)
    sealed = None if given is None else vault.seal(rules.secret_of(known.protocol, **given))
    return put_secret(tx, actor, now, known, sealed, keep_previous)


def put_secret(
    tx: Any, actor: Actor, now: datetime, known: Device, sealed: bytes | None, keep_previous: bool = True
) -> Device:
    """Write the sealed secret of a device, None takes it away, with its record."""
    current, _ = tx.devices.secrets(known.id)
    keeps = keep_previous and sealed is not None and current is not None and known.protocol in ("dc09", "webhook")
    tx.devices.set_secrets(known.id, sealed, current if keeps else None)
    saved: Device = tx.devices.get(known.id, visible_to=scope(actor, READ))
    _record(tx, events.DeviceSecretSet, saved, actor, now, keeps_previous=keeps, removed=sealed is None)
    return saved


def _make_secret(tx: Any, actor: Actor, now: datetime, device_id: str, sealed: bytes) -> Device:
    known = managed_device(tx, actor, device_id)
    if known.protocol != "webhook":
        raise TocsinError(ErrorCode.CONFLICT, "only webhooks have a secret of ours", key="message.no_webhook")
    return put_secret(tx, actor, now, known, sealed)


def _zones(tx: Any, actor: Actor, device_id: str) -> list[Zone]:
    tx.devices.get(device_id, visible_to=scope(actor, READ))
    found: list[Zone] = tx.devices.zones(device_id)
    return found


def add_zone(tx: Any, actor: Actor, now: datetime, device_id: str, given: Mapping[str, Any]) -> Zone:
    device = managed_device(tx, actor, device_id)
    made = rules.new_zone(new_id(), device_id, given)
    _check_place(tx, actor, made.place_id)
    if tx.devices.has_zone(device_id, made.number):
        raise TocsinError(ErrorCode.CONFLICT, f"zone {made.number} exists", key="registry.zone_taken", field="number")
    tx.devices.add_zone(made)
    note_entered(tx, device, made, now)
    _record(tx, events.ZoneAdded, device, actor, now, zone_id=made.id, number=made.number)
    return made


def _note_try(tx: Any, actor: Actor, now: datetime, device_id: str) -> Device:
    device = managed_device(tx, actor, device_id)
    if device.protocol not in IP_PROTOCOLS:
        raise TocsinError(ErrorCode.CONFLICT, "this device is not called by us", key="registry.not_called")
    _record(tx, events.DeviceTried, device, actor, now)
    return device


def _note_search(tx: Any, actor: Actor, now: datetime) -> None:
    guard(actor, MANAGE, "device", "", "")
    tx.record(events.NetSearched(subject_id="", at=now, actor=actor.ref))


def change_zone(
    tx: Any, actor: Actor, now: datetime, device_id: str, number: str, changes: Mapping[str, Any], version: int
) -> Zone:
    device = managed_device(tx, actor, device_id)
    known = tx.devices.zone(device_id, zone_key(number))
    check_version("zone", known.id, known.version, version)
    changed = rules.changed_zone(known, changes)
    if changed.place_id != known.place_id:
        _check_place(tx, actor, changed.place_id)
    saved: Zone = tx.devices.save_zone(changed)
    _record(tx, events.ZoneChanged, device, actor, now, zone_id=saved.id, changed=tuple(sorted(changes)))
    return saved


def link_cameras(
    tx: Any, actor: Actor, now: datetime, device_id: str, number: str, cameras: tuple[str, ...], version: int
) -> Zone:
    device = managed_device(tx, actor, device_id)
    known = tx.devices.zone(device_id, zone_key(number))
    check_version("zone", known.id, known.version, version)
    if len(set(cameras)) != len(cameras) or len(cameras) > 64:
        raise refuse("cameras", "registry.field_form", "at most 64 cameras, each once", form="[id, ...]")
    visible = scope(actor, READ)
    found = tx.devices.load_channels(cameras)
    for camera_id in cameras:
        channel = found.get(camera_id)
        if (
            channel is None
            or channel.retired_at is not None
            or not visible.covers(channel.jurisdiction_code, camera_id)
        ):
            raise refuse("cameras", "registry.camera_missing", f"no camera {camera_id}", id=camera_id)
    saved: Zone = tx.devices.save_zone(replace(known, cameras=cameras))
    tx.devices.link(saved)
    _record(tx, events.ZoneLinked, device, actor, now, zone_id=saved.id, cameras=cameras, before=known.cameras)
    return saved


def _attempts(tx: Any, actor: Actor, device_id: str, channel_id: str) -> list[Attempt]:
    visible = scope(actor, READ)
    if channel_id:
        channel = tx.devices.channel(channel_id, visible_to=visible)
        found: list[Attempt] = tx.attempts.of(channel.device_id, channel_id)
        return found
    tx.devices.get(device_id, visible_to=visible)
    return list(tx.attempts.of(device_id))


def _record(tx: Any, fact: type[events.DeviceFact], device: Device, actor: Actor, now: datetime, **detail: Any) -> None:
    tx.record(
        fact(
            subject_id=device.id,
            at=now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            data=device.form(),
            **detail,
        )
    )
