"""`tocsin recordings`: what is recorded, from the command line; beside a server too."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tocsin import recordings_check_command

if TYPE_CHECKING:
    from tocsin.settings import Settings

GB = 1_000_000_000


def add_arguments(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    add_json: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Settings],
    print_rows: Callable[..., None],
) -> None:
    """Add `tocsin recordings`."""
    parser = commands.add_parser("recordings", help="recordings: index against files, and how many days the disks give")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    forecast = actions.add_parser(
        "forecast",
        help="how many days the disks give, in all and for each camera",
        description="From the bit rates of the last day: how many days the disks give, when they fill, what holds "
        "take. With options: what would be. Exit status 1 when the policies' least days do not fit.",
    )
    forecast.add_argument("--add-cameras", type=_count, default=0, metavar="N", help="what if N cameras were added")
    forecast.add_argument("--add-kbps", type=_count, default=2_000, metavar="KBPS", help="bit rate of these (2000)")
    forecast.add_argument("--rate-percent", type=_count, default=100, metavar="P", help="what if bit rates were P %%")
    forecast.add_argument("--keep-days", type=_count, metavar="D", help="what if all kept D days")
    forecast.add_argument("--add-gb", type=_count, default=0, metavar="GB", help="what if the disks had GB more")
    add_settings(forecast)
    add_json(forecast)

    def _run(arguments: argparse.Namespace) -> int:
        found = asyncio.run(_forecast(settings(arguments), arguments))
        if arguments.json:
            _say(json.dumps(found, ensure_ascii=False))
        else:
            _show(found, print_rows)
        return 0 if found["meets_floors"] else 1

    forecast.set_defaults(run=_run)
    recordings_check_command.add_arguments(actions, add_settings, add_json, settings, print_rows)


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 100_000_000:
        raise argparse.ArgumentTypeError("must be a number from 0 to 100000000")
    return number


async def _forecast(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    from tocsin.base.clock import SystemClock
    from tocsin.domain.acts import house_actor
    from tocsin.domain.storage_forecast import WhatIf
    from tocsin.domain.storage_service import StorageService
    from tocsin.recording import tier_rules, tier_volumes
    from tocsin.stores import open_store

    what = WhatIf(
        arguments.add_cameras,
        arguments.add_kbps,
        max(1, arguments.rate_percent),
        arguments.keep_days,
        arguments.add_gb * GB,
    )
    clock = SystemClock()
    async with open_store(settings) as store:
        files, rules = tier_volumes(settings, clock), tier_rules(settings)
        return await StorageService(store, clock, files, tier=rules).look(actor=house_actor(), what=what)


def _show(found: dict[str, Any], print_rows: Callable[..., None]) -> None:
    volumes = [
        {
            "volume": one["location"],
            "size_gb": _gb(one["total_bytes"]),
            "used_gb": _gb(one["used_bytes"]),
            "held_gb": _gb(one["held_bytes"]),
            "gb_a_day": _gb(one["bytes_per_day"]),
            "least_days": one["least_days"],
            "full_in_days": "never" if one["full_in_days"] is None else one["full_in_days"],
        }
        for one in found["volumes"]
    ]
    cameras = [
        {
            "camera": one["name_en"] or one["name"] or one["id"],
            "stream": one["stream"],
            "kbps": one["kbps"],
            "gb_a_day": _gb(one["bytes_per_day"]),
            "days": one["days"],
            "least": one["floor_days"],
            "most": one["ceiling_days"],
        }
        for one in found["cameras"]
    ]
    if not volumes:
        _say("no volume is there: nothing has been recorded yet, or the disks are not attached")
        return
    print_rows(volumes, tuple(volumes[0]), as_json=False)
    _say()
    if cameras:
        print_rows(cameras, tuple(cameras[0]), as_json=False)
        _say()
    if found["needed_bytes"] is not None:
        _say(f"disks needed for that many days: {_gb(found['needed_bytes'])} GB")
    if not found["meets_floors"]:
        _say(f"the least days of the policies do not fit: {_gb(found['lacking_bytes'])} GB are lacking")


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _gb(size_bytes: float) -> float:
    return round(size_bytes / GB, 1)
