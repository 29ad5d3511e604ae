"""When what pictures say becomes a fault, and when it ends: k of n checks, hysteresis, flapping, sites. Pure.

Source: design note 0021; media reference, video-quality diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.times import iso
from tocsin.domain.picture_rules import WEATHER

CONFIRM: Final[Mapping[str, tuple[int, int]]] = {
    "no_signal": (2, 3),
    "black": (3, 3),
    "covered": (3, 3),
    "bright": (3, 5),
    "stripes": (3, 5),
    "moved": (3, 3),
    "not_home": (2, 2),
    "clock": (2, 2),
    "frozen": (4, 4),
}
CONFIRM_OTHERS: Final = (4, 5)
CLEAR_BELOW: Final = 0.8
CLEAN_CHECKS: Final = 3
CLEAN_CHECKS_UNSTEADY: Final = 6
FLAPS: Final = 4
FLAP_US: Final = 3_600_000_000
TREND_DAYS: Final = 30
RELAX_BY: Final = 1.5
SITE_SHARE: Final = 0.2
SITE_FEWEST: Final = 3
SITE_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Track:
    """What is remembered of one kind of fault of one camera. `recent` are the last checks, 1 faulty, newest last."""

    recent: str = ""
    is_open: bool = False
    clean: int = 0
    changes: tuple[int, ...] = ()

    @property
    def is_unsteady(self) -> bool:
        """True when it opened and closed several times within an hour."""
        return len(self.changes) >= FLAPS


@dataclass(frozen=True, slots=True)
class Step:
    """What one check did: the tracks after it, what opens with its ratio, what closes, what is in doubt."""

    tracks: Mapping[str, Track]
    opening: Mapping[str, float] = field(default_factory=dict)
    closing: Sequence[str] = ()
    doubts: Sequence[str] = ()


def confirm(key: str) -> tuple[int, int]:
    """Return k and n: a fault opens when k of its last n checks said so."""
    return CONFIRM.get(key, CONFIRM_OTHERS)


def advance(tracks: Mapping[str, Track], ratios: Mapping[str, float], now_us: int) -> Step:
    """Return what follows from the ratios of one more picture; a kind that is not among them stays as it is."""
    after = dict(tracks)
    opening: dict[str, float] = {}
    closing: list[str] = []
    doubts: list[str] = []
    for key, ratio in ratios.items():
        before = tracks.get(key, Track())
        needed, window = confirm(key)
        recent = (before.recent + ("1" if ratio >= 1 else "0"))[-window:]
        changes = tuple(at for at in before.changes if now_us - at < FLAP_US)
        track = replace(before, recent=recent, changes=changes)
        if before.is_open:
            clean = before.clean + 1 if ratio < CLEAR_BELOW else 0
            track = replace(track, clean=clean)
            if clean >= (CLEAN_CHECKS_UNSTEADY if track.is_unsteady else CLEAN_CHECKS):
                closing.append(key)
                track = Track("", changes=(*changes, now_us))
        elif recent.count("1") >= needed:
            opening[key] = ratio
            track = replace(track, is_open=True, clean=0, changes=(*changes, now_us))
        elif "1" in recent:
            doubts.append(key)
        if track == Track():
            after.pop(key, None)
        else:
            after[key] = track
    return Step(after, opening, closing, doubts)


def held_back(tracks: Mapping[str, Track], keys: Iterable[str]) -> dict[str, Track]:
    """Return the tracks as if these had not opened: their site has the fault. They are asked again next time."""
    return {
        key: replace(track, is_open=False, changes=track.changes[:-1]) if key in set(keys) else track
        for key, track in tracks.items()
    }


def tracks_form(tracks: Mapping[str, Track]) -> dict[str, Any]:
    """Return tracks as they are stored."""
    return {key: [item.recent, int(item.is_open), item.clean, list(item.changes)] for key, item in tracks.items()}


def tracks_of(form: Mapping[str, Any]) -> dict[str, Track]:
    """Return stored tracks."""
    return {
        key: Track(str(recent), bool(is_open), int(clean), tuple(int(at) for at in changes))
        for key, (recent, is_open, clean, changes) in form.items()
    }


class SiteWatch:
    """Tells when much of a site begins to look wrong at once. Times are monotonic seconds."""

    def __init__(self, within_s: float = SITE_WITHIN_S) -> None:
        self._within_s = within_s
        self._begun: dict[str, dict[str, float]] = {}

    def note(self, site: str, channel_id: str, keys: Iterable[str], now_s: float) -> None:
        """Note a camera of which faults of the weather's kind are opening."""
        if site and WEATHER.intersection(keys):
            self._begun.setdefault(site, {})[channel_id] = now_s

    def common(self, site: str, cameras: int, now_s: float) -> int:
        """Return how many cameras of a site began at once; 0 while that is too few of its `cameras` to blame it."""
        begun = self._begun.get(site, {})
        for channel_id in [one for one, at_s in begun.items() if now_s - at_s > self._within_s]:
            del begun[channel_id]
        if not begun:
            self._begun.pop(site, None)
        return len(begun) if len(begun) >= max(SITE_FEWEST, math.ceil(SITE_SHARE * cameras)) else 0


