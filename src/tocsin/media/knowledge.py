"""What the streams of each channel turned out to be: which camera gives only its main one, and what is H.265.

A camera that ignores the choice sends the main picture for both: two pictures of one size are one stream.
"""

from __future__ import annotations

from typing import Final

from tocsin.base.clock import Clock
from tocsin.domain.directory import Channel
from tocsin.domain.streams import Known, Stream, channel_of_stream
from tocsin.media.link_words import StreamStats

MEANS_NO_SUB: Final = {"play.no_sub_stream": "no_sub_stream", "play.no_media": "sub_silent"}
BELIEVE_S: Final = 3600.0
BELIEVE_SILENCE_S: Final = 300.0


class StreamKnowledge:
    """Learned by watching; forgotten after an hour, or when the device registers anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._h265: dict[str, bool] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._main_only: dict[str, tuple[str, str, float]] = {}  # channel id -> device id, key of why, until when

    def of(self, channel: Channel) -> Known:
        """Return what is known of a channel."""
        reason = "no_sub_stream" if channel.has_sub is False else self.main_only(channel.id)
        return Known(reason, self._h265.get(channel.id), self._h265.get(f"{channel.id}~sub"))

    def main_only(self, channel_id: str) -> str:
        """Return the key of why a channel gives only its main stream, or an empty text."""
        found = self._main_only.get(channel_id)
        if found is None:
            return ""
        if self._clock.monotonic() >= found[2]:
            del self._main_only[channel_id]
            return ""
        return found[1]

    def is_main_only(self, channel: Channel, reason: str) -> None:
        """Remember for a while that a camera gives no sub stream of its own."""
        believe_s = BELIEVE_SILENCE_S if reason == "sub_silent" else BELIEVE_S
        self._main_only[channel.id] = (channel.device_id, reason, self._clock.monotonic() + believe_s)

    def device_returned(self, device_id: str) -> None:
        """Forget it: the device may have been set up differently."""
        for channel_id in [key for key, (owner, _, _) in self._main_only.items() if owner == device_id]:
            del self._main_only[channel_id]

    def heard(self, stream_id: str, mime: str) -> None:
        """Take the type of a stream."""
        if mime:
            self._h265[stream_id] = "hvc1" in mime or "hev1" in mime

    def measured(self, channel: Channel, stats: StreamStats) -> bool:
        """Take the size of a stream; True when a sub stream turns out to be the main one."""
        size = (stats.width, stats.height)
        if not all(size):
            return False
        self._sizes[stats.stream_id] = size
        is_sub = channel_of_stream(stats.stream_id)[1] is Stream.SUB
        return is_sub and self._sizes.get(channel.id) == size and not self.main_only(channel.id)
