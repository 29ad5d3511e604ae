"""SDP as GB/T 28181 uses it: the y= and f= lines, tolerant reading, offers and the judgement of an answer.

Source: RFC 4566; RFC 4145 (setup, connection); GB/T 28181, "SDP" and "Media transport".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_SDP_BYTES: Final = 16_384
MAX_LINES: Final = 256
MAX_MEDIA: Final = 16
_PORT: Final = re.compile(r"\d{1,5}\Z")
_SSRC: Final = re.compile(r"\d{1,10}\Z")
_IPV4: Final = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}\Z")
PLACEHOLDER_PORT: Final = 9


class MediaMode(StrEnum):
    """How the picture travels, seen from us as the receiver."""

    UDP = "udp"
    TCP_PASSIVE = "tcp_passive"
    TCP_ACTIVE = "tcp_active"


@dataclass(frozen=True, slots=True)
class MediaLine:
    """One m= line with its attributes."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    connection: str = ""

    def attribute(self, name: str) -> str | None:
        """Return the last value of an attribute ("" for a bare one), or None."""
        for key, value in reversed(self.attributes):
            if key == name:
                return value
        return None

    @property
    def is_tcp(self) -> bool:
        return "TCP" in self.protocol.upper()

    @property
    def encodings(self) -> dict[int, str]:
        """Payload type -> encoding as written in rtpmap ("PS/90000")."""
        found: dict[int, str] = {}
        for key, value in self.attributes:
            number, _, encoding = value.partition(" ")
            if key == "rtpmap" and number.isascii() and number.isdigit() and len(number) <= 3:
                found[int(number)] = encoding.strip()
        return found


@dataclass(frozen=True, slots=True)
class Sdp:
    """A session description; absent parts are empty."""

    origin_user: str = ""
    origin_ip: str = ""
    name: str = ""
    uri: str = ""
    connection: str = ""
    times: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[str, str], ...] = ()
    media: tuple[MediaLine, ...] = ()
    ssrc: int | None = None
    format: str = ""

    @property
    def video(self) -> MediaLine | None:
        """The first video line, else the first line of any kind."""
        return next((line for line in self.media if line.kind == "video"), self.media[0] if self.media else None)

    def attribute(self, name: str) -> str | None:
        """Return a session attribute, or None."""
        for key, value in reversed(self.attributes):
            if key == name:
                return value
        return None

    def encode(self) -> bytes:
        """Return the lines in the order of the standard, CRLF ended."""
        ip = self.connection or self.origin_ip
        lines = ["v=0", f"o={self.origin_user or '-'} 0 0 IN IP4 {self.origin_ip or ip}", f"s={self.name or '-'}"]
        if self.uri:
            lines.append(f"u={self.uri}")
        if ip:
            lines.append(f"c=IN IP4 {ip}")
        lines.append(f"t={self.times[0]} {self.times[1]}")
        lines += [_attribute_line(key, value) for key, value in self.attributes]
        for media in self.media:
            lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            if media.connection:
                lines.append(f"c=IN IP4 {media.connection}")
            lines += [_attribute_line(key, value) for key, value in media.attributes]
        if self.ssrc is not None:
            lines.append(f"y={self.ssrc:010d}")
        if self.format:
            lines.append(f"f={self.format}")
        text = "\r\n".join(lines)
        if "\n" in text.replace("\r\n", "") or "\0" in text:
            raise ValueError("an SDP value may not hold a line break")
        return text.encode("utf-8", "surrogateescape") + b"\r\n"


@dataclass(frozen=True, slots=True)
class BadSdp:
    """A body that describes no media; `reason` is a short word for the log."""

    reason: str


def parse_sdp(body: bytes) -> Sdp | BadSdp:
    """Read a description tolerantly: unknown lines are skipped and the last of a repeated line wins."""
    if len(body) > MAX_SDP_BYTES:
        return BadSdp("too large")
    text = body.decode("utf-8", "surrogateescape").replace("\0", "")
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        return BadSdp("too many lines")
    session: dict[str, str] = {}
    attributes: list[tuple[str, str]] = []
    media: list[MediaLine] = []
    for line in lines:
        kind, equals, value = line.strip().partition("=")
        value = value.strip()
        if not equals or len(kind) != 1:
            continue
        if kind == "m":
            found = _media(value)
            if found is not None and len(media) < MAX_MEDIA:
                media.append(found)
        elif kind == "a":
            pair = _attribute(value)
            if media:
                media[-1] = _with(media[-1], attributes=(*media[-1].attributes, pair))
            else:
                attributes.append(pair)
        elif kind == "c" and media:
            media[-1] = _with(media[-1], connection=_address(value))
        else:
            session[kind] = value
    if not media:
        return BadSdp("no media line")
    origin = session.get("o", "").split()
    ssrc = session.get("y", "")
    return Sdp(
        origin_user=origin[0] if origin else "",
        origin_ip=_address(" ".join(origin[3:6])),
        name=session.get("s", ""),
        uri=session.get("u", ""),
        connection=_address(session.get("c", "")),
        times=_times(session.get("t", "")),
        attributes=tuple(attributes),
        media=tuple(media),
        ssrc=int(ssrc) & 0xFFFFFFFF if _SSRC.match(ssrc) and ssrc.isascii() and int(ssrc) < 1 << 32 else None,
        format=session.get("f", ""),
    )


