"""A fleet of simulated devices in a process of its own. Reads a FleetPlan as JSON, then one command a line.

`register` registers every device, `keep RATE SECONDS` sends keepalives, `?` only reports; each prints the report as one
line of JSON, with what the server has asked so far.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.ids import new_token
from tocsin.sim.camera_fleet import CameraFleet, FleetPlan


class Fleet:
    """The process, seen from the bench. Use as a context."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.fleet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Fleet:
        self._tell(json.dumps(self._plan))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def begin(self, command: str) -> None:
        """Give a command; its report is read by `report`."""
        self._tell(command)

    def report(self) -> dict[str, Any]:
        """Wait for the end of the command and return the report."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command and wait for its report."""
        self._tell(command)
        return self.report()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


async def main() -> None:
    """Be a fleet until standard input closes."""
    given = json.loads(sys.stdin.readline())
    plan = FleetPlan(("127.0.0.1", given.pop("port")), given.pop("password"), **given)
    async with CameraFleet(plan, SystemClock(), new_token) as fleet:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, *words = line.split()
            if command == "register":
                await fleet.register_all()
            elif command == "keep":
                await fleet.keep_alive(float(words[0]), float(words[1]))
            asked = {} if fleet.questions is None else fleet.questions.asked
            print(json.dumps({**fleet.report.as_dict(), "asked": asked}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
