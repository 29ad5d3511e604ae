"""Imports through the console: a file is checked, shown, entered in groups with progress, and can be halted.

What was checked is kept in memory: a few files, an hour each, seen only by whoever brought them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.pinyin import read_dictionary
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.cameras import ChannelService
from tocsin.domain.import_entry import Entry
from tocsin.domain.import_files import WrongLine, plan_all, rows_of
from tocsin.domain.import_keeping import begun
from tocsin.domain.import_plan import Importer, Planned
from tocsin.domain.place_service import PlaceService
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.registry import DeviceService
from tocsin.domain.store import Store

MAX_UPLOAD_BYTES: Final = 16 * 1024 * 1024
MOST_KEPT: Final = 4
MOST_CHECKED_AT_ONCE: Final = 2
KEPT_FOR: Final = timedelta(hours=1)
SHOWN: Final = 50
CHECKED: Final = "checked"
APPLYING: Final = "applying"


@dataclass(slots=True)
class Import:
    """A file that was checked. `state`: checked, applying, done, cancelled, failed or stopped."""

    id: str
    owner_id: str
    file: str
    kind: str
    until: datetime
    plans: list[Planned]
    wrong: list[WrongLine]
    state: str = CHECKED
    done: int = 0
    total: int = 0
    reason: str = ""
    is_cancelled: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    def note(self, done: int, total: int) -> None:
        """Keep how far it is, in lines."""
        self.done, self.total = done, total

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, without the wrong lines."""
        shown = [one for one in self.plans if one.step is not None][:SHOWN] if self.state == CHECKED else []
        return {
            "id": self.id,
            "file": self.file,
            "kind": self.kind,
            "state": self.state,
            "counts": dict(self.counts),
            "done": self.done,
            "total": self.total,
            "reason": self.reason,
            "expires_at": self.until.isoformat(),
            "sample": [{"line": one.line, "name": one.name, "act": one.act} for one in shown],
        }


