"""One picture or recording that a simulated upper platform has open: the call, its steering, and what arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tocsin.protocols.gb28181.mansrtsp import Steered, Steering, read_steered, steering_body
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.receiver import Receiver
from tocsin.protocols.sip.dialog import InviteClient
from tocsin.protocols.sip.message import Response
from tocsin.protocols.sip.sdp import Answer

if TYPE_CHECKING:
    from tocsin.sim.platform import SimPlatform


class SimView:
    """One picture from a lower platform: the call, and what arrived."""

    def __init__(self, platform: SimPlatform, client: InviteClient, peer: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        self.client = client
        self.peer = peer
        self.status = 0
        self.provisional: list[int] = []
        self.answer: Answer | None = None
        self.response: Response | None = None
        self.packets = 0
        self.pictures = 0
        self.keys = 0
        self.ssrcs: set[int] = set()
        self.is_ended = False
        self.ended_by_lower = False
        self.ends_told = 0
        self.steerings = 0
        self._platform = platform
        self._receiver = Receiver(wants_audio=False)
        self._settled: asyncio.Future[int] = loop.create_future()
        self.changed = asyncio.Event()
        self.closers: list[Callable[[], None]] = []

    async def settled(self) -> int:
        """Wait for the outcome; 200, the refusal, or 0 for silence."""
        return await asyncio.shield(self._settled)

    async def wait_pictures(self, count: int = 1, timeout_s: float = 10.0) -> bool:
        """Wait until so many pictures arrived."""
        return await self._wait(lambda: self.pictures >= count, timeout_s)

    async def wait_ended(self, timeout_s: float = 10.0) -> bool:
        """Wait until the call is over."""
        return await self._wait(lambda: self.is_ended, timeout_s)

    async def wait_ends_told(self, timeout_s: float = 10.0) -> bool:
        """Wait until the end of the recording was told."""
        return await self._wait(lambda: self.ends_told > 0, timeout_s)

    async def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True

    def hang_up(self) -> None:
        """Say BYE."""
        self._platform.perform(self, self.client.cancel(self._platform.now()))

    async def steer(self, steering: Steering) -> tuple[int, Steered | None]:
        """Pause, go on, go elsewhere, go faster; return the status and what the lower platform says it does."""
        self.steerings += 1
        response = await self._platform.inform(self, steering_body(steering, self.steerings))
        return (0, None) if response is None else (response.status, read_steered(response.body))

    def arrived(self, packet: bytes) -> None:
        """Take one RTP packet."""
        self.packets += 1
        self.ssrcs.add(int.from_bytes(packet[8:12], "big"))
        for unit in self._receiver.receive(packet, self._platform.now() * 1000.0):
            if isinstance(unit, AccessUnit):
                self.pictures += 1
                self.keys += unit.is_key
        self.changed.set()

    def settle(self, status: int) -> None:
        """Note the outcome."""
        self.status = status
        if not self._settled.done():
            self._settled.set_result(status)
        self.changed.set()

    def close(self) -> None:
        """Stop receiving."""
        for closer in self.closers:
            closer()
