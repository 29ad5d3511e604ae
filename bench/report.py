"""What a bench returns, where it is kept, and the table in the docs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness import machine

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Bench:
    """A named measurement. `run(seconds)` returns its values; `reach` holds what we want of them."""

    name: str
    about: str
    run: Callable[[float], Mapping[str, float]]
    reach: Mapping[str, Mapping[str, float]]
    seconds: float = 10.0
    peers: Mapping[str, object] = field(default_factory=dict)


def result(bench: Bench, values: Mapping[str, float]) -> dict[str, object]:
    """Return the record of one run."""
    return {
        "name": bench.name,
        "values": {key: round(value, 4) for key, value in values.items()},
        "reach": {key: dict(bound) for key, bound in bench.reach.items()},
        "peers": dict(bench.peers),
        "machine": machine(),
    }


def keep(record: Mapping[str, object]) -> None:
    """Put a record into bench/results.json in place of the older one of that name."""
    records = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    records[str(record["name"])] = record
    RESULTS.write_text(json.dumps(dict(sorted(records.items())), indent=1, ensure_ascii=False) + "\n")


def reached(value: float, bound: Mapping[str, float]) -> bool:
    """Return whether a value keeps its bound."""
    return value >= bound.get("at_least", float("-inf")) and value <= bound.get("at_most", float("inf"))
