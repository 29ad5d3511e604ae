"""Radionics 6500: lines that end with DC4; a space, then `a` for Contact ID or `1` for a heartbeat.

    " aRRL AAAA18QXYZGGCCC"   Contact ID        " 1RRL           @    "   heartbeat

Source: alarm reference, Radionics 6500 (clause table: docs/protocols/receivers.md).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.receiver_lines.line import (
    DC4,
    LETTER_OF_QUALIFIER,
    QUALIFIER_OF_LETTER,
    Heartbeat,
    Item,
    MarkedLine,
    Report,
    of_contact_id,
    unreadable,
    without_parity,
)

SYSTEM: Final = "radionics6500"
HEARTBEAT: Final = b" 1011" + b" " * 11 + b"@" + b" " * 4 + DC4

_CONTACT_ID = re.compile(
    r" ?a(?P<receiver>\w\w)(?P<line>\w) (?P<account>\w{3,10})(?:18|98)"
    r"(?P<q>[ERP136])(?P<code>[0-9A-F]{3})(?P<group>\w\w)(?P<point>\w{3})\s*",
    re.ASCII,
)
_HEARTBEAT = re.compile(r" ?1\w\w\w {11}@ {0,4}\s*", re.ASCII)


def radionics6500_line(panel_utc_offset_s: float) -> MarkedLine:
    """Return a line of a 6500; it carries no times, so `panel_utc_offset_s` means nothing to it."""
    return MarkedLine(_read, DC4)


def encode_contact_id(receiver: str, line: str, report: CidReport) -> bytes:
    """Return the line of a Contact ID report."""
    letter = LETTER_OF_QUALIFIER[report.qualifier]
    text = f" a{receiver}{line} {report.account}18{letter}{report.code}{report.group}{report.point}"
    return text.encode("ascii") + DC4


def _read(raw: bytes, body: bytes, now: datetime) -> Item:
    body = without_parity(body)
    text = body.decode("latin-1").lstrip("\r\n\0")
    if _HEARTBEAT.fullmatch(text):
        return Heartbeat(raw)
    match = _CONTACT_ID.fullmatch(text)
    if match is None:
        return unreadable(SYSTEM, raw, body, key=text.strip())
    event, reason = of_contact_id(
        CidReport("", QUALIFIER_OF_LETTER[match["q"]], match["code"], match["group"], match["point"])
    )
    account = match["account"]
    return Report(
        raw,
        "CID",
        match["receiver"],
        match["line"],
        account,
        (event,),
        text.strip(),
        reason,
        is_own=account.strip("0") == "",
    )
