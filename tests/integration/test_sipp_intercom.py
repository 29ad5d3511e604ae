"""SIPp as an independent door intercom: it registers, rings with PRACK, is answered, opened by INFO and hung up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.test_sipp import finish, start_sipp
from tests.support.clocks import FixedClock
from tests.support.gb28181 import eventually
from tests.support.house import PEOPLE
from tests.support.intercoms import door_house
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store

pytestmark = pytest.mark.integration


async def test_sipp_as_an_intercom_from_its_registration_to_our_bye(tmp_path: Path) -> None:
    clock, url = FixedClock(), f"sqlite:///{tmp_path / 'doors.sqlite3'}"
    schema.prepare(url)
    store = make_store(url, clock, HeadsFile(tmp_path / "heads"), group_cap=100)
    await store.start()
    async with door_house(store, clock) as house:
        await house.enter(door_code="#", door_method="info_relay")
        process = await start_sipp("intercom.xml", tmp_path, "-t", "u1", f"127.0.0.1:{house.sip.port}")
        call = await house.until("ringing")
        await eventually(lambda: house.sip.health().counts["PRACK"] >= 1, 10)  # it insists on 100rel
        await house.service.answer(call.id, actor=PEOPLE.li)
        async with asyncio.timeout(5):
            await house.calls._live[call.id].served.confirmed()
        await house.service.open_door(call.id, "test", actor=PEOPLE.li)
        await house.service.hang_up(call.id, actor=PEOPLE.li)
        await finish(process, tmp_path)
        assert house.gateway.registered == 1
        assert (await house.only()).end_reason == "hung_up"
    await store.stop()
