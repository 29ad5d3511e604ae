"""How a person's act on the registry runs: checked, in one transaction with its proof, a refusal recorded by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Resource, Role, decide
from tocsin.domain.events import Refused
from tocsin.domain.store import Store

T = TypeVar("T")
MAX_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` is the cursor of the following one, None at the end."""

    items: Sequence[T]
    next: str | None = None


def page(found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Page[T]:
    """Return the page of a list that was asked for one row more than `limit`."""
    return Page(found[:limit], cursor(found[limit - 1])) if len(found) > limit else Page(found)


def bounded(limit: int) -> int:
    """Return a page size within bounds."""
    return max(1, min(limit, MAX_PAGE))


def guard(actor: Actor, permission: Permission, kind: str, subject_id: str, jurisdiction_code: str) -> None:
    """Let the act pass. Errors: FORBIDDEN with the rule that denies it."""
    decision = decide(actor, permission, Resource(kind, subject_id, jurisdiction_code))
    if not decision.allowed:
        raise TocsinError(
            ErrorCode.FORBIDDEN,
            f"{permission.value} is not allowed here: {decision.rule.value}",
            key=decision.rule.value,
            rule=decision.rule.value,
        )


async def act(
    store: Store,
    actor: Actor,
    asked: str,
    subject: tuple[str, str],
    now: datetime,
    work: Callable[..., T],
    *args: Any,
) -> T:
    """Run `work(tx, *args)`; when it is forbidden, commit the refusal of `asked` on `subject` (kind, id) and raise."""
    try:
        return await store.run(work, *args)
    except TocsinError as error:
        if error.code is ErrorCode.FORBIDDEN:
            refused = Refused(
                subject_id=subject[1],
                at=now,
                actor=actor.ref,
                asked=asked,
                kind=subject[0],
                rule=str(error.params.get("rule", "")),
            )
            entry = refused.audit()
            if entry is not None:
                await store.refuse(entry)
        raise


def check_version(kind: str, subject_id: str, known: int, seen: int) -> None:
    """Let a writer pass who has seen the newest version. Errors: CONFLICT with `current_version`."""
    if known != seen:
        raise TocsinError(ErrorCode.CONFLICT, f"{kind} {subject_id} has changed", key="stale", current_version=known)


def house_actor(name: str = "tocsin", kind: str = "command") -> Actor:
    """Return who acts at the command line of the server: an administrator of every jurisdiction."""
    return Actor(
        id=name,
        name=name,
        roles=frozenset({Role.ADMINISTRATOR}),
        jurisdiction_codes=tuple("123456789"),
        kind=kind,
    )
