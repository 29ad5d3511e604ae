"""Recording plans over the interface: one, many, taken back; who may; what is asked wrongly."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from tests.support.house import SCHOOL
from tests.web.conftest import WebHouse
from tocsin.storage.tables_registry import channels

API = "/api/v1"
HOURS = [{"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "18:00"}]


def _answered_for(tx: Any) -> None:
    values = {"owner": "科信科", "purpose": "治安", "place_id": SCHOOL}
    tx.connection.execute(update(channels).where(channels.c.stage == "in_service").values(values))


async def _in_service(house: WebHouse, client: Any) -> list[str]:
    """Let somebody answer for the cameras in service; return their ids."""
    await house.store.run(_answered_for)
    found = (await client.get(f"{API}/cameras", params={"stage": "in_service", "limit": 200})).json()["items"]
    return [one["id"] for one in found]


async def test_a_plan_is_read_changed_and_refused_when_it_has_changed_since(house: WebHouse) -> None:
    async with house.client("admin") as client:
        camera = (await _in_service(house, client))[0]
        at = f"{API}/cameras/{camera}/recording-plan"
        plan = (await client.get(at)).json()
        assert (plan["mode"], plan["version"]) == ("off", 0)
        saved = await client.put(at, json={"mode": "scheduled", "schedule": HOURS, "version": 0})
        assert saved.status_code == 200, saved.text
        assert saved.json()["schedule"] == HOURS
        assert (await client.get(at)).json() == saved.json()
        stale = await client.put(at, json={"mode": "off", "version": 0})
        assert (stale.status_code, 'current_version":1' in stale.text.replace(" ", "")) == (409, True)
        wrong = await client.put(at, json={"mode": "scheduled", "schedule": [], "version": 1})
        assert (wrong.status_code, "schedule" in wrong.text) == (422, True)
        assert (await client.get(f"{API}/cameras/none/recording-plan")).status_code == 404
        [status] = (await client.get(f"{API}/recording-status", params={"camera": camera})).json()["items"]
        assert (status["camera_id"], status["state"], status["last_gap"]) == (camera, "off", None)
    async with house.client("installer") as client:
        assert (await client.put(at, json={"mode": "off", "version": 1})).status_code == 403


async def test_many_plans_are_seen_first_made_and_taken_back(house: WebHouse) -> None:
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client:
        cameras = await _in_service(house, client)
        found = (await client.get(f"{API}/cameras", params={"stage": "discovered", "limit": 200})).json()["items"]
        wanted = {"cameras": [*cameras, found[0]["id"]], "changes": {"mode": "continuous", "stream": "sub"}}
        seen = (await client.post(f"{API}/recording-plans/bulk", json={**wanted, "preview": True})).json()
        done = (await client.post(f"{API}/recording-plans/bulk", json=wanted)).json()
        assert sorted(one["camera_id"] for one in done["changed"]) == sorted(cameras)
        assert [one["camera_id"] for one in seen["changed"]] == [one["camera_id"] for one in done["changed"]]
        assert "投入使用" in done["refused"][0]["why"]
        items = [
            {
                "camera_id": one["camera_id"],
                "version": one["after"]["version"],
                "changes": {key: value for key, value in one["before"].items() if key not in ("camera_id", "version")},
            }
            for one in done["changed"]
        ]
        back = (await client.post(f"{API}/recording-plans/bulk", json={"items": items})).json()
        assert len(back["changed"]) == len(cameras)
        plans = [(await client.get(f"{API}/cameras/{one}/recording-plan")).json() for one in cameras]
        assert {one["mode"] for one in plans} == {"off"}
        for wrong in ({}, {**wanted, "items": items}, {"cameras": ["a"] * 201}):
            assert (await client.post(f"{API}/recording-plans/bulk", json=wrong)).status_code == 422
        assert (await client.get(f"{API}/volumes")).json() == {"items": [], "next": None}
