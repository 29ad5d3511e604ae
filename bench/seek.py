"""seek: from a press on the timeline to the painted picture of that moment, in Chromium, its files not in memory."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.chromium import chromium
from bench.harness import percentile
from bench.picture_age import sign_in
from bench.recorder import Stage, stage
from bench.recordings import SEGMENT_MS, Look, enter, record
from bench.report import Bench

MINUTES = 60
HOURS_BETWEEN = 20
SEEKS = 60
WIDTH, HEIGHT = 1280, 720

# The time between the press and the first picture whose moment lies within a second of what was pressed for.
MEASURE = """([share, wanted]) => new Promise((resolve, reject) => {
  const track = document.querySelector('[role=slider]');
  const video = document.querySelector('figure.tile video');
  const box = track.getBoundingClientRect();
  const at = { clientX: box.left + share * box.width, clientY: box.top + 8, button: 0, pointerId: 1, bubbles: true };
  const late = setTimeout(() => reject(new Error('no picture within 10 s')), 10000);
  let begun = 0;
  const look = () => video.requestVideoFrameCallback((now, picture) => {
    const midnight = new Date(wanted).setHours(0, 0, 0, 0);
    if (Math.abs(midnight + picture.mediaTime * 1000 - wanted) < 1500) {
      clearTimeout(late);
      resolve(picture.presentationTime - begun);
    } else look();
  });
  look();
  begun = performance.now();
  track.dispatchEvent(new PointerEvent('pointerdown', at));
  window.dispatchEvent(new PointerEvent('pointerup', at));
  track.dispatchEvent(new PointerEvent('pointerup', at));
})"""


def run(seconds: float) -> Mapping[str, float]:
    """Put an hour of 720p at 2 Mbit/s, spread over a day, beside a server; seek at random; return the times."""
    dice = random.Random(2611)
    with tempfile.TemporaryDirectory(prefix="tocsin-seek-") as folder, stage(1, live=False) as ready:
        channel = ready.channels[0]
        yesterday = datetime.now().astimezone().replace(hour=1, minute=0, second=0, microsecond=0).timestamp() - 86_400
        begin_ms = int(yesterday * 1000)
        each_ms = HOURS_BETWEEN * 3_600_000 // MINUTES
        starts = [begin_ms + n * each_ms for n in range(MINUTES)]
        volume = Path(folder)
        given, made = record(volume, channel, starts, Look(WIDTH, HEIGHT, 2_000_000), drawn=False)
        code = ready.running.call("GET", "/jurisdictions")["items"][0]["code"]
        enter(ready.running.data / "tocsin.sqlite3", volume, channel, code, given, made)
        times, stored = _seek(ready, channel, starts, volume, dice, seconds)
    return {
        "p95_ms": percentile(times, 0.95),
        "p50_ms": percentile(times, 0.5),
        "seeks": float(len(times)),
        "segments": float(len(made)),
        "stored_mb": stored / 1e6,
    }


def _seek(
    ready: Stage, channel: str, starts: list[int], volume: Path, dice: random.Random, seconds: float
) -> tuple[list[float], int]:
    running = ready.running
    stored = sum(path.stat().st_size for path in volume.rglob("*.mp4"))
    times: list[float] = []
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1600, "height": 900}).new_page()
        sign_in(page, running)
        at = datetime.fromtimestamp(starts[0] / 1000 + 5, UTC).isoformat().replace("+00:00", "Z")
        page.goto(f"http://127.0.0.1:{running.ports['web']}/recordings?cameras={channel}&at={at}")
        page.locator(".closed button").click()
        page.locator("label.why").first.click()
        page.get_by_role("dialog").locator("button.primary").click()
        page.wait_for_function("() => document.querySelector('figure.tile video')?.videoWidth > 0")
        day_ms = int(page.evaluate("ms => new Date(ms).setHours(0, 0, 0, 0)", starts[0]))
        ends_s = time.monotonic() + max(seconds, 10.0)
        while len(times) < SEEKS and (time.monotonic() < ends_s or len(times) < 20):
            _forget(volume)
            wanted = dice.choice(starts) + dice.randrange(2_000, SEGMENT_MS - 4_000)
            times.append(float(page.evaluate(MEASURE, [(wanted - day_ms) / 86_400_000, wanted])))
            page.wait_for_timeout(300)
    return times, stored


def _forget(volume: Path) -> None:
    """Let the kernel drop the files from memory: what is read next comes from the disk."""
    for path in volume.rglob("*.mp4"):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


BENCH = Bench(
    "seek",
    "from a press on the timeline to the painted picture, Chromium, 720p of 2 Mbit/s with a key each 2 s, files "
    "dropped from memory before each seek",
    run,
    {"p95_ms": {"at_most": 500}},
)
