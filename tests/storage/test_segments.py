"""The index of recordings on both engines: segments, gaps, coverage, and the day partitions of PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tocsin.base.errors import TocsinError
from tocsin.domain.segment_groups import Group, pack
from tocsin.domain.segments import (
    DAY_MS,
    MINUTE_MS,
    Codec,
    Gap,
    Segment,
    SegmentKey,
    SegmentState,
    Span,
    Volume,
    VolumeState,
    day_of,
)
from tocsin.storage import segment_days
from tocsin.storage.store import AnyStore, PostgresqlStore
from tocsin.storage.uow import Transaction

DAY = 20_784
T0 = DAY * DAY_MS + 12 * 3_600_000
GROUPS = pack([Group(1_000, 40_000, 0, 30_000), Group(41_000, 40_000, 30_000, 30_000)])


def _closed(stream_no: int, start_ms: int, long_ms: int = 60_000, **changes: Any) -> Segment:
    made = Segment(
        stream_no,
        start_ms,
        start_ms + long_ms,
        1,
        SegmentState.OK,
        81_000,
        1_500,
        codec_no=1,
        sha256=bytes(range(32)),
        groups=GROUPS,
        clock_offset_ms=-40,
        end_reason="full",
    )
    return replace(made, **changes)


def _entered(tx: Transaction) -> int:
    return tx.segments.stream_no("camera-1", "main", "340203")


async def test_volumes_streams_and_codecs_are_entered_once(store: AnyStore) -> None:
    first = await store.run(lambda tx: tx.segments.enter_volume(Volume("v-1", "/one", reserve_bytes=5)))
    second = await store.run(lambda tx: tx.segments.enter_volume(Volume("v-2", "/two")))
    again = await store.run(lambda tx: tx.segments.enter_volume(Volume("v-1", "/moved", reserve_bytes=7)))
    assert again.no == first.no != second.no
    full = replace(again, state=VolumeState.FULL, total_bytes=1 << 43, free_bytes=12)
    await store.run(lambda tx: tx.segments.save_volume_state(full))
    assert (await store.read(lambda tx: tx.segments.volumes()))[0] == full

    number = await store.run(_entered)
    assert await store.run(_entered) == number
    assert await store.run(lambda tx: tx.segments.stream_no("camera-1", "sub", "340203")) != number
    assert (await store.read(lambda tx: tx.segments.streams({"camera-1"})))[0].no == number

    codec = Codec(b"\1" * 32, "h264", 1_920, 1_080, 'video/mp4; codecs="avc3.640028"', b"init")
    codec_no = await store.run(lambda tx: tx.segments.codec_no(codec))
    assert await store.run(lambda tx: tx.segments.codec_no(codec)) == codec_no
    assert await store.read(lambda tx: tx.segments.codecs({codec_no})) == {codec_no: replace(codec, no=codec_no)}


async def test_a_closed_segment_is_listed_and_counted_once(store: AnyStore) -> None:
    number = await store.run(_entered)
    segment = _closed(number, T0)
    await store.run(lambda tx: tx.segments.open([Segment(number, T0, T0, 1)]))
    assert await store.read(lambda tx: tx.segments.unsettled(SegmentState.OPEN)) == [Segment(number, T0, T0, 1)]
    assert await store.run(lambda tx: tx.segments.close([segment])) == [segment.key]
    assert await store.run(lambda tx: tx.segments.close([replace(segment, size_bytes=9)])) == []
    assert await store.read(lambda tx: tx.segments.get(number, T0)) == segment
    [day] = await store.read(lambda tx: tx.segments.coverage([number], DAY, DAY))
    assert (day.stored_ms, day.minutes.count(bytes([0x80]))) == (60_000, 1)
    assert await store.read(lambda tx: tx.segments.stored_bytes()) == {1: 81_000}


async def test_many_are_closed_at_once_new_ones_too(store: AnyStore) -> None:
    number = await store.run(_entered)
    many = [_closed(number, T0 + n * 60_000) for n in range(1_200)]
    assert len(await store.run(lambda tx: tx.segments.close(many))) == 1_200
    assert await store.read(lambda tx: tx.segments.between(number, T0, T0 + DAY_MS)) == many
    days = await store.read(lambda tx: tx.segments.coverage([number], DAY, DAY + 1))
    assert [day.stored_ms for day in days] == [12 * 3_600_000, 8 * 3_600_000]


async def test_a_period_begins_with_the_segment_that_reaches_into_it(store: AnyStore) -> None:
    number = await store.run(_entered)
    many = [_closed(number, T0), _closed(number, T0 + 60_000), _closed(number, T0 + 120_000)]
    await store.run(lambda tx: tx.segments.close(many))
    assert await store.read(lambda tx: tx.segments.between(number, T0 + 59_999, T0 + 60_001)) == many[:2]
    assert await store.read(lambda tx: tx.segments.between(number, T0 + 60_000, T0 + 120_000)) == many[1:2]
    assert await store.read(lambda tx: tx.segments.between(number + 1, T0, T0 + DAY_MS)) == []


async def test_spans_are_merged_per_resolution(store: AnyStore) -> None:
    number = await store.run(_entered)
    many = [_closed(number, T0), _closed(number, T0 + 65_000), _closed(number, T0 + 600_000)]
    await store.run(lambda tx: tx.segments.close(many))
    await store.run(lambda tx: tx.segments.open([Segment(number, T0 + 900_000, T0 + 900_000, 1)]))

    def _spans(resolution_ms: int) -> Any:
        return lambda tx: tx.segments.spans(
            number, T0, T0 + 3_600_000, now_ms=T0 + 960_000, resolution_ms=resolution_ms
        )

    running = Span(T0 + 900_000, T0 + 960_000)
    exact = [Span(T0, T0 + 60_000), Span(T0 + 65_000, T0 + 125_000), Span(T0 + 600_000, T0 + 660_000), running]
    assert await store.read(_spans(1)) == exact
    assert await store.read(_spans(10_000)) == [Span(T0, T0 + 125_000), *exact[2:]]
    by_minute = [Span(T0, T0 + 180_000), Span(T0 + 600_000, T0 + 660_000), running]
    assert await store.read(_spans(MINUTE_MS)) == by_minute


async def test_states_moves_and_what_is_due(store: AnyStore) -> None:
    number = await store.run(_entered)
    many = [_closed(number, T0 + n * 60_000, due_ms=T0 + DAY_MS + n) for n in range(4)]
    await store.run(lambda tx: tx.segments.close(many))
    assert await store.read(lambda tx: tx.segments.due(T0 + DAY_MS + 1, 10)) == many[:2]
    await store.run(lambda tx: tx.segments.move([many[0].key], 2, due_ms=None))
    await store.run(lambda tx: tx.segments.set_state([many[1].key], SegmentState.DELETING))
    assert [s.key for s in await store.read(lambda tx: tx.segments.due(T0 + 2 * DAY_MS, 10))] == [
        many[2].key,
        many[3].key,
    ]
    assert [s.key for s in await store.read(lambda tx: tx.segments.oldest(1, 10))] == [many[2].key, many[3].key]
    assert [s.key for s in await store.read(lambda tx: tx.segments.unsettled(SegmentState.DELETING))] == [many[1].key]

    def _delete(tx: Transaction) -> None:
        tx.segments.delete([many[1].key, SegmentKey(number, 5)])
        tx.segments.count_again(number, day_of(T0))

    await store.run(_delete)
    with pytest.raises(TocsinError):
        await store.read(lambda tx: tx.segments.get(number, many[1].start_ms))
    [day] = await store.read(lambda tx: tx.segments.coverage([number], DAY, DAY))
    assert day.stored_ms == 180_000
    assert await store.read(lambda tx: tx.segments.last_ends([number, 99], T0)) == {number: T0 + 240_000}


async def test_a_gap_lasts_until_it_is_ended(store: AnyStore) -> None:
    number = await store.run(_entered)
    await store.run(lambda tx: tx.segments.begin_gaps([Gap(number, T0, "source_lost")]))
    assert await store.read(lambda tx: tx.segments.lasting_gaps()) == {number: Gap(number, T0, "source_lost")}
    await store.run(lambda tx: tx.segments.end_gaps(number, T0 + 5_000))
    await store.run(lambda tx: tx.segments.begin_gaps([Gap(number, T0 + 9_000, "disk_slow", T0 + 9_500)]))
    await store.run(lambda tx: tx.segments.begin_gaps([Gap(number, T0 + 9_000, "disk_slow")]))
    wanted = [Gap(number, T0, "source_lost", T0 + 5_000), Gap(number, T0 + 9_000, "disk_slow", T0 + 9_500)]
    assert await store.read(lambda tx: tx.segments.gaps(number, T0, T0 + DAY_MS)) == wanted
    assert await store.read(lambda tx: tx.segments.gaps(number, T0 + 5_000, T0 + 9_000)) == []
    assert await store.read(lambda tx: tx.segments.last_gaps([number])) == {number: wanted[1]}
    await store.run(lambda tx: tx.segments.begin_gaps([Gap(number, T0 + 10_000, "restart")]))
    await store.run(lambda tx: tx.segments.end_gaps(number, T0 + 10_000))
    assert await store.read(lambda tx: tx.segments.last_gaps([number])) == {number: wanted[1]}


async def test_what_was_to_be_recorded_is_counted_by_day(store: AnyStore) -> None:
    number = await store.run(_entered)
    midnight_ms = (DAY + 1) * DAY_MS
    await store.run(lambda tx: tx.segments.expect([(number, midnight_ms - 4_000, midnight_ms + 6_000)]))
    await store.run(lambda tx: tx.segments.expect([(number, midnight_ms + 6_000, midnight_ms + 7_000)]))
    await store.run(lambda tx: tx.segments.close([_closed(number, midnight_ms - 4_000, 10_000)]))
    days = await store.read(lambda tx: tx.segments.coverage([number], DAY, DAY + 1))
    assert [(day.day, day.stored_ms, day.expected_ms) for day in days] == [
        (DAY, 4_000, 4_000),
        (DAY + 1, 6_000, 7_000),
    ]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_days_are_partitions_and_go_as_one(store: AnyStore) -> None:
    number = await store.run(_entered)
    day = DAY + 40
    segment = _closed(number, day * DAY_MS + 500)
    await store.run(lambda tx: tx.segments.close([segment]))
    made = await store.run(lambda tx: segment_days.make(tx.connection, day - 1, day + 1))
    assert made == [day - 1, day, day + 1]
    assert await store.run(lambda tx: segment_days.make(tx.connection, day - 1, day + 1)) == []
    assert await store.read(lambda tx: tx.segments.get(number, segment.start_ms)) == segment
    assert await store.read(lambda tx: segment_days.rows(tx.connection, day)) == 1

    def _plan(tx: Transaction) -> str:
        from sqlalchemy import text

        from tocsin.storage.segments import beginning_between

        asked = beginning_between(number, day * DAY_MS, (day + 1) * DAY_MS)
        sql = asked.compile(dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True})
        return "\n".join(tx.connection.execute(text(f"EXPLAIN {sql}")).scalars())

    assert day in await store.read(lambda tx: segment_days.to_sweep(tx.connection, day + 1))
    assert isinstance(store, PostgresqlStore)
    await store.sweep(segment_days.name_of(day))
    plan = await store.read(_plan)
    assert segment_days.name_of(day) in plan
    assert plan.count("segments_") == plan.count(segment_days.name_of(day))
    assert await store.run(lambda tx: segment_days.drop(tx.connection, day))
    assert not await store.run(lambda tx: segment_days.drop(tx.connection, day))
    assert await store.read(lambda tx: tx.segments.between(number, day * DAY_MS, (day + 1) * DAY_MS)) == []
    for left in (day - 1, day + 1):
        assert await store.run(lambda tx, left=left: segment_days.drop(tx.connection, left))


async def test_gaps_that_overlap_become_one_with_the_better_reason(store: AnyStore) -> None:
    number = await store.run(_entered)

    def _name(tx: Transaction) -> None:
        tx.segments.name_gap(Gap(number, T0, "restart", T0 + 2_000), knows_better=False)
        tx.segments.name_gap(Gap(number, T0 + 12, "no_key", T0 + 2_000), knows_better=True)
        tx.segments.name_gap(Gap(number, T0 + 2_000, "source_lost"), knows_better=False)
        tx.segments.name_gap(Gap(number, T0 + 2_500, "disk_slow"), knows_better=True)
        tx.segments.name_gap(Gap(number, T0 + 2_500, "disk_slow", T0 + 4_000), knows_better=True)

    await store.run(_name)
    assert await store.read(lambda tx: tx.segments.gaps(number, T0, T0 + DAY_MS)) == [
        Gap(number, T0, "no_key", T0 + 2_000),
        Gap(number, T0 + 2_000, "disk_slow", T0 + 4_000),
    ]


async def test_sums_follow_every_change_of_segments(store: AnyStore) -> None:
    number = await store.run(_entered)
    midnight_ms = (DAY + 1) * DAY_MS
    many = [_closed(number, midnight_ms + (n - 2) * 60_000) for n in range(4)]
    await store.run(lambda tx: tx.segments.open([Segment(number, many[0].start_ms, many[0].start_ms, 1)]))
    await store.run(lambda tx: tx.segments.close(many))
    await store.run(lambda tx: tx.segments.close(many))  # heard twice

    async def _sums(volume_no: int) -> list[tuple[int, int, int, int]]:
        found = await store.read(lambda tx: tx.segments.sums.of_volume(volume_no))
        return [(one.day, one.segments, one.size_bytes, one.duration_ms) for one in found]

    assert await _sums(1) == [(DAY, 2, 162_000, 120_000), (DAY + 1, 2, 162_000, 120_000)]
    await store.run(lambda tx: tx.segments.move([many[1].key, many[2].key], 2))
    assert await _sums(1) == [(DAY, 1, 81_000, 60_000), (DAY + 1, 1, 81_000, 60_000)]
    assert await _sums(2) == [(DAY, 1, 81_000, 60_000), (DAY + 1, 1, 81_000, 60_000)]
    assert await store.read(lambda tx: tx.segments.stored_bytes()) == {1: 162_000, 2: 162_000}
    await store.run(lambda tx: tx.segments.set_state([many[0].key], SegmentState.LOST))
    assert await _sums(1) == [(DAY, 1, 0, 0), (DAY + 1, 1, 81_000, 60_000)]
    await store.run(lambda tx: tx.kept.mark_deleting([many[3].key]))
    assert await store.read(lambda tx: tx.kept.firsts([number])) == {number: many[0].start_ms}

    def _delete(tx: Transaction) -> None:
        tx.segments.delete([one.key for one in many])
        for day in (DAY, DAY + 1):
            tx.segments.count_again(number, day)

    await store.run(_delete)
    assert await _sums(1) == await _sums(2) == []


async def test_what_was_written_since_a_time_is_read_from_the_sums(store: AnyStore) -> None:
    number = await store.run(_entered)
    await store.run(lambda tx: tx.segments.close([_closed(number, T0 + n * 60_000) for n in range(100)]))
    await store.run(lambda tx: tx.segments.close([_closed(number, T0 + DAY_MS, volume_no=2)]))
    [whole, other] = sorted(await store.read(lambda tx: tx.kept.sums()), key=lambda one: one.volume_no)
    assert (whole.segments, whole.size_bytes, whole.from_ms) == (100, 8_100_000, T0)
    assert (other.segments, other.size_bytes) == (1, 81_000)
    since_ms = T0 + 75 * 60_000
    [part, same] = sorted(await store.read(lambda tx: tx.kept.sums(since_ms=since_ms)), key=lambda one: one.volume_no)
    assert (part.segments, part.size_bytes, part.from_ms, same) == (25, 2_025_000, since_ms, other)
