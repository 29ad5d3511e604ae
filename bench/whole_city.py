"""whole-city: all devices of the simulated city connected and supervised, then every one of them at once.

`python -m bench.whole_city SHARE [SECONDS]` runs a share of it and keeps nothing.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bench.city import CityProcess
from bench.harness import Server, cpu_s, pss_mb, rss_mb, server
from bench.report import Bench

SETTLE_S = 15.0
STORMS = ("everything", "burst")
SEED = 2611


def run(seconds: float, share: float = 1.0) -> Mapping[str, float]:
    """Enter the city, start the server anew, connect it, watch `seconds` of quiet, then the two storms.

    The server starts anew because the registry is entered once, and what a server at work costs is asked here.
    """
    folder = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    try:
        with server(data=folder) as running, CityProcess(running, share=share) as city:
            began_s = time.monotonic()
            city.step("enter")
            entered_s = time.monotonic() - began_s
        with server(data=folder) as running:
            alone_mb = rss_mb(running.process.pid)
            plan = {
                "share": share,
                "seed": SEED,
                "storms": STORMS,
                "storm_at_s": 1.0,
                "seconds": 0.0,
                "rate_per_s": 0.0,
            }
            with CityProcess(running, **plan) as city:
                values = _measure(running, city, seconds)
        return {"enter_s": entered_s, "rss_mb_alone": alone_mb, **values}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(running: Server, city: CityProcess, seconds: float) -> dict[str, float]:
    found = city.step("connect")
    time.sleep(SETTLE_S)  # states of what has just connected are kept by then
    before_s, began_s = cpu_s(running.pids), time.monotonic()
    time.sleep(seconds)
    quiet_s, quiet_cpu_s = time.monotonic() - began_s, cpu_s(running.pids) - before_s
    quiet_mb, quiet_all_mb = rss_mb(running.process.pid), _all_mb(running)
    states = Counter(device["state"] for device in running.every("/devices"))
    before_s, began_s = cpu_s(running.pids), time.monotonic()
    city.step("live")
    storm_s, storm_cpu_s = time.monotonic() - began_s, cpu_s(running.pids) - before_s
    storm_mb = rss_mb(running.process.pid)
    report = city.step("reckon")
    print(json.dumps(report, ensure_ascii=False), file=sys.stderr)
    return {
        "devices": sum(found["devices"].values()),
        "connected": sum(report["connected"].values()),
        "supervised": states["online"],
        "connect_s": report["connect_s"],
        "quiet_core_share": quiet_cpu_s / quiet_s,
        "rss_mb": quiet_mb,
        "rss_mb_after_storm": storm_mb,
        "pss_mb_with_workers": quiet_all_mb,
        "storm_core_share": storm_cpu_s / storm_s,
        "sent": report["sent"],
        "acknowledged": report["acknowledged"],
        "stored": report["stored"],
        "alarms": report["alarms"],
        "shown": report["shown"],
        "lost": report["lost"] + report["no_reply"] + report["refused"],
        "doubled": report["doubled"],
        "not_shown": report["not_shown"],
        "ack_p50_ms": report["ack_ms"]["p50"],
        "ack_p99_ms": report["ack_ms"]["p99"],
        "shown_p99_ms": report["shown_ms"]["p99"],
        "life_shown_p99_ms": report["life_shown_ms"]["p99"],
        "sent_again": report["retried"],
    }


def _all_mb(running: Server) -> float:
    return sum(pss_mb(pid) for pid in running.pids)


BENCH = Bench(
    "whole-city",
    "3,786 DC-09 panels with 5,635 infrared zones, 1,200 JT/T 808 terminals and 21,631 SIP intercoms connected and "
    "supervised; then every panel and infrared zone once in 60 s (9,421 signals), then 10,000 in 10 s; a feed is "
    "the screen, lost counts what had no answer or was refused too",
    run,
    {
        "rss_mb": {"at_most": 500},
        "rss_mb_after_storm": {"at_most": 500},
        "quiet_core_share": {"at_most": 0.3},
        "lost": {"at_most": 0},
        "doubled": {"at_most": 0},
        "not_shown": {"at_most": 0},
        "ack_p99_ms": {"at_most": 1_000},
        "life_shown_p99_ms": {"at_most": 1_000},
    },
    seconds=60.0,
)


if __name__ == "__main__":
    for key, value in run(float(sys.argv[2]) if len(sys.argv) > 2 else 20.0, float(sys.argv[1])).items():
        print(f"{key:28} {value:12,.3f}")
