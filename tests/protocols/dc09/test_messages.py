"""Messages: header, data, extended data and timestamp, both ways, plain and encrypted."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.dc09 import messages
from tocsin.protocols.dc09.crypto import AesKey, KeyForm, pad_bytes, pad_length
from tocsin.protocols.dc09.frame import Frame, FrameReader, encode_frame
from tocsin.protocols.dc09.messages import (
    Header,
    Message,
    SealedMessage,
    UnreadableMessage,
    decode_message,
    dedup_key,
    encode_message,
    open_sealed,
    seal_message,
)
from tocsin.protocols.dc09.text import decode_text, displayable
from tocsin.protocols.dc09.xdata import Letter, Xdata

TOKENS = sorted({messages.SIA_DCS, messages.ADM_CID} | messages.LINK_TESTS | messages.REPLIES | messages.LEGACY_TOKENS)
AT = datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)
KEY = AesKey(bytes(range(16)))

hex_text = st.text("0123456789ABCDEFabcdef", max_size=6)
# Anything but the octets that end a block, with the bar allowed only behind the first one.
values = st.binary(max_size=30).map(lambda octets: octets.translate(None, b"[]\r\n_"))
headers = st.builds(
    Header,
    st.sampled_from(TOKENS),
    st.integers(0, 9999).map("{:04d}".format),
    st.none() | hex_text,
    st.none() | hex_text,
    st.none() | st.text(string.ascii_letters + string.digits, max_size=16),
)
groups = st.lists(
    st.builds(Xdata, st.sampled_from([letter.value for letter in Letter if letter != "J"]), values), max_size=4
).map(tuple)
stamps = st.integers(946_684_800, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
plain = st.builds(Message, headers, values, groups, st.none() | stamps)
sealed = st.builds(
    Message,
    headers.map(lambda h: Header(h.token, h.sequence, h.receiver, h.prefix, h.account, is_encrypted=True)),
    values,
    groups,
    stamps,
)


@settings(max_examples=200, deadline=None)
@given(plain)
def test_a_plain_message_survives_the_wire(message):
    (frame,) = FrameReader().receive(encode_frame(encode_message(message)))
    assert isinstance(frame, Frame)
    assert decode_message(frame.body) == message


@settings(max_examples=200, deadline=None)
@given(sealed, st.sampled_from([16, 24, 32]), st.binary(min_size=31, max_size=31))
def test_an_encrypted_message_survives_the_wire(message, key_bytes, octets):
    key = AesKey(bytes(range(key_bytes)))
    (frame,) = FrameReader().receive(encode_frame(seal_message(message, key, octets)))
    assert isinstance(frame, Frame)
    found = decode_message(frame.body)
    assert isinstance(found, SealedMessage)
    assert open_sealed(found, key) == message


@pytest.mark.parametrize("pad_size", range(32))
@pytest.mark.parametrize("has_bar", [True, False])
def test_every_pad_from_none_to_31_octets_is_read(pad_size, has_bar):
    data = b"" if not has_bar else b"#1234|NBA003"
    header = Header(messages.SIA_DCS, "0001", account="1234", is_encrypted=True)
    # Fill up with a group, so that this pad makes whole blocks.
    for fill in range(16):
        message = Message(header, data, (Xdata("I", b"x" * fill),), AT)
        try:
            body = seal_message(message, KEY, bytes(range(31)) + b"y", pad_size=pad_size, has_bar=has_bar)
        except ValueError:
            continue
        found = decode_message(body)
        assert isinstance(found, SealedMessage)
        assert open_sealed(found, KEY) == message
        return
    raise AssertionError("no fill made whole blocks")


def test_what_is_emitted_has_a_pad_of_16_to_31_octets_without_the_letters_that_end_it():
    assert {pad_length(rest) for rest in range(64)} == set(range(16, 32))
    assert not set(pad_bytes(bytes(range(256)))) & set(b"[]|")


@pytest.mark.parametrize("wrong", [bytes(16), bytes(range(1, 17)), bytes(24), bytes(32)])
def test_a_wrong_key_gives_nothing(wrong):
    header = Header(messages.SIA_DCS, "0001", account="1234", is_encrypted=True)
    body = seal_message(Message(header, b"#1234|NBA003", sent_at=AT), KEY, bytes(31))
    found = decode_message(body)
    assert isinstance(found, SealedMessage)
    assert open_sealed(found, AesKey(wrong)) is None


def test_lower_case_cipher_text_and_a_closing_bracket_are_read():
    header = Header("NULL", "0000", account="1234", is_encrypted=True)
    body = seal_message(Message(header, sent_at=AT), KEY, bytes(31))
    head, bracket, cipher = body.partition(b"[")
    for variant in (cipher.lower(), cipher + b"]"):
        found = decode_message(head + bracket + variant)
        assert isinstance(found, SealedMessage)
        assert open_sealed(found, KEY) == Message(header, sent_at=AT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"', "header"),
        (b'"SIA-DCS"', "header"),
        (b'"SIA-DCS"12AB[]', "header"),
        (b'"SIA-DCS"0001L0#1234', "no_data_block"),
        (b'"SIA-DCS"0001L0#1234(x)', "no_data_block"),
        (b'"SIA-DCS"0001L0#1234[#1234|NBA', "data_block_open"),
        (b'"*SIA-DCS"0001L0#1234[]', "cipher_text"),
        (b'"*SIA-DCS"0001L0#1234[ABCD]', "cipher_text"),
        (b'"*SIA-DCS"0001L0#1234[ZZ' + b"00" * 15, "cipher_text"),
    ],
)
def test_a_body_that_is_no_message_says_why(body, reason):
    found = decode_message(body)
    assert isinstance(found, UnreadableMessage)
    assert found.reason == reason


def test_an_account_is_text_and_an_absent_field_differs_from_an_empty_one():
    for text in (b"0012", b"12", b"foc7688", b"000110"):
        found = decode_message(b'"NULL"0000L#%b[]' % text)
        assert isinstance(found, Message)
        assert found.header.account == text.decode()
        assert (found.header.receiver, found.header.prefix) == (None, "")
        assert found.header.echo == b"0000L#" + text


@pytest.mark.parametrize("stamp", [b"_25:00:00,11-22-2026", b"_08:30:15,13-01-2026", b"_08:30:15,02-30-2026", b"_now"])
def test_a_time_that_does_not_exist_is_no_time(stamp):
    found = decode_message(b'"NULL"0000L0#1234[]' + stamp)
    assert isinstance(found, Message)
    assert found.sent_at is None


def test_a_retry_has_the_key_of_the_first_and_anything_else_another():
    def key(**changes: object) -> str:
        fields = {"sequence": "0001", "receiver": None, "prefix": "0", "account": "1234"} | changes
        data, xdata = fields.pop("data", b"#1234|NBA1"), fields.pop("xdata", ())
        at = fields.pop("at", AT)
        return dedup_key(Message(Header(messages.SIA_DCS, **fields), data, xdata, at), fields["account"])

    first = key()
    assert first == key(at=AT.replace(minute=31))
    others = [
        key(sequence="0002"),
        key(account="01234"),
        key(prefix="1"),
        key(receiver="1"),
        key(data=b"#1234|NBA2"),
        key(xdata=(Xdata("H", b"08:30:00,11-22-2026"),)),
    ]
    assert len({first, *others}) == 7
    assert key(sequence="0000") == ""


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_a_key_is_entered_as_hex_digits_or_as_characters(bits):
    text = "0123456789abcdefghijklmnopqrstuv"[: bits // 8]
    key = AesKey.from_text(text, KeyForm.ASCII)
    assert key == AesKey.from_text(text.encode().hex(), KeyForm.HEX)
    assert key == AesKey.from_text(text.encode().hex().upper(), KeyForm.HEX)
    assert key.bits == bits


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("0123", KeyForm.HEX),
        ("secret", KeyForm.ASCII),
        ("zz" * 16, KeyForm.HEX),
        ("密" * 16, KeyForm.ASCII),
        ("", KeyForm.HEX),
    ],
)
def test_a_key_of_the_wrong_shape_is_refused_without_repeating_it(text, form):
    with pytest.raises(ValueError) as caught:
        AesKey.from_text(text, form)
    assert not text or text not in str(caught.value)


def test_a_key_does_not_show_itself():
    assert "00010203" not in repr(KEY)
    assert repr(KEY) == "AesKey(128 bits)"
    assert "secretkey" not in repr(Message(Header("ACK", "0001"), b"", (Xdata("K", b"secretkey"),)))


def test_text_is_utf_8_then_gb18030_then_latin_1():
    assert decode_text("前门红外".encode()) == "前门红外"
    assert decode_text("前门红外".encode("gb18030")) == "前门红外"
    assert decode_text(b"caf\xe9") == "café"
    assert displayable("a\x00b\n" + "x" * 500, 10) == "a b xxxxxx"
