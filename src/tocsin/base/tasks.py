"""Tasks with an owner: restarted with back-off when they fail, counted, and ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from tocsin.base.clock import Clock

log = structlog.get_logger(__name__)

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass(slots=True)
class TaskHealth:
    """How one supervised task is doing."""

    name: str
    is_running: bool = False
    restarts: int = 0
    last_error: str = ""


@dataclass(slots=True)
class Supervisor:
    """Runs tasks and restarts those that end with an exception."""

    clock: Clock
    health: dict[str, TaskHealth] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run `run` until it returns; run it again, after a growing pause, when it raises."""
        self.health[name] = TaskHealth(name)
        self._tasks[name] = asyncio.create_task(self._keep(name, run), name=name)

    def check(self) -> None:
        """Raise when a task has ended that should run for ever. Errors: RuntimeError naming it."""
        for name, task in self._tasks.items():
            if task.done():
                raise RuntimeError(f"the task {name} has ended")

    async def stop(self) -> None:
        """Cancel every task and wait for its end."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        state = self.health[name]
        delay_s = FIRST_DELAY_S
        while True:
            started_s = self.clock.monotonic()
            state.is_running = True
            try:
                await run()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the owner of tasks: a crash is logged and the task is started again
                state.last_error = f"{type(error).__name__}: {error}"
                log.exception("task failed", task=name)
            else:
                return
            finally:
                state.is_running = False
            if self.clock.monotonic() - started_s > STEADY_AFTER_S:
                delay_s = FIRST_DELAY_S
            state.restarts += 1
            await self.clock.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)
