"""An intercom's INVITE read and answered: emergency or not, G.711 offered, session timers.

Source: RFC 3261, RFC 3264 (offer and answer), RFC 4028 (session timers), RFC 4733 (telephone-event); alarm reference,
SIP door intercoms.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.protocols.sip.message import Headers, Request, readable
from tocsin.protocols.sip.sdp import BadSdp, MediaLine, Sdp, parse_sdp

SESSION_S: Final = 1800
LEAST_SESSION_S: Final = 90
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, INFO, UPDATE, PRACK, OPTIONS, MESSAGE"
_SECRETS: Final = frozenset({"authorization", "proxy-authorization"})
_MIRRORED: Final = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_STATIC: Final = {"8": "PCMA/8000", "0": "PCMU/8000"}
_SESSION: Final = re.compile(r"\s*(\d{1,9})\s*(?:;(.*))?\Z")


class Codec(StrEnum):
    """A form of G.711."""

    PCMA = "pcma"
    PCMU = "pcmu"


@dataclass(frozen=True, slots=True)
class Video:
    """A picture an intercom would send: H.264 over plain RTP, under that payload type. `kept`: what of its format
    parameters an answer repeats.
    """

    place: int
    payload_type: int
    kept: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The sound an intercom offers: where it listens, how it packs, which payload type its tones have (-1: none).

    `lines` is the whole offer: an answer has as many lines, those that are not taken with port 0.
    """

    ip: str
    port: int
    codec: Codec
    payload_type: int
    event_type: int
    direction: str
    place: int
    lines: tuple[MediaLine, ...]
    video: Video | None = None


def read_offer(body: bytes) -> Offer | None:
    """Return the first line of sound we can take, G.711 over plain RTP; None when there is none."""
    sdp = parse_sdp(body)
    if isinstance(sdp, BadSdp):
        return None
    for place, line in enumerate(sdp.media):
        if line.kind != "audio" or line.port == 0 or line.protocol.upper() not in ("RTP/AVP", "RTP/AVPF"):
            continue
        named = {number: line.encodings.get(int(number), _STATIC.get(number, "")) for number in _numbers(line)}
        chosen = next(((n, codec) for n, name in named.items() if (codec := _codec(name)) is not None), None)
        if chosen is None:
            continue
        events = [int(n) for n, name in named.items() if name.upper().startswith("TELEPHONE-EVENT/8000")]
        ip = line.connection or sdp.connection or sdp.origin_ip
        direction = next((name for name in (*_MIRRORED, "sendrecv") if _has(sdp, line, name)), "sendrecv")
        event_type = events[0] if events else -1
        video = _video_of(sdp)
        return Offer(ip, line.port, chosen[1], int(chosen[0]), event_type, direction, place, sdp.media, video)
    return None


def _video_of(sdp: Sdp) -> Video | None:
    """Return the first line of H.264 that it would send, in a packing we read: not interleaved (RFC 6184)."""
    for place, line in enumerate(sdp.media):
        is_plain = line.protocol.upper() in ("RTP/AVP", "RTP/AVPF")
        if line.kind != "video" or line.port == 0 or not is_plain or _has(sdp, line, "recvonly"):
            continue
        if _has(sdp, line, "inactive"):
            continue
        for number in _numbers(line):
            if not line.encodings.get(int(number), "").upper().startswith("H264/90000"):
                continue
            told = next((text for key, text in line.attributes if key == "fmtp" and text.split(" ")[0] == number), "")
            parts = [part.strip() for part in told.partition(" ")[2].split(";")]
            kept = [part for part in parts if part.lower().startswith(("profile-level-id=", "packetization-mode="))]
            if "packetization-mode=2" not in kept:
                return Video(place, int(number), ";".join(kept))
    return None


