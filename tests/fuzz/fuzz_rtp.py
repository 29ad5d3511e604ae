"""Fuzz target: a stream of RTP packets and TCP framing from a stranger."""

from tocsin.protocols.rtp.framing import PacketReader, frame_packet
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.protocols.rtp.receiver import Receiver

_PACK = Muxer(StreamType.H264).write_video(b"\x00\x00\x00\x01\x65\x88" + bytes(range(256)) * 4, 3600, is_key=True)
SEEDS: list[bytes] = [
    b"".join(map(frame_packet, Packetizer(7, max_payload=200).packetize(_PACK, 3600))),
    b"$\x00\x00\x0c" + Packetizer(7).packetize(b"", 0).__repr__().encode(),
    frame_packet(b"\xb5\x60" + bytes(40)),
]


def run_one(data: bytes) -> None:
    """Take the bytes as a TCP stream and as datagrams; nothing may raise, nothing may grow without bound."""
    reader, receiver = PacketReader(), Receiver()
    for start in range(0, len(data), 97):
        for packet in reader.receive(data[start : start + 97]):
            receiver.receive(packet, start * 1.0)
    for start in range(0, len(data), 61):
        receiver.receive(b"\x80\x60" + data[start : start + 61], start * 10.0)
        receiver.receive(data[start : start + 61], start * 10.0)
    receiver.expire(1e12)
    assert len(receiver.reorder.held) <= 64
