"""Every bench by name."""

from __future__ import annotations

from bench import (
    alarm_ingest,
    alarm_to_screen,
    camera_registry,
    first_picture,
    gb_catalogue,
    gb_devices,
    many_panels,
    picture_health,
    recording,
    recording_index,
    relay,
    relay_core,
    rules_dry_run,
    seek,
    sip_keepalive,
    start,
    terminals,
    wall,
    whole_city,
)
from bench.report import Bench

BENCHES: dict[str, Bench] = {
    bench.name: bench
    for bench in (
        alarm_ingest.BENCH,
        terminals.BENCH,
        many_panels.BENCH,
        alarm_to_screen.BENCH,
        sip_keepalive.BENCH,
        gb_devices.BENCH,
        gb_catalogue.BENCH,
        relay.BENCH,
        relay_core.BENCH,
        recording.BENCH,
        recording_index.BENCH,
        first_picture.BENCH,
        seek.BENCH,
        camera_registry.BENCH,
        start.BENCH,
        wall.BENCH,
        picture_health.BENCH,
        rules_dry_run.BENCH,
        whole_city.BENCH,
    )
}
