"""wall: sixteen pictures on one page of the console in headless Chromium: what they cost, how many frames are lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from playwright.sync_api import Page

from bench.chromium import chromium
from bench.harness import Server, cpu_s, percentile, processes
from bench.picture_age import sign_in
from bench.recorder import Stage, stage
from bench.report import Bench

TILES = 16
PICTURE = {"width": 640, "height": 360, "bitrate_bps": 500_000}
PURPOSE = "Drill"
SETTLE_MS = 5_000
LIVE_TIMEOUT_MS = 60_000
FRAMES = """
() => [...document.querySelectorAll('[data-tile] video')].map((video) => {
  const quality = video.getVideoPlaybackQuality();
  return [quality.totalVideoFrames, quality.droppedVideoFrames];
})
"""
ALL_LIVE = f"() => document.querySelectorAll('[data-tile][data-phase=live]').length === {TILES}"


def run(seconds: float) -> Mapping[str, float]:
    """Open the wall as a person would, let it settle, and watch it."""
    with stage(TILES, live=False, **PICTURE) as ready, chromium() as browser:
        page = browser.new_page(viewport={"width": 1920, "height": 1080}, locale="en")
        sign_in(page, ready.running)
        _open_wall(page, ready)
        page.wait_for_function(ALL_LIVE, timeout=LIVE_TIMEOUT_MS)
        page.wait_for_timeout(SETTLE_MS)
        return _watch(page, ready.running, seconds)


def _open_wall(page: Page, ready: Stage) -> None:
    layout = {"tiles": TILES, "places": [[channel] for channel in ready.channels], "dwell_s": 60, "together": False}
    page.evaluate("(kept) => localStorage.setItem('tocsin.wall', kept)", json.dumps(layout))
    page.goto(f"http://127.0.0.1:{ready.running.ports['web']}/wall")
    page.get_by_role("button", name="Look…").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("label.why").filter(has_text=PURPOSE).first.click()
    dialog.get_by_role("button", name="Look until").click()


def _watch(page: Page, running: Server, seconds: float) -> Mapping[str, float]:
    servers = set(running.pids)
    workers = running.worker_pids()
    pages = [pid for pid in processes(os.getpid()) if pid not in servers and _is_chromium(pid)]
    before, at_s = page.evaluate(FRAMES), time.monotonic()
    worker_s, page_s, house_s = cpu_s(workers), cpu_s(pages), cpu_s(running.pids)
    page.wait_for_timeout(seconds * 1000)
    after, elapsed_s = page.evaluate(FRAMES), time.monotonic() - at_s
    worker_s, page_s = cpu_s(workers) - worker_s, cpu_s(pages) - page_s
    house_s = cpu_s(running.pids) - house_s
    if len(after) != len(before):
        raise RuntimeError(f"{len(before)} pictures became {len(after)} while they were watched")
    total = [now[0] - then[0] for now, then in zip(after, before, strict=True)]
    dropped = sum(now[1] - then[1] for now, then in zip(after, before, strict=True))
    return {
        "live": page.locator("[data-tile][data-phase=live]").count(),
        "page_core_share": page_s / elapsed_s,
        "worker_core_share": worker_s / elapsed_s,
        "control_core_share": (house_s - worker_s) / elapsed_s,
        "fps_p50": percentile([frames / elapsed_s for frames in total], 0.5),
        "fps_least": min(total) / elapsed_s,
        "dropped_share": dropped / max(1, sum(total)),
        "relieved": page.locator("[data-tile] .relief").count(),
    }


def _is_chromium(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"chrom" in file.read().split(b"\0", 1)[0]
    except OSError:
        return False


BENCH = Bench(
    "wall",
    f"a wall of {TILES} live tiles (640x360, 25 pictures a second, 0.5 Mbit/s H.264 each) in headless Chromium, "
    "decoded in software, on the cores that also run the server and the cameras",
    run,
    {
        "live": {"at_least": TILES},
        "worker_core_share": {"at_most": 0.1},
        "dropped_share": {"at_most": 0.05},
    },
    seconds=20.0,
)
