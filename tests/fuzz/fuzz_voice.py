"""Fuzz target: what devices send about voice."""

from __future__ import annotations

from tocsin.protocols.gb28181.manscdp import BadDocument, parse_document
from tocsin.protocols.gb28181.voice import Payload, read_broadcast, read_offer, voice_answer
from tocsin.protocols.sip.sdp import BadSdp, parse_sdp

SEEDS = [
    b"<Notify><CmdType>Broadcast</CmdType><SN>1</SN><SourceID>a</SourceID><TargetID>b</TargetID></Notify>",
    b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 9000 TCP/RTP/AVP 8 96\r\n"
    b"a=setup:active\r\na=rtpmap:96 PS/90000\r\ny=0200000001\r\n",
]


def run_one(data: bytes) -> None:
    """Read bytes as a broadcast and as an offer, and answer the offer."""
    document = parse_document(data)
    if not isinstance(document, BadDocument):
        read_broadcast(document)
    sdp = parse_sdp(data)
    offer = None if isinstance(sdp, BadSdp) else read_offer(sdp)
    if offer is not None:
        for payload in Payload:
            voice_answer(offer, own_id="1" * 20, ip="192.0.2.1", port=9, ssrc=1, payload=payload).encode()
