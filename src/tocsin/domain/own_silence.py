"""Our own silence is nobody's fault: whoever waits for something waits longer by the time we could not hear. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LEAST: Final = timedelta(seconds=2)
"""A shorter one is none: it is the step of a loop."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which we heard nothing: of any device, or of those of some protocols while their gateway was away."""

    begins_at: datetime
    ends_at: datetime
    protocols: frozenset[str] = frozenset()

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.ends_at - self.begins_at

    def is_about(self, protocol: str) -> bool:
        """Say whether devices of a protocol could not be heard."""
        return not self.protocols or protocol in self.protocols


def since_alive(last_alive: datetime | None, now: datetime) -> Silence | None:
    """Return the silence that ends now, when we last worked at that moment; None when there was none worth the name."""
    if last_alive is None or now - last_alive < LEAST:
        return None
    return Silence(last_alive, now)


def shifted(since: datetime, by: timedelta, now: datetime) -> datetime:
    """Return from when a wait begun at `since` counts, a silence of that length later; never a time to come."""
    return min(now, since + by)


def heard_from(since: datetime, silences: Iterable[Silence], now: datetime) -> datetime:
    """Return from when a wait begun at `since` counts now: our silences since then do not count."""
    lost = timedelta()
    for begins_at, ends_at in _spans(silences):
        lost += max(timedelta(), min(ends_at, now) - max(begins_at, since))
    return shifted(since, lost, now)


def deadline(since: datetime, length: timedelta, silences: Iterable[Silence]) -> datetime:
    """Return when we have listened for `length` since that moment: every silence on the way adds its own length."""
    ends = since + length
    for begins_at, ends_at in _spans(silences):
        if ends_at <= since:
            continue
        if begins_at > ends:
            break
        ends += ends_at - max(begins_at, since)
    return ends


def about(protocol: str, silences: Collection[Silence]) -> list[Silence]:
    """Return the silences that count for devices of a protocol."""
    return [silence for silence in silences if silence.is_about(protocol)]


def _spans(silences: Iterable[Silence]) -> list[tuple[datetime, datetime]]:
    """Return beginnings and ends in order of time, those that overlap as one."""
    spans: list[tuple[datetime, datetime]] = []
    for begins_at, ends_at in sorted((one.begins_at, one.ends_at) for one in silences):
        if spans and begins_at <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], ends_at))
        else:
            spans.append((begins_at, ends_at))
    return spans
