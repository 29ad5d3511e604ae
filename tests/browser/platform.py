"""A simulated lower platform for browser tests: a business group with two organisations, and cameras below them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from tests.browser.town import Town, until
from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.ids import make_id
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec, make_sender

DOMAIN = "3402990000"
PLATFORM_ID = "34029900002000000055"
GROUP_ID = "34029900002150000055"
SCHOOLS_ID, RIVER_ID = "34029900002160000055", "34029900002160000056"
PASSWORD = "Bridge-head-2611"


def catalog(count: int) -> tuple[CatalogItem, ...]:
    """Return the group, its organisations, and `count` cameras by turns below both and below neither."""
    parents = (SCHOOLS_ID, RIVER_ID, "")
    words = ("校门", "河堤", "路口")
    return (
        CatalogItem(GROUP_ID, "雪亮平台", parent_id=PLATFORM_ID),
        CatalogItem(SCHOOLS_ID, "校园周边", parent_id=GROUP_ID, business_group_id=GROUP_ID),
        CatalogItem(RIVER_ID, "河道沿线", parent_id=GROUP_ID, business_group_id=GROUP_ID),
        *(
            CatalogItem(
                make_id(DOMAIN, 132, 550_000 + n),
                f"{words[n % 3]} {n:05d} 号",
                civil_code=DOMAIN[:6],
                parent_id=parents[n % 3] or PLATFORM_ID,
                is_online=n % 7 != 3,
                lon=round(118.30 + (n % 211) / 2_000, 6),
                lat=round(31.30 + (n % 97) / 1_000, 6),
            )
            for n in range(count)
        ),
    )


class SimPlatform:
    """A platform on a loop and a thread of its own; entered in the town, and retired at the end."""

    def __init__(self, town: Town, count: int, page_items: int = 40) -> None:
        self._town = town
        environment = Path(f"/proc/{town.process.pid}/environ").read_bytes().split(b"\0")
        self._sip_port = next(
            int(one.partition(b"=")[2]) for one in environment if one.startswith(b"TOCSIN_SIP__PORT=")
        )
        county = next(one for one in town.ask("GET", "/jurisdictions")["items"] if one["code"] == "340299")
        given = {"kind": "platform", "protocol": "gb28181", "name": "县雪亮平台", "name_en": "County platform"}
        given |= {"jurisdiction_id": county["id"], "address": {"gb_id": PLATFORM_ID}, "maker": "Dahua"}
        device = town.ask("POST", "/devices", given)
        self.id = str(device["id"])
        town.ask("PUT", f"/devices/{self.id}/secret", {"password": PASSWORD})
        self._plan = CameraPlan(
            PLATFORM_ID, PASSWORD, channels=catalog(count), keepalive_s=20.0, page_items=page_items, page_window=4
        )
        self._end = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._run()), daemon=True)
        self._thread.start()
        until(lambda: town.ask("GET", f"/camera-marks?node=d:{self.id}")["total"] == count, 180.0)
        until(lambda: town.ask("GET", "/camera-tree?by=catalog")["below"][""], 30.0)

    async def _run(self) -> None:
        clock = SystemClock()
        wire = Wire(("127.0.0.1", self._sip_port), Transport.TCP, clock)
        await wire.open()
        spec = PictureSpec(seed=5, width=640, height=360, bitrate_bps=500_000, live_encoder=True)
        camera = SimCamera(self._plan, wire, clock, new_token, lambda _: make_sender(spec, clock))
        running = asyncio.create_task(camera.run())
        await self._end.wait()
        running.cancel()
        await camera.stop()
        await wire.close()

    def stop(self) -> None:
        """Leave the town as it was."""
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._town.retire_device(self.id)
