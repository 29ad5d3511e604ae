"""Trying a camera through HTTP: who may, what is recorded, whose it is, and that it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.web.conftest import WebHouse
from tocsin.domain.trials import LASTS_S, StageState, Trial, TrialService
from tocsin.gateways.ip_camera_trial import ONVIF_STAGES, WORDS

TRIALS = "/api/v1/camera-trials"
ORDER = {"protocol": "onvif", "url": "http://10.0.0.9", "username": "admin", "password": "Tocsin-12"}


class Line:
    """Goes through its stages when told to."""

    def __init__(self) -> None:
        self.seen: list[Trial] = []
        self.ended: list[str] = []
        self.go = asyncio.Event()
        self.fails_at = ""

    def stages(self, protocol: str) -> tuple[str, ...]:
        return ONVIF_STAGES

    async def run(self, trial: Trial) -> bool:
        self.seen.append(trial)
        await self.go.wait()
        for stage in trial.stages:
            if stage.name == self.fails_at:
                stage.state, stage.key, stage.params = StageState.FAILED, "trial.wrong_password", {"protocol": "ONVIF"}
                return False
            stage.state, stage.key, stage.took_ms = StageState.OK, "trial.picture", 12
        return True

    async def ticket(self, trial: Trial, codecs: tuple[str, ...]) -> str:
        return f"ws://127.0.0.1/live/{trial.stream_id}?ticket=once"

    async def end(self, trial: Trial) -> None:
        self.ended.append(trial.id)


@pytest.fixture
def line(house: WebHouse) -> Line:
    made = Line()
    house.services.words = house.services.words.merged(WORDS)
    house.services.trials = TrialService(house.store, house.clock, made)
    return made


async def _over(house: WebHouse, trial_id: str) -> None:
    service = house.services.trials
    assert service is not None
    task = service._trials[trial_id].task
    assert task is not None
    await task


async def test_a_trial_is_begun_followed_shown_and_ended_with_its_records(house: WebHouse, line: Line) -> None:
    async with house.client("installer") as client:
        begun = (await client.post(TRIALS, json=ORDER)).json()
        assert [one["state"] for one in begun["stages"]] == ["waiting"] * 6
        assert (await client.post(f"{TRIALS}/{begun['id']}/picture", json={})).status_code == 409
        line.go.set()
        await _over(house, begun["id"])
        done = (await client.get(f"{TRIALS}/{begun['id']}")).json()
        assert (done["state"], done["shows"], done["stages"][0]["took_ms"]) == ("ok", True, 12)
        shown = (await client.post(f"{TRIALS}/{begun['id']}/picture", json={"codecs": ["avc1"]})).json()
        assert shown["url"].startswith("ws://")
        assert (await client.delete(f"{TRIALS}/{begun['id']}")).status_code == 204
        assert (await client.post(f"{TRIALS}/{begun['id']}/picture", json={})).status_code == 409
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    kept = {r.action: json.loads(r.detail) for r in records if r.action.startswith("camera.trial")}
    assert kept["camera.trial_begun"]["purpose"] == kept["camera.trial_picture"]["purpose"] == "maintenance"
    assert (kept["camera.trial_ended"]["result"], kept["camera.trial_ended"]["pictures_shown"]) == ("ok", 1)
    assert "Tocsin-12" not in str(records)
    assert line.ended == [begun["id"]]


async def test_a_failure_is_told_in_the_language_asked_for(house: WebHouse, line: Line) -> None:
    line.fails_at = "credentials"
    line.go.set()
    async with house.client("installer", **{"Accept-Language": "zh-CN"}) as client:
        begun = (await client.post(TRIALS, json=ORDER)).json()
        await _over(house, begun["id"])
        told = (await client.get(f"{TRIALS}/{begun['id']}")).json()
        assert (told["state"], told["shows"]) == ("failed", False)
        assert "拒绝了用户名或密码" in told["stages"][2]["words"]


async def test_a_trial_is_its_owners_and_only_one_at_a_time(house: WebHouse, line: Line) -> None:
    async with house.client("installer") as client, house.client("admin") as other:
        first = (await client.post(TRIALS, json=ORDER)).json()["id"]
        assert (await other.get(f"{TRIALS}/{first}")).status_code == 404
        await client.post(TRIALS, json=ORDER)
        assert line.ended == [first]


async def test_who_may_not_enter_devices_may_not_try_them(house: WebHouse, line: Line) -> None:
    async with house.client("li") as client:
        assert (await client.post(TRIALS, json=ORDER)).status_code == 403
    assert line.seen == []


@pytest.mark.parametrize(
    "change", [{"url": ""}, {"url": "rtsp://h/1"}, {"url": "http://u:p@h/"}, {"protocol": "dc09"}, {"certificate": "x"}]
)
async def test_what_no_device_could_be_entered_with_is_refused_at_its_field(
    house: WebHouse, line: Line, change: dict[str, Any]
) -> None:
    async with house.client("installer") as client:
        assert (await client.post(TRIALS, json={**ORDER, **change})).status_code == 422
    assert line.seen == []


async def test_a_trial_ends_by_itself(house: WebHouse, line: Line) -> None:
    service = house.services.trials
    assert service is not None
    async with house.client("installer") as client:
        begun = (await client.post(TRIALS, json=ORDER)).json()["id"]
        house.clock.advance(LASTS_S + 1)
        await service.check()
        assert (await client.get(f"{TRIALS}/{begun}")).json()["state"] == "ended"
    assert line.ended == [begun]


async def test_a_free_id_is_proposed_for_a_place(house: WebHouse) -> None:
    async with house.client("admin") as client:
        entry = (await client.get("/api/v1/devices/entry?jurisdiction_id=j-north")).json()
        proposed = entry["proposed_id"]
        assert (len(proposed), proposed[10:13], proposed.isdigit()) == (20, "132", True)
        given = {"kind": "camera", "name": "New", "jurisdiction_id": "j-north", "protocol": "gb28181"}
        assert (await client.post("/api/v1/devices", json={**given, "address": {"gb_id": proposed}})).status_code == 201
        after = (await client.get("/api/v1/devices/entry?jurisdiction_id=j-north")).json()["proposed_id"]
        assert int(after) == int(proposed) + 1


async def test_a_trial_whose_picture_stops_coming_ends_and_says_why(house: WebHouse, line: Line) -> None:
    service = house.services.trials
    assert service is not None
    async with house.client("installer") as client:
        line.go.set()
        begun = (await client.post(TRIALS, json=ORDER)).json()["id"]
        await _over(house, begun)
        service.lost("trial-another", "connection_closed")
        service.lost(f"trial-{begun}", "connection_closed")
        await _over(house, begun)
        assert (await client.get(f"{TRIALS}/{begun}")).json()["state"] == "ended"
        assert (await client.post(f"{TRIALS}/{begun}/picture", json={})).status_code == 409
    ended = await house.store.read(lambda tx: [r for r in tx.audit.all() if r.action == "camera.trial_ended"])
    assert [json.loads(one.detail)["reason"] for one in ended] == ["connection_closed"]
    assert line.ended == [begun]
