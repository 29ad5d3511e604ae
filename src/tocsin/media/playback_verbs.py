"""What the control process asks of a recording's stream: to follow a seek or a speed, to keep it in a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from tocsin.base.clock import Clock
from tocsin.media.playback_feed import PlaybackFeed
from tocsin.media.recording_file import RecordingFile
from tocsin.media.stage import Stage
from tocsin.media.wire import Message


class PlaybackVerbs:
    """The verbs `playback`, `save` and `saved` of a worker."""

    def __init__(self, stage_of: Callable[[str], Stage | None], clock: Clock) -> None:
        self._stage_of = stage_of
        self._clock = clock

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {"playback": self._playback, "save": self._save, "saved": self._saved}

    async def _playback(self, message: Message) -> object:
        stage, feed = self._found(message)
        now_ms = self._clock.monotonic() * 1000.0
        act = message["act"]
        if act == "hold":
            feed.hold()
        elif act == "start":
            scale = message.get("scale")
            feed.line.start(float(message["record_ms"]), now_ms, scale=None if scale is None else float(scale))
        elif act == "pace":
            feed.line.pace(float(message["scale"]))
        elif act in ("pause", "resume"):
            feed.line.pause(act == "pause")
            if stage.source is not None and stage.source.last_packet_ms >= 0:
                stage.source.last_packet_ms = now_ms
        else:
            raise ValueError(f"no act {act}")
        return {}

    async def _save(self, message: Message) -> object:
        _, feed = self._found(message)
        feed.line.keeps_pace = True
        if isinstance(feed.file, RecordingFile):
            feed.file.discard()  # the transport before brought nothing
        path, max_bytes = Path(str(message["path"])), int(message["max_bytes"])
        feed.file = RecordingFile(path, max_bytes, is_bare=bool(message.get("is_bare")))
        return {}

    async def _saved(self, message: Message) -> object:
        _, feed = self._found(message)
        file, feed.file = feed.file, None
        if not isinstance(file, RecordingFile):
            raise ValueError("no file is being written")
        if message.get("keep"):
            return file.finish()
        file.discard()
        return {}

    def _found(self, message: Message) -> tuple[Stage, PlaybackFeed]:
        stage = self._stage_of(str(message["stream_id"]))
        if stage is None or not isinstance(stage.feed, PlaybackFeed):
            raise ValueError("no such recording")
        return stage, stage.feed
