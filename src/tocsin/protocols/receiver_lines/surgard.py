"""Sur-Gard MLR2, MLR2000 and System III: lines that end with DC4, each kind known by its first character.

    5RRL 18AAAAQXYZGGCCC   Contact ID; System III writes the line with three digits
    3RRL    AAAAAAXXYYYY   SIA, protocol 1        SRRL[#acct|Nri1/BA003]   SIA, protocol 2
    1RRL      AAAA X  YY   pulse                  8RRLAAAA CCCC CCCC C     Ademco high speed
    6RRL      AAAAXXYYYY   BFSK                   0RRL...                  about the receiver itself
    1RRL           @       heartbeat

Source: alarm reference, Sur-Gard (clause table: docs/protocols/receivers.md).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.dc09.text import decode_text, displayable
from tocsin.protocols.receiver_lines import high_speed
from tocsin.protocols.receiver_lines.line import (
    DC4,
    LETTER_OF_QUALIFIER,
    QUALIFIER_OF_LETTER,
    UNDECODED,
    UNKNOWN_CODE,
    Heartbeat,
    Item,
    MarkedLine,
    Report,
    is_garbled,
    of_contact_id,
    unknown_event,
    unreadable,
    without_parity,
)
from tocsin.protocols.sia_codes import blocks

SYSTEM: Final = "surgard"
HEARTBEAT: Final = b"1011" + b" " * 11 + b"@" + b" " * 4 + DC4

_CONTACT_ID = re.compile(
    r"5(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) (?:18|98)(?P<account>\w{3,10})"
    r"(?P<q>[ERP136])(?P<code>[0-9A-F]{3})(?P<group>\w\w)(?P<point>\w{3})\s*",
    re.ASCII,
)
_SIA_1 = re.compile(
    r"3(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) {4}(?P<account>[\w ]{6})(?P<code>[A-Z]{2})(?P<point>\w{1,4})\s*", re.A
)
_SIA_2 = re.compile(r"S(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) ?\[(?P<block>.*?)\]?\s*", re.ASCII | re.DOTALL)
_PULSE = re.compile(
    r"1(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) {6}(?P<account>\w{3,6}) (?P<code>\w) {1,2}(?P<zone>\w\w)\s*", re.A
)
_AUDIO = re.compile(r"1(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) {6}0000 P {2}00?\w\s*", re.ASCII)
_HIGH_SPEED = re.compile(
    r"8(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?)(?P<account>\w{4}) (?P<first>\d{4}) (?P<second>\d{4}) (?P<last>\d)\s*",
    re.A,
)
_BFSK = re.compile(
    r"6(?P<receiver>\w\w)(?P<line>\w(?:\w\w)?) {6}(?P<account>\w{4})(?P<code>\w\w)(?P<zone>\w{4})\s*", re.ASCII
)
_OWN = re.compile(r"0(?P<receiver>\w\w)(?P<line>\w)(?P<text>.*)", re.ASCII | re.DOTALL)
_HEARTBEAT = re.compile(r"1\w\w\w(?:\w\w)? {11}@ {0,4}\s*", re.ASCII)
_OWN_ACCOUNT = "0000"
MAX_ACCOUNT: Final = 32
_AUDIO_EVENT: Final = (EventKind.STATUS, Category.VERIFY, 3, "Listening-in follows", "即将接通监听")
ROWS: Final = (("listen-in", *_AUDIO_EVENT),)
"""The events of this protocol's own, as (code, kind, category, priority, English, Chinese)."""


def surgard_line(panel_utc_offset_s: float) -> MarkedLine:
    """Return a line of a Sur-Gard receiver; times in SIA blocks are `panel_utc_offset_s` ahead of UTC."""

    def read(raw: bytes, body: bytes, now: datetime) -> Item:
        return _read(raw, without_parity(body), now, panel_utc_offset_s)

    return MarkedLine(read, DC4)


def encode_contact_id(receiver: str, line: str, report: CidReport) -> bytes:
    """Return the line of a Contact ID report."""
    letter = LETTER_OF_QUALIFIER[report.qualifier]
    text = f"5{receiver}{line} 18{report.account}{letter}{report.code}{report.group}{report.point}"
    return text.encode("ascii") + DC4


