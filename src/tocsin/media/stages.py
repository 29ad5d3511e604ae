"""The streams of one worker by name, and how it tells the control process what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tocsin.media.stage import Stage
from tocsin.media.wire import Message, Refused


class Stages:
    """A stage exists while it has a source, viewers, forwards or a recorder."""

    def __init__(self, fragment_ms: int, say: Callable[[Message], None]) -> None:
        self._fragment_ms = fragment_ms
        self._say = say
        self._by_id: dict[str, Stage] = {}

    def __iter__(self) -> Iterator[Stage]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, stream_id: str) -> Stage | None:
        """Return a stage; None when nobody sends or watches it."""
        return self._by_id.get(stream_id)

    def open(self, stream_id: str) -> Stage:
        """Return a stage, a new one when there is none."""
        stage = self._by_id.get(stream_id)
        if stage is None:
            stage = self._by_id[stream_id] = Stage(stream_id, fragment_ms=self._fragment_ms)
        return stage

    def named_in(self, message: Message) -> Stage:
        """Return the stage a request names. Errors: Refused."""
        stage = self._by_id.get(str(message["stream_id"]))
        if stage is None:
            raise Refused("not_found", "no such stream")
        return stage

    @property
    def sending(self) -> int:
        """How many have a source."""
        return sum(stage.source is not None for stage in self._by_id.values())

    @property
    def converting(self) -> int:
        """How many are converted for somebody."""
        return sum(stage.transcoder is not None for stage in self._by_id.values())

    def drop_if_empty(self, stage: Stage) -> None:
        """Forget a stage nobody needs."""
        is_used = stage.viewers or stage.forwards or stage.transcoder is not None or stage.recorder is not None
        if stage.source is None and not is_used:
            self._by_id.pop(stage.stream_id, None)

    def event(self, name: str, stream_id: str, **content: object) -> None:
        """Tell the control process."""
        self._say({"event": name, "stream_id": stream_id, **content})
