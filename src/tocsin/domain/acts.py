"""What the use cases of the registry share: pages of a list, permission, versions, and who acts at the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Resource, Role, decide
from tocsin.domain.refusals import forbidden

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
        raise forbidden(decision.rule)


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
