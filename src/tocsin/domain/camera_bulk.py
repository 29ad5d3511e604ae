"""Many cameras changed, put into service or retired: a group to a transaction, one audit record a camera as single acts
have; a camera that cannot is left and told, the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, scope
from tocsin.domain.cameras import (
    ChannelService,
    change_channel,
    changed_of,
    commission_channel,
    managed_channel,
    retire_channel,
)
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.fields import refuse
from tocsin.domain.refusals import AUDITED, UseCases, note_refusal, require
from tocsin.domain.registry import MANAGE, READ
from tocsin.domain.store import Store

GROUP: Final = 200
ACTS: Final = ("change", "commission", "retire")
CHANGES: Final = ("owner", "purpose", "place_id", "loss_policy")
_ASKED: Final = {"change": "channel.changed", "commission": "channel.commissioned", "retire": "channel.retired"}


@dataclass(frozen=True, slots=True)
class Item:
    """One camera and what to do; `version` 0: whatever it is now."""

    id: str
    version: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """What was done, or would be: `changed` with the version now and the values before; `same`; `refused` and why."""

    changed: list[dict[str, object]] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    refused: list[tuple[str, str, TocsinError]] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)


class CameraBulk(UseCases):
    """Use cases of many cameras."""

    def __init__(self, store: Store, cameras: ChannelService) -> None:
        super().__init__(store)
        self._cameras = cameras

    async def run(self, act: str, items: Sequence[Item], *, actor: Actor, is_preview: bool) -> Group:
        """Do `act` to at most `GROUP` cameras in one transaction, or say what it would do.

        Errors: INVALID, FORBIDDEN without the permission anywhere.
        """
        require(actor, MANAGE)
        if not 0 < len(items) <= GROUP:
            raise refuse("ids", "registry.field_form", f"1 to {GROUP} cameras at a time", form=f"1-{GROUP}")
        for item in items:
            for name in item.changes:
                if act != "change" or name not in CHANGES:
                    raise refuse(name, "registry.field_fixed", f"{name} cannot be changed of many cameras")
        if act == "change" and not all(item.changes for item in items):
            raise refuse("changes", "registry.field_required", "say what to change")
        unique = tuple({item.id: item for item in items}.values())
        if is_preview:
            return await self._store.read(_run, act, unique, actor, is_preview=True)
        done: Group = await self._store.run(_run, act, unique, actor, is_preview=False)
        await self._cameras.refresh(*done.devices)
        return done

    async def matching(
        self, filters: Mapping[str, str], *, actor: Actor, after: str, limit: int = GROUP
    ) -> tuple[list[str], str | None]:
        """Return the ids of a page of cameras, as their list finds them, and the cursor of the next."""
        found = await self._cameras.cameras(actor, after=after, limit=min(limit, GROUP), **filters)
        return [channel.id for channel in found.items], found.next


def _run(tx: Any, act: str, items: Sequence[Item], actor: Actor, *, is_preview: bool) -> Group:
    group = Group()
    for item in items:
        name = ""
        try:
            known: ChannelRecord = tx.devices.channel(item.id, visible_to=scope(actor, READ))
            name = known.name
            version = item.version or known.version
            if _is_so(known, act, item.changes):
                group.same.append(item.id)
            else:
                before = {key: known.form().get(key) for key in item.changes}
                now = None if is_preview else tx.now
                saved = _one(tx, act, actor, now, known, item.changes, version)
                group.changed.append({"id": item.id, "name": name, "version": saved.version, "before": before})
                group.devices.add(saved.device_id)
        except TocsinError as error:
            if error.code is ErrorCode.UNAVAILABLE:
                raise
            group.refused.append((item.id, name, error))
            if not is_preview and error.code in AUDITED:
                note_refusal(tx, _ASKED[act], "channel", item.id, actor, error)
    return group


def _is_so(known: ChannelRecord, act: str, changes: Mapping[str, Any]) -> bool:
    """Say whether there is nothing to do."""
    if act == "change":
        return all(known.form().get(key) == value for key, value in changes.items())
    return act == "commission" and known.stage == "in_service"


def _one(
    tx: Any,
    act: str,
    actor: Actor,
    now: datetime | None,
    known: ChannelRecord,
    changes: Mapping[str, Any],
    version: int,
) -> ChannelRecord:
    """Do one, or check it when `now` is None."""
    if act == "change":
        if now is None:
            return changed_of(tx, actor, known.id, changes, version)[1]
        return change_channel(tx, actor, now, known.id, changes, version)
    if act == "commission":
        return commission_channel(tx, actor, now, known.id, version)
    if now is None:
        return managed_channel(tx, actor, known.id, version)
    return retire_channel(tx, actor, now, known.id, version)
