"""One UDP socket on every address of this machine: which of them was asked, and answering from that one.

A device drops an answer that comes from another address than it talks to; the kernel would choose by its routes.

Source: Linux ip(7), IP_PKTINFO: interface index, local address, destination address of the header.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final

IP_PKTINFO: Final = 8
MAX_ADDRESSES: Final = 255
_INFO: Final = struct.Struct("=I4s4s")
_ROOM: Final = socket.CMSG_SPACE(_INFO.size)
WILDCARD: Final = "0.0.0.0"  # noqa: S104


def wants_info(host: str) -> bool:
    """Say whether a socket bound to this host hears on several addresses."""
    return host == WILDCARD


def ask_for_info(made: socket.socket) -> bool:
    """Have the kernel say which address each datagram was sent to; False where it cannot."""
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        return True
    return False


def receive(made: socket.socket, size: int) -> tuple[bytes, tuple[str, int], bytes]:
    """Return a datagram, its sender, and our address it came to (4 bytes, empty when unknown)."""
    data, extra, _, address = made.recvmsg(size, _ROOM)
    for level, kind, content in extra:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(content) >= _INFO.size:
            return data, address, _INFO.unpack_from(content)[2]
    return data, address, b""


def send(made: socket.socket, data: bytes, address: tuple[str, int], own: bytes) -> None:
    """Send from one of our addresses. Raises OSError."""
    extra = [(socket.IPPROTO_IP, IP_PKTINFO, _INFO.pack(0, own, bytes(4)))]
    made.sendmsg([data], extra, 0, address)


class OwnAddresses:
    """Numbers our addresses, so that a peer's `link` tells by which of them it reached us. Bounded."""

    def __init__(self) -> None:
        self._known: list[bytes] = []

    def link(self, number: int, own: bytes) -> int:
        """Return the link of a socket and one of our addresses."""
        if not own:
            return number
        if own not in self._known:
            if len(self._known) >= MAX_ADDRESSES:
                return number
            self._known.append(own)
        return number | self._known.index(own) + 1 << 8

    def of(self, link: int) -> bytes:
        """Return the address of a link; empty when the kernel may choose."""
        place = link >> 8
        return self._known[place - 1] if 0 < place <= len(self._known) else b""
