"""Users and sessions as rows on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.registry import HOUSE, House, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.domain.people import SessionRow, User
from tocsin.domain.users import UserService
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    return await make_house(store, clock)


def _session(n: int, user_id: str, *, hours: int = 12) -> SessionRow:
    return SessionRow(
        f"{n:064d}", f"session-{n}", user_id, "cookie", "csrf", "", True, START, START + timedelta(hours=hours)
    )


async def test_users_are_written_read_and_found(house: House) -> None:
    def _work(tx):
        for n in range(5):
            role = "administrator" if n == 3 else "operator"
            tx.users.add(User(f"u{n}", f"name{n}", f"人{n}", (role,), (house.city.id,)), "hash")
        saved = tx.users.save(tx.users.get("u1"))
        assert saved.version == 2
        with pytest.raises(TocsinError) as caught:
            tx.users.save(User("u1", "name1", "x", ("operator",), (), version=1))
        assert caught.value.code is ErrorCode.CONFLICT
        tx.users.note_seen({"u0": START})
        tx.users.note_failures("u2", 5, START)
        return (
            [user.id for user in tx.users.find(limit=2)],
            [user.id for user in tx.users.find(before="u3")],
            [user.id for user in tx.users.find(role="administrator")],
            [user.id for user in tx.users.find(text="人4")],
            tx.users.names({"u0", "u4", "nobody"}),
            tx.users.by_username("name2"),
            tx.users.get("u0").last_seen_at,
        )

    newest, rest, administrators, found, names, locked, seen = await house.store.run(_work)
    assert (newest, rest, administrators, found) == (["u4", "u3"], ["u2", "u1", "u0"], ["u3"], ["u4"])
    assert names == {"u0": "人0", "u4": "人4"}
    assert (locked[0].failed_sign_ins, locked[0].locked_until, locked[1]) == (5, START, "hash")
    assert seen == START


async def test_only_sessions_that_count_are_open(house: House) -> None:
    def _work(tx):
        tx.users.add(User("u", "u", "u", ("operator",), ()), "hash")
        for n, hours in enumerate((12, 1, 12)):
            tx.users.add_session(_session(n, "u", hours=hours))
        tx.users.end_sessions(["session-2"], START)
        tx.users.set_duty("session-0", False)
        now = START + timedelta(hours=2)
        ended = tx.users.session_by_id("session-2")
        return tx.users.open_sessions("u", now), ended.ended_at, tx.users.session(f"{9:064d}")

    open_ones, ended_at, unknown = await house.store.run(_work)
    assert [(row.id, row.is_on_duty) for row in open_ones] == [("session-0", False)]
    assert (ended_at, unknown) == (START, None)


async def test_a_user_signs_in_and_is_disabled(house: House) -> None:
    users = UserService(house.store, house.clock, Passwords(memory_kib=64, passes=1))
    given = {"username": "li", "name": "李", "roles": ["operator"], "jurisdiction_ids": [house.city.id]}
    user = await users.create(given, "a good password", actor=HOUSE)
    made = await users.sign_in("li", "a good password")
    await users.change(user.id, {"disabled": True}, actor=HOUSE, version=1)
    assert await users.authenticate(made.token) is None
    actions = [action for action, _ in await house.audited()]
    assert actions[-4:] == ["user.added", "session.signed_in", "session.signed_out", "user.disabled"]
