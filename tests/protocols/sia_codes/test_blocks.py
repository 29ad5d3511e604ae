"""SIA event blocks as panels write them."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id import payload as contact_id
from tocsin.protocols.sia_codes.blocks import MAX_EVENTS, SiaEvent, encode_sia, parse_sia, to_event
from tocsin.protocols.sia_codes.codes import CODES

NOW = datetime(2026, 11, 22, 0, 31, 0, tzinfo=UTC)
CHINA_S = 8 * 3600.0


def events_of(data: bytes) -> list[NormalEvent]:
    return [to_event(event, NOW, CHINA_S) for event in parse_sia(data).events]


@pytest.mark.parametrize(
    ("data", "account", "expected"),
    [
        (b"#1234|Nri1/BA003", "1234", [("BA", "1", "003", "", "")]),
        (
            b"#1234|Nti08:30/id7/ri1/BA003^FRONT PIR^/BA004",
            "1234",
            [("BA", "1", "003", "7", "FRONT PIR"), ("BA", "1", "004", "7", "")],
        ),
        (b"#22334455|NCQ1", "22334455", [("CQ", "", "", "1", "")]),
        (b"#1234|NRR|Atest", "1234", [("RR", "", "", "", "test")]),
        (b"#1234|Atest|NRR", "1234", [("RR", "", "", "", "test")]),
        (b"#0123|Nti20:50:26RP99", "0123", [("RP", "", "99", "", "")]),
        (b"#000110|Nri0RP2^SL 1807110200065423^", "000110", [("RP", "", "2", "", "SL 1807110200065423")]),
        (b"#001991|Nri04/UR069*'text'NM", "001991", [("UR", "4", "069", "", "text")]),
        (b'#001991|Nri04/UR069*"some text"NM', "001991", [("UR", "4", "069", "", "some text")]),
        (b"#1|NUR069*'no end", "1", [("UR", "", "069", "", "no end")]),
        (b"|Nri2/JC12", "", [("JC", "2", "12", "", "")]),
        (b"Nri1/PA001", "", [("PA", "1", "001", "", "")]),
        (b"#1|Nri1CL0^VX FRONTE ^", "1", [("CL", "1", "", "", "VX FRONTE")]),
        (b"#1|Nri1CL501", "1", [("CL", "1", "", "501", "")]),
        (b"#1|Nid012/ri02/OP", "1", [("OP", "2", "", "012", "")]),
        (b"#1|NCG2", "1", [("CG", "2", "", "", "")]),
        (b"#1|BA01", "1", [("BA", "", "01", "", "")]),
        (b"#1|CL7", "1", [("CL", "", "", "7", "")]),
        (b"#1|NBA1^a|b/c^|NBR1", "1", [("BA", "", "1", "", "a|b/c"), ("BR", "", "1", "", "")]),
        (b"#1|NBA1|NFA2", "1", [("BA", "", "1", "", ""), ("FA", "", "2", "", "")]),
        (b"#1|NBA1^unclosed", "1", [("BA", "", "1", "", "unclosed")]),
        (b"#1|NBA0A1", "1", [("BA", "", "0A1", "", "")]),
        (b"#1|NBA", "1", [("BA", "", "", "", "")]),
        ("#1|NBA1^前门红外^".encode(), "1", [("BA", "", "1", "", "前门红外")]),
        ("#1|NBA1^前门红外^".encode("gb18030"), "1", [("BA", "", "1", "", "前门红外")]),
        (b"#1", "1", []),
        (b"", "", []),
        (b"#1|N", "1", []),
        (b"#1|Eri1|@|Vx", "1", []),
    ],
)
def test_blocks_are_read_as_panels_write_them(data, account, expected):
    report = parse_sia(data)
    assert report.account == account
    assert [(e.code, e.area, e.zone, e.user, e.text) for e in events_of(data)] == expected


def test_a_stored_event_says_so():
    assert [event.is_stored for event in parse_sia(b"#1|OBA1|NBA2").events] == [True, False]


def test_an_unknown_code_is_kept_as_one():
    (event,) = events_of(b"#1|Nri1/QQ7")
    assert (event.code, event.category, event.priority, event.is_known) == ("QQ", Category.UNKNOWN, 5, False)
    assert event.label_zh == "未知事件代码 QQ"


def test_the_same_event_by_sia_and_by_contact_id_is_the_same_but_for_its_code():
    (sia,) = events_of(b"#1234|Nri1/BA003")
    report = contact_id.parse_adm_cid(b"#1234|1130 01 003")
    assert report is not None
    cid = contact_id.to_event(report)
    for name in ("kind", "category", "priority", "label_en", "label_zh", "area", "zone", "user", "text", "is_known"):
        assert getattr(sia, name) == getattr(cid, name), name
    assert (sia.code, cid.code) == ("BA", "1130")


@pytest.mark.parametrize(
    ("modifiers", "expected"),
    [
        (b"ti08:30", datetime(2026, 11, 22, 0, 30, tzinfo=UTC)),
        (b"ti08:30:05", datetime(2026, 11, 22, 0, 30, 5, tzinfo=UTC)),
        (b"da11-20-26/ti23:59", datetime(2026, 11, 20, 15, 59, tzinfo=UTC)),
        (b"ti20:00", None),
        (b"ti25:99", None),
        (b"tinoon", None),
        (b"da02-30-26/ti08:00", None),
    ],
)
def test_the_wall_clock_of_a_panel_is_placed_in_time_or_left_out(modifiers, expected):
    (event,) = events_of(b"#1|N" + modifiers + b"/BA1")
    assert event.occurred_at == expected


def test_a_wall_clock_just_before_midnight_belongs_to_the_day_before():
    at = datetime(2026, 11, 21, 16, 0, 30, tzinfo=UTC)  # half a minute past midnight in China
    event = to_event(SiaEvent("BA", time="23:59:50"), at, CHINA_S)
    assert event.occurred_at == datetime(2026, 11, 21, 15, 59, 50, tzinfo=UTC)


def test_a_flood_of_events_in_one_frame_is_cut_and_says_so():
    report = parse_sia(b"#1|N" + b"/".join([b"BA1"] * 900))
    assert len(report.events) == MAX_EVENTS
    assert report.is_cut


names = st.text(string.ascii_letters + string.digits + " -/|前门", max_size=20).map(str.strip)
sia_events = st.builds(
    SiaEvent,
    st.sampled_from(sorted(CODES)),
    st.text("0123456789", max_size=4),
    names,
    st.text("0123456789", max_size=3),
    st.text("0123456789", max_size=3),
    st.sampled_from(["", "08:30", "08:30:15"]),
    st.sampled_from(["", "11-22-26"]),
    st.text("0123456789", max_size=2),
    st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(sia_events, min_size=1, max_size=4))
def test_events_survive_the_block_they_are_written_in(sent):
    report = parse_sia(encode_sia("1234", *sent))
    assert report.events == sent
    assert report.account == "1234"


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"(#[0-9A-F]{0,4}\|)?N(ri[0-9]{1,3}/)?[A-Z]{2}[0-9A-Fa-f]{0,4}(\^[a-z /^]{0,9}\^)?", fullmatch=True)
)
def test_the_short_way_for_usual_frames_reads_what_the_long_way_reads(text):
    # An empty block at the end says nothing, but makes the frame an unusual one.
    assert parse_sia(text.encode()) == parse_sia(text.encode() + b"|")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text("#|/^*'\"NOABCLRPadtiri0123456789:-", max_size=120).map(str.encode)))
def test_no_octets_are_an_error(data):
    for event in events_of(data):
        assert event.kind in EventKind
        assert event.zone == "" or event.zone.isalnum()
