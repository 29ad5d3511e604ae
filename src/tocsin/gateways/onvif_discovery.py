"""Looking for ONVIF cameras on the local net: one probe on each interface, only when somebody asks, bounded.

Source: WS-Discovery 1.0; ONVIF Core, device discovery.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
from typing import Final

from tocsin.base.ids import new_id
from tocsin.protocols.onvif.discovery import GROUP, PORT, Found, probe, read_matches
from tocsin.protocols.onvif.soap import Unreadable

WAIT_S: Final = 3.0
MAX_FOUND: Final = 256
MAX_DATAGRAMS: Final = 1024
_SIOCGIFADDR: Final = 0x8915


async def discover(
    *, target: tuple[str, int] = (GROUP, PORT), interfaces: list[str] | None = None, wait_s: float = WAIT_S
) -> list[Found]:
    """Ask who is there and return those that answered within `wait_s`, each address once."""
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue(MAX_DATAGRAMS)
    sockets: list[socket.socket] = []
    found: dict[str, Found] = {}
    try:
        for address in interfaces if interfaces is not None else own_addresses():
            with contextlib.suppress(OSError):
                made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sockets.append(made)
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
                made.bind((address, 0))
                loop.add_reader(made.fileno(), _read, made, answers)
                made.sendto(probe(new_id()), target)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while len(found) < MAX_FOUND:
                    data, peer = await answers.get()
                    with contextlib.suppress(Unreadable):
                        for one in read_matches(data, peer):
                            found.setdefault(one.url, one)
    finally:
        for made in sockets:
            loop.remove_reader(made.fileno())
            made.close()
    return sorted(found.values(), key=lambda one: one.url)


def own_addresses() -> list[str]:
    """Return the IPv4 address of each interface."""
    addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(asker.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                addresses.append(socket.inet_ntoa(answer[20:24]))
    return addresses


def _read(made: socket.socket, answers: asyncio.Queue[tuple[bytes, str]]) -> None:
    for _ in range(64):
        try:
            data, address = made.recvfrom(65_535)
        except OSError:
            return
        if answers.full():
            return
        answers.put_nowait((data, address[0]))
