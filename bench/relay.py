"""relay: 2 Mbit/s H.264 in PS over RTP and UDP, a key frame each second, to one draining viewer each.

`seen`: from the camera's sending of a picture to the viewer's reading, both beside the server on the same cores.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping

from bench.harness import cpu_s, pss_mb
from bench.recorder import stage
from bench.report import Bench

STREAMS = 150
SETTLE_S = 4.0


def run(seconds: float) -> Mapping[str, float]:
    """Measure CPU seconds of all the server's processes, and the worker's memory, while every stream is watched."""
    with stage(STREAMS, live=False) as ready:
        running = ready.running
        idle_mb = sum(pss_mb(pid) for pid in running.worker_pids())
        urls = [ready.open_view(channel)[0] for channel in ready.channels]
        viewers = subprocess.Popen(
            [sys.executable, "-m", "bench.viewers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert viewers.stdin is not None
        assert viewers.stdout is not None

        def ask(line: bytes) -> bytes:
            assert viewers.stdin is not None
            assert viewers.stdout is not None
            viewers.stdin.write(line + b"\n")
            viewers.stdin.flush()
            return viewers.stdout.readline()

        ask(json.dumps(urls).encode())
        time.sleep(SETTLE_S)
        before, cpu_before, at = json.loads(ask(b"?")), cpu_s(running.pids), time.monotonic()
        worker_before = cpu_s(running.worker_pids())
        time.sleep(seconds)
        after, used_s, worker_s = (
            json.loads(ask(b"?")),
            cpu_s(running.pids) - cpu_before,
            cpu_s(running.worker_pids()) - worker_before,
        )
        elapsed_s = time.monotonic() - at
        memory_mb = sum(pss_mb(pid) for pid in running.worker_pids())
        viewers.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            viewers.wait(5)
        playing = after["playing"]
        return {
            "streams_per_core_one_viewer": playing * elapsed_s / used_s,
            "streams_per_core_worker_alone": playing * elapsed_s / worker_s,
            "mb_per_stream": memory_mb / max(1, playing),
            "worker_mb_idle": idle_mb,
            "playing": playing,
            "mbit_per_s_out": (after["bytes"] - before["bytes"]) * 8 / elapsed_s / 1e6,
            "gaps": after["gaps"] - before["gaps"],
            "seen_p50_ms": after["delay_p50_ms"],
            "seen_p95_ms": after["delay_p95_ms"],
        }


BENCH = Bench(
    "relay",
    f"{STREAMS} cameras of 2 Mbit/s H.264 (PS over RTP and UDP, key frame each second), each with one draining viewer",
    run,
    {
        "streams_per_core_one_viewer": {"at_least": 300},
        "mb_per_stream": {"at_most": 0.5},
        "playing": {"at_least": STREAMS},
    },
    seconds=15.0,
)
