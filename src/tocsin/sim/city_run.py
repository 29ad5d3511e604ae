"""`tocsin simulate town --city`: the whole city from one command, ended by a reconciliation.

Addresses and token come from the folder of a demo, or are given; the last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.sim.city import City, CityReport, CityServer, open_city
from tocsin.sim.city_plan import INFRARED_ZONES, INTERCOMS, PANELS, TERMINALS, CityPlan, OutageKind, StormKind
from tocsin.sim.open_files import make_room

BAR_CELLS: Final = 30
MORE_THAN_0: Final = ("pace", "outage_seconds", "retry")
NOT_BELOW_0: Final = ("seconds", "storm_at", "rate", "sos", "sos_calls", "outage_at", "poll", "patience")


def add_arguments(parser: argparse.ArgumentParser, address: Callable[[str], tuple[str, int]]) -> None:
    """Add what belongs to the city to the parser of `tocsin simulate town`."""
    group = parser.add_argument_group(
        "the city",
        f"{PANELS:,} DC-09 panels with {INFRARED_ZONES:,} infrared zones, {TERMINALS:,} JT/T 808 terminals and "
        f"{INTERCOMS:,} SIP intercoms, entered once, connected, and reconciled at the end: exit status 0 only when "
        "everything sent was acknowledged, is stored once, and was shown. Its keys protect nothing: not beside devices "
        "at work.",
    )
    group.add_argument("--city", action="store_true", help="the whole city instead of the town")
    group.add_argument("--share", type=float, default=1.0, metavar="S", help="share of its devices (default: 1; 0.01)")
    group.add_argument(
        "--storm",
        action="append",
        default=[],
        choices=[kind.value for kind in StormKind],
        help="may be repeated, one follows the other: a power cut of a district (and its end), every panel and "
        "infrared zone once in a minute, 10,000 signals in ten seconds",
    )
    group.add_argument("--storm-at", type=float, default=5.0, metavar="S", help="when the first begins (default: 5)")
    group.add_argument("--pace", type=float, default=1.0, metavar="X", help="storms so many times as fast (default: 1)")
    group.add_argument("--rate", type=float, default=0.5, metavar="R", help="everyday events a second (default: 0.5)")
    group.add_argument("--sos", type=int, default=0, metavar="N", help="so many terminals press their SOS button")
    group.add_argument("--sos-calls", type=int, default=0, metavar="N", help="so many intercoms ring for help")
    group.add_argument(
        "--outage",
        action="append",
        default=[],
        choices=[kind.value for kind in OutageKind],
        help="cut the lines of one carrier (half the devices), or all to the server; may be repeated, with a pause",
    )
    group.add_argument("--outage-at", type=float, default=10.0, metavar="S", help="when (default: 10)")
    group.add_argument("--outage-seconds", type=float, default=30.0, metavar="S", help="for how long (default: 30)")
    group.add_argument(
        "--retry", type=float, default=5.0, metavar="S", help="a panel repeats itself after (default: 5)"
    )
    group.add_argument(
        "--poll", type=float, default=0.0, metavar="S", help="every panel polls so often (default: 60, 120 or 300)"
    )
    group.add_argument("--patience", type=float, default=60.0, metavar="S", help="wait so long for the last answers")
    group.add_argument("--url", metavar="URL", help="of the API (default: what demo.json in --data says)")
    group.add_argument(
        "--token", metavar="T", help="of somebody who may enter devices and see alarms (default: demo's)"
    )
    group.add_argument("--dc09", type=address, metavar="HOST:PORT", help="where DC-09 is received")
    group.add_argument("--jt808", type=address, metavar="HOST:PORT", help="where JT/T 808 is received")
    group.add_argument("--sip", type=address, metavar="HOST:PORT", help="where SIP is received")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return 0 only when everything adds up."""
    if not 0 < arguments.share <= 1:
        raise TocsinError(ErrorCode.INVALID, "--share is more than 0 and at most 1")
    for name in MORE_THAN_0:
        if getattr(arguments, name) <= 0:
            raise TocsinError(ErrorCode.INVALID, f"--{name.replace('_', '-')} is more than 0")
    for name in NOT_BELOW_0:
        if (getattr(arguments, name) or 0) < 0:
            raise TocsinError(ErrorCode.INVALID, f"--{name.replace('_', '-')} is not less than 0")
    plan = CityPlan(
        share=arguments.share,
        seed=arguments.seed,
        seconds=60.0 if arguments.seconds is None else arguments.seconds,
        storms=tuple(StormKind(word) for word in arguments.storm),
        storm_at_s=arguments.storm_at,
        rate_per_s=arguments.rate,
        presses=arguments.sos,
        sos_calls=arguments.sos_calls,
        pace=arguments.pace,
        outages=tuple(OutageKind(word) for word in arguments.outage),
        outage_at_s=arguments.outage_at,
        outage_s=arguments.outage_seconds,
        retry_after_s=arguments.retry,
        poll_s=arguments.poll,
        patience_s=arguments.patience,
    )
    report = asyncio.run(_run(plan, _server(arguments), Progress()))
    sys.stdout.write(table(report) + "\n" + json.dumps(report.to_json(), ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return 0 if report.holds else 1


async def _run(plan: CityPlan, server: CityServer, told: Progress) -> CityReport:
    try:
        async with open_city(plan, server, SystemClock()) as city:
            make_room(city.sockets)
            return await whole_run(city, told)
    finally:
        told.end()


async def whole_run(city: City, told: Progress) -> CityReport:
    """Take every step of a run. Ctrl-C ends what happens, and what was sent so far is reckoned; a second one, all."""
    await city.enter(told)
    await city.connect(told)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if city.ended.is_set() and task is not None:
            task.cancel()
        city.ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        await city.live(told)
        await city.settle(told)
        return await city.reckon(told)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _server(arguments: argparse.Namespace) -> CityServer:
    """Return where the server is, from what was given and from the folder of a demo."""
    demo, town = _read(arguments.data / "demo.json"), _read(arguments.data / "town.json")
    url, token = arguments.url or demo.get("url"), arguments.token or demo.get("token")
    if not url or not token:
        raise TocsinError(
            ErrorCode.INVALID,
            f"there is no demo.json in {arguments.data}: say where the server is with --url and --token "
            "(`tocsin user token NAME` makes one), or name the folder of a running demo with --data",
        )
    if not str(url).startswith("http://"):
        raise TocsinError(ErrorCode.INVALID, f"--url is http://HOST:PORT of the server itself, not {url}")
    doors = {name: town.get(name, {}) for name in ("dc09", "jt808", "sip")}
    return CityServer(
        str(url),
        str(token),
        arguments.dc09 or (doors["dc09"].get("host", "127.0.0.1"), int(doors["dc09"].get("port", 10500))),
        arguments.jt808 or (doors["jt808"].get("host", "127.0.0.1"), int(doors["jt808"].get("port", 7611))),
        arguments.sip or (doors["sip"].get("host", "127.0.0.1"), int(doors["sip"].get("port", 5060))),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class Progress:
    """One line on a terminal that says how far it is; silent elsewhere."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def __call__(self, what: str, done: int, of: int) -> None:
        """Say it."""
        if not self._is_shown:
            return
        full = round(BAR_CELLS * done / of) if of else 0
        bar = f" {'#' * full}{'.' * (BAR_CELLS - full)} {done:,} of {of:,}" if of else f" {done:,}" if done else ""
        sys.stderr.write(f"\r\x1b[K{what}{bar}")
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")


def table(report: CityReport) -> str:
    """Return the report as people read it."""
    found = report.reckoning
    lines = [
        f"city: share {report.share:g}, seed {report.seed}, schedule {report.schedule}, {report.seconds:g} s"
        f"{', ended early' if report.ended_early else ''}",
        *(f"  {name:<22}{report.connected.get(name, 0):>10,} of {count:,}" for name, count in report.devices.items()),
        f"  {'connected within':<22}{report.connect_s:>10.1f} s",
        *([f"  {'cut off, and back':<22}{report.cut:>10,}"] if report.cut and report.is_whole else []),
        *([] if report.is_whole else [f"  {'NOT CONNECTED NOW':<22}{report.away:>10,}"]),
        "",
        *(
            f"  {name:<22}{value:>10,}"
            for name, value in (
                ("sent", found.sent),
                ("acknowledged", found.acknowledged),
                ("refused", found.refused),
                ("no reply", found.no_reply),
                ("sent again", report.retried),
                ("stored", found.stored),
                ("lost", len(found.lost)),
                ("doubled", len(found.doubled)),
                ("alarms", found.alarms),
                ("shown", found.shown),
                ("shown after a gap", found.shown_after_gap),
                ("not shown", len(found.unseen)),
            )
        ),
        "",
    ]
    for name, times in (
        ("acknowledged after", report.ack_ms),
        ("on screen after", found.shown_ms),
        ("life on screen after", found.life_shown_ms),
    ):
        if times:
            lines.append(f"  {name:<22}" + ", ".join(f"{share} {ms:,.0f} ms" for share, ms in times.items()))
    lines.append("  it adds up" if report.holds else "  IT DOES NOT ADD UP")
    return "\n".join(lines)
