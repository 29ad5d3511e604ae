"""The three trees of cameras: by jurisdiction and place, by what catalogues say, by people's own groups.

A node has a key that the tree and the filter of the list share:
`j:<jurisdiction>` with all below it, `p:<jurisdiction>:<place>` (place empty: none), `d:<device>` with all it names,
`n:<device>:<gb id>` a directory of its catalogue with all below it, `z:` cameras no directory holds and
`z:<six digits>` those of a division, `g:<group>` with all below it, `g:` cameras in no group.
Source: GB reference, catalogue (business groups, virtual organisations, divisions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import search_text
from tocsin.domain.access import Actor, Permission, scope

MODES: Final = ("jurisdiction", "catalog", "groups")
MAX_NODES: Final = 10_000  # directories kept of one catalogue
MAX_OPEN: Final = 200
READ: Final = Permission.READ_REGISTRY


@dataclass(frozen=True, slots=True)
class CatalogNode:
    """What a catalogue names above its channels: `kind` group, organisation, division, platform or device."""

    gb_id: str
    kind: str
    name: str = ""
    parent_id: str = ""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class TreeKey:
    """A node's key taken apart."""

    kind: str
    id: str = ""
    part: str = ""


@dataclass(slots=True)
class TreeNode:
    """A node with the cameras in use at and below it, and how many of them are online."""

    key: str
    kind: str
    id: str
    name: str = ""
    name_en: str = ""
    parent: str = ""
    total: int = 0
    online: int = 0
    is_leaf: bool = True
    version: int = 0
    may_change: bool = False
    order: str = field(default="", repr=False)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "key": self.key,
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "name_en": self.name_en,
            "spelt": search_text(self.name),
            "total": self.total,
            "online": self.online,
            "leaf": self.is_leaf,
            "version": self.version,
            "may_change": self.may_change,
        }


def read_key(text: str) -> TreeKey | None:
    """Return a key; None for no text. Errors: INVALID."""
    if not text:
        return None
    kind, _, rest = text.partition(":")
    ident, _, part = rest.partition(":")
    is_known = (kind in ("j", "d", "z", "g") and not part) or (kind in ("p", "n") and bool(ident))
    needs_id = kind in ("j", "d")
    if not is_known or (needs_id and not ident) or (kind == "n" and not part) or len(text) > 120:
        raise TocsinError(ErrorCode.INVALID, f"{text[:40]!r} is no node of a tree", key="tree.node", field="node")
    return TreeKey(kind, ident, part)


def merged_nodes(
    known: Sequence[CatalogNode], told: Iterable[CatalogNode], *, is_complete: bool
) -> tuple[list[CatalogNode], list[str]]:
    """Return the nodes to write and the ids to forget; a part leaves a parent it does not say, and drops nothing."""
    before = {node.gb_id: node for node in known}
    latest = {node.gb_id: node for node in told if node.gb_id}
    gone = [gb_id for gb_id, node in latest.items() if node.is_deleted and gb_id in before]
    kept = {gb_id: node for gb_id, node in latest.items() if not node.is_deleted}
    if is_complete:
        gone.extend(gb_id for gb_id in before if gb_id not in latest)
    room = MAX_NODES - len(before) + len(gone)
    written = []
    for gb_id, node in kept.items():
        former = before.get(gb_id)
        if former is not None and not is_complete and not node.parent_id:
            node = CatalogNode(gb_id, node.kind, node.name, former.parent_id)
        if former is None:
            if room <= 0:
                continue  # its cameras hang below the device itself
            room -= 1
        if node != former:
            written.append(node)
    return written, gone


def children(tx: Any, actor: Actor, mode: str, keys: Sequence[str]) -> dict[str, list[TreeNode]]:
    """Return the nodes right below each key; the empty key is the root. Errors: INVALID."""
    if mode not in MODES:
        raise TocsinError(
            ErrorCode.INVALID,
            "no such tree",
            key="registry.field_choice",
            field="by",
            choices=", ".join(MODES),
        )
    for key in keys:
        read_key(key)
    nodes = {"jurisdiction": _by_jurisdiction, "catalog": _by_catalog, "groups": _by_group}[mode](tx, actor, set(keys))
    below: dict[str, list[TreeNode]] = {key: [] for key in keys}
    for node in nodes:
        if node.parent in below:
            below[node.parent].append(node)
    for found in below.values():
        found.sort(key=lambda node: (node.order, node.name, node.key))
    return below


