"""Upper platforms: who above us sees which of our cameras, under which agreement, by which ids, with which rights.

Sharing needs an owner, a purpose and an end; it ends by itself, or at once by the stop. An exported id that was one
camera's is given to no other for 180 days. Source: GB reference, cascade; governance reference, access.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain import fields
from tocsin.domain.access import Purpose
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction

RESERVED_FOR: Final = timedelta(days=180)
LONGEST_AGREEMENT: Final = timedelta(days=366)
MAX_SELECTED: Final = 2_000
FIRST_OWN_SERIAL: Final = 900_001
CARRIER_OF: Final[Mapping[int | None, str]] = {1: "robot", 2: "worn", 3: "worn", 4: "vehicle", 5: "drone"}
TOLD_CARRIERS: Final = frozenset({"vehicle", "drone", "robot"})
DIVISION_DIGITS: Final = frozenset({2, 4, 6, 8})
_GB_ID: Final = re.compile(r"\d{20}\Z", re.ASCII)
_DOMAIN: Final = re.compile(r"[0-9A-Za-z.:_-]{1,64}\Z", re.ASCII)
_HOST: Final = re.compile(r"[0-9A-Za-z.:_-]{1,253}\Z", re.ASCII)
_DIVISION: Final = re.compile(r"(?:\d{2}){0,4}\Z", re.ASCII)


class Verb(StrEnum):
    """What an upper platform may be given, each apart. Configuration and formatting are never relayed."""

    LIVE = "live"
    RECORDINGS = "recordings"
    POSITIONS = "positions"
    PTZ = "ptz"
    PRESETS = "presets"
    RECORD = "record"
    GUARD = "guard"
    RESET = "reset"
    REBOOT = "reboot"


class SelectionKind(StrEnum):
    """How cameras are chosen: all of a jurisdiction and below, all at places of a class, or one."""

    NODE = "node"
    PLACE_CLASS = "place_class"
    CAMERA = "camera"


class Sharing(StrEnum):
    """Whether an upper platform sees anything, and why not."""

    ACTIVE = "active"
    OFF = "off"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Selected:
    """One line of what is shared: `value` is a jurisdiction id, a place class or a camera id."""

    kind: SelectionKind
    value: str


@dataclass(frozen=True, slots=True)
class Upper:
    """An upper platform and the agreement under which it sees something of ours."""

    id: str
    name: str
    jurisdiction_id: str
    jurisdiction_code: str
    upper_id: str
    domain: str
    host: str
    local_id: str
    owner: str
    purpose: str
    ends_at: datetime
    name_en: str = ""
    port: int = 5060
    transport: str = "udp"
    username: str = ""
    charset: str = ""
    edition: str = "2016"
    expires_s: int = 3600
    keepalive_s: int = 60
    page_items: int = 2
    send_alarms: str = "subscribed"
    view_minutes: int = 60
    rights: tuple[str, ...] = (Verb.LIVE.value,)
    basis: str = ""
    is_enabled: bool = True
    stopped_at: datetime | None = None
    retired_at: datetime | None = None
    has_secret: bool = False
    version: int = 1

    def sharing(self, now: datetime) -> Sharing:
        """Say whether it sees anything now."""
        if self.stopped_at is not None:
            return Sharing.STOPPED
        if self.retired_at is not None or not self.is_enabled:
            return Sharing.OFF
        return Sharing.ACTIVE if now < self.ends_at else Sharing.ENDED

    def may(self, verb: Verb) -> bool:
        """Say whether the agreement gives a right."""
        return verb.value in self.rights

    @property
    def login(self) -> str:
        """The name it knows us by."""
        return self.username or self.local_id

    @property
    def gb_version(self) -> str:
        """Its edition as `X-GB-ver` writes it."""
        return "3.0" if self.edition == "2022" else "2.0"

    def form(self, now: datetime) -> dict[str, object]:
        """Return it as the API shows it; the state of the connection is added by those who know it."""
        return {
            "id": self.id,
            "name": self.name,
            "name_en": self.name_en,
            "jurisdiction_id": self.jurisdiction_id,
            "upper_id": self.upper_id,
            "domain": self.domain,
            "host": self.host,
            "port": self.port,
            "transport": self.transport,
            "local_id": self.local_id,
            "username": self.username,
            "has_secret": self.has_secret,
            "charset": self.charset,
            "edition": self.edition,
            "expires_s": self.expires_s,
            "keepalive_s": self.keepalive_s,
            "page_items": self.page_items,
            "send_alarms": self.send_alarms,
            "view_minutes": self.view_minutes,
            "rights": list(self.rights),
            "owner": self.owner,
            "purpose": self.purpose,
            "basis": self.basis,
            "ends_at": iso(self.ends_at),
            "is_enabled": self.is_enabled,
            "stopped_at": None if self.stopped_at is None else iso(self.stopped_at),
            "sharing": self.sharing(now).value,
            "version": self.version,
        }


def _pattern(pattern: re.Pattern[str], key: str) -> fields.Rule:
    def _rule(name: str, value: Any) -> str:
        if not isinstance(value, str) or not pattern.match(value.strip()):
            raise refuse(name, key, f"{name} has the wrong form")
        return value.strip()

    return _rule


def _platform_id(name: str, value: Any) -> str:
    found: str = _pattern(_GB_ID, "cascade.id_form")(name, value)
    if found[10:13] != "200":
        raise refuse(name, "cascade.platform_id", f"{name} does not name a platform")
    return found


def _rights(name: str, value: Any) -> tuple[str, ...]:
    known = [verb.value for verb in Verb]
    if not isinstance(value, list | tuple) or any(item not in known for item in value):
        raise refuse(name, "cascade.rights_form", f"{name} must be a list of rights", choices=", ".join(known))
    return tuple(verb for verb in known if verb in value)


def _whole(low: int, high: int) -> fields.Rule:
    rule = fields.number(low, high, optional=False)
    return lambda name, value: int(rule(name, value))


def _moment(name: str, value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise refuse(name, "registry.field_form", f"{name} must be a time with its zone", form="2027-01-31T00:00:00Z")
    return value


_RULES: Final[Mapping[str, fields.Rule]] = {
    "name": fields.text(100, required=True),
    "name_en": fields.text(100),
    "upper_id": _platform_id,
    "domain": _pattern(_DOMAIN, "cascade.domain_form"),
    "host": _pattern(_HOST, "cascade.host_form"),
    "port": _whole(1, 65_535),
    "transport": fields.choice("udp", "tcp"),
    "local_id": _platform_id,
    "username": fields.text(64),
    "charset": fields.choice("", "gb18030", "utf-8"),
    "edition": fields.choice("2016", "2022"),
    "expires_s": _whole(60, 86_400),
    "keepalive_s": _whole(5, 3600),
    "page_items": _whole(1, 100),
    "send_alarms": fields.choice("subscribed", "always", "never"),
    "view_minutes": _whole(1, 720),
    "rights": _rights,
    "owner": fields.text(200, required=True),
    "purpose": fields.choice(*(purpose.value for purpose in Purpose)),
    "basis": fields.text(400),
    "ends_at": _moment,
    "is_enabled": fields.flag,
}
_NEEDED: Final = ("name", "upper_id", "host", "local_id")
_AGREED: Final = ("owner", "purpose", "ends_at")


def new_upper(upper_id: str, given: Mapping[str, Any], home: Jurisdiction, now: datetime) -> Upper:
    """Return a new entry. Errors: INVALID naming the field; without owner, purpose or end nothing is shared."""
    fields.require(given, *_NEEDED)
    for name in _AGREED:
        if given.get(name) in (None, ""):
            raise refuse(name, "cascade.agreement_missing", f"{name} of the sharing agreement is missing")
    values = fields.read(given, _RULES)
    values.setdefault("domain", values["upper_id"][:10])
    made = Upper(id=upper_id, jurisdiction_id=home.id, jurisdiction_code=home.code, **values)
    return _checked(made, now, is_end_new=True)


def changed_upper(known: Upper, changes: Mapping[str, Any], now: datetime) -> Upper:
    """Return a changed entry. Errors: INVALID naming the field."""
    values = fields.read(changes, _RULES)
    return _checked(replace(known, **values), now, is_end_new=values.get("ends_at", known.ends_at) != known.ends_at)


def _checked(upper: Upper, now: datetime, *, is_end_new: bool) -> Upper:
    if upper.upper_id == upper.local_id:
        raise refuse("local_id", "cascade.same_id", "the ids are the same")
    if is_end_new and upper.ends_at <= now:
        raise refuse("ends_at", "cascade.end_past", "the agreement must end in the future")
    if is_end_new and upper.ends_at > now + LONGEST_AGREEMENT:
        raise refuse("ends_at", "cascade.end_far", "an agreement lasts at most 366 days")
    return upper


def read_selection(given: Sequence[Mapping[str, Any]]) -> tuple[Selected, ...]:
    """Return the lines of a selection. Errors: INVALID."""
    if len(given) > MAX_SELECTED:
        raise refuse("selection", "cascade.selection_long", "too many lines", limit=MAX_SELECTED)
    kinds = {kind.value for kind in SelectionKind}
    lines: dict[Selected, None] = {}
    for line in given:
        kind, value = line.get("kind"), line.get("value")
        if kind not in kinds or not isinstance(value, str) or not 0 < len(value) <= 64:
            raise refuse("selection", "cascade.selection_form", "a line has a kind and a value")
        lines[Selected(SelectionKind(kind), value)] = None
    return tuple(lines)


# --- exported ids ---


@dataclass(frozen=True, slots=True)
class Export:
    """An id by which an upper platform knows a camera, or a node of the tree. Empty texts mean: as it is here."""

    upper: str
    exported_id: str
    subject_kind: str  # camera | node
    subject_id: str
    since: datetime
    name: str = ""
    civil_code: str = ""
    parent_id: str = ""
    left_at: datetime | None = None

    def is_reserved(self, now: datetime) -> bool:
        """True while no other subject may have the id."""
        return self.left_at is None or now - self.left_at < RESERVED_FOR


@dataclass(frozen=True, slots=True)
class Assigned:
    """Exports in force by subject, and the rows to write for it."""

    by_subject: Mapping[str, Export]
    changed: tuple[Export, ...] = ()


def assign(upper: Upper, wanted: Iterable[tuple[str, str, str]], known: Collection[Export], now: datetime) -> Assigned:
    """Give every subject its id: the one it had, its own when it is 20 digits and free, else a fresh one of ours.

    `wanted` is (kind, subject id, own id). What is wanted no more keeps its id reserved.
    """
    held = {row.exported_id: row for row in known if row.is_reserved(now)}
    in_force = {row.subject_id: row for row in known if row.left_at is None}
    former: dict[str, Export] = {}
    for left in sorted(known, key=lambda row: row.left_at or now):
        if left.left_at is not None and held.get(left.exported_id) is left:
            former[left.subject_id] = left
    changed: list[Export] = []
    by_subject: dict[str, Export] = {}
    serials: dict[str, int] = {}
    for kind, subject_id, own_id in wanted:
        row = in_force.pop(subject_id, None)
        if row is None:
            before = former.get(subject_id)
            if before is not None:
                row = replace(before, left_at=None)
            else:
                free = _GB_ID.match(own_id) and own_id not in held and own_id not in (upper.local_id, upper.upper_id)
                exported = own_id if free else _fresh(upper, kind, held, serials)
                row = Export(upper.id, exported, kind, subject_id, now)
            changed.append(row)
        held[row.exported_id] = row
        by_subject[subject_id] = row
    changed += [replace(row, left_at=now) for row in in_force.values()]
    return Assigned(by_subject, tuple(changed))


def _fresh(upper: Upper, kind: str, held: Collection[str], serials: dict[str, int]) -> str:
    """Return a free id of our own domain: type 132 for cameras, 215 for the group, 216 for organisations in it."""
    type_code = {"camera": "132", "group": "215"}.get(kind, "216")
    serial = serials.get(type_code, FIRST_OWN_SERIAL if kind == "camera" else 1)
    while (made := f"{upper.local_id[:10]}{type_code}0{serial:06d}") in held:
        serial += 1
    serials[type_code] = serial + 1
    return made


def remapped(
    upper: Upper, current: Export, changes: Mapping[str, Any], known: Collection[Export], now: datetime
) -> tuple[Export, ...]:
    """Return the rows to write when an export gets another id, name, CivilCode or ParentID.

    Errors: INVALID naming the field; CONFLICT when another subject has or had the id within 180 days.
    """
    rules: Mapping[str, fields.Rule] = {
        "exported_id": _pattern(_GB_ID, "cascade.id_form"),
        "name": fields.text(200),
        "civil_code": _pattern(_DIVISION, "registry.code_form"),
        "parent_id": fields.text(200),
    }
    values = fields.read(changes, rules)
    exported = values.pop("exported_id", current.exported_id)
    if exported == current.exported_id:
        return (replace(current, **values),)
    if exported in (upper.local_id, upper.upper_id):
        raise refuse("exported_id", "cascade.exported_own", "the id is a platform's own")
    for row in known:
        if row.exported_id == exported and row.subject_id != current.subject_id and row.is_reserved(now):
            free_on = (row.left_at or now) + RESERVED_FOR
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"{exported} belongs to another",
                key="cascade.exported_taken",
                field="exported_id",
                free_on=free_on.date().isoformat(),
            )
    return (
        replace(current, left_at=now),
        replace(current, exported_id=exported, since=now, left_at=None, **values),
    )


# --- the exported catalogue ---


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """One entry of the catalogue as an upper platform sees it; `channel_id` is empty for nodes of the tree."""

    exported_id: str
    name: str
    channel_id: str = ""
    device_id: str = ""
    manufacturer: str = ""
    model: str = ""
    civil_code: str = ""
    address: str = ""
    parent_id: str = ""
    group_id: str = ""
    is_online: bool | None = None
    lon: float | None = None
    lat: float | None = None
    ptz_type: int | None = None
    streams: tuple[int, ...] = ()
    own_id: str = ""
    protocol: str = ""
    carrier: str = ""
    mobile_type: int | None = None

    @property
    def tells_position(self) -> bool:
        """Say whether its position may be told: it is on a vehicle, a drone or a robot, and on nobody."""
        return self.carrier in TOLD_CARRIERS

    @property
    def has_recordings(self) -> bool:
        """Say whether its recordings can be asked for: only GB/T 28181 devices are asked for theirs."""
        return bool(self.channel_id) and self.protocol == "gb28181"

    def form(self) -> dict[str, object]:
        """Return it as the preview shows it."""
        return {
            "exported_id": self.exported_id,
            "own_id": self.own_id,
            "name": self.name,
            "camera_id": self.channel_id or None,
            "protocol": self.protocol,
            "has_recordings": self.has_recordings,
            "tells_position": self.tells_position,
            "civil_code": self.civil_code,
            "parent_id": self.parent_id,
            "group_id": self.group_id,
            "state": None if self.is_online is None else ("online" if self.is_online else "offline"),
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything an upper platform sees, the system itself first, then the tree, then the cameras."""

    items: tuple[ExportedItem, ...] = ()
    by_exported: Mapping[str, ExportedItem] = field(default_factory=dict)
    by_channel: Mapping[str, ExportedItem] = field(default_factory=dict)


