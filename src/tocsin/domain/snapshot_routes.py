"""Which way a camera is asked for snapshots: by the protocol of its device."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.snapshots import SnapshotLine


class RoutedSnapshots:
    """Asks the line of a device's protocol. Implements `SnapshotLine`."""

    def __init__(self, protocol_of: Callable[[str], str], default: SnapshotLine) -> None:
        """`protocol_of` takes a device id; `default` serves what no other line was added for."""
        self._protocol_of = protocol_of
        self._default = default
        self._lines: dict[str, SnapshotLine] = {}

    def add(self, protocol: str, line: SnapshotLine) -> None:
        """Let a line serve the devices of a protocol."""
        self._lines[protocol] = line

    def snapshot_problem(self, channel: Channel) -> str:
        """Return the key of why this camera cannot be asked; empty when it can."""
        return self._of(channel).snapshot_problem(channel)

    async def ask_snapshots(
        self, channel: Channel, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        """Ask for pictures."""
        return await self._of(channel).ask_snapshots(channel, session, count, interval_s, url)

    def _of(self, channel: Channel) -> SnapshotLine:
        return self._lines.get(self._protocol_of(channel.device_id), self._default)


class NoSnapshots:
    """The line of cameras that have none."""

    def snapshot_problem(self, channel: Channel) -> str:
        """Say that this camera has none."""
        return "snapshot.not_possible"

    async def ask_snapshots(
        self, channel: Channel, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        """Refuse."""
        return CommandOutcome.REFUSED
