"""What the house says to those who bring pictures: gateways open sources, media receives and serves them.

Source: design note 0001, media borders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from tocsin.domain.directory import Channel


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where media arrives: an address of ours and its port."""

    ip: str
    port: int


class MediaPorts(Protocol):
    """Receivers of media; `stream_id` is the channel id, `<channel>~sub` for a sub stream (one upstream each)."""

    async def open_receiver(
        self,
        stream_id: str,
        transport: str,
        *,
        ssrc: int | None,
        peer_ip: str | None,
        audio: bool = False,
        loss: str = "drop",
    ) -> Endpoint:
        """Open a receiver for `udp`, `tcp_passive` or `tcp_active`; `ssrc` None identifies by port or connection."""

    async def open_rtsp(
        self,
        stream_id: str,
        url: str,
        *,
        username: str = "",
        password: str = "",
        transport: str = "tcp",
        audio: bool = False,
        loss: str = "drop",
        certificate: str = "",
    ) -> Mapping[str, object]:
        """Pull a picture from a server of RTSP; return what was agreed (`transport`, `codec`).

        `certificate` is the accepted fingerprint of an address of rtsps.
        """

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        """Connect to a device that listens (`tcp_active`)."""

    async def first_packet(self, stream_id: str, timeout_s: float) -> bool:
        """Wait for media; False when none arrived in time."""

    async def close_receiver(self, stream_id: str) -> None:
        """Close the receiver; closing twice is no error."""


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """Where a picture is sent on to: `udp`, `tcp_active` (we connect) or `tcp_passive` (we listen)."""

    mode: str
    ip: str
    port: int
    ssrc: int


class LiveSession(Protocol):
    """A picture that is being delivered."""

    stream_id: str

    async def close(self, reason: str) -> None:
        """Ask the device to stop."""


class LiveSource(Protocol):
    """Asks a device for the picture of a channel."""

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = "main") -> LiveSession:
        """Return once media of the main or sub stream arrives under `streams.stream_id_of(channel.id, stream)`.

        Errors: UNAVAILABLE with the key of what failed, `play.no_sub_stream` when the camera has none.
        """


OF_CALL: Final = "call"


class RoutedSource:
    """Asks the source of a device's protocol: the one place that knows there are several."""

    def __init__(self, protocol_of: Callable[[str], str], default: LiveSource) -> None:
        """`protocol_of` takes a device id; `default` serves what no other source was added for."""
        self._protocol_of = protocol_of
        self._default = default
        self._sources: dict[str, LiveSource] = {}

    def add(self, protocol: str, source: LiveSource) -> None:
        """Let a source serve the devices of a protocol."""
        self._sources[protocol] = source

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = "main") -> LiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        name = OF_CALL if channel.is_of_call else self._protocol_of(channel.device_id)
        source = self._sources.get(name, self._default)
        return await source.open_live(channel, media, stream)


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a picture is doing; `state` is idle, starting, live, stale or failed, `reason` a message key.

    `stream` is the one these figures are of; `main_only` the key of why the camera gives no sub stream.
    """

    state: str = "idle"
    reason: str = ""
    viewers: int = 0
    codec: str = ""
    width: int = 0
    height: int = 0
    bitrate_bps: int = 0
    loss_share: float = 0.0
    last_frame_at: datetime | None = None
    converted: bool = False
    key_interval_ms: int = 0
    stream: str = "main"
    main_only: str = ""
    strangers: int = 0  # packets from other senders than the camera, dropped
    kernel_drops: int = 0  # packets that arrived and found us too slow
    late: int = 0  # packets that came after their turn
    resyncs: int = 0  # times the start of a packet had to be searched for


@dataclass(frozen=True, slots=True)
class LiveAddress:
    """Where a viewer finds a picture; `stream` is the one shown, `reason` the key of why another was asked for."""

    url: str
    stream: str = "main"
    reason: str = ""


class PictureService(Protocol):
    """What views and the web ask of media."""

    async def open_view(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...],
        audio: bool,
        is_alarm: bool = False,
        stream: str = "main",
    ) -> LiveAddress:
        """Return the live URL; the upstream is started at once, the picture is not waited for."""

    async def renew_view(self, view_id: str, expires_at: datetime) -> None:
        """Let the pictures of a view go on until another time."""

    async def end_view(self, view_id: str, reason: str) -> None:
        """End every picture of a view."""

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        """Return how a stream of a channel is doing; without `stream` the main one, the sub one if only that runs."""