def subjects(
    upper: Upper, chosen: Sequence[ChannelRecord], tree: Mapping[str, Jurisdiction]
) -> list[tuple[str, str, str]]:
    """Return what needs an exported id: the cameras, and the nodes whose division code is too long to be one."""
    nodes = {node.id: node for channel in chosen for node in _above(channel, tree)}
    long = [node for node in nodes.values() if len(node.code) not in DIVISION_DIGITS]
    wanted = [("group", f"group:{upper.id}", "")] if long else []
    wanted += [("node", node.id, "") for node in sorted(long, key=lambda node: node.code)]
    return wanted + [("camera", channel.id, channel.gb_id) for channel in chosen]


def catalogue(
    upper: Upper,
    chosen: Sequence[ChannelRecord],
    tree: Mapping[str, Jurisdiction],
    exports: Mapping[str, Export],
    system_name: str = "Tocsin",
    devices: Mapping[str, tuple[str, str]] | None = None,
) -> Catalogue:
    """Return the exported catalogue. Source: the standard's annex on the catalogue tree."""
    local = upper.local_id
    items = [ExportedItem(local, system_name, manufacturer="Tocsin", model="Tocsin", is_online=True,
                          civil_code=_division(upper.jurisdiction_code))]  # fmt: skip
    nodes = {node.id: node for channel in chosen for node in _above(channel, tree)}
    group = exports.get(f"group:{upper.id}")
    for node in sorted(nodes.values(), key=lambda node: node.code):
        if len(node.code) in DIVISION_DIGITS:
            items.append(ExportedItem(node.code, node.name, civil_code=node.code))
    if group is not None:
        items.append(
            ExportedItem(group.exported_id, system_name, civil_code=_division(upper.jurisdiction_code), parent_id=local)
        )
    for node in sorted(nodes.values(), key=lambda node: node.code):
        row = exports.get(node.id)
        if row is not None and group is not None:
            above = exports.get(node.parent_id or "")
            items.append(
                ExportedItem(
                    row.exported_id,
                    row.name or node.name,
                    civil_code=_division(node.code),
                    parent_id=above.exported_id if above is not None else "",  # left out directly below a group
                    group_id=group.exported_id,
                )
            )
    for channel in chosen:
        if channel.id in exports:
            protocol, carrier = (devices or {}).get(channel.device_id, ("gb28181", ""))
            item = _camera(upper, channel, tree, exports)
            items.append(replace(item, protocol=protocol, carrier=carrier or CARRIER_OF.get(item.mobile_type, "")))
    return Catalogue(
        tuple(items),
        {item.exported_id: item for item in items},
        {item.channel_id: item for item in items if item.channel_id},
    )


