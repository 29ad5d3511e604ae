"""relay-core: a worker alone, over each transport: what a core carries, and what it adds to the age of a picture."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.harness import cpu_s
from bench.report import Bench
from tocsin.base.clock import SystemClock
from tocsin.media.delay import percentile_s
from tocsin.media.link import MediaLink
from tocsin.media.link_words import MediaSettings

STREAMS = 150
SETTLE_S = 3.0
TRANSPORTS = ("udp", "tcp_passive", "tcp_active")
PICTURE = {"bitrate_bps": 2_000_000, "width": 1280, "height": 720}


def run(seconds: float) -> Mapping[str, float]:
    """Measure each transport with a worker of its own."""
    values: dict[str, float] = {"streams": STREAMS}
    for transport in TRANSPORTS:
        values |= asyncio.run(measure(transport, STREAMS, seconds))
    values["delay_p95_ms"] = max(values[f"delay_p95_ms_{transport}"] for transport in TRANSPORTS)
    return values


async def measure(transport: str, streams: int, seconds: float) -> Mapping[str, float]:
    """Return the figures of one transport: without viewers, then with one draining viewer each."""
    async with _worker(transport, streams) as (link, names):
        pid = link.health()[0].pid
        await asyncio.sleep(SETTLE_S)
        inward_s, in_elapsed_s, _ = await _used(link, pid, seconds)
        until = datetime.now(UTC) + timedelta(hours=1)
        urls = []
        for name in names:
            path = await link.ticket(stream_id=name, ticket=f"t-{name}", viewer_id=name, view_id="v", expires_at=until)
            urls.append(f"ws://127.0.0.1:{link.viewer_port(name)}{path}")
        viewers = await child("bench.viewers", json.dumps(urls))
        await asyncio.sleep(SETTLE_S)
        await _ask(viewers)
        waited_s = _waited_s(pid)
        outward_s, out_elapsed_s, worker_ms = await _used(link, pid, seconds)
        waited_s = _waited_s(pid) - waited_s
        seen = await _ask(viewers)
        rows = await link.stats()
        await end(viewers)
    return {
        f"streams_per_core_in_{transport}": streams * in_elapsed_s / inward_s,
        f"streams_per_core_one_viewer_{transport}": streams * out_elapsed_s / outward_s,
        f"delay_p95_ms_{transport}": worker_ms,
        f"seen_p50_ms_{transport}": seen["delay_p50_ms"],
        f"seen_p95_ms_{transport}": seen["delay_p95_ms"],
        f"waited_share_{transport}": waited_s / out_elapsed_s,
        f"playing_{transport}": seen["playing"],
        f"lost_{transport}": sum(row.lost for row in rows),
    }


def _waited_s(pid: int) -> float:
    """Return how long a process was ready to run and others had the cores: what no program can answer for."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


async def _used(link: MediaLink, pid: int, seconds: float) -> tuple[float, float, float]:
    """Return the worker's CPU seconds, the time that passed, and its own p95 delay in ms."""
    loop = asyncio.get_running_loop()
    before, cpu_before, at_s = link.figures().delays, cpu_s([pid]), loop.time()
    await asyncio.sleep(seconds)
    used_s, elapsed_s = cpu_s([pid]) - cpu_before, loop.time() - at_s
    counts = [now - then for now, then in zip(link.figures().delays, before, strict=True)]
    return used_s, elapsed_s, percentile_s(counts, 0.95) * 1000


@asynccontextmanager
async def _worker(transport: str, streams: int) -> AsyncIterator[tuple[MediaLink, list[str]]]:
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        link = MediaLink(MediaSettings(Path(folder), port=0, rtp_low=0, rtp_high=0), SystemClock())
        await link.start()
        senders = None
        try:
            names = [f"cam{number}" for number in range(streams)]
            ports = []
            for number, name in enumerate(names):
                endpoint = await link.open_receiver(name, transport, ssrc=number + 1, peer_ip="127.0.0.1")
                ports.append(endpoint.port)
            senders = await child("bench.streams", json.dumps({"transport": transport, "ports": ports, **PICTURE}))
            assert senders.stdout is not None
            for name, port in zip(names, json.loads(await senders.stdout.readline()), strict=False):
                await link.connect(name, "127.0.0.1", port)
            yield link, names
        finally:
            if senders is not None:
                await end(senders)
            await link.stop()


async def child(module: str, line: str) -> asyncio.subprocess.Process:
    """Start a helper of a bench and give it its plan."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    assert made.stdin is not None
    made.stdin.write(line.encode() + b"\n")
    await made.stdin.drain()
    if module == "bench.viewers":
        assert made.stdout is not None
        await made.stdout.readline()
    return made


async def _ask(viewers: asyncio.subprocess.Process) -> dict[str, float]:
    assert viewers.stdin is not None
    assert viewers.stdout is not None
    viewers.stdin.write(b"?\n")
    await viewers.stdin.drain()
    answer: dict[str, float] = json.loads(await viewers.stdout.readline())
    return answer


async def end(helper: asyncio.subprocess.Process) -> None:
    """Let a helper end; after 10 s, by force."""
    assert helper.stdin is not None
    helper.stdin.close()
    try:
        async with asyncio.timeout(10):
            await helper.wait()
    except TimeoutError:
        helper.kill()
        await helper.wait()


BENCH = Bench(
    "relay-core",
    f"{STREAMS} streams of 2 Mbit/s (PS over RTP, key frame each second) into one worker, over UDP and TCP either way, "
    "then with one draining viewer each; `delay` from a picture's last packet to the write for its viewer as the "
    "worker measures it, `seen` from the camera's sending to the viewer's reading, all on the same two cores",
    run,
    {
        **{f"streams_per_core_in_{transport}": {"at_least": 500} for transport in TRANSPORTS},
        **{f"streams_per_core_one_viewer_{transport}": {"at_least": 350} for transport in TRANSPORTS},
        "delay_p95_ms": {"at_most": 20},
    },
    seconds=10.0,
)
