"""Trees, marks, groups and facets through HTTP."""

from __future__ import annotations

from tests.support.house import SCHOOL, WEST_GATE, YARD
from tests.web.conftest import WebHouse

API = "/api/v1"


async def test_the_tree_is_read_a_node_at_a_time_and_its_keys_narrow_the_list(house: WebHouse) -> None:
    async with house.client("admin") as client:
        root = (await client.get(f"{API}/camera-tree")).json()["below"][""]
        assert [(one["key"], one["total"], one["leaf"]) for one in root] == [("j:j-city", 4, False)]
        below = (await client.get(f"{API}/camera-tree", params={"node": ["j:j-city", "j:j-north"]})).json()["below"]
        assert [one["total"] for one in below["j:j-city"]] == [3, 1]
        for node in (*below["j:j-city"], *below["j:j-north"]):
            listed = (await client.get(f"{API}/cameras", params={"node": node["key"]})).json()["items"]
            marks = (await client.get(f"{API}/camera-marks", params={"node": node["key"]})).json()
            assert len(listed) == marks["total"] == node["total"], node["key"]
            assert sum(one["state"] == "online" for one in listed) == node["online"], node["key"]
        wrong = await client.get(f"{API}/camera-tree", params={"node": "x:y"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "node")
    async with house.client("south") as client:
        [root] = (await client.get(f"{API}/camera-tree")).json()["below"][""]
        assert (root["key"], root["total"]) == ("j:j-south", 1)
        hidden = await client.get(f"{API}/cameras", params={"node": "j:j-north"})
        assert hidden.status_code == 404


async def test_a_group_is_made_filled_renamed_and_dissolved(house: WebHouse) -> None:
    async with house.client("admin") as client:
        made = await client.post(f"{API}/camera-groups", json={"name": "重点学校"})
        assert made.status_code == 201, made.text
        group = made.json()
        assert (group["jurisdiction_id"], group["may_change"]) == ("j-city", True)
        whole = {"ids": [WEST_GATE, YARD], "changes": {"owner": "分局", "purpose": "治安", "place_id": SCHOOL}}
        assert len((await client.post(f"{API}/cameras/bulk", json=whole)).json()["changed"]) == 2
        body = {"ids": [WEST_GATE, YARD], "changes": {"add_groups": [group["id"]], "add_tags": ["校门"]}}
        done = (await client.post(f"{API}/cameras/bulk", json=body)).json()
        assert (len(done["changed"]), done["refused"]) == (2, [])
        tree = (await client.get(f"{API}/camera-tree", params={"by": "groups"})).json()["below"][""]
        assert [(one["kind"], one["total"]) for one in tree] == [("own_group", 2), ("ungrouped", 2)]
        facets = (await client.get(f"{API}/registry-facets")).json()
        assert facets["tags"] == [{"name": "校门", "total": 2}]
        tagged = (await client.get(f"{API}/cameras", params={"tag": "校门", "order": "name"})).json()["items"]
        assert {one["id"] for one in tagged} == {WEST_GATE, YARD}
        assert tagged[0]["tags"] == ["校门"]
        changed = await client.patch(f"{API}/camera-groups/{group['id']}", json={"version": 1, "name": "学校"})
        assert (changed.json()["name"], changed.json()["version"]) == ("学校", 2)
        items = [{"id": one["id"], "version": one["version"], "changes": one["before"]} for one in done["changed"]]
        back = (await client.post(f"{API}/cameras/bulk", json={"act": "restore", "items": items})).json()
        assert (len(back["changed"]), back["refused"]) == (2, [])
        assert (await client.delete(f"{API}/camera-groups/{group['id']}")).status_code == 204
        assert (await client.get(f"{API}/camera-groups")).json()["items"] == []
    async with house.client("li") as client:
        assert (await client.post(f"{API}/camera-groups", json={"name": "x"})).status_code == 403


async def test_what_was_restored_may_name_nothing_else(house: WebHouse) -> None:
    async with house.client("admin") as client:
        for changes in ({"name": "x"}, {"add_tags": ["x"]}, {"stage": "x"}, {}):
            body = {"act": "restore", "items": [{"id": WEST_GATE, "changes": changes}]}
            assert (await client.post(f"{API}/cameras/bulk", json=body)).status_code == 422, changes
        body = {"act": "change", "items": [{"id": WEST_GATE, "changes": {"stage": "discovered"}}]}
        assert (await client.post(f"{API}/cameras/bulk", json=body)).status_code == 422


async def test_marks_of_devices_count_what_their_list_shows(house: WebHouse) -> None:
    async with house.client("admin") as client:
        for params in ({}, {"kind": "panel"}, {"state": "faults"}, {"jurisdiction_id": "j-north"}, {"maker": "nobody"}):
            listed = (await client.get(f"{API}/devices", params={**params, "order": "state"})).json()["items"]
            marks = (await client.get(f"{API}/device-marks", params={**params, "order": "state"})).json()
            assert marks["total"] == len(listed), params
        wrong = await client.get(f"{API}/devices", params={"order": "weight"})
        assert wrong.status_code == 422


async def test_a_camera_moves_to_another_jurisdiction_with_a_place_and_tags_of_its_own(house: WebHouse) -> None:
    async with house.client("admin") as client:
        known = (await client.get(f"{API}/cameras/{WEST_GATE}")).json()
        changed = await client.patch(
            f"{API}/cameras/{WEST_GATE}",
            json={
                "version": known["version"],
                "jurisdiction_id": "j-south",
                "tags": ["夜间", "夜间"],
                "place_id": SCHOOL,
                "owner": "分局",
                "purpose": "治安",
            },
        )
        assert (changed.status_code, changed.json()["jurisdiction_id"], changed.json()["tags"]) == (
            200,
            "j-south",
            ["夜间"],
        )
    async with house.client("installer") as client:
        assert (await client.get(f"{API}/cameras/{WEST_GATE}")).status_code == 404