def _by_jurisdiction(tx: Any, actor: Actor, _: set[str]) -> list[TreeNode]:
    visible = scope(actor, READ)
    jurisdictions = tx.places.jurisdictions(visible_to=visible)
    seen = {one.id for one in jurisdictions}
    nodes = {
        f"j:{one.id}": TreeNode(
            f"j:{one.id}",
            "jurisdiction",
            one.id,
            one.name,
            one.name_en,
            f"j:{one.parent_id}" if one.parent_id in seen else "",
            order=f"0{one.code}",
        )
        for one in jurisdictions
    }
    counts = [one for one in tx.devices.camera_counts(visible_to=visible) if f"j:{one.jurisdiction_id}" in nodes]
    places = tx.tree.place_names(visible_to=visible)
    for count in counts:
        home = f"j:{count.jurisdiction_id}"
        key = f"p:{count.jurisdiction_id}:{count.place_id or ''}"
        name, name_en = places.get(count.place_id or "", ("", ""))
        nodes[key] = TreeNode(
            key,
            "place",
            count.place_id or "",
            name,
            name_en,
            home,
            count.total,
            count.online,
            order="1" if name else "2",
        )
    return _summed(nodes)


def _by_catalog(tx: Any, actor: Actor, _: set[str]) -> list[TreeNode]:
    visible = scope(actor, READ)
    directories: Mapping[str, Sequence[CatalogNode]] = tx.tree.nodes(visible_to=visible)
    names: Mapping[str, tuple[str, str]] = tx.tree.device_names(directories)
    nodes: dict[str, TreeNode] = {}
    for device_id, items in directories.items():
        name, name_en = names.get(device_id, ("", ""))
        root = TreeNode(f"d:{device_id}", "device", device_id, name, name_en, order="0")
        nodes[root.key] = root
        parents = cut({item.gb_id: item.parent_id for item in items})
        for item in items:
            key = f"n:{device_id}:{item.gb_id}"
            above = parents[item.gb_id]
            parent = f"n:{device_id}:{above}" if above else root.key
            nodes[key] = TreeNode(key, item.kind, item.gb_id, item.name, "", parent, order=_RANK.get(item.kind, "3"))
    divisions = {one.code: one for one in tx.places.jurisdictions(visible_to=visible)}
    loose = TreeNode("z:", "loose", "", order="9")
    for row in tx.tree.catalog_counts(visible_to=visible):
        at = nodes.get(f"n:{row.device_id}:{row.parent}") or nodes.get(f"d:{row.device_id}")
        if at is None:
            key = f"z:{row.division}"
            nodes["z:"] = loose
            at = loose
            if row.division:
                known = divisions.get(row.division)
                node = TreeNode(key, "division", row.division, parent="z:", order=row.division)
                if known is not None:
                    node.name, node.name_en = known.name, known.name_en
                at = nodes.setdefault(key, node)
        at.total += row.total
        at.online += row.online
    return [node for node in _summed(nodes) if node.total]


_RANK: Final = {"group": "0", "organisation": "1", "platform": "2", "division": "2", "device": "3"}


def _by_group(tx: Any, actor: Actor, _: set[str]) -> list[TreeNode]:
    visible = scope(actor, READ)
    manages = scope(actor, Permission.MANAGE_REGISTRY)
    groups = tx.groups.all(visible_to=visible)
    seen = {one.id for one in groups}
    nodes = {
        f"g:{one.id}": TreeNode(
            f"g:{one.id}",
            "own_group",
            one.id,
            one.name,
            "",
            f"g:{one.parent_id}" if one.parent_id in seen else "",
            version=one.version,
            may_change=manages.covers(one.jurisdiction_code),
            order="0",
        )
        for one in groups
    }
    parents = {one.id: one.parent_id if one.parent_id in seen else None for one in groups}
    above = {one.id: _chain(one.id, parents) for one in groups}
    for group_id, total, online in tx.groups.counts({g: frozenset(chain) for g, chain in above.items()}, visible):
        node = nodes[f"g:{group_id}"]
        node.total, node.online = total, online
    for node in nodes.values():
        if node.parent:
            nodes[node.parent].is_leaf = False
    total, online = tx.groups.ungrouped(visible_to=visible, groups=seen)
    if groups and total:
        nodes["g:"] = TreeNode("g:", "ungrouped", "", total=total, online=online, order="9")
    return list(nodes.values())


def _chain(start: str, parents: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    at: str | None = start
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at)
    return found


def cut(parents: Mapping[str, str]) -> dict[str, str]:
    """Return item -> parent where it exists and leads to the root; an unknown parent or a circle means the root."""
    sound = {item: above if above in parents and above != item else "" for item, above in parents.items()}
    settled: set[str] = set()
    for start in sound:
        path: list[str] = []
        on_path: set[str] = set()
        at = start
        while at and at not in settled:
            if at in on_path:
                sound[at] = ""
                break
            path.append(at)
            on_path.add(at)
            at = sound[at]
        settled.update(path)
    return sound


def _summed(nodes: Mapping[str, TreeNode]) -> list[TreeNode]:
    """Add to each node what lies below it; say which have something below."""
    own = {key: (node.total, node.online) for key, node in nodes.items()}
    for key, (total, online) in own.items():
        at, steps = nodes[key].parent, 0
        while at and at in nodes and steps < len(nodes):
            node = nodes[at]
            node.is_leaf = False
            node.total += total
            node.online += online
            at, steps = node.parent, steps + 1
    return list(nodes.values())
