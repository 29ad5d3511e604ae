"""Fields of JT/T 808 bodies: octets in order, GBK text, BCD time. A body that ends too early is `BadBody`, never more.

Source: JT/T 808, data types; text is GBK (read as its superset GB18030), times are wall clock of UTC+8.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

BEIJING: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class BadBody:
    """A body that cannot be read: a reason word, and the octet where it went wrong."""

    reason: str
    at: int = 0


class Malformed(Exception):
    """Ends the reading of a body; caught where the body's reading began."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.bad = BadBody(reason, at)


class Octets:
    """Reads a body from its beginning."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Octets not read yet."""
        return len(self._data) - self._at

    @property
    def at(self) -> int:
        """Octets read."""
        return self._at

    def take(self, size: int) -> bytes:
        """Return so many octets. Errors: Malformed when there are fewer."""
        end = self._at + size
        if end > len(self._data):
            raise Malformed("short", self._at)
        found = self._data[self._at : end]
        self._at = end
        return found

    def number(self, size: int) -> int:
        """Return a big-endian number of so many octets. Errors: Malformed."""
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(self.left)


def read_text(octets: bytes) -> str:
    """Return GBK text up to its first NUL; octets that are no text become U+FFFD."""
    return octets.partition(b"\0")[0].decode("gb18030", "replace")


def write_text(text: str, width: int = 0) -> bytes:
    """Return text as GBK, filled with NUL to `width` octets when that is given.

    Errors: ValueError when it does not fit, or cannot be written.
    """
    octets = text.encode("gb18030")
    if b"\0" in octets:
        raise ValueError("text holds no NUL")
    if width and len(octets) > width:
        raise ValueError(f"{text!r} is longer than {width} octets")
    return octets.ljust(width, b"\0") if width else octets


def read_time(octets: bytes) -> datetime | None:
    """Return a BCD time YYMMDDhhmmss of UTC+8 in UTC; None when it names no moment (a terminal without a fix)."""
    text = octets.hex()
    if not text.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=BEIJING).astimezone(UTC)
    except ValueError:
        return None


def write_time(moment: datetime | None) -> bytes:
    """Return a moment as BCD YYMMDDhhmmss of UTC+8; zeros for None. Errors: ValueError outside 2000 to 2099."""
    if moment is None:
        return bytes(6)
    local = moment.astimezone(BEIJING)
    if not 2000 <= local.year <= 2099:
        raise ValueError("a BCD time is of 2000 to 2099")
    return bytes.fromhex(local.strftime("%y%m%d%H%M%S"))
