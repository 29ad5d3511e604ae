"""SIA DC-03 event blocks as DC-09 carries them: `#acct|` and blocks parted by `|`, events inside a block parted by `/`.

    #1234|Nti08:30/id7/ri1/BA003^FRONT PIR^/BA004

A block says by its first letter what it is; `N` and `O` hold events (new and stored), `A` holds text. Inside an event
block, modifiers (two lower-case letters) apply to the codes after them. Panels leave out the slash after a modifier,
the account, or the block letter, and quote text in ways of their own; all of that is read.

Source: SIA DC-03, data blocks and data code packets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.dc09.text import decode_text, displayable
from tocsin.protocols.sia_codes.codes import CODES
from tocsin.protocols.sia_codes.kinds import UNKNOWN_PRIORITY

CODE_SYSTEM = "sia"
MAX_EVENTS = 64
"""Most events read from one frame; the raw octets keep the rest."""

MAX_FIELD_CHARACTERS = 40
"""Most characters of an area, zone or user."""

_EVENT_BLOCKS = "NO"
_BLOCK = re.compile(r"(?:\^[^^]*\^|[^|])+")
_PACKET = re.compile(
    r"""(?P<modifier>[a-z]{2})(?P<value>[^/^*|]*)
      | (?P<code>[A-Z]{2})(?P<address>[0-9A-Fa-f]*)
      | \^(?P<caret>[^^]*)\^?
      | \*(?P<mark>['"])(?P<quoted>.*?)(?:(?P=mark)(?:NM)?|$)
      | [^/^*]
      | .""",
    re.VERBOSE | re.DOTALL,
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_DATE = re.compile(r"\d{1,2}-\d{1,2}-\d{2,4}")
# A modifier's value run together with the code behind it: digits, a code, its address.
_RUN_TOGETHER = re.compile(r"(?P<value>[0-9A-Fa-f]*?[0-9])(?P<code>[A-Z]{2})(?P<address>[0-9A-Fa-f]*)\s*")
_BARE_EVENT = re.compile(r"[A-Z]{2}[0-9A-Fa-f]*\s*(?:[/^*].*)?", re.DOTALL)

# What most frames hold: one new event with at most an area and a text.
_USUAL = re.compile(
    r"(?:#(?P<account>[^|^]*)\|)?N(?:ri(?P<area>[0-9]{1,8})/)?(?P<code>[A-Z]{2})(?P<address>[0-9A-Fa-f]*)"
    r"(?:\^(?P<text>[^^|]*)\^)?"
)

# Codes whose address is a user, and codes whose address is an area; every other address is a zone (or a door).
_USER_CODES = frozenset(
    {"CA", "CF", "CJ", "CK", "CL", "CP", "CQ", "CR", "CS", "CW", "EE", "JA", "JK", "JP", "JV", "JX", "JY", "JZ"}
    | {"OA", "OC", "OH", "OJ", "OK", "OL", "OP", "OQ", "OR", "OS"}
)
_AREA_CODES = frozenset({"CD", "CE", "CG", "CI", "CT", "NF", "NL", "NM", "OG", "OI", "OT"})
_NEAREST_S = 7200.0


@dataclass(slots=True)
class SiaEvent:
    """One code with what belongs to it, all as text; `time` and `date` are the panel's wall clock."""

    code: str
    address: str = ""
    text: str = ""
    area: str = ""
    user: str = ""
    time: str = ""
    date: str = ""
    peripheral: str = ""
    is_stored: bool = False


@dataclass(slots=True)
class SiaReport:
    """What one data block says; `account` is "" where it is left out, `other_blocks` the letters of other blocks."""

    account: str = ""
    events: list[SiaEvent] = field(default_factory=list)
    other_blocks: str = ""
    is_cut: bool = False


def parse_sia(data: bytes) -> SiaReport:
    """Read the data block of a SIA-DCS message; a block that holds no event gives a report without events."""
    text = decode_text(data)
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        account, area, code, address, words = usual.groups(default="")
        return SiaReport(account, [SiaEvent(code, address, words.strip(), area)])
    report = SiaReport()
    blocks = _BLOCK.findall(text) if "^" in text else text.split("|")
    if blocks and blocks[0].startswith("#"):
        report.account = blocks[0][1:]
        blocks = blocks[1:]
    loose_text = ""
    for block in blocks:
        kind = block[:1]
        if kind and kind in _EVENT_BLOCKS:
            _read_events(block[1:], report, is_stored=kind == "O")
        elif kind == "A":
            words = block[1:].strip()
            if report.events and not report.events[-1].text:
                report.events[-1].text = words
            elif not report.events:
                loose_text = words
        elif kind:
            report.other_blocks += kind
    if not report.events:
        # No event block: some panels leave out its letter.
        for block in blocks:
            if _BARE_EVENT.fullmatch(block) and block[:2] in CODES:
                _read_events(block, report, is_stored=False)
    if loose_text and report.events and not report.events[0].text:
        report.events[0].text = loose_text
    return report


def encode_event(event: SiaEvent) -> str:
    """Write one event as a block with its modifiers, in the order time, user, area."""
    parts = [
        f"{name}{value}"
        for name, value in (
            ("da", event.date),
            ("ti", event.time),
            ("id", event.user),
            ("ri", event.area),
            ("pi", event.peripheral),
        )
        if value
    ]
    parts.append(event.code + event.address + (f"^{event.text}^" if event.text else ""))
    return ("O" if event.is_stored else "N") + "/".join(parts)


def encode_sia(account: str, *events: SiaEvent) -> bytes:
    """Write a data block; each event becomes a block of its own."""
    return "|".join((f"#{account}" if account else "", *map(encode_event, events))).encode("utf-8")


def to_event(event: SiaEvent, received_at: datetime, panel_utc_offset_s: float) -> NormalEvent:
    """Return the normal form; `panel_utc_offset_s` says how far the panel's wall clock is ahead of UTC."""
    area, user = _field(event.area).lstrip("0"), _field(event.user)
    address, zone = event.address[:MAX_FIELD_CHARACTERS] if event.address.strip("0") else "", ""
    if event.code in _USER_CODES:
        user = user or address
    elif event.code in _AREA_CODES:
        area = area or address.lstrip("0")
    else:
        zone = address
    occurred_at = _occurred_at(event, received_at, panel_utc_offset_s) if event.time else None
    text = displayable(event.text) if event.text else ""
    code = CODES.get(event.code)
    if code is None:
        return NormalEvent(
            CODE_SYSTEM,
            event.code,
            EventKind.TROUBLE,
            Category.UNKNOWN,
            UNKNOWN_PRIORITY,
            f"Unknown event code {event.code}",
            f"未知事件代码 {event.code}",
            "",
            area,
            zone,
            user,
            text,
            occurred_at,
            is_known=False,
        )
    return NormalEvent(
        CODE_SYSTEM,
        code.code,
        code.kind,
        code.category,
        code.priority,
        code.label_en,
        code.label_zh,
        "",
        area,
        zone,
        user,
        text,
        occurred_at,
    )


def _field(value: str) -> str:
    return displayable(value, MAX_FIELD_CHARACTERS) if value else ""


def _read_events(block: str, report: SiaReport, *, is_stored: bool) -> None:
    """Read the packets of one event block into the report."""
    modifiers: dict[str, str] = {}
    last: SiaEvent | None = None
    for packet in _PACKET.finditer(block):
        kind = packet.lastgroup
        if kind == "value":
            last = _modify(packet["modifier"], packet["value"], modifiers, report, is_stored) or last
        elif kind == "address":
            last = _add(packet["code"], packet["address"], modifiers, report, is_stored) or last
        elif kind in ("caret", "quoted") and last is not None:
            words = (packet["caret"] or packet["quoted"] or "").strip()
            last.text = f"{last.text} {words}".strip() if last.text else words


def _modify(name: str, value: str, modifiers: dict[str, str], report: SiaReport, is_stored: bool) -> SiaEvent | None:
    """Take a modifier; return the event that ran into it where the slash is missing."""
    shape = {"ti": _TIME, "da": _DATE}.get(name)
    if shape is not None:
        match = shape.match(value)
        modifiers[name] = match[0] if match else ""
        rest = value[match.end() :] if match else ""
        event = re.fullmatch(r"\s*([A-Z]{2})([0-9A-Fa-f]*)\s*", rest)
        return _add(event[1], event[2], modifiers, report, is_stored) if event else None
    run = _RUN_TOGETHER.fullmatch(value) if len(value) <= MAX_FIELD_CHARACTERS else None
    if run is not None and run["code"] in CODES:
        modifiers[name] = run["value"]
        return _add(run["code"], run["address"], modifiers, report, is_stored)
    modifiers[name] = value.strip()
    return None


def _add(code: str, address: str, modifiers: dict[str, str], report: SiaReport, is_stored: bool) -> SiaEvent | None:
    if len(report.events) >= MAX_EVENTS:
        report.is_cut = True
        return None
    get = modifiers.get
    event = SiaEvent(
        code, address, "", get("ri", ""), get("id", ""), get("ti", ""), get("da", ""), get("pi", ""), is_stored
    )
    report.events.append(event)
    return event


def _occurred_at(event: SiaEvent, received_at: datetime, panel_utc_offset_s: float) -> datetime | None:
    """Place the panel's wall time: on its date, or without one on the nearest day if within two hours of receipt."""
    try:
        clock = [int(part) for part in event.time.split(":")]
        wall = received_at + timedelta(seconds=panel_utc_offset_s)
        wall = wall.replace(hour=clock[0], minute=clock[1], second=clock[2] if len(clock) > 2 else 0, microsecond=0)
        if event.date:
            month, day, year = (int(part) for part in event.date.split("-"))
            wall = wall.replace(year=year + 2000 if year < 100 else year, month=month, day=day)
    except ValueError:
        return None
    moment = wall - timedelta(seconds=panel_utc_offset_s)
    if event.date:
        return moment
    for days in (0, -1, 1):
        candidate = moment + timedelta(days=days)
        if abs((candidate - received_at).total_seconds()) <= _NEAREST_S:
            return candidate
    return None
