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


def points(tx: Any, actor: Actor) -> dict[str, str]:
    """Return the cameras the actor may see that have a position: columns as JSON lists of equal length.

    id, lon, lat (degrees, WGS-84), bearing_deg, fov_deg, range_m, online and in_service (1 for yes), name, name_en.
    """
    found: dict[str, str] = tx.devices.points(visible_to=scope(actor, READ))
    return found


def camera_counts(tx: Any, actor: Actor) -> list[CameraCount]:
    """Return the cameras the actor may see, counted by jurisdiction and place."""
    found: list[CameraCount] = tx.devices.camera_counts(visible_to=scope(actor, READ))
    return found
