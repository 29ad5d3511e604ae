"""`tocsin simulate platform`: an upper platform that waits for a lower one, then asks, subscribes and plays."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.protocols.gb28181.catalog import CatalogItem, CatalogSet
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.recordings import RecordSet
from tocsin.protocols.sip.sdp import MediaMode
from tocsin.sim.platform import PlatformPlan, SimPlatform
from tocsin.sim.platform_view import SimView

REGISTER_WITHIN_S = 120.0
CATALOGUE_AGAIN_S = 2.0
CATALOGUE_WITHIN_S = 30.0
STOP = "A50F0100000000B5"


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the command and return its parser."""
    parser: argparse.ArgumentParser = kinds.add_parser("platform", help="an upper GB/T 28181 platform")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=5070, help="UDP port to listen on (default: 5070)")
    parser.add_argument("--id", default="34020000002000000001", help="its 20-digit id")
    parser.add_argument("--realm", default="", help="its domain (default: the first ten digits)")
    parser.add_argument("--password", default="", help="digest password of lower platforms")
    parser.add_argument("--sha256", action="store_true", help="offer SHA-256 besides MD5")
    parser.add_argument("--play", type=int, default=1, metavar="N", help="pictures to open (default: 1)")
    parser.add_argument("--mode", choices=[mode.value for mode in MediaMode], default="udp")
    parser.add_argument(
        "--recordings", type=int, default=0, metavar="N", help="list the last day of N cameras and play its last file"
    )
    parser.add_argument("--ptz", default="", metavar="HEX", help="eight PTZ bytes sent to the first picture")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="how long it looks at most; Ctrl-C ends it with its figures (default: 10)",
    )
    return parser


async def run_platform(arguments: argparse.Namespace, ended: asyncio.Event) -> dict[str, Any]:
    """Wait for a lower platform, read it, look at it until `ended` is set, and return the figures."""
    realm = arguments.realm or arguments.id[:10]
    plan = PlatformPlan(
        arguments.id, realm, arguments.password, arguments.host, arguments.port, sha256=arguments.sha256
    )
    platform = SimPlatform(plan, SystemClock(), new_token)
    await platform.start()
    figures: dict[str, Any] = {"registered": False}
    try:
        joined = asyncio.ensure_future(platform.wait(lambda: bool(platform.lowers), REGISTER_WITHIN_S))
        told = asyncio.ensure_future(ended.wait())
        await asyncio.wait({joined, told}, return_when=asyncio.FIRST_COMPLETED)
        if not platform.lowers:
            joined.cancel()
            told.cancel()
            return figures
        lower_id = next(iter(platform.lowers))
        figures |= {"registered": True, "lower": lower_id}
        found, cameras = await _cameras(platform, lower_id, is_wanted=arguments.play + arguments.recordings > 0)
        figures |= {"items": len(found.items), "cameras": len(cameras), "complete": found.is_complete}
        figures["subscribed"] = [await platform.subscribe(lower_id, kind) for kind in ("Catalog", "Alarm")]
        views = [
            await platform.play(lower_id, item.gb_id, MediaMode(arguments.mode)) for item in cameras[: arguments.play]
        ]
        if arguments.ptz and views:
            status, _ = await platform.order(lower_id, cameras[0].gb_id, [("PTZCmd", arguments.ptz)])
            figures["ptz"] = status
        played = [await _play_back(platform, lower_id, item.gb_id) for item in cameras[: arguments.recordings]]
        await asyncio.wait({told}, timeout=arguments.seconds)
        told.cancel()
        if arguments.ptz and views:
            await platform.order(lower_id, cameras[0].gb_id, [("PTZCmd", STOP)])
        figures["views"] = [_figures(view) for view in views]
        if played:
            figures["recordings"] = [{**listed, **_figures(view)} for listed, view in played]
        for view in [*views, *(view for _, view in played if view is not None)]:
            view.hang_up()
            await view.wait_ended(3)
        figures |= {
            "keepalives": platform.report.keepalives,
            "catalogue_events": dict(Counter(event for event, _ in platform.report.events)),
            "alarms": sum(found.cmd_type == "Alarm" for found in platform.report.documents),
        }
        return figures
    finally:
        await platform.stop()


async def _cameras(platform: SimPlatform, lower_id: str, *, is_wanted: bool) -> tuple[CatalogSet, list[CatalogItem]]:
    """Read the catalogue; again for a while where it names no camera and one is wanted: they may come later."""
    until = platform.now() + CATALOGUE_WITHIN_S
    while True:
        found = await platform.catalogue(lower_id)
        cameras = [item for item in found.items if role_of(item.gb_id) is Role.VIDEO]
        if cameras or not is_wanted or platform.now() >= until:
            return found, cameras
        await asyncio.sleep(CATALOGUE_AGAIN_S)


async def _play_back(platform: SimPlatform, lower_id: str, gb_id: str) -> tuple[dict[str, Any], SimView | None]:
    """List the last day of a camera and play its last file."""
    now = SystemClock().now()
    found = await platform.records(lower_id, gb_id, now - timedelta(days=1), now)
    if not isinstance(found, RecordSet) or not found.recordings:
        return {"list": found if isinstance(found, int) else 200, "files": 0}, None
    last = found.recordings[-1]
    view = await platform.play_back(lower_id, gb_id, last.starts, last.ends)
    return {"list": 200, "files": len(found.recordings)}, view


def _figures(view: SimView | None) -> dict[str, int]:
    if view is None:
        return {}
    return {"status": view.status, "packets": view.packets, "pictures": view.pictures, "keys": view.keys}
