"""Fuzz target: what an RTSP server says, descriptions included."""

from tocsin.protocols.rtsp.client import Conversation
from tocsin.protocols.rtsp.description import read_description, resolve
from tocsin.protocols.rtsp.message import MAX_BODY_BYTES, encode_response, frame
from tocsin.protocols.rtsp.replay import clock_range, read_clock_range

_SDP = (
    b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    b"a=fmtp:96 sprop-parameter-sets=Z2QAHqzZQA==,aO48gA==\na=control:t1\n"
)
SEEDS: list[bytes] = [
    encode_response(200, "OK", [("CSeq", "1"), ("Session", "a;timeout=60")], _SDP) + frame(0, b"\x80\x60" + bytes(20)),
    encode_response(401, "No", [("CSeq", "1"), ("WWW-Authenticate", 'Digest realm="c", nonce="n", qop="auth"')]),
    _SDP,
    b"clock=20261122T021423.040Z-20261122T021823Z",
]


def run_one(data: bytes) -> None:
    """Take the bytes as answers and as a description; nothing may raise, nothing may grow without bound."""
    talk = Conversation("admin", "secret")
    for start in range(0, len(data), 301):
        talk.send("DESCRIBE", "rtsp://h/")
        list(talk.receive(data[start : start + 301]))
        assert len(talk._reader._buffer) <= MAX_BODY_BYTES + 65_536
    for track in read_description(data).tracks:
        track.sets()
        _ = track.audio_codec
        resolve("rtsp://h/a/", track.control[:100])
    found = read_clock_range(data[:200].decode("latin-1"))
    if found is not None:
        assert read_clock_range(clock_range(*found)) is not None
