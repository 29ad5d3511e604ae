"""RTP payload formats of elementary streams: packets of one track -> NAL units or audio frames, and back. Pure.

Source: RFC 6184 (H.264: single unit, STAP, FU), RFC 7798 (H.265: single unit, AP, FU), RFC 3640 (AAC-hbr),
RFC 3551 (G.711). Decoding order numbers (interleaved modes) are passed over: cameras send in decoding order.
"""

from __future__ import annotations

import struct
from typing import Final

from tocsin.protocols.rtp.access_unit import MAX_ACCESS_UNIT_BYTES
from tocsin.protocols.rtp.audio import AAC_FRAME_SAMPLES, AAC_RATES_HZ, MAX_AUDIO_BYTES
from tocsin.protocols.rtp.nal import MAX_NALS, split_nals
from tocsin.protocols.rtp.ps import StreamType

MAX_PAYLOAD_BYTES: Final = 1400
PT_H264: Final = 98  # as GB/T 28181 numbers them; RTSP says it in its description
PT_H265: Final = 100

_STAP_A, _STAP_B, _FU_A, _FU_B = 24, 25, 28, 29
_AP, _FU = 48, 49
_START_CODES: Final = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_header = struct.Struct("!BBHII").pack
_length = struct.Struct("!H")


class NalUnpacker:
    """Turns the payloads of one video track into NAL units; a unit with a missing piece is dropped and counted."""

    __slots__ = ("_open", "_size", "broken", "codec")

    def __init__(self, codec: int) -> None:
        self.codec = codec
        self.broken = 0
        self._open: list[bytes] = []  # pieces of a unit that goes on
        self._size = 0

    def lose(self) -> bool:
        """Packets are missing here; tell whether a unit was cut by it."""
        was_open = bool(self._open)
        self.broken += was_open
        self._open = []
        self._size = 0
        return was_open

    def take(self, payload: bytes) -> list[bytes] | None:
        """Return the NAL units a payload completes; None when it contradicts itself or what came before."""
        if len(payload) < 3:
            return [] if payload in (b"", b"\x00") else None
        if payload.startswith(_START_CODES):  # some encoders leave the start codes in
            return split_nals(payload)
        if self.codec == StreamType.H264:
            kind = payload[0] & 31
            if 0 < kind < _STAP_A:
                return self._whole(payload)
            if kind in (_STAP_A, _STAP_B):
                return self._several(payload, 1 if kind == _STAP_A else 3)
            if kind in (_FU_A, _FU_B):
                header = bytes(((payload[0] & 0xE0) | (payload[1] & 0x1F),))
                return self._piece(payload[1], header, payload[2 if kind == _FU_A else 4 :])
            return None
        kind = payload[0] >> 1 & 63
        if kind < _AP:
            return self._whole(payload)
        if kind == _AP:
            return self._several(payload, 2)
        if kind == _FU:
            header = bytes(((payload[0] & 0x81) | (payload[2] & 0x3F) << 1, payload[1]))
            return self._piece(payload[2], header, payload[3:])
        return None

    def _whole(self, payload: bytes) -> list[bytes] | None:
        is_cut = self.lose()
        return None if is_cut else [payload]

    def _several(self, payload: bytes, start: int) -> list[bytes] | None:
        is_cut = self.lose()
        nals: list[bytes] = []
        size = len(payload)
        while start + 2 <= size and len(nals) < MAX_NALS:
            (length,) = _length.unpack_from(payload, start)
            start += 2
            if length == 0 or start + length > size:
                self.broken += 1
                return None
            nals.append(payload[start : start + length])
            start += length
        return None if is_cut else nals

    def _piece(self, flags: int, header: bytes, data: bytes) -> list[bytes] | None:
        if flags & 0x80:
            is_cut = self.lose()
            self._open = [header, data]
            self._size = len(data)
            if is_cut:
                return None
        elif not self._open:
            self.broken += 1
            return None  # its beginning is missing
        else:
            self._open.append(data)
            self._size += len(data)
            if self._size > MAX_ACCESS_UNIT_BYTES:
                self.lose()
                return None
        if flags & 0x40:
            nal = b"".join(self._open)
            self._open = []
            self._size = 0
            return [nal]
        return []


class NalPacker:
    """Cuts access units into RTP packets: single units and fragments, small neighbours aggregated when asked."""

    def __init__(
        self,
        codec: int,
        ssrc: int,
        payload_type: int,
        *,
        sequence: int = 0,
        max_payload: int = MAX_PAYLOAD_BYTES,
        aggregates: bool = False,
    ) -> None:
        self.codec = codec
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = sequence
        self._max = max_payload
        self._aggregates = aggregates

    def packetize(self, nals: list[bytes], timestamp: int) -> list[bytes]:
        """Return the packets of one access unit, the marker on the last; `timestamp` is cut to 32 bits."""
        payloads: list[bytes] = []
        small: list[bytes] = []
        for nal in nals:
            if self._aggregates and len(nal) < self._max // 4:
                small.append(nal)
                continue
            payloads += self._joined(small)
            small = []
            payloads += [nal] if len(nal) <= self._max else self._fragments(nal)
        payloads += self._joined(small)
        packets: list[bytes] = []
        for number, payload in enumerate(payloads, start=1):
            marker = 0x80 if number == len(payloads) else 0
            head = _header(0x80, self.payload_type | marker, self.sequence, timestamp & 0xFFFFFFFF, self.ssrc)
            packets.append(head + payload)
            self.sequence = self.sequence + 1 & 0xFFFF
        return packets

    def _joined(self, nals: list[bytes]) -> list[bytes]:
        if len(nals) < 2:
            return nals
        if self.codec == StreamType.H264:
            head = bytes((max(nal[0] & 0x60 for nal in nals) | _STAP_A,))
        else:
            head = bytes((_AP << 1, nals[0][1]))
        return [head + b"".join(_length.pack(len(nal)) + nal for nal in nals)]

    def _fragments(self, nal: bytes) -> list[bytes]:
        if self.codec == StreamType.H264:
            lead, kind, body = bytes((nal[0] & 0xE0 | _FU_A,)), nal[0] & 31, nal[1:]
        else:
            lead, kind, body = bytes((nal[0] & 0x81 | _FU << 1, nal[1])), nal[0] >> 1 & 63, nal[2:]
        room = self._max - len(lead) - 1
        pieces = [body[start : start + room] for start in range(0, len(body), room)]
        last = len(pieces) - 1
        return [
            lead + bytes((kind | (0x80 if at == 0 else 0) | (0x40 if at == last else 0),)) + piece
            for at, piece in enumerate(pieces)
        ]


