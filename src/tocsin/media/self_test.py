"""The test of our own media address: a packet to what is announced to cameras must reach a receiver of ours.

It finds an address that is not ours, a forwarding that is missing and a local firewall. It cannot see what lies between
the camera and us: a picture that fails after this test has passed is stopped on that way.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.base.errors import TocsinError
from tocsin.base.ids import new_id
from tocsin.base.words import Words
from tocsin.domain.video import MediaPorts
from tocsin.protocols.rtp.packetizer import Packetizer

WITHIN_S: Final = 2.0
PACKETS: Final = 3

WORDS: Final = Words(
    {
        "media_test.arrived": (
            "A packet sent to {address} arrived. If a camera's picture still does not, the way between is closed: "
            "open the UDP and TCP ports of media.rtp_ports for it.",
            "发往 {address} 的测试包已到达。若摄像机图像仍收不到，"
            "请检查中间网络是否放行 media.rtp_ports 的 UDP 和 TCP 端口。",
        ),
        "media_test.lost": (
            "A packet sent to {address} did not arrive. Cameras are told this address: set sip.media_ip to one of this "
            "machine, or forward media.rtp_ports to it.",
            "发往 {address} 的测试包未到达。该地址会告知摄像机：请将 sip.media_ip 设为本机地址，"
            "或把 media.rtp_ports 转发到本机。",
        ),
        "media_test.no_receiver": (
            "No receiver could be opened: {reason}.",
            "无法打开接收端口：{reason}。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class MediaTest:
    """What came of the test."""

    arrived: bool
    address: str
    transport: str = "udp"
    key: str = ""
    reason: str = ""

    def form(self, language: str) -> dict[str, object]:
        """Return it as the API shows it."""
        words = WORDS.text(self.key, language, {"address": self.address, "reason": self.reason})
        return {"arrived": self.arrived, "address": self.address, "transport": self.transport, "words": words}


class SelfTest:
    """Sends packets to the address that is announced. `announced_ip` empty: where the receiver listens."""

    def __init__(self, media: MediaPorts, announced_ip: str, route: Callable[[], str] = lambda: "127.0.0.1") -> None:
        self._media = media
        self._announced_ip = announced_ip
        self._route = route

    async def run(self) -> MediaTest:
        """Open a receiver, send to it, say whether it arrived."""
        stream_id = f"self-test~{new_id()}"
        try:
            endpoint = await self._media.open_receiver(stream_id, "udp", ssrc=1, peer_ip=None)
        except (TocsinError, OSError) as error:
            return MediaTest(False, "", key="media_test.no_receiver", reason=str(error)[:120])
        try:
            ip = self._announced_ip or endpoint.ip
            if ip in ("", "0.0.0.0", "::"):  # noqa: S104
                ip = self._route()
            arrives = asyncio.create_task(self._media.first_packet(stream_id, WITHIN_S))
            await asyncio.sleep(0)
            address = f"{ip}:{endpoint.port}"
            try:
                _send(ip, endpoint.port)
            except OSError as error:
                arrives.cancel()
                return MediaTest(False, address, key="media_test.lost", reason=str(error))
            arrived = await arrives
            return MediaTest(arrived, address, key="media_test.arrived" if arrived else "media_test.lost")
        finally:
            await self._media.close_receiver(stream_id)


def _send(ip: str, port: int) -> None:
    cutter = Packetizer(1)
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM) as made:
        for number in range(PACKETS):
            for packet in cutter.packetize(b"\x00\x00\x01\xba" + bytes(40), number * 3600):
                made.sendto(packet, (ip, port))
