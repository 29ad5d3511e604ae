"""Clips over HTTP: listed with their incident, opened under a view alone, in parts, with one record for each view."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import START
from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse
from tocsin.base.times import iso
from tocsin.domain.clip_service import ClipService
from tocsin.domain.clips import CLIP, Clip, Sighting, new_clip
from tocsin.web.ranges import byte_range

API = "/api/v1"
VIDEO = bytes(range(256)) * 4


class Files:
    """A folder with one file, and a fetch that has four seconds to go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / name

    def left_s(self, clip: Clip) -> float | None:
        return 4.0


class Clips:
    def __init__(self, house: WebHouse, incident_id: str) -> None:
        self.house, self.incident_id = house, incident_id
        files = Files(house.heads_path.parent)
        house.services.clips = ClipService(house.store, house.clock, files)
        files.path("one.mp4").write_bytes(VIDEO)
        seen = Sighting("alarm", incident_id, "330110", START, WEST_GATE)
        window = (START - timedelta(seconds=10), START + timedelta(seconds=20))
        self.clip = new_clip(seen, CLIP, window, START)

    async def add(self, **changes: Any) -> Clip:
        await self.house.store.run(lambda tx: tx.clips.add(replace(self.clip, **changes)))
        return self.clip

    async def whole(self) -> Clip:
        return await self.add(
            state="ready",
            source="device",
            pre_roll="device",
            file="one.mp4",
            size_bytes=len(VIDEO),
            sha256=hashlib.sha256(VIDEO).hexdigest(),
            video_from=self.clip.starts,
            video_to=self.clip.ends,
            due_at=None,
        )

    async def view(self, who: str = "li", **given: Any) -> str:
        asked = {"channels": [WEST_GATE], "purpose": "alarm_verification", "incident_id": self.incident_id}
        async with self.house.client(who) as client:
            answer = await client.post(f"{API}/views", json={**asked, "minutes": 10, "live": False, **given})
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

    async def get(self, path: str, who: str = "li", **headers: str) -> Any:
        async with self.house.client(who) as client:
            return await client.get(API + path, headers=headers)

    async def video(self, view_id: str, who: str = "li", **headers: str) -> Any:
        return await self.get(f"/clips/{self.clip.id}/video?view_id={view_id}", who, **headers)

    async def records(self, action: str) -> list[Any]:
        return [one for one in await self.house.store.read(lambda tx: list(tx.audit.all())) if one.action == action]


@pytest.fixture
async def clips(house: WebHouse) -> Clips:
    incident = await house.alarm()
    return Clips(house, incident["id"])


