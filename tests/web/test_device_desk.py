"""Asking and setting a device through HTTP."""

from __future__ import annotations

import pytest

from tests.domain.test_device_desk import Line
from tests.support.house import PANEL
from tests.web.conftest import WebHouse
from tests.web.test_guard import RECORDER, line
from tocsin.domain.device_desk import DeviceDesk
from tocsin.domain.guarding import CommandOutcome

__all__ = ["line"]
API = "/api/v1/devices"


class WebLine(Line):
    async def configure(self, device_id, target_id, config_type, values):
        self.sent.append((device_id, target_id, config_type, dict(values)))
        return self.outcome


@pytest.fixture
def desk(house: WebHouse, line: object) -> WebLine:
    made = WebLine(house)
    house.services.desk = DeviceDesk(house.store, made)
    return made


async def test_a_device_is_asked_and_set(house: WebHouse, desk: WebLine) -> None:
    async with house.client("installer") as client:
        condition = await client.get(f"{API}/{RECORDER}/condition")
        values = await client.get(f"{API}/{RECORDER}/configuration")
        done = await client.post(
            f"{API}/{RECORDER}/configuration", json={"type": "BasicParam", "values": {"HeartBeatInterval": 30}}
        )
        wrong = await client.post(
            f"{API}/{RECORDER}/configuration", json={"type": "BasicParam", "values": {"HeartBeatInterval": 1}}
        )
        panel = await client.get(f"{API}/{PANEL}/condition")
    assert (condition.status_code, condition.json()["model"]) == (200, "X")
    assert values.json() == {"values": {"BasicParam": {"Name": "x"}}}
    assert (done.status_code, done.json()) == (200, {"outcome": "done"})
    assert (wrong.status_code, panel.status_code) == (422, 409)
    assert desk.sent == [(RECORDER, "", "BasicParam", {"HeartBeatInterval": 30})]


async def test_an_operator_sets_nothing_and_a_silent_device_is_said(house: WebHouse, desk: WebLine) -> None:
    async with house.client("li") as client:
        refused = await client.post(f"{API}/{RECORDER}/configuration", json={"type": "FrameMirror", "values": {}})
    desk.outcome = CommandOutcome.NOT_CONNECTED
    async with house.client("installer") as client:
        silent = await client.get(f"{API}/{RECORDER}/condition")
    assert (refused.status_code, silent.status_code, desk.sent) == (403, 503, [])
