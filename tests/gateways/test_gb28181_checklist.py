"""Points of the checklist that need counting or size: renewals, floods of keepalives, endless catalogues."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc

import pytest

from tests.support.gb28181 import PASSWORD, QUICK, House, eventually
from tocsin.base.clock import SystemClock
from tocsin.domain.directory import SipDevice
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogItem, CatalogSet, item_fields
from tocsin.protocols.gb28181.manscdp import BadDocument, catalog_response, keepalive_notify, parse_document
from tocsin.protocols.sip.digest import answer, parse_challenge
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

DEVICE = SipDevice("camera-1", "34020000001180000001", PASSWORD)
KEEPALIVES = 5_000


async def register_as(camera: SimCamera, call_id: str) -> int:
    """Register under a given Call-ID; return the final status."""
    response = await camera.wire.transact(camera._register_request(call_id, "t", 3600, ""))
    assert response is not None
    challenge = parse_challenge(response.headers.get("www-authenticate"))
    assert challenge is not None
    given = answer(
        challenge,
        username=DEVICE.gb_id,
        password=PASSWORD,
        method="REGISTER",
        uri=f"sip:{camera.plan.server_id}@{camera.plan.realm}",
        cnonce="c0ffee00",
    )
    response = await camera.wire.transact(camera._register_request(call_id, "t", 3600, given.encode()))
    assert response is not None
    return response.status


@pytest.mark.parametrize("call_ids", [("same", "same"), ("first", "second")], ids=["same", "new"])
async def test_a_registration_is_renewed_under_the_same_or_a_new_call_id(call_ids):
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD))
        for call_id in call_ids:
            assert await register_as(camera, call_id) == 200
        assert len(house.reports.registrations) == 2
        assert len(house.gb.table) == 1
        assert house.reports.departures == []


async def test_five_thousand_keepalives_are_each_answered_and_leave_nothing_behind():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD))
        assert await camera.register()
        device = house.gb.table.get(DEVICE.gb_id)
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        body = keepalive_notify(7, DEVICE.gb_id)
        request = camera._message(body).encode()
        loop, answers = asyncio.get_running_loop(), 0
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(KEEPALIVES):
            data = request.replace(b"z9hG4bK", b"z9hG4bK%05d" % number)
            await loop.sock_sendto(made, data, ("127.0.0.1", house.sip.port))
            reply = await asyncio.wait_for(loop.sock_recv(made, 4096), 3)
            answers += reply.startswith(b"SIP/2.0 200")
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        made.close()
        assert answers == KEEPALIVES
        assert house.gb.health().keepalives == KEEPALIVES
        assert grown < 1_000_000, "no transaction is kept for a keepalive"
        assert house.gb.table.get(DEVICE.gb_id) is device


async def test_channels_one_by_one_make_one_complete_set():
    channels = make_channels(4, 5)
    async with House(DEVICE, query_catalog=True) as house:
        plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=channels, page_items=1)
        camera = await house.camera(plan)
        assert await camera.register()
        await eventually(lambda: bool(house.reports.catalogs))
        _, entries, complete = house.reports.catalogs[-1]
        assert (len(entries), complete, camera.report.pages) == (5, True, 5)


def page(items: list[CatalogItem], total: int, sn: int = 1):
    found = parse_document(catalog_response(sn, DEVICE.gb_id, total, [item_fields(item) for item in items]))
    assert not isinstance(found, BadDocument)
    return found


def numbered(count: int) -> list[CatalogItem]:
    return [CatalogItem(f"3402000000132{number:07d}", name=f"摄像机{number}") for number in range(count)]


def test_twenty_thousand_channels_with_lost_pages_are_never_taken_for_complete_and_then_are():
    pages = [page(part, 20_000) for part in _cut(numbered(20_000), 50)]
    assembler = CatalogAssembler()
    assembler.ask("nvr", 1, 0.0)
    for number, one in enumerate(pages):
        if number % 50 != 7:  # 2 % of the packets
            assert not isinstance(assembler.receive("nvr", one, 1.0), CatalogSet)
    [partial] = assembler.handle_timer(12.0)
    assert (partial.is_complete, partial.received) == (False, 19_600)
    assembler.ask("nvr", 1, 20.0)
    found = [assembler.receive("nvr", one, 21.0) for one in pages][-1]
    assert isinstance(found, CatalogSet)
    assert (found.is_complete, found.received) == (True, 20_000)


def _cut(items: list[CatalogItem], size: int) -> list[list[CatalogItem]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def test_a_list_without_end_is_held_to_its_limit_and_never_complete():
    assembler = CatalogAssembler(max_items=100)
    assembler.ask("nvr", 1, 0.0)
    for part in _cut(numbered(1_000), 50):
        assembler.receive("nvr", page(part, 1_000), 1.0)
    [found] = assembler.handle_timer(12.0)
    assert (found.is_complete, len(found.items)) == (False, 100)


@pytest.mark.parametrize("quirk", [None, Quirk.UTF8_LABELLED_GB2312])
async def test_names_arrive_whole_in_every_character_set_and_mixed(quirk):
    channels = make_channels(4, 3)
    async with House(DEVICE, query_catalog=True) as house:
        quirks = frozenset({quirk} if quirk else ())
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, channels=channels, quirks=quirks))
        assert await camera.register()
        await eventually(lambda: bool(house.reports.catalogs))
        assert {entry.name for entry in house.reports.catalogs[-1][1]} == {channel.name for channel in channels}


def test_pages_of_one_list_in_two_character_sets_are_both_read():
    first, second = numbered(2)
    assembler = CatalogAssembler()
    assembler.ask("nvr", 1, 0.0)
    assembler.receive("nvr", page([first], 2), 0.0)
    body = catalog_response(1, DEVICE.gb_id, 2, [item_fields(second)]).decode("gb18030").encode("utf-8")
    document = parse_document(body, "gb18030")
    assert not isinstance(document, BadDocument)
    found = assembler.receive("nvr", document, 0.0)
    assert isinstance(found, CatalogSet)
    assert [item.name for item in found.items] == ["摄像机0", "摄像机1"]


async def test_a_name_with_line_breaks_enters_no_header_and_no_log_line():
    item = CatalogItem("34020000001320000001", name="x\r\nVia: SIP/2.0/UDP evil\r\n\r\n")
    document = page([item], 1)
    assembler = CatalogAssembler()
    assembler.ask("nvr", 1, 0.0)
    found = assembler.receive("nvr", document, 0.0)
    assert isinstance(found, CatalogSet)
    assert found.items[0].name == "x Via: SIP/2.0/UDP evil"
    gateway = SipGateway(SipConfig(port=0, timers=QUICK), SystemClock(), lambda: "w" * 32)
    await gateway.start()
    try:
        peer = await gateway.connect("127.0.0.1", gateway.port)
        assert peer is not None
        with pytest.raises(ValueError, match="line break"):
            await gateway.request(peer, "MESSAGE", "sip:x@y", fields=[("To", f"<sip:{item.name}@y>")])
    finally:
        await gateway.stop()
