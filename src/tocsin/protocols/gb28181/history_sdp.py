"""Offers and answers for recordings: SDP with s=Playback or s=Download. Pure.

    u=<channel>:<kind>   0 all, 1 manual, 2 alarm, 3 time
    t=<start> <stop>     Unix seconds, not NTP
    a=downloadspeed:<n>  in the offer of a download; a=filesize:<bytes> in its answer (2022)

Source: GB/T 28181-2022, "SDP" and "Download of recordings".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from tocsin.protocols.sip.sdp import BadSdp, MediaMode, Sdp, make_answer, make_offer, parse_sdp

PLAYBACK: Final = "Playback"
DOWNLOAD: Final = "Download"
DOWNLOAD_SPEED: Final = 4
MAX_FILE_BYTES: Final = 1 << 44


@dataclass(frozen=True, slots=True)
class HistoryWish:
    """Which recording is asked for. `uri_kind` and `origin_is_channel` are what some devices insist on."""

    channel_id: str
    starts: datetime
    ends: datetime
    is_download: bool = False
    speed: int = DOWNLOAD_SPEED
    uri_kind: int = 0
    origin_is_channel: bool = False
    stream_number: int | None = None


def history_offer(wish: HistoryWish, *, own_id: str, ip: str, port: int, mode: MediaMode, ssrc: int) -> Sdp:
    """Return the offer of a playback or a download."""
    live = make_offer(
        own_id=wish.channel_id if wish.origin_is_channel else own_id,
        ip=ip,
        port=port,
        mode=mode,
        ssrc=ssrc,
        stream_number=wish.stream_number,
    )
    line = live.media[0]
    if wish.is_download:
        line = replace(line, attributes=(*line.attributes, ("downloadspeed", str(wish.speed))))
    return replace(
        live,
        name=DOWNLOAD if wish.is_download else PLAYBACK,
        uri=f"{wish.channel_id}:{wish.uri_kind}",
        times=(int(wish.starts.timestamp()), int(wish.ends.timestamp())),
        media=(line,),
    )


def read_history_offer(offer: Sdp) -> HistoryWish | None:
    """Read an offer as the device does; None for a live play. Errors: ValueError without a usable period."""
    name = offer.name.strip().lower()
    if name not in ("playback", "download"):
        return None
    starts, ends = offer.times
    if not 0 < starts < ends < 1 << 33:
        raise ValueError("no usable period")
    channel_id, _, kind = offer.uri.partition(":")
    line = offer.video
    speed = line.attribute("downloadspeed") if line is not None else None
    return HistoryWish(
        channel_id.strip()[:64],
        datetime.fromtimestamp(starts, UTC),
        datetime.fromtimestamp(ends, UTC),
        is_download=name == "download",
        speed=int(speed) if speed and speed.isascii() and speed.isdigit() and int(speed[:3]) > 0 else 1,
        uri_kind=int(kind) if kind in ("0", "1", "2", "3") else 0,
        origin_is_channel=offer.origin_user == channel_id.strip(),
    )


def history_answer(
    offer: Sdp, *, own_id: str, ip: str, port: int, ssrc: int | None, file_bytes: int | None = None
) -> Sdp:
    """Return a device's answer; `file_bytes` tells how large the download will be."""
    made = make_answer(offer, own_id=own_id, ip=ip, port=port, ssrc=ssrc)
    line = made.media[0]
    if file_bytes is not None:
        line = replace(line, attributes=(*line.attributes, ("filesize", str(file_bytes))))
    return replace(made, times=offer.times, media=(line,))


def file_size_of(body: bytes) -> int | None:
    """Return the size in bytes that the answer to a download tells; None when it tells none."""
    answer = parse_sdp(body)
    if isinstance(answer, BadSdp):
        return None
    said = (answer.video.attribute("filesize") if answer.video is not None else None) or answer.attribute("filesize")
    if not said or not said.isascii() or not said.isdigit() or len(said) > 15:
        return None
    return int(said) if 0 < int(said) <= MAX_FILE_BYTES else None
