"""Snapshots between the real gateway and simulated cameras that upload to a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.gb28181 import PASSWORD, House
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.sim.camera import CameraPlan, Quirk, make_channels

DEVICE = SipDevice("device-1", "34020000001180000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD, channels=make_channels(1, 1), version="3.0")
CHANNEL = Channel("channel-1", "device-1", PLAN.channels[0].gb_id)
SESSION = "0193a0b0-0000-7000-8000-000000000001"


@asynccontextmanager
async def taker(got: list[bytes]) -> AsyncIterator[str]:
    async def take(request: Request) -> Response:
        body = await request.body()
        if request.path_params["token"] != "token" or len(body) > 4 * 1024 * 1024:
            return Response(status_code=404)
        found = picture_in(body, request.headers["content-type"])
        assert found is not None
        got.append(found)
        return Response()

    app = Starlette(routes=[Route("/upload/{token}", take, methods=["POST", "PUT"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    config = server.config
    config.load()
    listener = config.bind_socket()
    serving = asyncio.create_task(server.serve([listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/upload/token"
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    ("quirks", "count"),
    [
        (frozenset(), 3),
        (frozenset({Quirk.UPLOADS_FEWER}), 2),
        (frozenset({Quirk.UPLOADS_TOO_MUCH}), 0),
        (frozenset({Quirk.UPLOADS_ELSEWHERE}), 0),
    ],
)
async def test_a_camera_uploads_and_says_how_many(quirks, count):
    got, told = [], asyncio.Queue()

    async def finished(*word) -> bool:
        told.put_nowait(word)
        return True

    async with House(DEVICE) as house, taker(got) as url:
        house.gb.snapshots.on_finished = finished
        camera = await house.camera(replace(PLAN, quirks=quirks))
        assert await camera.register()
        assert house.gb.snapshots.snapshot_problem(CHANNEL) == ""
        outcome = await house.gb.snapshots.ask_snapshots(CHANNEL, SESSION, 3, 1, url)
        assert outcome is CommandOutcome.DONE
        assert await asyncio.wait_for(told.get(), 10) == ("device-1", SESSION, count)
        assert len(got) == len(set(got)) == count


async def test_an_older_device_and_an_absent_one_are_not_asked():
    async with House(DEVICE) as house:
        assert house.gb.snapshots.snapshot_problem(CHANNEL) == "guard.not_connected"
        camera = await house.camera(replace(PLAN, version="2.0"))
        assert await camera.register()
        assert house.gb.snapshots.snapshot_problem(CHANNEL) == "snapshot.older_edition"
