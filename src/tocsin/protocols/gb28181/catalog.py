"""Catalogues: items, the assembly of pages into sets, and where an item belongs in the tree.

Only a complete set may delete; anything else adds and changes. An answer to a question nobody asked only adds.

Source: GB/T 28181-2022, "Catalog query" and the annexes on multiple responses and on the catalogue tree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.ids import Role, is_acceptable, role_of
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair

FIRST_PAGE_TIMEOUT_S: Final = 30.0
IDLE_TIMEOUT_S: Final = 10.0
ANSWERED_S: Final = 60.0  # since the last page
MAX_ANSWERED: Final = 4_096
MAX_ITEMS: Final = 50_000
MAX_QUESTIONS_PER_PEER: Final = 4
MAX_NAME_CHARS: Final = 256
_ON: Final = frozenset({"on", "ok", "online", "1", "true"})
_OFF: Final = frozenset({"off", "offline", "vlost", "defect", "error", "0", "false"})


class ItemEvent(StrEnum):
    """What a catalogue notification says about an item."""

    ON = "ON"
    OFF = "OFF"
    VLOST = "VLOST"
    DEFECT = "DEFECT"
    ADD = "ADD"
    DEL = "DEL"
    UPDATE = "UPDATE"


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """One row of a catalogue. `is_online` None means the item says nothing about it: keep the previous state."""

    gb_id: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    civil_code: str = ""
    block: str = ""
    address: str = ""
    is_parent: bool = False
    parent_id: str = ""
    business_group_id: str = ""
    is_online: bool | None = None
    lon: float | None = None
    lat: float | None = None
    ptz_type: int | None = None
    ip: str = ""
    port: int | None = None
    stream_numbers: tuple[int, ...] = ()
    mobile_type: int | None = None  # 2022: 1 robot, 2 and 3 worn, 4 vehicle, 5 drone, 9 other
    event: ItemEvent = ItemEvent.UPDATE
    coordinates_swapped: bool = False


@dataclass(frozen=True, slots=True)
class CatalogSet:
    """What one question brought: `is_complete` alone permits deletion. `expected` None when no total was given."""

    peer: str
    sn: int | None
    items: tuple[CatalogItem, ...]
    expected: int | None
    is_complete: bool
    is_solicited: bool = True
    skipped: int = 0
    pages: int = 0
    repaired_pages: int = 0

    @property
    def received(self) -> int:
        return len(self.items) + self.skipped


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """A page that did not finish its set."""

    peer: str
    sn: int
    received: int
    expected: int | None


@dataclass(slots=True)
class _Question:
    sn: int
    due: float
    expected: int | None = None
    total_is_wrong: bool = False
    skipped: int = 0
    pages: int = 0
    repaired: int = 0
    items: dict[str, CatalogItem] = field(default_factory=dict)
    known_total: int | None = None
    known: Mapping[str, CatalogItem] = field(default_factory=dict)

    def join(self) -> None:
        """Take over what an earlier answer brought once this one names the same total."""
        if self.known and self.expected == self.known_total:
            self.items = {**self.known, **self.items}
        if self.expected is not None:
            self.known = {}


class CatalogAssembler:
    """Joins pages by (peer, SN). Time is an argument, in seconds that do not go back."""

    def __init__(
        self, first_s: float = FIRST_PAGE_TIMEOUT_S, idle_s: float = IDLE_TIMEOUT_S, max_items: int = MAX_ITEMS
    ) -> None:
        self._max_items = max_items
        self._first_s = first_s
        self._idle_s = idle_s
        self._open: dict[str, OrderedDict[int, _Question]] = {}
        self._answered: OrderedDict[tuple[str, int], float] = OrderedDict()  # whole ones, and until when

    def ask(self, peer: str, sn: int, now: float, earlier: CatalogSet | None = None) -> None:
        """Record a question that leaves now; `earlier` is the incomplete answer to the one before.

        Where both name the same total, what the earlier answer brought counts too.
        """
        questions = self._open.setdefault(peer, OrderedDict())
        while len(questions) >= MAX_QUESTIONS_PER_PEER:
            questions.popitem(last=False)
        known = {} if earlier is None else {item.gb_id: item for item in earlier.items}
        total = None if earlier is None else earlier.expected
        questions[sn] = _Question(sn, now + self._first_s, known_total=total, known=known)

    def cancel(self, peer: str, sn: int) -> None:
        """Forget a question that could not be sent."""
        self._close(peer, sn)

    def is_asking(self, peer: str) -> bool:
        """True while a question to the peer is open."""
        return peer in self._open

    def receive(self, peer: str, document: Document, now: float) -> CatalogSet | CatalogPage:
        """Take one page; its set when that made it complete or when nobody asked."""
        items, skipped = items_of(document)
        total = document.root.integer("SumNum")
        total = total if total is not None and total >= 0 else None
        question = self._find(peer, document.sn)
        if question is None and self._is_answered(peer, document.sn, now):
            return CatalogPage(peer, document.sn or 0, total or len(items), total)
        if question is None:
            return CatalogSet(
                peer, document.sn, tuple(items), total, False, False, skipped, 1, int(document.was_repaired)
            )
        question.due = now + self._idle_s
        question.pages += 1
        question.skipped += skipped
        question.repaired += int(document.was_repaired)
        if total is not None:
            question.expected = max(question.expected or 0, total)
            if len(items) + skipped > total:
                question.total_is_wrong = True  # a page larger than the whole: the total cannot say when to stop
        for item in items:
            if len(question.items) < self._max_items or item.gb_id in question.items:
                question.items[item.gb_id] = item
        question.join()
        received = len(question.items) + question.skipped
        if question.expected is None or question.total_is_wrong or received < question.expected:
            return CatalogPage(peer, question.sn, received, question.expected)
        self._close(peer, question.sn)
        self._answered[peer, question.sn] = now + ANSWERED_S
        while len(self._answered) > MAX_ANSWERED:
            self._answered.popitem(last=False)
        return _finished(peer, question, is_complete=question.skipped == 0)

    def _is_answered(self, peer: str, sn: int | None, now: float) -> bool:
        """True for the rest of an answer that was whole before its last page: added up with earlier answers, it may be
        by thousands of pages. They say nothing new.
        """
        until = None if sn is None else self._answered.get((peer, sn))
        if until is None or sn is None:
            return False
        if until < now:
            del self._answered[peer, sn]
            return False
        self._answered[peer, sn] = now + ANSWERED_S
        return True

    def timer(self) -> float | None:
        """Return when `handle_timer` is due, or None."""
        return min((question.due for open_ in self._open.values() for question in open_.values()), default=None)

    def handle_timer(self, now: float) -> list[CatalogSet]:
        """Return the sets whose next page did not come, as incomplete."""
        late = [
            (peer, question) for peer, open_ in self._open.items() for question in open_.values() if question.due <= now
        ]
        for peer, question in late:
            self._close(peer, question.sn)
        return [_finished(peer, question, is_complete=False) for peer, question in late]

    def _find(self, peer: str, sn: int | None) -> _Question | None:
        questions = self._open.get(peer)
        if not questions:
            return None
        if sn is None:
            return next(iter(questions.values())) if len(questions) == 1 else None
        return questions.get(sn)

    def _close(self, peer: str, sn: int) -> None:
        questions = self._open.get(peer)
        if questions is None:
            return
        questions.pop(sn, None)
        if not questions:
            del self._open[peer]


def items_of(document: Document) -> tuple[list[CatalogItem], int]:
    """Return the items of a page and how many had no usable id."""
    items: list[CatalogItem] = []
    skipped = 0
    for holder in document.root.all("DeviceList"):
        for element in holder.all("Item"):
            item = parse_item(element)
            if item is None:
                skipped += 1
            else:
                items.append(item)
    return items, skipped


def parse_item(element: Element) -> CatalogItem | None:
    """Read one item; None without a usable DeviceID."""
    gb_id = element.get("DeviceID")
    if not is_acceptable(gb_id):
        return None
    info = element.child("Info") or Element("Info")
    lon, lat, swapped = _coordinates(element.number("Longitude"), element.number("Latitude"))
    port = element.integer("Port")
    return CatalogItem(
        gb_id=gb_id,
        name=_short(element.get("Name")),
        manufacturer=_short(element.get("Manufacturer")),
        model=_short(element.get("Model")),
        civil_code=element.get("CivilCode")[:20],
        block=_short(element.get("Block")),
        address=_short(element.get("Address")),
        is_parent=bool(element.integer("Parental")),
        parent_id=element.get("ParentID")[:256],
        business_group_id=(element.get("BusinessGroupID") or info.get("BusinessGroupID"))[:64],
        is_online=_is_online(element.get("Status")),
        lon=lon,
        lat=lat,
        ptz_type=info.integer("PTZType") if info.child("PTZType") else element.integer("PTZType"),
        ip=element.get("IPAddress")[:64],
        port=port if port is not None and 0 < port < 65_536 else None,
        stream_numbers=_stream_numbers(info.get("StreamNumberList")),
        mobile_type=info.integer("MobileDeviceType"),
        event=_event(element.get("Event")),
        coordinates_swapped=swapped,
    )


def item_fields(item: CatalogItem) -> list[Pair]:
    """Return the children of an Item element, as a device sends them."""
    info: list[Pair] = []
    if item.ptz_type is not None:
        info.append(("PTZType", item.ptz_type))
    if item.stream_numbers:
        info.append(("StreamNumberList", "/".join(str(number) for number in item.stream_numbers)))
    if item.mobile_type is not None:
        info.append(("MobileDeviceType", item.mobile_type))
    fields: list[Pair] = [
        ("DeviceID", item.gb_id),
        ("Name", item.name),
        ("Manufacturer", item.manufacturer),
        ("Model", item.model),
        ("CivilCode", item.civil_code),
        ("Address", item.address),
        ("Parental", int(item.is_parent)),
        ("ParentID", item.parent_id or None),
        ("BusinessGroupID", item.business_group_id or None),
        ("SafetyWay", 0),
        ("RegisterWay", 1),
        ("Secrecy", 0),
        ("Status", None if item.is_online is None else ("ON" if item.is_online else "OFF")),
        ("Longitude", None if item.lon is None else f"{item.lon:.6f}"),
        ("Latitude", None if item.lat is None else f"{item.lat:.6f}"),
    ]
    return [*fields, ("Info", info)] if info else fields


def place(items: Iterable[CatalogItem], device_id: str, own_id: str) -> Mapping[str, str]:
    """Return item id -> parent id, "" for the root; input is often wrong, so only what exists counts.

    Of several parents a virtual organisation wins over a business group, then a device, then the division. Cycles
    are cut, and a parent that is ourselves or the device means the root.
    """
    known = {item.gb_id: item for item in items}
    parents = {item.gb_id: _parent(item, known, device_id, own_id) for item in known.values()}
    for start in parents:
        seen = {start}
        at = start
        while above := parents.get(at, ""):
            if above in seen:
                parents[at] = ""
                break
            seen.add(above)
            at = above
    return parents


def _parent(item: CatalogItem, known: Mapping[str, CatalogItem], device_id: str, own_id: str) -> str:
    roots = (device_id, own_id, item.gb_id)
    named = [part.strip() for part in item.parent_id.split("/")]
    candidates = [part for part in named if part in known and part not in roots]
    if item.business_group_id in known and item.business_group_id not in roots:
        candidates.append(item.business_group_id)
    rank = {Role.ORGANISATION: 0, Role.GROUP: 1, Role.DEVICE: 2, Role.VIDEO: 3, Role.PLATFORM: 4}
    if candidates:
        return min(candidates, key=lambda candidate: rank.get(role_of(candidate), 5))
    if any(part in (device_id, own_id) for part in named):
        return ""
    return _division(item, known)


def _division(item: CatalogItem, known: Mapping[str, CatalogItem]) -> str:
    code = item.gb_id[:-2] if role_of(item.gb_id) is Role.DIVISION else item.civil_code
    while len(code) >= 2:
        if code in known and code != item.gb_id:
            return code
        code = code[:-2]
    return ""


def _finished(peer: str, question: _Question, *, is_complete: bool) -> CatalogSet:
    return CatalogSet(
        peer,
        question.sn,
        tuple(question.items.values()),
        question.expected,
        is_complete,
        True,
        question.skipped,
        question.pages,
        question.repaired,
    )


def _short(text: str) -> str:
    return " ".join(text.split())[:MAX_NAME_CHARS]


def _is_online(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _ON else False if word in _OFF else None


def _event(text: str) -> ItemEvent:
    word = text.strip().upper()
    return ItemEvent(word) if word in tuple(ItemEvent) else ItemEvent.UPDATE


def _coordinates(lon: float | None, lat: float | None) -> tuple[float | None, float | None, bool]:
    if lon is None or lat is None or (lon == 0 and lat == 0):
        return None, None, False
    if abs(lat) > 90 and abs(lon) <= 90 and abs(lat) <= 180:
        return lat, lon, True
    return (lon, lat, False) if abs(lon) <= 180 and abs(lat) <= 90 else (None, None, False)


def _stream_numbers(text: str) -> tuple[int, ...]:
    parts: Sequence[str] = text.replace(",", "/").split("/")[:8]
    return tuple(int(part) for part in parts if part.strip().isascii() and part.strip().isdigit() and len(part) < 4)
