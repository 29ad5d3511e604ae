"""One camera's RTP stream: packets -> access units and audio. Pure; time is an argument.

This is the hot path of the media worker: a packet in order costs one header read, three comparisons and a slice.

Source: RFC 3550; GB/T 28181, RTP encapsulation of PS (one time stamp a pack, the marker on its last packet).
"""

from __future__ import annotations

import struct
from typing import Final

from tocsin.protocols.rtp.access_unit import AccessUnit, Assembler
from tocsin.protocols.rtp.audio import MAX_AUDIO_BYTES, AudioUnit
from tocsin.protocols.rtp.packet import payload_span
from tocsin.protocols.rtp.ps import Demuxer, PesUnit
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS, Reorder

Unit = AccessUnit | AudioUnit

NO_UNITS: Final[list[Unit]] = []
MAX_WAITING_PACKETS = 64
FOLLOW_AFTER_PACKETS = 3
PACKS_OF_A_PICTURE = 16  # one time stamp over more packs than this is a clock that stands still

_unpack = struct.Struct("!BBHII").unpack_from
_PACK_START = b"\x00\x00\x01\xba"

_MARKER_UNKNOWN = 0
_MARKER_TRUSTED = 1
_MARKER_IGNORED = 2


class Receiver:
    """Reassembles one stream; `ssrc` None adopts the first one, and follows when the sender changes it.

    Counters: `packets`, `foreign` (another source or not media), `rtcp`, `damaged` (pictures with missing bytes).
    """

    __slots__ = (
        "_adopts",
        "_assembler",
        "_held",
        "_held_after",
        "_marker",
        "_markers",
        "_packs",
        "_parts",
        "_timestamp",
        "damaged",
        "demuxer",
        "foreign",
        "packets",
        "reorder",
        "rtcp",
        "ssrc",
        "wants_audio",
    )

    def __init__(self, ssrc: int | None = None, *, wait_ms: int = WAIT_LAN_MS, wants_audio: bool = True) -> None:
        self.ssrc = ssrc
        self._adopts = ssrc is None
        self._held: list[bytes] = []  # the first packets under another number
        self._held_after = 0
        self.wants_audio = wants_audio
        self.packets = 0
        self.foreign = 0
        self.rtcp = 0
        self.damaged = 0
        self.reorder = Reorder(wait_ms)
        self.demuxer = Demuxer()
        self._assembler = Assembler()
        self._parts: list[bytes] = []
        self._timestamp = -1
        self._marker = _MARKER_UNKNOWN
        self._markers = 0  # in the present pack
        self._packs = 0  # begun after a marker under one time stamp

    @property
    def codec(self) -> int:
        """The video's stream type; 0 until known."""
        return self._assembler.codec

    @property
    def video_type(self) -> int:
        """The video the stream's map declares; 0 without a map."""
        return self.demuxer.video_type

    @property
    def audio_type(self) -> int:
        """The sound the stream's map declares; 0 without."""
        return self.demuxer.audio_type

    @property
    def resyncs(self) -> int:
        """How often a header was missing where one must be."""
        return self.demuxer.resyncs

    @property
    def unreadable(self) -> int:
        """How many pictures held nothing a decoder knows: an encrypted stream."""
        return self._assembler.unreadable

    def receive(self, packet: bytes, now_ms: float) -> list[Unit]:
        """Take one packet; return what it completes."""
        if len(packet) < 12:
            self.foreign += 1
            return NO_UNITS
        first, second, sequence, timestamp, ssrc = _unpack(packet)
        if 200 <= second <= 207 or 72 <= second <= 76:
            self.rtcp += 1
            return NO_UNITS
        if ssrc != self.ssrc or first >> 6 != 2:
            if first >> 6 != 2 or (self.ssrc is not None and not self._adopts):
                self.foreign += 1
                return NO_UNITS
            if self.ssrc is not None:
                return self._follow(packet, ssrc, now_ms)
            self.ssrc = ssrc
        self.packets += 1
        reorder = self.reorder
        if sequence == reorder.expected and not reorder.held:
            reorder.expected = sequence + 1 & 0xFFFF
            if timestamp == self._timestamp and first == 0x80 and second < 0x80 and not self._markers:
                parts = self._parts
                parts.append(packet[12:])
                if len(parts) >= MAX_WAITING_PACKETS:
                    return self._demux()
                return NO_UNITS
            return self._deliver(packet, first, second, timestamp)
        units: list[Unit] = []
        for ready in reorder.push(sequence, timestamp, packet, now_ms):
            self._take(ready, units)
        return units

    def _follow(self, packet: bytes, ssrc: int, now_ms: float) -> list[Unit]:
        """Another number on a port of its own: three packets in a row are the same camera, a single one a stranger."""
        held = self._held
        if held and (held[0][8:12] != packet[8:12] or self._held_after != self.packets):
            held.clear()
        self._held_after = self.packets
        self.foreign += 1
        held.append(packet)
        if len(held) < FOLLOW_AFTER_PACKETS:
            return NO_UNITS
        self.foreign -= len(held)
        self._held = []
        self.ssrc = ssrc
        units: list[Unit] = []
        if (packet[2] << 8 | packet[3]) != (self.reorder.expected + len(held) - 1 & 0xFFFF):
            units += self._break_off()
            self.reorder = Reorder(self.reorder.wait_ms)
        for ready in held:
            units += self.receive(ready, now_ms)
        return units

    def expire(self, now_ms: float) -> list[Unit]:
        """Give up on packets missing for too long; call every few ticks."""
        if not self.reorder.held:
            return NO_UNITS
        units: list[Unit] = []
        for ready in self.reorder.expire(now_ms):
            self._take(ready, units)
        return units

    def _take(self, ready: bytes | None, units: list[Unit]) -> None:
        if ready is None:
            units += self._break_off()
            return
        first, second, _, timestamp, _ = _unpack(ready)
        units += self._deliver(ready, first, second, timestamp)

    def _deliver(self, packet: bytes, first: int, second: int, timestamp: int) -> list[Unit]:
        """Take one packet in order that is not simply the next of its pack."""
        if first == 0x80:
            payload = packet[12:]
        else:
            span = payload_span(packet)
            if span is None:
                self.foreign += 1
                return NO_UNITS
            payload = packet[span[0] : span[1]]
        units = NO_UNITS
        if timestamp != self._timestamp:
            units = self._end_pack(payload)
            self._timestamp, self._packs = timestamp, 0
        elif self._markers:
            units = self._go_on(payload)
        self._parts.append(payload)
        if second >= 0x80:
            self._markers += 1
            if self._marker == _MARKER_TRUSTED:
                ended = self._demux()
                if self.demuxer.is_between_units:
                    ended = ended + self._end_picture()
                units = units + ended if units else ended
        return units

    def _go_on(self, payload: bytes) -> list[Unit]:
        """More under the same time stamp after a marker: more of the picture, or a sender whose clock stands still."""
        if payload[:4] == _PACK_START:
            self._packs += 1
            if self._packs > PACKS_OF_A_PICTURE:
                return self._end_pack(payload)
        if self._marker == _MARKER_TRUSTED and self._packs <= PACKS_OF_A_PICTURE:
            self._marker = _MARKER_IGNORED  # a pack went on after its marker
        return NO_UNITS

    def _end_pack(self, following: bytes) -> list[Unit]:
        """The time stamp changed: the pack before is complete, unless the sender cut one unit in two."""
        if self._marker == _MARKER_UNKNOWN and self._markers:
            self._marker = _MARKER_TRUSTED if self._markers == 1 else _MARKER_IGNORED
        self._markers = 0
        units = self._demux() if self._parts else NO_UNITS
        if not self.demuxer.is_between_units:
            if following[:4] != _PACK_START:
                return units
            self._assembler.damage()
            units = units + self._assemble(self.demuxer.close_unfinished())
        return units + self._end_picture()

    def _break_off(self) -> list[Unit]:
        """Packets are missing here: what is unfinished is damaged."""
        units = self._demux() if self._parts else NO_UNITS
        self._assembler.damage()
        return units + self._assemble(self.demuxer.break_off())

    def _demux(self) -> list[Unit]:
        parts = self._parts
        chunk = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return self._assemble(self.demuxer.feed(chunk))

    def _assemble(self, pes_units: list[PesUnit]) -> list[Unit]:
        units: list[Unit] = NO_UNITS
        for is_video, pts, dts, payload in pes_units:
            if is_video:
                ended = self._assembler.add(pts, dts, payload)
                if ended:
                    units = [*units, *self._counted(ended)]
            elif self.wants_audio and len(payload) <= MAX_AUDIO_BYTES:
                units = [*units, AudioUnit(self.demuxer.audio_type, pts, payload)]
        return units

    def _end_picture(self) -> list[Unit]:
        assembler = self._assembler
        declared = self.demuxer.video_type
        if declared and declared != assembler.codec:
            assembler.codec = declared
        return self._counted(assembler.end())

    def _counted(self, ended: list[AccessUnit]) -> list[Unit]:
        for unit in ended:
            self.damaged += unit.is_damaged
        return list(ended)
