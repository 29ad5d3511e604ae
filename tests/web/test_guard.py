"""Arming a device through HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from tests.support.house import NORTH, PANEL, SCHOOL
from tests.web.conftest import WebHouse
from tocsin.domain.guarding import CommandOutcome, GuardService
from tocsin.storage import tables_registry

API = "/api/v1/devices"
RECORDER = "nvr-school"


class Line:
    """A way to devices whose outcome the test sets."""

    def __init__(self) -> None:
        self.outcome = CommandOutcome.DONE
        self.sent: list[tuple[str, bool]] = []

    async def set_guard(self, device_id: str, *, is_set: bool) -> CommandOutcome:
        self.sent.append((device_id, is_set))
        return self.outcome


@pytest.fixture
async def line(house: WebHouse) -> Line:
    row = {
        "id": RECORDER,
        "kind": "camera",
        "name": "录像机",
        "place_id": SCHOOL,
        "jurisdiction_id": "j-north",
        "jurisdiction_code": NORTH,
        "protocol": "gb28181",
        "gb_id": "34020000001180000001",
    }
    await house.store.run(lambda tx: tx.connection.execute(insert(tables_registry.devices).values(**row)) and None)
    made = Line()
    house.services.guarding = GuardService(house.store, made)
    return made


async def test_a_device_is_armed_and_disarmed_and_what_came_of_it_is_said(house: WebHouse, line: Line) -> None:
    async with house.client("installer") as client:
        armed = await client.post(f"{API}/{RECORDER}/guard", json={"armed": True})
        line.outcome = CommandOutcome.UNCONFIRMED
        disarmed = await client.post(f"{API}/{RECORDER}/guard", json={"armed": False})
    assert (armed.status_code, armed.json()) == (200, {"device_id": RECORDER, "armed": True, "outcome": "done"})
    assert disarmed.json()["outcome"] == "unconfirmed"
    assert line.sent == [(RECORDER, True), (RECORDER, False)]


async def test_refusals_are_said_in_both_languages(house: WebHouse, line: Line) -> None:
    line.outcome = CommandOutcome.REFUSED
    async with house.client("installer", **{"Accept-Language": "zh-CN"}) as client:
        refused = await client.post(f"{API}/{RECORDER}/guard", json={"armed": True})
        panel = await client.post(f"{API}/{PANEL}/guard", json={"armed": True})
        wrong = await client.post(f"{API}/{RECORDER}/guard", json={"armed": "perhaps"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "设备拒绝执行该命令。")
    assert (panel.status_code, panel.json()["detail"]) == (409, "该设备不支持从平台布防、撤防。")
    assert wrong.status_code == 422
    line.outcome = CommandOutcome.NOT_CONNECTED
    async with house.client("installer") as client:
        gone = await client.post(f"{API}/{RECORDER}/guard", json={"armed": True})
    assert gone.status_code == 503
    assert gone.json()["detail"].startswith("The device is not registered")


async def test_an_operator_may_not_arm(house: WebHouse, line: Line) -> None:
    async with house.client("li") as client:
        assert (await client.post(f"{API}/{RECORDER}/guard", json={"armed": True})).status_code == 403
    assert line.sent == []


async def test_without_a_gateway_nothing_is_armed(house: WebHouse, line: Line) -> None:
    house.services.guarding = None
    async with house.client("installer") as client:
        assert (await client.post(f"{API}/{RECORDER}/guard", json={"armed": True})).status_code == 503
