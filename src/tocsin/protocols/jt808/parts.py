"""Sub-packages of long JT/T 808 messages put together again, with bounds, and what to ask for when some are missing.

Parts of one message have consecutive serials, so the message is known by (id, serial - index + 1). One `Reassembler`
serves one terminal. Source: JT/T 808, sub-packages and the requests for them (0x8003, 0x0005).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tocsin.protocols.jt808.frame import MAX_BODY_BYTES, SERIALS, Frame

MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
MAX_IN_FLIGHT: Final = 4
PATIENCE_S: Final = 60.0
MAX_REQUESTS: Final = 3
MAX_INDEXES: Final = 255


@dataclass(frozen=True, slots=True)
class Missing:
    """Parts to ask for again: the serial of the message's first part, and indexes from 1."""

    message_id: int
    first_serial: int
    indexes: tuple[int, ...]
    version: int


@dataclass(slots=True)
class _Gathering:
    total: int
    version: int
    since_s: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    requests: int = 0


class Reassembler:
    """Keeps the parts of at most `MAX_IN_FLIGHT` messages of `MAX_MESSAGE_BYTES` each; the oldest makes room."""

    __slots__ = ("_gathering", "dropped")

    def __init__(self) -> None:
        self._gathering: dict[tuple[int, int], _Gathering] = {}
        self.dropped = 0

    @property
    def buffered_bytes(self) -> int:
        """Octets of the parts kept."""
        return sum(one.size for one in self._gathering.values())

    def __len__(self) -> int:
        return len(self._gathering)

    def add(self, frame: Frame, now_s: float) -> Frame | None:
        """Take a part; return the whole message once it is complete, under the serial of its last part by index.

        A message that would be too long, or whose parts disagree about their number, is dropped and counted.
        """
        if frame.part is None:
            return frame
        total, index = frame.part
        key = (frame.message_id, (frame.serial - index + 1) % SERIALS)
        one = self._gathering.get(key)
        if total > MAX_MESSAGE_BYTES // MAX_BODY_BYTES or (one is not None and one.total != total):
            self._gathering.pop(key, None)
            self.dropped += 1
            return None
        if one is None:
            if len(self._gathering) >= MAX_IN_FLIGHT:
                del self._gathering[min(self._gathering, key=lambda k: self._gathering[k].since_s)]
                self.dropped += 1
            one = self._gathering[key] = _Gathering(total, frame.version, now_s)
        if index not in one.parts:
            one.parts[index] = frame.body
            one.size += len(frame.body)
            one.since_s = now_s
        if len(one.parts) < total:
            return None
        del self._gathering[key]
        body = b"".join(one.parts[number] for number in range(1, total + 1))
        last = (key[1] + total - 1) % SERIALS
        return Frame(frame.message_id, frame.phone, last, body, frame.version, None, frame.encryption)

    def expire(self, now_s: float) -> list[Missing]:
        """Return what to ask for again: of each message that has waited `PATIENCE_S`, `MAX_REQUESTS` times at most."""
        asked: list[Missing] = []
        for key, one in list(self._gathering.items()):
            if now_s - one.since_s < PATIENCE_S:
                continue
            if one.requests >= MAX_REQUESTS:
                del self._gathering[key]
                self.dropped += 1
                continue
            one.requests += 1
            one.since_s = now_s
            missing = (number for number in range(1, one.total + 1) if number not in one.parts)
            indexes = tuple(number for number, _ in zip(missing, range(MAX_INDEXES), strict=False))
            asked.append(Missing(key[0], key[1], indexes, one.version))
        return asked
