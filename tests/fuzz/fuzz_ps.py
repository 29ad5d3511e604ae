"""Fuzz target: program streams."""

from tocsin.protocols.rtp.ps import Demuxer, Muxer, StreamType, build_stream_map

_MUXER = Muxer(StreamType.H265, StreamType.AAC)
SEEDS: list[bytes] = [
    _MUXER.write_video(b"\x00\x00\x00\x01\x26\x01\xaf" + b"x" * 300, 90_000, is_key=True)
    + _MUXER.write_audio(b"a" * 90, 9),
    build_stream_map(0x1B, 0x90),
    b"\x00\x00\x01\xe0\x00\x00\x80\x00\x00\x00\x00\x01\x65video",
]


def run_one(data: bytes) -> None:
    """Feed the bytes whole, in pieces and with breaks."""
    Demuxer().feed(data)
    demuxer = Demuxer()
    for start in range(0, len(data), 53):
        for unit in demuxer.feed(data[start : start + 53]):
            assert unit.pts is None or 0 <= unit.pts < 1 << 33
        if start % 5 == 0:
            demuxer.break_off()
