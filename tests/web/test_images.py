"""The picture sheet through HTTP: read by who may look, changed under control, before and after in the record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.imaging import ImageService, ImageSetting, ImageState

IMAGE = f"/api/v1/cameras/{WEST_GATE}/image"
CONTROL = f"/api/v1/cameras/{WEST_GATE}/control"


class Line:
    """A camera with two settings; what reached it is remembered with the records that stood then."""

    def __init__(self, house: WebHouse) -> None:
        self.house = house
        self.is_onvif = True
        self.state = ImageState(
            (
                ImageSetting("brightness", 50.0, 0.0, 100.0),
                ImageSetting("ir_cut", "auto", choices=("on", "off", "auto")),
            ),
            moves_focus=True,
        )
        self.fails = ""
        self.recorded_before = ""

    def offers_image(self, channel: object) -> bool:
        return self.is_onvif

    async def image(self, channel: object) -> ImageState:
        return self.state

    async def set_image(self, channel: object, values: Mapping[str, float | str]) -> None:
        records = await self.house.store.read(lambda tx: list(tx.audit.all()))
        self.recorded_before = records[-1].action
        if self.fails:
            raise TocsinError(ErrorCode.UNAVAILABLE, "refused", key=self.fails, status="no")
        found = tuple(
            replace(one, value=values[one.name]) if one.name in values else one for one in self.state.settings
        )
        self.state = replace(self.state, settings=found)


@pytest.fixture
def line(house: WebHouse) -> Line:
    made = Line(house)
    services = house.services
    services.images = ImageService(house.store, services.views._channels.channel, services.control, made)
    return made


async def _take(client: Any) -> None:
    given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5}
    view = (await client.post("/api/v1/views", json=given)).json()["id"]
    assert (await client.post(CONTROL, json={"view_id": view, "for_image": True})).status_code == 200


async def test_settings_are_changed_under_control_and_before_and_after_stand_in_the_record(
    house: WebHouse, line: Line
) -> None:
    async with house.client("li") as client:
        read = (await client.get(IMAGE)).json()
        assert [one["name"] for one in read["settings"]] == ["brightness", "ir_cut"]
        assert (read["settings"][0]["most"], read["moves_focus"]) == (100.0, True)
        await _take(client)
        changed = await client.patch(IMAGE, json={"values": {"brightness": 60, "ir_cut": "off"}})
        assert [one["value"] for one in changed.json()["settings"]] == [60.0, "off"]
    assert line.recorded_before == "camera.image_asked"
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    asked, done = (next(r for r in records if r.action == f"camera.image_{what}") for what in ("asked", "changed"))
    said, told = json.loads(asked.detail), json.loads(done.detail)
    assert (said["before"], said["after"]) == (
        ["brightness=50", "ir_cut=auto"],
        ["brightness=60", "ir_cut=off"],
    )
    assert (told["result"], told["after"]) == ("changed", ["brightness=60", "ir_cut=off"])


async def test_nothing_is_set_without_control(house: WebHouse, line: Line) -> None:
    async with house.client("li") as li, house.client("wang") as wang:
        assert (await li.patch(IMAGE, json={"values": {"brightness": 60}})).status_code == 409
        await _take(li)
        held = await wang.patch(IMAGE, json={"values": {"brightness": 60}})
        assert (held.status_code, held.json()["code"]) == (409, "conflict")
    assert line.recorded_before == ""


@pytest.mark.parametrize(
    "values", [{"brightness": 101}, {"brightness": "much"}, {"ir_cut": "maybe"}, {"contrast": 1}, {}], ids=str
)
async def test_what_the_camera_does_not_offer_is_never_sent(house: WebHouse, line: Line, values: Any) -> None:
    async with house.client("li", **{"Accept-Language": "zh-CN"}) as client:
        await _take(client)
        refused = await client.patch(IMAGE, json={"values": values})
        assert refused.status_code == 422
    assert line.recorded_before == ""


async def test_what_the_camera_says_no_to_is_recorded_as_failed(house: WebHouse, line: Line) -> None:
    line.fails = "control.refused"
    async with house.client("li") as client:
        await _take(client)
        assert (await client.patch(IMAGE, json={"values": {"brightness": 60}})).status_code == 503
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    told = json.loads(records[-1].detail)
    assert (records[-1].action, told["result"], told["reason"]) == (
        "camera.image_changed",
        "failed",
        "control.refused",
    )


async def test_a_camera_of_another_protocol_is_named(house: WebHouse, line: Line) -> None:
    line.is_onvif = False
    async with house.client("li", **{"Accept-Language": "zh-CN"}) as client:
        told = await client.get(IMAGE)
        assert (told.status_code, "ONVIF" in told.json()["detail"]) == (409, True)
