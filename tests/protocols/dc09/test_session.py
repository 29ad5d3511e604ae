"""The receiving role and the panel's role: who is answered, with what, and who is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import BadFrame, Frame, FrameFault, FrameReader, encode_frame
from tocsin.protocols.dc09.messages import SealedMessage, decode_message, open_sealed
from tocsin.protocols.dc09.sender import ReplyKind, Sender
from tocsin.protocols.dc09.session import AccountRules, Received, Receiver, Verdict

NOW = datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)
KEY, OLD, WRONG = (AesKey(bytes([n]) * 16) for n in (1, 2, 3))
DATA = b"#1234|Nri1/BA003"
PLAIN, KEYED = AccountRules("p"), AccountRules("k", keys=(KEY,))


def frame_of(octets: bytes) -> Frame:
    (frame,) = FrameReader().receive(octets)
    assert isinstance(frame, Frame)
    return frame


def receive(octets: bytes, rules: AccountRules | None = PLAIN, **settings: bool) -> tuple[Received, bytes | None]:
    receiver = Receiver(lambda receiver, prefix, account: rules, **settings)
    received = receiver.receive(frame_of(octets), NOW)
    return received, receiver.acknowledge(received, NOW)


def panel(key: AesKey | None = None, **habits: object) -> Sender:
    return Sender("1234", key=key, **habits)


@pytest.mark.parametrize(
    ("body", "echo"),
    [
        (b'"SIA-DCS"0001L0#1234[]', b"0001L0#1234"),
        (b'"SIA-DCS"0001L#22334455[]', b"0001L#22334455"),
        (b'"SIA-DCS"0002#0123[]', b"0002#0123"),
        (b'"ADM-CID"0003R579BDFL789ABC#12345A[]', b"0003R579BDFL789ABC#12345A"),
        (b'"ADM-CID"1447R01L01#0001[]', b"1447R01L01#0001"),
        (b'"ADM-CID"6616R0L0#foc7688[]', b"6616R0L0#foc7688"),
        (b'"SIA-DCS"0148R0002L0001[#001991|NRP0]', b"0148R0002L0001"),
    ],
)
def test_an_ack_repeats_sequence_receiver_prefix_and_account_as_text(body, echo):
    _, reply = receive(encode_frame(body))
    assert reply == encode_frame(b'"ACK"%b[]' % echo)


def test_an_account_missing_in_the_header_is_taken_from_the_data():
    asked: list[tuple[str, str, str]] = []

    def find(*address: str) -> AccountRules:
        asked.append(address)
        return PLAIN

    received = Receiver(find).receive(frame_of(encode_frame(b'"SIA-DCS"0148R0002L0001[#001991|NRP0]')), NOW)
    assert asked == [("0002", "0001", "001991")]
    assert (received.account, received.flags) == ("001991", ("account_from_data",))


@pytest.mark.parametrize(
    ("seconds", "is_accepted"), [(-41, False), (-40, True), (0, True), (20, True), (21, False), (86400, False)]
)
def test_an_encrypted_message_is_accepted_from_40_s_behind_to_20_s_ahead(seconds, is_accepted):
    octets = panel(KEY, clock_offset_s=seconds).send("SIA-DCS", DATA, NOW)
    received, reply = receive(octets, KEYED)
    assert (received.verdict is Verdict.SIGNAL) == is_accepted
    if not is_accepted:
        assert received.verdict is Verdict.CLOCK_REFUSED
        assert reply == encode_frame(b'"NAK"0000R0L0A0[]_08:30:15,11-22-2026')


@pytest.mark.parametrize("seconds", [-86400, -41, 21, 3600])
def test_a_stale_message_in_the_clear_is_acknowledged_and_flagged(seconds):
    received, reply = receive(panel(clock_offset_s=seconds).send("SIA-DCS", DATA, NOW))
    assert (received.verdict, received.flags) == (Verdict.SIGNAL, ("clock_skew",))
    assert reply == encode_frame(b'"ACK"0001L0#1234[]')


def test_the_window_the_offset_and_the_never_nak_switch_belong_to_the_account():
    octets = panel(KEY, clock_offset_s=3600).send("SIA-DCS", DATA, NOW)
    for rules, verdict, flags in (
        (AccountRules("k", (KEY,), window_high_s=4000), Verdict.SIGNAL, ()),
        (AccountRules("k", (KEY,), clock_offset_s=3600), Verdict.SIGNAL, ()),
        (AccountRules("k", (KEY,), never_nak=True), Verdict.SIGNAL, ("clock_skew",)),
        (AccountRules("k", (KEY,)), Verdict.CLOCK_REFUSED, ()),
    ):
        received, _ = receive(octets, rules)
        assert (received.verdict, received.flags) == (verdict, flags)


def test_an_encrypted_time_that_does_not_exist_is_refused_with_ours():
    header = frame_of(panel(KEY).send("SIA-DCS", DATA, NOW)).body.partition(b"[")[0]
    clear = b"0" * 25 + b"|" + DATA + b"]_25:61:00,00-00-0000"
    clear = b"0" * (-len(clear) % 16) + clear
    octets = encode_frame(header + b"[" + KEY.encrypt(clear).hex().upper().encode())
    received, reply = receive(octets, KEYED)
    assert received.verdict is Verdict.CLOCK_REFUSED
    assert reply is not None


def test_the_answer_to_an_encrypted_message_is_encrypted_with_the_same_key():
    sender = panel(KEY)
    received, reply = receive(sender.send("SIA-DCS", DATA, NOW), KEYED)
    assert received.message is not None
    assert received.message.data == DATA
    assert reply is not None
    sealed = decode_message(frame_of(reply).body)
    assert isinstance(sealed, SealedMessage)
    assert (sealed.header.token, sealed.header.sequence) == ("ACK", "0001")
    opened = open_sealed(sealed, KEY)
    assert opened is not None
    assert opened.sent_at == NOW
    assert open_sealed(sealed, WRONG) is None


def test_two_answers_to_the_same_message_differ_on_the_wire():
    receiver = Receiver(lambda *_: KEYED)
    received = receiver.receive(frame_of(panel(KEY).send("SIA-DCS", DATA, NOW)), NOW)
    assert receiver.acknowledge(received, NOW) != receiver.acknowledge(received, NOW)


@pytest.mark.parametrize(
    ("key", "rules", "reason"),
    [
        (WRONG, KEYED, "key_mismatch"),
        (KEY, None, "unknown_account"),
        (KEY, PLAIN, "no_key"),
        (None, KEYED, "security.downgrade"),
    ],
)
@pytest.mark.parametrize("duh", [False, True])
def test_what_cannot_be_trusted_is_kept_aside_without_an_answer(key, rules, reason, duh):
    received, reply = receive(panel(key).send("SIA-DCS", DATA, NOW), rules, answers_duh=duh)
    assert (received.verdict, received.reason) == (Verdict.QUARANTINE, reason)
    assert reply is None


def test_plain_text_is_accepted_for_a_keyed_account_when_its_policy_says_so():
    rules = AccountRules("k", (KEY,), require_encryption=False)
    received, reply = receive(panel().send("SIA-DCS", DATA, NOW), rules)
    assert received.verdict is Verdict.SIGNAL
    assert reply == encode_frame(b'"ACK"0001L0#1234[]')


def test_a_plain_link_test_of_a_keyed_account_is_a_downgrade_too():
    received, reply = receive(panel().poll(NOW), KEYED)
    assert (received.verdict, received.reason, reply) == (Verdict.QUARANTINE, "security.downgrade", None)


def test_a_plain_frame_of_an_unknown_account_is_kept_aside_and_acknowledged_or_refused_by_choice():
    received, reply = receive(panel().send("SIA-DCS", DATA, NOW), None)
    assert (received.verdict, received.reason) == (Verdict.QUARANTINE, "unknown_account")
    assert reply == encode_frame(b'"ACK"0001L0#1234[]')
    _, reply = receive(panel().send("SIA-DCS", DATA, NOW), None, answers_duh=True)
    assert reply == encode_frame(b'"DUH"0001L0#1234[]')


def test_during_a_roll_over_the_new_key_is_tried_before_the_old_one():
    rules = AccountRules("k", keys=(KEY, OLD))
    received, reply = receive(panel(OLD).send("SIA-DCS", DATA, NOW), rules)
    assert (received.verdict, received.key_index, received.flags) == (Verdict.SIGNAL, 1, ("old_key",))
    assert reply is not None
    sealed = decode_message(frame_of(reply).body)
    assert isinstance(sealed, SealedMessage)
    assert open_sealed(sealed, OLD) is not None
    received, _ = receive(panel(KEY).send("SIA-DCS", DATA, NOW), rules)
    assert (received.key_index, received.flags) == (0, ())


@pytest.mark.parametrize("token", ["NULL", "XNM"])
@pytest.mark.parametrize("key", [None, KEY])
def test_link_tests_are_answered_and_asked_nothing_else(token, key):
    received, reply = receive(panel(key).poll(NOW, token=token), KEYED if key else PLAIN)
    assert received.verdict is Verdict.LINK_TEST
    assert reply is not None
    assert received.dedup_key == ""


@pytest.mark.parametrize("body", [b'"ACK"0001L0#1234[]', b'"NAK"0000R0L0A0[]_08:30:15,11-22-2026', b'"DUH"0001L0#1[]'])
def test_answers_are_not_answered(body):
    received, reply = receive(encode_frame(body))
    assert (received.verdict, reply) == (Verdict.IGNORED, None)


def test_a_body_that_is_no_message_is_kept_and_answered_only_if_there_is_something_to_repeat():
    received, reply = receive(encode_frame(b'"hello'))
    assert (received.verdict, received.reason, reply) == (Verdict.QUARANTINE, "unreadable", None)
    received, reply = receive(encode_frame(b'"SIA-DCS"0001L0#1234[#1234|NBA'))
    assert (received.verdict, received.owner) == (Verdict.QUARANTINE, "p")
    assert reply == encode_frame(b'"ACK"0001L0#1234[]')
    _, reply = receive(encode_frame(b'"SIA-DCS"0001L0#1234[#1234|NBA'), KEYED)
    assert reply is None


def test_oddities_of_the_frame_become_flags():
    octets = encode_frame(b'"NULL"0000L0#1234[]')
    received, _ = receive(octets[:5] + b"0020" + octets[9:])
    assert received.flags == ("len_mismatch",)


def test_keys_never_show_and_key_groups_never_reach_what_is_stored():
    received, _ = receive(panel(KEY).send("SIA-DCS", DATA, NOW), KEYED)
    assert KEY.reveal().hex() not in repr(received).lower()
    assert "keys" not in repr(KEYED) or KEY.reveal().hex() not in repr(KEYED)
    received, _ = receive(encode_frame(b'"SIA-DCS"0001L0#1234[#1234|NRP0][K00112233445566778899AABBCCDDEEFF]'))
    assert b"00112233" not in received.raw
    assert "00112233" not in repr(received)


# --- the panel's role


def answer(sender: Sender, octets: bytes, rules: AccountRules = PLAIN) -> bytes:
    receiver = Receiver(lambda *_: rules)
    reply = receiver.acknowledge(receiver.receive(frame_of(octets), NOW), NOW)
    assert reply is not None
    return reply


@pytest.mark.parametrize("key", [None, KEY])
def test_an_ack_ends_the_wait_of_the_message_it_repeats(key):
    sender = panel(key)
    rules = KEYED if key else PLAIN
    first, second = sender.send("SIA-DCS", DATA, NOW), sender.send("SIA-DCS", DATA, NOW)
    reply = sender.receive(frame_of(answer(sender, second, rules)), NOW + timedelta(seconds=0.25))
    assert (reply.kind, reply.sequence, reply.waited_s, reply.tries) == (ReplyKind.ACKNOWLEDGED, "0002", 0.25, 1)
    assert sender.waiting == 1
    sender.receive(frame_of(answer(sender, first, rules)), NOW)
    assert sender.waiting == 0
    assert sender.receive(frame_of(answer(sender, first, rules)), NOW).kind is ReplyKind.UNPAIRED


def test_an_ack_for_somebody_else_in_the_clear_or_broken_ends_nothing():
    sender = panel(KEY)
    sender.send("SIA-DCS", DATA, NOW)
    for octets in (b'"ACK"0001L0#1234[]', b'"ACK"0001L0#9999[]', b'"SIA-DCS"0001L0#1234[]', b'"x'):
        assert sender.receive(frame_of(encode_frame(octets)), NOW).kind is ReplyKind.UNPAIRED
    assert sender.receive(BadFrame(b"", FrameFault.CRC_MISMATCH), NOW).kind is ReplyKind.UNPAIRED
    assert sender.waiting == 1


def test_a_refusal_ends_the_wait():
    sender = panel()
    sender.send("SIA-DCS", DATA, NOW)
    assert sender.receive(frame_of(encode_frame(b'"DUH"0001L0#1234[]')), NOW).kind is ReplyKind.REFUSED
    assert sender.waiting == 0


def test_numbers_run_from_0001_to_9999_and_round_again():
    sender = panel(first_sequence=9998)
    numbers = []
    for _ in range(3):
        sender.send("SIA-DCS", DATA, NOW)
        numbers.append(sender.last_sequence)
    assert numbers == ["9998", "9999", "0001"]
    sender.poll(NOW)
    assert sender.last_sequence == "0000"


@pytest.mark.parametrize("key", [None, KEY])
def test_a_retry_keeps_the_number_and_changes_the_time(key):
    sender = panel(key, tries=3, retry_after_s=10.0)
    receiver = Receiver(lambda *_: KEYED if key else PLAIN)
    first = sender.send("SIA-DCS", DATA, NOW)
    assert sender.timer() == NOW + timedelta(seconds=10)
    assert sender.handle_timer(NOW + timedelta(seconds=9)) == []
    (second,) = sender.handle_timer(NOW + timedelta(seconds=10))
    assert second != first
    received = [receiver.receive(frame_of(octets), NOW) for octets in (first, second)]
    assert received[0].dedup_key == received[1].dedup_key != ""
    assert received[1].message is not None
    assert received[1].message.sent_at == NOW + timedelta(seconds=10)
    assert len(sender.handle_timer(NOW + timedelta(seconds=20))) == 1
    assert sender.handle_timer(NOW + timedelta(seconds=30)) == []
    assert sender.given_up == ["0001"]
    assert sender.timer() is None


def test_a_nak_sets_the_clock_and_the_message_goes_again_with_the_right_time():
    sender = panel(KEY, clock_offset_s=-7200)
    octets = sender.send("SIA-DCS", DATA, NOW)
    reply = sender.receive(frame_of(answer(sender, octets, KEYED)), NOW)
    assert reply.kind is ReplyKind.CLOCK_SET
    assert sender.clock_offset_s == 0
    (again,) = reply.resend
    received, _ = receive(again, KEYED)
    assert (received.verdict, received.header and received.header.sequence) == (Verdict.SIGNAL, "0001")
