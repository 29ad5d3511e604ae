"""The age of a live picture on a screen: read from the time code drawn in it, in the console's own player, in Chromium.

The stage gets a panel whose zone is linked to the camera; its alarm opens the picture on the control room by itself.
Camera, server and browser share one machine and so one clock.
"""

from __future__ import annotations

import statistics

from playwright.sync_api import Page

from bench.alarm_senders import send_one
from bench.chromium import chromium
from bench.harness import PASSWORD, Server
from bench.recorder import Stage
from bench.registry import enter_panels

SETTLE_MS = 6_000
SAMPLE_EVERY_MS = 83  # no multiple of a frame's time: samples fall on every part of it
LEAST_SAMPLES = 20
ZONE = "1"

READ_TIME_CODE = """
async ([seconds, every_ms]) => {
  const video = document.querySelector('[data-keys=card] figure video');
  const canvas = document.createElement('canvas');
  const crc = (bytes) => bytes.reduce((sum, byte) => {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x80 ? ((sum << 1) ^ 0x07) & 0xff : (sum << 1) & 0xff;
    return sum;
  }, 0);
  const read = () => {
    const side = Math.floor(video.videoWidth / 80);
    if (side < 4) return null;
    canvas.width = 32 * side;
    canvas.height = 2 * side;
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.drawImage(video, 46 * side, side, 32 * side, 2 * side, 0, 0, 32 * side, 2 * side);
    const now_ms = Date.now();
    const bytes = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let n = 0; n < 64; n++) {
      const x = Math.floor(((n % 32) + 0.25) * side), y = Math.floor(((n >> 5) + 0.25) * side);
      const half = Math.max(1, Math.floor(side / 2));
      const data = pen.getImageData(x, y, half, half).data;
      let sum = 0;
      for (let at = 0; at < data.length; at += 4) sum += data[at] + data[at + 1] + data[at + 2];
      if (sum / (data.length / 4) / 3 > 128) bytes[n >> 3] |= 0x80 >> (n & 7);
    }
    if (bytes[0] !== 0xa5 || crc(bytes.slice(0, 7)) !== bytes[7]) return null;
    return now_ms - bytes.slice(1, 7).reduce((sum, byte) => sum * 256 + byte, 0);
  };
  const ages = [];
  const ends = performance.now() + seconds * 1000;
  while (performance.now() < ends) {
    ages.push(read());
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
  return ages;
}
"""


def picture_age_ms(stage: Stage, seconds: float) -> float:
    """Return the median age in milliseconds of the picture on a console's screen over `seconds`.

    Errors: RuntimeError when too few time codes could be read.
    """
    running = stage.running
    _raise_alarm(running, stage.channels[0])
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="en")
        sign_in(page, running)
        page.locator("[data-keys=card] figure[data-phase=live] video").first.wait_for(timeout=30_000)
        page.wait_for_timeout(SETTLE_MS)
        seen = page.evaluate(READ_TIME_CODE, [seconds, SAMPLE_EVERY_MS])
    ages = [float(age) for age in seen if age is not None]
    if len(ages) < max(LEAST_SAMPLES, len(seen) // 2):
        raise RuntimeError(f"only {len(ages)} of {len(seen)} time codes could be read")
    return statistics.median(ages)


def sign_in(page: Page, running: Server) -> None:
    """Sign the bench's user in on the control room."""
    page.goto(f"http://127.0.0.1:{running.ports['web']}/")
    page.locator("input[name=username]").fill("bench")
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#queue-rows").wait_for()


def _raise_alarm(running: Server, channel: str) -> None:
    panel = enter_panels(running, 1, places=1)[0]
    zone = running.call("POST", f"/devices/{panel.device_id}/zones", {"number": ZONE, "name": "门", "name_en": "Door"})
    body = {"cameras": [channel], "version": zone["version"]}
    running.call("PUT", f"/devices/{panel.device_id}/zones/{ZONE}/cameras", body)
    send_one(running.ports["dc09"], panel, f"Nri1/PA{ZONE}")
