"""What a simulated camera keeps on its card, bounded, and how it is replayed over RTP as ONVIF wants it.

Source: ONVIF Streaming specification, replay; media reference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.base.clock import Clock
from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.replay import ReplayStamp, ntp_of, with_stamp

MOST_BYTES: Final = 64 << 20
GAP_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One picture on the card: when it was taken by the camera's clock, its bytes (Annex B)."""

    wall_ms: float
    data: bytes
    is_key: bool


class Card:
    """The newest pictures, at most `most_bytes`. `ahead_s` is how far the camera's clock is ahead."""

    def __init__(self, clock: Clock, *, most_bytes: int = MOST_BYTES, ahead_s: float = 0.0) -> None:
        self.pictures: deque[Kept] = deque()
        self.is_writing = False
        self._clock = clock
        self._most_bytes = most_bytes
        self._ahead_s = ahead_s
        self._bytes = 0

    def put(self, data: bytes, *, is_key: bool, at_ms: float | None = None) -> None:
        """Keep a picture, of now unless said otherwise; the oldest give way."""
        wall_ms = (self._clock.now().timestamp() + self._ahead_s) * 1000.0 if at_ms is None else at_ms
        self.pictures.append(Kept(wall_ms, data, is_key))
        self._bytes += len(data)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self.pictures.popleft().data)

    def spans(self) -> list[tuple[float, float]]:
        """Return the stretches it holds, ms since 1970 UTC."""
        found: list[tuple[float, float]] = []
        for one in self.pictures:
            if found and one.wall_ms - found[-1][1] <= GAP_MS:
                found[-1] = found[-1][0], one.wall_ms
            else:
                found.append((one.wall_ms, one.wall_ms))
        return found

    def between(self, starts_ms: float, ends_ms: float) -> list[Kept]:
        """Return the pictures of a period, from the key picture at or before its beginning, or the next."""
        kept = list(self.pictures)
        keys = [number for number, one in enumerate(kept) if one.is_key]
        before = [number for number in keys if kept[number].wall_ms <= starts_ms]
        first = before[-1] if before and not _has_gap(kept, before[-1], starts_ms) else None
        if first is None:
            first = next((number for number in keys if kept[number].wall_ms >= starts_ms), len(kept))
        return [one for one in kept[first:] if one.wall_ms <= ends_ms]


def _has_gap(kept: list[Kept], first: int, until_ms: float) -> bool:
    last_ms = kept[first].wall_ms
    for one in kept[first:]:
        if one.wall_ms - last_ms > GAP_MS:
            return True
        if one.wall_ms >= until_ms:
            return False
        last_ms = one.wall_ms
    return until_ms - last_ms > GAP_MS


def replay_packets(pictures: list[Kept], packer: NalPacker, cseq: int) -> Iterator[tuple[Kept, list[bytes]]]:
    """Yield each picture with its packets, stamped with the time it was taken."""
    for number, one in enumerate(pictures):
        after = pictures[number + 1] if number + 1 < len(pictures) else None
        stamp = ReplayStamp(
            ntp_of(one.wall_ms),
            one.is_key,
            ends_section=after is not None and after.wall_ms - one.wall_ms > GAP_MS,
            follows_gap=number == 0 or one.wall_ms - pictures[number - 1].wall_ms > GAP_MS,
            is_last=after is None,
            cseq=cseq,
        )
        packets = packer.packetize(split_nals(one.data), int(one.wall_ms * 90) & 0xFFFFFFFF)
        yield one, [with_stamp(packet, stamp) for packet in packets]
