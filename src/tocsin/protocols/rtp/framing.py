"""RTP over TCP: byte stream -> packets, in the 2-byte length form and in the interleaved `$` form. Pure.

    len16 | packet            RFC 4571, framing
    24 | channel | len16 | packet    RTSP interleaved binary data

Some cameras ignore short writes and lose bytes in mid-stream, so the reader finds its place again by the
synchronisation source, or by a pack header while that is not known yet.
"""

from __future__ import annotations

import struct

MIN_PACKET_BYTES = 8  # the shortest RTCP packet
_PACK_START = b"\x00\x00\x01\xba"
_KEEP_BYTES = 65_535 + 32


def frame_packet(packet: bytes) -> bytes:
    """Return one packet behind its 2-byte length. Errors: ValueError above 65,535 bytes."""
    if len(packet) > 65_535:
        raise ValueError("an RTP packet in TCP framing holds at most 65535 bytes")
    return struct.pack("!H", len(packet)) + packet


class PacketReader:
    """Cuts a TCP byte stream into RTP and RTCP packets; any split of the same bytes gives the same packets."""

    __slots__ = ("_buffer", "_lost", "_ssrc", "resyncs", "skipped_bytes")

    def __init__(self) -> None:
        self._buffer = b""
        self._lost = False
        self._ssrc = b""
        self.resyncs = 0
        self.skipped_bytes = 0

    def receive(self, data: bytes) -> list[bytes]:
        """Return the packets completed by these bytes."""
        buffer = self._buffer + data if self._buffer else data
        size = len(buffer)
        packets: list[bytes] = []
        position = 0
        while size - position >= 6:
            if self._lost:
                found = self._find_frame(buffer, position)
                if found < 0:
                    keep = max(position, size - _KEEP_BYTES)
                    self.skipped_bytes += keep - position
                    position = keep
                    break
                self.skipped_bytes += found - position
                position = found
                self._lost = False
            start = position + (4 if buffer[position] == 0x24 and buffer[position + 2] >> 6 != 2 else 2)
            length = buffer[start - 2] << 8 | buffer[start - 1]
            if buffer[start] >> 6 != 2 or length < MIN_PACKET_BYTES:
                self._lost = True
                self.resyncs += 1
                position += 1
                self.skipped_bytes += 1
                continue
            end = start + length
            if end > size:
                break
            packet = buffer[start:end]
            if length >= 12 and not self._ssrc and not 200 <= packet[1] <= 207:
                self._ssrc = packet[8:12]
            packets.append(packet)
            position = end
        self._buffer = buffer[position:] if position else buffer
        return packets

    def _find_frame(self, buffer: bytes, start: int) -> int:
        """Return where a frame plausibly begins, or -1 when more bytes are needed."""
        needle, offset = (self._ssrc, 8) if self._ssrc else (_PACK_START, 12)
        found = buffer.find(needle, start)
        while found >= 0:
            packet = found - offset
            for header in (4, 2):
                frame = packet - header
                if frame < start or (header == 4) != (buffer[frame] == 0x24):
                    continue
                length = buffer[packet - 2] << 8 | buffer[packet - 1]
                if buffer[packet] >> 6 != 2 or length < 12:
                    continue
                if packet + length + 16 > len(buffer):
                    return -1  # decided when the next frame's header is here, whatever the split
                if self._is_followed(buffer, packet + length):
                    return frame
            found = buffer.find(needle, found + 1)
        return -1

    def _is_followed(self, buffer: bytes, end: int) -> bool:
        # Two frames in a row: one match alone may be a coincidence inside a picture.
        for header in (2, 4):
            packet = end + header
            if buffer[packet] >> 6 == 2 and (not self._ssrc or buffer[packet + 8 : packet + 12] == self._ssrc):
                return True
        return False
