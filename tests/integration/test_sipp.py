"""SIPp as an independent peer: a camera that registers, and cameras that answer our INVITE."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.sip.codes import Transport

SCENARIOS = Path(__file__).parent / "sipp"
DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD, media_ladder=("udp",))
CHANNEL = channel_of(DEVICE, DEVICE.gb_id)

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _sipp_is_installed() -> None:
    assert shutil.which("sipp"), "sipp is missing: install the Debian package sip-tester"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


async def start_sipp(scenario: str, folder: Path, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIOS / scenario), "-m", "1", "-i", "127.0.0.1", "-nostdin"),
        *("-timeout", "15", "-timeout_error", "-trace_err", "-error_file", str(folder / "errors.log")),
        *more,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def finish(process: asyncio.subprocess.Process, folder: Path) -> None:
    code = await asyncio.wait_for(process.wait(), 20)
    errors = folder / "errors.log"
    assert code == 0, errors.read_text() if errors.exists() else f"sipp ended with {code}"


async def waiting_sipp(house: House, scenario: str, folder: Path) -> asyncio.subprocess.Process:
    """Start SIPp as a camera on a port of its own and let the gateway know it as registered there."""
    port = free_port()
    process = await start_sipp(scenario, folder, "-p", str(port))
    device = RegisteredDevice(DEVICE.gb_id, DEVICE.device_id, Peer("127.0.0.1", port, Transport.UDP, 0), 60, "2.0")
    device.expires_at = device.last_seen = house.clock.monotonic() + 600
    house.gb.table.add(device)
    await eventually(lambda: _is_bound(port))
    return process


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            made.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.mark.parametrize(("option", "transport"), [("u1", "udp"), ("t1", "tcp")])
async def test_sipp_registers_with_digest_and_its_keepalive_is_answered(tmp_path, option, transport):
    async with House(DEVICE) as house:
        process = await start_sipp("register.xml", tmp_path, "-t", option, f"127.0.0.1:{house.sip.port}")
        await finish(process, tmp_path)
        assert [how for _, _, _, how in house.reports.registrations] == [transport]
        assert house.gb.health().keepalives == 1


async def test_sipp_as_a_stranger_is_refused(tmp_path):
    async with House(DEVICE) as house:
        process = await start_sipp("stranger.xml", tmp_path, f"127.0.0.1:{house.sip.port}")
        await finish(process, tmp_path)
        assert house.gb.health().keepalives == 0


async def test_sipp_answers_our_invite_and_is_hung_up(tmp_path):
    live = LiveConfig(answer_within_s=5, media_within_s=5, ask_key_frame=False)
    async with House(DEVICE, live=live) as house:
        process = await waiting_sipp(house, "camera.xml", tmp_path)
        opening = asyncio.create_task(house.gb.open_live(CHANNEL, house.media))
        await eventually(lambda: CHANNEL.id in house.media.receivers)
        await asyncio.sleep(0.05)
        house.media.receivers[CHANNEL.id].arrived(b"rtp")
        session = await opening
        assert "play.answered" in house.reports.keys("play")
        assert "play.other_ssrc" not in house.reports.keys("play")
        await session.close("test")
        await finish(process, tmp_path)


async def test_sipp_that_only_rings_is_cancelled(tmp_path):
    live = LiveConfig(answer_within_s=0.4, retry_over_tcp=False)
    async with House(DEVICE, live=live) as house:
        process = await waiting_sipp(house, "hesitant.xml", tmp_path)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.no_answer"
        await finish(process, tmp_path)


async def test_a_200_of_sipp_that_crosses_our_cancel_is_acknowledged_and_hung_up(tmp_path):
    live = LiveConfig(answer_within_s=0.4, retry_over_tcp=False)
    async with House(DEVICE, live=live) as house:
        process = await waiting_sipp(house, "late.xml", tmp_path)
        with pytest.raises(TocsinError):
            await house.gb.open_live(CHANNEL, house.media)
        await finish(process, tmp_path)
