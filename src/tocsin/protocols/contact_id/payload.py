"""Contact ID payloads: `#acct|QXYZ GG CCC` of ADM-CID, and the sixteen digits of the telephone form.

Source: SIA DC-05, message format; SIA DC-09, ADM-CID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id.codes import CidCode, find_code
from tocsin.protocols.sia_codes.kinds import LOG_PRIORITY, UNKNOWN_PRIORITY

CODE_SYSTEM = "cid"
MESSAGE_TYPES = ("18", "98")

_SPACED = re.compile(
    r"(?:#(?P<account>[^|]*)\|)?\s*(?P<qualifier>[0-9A-Fa-f])(?P<code>[0-9A-Fa-f]{3})"
    r"\s+(?P<group>[0-9A-Za-z]{1,4})\s+(?P<point>[0-9A-Za-z]{1,6})\s*"
)
_JOINED = re.compile(
    r"(?:#(?P<account>[^|]*)\|)?\s*(?P<qualifier>[0-9A-Fa-f])(?P<code>[0-9A-Fa-f]{3})"
    r"(?P<group>[0-9A-Za-z]{2})(?P<point>[0-9A-Za-z]{3})\s*"
)
_TELEPHONE = re.compile(r"([0-9B-F]{4})(18|98)([0-9B-F])([0-9B-F]{3})([0-9B-F]{2})([0-9B-F]{3})([0-9B-F])")

# Codes outside 4xx whose last field is a user, and codes inside it whose last field is a zone or a door.
_USER_CODES = frozenset({"121", "124", "125", "313", "574", "604", "607", "625", "642", "655", "928", "929"})
_POINT_CODES = frozenset({"423", "426", "427", "428", "432", "433", "434"})


@dataclass(frozen=True, slots=True)
class CidReport:
    """What a Contact ID message says, as text; `account` is "" where the message leaves it out."""

    account: str
    qualifier: str
    code: str
    group: str
    point: str


def parse_adm_cid(data: bytes) -> CidReport | None:
    """Read the data block of an ADM-CID message; None when it is none."""
    text = data.decode("latin-1")
    match = _SPACED.fullmatch(text) or _JOINED.fullmatch(text)
    if match is None:
        return None
    return CidReport(match["account"] or "", match["qualifier"], match["code"].upper(), match["group"], match["point"])


def encode_adm_cid(report: CidReport) -> bytes:
    """Write the data block of an ADM-CID message; without an account the block starts with the event."""
    head = f"#{report.account}|" if report.account else ""
    return f"{head}{report.qualifier}{report.code} {report.group} {report.point}".encode("latin-1")


def telephone_checksum(digits: str) -> str:
    """Return the digit that makes the sum of all sixteen a multiple of 15; 0 counts as 10, B to F as 11 to 15.

    Errors: ValueError when `digits` are not fifteen of 0-9 and B-F.
    """
    if not re.fullmatch(r"[0-9B-F]{15}", digits):
        raise ValueError("fifteen digits of 0-9 and B-F are needed")
    rest = -sum(_weight(digit) for digit in digits) % 15
    return "F" if rest == 0 else "0" if rest == 10 else f"{rest:X}"


def parse_telephone(digits: str) -> CidReport | None:
    """Read the sixteen digits of the telephone form; None when the shape or the checksum is wrong."""
    match = _TELEPHONE.fullmatch(digits.upper())
    if match is None or sum(_weight(digit) for digit in match[0]) % 15:
        return None
    return CidReport(match[1], match[3], match[4], match[5], match[6])


def to_event(report: CidReport) -> NormalEvent:
    """Return the normal form. A qualifier other than 1, 3 and 6, or a code without a family, is marked not known.

    A code that only its family explains counts as known, with its number in the label: a maker's own fire code must
    raise a fire alarm.
    """
    code, is_listed = find_code(report.code)
    qualifier, full_code = report.qualifier, report.qualifier + report.code
    area, point = report.group.lstrip("0"), "" if not report.point.strip("0") else report.point
    is_user = report.code in _USER_CODES or (report.code[0] == "4" and report.code not in _POINT_CODES)
    zone, user = ("", point) if is_user else (point, "")
    if code is None:
        return NormalEvent(
            CODE_SYSTEM,
            full_code,
            EventKind.TROUBLE,
            Category.UNKNOWN,
            UNKNOWN_PRIORITY,
            f"Unknown event code {full_code}",
            f"未知事件代码 {full_code}",
            qualifier,
            area,
            zone,
            user,
            is_known=False,
        )
    kind, priority, label_en, label_zh = _by_qualifier(code, qualifier)
    if not is_listed:
        label_en, label_zh = f"{label_en} (code {report.code})", f"{label_zh}（代码 {report.code}）"
    return NormalEvent(
        CODE_SYSTEM,
        full_code,
        kind,
        code.category,
        priority,
        label_en,
        label_zh,
        qualifier,
        area,
        zone,
        user,
        is_known=qualifier in _QUALIFIERS,
    )


_QUALIFIERS = ("1", "3", "6")
_ENDS = frozenset({EventKind.ALARM, EventKind.TROUBLE, EventKind.SUPERVISION, EventKind.BYPASS})


def _by_qualifier(code: CidCode, qualifier: str) -> tuple[EventKind, int, str, str]:
    """Return kind, priority and labels: 1 begins, 3 restores (or closes), 6 says that it still is so."""
    if qualifier == "1":
        return code.kind, code.priority, code.labels_en[0], code.labels_zh[0]
    if qualifier == "3":
        kind, priority = code.kind, code.priority
        if kind in _ENDS:
            kind, priority = EventKind.RESTORE, LOG_PRIORITY
        elif kind is EventKind.OPEN and not code.is_kind_fixed:
            kind = EventKind.CLOSE
        return kind, priority, code.labels_en[1], code.labels_zh[1]
    if qualifier == "6":
        return EventKind.STATUS, LOG_PRIORITY, f"{code.labels_en[0]}, still present", f"{code.labels_zh[0]}（持续）"
    return (
        EventKind.STATUS,
        UNKNOWN_PRIORITY,
        f"{code.labels_en[0]}, unknown qualifier {qualifier}",
        f"{code.labels_zh[0]}（未知限定符 {qualifier}）",
    )


def _weight(digit: str) -> int:
    return 10 if digit == "0" else int(digit, 16)
