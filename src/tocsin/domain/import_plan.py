"""What a line of an import file would do to what is there: enter, change or leave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.words import Words
from tocsin.domain import channels as channel_rules
from tocsin.domain import devices as device_rules
from tocsin.domain import import_accounts
from tocsin.domain import import_acts as acts
from tocsin.domain import places as place_rules
from tocsin.domain.access import Actor, Permission
from tocsin.domain.account_files import AccountFiles, KnownAccounts, contact_values
from tocsin.domain.accounts import Account, changed_account, changed_contact, checked_password, new_contact
from tocsin.domain.acts import guard
from tocsin.domain.alarms import zone_key
from tocsin.domain.cameras import ChannelService
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import Device, Zone
from tocsin.domain.fields import refuse
from tocsin.domain.import_columns import NUMBERS
from tocsin.domain.place_service import PlaceService
from tocsin.domain.places import Jurisdiction, Place
from tocsin.domain.registry import DeviceService
from tocsin.domain.registry_bulk import NewDevice, NewPlace

PAGE: Final = 1_000
MOST_NAMED: Final = 12
PROTOCOL_OF_KIND: Final = {"terminal": "jt808", "intercom": "sip"}  # of what has an account; anything else is DC-09
WORDS: Final = Words(
    {
        "import.no_jurisdiction": (
            "There is no jurisdiction {given} in your area. Write one of: {choices}.",
            "您的辖区内没有代码 {given}。可填：{choices}。",
        ),
        "import.no_place": (
            "There is no place {given} in {code}. Enter it first, or correct the name.",
            "{code} 内没有场所“{given}”。请先录入该场所，或更正名称。",
        ),
        "import.many_places": (
            "Several places in {code} are called {given}. Give them names of their own first.",
            "{code} 内有多个场所名为“{given}”，请先改为不同的名称。",
        ),
        "import.no_device": (
            "There is no device {given}. Enter it first, or correct the number.",
            "没有设备 {given}。请先录入该设备，或更正编号。",
        ),
        "import.no_zone": (
            "{device} has no zone {given}. Enter the zone first.",
            "{device} 没有防区 {given}，请先录入该防区。",
        ),
        "import.no_camera": (
            "There is no camera {given}: the catalogue of its device has not named it yet.",
            "没有摄像机 {given}：其设备的目录尚未列出它。",
        ),
        "import.many_cameras": (
            "Several devices have a camera {given}. Change it on its page.",
            "多台设备都有摄像机 {given}，请在其页面中修改。",
        ),
        "import.camera_twice": ("A camera is named twice. Take one out.", "同一摄像机写了两次，请删去一个。"),
        "import.twice": (
            "Line {first} names the same. Take one of them out.",
            "与第 {first} 行重复，请删去其中一行。",
        ),
        "import.busy": (
            "Other files are being checked. Try again in a few seconds.",
            "正在检查其他文件，请几秒后重试。",
        ),
        "import.gone": (
            "This import is not kept any more: it is an hour old, or the server was started again. Choose the file "
            "again; what was entered is left as it is.",
            "该导入记录已不再保留（超过一小时，或服务已重启）。请重新选择文件，已录入的内容不会重复。",
        ),
        "import.begun": ("This import was begun already.", "该导入已经开始。"),
        "import.has_wrong_lines": (
            "{count} lines are wrong. Mend the file, or leave them out.",
            "有 {count} 行有误。请修改文件，或选择跳过这些行。",
        ),
        "import.other_runs": (
            "Another file is being entered. Wait until it has ended.",
            "正在导入另一个文件，请等其结束。",
        ),
        "import.not_a_number": (
            "{given} is not a number. Write it like 118.25.",
            "“{given}”不是数字，请写成 118.25 的形式。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, columns without a value left out."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a line does: `create`, `change` or `same`; `step` does it, None when there is nothing to do."""

    line: int
    name: str
    act: str
    step: NewDevice | NewPlace | acts.Act | None = None


