"""A shared media port: the agreed SSRC is passed on, and devices that do not keep it get a port of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.gateways.test_gb28181_live import CHANNEL, device, registered
from tests.support.gb28181 import House, LoopbackMedia
from tocsin.domain.video import Endpoint
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.sim.camera_plan import Quirk

SHARED = LiveConfig(answer_within_s=0.6, media_within_s=0.4, connect_pause_s=0.01, shared_ports=True)


class Noting(LoopbackMedia):
    """Remembers by which SSRC each receiver was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int | None]] = []

    async def open_receiver(self, stream_id: str, transport: str, **given: Any) -> Endpoint:
        self.asked.append((transport, given["ssrc"]))
        return await super().open_receiver(stream_id, transport, **given)


async def asked_of(mode: str, *quirks: Quirk, rtp_ports: str = "auto", times: int = 1) -> list[tuple[str, int | None]]:
    media = Noting()
    async with House(replace(device(mode), rtp_ports=rtp_ports), live=SHARED) as house:
        house.media = media
        camera = await registered(house, *quirks)
        for _ in range(times):
            session = await house.gb.open_live(CHANNEL, media)
            await session.close("test")
        assert camera.open_calls == 0
    return media.asked


@pytest.mark.parametrize("mode", ["udp", "tcp_passive"])
async def test_the_agreed_number_is_passed_on(mode: str) -> None:
    [(transport, ssrc)] = await asked_of(mode)
    assert transport == mode
    assert ssrc is not None
    assert 0 < ssrc < 1 << 32


async def test_a_camera_that_listens_needs_no_port_of_ours() -> None:
    assert await asked_of("tcp_active") == [("tcp_active", None)]


@pytest.mark.parametrize("mode", ["udp", "tcp_passive"])
async def test_a_device_that_names_another_number_gets_a_port_of_its_own_at_once_and_from_then_on(mode: str) -> None:
    first, again, later = await asked_of(mode, Quirk.OTHER_SSRC, times=2)
    assert (first[0], again, later) == (mode, (mode, None), (mode, None))
    assert first[1] is not None


async def test_a_device_may_be_given_a_port_of_its_own_from_the_first_picture() -> None:
    assert await asked_of("udp", rtp_ports="own") == [("udp", None)]
