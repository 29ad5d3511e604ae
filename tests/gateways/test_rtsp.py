"""RTSP cameras as the house calls them: first contact, one try with a password, silence, and a live picture."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.media import running_link, watching
from tests.support.rtsp import rtsp_camera
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.domain.devices import CatalogResult
from tocsin.domain.directory import Channel, IpCamera
from tocsin.gateways import rtsp as rtsp_gateway
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.rtsp import RtspGateway

CHANNEL = Channel("cam", "d1", "1")


class Cameras:
    """One camera, as the directory would hold it; what is learned counts at once."""

    def __init__(self, url, password="Tocsin-12", **more):
        self.camera = IpCamera("d1", "rtsp", url, username="admin", password=password, **more)

    def ip_camera(self, device_id):
        return self.camera if device_id == "d1" else None

    def ip_cameras(self):
        return [self.camera]


class Reports:
    """Keeps what was reported."""

    def __init__(self, cameras):
        self.cameras = cameras
        self.said = []
        self.attempts = []

    def seen(self, device_id, at, peer, transport):
        self.said.append("seen")

    def unregistered(self, device_id, at, reason):
        self.said.append(reason)

    def learned(self, device_id, **profile):
        if "credentials" in profile:
            self.cameras.camera = replace(self.cameras.camera, credentials=profile["credentials"])

    def attempt(self, attempt):
        self.attempts.append(attempt)

    async def catalog(self, device_id, items, complete):
        self.said.append([item.gb_id for item in items])
        return CatalogResult(len(items))


def gateway(url, **more):
    cameras = Cameras(url, **more)
    reports, clock = Reports(cameras), SystemClock()
    return RtspGateway(cameras, reports, AttemptLog(reports, clock), clock), cameras, reports


async def test_first_contact_makes_a_channel_and_tells_its_steps():
    async with rtsp_camera() as camera:
        made, _, reports = gateway(camera.url)
        await made.look()
        assert reports.said == ["seen", ["1"]]
        (attempt,) = reports.attempts
        assert (attempt.kind, attempt.outcome) == ("registration", "ok")
        assert [step.key for step in attempt.steps] == ["camera.asked", "camera.answered", "camera.described"]
        await made.look()
        assert camera.counts == {"OPTIONS": 2, "DESCRIBE": 2}  # asked without, then with the password; then a light one


async def test_a_wrong_password_is_tried_once_however_often_we_look_and_whoever_watches():
    async with rtsp_camera() as camera:
        made, cameras, reports = gateway(camera.url, password="wrong")
        for _ in range(3):
            await made.look()
        assert camera.refused == 1
        assert cameras.camera.credentials == "refused"
        assert reports.said == ["camera.wrong_password"]
        with pytest.raises(TocsinError) as refused:
            await made.open_live(CHANNEL, None)
        assert refused.value.key == "camera.password_held_back"
        assert camera.refused == 1


async def test_a_refused_password_is_held_back_after_a_restart_until_somebody_presses_or_enters_another():
    async with rtsp_camera() as camera:
        made, cameras, reports = gateway(camera.url, password="wrong", credentials="refused")
        await made.look()
        assert camera.refused == 0
        assert reports.attempts[0].failure == "camera.password_held_back"
        assert not await made.try_now("d1")
        assert camera.refused == 1
        cameras.camera = replace(cameras.camera, password="Tocsin-12")
        await made.look()
        assert camera.refused == 1
        assert cameras.camera.credentials == "accepted"


async def test_a_camera_without_its_password_entered_is_not_tried():
    async with rtsp_camera() as camera:
        made, _, reports = gateway(camera.url, password="")
        await made.look()
        assert camera.refused == 0
        assert reports.attempts[0].failure == "camera.password_missing"


async def test_silence_is_told_once_and_the_return_at_once():
    async with rtsp_camera() as camera:
        made, _, reports = gateway(camera.url)
        back = []
        made.on_back(back.append)
        await made.look()
        port = camera.port
        await camera.stop()
        await made.look()
        await made.look()
        assert reports.said[2:] == ["camera.silent"]
        await camera.start(port)
        await made.look()
        assert reports.said[3:] == ["seen"]
        assert back == ["d1", "d1"]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_live_picture_is_opened_and_closed(transport):
    async with rtsp_camera() as camera, running_link() as link, watching(link, "cam") as viewer:
        made, _, reports = gateway(camera.url, transport=transport)
        session = await made.open_live(CHANNEL, link)
        await viewer.until(lambda: len(viewer.numbers()) >= 5)
        assert [step.key for step in reports.attempts[0].steps] == ["camera.playing", "camera.media"]
        await session.close("idle")
        async with asyncio.timeout(3):
            await camera.until(lambda camera: not camera.playing)


async def test_when_nothing_arrives_over_udp_tcp_is_taken():
    async with rtsp_camera(silent_udp=True) as camera, running_link() as link:
        made, _, reports = gateway(camera.url, transport="udp")
        await made.open_live(CHANNEL, link)
        keys = [step.key for step in reports.attempts[0].steps]
        assert keys == ["camera.playing", "camera.no_media", "camera.playing", "camera.media"]


async def test_the_sub_stream_has_its_own_address_or_there_is_none():
    async with rtsp_camera() as camera, running_link() as link, watching(link, "cam~sub") as viewer:
        made, _, _ = gateway(camera.url + "-none", sub_url=camera.url)
        session = await made.open_live(CHANNEL, link, "sub")
        assert session.stream_id == "cam~sub"
        await viewer.until(lambda: len(viewer.numbers()) >= 3)
        without, _, _ = gateway(camera.url)
        with pytest.raises(TocsinError) as refused:
            await without.open_live(CHANNEL, link, "sub")
        assert refused.value.key == "play.no_sub_stream"


async def test_a_camera_entered_before_it_answers_gets_its_first_contact_when_it_does():
    async with rtsp_camera() as camera:
        port = camera.port
        await camera.stop()
        made, _, reports = gateway(camera.url)
        await made.look()
        assert reports.said == ["camera.silent"]
        await camera.start(port)
        await made.look()
        assert reports.attempts[-1].outcome == "ok"
        assert ["1"] in reports.said


async def test_what_breaks_the_reading_of_one_camera_ends_no_round_and_is_tried_again(monkeypatch):
    reading, said = rtsp_gateway.read_description, []

    def read(body):
        said.append(body)
        if len(said) == 1:
            raise KeyError("what nobody thought of")
        return reading(body)

    monkeypatch.setattr(rtsp_gateway, "read_description", read)
    async with rtsp_camera() as camera:
        made, _, reports = gateway(camera.url)
        await made.look()
        assert reports.said == ["camera.silent"]
        await made.look()
        assert reports.said == ["camera.silent", "seen", ["1"]]