class AacUnpacker:
    """Turns RFC 3640 payloads into ADTS frames, the form the rest of the house knows. Frames cut in two are joined."""

    def __init__(self, config: bytes, *, size_bits: int = 13, index_bits: int = 3) -> None:
        """`config` is the AudioSpecificConfig. Errors: ValueError when it names no rate we know."""
        if len(config) < 2:
            raise ValueError("AudioSpecificConfig too short")
        self._object_type = config[0] >> 3
        self._rate_index = (config[0] & 7) << 1 | config[1] >> 7
        self._channels = config[1] >> 3 & 15
        if self._rate_index >= len(AAC_RATES_HZ) or not 1 <= self._object_type <= 4:
            raise ValueError("AudioSpecificConfig names an unknown rate or object type")
        if not 1 <= size_bits <= 16 or not 0 <= index_bits <= 8:
            raise ValueError("sizes of the header fields are absurd")
        self.rate_hz = AAC_RATES_HZ[self._rate_index]
        self._size_bits = size_bits
        self._index_bits = index_bits
        self._cut = b""
        self._cut_size = 0

    def take(self, payload: bytes) -> bytes:
        """Return the ADTS frames a payload completes; empty when it holds none or lies about its sizes."""
        if len(payload) < 2:
            return b""
        header_bits = int.from_bytes(payload[:2], "big")
        start = 2 + (header_bits + 7) // 8
        each = self._size_bits + self._index_bits
        if not header_bits or start > len(payload) or header_bits > 64 * each:
            return b""
        bits = int.from_bytes(payload[2:start], "big") >> ((start - 2) * 8 - header_bits)
        sizes = []
        for place in range(header_bits // each):
            shift = header_bits - (place + 1) * each + self._index_bits
            sizes.append(bits >> shift & (1 << self._size_bits) - 1)
        if len(sizes) == 1 and sizes[0] > len(payload) - start:
            return self._piece(sizes[0], payload[start:])
        frames = []
        for size in sizes:
            if start + size > len(payload):
                break
            frames.append(self._adts(payload[start : start + size]))
            start += size
        return b"".join(frames)

    def lose(self) -> None:
        """Packets are missing here."""
        self._cut, self._cut_size = b"", 0

    def ticks(self) -> int:
        """Return the length of one frame in samples."""
        return AAC_FRAME_SAMPLES

    def _piece(self, size: int, data: bytes) -> bytes:
        if size != self._cut_size:
            self._cut, self._cut_size = b"", size
        self._cut += data
        if len(self._cut) < size:
            return b""
        frame, self._cut, self._cut_size = self._cut[:size], b"", 0
        return self._adts(frame)

    def _adts(self, frame: bytes) -> bytes:
        size = len(frame) + 7
        if size > 0x1FFF or not frame or len(frame) > MAX_AUDIO_BYTES:
            return b""
        return (
            bytes(
                (
                    0xFF,
                    0xF1,
                    (self._object_type - 1) << 6 | self._rate_index << 2 | self._channels >> 2 & 1,
                    (self._channels & 3) << 6 | size >> 11,
                    size >> 3 & 0xFF,
                    (size & 7) << 5 | 0x1F,
                    0xFC,
                )
            )
            + frame
        )


TS_PACKET_BYTES = 188


def sniff_payload(payload: bytes, payload_type: int) -> int:
    """Tell what a payload is the beginning of: a pack (-1), H.264 or H.265 units, or nothing yet (0).

    For GB/T 28181 devices that answer with a bare video stream. Only what proves it counts: parameter sets, or the
    first piece of a whole picture under the payload type the standard gives that codec.
    """
    if payload[:4] in (b"\x00\x00\x01\xba", b"\x00\x00\x01\xbb", b"\x00\x00\x01\xbc", b"\x00\x00\x01\xe0"):
        return -1
    if payload[:1] == b"\x47" and len(payload) % TS_PACKET_BYTES == 0:
        return -1  # an MPEG transport stream, not a parameter set: it is refused as no program stream
    if len(payload) < 4 or payload.startswith(_START_CODES):
        return 0
    first, second = payload[0], payload[1]
    if (first in (0x40, 0x42, 0x44) and second == 1) or (first == _AP << 1 and second == 1):
        return StreamType.H265
    if first & 0x80 == 0 and first & 0x60 and first & 31 == 7 and len(payload) < 256:
        return StreamType.H264
    if first & 0x60 and first & 31 == _STAP_A and len(payload) > 4 and payload[3] & 31 == 7:
        return StreamType.H264
    if payload_type == PT_H264 and first & 0x60 and first & 31 == _FU_A and second & 0x9F == 0x85:
        return StreamType.H264
    if payload_type == PT_H265 and first >> 1 == _FU and second == 1 and payload[2] & 0x80:
        return StreamType.H265
    return 0
