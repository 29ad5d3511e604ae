"""Why many fall silent together: the causes devices share, and the outages that stand for all of theirs. Pure.

Source: alarm reference, Supervision (a good part of a group that expires together is one event); dispatch reference,
flood mode.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tocsin.base.ids import new_id
from tocsin.domain.directory import DirectoryDevice
from tocsin.domain.spoken import RECEIVERS

if TYPE_CHECKING:
    from tocsin.domain.supervision_watch import Watch

LONG_INTERVAL_S: Final = 600.0
MOST_BACK_SHARE: Final = 0.8
COUNTY_DIGITS: Final = 6
TOWN_DIGITS: Final = 9


class CauseKind(StrEnum):
    """What devices may have in common; of those that explain as much, the first is named."""

    RECEIVER = "receiver"
    LINE = "line"
    NETWORK = "network"
    FEEDER = "feeder"
    TOWN = "town"
    COUNTY = "county"


_ORDER: Final = list(CauseKind)
GUESSED: Final = frozenset({CauseKind.TOWN, CauseKind.COUNTY})
AS_MUCH: Final = 0.8


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause: a carrier by its name, a county by its code. Slow reporters and fast ones are apart."""

    kind: CauseKind
    value: str
    protocol: str = ""
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class CauseRules:
    """When a cause is to blame: so many of its devices, and so great a part, within so long."""

    least: int = 20
    share: float = 0.2
    window_s: float = 300.0


@dataclass(slots=True)
class Outage:
    """Devices that fell silent by one cause: since when, and back since when.

    `most` is how many were away at once at the worst, `told` the title its incident has by now.
    """

    id: str
    cause: Cause
    opened_at: datetime
    size: int
    stands: str
    label: str
    codes: set[str]
    lost: dict[str, datetime] = field(default_factory=dict)
    back: dict[str, datetime] = field(default_factory=dict)
    mostly_back_at: datetime | None = None
    signal_id: str = ""
    changed: set[str] = field(default_factory=set)
    is_new: bool = False
    is_stored: bool = False
    ended_at: datetime | None = None
    most: int = 0
    told: tuple[str, str] = ("", "")

    def join(self, watch: Watch, at: datetime) -> None:
        """Put a device on the list; one that was back is lost anew."""
        self.lost.setdefault(watch.device_id, at)
        self.back.pop(watch.device_id, None)
        self.changed.add(watch.device_id)
        self.codes.add(watch.code)
        self.most = max(self.most, self.away)

    @property
    def away(self) -> int:
        """How many are away now."""
        return len(self.lost) - len(self.back)

    def taken(self) -> Outage:
        """Return it as it stands, for writing; what changes from now on is written the next time."""
        taken = replace(self, codes=set(self.codes), lost=dict(self.lost), back=dict(self.back))
        self.changed = set()
        return taken

    def returned(self, device_id: str, at: datetime) -> None:
        """Note that a device is heard again."""
        if device_id in self.lost and device_id not in self.back:
            self.back[device_id] = at
            self.changed.add(device_id)


def causes_of(device: DirectoryDevice, interval_s: float) -> tuple[Cause, ...]:
    """Return the causes a device belongs to."""
    is_slow = interval_s > LONG_INTERVAL_S
    code = device.jurisdiction_code
    behind = device.receiver if device.protocol == "relayed" else ""
    found = [
        (CauseKind.RECEIVER, behind, ""),
        (CauseKind.LINE, device.line, ""),
        (CauseKind.NETWORK, device.network, ""),
        (CauseKind.FEEDER, device.feeder, ""),
        (CauseKind.TOWN, code[:TOWN_DIGITS] if len(code) >= TOWN_DIGITS else "", device.protocol),
        (CauseKind.COUNTY, code[:COUNTY_DIGITS], device.protocol),
    ]
    if device.protocol in RECEIVERS:
        found = []  # a receiver's own silence is graver than any list
    return tuple(Cause(kind, value, protocol, is_slow) for kind, value, protocol in found if value)


def _to_blame(ranks: Mapping[Cause, tuple[float, int, int]]) -> Cause:
    """Return the cause that explains most; what somebody entered goes before a part of the town that explains as much.

    Ranks hold the part of a cause's devices that is late, how many those are, and the order of its kind.
    """
    most_share, most_late, _ = max(ranks.values())
    entered = [
        cause
        for cause, (share, late, _) in ranks.items()
        if cause.kind not in GUESSED and share >= AS_MUCH * most_share and late >= AS_MUCH * most_late
    ]
    return max(entered or ranks, key=lambda cause: ranks[cause])


