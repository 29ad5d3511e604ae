"""Streams and an examiner for tests of picture health: what cameras show is what a test says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.picture_rules import FAULTS
from tocsin.domain.video import LiveState

LIVE = LiveState("live", codec="h264", width=1280, height=720)
JPEG = b"\xff\xd8\xff\xe0 a still \xff\xd9"


@dataclass
class ShownStreams:
    """Which streams run, and which cameras can be opened."""

    live: set[str] = field(default_factory=set)
    deaf: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)
    clock_ahead_ms: int | None = None

    def running(self) -> Mapping[str, LiveState]:
        return dict.fromkeys(self.live, LIVE)

    async def key_picture(self, channel: Channel, path: Path, *, may_open: bool) -> Mapping[str, Any]:
        if channel.id not in self.live:
            assert may_open
            self.opened.append(channel.id)
        if channel.id in self.deaf:
            raise TocsinError(ErrorCode.UNAVAILABLE, "silent", key="play.no_media")
        path.write_text(channel.id)
        return {"codec": "h264", "motion": 0.1, "clock_ahead_ms": self.clock_ahead_ms}


@dataclass
class SayingExaminer:
    """Says of each camera the ratios a test gives; the rest is fine."""

    faults: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    refuses: str = ""

    async def examine(self, question: dict[str, Any]) -> Mapping[str, Any]:
        self.asked.append(question)
        channel_id = Path(question["path"]).read_text()
        Path(question["path"]).unlink()
        if self.refuses:
            raise TocsinError(ErrorCode.UNAVAILABLE, "it is", key=self.refuses)
        ratios = {key: 0.2 for key in FAULTS if key != "clock"} | self.faults.get(channel_id, {})
        still = None
        if max(ratios.values()) >= 1:
            Path(question["still"]).parent.mkdir(parents=True, exist_ok=True)
            Path(question["still"]).write_bytes(JPEG)
            still = {"size_bytes": len(JPEG), "sha256": "00" * 32, "width": 640, "height": 360}
        return {"measures": {"mean": 100.0}, "ratios": ratios, "score": 80, "pictures": 5, "still": still}
