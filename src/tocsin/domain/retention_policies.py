"""Use cases of retention policies: added, changed, removed; what a change deletes; which cameras are under none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.acts import check_version, guard
from tocsin.domain.places import Jurisdiction
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.retention import (
    DAY_MS,
    Keeping,
    Policy,
    changed_policy,
    check_contradiction,
    keeping,
    new_policy,
)
from tocsin.domain.retention_events import PolicyRemoved, PolicySaved
from tocsin.domain.store import Store

READ: Final = Permission.READ_REGISTRY
MANAGE: Final = Permission.MANAGE_SETTINGS


@dataclass(frozen=True, slots=True)
class KeptCamera:
    """A camera in service or with recordings, and what it is under."""

    channel_id: str
    name: str
    name_en: str
    jurisdiction_code: str
    place_class: str
    keeping: Keeping

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.channel_id,
            "name": self.name,
            "name_en": self.name_en,
            "jurisdiction_code": self.jurisdiction_code,
            "place_class": self.place_class,
            "floor_days": self.keeping.floor_days if self.keeping.floor else None,
            "floor_policy": self.keeping.floor.name if self.keeping.floor else "",
            "ceiling_days": self.keeping.ceiling_days,
            "ceiling_policy": self.keeping.ceiling.name if self.keeping.ceiling else "",
            "hot_days": self.keeping.hot_days,
        }


@dataclass(frozen=True, slots=True)
class PolicyEffect:
    """What a change of policies does: cameras whose days change, and what would be deleted at the next pass."""

    cameras: int
    segments: int
    size_bytes: int

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {"cameras": self.cameras, "segments": self.segments, "bytes": self.size_bytes}


class PolicyService(UseCases):
    """Retention policies. A policy of the whole house or a jurisdiction is managed by administrators there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock

    async def find(self, *, actor: Actor) -> list[Policy]:
        """Return every policy that may touch what the actor sees. Errors: FORBIDDEN."""
        require(actor, READ)
        return await self._store.read(_find, scope(actor, READ))

    async def cameras(self, *, actor: Actor, only_without: bool = False) -> list[KeptCamera]:
        """Return the cameras the actor sees with what each is under, those under none first. Errors: FORBIDDEN."""
        require(actor, READ)
        return await self._store.read(_cameras, scope(actor, READ), only_without)

    async def add(self, given: Mapping[str, Any], *, actor: Actor) -> Policy:
        """Adopt a policy. Errors: INVALID naming the field, FORBIDDEN, CONFLICT naming the policy it contradicts."""
        return await self._act("retention.policy_saved", "retention_policy", "", actor, _add, actor, dict(given))

    async def change(self, policy_id: str, given: Mapping[str, Any], *, actor: Actor, version: int) -> Policy:
        """Change a policy. Errors: INVALID, NOT_FOUND, FORBIDDEN, CONFLICT (stale, or naming the contradicting one)."""
        return await self._act(
            "retention.policy_saved",
            "retention_policy",
            policy_id,
            actor,
            _change,
            actor,
            policy_id,
            dict(given),
            version,
        )

    async def remove(self, policy_id: str, *, actor: Actor, version: int) -> None:
        """Have a policy count no more. Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
        await self._act(
            "retention.policy_removed", "retention_policy", policy_id, actor, _remove, actor, policy_id, version
        )

    async def effect(self, given: Mapping[str, Any], *, actor: Actor, policy_id: str = "") -> PolicyEffect:
        """Return what saving a policy would do, without doing it; `policy_id` when one is changed. Errors: as `add`."""
        require(actor, MANAGE)
        return await self._store.read(_effect, actor, dict(given), policy_id)


def _code(tx: Any, actor: Actor, given: dict[str, Any], before: str = "") -> str:
    """Take `jurisdiction_id` out of what was given and return its code; empty for the whole house."""
    if "jurisdiction_id" not in given:
        return before
    jurisdiction_id = given.pop("jurisdiction_id") or ""
    if not jurisdiction_id:
        return ""
    home: Jurisdiction = tx.places.jurisdiction(jurisdiction_id, visible_to=scope(actor, READ))
    return home.code


def _find(tx: Any, visible: Scope) -> list[Policy]:
    policies: list[Policy] = tx.retention.policies()
    return [policy for policy in policies if _touches(policy, visible)]


def _touches(policy: Policy, visible: Scope) -> bool:
    code = policy.jurisdiction_code
    return not code or any(code.startswith(prefix) or prefix.startswith(code) for prefix in visible.prefixes)


def _cameras(tx: Any, visible: Scope, only_without: bool) -> list[KeptCamera]:
    policies: list[Policy] = tx.retention.policies()
    found = []
    for row in tx.kept.cameras(visible_to=visible):
        one = KeptCamera(
            row.channel_id,
            row.name,
            row.name_en,
            row.jurisdiction_code,
            row.place_class,
            keeping(policies, row.jurisdiction_code, row.place_class),
        )
        if one.keeping.is_none or not only_without:
            found.append(one)
    found.sort(key=lambda one: (not one.keeping.is_none, one.jurisdiction_code, one.name))
    return found


def _saved(policy: Policy, actor: Actor, before: tuple[str, ...] = ()) -> PolicySaved:
    assert policy.changed_at is not None
    return PolicySaved(
        subject_id=policy.id,
        at=policy.changed_at,
        jurisdiction_code=policy.jurisdiction_code,
        actor=actor.ref,
        min_days=policy.min_days,
        max_days=policy.max_days,
        basis=policy.basis,
        place_class=policy.place_class,
        version=policy.version,
        hot_days=policy.hot_days,
        before=before,
    )


def _add(tx: Any, actor: Actor, given: dict[str, Any]) -> Policy:
    code = _code(tx, actor, given)
    guard(actor, MANAGE, "retention_policy", "", code)
    policy = new_policy(new_id(), given, code, tx.now)
    check_contradiction(policy, tx.retention.policies())
    tx.retention.add_policy(policy)
    tx.record(_saved(policy, actor))
    return policy


def _change(tx: Any, actor: Actor, policy_id: str, given: dict[str, Any], version: int) -> Policy:
    known: Policy = tx.retention.policy(policy_id)
    guard(actor, MANAGE, "retention_policy", known.id, known.jurisdiction_code)
    check_version("policy", known.id, known.version, version)
    code = _code(tx, actor, given, known.jurisdiction_code)
    guard(actor, MANAGE, "retention_policy", known.id, code)
    changed = changed_policy(known, given, code, tx.now)
    check_contradiction(changed, tx.retention.policies())
    saved: Policy = tx.retention.save_policy(changed)
    before = tuple(
        f"{name}={getattr(known, name)}"
        for name in ("jurisdiction_code", "place_class", "min_days", "max_days", "hot_days", "basis")
        if getattr(known, name) != getattr(saved, name)
    )
    tx.record(_saved(saved, actor, before))
    return saved


def _remove(tx: Any, actor: Actor, policy_id: str, version: int) -> None:
    known: Policy = tx.retention.policy(policy_id)
    guard(actor, MANAGE, "retention_policy", known.id, known.jurisdiction_code)
    check_version("policy", known.id, known.version, version)
    tx.retention.remove_policy(known.id)
    tx.record(
        PolicyRemoved(
            subject_id=known.id,
            at=tx.now,
            jurisdiction_code=known.jurisdiction_code,
            actor=actor.ref,
            min_days=known.min_days,
            max_days=known.max_days,
            basis=known.basis,
            place_class=known.place_class,
        )
    )


def _effect(tx: Any, actor: Actor, given: dict[str, Any], policy_id: str) -> PolicyEffect:
    policies: list[Policy] = tx.retention.policies()
    if policy_id:
        known: Policy = tx.retention.policy(policy_id)
        guard(actor, MANAGE, "retention_policy", known.id, known.jurisdiction_code)
        policy = changed_policy(known, given, _code(tx, actor, given, known.jurisdiction_code), tx.now)
    else:
        policy = new_policy("", given, _code(tx, actor, given), tx.now)
    guard(actor, MANAGE, "retention_policy", policy.id, policy.jurisdiction_code)
    check_contradiction(policy, policies)
    after = [*(one for one in policies if one.id != policy.id), policy]
    now_ms = round(tx.now.timestamp() * 1000)
    changed: set[str] = set()
    segments = size_bytes = 0
    for camera in tx.kept.cameras(visible_to=scope(actor, MANAGE)):
        old = keeping(policies, camera.jurisdiction_code, camera.place_class)
        new = keeping(after, camera.jurisdiction_code, camera.place_class)
        if (old.floor_days, old.ceiling_days) != (new.floor_days, new.ceiling_days):
            changed.add(camera.channel_id)
        if new.ceiling_days is not None and (old.ceiling_days is None or new.ceiling_days < old.ceiling_days):
            count, more = tx.kept.older_than(camera.channel_id, now_ms - new.ceiling_days * DAY_MS)
            segments += count
            size_bytes += more
    return PolicyEffect(len(changed), segments, size_bytes)
