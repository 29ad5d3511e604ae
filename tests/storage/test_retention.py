"""Retention in the store, on SQLite and PostgreSQL alike: policies, holds, the two steps of a deletion, space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from tests.support.clocks import START, FixedClock
from tests.support.house import BANK_HALL, CITY, NORTH, PEOPLE, SOUTH, WEST_GATE, YARD, build_town
from tests.support.kept import DAY_MS, HOUR_MS, HeardRecorders, MemoryFiles, make_volume, write
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.signing import HouseKey, load_house_key
from tocsin.domain.coverage import begin_of_day, day_at
from tocsin.domain.holds import HoldService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention import WORDS
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_proof import ProofService, csv_rows
from tocsin.domain.retention_service import RetentionEngine
from tocsin.domain.segments import Gap, Volume, segment_path
from tocsin.domain.tombstones import check_tombstones
from tocsin.storage.segment_files import MARK, FolderVolumes
from tocsin.storage.store import AnyStore
from tocsin.storage.tables_recording import recording_plans

ADMIN, CHIEF, LI = PEOPLE.admin, PEOPLE.chief, PEOPLE.li
KEY = HouseKey(bytes(range(32)))
NOW_MS = round(START.timestamp() * 1000)
PUBLIC = {"name": "Public places", "min_days": 30, "max_days": 90, "basis": "Decree 799, art. 17"}


@dataclass
class Kept:
    """An engine with all it touches."""

    store: AnyStore
    clock: FixedClock
    files: MemoryFiles
    recorders: HeardRecorders
    engine: RetentionEngine
    policies: PolicyService
    holds: HoldService
    volume: Volume

    async def write(
        self, channel_id: str, age_days: float, size_bytes: int = 1_000, *, code: str = NORTH, length_ms: int = HOUR_MS
    ) -> int:
        """Record an hour that ended so many days before now; return when it began, in ms."""
        end_ms = self.now_ms() - round(age_days * DAY_MS)
        begin_ms = end_ms - length_ms
        await self.store.run(write, self.files, channel_id, code, self.volume.no, begin_ms, end_ms, size_bytes)
        return begin_ms

    def now_ms(self) -> int:
        return round(self.clock.now().timestamp() * 1000)

    async def left(self, channel_id: str) -> list[int]:
        """Return the beginnings of the segments that are in the index of a camera."""

        def _read(tx: Any) -> list[int]:
            streams = tx.segments.streams([channel_id])
            return [one.start_ms for stream in streams for one in tx.segments.between(stream.no, 0, 2**45)]

        return await self.store.read(_read)

    async def tombstones(self) -> list[Any]:
        return await self.store.read(lambda tx: list(tx.retention.all_tombstones()))

    async def notices(self) -> set[str]:
        return {str(one["key"]) for one in await NoticeBoard(self.store, self.clock).shown_to(ADMIN)}

    async def actions(self) -> list[str]:
        return [one.action for one in await self.store.read(lambda tx: list(tx.audit.all()))]

    def again(self) -> RetentionEngine:
        """Return an engine as after a restart."""
        board = NoticeBoard(self.store, self.clock, WORDS)
        return RetentionEngine(self.store, self.clock, self.files, KEY, board, self.recorders)


@pytest.fixture
async def kept(store: AnyStore, clock: FixedClock) -> Kept:
    await store.run(build_town)
    volume = await make_volume(store)
    made = Kept(
        store,
        clock,
        MemoryFiles(),
        HeardRecorders(),
        None,  # type: ignore[arg-type]
        PolicyService(store, clock),
        HoldService(store, clock),
        volume,
    )
    made.engine = made.again()
    return made


async def refused(code: ErrorCode, doing: Any) -> TocsinError:
    with pytest.raises(TocsinError) as found:
        await doing
    assert found.value.code is code, found.value.detail
    return found.value


# --- policies ---------------------------------------------------------------------------------------------------------


async def test_a_policy_is_adopted_changed_and_removed_with_records(kept: Kept) -> None:
    made = await kept.policies.add({**PUBLIC, "jurisdiction_id": "j-north"}, actor=ADMIN)
    assert (made.jurisdiction_code, made.version) == (NORTH, 1)
    changed = await kept.policies.change(made.id, {"max_days": 60}, actor=ADMIN, version=1)
    assert (changed.max_days, changed.min_days, changed.version) == (60, 30, 2)
    await refused(ErrorCode.CONFLICT, kept.policies.change(made.id, {"max_days": 61}, actor=ADMIN, version=1))
    assert await kept.policies.find(actor=PEOPLE.south) == []
    await kept.policies.remove(made.id, actor=ADMIN, version=2)
    assert await kept.policies.find(actor=ADMIN) == []
    records = [one for one in await kept.store.read(lambda tx: list(tx.audit.all())) if one.subject_id == made.id]
    assert [(one.action, one.outcome) for one in records] == [
        ("retention.policy_saved", "done"),
        ("retention.policy_saved", "done"),
        ("retention.policy_saved", "refused"),
        ("retention.policy_removed", "done"),
    ]
    assert "max_days=90" in records[1].detail


async def test_a_contradiction_is_refused_and_the_refusal_is_recorded(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    short = {"name": "Short", "max_days": 3, "basis": "a wish", "jurisdiction_id": "j-north"}
    error = await refused(ErrorCode.CONFLICT, kept.policies.add(short, actor=ADMIN))
    assert (error.key, error.params["other"]) == ("retention.contradicts", "Public places")
    await refused(ErrorCode.FORBIDDEN, kept.policies.add(PUBLIC, actor=CHIEF))
    assert [one.name for one in await kept.policies.find(actor=ADMIN)] == ["Public places"]
    assert (await kept.actions()).count("retention.policy_saved") == 3


async def test_what_a_policy_would_delete_is_told_before_it_is_saved(kept: Kept) -> None:
    for age in (5, 40, 80):
        await kept.write(WEST_GATE, age, 2_000)
    effect = await kept.policies.effect({"name": "x", "max_days": 30, "basis": "y"}, actor=ADMIN)
    assert (effect.segments, effect.size_bytes) == (2, 4_000)
    assert effect.cameras >= 1
    assert await kept.policies.find(actor=ADMIN) == []


async def test_cameras_under_no_policy_come_first(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "jurisdiction_id": "j-north"}, actor=ADMIN)
    cameras = await kept.policies.cameras(actor=ADMIN)
    assert cameras[0].channel_id == BANK_HALL
    assert cameras[0].keeping.is_none
    assert [one.channel_id for one in await kept.policies.cameras(actor=ADMIN, only_without=True)] == [BANK_HALL]


# --- deletion by age --------------------------------------------------------------------------------------------------


async def test_what_is_past_its_ceiling_goes_with_its_file_and_leaves_a_signed_tombstone(kept: Kept) -> None:
    policy = await kept.policies.add(PUBLIC, actor=ADMIN)
    old = [await kept.write(WEST_GATE, age) for age in (93, 92, 91)]
    young = [await kept.write(WEST_GATE, age) for age in (89, 1)]
    assert await kept.engine.pass_ceilings() == 3
    assert await kept.left(WEST_GATE) == young
    assert kept.files.removed == [segment_path(WEST_GATE, "main", one) for one in old]
    (stone,) = await kept.tombstones()
    assert (stone.no, stone.segments, stone.bytes, stone.reason) == (1, 3, 3_000, "ceiling")
    assert (stone.policy_id, stone.policy_version, stone.basis) == (policy.id, 1, PUBLIC["basis"])
    assert (stone.from_ms, stone.to_ms) == (old[0], old[-1] + HOUR_MS)
    recorded = await kept.store.read(lambda tx: tx.audit.deletions())
    assert list(check_tombstones([stone], recorded, KEY.public)) == []
    assert await kept.engine.pass_ceilings() == 0


async def test_each_change_of_a_tombstone_is_noticed(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    await kept.write(WEST_GATE, 95)
    await kept.write(YARD, 95)
    await kept.engine.pass_ceilings()
    stones = await kept.tombstones()
    recorded = await kept.store.read(lambda tx: tx.audit.deletions())
    assert list(check_tombstones(stones, recorded, KEY.public)) == []
    for change in ({"bytes": 1}, {"reason": "space"}, {"to_ms": 5}, {"channel_id": "other"}, {"basis": "none"}):
        said = [one.what for one in check_tombstones([replace(stones[0], **change), stones[1]], recorded, KEY.public)]
        assert len(said) == 2, change  # neither the signature nor the audit record fits
    assert [one.what for one in check_tombstones(stones[1:], recorded, KEY.public)] == [
        "tombstones 1 to 1 are missing",
        "the audit records tombstone 1, which is gone",
    ]
    assert len(list(check_tombstones(stones, {}, KEY.public))) == 2
    assert len(list(check_tombstones(stones, recorded, HouseKey(bytes(32)).public))) == 2


async def test_without_a_ceiling_nothing_goes_by_age(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "max_days": None}, actor=ADMIN)
    await kept.write(WEST_GATE, 3_000)
    assert await kept.engine.pass_ceilings() == 0


async def test_a_crash_between_the_two_steps_is_finished_at_the_next_start(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    for age in (95, 94):
        await kept.write(WEST_GATE, age)
    before_unlink, after_unlink = kept.engine, kept.again()

    async def _dies(*_args: Any) -> int:
        raise RuntimeError("killed")

    before_unlink._carry_out = _dies  # type: ignore[method-assign]  # the process ends after the first commit
    with pytest.raises(RuntimeError):
        await before_unlink.pass_ceilings()
    assert await kept.tombstones() == []
    assert kept.files.removed == []
    kept.files.files[kept.volume.no].pop(segment_path(WEST_GATE, "main", (await kept.left(WEST_GATE))[0]))
    assert await after_unlink.start() == 2  # one file was gone already: the process ended in the middle of the unlinks
    (stone,) = await kept.tombstones()
    assert (stone.segments, stone.reason, stone.basis) == (2, "ceiling", PUBLIC["basis"])
    assert await kept.left(WEST_GATE) == []
    assert kept.files.files[kept.volume.no] == {}
    assert await kept.again().start() == 0


async def test_a_file_that_cannot_be_removed_stays_on_the_list_and_is_tried_again(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    first, second = await kept.write(WEST_GATE, 95), await kept.write(WEST_GATE, 94)
    kept.files.broken[segment_path(WEST_GATE, "main", first)] = "Read-only file system"
    assert await kept.engine.pass_ceilings() == 1
    assert await kept.left(WEST_GATE) == [first]
    assert "recording.cannot_delete" in await kept.notices()
    kept.files.broken.clear()
    assert await kept.engine.pass_ceilings() == 1
    assert [(one.from_ms, one.segments) for one in await kept.tombstones()] == [(second, 1), (first, 1)]
    assert "recording.cannot_delete" not in await kept.notices()


async def test_a_volume_that_is_not_there_does_not_count_as_deleted(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    first = await kept.write(WEST_GATE, 95)
    kept.files.is_gone = True
    assert await kept.engine.pass_ceilings() == 0
    assert (await kept.left(WEST_GATE), await kept.tombstones()) == ([first], [])
    kept.files.is_gone = False
    assert await kept.engine.pass_ceilings() == 1


# --- holds ------------------------------------------------------------------------------------------------------------


def at(days: float) -> datetime:
    return START - timedelta(days=days)


async def hold(kept: Kept, *channels: str, begin: float, end: float, lasts: float = 30) -> Any:
    made, _ = await kept.holds.set(
        channels,
        at(begin),
        at(end),
        reason="asked for by the court",
        request_id="2026-118",
        ends_at=kept.clock.now() + timedelta(days=lasts),
        actor=CHIEF,
    )
    return made


async def test_what_is_held_stays_until_the_hold_ends_by_itself(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    held, free = await kept.write(WEST_GATE, 95), await kept.write(WEST_GATE, 92)
    made = await hold(kept, WEST_GATE, begin=96, end=94, lasts=10)
    assert (made.jurisdiction_code, made.channel_ids) == (NORTH, (WEST_GATE,))
    assert await kept.engine.pass_ceilings() == 1
    assert (await kept.left(WEST_GATE), free not in await kept.left(WEST_GATE)) == ([held], True)
    ((found, size_bytes),) = await kept.holds.find(actor=CHIEF)
    assert (found.id, size_bytes) == (made.id, 1_000)
    kept.clock.advance(10 * 86_400 - 1)
    assert (await kept.holds.check(), await kept.engine.pass_ceilings()) == (0, 0)
    kept.clock.advance(1)
    assert (await kept.holds.check(), await kept.engine.pass_ceilings()) == (1, 1)
    assert await kept.holds.find(actor=CHIEF) == []
    ended = (await kept.holds.find(actor=CHIEF, with_ended=True))[0][0]
    assert (ended.release_reason, ended.released_at) == ("expired", ended.ends_at)
    assert [one for one in await kept.actions() if one.startswith("retention.hold")] == [
        "retention.hold_set",
        "retention.hold_released",
    ]


async def test_a_hold_is_renewed_and_released_early(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    await kept.write(WEST_GATE, 95)
    made = await hold(kept, WEST_GATE, begin=96, end=94, lasts=180)
    far = kept.clock.now() + timedelta(days=181)
    error = await refused(ErrorCode.INVALID, kept.holds.renew(made.id, far, "more", actor=CHIEF, version=1))
    assert error.key == "retention.hold_too_long"
    kept.clock.advance(170 * 86_400)
    renewed = await kept.holds.renew(made.id, kept.clock.now() + timedelta(days=180), "more", actor=CHIEF, version=1)
    assert (renewed.version, renewed.ends_at) == (2, kept.clock.now() + timedelta(days=180))
    await refused(ErrorCode.CONFLICT, kept.holds.release(made.id, "stale", actor=CHIEF, version=1))
    assert await kept.engine.pass_ceilings() == 0
    await kept.holds.release(made.id, "done", actor=CHIEF, version=2)
    assert await kept.engine.pass_ceilings() == 1
    error = await refused(ErrorCode.CONFLICT, kept.holds.renew(made.id, far, "late", actor=CHIEF, version=3))
    assert error.key == "retention.hold_ended"


async def test_a_hold_needs_range_reason_request_and_the_right(kept: Kept) -> None:
    async def ask(actor: Any = CHIEF, channels: tuple[str, ...] = (WEST_GATE,), **changes: Any) -> Any:
        given = {
            "reason": "x",
            "request_id": "1",
            "ends_at": START + timedelta(days=5),
            "from_at": at(2),
            "to_at": at(1),
            **changes,
        }
        return await kept.holds.set(channels, given.pop("from_at"), given.pop("to_at"), actor=actor, **given)

    for changes, field in (
        ({"channels": ()}, "cameras"),
        ({"reason": ""}, "reason"),
        ({"request_id": ""}, "request_id"),
        ({"to_at": at(3)}, "to"),
        ({"ends_at": START}, "ends_at"),
        ({"ends_at": START + timedelta(days=181)}, "ends_at"),
    ):
        error = await refused(ErrorCode.INVALID, ask(**changes))
        assert error.params["field"] == field
    await refused(ErrorCode.FORBIDDEN, ask(LI))
    await refused(ErrorCode.NOT_FOUND, ask(channels=("nowhere",)))
    await refused(ErrorCode.NOT_FOUND, ask(replace(CHIEF, jurisdiction_codes=(SOUTH,))))
    made, cost = await ask(channels=(WEST_GATE, BANK_HALL))
    assert (made.jurisdiction_code, cost.stored_s, cost.asked_s) == (CITY + "1", 0, 2 * 86_400)
    assert len((await ask(ADMIN))[0].id) == 36


async def test_holds_may_not_take_more_of_the_disks_than_their_quota(kept: Kept) -> None:
    await kept.store.run(
        lambda tx: tx.segments.save_volume_state(replace(kept.volume, total_bytes=10_000, free_bytes=5_000))
    )
    for age in (10, 11, 12):
        await kept.write(WEST_GATE, age)
    await hold(kept, WEST_GATE, begin=13, end=10.5)
    error = await refused(ErrorCode.CONFLICT, hold(kept, WEST_GATE, begin=10.4, end=9))
    assert (error.key, error.params["quota_pct"]) == ("retention.hold_quota", 25)


# --- those who read ---------------------------------------------------------------------------------------------------


async def test_a_lease_is_honoured_once(kept: Kept) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    start = await kept.write(WEST_GATE, 95)
    await kept.write(WEST_GATE, 94)
    no = (await kept.store.read(lambda tx: tx.segments.streams([WEST_GATE])))[0].no

    async def lease() -> None:
        until = kept.clock.now() + timedelta(seconds=60)
        await kept.store.run(lambda tx: tx.retention.take_lease(no, start, start + HOUR_MS, until))

    await lease()
    assert await kept.engine.pass_ceilings() == 1
    assert await kept.engine.pass_ceilings() == 0
    kept.clock.advance(61)
    await lease()  # read on: the deletion has waited once
    assert await kept.engine.pass_ceilings() == 1


# --- space ------------------------------------------------------------------------------------------------------------


async def plan(kept: Kept, channel_id: str, priority: int) -> None:
    row = {"channel_id": channel_id, "mode": "continuous", "priority": priority}
    await kept.store.run(lambda tx: tx.connection.execute(insert(recording_plans).values(**row)))


async def test_a_full_volume_loses_the_oldest_of_the_lowest_priority_down_to_its_low_mark(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "max_days": None}, actor=ADMIN)
    await plan(kept, YARD, 1)
    await plan(kept, WEST_GATE, 9)
    yard = [await kept.write(YARD, age) for age in (40, 39, 31)]
    gate = [await kept.write(WEST_GATE, age) for age in (60, 50)]
    await kept.write(BANK_HALL, 200, 5_200, code=SOUTH)
    kept.files.size_bytes = 11_000  # 10,200 used: over 90 %, down to 85 % is 9,350
    await kept.engine.check_space()
    assert await kept.left(YARD) == yard[1:]
    assert (await kept.left(WEST_GATE), len(await kept.left(BANK_HALL))) == (gate, 1)
    (stone,) = await kept.tombstones()
    assert (stone.reason, stone.channel_id, stone.segments) == ("space", YARD, 1)
    assert await kept.notices() == set()
    await kept.engine.check_space()
    assert len(await kept.tombstones()) == 1


async def test_nothing_below_the_floor_goes_it_is_said_first_then_the_lowest_priority_stops(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "max_days": None}, actor=ADMIN)
    await plan(kept, YARD, 1)
    await plan(kept, WEST_GATE, 9)
    for channel_id in (YARD, WEST_GATE):
        for age in (20, 10, 0.001):
            await kept.write(channel_id, age, length_ms=60_000)
    kept.files.size_bytes = 6_100
    await kept.engine.check_space()
    assert "recording.at_floor" in await kept.notices()
    assert kept.recorders.paused == []
    await kept.engine.check_space()
    assert kept.recorders.paused == [(YARD,)]
    assert "recording.stopped_for_space" in await kept.notices()
    await kept.engine.check_space()
    assert kept.recorders.paused == [(YARD,), (WEST_GATE,)]
    await kept.engine.check_space()
    assert len(kept.recorders.paused) == 2
    assert (len(await kept.left(YARD)), len(await kept.left(WEST_GATE)), await kept.tombstones()) == (3, 3, [])
    kept.files.size_bytes = 60_000
    await kept.engine.check_space()
    assert kept.recorders.resumed == [tuple(sorted((YARD, WEST_GATE)))]
    assert await kept.notices() == set()
    assert [one for one in await kept.actions() if one.startswith("recording.")] == [
        "recording.space_short",
        "recording.stopped_for_space",
        "recording.stopped_for_space",
        "recording.resumed_after_space",
    ]


async def test_what_was_stopped_for_space_stays_so_over_a_restart_until_there_is_room(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "max_days": None}, actor=ADMIN)
    await plan(kept, YARD, 1)
    await plan(kept, WEST_GATE, 9)
    for channel_id in (YARD, WEST_GATE):
        for age in (20, 0.001):
            await kept.write(channel_id, age, length_ms=60_000)
    kept.files.size_bytes = 4_100
    await kept.engine.check_space()
    await kept.engine.check_space()
    assert kept.recorders.paused == [(YARD,)]
    kept.clock.advance(120)  # nothing is written there any more
    again = kept.recorders = HeardRecorders()
    engine = kept.again()
    await engine.start()
    assert again.paused == [(YARD,)], "at once, not at the next look at the disk"
    kept.files.size_bytes = 60_000
    await engine.check_space()
    assert again.resumed == [(YARD,)]
    assert await kept.notices() == set()


async def test_when_only_held_recordings_are_left_it_is_said_so_and_they_stay(kept: Kept) -> None:
    await kept.policies.add({**PUBLIC, "max_days": None}, actor=ADMIN)
    for age in (50, 40):
        await kept.write(YARD, age)
    await hold(kept, YARD, begin=51, end=39)
    kept.files.size_bytes = 2_050
    await kept.engine.check_space()
    assert "recording.only_held" in await kept.notices()
    assert len(await kept.left(YARD)) == 2


async def test_without_a_policy_the_oldest_makes_room(kept: Kept) -> None:
    starts = [await kept.write(YARD, age) for age in (3, 2, 1)]
    kept.files.size_bytes = 3_100
    await kept.engine.check_space()
    assert await kept.left(YARD) == starts[1:]
    (stone,) = await kept.tombstones()
    assert (stone.policy_id, stone.basis) == ("", "")


# --- proof ------------------------------------------------------------------------------------------------------------


async def test_a_camera_day_is_proven_with_the_reason_of_each_gap(kept: Kept, clock: FixedClock) -> None:
    await kept.policies.add(PUBLIC, actor=ADMIN)
    today = NOW_MS // DAY_MS
    begin = (today - 3) * DAY_MS

    def _write(tx: Any) -> None:
        for hour in range(72):
            if hour == 30:  # an hour of the second day is missing
                continue
            write(tx, None, YARD, NORTH, kept.volume.no, begin + hour * HOUR_MS, begin + (hour + 1) * HOUR_MS, 100)
        no = tx.segments.stream_no(YARD, "main", NORTH)
        tx.segments.expect([(no, begin + 30 * HOUR_MS, begin + 31 * HOUR_MS)])
        tx.segments.begin_gaps([Gap(no, begin + 30 * HOUR_MS, "device_offline", begin + 31 * HOUR_MS)])

    await kept.store.run(_write)
    proofs = ProofService(kept.store, UTC)
    (proof,) = await proofs.prove(actor=ADMIN, channel_id=YARD)
    states = [day.state for day in proof.days]
    assert (len(states), states[:3], set(states[3:])) == (30, ["whole", "gaps", "whole"], {"too_young"})
    gap_day = proof.days[1]
    assert (gap_day.expected_ms, gap_day.stored_ms) == (DAY_MS, DAY_MS - HOUR_MS)
    assert gap_day.missed_ms == {"device_offline": HOUR_MS}
    assert proof.state == "gaps"
    rows = list(csv_rows([proof]))
    assert len(rows) == 31
    assert rows[-2][4:] == (
        gap_day.form()["day"],
        "gaps",
        30,
        86_400,
        82_800,
        3_600,
        "device_offline 3600",
        "",
    )
    await refused(ErrorCode.NOT_FOUND, proofs.prove(actor=PEOPLE.south, channel_id=YARD))


async def test_a_camera_day_is_a_day_of_the_house(kept: Kept) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    day = day_at(NOW_MS, zone) - timedelta(days=2)
    begin_ms = begin_of_day(day, zone)

    def _write(tx: Any) -> None:
        for hour in range(24):  # one local day, which lies on two UTC days
            write(tx, None, YARD, NORTH, kept.volume.no, begin_ms + hour * HOUR_MS, begin_ms + (hour + 1) * HOUR_MS, 9)

    await kept.store.run(_write)
    asked = {"from_day": day - timedelta(days=1), "to_day": day + timedelta(days=1), "channel_id": YARD}
    (local,) = await ProofService(kept.store, zone).prove(actor=ADMIN, **asked)
    assert [(one.day, one.state, one.stored_ms) for one in local.days] == [
        (day + timedelta(days=1), "not_planned", 0),
        (day, "whole", DAY_MS),
        (day - timedelta(days=1), "too_young", 0),
    ]
    (utc,) = await ProofService(kept.store, UTC).prove(actor=ADMIN, **asked)
    assert [one.stored_ms // HOUR_MS for one in utc.days] == [0, 16, 8]


async def test_what_was_deleted_is_not_called_young_nor_missing(kept: Kept, clock: FixedClock) -> None:
    begin = (NOW_MS // DAY_MS - 20) * DAY_MS

    def _write(tx: Any) -> None:
        for day in range(20):
            write(
                tx, kept.files, YARD, NORTH, kept.volume.no, begin + day * DAY_MS, begin + (day + 1) * DAY_MS - 1, 100
            )

    await kept.store.run(_write)
    await kept.policies.add({"name": "short", "max_days": 10, "basis": "y"}, actor=ADMIN)
    assert await kept.engine.pass_ceilings() == 10
    (proof,) = await ProofService(kept.store, UTC).prove(actor=ADMIN, channel_id=YARD)
    states = [day.state.value for day in proof.days]
    assert states == ["whole"] * 10 + ["deleted"] * 10 + ["too_young"] * 10
    assert proof.days[10].tombstones == (1,)


# --- real files -------------------------------------------------------------------------------------------------------


async def test_files_and_empty_day_folders_go_from_a_real_folder_and_only_from_the_right_one(
    tmp_path: Path, clock: FixedClock
) -> None:
    root = tmp_path / "volume"
    volume = Volume("volume-1", str(root), no=1)
    files = FolderVolumes(clock)
    paths = [segment_path(YARD, "main", NOW_MS - age * DAY_MS) for age in (10, 9, 0)]
    for path in paths:
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(b"x")
    assert set(await files.remove(volume, paths)) == set(paths)  # no mark: an empty mount point, or another's folder
    assert await files.usage(volume) is None
    (root / MARK).write_text('{"volume": "volume-1", "house": "h"}')
    assert await files.remove(volume, paths) == {}
    assert [one.name for one in root.rglob("*.mp4")] == []
    assert sorted(one.relative_to(root).as_posix()[:10] for one in root.rglob("main")) == [paths[2][:10]]
    assert await files.remove(volume, paths) == {}
    total, free = await files.usage(volume) or (0, 0)
    assert total >= free > 0


def test_the_key_of_the_house_is_made_once_and_its_public_half_lies_beside_it(tmp_path: Path) -> None:
    key = load_house_key(tmp_path / "signing.key")
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    assert load_house_key(tmp_path / "signing.key").public == key.public
    assert (tmp_path / "signing.pub").read_text().strip() == key.public.hex()
    (tmp_path / "signing.key").write_bytes(b"short")
    with pytest.raises(TocsinError):
        load_house_key(tmp_path / "signing.key")