def encode_sia(receiver: str, line: str, block: bytes) -> bytes:
    """Return the line of a SIA block, protocol 2."""
    return f"S{receiver}{line}[".encode() + block + b"]" + DC4


def _read(raw: bytes, body: bytes, now: datetime, offset_s: float) -> Item:
    text = decode_text(body).lstrip("\r\n\0")
    if _HEARTBEAT.fullmatch(text):
        return Heartbeat(raw)
    if match := _CONTACT_ID.fullmatch(text):
        event, reason = of_contact_id(
            CidReport("", QUALIFIER_OF_LETTER[match["q"]], match["code"], match["group"], match["point"])
        )
        return _report(raw, text, match, "CID", match["account"], (event,), reason)
    if match := _SIA_1.fullmatch(text):
        found = blocks.to_event(blocks.SiaEvent(match["code"], match["point"]), now, offset_s)
        return _report(raw, text, match, "SIA1", match["account"].strip(), (found,), _reason((found,)))
    if match := _SIA_2.fullmatch(text):
        return _of_block(raw, text, match, match["block"], now, offset_s)
    if match := _AUDIO.fullmatch(text):
        listening = NormalEvent(SYSTEM, "listen-in", *_AUDIO_EVENT)
        return _report(raw, text, match, "AUDIO", _OWN_ACCOUNT, (listening,), "")
    if match := _PULSE.fullmatch(text):
        pulse = unknown_event("pulse", match["code"], match["zone"])
        return _report(raw, text, match, "PULSE", match["account"], (pulse,), UNKNOWN_CODE)
    if match := _HIGH_SPEED.fullmatch(text):
        events = high_speed.to_events(match["first"] + match["second"], match["last"])
        return _report(raw, text, match, "ADM-HS", match["account"], events, "")
    if match := _BFSK.fullmatch(text):
        bfsk = unknown_event("bfsk", match["code"], match["zone"])
        return _report(raw, text, match, "BFSK", match["account"], (bfsk,), UNKNOWN_CODE)
    if match := _OWN.fullmatch(text):
        return _of_receiver(raw, text, match, now, offset_s)
    return unreadable(SYSTEM, raw, body, key=_key(text))


def _of_block(raw: bytes, text: str, match: re.Match[str], block: str, now: datetime, offset_s: float) -> Report:
    report = blocks.parse_sia(block.encode())
    events = tuple(blocks.to_event(event, now, offset_s) for event in report.events)
    account = displayable(report.account, MAX_ACCOUNT)
    if not events:
        undecoded = unknown_event(SYSTEM, "SIA", reason=UNDECODED)
        return _report(raw, text, match, "SIA2", account, (undecoded,), UNDECODED)
    return _report(raw, text, match, "SIA2", account, events, _reason(events))


def _of_receiver(raw: bytes, text: str, match: re.Match[str], now: datetime, offset_s: float) -> Report:
    said = match["text"].strip()
    if said.startswith("[") and (report := _of_block(raw, text, match, said.strip("[]"), now, offset_s)).events:
        events, reason = report.events, report.reason
    else:
        words = displayable(said, 60)
        event = unknown_event(SYSTEM, words[:20] or "own")
        events, reason = (event,), "unknown_receiver_event"
    return Report(
        raw,
        "OWN",
        match["receiver"],
        match["line"],
        _OWN_ACCOUNT,
        events,
        _key(text),
        reason,
        is_own=True,
        is_garbled=is_garbled(text.encode()),
    )


def _report(
    raw: bytes,
    text: str,
    match: re.Match[str],
    token: str,
    account: str,
    events: tuple[NormalEvent, ...],
    reason: str,
) -> Report:
    is_own = account.strip("0") == ""
    return Report(raw, token, match["receiver"], match["line"], account, events, _key(text), reason, is_own=is_own)


def _reason(events: tuple[NormalEvent, ...]) -> str:
    return UNKNOWN_CODE if all(event.category is Category.UNKNOWN for event in events) else ""


def _key(text: str) -> str:
    return text.strip()
