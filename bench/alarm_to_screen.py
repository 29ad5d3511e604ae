"""alarm-to-screen: from the first byte of an alarm to 49 feeds, and to the painted row or count of one control room."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page

from bench.chromium import chromium
from bench.harness import Server, percentile, server
from bench.picture_age import sign_in
from bench.registry import Panel, enter_panels
from bench.report import Bench

ACCOUNTS, PLACES, FEEDS, CONNECTIONS = 2_000, 500, 49, 50
RATE_PER_S = 200
SETTLE_MS, LAST_PAINT_MS = 4_000, 3_000

NOTE_PAINTS = """
() => {
  const painted = (window.__painted = {});  // incident id -> [[count shown, ms since 1970], ...]
  let dirty = new Set(), isWaiting = false;
  const countOf = (row) => Number(/· (\\d+) alarms/.exec(row.textContent)?.[1] ?? 1);
  const note = () => {
    isWaiting = false;
    const now_ms = Date.now(), rows = dirty;
    dirty = new Set();
    for (const row of rows) {
      if (!row.isConnected) continue;
      const seen = (painted[row.dataset.incident] ??= []);
      const count = countOf(row);
      if (seen.length === 0 || seen[seen.length - 1][0] !== count) seen.push([count, now_ms]);
    }
  };
  const behind = new MessageChannel();
  behind.port1.onmessage = note;
  const mark = (node) => {
    const element = node instanceof Element ? node : node.parentElement;
    const row = element?.closest('[data-incident]');
    if (row) dirty.add(row);
    else element?.querySelectorAll?.('[data-incident]').forEach((one) => dirty.add(one));
  };
  new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === 'childList') record.addedNodes.forEach(mark);
      if (record.type === 'characterData' || record.target.closest?.('[data-incident]')) mark(record.target);
    }
    if (dirty.size && !isWaiting) {
      isWaiting = true;  // a message sent from the animation frame is handled once that frame has been drawn
      requestAnimationFrame(() => behind.port2.postMessage(null));
    }
  }).observe(document.querySelector('#queue-rows'), { subtree: true, childList: true, characterData: true });
}
"""


def run(seconds: float) -> Mapping[str, float]:
    """Send alarms at the rate, listen on the feeds, watch the screen; return the 99th percentiles in milliseconds."""
    with server() as running:
        panels = enter_panels(running, ACCOUNTS, places=PLACES)
        ears = subprocess.Popen(
            [sys.executable, "-m", "bench.alarm_ears", str(running.ports["web"]), running.token, str(FEEDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert ears.stdin is not None
        assert ears.stdout is not None
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="en")
            sign_in(page, running)
            page.wait_for_timeout(SETTLE_MS)
            page.evaluate(NOTE_PAINTS)
            ears.stdout.readline()
            sent = _send(running, panels, seconds, page)
            page.wait_for_timeout(LAST_PAINT_MS)
            painted = page.evaluate("window.__painted")
        ears.stdin.close()
        heard = json.loads(ears.stdout.read())
        ears.wait()
    return _figures(sent, heard, painted)


def _send(running: Server, panels: list[Panel], seconds: float, page: Page) -> Any:
    """Run the senders; the browser's driver is served meanwhile."""
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
        page.wait_for_timeout(500)
    report = json.loads(senders.stdout.read())
    senders.wait()
    return report


def _figures(sent: Mapping[str, Any], heard: Mapping[str, Any], painted: Mapping[str, Any]) -> Mapping[str, float]:
    sent_at: Mapping[str, float] = sent["sent_at"]
    feeds, screen, unheard, unpainted = [], [], 0, 0
    for text, at_s in sent_at.items():
        times = heard["heard"].get(text, [])
        feeds.extend((time_s - at_s) * 1000 for time_s in times)
        unheard += FEEDS - len(times)
    for incident_id, texts in heard["order"].items():
        shown = painted.get(incident_id, [])
        for place, text in enumerate(texts, start=1):
            at_ms = next((ms for count, ms in shown if count >= place), None)
            if at_ms is None:
                unpainted += 1
            else:
                screen.append(at_ms - sent_at[text] * 1000)
    if not feeds or not screen:
        raise RuntimeError(
            f"{sent['acknowledged']} acknowledged, {heard['frames']} frames heard, {len(screen)} painted"
        )
    feed_p99_ms, screen_p99_ms = percentile(feeds, 0.99), percentile(screen, 0.99)
    return {
        "p99_ms": max(feed_p99_ms, screen_p99_ms),
        "feed_p99_ms": feed_p99_ms,
        "feed_p50_ms": percentile(feeds, 0.5),
        "screen_p99_ms": screen_p99_ms,
        "screen_p50_ms": percentile(screen, 0.5),
        "alarms": len(sent_at),
        "alarms_per_s": len(sent_at) / sent["seconds"],
        "incidents": len(heard["order"]),
        "unheard": unheard,
        "unpainted": unpainted,
        "feed_frames": heard["frames"],
        "feed_gaps": heard["gaps"],
    }


BENCH = Bench(
    "alarm-to-screen",
    "from an alarm's first byte to 49 feeds and to the painted row or count in Chromium, 200 alarms/s over 500 places",
    run,
    {"p99_ms": {"at_most": 250}},
)
