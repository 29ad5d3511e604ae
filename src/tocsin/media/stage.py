"""What belongs to one stream inside a worker: its ports, its feed, its viewers, its conversion."""

from __future__ import annotations

from tocsin.domain.streams import channel_of_stream
from tocsin.media.feed import FRAGMENT_MS, Feed
from tocsin.media.forward import Forward
from tocsin.media.playback_feed import PlaybackFeed, is_playback
from tocsin.media.ports import TcpListener, TcpPort, UdpPort
from tocsin.media.recorder import Recorder
from tocsin.media.rtsp import RtspPull
from tocsin.media.shared import SharedLeg
from tocsin.media.source import Source
from tocsin.media.transcode import Transcoder
from tocsin.media.viewer import Viewer
from tocsin.media.websocket import text_frame
from tocsin.media.wire import Message
from tocsin.protocols.rtp.ps import StreamType

_CODEC_NAMES = {int(StreamType.H264): "h264", int(StreamType.H265): "h265"}


class Stage:
    """One stream: it exists while it has a source or viewers."""

    def __init__(self, stream_id: str, *, fragment_ms: int = FRAGMENT_MS) -> None:
        self.stream_id = stream_id
        kind = PlaybackFeed if is_playback(stream_id) else Feed
        self.feed: Feed = kind(stream_id, fragment_ms=fragment_ms)
        self.source: Source | None = None
        self.transport = ""
        self.udp: UdpPort | None = None
        self.listener: TcpListener | None = None
        self.connection: TcpPort | None = None
        self.shared: SharedLeg | None = None
        self.pull: RtspPull | None = None  # it owns its ports; `udp` is then one of them
        self.transcoder: Transcoder | None = None
        self.viewers: set[Viewer] = set()
        self.forwards: list[Forward] = []
        self.recorder: Recorder | None = None
        self.was_shown = False
        self.is_heard = False  # asked for with sound, whoever watches
        self.kernel_drops = 0
        self.loss_share = 0.0
        self._is_reported_silent = False

    def feed_forwards(self) -> None:
        """Let forwards and recorder have the pictures of a new source, from its next key picture on."""
        self.feed_recorder()
        if self.source is not None and self.source.forwards is not self.forwards:
            self.source.forwards = self.forwards
            for forward in self.forwards:
                forward.interrupted()

    def feed_recorder(self) -> None:
        """Let the recorder have the pictures of the source, if there are both."""
        source = self.source
        if source is not None and source.recorder is not self.recorder:
            source.recorder = self.recorder
            if self.recorder is not None:
                self.recorder.attach(source)

    def close_ports(self) -> None:
        """Stop receiving; viewers stay."""
        if self.pull is not None:
            self.pull.close()
            self.pull = self.udp = None
        for port in (self.udp, self.listener, self.connection, self.shared):
            if port is not None:
                port.close()
        self.udp = self.listener = self.connection = self.shared = None
        self.source = None
        self.was_shown = False
        self.kernel_drops = 0
        self._is_reported_silent = False

    def choose_sound(self) -> None:
        """Take sound in only while it was asked for: somebody's ticket says so, or the opening of the stream did."""
        if self.source is not None:
            wanted = self.is_heard or any(viewer.wants_audio for viewer in self.viewers)
            self.source.receiver.wants_audio = wanted

    def is_silent(self, now_ms: float, limit_ms: float) -> bool:
        """Tell once when nothing arrived for `limit_ms` after something had."""
        source = self.source
        if source is None or source.last_packet_ms < 0:
            return False
        if self.feed.is_paused:
            source.last_packet_ms = now_ms  # it stands still because it was asked to
        is_silent = now_ms - source.last_packet_ms > limit_ms
        is_new = is_silent and not self._is_reported_silent
        self._is_reported_silent = is_silent
        if is_new:
            self.feed.interrupt()
        return is_new

    def needs_conversion(self, viewer: Viewer) -> bool:
        """Tell whether this viewer cannot show the stream as it is."""
        if self.feed.codec != StreamType.H265:
            return False
        codecs = viewer.ticket.codecs if viewer.ticket is not None else ()
        return not any(codec.startswith(("hvc1", "hev1")) for codec in codecs)

    def show(self, viewer: Viewer, feed: Feed) -> None:
        """Join a viewer to a feed and to no other."""
        if viewer in feed.outlets:
            return
        self._leave_feeds(viewer)
        feed.join(viewer)

    def leave(self, viewer: Viewer) -> None:
        """A viewer is gone."""
        self.viewers.discard(viewer)
        self._leave_feeds(viewer)
        self.choose_sound()

    def resume(self, viewer: Viewer) -> None:
        """Send a viewer what it missed since the last key picture."""
        for feed in self._feeds():
            if viewer in feed.outlets:
                viewer.send_text(text_frame({"type": "gap", "reason": "paused"}))
                feed.catch_up(viewer)

    def turn_away(self, reason: str) -> int:
        """Tell every viewer to ask for a picture again; return how many."""
        viewers = list(self.viewers)
        for viewer in viewers:
            viewer.end(reason)
        return len(viewers)

    async def stop_transcode(self) -> None:
        """End the conversion, if there is one."""
        transcoder = self.transcoder
        if transcoder is not None:
            self.forget_transcode("restart")
            await transcoder.close()

    def forget_transcode(self, reason: str) -> None:
        """The conversion ended; its viewers are told to come again."""
        transcoder, self.transcoder = self.transcoder, None
        if self.source is not None:
            self.source.tap = None
        if transcoder is not None:
            for viewer in list(self.viewers):
                if viewer in transcoder.feed.outlets:
                    viewer.end(reason)

    def say_status(self, now: float, now_ms: float) -> None:
        """Tell viewers how old the picture is; `now` epoch seconds, `now_ms` monotonic."""
        if not self.viewers:
            return
        bitrate_bps = self.source.bitrate_bps if self.source is not None else 0.0
        told: dict[int, bytes] = {}
        for viewer in self.viewers:
            viewer.measure(bitrate_bps)
            feed = next((feed for feed in self._feeds() if viewer in feed.outlets), self.feed)
            frame = told.get(id(feed))
            if frame is None:
                frame = told[id(feed)] = text_frame(self._status(feed, now, now_ms))
            viewer.send_text(frame)

    def _status(self, feed: Feed, now: float, now_ms: float) -> Message:
        state = self._state(now_ms)
        wall_ms = round(now * 1000.0 - (now_ms - feed.last_picture_ms)) if feed.last_picture_ms >= 0 else None
        return {
            "type": "status",
            "wall_ms": wall_ms,
            "media_time": feed.media_time / 90_000,
            "state": state,
            "reason": self._reason(),
            "converted": feed.is_converted,
            **self.feed.more_status(),
            "stream": channel_of_stream(self.stream_id)[1].value,
        }

    def _state(self, now_ms: float) -> str:
        if self.source is None:
            return "starting" if self.feed.last_picture_ms < 0 else "stale"
        return self.source.state(now_ms)

    def _reason(self) -> str:
        return self.source.reason() if self.source is not None else ""

    def stats(self, now: float, now_ms: float) -> Message:
        """Return what the control process keeps of this stream."""
        feed, source = self.feed, self.source
        sps = feed.sets.sps if feed.sets is not None else None
        content: Message = {
            "stream_id": self.stream_id,
            "state": self._state(now_ms) if source is not None else "idle",
            "reason": self._reason(),
            "viewers": len(self.viewers),
            "codec": _CODEC_NAMES.get(feed.codec, ""),
            "width": sps.width if sps is not None else 0,
            "height": sps.height if sps is not None else 0,
            "last_picture_at": now - (now_ms - feed.last_picture_ms) / 1000.0 if feed.last_picture_ms >= 0 else None,
            "key_interval_ms": round(feed.key_interval_ms),
            "pictures": feed.pictures,
            "withheld": feed.withheld,
            "loss_share": self.loss_share,
            "converted": self.transcoder is not None,
            "bitrate_bps": 0,
            **feed.more_status(),
        }
        if source is not None:
            receiver = source.receiver
            content |= {
                "bitrate_bps": round(source.bitrate_bps),
                "received_bytes": source.received_bytes,
                "packets": receiver.packets,
                "lost": receiver.reorder.lost,
                "reordered": receiver.reorder.reordered,
                "late": receiver.reorder.late,
                "damaged": receiver.damaged,
                "resyncs": receiver.resyncs,
                "kernel_drops": self.kernel_drops,
                "strangers": self._strangers(),
                "buffer_bytes": self._granted_bytes(),
            }
        return content

    def _granted_bytes(self) -> int:
        port = self.udp or self.shared
        return port.granted_bytes if port is not None else 0

    def _strangers(self) -> int:
        port = self.udp or self.listener or self.shared
        return port.strangers if port is not None else 0

    def _feeds(self) -> tuple[Feed, ...]:
        return (self.feed,) if self.transcoder is None else (self.feed, self.transcoder.feed)

    def _leave_feeds(self, viewer: Viewer) -> None:
        for feed in self._feeds():
            feed.leave(viewer)
