"""`tocsin simulate intercom`: one SIP door intercom or thousands, that register, ring and hear their door code."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_token
from tocsin.sim.intercom import IntercomPlan, IntercomReport, SimIntercoms

TRY_AGAIN_S: Final = 2.0
Runner = Callable[[Callable[[asyncio.Event], Awaitable[None]], float | None], Awaitable[None]]


def add_arguments(kinds: Any, address: Callable[[str], tuple[str, int]]) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate intercom`."""
    parser: argparse.ArgumentParser = kinds.add_parser("intercom", help="SIP door intercoms")
    parser.add_argument("--server", type=address, default=("127.0.0.1", 5060), metavar="HOST:PORT")
    parser.add_argument(
        "--town", type=Path, metavar="DIR", help="ring as the demo's intercom: the folder that holds town.json"
    )
    parser.add_argument("--account", default="door1", help="SIP user of the (first) intercom (default: door1)")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="so many, accounts counted upwards")
    parser.add_argument("--password", default="", help="digest password of all of them")
    parser.add_argument("--realm", default="3402000000", help="SIP domain of the server (setting sip.realm)")
    parser.add_argument("--expires", type=int, default=3600, metavar="S", help="registration asked for (default: 3600)")
    parser.add_argument("--ring", type=int, default=0, metavar="N", help="so many of them ring, in turn")
    parser.add_argument("--sos", type=int, default=0, metavar="N", help="so many ring as an emergency")
    parser.add_argument("--called", default="1000", help="number that is rung (default: 1000)")
    parser.add_argument("--rate", type=float, default=1.0, metavar="R", help="calls a second (default: 1)")
    parser.add_argument(
        "--hold", type=float, default=0.0, metavar="S", help="hang up so long after an answer; 0: never"
    )
    parser.add_argument("--text", action="append", default=[], metavar="WORDS", help="a text alarm, such as SOS")
    parser.add_argument("--no-sound", action="store_true", help="offer sound but send none: far cheaper")
    parser.add_argument(
        "--video", choices=("early", "late"), default="", help="bring a picture, before the answer or with it"
    )
    parser.add_argument("--prack", action="store_true", help="insist on acknowledged ringing (100rel)")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="end after so many seconds (default: when every call is over)"
    )
    return parser


def accounts_of(first: str, count: int) -> tuple[str, ...]:
    """Return accounts counted upwards from the digits the first one ends with. Errors: INVALID without digits."""
    if count == 1:
        return (first,)
    stem = first.rstrip("0123456789")
    digits = first[len(stem) :]
    if not digits:
        raise TocsinError(ErrorCode.INVALID, "many intercoms need an --account that ends with digits to count from")
    return tuple(f"{stem}{int(digits) + number:0{len(digits)}d}" for number in range(count))


def run(arguments: argparse.Namespace, until_told: Runner, say: Callable[[dict[str, Any]], None]) -> int:
    """Run as the command line says; return 0 when every intercom was registered, or has no need to be."""
    if arguments.town is not None:
        _as_of_town(arguments)
    plan = IntercomPlan(
        server=arguments.server,
        accounts=accounts_of(arguments.account, arguments.devices),
        password=arguments.password,
        realm=arguments.realm,
        expires_s=arguments.expires,
        called=arguments.called,
        sound=not arguments.no_sound,
        video=arguments.video,
        prack=arguments.prack,
    )
    reports: list[IntercomReport] = []

    async def work(ended: asyncio.Event) -> None:
        reports.append(await play(plan, SystemClock(), arguments, ended))

    asyncio.run(until_told(work, arguments.seconds))  # type: ignore[arg-type]
    say(reports[0].to_json())
    return 0 if arguments.town is not None or reports[0].registered == reports[0].devices else 1


def _as_of_town(arguments: argparse.Namespace) -> None:
    """Take account, password and server of the town's intercom, which its own simulator keeps registered."""
    path = arguments.town / "town.json"
    try:
        town = json.loads(path.read_text(encoding="utf-8"))
        known, sip = town["intercoms"][0], town["sip"]
    except (OSError, ValueError, LookupError) as error:
        raise TocsinError(ErrorCode.INVALID, f"no intercom in {path}: {error}; `tocsin demo` writes it") from error
    arguments.account, arguments.password = known["account"], known["secret"]
    arguments.server, arguments.realm = (sip["host"], sip["port"]), sip["realm"]


async def play(plan: IntercomPlan, clock: Clock, arguments: argparse.Namespace, ended: asyncio.Event) -> IntercomReport:
    """Register, send the texts, ring; end when told, or when every call is over and no time was named."""
    async with SimIntercoms(plan, clock, new_token) as fleet:
        if arguments.town is None:
            await fleet.register_all()
        for number, words in enumerate(arguments.text):
            await fleet.text(number % len(plan.accounts), words)
        calls = []
        for number in range(arguments.ring + arguments.sos):
            if ended.is_set():
                break
            is_sos = number >= arguments.ring
            calls.append(fleet.ring(number % len(plan.accounts), is_sos=is_sos, hold_s=arguments.hold))
            if arguments.rate and number + 1 < arguments.ring + arguments.sos:
                await clock.sleep(1 / arguments.rate)
        over = asyncio.ensure_future(asyncio.gather(*(call.ended for call in calls)))
        told = asyncio.ensure_future(ended.wait())
        waits: set[asyncio.Future[Any]] = {told} if arguments.seconds is not None else {told, over}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for call in calls:
            if not call.ended.done():
                call.hang_up()
        left = [call.ended for call in calls if not call.ended.done()]
        if left:
            await asyncio.wait(left, timeout=2.0)
        told.cancel()
        over.cancel()
        await asyncio.gather(told, over, return_exceptions=True)
        return fleet.report


class IntercomKeeper:
    """The intercom of a town, registered for as long as the town runs; a server not there yet is tried again."""

    def __init__(self, given: Mapping[str, Any], sip: Mapping[str, Any], clock: Clock) -> None:
        self.account = str(given["account"])
        self._clock = clock
        self._plan = IntercomPlan(
            server=(sip["host"], sip["port"]),
            accounts=(self.account,),
            password=given["secret"],
            realm=sip["realm"],
            local_host=sip["host"],
        )

    async def run(self) -> None:
        """Register, renew and answer questions until cancelled."""
        async with SimIntercoms(self._plan, self._clock, new_token) as fleet:
            while not await fleet.register_all():
                await self._clock.sleep(TRY_AGAIN_S)
            await asyncio.get_running_loop().create_future()
