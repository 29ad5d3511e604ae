"""Saved layouts of the wall: one's own, shared ones, versions, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.house import WEST_GATE, YARD
from tests.web.conftest import WebHouse

API = "/api/v1/wall-layouts"
WALL: dict[str, Any] = {"name": "Gates", "tiles": 4, "places": [[WEST_GATE], [WEST_GATE, YARD]], "dwell_s": 10}


async def test_a_layout_is_saved_read_changed_and_deleted_with_records(house: WebHouse) -> None:
    async with house.client("li") as client:
        made = await client.post(API, json=WALL)
        assert made.status_code == 201, made.text
        layout = made.json()
        assert (layout["places"], layout["version"], layout["shared"]) == (WALL["places"], 1, False)
        changed = await client.put(f"{API}/{layout['id']}", json={**WALL, "tiles": 9, "version": 1})
        assert changed.json()["jurisdiction_id"] == "j-north"
        assert (changed.json()["tiles"], changed.json()["version"]) == (9, 2)
        stale = await client.put(f"{API}/{layout['id']}", json={**WALL, "version": 1})
        assert stale.status_code == 409
        assert [one["name"] for one in (await client.get(API)).json()["items"]] == ["Gates"]
    async with house.client("wang") as client:
        assert (await client.get(API)).json()["items"] == []
        assert (await client.delete(f"{API}/{layout['id']}")).status_code == 404
    async with house.client("li") as client:
        assert (await client.delete(f"{API}/{layout['id']}")).status_code == 204
        assert (await client.get(API)).json()["items"] == []
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    assert [one.action for one in records if one.subject_id == layout["id"] and one.outcome == "done"] == [
        "layout.saved",
        "layout.saved",
        "layout.removed",
    ]


async def test_a_supervisor_shares_a_layout_in_his_jurisdiction_and_an_operator_does_not(house: WebHouse) -> None:
    async with house.client("li") as client:
        refused = await client.post(API, json={**WALL, "shared": True})
        assert (refused.status_code, refused.json()["rule"]) == (403, "no_permission")
    async with house.client("chief") as client:
        layout = (await client.post(API, json={**WALL, "shared": True})).json()
    async with house.client("li") as client:
        assert [one["id"] for one in (await client.get(API)).json()["items"]] == [layout["id"]]
        denied = await client.put(f"{API}/{layout['id']}", json={**WALL, "version": 1})
        assert denied.status_code == 403
    async with house.client("south") as client:
        assert len((await client.get(API)).json()["items"]) == 1  # the city's supervisor shares with the whole city


async def test_a_layout_is_shared_with_one_jurisdiction(house: WebHouse) -> None:
    shared = {**WALL, "together": True, "places": [[WEST_GATE, "", YARD]], "shared": True, "jurisdiction_id": "j-north"}
    async with house.client("chief") as client:
        layout = (await client.post(API, json=shared)).json()
        assert (layout["together"], layout["jurisdiction_id"]) == (True, "j-north")
    async with house.client("li") as client:
        (seen,) = (await client.get(API)).json()["items"]
        assert (seen["places"], seen["together"]) == ([[WEST_GATE, "", YARD]], True)
    async with house.client("south") as client:
        assert (await client.get(API)).json()["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"places": [[WEST_GATE, ""]]}, "places"),
        ({"tiles": 5}, "tiles"),
        ({"tiles": 1}, "places"),
        ({"name": " "}, "name"),
        ({"tiles": 16, "places": [[f"c{number}" for number in range(40)], [f"d{n}" for n in range(40)]]}, "places"),
    ],
)
async def test_a_wall_that_cannot_be_shown_is_refused(house: WebHouse, change: dict[str, Any], field: str) -> None:
    async with house.client("li") as client:
        response = await client.post(API, json={**WALL, **change})
    assert response.status_code == 422 or response.status_code == 400
    assert field in response.text