def make_offer(
    *,
    own_id: str,
    ip: str,
    port: int,
    mode: MediaMode,
    ssrc: int | None,
    stream_number: int | None = None,
    choice: Sequence[tuple[str, str]] = (),
    wide: bool = False,
) -> Sdp:
    """Return the offer of a live play.

    With TCP active the port is a placeholder, because we connect. `wide` adds the payload types some recorders insist
    on. `stream_number` asks for the main (0) or sub (1) stream as the standard says, `choice` in a device's own words.
    """
    types = ("96", "126", "125", "99", "34", "98", "97") if wide else ("96", "98", "97", "99")
    attributes: list[tuple[str, str]] = [("recvonly", "")]
    names = {"96": "PS/90000", "98": "H264/90000", "97": "MPEG4/90000", "99": "H265/90000"}
    attributes += [("rtpmap", f"{number} {names[number]}") for number in ("96", "98", "97", "99") if number in types]
    if mode is not MediaMode.UDP:
        attributes += [("setup", "passive" if mode is MediaMode.TCP_PASSIVE else "active"), ("connection", "new")]
    if stream_number is not None:
        attributes.append(("streamnumber", str(stream_number)))
    attributes += choice
    protocol = "RTP/AVP" if mode is MediaMode.UDP else "TCP/RTP/AVP"
    used_port = PLACEHOLDER_PORT if mode is MediaMode.TCP_ACTIVE else port
    line = MediaLine("video", used_port, protocol, types, tuple(attributes))
    return Sdp(origin_user=own_id, origin_ip=ip, name="Play", connection=ip, media=(line,), ssrc=ssrc)


def make_answer(offer: Sdp, *, own_id: str, ip: str, port: int, ssrc: int | None) -> Sdp:
    """Return a camera's answer: same transport, role inverted, sending PS."""
    asked = offer.video
    attributes: list[tuple[str, str]] = [("sendonly", ""), ("rtpmap", "96 PS/90000")]
    protocol = "RTP/AVP"
    if asked is not None and asked.is_tcp:
        protocol = "TCP/RTP/AVP"
        setup = "passive" if asked.attribute("setup") == "active" else "active"
        attributes += [("setup", setup), ("connection", "new")]
    line = MediaLine("video", port, protocol, ("96",), tuple(attributes))
    return Sdp(origin_user=own_id, origin_ip=ip, name=offer.name or "Play", connection=ip, media=(line,), ssrc=ssrc)


class AnswerProblem(StrEnum):
    """Why an answer cannot be used."""

    NO_SDP = "no_sdp"
    REFUSED_MEDIA = "refused_media"
    OTHER_TRANSPORT = "other_transport"
    SAME_ROLE = "same_role"
    PRIVATE_FORMAT = "private_format"
    NO_ADDRESS = "no_address"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means for us: where the media is and which SSRC it will carry."""

    ip: str
    port: int
    ssrc: int | None
    format: str
    adopted_ssrc: bool = False
    no_role: bool = False


def judge_answer(offer: Sdp, body: bytes, mode: MediaMode) -> Answer | AnswerProblem:
    """Read the answer to our offer: a missing role counts as inverted, a missing y= as ours, another y= as theirs."""
    answer = parse_sdp(body)
    if isinstance(answer, BadSdp):
        return AnswerProblem.NO_SDP
    line = answer.video
    if line is None or line.port == 0:
        return AnswerProblem.REFUSED_MEDIA
    if line.is_tcp != (mode is not MediaMode.UDP):
        return AnswerProblem.OTHER_TRANSPORT
    setup = line.attribute("setup") or answer.attribute("setup") or ""
    ours = {MediaMode.TCP_PASSIVE: "passive", MediaMode.TCP_ACTIVE: "active"}.get(mode, "")
    if ours and setup == ours:
        return AnswerProblem.SAME_ROLE
    name = next((text for number, text in line.encodings.items() if str(number) == line.formats[0]), "")
    word = name.partition("/")[0].upper()
    if word in ("HIKVISION", "DAHUA"):
        return AnswerProblem.PRIVATE_FORMAT
    ip = line.connection or answer.connection or answer.origin_ip
    if mode is MediaMode.TCP_ACTIVE and not ip:
        return AnswerProblem.NO_ADDRESS
    ssrc = answer.ssrc if answer.ssrc is not None else offer.ssrc
    return Answer(ip, line.port, ssrc, name, ssrc != offer.ssrc, bool(ours) and not setup)


def _media(value: str) -> MediaLine | None:
    parts = value.split()
    if len(parts) < 4:
        return None
    port = parts[1].partition("/")[0]
    if not port.isascii() or not _PORT.match(port) or int(port) > 65_535:
        return None
    return MediaLine(parts[0].lower(), int(port), parts[2], tuple(parts[3:32]))


def _attribute(value: str) -> tuple[str, str]:
    name, colon, rest = value.partition(":")
    return (name.strip(), rest.strip()) if colon else (value.strip(), "")


def _attribute_line(name: str, value: str) -> str:
    return f"a={name}:{value}" if value else f"a={name}"


def _address(value: str) -> str:
    parts = value.split()
    text = parts[2].partition("/")[0] if len(parts) >= 3 else ""
    if not text.isascii() or not _IPV4.match(text):
        return ""
    return text if all(int(part) <= 255 for part in text.split(".")) else ""


def _times(value: str) -> tuple[int, int]:
    parts = value.split()
    numbers = [int(part) for part in parts[:2] if part.isascii() and part.isdigit() and len(part) <= 12]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


def _with(
    line: MediaLine, *, attributes: tuple[tuple[str, str], ...] | None = None, connection: str | None = None
) -> MediaLine:
    return MediaLine(
        line.kind,
        line.port,
        line.protocol,
        line.formats,
        line.attributes if attributes is None else attributes,
        line.connection if connection is None else connection,
    )
