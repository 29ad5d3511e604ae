"""The house itself: status at a glance, the settings in force, the town's map."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from tocsin.base.times import iso
from tocsin.domain.access import ROLE_PERMISSIONS, ROLE_PURPOSES, Actor, Permission, Scope, scope
from tocsin.web.api import objects_house
from tocsin.web.api.audit import audit_head
from tocsin.web.api.shapes import Page, listed, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.settings_words import describe, unit_of

router = APIRouter(prefix="/api/v1", tags=["house"])
RECENT = timedelta(minutes=10)


@router.get("/status", response_model=objects_house.Status)
async def read_status(house: House, actor: Annotated[Actor, allowed()], language: Language) -> Response:
    """Read the state of the house within the caller's area."""
    now = house.clock.now()
    figures = await house.store.read(
        _figures, scope(actor, Permission.READ_REGISTRY), scope(actor, Permission.READ_INCIDENTS), now - RECENT
    )
    health, media = house.store.health, house.media()
    head = figures.pop("audit_head")
    return reply(
        {
            "server_time": iso(now),
            "version": house.version,
            **figures,
            "store": {"state": "ok" if health.is_ok else "failing", "reason": health.reason},
            "media": {"workers": media.workers, "alive": media.alive},
            "audit_head": {"seq": head["seq"], "at": head["at"]} if head["at"] else None,
            "gateways": house.gateways(),
            "notices": await house.notices.shown_to(actor, language),
        }
    )


def _figures(tx: Any, registry: Scope, incidents: Scope, since: Any) -> dict[str, Any]:
    return {
        "panels": tx.devices.count_online("panel", visible_to=registry),
        "cameras": tx.devices.count_cameras(visible_to=registry),
        "alarms_last_10_min": tx.alarms.count_since(since, visible_to=incidents),
        "audit_head": audit_head(tx),
    }


@router.get("/settings", response_model=Page[objects_house.Setting])
async def list_settings(
    house: House, _actor: Annotated[Actor, allowed(Permission.MANAGE_SETTINGS)], language: Language
) -> Response:
    """List the settings in force; secrets are masked."""
    return listed(
        [
            {
                "name": one.name,
                "value": one.value,
                "default": one.default,
                "source": one.source,
                "description": describe(one.name, one.description, language),
                "unit": unit_of(one.unit, language),
            }
            for one in house.settings()
        ],
        None,
    )


@router.get("/roles", response_model=Page[objects_house.Role])
async def list_roles(_actor: Annotated[Actor, allowed(Permission.MANAGE_USERS)]) -> Response:
    """List the roles with what each may do."""
    return listed(
        [
            {
                "role": role.value,
                "permissions": sorted(permission.value for permission in permissions),
                "purposes": sorted(purpose.value for purpose in ROLE_PURPOSES[role]),
            }
            for role, permissions in ROLE_PERMISSIONS.items()
        ],
        None,
    )


@router.get("/map", response_model=objects_house.FeatureCollection)
async def read_map(house: House, _actor: Annotated[Actor, allowed(Permission.READ_REGISTRY)]) -> Response:
    """Read the town as GeoJSON."""
    return Response(house.map(), media_type="application/json")
