"""gb-devices: 50,000 GB/T 28181 devices with their cameras, kept alive every 60 s, and a restart of the server."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from bench.fleet import Fleet
from bench.harness import Server, cpu_s, rss_mb, server, stop, tocsin, wait_ready
from bench.report import Bench

DEVICES = 50_000
KEEPALIVE_S = 60
SETTLE_S = 20.0
CHUNK_S = 10.0
CATALOGUE_TIMEOUT_S = 1_200.0
LOOK_EVERY_S = 5.0
PASSWORD = "bench-cameras-2611"  # noqa: S105  of a throw-away server on loopback


def run(seconds: float) -> Mapping[str, float]:
    """Enter the devices, register them, read their catalogues, keep them alive, restart; CPU is the server's alone."""
    data = Path(tempfile.mkdtemp(prefix="tocsin-bench-gb-"))
    extra = {"TOCSIN_SIP__CATALOGS_PER_S": "400"}
    with server(data=data, extra=extra) as running:
        environment = running.environment
    listing = data / "devices.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["jurisdiction", "kind", "name", "gb_id", "password"])
        for number in range(1, DEVICES + 1):
            writer.writerow(["340299", "camera", f"Camera {number}", f"3402000000132{number:07d}", PASSWORD])
    began_s = time.monotonic()
    tocsin("import", str(listing), "--json", environment=environment)
    import_s = time.monotonic() - began_s
    with server(data=data, extra=extra) as running:
        plan = {"port": running.ports["sip"], "password": PASSWORD, "count": DEVICES, "answers": True, "tries": 90}
        with Fleet(plan) as fleet:
            first = fleet.ask("register")
            catalogues_s = _wait_catalogues(fleet)
            time.sleep(SETTLE_S)
            before_s, at_s, early = cpu_s(running.pids), time.monotonic(), fleet.ask("?")
            kept = fleet.ask(f"keep {DEVICES / KEEPALIVE_S} {max(seconds, 2 * KEEPALIVE_S)}")
            share = (cpu_s(running.pids) - before_s) / (time.monotonic() - at_s)
            memory_mb = rss_mb(running.process.pid)
            online = _count(running, "online")
            again = _restart(running, fleet)
            return {
                "registered": first["registered"],
                "register_s": first["register_s"],
                "catalogues_s": catalogues_s,
                "cpu_share_of_a_core": share,
                "rss_mb": memory_mb,
                "keepalives_per_s": (kept["keepalives_answered"] - early["keepalives_answered"])
                / (kept["keepalive_s"] - early["keepalive_s"]),
                "keepalives_lost": kept["keepalives_lost"] + kept["keepalives_refused"],
                "keepalive_p99_ms": kept["p99_ms"],
                "online": online,
                **again,
                "registered_again": again["registered_again"] - first["registered"],
                "register_again_s": again["register_again_s"] - first["register_s"],
                "import_s": import_s,
            }


def _wait_catalogues(fleet: Fleet) -> float:
    """Wait until every device was asked for its catalogue; return the seconds."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + CATALOGUE_TIMEOUT_S:
        asked = fleet.ask(f"keep {DEVICES / KEEPALIVE_S} {CHUNK_S}")["asked"]
        if asked.get("Catalog", 0) >= DEVICES:
            return time.monotonic() - began_s
    raise RuntimeError(f"only {asked} of {DEVICES} devices were asked")


def _restart(running: Server, fleet: Fleet) -> dict[str, float]:
    """Restart the server, let everybody register at once, and look meanwhile who is said to be off line."""
    stop(running.process)
    began_s = time.monotonic()
    log = (running.data / "serve.log").open("ab")
    running.process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "serve"], env=running.environment, stdout=log, stderr=log
    )
    log.close()
    wait_ready(running.process, running.ports["web"], running.data / "serve.log")
    ready_s = time.monotonic() - began_s
    reports: list[dict[str, float]] = []
    fleet.begin("register")
    waiting = threading.Thread(target=lambda: reports.append(fleet.report()))
    waiting.start()
    offline = 0
    while waiting.is_alive():
        offline = max(offline, _count(running, "offline"))
        waiting.join(LOOK_EVERY_S)
    time.sleep(SETTLE_S)
    return {
        "restart_ready_s": ready_s,
        "registered_again": reports[0]["registered"],
        "register_again_s": reports[0]["register_s"],
        "offline_wrongly": max(offline, _count(running, "offline")),
        "online_again": _count(running, "online"),
        "rss_mb_again": rss_mb(running.process.pid),
    }


def _count(running: Server, state: str) -> int:
    return sum(1 for _ in running.every("/devices", state=state))


BENCH = Bench(
    "gb-devices",
    f"{DEVICES:,} GB/T 28181 devices of one camera each, registered with digest over UDP, a keepalive every "
    f"{KEEPALIVE_S} s; then the server is restarted and all register at once",
    run,
    {
        "registered": {"at_least": DEVICES},
        "cpu_share_of_a_core": {"at_most": 0.25},
        "rss_mb": {"at_most": 600},
        "keepalives_lost": {"at_most": 0},
        "registered_again": {"at_least": DEVICES},
        "register_again_s": {"at_most": 60},
        "offline_wrongly": {"at_most": 0},
    },
    seconds=120.0,
)
