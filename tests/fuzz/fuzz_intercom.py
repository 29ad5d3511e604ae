"""Fuzz target: what an intercom sends: INVITE with sound, INFO, text alarms, tones, answers to our questions."""

from __future__ import annotations

from tests.protocols.intercom.test_intercom import OFFER, invite
from tocsin.protocols.intercom.call import for_evidence, is_emergency, make_answer, read_offer, session_timer
from tocsin.protocols.intercom.door import read_info
from tocsin.protocols.intercom.events import MAX_TEXT, read_text
from tocsin.protocols.intercom.ping import Pinger
from tocsin.protocols.rtp.tones import ToneReader
from tocsin.protocols.sip.message import Request, Response, parse_datagram
from tocsin.protocols.sip.reliable import Unconfirmed, rack_of, wants_reliable
from tocsin.protocols.sip.sdp import Sdp, parse_sdp

SEEDS: list[bytes] = [
    OFFER,
    invite("sip:sos@d", ("Session-Expires", "600;refresher=uas"), ("Allow", "UPDATE"), ("Priority", "x")).encode(),
    b"Signal=#\r\nDuration=160\r\n",
    b"<a><Event>SOS</Event></a>",
    b"\x0b\x8a\x05\x00",
]
_PINGER = Pinger("abcd1234", "3402", "d")


def run_one(data: bytes) -> None:
    """Read the bytes as everything an intercom may send."""
    offer = read_offer(data)
    if offer is not None:
        again = read_offer(make_answer(offer, "192.0.2.1", 25_000).encode())
        assert again is not None
        assert again.codec is offer.codec
        shown = parse_sdp(make_answer(offer, "192.0.2.1", 25_000, 25_002).encode())
        assert isinstance(shown, Sdp)
        assert sum(line.port == 25_002 for line in shown.media) == (offer.video is not None)
    message = parse_datagram(data)
    if isinstance(message, Response):
        rack_of(message)
    if isinstance(message, Request):
        wants_reliable(message)
        Unconfirmed(1, 1, b"", True, 0.5, 0.5, 32.0).is_meant_by(message)
        is_emergency(message, ("sos",))
        session_timer(message)
        assert b"\r\nauthorization:" not in for_evidence(message).lower()
        read_offer(message.body)
    assert len(read_info("application/dtmf-relay", data)) <= 1
    assert len(read_info("application/dtmf", data)) <= 1
    assert len(read_text(data).text) <= MAX_TEXT
    _PINGER.answered(data)
    reader = ToneReader()
    for at in range(0, min(len(data), 400), 4):
        reader.take(data[at : at + 4], at)
    assert len(reader.digits) <= 64
