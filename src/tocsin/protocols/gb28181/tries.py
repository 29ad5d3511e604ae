"""What to try, and in which order, until a device sends a picture: transports, offers, addressees. Pure.

    transport (UDP, TCP passive, TCP active) x offer (standard, wide, channel origin, bare) x addressee
    x, for recordings, the kind at the end of u= (0 all, 3 by time)

A refusal says which part to change: 400 the offer, 415 and 488 first the transport and then the offer, 404 the
addressee. Silence after an acceptance is about the way, so that transport is not tried again.

Source: GB/T 28181, "SDP" and "Media transport"; RFC 3261, response codes; field reports on offers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.ladder import is_worth_another_mode
from tocsin.protocols.sip.sdp import AnswerProblem, MediaMode, Sdp

MAX_TRIES: Final = 10
URI_KINDS: Final = ("0", "3")
WIDE_TYPES: Final = ("96", "126", "125", "99", "34", "98", "97")
UNREADABLE_STATUS: Final = frozenset({400})
FORMAT_STATUS: Final = frozenset({406, 415, 488, 606})


class SdpVariant(StrEnum):
    """How the offer is written.

    `wide` lists the payload types some recorders insist on; `channel_origin` names the channel in o=; `bare` leaves out
    everything a strict parser may choke on: y=, f=, and all formats but PS.
    """

    STANDARD = "standard"
    WIDE = "wide"
    CHANNEL_ORIGIN = "channel_origin"
    BARE = "bare"


class CallTarget(StrEnum):
    """Who is called for a picture."""

    CHANNEL = "channel"
    DEVICE = "device"


class StreamLine(StrEnum):
    """How the main or sub stream is asked for.

    `streamnumber` is the standard's; the others are makers' own lines.
    """

    STREAMNUMBER = "streamnumber"
    STREAM = "stream"
    STREAMPROFILE = "streamprofile"
    STREAMMODE = "streammode"


class DateForm(StrEnum):
    """How the clock is sent in the answer to a registration."""

    MILLISECONDS = "milliseconds"
    SECONDS = "seconds"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Try:
    """One way to ask for a picture."""

    mode: MediaMode
    variant: SdpVariant = SdpVariant.STANDARD
    target: CallTarget = CallTarget.CHANNEL
    uri_kind: str = ""


class Tries:
    """The tries of one attempt: `next` gives one, then one of the other methods tells how it failed."""

    def __init__(
        self,
        modes: Iterable[MediaMode],
        *,
        variant: str = "",
        target: str = "",
        uri_kind: str = "",
        may_call_device: bool = False,
        is_history: bool = False,
    ) -> None:
        """`variant`, `target` and `uri_kind` are what is known of the device; `may_call_device`: it has this one
        channel only; `is_history`: a recording is asked for."""
        first = SdpVariant(variant) if variant in tuple(SdpVariant) else SdpVariant.STANDARD
        self._variants = tuple(dict.fromkeys([first, *SdpVariant]))
        self._target = CallTarget(target) if target in tuple(CallTarget) else CallTarget.CHANNEL
        self._may_swap = may_call_device or self._target is CallTarget.DEVICE
        known = uri_kind if uri_kind in URI_KINDS else URI_KINDS[0]
        self._uri_kinds = tuple(dict.fromkeys([known, *URI_KINDS])) if is_history else ()
        self._queue: deque[Try] = deque(Try(mode, first, self._target, known if is_history else "") for mode in modes)
        self._tried: set[Try] = set()
        self._now: Try | None = None

    def next(self) -> Try | None:
        """Return the next way to ask, or None when there is none left."""
        while self._queue and len(self._tried) < MAX_TRIES:
            found = self._queue.popleft()
            if found not in self._tried:
                self._tried.add(found)
                self._now = found
                return found
        return None

    @property
    def count(self) -> int:
        """How many ways were tried."""
        return len(self._tried)

    def refused(self, status: int) -> bool:
        """The last try was refused; False when asking otherwise is of no use."""
        tried = self._now
        assert tried is not None
        if status == 404 and self._may_swap and not self._has_swapped:
            other = CallTarget.DEVICE if tried.target is CallTarget.CHANNEL else CallTarget.CHANNEL
            self._queue = deque(replace(left, target=other) for left in (tried, *self._queue))
            self._target = other
            return True
        if not is_worth_another_mode(status):
            return False
        if self._uri_kinds and tried.uri_kind != self._uri_kinds[0]:
            return True  # the other kind was no help: the other offers come with the usual one first
        others = [replace(tried, variant=variant) for variant in self._variants if variant is not tried.variant]
        if status in UNREADABLE_STATUS:
            self._queue.extendleft(reversed(others))
        elif status in FORMAT_STATUS:
            self._queue.extend(others[:1] if tried.variant is self._variants[0] else others)
        if self._uri_kinds and tried.uri_kind == self._uri_kinds[0] and status in UNREADABLE_STATUS | FORMAT_STATUS:
            self._queue.appendleft(replace(tried, uri_kind=self._uri_kinds[1]))
        return True

    def again(self) -> None:
        """Ask the same way once more: what stood in its way is over."""
        assert self._now is not None
        self._tried.discard(self._now)
        self._queue.appendleft(self._now)

    def answered_badly(self, problem: AnswerProblem) -> None:
        """The answer cannot be used: what is left stays, UDP first when it answered in UDP."""
        if problem is AnswerProblem.OTHER_TRANSPORT:
            self._queue = deque(sorted(self._queue, key=lambda left: left.mode is not MediaMode.UDP))

    def silent(self) -> None:
        """It accepted and sent nothing: another offer by the same way changes nothing."""
        tried = self._now
        assert tried is not None
        self._queue = deque(left for left in self._queue if left.mode is not tried.mode)

    @property
    def _has_swapped(self) -> bool:
        return len({tried.target for tried in self._tried}) > 1


def in_variant(offer: Sdp, variant: SdpVariant, channel_id: str) -> Sdp:
    """Return an offer written the way a device takes it; what it asks for stays."""
    if variant is SdpVariant.CHANNEL_ORIGIN:
        return replace(offer, origin_user=channel_id)
    line = offer.video
    if line is None or variant is SdpVariant.STANDARD:
        return offer
    types = WIDE_TYPES if variant is SdpVariant.WIDE else ("96",)
    kept = tuple(
        (name, value) for name, value in line.attributes if name != "rtpmap" or value.partition(" ")[0] in types
    )
    media = tuple(replace(one, formats=types, attributes=kept) if one is line else one for one in offer.media)
    if variant is SdpVariant.WIDE:
        return replace(offer, media=media)
    return replace(offer, media=media, ssrc=None, format="")


def in_uri_kind(offer: Sdp, kind: str) -> Sdp:
    """Return the offer of a recording with another kind at the end of its u= line."""
    head, colon, _ = offer.uri.rpartition(":")
    return replace(offer, uri=f"{head}:{kind}") if kind and colon else offer


def stream_attributes(line: str, number: int) -> tuple[tuple[str, str], ...]:
    """Return the SDP attributes that ask for the main (0) or sub (1) stream in a device's own way."""
    if line == StreamLine.STREAM:
        return (("stream", str(number)),)
    if line == StreamLine.STREAMPROFILE:
        return (("streamprofile", str(number)),)
    if line == StreamLine.STREAMMODE:
        return (("streamMode", "MAIN" if number == 0 else "SUB"),)
    return (("streamnumber", str(number)),)
