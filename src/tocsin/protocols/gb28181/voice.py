"""Voice to devices: the broadcast documents, which ids a broadcast may be addressed to, and the SDP of voice. Pure.

Broadcast: we notify, the device answers and then invites us; talk (2016): we invite the device with `s=Talk`.

Source: GB/T 28181-2022, "Voice broadcast and talk"; GB/T 28181-2016, the same with `s=Talk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import is_standard
from tocsin.protocols.gb28181.manscdp import Document, Element, document_of, result_response
from tocsin.protocols.sip.sdp import PLACEHOLDER_PORT, MediaLine, MediaMode, Sdp

BROADCAST: Final = "Broadcast"
VOICE_OUTPUT: Final = 137
PCMA: Final = "8"
PS: Final = "96"
FORMAT: Final = "v/////a/1/8/1"  # G.711, 64 kbit/s, 8 kHz; no video


class Payload(StrEnum):
    """How the sound is packed: G.711 A as it is, or inside a program stream."""

    RAW = "raw"
    PS = "ps"


class Target(StrEnum):
    """What a broadcast is addressed to; devices differ in which one they answer."""

    VOICE = "voice"
    CHANNEL = "channel"
    DEVICE = "device"


def broadcast_notify(sn: int, source_id: str, target_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the call to a device to fetch sound from us."""
    fields = (("CmdType", BROADCAST), ("SN", str(sn)), ("SourceID", source_id), ("TargetID", target_id))
    return document_of(Element("Notify", children=tuple(Element(name, text) for name, text in fields)), label)


