"""Places in which nobody may be filmed: cameras, their service and their recording are refused; panels are not."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse
from tocsin.domain.places import PROHIBITED
from tocsin.storage.tables_registry import places

API = "/api/v1"


async def _place(client: Any, kind: str, name: str = "8302") -> dict[str, Any]:
    body = {"jurisdiction_id": "j-north", "name": name, "class": kind}
    answer = await client.post(f"{API}/places", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("kind", PROHIBITED)
async def test_a_camera_cannot_be_put_into_such_a_place_and_a_panel_can(house: WebHouse, kind: str) -> None:
    async with house.client("admin", **{"Accept-Language": "en"}) as client:
        place = await _place(client, kind)
        camera = (await client.get(f"{API}/cameras/{WEST_GATE}")).json()
        moved = await client.patch(
            f"{API}/cameras/{WEST_GATE}",
            json={"version": camera["version"], "place_id": place["id"], "owner": "科信科", "purpose": "治安"},
        )
        assert (moved.status_code, moved.json()["params"]["field"]) == (409, "place_id"), moved.text
        assert "nobody may be filmed" in moved.json()["detail"]
        device = {
            "kind": "camera",
            "protocol": "onvif",
            "name": "In there",
            "place_id": place["id"],
            "jurisdiction_id": "j-north",
            "address": {"url": "http://10.0.0.9", "username": "admin"},
        }
        entered = await client.post(f"{API}/devices", json=device)
        assert (entered.status_code, entered.json()["params"]["field"]) == (409, "place_id"), entered.text
        panel = {"kind": "panel", "protocol": "dc09", "name": "Help button", "place_id": place["id"],
                 "address": {"account": "7788"}}  # fmt: skip
        assert (await client.post(f"{API}/devices", json=panel)).status_code == 201


async def test_a_place_with_a_camera_does_not_become_one_and_what_stands_there_is_not_recorded(
    house: WebHouse,
) -> None:
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client:
        place = await _place(client, "hotel")
        camera = (await client.get(f"{API}/cameras/{WEST_GATE}")).json()
        moved = await client.patch(
            f"{API}/cameras/{WEST_GATE}",
            json={"version": camera["version"], "place_id": place["id"], "owner": "科信科", "purpose": "治安"},
        )
        assert moved.status_code == 200
        refused = await client.patch(f"{API}/places/{place['id']}", json={"version": 1, "class": "guest_room"})
        assert refused.status_code == 409
        assert "1 台摄像机" in refused.text
        # As an older database might have it: whatever stands there, nothing of it is recorded and none goes into use.
        await house.store.run(_force, place["id"])
        plan = await client.put(f"{API}/cameras/{WEST_GATE}/recording-plan", json={"version": 0, "mode": "continuous"})
        assert plan.status_code == 409, plan.text
        assert "禁止安装" in plan.text
        bulk = await client.post(
            f"{API}/recording-plans/bulk", json={"cameras": [WEST_GATE], "changes": {"mode": "continuous"}}
        )
        assert "禁止安装" in bulk.json()["refused"][0]["why"]
        off = await client.put(f"{API}/cameras/{WEST_GATE}/recording-plan", json={"version": 0, "mode": "off"})
        assert off.status_code == 200, "to record nothing is never refused"


def _force(tx: Any, place_id: str) -> None:
    tx.connection.execute(update(places).where(places.c.id == place_id).values({"class": "guest_room"}))
