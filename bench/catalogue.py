"""Every bench by name."""

from __future__ import annotations

from bench import alarm_ingest, relay, sip_keepalive, start
from bench.report import Bench

BENCHES: dict[str, Bench] = {
    bench.name: bench for bench in (alarm_ingest.BENCH, sip_keepalive.BENCH, relay.BENCH, start.BENCH)
}
