"""MANSRTSP: how a recording is steered inside its call, and how its end is told. Both ways, pure.

The bodies travel in INFO and count by a CSeq of their own. Pause, speed and seek are separate: a body carries a Scale
or a Range, never both, because devices obey only one of them.

Source: GB/T 28181-2022, "Playback of recordings" and its annex on MANSRTSP; RFC 2326 for the form.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, build_document

CONTENT_TYPE: Final = "Application/MANSRTSP"
MAX_BYTES: Final = 4096
SCALES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
REVERSE: Final = -1.0
END_OF_FILE: Final = "121"
_REQUEST: Final = re.compile(r"(PLAY|PAUSE|TEARDOWN)\s+(?:\S+\s+)?(?:MANS)?RTSP/1\.0\Z", re.IGNORECASE | re.ASCII)
_RESPONSE: Final = re.compile(r"(?:MANS)?RTSP/1\.0\s+(\d{3})(?:\s.*)?\Z", re.IGNORECASE | re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,6})?\Z", re.ASCII)
_NPT: Final = re.compile(r"npt\s*=\s*(now|\d{1,9}(?:\.\d{1,6})?)?\s*-", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Play:
    """Go on: at a speed (`scale`, negative backwards), from a place (`npt_s` seconds from the start), or as before."""

    scale: float | None = None
    npt_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stand still."""


@dataclass(frozen=True, slots=True)
class Teardown:
    """End; the BYE follows."""


Steering = Play | Pause | Teardown


@dataclass(frozen=True, slots=True)
class BadSteering:
    """A body that cannot be read; `reason` is a short word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Steered:
    """What a device answered: the status, the speed it really plays at, and how RTP time maps to record time."""

    status: int
    cseq: int | None = None
    scale: float | None = None
    npt_s: float | None = None
    rtp_sequence: int | None = None
    rtp_time: int | None = None


def steering_body(steering: Steering, cseq: int) -> bytes:
    """Return the body of an INFO. Errors: ValueError for a speed and a place at once, or a speed that is none."""
    lines: list[str] = []
    if isinstance(steering, Pause):
        lines = ["PAUSE RTSP/1.0", f"CSeq: {cseq}", "PauseTime: now"]
    elif isinstance(steering, Teardown):
        lines = ["TEARDOWN RTSP/1.0", f"CSeq: {cseq}"]
    else:
        lines = ["PLAY RTSP/1.0", f"CSeq: {cseq}"]
        if steering.scale is not None and steering.npt_s is not None:
            raise ValueError("a speed and a place go in two messages")
        if steering.scale is not None:
            if not math.isfinite(steering.scale) or steering.scale == 0:
                raise ValueError("a speed is a number and not zero")
            lines.append(f"Scale: {steering.scale:g}" if steering.scale % 1 else f"Scale: {steering.scale:.1f}")
        elif steering.npt_s is not None:
            if not 0 <= steering.npt_s < 1e9:
                raise ValueError("a place lies after the start")
            lines.append(f"Range: npt={steering.npt_s:.3f}".rstrip("0").rstrip(".") + "-")
        else:
            lines.append("Range: npt=now-")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def read_steering(body: bytes) -> tuple[Steering, int | None] | BadSteering:
    """Read the body of an INFO, and its CSeq; a place before a speed when a sender put both."""
    parsed = _head(body)
    if isinstance(parsed, BadSteering):
        return parsed
    first, fields = parsed
    found = _REQUEST.match(first)
    if found is None:
        return BadSteering("method")
    cseq = _integer(fields.get("cseq", ""))
    word = found[1].upper()
    if word == "PAUSE":
        return Pause(), cseq
    if word == "TEARDOWN":
        return Teardown(), cseq
    range_text = fields.get("range", "")
    place = _NPT.search(range_text)
    if range_text and place is None:
        return BadSteering("range")
    npt_s = float(place[1]) if place is not None and place[1] and place[1].lower() != "now" else None
    if npt_s is not None:
        return Play(npt_s=npt_s), cseq
    if "scale" in fields:
        scale = _number(fields["scale"])
        return BadSteering("scale") if scale is None or scale == 0 else (Play(scale=scale), cseq)
    return Play(), cseq


def steered_body(answer: Steered) -> bytes:
    """Return the body of the 200 to an INFO, as devices that follow the standard send it."""
    lines = [f"RTSP/1.0 {answer.status} {'OK' if answer.status == 200 else 'Error'}"]
    if answer.cseq is not None:
        lines.append(f"CSeq: {answer.cseq}")
    if answer.scale is not None:
        lines.append(f"Scale: {answer.scale:g}")
    if answer.npt_s is not None:
        lines.append(f"Range: npt={answer.npt_s:.3f}-")
    if answer.rtp_time is not None:
        lines.append(f"RTP-Info: seq={answer.rtp_sequence or 0};rtptime={answer.rtp_time}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def read_steered(body: bytes) -> Steered | None:
    """Read what came with the 200 to an INFO; None when it says nothing, as most devices do."""
    parsed = _head(body)
    if isinstance(parsed, BadSteering):
        return None
    first, fields = parsed
    found = _RESPONSE.match(first)
    if found is None:
        return None
    place = _NPT.search(fields.get("range", ""))
    mapping = {
        name.strip().lower(): value.strip()
        for name, _, value in (part.partition("=") for part in fields.get("rtp-info", "").split(";"))
    }
    rtp_time = _integer(mapping.get("rtptime", ""))
    return Steered(
        status=int(found[1]),
        cseq=_integer(fields.get("cseq", "")),
        scale=_number(fields.get("scale", "")) or None,
        npt_s=float(place[1]) if place is not None and place[1] and place[1].lower() != "now" else None,
        rtp_sequence=_integer(mapping.get("seq", "")),
        rtp_time=rtp_time if rtp_time is not None and rtp_time < 1 << 32 else None,
    )


def media_status(sn: int, gb_id: str, notify_type: str = END_OF_FILE, label: Label = Label.GB2312) -> bytes:
    """Return the word that a file has been sent to its end."""
    return build_document("Notify", "MediaStatus", sn, gb_id, [("NotifyType", notify_type)], label=label)


def is_end_of_file(document: Document) -> bool:
    """True for a MediaStatus that tells the end of a file."""
    is_status = document.kind == "notify" and document.cmd_type.lower() == "mediastatus"
    return is_status and document.root.get("NotifyType", END_OF_FILE).strip() == END_OF_FILE


def _head(body: bytes) -> tuple[str, dict[str, str]] | BadSteering:
    if len(body) > MAX_BYTES:
        return BadSteering("too_large")
    lines = [line.strip() for line in body.decode("utf-8", "replace").replace("\0", "").splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        return BadSteering("empty")
    pairs = (line.partition(":") for line in lines[1:32])
    return lines[0], {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.match(text) else None
