"""Real parameter sets (640x360 from x264 and x265) and Annex B strings for tests."""

H264_SPS = bytes.fromhex("6764001eacd940a02ff9610000030001000003003c8f162d96")
H264_PPS = bytes.fromhex("68ebe3cb22c0")
H265_VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003f959409")
H265_SPS = bytes.fromhex("42010101600000030090000003000003003fa005020171f2e595952930bc05a02000000300200000030321")
H265_PPS = bytes.fromhex("4401c073c189")


def annex_b(*nals: bytes) -> bytes:
    """Return the NAL units behind 4-byte start codes."""
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)
