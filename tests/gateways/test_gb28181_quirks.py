"""Departures of the field that need more than one message: each is a fault of our simulator, and survived."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_catalog import entries_of
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogItem, item_fields
from tocsin.protocols.gb28181.manscdp import Document, catalog_response, parse_document
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import Request, response_to
from tocsin.protocols.sip.stream import StreamReader
from tocsin.sim.camera import make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

CHANNELS = make_channels(3, 6)
DEVICE = SipDevice("camera-1", "34020000001180000001", PASSWORD)
OTHER = SipDevice("camera-2", "34020000001180000002", PASSWORD)
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)


async def registered(house: House, *quirks: Quirk, transport: Transport = Transport.UDP, page_items: int = 2):
    plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, quirks=frozenset(quirks), page_items=page_items)
    camera = await house.camera(plan, transport)
    assert await camera.register()
    return camera


async def read_catalog(house: House) -> bool:
    device = house.gb.table.get(DEVICE.gb_id)
    assert device is not None
    return await house.gb.catalogs.read(device)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("quirk", [Quirk.LENGTH_IN_CHARACTERS, Quirk.SN_ZERO, Quirk.SN_NULL, Quirk.STRANGE_HEADERS])
async def test_wrong_lengths_numbers_and_headers_cost_no_channel(quirk, transport):
    async with House(DEVICE) as house:
        await registered(house, quirk, transport=transport)
        assert await read_catalog(house)
        assert len(house.reports.catalogs[-1][1]) == len(CHANNELS)


async def test_a_page_without_its_content_is_named_and_nothing_is_deleted():
    async with House(DEVICE) as house:
        await registered(house, Quirk.EMPTY_BODY)
        reading = asyncio.create_task(read_catalog(house))
        await eventually(lambda: "catalog.empty_page" in _steps(house))
        assert house.reports.catalogs == []
        reading.cancel()


def _steps(house: House) -> list[str]:
    return [step.key for timeline in house.gb.catalogs._timelines.values() for step in timeline.steps]


async def test_parent_that_is_our_own_id_means_the_root():
    async with House(DEVICE) as house:
        await registered(house, Quirk.PARENT_IS_SERVER)
        assert await read_catalog(house)
        entries = house.reports.catalogs[-1][1]
        assert len(entries) == len(CHANNELS)
        assert {entry.parent_id for entry in entries} == {""}


async def test_a_camera_that_kept_an_old_stream_is_told_to_end_it_and_asked_again():
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.KEEPS_OLD_STREAM)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert camera.has_old_streams, "its first BYE was lost in the device"
        session = await house.gb.open_live(CHANNEL, house.media)
        steps = house.reports.keys("play")
        assert "play.refused_busy" in steps
        assert "play.old_call_ended" in steps
        assert not camera.has_old_streams
        await session.close("test")


async def test_a_private_stream_is_refused_with_its_name():
    async with House(DEVICE) as house:
        await registered(house, Quirk.PRIVATE_STREAM)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.answer_private_format"
        params = dict(house.reports.last("play").steps[-1].params)
        assert "HIKVISION" in WORDS.text("play.answer_private_format", "en", params)
        assert "HIKVISION" in WORDS.text("play.answer_private_format", "zh", params)


async def test_a_device_that_registers_a_thousand_times_a_second_waits_and_nobody_else_does():
    async with House(DEVICE, OTHER) as house:
        flood = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD))
        request = flood._register_request("flood", "t", 3600, "")
        for number in range(1000):
            flood.wire.send(request.encode().replace(b"z9hG4bK", b"z9hG4bK%d" % number))
        neighbour = await house.camera(CameraPlan(OTHER.gb_id, PASSWORD))
        assert await neighbour.register()
        assert await neighbour.keep_alive()
        assert not await flood.register()
        assert flood.report.last_status in (0, 503)
        await eventually(lambda: any(one.failure == "register.too_often" for one in house.reports.attempts))
        assert len([one for one in house.reports.attempts if one.device_id == "camera-1"]) == 1, "told once in 30 s"


async def test_an_id_of_a_neighbour_is_refused_and_the_neighbour_notices_nothing():
    async with House(DEVICE, OTHER) as house:
        camera = await registered(house)
        thief = await house.camera(CameraPlan(DEVICE.gb_id, "guessed"))
        for _ in range(3):
            assert not await thief.register()
        assert await camera.keep_alive()
        assert house.gb.table.get(DEVICE.gb_id).port == camera.wire.port
        assert house.reports.last("registration").failure == "register.wrong_password"


def test_a_list_with_cycles_missing_parents_and_doubles_keeps_every_picture():
    first, second, third = (f"340200000013200000{number:02d}" for number in (1, 2, 3))
    items = [
        CatalogItem(first, parent_id=second),
        CatalogItem(second, parent_id=first),
        CatalogItem(third, parent_id="34020000002160000099/34020000002150000001"),
        CatalogItem(third, name="again", parent_id=third),
    ]
    entries = entries_of(items, DEVICE.gb_id, "34020000002000000001")
    assert {entry.gb_id for entry in entries} == {first, second, third}
    parents = {entry.gb_id: entry.parent_id for entry in entries}
    assert parents[third] == ""
    assert "" in (parents[first], parents[second]), "the cycle is cut"


async def test_a_server_with_several_addresses_answers_from_the_one_that_was_asked():
    gateway = SipGateway(SipConfig(hosts=("0.0.0.0",), port=0, tcp=False), SystemClock(), lambda: "w" * 32)
    await gateway.start()
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    try:
        for own in ("127.0.0.2", "127.0.0.3"):
            text = (
                f"OPTIONS sip:x@{own} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bK{own}\r\n"
                f"From: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: {own}\r\nCSeq: 1 OPTIONS\r\n\r\n"
            )
            made.sendto(text.encode(), (own, gateway.port))
            data, source = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(made, 4096), 3)
            assert data.startswith(b"SIP/2.0 200")
            assert source == (own, gateway.port)
    finally:
        made.close()
        await gateway.stop()


async def test_a_call_with_a_contact_nobody_can_reach_is_ended_all_the_same():
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.WRONG_CONTACT)
        session = await house.gb.open_live(CHANNEL, house.media)
        await session.close("test")
        assert camera.report.byes == 1
        await eventually(lambda: camera.open_calls == 0)


async def test_large_pages_lost_over_udp_are_fetched_over_tcp_and_that_is_remembered():
    async with House(DEVICE) as house:
        house.gb.catalogs._assembler = CatalogAssembler(first_s=0.3, idle_s=0.3)
        camera = await registered(house, Quirk.LARGE_PAGES_LOST, page_items=5)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            messages = StreamReader()
            while data := await reader.read(65_536):
                for found in messages.receive(data):
                    if not isinstance(found, Request):
                        continue
                    writer.write(response_to(found, 200, to_tag="t").encode())
                    asked = parse_document(found.body)
                    assert isinstance(asked, Document)
                    if asked.cmd_type == "Catalog":
                        rows = [item_fields(channel) for channel in CHANNELS]
                        body = catalog_response(asked.sn, DEVICE.gb_id, len(rows), rows)
                        writer.write(camera._message(body).encode())

        server = await asyncio.start_server(serve, "127.0.0.1", camera.wire.port)
        house.gb.catalogs.want(DEVICE.gb_id)
        await eventually(lambda: bool(house.reports.catalogs) and house.reports.catalogs[-1][2], 5)
        assert "catalog.retry_tcp" in house.reports.keys("catalog") or _steps(house)
        await eventually(lambda: any(one[1] == "signalling" for one in house.reports.findings))
        assert house.reports.trait("camera-1", "signalling") == ("tcp", "catalog_only_by_tcp", True)
        server.close()
