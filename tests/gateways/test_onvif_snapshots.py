"""Snapshots fetched from ONVIF cameras: with a digest, from the host people entered, bounded, JPEG or nothing."""

import asyncio

import pytest

from tests.gateways.test_onvif import CHANNEL, House, Intake
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.onvif_calls import CallFailed
from tocsin.gateways.onvif_snapshots import OnvifSnapshots
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.sim.camera_snapshots import picture
from tocsin.sim.onvif_camera import OnvifCamera, OnvifQuirks


class Kept:
    """What a service would keep."""

    def __init__(self):
        self.pictures, self.failed = [], []
        self.came = asyncio.Event()

    async def take(self, session, kind, body):
        data = b"".join([part async for part in body])
        if picture_in(data, kind) is None:
            raise TocsinError(ErrorCode.INVALID, "this is no JPEG picture")
        self.pictures.append((session, kind, data))
        self.came.set()

    async def give_up(self, session, problem):
        self.failed.append((session, problem))
        self.came.set()

    async def until(self, holds):
        async with asyncio.timeout(8):
            while not holds():
                self.came.clear()
                await self.came.wait()


async def asking(work, snapshot=lambda: picture("1"), password="Tocsin-12", **quirks):
    camera = OnvifCamera(SystemClock(), lambda: "rtsp://127.0.0.1:9/1", snapshot=snapshot, quirks=OnvifQuirks(**quirks))
    await camera.start()
    house, clock, kept = House(camera.url, password, takes_events=False), SystemClock(), Kept()
    gateway = OnvifGateway(house, house, AttemptLog(house, clock), Intake(), clock)
    line = OnvifSnapshots(gateway, clock)
    line.on_picture, line.on_failed = kept.take, kept.give_up
    try:
        await gateway.look()
        await work(camera, line, kept)
    finally:
        await line.stop()
        await gateway.stop()
        await camera.stop()


@pytest.mark.parametrize("quirks", [{}, {"auth": "digest"}, {"media2": False}, {"inner_addresses": True}], ids=str)
async def test_a_picture_is_fetched_with_a_digest_from_the_host_people_entered(quirks):
    async def work(camera, line, kept):
        assert line.snapshot_problem(CHANNEL) == ""
        assert await line.ask_snapshots(CHANNEL, "s1", 2, 0, "unused") is CommandOutcome.DONE
        await kept.until(lambda: len(kept.pictures) == 2)
        assert kept.pictures[0] == ("s1", "image/jpeg", picture("1"))
        assert (camera.refused, kept.failed) == (0, [])

    await asking(work, **quirks)


@pytest.mark.parametrize(
    ("snapshot", "problem"),
    [
        (None, "snapshot.refused"),
        (lambda: b"<html>sign in</html>", "snapshot.no_jpeg"),
        (lambda: b"\xff\xd8" + bytes(5 << 20), "snapshot.no_jpeg"),
    ],
    ids=["no address", "a page", "too large"],
)
async def test_what_is_no_picture_is_said_and_not_kept(snapshot, problem):
    async def work(camera, line, kept):
        await line.ask_snapshots(CHANNEL, "s1", 1, 0, "")
        await kept.until(lambda: kept.failed)
        assert (kept.pictures, kept.failed) == ([], [("s1", problem)])

    await asking(work, snapshot)


async def test_a_picture_without_end_is_cut_off():
    async def work(camera, line, kept):
        camera.quirks = OnvifQuirks(endless=True)
        with pytest.raises(CallFailed) as failed:
            await line._cameras._known["d1"].reach.fetch(
                camera.url.replace("/onvif/device_service", "/snapshot.jpg"), 1 << 20, 5.0
            )
        assert failed.value.params == {"reason": "too_large"}

    await asking(work)


async def test_a_password_refused_for_pictures_is_given_once_and_the_rest_goes_on():
    async def work(camera, line, kept):
        camera._password = "another"  # as cameras do that keep users of their own for pictures
        for number in (1, 2):
            await line.ask_snapshots(CHANNEL, f"s{number}", 1, 0, "")
            await kept.until(lambda number=number: len(kept.failed) == number)
        assert [problem for _, problem in kept.failed] == ["snapshot.wrong_password"] * 2
        assert camera.refused == 1

    await asking(work, auth="open")


async def test_a_camera_that_was_not_reached_cannot_be_asked():
    async def work(camera, line, kept):
        assert line.snapshot_problem(CHANNEL) == "guard.not_connected"

    await asking(work, password="wrong")
