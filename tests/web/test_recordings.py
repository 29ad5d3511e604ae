"""Recordings over the API: lists, views over a period, playback under them, and what the audit knows of it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.house import BANK_HALL, WEST_GATE, YARD
from tests.web.conftest import WebHouse
from tocsin.domain.playback import FoundRecordings, Piece

API = "/api/v1"
FROM = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
TO = FROM + timedelta(hours=24)


def at(hours: float) -> str:
    return (FROM + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


PERIOD = {"starts_at": at(0), "ends_at": at(24)}


async def _list(house: WebHouse, who: str, camera: str = WEST_GATE, **more: str) -> Any:
    async with house.client(who) as client:
        return await client.get(f"{API}/cameras/{camera}/recordings", params={"from": at(0), "to": at(24), **more})


async def _view(house: WebHouse, who: str = "li", **body: Any) -> Any:
    given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5, "recordings": PERIOD, **body}
    async with house.client(who) as client:
        return await client.post(f"{API}/views", json=given)


async def _play(house: WebHouse, view_id: str, who: str = "li", **body: Any) -> Any:
    given = {"channel": WEST_GATE, "starts_at": at(1), "ends_at": at(2), **body}
    async with house.client(who) as client:
        return await client.post(f"{API}/views/{view_id}/playbacks", json=given)


async def test_a_list_shows_spans_and_is_asked_for_once(house: WebHouse) -> None:
    house.known.found = FoundRecordings((Piece(FROM, FROM + timedelta(hours=2), "time", 4, 1000),), 4)
    listed = (await _list(house, "li")).json()
    assert (listed["state"], listed["files"], listed["progress"], listed["words"]) == ("whole", 4, 1.0, "")
    assert listed["spans"][0]["kind"] == "time"
    assert listed["spans"][0]["starts_at"] == "2026-11-21T16:00:00.000000Z"
    await _list(house, "li")
    assert len(house.known.asked) == 1
    await _list(house, "li", again="true")
    assert len(house.known.asked) == 2


async def test_a_list_that_is_not_whole_says_why_in_both_languages(house: WebHouse) -> None:
    house.known.found = FoundRecordings((Piece(FROM, TO),), 1, "recording.partial")
    assert (await _list(house, "li")).json()["state"] == "partial"
    house.known.is_offline = True
    failed = (await _list(house, "li")).json()
    assert (failed["state"], failed["reason"], failed["spans"]) == ("failed", "recording.device_offline", [])


async def test_who_may_not_look_may_not_list(house: WebHouse) -> None:
    assert (await _list(house, "admin")).status_code == 403
    assert (await _list(house, "li", BANK_HALL)).status_code == 404
    assert (await _list(house, "li", to=at(24 * 8))).status_code == 422
    assert house.known.asked == []


async def test_a_view_over_recordings_starts_no_live_picture_and_names_the_period_in_the_audit(
    house: WebHouse,
) -> None:
    view = (await _view(house)).json()
    assert view["live"] == {}
    assert view["recordings"]["starts_at"] == "2026-11-21T16:00:00.000000Z"
    played = (await _play(house, view["id"])).json()
    assert played["live"].startswith("ws://127.0.0.1:8081/live/camera-west~r")
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    [opened] = [record for record in records if record.action == "recording.opened"]
    assert (opened.subject_id, opened.actor_id) == (WEST_GATE, "li")
    assert json.loads(opened.detail)["starts_at"] == "2026-11-21T17:00:00.000000Z"
    assert json.loads(opened.detail)["purpose"] == "patrol"
    [of_view] = [record for record in records if record.action == "view.opened"]
    assert json.loads(of_view.detail)["recordings_to"] == "2026-11-22T16:00:00.000000Z"


async def test_nothing_is_played_without_a_view_that_covers_it(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    live_id = (await _view(house, recordings=None)).json()["id"]
    refused = [
        await _play(house, live_id),
        await _play(house, view_id, channel=YARD),
        await _play(house, view_id, starts_at=at(-1)),
        await _play(house, view_id, starts_at=at(23), ends_at=at(25)),
    ]
    assert [(one.status_code, one.json()["rule"]) for one in refused] == [(403, "no_view")] * 4
    assert (await _play(house, view_id, who="wang")).status_code == 404
    async with house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
    assert (await _play(house, view_id)).status_code == 403
    assert house.playbacks.states == {}


async def test_the_rule_of_live_pictures_holds_for_recordings(house: WebHouse) -> None:
    refused = await _view(house, purpose="curiosity")
    assert (refused.status_code, refused.json()["rule"]) == (403, "purpose_missing")
    assert (await _view(house, "admin")).status_code == 403
    assert (await _view(house, channels=[BANK_HALL])).status_code == 404
    long = {"starts_at": at(0), "ends_at": at(24 * 8)}
    assert (await _view(house, recordings=long)).status_code == 422


async def test_a_playback_is_steered_by_who_opened_it_and_ends_with_its_view(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    playback = (await _play(house, view_id)).json()
    path = f"{API}/views/{view_id}/playbacks/{playback['id']}"
    async with house.client("li") as client:
        paused = (await client.patch(path, json={"paused": True})).json()
        assert (paused["state"], paused["paused"]) == ("paused", True)
        moved = (await client.patch(path, json={"at": at(1.5), "speed": 2})).json()
        assert (moved["at"], moved["speed"]) == ("2026-11-21T17:30:00.000000Z", 2.0)
        assert (await client.patch(path, json={"speed": 99})).status_code == 422
        assert (await client.get(path)).json()["speed"] == 2.0
    async with house.client("wang") as client:
        assert (await client.patch(path, json={"paused": False})).status_code == 404
    async with house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
        async with asyncio.timeout(2):
            while view_id not in house.playbacks.ended_views:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert (await client.get(path)).status_code == 403
