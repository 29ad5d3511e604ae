"""Refusals: what was asked and denied is kept like what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Resource, Rule, Scope, decide, scope
from tocsin.domain.audit import AuditEntry, Outcome
from tocsin.domain.store import Store

P = ParamSpec("P")
T = TypeVar("T")
AUDITED = frozenset({ErrorCode.FORBIDDEN, ErrorCode.CONFLICT, ErrorCode.BLOCKED, ErrorCode.NOT_FOUND})


def forbidden(rule: Rule) -> TocsinError:
    """Return the error of a denial; it names the rule."""
    return TocsinError(ErrorCode.FORBIDDEN, f"refused by rule {rule.value}", key=rule.value, rule=rule.value)


def require(actor: Actor, action: Permission) -> Scope:
    """Return where `actor` may do `action`. Errors: FORBIDDEN when nowhere."""
    decision = decide(actor, action, Resource("", "", next(iter(actor.jurisdiction_codes), "")))
    if decision.rule in (Rule.NO_PERMISSION, Rule.ACCOUNT_DISABLED):
        raise forbidden(decision.rule)
    return scope(actor, action)


class UseCases:
    """What services share: a use case is run, and when it is refused the refusal is committed before it is answered."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def _act(
        self,
        asked: str,
        subject_kind: str,
        subject_id: str,
        actor: Actor,
        work: Callable[Concatenate[Any, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work(tx, ...)`; a refusal leaves an audit record under the action that was asked for."""
        refusal: TocsinError
        try:
            return await self._store.run(work, *args, **kwargs)
        except TocsinError as error:
            if error.code not in AUDITED:
                raise
            refusal = error

        # The time is the store's own, taken in the transaction that keeps the refusal.
        await self._store.run(note_refusal, asked, subject_kind, subject_id, actor, refusal)
        raise refusal


def note_refusal(tx: Any, asked: str, subject_kind: str, subject_id: str, actor: Actor, refusal: TocsinError) -> None:
    """Keep a refusal under the action that was asked for, in the transaction of the caller."""
    detail: dict[str, object] = {"rule": refusal.key, "code": refusal.code.value}
    for name in ("purpose", "channels", "incident_id"):
        if value := refusal.params.get(name):
            detail[name] = value
    tx.audit_entry(
        AuditEntry(
            tx.now,
            actor.kind,
            actor.id,
            asked,
            subject_kind,
            subject_id,
            next(iter(actor.jurisdiction_codes), ""),
            Outcome.REFUSED,
            detail,
        )
    )
