"""Registered devices in memory: one slotted object each, and the bridge from timelines to attempts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.domain.attempts import Attempt, AttemptKind, AttemptOutcome, Step
from tocsin.domain.devices import DeviceReports
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.timeline import StepState, Timeline
from tocsin.protocols.sip.codes import Transport

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_device_clock import ClockKnown


class RegisteredDevice:
    """A device that registered, and where it was last heard. Times are monotonic seconds."""

    __slots__ = (
        "charset",
        "clock",
        "device_id",
        "expires_at",
        "faulty",
        "gb_id",
        "granted_at",
        "host",
        "host_bytes",
        "keepalive_s",
        "last_seen",
        "link",
        "port",
        "reported_at",
        "transport",
        "version",
    )

    def __init__(self, gb_id: str, device_id: str, peer: Peer, keepalive_s: int, version: str) -> None:
        self.gb_id = gb_id
        self.device_id = device_id
        self.keepalive_s = keepalive_s
        self.version = sys.intern(version)
        self.expires_at = 0.0
        self.last_seen = 0.0
        self.reported_at = 0.0
        self.granted_at = 0.0
        self.charset = ""
        self.clock: ClockKnown | None = None
        self.faulty: tuple[str, ...] = ()
        self.host = ""
        self.host_bytes = b""
        self.move(peer)

    def move(self, peer: Peer) -> None:
        """Take over the observed source as the address to answer to."""
        if self.host != peer.host:
            self.host = sys.intern(peer.host)
            self.host_bytes = peer.host.encode("ascii", "replace")
        self.port = peer.port
        self.transport = peer.transport
        self.link = peer.link

    @property
    def peer(self) -> Peer:
        """Where requests to the device go."""
        return Peer(self.host, self.port, self.transport, self.link)

    def silent_after_s(self, misses: int) -> float:
        """How long it may be silent; an absurd interval counts as a minute."""
        interval_s = self.keepalive_s if 5 <= self.keepalive_s <= 3600 else 60
        return float(misses * interval_s)


class DeviceTable:
    """Registered devices by GB/T 28181 id and by our id."""

    def __init__(self) -> None:
        self.by_gb_id: dict[str, RegisteredDevice] = {}
        self._by_id: dict[str, RegisteredDevice] = {}

    def __len__(self) -> int:
        return len(self.by_gb_id)

    def __iter__(self) -> Iterator[RegisteredDevice]:
        return iter(list(self.by_gb_id.values()))

    def get(self, gb_id: str) -> RegisteredDevice | None:
        """Return a registered device by its GB/T 28181 id."""
        return self.by_gb_id.get(gb_id)

    def by_id(self, device_id: str) -> RegisteredDevice | None:
        """Return a registered device by our id."""
        return self._by_id.get(device_id)

    def add(self, device: RegisteredDevice) -> None:
        """Keep a device."""
        self.by_gb_id[device.gb_id] = device
        self._by_id[device.device_id] = device

    def remove(self, device: RegisteredDevice) -> None:
        """Forget a device."""
        self.by_gb_id.pop(device.gb_id, None)
        self._by_id.pop(device.device_id, None)

    def on_link(self, link: int) -> list[RegisteredDevice]:
        """Return the devices of a TCP connection."""
        return [found for found in self if found.transport is Transport.TCP and found.link == link]


class AttemptLog:
    """Turns finished timelines into attempts."""

    def __init__(self, reports: DeviceReports, clock: Clock) -> None:
        self._reports = reports
        self._clock = clock

    def begin(self) -> Timeline:
        """Start a timeline now."""
        return Timeline(self._clock.monotonic())

    def finish(
        self, kind: AttemptKind, device_id: str, timeline: Timeline, *, is_ok: bool, channel_id: str | None = None
    ) -> None:
        """Report an attempt that is over."""
        ended_at = self._clock.now()
        self._reports.attempt(
            Attempt(
                id=new_id(),
                device_id=device_id,
                channel_id=channel_id,
                kind=kind,
                started_at=self.moment(timeline.started_s),
                ended_at=ended_at,
                outcome=AttemptOutcome.OK if is_ok else AttemptOutcome.FAILED,
                failure="" if is_ok else timeline.failure,
                steps=tuple(
                    Step(step.key, step.state, step.elapsed_ms, dict(step.params))
                    for step in timeline.steps
                    if step.state is not StepState.WAITING
                ),
            )
        )

    def moment(self, monotonic_s: float) -> datetime:
        """Return the wall-clock time of a monotonic one."""
        return self._clock.now() - timedelta(seconds=max(0.0, self._clock.monotonic() - monotonic_s))
