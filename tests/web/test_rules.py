"""Alarm rules over the interface: adopted, tried, listed with what they did, repairs decided."""

from __future__ import annotations

from typing import Any

from tests.support.house import PANEL, burglary, signal_of
from tests.web.conftest import WebHouse
from tocsin.base.normal import EventKind
from tocsin.domain.alarm_rules import Method

BODY: dict[str, Any] = {
    "method": "cancel_window",
    "name": "学校撤销窗口",
    "name_en": "School cancel window",
    "device_id": PANEL,
    "owner": "Chief Li",
    "until": "2026-12-20T00:00:00Z",
    "reason": "teachers set it off when they come in",
}


async def test_a_rule_is_adopted_acts_and_is_named_at_the_signal(house: WebHouse) -> None:
    async with house.client("chief") as chief:
        saved = await chief.put("/api/v1/rules/r1", json=BODY)
        assert saved.status_code == 200
        assert saved.json()["knobs"] == {"hold_s": 30}
        assert saved.json()["jurisdiction_code"] == "330110"
        listed = (await chief.get("/api/v1/rules")).json()["items"]
        assert [(one["id"], one["version_no"], one["device_name_en"]) for one in listed] == [("r1", 1, "School panel")]
        stale = await chief.put("/api/v1/rules/r1", json={**BODY, "version_no": 4})
        assert (stale.status_code, stale.json()["params"]["current_version"]) == (409, 1)
        wrong = await chief.put("/api/v1/rules/r1", json={**BODY, "version_no": 1, "knobs": {"hold_s": 900}})
        assert (wrong.status_code, wrong.json()["params"]["field"]) == (422, "knobs.hold_s")

    receipt = await house.intake.accept(signal_of(burglary()))
    async with house.client("li") as li:
        (act,) = (await li.get("/api/v1/rules/acts", params={"what": "held"})).json()["items"]
        assert (act["signal_id"], act["owner"], act["version_no"]) == (receipt.signal_id, "Chief Li", 1)
        signal = (await li.get(f"/api/v1/signals/{receipt.signal_id}?lang=en")).json()
        assert [one["words"] for one in signal["rules"]] == ["Held back by School cancel window"]
        (listed_signal,) = (await li.get("/api/v1/signals", params={"device_id": PANEL})).json()["items"]
        assert listed_signal["rules"][0]["what"] == "held"
        assert (await li.put("/api/v1/rules/r1", json={**BODY, "version_no": 1})).status_code == 403
        versions = (await li.get("/api/v1/rules/r1/versions")).json()["items"]
        assert [(one["reason"], one["made_by"]) for one in versions] == [(BODY["reason"], "chief")]


async def test_a_trial_is_begun_read_and_ended_by_its_maker_alone(house: WebHouse) -> None:
    await house.intake.accept(signal_of(burglary()))
    house.clock.advance(60)
    async with house.client("chief") as chief:
        begun = await chief.post("/api/v1/rules/trials", json={"rule": BODY, "days": 1})
        assert begun.status_code == 201
        path = f"/api/v1/rules/trials/{begun.json()['id']}"
        assert house.services.rule_trials is not None
        await house.services.rule_trials.finished(begun.json()["id"])
        done = (await chief.get(path + "?lang=en")).json()
        assert (done["state"], done["kinds"], done["listed"][0]["label"]) == ("done", {"later": 1}, "Burglary")
        assert (await chief.delete(path)).status_code == 204
        assert (await chief.get(path)).status_code == 404
        assert (await chief.post("/api/v1/rules/trials", json={"rule": BODY, "days": 400})).status_code == 422
    async with house.client("li") as li:
        assert (await li.post("/api/v1/rules/trials", json={"rule": BODY})).status_code == 403


async def test_a_chattering_zone_is_listed_for_repair_and_decided(house: WebHouse) -> None:
    async with house.client("chief") as chief:
        assert (await chief.put("/api/v1/rules/r2", json={**BODY, "method": "chatter"})).status_code == 200
        methods = (await chief.get("/api/v1/rules/methods")).json()["items"]
        assert {one["method"] for one in methods} == set(Method)
    for turn in range(3):
        await house.intake.accept(signal_of(burglary(), after_s=turn))
        await house.intake.accept(signal_of(burglary(kind=EventKind.RESTORE), after_s=turn))
    async with house.client("li") as li:
        (repair,) = (await li.get("/api/v1/rules/repairs", params={"state": "open"})).json()["items"]
        assert (repair["method"], repair["zone"], repair["device_name_en"]) == ("chatter", "4", "School panel")
        path = f"/api/v1/rules/repairs/{repair['id']}/decide"
        decided = await li.post(path, json={"state": "accepted", "note": "ticket 118"})
        assert decided.json()["state"] == "accepted"
        assert (await li.post(path, json={"state": "dismissed", "note": "no"})).status_code == 409
        assert (await li.get("/api/v1/rules/repairs", params={"state": "open"})).json()["items"] == []
