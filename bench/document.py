"""docs/performance.md, written from bench/results.json: a figure is never typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.catalogue import BENCHES
from bench.report import RESULTS, reached

SOAK = Path(__file__).with_name("soak.json")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

HEAD = """# Performance

Every figure here was measured by `make bench` on the shipped server at its default settings, through its sockets. It is
kept in `bench/results.json`; this page is written from that file. One bench alone: `.venv/bin/python -m bench NAME`.
"Per core" is work divided by the CPU seconds of all the server's processes, kernel time included. What falls short of
what we want is marked, not left out.
"""


def write() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """Return the page for the results as they are kept."""
    records = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    parts = [HEAD]
    machines = sorted({record["machine"] for record in records.values()})
    parts.append("Machine: " + "; ".join(machines) + ". Senders and viewers run on the same machine.\n")
    for name, bench in BENCHES.items():
        if name not in records:
            continue
        record = records[name]
        parts.append(
            f"## {name}\n\n{bench.about[0].upper()}{bench.about[1:]}. Command: `.venv/bin/python -m bench {name}`\n"
        )
        rows = ["| figure | measured | reach | |", "|---|---:|---:|---|"]
        for key, value in record["values"].items():
            bound = record["reach"].get(key)
            rows.append(f"| {key} | {_number(value)} | {_bound(bound)} | {_mark(value, bound)} |")
        parts.append("\n".join(rows) + "\n")
    if SOAK.exists():
        parts.append(_soak(json.loads(SOAK.read_text())))
    return "\n".join(parts)


def _soak(kept: dict[str, Any]) -> str:
    """Return the section of the last `make soak`."""
    failed = ", ".join(f"`{test}`" for test in kept["failed"])
    word = f"**not everything passed: {failed}**" if failed else "everything passed"
    rows = [
        f"## soak\n\nCommand: `make soak`, {kept['day']}, {kept['minutes']} minutes on {kept['machine']}: {word}. "
        "Lost: acknowledged and not stored. Doubled: stored twice. Back after: from the kill to the next "
        "acknowledgement, median. "
        "A day beside a seed is that of a later run of that test.\n",
        "| test | times | acknowledged | lost | doubled | back after, s | seed |\n|---|---:|---:|---:|---:|---:|---|",
    ]
    for test in kept["tests"]:
        if test.get("day", kept["day"]) != kept["day"]:
            test["seed"] = f"{test['seed']}, {test['day']}"
    crashes = [test for test in kept["tests"] if "acknowledged" in test]
    others = [test for test in kept["tests"] if "times" in test and "acknowledged" not in test]
    rows += [
        f"| {t['test']} | {t['times']} | {t['acknowledged']:,} | {t['lost']} | {t['doubled']} | {_back(t)} "
        f"| {t['seed']} |"
        for t in crashes
    ]
    if others:
        rows.append("\n| recordings | times | found | seed |\n|---|---:|---|---|")
        rows += [f"| {t['test']} | {t['times']} | {_found(t)} | {t['seed']} |" for t in others]
    rows.append("\n| parser | inputs | seed |\n|---|---:|---|")
    rows += [f"| {t['test']} | {t['inputs']:,} | {t['seed']} |" for t in kept["tests"] if "inputs" in t]
    return "\n".join(rows) + "\n"


def _back(test: dict[str, Any]) -> str:
    if "recovery_p50_s" not in test:
        return ""
    return f"{test['recovery_p50_s']:.1f}, at worst {test['recovery_worst_s']:.1f}"


def _found(test: dict[str, Any]) -> str:
    found = [(name, value) for name, value in test.items() if name not in ("test", "times", "seed", "day")]
    return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in found)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def _bound(bound: dict[str, float] | None) -> str:
    if not bound:
        return ""
    word, limit = next(iter(bound.items()))
    return f"{'at least' if word == 'at_least' else 'at most'} {_number(limit)}"


def _mark(value: float, bound: dict[str, float] | None) -> str:
    return "" if not bound else "reached" if reached(value, bound) else "**falls short**"
