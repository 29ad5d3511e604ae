"""SIA DC-09 extended data: the groups `[` letter value `]` that follow the data block, and what their values mean.

A group is kept as the octets that came, so that it can be sent on or compared; the functions here read it. The value of
a K group is a new encryption key: it is kept out of `repr`, of logs and of stored octets.

Source: SIA DC-09, extended data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from tocsin.protocols.dc09.text import decode_text

LONGEST_STAMP_BYTES = 20

_HEMISPHERES = {"E": 1.0, "N": 1.0, "W": -1.0, "S": -1.0}
_DEGREES = re.compile(r"(\d{1,3})([NSEW])(\d{1,2}(?:\.\d{1,9})?)")
_PLAIN_DEGREES = re.compile(r"([NSEW]?)([+-]?\d{1,3}(?:\.\d{1,12})?)([NSEW]?)")
_LEADING_HEMISPHERE = re.compile(r"([NSEW])(\d{1,3})[ .,;](\d{2}\.\d{1,9})")
_METRES = re.compile(r"([+-]?\d{1,6}(?:\.\d{1,6})?)M?", re.IGNORECASE)
_STAMP = re.compile(rb"_?(\d\d):(\d\d):(\d\d),(\d\d)-(\d\d)-(\d{4})")
_KEY_GROUP = re.compile(rb"\[K([^\]]*)")


class Letter(StrEnum):
    """What a group is about."""

    AUTHENTICATION = "A"
    SUPERVISION_CATEGORY = "C"
    PATH = "G"
    OCCURRED = "H"
    ALARM_TEXT = "I"
    JSON = "J"
    KEY = "K"
    LOCATION = "L"
    MAC = "M"
    NETWORK_ADDRESS = "N"
    BUILDING = "O"
    PROGRAMMING = "P"
    ROOM = "R"
    SITE = "S"
    TRIGGER = "T"
    VERIFICATION = "V"
    LONGITUDE = "X"
    LATITUDE = "Y"
    ALTITUDE = "Z"


class Trigger(StrEnum):
    """What set the alarm off (T group)."""

    FIRE = "F"
    GAS = "G"
    WATER = "W"
    SENSOR = "S"
    CONTACT = "C"
    MANUAL = "M"


@dataclass(frozen=True, slots=True, repr=False)
class Xdata:
    """One group: its letter ("" for an empty group) and the octets after it."""

    letter: str
    value: bytes

    @property
    def text(self) -> str:
        """The value as text; what a K group holds stays hidden."""
        return "***" if self.letter == Letter.KEY else decode_text(self.value)

    def __repr__(self) -> str:
        return f"Xdata({self.letter!r}, {self.text!r})"


def encode_group(group: Xdata) -> bytes:
    """Return `[`, letter, value, `]`."""
    return b"[%b%b]" % (group.letter.encode("latin-1"), group.value)


def split_groups(octets: bytes, start: int) -> tuple[tuple[Xdata, ...], int]:
    """Read the groups from `start` on; return them and where the rest (the timestamp) begins."""
    groups: list[Xdata] = []
    while octets[start : start + 1] == b"[":
        end = _json_end(octets, start + 2) if octets[start + 1 : start + 2] == b"J" else octets.find(b"]", start)
        if end < 0:
            break
        inside = octets[start + 1 : end]
        groups.append(Xdata(inside[:1].decode("latin-1"), inside[1:]))
        start = end + 1
    return tuple(groups), start


def _json_end(octets: bytes, start: int) -> int:
    """Return where a J group ends: JSON may hold brackets, so ask a JSON reader first."""
    rest = octets[start:].decode("latin-1")
    try:
        _, length = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError):
        length = -1
    if length >= 0 and rest[length : length + 1] == "]":
        return start + length
    following = octets.find(b"][", start)
    return following if following >= 0 else octets.rfind(b"]", start)


def first(groups: Iterable[Xdata], letter: Letter) -> Xdata | None:
    """Return the first group with that letter."""
    return next((group for group in groups if group.letter == letter), None)


def occurred_at(group: Xdata) -> datetime | None:
    """Return when the event happened (H group, UTC), or None when the value is no time."""
    return parse_stamp(group.value)


def json_object(group: Xdata) -> dict[str, object] | None:
    """Return the object of a J group, or None when it is not one: the octets are then only kept."""
    try:
        value = json.loads(group.text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def longitude_deg(group: Xdata) -> float | None:
    """Return degrees east of an X group, or None when the text is no longitude."""
    return _degrees(group.text, "EW", 180.0)


def latitude_deg(group: Xdata) -> float | None:
    """Return degrees north of a Y group, or None when the text is no latitude."""
    return _degrees(group.text, "NS", 90.0)


def altitude_m(group: Xdata) -> float | None:
    """Return metres of a Z group, or None when the text is no height."""
    match = _METRES.fullmatch(group.text.strip())
    return float(match[1]) if match else None


def trigger(group: Xdata) -> Trigger | None:
    """Return what a T group names, or None when it is a letter of its own."""
    value = group.text.strip().upper()
    return Trigger(value) if value in Trigger._value2member_map_ else None


def mac_address(group: Xdata) -> str | None:
    """Return the twelve hex digits of an M group in lower case, or None; separators are dropped."""
    digits = group.text.strip().replace(":", "").replace("-", "").lower()
    return digits if re.fullmatch(r"[0-9a-f]{12}", digits) else None


def parse_stamp(octets: bytes) -> datetime | None:
    """Read `HH:MM:SS,MM-DD-YYYY` (UTC, month first); None when it is no date that exists."""
    return _stamp(octets) if len(octets) <= LONGEST_STAMP_BYTES else None


@lru_cache(maxsize=256)
def _stamp(octets: bytes) -> datetime | None:
    # Most messages of one second carry the same text, so the last few are remembered.
    match = _STAMP.fullmatch(octets)
    if match is None:
        return None
    hour, minute, second, month, day, year = map(int, match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def encode_stamp(moment: datetime) -> bytes:
    """Write a time as `HH:MM:SS,MM-DD-YYYY` in UTC; fractions of a second are cut."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return b"%02d:%02d:%02d,%02d-%02d-%04d" % (at.hour, at.minute, at.second, at.month, at.day, at.year)


def redact_keys(octets: bytes) -> bytes:
    """Return the same octets with the value of every K group replaced by `*`, length kept."""
    if b"[K" not in octets:
        return octets
    return _KEY_GROUP.sub(lambda match: b"[K" + b"*" * len(match[1]), octets)


def _degrees(text: str, letters: str, limit: float) -> float | None:
    """Read the standard's `093W23.456`, hemisphere first (`N45 23.456`), or plain degrees (`-93.39`, `E121.47`)."""
    text = text.strip().upper()
    value: float | None = None
    if match := _DEGREES.fullmatch(text):
        value = _join(match[2], match[1], match[3], letters)
    elif match := _LEADING_HEMISPHERE.fullmatch(text):
        value = _join(match[1], match[2], match[3], letters)
    elif (match := _PLAIN_DEGREES.fullmatch(text)) and not (match[1] and match[3]):
        hemisphere = match[1] or match[3]
        if not hemisphere:
            value = float(match[2])
        elif hemisphere in letters:
            value = _HEMISPHERES[hemisphere] * float(match[2])
    return value if value is not None and abs(value) <= limit else None


def _join(hemisphere: str, degrees: str, minutes: str, letters: str) -> float | None:
    if hemisphere not in letters or float(minutes) >= 60.0:
        return None
    return _HEMISPHERES[hemisphere] * (int(degrees) + float(minutes) / 60.0)
