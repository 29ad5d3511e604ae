"""From a DC-09 message to events: by token, completed from the extended data."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.dc09.messages import LEGACY_TOKENS, Message, decode_message
from tocsin.protocols.dc09.payload import Payload, read_payload

NOW = datetime(2026, 11, 22, 0, 31, 0, tzinfo=UTC)


def payload_of(rest: bytes, token: bytes = b"SIA-DCS") -> Payload:
    message = decode_message(b'"%b"0001L0#1234[%b' % (token, rest))
    assert isinstance(message, Message)
    return read_payload(message, NOW, 8 * 3600.0)


def test_position_text_and_time_come_from_the_extended_data():
    payload = payload_of(b"#1234|Nri1/BA003][X121E28.4420][Y31N13.8220][I2nd floor][H00:29:00,11-22-2026]")
    (event,) = payload.events
    assert event.lon == pytest.approx(121.474033, abs=1e-6)
    assert event.lat == pytest.approx(31.230367, abs=1e-6)
    assert event.text == "2nd floor"
    assert event.occurred_at == datetime(2026, 11, 22, 0, 29, tzinfo=UTC)


def test_half_a_position_is_none_and_the_event_s_own_text_stays():
    (event,) = payload_of(b"#1234|NBA003^gate^][X121E28.4420][Ynorth][I2nd floor]").events
    assert (event.lon, event.lat, event.text) == (None, None, "gate")


def test_a_contact_id_frame_with_two_groups_is_read():
    (event,) = payload_of(b"#1234|1130 01 003][S13][Vhttps://v.example/c/7]", b"ADM-CID").events
    assert (event.code, event.text) == ("1130", "13")


def test_text_for_people_has_no_control_characters():
    (event,) = payload_of(b"#1234|NBA003][Ia\x1b[2Jb\x00c]").events
    assert event.text.isprintable()


def test_several_events_of_a_frame_all_come_out():
    payload = payload_of(b"#1234|Nri1/BA003/BA004|OFA1]")
    assert [event.code for event in payload.events] == ["BA", "BA", "FA"]
    assert payload.flags == ("stored_event",)
    assert payload.reason == ""


@pytest.mark.parametrize("token", [*sorted(LEGACY_TOKENS), "NEW-ONE"])
def test_a_token_we_do_not_read_becomes_an_undecoded_signal(token):
    payload = payload_of(b"#1234|anything]", token.encode())
    (event,) = payload.events
    assert payload.reason == "undecoded"
    assert (event.kind, event.category, event.is_known) == (EventKind.STATUS, Category.UNKNOWN, False)
    assert event.label_zh == f"未解码信号（{token}）"


@pytest.mark.parametrize(
    ("rest", "token", "reason"),
    [
        (b"#1234|]", b"SIA-DCS", "undecoded"),
        (b"#1234|nothing here]", b"ADM-CID", "undecoded"),
        (b"#1234|NQQ1]", b"SIA-DCS", "unknown_code"),
        (b"#1234|NQQ1/BA1]", b"SIA-DCS", ""),
        (b"#1234|1800 01 003]", b"ADM-CID", "unknown_code"),
        (b"#1234|1119 01 003]", b"ADM-CID", ""),
        (b"#1234|9130 01 003]", b"ADM-CID", "unknown_qualifier"),
    ],
)
def test_what_a_person_should_look_at_has_a_reason_and_never_no_event(rest, token, reason):
    payload = payload_of(rest, token)
    assert payload.reason == reason
    assert payload.events


def test_a_flood_in_one_frame_is_marked_as_cut():
    assert payload_of(b"#1|N" + b"/".join([b"BA1"] * 200) + b"]").flags == ("events_cut",)
