"""alarm-ingest: signals acknowledged after the commit, whole path to the incident, and how long an ACK takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.harness import Server, server
from bench.registry import Panel, enter_panels
from bench.report import Bench

ACCOUNTS, PLACES, FEEDS, CONNECTIONS = 2_000, 500, 50, 200
SLOW_SYNC_MS = 10


def run(seconds: float) -> Mapping[str, float]:
    """Measure throughput, then latency at two rates, on the disk as it is and on one whose fsync takes 10 ms longer."""
    values: dict[str, float] = {}
    lost = doubled = 0
    for suffix, extra in (("", {}), ("_slow_disk", _slow_disk())):
        with server(extra=extra) as running:
            panels = enter_panels(running, ACCOUNTS, places=PLACES)
            feeds = subprocess.Popen(
                [sys.executable, "-m", "bench.feeds", str(running.ports["web"]), running.token, str(FEEDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert feeds.stdout is not None
            assert feeds.stdin is not None
            feeds.stdout.readline()
            reports = {}
            first = 1
            for tag, rate in (("max", 0), ("r500", 500), ("r2000", 2_000)):
                reports[tag] = send(running, panels, tag=tag, rate=rate, seconds=seconds, first=first)
                first += 3_000
            feeds.stdin.close()
            heard = json.loads(feeds.stdout.read())
            feeds.wait()
            missing, twice = reconcile(running, reports)
            lost, doubled = lost + missing, doubled + twice
            values[f"signals_per_s{suffix}"] = reports["max"]["counted"] / reports["max"]["seconds"]
            values[f"ack_p99_ms_at_500{suffix}"] = reports["r500"]["latencies_ms"]["p99"]
            values[f"ack_p99_ms_at_2000{suffix}"] = reports["r2000"]["latencies_ms"]["p99"]
            values[f"rate_reached_at_2000{suffix}"] = reports["r2000"]["counted"] / reports["r2000"]["seconds"]
            values[f"feed_frames{suffix}"] = heard["frames"]
            values[f"feed_gaps{suffix}"] = heard["gaps"]
    values["lost"], values["doubled"] = lost, doubled
    return values


def send(running: Server, panels: list[Panel], *, tag: str, rate: float, seconds: float, first: int) -> dict[str, Any]:
    """Run the senders in a process of their own and return their report."""
    plan = {
        "port": running.ports["dc09"],
        "panels": [[panel.account, panel.key.hex()] for panel in panels],
        "connections": CONNECTIONS,
        "rate_per_s": rate,
        "seconds": seconds,
        "alarm_share": 0.7,
        "retry_share": 0.05,
        "seed": 2611,
        "tag": tag,
        "first": first,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.panels"], input=json.dumps(plan).encode(), stdout=subprocess.PIPE, check=True
    )
    return dict(json.loads(done.stdout))


def reconcile(running: Server, reports: Mapping[str, Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many acknowledged signals are not stored, and how many are stored twice, by their unique texts."""
    stored: Counter[str] = Counter()
    copies = 0
    for signal in running.every("/signals"):
        copies += signal["copies"]
        for event in signal["events"]:
            stored[event["text"]] += 1
    acknowledged = sum(report["acknowledged"] for report in reports.values())
    return max(0, acknowledged - copies), sum(1 for count in stored.values() if count > 1)


def _slow_disk() -> dict[str, str]:
    source = Path(__file__).parents[1] / "tests" / "crash" / "shim.c"
    built = Path(tempfile.mkdtemp(prefix="tocsin-shim-")) / "shim.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(built), str(source), "-ldl", "-lpthread"], check=True)
    return {"LD_PRELOAD": str(built), "TOCSIN_TEST_SHIM_DELAY_MS": str(SLOW_SYNC_MS)}


BENCH = Bench(
    "alarm-ingest",
    "DC-09 signals acknowledged after the commit: 2,000 accounts, half encrypted, 70 % alarms over 500 places, "
    "5 % retries, 50 feeds open",
    run,
    {
        "signals_per_s": {"at_least": 5_000},
        "ack_p99_ms_at_500": {"at_most": 25},
        "ack_p99_ms_at_2000": {"at_most": 100},
        "ack_p99_ms_at_500_slow_disk": {"at_most": 25},
        "ack_p99_ms_at_2000_slow_disk": {"at_most": 100},
        "lost": {"at_most": 0},
        "doubled": {"at_most": 0},
    },
)
