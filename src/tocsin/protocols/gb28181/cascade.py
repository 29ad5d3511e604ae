"""Cascade: what a lower platform says to an upper one, and what it reads there. Pure.

Subtrees of an exported catalogue, catalogue notifications, the answers to queries, the way a message came
(`X-RoutePath`), the identity of the user above, and when to register, keep alive and back off.

Source: GB/T 28181-2022, "Networking of several platforms", annexes on the catalogue tree, on catalogue subscription and
on multi-path routing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.catalog import CatalogItem, ItemEvent, item_fields
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import Role, is_acceptable, role_of, ssrc_of
from tocsin.protocols.gb28181.manscdp import Document, Pair, build_document, document_of
from tocsin.protocols.sip.message import Response

ROUTE_HEADER: Final = "X-RoutePath"
PREFERRED_HEADER: Final = "X-PreferredPath"
IDENTITY_HEADER: Final = "Monitor-User-Identity"
MAX_ROUTE: Final = 32
MAX_IDENTITY_CHARS: Final = 512
KEEPALIVE_MISSES: Final = 3
FIRST_BACK_OFF_S: Final = 60.0
LONGEST_BACK_OFF_S: Final = 300.0
RENEW_AT_SHARE: Final = 0.8
SHORT: Final = frozenset({ItemEvent.ON, ItemEvent.OFF, ItemEvent.VLOST, ItemEvent.DEFECT, ItemEvent.DEL})
_ID_INSIDE: Final = re.compile(r"(?<!\d)\d{20}(?!\d)", re.ASCII)
_PRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


# --- the tree ---


def subtree(items: Sequence[CatalogItem], asked_id: str, own_id: str) -> tuple[CatalogItem, ...] | None:
    """Return what belongs to an asked id: all for our own, else the item and everything below it.

    Below means its parent ids, its business group, and for divisions the division code. None when nobody knows the id.
    """
    if asked_id == own_id:
        return tuple(items)
    known = {item.gb_id: item for item in items}
    is_division = role_of(asked_id) is Role.DIVISION
    if asked_id not in known and not (is_division and any(_division_of(i).startswith(asked_id) for i in items)):
        return None
    children: dict[str, list[CatalogItem]] = {}
    for item in items:
        for parent in parents_of(item, known):
            children.setdefault(parent, []).append(item)
    chosen: dict[str, CatalogItem] = {}
    waiting = [known[asked_id]] if asked_id in known else []
    if is_division:
        waiting += [item for item in items if _division_of(item).startswith(asked_id) and item.gb_id != own_id]
    while waiting:
        item = waiting.pop(0)
        if item.gb_id not in chosen:
            chosen[item.gb_id] = item
            waiting += children.get(item.gb_id, [])
    return tuple(chosen.values())


def parents_of(item: CatalogItem, known: dict[str, CatalogItem]) -> list[str]:
    """Return the ids an item stands below, of those that exist."""
    named = [part.strip() for part in item.parent_id.split("/")]
    if item.business_group_id:
        named.append(item.business_group_id)
    found = [part for part in dict.fromkeys(named) if part in known and part != item.gb_id]
    if not found and role_of(item.gb_id) is Role.DIVISION:
        code = item.gb_id[:-2]
        while len(code) >= 2:
            if code in known:
                return [code]
            code = code[:-2]
    return found


def node_fields(item: CatalogItem) -> list[Pair]:
    """Return the children of an Item: a full one for devices, the short form of the tree for divisions and groups."""
    role = role_of(item.gb_id)
    if role is Role.DIVISION:
        return [("DeviceID", item.gb_id), ("Name", item.name)]
    if role in (Role.GROUP, Role.ORGANISATION):
        return [
            ("DeviceID", item.gb_id),
            ("Name", item.name),
            ("CivilCode", item.civil_code or None),
            ("ParentID", item.parent_id or None),
            ("BusinessGroupID", item.business_group_id or None),
        ]
    return item_fields(item)


def _division_of(item: CatalogItem) -> str:
    return item.gb_id if role_of(item.gb_id) is Role.DIVISION else item.civil_code


# --- notifications ---


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a catalogue notification."""

    event: ItemEvent
    item: CatalogItem

    def fields(self) -> list[Pair]:
        """Return the children of its Item: id and event suffice for a state, a new or changed one is told whole."""
        event: Pair = ("Event", self.event.value)
        if self.event in SHORT:
            return [("DeviceID", self.item.gb_id), event]
        head, *rest = node_fields(self.item)
        return [head, event, *rest]


