"""A simulated alarm panel on a real socket: it connects, polls, reports events, repeats itself, and connects again.

Several panels may share one TCP connection or UDP socket (`Line`), as they do behind a carrier's gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, cast

from tocsin.base.clock import Clock
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import BadFrame, Frame, FrameReader, read_datagram
from tocsin.protocols.dc09.sender import ReplyKind, Sender
from tocsin.sim.panel_profiles import PROFILES, CodeForm, Profile, SimEvent, dress_frame, write_event

FIRST_RECONNECT_S: Final = 0.2
LONGEST_RECONNECT_S: Final = 5.0
TICK_S: Final = 0.25
_ACCOUNT = re.compile(rb"#([^\[]*)\[")


class Outcome(StrEnum):
    """How a report ended."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    NO_REPLY = "no_reply"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one event or poll ended: latency from the first sending to the answer, and how often it was sent."""

    outcome: Outcome
    latency_ms: float = 0.0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One panel. `poll_interval_s` 0 never polls; `profile` names a make of `PROFILES`."""

    account: str
    key: AesKey | None = None
    form: CodeForm = CodeForm.SIA
    profile: str = "standard"
    poll_interval_s: float = 60.0
    tries: int = 3
    retry_after_s: float = 10.0
    clock_offset_s: float = 0.0
    first_sequence: int = 1


Done = Callable[[Delivery], None]


class SimPanel:
    """One panel: events and polls out, answers in. Give it a line of its own with `start`, or add it to a `Line`."""

    def __init__(self, spec: PanelSpec, clock: Clock) -> None:
        profile: Profile = PROFILES[spec.profile]
        self.spec = spec
        self.profile = profile
        self.line: Line | None = None
        self.retried = 0
        self.clock_sets = 0
        self.last_answer_at: datetime | None = None
        self._clock = clock
        self._done: dict[str, Done | None] = {}
        self._sender = Sender(
            spec.account if profile.has_account else None,
            receiver=profile.receiver,
            prefix=profile.prefix,
            key=spec.key,
            first_sequence=spec.first_sequence,
            tries=spec.tries,
            retry_after_s=spec.retry_after_s,
            clock_offset_s=spec.clock_offset_s + profile.clock_offset_s,
            sends_timestamp=profile.sends_timestamp,
            keeps_first_timestamp=profile.keeps_first_timestamp,
            pads_as_before_2026=profile.pads_as_before_2026,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many frames have no answer yet."""
        return self._sender.waiting

    @property
    def is_connected(self) -> bool:
        """Whether frames can leave."""
        return self.line is not None and self.line.is_open

    async def start(self, host: str, port: int, transport: str = "tcp") -> None:
        """Open a line of its own and poll on it until `stop`; a receiver that is away is tried again."""
        line = Line(host, port, transport, self._clock)
        line.add(self)
        self._task = asyncio.create_task(self._live(line), name=f"panel {self.spec.account}")

    async def stop(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self.line is not None:
            self.line.close()

    async def send_event(self, event: SimEvent) -> Delivery:
        """Report an event and return how that ended, after repeating it as often as the panel does."""
        future: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def settle(delivery: Delivery) -> None:
            if not future.done():
                future.set_result(delivery)

        self.transmit(event, settle)
        return await future

    def transmit(self, event: SimEvent, done: Done | None = None) -> str:
        """Report an event without waiting; `done` hears how that ended. Return the number it has on the wire."""
        token, data = write_event(event, self.spec.account, self.profile, self.spec.form)
        frame = self._sender.send(token, data, self._clock.now(), self.profile.xdata)
        self._send(frame, done)
        return self._sender.last_sequence

    def poll(self, done: Done | None = None) -> None:
        """Send a link test."""
        self._send(self._sender.poll(self._clock.now()), done)

    def take(self, frame: Frame | BadFrame) -> None:
        """Take an answer from the line."""
        now = self._clock.now()
        reply = self._sender.receive(frame, now)
        if reply.kind is ReplyKind.UNPAIRED:
            return
        self.last_answer_at = now
        if reply.kind is ReplyKind.CLOCK_SET:
            self.clock_sets += 1
            self._repeat(reply.resend)
            return
        outcome = Outcome.ACKNOWLEDGED if reply.kind is ReplyKind.ACKNOWLEDGED else Outcome.REFUSED
        self._finish(reply.sequence, Delivery(outcome, reply.waited_s * 1000.0, reply.tries))

    def tick(self) -> None:
        """Repeat what is due to be repeated and give up what was repeated enough."""
        if not self._sender.waiting:
            return
        self._repeat(self._sender.handle_timer(self._clock.now()))
        given_up, self._sender.given_up = self._sender.given_up, []
        for sequence in given_up:
            self._finish(sequence, Delivery(Outcome.NO_REPLY, tries=self.spec.tries))

    def _send(self, frame: bytes, done: Done | None) -> None:
        self._done[self._sender.last_sequence] = done
        self._write(frame)

    def _repeat(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self.retried += 1
            self._write(frame)

    def _write(self, frame: bytes) -> None:
        if self.line is not None:
            self.line.write(dress_frame(frame, self.profile), is_dribbling=self.profile.is_dribbling)

    def _finish(self, sequence: str, delivery: Delivery) -> None:
        done = self._done.pop(sequence, None)
        if done is not None:
            done(delivery)

    async def _live(self, line: Line) -> None:
        await line.keep_open(self._poll_and_tick)

    async def _poll_and_tick(self) -> None:
        next_poll_s = self._clock.monotonic()
        while True:
            now_s = self._clock.monotonic()
            if self.spec.poll_interval_s and now_s >= next_poll_s:
                next_poll_s = now_s + self.spec.poll_interval_s
                self.poll()
            self.tick()
            await self._clock.sleep(TICK_S)


class Line(asyncio.Protocol, asyncio.DatagramProtocol):
    """One TCP connection or UDP socket to a receiver, shared by the panels added to it."""

    def __init__(self, host: str, port: int, transport: str, clock: Clock) -> None:
        self._address = (host, port)
        self._is_udp = transport == "udp"
        self._clock = clock
        self._reader = FrameReader()
        self._panels: dict[bytes, SimPanel] = {}
        self._wire: asyncio.Transport | asyncio.DatagramTransport | None = None
        self._unsent: list[bytes] = []
        self._drops = bytearray()
        self._dribbling: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether frames can leave."""
        return self._wire is not None and not self._wire.is_closing()

    def add(self, panel: SimPanel) -> None:
        """Let a panel send on this line; answers find it by its account."""
        self._panels[panel.spec.account.encode("latin-1")] = panel
        panel.line = self

    async def open(self) -> None:
        """Connect once. Errors: OSError when the receiver is not there."""
        loop = asyncio.get_running_loop()
        self.lost.clear()
        self._reader = FrameReader()
        if self._is_udp:
            await loop.create_datagram_endpoint(lambda: self, remote_addr=self._address)
        else:
            await loop.create_connection(lambda: self, *self._address)

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close()

    async def keep_open(self, work: Callable[[], object]) -> None:
        """Connect, run the coroutine function `work` while the line holds, and connect again when it breaks."""
        delay_s = FIRST_RECONNECT_S
        while True:
            try:
                await self.open()
            except OSError:
                for panel in self._panels.values():
                    panel.tick()
                await self._clock.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_RECONNECT_S)
                continue
            delay_s = FIRST_RECONNECT_S
            worker = asyncio.ensure_future(cast("asyncio.Future[None]", work()))
            try:
                await self.lost.wait()
            finally:
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)
                self.close()

    def write(self, octets: bytes, *, is_dribbling: bool = False) -> None:
        """Send octets; what is written within one turn of the loop leaves together on TCP. A broken line drops them."""
        wire = self._wire
        if wire is None or wire.is_closing():
            return
        if self._is_udp:
            cast(asyncio.DatagramTransport, wire).sendto(octets)
        elif is_dribbling:
            self._drops += octets  # one frame after the other, or they would come out mixed
            if self._dribbling is None or self._dribbling.done():
                self._dribbling = asyncio.get_running_loop().create_task(self._dribble())
        else:
            if not self._unsent:
                asyncio.get_running_loop().call_soon(self._flush)
            self._unsent.append(octets)

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._wire = cast("asyncio.Transport | asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the line is gone."""
        self._wire = None
        self._unsent.clear()
        self._drops.clear()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Take octets of the connection."""
        self._deliver(self._reader.receive(data))

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take a datagram."""
        self._deliver(read_datagram(data))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there at the moment; the panel repeats itself."""

    def _deliver(self, frames: Iterable[Frame | BadFrame]) -> None:
        for frame in frames:
            if isinstance(frame, BadFrame):
                continue
            match = _ACCOUNT.search(frame.body)
            panel = self._panels.get(match[1]) if match is not None else None
            if panel is None:
                # A NAK names nobody; on a shared line it concerns somebody who waits.
                panel = next((p for p in self._panels.values() if p.waiting), None)
            if panel is not None:
                panel.take(frame)

    def _flush(self) -> None:
        octets, self._unsent = b"".join(self._unsent), []
        if self._wire is not None and octets:
            cast(asyncio.Transport, self._wire).write(octets)

    async def _dribble(self) -> None:
        while self._drops:
            octet = bytes(self._drops[:1])
            del self._drops[:1]
            with contextlib.suppress(OSError):
                if self._wire is not None:
                    cast(asyncio.Transport, self._wire).write(octet)
            await asyncio.sleep(0)
