"""One upstream: its receiver, its feed, and what is known about its health. No sockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.media.feed import Feed
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.packet import payload_span
from tocsin.protocols.rtp.payloads import sniff_payload
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.receiver import Receiver, Unit
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS
from tocsin.protocols.rtp.tracks import TrackReceiver

STALE_MS = 2000.0
ENCRYPTED_PICTURES = 5
SNIFFED_PACKETS = 400  # about a second; a stream whose kind nothing has shown by then stays a program stream
FOREIGN_RESYNCS = 200  # headers missed without one picture: this is not a program stream

_PLAYABLE = {int(StreamType.H264), int(StreamType.H265)}


class Tap(Protocol):
    """Whoever else wants the pictures of a source: the transcoder, the recorder."""

    def take(self, unit: AccessUnit, now_ms: float) -> None:
        """Take one picture."""


class PacketTap(Tap, Protocol):
    """Whoever wants the packets as they came, and the pictures: a forward."""

    def take_packets(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets in the order they arrived."""


class Source:
    """Takes the packets of one camera and passes pictures on."""

    def __init__(self, feed: Feed, *, ssrc: int | None, wants_audio: bool, wait_ms: int = WAIT_LAN_MS) -> None:
        self.receiver: Receiver | TrackReceiver = Receiver(ssrc, wait_ms=wait_ms, wants_audio=wants_audio)
        self._sniffs_left = SNIFFED_PACKETS  # until the stream has shown what it is
        self._wait_ms = wait_ms
        self.feed = feed  # outlives the source: viewers keep their timeline when the camera is asked again
        self.tap: Tap | None = None
        self.recorder: Tap | None = None
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

    @classmethod
    def of_tracks(cls, feed: Feed, receiver: TrackReceiver) -> Source:
        """Return a source whose pictures and sound come as tracks of their own."""
        made = cls(feed, ssrc=None, wants_audio=receiver.wants_audio)
        made.receiver = receiver
        made._sniffs_left = 0
        return made

    def receive(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets in the order they arrived."""
        if self._sniffs_left:
            self._sniff(packets)
        receive = self.receiver.receive
        self.last_packet_ms = now_ms
        if self.first_packet_ms < 0:
            self.first_packet_ms = self._measured_ms = now_ms
        size = 0
        for forward in tuple(self.forwards):
            forward.take_packets(packets, now_ms)
        feed = self.feed
        feed.is_in_round = True
        for packet in packets:
            size += len(packet)
            units = receive(packet, now_ms)
            if units:
                self._take(units, now_ms)
        feed.is_in_round = False
        if feed.has_pending and not feed.is_grouped:
            feed.flush()
        self.received_bytes += size

    def receive_sound(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets of a sound track of its own."""
        receiver = self.receiver
        if isinstance(receiver, TrackReceiver):
            for packet in packets:
                units = receiver.receive_sound(packet, now_ms)
                if units:
                    self._take(units, now_ms)

    def _sniff(self, packets: list[bytes]) -> None:
        """Find out whether a device sends bare H.264 or H.265 where a program stream was agreed."""
        for packet in packets:
            self._sniffs_left -= 1
            span = payload_span(packet) if len(packet) >= 12 else None
            if span is None:
                continue
            kind = sniff_payload(packet[span[0] : span[1]], packet[1] & 0x7F)
            if kind:
                if kind > 0:
                    self.receiver = TrackReceiver(kind, payload_type=packet[1] & 0x7F, wait_ms=self._wait_ms)
                self._sniffs_left = 0
            if self._sniffs_left <= 0:
                self._sniffs_left = 0
                return

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
                if self.recorder is not None:
                    self.recorder.take(unit, now_ms)
                for forward in tuple(self.forwards):
                    forward.take(unit, now_ms)
                version = feed.config_version
                if unit.is_key and feed.sound.track is None:
                    feed.sound.expect(self.receiver.audio_type)
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
        declared = receiver.video_type
        if declared and declared not in _PLAYABLE:
            return "codec_unsupported"
        if not receiver.codec and receiver.resyncs > FOREIGN_RESYNCS:
            return "not_program_stream"
        is_scrambled = isinstance(receiver, Receiver) and receiver.unreadable > ENCRYPTED_PICTURES
        if is_scrambled and not self.feed.keys:
            return "stream_encrypted"
        if receiver.packets and receiver.codec and not self.feed.keys:
            return "waiting_for_key"
        return ""

    def lost_packets(self) -> int:
        """Return packets that did not arrive, since the source was opened."""
        return self.receiver.reorder.lost

    def clock_offset_ms(self) -> int | None:
        """Return how far the sender's clock is ahead of ours; None where its packets do not say."""
        ahead_ms = self.receiver.wall_ahead_ms if isinstance(self.receiver, TrackReceiver) else None
        return None if ahead_ms is None else round(ahead_ms)

    def new_losses(self) -> tuple[int, int]:
        """Return packets lost and packets received since the last call."""
        reorder = self.receiver.reorder
        lost, packets = reorder.lost - self._lost, self.receiver.packets - self._packets
        self._lost, self._packets = reorder.lost, self.receiver.packets
        return lost, packets
