"""The ONVIF and RTSP cameras of the demo town: where they listen this time, and the devices that call them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.vault import load_vault
from tocsin.domain.access import Actor
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.directory import Directory
from tocsin.domain.registry import DeviceService
from tocsin.domain.reports import StoredReports
from tocsin.settings import Settings
from tocsin.stores import open_store

FreePort = Callable[[int], int]


def url_of(camera: Mapping[str, Any]) -> str:
    """Return the address under which a camera of the town is entered."""
    if camera["protocol"] == "onvif":
        return f"http://127.0.0.1:{camera['port']}/onvif/device_service"
    return f"rtsp://127.0.0.1:{camera['port']}/stream1"


async def add_ip_camera(
    camera: Mapping[str, Any],
    password: str,
    *,
    devices: DeviceService,
    cameras: ChannelService,
    reports: StoredReports,
    place_id: str,
    home: Mapping[str, Any],
    actor: Actor,
) -> tuple[dict[str, Any], str]:
    """Enter a camera with its one picture in service; return what the simulators need, and the channel's id."""
    device = await devices.create(
        {
            "kind": "camera",
            "name": camera["name"],
            "name_en": camera["name_en"],
            "place_id": place_id,
            "protocol": camera["protocol"],
            "address": {"url": url_of(camera), "username": camera["username"]},
            "maker": camera["maker"],
            "model": camera["model"],
        },
        actor=actor,
    )
    await devices.set_secret(device.id, actor=actor, password=password)
    source = "VS1" if camera["protocol"] == "onvif" else "1"
    ptz_type = 1 if camera.get("moves") else 3
    await reports.catalog(device.id, [CatalogEntry(gb_id=source, name=camera["name"], ptz_type=ptz_type)], True)
    channel = (await cameras.cameras(actor, device_id=device.id)).items[0]
    changes = {name: camera[name] for name in ("name_en", "lon", "lat", "bearing_deg", "fov_deg", "range_m")}
    changes.update(place_id=place_id, owner=home["owner"], purpose=home["purpose"])
    await cameras.change(channel.id, changes, actor=actor, version=channel.version)
    return {**camera, "secret": password, "device_id": device.id}, channel.id


def settle_ports(
    settings: Settings, cameras: Sequence[Mapping[str, Any]], actor: Actor, free: FreePort
) -> list[dict[str, Any]]:
    """Return the cameras with ports that are free now; a device whose camera moved gets its new address."""
    settled = [{**camera, "port": free(int(camera["port"]))} for camera in cameras]
    moved = [one for one, before in zip(settled, cameras, strict=True) if one["port"] != before["port"]]
    if moved:
        asyncio.run(_enter_addresses(settings, moved, actor))
    return settled


async def _enter_addresses(settings: Settings, cameras: Sequence[Mapping[str, Any]], actor: Actor) -> None:
    async with open_store(settings) as store:
        vault = load_vault(settings.secret_key_path)
        devices = DeviceService(store, SystemClock(), vault, Directory(store, vault))
        for camera in cameras:
            device = await devices.device(camera["device_id"], actor=actor)
            address = {"url": url_of(camera), "username": camera["username"]}
            await devices.change(device.id, {"address": address}, actor=actor, version=device.version)