@dataclass(frozen=True, slots=True)
class PictureState:
    """What is kept of the picture of a camera. `trend` holds [day, checks, sum of scores, lowest], oldest first."""

    channel_id: str
    checked_at: datetime | None = None
    source: str = ""  # stream | opened
    problem: str = ""
    score: int | None = None
    pictures: int = 0
    tracks: Mapping[str, Track] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)
    trend: tuple[tuple[str, int, int, int], ...] = ()
    doubted_at: datetime | None = None

    @property
    def word(self) -> str:
        """Return unknown, fault, doubt, learning or good."""
        if self.checked_at is None or self.problem:
            return "unknown"
        if any(track.is_open for track in self.tracks.values()):
            return "fault"
        if any("1" in track.recent for track in self.tracks.values()):
            return "doubt"
        return "good" if self.pictures else "learning"

    @property
    def is_doubtful(self) -> bool:
        """True while one more look is wanted soon."""
        return any("1" in track.recent or track.is_open for track in self.tracks.values())

    def with_score(self, day: str, score: int) -> PictureState:
        """Return it with one more score on a day of its trend."""
        days = list(self.trend)
        if days and days[-1][0] == day:
            _, checks, total, lowest = days.pop()
            days.append((day, checks + 1, total + score, min(lowest, score)))
        else:
            days.append((day, 1, score, score))
        return replace(self, score=score, trend=tuple(days[-TREND_DAYS:]))


@dataclass(frozen=True, slots=True)
class Still:
    """A still of a fault: small, watermarked, deleted after a day."""

    id: str
    channel_id: str
    jurisdiction_code: str
    fault_id: str
    key: str
    taken_at: datetime
    expires_at: datetime
    size_bytes: int
    sha256: str
    width: int
    height: int

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "camera_id": self.channel_id,
            "fault_id": self.fault_id,
            "key": self.key,
            "taken_at": iso(self.taken_at),
            "expires_at": iso(self.expires_at),
            "width": self.width,
            "height": self.height,
        }


@dataclass(frozen=True, slots=True)
class Denial:
    """Somebody said that a fault was none: that rule is relaxed for that camera until `until`."""

    id: str
    channel_id: str
    fault_id: str
    key: str
    at: datetime
    until: datetime
    user_id: str
    factor: float = RELAX_BY
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteFault:
    """Much of a site looks wrong at once."""

    id: str
    site: str  # a place's id, else a division code
    jurisdiction_code: str
    key: str
    cameras: int
    of: int
    opened_at: datetime
    closed_at: datetime | None = None


def relaxed(denials: Iterable[Denial]) -> dict[str, float]:
    """Return by how much each rule is relaxed; twice said, twice relaxed, at most four times."""
    found: dict[str, float] = {}
    for item in denials:
        found[item.key] = min(4.0, found.get(item.key, 1.0) * item.factor)
    return found
