"""A `Scope` as SQL: ranges of division codes, never a long list."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_
from sqlalchemy.sql.elements import SQLCoreOperations

from tocsin.domain.access import Scope


def within(
    code: SQLCoreOperations[str], scope: Scope, object_id: SQLCoreOperations[str] | None = None
) -> ColumnElement[bool]:
    """Return the condition that a row of that code (and id) is covered by `scope`; it agrees with `Scope.covers`."""
    clauses: list[ColumnElement[bool]] = [(code >= prefix) & (code < _after(prefix)) for prefix in scope.prefixes]
    if scope.includes_house:
        clauses.append(code == "")
    if object_id is not None and scope.ids:
        clauses.append(object_id.in_(sorted(scope.ids)))
    return or_(*clauses) if clauses else false()


def _after(prefix: str) -> str:
    """Return the first text that no longer begins with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
