"""Devices that listen without a network, for the rules of speaking."""

from __future__ import annotations

import asyncio
from datetime import datetime

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.speaking import TalkPorts


class Listening:
    """A device that listens until somebody hangs up."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def close(self, reason: str) -> None:
        self.closed.append(reason)

    async def wait_ended(self) -> str:
        return await asyncio.shield(self._end)

    def hang_up(self) -> None:
        self._end.set_result("ended_by_camera")


class DeafLine:
    """`VoiceLine` and `TalkPorts` that answer at once, or refuse with `refusal`, or wait for `gate`."""

    def __init__(self) -> None:
        self.lines: list[Listening] = []
        self.asked: list[str] = []
        self.closed: list[tuple[str, str]] = []
        self.refusal = ""
        self.gate: asyncio.Event | None = None

    async def open_talk(self, channel: Channel, talk_id: str, media: TalkPorts) -> Listening:  # type: ignore[override]
        self.asked.append(channel.id)
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal:
            raise TocsinError(ErrorCode.UNAVAILABLE, "refused", key=self.refusal)
        self.lines.append(Listening())
        return self.lines[-1]

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        return f"ws://127.0.0.1:1/talk/{talk_id}?ticket={ticket}"

    async def close_talk(self, talk_id: str, reason: str) -> None:
        self.closed.append((talk_id, reason))

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        raise AssertionError("the gateway's business")

    async def start_talk(self, talk_id: str) -> None:
        raise AssertionError("the gateway's business")
