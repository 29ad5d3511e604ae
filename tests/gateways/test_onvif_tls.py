"""Cameras over TLS: their own certificate is accepted by people once, and no other gets a single byte."""

import asyncio
from dataclasses import replace

import pytest

from tests.gateways.test_onvif import House, Intake
from tests.gateways.test_rtsp import gateway as rtsp_gateway
from tests.support.media import running_link, watching
from tests.support.rtsp import rtsp_camera
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.base.pins import read_certificate, spaced
from tocsin.domain.devices import WORDS
from tocsin.domain.supervision import _FAULT_OF_REASON
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.rtsp import UNTRUSTED
from tocsin.sim.onvif_camera import OnvifCamera
from tocsin.sim.own_certificate import own_certificate

PASSWORD = {"username": "admin", "password": "Tocsin-12"}


async def secure(certificate, tls, work):
    camera = OnvifCamera(SystemClock(), lambda: "rtsp://127.0.0.1:9/1", tls=tls)
    await camera.start()
    house, clock = House(camera.url, takes_events=False, certificate=certificate), SystemClock()
    gateway = OnvifGateway(house, house, AttemptLog(house, clock), Intake(), clock)
    try:
        await work(camera, gateway, house)
    finally:
        await gateway.stop()
        await camera.stop()


async def test_a_certificate_is_read_without_a_question():
    tls, fingerprint = own_certificate("Gate")

    async def work(camera, gateway, house):
        shown = await read_certificate("127.0.0.1", camera.port)
        assert (shown.fingerprint, shown.subject, shown.until) == (fingerprint, "Gate", "2020-12-31")
        assert not camera.counts

    await secure("", tls, work)


async def test_an_accepted_certificate_is_taken_though_it_is_old_and_names_another_host():
    tls, fingerprint = own_certificate()

    async def work(camera, gateway, house):
        await gateway.look()
        assert house.attempts[0].outcome == "ok", house.attempts[0].failure
        assert gateway.is_ready("d1")

    await secure(fingerprint, tls, work)


async def test_nobody_accepted_it_so_nothing_is_asked_and_it_is_said_which_one_it_is():
    tls, fingerprint = own_certificate()

    async def work(camera, gateway, house):
        await gateway.look()
        assert house.attempts[0].failure == "camera.certificate_unknown"
        assert house.attempts[0].steps[-1].params["shown"] == spaced(fingerprint)
        assert house.said == ["camera.certificate_unknown"]
        assert not camera.counts

    await secure("", tls, work)


async def test_a_changed_certificate_is_a_fault_and_gets_nothing_until_people_accept_it():
    tls, fingerprint = own_certificate()
    other, shown = own_certificate("camera")

    async def work(camera, gateway, house):
        await gateway.look()
        await camera.stop()
        asked, port = sum(camera.counts.values()), camera.port
        camera.tls = other
        await camera.start(port)
        for _ in range(2):
            await gateway.look()
        assert house.said[-1] == "camera.certificate_changed"
        assert house.said.count("camera.certificate_changed") == 1
        assert sum(camera.counts.values()) == asked
        house.camera = replace(house.camera, certificate=shown)
        await gateway.look()
        assert house.said[-2] == "seen"

    await secure(fingerprint, tls, work)


async def test_rtsps_plays_from_the_accepted_camera_and_asks_no_other():
    tls, fingerprint = own_certificate()
    async with rtsp_camera(tls=tls) as camera, running_link() as link, watching(link, "cam") as viewer:
        with pytest.raises(TocsinError) as refused:
            await link.open_rtsp("cam", camera.url, certificate="00" * 32, **PASSWORD)
        assert refused.value.key == "media_rtsp_certificate"
        assert not camera.counts
        agreed = await link.open_rtsp("cam", camera.url, transport="udp", certificate=fingerprint, **PASSWORD)
        assert agreed["transport"] == "tcp"  # packets beside TLS would travel open
        await viewer.until(lambda: len(viewer.numbers()) >= 5)


async def test_an_rtsps_camera_is_looked_after_and_its_new_certificate_is_a_fault():
    tls, fingerprint = own_certificate()
    async with rtsp_camera(tls=tls) as camera:
        made, cameras, reports = rtsp_gateway(camera.url, certificate=fingerprint)
        await made.look()
        assert reports.attempts[0].outcome == "ok", reports.attempts[0].failure
        cameras.camera = replace(cameras.camera, certificate="11" * 32)
        await made.look()
        assert reports.attempts[-1].failure == "camera.certificate_changed"
        assert reports.said[-1] == "camera.certificate_changed"
        cameras.camera = replace(cameras.camera, certificate="")
        await made.look()
        assert reports.attempts[-1].failure == "camera.certificate_unknown"


async def test_a_peer_that_speaks_no_tls_is_silent_not_trusted():
    async def greet(reader, writer):
        writer.write(b"RTSP/1.0 200 OK\r\n\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    url = f"rtsps://127.0.0.1:{server.sockets[0].getsockname()[1]}/1"
    made, _, reports = rtsp_gateway(url, certificate="11" * 32)
    await made.look()
    assert reports.attempts[0].failure == "camera.silent"
    server.close()


def test_a_certificate_nobody_accepted_is_a_fault_of_its_own_in_both_languages():
    for reason in UNTRUSTED:
        fault = _FAULT_OF_REASON[reason]
        assert "ertificate" in WORDS.text(fault, "en")
        assert "证书" in WORDS.text(fault, "zh")
