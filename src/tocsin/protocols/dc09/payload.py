"""What a DC-09 message reports, in the normal form: the data block by its token, completed from the extended data.

Source: SIA DC-09, identification tokens and extended data; SIA DC-03 and DC-05 for the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id import payload as contact_id
from tocsin.protocols.dc09 import messages, xdata
from tocsin.protocols.dc09.messages import Message
from tocsin.protocols.dc09.text import displayable
from tocsin.protocols.dc09.xdata import Letter, Xdata
from tocsin.protocols.sia_codes import blocks

UNDECODED = "undecoded"
UNKNOWN_CODE = "unknown_code"
UNKNOWN_QUALIFIER = "unknown_qualifier"
STORED_EVENT = "stored_event"
EVENTS_CUT = "events_cut"

_QUALIFIERS = frozenset("136")
# Where the text of an event is looked for when its block has none, in this order.
_TEXT_LETTERS = (Letter.ALARM_TEXT, Letter.LOCATION, Letter.ROOM, Letter.SITE)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a message reports. `reason` is a word when a person should look at it, "" otherwise."""

    events: tuple[NormalEvent, ...]
    reason: str = ""
    flags: tuple[str, ...] = ()


def read_payload(message: Message, received_at: datetime, panel_utc_offset_s: float) -> Payload:
    """Return the events of a message; what cannot be read becomes one event that says so, never nothing.

    `panel_utc_offset_s` is how far the wall clock of panels is ahead of UTC: times inside SIA blocks are local.
    """
    token = message.header.token
    if token == messages.SIA_DCS:
        payload = _read_sia(message, received_at, panel_utc_offset_s)
    elif token == messages.ADM_CID:
        payload = _read_contact_id(message)
    else:
        payload = _undecoded(token)
    return _completed(payload, message.xdata) if message.xdata else payload


def _read_sia(message: Message, received_at: datetime, panel_utc_offset_s: float) -> Payload:
    report = blocks.parse_sia(message.data)
    if not report.events:
        return _undecoded(message.header.token)
    events = tuple(blocks.to_event(event, received_at, panel_utc_offset_s) for event in report.events)
    flags: tuple[str, ...] = ()
    if any(event.is_stored for event in report.events):
        flags += (STORED_EVENT,)
    if report.is_cut:
        flags += (EVENTS_CUT,)
    is_unknown = all(event.category is Category.UNKNOWN for event in events)
    return Payload(events, UNKNOWN_CODE if is_unknown else "", flags)


def _read_contact_id(message: Message) -> Payload:
    report = contact_id.parse_adm_cid(message.data)
    if report is None:
        return _undecoded(message.header.token)
    event = contact_id.to_event(report)
    if event.category is Category.UNKNOWN:
        return Payload((event,), UNKNOWN_CODE)
    return Payload((event,), "" if report.qualifier in _QUALIFIERS else UNKNOWN_QUALIFIER)


def _undecoded(token: str) -> Payload:
    token = displayable(token, 20)
    event = NormalEvent(
        "dc09",
        token,
        EventKind.STATUS,
        Category.UNKNOWN,
        5,
        f"Undecoded signal ({token})",
        f"未解码信号（{token}）",
        is_known=False,
    )
    return Payload((event,), UNDECODED)


def _completed(payload: Payload, groups: tuple[Xdata, ...]) -> Payload:
    """Add what the extended data says to every event: when it happened, where, and in which words."""
    found = {group.letter: group for group in reversed(groups)}
    occurred = xdata.occurred_at(found[Letter.OCCURRED]) if Letter.OCCURRED in found else None
    lon = xdata.longitude_deg(found[Letter.LONGITUDE]) if Letter.LONGITUDE in found else None
    lat = xdata.latitude_deg(found[Letter.LATITUDE]) if Letter.LATITUDE in found else None
    if lon is None or lat is None:
        lon = lat = None
    text = next((displayable(found[letter].text) for letter in _TEXT_LETTERS if letter in found), "")
    if occurred is None and lon is None and not text:
        return payload
    events = tuple(
        replace(event, occurred_at=occurred or event.occurred_at, lon=lon, lat=lat, text=event.text or text)
        for event in payload.events
    )
    return replace(payload, events=events)
