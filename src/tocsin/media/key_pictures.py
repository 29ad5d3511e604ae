"""The last key picture of a stream as a file, for the picture worker: the verb `key_picture` of a media worker.

Source: design note 0021.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.base.clock import Clock
from tocsin.media.stages import Stages
from tocsin.media.wire import Message, Refused
from tocsin.protocols.rtp.nal import START_CODE
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.tracks import TrackReceiver

MAX_AGE_MS: Final = 60_000.0
_CODECS: Final = {int(StreamType.H264): "h264", int(StreamType.H265): "h265"}


class KeyPictureVerbs:
    """Writes a key picture with its parameter sets, Annex B, to a path of the run folder that only the house reads."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self._stages = stages
        self._clock = clock

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {"key_picture": self._key_picture}

    async def _key_picture(self, message: Message) -> object:
        stage = self._stages.named_in(message)
        feed = stage.feed
        found = feed.key_picture()
        age_ms = self._clock.monotonic() * 1000.0 - feed.last_key_ms
        if found is None or age_ms > MAX_AGE_MS:
            raise Refused("no_key_picture", "the stream has sent no key picture of late")
        units, motion = found
        data = START_CODE + START_CODE.join(units)
        handle = os.open(str(message["path"]), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        receiver = stage.source.receiver if stage.source is not None else None
        ahead_ms = receiver.wall_ahead_ms if isinstance(receiver, TrackReceiver) else None
        return {
            "codec": _CODECS.get(feed.codec, ""),
            "age_ms": round(age_ms),
            "motion": motion,
            "clock_ahead_ms": None if ahead_ms is None else round(ahead_ms),
        }
