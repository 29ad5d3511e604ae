"""What a worker says of itself each second, besides its streams; and the sum over all workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.media.delay import BUCKETS_S
from tocsin.media.wire import Message


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """Viewers and what they give up, bytes that wait for them, delays of the sample by bucket (`media/delay.py`).

    `gaps`, `skipped` (fragments), `delays` and `delay_sum_s` only grow while a worker lives.
    """

    viewers: int = 0
    keys_only: int = 0
    queue_bytes: int = 0
    gaps: int = 0
    skipped: int = 0
    delay_sum_s: float = 0.0
    delays: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)


def read_figures(row: Message) -> WorkerFigures:
    """Read the figures in a worker's `stats`; those it does not send are 0."""
    known = {name: row[name] for name in WorkerFigures.__slots__ if name in row and name != "delays"}
    delays = tuple(int(count) for count in row.get("delays", ()))
    return WorkerFigures(**known, delays=delays) if len(delays) == len(BUCKETS_S) + 1 else WorkerFigures(**known)


def summed(figures: Iterable[WorkerFigures]) -> WorkerFigures:
    """Return the figures of several workers together."""
    rows = list(figures)
    return WorkerFigures(
        sum(row.viewers for row in rows),
        sum(row.keys_only for row in rows),
        sum(row.queue_bytes for row in rows),
        sum(row.gaps for row in rows),
        sum(row.skipped for row in rows),
        sum(row.delay_sum_s for row in rows),
        tuple(map(sum, zip(*(row.delays for row in rows), strict=True))) if rows else WorkerFigures().delays,
    )
