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
    """A saved wall; `places` holds the cameras of each tile, several where the tile steps through them.

    `is_together`: all tiles change page together, page n showing the n-th of each place; there "" leaves a tile empty.
    A shared layout is seen in the jurisdiction of `jurisdiction_code` and below.
    """

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
    is_together: bool = False
    jurisdiction_id: str = ""

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras it names, each once."""
        return tuple(dict.fromkeys(camera for place in self.places for camera in place if camera))


@dataclass(frozen=True, slots=True)
class LayoutForm:
    """What a person says of a layout; `jurisdiction_id` is where it is shared, None for the highest of his own."""

    name: str
    tiles: int
    places: Sequence[Sequence[str]]
    dwell_s: int
    is_shared: bool = False
    is_together: bool = False
    jurisdiction_id: str | None = None


def checked(layout: Layout) -> Layout:
    """Return it when it can be shown. Errors: INVALID naming the field."""
    if not layout.name.strip() or len(layout.name) > 80:
        raise TocsinError(ErrorCode.INVALID, "a layout needs a name of at most 80 characters", field="name")
    if layout.tiles not in TILES:
        raise TocsinError(ErrorCode.INVALID, "a wall has 1, 4, 9 or 16 tiles", field="tiles")
    if len(layout.places) > layout.tiles:
        raise TocsinError(ErrorCode.INVALID, "more places than tiles", field="places")
    if len(layout.cameras) > MAX_CAMERAS or any(len(place) > MAX_CAMERAS for place in layout.places):
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_CAMERAS} cameras", field="places")
    if not layout.is_together and any(not camera for place in layout.places for camera in place):
        raise TocsinError(ErrorCode.INVALID, "a tile that steps by itself names a camera each time", field="places")
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

    async def add(self, form: LayoutForm, *, actor: Actor) -> Layout:
        """Keep a layout. Errors: INVALID; FORBIDDEN when one who does not supervise there shares it; NOT_FOUND."""
        layout_id = new_id()
        return await self._act(
            "layout.saved",
            "layout",
            layout_id,
            actor,
            _add,
            layout_id,
            actor,
            form,
        )

    async def change(self, layout_id: str, form: LayoutForm, *, actor: Actor, version: int) -> Layout:
        """Change a layout of one's own, or a shared one as a supervisor. Errors: NOT_FOUND, CONFLICT, as `add`."""
        return await self._act("layout.saved", "layout", layout_id, actor, _change, layout_id, actor, version, form)

    async def remove(self, layout_id: str, *, actor: Actor) -> None:
        """Forget a layout. Errors: NOT_FOUND, FORBIDDEN."""
        await self._act("layout.removed", "layout", layout_id, actor, _remove, layout_id, actor)


def _shaped(tx: Any, layout: Layout, form: LayoutForm, actor: Actor) -> Layout:
    if form.jurisdiction_id:
        home = tx.places.jurisdiction(form.jurisdiction_id, visible_to=scope(actor, Permission.VIEW_LIVE))
    else:
        home = tx.places.jurisdiction_of_code(layout.jurisdiction_code)
    code = layout.jurisdiction_code if home is None else str(home.code)
    if layout.is_shared:
        _require_supervisor(actor, layout.jurisdiction_code)
    if form.is_shared:
        _require_supervisor(actor, code)
    return checked(
        replace(
            layout,
            name=form.name,
            tiles=form.tiles,
            places=tuple(tuple(place) for place in form.places),
            dwell_s=form.dwell_s,
            is_shared=form.is_shared,
            is_together=form.is_together,
            jurisdiction_code=code,
            jurisdiction_id="" if home is None else home.id,
        )
    )


def _require_supervisor(actor: Actor, code: str) -> None:
    if not scope(actor, Permission.SUPERVISE_INCIDENT).covers(code):
        raise TocsinError(
            ErrorCode.FORBIDDEN, "only a supervisor shares a layout", key="no_permission", rule="no_permission"
        )


def _add(tx: Any, layout_id: str, actor: Actor, form: LayoutForm) -> Layout:
    require(actor, Permission.VIEW_LIVE)
    code = min(actor.jurisdiction_codes, default="")
    layout = _shaped(tx, Layout(layout_id, actor.id, "", 4, (), 10, code, False, tx.now), form, actor)
    if tx.layouts.count(actor.id) >= MAX_LAYOUTS:
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_LAYOUTS} layouts", field="name")
    tx.layouts.add(layout)
    _record(tx, layout, actor)
    return layout


def _change(tx: Any, layout_id: str, actor: Actor, version: int, form: LayoutForm) -> Layout:
    former: Layout = tx.layouts.get(layout_id, actor.id, require(actor, Permission.VIEW_LIVE))
    if former.version != version:
        raise TocsinError(ErrorCode.CONFLICT, "the layout was changed meanwhile", key="version")
    if former.owner_id != actor.id:
        _require_supervisor(actor, former.jurisdiction_code)
    layout = replace(_shaped(tx, former, form, actor), version=version + 1, changed_at=tx.now)
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
            channels=layout.cameras,
            is_shared=layout.is_shared,
            version=layout.version,
        )
    )