def make_answer(offer: Offer, ip: str, port: int, video_port: int = 0) -> Sdp:
    """Return our answer: the sound taken, the picture too when it has a port, everything else declined."""
    number = str(offer.payload_type)
    attributes = [("rtpmap", f"{number} {offer.codec.value.upper()}/8000")]
    formats = [number]
    if offer.event_type >= 0:
        formats.append(str(offer.event_type))
        attributes += [
            ("rtpmap", f"{offer.event_type} telephone-event/8000"),
            ("fmtp", f"{offer.event_type} 0-15"),
        ]
    attributes += [("ptime", "20"), (_MIRRORED.get(offer.direction, "sendrecv"), "")]
    lines = []
    for place, line in enumerate(offer.lines):
        if place == offer.place:
            lines.append(MediaLine("audio", port, line.protocol, tuple(formats), tuple(attributes)))
        elif offer.video is not None and place == offer.video.place and video_port:
            lines.append(_video_line(offer.video, line.protocol, video_port))
        else:
            lines.append(MediaLine(line.kind, 0, line.protocol, line.formats[:1]))
    return Sdp(origin_ip=ip, name="Tocsin", connection=ip, media=tuple(lines))


def _video_line(video: Video, protocol: str, port: int) -> MediaLine:
    number = str(video.payload_type)
    attributes = [("rtpmap", f"{number} H264/90000"), *([("fmtp", f"{number} {video.kept}")] if video.kept else [])]
    return MediaLine("video", port, protocol, (number,), (*attributes, ("recvonly", "")))


def is_emergency(request: Request, numbers: Collection[str]) -> bool:
    """Say whether a call is an SOS: an emergency number or service, `Priority: emergency`, or an Alert-Info of one."""
    called = {request.uri_user.lower(), request.to_user.lower()} - {""}
    if called & {number.lower() for number in numbers} or request.uri.lower().startswith("urn:service:sos"):
        return True
    if request.headers.get("priority").strip().lower() == "emergency":
        return True
    alert = request.headers.get("alert-info").lower()
    return "emergency" in alert or "sos" in re.split(r"[^a-z]+", alert)


def called_of(request: Request) -> str:
    """Return the number that was called, as people may read it."""
    return readable(request.uri_user or request.to_user)[:64]


def for_evidence(request: Request) -> bytes:
    """Return the request without what proves the password."""
    fields = [(name, value) for name, value in request.headers if name not in _SECRETS]
    return Request(request.method, request.uri, Headers(fields), request.body).encode()


# --- session timers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """How long a call may last without a refresh, in seconds, and who refreshes it."""

    expires_s: int
    we_refresh: bool = False

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What the 200 carries."""
        refresher = "uas" if self.we_refresh else "uac"
        return [
            ("Supported", "timer"),
            ("Require", "timer"),
            ("Session-Expires", f"{self.expires_s};refresher={refresher}"),
        ]


@dataclass(frozen=True, slots=True)
class TooBrief:
    """The interval asked for is shorter than we take: 422 with Min-SE."""

    least_s: int = LEAST_SESSION_S


def session_timer(request: Request) -> SessionTimer | TooBrief | None:
    """Return the timer of a call; None when the caller knows none, or wants us to refresh and cannot be refreshed.

    Source: RFC 4028, "UAS Behavior".
    """
    knows = "timer" in _words(request, "supported")
    match = _SESSION.match(request.headers.get("session-expires"))
    if match is None:
        return SessionTimer(SESSION_S) if knows else None
    if int(match[1]) < LEAST_SESSION_S:
        return TooBrief()
    expires_s = min(int(match[1]), 86_400)
    wishes = dict(part.strip().lower().partition("=")[::2] for part in (match[2] or "").split(";"))
    refresher = wishes.get("refresher", "").strip() or ("uac" if knows else "uas")
    if refresher == "uac":
        return SessionTimer(expires_s)
    return SessionTimer(expires_s, we_refresh=True) if "update" in _words(request, "allow") else None


def _words(request: Request, name: str) -> set[str]:
    return {word.strip().lower() for value in request.headers.all(name) for word in value.split(",")}


def _numbers(line: MediaLine) -> list[str]:
    return [text for text in line.formats if text.isascii() and text.isdigit() and int(text[:4]) < 128]


def _codec(name: str) -> Codec | None:
    word, _, rest = name.upper().partition("/")
    if rest not in ("8000", "8000/1"):
        return None
    return {"PCMA": Codec.PCMA, "PCMU": Codec.PCMU}.get(word)


def _has(sdp: Sdp, line: MediaLine, name: str) -> bool:
    own = next((key for key, _ in reversed(line.attributes) if key in _MIRRORED or key == "sendrecv"), "")
    return own == name if own else sdp.attribute(name) is not None
