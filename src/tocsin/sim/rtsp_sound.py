"""The sound of a simulated RTSP camera: a tone as G.711 A-law, or as AAC (needs the extra `tocsin[picture]`)."""

from __future__ import annotations

import math
import struct
from typing import Final

from tocsin.protocols.rtp.audio import AAC_FRAME_SAMPLES, encode_a_law
from tocsin.protocols.rtp.packet import SenderReport, build_sender_report

G711_HZ: Final = 8000
G711_PACKET: Final = 160  # samples, 20 ms
AAC_HZ: Final = 16_000
AAC_FRAMES: Final = 64
TONE_HZ: Final = 500
_SSRC: Final = 0x51A7_0002


class SimSound:
    """Packets of a tone for the time asked for; `codec` is pcma or aac."""

    def __init__(self, codec: str = "pcma") -> None:
        self.codec = codec
        self.rate_hz = AAC_HZ if codec == "aac" else G711_HZ
        self._config = b""
        self._frames: list[bytes] = []
        if codec == "aac":
            from tocsin.sim.aac_tone import aac_loop  # here, so that this module can be imported without the extra

            self._config, self._frames = aac_loop(AAC_HZ, TONE_HZ, AAC_FRAMES)
        else:
            whole = [round(8000 * math.sin(2 * math.pi * TONE_HZ * n / G711_HZ)) for n in range(G711_PACKET)]
            self._frames = [encode_a_law(whole)]
        self._step = AAC_FRAME_SAMPLES if codec == "aac" else G711_PACKET
        self.begin()

    def begin(self) -> None:
        """Start again at the first sample."""
        self._number = 0
        self._sent = self._octets = 0

    def lines(self) -> list[str]:
        """Return its lines of the session description, without its control."""
        if self.codec == "aac":
            form = (
                f"streamtype=5;mode=AAC-hbr;config={self._config.hex()};sizelength=13;indexlength=3;indexdeltalength=3"
            )
            return ["m=audio 0 RTP/AVP 97", f"a=rtpmap:97 mpeg4-generic/{AAC_HZ}/1", f"a=fmtp:97 {form}"]
        return ["m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000"]

    def until(self, moment_s: float) -> list[bytes]:
        """Return the packets from where it stands up to `moment_s` of the stream."""
        packets = []
        while self._number * self._step < moment_s * self.rate_hz:
            frame = self._frames[self._number % len(self._frames)]
            payload, kind = frame, 8
            if self.codec == "aac":
                payload, kind = b"\x00\x10" + (len(frame) << 3).to_bytes(2, "big") + frame, 97
            stamp = self._number * self._step & 0xFFFFFFFF
            packets.append(struct.pack("!BBHII", 0x80, kind, self._number & 0xFFFF, stamp, _SSRC) + payload)
            self._number += 1
            self._sent += 1
            self._octets += len(payload)
        return packets

    def report(self, ntp: int, moment_s: float) -> bytes:
        """Return a sender report: what was heard at `moment_s` was heard at this time."""
        stamp = round(moment_s * self.rate_hz) & 0xFFFFFFFF
        return build_sender_report(SenderReport(_SSRC, ntp, stamp, self._sent, self._octets))
