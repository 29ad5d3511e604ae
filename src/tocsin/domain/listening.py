"""When we could hear and when not: our own silences, gateways that are away, and how long nobody is overdue after."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from tocsin.domain.own_silence import LEAST, Silence

MAX_SILENCES: Final = 200


class Listening:
    """What we know of our own hearing. `known` are the silences remembered, the oldest first."""

    def __init__(self, grace_s: float) -> None:
        self.known: deque[Silence] = deque(maxlen=MAX_SILENCES)
        self._grace = timedelta(seconds=grace_s)
        self._new: list[Silence] = []
        self._deaf: dict[str, datetime] = {}
        self._quiet_of: dict[str, datetime] = {}
        self._quiet_until: datetime | None = None

    def recall(self, silences: Sequence[Silence]) -> None:
        """Take up the silences kept before a restart."""
        newer = list(self.known)
        self.known.clear()
        self.known.extend((*silences, *newer))

    def note(self, silence: Silence) -> None:
        """Note a silence that ends now; for a while nobody it was about is overdue."""
        if silence.length < LEAST:
            return
        self.known.append(silence)
        self._new.append(silence)
        if not silence.protocols:
            self._quiet_until = silence.ends_at + self._grace
        for protocol in silence.protocols:
            self._quiet_of[protocol] = silence.ends_at + self._grace

    def went_away(self, protocols: Collection[str], at: datetime) -> None:
        """Note that the gateway of some protocols does not work."""
        for protocol in protocols:
            self._deaf.setdefault(protocol, at)

    def came_back(self, protocols: Collection[str], at: datetime) -> list[Silence]:
        """Note that it works again; return the silences that were."""
        gone = [(protocol, since) for protocol in protocols if (since := self._deaf.pop(protocol, None)) is not None]
        return [Silence(since, at, frozenset((protocol,))) for protocol, since in gone]

    def is_deaf(self, protocol: str) -> bool:
        """Say whether devices of a protocol cannot be heard now."""
        return protocol in self._deaf

    def quiet_until(self, protocol: str, now: datetime) -> datetime | None:
        """Return until when no device of a protocol is overdue; None when they may be."""
        until = self._quiet_of.get(protocol)
        return until if until is not None and until > now else None

    def is_quiet(self, now: datetime) -> bool:
        """Say whether nobody counts as overdue yet."""
        return self._quiet_until is not None and now < self._quiet_until

    def take_new(self) -> list[Silence]:
        """Return the silences to be kept."""
        new, self._new = self._new, []
        return new

    def give_back(self, silences: list[Silence]) -> None:
        """Keep what could not be stored for the next time."""
        self._new = silences + self._new