def broadcast_response(sn: int | None, device_id: str, *, is_ok: bool, label: Label = Label.GB2312) -> bytes:
    """Return a device's answer to a broadcast."""
    return result_response(BROADCAST, sn or 0, device_id, is_ok=is_ok, label=label)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A broadcast as a device reads it."""

    sn: int | None
    source_id: str
    target_id: str


def read_broadcast(document: Document) -> Broadcast | None:
    """Return the broadcast of a notification; None for any other document."""
    if document.kind != "notify" or document.cmd_type.lower() != BROADCAST.lower():
        return None
    root = document.root
    return Broadcast(document.sn, root.get("SourceID"), root.get("TargetID") or root.get("DeviceID"))


def targets(
    channel_id: str, device_id: str, voice_ids: Sequence[str] = (), first: str = ""
) -> tuple[tuple[Target, str], ...]:
    """Return the ids to address one after the other: what the device answered before (`first`), then its voice outputs,
    the channel, the device itself. A device that lists no voice output is tried by the id one would have.
    """
    voices = list(voice_ids)
    if not voices and is_standard(channel_id):
        voices = [f"{channel_id[:10]}{VOICE_OUTPUT}{channel_id[13:]}"]
        found = [(Target.CHANNEL, channel_id), (Target.VOICE, voices[0]), (Target.DEVICE, device_id)]
    else:
        found = [*((Target.VOICE, one) for one in voices[:2]), (Target.CHANNEL, channel_id), (Target.DEVICE, device_id)]
    found.sort(key=lambda pair: pair[0].value != first)
    kinds: dict[str, Target] = {}
    for kind, gb_id in found:
        kinds.setdefault(gb_id, kind)
    return tuple((kind, gb_id) for gb_id, kind in kinds.items())


@dataclass(frozen=True, slots=True)
class VoiceOffer:
    """What a device that invites us wants: where its sound goes, over what, and packed how."""

    mode: MediaMode  # our side: udp we send there, tcp_passive it connects, tcp_active we connect
    ip: str
    port: int
    ssrc: int | None
    payloads: tuple[Payload, ...]
    encodings: tuple[tuple[Payload, str], ...]

    def number_of(self, payload: Payload) -> int:
        """Return the payload type it uses for this packing."""
        return int(dict(self.encodings).get(payload, PCMA if payload is Payload.RAW else PS))


def read_offer(sdp: Sdp) -> VoiceOffer | None:
    """Return what a device offers or answers for voice; None without G.711 A, in PS or not, or without a port."""
    line = next((line for line in sdp.media if line.kind == "audio"), None) or sdp.video
    if line is None:
        return None
    packed: dict[Payload, str] = {}
    names = line.encodings
    for number in line.formats:
        name = names.get(int(number), "").partition("/")[0].upper() if number.isascii() and number.isdigit() else ""
        if (number == PCMA and name in ("", "PCMA")) or name == "PCMA":
            packed.setdefault(Payload.RAW, number)
        elif name == "PS" or (number == PS and not name):
            packed.setdefault(Payload.PS, number)
    ip = line.connection or sdp.connection or sdp.origin_ip
    mode = MediaMode.UDP
    if line.is_tcp:
        setup = line.attribute("setup") or sdp.attribute("setup") or "active"
        mode = MediaMode.TCP_ACTIVE if setup == "passive" else MediaMode.TCP_PASSIVE
    if not packed or not ip or (line.port == 0 and mode is not MediaMode.TCP_PASSIVE):
        return None
    return VoiceOffer(mode, ip, line.port, sdp.ssrc, tuple(packed), tuple(packed.items()))


def broadcast_offer(*, own_id: str, ip: str, port: int, mode: MediaMode, ssrc: int | None, payload: Payload) -> Sdp:
    """Return the offer of a device that invites a platform to speak; `mode` as the platform sees it."""
    line = _line(port, mode, payload, "recvonly", "active" if mode is MediaMode.TCP_PASSIVE else "passive")
    return Sdp(own_id, ip, "Play", connection=ip, media=(line,), ssrc=ssrc, format=FORMAT)


def voice_answer(offer: VoiceOffer, *, own_id: str, ip: str, port: int, ssrc: int, payload: Payload) -> Sdp:
    """Return our answer to a device that invited us: we send, with the roles inverted."""
    setup = "passive" if offer.mode is MediaMode.TCP_PASSIVE else "active"
    line = _line(port, offer.mode, payload, "sendonly", setup, str(offer.number_of(payload)))
    return Sdp(own_id, ip, "Play", connection=ip, media=(line,), ssrc=ssrc, format=FORMAT)


def talk_offer(*, own_id: str, ip: str, port: int, mode: MediaMode, ssrc: int) -> Sdp:
    """Return the offer of a talk as the 2016 edition knows it: both ways, G.711 A."""
    used_port = PLACEHOLDER_PORT if mode is MediaMode.TCP_ACTIVE else port
    setup = "passive" if mode is MediaMode.TCP_PASSIVE else "active"
    line = _line(used_port, mode, Payload.RAW, "sendrecv", setup)
    return Sdp(own_id, ip, "Talk", connection=ip, media=(line,), ssrc=ssrc, format=FORMAT)


def talk_answer(offer: Sdp, *, own_id: str, ip: str, port: int, ssrc: int | None) -> Sdp | None:
    """Return a device's answer to a talk; None when the offer has no audio line."""
    asked = next((line for line in offer.media if line.kind == "audio"), None)
    if asked is None:
        return None
    mode = MediaMode.TCP_PASSIVE if asked.is_tcp else MediaMode.UDP
    setup = "passive" if asked.attribute("setup") == "active" else "active"
    line = _line(port, mode, Payload.RAW, "sendrecv", setup)
    return Sdp(own_id, ip, "Talk", connection=ip, media=(line,), ssrc=ssrc, format=FORMAT)


def _line(port: int, mode: MediaMode, payload: Payload, direction: str, setup: str, number: str = "") -> MediaLine:
    number = number or (PCMA if payload is Payload.RAW else PS)
    name = "PCMA/8000" if payload is Payload.RAW else "PS/90000"
    attributes = [(direction, ""), ("rtpmap", f"{number} {name}")]
    if mode is not MediaMode.UDP:
        attributes += [("setup", setup), ("connection", "new")]
    protocol = "RTP/AVP" if mode is MediaMode.UDP else "TCP/RTP/AVP"
    return MediaLine("audio", port, protocol, (number,), tuple(attributes))