class ImportService(UseCases):
    """Use cases of imports. One file is entered at a time; each object has its own record beside the two here."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        places: PlaceService,
        devices: DeviceService,
        cameras: ChannelService,
        accounts: AccountFiles,
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._services = (places, devices, cameras, accounts)
        self._kept: dict[str, Import] = {}
        self._checking = 0
        self._task: asyncio.Task[None] | None = None

    async def check(self, raw: bytes, file: str, *, actor: Actor) -> Import:
        """Say what each line of a file would do; nothing is changed. Errors: INVALID, FORBIDDEN, TOO_MANY."""
        require(actor, Permission.MANAGE_REGISTRY)
        if self._checking >= MOST_CHECKED_AT_ONCE:
            raise TocsinError(ErrorCode.TOO_MANY, "other files are being checked", key="import.busy", retry_after_s=5)
        self._checking += 1
        try:
            kind, rows = await asyncio.to_thread(rows_of, raw)
            await asyncio.to_thread(read_dictionary)
            importer = Importer(*self._services, actor)
            await importer.load()
            plans, wrong = await plan_all(importer, kind, rows)
        finally:
            self._checking -= 1
        self._forget_old()
        name = "".join(c for c in file if c.isprintable())[:100]
        made = Import(new_id(), actor.id, name, kind, self._clock.now() + KEPT_FOR, plans, wrong)
        acts = [plan.act for plan in plans]
        made.counts = {act: acts.count(act) for act in ("create", "change", "same")} | {"wrong": len(wrong)}
        for old in [one for one in self._kept.values() if one.state != APPLYING][: len(self._kept) + 1 - MOST_KEPT]:
            del self._kept[old.id]
        self._kept[made.id] = made
        return made

    def get(self, import_id: str, *, actor: Actor) -> Import:
        """Return a file that was checked. Errors: NOT_FOUND, also after an hour and for others than who brought it."""
        self._forget_old()
        found = self._kept.get(import_id)
        if found is None or found.owner_id != actor.id:
            raise TocsinError(ErrorCode.NOT_FOUND, "no such import, or it has expired", key="import.gone")
        return found

    async def apply(self, import_id: str, *, actor: Actor, skip_wrong: bool = False) -> Import:
        """Begin to enter a file; return at once. With `skip_wrong` its wrong lines are left out.

        Errors: NOT_FOUND, CONFLICT when lines are wrong, when it was begun already, or while another is entered.
        """
        found = self.get(import_id, actor=actor)
        if found.state != CHECKED:
            raise TocsinError(ErrorCode.CONFLICT, "it was begun already", key="import.begun")
        if found.wrong and not skip_wrong:
            raise TocsinError(
                ErrorCode.CONFLICT, "lines are wrong", key="import.has_wrong_lines", count=len(found.wrong)
            )
        if self._task is not None and not self._task.done():
            raise TocsinError(ErrorCode.CONFLICT, "another file is being entered", key="import.other_runs")
        found.state = APPLYING  # before the first await: twice is refused
        found.total = sum(plan.step is not None for plan in found.plans)
        try:
            await self._store.run(_begin, found, actor)
        except TocsinError:
            found.state = CHECKED
            raise
        self._task = asyncio.create_task(self._enter(found, actor), name="import")
        return found

    def cancel(self, import_id: str, *, actor: Actor) -> Import:
        """Halt before the next group; what was entered stays. Errors: NOT_FOUND."""
        found = self.get(import_id, actor=actor)
        found.is_cancelled = found.state == APPLYING
        return found

    def is_entered(self, import_id: str) -> bool:
        """Say whether an import is not being entered just now."""
        found = self._kept.get(import_id)
        return found is None or found.state != APPLYING

    async def finished(self) -> None:
        """Wait for the import that is being entered."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """End what is being entered; what was committed stays and has its record."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _enter(self, found: Import, actor: Actor) -> None:
        refused: list[WrongLine] = []
        outcome = "failed"
        try:
            entry = Entry(self._store, self._services[1], actor, found.id)
            refused = await entry.run(found.plans, found.note, lambda: found.is_cancelled)
            outcome = "cancelled" if found.done < found.total else "done"
        except TocsinError as error:
            found.reason = error.key
        except asyncio.CancelledError:
            outcome = "stopped"
        except Exception:  # a fault of ours: told by the task, but the import is not "being entered" for ever
            found.reason, found.state = "internal", outcome
            found.until = self._clock.now() + KEPT_FOR
            raise
        ran = [plan for plan in found.plans if plan.step is not None][: found.done]
        failed = {one.line for one in refused}
        acts = [plan.act for plan in ran if plan.line not in failed]
        found.counts = {"create": acts.count("create"), "change": acts.count("change"), "same": found.counts["same"]}
        found.counts |= {"wrong": len(found.wrong), "refused": len(refused)}
        found.wrong = found.wrong + refused
        found.plans = []
        try:
            await self._store.run(_end, found, actor, outcome)
        except TocsinError as error:
            outcome, found.reason = "failed", error.key
        found.until = self._clock.now() + KEPT_FOR
        found.state = outcome

    def _forget_old(self) -> None:
        now = self._clock.now()
        for old in [one for one in self._kept.values() if one.until <= now and one.state != APPLYING]:
            del self._kept[old.id]


def _begin(tx: Any, found: Import, actor: Actor) -> None:
    tx.imports.add(begun(found.id, found.file, found.kind, found.plans, actor, tx.now))
    tx.record(
        events.ImportBegun(
            subject_id=found.id,
            at=tx.now,
            jurisdiction_code=next(iter(actor.jurisdiction_codes), ""),
            actor=actor.ref,
            lists=found.kind,
            file=found.file,
            create=found.counts["create"],
            change=found.counts["change"],
            same=found.counts["same"],
            wrong=found.counts["wrong"],
        )
    )


def _end(tx: Any, found: Import, actor: Actor, outcome: str) -> None:
    tx.record(
        events.ImportEnded(
            subject_id=found.id,
            at=tx.now,
            jurisdiction_code=next(iter(actor.jurisdiction_codes), ""),
            actor=actor.ref,
            outcome=outcome,
            created=found.counts["create"],
            changed=found.counts["change"],
            refused=found.counts["refused"],
        )
    )
