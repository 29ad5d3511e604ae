"""Extended data: what each letter's value means, and what must not be shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.dc09 import xdata
from tocsin.protocols.dc09.messages import Message, decode_message
from tocsin.protocols.dc09.xdata import Letter, Trigger, Xdata


def groups_of(tail: bytes) -> tuple[Xdata, ...]:
    found = decode_message(b'"SIA-DCS"0001L0#1234[#1234|NRP0]' + tail + b"_08:30:15,11-22-2026")
    assert isinstance(found, Message)
    assert found.sent_at is not None
    return found.xdata


@pytest.mark.parametrize(
    ("value", "degrees"),
    [
        (b"121E28.4420", 121.474033),
        (b"093W23.456", -93.390933),
        (b"121.4737", 121.4737),
        (b"E121.4737", 121.4737),
        (b"121.4737W", -121.4737),
        (b"W121 28.4420", -121.474033),
        (b"121N28.4420", None),
        (b"121E61.0", None),
        (b"190E10.0", None),
        (b"", None),
        (b"east", None),
    ],
)
def test_longitude_is_read_in_the_forms_panels_use(value, degrees):
    found = xdata.longitude_deg(Xdata("X", value))
    assert found == (None if degrees is None else pytest.approx(degrees, abs=1e-6))


@pytest.mark.parametrize(
    ("value", "degrees"),
    [(b"31N13.8220", 31.230367), (b"31S13.8220", -31.230367), (b"91N00.0", None), (b"-31.2", -31.2)],
)
def test_latitude_is_read_in_the_forms_panels_use(value, degrees):
    found = xdata.latitude_deg(Xdata("Y", value))
    assert found == (None if degrees is None else pytest.approx(degrees, abs=1e-6))


def test_the_other_letters_are_read():
    assert xdata.altitude_m(Xdata("Z", b"123.2M")) == 123.2
    assert xdata.altitude_m(Xdata("Z", b"high")) is None
    assert xdata.trigger(Xdata("T", b"F")) is Trigger.FIRE
    assert xdata.trigger(Xdata("T", b"Q")) is None
    assert xdata.mac_address(Xdata("M", b"00:26:B9:E4:26:8B")) == "0026b9e4268b"
    assert xdata.mac_address(Xdata("M", b"0026")) is None
    assert xdata.occurred_at(Xdata("H", b"13:59:58,12-31-2012")) == datetime(2012, 12, 31, 13, 59, 58, tzinfo=UTC)
    assert xdata.occurred_at(Xdata("H", b"13:59:58,31-12-2012")) is None
    assert Xdata("I", "二楼西侧".encode("gb18030")).text == "二楼西侧"


@pytest.mark.parametrize(
    ("inside", "value"),
    [
        (b'{"a":[1,2,{"b":"]["}]}', {"a": [1, 2, {"b": "]["}]}),
        (b"{}", {}),
        (b"[1]", None),
        (b"{broken", None),
    ],
)
def test_json_may_hold_brackets_and_is_kept_when_it_cannot_be_read(inside, value):
    first, second = groups_of(b"[J" + inside + b"][G2]")
    assert (first.letter, first.value) == (Letter.JSON, inside)
    assert xdata.json_object(first) == value
    assert (second.letter, second.value) == (Letter.PATH, b"2")


def test_deep_json_is_kept_as_it_is():
    (group,) = groups_of(b"[J" + b'{"a":' * 600 + b"]")
    assert xdata.json_object(group) is None


def test_an_empty_group_and_several_of_a_letter_are_kept():
    assert groups_of(b"[][V1][V2]") == (Xdata("", b""), Xdata("V", b"1"), Xdata("V", b"2"))
    assert xdata.first(groups_of(b"[V1][V2]"), Letter.VERIFICATION) == Xdata("V", b"1")


@pytest.mark.parametrize("tail", [b"[K0011]", b"[K0011][V1]", b"[I text][K0011]", b"[K0011"])
def test_the_value_of_a_key_group_is_blanked_and_the_length_stays(tail):
    raw = b'"ACK"0001L0#1234[]' + tail
    assert b"0011" not in xdata.redact_keys(raw)
    assert len(xdata.redact_keys(raw)) == len(raw)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(Letter)), st.binary(max_size=60))
def test_no_value_of_any_letter_is_an_error(letter, value):
    group = Xdata(letter, value)
    for read in (
        xdata.occurred_at,
        xdata.json_object,
        xdata.longitude_deg,
        xdata.latitude_deg,
        xdata.altitude_m,
        xdata.trigger,
        xdata.mac_address,
    ):
        read(group)


@given(st.integers(0, 4_000_000_000))
@settings(max_examples=100, deadline=None)
def test_a_time_survives_its_text(seconds):
    at = datetime.fromtimestamp(seconds, UTC)
    assert xdata.parse_stamp(xdata.encode_stamp(at)) == at
