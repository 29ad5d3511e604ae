"""What a line of an import file would do to what is there: enter, change or leave it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.vault import Vault
from tocsin.domain import channels as channel_rules
from tocsin.domain import devices as device_rules
from tocsin.domain import places as place_rules
from tocsin.domain.acts import house_actor
from tocsin.domain.alarms import zone_key
from tocsin.domain.cameras import ChannelService
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import Device, Zone
from tocsin.domain.directory import Directory
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction, Place
from tocsin.domain.registry import DeviceService, PlaceService
from tocsin.import_columns import NUMBERS
from tocsin.storage.store import AnyStore

PAGE: Final = 1_000
MOST_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, columns without a value left out."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a line does: `create`, `change` or `same`; `run` does it, None when there is nothing to do."""

    line: int
    name: str
    act: str
    run: Callable[[], Awaitable[object]] | None = None


class _NobodyAsks(Directory):
    """The directory of a command that has the data folder to itself: no gateway asks it, so nothing is read again."""

    async def refresh(self, *device_ids: str) -> None:
        """Leave it."""


class Importer:
    """Knows what is there already, checks lines against it, and says what each would do."""

    def __init__(self, store: AnyStore, vault: Vault) -> None:
        clock = SystemClock()
        directory = _NobodyAsks(store, vault)
        self._actor = house_actor("import")
        self._places = PlaceService(store, clock)
        self._devices = DeviceService(store, clock, vault, directory)
        self._cameras = ChannelService(store, clock, directory)
        self._by_code: dict[str, Jurisdiction] = {}
        self._known_places: dict[tuple[str, str], list[Place]] = {}
        self._known_devices: dict[tuple[str, ...], Device] = {}
        self._known_cameras: dict[str, list[ChannelRecord]] = {}
        self._zones: dict[str, dict[str, Zone]] = {}
        self._lines: dict[tuple[str, ...], int] = {}

    async def load(self) -> None:
        """Read what is there."""
        self._by_code = {node.code: node for node in await self._places.jurisdictions(self._actor)}
        after: str | None = ""
        while after is not None:
            places = await self._places.places(self._actor, after=after, limit=PAGE)
            for place in places.items:
                self._known_places.setdefault((place.jurisdiction_code, place.name), []).append(place)
            after = places.next
        after = ""
        while after is not None:
            devices = await self._devices.devices(self._actor, after=after, limit=PAGE)
            for device in devices.items:
                address = _address(device.account, device.prefix, device.receiver, device.gb_id)
                self._known_devices[address] = device
                if device.kind == "panel" or device.protocol == "dc09":
                    zones = await self._devices.zones(device.id, actor=self._actor)
                    self._zones[device.id] = {zone.number: zone for zone in zones}
            after = devices.next
        after = ""
        while after is not None:
            cameras = await self._cameras.cameras(self._actor, after=after, limit=PAGE)
            for camera in cameras.items:
                self._known_cameras.setdefault(camera.gb_id, []).append(camera)
            after = cameras.next

    def plan(self, kind: str, row: Row) -> Planned:
        """Return what a line would do. Errors: INVALID, CONFLICT, naming the field."""
        work = {
            "place": self._place,
            "device": self._device,
            "camera": self._camera,
            "zone": self._zone,
            "link": self._link,
        }[kind]
        return work(row)

    # --- one function a kind ---

    def _place(self, row: Row) -> Planned:
        home = self._home(row)
        given: dict[str, Any] = {name: value for name, value in _typed(row).items() if name != "jurisdiction"}
        place_rules.new_place(new_id(), given, home)
        name = row.values.get("name", "")
        self._once(row, "name", "place", home.code, name)
        found = self._known_places.get((home.code, name), [])
        if len(found) > 1:
            raise refuse("name", "registry.field_form", f"several places {name} in {home.code}", form="one place")
        if not found:
            given["jurisdiction_id"] = home.id
            return Planned(row.line, name, "create", partial(self._places.create_place, given, actor=self._actor))
        [known] = found
        changes = _changes(known.form(), given)
        if not changes:
            return Planned(row.line, name, "same")
        place_rules.changed_place(known, changes)
        change = partial(self._places.change_place, known.id, changes, actor=self._actor, version=known.version)
        return Planned(row.line, name, "change", change)

    def _device(self, row: Row) -> Planned:
        home = self._home(row)
        values = _typed(row)
        given: dict[str, Any] = {
            "kind": values.get("kind", "camera" if "gb_id" in values else "panel"),
            "protocol": "gb28181" if "gb_id" in values else "dc09",
            "jurisdiction_id": home.id,
            "address": {key: values[key] for key in ("account", "prefix", "receiver", "gb_id") if key in values},
        }
        kept = ("name", "name_en", "maker", "model", "poll_interval_s")
        given.update({key: values[key] for key in kept if key in values})
        if "place" in values:
            given["place_id"] = self._place_id(home.code, row.values["place"])
        device = device_rules.new_device(new_id(), given, home.id, home.code)
        secret: dict[str, Any] = {
            key: row.values[key] for key in ("key_hex", "key_text", "password") if key in row.values
        }
        if secret:
            device_rules.secret_of(device.protocol, **secret)
        address = _address(device.account, device.prefix, device.receiver, device.gb_id)
        self._once(row, "gb_id" if device.gb_id else "account", *address)
        known = self._known_devices.get(address)
        if known is None:
            return Planned(row.line, device.name, "create", partial(self._create_device, given, secret))
        del given["protocol"], given["address"]
        if "kind" not in values:
            del given["kind"]
        changes = _changes(known.form(), given)
        new_secret = secret if not known.is_keyed else {}
        if not changes and not new_secret:
            return Planned(row.line, device.name, "same")
        return Planned(row.line, device.name, "change", partial(self._change_device, known, changes, new_secret))

    def _camera(self, row: Row) -> Planned:
        known = self._camera_of(row.values.get("camera", ""), "camera")
        self._once(row, "camera", "camera", known.gb_id)
        code = row.values.get("jurisdiction", known.jurisdiction_code)
        given = {key: value for key, value in _typed(row).items() if key not in ("camera", "jurisdiction", "place")}
        if "place" in row.values:
            given["place_id"] = self._place_id(code, row.values["place"])
        changes = _changes(known.form(), given)
        channel_rules.changed_channel(known, changes)
        if not changes:
            return Planned(row.line, known.name, "same")
        change = partial(self._cameras.change, known.id, changes, actor=self._actor, version=known.version)
        return Planned(row.line, str(given.get("name", known.name)), "change", change)

    def _zone(self, row: Row) -> Planned:
        device = self._device_of(row)
        number = zone_key(row.values.get("zone", ""))
        given: dict[str, Any] = {key: row.values[key] for key in ("name", "name_en", "kind") if key in row.values}
        if "place" in row.values:
            code = row.values.get("jurisdiction", device.jurisdiction_code)
            given["place_id"] = self._place_id(code, row.values["place"])
        device_rules.new_zone(new_id(), device.id, {**given, "number": row.values.get("zone", "")})
        self._once(row, "zone", "zone", device.id, number)
        name = f"{device.name} {number}"
        known = self._zones.get(device.id, {}).get(number)
        if known is None:
            add = partial(self._devices.add_zone, device.id, {**given, "number": number}, actor=self._actor)
            return Planned(row.line, name, "create", add)
        changes = _changes(known.form(), given)
        if not changes:
            return Planned(row.line, name, "same")
        change = partial(
            self._devices.change_zone, device.id, number, changes, actor=self._actor, version=known.version
        )
        return Planned(row.line, name, "change", change)

    def _link(self, row: Row) -> Planned:
        device = self._device_of(row)
        number = zone_key(row.values.get("zone", ""))
        known = self._zones.get(device.id, {}).get(number)
        if known is None:
            raise refuse("zone", "registry.field_form", f"{device.name} has no zone {number}: enter it first", form="1")
        self._once(row, "zone", "link", device.id, number)
        named = row.values.get("cameras", "").replace("；", ";").replace("、", ";").split(";")
        cameras = tuple(self._camera_of(one.strip(), "cameras").id for one in named if one.strip())
        if len(set(cameras)) != len(cameras):
            raise refuse("cameras", "registry.field_form", "a camera is named twice", form="id; id")
        name = f"{device.name} {number}"
        if cameras == known.cameras:
            return Planned(row.line, name, "same")
        link = partial(self._devices.link_cameras, device.id, number, cameras, actor=self._actor, version=known.version)
        return Planned(row.line, name, "change", link)

    # --- what they share ---

    async def _create_device(self, given: Mapping[str, Any], secret: Mapping[str, Any]) -> None:
        made = await self._devices.create(given, actor=self._actor)
        if secret:
            await self._devices.set_secret(made.id, actor=self._actor, **secret)

    async def _change_device(self, known: Device, changes: Mapping[str, Any], secret: Mapping[str, Any]) -> None:
        if changes:
            await self._devices.change(known.id, changes, actor=self._actor, version=known.version)
        if secret:
            await self._devices.set_secret(known.id, actor=self._actor, **secret)

    def _once(self, row: Row, column: str, *key: str) -> None:
        """Refuse what an earlier line of the file has named."""
        first = self._lines.setdefault(key, row.line)
        if first != row.line:
            detail = f"line {first} names the same: take one of them out"
            raise TocsinError(ErrorCode.CONFLICT, detail, field=column)

    def _home(self, row: Row) -> Jurisdiction:
        code = row.values.get("jurisdiction", "")
        if code not in self._by_code:
            known = sorted(self._by_code)
            more = ", ..." if len(known) > MOST_NAMED else ""
            listed = (", ".join(known[:MOST_NAMED]) + more) or "none yet"
            detail = f"no jurisdiction {code or '(empty)'}; there are {listed}"
            raise refuse("jurisdiction", "registry.field_choice", detail, choices=listed)
        return self._by_code[code]

    def _place_id(self, code: str, name: str) -> str:
        found = self._known_places.get((code, name), [])
        if len(found) != 1:
            many = "several places" if found else "no place"
            raise refuse("place", "registry.field_choice", f"{many} {name} in {code}", choices=name)
        return found[0].id

    def _device_of(self, row: Row) -> Device:
        values = row.values
        address = _address(*(values.get(key, "") for key in ("account", "prefix", "receiver", "gb_id")))
        known = self._known_devices.get(address)
        if known is None:
            named = values.get("gb_id") or values.get("account") or "(empty)"
            column = "gb_id" if "gb_id" in values else "account"
            raise refuse(column, "registry.field_choice", f"no device {named}: enter it first", choices=named)
        return known

    def _camera_of(self, gb_id: str, column: str) -> ChannelRecord:
        found = self._known_cameras.get(gb_id, [])
        if len(found) != 1:
            detail = (
                f"several devices have a camera {gb_id}: change it on its page"
                if found
                else f"no camera {gb_id or '(empty)'}: its device's catalogue has not named it"
            )
            raise refuse(column, "registry.field_choice", detail, choices=gb_id)
        return found[0]


def _typed(row: Row) -> dict[str, Any]:
    return {name: _number(name, value) if name in NUMBERS else value for name, value in row.values.items()}


def _changes(known: Mapping[str, object], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if known.get(name) != value}


def _address(account: str, prefix: str, receiver: str, gb_id: str) -> tuple[str, ...]:
    return ("gb28181", gb_id) if gb_id else ("dc09", account, prefix, receiver)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        detail = f"{name} is not a number: {text}"
        raise refuse(name, "registry.field_form", detail, form="1.5") from error