class Causes:
    """Which devices share what, and the outages that last."""

    def __init__(self, rules: CauseRules) -> None:
        self.rules = rules
        self.outages: dict[Cause, Outage] = {}
        self._members: dict[Cause, dict[str, Watch]] = {}
        self._outage_of: dict[str, Outage] = {}

    def add(self, watch: Watch) -> None:
        """Take a device under its causes."""
        for cause in watch.causes:
            self._members.setdefault(cause, {})[watch.device_id] = watch

    def drop(self, watch: Watch) -> None:
        """Take a device out."""
        for cause in watch.causes:
            members = self._members.get(cause)
            if members is not None:
                members.pop(watch.device_id, None)
                if not members:
                    del self._members[cause]

    def restore(self, outage: Outage) -> None:
        """Take up an outage that lasted before a restart."""
        self.outages[outage.cause] = outage
        for device_id in outage.lost.keys() - outage.back.keys():
            self._outage_of[device_id] = outage

    def look(self, suspects: Iterable[Watch], now: datetime) -> list[Outage]:
        """Find what devices that just fell silent have in common; return the outages that begin."""
        begun = []
        left = [watch for watch in suspects if self.covering(watch) is None]
        judged: dict[Cause, tuple[list[Watch], int]] = {}
        while left:
            ranks: dict[Cause, tuple[float, int, int]] = {}
            for cause in {cause for watch in left for cause in watch.causes}:
                if cause not in judged:
                    judged[cause] = self._late(cause, now)
                late, size = judged[cause]
                if len(late) >= max(self.rules.least, self.rules.share * size):
                    ranks[cause] = (len(late) / size, len(late), -_ORDER.index(cause.kind))
            if not ranks:
                break
            chosen = _to_blame(ranks)
            late, size = judged.pop(chosen)
            outage = self._begin(chosen, late, size, now)
            begun.append(outage)
            left = [watch for watch in left if self.covering(watch) is None]
            judged.clear()
        return begun

    def covering(self, watch: Watch) -> Outage | None:
        """Return the outage a device that is lost belongs to: the one it is on, else one of its causes that lasts."""
        outage = self._outage_of.get(watch.device_id)
        if outage is not None:
            return outage
        return next((self.outages[cause] for cause in watch.causes if cause in self.outages), None)

    def fallen(self, watch: Watch, at: datetime) -> Outage | None:
        """Note that a device fell silent; return the outage that explains it."""
        outage = self.covering(watch)
        if outage is not None:
            outage.join(watch, outage.lost.get(watch.device_id) or watch.base or at)
            self._outage_of[watch.device_id] = outage
        return outage

    def risen(self, watch: Watch, at: datetime) -> None:
        """Note that a device is heard again."""
        outage = self._outage_of.pop(watch.device_id, None)
        if outage is not None:
            outage.returned(watch.device_id, at)

    def settle(self, watches: dict[str, Watch], now: datetime) -> list[tuple[Outage, list[Watch]]]:
        """End the outages that are over; return them with those of their devices that did not come back."""
        over = []
        for cause, outage in list(self.outages.items()):
            away: list[Watch] = []
            for device_id in outage.lost.keys() - outage.back.keys():
                watch = watches.get(device_id)
                if watch is None or (watch.is_online and not watch.is_late(now, self.rules.window_s)):
                    outage.returned(device_id, now)  # heard before it was declared lost, or no longer watched
                    self._outage_of.pop(device_id, None)
                else:
                    away.append(watch)
            if len(away) > (1 - MOST_BACK_SHARE) * len(outage.lost):
                outage.mostly_back_at = None
                continue
            outage.mostly_back_at = outage.mostly_back_at or now
            waited_s = (now - outage.mostly_back_at).total_seconds()
            if away and waited_s < self.rules.window_s:
                continue
            outage.ended_at = now
            del self.outages[cause]
            for watch in away:
                self._outage_of.pop(watch.device_id, None)
            over.append((outage, away))
        return over

    def _late(self, cause: Cause, now: datetime) -> tuple[list[Watch], int]:
        """Return the devices of a cause that are late, and how many of it can be heard at all."""
        window_s = self.rules.window_s
        late: list[Watch] = []
        online = 0
        for watch in self._members.get(cause, {}).values():
            if watch.base is None or watch.interval_s <= 0 or watch.device_id in self._outage_of:
                continue
            if watch.is_late(now, window_s):
                late.append(watch)
            elif watch.is_online:
                online += 1
        return late, online + len(late)

    def _begin(self, cause: Cause, late: Collection[Watch], size: int, now: datetime) -> Outage:
        first = min(late, key=lambda watch: (watch.base or now, watch.device_id))
        outage = Outage(new_id(), cause, now, size, first.device_id, first.label, set(), is_new=True)
        for watch in late:
            outage.join(watch, watch.base or now)
            self._outage_of[watch.device_id] = outage
        self.outages[cause] = outage
        return outage