async def test_a_clip_is_opened_under_a_view_of_its_incident_and_once_recorded(clips: Clips) -> None:
    await clips.whole()
    view_id = await clips.view()
    whole = await clips.video(view_id)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, VIDEO, "video/mp4")
    etag = whole.headers["etag"]
    part = await clips.video(view_id, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, VIDEO[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(VIDEO)}"
    assert (await clips.video(view_id, Range=f"bytes={len(VIDEO)}-")).status_code == 416
    assert (await clips.video(view_id, **{"If-None-Match": etag})).status_code == 304
    changed = await clips.video(view_id, Range="bytes=1-2", **{"If-Range": '"another"'})
    assert changed.status_code == 200
    [opened] = await clips.records("clip.opened")
    detail = json.loads(opened.detail)
    assert (opened.actor_id, detail["view_id"], detail["purpose"]) == ("li", view_id, "alarm_verification")
    assert detail["sha256"] == hashlib.sha256(VIDEO).hexdigest()
    await clips.video(await clips.view())
    assert len(await clips.records("clip.opened")) == 2, "another view, another look"


async def test_without_a_view_that_shows_it_nothing_is_given_and_the_refusal_is_kept(clips: Clips) -> None:
    await clips.whole()
    patrol = await clips.view(purpose="patrol", incident_id=None)
    refused = await clips.video(patrol)
    assert (refused.status_code, refused.json()["rule"]) == (403, "no_view")
    others = await clips.view("wang")
    assert (await clips.video(others)).status_code == 404
    assert (await clips.video("")).status_code == 404
    view_id = await clips.view()
    async with clips.house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
    assert (await clips.video(view_id)).status_code == 403
    assert [one.outcome for one in await clips.records("clip.opened")] == ["refused"] * 4
    for who in ("admin", "auditor"):
        assert (await clips.video(view_id, who)).status_code == 403


async def test_a_claim_ends_the_looking_of_others(clips: Clips) -> None:
    await clips.whole()
    view_id = await clips.view("wang")
    assert (await clips.video(view_id, "wang")).status_code == 200
    async with clips.house.client("li") as client:
        version = (await client.get(f"{API}/incidents/{clips.incident_id}")).json()["version"]
        await client.post(f"{API}/incidents/{clips.incident_id}/claim", json={"version": version})
    assert (await clips.video(view_id, "wang")).status_code == 403


async def test_later_a_view_over_its_time_shows_it(clips: Clips) -> None:
    clip = await clips.whole()
    inside = {"starts_at": iso(clip.starts), "ends_at": iso(clip.ends)}
    view_id = await clips.view(purpose="patrol", incident_id=None, recordings=inside)
    assert (await clips.video(view_id)).status_code == 200
    shorter = {**inside, "ends_at": iso(clip.ends - timedelta(seconds=1))}
    view_id = await clips.view(purpose="patrol", incident_id=None, recordings=shorter)
    assert (await clips.video(view_id)).status_code == 403


async def test_a_clip_being_made_says_when_it_is_there(clips: Clips) -> None:
    await clips.add()
    [shown] = (await clips.get(f"/incidents/{clips.incident_id}/clips")).json()["items"]
    assert (shown["state"], shown["has_video"], shown["words"]) == ("recording", False, "")
    assert shown["ready_in_s"] == pytest.approx(23 + 30 / 4 + 6)
    clips.house.clock.advance(22)
    [shown] = (await clips.get(f"/incidents/{clips.incident_id}/clips")).json()["items"]
    assert shown["ready_in_s"] == pytest.approx(1 + 30 / 4 + 6)
    view_id = await clips.view()
    assert (await clips.video(view_id)).status_code == 409
    assert (await clips.get(f"/incidents/{clips.incident_id}/clips", "south")).status_code == 404


@pytest.mark.parametrize(("language", "words"), [("en", "has no recording"), ("zh-CN", "没有该时段")])
async def test_what_failed_says_why_and_can_be_asked_for_again(clips: Clips, language: str, words: str) -> None:
    clip = await clips.add(state="failed", reason="clip.device_has_none", due_at=None, tries=7)
    [shown] = (await clips.get(f"/incidents/{clips.incident_id}/clips?lang={language}")).json()["items"]
    assert words in shown["words"]
    async with clips.house.client("li") as client:
        again = await client.post(f"{API}/clips/{clip.id}/retry")
        assert (again.status_code, again.json()["state"], again.json()["reason"]) == (202, "recording", "")
        assert (await client.post(f"{API}/clips/{clip.id}/retry")).status_code == 409
    due = await clips.house.store.read(lambda tx: tx.clips.due(tx.now))
    assert [one.id for one in due] == [clip.id]
    [asked] = [one for one in await clips.records("clip.asked_again") if one.outcome == "done"]
    assert asked.actor_id == "li"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-300", (0, 100)),
        ("bytes=9-3", None),
        ("bytes=0-1,5-9", None),
        ("bytes=-", None),
        ("items=0-5", None),
        ("bytes=" + "9" * 40 + "-", None),
        ("bytes=a-b", None),
    ],
)
def test_the_part_asked_for(header: str, part: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=999999-1000000"])
def test_a_part_that_is_not_there(header: str) -> None:
    with pytest.raises(ValueError, match=r"part|after"):
        byte_range(header, 100)
