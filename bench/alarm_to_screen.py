"""alarm-to-screen: from the first byte of an alarm to 50 feeds, and to the painted row or count of a control room."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.chromium import chromium
from bench.harness import Server, percentile, server
from bench.picture_age import sign_in
from bench.registry import Panel, enter_panels
from bench.report import Bench

ACCOUNTS, PLACES, FEEDS, CONNECTIONS = 2_000, 500, 50, 50
RATE_PER_S = 200
SETTLE_MS, LAST_PAINT_MS = 4_000, 3_000

# The queue draws the rows in view and the counts of all; `data-shown` is the number of the last change in the feed that
# both already hold, set in the same drawing.
NOTE_PAINTS = """
() => {
  const painted = (window.__painted = []);  // [number of the last change shown, ms since 1970], ...
  const rows = document.querySelector('#queue-rows');
  let isWaiting = false;
  const behind = new MessageChannel();
  behind.port1.onmessage = () => {
    isWaiting = false;
    painted.push([drawn, Date.now()]);
  };
  let drawn = 0;
  new MutationObserver(() => {
    if (isWaiting) return;
    isWaiting = true;  // a message sent from the animation frame is handled once that frame has been drawn
    requestAnimationFrame(() => {
      drawn = Number(rows.dataset.shown);
      behind.port2.postMessage(null);
    });
  }).observe(rows, { attributes: true, attributeFilter: ['data-shown'] });
}
"""


def run(seconds: float) -> Mapping[str, float]:
    """Send alarms at the rate and listen on 50 feeds; then again with one of the 50 drawn by a browser."""
    with server() as running:
        panels = enter_panels(running, ACCOUNTS, places=PLACES)
        with _listening(running, FEEDS) as heard:
            sent = _send(running, panels, seconds, time.sleep)
        values = _of_feeds(sent, heard, FEEDS)
    with server() as running:
        panels = enter_panels(running, ACCOUNTS, places=PLACES)
        with chromium() as browser, _listening(running, FEEDS - 1) as heard:
            page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="en")
            sign_in(page, running)
            page.wait_for_timeout(SETTLE_MS)
            page.evaluate(NOTE_PAINTS)
            sent = _send(running, panels, seconds, lambda pause_s: page.wait_for_timeout(pause_s * 1000))
            page.wait_for_timeout(LAST_PAINT_MS)
            painted = page.evaluate("window.__painted")
        beside = _of_feeds(sent, heard, FEEDS - 1)
    return {
        **values,
        "p99_ms_beside_a_browser": beside["p99_ms"],
        **_of_screen(sent, heard, painted),
    }


@contextlib.contextmanager
def _listening(running: Server, feeds: int) -> Iterator[dict[str, Any]]:
    """Open feeds; what they heard is in the dictionary once the block has ended."""
    ears = subprocess.Popen(
        [sys.executable, "-m", "bench.alarm_ears", str(running.ports["web"]), running.token, str(feeds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert ears.stdin is not None
    assert ears.stdout is not None
    ears.stdout.readline()
    heard: dict[str, Any] = {}
    try:
        yield heard
    finally:
        ears.stdin.close()
        heard.update(json.loads(ears.stdout.read()))
        ears.wait()


def _send(running: Server, panels: list[Panel], seconds: float, wait: Callable[[float], None]) -> Any:
    """Run the senders; `wait` is called again and again, so that a browser's driver can be served."""
    plan = {
        "port": running.ports["dc09"],
        "panels": [[panel.account, panel.key.hex()] for panel in panels],
        "connections": CONNECTIONS,
        "rate_per_s": RATE_PER_S,
        "seconds": seconds,
        "alarm_share": 1.0,
        "retry_share": 0.05,
        "seed": 2611,
        "tag": "screen",
        "first": 1,
    }
    senders = subprocess.Popen(
        [sys.executable, "-m", "bench.alarm_senders"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert senders.stdin is not None
    assert senders.stdout is not None
    senders.stdin.write(json.dumps(plan).encode())
    senders.stdin.close()
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        wait(0.5)
    report = json.loads(senders.stdout.read())
    senders.wait()
    return report


def _of_feeds(sent: Mapping[str, Any], heard: Mapping[str, Any], feeds: int) -> dict[str, float]:
    sent_at: Mapping[str, float] = sent["sent_at"]
    taken_ms: list[float] = []
    unheard = 0
    for text, at_s in sent_at.items():
        times = heard["heard"].get(text, [])
        taken_ms.extend((time_s - at_s) * 1000 for time_s in times)
        unheard += feeds - len(times)
    if not taken_ms:
        raise RuntimeError(f"{sent['acknowledged']} acknowledged, {heard['frames']} frames heard")
    return {
        "p99_ms": percentile(taken_ms, 0.99),
        "p50_ms": percentile(taken_ms, 0.5),
        "alarms": len(sent_at),
        "alarms_per_s": len(sent_at) / sent["seconds"],
        "unheard": unheard,
        "gaps": heard["gaps"],
    }


def _of_screen(sent: Mapping[str, Any], heard: Mapping[str, Any], painted: list[list[float]]) -> dict[str, float]:
    screen, unpainted = [], 0
    for text, seq in heard["seq"].items():
        at_ms = next((ms for shown, ms in painted if shown >= seq), None)
        if at_ms is None:
            unpainted += 1
        else:
            screen.append(at_ms - sent["sent_at"][text] * 1000)
    return {
        "screen_p99_ms": percentile(screen, 0.99),
        "screen_p50_ms": percentile(screen, 0.5),
        "unpainted": unpainted,
        "incidents": len(heard["order"]),
    }


BENCH = Bench(
    "alarm-to-screen",
    "from an alarm's first byte to 50 feeds, 200 alarms/s over 500 places; then with one of them drawn in Chromium on "
    "the same two cores",
    run,
    {"p99_ms": {"at_most": 250}},
)
