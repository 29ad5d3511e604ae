"""One router per resource."""

from __future__ import annotations

from fastapi import APIRouter

from tocsin.web.api import (
    alarms,
    audit,
    camera_health,
    cameras,
    control,
    device_desk,
    device_profiles,
    devices,
    downloads,
    finding,
    house,
    imports,
    incidents,
    layouts,
    places,
    plans,
    recordings,
    session,
    signals,
    snapshots,
    speaking,
    units,
    uppers,
    users,
    views,
    words,
)

_MODULES = (
    session,
    users,
    places,
    device_desk,
    device_profiles,
    devices,
    camera_health,
    cameras,
    finding,
    imports,
    control,
    uppers,
    signals,
    speaking,
    alarms,
    incidents,
    units,
    plans,
    layouts,
    views,
    recordings,
    downloads,
    snapshots,
    audit,
    house,
    words,
)
ROUTERS: tuple[APIRouter, ...] = tuple(module.router for module in _MODULES)
