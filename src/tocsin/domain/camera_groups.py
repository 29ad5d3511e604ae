"""Groups of cameras as people make them: a name, a group above, members of any device.

A group belongs to a jurisdiction and is seen there, below it and by those above; it shows nobody a camera outside
his own jurisdictions. Members are set with `domain/camera_bulk.py`, one record a camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.events import CameraGroupRemoved, CameraGroupSaved
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import UseCases, require

MANAGE: Final = Permission.MANAGE_REGISTRY
READ: Final = Permission.READ_REGISTRY
MAX_GROUPS: Final = 2_000
MAX_DEPTH: Final = 8
MAX_GROUPS_A_CAMERA: Final = 20
MAX_NAME: Final = 80

WORDS: Final = Words(
    {
        "tree.node": ("This is no node of the tree.", "树中没有该节点。"),
        "groups.circle": ("A group cannot hang below itself.", "分组不能移到自身之下。"),
        "groups.deep": ("Groups go at most {most} levels deep.", "分组最多 {most} 层。"),
        "groups.many": ("There can be at most {most} groups.", "最多可建 {most} 个分组。"),
        "groups.taken": ("There is a group of this name at the same place.", "同级已有同名分组。"),
        "groups.below": ("Groups stand below it. Move or dissolve those first.", "其下还有分组，请先移走或解散。"),
        "groups.camera_many": ("A camera is in at most {most} groups.", "每台摄像机最多属于 {most} 个分组。"),
        "groups.elsewhere": (
            "The group belongs to another jurisdiction than the one above it.",
            "分组与其上级分组不属于同一辖区。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class CameraGroup:
    """A group; `jurisdiction_code` says whose it is."""

    id: str
    name: str
    parent_id: str | None
    jurisdiction_id: str
    jurisdiction_code: str
    changed_at: datetime
    version: int = 1

    def form(self, *, may_change: bool) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "parent_id": self.parent_id,
            "jurisdiction_id": self.jurisdiction_id,
            "changed_at": iso(self.changed_at),
            "may_change": may_change,
            "version": self.version,
        }


class CameraGroupService(UseCases):
    """Use cases of groups; each leaves a record."""

    async def find(self, *, actor: Actor) -> list[CameraGroup]:
        """Return the groups the actor may see, by name."""
        visible = require(actor, READ)
        found: list[CameraGroup] = await self._store.read(lambda tx: tx.groups.all(visible_to=visible))
        return found

    async def add(self, given: Mapping[str, Any], *, actor: Actor) -> CameraGroup:
        """Make a group, of the jurisdiction of the one above it, else of the one named, else of the actor's highest.

        Errors: INVALID, CONFLICT on a name in use there, NOT_FOUND, FORBIDDEN.
        """
        group_id = new_id()
        return await self._act("camera_group.saved", "camera_group", group_id, actor, _add, group_id, actor, given)

    async def change(self, group_id: str, changes: Mapping[str, Any], *, actor: Actor, version: int) -> CameraGroup:
        """Rename a group or hang it elsewhere. Errors: as `add`, and CONFLICT on a stale version."""
        return await self._act(
            "camera_group.saved", "camera_group", group_id, actor, _change, group_id, actor, changes, version
        )

    async def remove(self, group_id: str, *, actor: Actor) -> None:
        """Dissolve a group; its cameras stay. Errors: NOT_FOUND, FORBIDDEN, CONFLICT while groups stand below it."""
        await self._act("camera_group.removed", "camera_group", group_id, actor, _remove, group_id, actor)


def managed_group(tx: Any, actor: Actor, group_id: str) -> CameraGroup:
    """Return a group the actor may change. Errors: NOT_FOUND, FORBIDDEN."""
    group: CameraGroup = tx.groups.get(group_id, visible_to=scope(actor, READ))
    guard(actor, MANAGE, "camera_group", group.id, group.jurisdiction_code)
    return group


def _add(tx: Any, group_id: str, actor: Actor, given: Mapping[str, Any]) -> CameraGroup:
    name = _name(given.get("name", ""))
    parent_id = fields.optional_id("parent_id", given.get("parent_id"))
    if parent_id is not None:
        above = managed_group(tx, actor, parent_id)
        home = (above.jurisdiction_id, above.jurisdiction_code)
    else:
        home = _home(tx, actor, fields.optional_id("jurisdiction_id", given.get("jurisdiction_id")))
        guard(actor, MANAGE, "camera_group", group_id, home[1])
    parents = tx.groups.parents()
    if len(parents) >= MAX_GROUPS:
        raise TocsinError(ErrorCode.CONFLICT, f"at most {MAX_GROUPS} groups", key="groups.many", most=MAX_GROUPS)
    group = CameraGroup(group_id, name, parent_id, *home, tx.now)
    _check(tx, actor, group, {**parents, group_id: parent_id})
    tx.groups.add(group)
    _record(tx, group, actor)
    return group


def _change(tx: Any, group_id: str, actor: Actor, changes: Mapping[str, Any], version: int) -> CameraGroup:
    known = managed_group(tx, actor, group_id)
    check_version("group", group_id, known.version, version)
    changed = replace(known, changed_at=tx.now)
    if "name" in changes:
        changed = replace(changed, name=_name(changes["name"]))
    if "parent_id" in changes:
        parent_id = fields.optional_id("parent_id", changes["parent_id"])
        if parent_id is not None:
            above = managed_group(tx, actor, parent_id)
            if not known.jurisdiction_code.startswith(above.jurisdiction_code):
                raise refuse("parent_id", "groups.elsewhere", "the group above belongs to another jurisdiction")
        changed = replace(changed, parent_id=parent_id)
    _check(tx, actor, changed, {**tx.groups.parents(), group_id: changed.parent_id})
    saved: CameraGroup = tx.groups.save(changed)
    _record(tx, saved, actor)
    return saved


def _remove(tx: Any, group_id: str, actor: Actor) -> None:
    group = managed_group(tx, actor, group_id)
    if group_id in tx.groups.parents().values():
        raise TocsinError(ErrorCode.CONFLICT, "groups stand below it", key="groups.below")
    held = tx.groups.remove(group_id)
    tx.record(
        CameraGroupRemoved(
            subject_id=group_id, at=tx.now, jurisdiction_code=group.jurisdiction_code, actor=actor.ref, cameras=held
        )
    )


def _check(tx: Any, actor: Actor, group: CameraGroup, parents: Mapping[str, str | None]) -> None:
    """Refuse a circle, a tree too deep, and a name twice at one place."""
    depth, at = 1, group.parent_id
    while at is not None:
        if at == group.id:
            raise refuse("parent_id", "groups.circle", "a group cannot hang below itself")
        depth, at = depth + 1, parents.get(at)
    if depth + _height(group.id, parents) > MAX_DEPTH:
        raise refuse("parent_id", "groups.deep", f"at most {MAX_DEPTH} levels", most=MAX_DEPTH)
    for other in tx.groups.all(visible_to=scope(actor, READ)):
        if other.id != group.id and other.parent_id == group.parent_id and other.name == group.name:
            raise TocsinError(ErrorCode.CONFLICT, "the name is taken", key="groups.taken", field="name")


def _height(top: str, parents: Mapping[str, str | None]) -> int:
    """Return how many levels stand below a group."""
    height, level = 0, {top}
    while level := {one for one, above in parents.items() if above in level}:
        height += 1
        if height > MAX_DEPTH:
            break
    return height


def _home(tx: Any, actor: Actor, jurisdiction_id: str | None) -> tuple[str, str]:
    visible = scope(actor, MANAGE)
    if jurisdiction_id is not None:
        named: Jurisdiction = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ))
        return named.id, named.code
    nodes: list[Jurisdiction] = tx.places.jurisdictions(visible_to=visible)
    if not nodes:
        raise refuse("jurisdiction_id", "registry.field_required", "say whose the group is")
    top = min(nodes, key=lambda node: (len(node.code), node.code))
    return top.id, top.code


def _name(value: Any) -> str:
    found: str = fields.text(MAX_NAME, required=True)("name", value)
    return " ".join(found.split())


def _record(tx: Any, group: CameraGroup, actor: Actor) -> None:
    tx.record(
        CameraGroupSaved(
            subject_id=group.id,
            at=tx.now,
            jurisdiction_code=group.jurisdiction_code,
            actor=actor.ref,
            parent_id=group.parent_id or "",
            version=group.version,
        )
    )
