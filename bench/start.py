"""start: from the command to `GET /readyz` answering 200, on a data folder that exists."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench.harness import server
from bench.report import Bench

ROUNDS = 5


def run(seconds: float) -> Mapping[str, float]:
    """Start the server five times; the first start, which makes the database, is told apart."""
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-start-"))
    times_ms = []
    for _ in range(ROUNDS + 1):
        with server(data=data) as running:
            times_ms.append(running.ready_ms)
    return {"serve_ready_ms": median(times_ms[1:]), "first_ready_ms": times_ms[0]}


BENCH = Bench(
    "start",
    "from `tocsin serve` to GET /readyz answering 200, median of five",
    run,
    {"serve_ready_ms": {"at_most": 2_000}},
)
