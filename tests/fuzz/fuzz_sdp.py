"""Fuzz target: session descriptions and the judgement of answers."""

from tocsin.protocols.sip.sdp import MediaMode, Sdp, judge_answer, make_answer, make_offer, parse_sdp

_OFFERS = {
    mode: make_offer(own_id="34020000002000000001", ip="192.0.2.1", port=30_000, mode=mode, ssrc=200_000_001)
    for mode in MediaMode
}
SEEDS: list[bytes] = [
    *(offer.encode() for offer in _OFFERS.values()),
    make_answer(_OFFERS[MediaMode.TCP_PASSIVE], own_id="c", ip="192.0.2.9", port=15_060, ssrc=7).encode()
    + b"f=v/2/4/25/1/2048a/1/8/1\r\n",
]


def run_one(data: bytes) -> None:
    """Read the bytes; what was read must be writable and read back the same media."""
    found = parse_sdp(data)
    for mode, offer in _OFFERS.items():
        judge_answer(offer, data, mode)
    if isinstance(found, Sdp):
        make_answer(found, own_id="c", ip="192.0.2.9", port=1, ssrc=found.ssrc).encode()
        assert found.ssrc is None or 0 <= found.ssrc < 1 << 32
        again = parse_sdp(found.encode())
        assert isinstance(again, Sdp)
        assert [line.port for line in again.media] == [line.port for line in found.media]
