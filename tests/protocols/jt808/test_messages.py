"""Bodies of JT/T 808: every message written is the message read; what is cut short is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.jt808.alarms import MEANINGS, edge_events
from tocsin.protocols.jt808.location import Location, Status, decode_location, encode_location
from tocsin.protocols.jt808.messages import (
    Ack,
    Authentication,
    Batch,
    ConfirmAlarm,
    Edition,
    Empty,
    LocationReply,
    MessageId,
    Multimedia,
    MultimediaAck,
    Parameters,
    Registration,
    RegistrationReply,
    Resend,
    Snapshot,
    TemporaryReports,
    TerminalControl,
    Text,
    decode_body,
    encode_body,
)
from tocsin.protocols.jt808.wire import BadBody

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x9FFF, exclude_categories=["Cs", "Cn", "Co"]))
ASCII = st.text("ABCDEFGHIJ0123456789-", max_size=7)


@st.composite
def locations(draw: st.DrawFn) -> Location:
    south, west = draw(st.integers(-90_000_000, 90_000_000)), draw(st.integers(-180_000_000, 180_000_000))
    status = draw(U32) & ~(1 << Status.SOUTH | 1 << Status.WEST)
    status |= (south < 0) << Status.SOUTH | (west < 0) << Status.WEST
    when = draw(st.none() | st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)))  # noqa: DTZ001
    extra = st.tuples(st.integers(0, 255).filter(lambda n: not 0x64 <= n <= 0x67), st.binary(max_size=60))
    return Location(
        draw(U32),
        status,
        south,
        west,
        draw(U16),
        draw(U16),
        draw(U16),
        None if when is None else when.replace(microsecond=0, tzinfo=UTC),
        tuple(draw(st.lists(extra, max_size=8))),
    )


@st.composite
def bodies(draw: st.DrawFn) -> tuple[int, int, Any]:
    """Yield (message id, version, body) of every message."""
    version = draw(st.sampled_from((0, 1)))
    edition = Edition.Y2019 if version else Edition.Y2013
    indexes = tuple(draw(st.lists(U16, max_size=20)))
    options: list[tuple[int, st.SearchStrategy[Any]]] = [
        (MessageId.TERMINAL_ACK, st.builds(Ack, U16, U16, U8)),
        (MessageId.PLATFORM_ACK, st.builds(Ack, U16, U16, U8)),
        (MessageId.HEARTBEAT, st.just(Empty())),
        (MessageId.UNREGISTER, st.just(Empty())),
        (MessageId.QUERY_LOCATION, st.just(Empty())),
        (MessageId.QUERY_PARAMETERS, st.just(Empty())),
        (
            MessageId.REGISTER,
            st.builds(
                Registration,
                U16,
                U16,
                st.just("TOCSI"),
                ASCII,
                ASCII,
                st.just(2),
                WORDS.map(lambda t: t[:20]),
                st.just(edition),
            ),
        ),
        (MessageId.REGISTER_REPLY, st.builds(RegistrationReply, U16, st.just(0), ASCII)),
        (MessageId.REGISTER_REPLY, st.builds(RegistrationReply, U16, st.integers(1, 4))),
        (
            MessageId.AUTHENTICATE,
            st.builds(Authentication, ASCII, st.just("861234567890123"), ASCII)
            if version
            else st.builds(Authentication, ASCII),
        ),
        (MessageId.LOCATION, locations()),
        (MessageId.BATCH, st.builds(Batch, st.lists(locations(), max_size=5).map(tuple), st.booleans())),
        (MessageId.LOCATION_REPLY, st.builds(LocationReply, U16, locations())),
        (MessageId.TEMPORARY_REPORTS, st.builds(TemporaryReports, U16, U32)),
        (MessageId.CONFIRM_ALARM, st.builds(ConfirmAlarm, U16, U32)),
        (
            MessageId.SET_PARAMETERS,
            st.builds(Parameters, st.lists(st.tuples(U32, st.binary(max_size=20)), max_size=9).map(tuple)),
        ),
        (
            MessageId.PARAMETERS,
            st.builds(Parameters, st.lists(st.tuples(U32, st.binary(max_size=20)), max_size=9).map(tuple), U16),
        ),
        (MessageId.TEXT, st.builds(Text, WORDS, U8, U8 if version else st.just(1))),
        (MessageId.TERMINAL_CONTROL, st.builds(TerminalControl, U8, ASCII)),
        (MessageId.PLATFORM_RESEND, st.just(Resend(draw(U16), indexes))),
        (MessageId.TERMINAL_RESEND, st.just(Resend(draw(U16), indexes))),
        (MessageId.MULTIMEDIA_ACK, st.just(MultimediaAck(draw(U32), indexes))),
        (MessageId.SNAPSHOT, st.builds(Snapshot, U8, U16, U16, st.booleans(), U8, U8, U8, U8, U8, U8)),
    ]
    message_id, strategy = draw(st.sampled_from(options))
    return message_id, version, draw(strategy)


@given(bodies())
def test_a_body_written_is_the_body_read(item: tuple[int, int, Any]) -> None:
    message_id, version, body = item
    assert decode_body(message_id, encode_body(message_id, body, version), version) == body


@given(locations())
def test_a_location_written_is_the_location_read(location: Location) -> None:
    assert decode_location(encode_location(location)) == location


@given(U16, st.binary(max_size=200), st.sampled_from((0, 1)))
def test_any_octets_are_a_body_or_a_named_refusal(message_id: int, octets: bytes, version: int) -> None:
    found = decode_body(message_id, octets, version)
    if isinstance(found, BadBody):
        assert found.reason in ("unknown", "short")


@pytest.mark.parametrize("message_id", [m for m in MessageId if m not in (2, 3, 0x8104, 0x8201)])
def test_a_body_cut_to_one_octet_is_short(message_id: int) -> None:
    found = decode_body(message_id, b"\x01", 1)
    assert isinstance(found, BadBody) or message_id in (MessageId.TEXT, MessageId.TERMINAL_CONTROL)


def test_the_registration_of_2011_is_told_from_2013_by_what_it_can_be() -> None:
    def read_as(edition: Edition, mark: str, colour: int) -> Edition:
        sent = Registration(34, 200, "TOCSI", "T-1", "0001", colour, mark, edition)
        found = decode_body(0x0100, encode_body(0x0100, sent), 0)
        assert isinstance(found, Registration)
        assert found == sent
        return found.edition

    assert read_as(Edition.Y2011, "皖B·A0001", 2) is Edition.Y2011
    assert read_as(Edition.Y2011, "LSVAA49J132047371", 0) is Edition.Y2011
    assert read_as(Edition.Y2013, "皖B·A0001", 2) is Edition.Y2013
    assert read_as(Edition.Y2013, "", 0) is Edition.Y2013


def test_the_count_of_parts_has_one_octet_before_2019_and_either_is_read() -> None:
    narrow = encode_body(0x8003, Resend(7, (1, 2)), 0)
    wide = encode_body(0x8003, Resend(7, (1, 2)), 1)
    assert (narrow, wide) == (bytes.fromhex("00070200010002"), bytes.fromhex("0007000200010002"))
    assert decode_body(0x0005, narrow, 1) == decode_body(0x0005, wide, 0) == Resend(7, (1, 2))


def test_a_lying_length_of_an_item_never_loses_the_fix() -> None:
    good = encode_location(
        Location(status=2, lat_e6=31_000_000, lon_e6=118_000_000, at=datetime(2026, 1, 1, tzinfo=UTC))
    )
    found = decode_location(good + b"\x30\x01\x19" + b"\x01\xff\x00")
    assert isinstance(found, Location)
    assert not found.is_whole
    assert found.is_fix
    assert found.numbers() == {"signal_strength": 25}


def test_what_driver_monitoring_adds_is_not_read() -> None:
    found = decode_location(encode_location(Location(extras=((0x65, b"driver"), (0x30, b"\x01"), (0x64, b"x")))))
    assert isinstance(found, Location)
    assert found.extras == ((0x30, b"\x01"),)


@pytest.mark.parametrize(
    "change",
    [
        {"status": 0},
        {"status": 2 | 1 << Status.COORDINATES_ENCRYPTED},
        {"lat_e6": 91_000_000},
        {"lat_e6": 0, "lon_e6": 0},
        {"at": None},
    ],
)
def test_what_does_not_say_where_the_terminal_is_is_no_fix(change: dict[str, Any]) -> None:
    fix = {"status": 2, "lat_e6": 31_000_000, "lon_e6": 118_000_000, "at": datetime(2026, 1, 1, tzinfo=UTC)}
    assert Location(**fix).is_fix
    assert not Location(**{**fix, **change}).is_fix


def test_a_press_is_one_event_and_its_end_is_none() -> None:
    pressed = Location(alarm=1, status=2, lat_e6=31_000_000, lon_e6=118_000_000, at=datetime(2026, 1, 1, tzinfo=UTC))
    (event,) = edge_events(0, pressed)
    assert (event.code, event.kind, event.category, event.priority) == ("bit0", EventKind.ALARM, Category.PANIC, 1)
    assert (event.lat, event.lon, event.occurred_at) == (31.0, 118.0, pressed.at)
    assert edge_events(1, pressed) == ()
    assert edge_events(1, Location(alarm=0)) == ()


def test_a_fault_comes_and_goes() -> None:
    (came,) = edge_events(0, Location(alarm=1 << 8))
    (went,) = edge_events(1 << 8, Location())
    assert (came.kind, went.kind) == (EventKind.TROUBLE, EventKind.RESTORE)
    assert came.category is went.category is Category.POWER


def test_how_somebody_drives_and_where_is_no_event() -> None:
    conduct = sum(1 << bit for bit in (1, 2, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23))
    assert edge_events(0, Location(alarm=conduct)) == ()
    assert not set(MEANINGS) & {1, 2, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23}


def test_a_batch_that_lies_about_its_count_or_lengths_keeps_what_was_whole() -> None:
    good = encode_body(0x0704, Batch((Location(alarm=1), Location(alarm=2))))
    for cut in (good[:-1], good[:1] + b"\x09" + good[2:], good + b"\0"):
        found = decode_body(0x0704, cut)
        assert isinstance(found, Batch)
        assert not found.is_whole
        assert isinstance(found.locations[0], Location)
    assert isinstance(decode_body(0x0704, b"\0\1\0\0\5short"), Batch)


def test_a_picture_is_read_past_the_place_it_was_taken_at() -> None:
    sent = Multimedia(9, 0, 0, 1, 2, Location(status=2, lat_e6=1, lon_e6=1), b"\xff\xd8picture")
    assert decode_body(0x0801, encode_body(0x0801, sent)) == sent