class Importer:
    """Knows what is there already, checks lines against it, and says what each would do."""

    def __init__(
        self,
        places: PlaceService,
        devices: DeviceService,
        cameras: ChannelService,
        accounts: AccountFiles,
        actor: Actor,
    ) -> None:
        self._actor = actor
        self._places = places
        self._devices = devices
        self._cameras = cameras
        self._accounts = accounts
        self._known_accounts = KnownAccounts(date.min)
        self._account_lines = import_accounts.AccountLines(
            import_accounts.Held(datetime.min.replace(tzinfo=UTC), date.min)
        )
        self._by_id: dict[str, Device] = {}
        self._by_code: dict[str, Jurisdiction] = {}
        self._known_places: dict[tuple[str, str], list[Place]] = {}
        self._known_devices: dict[tuple[str, ...], Device] = {}
        self._known_cameras: dict[str, list[ChannelRecord]] = {}
        self._zones: dict[str, dict[str, Zone]] = {}
        self._lines: dict[tuple[str, ...], int] = {}

    async def load(self) -> None:
        """Read what is there."""
        self._known_accounts = await self._accounts.known(self._actor)
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
                self._known_devices[device.address] = device
                self._by_id[device.id] = device
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

    async def prepare(self, kind: str, rows: Sequence[Row]) -> None:
        """Read what lines of a kind are compared with; passwords end here as hashes. Errors: INVALID."""
        if kind not in import_accounts.KINDS:
            return
        words: list[tuple[int, str, str]] = []
        for row in rows if kind == "password" else ():
            try:
                words.append((row.line, self._guarded(row).id, checked_password(row.values.get("word", ""))))
            except TocsinError:
                continue  # `plan` says what is wrong with it
        self._account_lines = await self._accounts.lines(kind, words, actor=self._actor)

    def plan(self, kind: str, row: Row) -> Planned:
        """Return what a line would do. Errors: INVALID, CONFLICT, naming the field."""
        work = {
            "place": self._place,
            "device": self._device,
            "camera": self._camera,
            "zone": self._zone,
            "link": self._link,
            "account": self._account,
            "contact": self._contact,
            "note": self._note,
            "position": self._position,
            "password": self._password,
        }[kind]
        return work(row)

    # --- one function a kind ---

    def _place(self, row: Row) -> Planned:
        home = self._home(row)
        given: dict[str, Any] = {name: value for name, value in _typed(row).items() if name != "jurisdiction"}
        made = place_rules.new_place(new_id(), given, home)
        name = row.values.get("name", "")
        self._once(row, "name", "place", home.code, name)
        found = self._known_places.get((home.code, name), [])
        if len(found) > 1:
            detail = f"several places {name} in {home.code}"
            raise refuse("name", "import.many_places", detail, given=name, code=home.code)
        if not found:
            return Planned(row.line, name, "create", NewPlace(made))
        [known] = found
        changes = _changes(known.form(), given)
        if not changes:
            return Planned(row.line, name, "same")
        place_rules.changed_place(known, changes)
        return Planned(row.line, name, "change", acts.change_place(known, changes))

    def _device(self, row: Row) -> Planned:
        home = self._home(row)
        values = _typed(row)
        given: dict[str, Any] = {
            "kind": values.get("kind", "camera" if "gb_id" in values else "panel"),
            "protocol": "gb28181" if "gb_id" in values else PROTOCOL_OF_KIND.get(str(values.get("kind")), "dc09"),
            "jurisdiction_id": home.id,
            "address": {key: values[key] for key in ("account", "prefix", "receiver", "gb_id") if key in values},
        }
        kept = ("name", "name_en", "maker", "model", "poll_interval_s", "line", "network", "feeder")
        given.update({key: values[key] for key in kept if key in values})
        if "place" in values:
            given["place_id"] = self._place_id(home.code, row.values["place"])
        device = device_rules.new_device(new_id(), given, home.id, home.code)
        secret: dict[str, Any] = {
            key: row.values[key] for key in ("key_hex", "key_text", "password") if key in row.values
        }
        sealed = self._devices.seal(device.protocol, secret) if secret else None
        self._once(row, "gb_id" if device.gb_id else "account", *device.address)
        known = self._known_devices.get(device.address)
        if known is None:
            return Planned(row.line, device.name, "create", NewDevice(device, sealed))
        del given["protocol"], given["address"]
        if "kind" not in values:
            del given["kind"]
        changes = _changes(known.form(), given)
        new_secret = sealed if not known.is_keyed else None
        if not changes and new_secret is None:
            return Planned(row.line, device.name, "same")
        return Planned(row.line, device.name, "change", acts.change_device(known, changes, new_secret))

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
        return Planned(row.line, str(given.get("name", known.name)), "change", acts.change_camera(known, changes))

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
            return Planned(row.line, name, "create", acts.add_zone(device, {**given, "number": number}))
        changes = _changes(known.form(), given)
        if not changes:
            return Planned(row.line, name, "same")
        return Planned(row.line, name, "change", acts.change_zone(known, changes, device.jurisdiction_code))

    def _link(self, row: Row) -> Planned:
        device = self._device_of(row)
        number = zone_key(row.values.get("zone", ""))
        known = self._zones.get(device.id, {}).get(number)
        if known is None:
            detail = f"{device.name} has no zone {number}: enter it first"
            raise refuse("zone", "import.no_zone", detail, given=number, device=device.name)
        self._once(row, "zone", "link", device.id, number)
        named = row.values.get("cameras", "").replace("；", ";").replace("、", ";").split(";")
        cameras = tuple(self._camera_of(one.strip(), "cameras").id for one in named if one.strip())
        if len(set(cameras)) != len(cameras):
            raise refuse("cameras", "import.camera_twice", "a camera is named twice")
        name = f"{device.name} {number}"
        if cameras == known.cameras:
            return Planned(row.line, name, "same")
        return Planned(row.line, name, "change", acts.link_cameras(known, cameras, device.jurisdiction_code))

    def _account(self, row: Row) -> Planned:
        device = self._device_of(row)
        self._once(row, "access", "access", device.id)
        given = {name: row.values[name] for name in ("owner", "access") if name in row.values}
        known = self._known_accounts.accounts.get(device.id) or Account(device.id)
        changed = changed_account(known, given)
        changes = {name: value for name, value in given.items() if getattr(changed, name) != getattr(known, name)}
        if not changes:
            return Planned(row.line, device.name, "same")
        return Planned(row.line, device.name, "change", acts.change_account(known, changes, device.jurisdiction_code))

    def _note(self, row: Row) -> Planned:
        device = self._device_of(row)
        text, until = (row.values.get(name, "") for name in ("responder_note", "until"))
        self._once(row, "responder_note", "note", device.id, text, until)
        return _planned(row, device.name, self._account_lines.note(device, row.values))

    def _position(self, row: Row) -> Planned:
        device = self._device_of(row)
        number = zone_key(row.values.get("zone", ""))
        self._once(row, "zone", "position", device.id, number)
        return _planned(row, f"{device.name} {number}", self._account_lines.position(device, number, _typed(row)))

    def _password(self, row: Row) -> Planned:
        device = self._guarded(row)
        label = row.values.get("label", "")
        self._once(row, "label", "password", device.id, label)
        return _planned(row, f"{device.name}: {label}", self._account_lines.password(row.line, device, row.values))

    def _contact(self, row: Row) -> Planned:
        device = self._guarded(row)
        given = contact_values(row.values)
        name = f"{device.name}: {given['name']}"
        self._once(row, "contact", "contact", device.id, given["name"])
        today = self._known_accounts.today
        of_device = self._known_accounts.contacts.get(device.id, [])
        known = next((one for one in of_device if one.name == given["name"]), None)
        if known is None:
            new_contact("", device.id, 1, given, today)
            return Planned(row.line, name, "create", acts.add_contact(device, given, today))
        wanted = changed_contact(known, given, None)
        changes = {field: given[field] for field in given if getattr(wanted, field) != getattr(known, field)}
        if not changes:
            return Planned(row.line, name, "same")
        changed_contact(known, changes, today)
        return Planned(row.line, name, "change", acts.change_contact(known, changes, today, device.jurisdiction_code))

    # --- what they share ---

    def _once(self, row: Row, column: str, *key: str) -> None:
        """Refuse what an earlier line of the file has named."""
        first = self._lines.setdefault(key, row.line)
        if first != row.line:
            detail = f"line {first} names the same: take one of them out"
            raise TocsinError(ErrorCode.CONFLICT, detail, key="import.twice", field=column, first=first)

    def _home(self, row: Row) -> Jurisdiction:
        code = row.values.get("jurisdiction", "")
        if code not in self._by_code:
            known = sorted(self._by_code)
            more = ", ..." if len(known) > MOST_NAMED else ""
            listed = (", ".join(known[:MOST_NAMED]) + more) or "none yet"
            detail = f"no jurisdiction {code or '(empty)'}; there are {listed}"
            raise refuse("jurisdiction", "import.no_jurisdiction", detail, given=code, choices=listed)
        self._may_change("jurisdiction", self._by_code[code].id, code)
        return self._by_code[code]

    def _may_change(self, kind: str, subject_id: str, code: str) -> None:
        """Let pass what lies where the actor may change the registry. Errors: FORBIDDEN."""
        guard(self._actor, Permission.MANAGE_REGISTRY, kind, subject_id, code)

    def _place_id(self, code: str, name: str) -> str:
        found = self._known_places.get((code, name), [])
        if len(found) != 1:
            many = "several places" if found else "no place"
            key = "import.many_places" if found else "import.no_place"
            raise refuse("place", key, f"{many} {name} in {code}", given=name, code=code)
        return found[0].id

    def _device_of(self, row: Row) -> Device:
        values = row.values
        if "device" in values:
            return self._device_by_id(values["device"])
        address = _address(*(values.get(key, "") for key in ("account", "prefix", "receiver", "gb_id")))
        known = self._known_devices.get(address)
        if known is None:
            named = values.get("gb_id") or values.get("account") or "(empty)"
            column = "gb_id" if "gb_id" in values else "account"
            raise refuse(column, "import.no_device", f"no device {named}: enter it first", given=named)
        self._may_change("device", known.id, known.jurisdiction_code)
        return known

    def _guarded(self, row: Row) -> Device:
        """Return the device of a line about people or passwords of the premises. Errors: INVALID, FORBIDDEN."""
        device = self._device_of(row)
        guard(self._actor, Permission.MANAGE_CONTACTS, "account", device.id, device.jurisdiction_code)
        return device

    def _device_by_id(self, device_id: str) -> Device:
        known = self._by_id.get(device_id)
        if known is None:
            raise refuse("device", "import.no_device", f"no device {device_id}: enter it first", given=device_id)
        self._may_change("device", known.id, known.jurisdiction_code)
        return known

    def _camera_of(self, gb_id: str, column: str) -> ChannelRecord:
        found = self._known_cameras.get(gb_id, [])
        if len(found) != 1:
            detail = (
                f"several devices have a camera {gb_id}: change it on its page"
                if found
                else f"no camera {gb_id or '(empty)'}: its device's catalogue has not named it"
            )
            raise refuse(column, "import.many_cameras" if found else "import.no_camera", detail, given=gb_id)
        self._may_change("channel", found[0].id, found[0].jurisdiction_code)
        return found[0]


def _planned(row: Row, name: str, act: acts.Act | None) -> Planned:
    if act is None:
        return Planned(row.line, name, "same")
    return Planned(row.line, name, "change" if act.before else "create", act)


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
        raise refuse(name, "import.not_a_number", f"{name} is not a number: {text}", given=text) from error
