"""Entering what a file lists, a group of lines to a commit: an alarm waits for one group at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor
from tocsin.domain.import_acts import Act
from tocsin.domain.import_files import Progress, WrongLine, column_named
from tocsin.domain.import_keeping import Kept
from tocsin.domain.import_plan import Planned
from tocsin.domain.refusals import UseCases
from tocsin.domain.registry import DeviceService
from tocsin.domain.registry_bulk import NewDevice, NewPlace, add_devices, add_places
from tocsin.domain.store import Store

AT_ONCE: Final = 100  # lines to a commit: the writer is held a few hundredths of a second


class Entry(UseCases):
    """Does what lines ask. What is new is entered with one statement a group, what is there is changed one by one."""

    def __init__(self, store: Store, devices: DeviceService, actor: Actor, import_id: str) -> None:
        super().__init__(store)
        self._import_id = import_id
        self._devices = devices
        self._actor = actor

    async def run(
        self,
        plans: Iterable[Planned],
        progress: Progress = lambda _done, _all: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> list[WrongLine]:
        """Do what the lines ask, `AT_ONCE` to a commit; return those refused meanwhile, the others stay done.

        `is_cancelled` is asked before each group. Errors: UNAVAILABLE when nothing can be stored; groups before stay.
        """
        waiting = [plan for plan in plans if plan.step is not None]
        refused: list[WrongLine] = []
        progress(0, len(waiting))
        for start in range(0, len(waiting), AT_ONCE):
            if is_cancelled():
                break
            group = waiting[start : start + AT_ONCE]
            failed = await self._enter(group)
            refused += (
                WrongLine(plan.line, column_named(failed[plan.line].params), "", failed[plan.line])
                for plan in group
                if plan.line in failed
            )
            progress(start + len(group), len(waiting))
            for error in failed.values():
                if error.code is ErrorCode.UNAVAILABLE:
                    raise error
        return refused

    async def _enter(self, group: Sequence[Planned]) -> dict[int, TocsinError]:
        """Do a group; return the refusals by line."""
        failed: dict[int, TocsinError] = {}
        new = [plan for plan in group if not isinstance(plan.step, Act)]
        if new:
            try:
                failed.update(await self._store.run(_enter_new, self._actor, self._import_id, new))
            except TocsinError as error:
                failed.update((plan.line, error) for plan in new)
        acts = [(plan.line, plan.step) for plan in group if isinstance(plan.step, Act)]
        outcomes = await asyncio.gather(*(self._do(line, act) for line, act in acts))
        failed.update((line, one) for (line, _), one in zip(acts, outcomes, strict=True) if one is not None)
        await self._devices.refresh(
            *(plan.step.device.id for plan in new if isinstance(plan.step, NewDevice) and plan.line not in failed),
            *{act.device_id for line, act in acts if act.device_id and line not in failed},
        )
        return failed

    async def _do(self, line: int, act: Act) -> TocsinError | None:
        try:
            await self._act(
                act.asked, act.kind, act.subject_id, self._actor, _change, self._actor, self._import_id, line, act
            )
        except TocsinError as error:
            return error
        return None


def _change(tx: Any, actor: Actor, import_id: str, line: int, act: Act) -> None:
    saved = act.work(tx, actor, tx.now)
    how = "change" if act.before else "create"
    tx.imports.keep(import_id, [Kept(line, act.of, how, saved.id, saved.version, act.before)])


def _enter_new(tx: Any, actor: Actor, import_id: str, plans: Sequence[Planned]) -> dict[int, TocsinError]:
    """Enter what is new; return the refusals by line."""
    devices = {plan.step.device.id: plan for plan in plans if isinstance(plan.step, NewDevice)}
    places = {plan.step.place.id: plan for plan in plans if isinstance(plan.step, NewPlace)}
    refused = {
        **add_devices(tx, actor, tx.now, [p.step for p in devices.values() if isinstance(p.step, NewDevice)]),
        **add_places(tx, actor, tx.now, [p.step for p in places.values() if isinstance(p.step, NewPlace)]),
    }
    kept = [Kept(p.line, "device", "create", key, 1) for key, p in devices.items() if key not in refused]
    kept += [Kept(p.line, "place", "create", key, 1) for key, p in places.items() if key not in refused]
    tx.imports.keep(import_id, kept)
    return {(devices.get(key) or places[key]).line: error for key, error in refused.items()}
