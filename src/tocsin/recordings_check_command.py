"""`tocsin recordings check` and `repair`: index and files compared and made equal; beside a running server too."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.recordings_check import Report
    from tocsin.settings import Settings

FAILED = 1
MOST_LINES = 60
COLUMNS = ("volume", "path", "kind", "detail", "done")


def add_arguments(
    actions: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    add_json: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Settings],
    print_rows: Callable[..., None],
) -> None:
    """Add `check` and `repair` to the actions of `tocsin recordings`."""

    def _run(arguments: argparse.Namespace) -> int:
        from tocsin.cli import progress_bar
        from tocsin.recordings_check import check

        is_repair = arguments.action == "repair"
        with progress_bar("repairing recordings" if is_repair else "checking recordings") as progress:
            report = asyncio.run(
                check(settings(arguments), is_repair=is_repair, is_deep=arguments.deep, progress=progress)
            )
        _show(report, print_rows, as_json=arguments.json, is_repair=is_repair)
        return 0 if report.holds else FAILED

    about = {
        "check": (
            "say where index and files differ, change nothing",
            "Compare every recorded file with its row, and the sums kept of each day with its rows. Exit status 0 only "
            "when they agree on every volume.",
        ),
        "repair": (
            "make the index equal to the files",
            "Files nobody knows are entered, torn ones are cut after their last whole group, missing ones are marked "
            "lost, what cannot be read is put aside in the volume's folder lost+found, and sums are counted again. "
            "Each day is one transaction with its audit record. Files being written are left alone.",
        ),
    }
    for action, (short, long) in about.items():
        made = actions.add_parser(action, help=short, description=long)
        made.add_argument("--deep", action="store_true", help="read every file and compare its hash too")
        add_settings(made)
        add_json(made)
        made.set_defaults(run=_run, action=action)


def _show(report: Report, print_rows: Callable[..., None], *, as_json: bool, is_repair: bool) -> None:
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in report.differences]
    if as_json:
        left = [{"volume": volume, "why": why} for volume, why in report.left]
        content = {"segments": report.segments, "files": report.files, "differences": rows, "left": left}
        _say(json.dumps(content, ensure_ascii=False))
        return
    if rows:
        print_rows(rows[:MOST_LINES], COLUMNS if is_repair else COLUMNS[:-1], as_json=False)
        if len(rows) > MOST_LINES:
            _say(f"({len(rows) - MOST_LINES:,} more; --json has all)")
    for volume, why in report.left:
        _say(f"volume {volume} was left: {why}")
    counts: dict[str, int] = {}
    for one in report.differences:
        name = (one.done or "left as it is") if is_repair else one.kind
        counts[name] = counts.get(name, 0) + 1
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "index and files agree"
    _say(f"{report.segments:,} segments, {report.files:,} files: {said}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
