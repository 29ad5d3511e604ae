"""A recorder with many channels for benches, in a process of its own: registers, lists its channels, sends pictures.

Reads a plan as JSON on standard input: {"sip_port", "gb_id", "password", "channels"}, for pictures also {"bitrate_bps",
"live", "width", "height"}, for a bad network {"loss", "page_window", "quirks"}; prints "ready" once its catalogue was
asked for; works until standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSender, PictureSpec, make_sender, prepare_loop

CATALOG_TIMEOUT_S = 60.0


def channel_ids(count: int) -> list[str]:
    """Return the GB/T 28181 ids of the channels."""
    return [f"3402000000131{number:07d}" for number in range(1, count + 1)]


async def main() -> None:
    """Be a recorder until standard input closes."""
    plan = json.loads(sys.stdin.readline())
    clock = SystemClock()
    wire = Wire(("127.0.0.1", plan["sip_port"]), Transport.UDP, clock, loss=plan.get("loss", 0.0))
    await wire.open()
    specs = _specs(plan) if "bitrate_bps" in plan else {}
    if specs and not plan["live"]:
        await asyncio.to_thread(prepare_loop, next(iter(specs.values())), clock)

    def sender(gb_id: str) -> PictureSender:
        return make_sender(specs[gb_id], clock)

    items = tuple(
        CatalogItem(gb_id=gb_id, name=f"Channel {number}", is_online=True, parent_id=plan["gb_id"])
        for number, gb_id in enumerate(channel_ids(plan["channels"]), start=1)
    )
    quirks = frozenset(Quirk(word) for word in plan.get("quirks", ()))
    oddities = {"page_window": plan.get("page_window", 1), "quirks": quirks}
    camera = SimCamera(
        CameraPlan(plan["gb_id"], plan["password"], channels=items, page_items=4, keepalive_s=20.0, **oddities),
        wire,
        clock,
        new_token,
        sender,
    )
    running = asyncio.create_task(camera.run())
    async with asyncio.timeout(CATALOG_TIMEOUT_S):
        while not camera.report.catalogs:
            await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    running.cancel()
    await wire.close()


def _specs(plan: dict[str, Any]) -> dict[str, PictureSpec]:
    return {
        gb_id: PictureSpec(
            seed=number if plan["live"] else 1,
            width=plan["width"],
            height=plan["height"],
            bitrate_bps=plan["bitrate_bps"],
            live_encoder=plan["live"],
            stamped=not plan["live"],
        )
        for number, gb_id in enumerate(channel_ids(plan["channels"]))
    }


if __name__ == "__main__":
    asyncio.run(main())
