"""Our own recordings over the API: listed and read under a view that covers them, with their record; one timeline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import BANK_HALL, WEST_GATE
from tests.support.recorded import GROUP_MS, MadeFile, enter, make_file
from tests.web.conftest import WebHouse
from tocsin.domain.holds import Hold
from tocsin.domain.playback import FoundRecordings, Piece
from tocsin.domain.segments import SegmentState

API = "/api/v1"
FROM = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
FROM_MS = int(FROM.timestamp() * 1000)
MINUTE_MS = 60_000
SEGMENTS_MS = (FROM_MS + 10_000, FROM_MS + 30_000, FROM_MS + 3 * MINUTE_MS)
OF_AN_HOUR = {"starts_at": FROM.isoformat(), "ends_at": (FROM + timedelta(hours=1)).isoformat()}


@pytest.fixture
async def recorded(house: WebHouse, tmp_path: Path) -> list[MadeFile]:
    """Three files of ten groups: two in a row, one after a gap with a reason."""
    volume = tmp_path / "volume"
    volume.mkdir()
    made = [make_file(volume, WEST_GATE, at, 10) for at in SEGMENTS_MS]
    rows = list(zip(SEGMENTS_MS, made, strict=True))
    gap = (SEGMENTS_MS[1] + 10 * GROUP_MS, SEGMENTS_MS[2], "device_offline")
    await house.store.run(enter, volume, WEST_GATE, rows, gaps=[gap], clock_offset_ms=1_200)
    return made


async def _view(house: WebHouse, who: str = "li", **body: Any) -> str:
    given = {"channels": [WEST_GATE], "purpose": "patrol", "minutes": 5, "recordings": OF_AN_HOUR, **body}
    async with house.client(who) as client:
        return str((await client.post(f"{API}/views", json=given)).json()["id"])


async def _get(house: WebHouse, path: str, who: str = "li", **params: Any) -> Any:
    async with house.client(who) as client:
        return await client.get(f"{API}{path}", params=params)


async def _listing(house: WebHouse, view: str, channel: str = WEST_GATE, minutes: int = 10, who: str = "li") -> Any:
    period = {"from": FROM.isoformat(), "to": (FROM + timedelta(minutes=minutes)).isoformat()}
    return await _get(house, f"/views/{view}/recorded/{channel}", who, **period)


async def _opened(house: WebHouse) -> list[dict[str, Any]]:
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    return [json.loads(one.detail) for one in records if one.action == "recording.opened" and one.outcome == "done"]


async def test_a_listing_tells_what_lies_where_and_why_the_rest_is_missing(
    house: WebHouse, recorded: list[MadeFile]
) -> None:
    found = (await _listing(house, await _view(house))).json()
    assert [one["start_ms"] for one in found["segments"]] == list(SEGMENTS_MS)
    first = found["segments"][0]
    assert (first["state"], first["clock_offset_ms"], first["sha256"]) == ("ok", 1_200, recorded[0].sha256.hex())
    assert first["groups"][1] == [SEGMENTS_MS[0] + GROUP_MS, GROUP_MS, recorded[0].groups[1].size_bytes, 0]
    [gap] = found["gaps"]
    assert (gap["reason"], gap["words"]) == ("device_offline", "The device was not connected.")
    assert found["codecs"][0]["mime"].startswith('video/mp4; codecs="avc3.')
    assert (found["previous_ms"], found["next_ms"]) == (None, None)


async def test_a_period_without_recordings_names_the_nearest_ones(house: WebHouse, recorded: list[MadeFile]) -> None:
    view = await _view(house)
    period = {"from": (FROM + timedelta(seconds=60)).isoformat(), "to": (FROM + timedelta(seconds=120)).isoformat()}
    found = (await _get(house, f"/views/{view}/recorded/{WEST_GATE}", **period)).json()
    assert found["segments"] == []
    assert found["previous_ms"] == SEGMENTS_MS[1] + 10 * GROUP_MS - 1
    assert found["next_ms"] == SEGMENTS_MS[2]


async def test_groups_are_the_files_own_bytes(house: WebHouse, recorded: list[MadeFile]) -> None:
    view = await _view(house)
    await _listing(house, view)
    root = f"/views/{view}/recorded/{WEST_GATE}"
    codec = (await _listing(house, view)).json()["codecs"][0]["no"]
    init = await _get(house, f"{root}/init/{codec}")
    assert init.content == recorded[0].parameters.init
    taken = await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/groups/2-4")
    first, last = recorded[0].groups[2], recorded[0].groups[4]
    end = last.offset + last.size_bytes
    whole = recorded[0].path.read_bytes()
    assert taken.status_code == 206
    assert taken.content == whole[first.offset : end]
    assert taken.headers["content-range"] == f"bytes {first.offset}-{end - 1}/{len(whole)}"
    assert taken.headers["etag"] == f'"{recorded[0].sha256.hex()}"'
    assert taken.headers["cache-control"] == "no-store"
    keys = await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/keys/0-3", pace=8, reverse="true")
    assert keys.headers["x-last-group"] == "0"
    assert all(key in keys.content for key in recorded[0].keys[:4])
    assert (await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/groups/8-12")).status_code == 404
    assert (await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/groups/4-2")).status_code == 422
    assert (await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/keys/0-3", pace=3)).status_code == 422
    assert (await _get(house, f"{root}/segments/{SEGMENTS_MS[0] + 1}/groups/0-0")).status_code == 404


async def test_each_stretch_has_one_record_before_its_first_byte(house: WebHouse, recorded: list[MadeFile]) -> None:
    view = await _view(house)
    await _listing(house, view)
    await _listing(house, view, minutes=5)
    [only] = await _opened(house)
    assert (only["starts_at"], only["purpose"], only["view_id"]) == ("2026-11-21T16:00:00.000000Z", "patrol", view)
    other = await _view(house)
    path = f"/views/{other}/recorded/{WEST_GATE}/segments/{SEGMENTS_MS[2]}/groups/0-1"
    assert (await _get(house, path)).status_code == 206
    assert (await _get(house, path)).status_code == 206
    [_, second] = await _opened(house)
    assert (second["view_id"], second["ends_at"]) == (other, "2026-11-21T16:03:04.000000Z")


async def test_what_is_looked_at_is_passed_over_by_the_next_deletion_once(
    house: WebHouse, recorded: list[MadeFile]
) -> None:
    await _listing(house, await _view(house))

    def _leased(tx: Any) -> list[tuple[int, int]]:
        [stream] = tx.segments.streams([WEST_GATE])
        return [(span.from_ms, span.to_ms) for span in tx.retention.leased_spans(stream.no, SEGMENTS_MS[2], tx.now)]

    [(from_ms, to_ms)] = await house.store.run(_leased)
    assert from_ms <= SEGMENTS_MS[0]
    assert to_ms >= SEGMENTS_MS[1]
    house.clock.advance(601)
    assert await house.store.run(_leased) == []


async def test_nothing_is_read_without_a_view_that_covers_it(house: WebHouse, recorded: list[MadeFile]) -> None:
    short = {"starts_at": FROM.isoformat(), "ends_at": (FROM + timedelta(minutes=1)).isoformat()}
    view, live = await _view(house, recordings=short), await _view(house, recordings=None, live=False)
    assert (await _listing(house, view)).status_code == 403
    assert (await _listing(house, live, minutes=1)).status_code == 403
    assert (await _listing(house, view, BANK_HALL, 1)).status_code == 403
    assert (await _listing(house, view, minutes=1, who="wang")).status_code == 404
    root = f"/views/{view}/recorded/{WEST_GATE}/segments"
    assert (await _get(house, f"{root}/{SEGMENTS_MS[1]}/groups/0-9")).status_code == 206
    assert (await _get(house, f"{root}/{SEGMENTS_MS[2]}/groups/0-0")).status_code == 403
    assert (await _get(house, f"{root}/{SEGMENTS_MS[2]}/keys/0-0")).status_code == 403
    empty = {"from": FROM.isoformat(), "to": FROM.isoformat()}
    assert (await _get(house, f"/views/{view}/recorded/{WEST_GATE}", **empty)).status_code == 422


async def test_a_group_that_reaches_into_the_view_is_served_and_the_next_is_not(
    house: WebHouse, recorded: list[MadeFile]
) -> None:
    starts = datetime.fromtimestamp((SEGMENTS_MS[0] + 3_000) / 1000, UTC)
    view = await _view(
        house, recordings={"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(seconds=4)).isoformat()}
    )
    root = f"/views/{view}/recorded/{WEST_GATE}/segments/{SEGMENTS_MS[0]}/groups"
    assert (await _get(house, f"{root}/1-3")).status_code == 206
    assert (await _get(house, f"{root}/0-1")).status_code == 403
    assert (await _get(house, f"{root}/3-4")).status_code == 403


async def test_the_end_of_the_view_ends_access_at_once(house: WebHouse, recorded: list[MadeFile]) -> None:
    view, expiring = await _view(house), await _view(house)
    for one in (view, expiring):
        assert (await _listing(house, one)).status_code == 200
    async with house.client("li") as client:
        await client.delete(f"{API}/views/{view}")
    house.clock.advance(301)
    for one in (view, expiring):
        root = f"/views/{one}/recorded/{WEST_GATE}"
        for path in ("/init/1", f"/segments/{SEGMENTS_MS[0]}/groups/0-0", f"/segments/{SEGMENTS_MS[0]}/keys/0-0"):
            assert (await _get(house, root + path)).status_code == 403
        assert (await _listing(house, one)).status_code == 403


async def test_what_is_lost_or_damaged_is_named_and_the_rest_plays(house: WebHouse, recorded: list[MadeFile]) -> None:
    [first] = await house.store.read(lambda tx: tx.segments.between(1, FROM_MS, FROM_MS + 20_000))
    await house.store.run(lambda tx: tx.segments.set_state([first.key], SegmentState.LOST))
    recorded[1].path.unlink()
    view = await _view(house)
    found = (await _listing(house, view)).json()
    assert [one["start_ms"] for one in found["segments"]] == list(SEGMENTS_MS[1:])
    assert [gap["reason"] for gap in found["gaps"]] == ["lost", "device_offline"]
    root = f"/views/{view}/recorded/{WEST_GATE}/segments"
    gone = await _get(house, f"{root}/{SEGMENTS_MS[1]}/groups/0-0")
    assert gone.status_code == 503
    assert "tocsin recordings check" in gone.json()["detail"]
    assert (await _get(house, f"{root}/{SEGMENTS_MS[0]}/groups/0-0")).status_code == 503
    assert (await _get(house, f"{root}/{SEGMENTS_MS[2]}/groups/0-0")).status_code == 206


async def test_a_segment_that_is_being_written_plays_as_far_as_it_goes(house: WebHouse, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    made = make_file(volume, WEST_GATE, SEGMENTS_MS[0], 3, is_open=True)
    states = {SEGMENTS_MS[0]: SegmentState.OPEN}
    await house.store.run(enter, volume, WEST_GATE, [(SEGMENTS_MS[0], made)], states=states)
    view = await _view(house)
    [segment] = (await _listing(house, view)).json()["segments"]
    assert (segment["state"], len(segment["groups"]), segment["sha256"]) == ("open", 3, "")
    root = f"/views/{view}/recorded/{WEST_GATE}"
    assert (await _get(house, f"{root}/init/{segment['codec_no']}")).content == made.parameters.init
    taken = await _get(house, f"{root}/segments/{SEGMENTS_MS[0]}/groups/0-2")
    assert taken.status_code == 206
    assert "etag" not in taken.headers


async def test_one_timeline_tells_ours_and_the_devices(house: WebHouse, recorded: list[MadeFile]) -> None:
    house.known.found = FoundRecordings((Piece(FROM, FROM + timedelta(minutes=30), "time", 4, 1000),), 4)
    period = {"from": FROM.isoformat(), "to": (FROM + timedelta(hours=24)).isoformat()}
    both = (await _get(house, f"/cameras/{WEST_GATE}/recordings", **period)).json()
    assert [one["source"] for one in both["spans"]] == ["house", "house", "device"]
    assert (both["spans"][0]["stream"], both["state"]) == ("main", "whole")
    assert both["gaps"][0]["words"] == "The device was not connected."
    asked = len(house.known.asked)
    ours = (await _get(house, f"/cameras/{WEST_GATE}/recordings", source="house", **period)).json()
    assert {one["source"] for one in ours["spans"]} == {"house"}
    assert len(house.known.asked) == asked
    assert (await _get(house, f"/cameras/{BANK_HALL}/recordings", source="house", **period)).status_code == 404
    assert (await _get(house, f"/cameras/{WEST_GATE}/recordings", "admin", source="house", **period)).status_code == 403


async def test_the_timeline_marks_the_alarms_of_the_camera(house: WebHouse) -> None:
    incident = await house.alarm()
    now = house.clock.now()
    period = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    linked = (await _get(house, f"/incidents/{incident['id']}")).json()["channels"]
    found = (await _get(house, f"/cameras/{linked[0]['id']}/recordings", source="house", **period)).json()
    [mark] = found["marks"]
    assert (mark["kind"], mark["incident_id"]) == ("alarm", incident["id"])


async def test_the_timeline_marks_what_is_held(house: WebHouse, recorded: list[MadeFile]) -> None:
    ends = house.clock.now() + timedelta(days=30)
    held = Hold(
        "hold-1",
        (WEST_GATE,),
        "330110",
        FROM - timedelta(minutes=5),
        FROM + timedelta(minutes=2),
        "asked for by the court",
        "",
        "chief",
        house.clock.now(),
        ends,
    )
    await house.store.run(lambda tx: tx.retention.add_hold(held))
    period = {"from": FROM.isoformat(), "to": (FROM + timedelta(hours=1)).isoformat()}
    [mark] = (await _get(house, f"/cameras/{WEST_GATE}/recordings", source="house", **period)).json()["marks"]
    assert (mark["kind"], mark["words"]) == ("hold", "asked for by the court")
    assert (mark["starts_at"], mark["ends_at"]) == ("2026-11-21T16:00:00.000000Z", "2026-11-21T16:02:00.000000Z")
