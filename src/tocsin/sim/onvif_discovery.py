"""Being found: a simulated camera joins the group of WS-Discovery and answers probes.

Source: WS-Discovery 1.0; ONVIF Core, device discovery.
"""

from __future__ import annotations

import asyncio
import socket

from tocsin.protocols.onvif.discovery import GROUP, PORT
from tocsin.sim.onvif_camera import ProbeAnswerer


async def answer_probes(url: str, name: str, interface: str = "127.0.0.1") -> asyncio.DatagramTransport:
    """Join the group at an interface's address and answer for the camera at `url` until closed. Errors: OSError."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # several cameras of one machine share the port
        made.bind((GROUP, PORT))
        membership = socket.inet_aton(GROUP) + socket.inet_aton(interface)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: ProbeAnswerer(url, name), sock=made)
    except OSError:
        made.close()
        raise
    return transport
