"""How simulated cameras reach a SIP server: one UDP socket or TCP connection that many device ids may share."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from typing import Final, Protocol

from tocsin.base.clock import Clock
from tocsin.protocols.sip.codes import DEFAULT_TIMERS, MAX_BODY_BYTES, Timers, Transport
from tocsin.protocols.sip.message import BadMessage, Ping, Request, Response, parse_datagram
from tocsin.protocols.sip.stream import StreamReader
from tocsin.protocols.sip.transaction import Answered, ClientTransaction, Send, TimedOut

READ_BYTES: Final = 65_536
BATCH: Final = 64


class Device(Protocol):
    """A simulated device behind a wire."""

    def receive(self, request: Request) -> None:
        """Take a request meant for this device."""

    def receive_response(self, response: Response) -> None:
        """Take a response to a call of this device."""


class Wire:
    """Messages to and from one server. Route requests with `attach`, ask questions with `transact`.

    `loss` is the share of datagrams, each way, that the network between loses; the same ones for the same `seed`.
    """

    def __init__(
        self,
        server: tuple[str, int],
        transport: Transport,
        clock: Clock,
        *,
        local_host: str = "127.0.0.1",
        timers: Timers = DEFAULT_TIMERS,
        loss: float = 0.0,
        seed: int = 2611,
    ) -> None:
        self.server = server
        self.transport = transport
        self.host = local_host
        self.port = 0
        self.timers = timers
        self._loss = loss
        self._dice = random.Random(seed)
        self.is_open = False
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self._waiting: dict[tuple[str, str], asyncio.Queue[Response | None]] = {}
        self._calls: dict[str, Device] = {}
        self._socket: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.on_loss: Callable[[], None] | None = None

    async def open(self) -> None:
        """Open the socket or connect. Raises OSError."""
        if self.transport is Transport.TCP:
            reader, self._writer = await asyncio.open_connection(*self.server)
            self.host, self.port = self._writer.get_extra_info("sockname")[:2]
            self._reading = asyncio.create_task(self._read_stream(reader))
        else:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
            made.bind((self.host, 0))
            found = await asyncio.get_running_loop().getaddrinfo(*self.server, family=socket.AF_INET)
            self.server = (str(found[0][4][0]), int(found[0][4][1]))  # answers come from an address, not a name
            self.port = made.getsockname()[1]
            self._socket = made
            asyncio.get_running_loop().add_reader(made.fileno(), self._read_datagrams, made)
        self.is_open = True

    async def close(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for queue in self._waiting.values():
            queue.put_nowait(None)

    async def go_to(self, server: tuple[str, int]) -> None:
        """Speak to another server from now on. Raises OSError when it cannot be connected to."""
        self.server = server
        if self.transport is Transport.TCP:
            await self.close()
            await self.open()

    def attach(self, user: str, device: Device) -> None:
        """Send requests for this user part to the device."""
        self._devices[user] = device

    def own_call(self, call_id: str, device: Device) -> None:
        """Send what belongs to this call to the device."""
        self._calls[call_id] = device

    def forget_call(self, call_id: str) -> None:
        """A call is over."""
        self._calls.pop(call_id, None)

    def send(self, data: bytes) -> None:
        """Put bytes on the wire; lost silently when the other end is gone, as on a network."""
        if self._socket is not None:
            if self._is_lost():
                return
            with contextlib.suppress(OSError):
                self._socket.sendto(data, self.server)
        elif self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    async def transact(self, request: Request, *, data: bytes | None = None) -> Response | None:
        """Send a request and wait for the final response; None when none came. `data` replaces the encoded bytes."""
        if not self.is_open:
            return None
        transaction = ClientTransaction(request, is_reliable=self.transport is Transport.TCP, timers=self.timers)
        queue: asyncio.Queue[Response | None] = asyncio.Queue()
        self._waiting[transaction.key] = queue
        try:
            outputs = transaction.start(self._clock.monotonic())
            while True:
                for output in outputs:
                    if isinstance(output, Send):
                        self.send(output.data if data is None else data)
                    elif isinstance(output, Answered):
                        return output.response
                    elif isinstance(output, TimedOut):
                        return None
                due = transaction.timer()
                if due is None:
                    return None
                try:
                    async with asyncio.timeout(max(0.0, due - self._clock.monotonic())):
                        response = await queue.get()
                except TimeoutError:
                    outputs = transaction.handle_timer(max(due, self._clock.monotonic()))
                    continue
                if response is None:
                    return None
                outputs = transaction.receive(response, self._clock.monotonic())
        finally:
            self._waiting.pop(transaction.key, None)

    def _take(self, message: Request | Response | BadMessage | Ping) -> None:
        if isinstance(message, Request):
            device = self._calls.get(message.call_id) or self._devices.get(message.uri_user)
            device = device or self._devices.get(message.to_user)
            if device is not None:
                device.receive(message)
        elif isinstance(message, Response):
            via = message.via
            queue = self._waiting.get((via.branch if via else "", message.method))
            if queue is not None:
                queue.put_nowait(message)
            elif (owner := self._calls.get(message.call_id)) is not None:
                owner.receive_response(message)

    def _read_datagrams(self, made: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                data, address = made.recvfrom(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue
            if address == self.server and not self._is_lost():
                self._take(parse_datagram(data))

    def _is_lost(self) -> bool:
        return self._loss > 0 and self._dice.random() < self._loss

    async def _read_stream(self, reader: asyncio.StreamReader) -> None:
        messages = StreamReader(MAX_BODY_BYTES)
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                for message in messages.receive(data):
                    self._take(message)
        self.is_open = False
        for queue in list(self._waiting.values()):
            queue.put_nowait(None)
        if self.on_loss is not None:
            self.on_loss()
