"""A receiver that kills itself at one exact moment: `python -m tests.crash.dying_receiver DATA PORT MOMENT`.

MOMENT: `before` the commit of the first signal, `after` it and before its ACK leaves, or `never`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tocsin.base.clock import SystemClock
from tocsin.base.vault import Vault
from tocsin.domain.directory import Directory
from tocsin.domain.intake import Intake
from tocsin.domain.supervision import Supervision
from tocsin.gateways.dc09 import Dc09Config, Dc09Gateway
from tocsin.settings import load_settings
from tocsin.stores import open_store


def die() -> None:
    """End as `kill -9` ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingIntake(Intake):
    """Dies inside the transaction: everything is written, nothing is committed."""

    def accept_many(self, tx: Any, signals: Any) -> Any:
        """Write, and die."""
        super().accept_many(tx, signals)
        die()


class DyingGateway(Dc09Gateway):
    """Dies when it hears of the commit: everything is committed, no ACK has left."""

    def committed(self, answer: Any, future: Any) -> None:
        """Hear, and die."""
        die()


async def receive(data: Path, port: int, moment: str) -> None:
    """Listen until killed."""
    settings = load_settings(environ={}, overrides={"server.data": data})
    clock = SystemClock()
    async with open_store(settings) as store:
        intake = (DyingIntake if moment == "before" else Intake)(store)
        directory = Directory(store, Vault(bytes(32)))
        supervision = Supervision(store, directory, clock, intake)
        await directory.load()
        kind = DyingGateway if moment == "after" else Dc09Gateway
        gateway = kind(Dc09Config(port=port), intake, directory, supervision, clock)
        await gateway.start()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(receive(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