def changes_between(before: Sequence[CatalogItem], after: Sequence[CatalogItem]) -> tuple[Change, ...]:
    """Return what to tell somebody who knows `before`: new ones first, then changes, states, and what left."""
    known = {item.gb_id: item for item in before}
    found: list[Change] = []
    for item in after:
        former = known.pop(item.gb_id, None)
        if former is None:
            found.append(Change(ItemEvent.ADD, item))
        elif former != item:
            if replace(former, is_online=item.is_online) != item:
                found.append(Change(ItemEvent.UPDATE, item))
            if former.is_online != item.is_online and item.is_online is not None:
                found.append(Change(ItemEvent.ON if item.is_online else ItemEvent.OFF, item))
    found += [Change(ItemEvent.DEL, item) for item in known.values()]
    found.sort(key=lambda change: change.event is not ItemEvent.ADD)
    return tuple(found)


def catalog_notify(sn: int, device_id: str, changes: Sequence[Change], label: Label = Label.GB2312) -> bytes:
    """Return a catalogue notification: its SumNum is the number of its own items."""
    return _listing("Notify", sn, device_id, len(changes), [change.fields() for change in changes], label)


def catalog_page(
    sn: int, device_id: str, total: int, items: Sequence[CatalogItem], label: Label = Label.GB2312
) -> bytes:
    """Return one page of the exported catalogue; an empty one has no list element."""
    return _listing("Response", sn, device_id, total, [node_fields(item) for item in items], label)


def pages(items: Sequence[CatalogItem], size: int) -> list[Sequence[CatalogItem]]:
    """Return the items in pages; an empty catalogue is one empty page."""
    return [items[at : at + size] for at in range(0, len(items), max(1, size))] or [()]


def _listing(root: str, sn: int, device_id: str, total: int, rows: Sequence[list[Pair]], label: Label) -> bytes:
    fields: list[Pair] = [("SumNum", total)]
    if rows:
        fields.append(("DeviceList", [("Item", row) for row in rows]))
    body = build_document(root, "Catalog", sn, device_id, fields, label=label)
    return body.replace(b"<DeviceList>", b'<DeviceList Num="%d">' % len(rows), 1)


def with_ids(document: Document, device_id: str, sn: int, label: Label) -> bytes:
    """Return a document with another id and serial number and all else as it was: an alarm on its way up."""
    root = document.root
    children = tuple(
        replace(child, text=device_id)
        if child.name.lower() == "deviceid"
        else replace(child, text=str(sn))
        if child.name.lower() == "sn"
        else child
        for child in root.children
    )
    return document_of(replace(root, children=children), label)


# --- what the upper asks ---


class Verb(StrEnum):
    """What an upper platform may be given, each apart."""

    LIVE = "live"
    RECORDINGS = "recordings"
    PTZ = "ptz"
    PRESETS = "presets"
    RECORD = "record"
    GUARD = "guard"
    RESET = "reset"
    REBOOT = "reboot"


def verb_of(document: Document) -> Verb | None:
    """Return the right a control needs; None for what is never relayed: configuration, formatting, upgrades."""
    root = document.root
    if document.cmd_type.lower() != "devicecontrol":
        return None
    if (found := root.child("PTZCmd")) is not None:
        code = found.text.strip()[6:8].upper()
        return Verb.PRESETS if code in ("81", "82", "83") else Verb.PTZ
    for name, verb in _VERBS:
        if root.child(name) is not None:
            return verb
    return None


_VERBS: Final = (
    ("DragZoomIn", Verb.PTZ),
    ("DragZoomOut", Verb.PTZ),
    ("PTZPreciseCtrl", Verb.PTZ),
    ("HomePosition", Verb.PRESETS),
    ("RecordCmd", Verb.RECORD),
    ("GuardCmd", Verb.GUARD),
    ("AlarmCmd", Verb.RESET),
    ("TeleBoot", Verb.REBOOT),
    ("IFameCmd", Verb.LIVE),
    ("IFrameCmd", Verb.LIVE),
)
_ANSWERED: Final = frozenset({"recordcmd", "guardcmd", "alarmcmd", "homeposition", "deviceupgrade"})


def expects_response(document: Document) -> bool:
    """Say whether the standard has a Response for this control. Source: the table of commands and answers."""
    if document.cmd_type.lower() == "deviceconfig":
        return True
    return any(child.name.lower() in _ANSWERED for child in document.root.children)


def has_valid_checksum(text: str) -> bool:
    """Say whether eight PTZ bytes add up: what does not is not passed on."""
    try:
        raw = bytes.fromhex(text.strip())
    except ValueError:
        return False
    return len(raw) == 8 and raw[0] == 0xA5 and sum(raw[:7]) & 0xFF == raw[7]


def usable_ssrc(offered: int | None, domain_id: str, serial: int, *, is_history: bool = False) -> int:
    """Return the stream number for the upper's leg: theirs, or one of ours when it is missing or 0."""
    return offered if offered else ssrc_of(domain_id, serial % 9999 + 1, is_history=is_history)


