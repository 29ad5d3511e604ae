"""The simulated city in a process of its own, on the other core. Reads a plan as JSON, then one step a line.

`enter`, `connect`, `live`, `reckon`; each answers one line of JSON. Seen from a bench: `CityProcess`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from bench.harness import Server
from tocsin.base.clock import SystemClock
from tocsin.sim.city import City, CityServer, open_city
from tocsin.sim.city_plan import CityPlan, OutageKind, StormKind
from tocsin.sim.open_files import make_room

OTHER_CORE = ["taskset", "-c", str((os.cpu_count() or 1) - 1)]


class CityProcess:
    """The process, seen from the bench. Use as a context."""

    def __init__(self, running: Server, **plan: object) -> None:
        self._given = {"plan": plan, "server": server_of(running)}
        self._process = subprocess.Popen(
            [*OTHER_CORE, sys.executable, "-m", "bench.city"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> CityProcess:
        self._tell(json.dumps(self._given))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def step(self, name: str) -> dict[str, Any]:
        """Take a step and return what it answers. Errors: RuntimeError when the city has ended."""
        self._tell(name)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the city ended at {name}")
        found: dict[str, Any] = json.loads(line)
        return found

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


def server_of(running: Server) -> dict[str, object]:
    """Return where the doors of a server of a bench are."""
    return {
        "url": f"http://127.0.0.1:{running.ports['web']}",
        "token": running.token,
        **{name: ["127.0.0.1", running.ports[name]] for name in ("dc09", "jt808", "sip")},
    }


def plan_of(given: Mapping[str, Any]) -> CityPlan:
    """Return the plan of a JSON object."""
    words = dict(given)
    storms: Sequence[str] = words.pop("storms", ())
    outages: Sequence[str] = words.pop("outages", ())
    return CityPlan(**words, storms=tuple(map(StormKind, storms)), outages=tuple(map(OutageKind, outages)))


def city_server(given: Mapping[str, Any]) -> CityServer:
    """Return where the server is, of a JSON object."""
    doors = {name: (str(given[name][0]), int(given[name][1])) for name in ("dc09", "jt808", "sip")}
    return CityServer(given["url"], given["token"], **doors)


async def _step(city: City, name: str) -> Mapping[str, object]:
    if name == "enter":
        await city.enter()
    elif name == "connect":
        await city.connect()
    elif name == "live":
        await city.live()
        await city.settle()
    else:
        return (await city.reckon()).to_json()
    return {"devices": city.devices, "connected": city.connected}


async def main() -> None:
    """Be a city until standard input closes."""
    given = json.loads(sys.stdin.readline())
    async with open_city(plan_of(given["plan"]), city_server(given["server"]), SystemClock()) as city:
        make_room(city.sockets)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _step(city, line.strip())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
