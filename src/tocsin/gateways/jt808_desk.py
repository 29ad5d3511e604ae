"""What operators say to JT/T 808 terminals, as messages, and what the terminals answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from tocsin.base.errors import TocsinError
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.jt808 import Jt808Gateway
from tocsin.protocols.jt808.messages import (
    RESTART,
    Ack,
    Body,
    Empty,
    MessageId,
    Parameter,
    Parameters,
    Result,
    TerminalControl,
    Text,
)

ANSWERED_WITHIN_S: Final = 10.0
SHOWN_AND_SPOKEN: Final = 0b1100
URGENT: Final = 0b0001
_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "heartbeat_s": Parameter.HEARTBEAT_S,
    "default_interval_s": Parameter.DEFAULT_INTERVAL_S,
    "emergency_interval_s": Parameter.EMERGENCY_INTERVAL_S,
    "sleep_interval_s": Parameter.SLEEP_INTERVAL_S,
}


class Jt808Desk:
    """The way to the terminals; `TerminalLine` of `domain/terminal_service.py`."""

    def __init__(self, gateway: Jt808Gateway) -> None:
        self._gateway = gateway

    def is_connected(self, device_id: str) -> bool:
        """Say whether it can be told something now."""
        return device_id in self._gateway.sessions

    def drop(self, device_id: str) -> None:
        """End its connection, if there is one."""
        connection = self._gateway.sessions.get(device_id)
        if connection is not None:
            connection.close("released")

    async def tell(self, device_id: str, text: str, *, urgent: bool) -> CommandOutcome:
        """Show and speak words to the crew."""
        body = Text(text, SHOWN_AND_SPOKEN | (URGENT if urgent else 0))
        return _outcome(await self._ask(device_id, MessageId.TEXT, body))

    async def parameters(self, device_id: str) -> tuple[CommandOutcome, Mapping[str, int]]:
        """Ask for the parameters it has, in seconds."""
        answer = await self._ask(device_id, MessageId.QUERY_PARAMETERS, Empty())
        if not isinstance(answer, Parameters):
            return _outcome(answer), {}
        found = {name: answer.number(parameter) for name, parameter in _PARAMETERS.items()}
        return CommandOutcome.DONE, {name: value for name, value in found.items() if value is not None}

    async def set_parameters(self, device_id: str, values: Mapping[str, int]) -> CommandOutcome:
        """Set parameters."""
        items = tuple((int(_PARAMETERS[name]), value.to_bytes(4, "big")) for name, value in values.items())
        return _outcome(await self._ask(device_id, MessageId.SET_PARAMETERS, Parameters(items)))

    async def restart(self, device_id: str) -> CommandOutcome:
        """Let it restart."""
        return _outcome(await self._ask(device_id, MessageId.TERMINAL_CONTROL, TerminalControl(RESTART)))

    async def _ask(self, device_id: str, message_id: int, body: Body) -> Body | CommandOutcome:
        try:
            return await asyncio.wait_for(self._gateway.ask(device_id, message_id, body), ANSWERED_WITHIN_S)
        except TocsinError as error:
            if error.key == "terminal.not_connected":
                return CommandOutcome.NOT_CONNECTED
            raise
        except TimeoutError:
            return CommandOutcome.UNREACHABLE
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return CommandOutcome.UNREACHABLE  # the connection ended first


def _outcome(answer: Body | CommandOutcome) -> CommandOutcome:
    if isinstance(answer, CommandOutcome):
        return answer
    if isinstance(answer, Ack) and answer.result == Result.OK:
        return CommandOutcome.DONE
    return CommandOutcome.REFUSED
