"""Lines of hardware receivers: each kind read, one event whatever the dialect, any split, noise, parity."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tocsin.base.normal import Category, EventKind
from tocsin.protocols.contact_id.payload import CidReport, parse_adm_cid, to_event
from tocsin.protocols.dc09.frame import CrcForm, FrameReader
from tocsin.protocols.dc09.messages import Header
from tocsin.protocols.receiver_lines import ademco685, dc07, radionics6500, surgard
from tocsin.protocols.receiver_lines.line import ACK, MAX_LINE_BYTES, NAK, Heartbeat, Noise, Report
from tocsin.protocols.receiver_lines.lines import LINES

OFFSET_S = 28_800.0
BURGLARY = CidReport("1234", "1", "130", "01", "003")
CLOSED = CidReport("1234", "3", "401", "01", "007")
HEARTBEATS = {
    "surgard": surgard.HEARTBEAT,
    "ademco685": ademco685.HEARTBEAT,
    "radionics6500": radionics6500.HEARTBEAT,
    "dc07": dc07.HEARTBEAT,
}


def encoded(dialect: str, report: CidReport) -> bytes:
    if dialect == "surgard":
        return surgard.encode_contact_id("01", "1", report)
    if dialect == "ademco685":
        return ademco685.encode_contact_id("01", "1", report, is_user=report.code.startswith("4"))
    if dialect == "radionics6500":
        return radionics6500.encode_contact_id("01", "1", report)
    data = f"#{report.account}|{report.qualifier}{report.code} {report.group} {report.point}".encode()
    return dc07.encode_report(Header("ADM-CID", "0007", "01", "1", report.account), data)


def read(dialect: str, octets: bytes) -> list[object]:
    return list(LINES[dialect](OFFSET_S).receive(octets, START))


def only(dialect: str, octets: bytes) -> Report:
    (item,) = read(dialect, octets)
    assert isinstance(item, Report), item
    return item


@pytest.mark.parametrize("dialect", LINES)
def test_one_event_is_the_same_in_every_dialect_and_as_in_dc09(dialect: str) -> None:
    cid = parse_adm_cid(b"#1234|1130 01 003")
    assert cid is not None
    report = only(dialect, encoded(dialect, BURGLARY))
    assert report.account == "1234"
    assert report.events == (to_event(cid),)
    assert not report.reason
    assert report.line == "1"


def test_the_examples_of_the_reference_are_read() -> None:
    duress = only("surgard", b"5011 181234E12101001\x14")
    assert (duress.receiver, duress.line, duress.account) == ("01", "1", "1234")
    assert [(e.code, e.category, e.user) for e in duress.events] == [("1121", Category.DURESS, "001")]
    burglary = only("ademco685", b"\n11 1234 18 E130 01 C003 \r")
    assert (burglary.receiver, burglary.line) == ("1", "1")
    assert only("ademco685", b"\n11 1234 18 E130 01 C003\r").events == burglary.events
    assert only("surgard", b"5011 181234E13001003\x14").events == burglary.events
    sia = only("surgard", b"S011[#1234|Nri1/BA003]\x14").events[0]
    assert replace(sia, code_system="cid", code="1130", qualifier="1") == burglary.events[0]


@pytest.mark.parametrize("dialect", LINES)
def test_restore_and_closing_by_a_user_are_read(dialect: str) -> None:
    restore = only(dialect, encoded(dialect, replace(BURGLARY, qualifier="3"))).events[0]
    assert (restore.kind, restore.zone) == (EventKind.RESTORE, "003")
    closed = only(dialect, encoded(dialect, CLOSED)).events[0]
    assert (closed.kind, closed.user, closed.zone) == (EventKind.CLOSE, "007", "")


@pytest.mark.parametrize("dialect", LINES)
def test_a_heartbeat_is_answered_and_nothing_else(dialect: str) -> None:
    (item,) = read(dialect, HEARTBEATS[dialect])
    assert isinstance(item, Heartbeat)
    assert item.reply == ACK or b'"ACK"0000R1L0#0000[]' in item.reply


@pytest.mark.parametrize(
    ("octets", "account", "codes"),
    [
        (b"501001 181234E13001003\x14", "1234", ["1130"]),
        (b"3011      12ABBA0003\x14", "12AB", ["BA"]),
        (b"S011[#1234|Nri1/BA003/BA004]\x14", "1234", ["BA", "BA"]),
        (b"S011[#1234|Nri1/BA003*'Haust\xc3\xbcr'NM]\x14", "1234", ["BA"]),
        (b"1011      1234 3  05\x14", "1234", ["3"]),
        (b"80111234 1555 5555 7\x14", "1234", ["channel 6"]),
        (b"80111234 1355 5555 5\x14", "1234", ["channel 1", "channel 3"]),
        (b"80111234 5555 5555 1\x14", "1234", ["report 1"]),
        (b"6011      1234BA0003\x14", "1234", ["BA"]),
        (b"1011      0000 P  01\x14", "0000", ["listen-in"]),
    ],
)
def test_every_kind_of_a_sur_gard_line_is_read(octets: bytes, account: str, codes: list[str]) -> None:
    report = only("surgard", octets)
    assert report.account == account
    assert [event.code for event in report.events] == codes


def test_what_only_a_table_of_the_panel_explains_waits_for_a_mapping() -> None:
    pulse = only("surgard", b"1011      1234 3  05\x14")
    assert (pulse.reason, pulse.events[0].code_system, pulse.events[0].zone) == ("unknown_code", "pulse", "05")
    assert not pulse.events[0].is_known
    assert only("ademco685", b"\n11 1234 E\r").reason == "unknown_code"
    assert only("ademco685", b"\n11 1234 E 3\r").events[0].zone == "3"


def test_what_a_receiver_says_of_itself_is_its_own() -> None:
    assert only("surgard", b"0011 PRINTER ERROR\x14").is_own
    trouble = only("surgard", b"S011[#0000|NYD]\x14")
    assert trouble.is_own
    assert trouble.events[0].label_en == "Receiver line-card trouble"


@pytest.mark.parametrize("dialect", ["surgard", "ademco685", "radionics6500"])
def test_a_line_with_the_parity_bit_is_read_as_without(dialect: str) -> None:
    octets = encoded(dialect, BURGLARY)
    even = bytes(o | 0x80 if o.bit_count() % 2 else o for o in octets)
    assert even != octets
    assert only(dialect, even).events == only(dialect, octets).events
    assert only(dialect, even).key == only(dialect, octets).key


def test_chinese_text_is_no_parity() -> None:
    block = "#1234|Nri1/BA003^东门^".encode("gb18030")
    assert only("surgard", surgard.encode_sia("01", "1", block)).events[0].text == "东门"


@pytest.mark.parametrize("dialect", LINES)
def test_garbage_between_messages_costs_neither_of_them(dialect: str) -> None:
    octets = encoded(dialect, BURGLARY)
    between = {"ademco685": b"%%\xff", "dc07": b"%%\xff"}.get(dialect, b"%%\x7f\x14")
    found = [item for item in read(dialect, octets + between + octets) if isinstance(item, Report)]
    assert [item.events for item in found if item.reason != "unreadable"] == [only(dialect, octets).events] * 2


def test_a_whole_line_that_says_nothing_is_kept_and_answered() -> None:
    report = only("surgard", b"HELLO WORLD\x14")
    assert (report.reason, report.reply, report.refusal, report.is_garbled) == ("unreadable", ACK, NAK, False)
    assert only("surgard", b"5011 18\x01234E13001003\x14").is_garbled


def test_dc07_answers_in_the_form_it_was_asked_in() -> None:
    for form in CrcForm:
        frame = dc07.encode_report(Header("SIA-DCS", "0001", None, "0", None), b"#1234|Nri1/BA003", form)
        report = only("dc07", frame)
        assert report.account == "1234"
        (answer,) = FrameReader().receive(report.reply)
        assert (answer.body, answer.crc_form) == (b'"ACK"0001L0[]', form)  # type: ignore[union-attr]


@given(st.data(), st.sampled_from(sorted(LINES)))
def test_any_split_gives_the_same_items(data: st.DataObject, dialect: str) -> None:
    good = st.sampled_from([encoded(dialect, BURGLARY), encoded(dialect, CLOSED), HEARTBEATS[dialect]])
    stream = b"".join(data.draw(st.lists(st.one_of(good, st.binary(max_size=40), st.just(b"x" * 1100)), max_size=8)))
    step = data.draw(st.integers(min_value=1, max_value=9))
    pieces = LINES[dialect](OFFSET_S)
    found = [item for at in range(0, len(stream), step) for item in pieces.receive(stream[at : at + step], START)]
    if dialect != "dc07":  # its reader starts afresh after an overflow, wherever a read ends
        assert found == read(dialect, stream)
    assert pieces.buffered_bytes <= max(MAX_LINE_BYTES, 4110)


def test_an_endless_line_is_noise_once_and_the_next_is_read() -> None:
    line = LINES["surgard"](OFFSET_S)
    noise = [item for _ in range(50) for item in line.receive(b"x" * 500, START)]
    assert [type(item) for item in noise] == [Noise]
    assert line.receive(b"\x14", START) == []
    assert isinstance(line.receive(encoded("surgard", BURGLARY), START)[0], Report)
