"""Asks a device how fast it sends downloads, once in a while. Implements `SpeedLine`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from tocsin.base.clock import Clock
from tocsin.domain.directory import Channel
from tocsin.gateways.gb28181_desk import GbDesk
from tocsin.gateways.gb28181_devices import DeviceTable
from tocsin.protocols.gb28181.download_speeds import download_speeds

ANSWER_WITHIN_S = 2.0
FRESH_S = 600.0
MAX_KNOWN = 1024


class GbDownloadSpeeds:
    """What devices said of their speeds; one that does not answer in time is taken at its edition's word."""

    def __init__(self, desk: GbDesk, table: DeviceTable, clock: Clock) -> None:
        self._desk = desk
        self._table = table
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def download_speeds(self, channel: Channel) -> tuple[int, ...]:
        """Return the speeds this camera may be asked for, ascending."""
        device = self._table.by_id(channel.device_id)
        if device is None:
            return download_speeds("", "")
        known = self._known.get(channel.id)
        if known is None or self._clock.monotonic() - known[0] > FRESH_S:
            known = (self._clock.monotonic(), await self._told(channel))
            self._known[channel.id] = known
            self._known.move_to_end(channel.id)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return download_speeds(known[1], device.version)

    async def _told(self, channel: Channel) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                _, found = await self._desk.configuration(channel.device_id, channel.gb_id)
        except TimeoutError:
            return ""
        return (found or {}).get("VideoParamOpt", {}).get("DownloadSpeed", "")
