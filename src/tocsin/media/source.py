"""One upstream: its receiver, its feed, and what is known about its health. No sockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.media.feed import Feed
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.receiver import Receiver, Unit
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS

STALE_MS = 2000.0
FOREIGN_RESYNCS = 200  # headers missed without one picture: this is not a program stream

_PLAYABLE = {int(StreamType.H264), int(StreamType.H265)}


class Tap(Protocol):
    """Whoever else wants the pictures of a source: the transcoder."""

    def take(self, unit: AccessUnit, now_ms: float) -> None:
        """Take one picture."""


class PacketTap(Tap, Protocol):
    """Whoever wants the packets as they came, and the pictures: a forward."""

    def take_packets(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets in the order they arrived."""


class Source:
    """Takes the packets of one camera and passes pictures on."""

    def __init__(self, feed: Feed, *, ssrc: int | None, wants_audio: bool, wait_ms: int = WAIT_LAN_MS) -> None:
        self.receiver = Receiver(ssrc, wait_ms=wait_ms, wants_audio=wants_audio)
        self.feed = feed  # outlives the source: viewers keep their timeline when the camera is asked again
        self.tap: Tap | None = None
        self.forwards: Sequence[PacketTap] = ()
        self.first_packet_ms = -1.0
        self.last_packet_ms = -1.0
        self.received_bytes = 0
        self.bitrate_bps = 0.0
        self.has_news = False  # the first key picture, or new parameters, not reported yet
        self._was_shown = False
        self._measured_bytes = 0
        self._measured_ms = 0.0
        self._lost = 0
        self._packets = 0

    def receive(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets in the order they arrived."""
        receive = self.receiver.receive
        self.last_packet_ms = now_ms
        if self.first_packet_ms < 0:
            self.first_packet_ms = self._measured_ms = now_ms
        size = 0
        for forward in tuple(self.forwards):
            forward.take_packets(packets, now_ms)
        for packet in packets:
            size += len(packet)
            units = receive(packet, now_ms)
            if units:
                self._take(units, now_ms)
        self.received_bytes += size

    def expire(self, now_ms: float) -> None:
        """Give up on missing packets and send pictures that waited for company too long."""
        units = self.receiver.expire(now_ms)
        if units:
            self._take(units, now_ms)
        self.feed.flush_older_than(now_ms - 200.0)

    def _take(self, units: list[Unit], now_ms: float) -> None:
        feed = self.feed
        for unit in units:
            if isinstance(unit, AccessUnit):
                if self.tap is not None:
                    self.tap.take(unit, now_ms)
                for forward in tuple(self.forwards):
                    forward.take(unit, now_ms)
                version = feed.config_version
                if unit.is_key and feed.sound.track is None:
                    feed.sound.expect(self.receiver.demuxer.audio_type)
                is_key = feed.take(unit, now_ms)
                if is_key and (not self._was_shown or feed.config_version != version):
                    self._was_shown = self.has_news = True
            else:
                feed.take_sound(unit)

    def measure(self, now_ms: float) -> None:
        """Update the bit rate; call it about once a second."""
        passed_ms = now_ms - self._measured_ms
        if passed_ms > 0:
            self.bitrate_bps = (self.received_bytes - self._measured_bytes) * 8000.0 / passed_ms
        self._measured_bytes, self._measured_ms = self.received_bytes, now_ms

    def state(self, now_ms: float) -> str:
        """Return `starting`, `live` or `stale`."""
        if self.feed.last_picture_ms < 0:
            return "starting"
        return "live" if now_ms - self.feed.last_picture_ms < STALE_MS else "stale"

    def reason(self) -> str:
        """Return the key of what keeps pictures from showing although packets arrive; empty when nothing does."""
        receiver = self.receiver
        if self.feed.pictures:
            return ""
        declared = receiver.demuxer.video_type
        if declared and declared not in _PLAYABLE:
            return "codec_unsupported"
        if not receiver.codec and receiver.demuxer.resyncs > FOREIGN_RESYNCS:
            return "not_program_stream"
        if receiver.packets and receiver.codec and not self.feed.keys:
            return "waiting_for_key"
        return ""

    def new_losses(self) -> tuple[int, int]:
        """Return packets lost and packets received since the last call."""
        reorder = self.receiver.reorder
        lost, packets = reorder.lost - self._lost, self.receiver.packets - self._packets
        self._lost, self._packets = reorder.lost, self.receiver.packets
        return lost, packets
