"""Hours, tests and permits over the interface."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.house import PANEL, burglary, signal_of
from tests.web.conftest import WebHouse
from tocsin.base.times import iso

ACCOUNT = f"/api/v1/accounts/{PANEL}"
DAY = [{"open_from": "08:00", "open_by": "09:00", "close_by": "22:00"}]
BODY: dict[str, Any] = {"weekly": [DAY, DAY, DAY, DAY, DAY, DAY, []], "name": "商店", "grace_min": 15}


async def test_hours_are_entered_excepted_and_named_where_they_are_wrong(house: WebHouse) -> None:
    async with house.client("installer") as installer:
        saved = await installer.put(f"{ACCOUNT}/schedules/s1", json=BODY)
        assert saved.status_code == 200, saved.text
        assert saved.json()["weekly"][0] == [
            {"open_from": "08:00", "open_by": "09:00", "close_from": None, "close_by": "22:00"}
        ]
        assert (saved.json()["state"], saved.json()["version"]) == ("unknown", 1)
        wrong = {**BODY, "version": 1, "weekly": [[{"open_from": "08:00", "close_by": "08:00"}], *BODY["weekly"][1:]]}
        refused = await installer.put(f"{ACCOUNT}/schedules/s1", json=wrong)
        assert (refused.status_code, refused.json()["params"]["field"]) == (422, "weekly.0.0.close_by")
        unknown = await installer.put(f"{ACCOUNT}/schedules/s1", json={**BODY, "version": 1, "users": ["7", "Wang"]})
        assert (unknown.status_code, unknown.json()["params"]["field"]) == (422, "users")
        path = f"{ACCOUNT}/schedules/s1/exceptions"
        body = {"from": "2026-11-23", "to": "2026-11-24", "reason": "the owner telephoned"}
        assert (await installer.post(path, json=body)).status_code == 403
    async with house.client("li") as li:
        added = await li.post(path, json=body)
        assert added.status_code == 201, added.text
        (exception,) = added.json()["exceptions"]
        assert (exception["hours"], exception["made_by"]) == ([], "li")
        assert (await li.delete(f"{path}/{exception['id']}")).json()["exceptions"] == []
        assert (await li.get("/api/v1/watch/late")).json()["items"] == []
        assert (await li.get(f"{ACCOUNT}/tests")).json()["is_late"] is False
        assert (await li.get("/api/v1/watch/tests")).json()["items"] == []
    async with house.client("south") as south:
        assert (await south.get(f"{ACCOUNT}/schedules")).status_code == 404
    async with house.client("admin") as admin:
        assert (await admin.put("/api/v1/holidays/2027-01-01", json={"name": "元旦"})).status_code == 200
        assert [one["day"] for one in (await admin.get("/api/v1/holidays")).json()["items"]] == ["2027-01-01"]
        assert (await admin.delete("/api/v1/holidays/2027-01-01")).status_code == 204
        gone = await admin.delete(f"{ACCOUNT}/schedules/s1?version=1")
        assert gone.status_code == 204, gone.text


async def test_an_account_is_put_on_test_shows_its_zones_and_comes_back(house: WebHouse) -> None:
    until = iso(house.clock.now() + timedelta(hours=2))
    body = {"owner": "Installer Zhou", "phone": "139 0000 0000", "reason": "yearly check", "until": until}
    async with house.client("li") as li:
        fire = await li.post(f"{ACCOUNT}/permits", json={**body, "life_kinds": ["fire"]})
        assert (fire.status_code, fire.json()["params"]["field"]) == (422, "second")
        given = await li.post(f"{ACCOUNT}/permits", json=body)
        assert given.status_code == 201, given.text
        permit = given.json()
        await house.intake.accept(signal_of(burglary()))
        assert (await li.get("/api/v1/alarms")).json()["items"] == []
        (signal,) = (await li.get("/api/v1/signals", params={"device_id": PANEL})).json()["items"]
        assert signal["flags"] == ["on_test"]
        (listed,) = (await li.get("/api/v1/watch/on-test", params={"device_id": PANEL})).json()["items"]
        assert (listed["owner"], listed["given_name"]) == ("Installer Zhou", "Li")
    async with house.client("installer") as installer:
        detail = (await installer.get(f"{ACCOUNT}/permits/{permit['id']}")).json()
        assert [(one["number"], one["times"]) for one in detail["seen"]] == [("4", 1), ("5", 0)]
        assert detail["phone"] == ""
        end = f"{ACCOUNT}/permits/{permit['id']}/end"
        assert (await installer.post(end, json={"version": 1})).status_code == 403
    async with house.client("li") as li:
        later = iso(house.clock.now() + timedelta(hours=3))
        extend = f"{ACCOUNT}/permits/{permit['id']}/extend"
        assert (await li.post(extend, json={"version": 1, "until": later})).json()["version"] == 2
        assert (await li.post(end, json={"version": 1})).status_code == 409
        ended = (await li.post(end, json={"version": 2})).json()
        assert (ended["how_ended"], ended["left"]) == ("ended", ["4"])
        assert [one["how_ended"] for one in (await li.get(f"{ACCOUNT}/permits")).json()["items"]] == ["ended"]
