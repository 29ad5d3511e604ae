"""Finding things of the registry by name, and the cameras of a town as points and as counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import search_words
from tocsin.domain.access import Actor, Permission, scope

KINDS: Final = ("camera", "device", "place")
MOST: Final = 50
READ: Final = Permission.READ_REGISTRY


@dataclass(frozen=True, slots=True)
class Named:
    """Something a search found; `rank` 0: its name begins so, 1: a word of it does, 2: it holds the words."""

    kind: str
    id: str
    name: str
    name_en: str
    jurisdiction_id: str
    rank: int

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "name_en": self.name_en,
            "jurisdiction_id": self.jurisdiction_id,
        }


@dataclass(frozen=True, slots=True)
class CameraPoint:
    """A camera on the map: degrees (WGS-84), metres, and whether a picture can be expected."""

    id: str
    lon: float
    lat: float
    bearing_deg: float | None
    fov_deg: float | None
    range_m: float | None
    is_online: bool
    stage: str
    name: str
    name_en: str


@dataclass(frozen=True, slots=True)
class CameraCount:
    """How many cameras are in use at a place of a jurisdiction, and how many of them are online."""

    jurisdiction_id: str
    place_id: str | None
    total: int
    online: int

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "jurisdiction_id": self.jurisdiction_id,
            "place_id": self.place_id,
            "total": self.total,
            "online": self.online,
        }


def find_named(tx: Any, actor: Actor, text: str, kinds: Sequence[str], limit: int) -> list[Named]:
    """Return what a text finds, best first, at most `limit`. Errors: INVALID on an unknown kind."""
    for kind in kinds:
        if kind not in KINDS:
            raise TocsinError(
                ErrorCode.INVALID,
                f"kinds must be of: {', '.join(KINDS)}",
                key="registry.field_choice",
                field="kinds",
                choices=", ".join(KINDS),
            )
    if not search_words(text):
        return []
    size = max(1, min(limit, MOST))
    visible = scope(actor, READ)
    found = [one for kind in kinds or KINDS for one in tx.devices.find_named(kind, text, size, visible_to=visible)]
    return sorted(found, key=lambda one: (one.rank, len(one.name)))[:size]


def points(tx: Any, actor: Actor) -> dict[str, list[object]]:
    """Return the cameras the actor may see that have a position, in columns of equal length."""
    found: Sequence[CameraPoint] = tx.devices.points(visible_to=scope(actor, READ))
    return {
        "id": [one.id for one in found],
        "lon": [round(one.lon, 6) for one in found],
        "lat": [round(one.lat, 6) for one in found],
        "bearing_deg": [one.bearing_deg for one in found],
        "fov_deg": [one.fov_deg for one in found],
        "range_m": [one.range_m for one in found],
        "online": [int(one.is_online) for one in found],
        "in_service": [int(one.stage == "in_service") for one in found],
        "name": [one.name for one in found],
        "name_en": [one.name_en for one in found],
    }


def camera_counts(tx: Any, actor: Actor) -> list[CameraCount]:
    """Return the cameras the actor may see, counted by jurisdiction and place."""
    found: list[CameraCount] = tx.devices.camera_counts(visible_to=scope(actor, READ))
    return found
