"""first-picture: from the request for a view to the first fragment, cold and warm; the age of the picture on screen."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping

from bench.harness import percentile
from bench.picture_age import picture_age_ms
from bench.recorder import Stage, stage
from bench.report import Bench
from bench.viewers import Viewer, watch

CAMERAS = 40
ATTEMPT_KEPT_S = 15  # timelines are stored every few seconds


def run(seconds: float) -> Mapping[str, float]:
    """Ask once for each of many stopped cameras, then again while it runs; then look at one in a browser."""
    values: dict[str, float] = {"cameras": CAMERAS}
    for mode in ("udp", "tcp_passive"):
        ladder = {"TOCSIN_SIP__MEDIA_LADDER": mode}
        with stage(CAMERAS, live=False, width=640, height=360, bitrate_bps=1_000_000, extra=ladder) as ready:
            found = asyncio.run(_measure(ready))
        values |= {f"{mode}_{key}": value for key, value in found.items()}
    with stage(1, live=True) as ready:
        values["picture_age_ms"] = picture_age_ms(ready, seconds)
    return values


async def _measure(ready: Stage) -> Mapping[str, float]:
    dice = random.Random(2611)
    cold, setup, warm = [], [], []
    for channel in ready.channels:
        await asyncio.sleep(dice.uniform(0.0, 1.0))  # the encoder runs on: any phase
        elapsed_ms, view, viewer = await _open(ready, channel)
        cold.append(elapsed_ms)
        again_ms, second_view, second = await _open(ready, channel)
        warm.append(again_ms)
        for ended, watching in ((second_view, second), (view, viewer)):
            watching.close()
            await asyncio.to_thread(ready.running.call, "DELETE", f"/views/{ended}")
    for channel in ready.channels:  # timelines are stored every few seconds: asked for when all were opened
        setup.append(await asyncio.to_thread(_setup_ms, ready, channel))
    return {
        "cold_p95_ms": percentile(cold, 0.95),
        "cold_p50_ms": percentile(cold, 0.5),
        "setup_p95_ms": percentile(setup, 0.95),
        "setup_p50_ms": percentile(setup, 0.5),
        "warm_p95_ms": percentile(warm, 0.95),
    }


async def _open(ready: Stage, channel: str) -> tuple[float, str, Viewer]:
    started = time.monotonic()
    url, view = await asyncio.to_thread(ready.open_view, channel)
    viewer = await watch(url)
    async with asyncio.timeout(20):
        await viewer.first
    return (time.monotonic() - started) * 1000, view, viewer


def _setup_ms(ready: Stage, channel: str) -> float:
    """Return the newest play attempt's time to its first media packet: set-up without the wait for a key frame."""
    ends_s = time.monotonic() + ATTEMPT_KEPT_S
    while time.monotonic() < ends_s:
        attempts = ready.running.call("GET", f"/cameras/{channel}/attempts")["items"]
        if attempts:
            return float(max(step["at_ms"] for step in attempts[0]["steps"]))
        time.sleep(0.2)
    raise RuntimeError(f"no play attempt of {channel} was kept within {ATTEMPT_KEPT_S} s")


BENCH = Bench(
    "first-picture",
    "from POST /views to the first fragment; encoders run free, key frame each second, key-frame requests ignored",
    run,
    {
        **{f"{mode}_cold_p95_ms": {"at_most": 1_200} for mode in ("udp", "tcp_passive")},
        **{f"{mode}_setup_p95_ms": {"at_most": 150} for mode in ("udp", "tcp_passive")},
        **{f"{mode}_warm_p95_ms": {"at_most": 300} for mode in ("udp", "tcp_passive")},
        "picture_age_ms": {"at_most": 600},
    },
)
