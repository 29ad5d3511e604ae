"""Fuzz target: payloads of H.264, H.265 and AAC tracks from a stranger."""

from tocsin.protocols.rtp.payloads import AacUnpacker, NalPacker, sniff_payload
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.replay import ReplayStamp, ReplayTimes, ntp_of, read_stamp, says_bye, with_stamp
from tocsin.protocols.rtp.tracks import SoundTrack, TrackReceiver

_NALS = [b"\x67\x64\x00\x1e\xac", b"\x68\xee\x3c\x80", b"\x65\x88" + bytes(range(256))]
SEEDS: list[bytes] = [
    b"".join(NalPacker(0x1B, 7, 96, max_payload=100, aggregates=True).packetize(_NALS, 3600)),
    b"\x60\x01\x00\x03\x40\x01\x0c\x00\x02\x42\x01" + b"\x62\x01\x93\xaf\x62\x01\x53\x02",
    b"\x00\x10\x00\x30abcdef",
    with_stamp(bytes((0x80, 0xE0)) + bytes(10), ReplayStamp(ntp_of(1e12), is_last=True)) * 3,
]


def run_one(data: bytes) -> None:
    """Take the bytes as payloads of every track; nothing may raise, nothing may grow without bound."""
    for codec in (StreamType.H264, StreamType.H265):
        receiver = TrackReceiver(codec, sound=SoundTrack(StreamType.AAC, 8000, aac=AacUnpacker(b"\x15\x88")))
        for number, start in enumerate(range(0, len(data), 53)):
            piece = data[start : start + 53]
            sniff_payload(piece, 98)
            head = (
                b"\x80"
                + bytes((96 | (number & 1) << 7,))
                + number.to_bytes(2, "big")
                + bytes((0, 0, 0, number >> 2 & 255))
            )
            receiver.receive(head + b"\0\0\0\7" + piece, number * 1.0)
            receiver.receive(piece, number * 1.0)
            receiver.receive_sound(head + b"\0\0\0\7" + piece, number * 1.0)
            receiver.take_report(piece, 0.0)
        replay = TrackReceiver(codec, times=ReplayTimes(1.0))
        for start in range(0, len(data), 31):
            says_bye(data[start:])
            read_stamp(data[start:])
            replay.receive(data[start : start + 62], 0.0)
            replay.take_report(data[start : start + 62], 0.0)
        receiver.expire(1e12)
        assert len(receiver.reorder.held) <= 64
