"""Cameras are found over the real multicast group and port, on the loopback interface."""

import asyncio

from tocsin.gateways.onvif_discovery import discover
from tocsin.protocols.onvif.discovery import GROUP, PORT
from tocsin.sim.onvif_discovery import answer_probes


async def test_a_probe_to_the_group_finds_every_camera_that_joined_it():
    urls = [f"http://127.0.0.1:{port}/onvif/device_service" for port in (8001, 8002)]
    transports = [await answer_probes(url, f"Gate {number}") for number, url in enumerate(urls)]
    try:
        found = await discover(interfaces=["127.0.0.1"], wait_s=1.0)
    finally:
        for transport in transports:
            transport.close()
    assert [(one.url, one.name) for one in found] == [(urls[0], "Gate 0"), (urls[1], "Gate 1")]


async def test_who_left_the_group_is_not_found():
    transport = await answer_probes("http://127.0.0.1:8003/onvif/device_service", "Gate")
    transport.close()
    await asyncio.sleep(0)
    assert await discover(interfaces=["127.0.0.1"], wait_s=0.3) == []
    assert (GROUP, PORT) == ("239.255.255.250", 3702)
