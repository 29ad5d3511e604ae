"""Imports of the last day: listed, looked at, taken back in groups with progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, Resource, decide
from tocsin.domain.import_keeping import Entered
from tocsin.domain.import_undo import Left, judge, take_back
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.registry import DeviceService
from tocsin.domain.store import Store

AT_ONCE: Final = 50  # lines to a commit: what was changed is changed back one by one
LOOKED_AT: Final = 500
MOST_NAMED: Final = 1_000
ALL_LINES: Final = 2**31 - 1


@dataclass(slots=True)
class Undo:
    """What taking an import back would do, or is doing. `state`: ready, running, done or failed."""

    entered: Entered
    state: str = "ready"
    free: int = 0
    done: int = 0
    total: int = 0
    left: list[Left] = field(default_factory=list)
    left_count: int = 0
    reason: str = ""

    def note(self, left: Iterable[Left]) -> None:
        """Count lines that stay; the first thousand are named."""
        for one in left:
            self.left_count += 1
            if len(self.left) < MOST_NAMED:
                self.left.append(one)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, without what stays."""
        shown = {"free": self.free, "left_count": self.left_count, "done": self.done, "total": self.total}
        return {**self.entered.form(), "state": self.state, "reason": self.reason, **shown}


class ImportUndo(UseCases):
    """Use cases of taking back. One import at a time."""

    def __init__(
        self, store: Store, devices: DeviceService, is_entered: Callable[[str], bool] = lambda _id: True
    ) -> None:
        super().__init__(store)
        self._devices = devices
        self._is_entered = is_entered
        self._runs: dict[str, Undo] = {}
        self._task: asyncio.Task[None] | None = None

    async def recent(self, *, actor: Actor) -> list[Entered]:
        """Return the imports of the last day that the actor may take back, newest first. Errors: FORBIDDEN."""
        require(actor, Permission.MANAGE_REGISTRY)
        found: list[Entered] = await self._store.read(lambda tx: tx.imports.recent(tx.now))
        return [one for one in found if (one.lines or one.taken_back) and _may(actor, one)]

    async def look(self, import_id: str, *, actor: Actor) -> Undo:
        """Say what would be taken back and what would stay, or how far it is. Errors: NOT_FOUND, FORBIDDEN."""
        entered = await self._entered(import_id, actor)
        running = self._runs.get(import_id)
        if running is not None and running.state != "ready":
            return running
        return await self._judged(entered, actor)

    async def begin(self, import_id: str, *, actor: Actor) -> Undo:
        """Begin to take an import back; return at once. Errors: NOT_FOUND, CONFLICT while another is, FORBIDDEN."""
        entered = await self._entered(import_id, actor)
        if not self._is_entered(import_id):
            raise TocsinError(ErrorCode.CONFLICT, "the import is being entered", key="import.other_runs")
        self._free_to_run()
        run = self._runs[import_id] = Undo(entered, "running", total=entered.lines)
        try:
            await self._store.run(_begin, run, actor)
        except TocsinError:
            del self._runs[import_id]
            raise
        self._runs = {import_id: run}
        self._task = asyncio.create_task(self._run(run, actor), name="import-undo")
        return run

    async def finished(self) -> None:
        """Wait for what is being taken back."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """End; what was committed stays, the rest can be taken back later."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def _free_to_run(self) -> None:
        if any(run.state == "running" for run in self._runs.values()):
            raise TocsinError(ErrorCode.CONFLICT, "an import is being taken back", key="import.undo_runs")

    async def _entered(self, import_id: str, actor: Actor) -> Entered:
        require(actor, Permission.MANAGE_REGISTRY)
        found: Entered = await self._store.read(lambda tx: tx.imports.get(import_id, tx.now))
        if not _may(actor, found):
            raise TocsinError(ErrorCode.NOT_FOUND, f"no import {import_id} to take back", key="import.undo_gone")
        return found

    async def _judged(self, entered: Entered, actor: Actor) -> Undo:
        looked = Undo(entered, total=entered.lines)
        before = ALL_LINES
        while lines := await self._store.read(
            lambda tx, at: tx.imports.lines(entered.id, before=at, limit=LOOKED_AT), before
        ):
            judged = await self._store.read(judge, actor, lines)
            looked.free += len(judged.free)
            looked.note(judged.left)
            before = lines[-1].line
        return looked

    async def _run(self, run: Undo, actor: Actor) -> None:
        outcome = "failed"
        try:
            before: int | None = ALL_LINES
            while before is not None:
                before, taken, left, again = await self._store.run(_group, actor, run.entered.id, before)
                run.free += taken
                run.note(left)
                run.done = run.free + run.left_count
                await self._devices.refresh(*again)
            outcome = "done"
        except TocsinError as error:
            run.reason = error.key
        except asyncio.CancelledError:
            outcome = "stopped"
        finally:
            try:
                await self._store.run(_end, run, actor, outcome)
            except TocsinError as error:
                outcome, run.reason = "failed", error.key
            run.state = "done" if outcome == "done" else "failed"


def _may(actor: Actor, entered: Entered) -> bool:
    """Say whether somebody may see an import and take it back: who manages the registry wherever it reached."""
    codes = entered.codes or ("",)
    return all(decide(actor, Permission.MANAGE_REGISTRY, Resource("import", "", code)).allowed for code in codes)


def _group(tx: Any, actor: Actor, import_id: str, before: int) -> tuple[int | None, int, list[Left], set[str]]:
    lines = tx.imports.lines(import_id, before=before, limit=AT_ONCE)
    if not lines:
        return None, 0, [], set()
    judged, again = take_back(tx, actor, import_id, lines)
    return lines[-1].line, len(judged.free), judged.left, again


def _begin(tx: Any, run: Undo, actor: Actor) -> None:
    tx.record(_fact(events.ImportUndoBegun, tx.now, run, actor, lines=run.total))


def _end(tx: Any, run: Undo, actor: Actor, outcome: str) -> None:
    tx.record(_fact(events.ImportUndone, tx.now, run, actor, outcome=outcome, taken_back=run.free, left=run.left_count))


def _fact(kind: Any, now: datetime, run: Undo, actor: Actor, **detail: object) -> Any:
    code = next(iter(actor.jurisdiction_codes), "")
    return kind(
        subject_id=run.entered.id, at=now, jurisdiction_code=code, actor=actor.ref, file=run.entered.file, **detail
    )
