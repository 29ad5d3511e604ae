"""Moving a camera through HTTP: what is given, what is refused and in which words, and what ends it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.house import WEST_GATE, YARD
from tests.web.conftest import WebHouse
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.control import Aim, Cruise, CruiseOp, DragZoom, Home, Move, PresetAct, PresetOp, Scan, ScanOp, Switch

API = "/api/v1"
CONTROL = f"{API}/cameras/{WEST_GATE}/control"


async def _look(client: httpx.AsyncClient, channel: str = WEST_GATE) -> str:
    body = {"channels": [channel], "purpose": "patrol", "minutes": 5}
    view = (await client.post(f"{API}/views", json=body)).json()
    return str(view["id"])


async def _take(client: httpx.AsyncClient, **given: Any) -> httpx.Response:
    return await client.post(CONTROL, json={"view_id": await _look(client), **given})


async def test_control_is_taken_through_a_view_used_and_given_back(house: WebHouse) -> None:
    async with house.client("li") as client:
        state = (await client.get(CONTROL)).json()
        assert (state["can_move"], state["held_by"], state["presets"]) == (True, None, [])
        taken = await _take(client)
        assert taken.status_code == 200
        assert taken.json()["held_by"] == {"user_id": "li", "name": "Li"}
        assert taken.json()["since"] == "2026-11-22T02:14:07.000000Z"
        assert (await client.post(f"{CONTROL}/move", json={"pan": -0.5, "tilt": 0.25})).status_code == 204
        assert (await client.post(f"{CONTROL}/move", json={})).status_code == 204
        assert (await client.delete(CONTROL)).status_code == 204
        assert (await client.get(CONTROL)).json()["held_by"] is None
    assert house.mover.told == [(WEST_GATE, Move(-0.5, 0.25)), (WEST_GATE, "stop")]


@pytest.mark.parametrize(("language", "words"), [("en", "no control without a view"), ("zh-CN", "未调看图像不得控制")])
async def test_no_control_without_a_view(house: WebHouse, language: str, words: str) -> None:
    async with house.client("li", **{"Accept-Language": language}) as client:
        for view in ("none", await _look(client, YARD)):
            refused = await client.post(CONTROL, json={"view_id": view})
            assert (refused.status_code, refused.json()["rule"]) == (403, "no_view")
            assert words in refused.json()["detail"]
        unheld = await client.post(f"{CONTROL}/move", json={"pan": 1})
        assert (unheld.status_code, unheld.json()["code"]) == (409, "conflict")
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    assert [r.action for r in records if r.outcome == "refused"] == ["control.taken", "control.taken"]
    assert house.mover.told == []


async def test_who_is_lower_is_named_and_may_be_taken_over(house: WebHouse) -> None:
    async with house.client("li") as li, house.client("chief") as chief, house.client("wang") as wang:
        await _take(li)
        refused = (await _take(wang, take_over=True)).json()
        assert refused["detail"] == "Li is moving this camera."
        assert refused["params"]["may_take_over"] is False
        assert (await _take(chief)).json()["params"]["may_take_over"] is True
        assert (await _take(chief, take_over=True)).json()["held_by"]["name"] == "Chief"
        assert (await li.post(f"{CONTROL}/move", json={"pan": 1})).json()["params"]["holder"] == "Chief"


async def test_acts_reach_the_camera_and_wrong_ones_name_the_field(house: WebHouse) -> None:
    async with house.client("li") as client:
        await _take(client)
        good: list[tuple[dict[str, Any], Any]] = [
            ({"act": "wiper", "on": True}, Switch(1, True)),
            (
                {"act": "drag_zoom", "x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25},
                DragZoom(True, 0.25, 0.5, 0.5, 0.25),
            ),
            ({"act": "aim", "pan_deg": 10, "tilt_deg": 5, "times": 2}, Aim(10, 5, 2)),
            ({"act": "cruise", "op": "dwell", "group": 1, "value": 30}, Cruise(CruiseOp.DWELL, 1, value=30)),
            ({"act": "scan", "op": "start", "group": 2}, Scan(ScanOp.START, 2)),
        ]  # fmt: skip
        for body, _ in good:
            assert (await client.post(f"{CONTROL}/acts", json=body)).status_code == 204, body
        assert [act for _, act in house.mover.told] == [act for _, act in good]
        wrong = [
            ({"act": "fly"}, "act"),
            ({"act": "wiper"}, "on"),
            ({"act": "switch", "number": 300, "on": True}, "number"),
            ({"act": "cruise", "op": "add", "group": 1}, "preset"),
            ({"act": "drag_zoom", "x": 2, "y": 0, "width": 1, "height": 1}, "x"),
        ]
        for body, field in wrong:
            refused = await client.post(f"{CONTROL}/acts", json=body)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), body
        refused = await client.post(f"{CONTROL}/move", json={"pan": 1.5})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "pan")
        assert (await client.post(f"{CONTROL}/acts", json={"act": "reboot"})).status_code == 403


async def test_presets_and_home(house: WebHouse) -> None:
    async with house.client("li") as client:
        await _take(client)
        saved = await client.post(f"{CONTROL}/presets", json={"name": "大门", "name_en": "Gate"})
        assert (saved.status_code, saved.json()["number"]) == (201, 1)
        assert (await client.post(f"{CONTROL}/presets/1/call")).status_code == 204
        patch = {"version": 1, "name": "正门", "name_en": "Main gate"}
        assert (await client.patch(f"{CONTROL}/presets/1", json=patch)).json()["version"] == 2
        assert (await client.patch(f"{CONTROL}/presets/1", json=patch)).json()["params"]["current_version"] == 2
        home = (await client.put(f"{CONTROL}/home", json={"number": 1, "after_s": 30})).json()["items"]
        assert (home[0]["is_home"], home[0]["home_after_s"]) == (True, 30)
        assert (await client.delete(f"{CONTROL}/presets/1", params={"version": 3})).status_code == 409
        await client.put(f"{CONTROL}/home", json={"number": None})
        assert (await client.delete(f"{CONTROL}/presets/1", params={"version": 4})).status_code == 204
        assert (await client.get(CONTROL)).json()["presets"] == []
        assert (await client.post(f"{CONTROL}/presets/1/restore")).json()["name"] == "正门"
        assert (await client.post(f"{CONTROL}/presets/9/call")).status_code == 404
        unnamed = await client.post(f"{CONTROL}/presets", json={"name": "  "})
        assert unnamed.json()["errors"] == [{"field": "name", "message": "Give the preset a name."}]
        assert len((await client.post(f"{CONTROL}/presets/read")).json()["items"]) == 1
    assert [act for _, act in house.mover.told] == [
        PresetAct(PresetOp.SET, 1), PresetAct(PresetOp.CALL, 1), Home(True, 1, 30), Home(False, 1, 60),
    ]  # fmt: skip


@pytest.mark.parametrize(("language", "words"), [("en", "did not answer within 1.5 s"), ("zh-CN", "1.5 秒内没有应答")])
async def test_a_silent_camera_is_said_in_plain_words(house: WebHouse, language: str, words: str) -> None:
    async with house.client("li", **{"Accept-Language": language}) as client:
        await _take(client)
        house.mover.fails = TocsinError(ErrorCode.UNAVAILABLE, "silent", key="control.no_answer", waited_s="1.5")
        refused = await client.post(f"{CONTROL}/move", json={"pan": 1})
        assert refused.status_code == 503
        assert words in refused.json()["detail"]


async def test_the_end_of_a_consoles_connection_stops_what_it_moved(house: WebHouse) -> None:
    async with house.client("li") as client:
        await _take(client)
        await client.post(f"{CONTROL}/move", json={"pan": 1})
        session = await house.store.read(lambda tx: tx.views.live_of_user("li")[0].session_id)
        await house.app.state.feed._on_left(session)
        assert house.mover.told[-1] == (WEST_GATE, "stop")
        assert (await client.get(CONTROL)).json()["held_by"] is None


async def test_control_lies_outside_the_area_and_role_of_others(house: WebHouse) -> None:
    async with house.client("south") as client:
        assert (await client.get(CONTROL)).status_code == 404
    async with house.client("installer") as client:
        assert (await client.post(CONTROL, json={"view_id": "x"})).json()["rule"] == "no_permission"
