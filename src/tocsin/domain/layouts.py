"""Layouts of the video wall: how many tiles, which cameras in each, and how long a tile shows one of them.

A layout is its owner's; a supervisor may share one with everybody who looks in his jurisdiction. It names cameras and
opens none: what a layout shows is asked for anew, with a purpose, each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.events import LayoutRemoved, LayoutSaved
from tocsin.domain.refusals import UseCases, require

TILES: Final = (1, 4, 9, 16)
MAX_LAYOUTS: Final = 100
MAX_CAMERAS: Final = 64
SHORTEST_DWELL_S: Final = 5
LONGEST_DWELL_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Layout:
    """A saved wall; `places` holds the cameras of each tile, several where the tile steps through them."""

    id: str
    owner_id: str
    name: str
    tiles: int
    places: tuple[tuple[str, ...], ...]
    dwell_s: int
    jurisdiction_code: str
    is_shared: bool
    changed_at: datetime
    version: int = 1


def checked(layout: Layout) -> Layout:
    """Return it when it can be shown. Errors: INVALID naming the field."""
    if not layout.name.strip() or len(layout.name) > 80:
        raise TocsinError(ErrorCode.INVALID, "a layout needs a name of at most 80 characters", field="name")
    if layout.tiles not in TILES:
        raise TocsinError(ErrorCode.INVALID, "a wall has 1, 4, 9 or 16 tiles", field="tiles")
    if len(layout.places) > layout.tiles:
        raise TocsinError(ErrorCode.INVALID, "more places than tiles", field="places")
    if len({camera for place in layout.places for camera in place}) > MAX_CAMERAS:
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_CAMERAS} cameras", field="places")
    if not SHORTEST_DWELL_S <= layout.dwell_s <= LONGEST_DWELL_S:
        raise TocsinError(ErrorCode.INVALID, "a tile shows a camera for 5 s to an hour", field="dwell_s")
    return replace(layout, name=layout.name.strip())


class LayoutService(UseCases):
    """Use cases of layouts; each that changes one leaves a record."""

    async def find(self, *, actor: Actor) -> list[Layout]:
        """Return the actor's own layouts and those shared where he may look, by name."""
        visible = require(actor, Permission.VIEW_LIVE)
        found: list[Layout] = await self._store.read(lambda tx: tx.layouts.visible(actor.id, visible))
        return found

    async def add(
        self, *, actor: Actor, name: str, tiles: int, places: Sequence[Sequence[str]], dwell_s: int, is_shared: bool
    ) -> Layout:
        """Keep a layout. Errors: INVALID; FORBIDDEN when one who does not supervise shares it."""
        layout_id = new_id()
        return await self._act(
            "layout.saved",
            "layout",
            layout_id,
            actor,
            _add,
            layout_id,
            actor,
            (name, tiles, places, dwell_s, is_shared),
        )

    async def change(
        self,
        layout_id: str,
        *,
        actor: Actor,
        version: int,
        name: str,
        tiles: int,
        places: Sequence[Sequence[str]],
        dwell_s: int,
        is_shared: bool,
    ) -> Layout:
        """Change a layout of one's own, or a shared one as a supervisor. Errors: NOT_FOUND, CONFLICT, as `add`."""
        given = (name, tiles, places, dwell_s, is_shared)
        return await self._act("layout.saved", "layout", layout_id, actor, _change, layout_id, actor, version, given)

    async def remove(self, layout_id: str, *, actor: Actor) -> None:
        """Forget a layout. Errors: NOT_FOUND, FORBIDDEN."""
        await self._act("layout.removed", "layout", layout_id, actor, _remove, layout_id, actor)


_Given = tuple[str, int, Sequence[Sequence[str]], int, bool]


def _shaped(layout: Layout, given: _Given, actor: Actor) -> Layout:
    name, tiles, places, dwell_s, is_shared = given
    if is_shared or layout.is_shared:
        _require_supervisor(actor, layout.jurisdiction_code)
    kept = tuple(tuple(place) for place in places)
    return checked(replace(layout, name=name, tiles=tiles, places=kept, dwell_s=dwell_s, is_shared=is_shared))


def _require_supervisor(actor: Actor, code: str) -> None:
    if not scope(actor, Permission.SUPERVISE_INCIDENT).covers(code):
        raise TocsinError(
            ErrorCode.FORBIDDEN, "only a supervisor shares a layout", key="no_permission", rule="no_permission"
        )


def _add(tx: Any, layout_id: str, actor: Actor, given: _Given) -> Layout:
    require(actor, Permission.VIEW_LIVE)
    code = min(actor.jurisdiction_codes, default="")
    layout = _shaped(Layout(layout_id, actor.id, "", 4, (), 10, code, False, tx.now), given, actor)
    if tx.layouts.count(actor.id) >= MAX_LAYOUTS:
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_LAYOUTS} layouts", field="name")
    tx.layouts.add(layout)
    _record(tx, layout, actor)
    return layout


def _change(tx: Any, layout_id: str, actor: Actor, version: int, given: _Given) -> Layout:
    former: Layout = tx.layouts.get(layout_id, actor.id, require(actor, Permission.VIEW_LIVE))
    if former.version != version:
        raise TocsinError(ErrorCode.CONFLICT, "the layout was changed meanwhile", key="version")
    if former.owner_id != actor.id:
        _require_supervisor(actor, former.jurisdiction_code)
    layout = replace(_shaped(former, given, actor), version=version + 1, changed_at=tx.now)
    tx.layouts.save(layout)
    _record(tx, layout, actor)
    return layout


def _remove(tx: Any, layout_id: str, actor: Actor) -> None:
    layout: Layout = tx.layouts.get(layout_id, actor.id, require(actor, Permission.VIEW_LIVE))
    if layout.owner_id != actor.id:
        _require_supervisor(actor, layout.jurisdiction_code)
    tx.layouts.remove(layout_id)
    tx.record(
        LayoutRemoved(subject_id=layout.id, at=tx.now, jurisdiction_code=layout.jurisdiction_code, actor=actor.ref)
    )


def _record(tx: Any, layout: Layout, actor: Actor) -> None:
    tx.record(
        LayoutSaved(
            subject_id=layout.id,
            at=tx.now,
            jurisdiction_code=layout.jurisdiction_code,
            actor=actor.ref,
            tiles=layout.tiles,
            channels=tuple(dict.fromkeys(camera for place in layout.places for camera in place)),
            is_shared=layout.is_shared,
            version=layout.version,
        )
    )
