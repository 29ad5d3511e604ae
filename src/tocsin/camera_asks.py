"""What the pages of devices and cameras ask of the network at once: search, try again, read the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.gateways.gb28181 import Gb28181Gateway
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.onvif_discovery import discover
from tocsin.gateways.rtsp import RtspGateway


def camera_tries(onvif: OnvifGateway, rtsp: RtspGateway) -> Callable[[str], Awaitable[bool]]:
    """Return what calls a camera of either kind again at once and says whether it answered."""

    async def try_now(device_id: str) -> bool:
        return await onvif.try_now(device_id) or await rtsp.try_now(device_id)

    return try_now


def discoverer() -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Return what searches the network for ONVIF cameras, once at a time. Errors: UNAVAILABLE while it searches."""
    one_at_a_time = asyncio.Lock()

    async def search() -> list[dict[str, str]]:
        if one_at_a_time.locked():
            raise TocsinError(ErrorCode.UNAVAILABLE, "a search is under way", key="camera.search_runs")
        async with one_at_a_time:
            return [{"url": one.url, "name": one.name, "hardware": one.hardware} for one in await discover()]

    return search


def catalog_asker(gb28181: Gb28181Gateway) -> Callable[[str], Awaitable[object]]:
    """Return what asks a GB/T 28181 device for its catalogue."""

    async def ask(device_id: str) -> object:
        return gb28181.ask_catalog(device_id)

    return ask
