"""A server with one recorder of many channels, all in service: the stage for the picture benches."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from bench.harness import Server, server

GB_ID = "34020000001180000001"
PASSWORD = "bench-recorder-2611"  # noqa: S105  of a throw-away server on loopback
COMMISSION_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and the channels it can show."""

    running: Server
    channels: list[str]

    def open_view(self, channel: str) -> tuple[str, str]:
        """Open a view of one channel; return its live URL and its id."""
        view = self.running.call("POST", "/views", {"channels": [channel], "purpose": "drill", "minutes": 30})
        return urljoin(f"ws://127.0.0.1:{self.running.ports['media']}/", view["live"][channel]), view["id"]


@contextlib.contextmanager
def recorder(plan: Mapping[str, object], extra: Mapping[str, str] | None = None) -> Iterator[tuple[Server, str, str]]:
    """Start a server and a recorder by `plan` (see bench/cameras.py); yield the server, the device's id, the town's."""
    with server(extra=extra) as running:
        town = running.call("GET", "/jurisdictions")["items"][0]
        defaults = {"owner": "Bench", "purpose": "measuring"}
        running.call("PATCH", f"/jurisdictions/{town['id']}", {"defaults": defaults, "version": town["version"]})
        place = running.call(
            "POST", "/places", {"jurisdiction_id": town["id"], "name": "机房", "name_en": "Room", "class": "other"}
        )
        device = running.call(
            "POST",
            "/devices",
            {
                "kind": "platform",
                "protocol": "gb28181",
                "name": "录像机",
                "name_en": "Recorder",
                "jurisdiction_id": town["id"],
                "place_id": place["id"],
                "address": {"gb_id": GB_ID},
            },
        )
        running.call("PUT", f"/devices/{device['id']}/secret", {"password": PASSWORD})
        cameras = subprocess.Popen(
            [sys.executable, "-m", "bench.cameras"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert cameras.stdin is not None
        assert cameras.stdout is not None
        try:
            given = {"sip_port": running.ports["sip"], "gb_id": GB_ID, "password": PASSWORD, **plan}
            cameras.stdin.write(json.dumps(given).encode() + b"\n")
            cameras.stdin.flush()
            if cameras.stdout.readline().strip() != b"ready":
                raise RuntimeError("the recorder did not come on line")
            yield running, str(device["id"]), str(town["id"])
        finally:
            cameras.stdin.close()
            cameras.wait(20)


@contextlib.contextmanager
def stage(
    channels: int,
    *,
    live: bool,
    width: int = 1280,
    height: int = 720,
    bitrate_bps: int = 2_000_000,
    extra: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Start a server and a recorder with `channels`; `live` encodes each picture when due, else a loop is replayed."""
    plan = {"channels": channels, "bitrate_bps": bitrate_bps, "live": live, "width": width, "height": height}
    with recorder(plan, extra) as (running, _, town_id):
        yield Stage(running, _commission(running, town_id, channels))


def _commission(running: Server, jurisdiction_id: str, channels: int) -> list[str]:
    deadline = time.monotonic() + COMMISSION_TIMEOUT_S
    while time.monotonic() < deadline:
        found = list(running.every("/cameras"))
        if len(found) >= channels:
            running.call("POST", "/cameras/commission", {"jurisdiction_id": jurisdiction_id})
            return [str(camera["id"]) for camera in found]
        time.sleep(0.2)
    raise RuntimeError(f"only {len(found)} of {channels} channels arrived")
