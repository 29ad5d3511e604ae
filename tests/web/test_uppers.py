"""Upper platforms over the API: who may, what is checked, the catalogue before and after, the stop."""

from __future__ import annotations

from typing import Any

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse

API = "/api/v1"
UPPERS = f"{API}/upper-platforms"


async def _given(house: WebHouse, **more: Any) -> dict[str, Any]:
    async with house.client("admin") as client:
        nodes = (await client.get(f"{API}/jurisdictions")).json()["items"]
    return {
        "jurisdiction_id": nodes[0]["id"],
        "name": "市局平台",
        "upper_id": "34020000002000000001",
        "host": "192.0.2.1",
        "local_id": "34022300002000000001",
        "password": "secret words",
        "owner": "县公安局",
        "purpose": "patrol",
        "ends_at": "2027-01-01T00:00:00Z",
        **more,
    }


async def test_an_upper_platform_is_entered_shared_with_stopped_and_resumed(house: WebHouse) -> None:
    given = await _given(house)
    async with house.client("admin") as admin, house.client("chief") as chief:
        made = await admin.post(UPPERS, json=given)
        assert made.status_code == 201, made.text
        upper = made.json()
        assert "password" not in upper
        assert "secret words" not in made.text
        assert (upper["has_secret"], upper["sharing"], upper["rights"]) == (True, "active", ["live"])
        path = f"{UPPERS}/{upper['id']}"
        lines = {"lines": [{"kind": "camera", "value": WEST_GATE}]}
        tried = (await admin.post(f"{path}/preview", json=lines)).json()["items"]
        assert [item["camera_id"] for item in tried if item["camera_id"]] == [WEST_GATE]
        assert (await admin.put(f"{path}/selection", json=lines)).json() == {"cameras": 1}
        mapped = {"exported_id": "34020000001320000777"}
        assert (await admin.put(f"{path}/exports/{WEST_GATE}", json=mapped)).status_code == 204
        shown = (await admin.post(f"{path}/preview", json={})).json()["items"]
        assert "34020000001320000777" in {item["exported_id"] for item in shown}
        assert (await chief.post(f"{path}/stop", json={"reason": "drill"})).json() == {"ended": 0}
        assert (await chief.get(path)).json()["sharing"] == "stopped"
        assert (await chief.post(f"{path}/resume")).status_code == 403
        assert (await admin.post(f"{path}/resume")).status_code == 204
        newest = (await admin.get(path)).json()
        stale = await admin.patch(path, json={"version": 1, "name": "x"})
        assert stale.status_code == 409
        changed = await admin.patch(path, json={"version": newest["version"], "rights": ["live", "ptz"]})
        assert changed.json()["rights"] == ["live", "ptz"]
        assert (await admin.delete(f"{path}?version={changed.json()['version']}")).status_code == 204
        assert (await admin.get(UPPERS)).json()["items"] == []
    actions = [record.action for record in await house.store.read(lambda tx: list(tx.audit.all()))]
    wanted = ["upper.added", "upper.selection_set", "upper.export_set", "upper.stopped", "upper.resumed"]
    assert [action for action in actions if action in wanted] == wanted


async def test_what_is_shared_may_come_with_the_entry_and_both_stand_or_fall_together(house: WebHouse) -> None:
    async with house.client("admin") as admin:
        lost = [{"kind": "camera", "value": "no-such-camera"}]
        assert (await admin.post(UPPERS, json=await _given(house, lines=lost))).status_code == 404
        assert (await admin.get(UPPERS)).json()["items"] == []
        lines = [{"kind": "camera", "value": WEST_GATE}]
        made = await admin.post(UPPERS, json=await _given(house, lines=lines))
        assert made.status_code == 201, made.text
        assert made.json()["cameras"] == 1
    actions = [record.action for record in await house.store.read(lambda tx: list(tx.audit.all()))]
    assert actions[-2:] == ["upper.added", "upper.selection_set"]


async def test_without_agreement_or_right_nothing_is_entered(house: WebHouse) -> None:
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as admin, house.client("li") as li:
        refused = await admin.post(UPPERS, json=await _given(house, owner=""))
        assert refused.status_code == 422
        assert "责任单位" in refused.json()["detail"]
        twice = await _given(house)
        assert (await admin.post(UPPERS, json=twice)).status_code == 201
        assert (await admin.post(UPPERS, json=twice)).status_code == 409
        assert (await li.get(UPPERS)).status_code == 403
        assert (await li.post(UPPERS, json=twice)).status_code == 403


async def test_what_an_upper_platform_asked_for_in_vain_is_listed_with_the_reason(house: WebHouse) -> None:
    given = await _given(house)
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as admin:
        upper = (await admin.post(UPPERS, json=given)).json()["id"]
        note = house.services.cascade.note_refusal
        asked = {"kind": "playback", "status": 480}
        await note(upper, "upper.view_opened", WEST_GATE, "cascade.camera_offline", "u1", **asked)
        await note(upper, "upper.view_opened", "34020000001320009999", "cascade.unknown_id", kind="live", status=404)
        rows = (await admin.get(f"{UPPERS}/{upper}/failures")).json()["items"]
        assert [(row["camera_id"], row["status"], row["kind"]) for row in rows] == [
            (None, 404, "live"),
            (WEST_GATE, 480, "playback"),
        ]
        assert rows[1]["words"] == "摄像机离线。"
        assert rows[0]["camera_name"] == "34020000001320009999"
        first = (await admin.get(f"{UPPERS}/{upper}/failures?limit=1")).json()
        second = (await admin.get(f"{UPPERS}/{upper}/failures?limit=1&after={first['next']}")).json()
        assert [row["id"] for row in (*first["items"], *second["items"])] == [row["id"] for row in rows]
    async with house.client("li") as li:
        assert (await li.get(f"{UPPERS}/{upper}/failures")).status_code == 403
