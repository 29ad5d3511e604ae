"""A `Scope` as SQL: ranges of division codes, never a long list."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_
from sqlalchemy.sql.elements import SQLCoreOperations

from tocsin.domain.access import Scope


def within(
    code: SQLCoreOperations[str], scope: Scope, object_id: SQLCoreOperations[str] | None = None
) -> ColumnElement[bool]:
    """Return the condition that a row of that code (and id) is covered by `scope`; it agrees with `Scope.covers`."""
    clauses: list[ColumnElement[bool]] = [below(code, prefix) for prefix in scope.prefixes]
    if scope.includes_house:
        clauses.append(code == "")
    if object_id is not None and scope.ids:
        clauses.append(object_id.in_(sorted(scope.ids)))
    return or_(*clauses) if clauses else false()


def below(code: SQLCoreOperations[str], prefix: str) -> ColumnElement[bool]:
    """Return the condition that a division code begins with `prefix` (digits)."""
    last = _after(prefix)
    return code >= prefix if last is None else (code >= prefix) & (code < last)


def _after(prefix: str) -> str | None:
    """Return the first text of digits after all that begin with `prefix`; None when there is none.

    Counted up in digits, so that every collation of a database agrees: 3409 is followed by 341, never by a colon.
    """
    head = prefix.rstrip("9")
    return head[:-1] + str(int(head[-1]) + 1) if head else None