# --- the way a message came ---


def route_of(value: str) -> tuple[str, ...]:
    """Return the platform ids of an `X-RoutePath`, nearest first; anything that is no id is left out."""
    return tuple(part for part in (p.strip() for p in value.split("-")[:MAX_ROUTE]) if is_acceptable(part))


def path_below(preferred: str, own_id: str) -> tuple[str, ...]:
    """Return the way an upper platform wants below us: what follows our id when the path begins with it.

    Empty for a path that is not for us, or ends with us: then we choose the way.
    """
    path = route_of(preferred)
    return path[1:] if path and path[0] == own_id else ()


def is_loop(route: str, own_ids: Iterable[str], max_forwards: str) -> bool:
    """Say whether a message went through us before, or may go no further."""
    hops = max_forwards.strip()
    return bool(set(route_of(route)) & set(own_ids)) or (hops != "" and hops.strip("0") == "")


def longer_route(own_id: str, route: str = "") -> str:
    """Return a path with us in front."""
    return "-".join((own_id, *route_of(route))[:MAX_ROUTE])


def identity_of(value: str) -> str:
    """Return the identity of the user above as it is kept: one printable line."""
    return _PRINTABLE.sub("?", value).strip()[:MAX_IDENTITY_CHARS]


def expected_id(response: Response, known_ids: Iterable[str]) -> str:
    """Return the id a refusing platform says it has, when it says so; empty when it does not."""
    known = set(known_ids)
    texts = [response.reason, *(v for name in ("warning", "reason", "contact") for v in response.headers.all(name))]
    texts.append(response.body[:2000].decode("ascii", "replace"))
    for text in texts:
        for found in _ID_INSIDE.findall(text):
            if found not in known:
                return str(found)
    return ""


# --- registering, keeping alive, backing off ---


class Step(StrEnum):
    """What is due."""

    REGISTER = "register"
    KEEPALIVE = "keepalive"


class Standing(StrEnum):
    """How we stand with an upper platform."""

    REGISTERING = "registering"
    ONLINE = "online"
    BACKING_OFF = "backing_off"


class Registration:
    """Says what is due with an upper platform and when. Times are seconds that do not go back."""

    def __init__(self, keepalive_s: float, now: float, misses: int = KEEPALIVE_MISSES) -> None:
        self.standing = Standing.REGISTERING
        self._keepalive_s = keepalive_s
        self._misses = misses
        self._missed = 0
        self._pause_s = FIRST_BACK_OFF_S
        self._register_at = now
        self._keepalive_at = float("inf")

    @property
    def is_online(self) -> bool:
        """True while the upper platform answers."""
        return self.standing is Standing.ONLINE

    @property
    def due(self) -> float:
        """When the next step is due."""
        return min(self._register_at, self._keepalive_at)

    def next_step(self, now: float) -> Step | None:
        """Return what is due now, registering first."""
        if self._register_at <= now:
            return Step.REGISTER
        return Step.KEEPALIVE if self._keepalive_at <= now else None

    def registered(self, expires_s: float, now: float) -> None:
        """The upper platform granted a registration."""
        self.standing = Standing.ONLINE
        self._missed = 0
        self._pause_s = FIRST_BACK_OFF_S
        self._register_at = now + max(10.0, expires_s * RENEW_AT_SHARE)
        self._keepalive_at = min(self._keepalive_at, now + self._keepalive_s)
        if self._keepalive_at <= now:
            self._keepalive_at = now + self._keepalive_s

    def refused(self, now: float, retry_after_s: float = 0.0) -> None:
        """It refused or did not answer: wait, longer each time."""
        self.standing = Standing.BACKING_OFF
        pause_s = max(self._pause_s, min(retry_after_s, LONGEST_BACK_OFF_S))
        self._register_at = now + pause_s
        self._keepalive_at = float("inf")
        self._pause_s = min(self._pause_s * 2, LONGEST_BACK_OFF_S)

    def kept_alive(self, now: float) -> None:
        """A keepalive was answered."""
        self._missed = 0
        self._keepalive_at = now + self._keepalive_s

    def missed(self, now: float) -> bool:
        """A keepalive was not answered; True when that was one too many and the registration is given up."""
        self._missed += 1
        if self._missed < self._misses:
            self._keepalive_at = now + self._keepalive_s
            return False
        self.refused(now)
        return True

    def again(self, now: float) -> None:
        """Register at once: the upper platform does not know us any more, the connection broke, or somebody asks."""
        self.standing = Standing.REGISTERING
        self._missed = 0
        self._register_at = now
        self._keepalive_at = float("inf")
