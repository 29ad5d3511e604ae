"""Asking to look, through HTTP: what is given, what is refused, and what the audit keeps of both."""

from __future__ import annotations

from typing import Any

from tests.support.house import ATTIC, BANK_HALL, WEST_GATE, YARD
from tests.web.conftest import WebHouse
from tocsin.web.api.views import reachable
from tocsin.web.services import MediaHealth

API = "/api/v1"


async def _ask(house: WebHouse, who: str, **body: Any) -> Any:
    given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5, **body}
    async with house.client(who) as client:
        return await client.post(f"{API}/views", json=given)


async def test_a_stated_purpose_gives_an_address_for_each_channel_and_a_list_of_own_views(house: WebHouse) -> None:
    response = await _ask(house, "li", channels=[WEST_GATE, YARD])
    view = response.json()
    assert response.status_code == 201
    assert view["expires_at"] == "2026-11-22T02:19:07.000000Z"
    assert view["live"][WEST_GATE] == f"ws://127.0.0.1:8081/live/{WEST_GATE}?ticket=once"
    async with house.client("li") as client:
        own = (await client.get(f"{API}/views")).json()["items"]
        assert [(one["id"], one["channels"], one["live"]) for one in own] == [(view["id"], [WEST_GATE, YARD], {})]
        assert (await client.delete(f"{API}/views/{view['id']}")).status_code == 204
        assert (await client.get(f"{API}/views")).json()["items"] == []
    assert house.pictures.ended == [view["id"]]
    async with house.client("wang") as client:
        assert (await client.delete(f"{API}/views/{view['id']}")).status_code == 404


async def test_every_refusal_names_its_rule_and_is_kept(house: WebHouse) -> None:
    incident = await house.alarm()
    verification = {"purpose": "alarm_verification", "incident_id": incident["id"]}
    refused = [
        ("li", {"purpose": "curiosity"}, 403, "purpose_missing"),
        ("li", {"minutes": 200}, 403, "minutes_over_limit"),
        ("li", {"channels": [ATTIC]}, 403, "channel_not_in_service"),
        ("li", {"purpose": "alarm_verification"}, 403, "incident_missing"),
        ("li", {**verification, "channels": [YARD]}, 403, "channel_not_linked"),
        ("installer", {}, 403, "purpose_not_permitted"),
        ("admin", {}, 403, "no_permission"),
        ("auditor", {}, 403, "no_permission"),
    ]
    for who, body, status, rule in refused:
        response = await _ask(house, who, **body)
        assert (response.status_code, response.json()["rule"]) == (status, rule), (who, body)
    assert (await _ask(house, "li", channels=[BANK_HALL])).status_code == 404
    assert (await _ask(house, "south", **verification)).status_code == 404
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    kept = [record for record in records if record.outcome == "refused"]
    assert len(kept) == len(refused) + 2


async def test_an_open_incident_shows_its_cameras_until_a_claim_ends_the_views_of_others(house: WebHouse) -> None:
    incident = await house.alarm()
    body = {"purpose": "alarm_verification", "incident_id": incident["id"]}
    of_wang = (await _ask(house, "wang", **body)).json()
    async with house.client("li") as client:
        claimed = await client.post(f"{API}/incidents/{incident['id']}/claim", json={"version": incident["version"]})
        assert claimed.status_code == 200
    async with house.client("wang") as client:
        assert (await client.get(f"{API}/views")).json()["items"] == []
    refused = await _ask(house, "wang", **body)
    assert (refused.status_code, refused.json()["rule"]) == (403, "claimed_by_other")
    assert refused.json()["detail"] == "Somebody else has this incident in hand."
    assert (await _ask(house, "li", **body)).status_code == 201
    changes = await house.store.read(lambda tx: tx.outbox.after(0, 1000))
    assert of_wang["id"] in {change.subject_id for change in changes if change.type == "view.ended"}


async def test_a_picture_of_another_server_is_reached_under_its_own_name(house: WebHouse) -> None:
    house.services.media = lambda: MediaHealth(1, 1, (), "ws://127.0.0.1:8081")
    async with house.client("li") as client:
        given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5}
        for host in ("localhost", "127.0.0.1"):
            response = await client.post(f"{API}/views", json=given, headers={"host": host})
            assert response.json()["live"][WEST_GATE] == f"ws://127.0.0.1:8081/live/{WEST_GATE}?ticket=once"


