"""Accounts over the API: what each role reads, floor plans as files, a password that is typed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.support.floor_plans import png
from tests.support.house import BANK_PANEL, CITY, NORTH, PANEL
from tests.web.conftest import WebHouse

AT = f"/api/v1/accounts/{PANEL}"
OWNER = {"name": "王店长", "phone": "13800138000", "role": "manager"}


async def test_an_account_is_filled_in_and_read_by_who_may(house: WebHouse) -> None:
    async with house.client("admin") as client:
        changed = await client.patch(AT, json={"version": 1, "access": "侧门", "owner": "教育局"})
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        assert (await client.patch(AT, json={"version": 1, "access": ""})).json()["params"]["current_version"] == 2
        made = await client.post(f"{AT}/contacts", json=OWNER)
        assert (made.status_code, made.json()["review_on"]) == (201, "2027-11-22")
        wrong = await client.post(f"{AT}/contacts", json={**OWNER, "phone": "call"})
        assert wrong.json()["errors"][0]["field"] == "phone"
        contact = made.json()
        moved = await client.put(f"{AT}/contacts/order", json={"order": []})
        assert moved.json()["code"] == "invalid"
    async with house.client("li") as client:
        shown = (await client.get(AT)).json()
        assert (shown["contacts"], shown["access"], shown["place"]["name"]) == (1, "侧门", "新华小学")
        assert "13800138000" not in str(shown)
        [read] = (await client.post(f"{AT}/contacts/open", json={})).json()["items"]
        assert read == contact
        noted = await client.post(f"{AT}/notes", json={"text": "门禁故障", "until": "2026-11-22T10:00:00Z"})
        assert noted.json()["by"] == "Li"
        history = (await client.get(f"{AT}/history", params={"limit": 2})).json()
        assert [one["action"] for one in history["items"]] == ["account.note_added", "account.contacts_read"]
        assert history["next"]
        assert (await client.post(f"{AT}/contacts", json=OWNER)).status_code == 403
    async with house.client("installer") as client:
        assert (await client.post(f"{AT}/contacts/open", json={})).json()["rule"] == "no_permission"
        assert (await client.get(AT)).json()["contacts"] == 1


async def test_a_floor_plan_is_uploaded_shown_and_carries_a_zone(house: WebHouse) -> None:
    picture = png(800, 600)
    async with house.client("installer") as client:
        made = await client.post(f"{AT}/plans", params={"name": "一层"}, content=picture)
        assert made.status_code == 201, made.text
        plan = made.json()
        large = await client.post(f"{AT}/plans", params={"name": "二层"}, content=b"\0" * (9 << 20))
        assert large.json()["code"] == "too_large"
        text = await client.post(f"{AT}/plans", params={"name": "二层"}, content=b"<svg/>")
        assert text.json()["errors"][0]["field"] == "picture"
        body = {"plan_id": plan["id"], "x": 0.5, "y": 0.25}
        assert (await client.put(f"{AT}/zones/004/point", json=body)).json() == body
        assert (await client.put(f"{AT}/zones/77/point", json=body)).status_code == 404
    async with house.client("li") as client:
        shown = await client.get(f"{AT}/plans/{plan['id']}/picture")
        assert (shown.content, shown.headers["content-type"]) == (picture, "image/png")
        assert (await client.get(AT)).json()["zones"][0]["point"] == body
        assert (await client.delete(f"{AT}/plans/{plan['id']}")).status_code == 403
    async with house.client("south") as client:
        assert (await client.get(f"{AT}/plans/{plan['id']}/picture")).status_code == 404
    async with house.client("installer") as client:
        assert (await client.delete(f"{AT}/zones/4/point")).status_code == 204
        assert (await client.delete(f"{AT}/plans/{plan['id']}")).status_code == 204
        assert (await client.get(f"{AT}/plans/{plan['id']}/picture")).status_code == 404


async def test_a_word_is_checked_and_five_wrong_ones_close_it(house: WebHouse) -> None:
    async with house.client("chief") as client:
        body = {"label": "值班室", "password": "River Stone", "is_duress": False}
        made = await client.post(f"{AT}/passwords", json=body)
        assert made.json() == {"id": made.json()["id"], "label": "值班室", "is_duress": False, "ends_on": None}
        assert (await client.get(f"{AT}/passwords")).json()["items"] == [made.json()]
    async with house.client("li") as client:
        assert (await client.get(f"{AT}/passwords")).status_code == 403
        right = await client.post(f"{AT}/passwords/check", json={"password": "riverstone"})
        assert right.json() == {"result": "right", "left": 5}
        for _ in range(5):
            await client.post(f"{AT}/passwords/check", json={"password": "no"})
        closed = await client.post(f"{AT}/passwords/check", json={"password": "riverstone"})
        assert (closed.status_code, closed.headers["retry-after"]) == (429, "600")


async def test_a_call_stands_in_the_incidents_log(house: WebHouse) -> None:
    incident = await house.alarm()
    async with house.client("chief") as client:
        contact = (await client.post(f"{AT}/contacts", json=OWNER)).json()
    async with house.client("li") as client:
        body = {"version": incident["version"], "device_id": PANEL, "contact_id": contact["id"], "outcome": "busy"}
        after = (await client.post(f"/api/v1/incidents/{incident['id']}/calls", json=body)).json()
        [line] = [one for one in after["history"] if one["action"] == "incident.called"]
        assert (line["detail"]["called"], line["detail"]["rank"]) == ("busy", 1)
        unknown = {**body, "version": after["version"], "contact_id": "nobody"}
        assert (await client.post(f"/api/v1/incidents/{incident['id']}/calls", json=unknown)).status_code == 404


async def test_who_may_open_a_door_is_told_by_role_and_area_to_who_audits(house: WebHouse) -> None:
    at = "/api/v1/accounts/door-school"
    await house.store.run(_put_doors)
    async with house.client("auditor") as client:
        found = (await client.get(f"{at}/openers")).json()["items"]
        assert [(one["user_id"], one["roles"], [area["code"] for area in one["areas"]]) for one in found] == [
            ("chief", ["supervisor"], [CITY]),
            ("li", ["operator"], [NORTH]),
            ("wang", ["operator"], [NORTH]),
        ]
        south = (await client.get("/api/v1/accounts/door-bank/openers")).json()["items"]
        assert [one["user_id"] for one in south] == ["chief", "south"]
        none = await client.get(f"{AT}/openers")
        assert (none.status_code, none.json()["detail"]) == (409, "This device is no door intercom and opens no door.")
        assert (await client.get("/api/v1/accounts/nope/openers")).status_code == 404
        table = (await client.get(f"{at}/openers.csv", params={"lang": "zh-CN"})).content.decode("utf-8-sig")
        assert table.splitlines()[:2] == ["姓名,登录名,角色,辖区代码,辖区", f"Chief,chief,supervisor,{CITY},河湾市"]
    async with house.client("admin") as client:
        user = (await client.get("/api/v1/users/wang")).json()
        assert (
            await client.patch("/api/v1/users/wang", json={"version": user["version"], "disabled": True})
        ).is_success
        assert [one["user_id"] for one in (await client.get(f"{at}/openers")).json()["items"]] == ["chief", "li"]
    for other in ("li", "chief", "installer"):
        async with house.client(other) as client:
            assert (await client.get(f"{at}/openers")).json()["rule"] == "no_permission"
            assert (await client.get(f"{at}/openers.csv")).status_code == 403
    kept = await house.store.read(lambda tx: tx.audit.find(codes=None, action="account.exported", limit=10))
    done = [(one.actor_id, one.subject_id, json.loads(one.detail)) for one in kept if one.outcome == "done"]
    assert done == [("auditor", "door-school", {"kind": "opener", "rows": 3})]


def _put_doors(tx: Any) -> None:
    for door, panel in (("door-school", PANEL), ("door-bank", BANK_PANEL)):
        known = tx.devices.load([panel])[panel]
        tx.devices.add(replace(known, id=door, kind="intercom", protocol="sip", account=door, name=door, faults=()))
