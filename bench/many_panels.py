"""many-panels: ten thousand panels with a connection each, 500 link tests and 50 events a second."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.harness import cpu_s, rss_mb, server, tocsin
from bench.report import Bench

PANELS, FIRST = 10_000, "A00001"
POLL_S, EVENTS_PER_S = 20, 50
OTHER_CORE = ["taskset", "-c", str((os.cpu_count() or 1) - 1)]  # the panels keep off the server's


def run(seconds: float) -> Mapping[str, float]:
    """Enter the panels, connect them, and let each poll every 20 s while 50 events a second come."""
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    try:
        with server(data=data) as running:
            environment = running.environment
        tocsin("import", str(_listing(data)), "--json", environment=environment)
        with server(data=data) as running:
            began_s = cpu_s(running.pids)
            words = (
                *("simulate", "panel", "--port", str(running.ports["dc09"]), "--account", FIRST),
                *("--panels", str(PANELS), "--poll", str(POLL_S), "--rate", str(EVENTS_PER_S)),
                *("--seconds", str(seconds)),
            )
            command = [*OTHER_CORE, sys.executable, "-m", "tocsin", *words]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            report = json.loads(done.stdout.splitlines()[-1])
            used_s, memory_mb = cpu_s(running.pids) - began_s, rss_mb(running.process.pid)
        return {
            "sockets": report["connections"],
            "link_tests_per_s": report["polls_acknowledged"] / report["seconds"],
            "events_per_s": report["per_s"],
            "ack_p99_ms": report["latency_ms"]["p99"],
            "ack_max_ms": report["latency_ms"]["max"],
            "link_test_p99_ms": report["poll_latency_ms"]["p99"],
            "unanswered": report["sent"] - report["acknowledged"] + report["polls"] - report["polls_acknowledged"],
            "core_share": used_s / report["seconds"],
            "rss_mb": memory_mb,
        }
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _listing(data: Path) -> Path:
    listing = data / "panels.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["jurisdiction", "kind", "name", "account", "poll_interval_s"])
        for number in range(PANELS):
            account = f"{int(FIRST, 16) + number:06X}"
            writer.writerow(["340299", "panel", f"Panel {account}", account, POLL_S])
    return listing


BENCH = Bench(
    "many-panels",
    "10,000 DC-09 panels with a TCP connection each, 500 link tests and 50 events a second among them",
    run,
    {
        "sockets": {"at_least": PANELS},
        "ack_p99_ms": {"at_most": 1_000},
        "link_test_p99_ms": {"at_most": 1_000},
        "unanswered": {"at_most": 0},
    },
    seconds=40.0,
)
