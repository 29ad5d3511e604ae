"""Many cameras at once through HTTP: previewed, changed, refused one by one, taken back."""

from __future__ import annotations

from typing import Any

import httpx

from tests.web.conftest import WebHouse

API = "/api/v1/cameras"


async def _bulk(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    done = await client.post(f"{API}/bulk", json=body)
    assert done.status_code == 200, done.text
    made: dict[str, Any] = done.json()
    return made


async def _cameras(client: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(API, params=params)).json()["items"]
    return found


async def _complete(client: httpx.AsyncClient) -> list[str]:
    """Give every camera its owner, purpose and place, by the very way that is tested; return the ids."""
    ids = [one["id"] for one in await _cameras(client)]
    place_id = (await client.get("/api/v1/places")).json()["items"][0]["id"]
    done = await _bulk(client, ids=ids, changes={"owner": "分局", "purpose": "治安", "place_id": place_id})
    assert (len(done["changed"]), done["refused"]) == (len(ids), [])
    return ids


async def test_a_preview_changes_nothing_and_the_change_leaves_a_record_a_camera(house: WebHouse) -> None:
    async with house.client("admin") as client:
        ids = await _complete(client)
        before = await _cameras(client)
        assert len(ids) > 1
        seen = await _bulk(client, ids=ids, changes={"owner": "市局科信科"}, preview=True)
        assert sorted(one["id"] for one in seen["changed"]) == sorted(ids)
        assert await _cameras(client) == before

        done = await _bulk(client, ids=ids, changes={"owner": "市局科信科"})
        assert (len(done["changed"]), done["refused"]) == (len(ids), [])
        assert {one["owner"] for one in await _cameras(client)} == {"市局科信科"}
        again = await _bulk(client, ids=ids, changes={"owner": "市局科信科"})
        assert (again["changed"], sorted(again["same"])) == ([], sorted(ids))
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    last = [one.subject_id for one in records if one.action == "channel.changed"][-len(ids) :]
    assert sorted(last) == sorted(ids)


async def test_a_change_is_taken_back_where_nobody_changed_the_camera_since(house: WebHouse) -> None:
    async with house.client("admin") as client:
        await _complete(client)
        before = {one["id"]: one["loss_policy"] for one in await _cameras(client)}
        wanted = "tolerate" if "drop" in before.values() else "drop"
        done = await _bulk(client, ids=list(before), changes={"loss_policy": wanted})
        first, *others = done["changed"]
        touched = await client.patch(f"{API}/{first['id']}", json={"version": first["version"], "name": "新名"})
        assert touched.status_code == 200
        items = [{"id": one["id"], "version": one["version"], "changes": one["before"]} for one in done["changed"]]
        back = await _bulk(client, items=items)
        assert [one["id"] for one in back["refused"]] == [first["id"]]
        assert "changed in the meantime" in back["refused"][0]["why"]
        after = {one["id"]: one["loss_policy"] for one in await _cameras(client)}
        assert after == {**before, first["id"]: wanted}
        assert len(others) == len(back["changed"])


async def test_a_camera_that_cannot_is_left_and_told_and_the_others_go_on(house: WebHouse) -> None:
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client:
        ids = await _complete(client)
        in_service = [one["id"] for one in await _cameras(client, stage="in_service")]
        seen = await _bulk(client, ids=[*ids, "none"], changes={"purpose": ""}, preview=True)
        done = await _bulk(client, ids=[*ids, "none"], changes={"purpose": ""})
        assert [one["id"] for one in seen["refused"]] == [one["id"] for one in done["refused"]]
        assert sorted(one["id"] for one in done["refused"]) == sorted([*in_service, "none"])
        why = {one["id"]: one["why"] for one in done["refused"]}
        assert "用途" in why[in_service[0]]


async def test_all_that_match_a_filter_are_retired_in_groups(house: WebHouse) -> None:
    async with house.client("admin") as client:
        wanted = await _cameras(client, stage="discovered")
        assert wanted
        seen = await _bulk(client, act="retire", filter={"stage": "discovered"}, preview=True)
        assert len(seen["changed"]) == len(wanted)
        done = await _bulk(client, act="retire", filter={"stage": "discovered"})
        assert (len(done["changed"]), done["next"]) == (len(wanted), None)
        assert await _cameras(client, stage="discovered") == []
        nothing = await _bulk(client, act="retire", filter={"stage": "discovered"})
        assert nothing["changed"] == []


async def test_commissioning_many_says_what_each_lacks(house: WebHouse) -> None:
    async with house.client("admin") as client:
        found = await _cameras(client, stage="discovered")
        ids = [one["id"] for one in found]
        seen = await _bulk(client, act="commission", ids=ids, preview=True)
        assert len(seen["changed"]) + len(seen["refused"]) == len(ids)
        for one in seen["refused"]:
            assert "missing" in one["why"]
        done = await _bulk(client, act="commission", ids=ids)
        assert [one["id"] for one in done["changed"]] == [one["id"] for one in seen["changed"]]
        stages = {one["id"]: one["stage"] for one in await _cameras(client)}
        assert all(stages[one["id"]] == "in_service" for one in done["changed"])


async def test_what_is_asked_wrongly_is_refused_as_a_whole(house: WebHouse) -> None:
    async with house.client("admin") as client:
        for body in (
            {"changes": {"owner": "x"}},
            {"ids": ["a"], "filter": {}, "changes": {"owner": "x"}},
            {"ids": ["a"]},
            {"ids": ["a"], "changes": {"name": "x"}},
            {"act": "retire", "ids": ["a"], "changes": {"owner": "x"}},
            {"ids": [str(n) for n in range(201)], "changes": {"owner": "x"}},
        ):
            assert (await client.post(f"{API}/bulk", json=body)).status_code == 422, body
