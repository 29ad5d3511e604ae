"""Asking one camera and acts that cannot be taken back, through HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from tests.support.house import NORTH, PANEL
from tests.web.conftest import WebHouse
from tests.web.test_guard import RECORDER, line
from tocsin.domain.camera_desk import CameraAim, CameraDesk, Card, HomeState, Tour, TourStop
from tocsin.domain.device_acts import DeviceActs, Firmware
from tocsin.domain.guarding import CommandOutcome
from tocsin.storage import tables_registry

__all__ = ["line"]
API, CAMERA = "/api/v1", "camera-nvr"


class Line:
    def __init__(self) -> None:
        self.key = ""
        self.outcome = CommandOutcome.DONE
        self.firmware: list[Firmware] = []

    def problem(self, device_id: str) -> str:
        return self.key

    async def cards(self, device_id, gb_id):
        return self.outcome, (Card(1, "SD1", "ok", None, 1000, 10),) if self.outcome is CommandOutcome.DONE else None

    async def home(self, device_id, gb_id):
        return self.outcome, HomeState(True, 60, 5)

    async def tours(self, device_id, gb_id):
        return self.outcome, (Tour(2, "x"),)

    async def tour(self, device_id, gb_id, number):
        return self.outcome, (TourStop(number, 30, 7),)

    async def aim(self, device_id, gb_id):
        return self.outcome, CameraAim(1.0, 2.0, 3.0)

    async def format_card(self, device_id, gb_id, card):
        return CommandOutcome.UNCONFIRMED

    async def upgrade(self, device_id, firmware):
        self.firmware.append(firmware)
        return self.outcome


@pytest.fixture
async def asked(house: WebHouse, line: object) -> Line:
    row = {
        "id": CAMERA,
        "device_id": RECORDER,
        "gb_id": "34020000001310000001",
        "name": "操场",
        "stage": "in_service",
        "jurisdiction_id": "j-north",
        "jurisdiction_code": NORTH,
    }
    await house.store.run(lambda tx: tx.connection.execute(insert(tables_registry.channels).values(**row)) and None)
    made = Line()
    house.services.camera_desk = CameraDesk(house.store, made, house.services.clock, house.services.store)
    house.services.acts = DeviceActs(house.store, made)
    return made


async def test_a_camera_is_asked_and_says_what_it_does_not_support(house: WebHouse, asked: Line) -> None:
    async with house.client("installer") as client:
        at = f"{API}/cameras/{CAMERA}/device"
        assert (await client.get(f"{at}/cards")).json()["items"][0]["state"] == "ok"
        assert (await client.get(f"{at}/home-position")).json() == {"is_on": True, "after_s": 60, "preset": 5}
        assert (await client.get(f"{at}/cruises")).json()["items"] == [{"number": 2, "name": "x"}]
        assert (await client.get(f"{at}/cruises/2")).json()["items"] == [{"preset": 2, "stay_s": 30, "speed": 7}]
        assert (await client.get(f"{at}/aim")).json()["pan_deg"] == 1.0
        codes = []
        for outcome in (CommandOutcome.REFUSED, CommandOutcome.UNCONFIRMED):
            asked.outcome = outcome
            codes.append((await client.get(f"{at}/cards")).status_code)
        asked.key = "desk.older_edition"
        older = await client.get(f"{at}/cards")
    assert codes == [409, 503]
    assert (older.status_code, "2022" in older.json()["detail"]) == (409, True)


async def test_a_card_takes_two_and_firmware_an_administrator(house: WebHouse, asked: Line) -> None:
    firmware = {"firmware": "2", "url": "http://h/fw", "manufacturer": "x"}
    async with house.client("installer") as client:
        act = await client.post(f"{API}/cameras/{CAMERA}/device/format", json={"card": 1, "reason": "坏"})
        own = await client.post(f"{API}/device-acts/{act.json()['id']}/confirm")
        upgrade = await client.post(f"{API}/devices/{RECORDER}/upgrade", json=firmware)
        waiting = await client.get(f"{API}/device-acts?state=waiting")
    assert (act.status_code, own.status_code, own.json()["code"], upgrade.status_code) == (201, 403, "forbidden", 403)
    assert [item["id"] for item in waiting.json()["items"]] == [act.json()["id"]]
    async with house.client("admin") as client:
        done = await client.post(f"{API}/device-acts/{act.json()['id']}/confirm")
        upgrade = await client.post(f"{API}/devices/{RECORDER}/upgrade", json=firmware)
        panel = await client.post(f"{API}/devices/{PANEL}/upgrade", json=firmware)
        over = await client.post(f"{API}/device-acts/{act.json()['id']}/withdraw")
    assert (done.status_code, done.json()["state"], upgrade.status_code) == (200, "taken", 201)
    assert (panel.status_code, over.status_code, len(asked.firmware)) == (409, 409, 1)
