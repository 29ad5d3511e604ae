"""How a device is asked for its main or its sub stream, and how such an offer is read.

An attribute a device does not know is skipped, so the first try holds the line of the standard and those of the makers;
a device that refuses the whole offer is asked once more with the line of the standard alone.

Source: GB/T 28181-2022, SDP (`a=streamnumber`); GB reference, section 14.1, vendor stream selection.
"""

from __future__ import annotations

from typing import Final

from tocsin.protocols.gb28181.tries import StreamLine, stream_attributes
from tocsin.protocols.sip.sdp import Sdp

MAIN_NUMBER: Final = 0
SUB_NUMBER: Final = 1
ALL_LINES: Final = tuple(StreamLine)


def choice_lines(lines: tuple[StreamLine, ...], number: int) -> tuple[tuple[str, str], ...]:
    """Return the attributes that ask for a stream."""
    return tuple(pair for line in lines for pair in stream_attributes(line, number))


def ways_to_ask(known: str, number: int) -> tuple[tuple[StreamLine, ...], ...]:
    """Return the lines to try in turn; `known` is the line of the device's profile, "" when nothing is known.

    The main stream is what a device sends unasked: it is named only to a device whose way is known.
    """
    if known in tuple(StreamLine):
        return ((StreamLine(known),),)
    return (ALL_LINES, (StreamLine.STREAMNUMBER,)) if number == SUB_NUMBER else ((),)


def asked_number(offer: Sdp, lines: tuple[StreamLine, ...] = ALL_LINES) -> int | None:
    """Return the stream an offer asks for, read as a device that understands `lines`; None when it names none."""
    media = offer.video
    for line in lines:
        for number in (MAIN_NUMBER, SUB_NUMBER):
            for name, value in stream_attributes(line, number):
                said = (media.attribute(name) if media is not None else None) or offer.attribute(name) or ""
                if said.upper() == value:
                    return number
    return None
