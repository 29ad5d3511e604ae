"""How a media worker is started: its settings and its command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from tocsin.media.feed import FRAGMENT_MS
from tocsin.media.ports import RECEIVE_BUFFER_BYTES
from tocsin.media.recorder import RING_BYTES
from tocsin.media.viewer import MIN_QUEUE_BYTES


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is started with; `rtp_low` 0 and `port` 0 let the system choose."""

    socket_path: str
    host: str = "127.0.0.1"
    port: int = 0
    rtp_ip: str = "127.0.0.1"
    rtp_low: int = 0
    rtp_high: int = 0
    shared_port: int = -1
    transcodes: int = 1
    ffmpeg: str = "ffmpeg"
    fragment_ms: int = FRAGMENT_MS
    receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES
    viewer_queue_bytes: int = MIN_QUEUE_BYTES
    ring_bytes: int = RING_BYTES


def read_arguments(arguments: list[str]) -> WorkerSettings:
    """Read the command line of a worker."""
    parser = argparse.ArgumentParser(prog="tocsin.media.worker")
    parser.add_argument("--socket", required=True, help="Unix socket of the control process")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT of the picture port")
    parser.add_argument("--rtp-ip", default="127.0.0.1", help="address the RTP ports are bound to")
    parser.add_argument("--rtp-ports", default="0-0", help="LOW-HIGH; 0-0 lets the system choose")
    parser.add_argument("--rtp-shared-port", type=int, default=-1, help="one port for all streams; -1 none, 0 any")
    parser.add_argument("--transcodes", type=int, default=1, help="H.265 conversions at a time")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg program for conversions")
    parser.add_argument("--fragment-ms", type=int, default=FRAGMENT_MS, help="longest fragment, milliseconds")
    parser.add_argument("--receive-buffer", type=int, default=RECEIVE_BUFFER_BYTES, help="asked for per socket, bytes")
    parser.add_argument("--viewer-queue", type=int, default=MIN_QUEUE_BYTES, help="least queue of a viewer, bytes")
    parser.add_argument("--ring", type=int, default=RING_BYTES, help="most that waits in memory for events, bytes")
    found = parser.parse_args(arguments)
    host, _, port = str(found.listen).rpartition(":")
    low, _, high = str(found.rtp_ports).partition("-")
    return WorkerSettings(
        found.socket,
        host.strip("[]") or "127.0.0.1",
        int(port),
        found.rtp_ip,
        int(low),
        int(high),
        found.rtp_shared_port,
        found.transcodes,
        found.ffmpeg,
        found.fragment_ms,
        found.receive_buffer,
        found.viewer_queue,
        found.ring,
    )
