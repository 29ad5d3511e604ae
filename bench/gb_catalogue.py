"""gb-catalogue: a platform of 20,000 channels over UDP that loses 2 % of the datagrams each way."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.harness import Server, cpu_s, rss_mb
from bench.recorder import GB_ID, recorder
from bench.report import Bench

CHANNELS = 20_000
LOSS = 0.02
PATIENCE_S = 300.0


def run(seconds: float) -> Mapping[str, float]:
    """Read the catalogue of a platform that repeats lost pages, then of one that never does; ask both twice."""
    values: dict[str, float] = {}
    for name, more in (
        ("", {"page_window": 8}),
        ("one_page_at_a_time_", {"page_window": 1}),
        ("never_repeats_", {"quirks": ["never_repeats_pages"]}),
    ):
        plan = {"channels": CHANNELS, "loss": LOSS, **more}
        with recorder(plan) as (running, device_id, _):
            cpu_before_s, began_s = cpu_s(running.pids), time.monotonic()
            found = _wait_complete(running, device_id)
            elapsed_s = time.monotonic() - began_s
            used_s = cpu_s(running.pids) - cpu_before_s
            shown = _present(running, device_id)
            running.call("POST", f"/devices/{device_id}/catalog")
            second = _wait_complete(running, device_id, after=found["id"])
            kept = _present(running, device_id)
            values |= {
                f"{name}complete_s": elapsed_s,
                f"{name}channels": shown,
                f"{name}deleted_wrongly": max(0, shown - kept),
                f"{name}second_is_complete": float(second["outcome"] == "ok"),
            }
            if not name:
                values |= {"cpu_s": used_s, "rss_mb": rss_mb(running.process.pid)}
    return values


def _wait_complete(running: Server, device_id: str, *, after: str = "") -> Mapping[str, str]:
    """Wait for the end of the newest catalogue attempt. Errors: RuntimeError."""
    ends_s = time.monotonic() + PATIENCE_S
    attempts: list[Mapping[str, str]] = []
    while time.monotonic() < ends_s:
        attempts = running.call("GET", f"/devices/{device_id}/attempts?kind=catalog")["items"]
        done = [one for one in attempts if one["kind"] == "catalog" and one["outcome"] != "running"]
        if done and done[0]["id"] != after:
            found: Mapping[str, str] = done[0]
            return found
        time.sleep(0.5)
    told = [(one["id"], one["outcome"], one["started_at"]) for one in attempts[:3]]
    raise RuntimeError(
        f"the catalogue of {GB_ID} was not read within {PATIENCE_S} s after {after or 'the start'}: {told}"
    )


def _present(running: Server, device_id: str) -> int:
    return sum(1 for _ in running.every("/cameras", device_id=device_id))


BENCH = Bench(
    "gb-catalogue",
    f"the catalogue of a platform with {CHANNELS:,} channels, four a page, over UDP that loses {LOSS:.0%} each way: "
    "eight pages under way, one page under way, and a platform that never repeats a lost page",
    run,
    {
        "complete_s": {"at_most": 60},
        "channels": {"at_least": CHANNELS},
        "deleted_wrongly": {"at_most": 0},
        "never_repeats_complete_s": {"at_most": 60},
        "never_repeats_channels": {"at_least": CHANNELS},
        "never_repeats_deleted_wrongly": {"at_most": 0},
        "one_page_at_a_time_channels": {"at_least": CHANNELS},
        "one_page_at_a_time_deleted_wrongly": {"at_most": 0},
    },
)
