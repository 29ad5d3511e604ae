"""Lists of recordings: the question, pages that lie, capped lists, spans."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.recordings import (
    RecordAssembler,
    Recording,
    RecordPage,
    RecordQuery,
    RecordSet,
    next_start,
    parse_time,
    pieces_of,
    read_record_query,
    record_query,
    record_response,
    recordings_of,
    spans_of,
)

CHANNEL = "34020000001320000001"
START = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


def recording(number: int, **changes: object) -> Recording:
    given: dict[str, object] = {
        "gb_id": CHANNEL,
        "starts": START + timedelta(minutes=10 * number),
        "ends": START + timedelta(minutes=10 * number + 10),
        "name": "东门",
        "file_path": f"/sd/{number}.ps",
        "kind": "time",
        "size_bytes": 1000,
    }
    return Recording(**{**given, **changes})  # type: ignore[arg-type]


def page(sn: int | None, total: int | None, *recordings: Recording) -> Document:
    found = parse_document(record_response(sn, CHANNEL, "东门", total, recordings))
    assert isinstance(found, Document)
    return found


def ask(assembler: RecordAssembler, sn: int = 7) -> None:
    assembler.ask(sn, 0.0)


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_the_question_is_read_as_it_was_asked(version: str) -> None:
    asked = RecordQuery(CHANNEL, START, START + timedelta(hours=24), stream_number=1, alarm_method="2", alarm_type="1")
    document = parse_document(record_query(5, asked, version, Label.GB18030))
    assert isinstance(document, Document)
    read = read_record_query(document)
    assert read is not None
    assert (read.gb_id, read.starts, read.ends, read.kind) == (CHANNEL, asked.starts, asked.ends, "all")
    assert (read.stream_number, read.alarm_method) == ((1, "2") if version == "3.0" else (None, ""))
    assert document.root.get("StartTime") == "2026-11-22T08:00:00", "documents carry Beijing time"
    assert document.root.get("Type") == "all", "recorders that need it answer nothing without"


@pytest.mark.parametrize("hours", [0, 25])
def test_a_question_covers_a_day_at_most(hours: int) -> None:
    with pytest.raises(ValueError, match="24 hours"):
        record_query(1, RecordQuery(CHANNEL, START, START + timedelta(hours=hours)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T08:00:00", START),
        ("2026-11-22 8:0:0", START),
        ("2026-11-22T08:00:00.250", START),
        ("2026-11-22T08:00:00Z", START),
        ("2026-11-22T24:00:00", START + timedelta(hours=16)),
        ("2026-13-22T08:00:00", None),
        ("", None),
    ],
)
def test_times_are_read_as_devices_write_them(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_every_field_of_an_item_survives_the_way() -> None:
    sent = recording(
        1, address="北门", recorder_id="r", is_secret=True, location="disk 1", stream_number=1, size_bytes=1 << 33
    )
    assert recordings_of(page(1, 1, sent)) == ([sent], 0)


def test_pages_join_in_any_order_and_repeated_ones_count_once() -> None:
    files = [recording(number) for number in range(9)]
    pages = [page(7, 9, *files[at : at + 3]) for at in (0, 3, 6)]
    dice = random.Random(1)
    for _ in range(20):
        shuffled = [*pages, dice.choice(pages)]
        dice.shuffle(shuffled)
        assembler = RecordAssembler()
        ask(assembler)
        results = [assembler.receive(one, 1.0) for one in shuffled]
        sets = [result for result in results if isinstance(result, RecordSet)]
        assert len(sets) == 1
        assert sets[0].is_complete
        assert sets[0].recordings == tuple(files)


def test_a_lost_page_ends_by_silence_as_partial() -> None:
    assembler = RecordAssembler(first_s=10, idle_s=4)
    ask(assembler)
    assert assembler.receive(page(7, 5, recording(0), recording(1)), 1.0) == RecordPage(7, 2, 5)
    assert assembler.timer() == 5.0
    assert assembler.handle_timer(4.9) == []
    [found] = assembler.handle_timer(5.0)
    assert (found.is_complete, found.expected, len(found.recordings)) == (False, 5, 2)


@pytest.mark.parametrize("total", [None, 0, 1])
def test_a_total_that_is_absent_zero_or_too_small_cuts_nothing_off(total: int | None) -> None:
    assembler = RecordAssembler()
    ask(assembler)
    first = assembler.receive(page(7, total, recording(0), recording(1)), 1.0)
    assert isinstance(first, RecordPage)
    assembler.receive(page(7, total, recording(2)), 2.0)
    [found] = assembler.handle_timer(100.0)
    assert found.is_complete
    assert len(found.recordings) == 3


@pytest.mark.parametrize("total", [None, 0])
def test_an_empty_answer_is_complete_at_once(total: int | None) -> None:
    assembler = RecordAssembler()
    ask(assembler)
    found = assembler.receive(page(7, total), 1.0)
    assert isinstance(found, RecordSet)
    assert found.is_complete
    assert found.recordings == ()


def test_an_answer_without_a_number_belongs_to_the_sole_question() -> None:
    assembler = RecordAssembler()
    ask(assembler)
    assert isinstance(assembler.receive(page(None, 1, recording(0)), 1.0), RecordSet)
    ask(assembler, 8)
    ask(assembler, 9)
    assert assembler.receive(page(None, 1, recording(0)), 1.0) is None
    assert assembler.receive(page(44, 1, recording(0)), 1.0) is None


def test_nobody_answering_is_incomplete() -> None:
    assembler = RecordAssembler()
    ask(assembler)
    [found] = assembler.handle_timer(10.0)
    assert (found.is_complete, found.pages) == (False, 0)


def test_a_long_period_is_cut_into_days() -> None:
    pieces = pieces_of(START, START + timedelta(hours=50))
    assert [(end - begin).total_seconds() / 3600 for begin, end in pieces] == [24, 24, 2]
    assert pieces[0][1] == pieces[1][0]


def test_a_capped_list_is_asked_on_from_its_end_until_nothing_moves() -> None:
    files = [recording(number) for number in range(25)]
    asked_from, asked_to = START, START + timedelta(hours=24)
    got: dict[object, Recording] = {}
    begin: datetime | None = asked_from
    questions = 0
    while begin is not None:
        questions += 1
        listed = [file for file in files if file.ends > begin][:10]
        got |= {file.key: file for file in listed}
        begin = next_start(RecordSet(1, tuple(listed), None, True), begin, asked_to)
    assert len(got) == 25
    assert questions == 4, "three lists, and one that brought nothing new"


def test_spans_join_what_is_less_than_two_seconds_apart_and_keep_kinds_apart() -> None:
    near = recording(1, starts=recording(0).ends + timedelta(seconds=1))
    far = recording(3)
    alarm = recording(0, kind="alarm", starts=START + timedelta(minutes=3), ends=START + timedelta(minutes=4))
    spans = spans_of([far, near, recording(0), alarm], START, START + timedelta(minutes=35))
    shown = [(round((one.starts - START).total_seconds()), one.kind, one.files) for one in spans]
    assert shown == [(0, "time", 2), (180, "alarm", 1), (1800, "time", 1)]
    assert spans[-1].ends == START + timedelta(minutes=35), "cut to the period"
