"""Ademco and Honeywell 685, MX8000: lines between LF and CR.

    RG AAAA 18 QXYZ GG FCCC   Contact ID; F is C for a contact (zone) and U for a user
    RG AAAA E                 3x1 and 4x1 pulse      RG AAAA E Z           4x2 pulse
    RG AAAA NNNN NNNN N       high speed             00 OKAY @             heartbeat

R is the receiver, G the line. The 685 turns the DTMF digit A of an account into 0. A line shorter than these is noise.

Source: alarm reference, Ademco/Honeywell 685 (clause table: docs/protocols/receivers.md).
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from tocsin.base.normal import NormalEvent
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.receiver_lines import high_speed
from tocsin.protocols.receiver_lines.line import (
    LETTER_OF_QUALIFIER,
    QUALIFIER_OF_LETTER,
    UNKNOWN_CODE,
    Heartbeat,
    Item,
    MarkedLine,
    Report,
    of_contact_id,
    unknown_event,
    unreadable,
)

SYSTEM: Final = "ademco685"
HEARTBEAT: Final = b"\n00 OKAY @\r"

_CONTACT_ID = re.compile(
    r"(?P<receiver>\w)(?P<line>\w) (?P<account>\w{3,6}) (?:18|98) (?P<q>[ERP136])(?P<code>[0-9A-F]{3})"
    r" (?P<group>\w\w) (?P<flag>[CU])(?P<point>\w{3}) ?",
    re.ASCII,
)
_PULSE = re.compile(r"(?P<receiver>\w)(?P<line>\w) (?P<account>\w{3,4}) (?P<code>\w)(?: (?P<zone>\w))? ?", re.ASCII)
_HIGH_SPEED = re.compile(
    r"(?P<receiver>\w)(?P<line>\w) (?P<account>\w{4}) (?P<first>\d{4}) (?P<second>\d{4}) (?P<last>\d) ?", re.ASCII
)
_HEARTBEAT = re.compile(r"\w\w OKAY ?@? ?", re.ASCII)


def ademco685_line(panel_utc_offset_s: float) -> MarkedLine:
    """Return a line of a 685; it carries no times, so `panel_utc_offset_s` means nothing to it."""
    return _Line(_read, b"\r", b"\n")


class _Line(MarkedLine):
    """Every octet has seven bits, with or without parity in the eighth."""

    def receive(self, data: bytes, now: datetime) -> list[Item]:
        """Take octets of the stream and return what is complete, in order."""
        return super().receive(data if data.isascii() else bytes(octet & 0x7F for octet in data), now)


def encode_contact_id(receiver: str, line: str, report: CidReport, *, is_user: bool) -> bytes:
    """Return the line of a Contact ID report; the receiver's number is one digit."""
    letter, flag = LETTER_OF_QUALIFIER[report.qualifier], "U" if is_user else "C"
    where = f"{receiver[-1:]}{line[-1:]} {report.account}"
    return f"\n{where} 18 {letter}{report.code} {report.group} {flag}{report.point}\r".encode("ascii")


def _read(raw: bytes, body: bytes, now: datetime) -> Item:
    text = body.decode("ascii")
    if _HEARTBEAT.fullmatch(text):
        return Heartbeat(raw)
    if match := _CONTACT_ID.fullmatch(text):
        event, reason = of_contact_id(
            CidReport("", QUALIFIER_OF_LETTER[match["q"]], match["code"], match["group"], match["point"])
        )
        point = event.zone or event.user
        is_user = match["flag"] == "U"
        event = replace(event, zone="" if is_user else point, user=point if is_user else "")
        return _report(raw, text, match, "CID", (event,), reason)
    if match := _HIGH_SPEED.fullmatch(text):
        return _report(
            raw, text, match, "ADM-HS", high_speed.to_events(match["first"] + match["second"], match["last"])
        )
    if match := _PULSE.fullmatch(text):
        pulse = unknown_event("pulse", match["code"], match["zone"] or "")
        return _report(raw, text, match, "PULSE", (pulse,), UNKNOWN_CODE)
    return unreadable(SYSTEM, raw, body, key=text.strip())


def _report(
    raw: bytes, text: str, match: re.Match[str], token: str, events: tuple[NormalEvent, ...], reason: str = ""
) -> Report:
    account = match["account"]
    is_own = account.strip("0") == ""
    key = text.strip()
    return Report(raw, token, match["receiver"], match["line"], account, events, key, reason, is_own=is_own)
