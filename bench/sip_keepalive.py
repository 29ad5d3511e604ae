"""sip-keepalive: keepalives answered and their last-seen kept, with 20,000 devices registered by digest."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import cpu_s, rss_mb, server, tocsin
from bench.report import Bench

DEVICES = 20_000
KEPT_AFTER_S = 8  # what was heard is stored every few seconds
PASSWORD = "bench-cameras-2611"  # noqa: S105  of a throw-away server on loopback
_FLEET = """
import asyncio, json, sys
from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.sim.camera_fleet import CameraFleet, FleetPlan
async def main():
    plan = json.loads(sys.stdin.readline())
    fleet_plan = FleetPlan(("127.0.0.1", plan["port"]), plan["password"], count=plan["count"])
    async with CameraFleet(fleet_plan, SystemClock(), new_token) as fleet:
        await fleet.register_all()
        print(json.dumps(fleet.report.as_dict()), flush=True)
        sys.stdin.readline()
        await fleet.keep_alive(0, plan["seconds"])
        print(json.dumps(fleet.report.as_dict()), flush=True)
asyncio.run(main())
"""


def run(seconds: float) -> Mapping[str, float]:
    """Register the devices, then send keepalives as fast as they are answered; work divided by the server's CPU."""
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-sip-"))
    with server(data=data) as running:
        environment = running.environment
    listing = data / "devices.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["jurisdiction", "kind", "name", "gb_id", "password"])
        for number in range(1, DEVICES + 1):
            writer.writerow(["340299", "camera", f"Camera {number}", f"3402000000132{number:07d}", PASSWORD])
    tocsin("import", str(listing), "--json", environment=environment)
    with server(data=data) as running:
        idle_mb = rss_mb(running.process.pid)
        fleet = subprocess.Popen([sys.executable, "-c", _FLEET], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert fleet.stdin is not None
        assert fleet.stdout is not None
        plan = {"port": running.ports["sip"], "password": PASSWORD, "count": DEVICES, "seconds": seconds}
        fleet.stdin.write(json.dumps(plan).encode() + b"\n")
        fleet.stdin.flush()
        registered = json.loads(fleet.stdout.readline())
        time.sleep(15)  # catalogue questions and states of the registrations are over by then
        before_s, began = cpu_s(running.pids), datetime.now(UTC).isoformat()
        fleet.stdin.write(b"\n")
        fleet.stdin.flush()
        report = json.loads(fleet.stdout.readline())
        used_s = cpu_s(running.pids) - before_s
        memory_mb = rss_mb(running.process.pid)
        fleet.stdin.close()
        fleet.wait()
        time.sleep(KEPT_AFTER_S)
        shown = list(running.every("/devices"))
    return {
        "per_s_per_core": report["keepalives_answered"] / used_s,
        "per_s": report["keepalives_answered"] / report["keepalive_s"],
        "p99_ms": report["p99_ms"],
        "lost": report["keepalives_lost"],
        "refused": report["keepalives_refused"],
        "registered": registered["registered"],
        "register_s": registered["register_s"],
        "rss_mb": memory_mb,
        "rss_mb_before": idle_mb,
        "online": sum(device["state"] == "online" for device in shown),
        "last_seen_kept": sum((device["last_seen_at"] or "") >= began for device in shown),
    }


BENCH = Bench(
    "sip-keepalive",
    f"{DEVICES:,} GB/T 28181 devices registered with digest over UDP, then keepalives as fast as they are answered",
    run,
    {
        "per_s_per_core": {"at_least": 40_000},
        "rss_mb": {"at_most": 300},
        "registered": {"at_least": DEVICES},
        "last_seen_kept": {"at_least": DEVICES},
    },
)
