"""Units as the web and the simulators call them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.base.geo import bearing_deg, distance_m
from tocsin.domain import dispatch
from tocsin.domain.access import Actor, Permission
from tocsin.domain.incidents import Source
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.units import Unit, UnitState


@dataclass(frozen=True, slots=True)
class NearUnit:
    """A unit with how far and in which direction it is from a point; None without a position."""

    unit: Unit
    distance_m: float | None = None
    bearing_deg: float | None = None


class UnitService(UseCases):
    """Crews, their states and positions."""

    async def find(
        self,
        *,
        actor: Actor,
        states: Collection[str] = (),
        near: tuple[float, float] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[NearUnit]:
        """Return units; with `near` (lon, lat in degrees WGS-84) nearest first, those without a position last."""
        units = await self._store.read(_find, actor, states, after, limit)
        if near is None:
            return [NearUnit(unit) for unit in units]
        measured = [_measure(unit, near) for unit in units]
        return sorted(measured, key=lambda n: (n.distance_m is None, n.distance_m or 0.0, n.unit.call_sign))

    async def get(self, unit_id: str, *, actor: Actor) -> Unit:
        """Return one unit. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_get, unit_id, actor)

    async def add(self, unit: Unit, *, actor: Actor) -> Unit:
        """Enter a unit. Errors: FORBIDDEN, NOT_FOUND, INVALID."""
        return await self._act("unit.added", "unit", unit.id, actor, dispatch.add_unit, unit, actor)

    async def set_state(
        self,
        unit_id: str,
        state: UnitState,
        *,
        actor: Actor,
        version: int,
        reason: str = "",
        source: Source = Source.OPERATOR,
    ) -> Unit:
        """Set a unit's state; its assignment and incident follow. Errors: NOT_FOUND, CONFLICT, INVALID."""
        return await self._act(
            "unit.changed", "unit", unit_id, actor, dispatch.set_unit, unit_id, state, reason, actor, version, source
        )

    async def move(self, unit_id: str, lon: float, lat: float, fix_at: datetime) -> Unit | None:
        """Note where a unit is; None when unknown or older than the fix kept."""
        return await self._store.run(dispatch.move_unit, unit_id, lon, lat, fix_at)


def _measure(unit: Unit, near: tuple[float, float]) -> NearUnit:
    if unit.lon is None or unit.lat is None:
        return NearUnit(unit)
    lon, lat = near
    return NearUnit(unit, distance_m(lon, lat, unit.lon, unit.lat), bearing_deg(lon, lat, unit.lon, unit.lat))


def _find(tx: Any, actor: Actor, states: Collection[str], after: str, limit: int) -> list[Unit]:
    found: list[Unit] = tx.units.find(
        visible_to=require(actor, Permission.READ_INCIDENTS), states=states, after=after, limit=limit
    )
    return found


def _get(tx: Any, unit_id: str, actor: Actor) -> Unit:
    found: Unit = tx.units.get(unit_id, visible_to=require(actor, Permission.READ_INCIDENTS))
    return found
