"""The main and the sub stream of a camera: their names, and which one a viewer gets. Pure.

A viewer asks for one; he gets the other when the camera has no such stream or his browser cannot play it, and is told.
Source: GB reference, section 14.1 (stream number); media reference, H.265 fallback ladder.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SUB_SUFFIX: Final = "~sub"


class Stream(StrEnum):
    """Which of a camera's streams."""

    MAIN = "main"
    SUB = "sub"


def stream_id_of(channel_id: str, stream: str) -> str:
    """Return the id under which media keeps a stream: the channel's for the main one, `<channel>~sub` for the other."""
    return channel_id + SUB_SUFFIX if stream == Stream.SUB else channel_id


def channel_of_stream(stream_id: str) -> tuple[str, Stream]:
    """Return the channel and the stream an id means."""
    if stream_id.endswith(SUB_SUFFIX):
        return stream_id.removesuffix(SUB_SUFFIX), Stream.SUB
    return stream_id, Stream.MAIN


def has_sub_stream(stream_numbers: str) -> bool | None:
    """Read a catalogue's list of stream numbers ("0/1"); None when it is absent or is no list."""
    numbers = stream_numbers.split("/")
    return "1" in numbers if all(number.isdigit() for number in numbers) else None


def plays_h265(codecs: tuple[str, ...]) -> bool:
    """Say whether a viewer's list of codecs holds H.265."""
    return any(codec.startswith(("hvc1", "hev1", "h265", "hevc")) for codec in codecs)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a channel's streams; None is not known yet.

    `main_only` is the key of why the camera has no usable sub stream, empty when it may have one.
    """

    main_only: str = ""
    is_main_h265: bool | None = None
    is_sub_h265: bool | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The stream a viewer gets; `reason` is the key of why it is not the one asked for."""

    stream: Stream
    reason: str = ""


def choose(wanted: str, known: Known, *, h265: bool) -> Choice:
    """Return the stream to show. `h265` says whether the viewer plays H.265.

    A main stream the browser cannot play is replaced by a sub stream that it can, before anything is converted.
    """
    if wanted == Stream.SUB:
        if known.main_only:
            return Choice(Stream.MAIN, known.main_only)
        if known.is_sub_h265 and known.is_main_h265 is False and not h265:
            return Choice(Stream.MAIN, "sub_not_playable")
        return Choice(Stream.SUB)
    if may_use_sub(known, h265=h265) and known.is_main_h265:
        return Choice(Stream.SUB, "main_not_playable")
    return Choice(Stream.MAIN)


def may_use_sub(known: Known, *, h265: bool) -> bool:
    """Say whether the sub stream could serve a viewer whose browser turns out not to play the main one."""
    return not h265 and not known.main_only and not known.is_sub_h265
