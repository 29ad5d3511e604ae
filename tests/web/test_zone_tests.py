"""An installer's test over the interface: the link, what it opens and what not, the test, its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from tests.support.house import BANK_PANEL, PANEL, burglary, event, signal_of
from tests.web.conftest import WebHouse
from tocsin.base.normal import Category, EventKind

HOLDER = {"holder": "Zhao, North Alarms", "hours": 4}


async def make_link(house: WebHouse, device_id: str = PANEL) -> tuple[str, dict[str, Any]]:
    async with house.client("li") as li:
        made = (await li.post(f"/api/v1/devices/{device_id}/test-links", json=HOLDER)).json()
    return made["url"].partition("#")[2], made


def phone(house: WebHouse, token: str) -> httpx.AsyncClient:
    return house.client("", **{"X-Test-Link": token})


async def report(house: WebHouse, *events: Any, **changes: Any) -> None:
    """Let the panel report now; its acknowledgement leaves at once."""
    since_s = (house.clock.now() - signal_of().received_at) / timedelta(seconds=1)
    receipt = await house.intake.accept(signal_of(*events, after_s=since_s, key=f"{since_s}", **changes))
    house.intake.acknowledged(receipt.arrival_id, house.clock.now() + timedelta(milliseconds=8))
    await house.intake.ledger.stop()
    house.clock.advance(1)


async def test_an_installer_tries_zones_and_the_house_keeps_what_was_seen(house: WebHouse) -> None:
    token, made = await make_link(house)
    assert {len(row) for row in made["code"]} == {len(made["code"])}
    async with phone(house, token) as zhao:
        state = (await zhao.get("/api/v1/zone-test")).json()
        assert (state["device"]["name_en"], [zone["number"] for zone in state["zones"]]) == ("School panel", ["4", "5"])
        assert (state["test"], state["events"]) == (None, [])
        state = (await zhao.post("/api/v1/zone-test/begin", json={"zone": "4"})).json()
        assert (state["test"]["zone"], state["test"]["asked_at"]) == ("4", state["now"])
        await report(house, burglary("004"))
        await report(house, burglary("005"))
        await report(house, burglary("009"))
        await report(house, event(EventKind.ALARM, Category.DURESS, 1))
        await report(house, event(EventKind.ALARM, Category.FIRE, 1, "5"))
        state = (await zhao.get("/api/v1/zone-test")).json()
        assert [(one["verdict"], one["zone"], one["raised"], one["answer_ms"]) for one in state["events"]] == [
            ("wrong_zone", "5", True, 8),
            ("not_mapped", "9", False, 8),
            ("wrong_zone", "5", False, 8),
            ("ok", "4", False, 8),
        ]
        assert [(zone["number"], zone["times"]) for zone in state["zones"]] == [("4", 1), ("5", 2)]
        assert (await zhao.post("/api/v1/zone-test/begin", json={"zone": "77"})).status_code == 404
        over = (await zhao.post("/api/v1/zone-test/end")).json()
        assert (over["test"], over["last"]["how_ended"], over["last"]["summary"]["seen"]) == (None, "hand", 2)
        assert (await zhao.post("/api/v1/zone-test/end")).status_code == 409
    await report(house, burglary("004"))
    async with house.client("li") as li:
        kinds = [one["kind"] for one in (await li.get("/api/v1/alarms")).json()["items"]]
        assert sorted(kinds) == ["burglary", "duress", "fire"]  # on test only what is not about life was held
        kept = (await li.get(f"/api/v1/devices/{PANEL}/test-links")).json()
        assert (kept["links"][0]["holder"], kept["links"][0]["made_by"]) == ("Zhao, North Alarms", "li")
        assert kept["tests"][0]["summary"]["wrong"] == 2
        assert token not in str(kept)
    async with house.client("auditor") as auditor:
        acts = [
            (one["action"], one["actor"]["kind"])
            for one in (await auditor.get("/api/v1/audit?limit=200")).json()["items"]
        ]
    assert {
        ("test_link.made", "user"),
        ("zone_test.begun", "link"),
        ("zone_test.asked", "link"),
        ("zone_test.ended", "link"),
    } <= set(acts)


async def test_a_link_opens_one_device_and_nothing_else(house: WebHouse) -> None:
    token, made = await make_link(house)
    async with phone(house, token) as zhao:
        for path in ("/api/v1/devices", "/api/v1/signals", "/api/v1/session", "/api/v1/incidents"):
            assert (await zhao.get(path)).status_code == 401
    async with house.client(token) as bearer:
        assert (await bearer.get("/api/v1/devices")).status_code == 401
    async with house.client("installer") as installer:
        assert (await installer.post(f"/api/v1/devices/{PANEL}/test-links", json=HOLDER)).status_code == 403
    async with house.client("li") as li:
        assert (await li.post(f"/api/v1/devices/{BANK_PANEL}/test-links", json=HOLDER)).status_code == 404
        assert (
            await li.post(f"/api/v1/devices/{PANEL}/test-links", json={"holder": " ", "hours": 4})
        ).status_code == 422
    async with house.client("south") as south:
        assert (await south.post(f"/api/v1/test-links/{made['link']['id']}/revoke")).status_code == 404


async def test_a_link_that_is_wrong_over_or_withdrawn_says_so(house: WebHouse) -> None:
    async with phone(house, "nothing") as stranger:
        answers = [await stranger.get("/api/v1/zone-test", headers={"Accept-Language": "en"}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert "opens nothing" in answers[0].json()["detail"]

    token, made = await make_link(house)
    async with phone(house, token) as zhao:
        await zhao.post("/api/v1/zone-test/begin", json={})
        async with house.client("chief") as chief:
            await chief.post(f"/api/v1/test-links/{made['link']['id']}/revoke")
        answer = await zhao.get("/api/v1/zone-test", headers={"Accept-Language": "zh-CN"})
        assert (answer.status_code, "撤回" in answer.json()["detail"]) == (401, True)
    async with house.client("li") as li:
        tests = (await li.get(f"/api/v1/devices/{PANEL}/test-links")).json()["tests"]
        assert tests[0]["how_ended"] == "revoked"
    await house.alarm()  # the device is off test again

    token, _ = await make_link(house)
    house.clock.advance(4 * 3600)
    async with phone(house, token) as zhao:
        answer = await zhao.get("/api/v1/zone-test", headers={"Accept-Language": "en"})
        assert (answer.status_code, "over since" in answer.json()["detail"]) == (401, True)


async def test_a_test_nobody_ends_is_ended_by_its_time_and_two_links_wait_for_each_other(house: WebHouse) -> None:
    first, _ = await make_link(house)
    second, _ = await make_link(house)
    assert house.services.zone_tests is not None
    async with phone(house, first) as one, phone(house, second) as other:
        await one.post("/api/v1/zone-test/begin", json={"zone": "4"})
        await report(house, burglary("004"))
        assert (await other.get("/api/v1/zone-test")).json()["is_taken"] is True
        assert (await other.post("/api/v1/zone-test/begin", json={})).status_code == 409
        assert await house.services.zone_tests.end_due() == 0
        house.clock.advance(3600)
        assert await house.services.zone_tests.end_due() == 1
        last = (await one.get("/api/v1/zone-test")).json()["last"]
        assert (last["how_ended"], last["summary"]["seen"]) == ("time", 1)
        assert (await other.post("/api/v1/zone-test/begin", json={})).status_code == 200


async def test_calls_of_one_link_are_limited(house: WebHouse) -> None:
    token, _ = await make_link(house)
    async with phone(house, token) as zhao:
        codes = [(await zhao.get("/api/v1/zone-test")).status_code for _ in range(32)]
        assert codes == [200] * 30 + [429] * 2
        house.clock.advance(2)
        assert (await zhao.get("/api/v1/zone-test")).status_code == 200
