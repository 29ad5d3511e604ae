"""The work on an incident through HTTP, from the alarm to the closing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.clocks import START
from tests.support.house import CAR, PANEL, SCHOOL, WEST_GATE, burglary, signal_of
from tests.web.conftest import WebHouse
from tocsin.base.times import iso


async def _act(house: WebHouse, who: str, incident: dict[str, Any], path: str, **body: Any) -> Any:
    async with house.client(who) as client:
        return await client.post(
            f"/api/v1/incidents/{incident['id']}/{path}", json={"version": incident["version"], **body}
        )


async def _do(house: WebHouse, who: str, incident: dict[str, Any], path: str, **body: Any) -> dict[str, Any]:
    response = await _act(house, who, incident, path, **body)
    assert response.status_code == 200, response.text
    done: dict[str, Any] = response.json()
    return done


async def test_an_alarm_is_worked_from_claim_to_closing(house: WebHouse) -> None:
    incident = await house.alarm()
    assert incident["state"] == "new"
    assert incident["place"]["id"] == SCHOOL
    incident = await _do(house, "li", incident, "claim")
    assert incident["owner"] == {"user_id": "li", "name": "Li"}
    assert incident["lease_expires_at"] == iso(START + timedelta(seconds=120))
    assert incident["channels"][0]["id"] == WEST_GATE
    assert incident["channels"][0]["live"]["state"] == "idle"
    assert incident["accounts"][0]["account"] == "0231"
    assert incident["alarms"][0]["device_id"] == PANEL

    incident = await _do(house, "li", incident, "verdict", verdict="genuine")
    assert incident["verdict"] == "genuine"
    assert "verdict" in {step["kind"] for step in incident["steps"] if step["state"] == "done"}
    refused = await _act(house, "li", incident, "close", disposition="genuine_handled")
    assert (refused.status_code, refused.json()["code"]) == (409, "blocked")

    incident = await _do(house, "li", incident, "steps/1")
    incident = await _do(house, "li", incident, "assignments", unit_id=CAR)
    sent = incident["assignments"][0]
    assert (sent["unit_id"], sent["state"], incident["state"]) == (CAR, "sent", "dispatched")
    for state in ("accepted", "en_route", "on_scene", "cleared"):
        incident = await _do(house, "wang", incident, f"assignments/{sent['id']}", state=state)
    assert incident["state"] == "cleared"
    incident = await _do(house, "li", incident, "steps/4", note="key-holder called")
    incident = await _do(house, "li", incident, "notes", text="window broken")
    assert incident["notes"][0]["text"] == "window broken"
    assert incident["closing"] == {"ready": True, "blocked_by": []}
    incident = await _do(house, "li", incident, "close", disposition="genuine_handled")
    assert (incident["state"], incident["disposition"]) == ("closed", "genuine_handled")
    assert {"t1", "t2", "t5", "t8", "t7", "t9", "t16"} <= set(incident["stamps"])
    assert "incident.claimed" in {entry["action"] for entry in incident["history"]}

    refused = await _act(house, "li", incident, "reopen", reason="forgot something")
    assert refused.status_code == 403
    incident = await _do(house, "chief", incident, "reopen", reason="forgot something")
    assert incident["state"] == "pending"
    corrected = iso(START - timedelta(seconds=30))
    incident = await _do(house, "chief", incident, "stamps", stamp="t12", at=corrected, reason="radio log")
    assert incident["stamps"]["t12"]["at"] == corrected


async def test_a_stale_version_is_a_conflict_that_names_the_current_one(house: WebHouse) -> None:
    incident = await house.alarm()
    taken = await _do(house, "li", incident, "claim")
    response = await _act(house, "li", incident, "release")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, "conflict")
    assert problem["params"]["current_version"] == taken["version"]


async def test_what_somebody_else_holds_is_a_conflict_in_the_callers_language(house: WebHouse) -> None:
    incident = await _do(house, "li", await house.alarm(), "claim")
    async with house.client("wang", **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}) as client:
        response = await client.post(f"/api/v1/incidents/{incident['id']}/claim", json={"version": incident["version"]})
    assert response.status_code == 409
    assert response.json()["detail"] == "该警情已由他人受理。"


async def test_an_incident_of_another_area_does_not_exist(house: WebHouse) -> None:
    incident = await house.alarm()
    async with house.client("south") as client:
        assert (await client.get(f"/api/v1/incidents/{incident['id']}")).status_code == 404
        assert (await client.get("/api/v1/incidents")).json()["items"] == []
    assert (await _act(house, "south", incident, "claim")).status_code == 404


async def test_a_verdict_can_be_taken_back_for_five_seconds(house: WebHouse) -> None:
    incident = await _do(house, "li", await house.alarm(), "claim")
    incident = await _do(house, "li", incident, "verdict", verdict="false", cause="user_error")
    incident = await _do(house, "li", incident, "undo")
    assert incident["verdict"] == "none"
    incident = await _do(house, "li", incident, "verdict", verdict="false", cause="user_error")
    house.clock.advance(6)
    late = await _act(house, "li", incident, "undo")
    assert (late.status_code, late.json()["detail"]) == (409, "The five seconds are over.")
    incident = await _do(house, "li", incident, "close")
    assert incident["disposition"] == "false_user_error"


async def test_parking_has_a_limit_and_names_it(house: WebHouse) -> None:
    incident = await _do(house, "li", await house.alarm(), "claim")
    long = iso(house.clock.now() + timedelta(hours=9))
    refused = await _act(house, "li", incident, "park", until=long, reason="awaiting_keyholder")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "until")
    until = iso(house.clock.now() + timedelta(minutes=10))
    incident = await _do(house, "li", incident, "park", until=until, reason="awaiting_keyholder")
    assert (incident["state"], incident["parked_until"], incident["owner"]) == ("parked", until, None)


async def test_lists_are_paged_newest_first_without_losing_or_repeating(house: WebHouse) -> None:
    for number in range(5):
        await house.intake.accept(signal_of(burglary(), device_id=None if number == 9 else PANEL, after_s=700 * number))
        house.clock.advance(700)
    seen: list[str] = []
    after = ""
    async with house.client("li") as client:
        while True:
            page = (await client.get("/api/v1/alarms", params={"limit": 2, "after": after})).json()
            seen.extend(item["id"] for item in page["items"])
            if page["next"] is None:
                break
            after = page["next"]
        whole = (await client.get("/api/v1/alarms")).json()["items"]
        signals = (await client.get("/api/v1/signals")).json()["items"]
    assert seen == [item["id"] for item in whole] == sorted(seen, reverse=True)
    assert len(seen) == 5
    assert [item["id"] for item in signals] == sorted(item["id"] for item in signals)


async def test_titles_and_labels_are_in_the_callers_language(house: WebHouse) -> None:
    incident = await house.alarm()
    async with house.client("li") as client:
        zh = (await client.get(f"/api/v1/incidents/{incident['id']}?lang=zh-CN")).json()
        en = (await client.get(f"/api/v1/incidents/{incident['id']}", headers={"Accept-Language": "en"})).json()
    assert (zh["title"], en["title"]) == (zh["title_zh"], zh["title_en"])
    assert (zh["alarms"][0]["label"], en["alarms"][0]["label"]) == ("入侵报警", "Burglary")
    assert (zh["steps"][0]["title"], en["steps"][0]["title"]) == ("查看画面", "Look at the picture")
