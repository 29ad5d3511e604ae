"""Trying a camera before it is entered: stage by stage, each failure in its own words, a password once."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.media import running_link
from tests.support.rtsp import rtsp_camera
from tocsin.base.clock import SystemClock
from tocsin.domain.access import Actor, Role
from tocsin.domain.directory import IpCamera
from tocsin.domain.trials import Stage, Trial
from tocsin.gateways.ip_camera_trial import WORDS, CameraTrials
from tocsin.sim.onvif_camera import OnvifCamera, OnvifQuirks
from tocsin.sim.own_certificate import own_certificate

WHO = Actor("he", "He", frozenset({Role.INSTALLER}), ("34",))


def trial(line, protocol, url, password="Tocsin-12", **more):
    camera = IpCamera("trial", protocol, url, username="admin", password=password, **more)
    ends_at = datetime.now(UTC) + timedelta(minutes=1)
    return Trial("t1", camera, WHO, ends_at, 1e9, [Stage(name) for name in line.stages(protocol)])


@asynccontextmanager
async def trying():
    async with running_link() as link:
        line = CameraTrials(link, SystemClock(), public_host="127.0.0.1")
        try:
            yield line
        finally:
            await line.stop()


def said(made):
    return {stage.name: (stage.state.value, stage.key) for stage in made.stages}


async def test_every_stage_of_an_onvif_camera_is_told_and_its_picture_can_be_looked_at():
    async with trying() as line, rtsp_camera() as pictures:
        camera = OnvifCamera(SystemClock(), lambda: pictures.url)
        await camera.start()
        made = trial(line, "onvif", camera.url)
        assert await line.run(made)
        assert said(made) == {
            "reach": ("ok", "trial.reached"),
            "speaks": ("ok", "trial.speaks"),
            "credentials": ("ok", "trial.is"),
            "profiles": ("ok", "trial.profiles"),
            "stream": ("ok", "trial.playing"),
            "picture": ("ok", "trial.picture"),
        }
        assert (made.maker, made.stages[3].params["width"]) == ("Hewan", 1280)
        assert "trial-t1" in await line.ticket(made, ())
        await line.end(made)
        async with asyncio.timeout(3):
            await pictures.until(lambda one: not one.playing)
        await camera.stop()


async def test_every_stage_of_an_rtsp_camera_is_told():
    async with trying() as line, rtsp_camera() as camera:
        made = trial(line, "rtsp", camera.url)
        assert await line.run(made)
        assert [stage.state.value for stage in made.stages] == ["ok"] * 5
        await line.end(made)


@pytest.mark.parametrize("protocol", ["onvif", "rtsp"])
async def test_the_same_wrong_password_is_not_sent_a_second_time(protocol):
    async with trying() as line, rtsp_camera() as pictures:
        camera = OnvifCamera(SystemClock(), lambda: pictures.url)
        await camera.start()
        url = camera.url if protocol == "onvif" else pictures.url
        for key in ("trial.wrong_password", "trial.same_password"):
            made = trial(line, protocol, url, password="wrong")
            assert not await line.run(made)
            assert said(made)["credentials"] == ("failed", key)
            assert said(made)["stream"] == ("waiting", "")
        assert camera.refused + pictures.refused == 1
        right = trial(line, protocol, url)
        assert await line.run(right)
        await line.end(right)
        await camera.stop()


async def test_an_address_where_nothing_is_and_one_that_speaks_something_else():
    async def greet(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    async with trying() as line:
        nothing = trial(line, "onvif", "http://127.0.0.1:9/onvif/device_service")
        assert not await line.run(nothing)
        assert said(nothing)["reach"] == ("failed", "trial.unreachable")
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for protocol, url in (("onvif", f"http://127.0.0.1:{port}/x"), ("rtsp", f"rtsp://127.0.0.1:{port}/x")):
            made = trial(line, protocol, url)
            assert not await line.run(made)
            assert said(made)["speaks"] == ("failed", "trial.speaks_not")
        server.close()


async def test_a_certificate_is_shown_to_be_accepted_before_anything_is_asked():
    tls, fingerprint = own_certificate("Gate")
    async with trying() as line, rtsp_camera() as pictures:
        camera = OnvifCamera(SystemClock(), lambda: pictures.url, tls=tls)
        await camera.start()
        made = trial(line, "onvif", camera.url)
        assert not await line.run(made)
        assert said(made)["reach"] == ("failed", "trial.certificate")
        assert (made.certificate.subject, made.certificate.fingerprint.replace(":", "").lower()) == (
            "Gate",
            fingerprint,
        )
        assert not camera.counts
        again = trial(line, "onvif", camera.url, certificate=fingerprint)
        assert await line.run(again)
        await line.end(again)
        await camera.stop()


async def test_a_camera_that_says_it_plays_and_sends_nothing():
    async with trying() as line, rtsp_camera(silent_udp=True) as camera:
        made = trial(line, "rtsp", camera.url, transport="udp")
        assert not await line.run(made)
        assert said(made)["picture"] == ("failed", "trial.nothing_arrives")


@pytest.mark.parametrize("quirk", ["hangs", "bomb", "garbage", "endless"])
async def test_a_camera_that_is_hostile_ends_at_its_stage(quirk, monkeypatch):
    monkeypatch.setattr("tocsin.gateways.onvif_calls.CALL_S", 0.3)
    async with trying() as line:
        camera = OnvifCamera(SystemClock(), lambda: "", quirks=OnvifQuirks(**{quirk: True}))
        await camera.start()
        made = trial(line, "onvif", camera.url)
        async with asyncio.timeout(10):
            assert not await line.run(made)
        assert said(made)["speaks"] == ("failed", "trial.speaks_not")
        await camera.stop()


def test_every_key_has_both_languages():
    for key in sorted(WORDS.keys()):
        assert WORDS.text(key, "zh") != WORDS.text(key, "en")
