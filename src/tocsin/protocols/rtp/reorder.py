"""Puts RTP packets back in order and decides when a missing one is lost. Pure; time is an argument.

The owner may take the common case out of the call: when `sequence == expected and not held`, deliver the packet and
advance `expected`. Everything else comes here.

Source: RFC 3550, data packet validity (restart detection); limits measured on surveillance streams.
"""

from __future__ import annotations

MAX_HELD = 64
MAX_FRAMES_HELD = 3
WAIT_LAN_MS = 100
WAIT_WAN_MS = 300
RESTART_DISTANCE = 3000
RESTART_RUN = 32  # late packets in unbroken order that prove a sender which went back a little


class Reorder:
    """Holds early packets until the missing ones arrive or are given up.

    A gap is given up when 64 packets wait, when the oldest waits longer than `wait_ms`, or when the waiting packets
    span three pictures: a count alone would take over a second on a slow stream.
    """

    __slots__ = (
        "_late_next",
        "_late_run",
        "expected",
        "held",
        "late",
        "lost",
        "reordered",
        "restarts",
        "wait_ms",
    )

    def __init__(self, wait_ms: int = WAIT_LAN_MS) -> None:
        self.wait_ms = wait_ms
        self.expected = -1
        self.held: dict[int, tuple[bytes, int, float]] = {}  # sequence -> packet, timestamp, arrival
        self.lost = 0
        self.late = 0
        self.reordered = 0
        self.restarts = 0
        self._late_next = -1
        self._late_run = 0

    def push(self, sequence: int, timestamp: int, packet: bytes, now_ms: float) -> list[bytes | None]:
        """Take one packet; return what is now in order, with None where packets are missing for good."""
        if self.expected < 0 or sequence == self.expected:
            self.expected = sequence + 1 & 0xFFFF
            self._late_run = 0
            ready: list[bytes | None] = [packet]
            if self.held:
                self.reordered += 1
                self._release(ready)
            return ready
        distance = sequence - self.expected & 0xFFFF
        if distance >= 0x8000:
            return self._take_late(sequence, packet)
        if distance > RESTART_DISTANCE:
            return self._restart(sequence, packet)
        self._late_run = 0
        self.held[sequence] = (packet, timestamp, now_ms)
        return self.expire(now_ms)

    def expire(self, now_ms: float) -> list[bytes | None]:
        """Give up on gaps that waited too long; call it now and then while `held` is not empty."""
        ready: list[bytes | None] = []
        while self.held and self._is_hopeless(now_ms):
            first = min(self.held, key=self._distance)
            self.lost += self._distance(first)
            self.expected = first
            ready.append(None)
            self._release(ready)
        return ready

    def _is_hopeless(self, now_ms: float) -> bool:
        held = self.held.values()
        if len(self.held) >= MAX_HELD or now_ms - min(entry[2] for entry in held) >= self.wait_ms:
            return True
        return len({entry[1] for entry in held}) >= MAX_FRAMES_HELD

    def _distance(self, sequence: int) -> int:
        return sequence - self.expected & 0xFFFF

    def _release(self, ready: list[bytes | None]) -> None:
        while (entry := self.held.pop(self.expected, None)) is not None:
            ready.append(entry[0])
            self.expected = self.expected + 1 & 0xFFFF

    def _take_late(self, sequence: int, packet: bytes) -> list[bytes | None]:
        # A duplicate or a straggler is dropped; an unbroken run of them is a sender that started again.
        self.late += 1
        self._late_run = self._late_run + 1 if sequence == self._late_next else 1
        self._late_next = sequence + 1 & 0xFFFF
        behind = self.expected - sequence & 0xFFFF
        if self._late_run >= (2 if behind > RESTART_DISTANCE else RESTART_RUN):
            return self._restart(sequence, packet)
        return []

    def _restart(self, sequence: int, packet: bytes) -> list[bytes | None]:
        self.restarts += 1
        self.held.clear()
        self._late_run = 0
        self.expected = sequence + 1 & 0xFFFF
        return [None, packet]
