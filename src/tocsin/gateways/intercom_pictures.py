"""Pictures that door calls bring themselves: a channel for each intercom that shows one, while its call lasts.

The receiver is opened with the call, because its port stands in our answer, and held to the end whether anybody looks
or not; who looks has a view like any other. Its channel is named by the intercom's device, which makes one call at a
time. A picture that was lost does not come back in the same call.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.streams import Stream
from tocsin.domain.video import Endpoint, LiveSession, MediaPorts

log = structlog.get_logger(__name__)

MAX_PICTURES: Final = 64
OPEN_WITHIN_S: Final = 1.5


class Tracks(Protocol):
    """Who receives bare H.264."""

    async def open_track(self, stream_id: str, *, peer_ip: str, payload_type: int) -> Endpoint:
        """Open a receiver; return where the intercom has to send. Errors: UNAVAILABLE."""


class Streams(Protocol):
    """Who keeps streams coming and shows them."""

    def hold(self, channel: Channel, stream: str = Stream.MAIN) -> None:
        """Keep a stream coming until it is released."""

    def release(self, stream_id: str) -> None:
        """Let it end."""

    def source_ended(self, stream_id: str, reason: str) -> None:
        """Hear that its source ended."""

    def device_registered(self, device_id: str) -> None:
        """Try at once what waits for a device."""


class _Session:
    """A picture that comes by itself: nobody is to be told to stop."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id

    async def close(self, reason: str) -> None:
        """The call ends it."""


class _Shown:
    """The picture of one call."""

    def __init__(self, channel: Channel, peer_ip: str, payload_type: int) -> None:
        self.channel = channel
        self.peer_ip = peer_ip
        self.payload_type = payload_type
        self.endpoint: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()


class CallPictures:
    """The pictures of the calls under way. Implements `LiveSource` for their channels."""

    def __init__(self, tracks: Tracks | None, streams: Streams) -> None:
        """`tracks` None: pictures pass through another server, and calls bring none."""
        self._tracks = tracks
        self._streams = streams
        self._shown: dict[str, _Shown] = {}

    def __len__(self) -> int:
        return len(self._shown)

    def channel(self, channel_id: str) -> Channel | None:
        """Return the channel of a call under way, or None."""
        shown = self._shown.get(channel_id)
        return shown.channel if shown is not None else None

    def expect(self, channel: Channel, *, peer_ip: str, payload_type: int) -> bool:
        """Make a channel for the picture of a call; False when we show none, or too many already."""
        if self._tracks is None or len(self._shown) >= MAX_PICTURES:
            return False
        self._shown[channel.id] = _Shown(channel, peer_ip, payload_type)
        return True

    async def open(self, device_id: str) -> Endpoint | None:
        """Return where the intercom has to send its picture; None when it cannot be received."""
        shown = self._shown.get(device_id)
        if shown is None:
            return None
        self._streams.hold(shown.channel)
        self._streams.device_registered(device_id)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                return await asyncio.shield(shown.endpoint)
        except TimeoutError:
            log.warning("no receiver for the picture of a call", device_id=device_id)
            if self._shown.get(device_id) is shown:
                self.release(device_id)
            return None

    def release(self, device_id: str) -> None:
        """End the picture with its call; ending it twice is no error."""
        shown = self._shown.pop(device_id, None)
        if shown is not None:
            shown.endpoint.cancel()
            self._streams.release(device_id)
            self._streams.source_ended(device_id, "call_over")

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = Stream.MAIN) -> LiveSession:
        """Open the receiver of a call's picture. Errors: UNAVAILABLE, also when it was open before and is lost."""
        shown = self._shown.get(channel.id)
        if stream == Stream.SUB:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no sub stream", key="play.no_sub_stream")
        if shown is None or self._tracks is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the call is over", key="call.over")
        if shown.endpoint.done():
            raise TocsinError(ErrorCode.UNAVAILABLE, "the picture stopped", key="call.picture_lost")
        endpoint = await self._tracks.open_track(channel.id, peer_ip=shown.peer_ip, payload_type=shown.payload_type)
        if not shown.endpoint.done():
            shown.endpoint.set_result(endpoint)
        return _Session(channel.id)