async def test_a_view_grows_by_channels_each_decided_on_anew_until_it_is_full(house: WebHouse) -> None:
    view = (await _ask(house, "li")).json()
    at = f"{API}/views/{view['id']}/channels"
    async with house.client("li") as client:
        grown = await client.post(at, json={"channels": [YARD], "streams": {YARD: "sub"}})
        assert grown.status_code == 200
        assert sorted(grown.json()["channels"]) == sorted([WEST_GATE, YARD])
        assert list(grown.json()["live"]) == [YARD]
        assert grown.json()["streams"] == {YARD: "sub"}
        assert grown.json()["expires_at"] == view["expires_at"]
        for channels, status, rule in (([ATTIC], 403, "channel_not_in_service"), ([BANK_HALL], 404, "out_of_scope")):
            refused = await client.post(at, json={"channels": channels})
            assert (refused.status_code, refused.json()["rule"]) == (status, rule)
        for body in ({"channels": []}, {"channels": [f"c{n}" for n in range(65)]}, {"channels": [YARD], "minutes": 5}):
            assert (await client.post(at, json=body)).status_code == 422
        full = await client.post(at, json={"channels": [f"c{n}" for n in range(63)]})
        assert (full.status_code, full.json()["code"]) == (422, "invalid")
    for who, status in (("wang", 404), ("admin", 403), ("auditor", 403)):
        async with house.client(who) as client:
            assert (await client.post(at, json={"channels": [YARD]})).status_code == status
    async with house.client() as client:
        assert (await client.post(at, json={"channels": [YARD]})).status_code == 401
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    assert [one.action for one in records if one.outcome == "done"].count("view.extended") == 1


async def test_a_view_is_renewed_by_its_holder_within_the_limit(house: WebHouse) -> None:
    view = (await _ask(house, "li")).json()
    at = f"{API}/views/{view['id']}/renew"
    house.clock.advance(60)
    async with house.client("li") as client:
        renewed = await client.post(at, json={"minutes": 10})
        assert renewed.status_code == 200
        assert renewed.json()["expires_at"] == "2026-11-22T02:25:07.000000Z"
        assert renewed.json()["live"] == {}
        refused = await client.post(at, json={"minutes": 200})
        assert (refused.status_code, refused.json()["rule"]) == (403, "minutes_over_limit")
        for minutes in (0, -1, 481, "long"):
            assert (await client.post(at, json={"minutes": minutes})).status_code == 422
    assert [view_id for view_id, _ in house.pictures.renewed] == [view["id"]]
    for who, status in (("wang", 404), ("admin", 403)):
        async with house.client(who) as client:
            assert (await client.post(at, json={"minutes": 5})).status_code == status


async def test_the_streams_of_a_view_are_chosen_and_each_time_the_address_is_fresh(house: WebHouse) -> None:
    view = (await _ask(house, "li", channels=[WEST_GATE, YARD])).json()
    at = f"{API}/views/{view['id']}/streams"
    async with house.client("li") as client:
        chosen = await client.post(at, json={"streams": {WEST_GATE: "sub"}})
        assert chosen.status_code == 200
        assert (list(chosen.json()["live"]), chosen.json()["streams"]) == ([WEST_GATE], {WEST_GATE: "sub"})
        assert (await client.post(at, json={"streams": {ATTIC: "main"}})).status_code == 404
        for body in (
            {"streams": {}},
            {"streams": {WEST_GATE: "third"}},
            {"streams": {f"c{n}": "sub" for n in range(65)}},
        ):
            assert (await client.post(at, json=body)).status_code == 422
        house.pictures.is_down = True
        assert (await client.post(at, json={"streams": {YARD: "sub"}})).status_code == 503
    async with house.client("wang") as client:
        assert (await client.post(at, json={"streams": {WEST_GATE: "main"}})).status_code == 404


async def test_a_view_that_ended_neither_grows_nor_goes_on(house: WebHouse) -> None:
    closed = (await _ask(house, "li")).json()
    over = (await _ask(house, "li")).json()
    bodies = {"channels": {"channels": [YARD]}, "renew": {"minutes": 5}, "streams": {"streams": {WEST_GATE: "sub"}}}
    async with house.client("li") as client:
        assert (await client.delete(f"{API}/views/{closed['id']}")).status_code == 204
        house.clock.advance(6 * 60)
        for view in (closed, over):
            for path, body in bodies.items():
                answer = await client.post(f"{API}/views/{view['id']}/{path}", json=body)
                assert answer.status_code in (404, 409), (path, answer.text)
        assert (await client.get(f"{API}/views")).json()["items"] == []


async def test_without_a_worker_no_view_is_left_open(house: WebHouse) -> None:
    house.pictures.is_down = True
    response = await _ask(house, "li")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"
    async with house.client("li") as client:
        assert (await client.get(f"{API}/views")).json()["items"] == []


def test_a_picture_is_reached_under_the_name_the_caller_used() -> None:
    url = "ws://127.0.0.1:8081/live/c?ticket=t"
    assert reachable(url, "localhost", is_secure=False) == "ws://localhost:8081/live/c?ticket=t"
    assert reachable(url, "tocsin.example.org", is_secure=True) == "wss://tocsin.example.org:8081/live/c?ticket=t"
    assert reachable(url, "::1", is_secure=False) == "ws://[::1]:8081/live/c?ticket=t"
    assert reachable("/live/c?ticket=t", "localhost", is_secure=False) == "/live/c?ticket=t"
