"""Many cameras changed, put into service or retired: a group to a transaction, one audit record a camera as single acts
have; a camera that cannot is left and told, the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, scope
from tocsin.domain.camera_groups import MAX_GROUPS_A_CAMERA, CameraGroup, managed_group
from tocsin.domain.cameras import (
    ChannelService,
    change_channel,
    changed_of,
    commission_channel,
    managed_channel,
    restore_channel,
    retire_channel,
)
from tocsin.domain.channels import ChannelRecord, checked_tags
from tocsin.domain.fields import refuse
from tocsin.domain.place_service import MANAGE, READ
from tocsin.domain.refusals import AUDITED, UseCases, note_refusal, require
from tocsin.domain.store import Store

GROUP: Final = 200
ACTS: Final = ("change", "commission", "retire", "restore")
CHANGES: Final = ("owner", "purpose", "place_id", "loss_policy", "jurisdiction_id", "tags", "groups")
STEPS: Final = ("add_tags", "remove_tags", "add_groups", "remove_groups")
_TAKES: Final = {"change": (*CHANGES, *STEPS), "restore": (*CHANGES, "stage"), "commission": (), "retire": ()}
_FILLED: Final = ("stage", "owner", "purpose", "place_id")
_ASKED: Final = {
    "change": "channel.changed",
    "commission": "channel.commissioned",
    "retire": "channel.retired",
    "restore": "channel.restored",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One camera and what to do; `version` 0: whatever it is now."""

    id: str
    version: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """What was done, or would be: `changed` with version and values before and after; `same`; `refused` and why."""

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
                if name not in _TAKES[act]:
                    raise refuse(name, "registry.field_fixed", f"{name} cannot be changed of many cameras")
        if act in ("change", "restore") and not all(item.changes for item in items):
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
    held: dict[str, set[str]] = tx.groups.of_channels([item.id for item in items])
    mine = {one.id for one in tx.groups.all(visible_to=scope(actor, READ)) if _manages(actor, one)}
    for item in items:
        name = ""
        try:
            known: ChannelRecord = tx.devices.channel(item.id, visible_to=scope(actor, READ))
            name = known.name
            version = item.version or known.version
            wanted, groups = _wanted(tx, actor, known, item.changes, held[item.id] & mine)
            if _is_so(known, act, wanted, held[item.id] & mine, groups):
                group.same.append(item.id)
                continue
            saved = _one(tx, act, actor, None if is_preview else tx.now, known, wanted, version)
            if groups is not None:
                _check_groups(held[item.id] - mine | groups)
                if not is_preview:
                    tx.groups.set_groups(item.id, groups - held[item.id], (held[item.id] & mine) - groups)
            before, after = _told(known, saved, act, wanted, held[item.id] & mine, groups)
            group.changed.append(
                {"id": item.id, "name": name, "version": saved.version, "before": before, "after": after}
            )
            group.devices.add(saved.device_id)
        except TocsinError as error:
            if error.code is ErrorCode.UNAVAILABLE:
                raise
            group.refused.append((item.id, name, error))
            if not is_preview and error.code in AUDITED:
                note_refusal(tx, _ASKED[act], "channel", item.id, actor, error)
    return group


def _manages(actor: Actor, group: CameraGroup) -> bool:
    return scope(actor, MANAGE).covers(group.jurisdiction_code)


def _wanted(
    tx: Any, actor: Actor, known: ChannelRecord, changes: Mapping[str, Any], held: set[str]
) -> tuple[dict[str, Any], set[str] | None]:
    """Return the values a channel is to have, and the groups of the actor's it is to be in; None: as they are."""
    wanted = dict(changes)
    added, removed = wanted.pop("add_tags", ()), set(wanted.pop("remove_tags", ()))
    if added or removed:
        wanted["tags"] = [tag for tag in (*known.tags, *added) if tag not in removed]
    if "tags" in wanted:
        wanted["tags"] = checked_tags("tags", wanted["tags"])
    put, taken = wanted.pop("add_groups", ()), set(wanted.pop("remove_groups", ()))
    listed = wanted.pop("groups", None)
    if listed is None and not put and not taken:
        return wanted, None
    for group_id in (*put, *(listed or ())):
        if group_id not in held:
            managed_group(tx, actor, group_id)
    return wanted, ((held if listed is None else set(listed)) | set(put)) - taken


def _check_groups(groups: set[str]) -> None:
    if len(groups) > MAX_GROUPS_A_CAMERA:
        raise refuse("groups", "groups.camera_many", "a camera is in too many groups", most=MAX_GROUPS_A_CAMERA)


def _is_so(known: ChannelRecord, act: str, wanted: Mapping[str, Any], held: set[str], groups: set[str] | None) -> bool:
    """Say whether there is nothing to do."""
    if act == "commission":
        return known.stage == "in_service"
    if act == "retire":
        return False
    form = known.form()
    is_same = all(form.get(key) == (list(value) if key == "tags" else value) for key, value in wanted.items())
    return is_same and (groups is None or groups == held)


def _told(
    known: ChannelRecord,
    saved: ChannelRecord,
    act: str,
    wanted: Mapping[str, Any],
    held: set[str],
    groups: set[str] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values before and after, of what was asked and of what came with it."""
    was, now = known.form(), saved.form()
    names = {"commission": _FILLED, "retire": ("stage",)}.get(act, tuple(wanted))
    if was["stage"] != now["stage"]:
        names = (*names, "stage")
    shown = [name for name in dict.fromkeys(names) if name in wanted or was[name] != now[name]]
    before, after = {name: was[name] for name in shown}, {name: now[name] for name in shown}
    if groups is not None:
        before["groups"], after["groups"] = sorted(held), sorted(groups)
    return before, after


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
    if act == "restore":
        return restore_channel(tx, actor, now, known.id, changes, version)
    if act == "commission":
        return commission_channel(tx, actor, now, known.id, version)
    if now is None:
        return replace(managed_channel(tx, actor, known.id, version), stage="retired")
    return retire_channel(tx, actor, now, known.id, version)
