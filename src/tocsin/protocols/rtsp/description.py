"""What a camera offers: the session description an RTSP server answers DESCRIBE with. Pure.

Source: RFC 4566; RFC 2326, appendix C (control URLs); RFC 6184, RFC 7798, RFC 3640 (format parameters).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from tocsin.protocols.rtp.nal import MAX_PARAMETER_SET_BYTES
from tocsin.protocols.rtp.payloads import AacUnpacker
from tocsin.protocols.rtp.ps import StreamType

MAX_TRACKS: Final = 16
MAX_LINES: Final = 1000

_VIDEO: Final = {"h264": int(StreamType.H264), "h265": int(StreamType.H265), "hevc": int(StreamType.H265)}
_STATIC: Final = {0: ("pcmu", 8000), 8: ("pcma", 8000), 26: ("jpeg", 90_000)}


@dataclass(frozen=True, slots=True)
class Track:
    """One media line: `kind` video, audio or application; `encoding` in lower case; `control` as it stands there."""

    kind: str
    payload_type: int
    encoding: str
    rate_hz: int
    control: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def video_codec(self) -> int:
        """The stream type when this is a picture we can show; 0 otherwise."""
        return _VIDEO.get(self.encoding, 0) if self.kind == "video" else 0

    @property
    def audio_codec(self) -> int:
        """The stream type when this is sound we can pass on; 0 otherwise."""
        if self.kind != "audio":
            return 0
        if self.encoding in ("pcma", "pcmu") and self.rate_hz == 8000:
            return int(StreamType.G711A if self.encoding == "pcma" else StreamType.G711U)
        return int(StreamType.AAC) if self.encoding == "mpeg4-generic" and self.aac() is not None else 0

    def aac(self) -> AacUnpacker | None:
        """Return how to unpack this AAC track; None when its parameters cannot be read."""
        try:
            return AacUnpacker(
                bytes.fromhex(self.parameters.get("config", "")),
                size_bits=int(self.parameters.get("sizelength", "13")),
                index_bits=int(self.parameters.get("indexlength", "3")),
            )
        except ValueError:
            return None

    def sets(self) -> tuple[bytes, ...]:
        """Return the parameter sets the description names, in the order they must stand."""
        names = ("sprop-vps", "sprop-sps", "sprop-pps") if self.encoding != "h264" else ("sprop-parameter-sets",)
        found: list[bytes] = []
        for name in names:
            for word in self.parameters.get(name, "").split(","):
                try:
                    made = b64decode(word + "=" * (-len(word) % 4), validate=True)
                except (binascii.Error, ValueError):
                    continue
                if 1 < len(made) <= MAX_PARAMETER_SET_BYTES and len(found) < 8:
                    found.append(made)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Description:
    """The tracks of a session, in order, and the session's own control."""

    tracks: tuple[Track, ...]
    control: str = ""

    def video(self) -> Track | None:
        """Return the first track with a picture we can show."""
        return next((track for track in self.tracks if track.video_codec), None)

    def audio(self) -> Track | None:
        """Return the first track with sound we can pass on."""
        return next((track for track in self.tracks if track.audio_codec), None)


def read_description(body: bytes) -> Description:
    """Read a description; what cannot be understood is left out."""
    control = ""
    tracks: list[Track] = []
    for raw in body.decode("utf-8", "replace").splitlines()[:MAX_LINES]:
        kind, equals, value = raw.strip().partition("=")
        if not equals:
            continue
        if kind == "m" and len(tracks) < MAX_TRACKS:
            tracks.append(_track(value))
        elif kind == "a":
            name, _, said = value.partition(":")
            name = name.strip().lower()
            if name == "control" and not tracks:
                control = said.strip()
            elif tracks:
                tracks[-1] = _with(tracks[-1], name, said.strip())
    return Description(tuple(tracks), control)


def resolve(base: str, control: str) -> str:
    """Return the URL a control names, which may be absolute, relative, or `*` for the base itself."""
    if control in ("", "*"):
        return base
    if urlsplit(control).scheme:
        return control
    if control.startswith("/"):
        return urljoin(base, control)
    # Most servers expect plain joining, a query in the base included.
    return f"{base.rstrip('/')}/{control}"


def _track(value: str) -> Track:
    words = value.split()
    kind = words[0].lower() if words else ""
    number = words[3] if len(words) > 3 else ""
    payload_type = int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else -1
    encoding, rate_hz = _STATIC.get(payload_type, ("", 90_000 if kind == "video" else 8000))
    return Track(kind, payload_type, encoding, rate_hz)


def _with(track: Track, name: str, said: str) -> Track:
    if name == "control":
        return Track(track.kind, track.payload_type, track.encoding, track.rate_hz, said[:1024], track.parameters)
    number, _, rest = said.partition(" ")
    if number != str(track.payload_type):
        return track
    if name == "rtpmap":
        encoding, _, rate = rest.strip().partition("/")
        rate = rate.partition("/")[0]
        rate_hz = int(rate) if rate.isascii() and rate.isdigit() and len(rate) <= 7 else track.rate_hz
        return Track(track.kind, track.payload_type, encoding.lower()[:32], rate_hz, track.control, track.parameters)
    if name == "fmtp":
        parameters = dict(track.parameters)
        for pair in rest.split(";")[:64]:
            key, _, word = pair.strip().partition("=")
            parameters[key.lower()] = word.strip()
        return Track(track.kind, track.payload_type, track.encoding, track.rate_hz, track.control, parameters)
    return track
