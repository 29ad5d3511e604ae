"""Plans as use cases on both databases: who may, what is recorded of it, many at once and back again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, OPERATOR, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.recorder_desk import PlanItem, RecorderDesk
from tocsin.domain.recorder_line import RecordingState
from tocsin.domain.recorder_plans import Mode
from tocsin.domain.segments import Gap, Segment, SegmentState, Span, Volume
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


async def _cameras(house: House, count: int) -> list[str]:
    """Put cameras into service at school A; return their ids."""
    device = await house.camera()
    entries = [CatalogEntry(f"3402230000132000001{number}", f"门 {number}") for number in range(count)]
    await house.reports.catalog(device.id, entries, True)
    cameras = ChannelService(house.store, house.clock, house.directory)
    ids = []
    for one in (await cameras.cameras(HOUSE)).items:
        given = {"owner": "科信科", "purpose": "治安", "place_id": house.school_a.id, "stage": "in_service"}
        await cameras.change(one.id, given, version=one.version, actor=HOUSE)
        ids.append(one.id)
    await house.directory.refresh(device.id)
    return ids


def _desk(house: House, states: dict[str, RecordingState] | None = None) -> RecorderDesk:
    return RecorderDesk(house.store, house.directory, lambda: states or {})


async def test_a_plan_is_changed_with_its_audit_record(house: House) -> None:
    [camera_id] = await _cameras(house, 1)
    desk = _desk(house)
    assert (await desk.plan(camera_id, actor=OPERATOR)).mode is Mode.OFF
    saved = await desk.save(camera_id, {"mode": "continuous"}, 0, actor=ADMINISTRATOR)
    assert saved.version == 1
    assert await desk.plan(camera_id, actor=OPERATOR) == saved
    assert await desk.save(camera_id, {"mode": "continuous"}, 1, actor=ADMINISTRATOR) == saved  # nothing to do
    assert (await house.audited()).count(("recording_plan.changed", "done")) == 1
    assert await house.facts("recording_plan.changed") == [camera_id]
    assert await house.store.read(lambda tx: tx.recorder_plans.in_force()) == [saved]
    with pytest.raises(TocsinError) as caught:
        await desk.save(camera_id, {"mode": "off"}, 0, actor=ADMINISTRATOR)
    assert caught.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize("who", [OPERATOR, INSTALLER_A])
async def test_who_does_not_answer_for_cameras_decides_nothing(house: House, who: Any) -> None:
    [camera_id] = await _cameras(house, 1)
    with pytest.raises(TocsinError) as caught:
        await _desk(house).save(camera_id, {"mode": "continuous"}, 0, actor=who)
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert (await house.audited()).count(("recording_plan.changed", "refused")) == 1
    with pytest.raises(TocsinError):
        await _desk(house).save_many([PlanItem(camera_id, {"mode": "event"})], actor=who)
    assert await house.store.read(lambda tx: tx.recorder_plans.in_force()) == []


async def test_a_camera_nobody_answers_for_is_not_recorded(house: House) -> None:
    device = await house.camera()
    await house.reports.catalog(device.id, [CatalogEntry("34022300001320000019", "新门")], True)
    [camera] = (await house.cameras.cameras(HOUSE)).items
    with pytest.raises(TocsinError) as caught:
        await _desk(house).save(camera.id, {"mode": "continuous"}, 0, actor=HOUSE)
    assert (caught.value.code, caught.value.key) == (ErrorCode.CONFLICT, "recording.not_in_service")
    assert (await _desk(house).save(camera.id, {"pre_s": 5}, 0, actor=HOUSE)).mode is Mode.OFF


async def test_a_camera_that_leaves_service_is_recorded_no_more(house: House) -> None:
    [camera_id] = await _cameras(house, 1)
    await _desk(house).save(camera_id, {"mode": "continuous"}, 0, actor=HOUSE)
    camera = (await house.cameras.cameras(HOUSE)).items[0]
    await house.cameras.retire(camera_id, version=camera.version, actor=HOUSE)
    assert await house.store.read(lambda tx: tx.recorder_plans.in_force()) == []


async def test_many_are_seen_first_changed_and_taken_back(house: House) -> None:
    ids = await _cameras(house, 3)
    desk = _desk(house)
    await desk.save(ids[0], {"mode": "event", "pre_s": 20}, 0, actor=HOUSE)
    items = [PlanItem(one, {"mode": "continuous"}) for one in [*ids, "nobody"]]
    seen = await desk.save_many(items, actor=HOUSE, is_preview=True)
    assert (await desk.plan(ids[1], actor=HOUSE)).mode is Mode.OFF
    done = await desk.save_many(items, actor=HOUSE)
    assert [one["camera_id"] for one in seen.changed] == [one["camera_id"] for one in done.changed]
    assert sorted(str(one["camera_id"]) for one in done.changed) == sorted(ids)
    assert [one[0] for one in done.refused] == ["nobody"]
    back = []
    for one in done.changed:
        before: Any = one["before"]
        after: Any = one["after"]
        given = {name: value for name, value in before.items() if name not in ("camera_id", "version")}
        back.append(PlanItem(str(one["camera_id"]), given, after["version"]))
    await desk.save_many(back, actor=HOUSE)
    assert [(await desk.plan(one, actor=HOUSE)).mode for one in sorted(ids)] == [
        Mode.EVENT if one == ids[0] else Mode.OFF for one in sorted(ids)
    ]
    assert (await house.audited()).count(("recording_plan.changed", "done")) == 1 + 3 + 3


async def test_what_is_recorded_is_told_with_its_gaps(house: House) -> None:
    [camera_id] = await _cameras(house, 1)
    now_ms = int(house.clock.now().timestamp() * 1000)

    def _write(tx: Any) -> int:
        number: int = tx.segments.stream_no(camera_id, "main", "340223")
        made = Segment(number, now_ms - 180_000, now_ms - 120_000, 1, SegmentState.OK, sha256=b"x" * 32)
        tx.segments.close([made])
        tx.segments.begin_gaps([Gap(number, now_ms - 120_000, "source_lost", now_ms - 60_000)])
        tx.segments.open([Segment(number, now_ms - 60_000, now_ms - 60_000, 1)])
        return number

    number = await house.store.run(_write)
    state = RecordingState(camera_id, "recording", "continuous", since_ms=now_ms - 60_000)
    desk = _desk(house, {camera_id: state})
    [found] = await desk.recorded(camera_id, now_ms - 150_000, now_ms, actor=OPERATOR)
    assert found.spans == (Span(now_ms - 150_000, now_ms - 120_000), Span(now_ms - 60_000, now_ms))
    assert found.gaps == (Gap(number, now_ms - 120_000, "source_lost", now_ms - 60_000),)
    with pytest.raises(TocsinError):
        await desk.recorded(camera_id, now_ms - 150_000, now_ms, actor=ADMINISTRATOR)  # who runs the house looks not
    [status] = await desk.status(actor=OPERATOR)
    assert (status.channel.id, status.state, status.last_gap) == (camera_id, state, found.gaps[0])
    [other] = await _desk(house).status(actor=OPERATOR, camera_id=camera_id)
    assert (other.state.state, other.last_gap) == ("off", found.gaps[0])


async def test_the_bytes_of_a_volume_are_counted_beside_the_answer(house: House) -> None:
    def _write(tx: Any) -> None:
        volume = tx.segments.enter_volume(Volume("volume-1", "/one"))
        number = tx.segments.stream_no("camera", "main", "340223")
        tx.segments.close(
            [Segment(number, 60_000 * n, 60_000 * (n + 1), volume.no, SegmentState.OK, 7) for n in (1, 2)]
        )

    await house.store.run(_write)
    [(volume, stored)] = await _desk(house).volumes(actor=OPERATOR)
    assert (volume.location, stored) == ("/one", 14)