def _camera(
    upper: Upper, channel: ChannelRecord, tree: Mapping[str, Jurisdiction], exports: Mapping[str, Export]
) -> ExportedItem:
    row = exports[channel.id]
    told = channel.catalog
    home = exports.get(channel.jurisdiction_id)
    parent = row.parent_id or (f"{upper.local_id}/{home.exported_id}" if home is not None else upper.local_id)
    extra = told.get("extra") or {}
    streams = tuple(int(n) for n in str(extra.get("stream_numbers", "")).split("/") if n.isdigit() and len(n) < 3)
    mobile = str(extra.get("mobile_type", ""))
    ptz = told.get("ptz_type")
    return ExportedItem(
        row.exported_id,
        row.name or channel.name,
        channel.id,
        channel.device_id,
        str(told.get("manufacturer", "")),
        str(told.get("model", "")),
        row.civil_code or _division(channel.jurisdiction_code),
        str(told.get("address", "")),
        parent,
        "",
        channel.is_online,
        channel.lon,
        channel.lat,
        ptz if isinstance(ptz, int) else None,
        streams,
        channel.gb_id,
        mobile_type=int(mobile) if mobile.isascii() and mobile.isdigit() and len(mobile) < 3 else None,
    )


def _above(channel: ChannelRecord, tree: Mapping[str, Jurisdiction]) -> list[Jurisdiction]:
    """Return the nodes from a camera's own to the root."""
    found: list[Jurisdiction] = []
    node = tree.get(channel.jurisdiction_id)
    while node is not None and node not in found:
        found.append(node)
        node = tree.get(node.parent_id or "")
    return found


def _division(code: str) -> str:
    """Return a division code as CivilCode writes it: an even number of digits, 8 at most."""
    return code[: min(8, len(code) // 2 * 2)]
