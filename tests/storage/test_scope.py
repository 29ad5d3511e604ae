"""A scope as SQL and as a rule agree on both engines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, literal, select

from tocsin.domain.access import Scope
from tocsin.storage.scope import _after, within
from tocsin.storage.store import AnyStore
from tocsin.storage.tables_registry import jurisdictions

digits = st.text("0189", min_size=1, max_size=5)
scopes = st.builds(
    Scope,
    prefixes=st.lists(digits, max_size=3).map(tuple),
    ids=st.frozensets(st.sampled_from(["id-1", "id-2", "id-3"]), max_size=2),
    includes_house=st.booleans(),
)


@given(digits, digits)
def test_the_upper_bound_of_a_prefix_is_after_all_that_begin_with_it(prefix: str, code: str) -> None:
    last = _after(prefix)
    assert (code >= prefix and (last is None or code < last)) == code.startswith(prefix)


async def test_sql_and_rule_agree(store: AnyStore) -> None:
    samples: list[tuple[Scope, list[str]]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(scopes, st.lists(digits, min_size=1, max_size=12, unique=True))
    def _collect(scope: Scope, codes: list[str]) -> None:
        samples.append((scope, codes))

    _collect()
    for scope, codes in samples:
        rows = [(f"id-{n}", code) for n, code in enumerate(codes)]

        def _check(tx, scope=scope, rows=rows):
            tx.connection.execute(jurisdictions.delete())
            tx.connection.execute(
                insert(jurisdictions),
                [{"id": i, "code": c, "short": "", "name": "", "level": "city", "version": 1} for i, c in rows],
            )
            found = tx.connection.execute(
                select(jurisdictions.c.id).where(within(jurisdictions.c.code, scope, jurisdictions.c.id))
            )
            house = tx.connection.execute(select(literal(1)).where(within(literal(""), scope)))
            return set(found.scalars()), house.scalar() is not None

        found, house = await store.run(_check)
        assert found == {i for i, c in rows if scope.covers(c, i)}
        assert house == scope.covers("")


@pytest.mark.parametrize("scope", [Scope(), Scope(ids=frozenset({"x"}))])
async def test_an_empty_scope_shows_nothing(store: AnyStore, scope: Scope) -> None:
    def _read(tx):
        return tx.places.jurisdictions(visible_to=scope)

    assert await store.read(_read) == []
