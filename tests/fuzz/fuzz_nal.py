"""Fuzz target: NAL units, parameter sets, access units and audio frames."""

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS, annex_b
from tocsin.protocols.rtp.access_unit import Assembler, ParameterSets
from tocsin.protocols.rtp.audio import split_adts
from tocsin.protocols.rtp.nal import MAX_NALS, split_nals, unescape
from tocsin.protocols.rtp.ps import StreamType

SEEDS: list[bytes] = [
    annex_b(H264_SPS, H264_PPS, b"\x65\x88\x84"),
    annex_b(H265_VPS, H265_SPS, H265_PPS, b"\x26\x01\xaf"),
    b"\xff\xf1\x6c\x40\x01\x3f\xfcab",
]


def run_one(data: bytes) -> None:
    """Read the bytes as pictures of either codec and as audio."""
    unescape(data)
    split_adts(data)
    nals = split_nals(data)
    assert len(nals) <= MAX_NALS
    for codec in (0, StreamType.H264, StreamType.H265):
        assembler = Assembler(codec)
        assembler.add(1, None, data)
        assembler.add(None, None, data)
        assembler.end()
    for codec in (StreamType.H264, StreamType.H265):
        sets = ParameterSets(codec)
        for nal in nals:
            sets.take(nal)
        assert sets.sps is None or 16 <= sets.sps.width <= 16_384
