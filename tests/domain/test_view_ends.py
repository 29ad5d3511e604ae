"""Whoever loses the ground to look loses the view in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.support.registry import HOUSE, House, small_house
from tocsin.base.passwords import Passwords
from tocsin.domain.access import Role
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.people import User
from tocsin.domain.users import NewSession, UserService
from tocsin.domain.views import View

__all__ = ["small_house"]

RIGHT = "a rather long password"


@pytest.fixture
def house(small_house: House) -> House:
    return small_house


@pytest.fixture
def users(house: House) -> UserService:
    return UserService(house.store, house.clock, Passwords(memory_kib=64, passes=1))


async def _user(house: House, users: UserService, name: str = "li.na") -> tuple[User, NewSession]:
    given = {
        "username": name,
        "name": "李娜",
        "roles": [Role.OPERATOR.value],
        "jurisdiction_ids": [house.county_a.id],
    }
    user = await users.create(given, RIGHT, actor=HOUSE)
    return user, await users.sign_in(name, RIGHT)


async def _channels(house: House, gb_id: str, *channels: str) -> tuple[str, list[str]]:
    """Return a SIP device and the ids of its channels."""
    device = await house.camera(gb_id)
    await house.reports.catalog(device.id, [CatalogEntry(one, one) for one in channels], complete=True)
    return device.id, [channel.id for channel in house.directory.channels_of(device.id)]


async def _look(house: House, view_id: str, user: User, made: NewSession, channels: Sequence[str]) -> None:
    now = house.clock.now()
    view = View(
        view_id,
        user.id,
        made.session.id,
        "patrol",
        tuple(channels),
        house.county_a.code,
        now,
        now + timedelta(minutes=10),
    )
    await house.store.run(lambda tx: tx.views.add(view))


async def _open(house: House, user: User) -> list[str]:
    return sorted(view.id for view in await house.store.read(lambda tx: tx.views.live_of_user(user.id)))


async def test_signing_out_and_going_off_duty_end_the_views_of_that_session_only(
    house: House, users: UserService
) -> None:
    _, channels = await _channels(house, "34022300001320000001", "34022300001310000001")
    user, first = await _user(house, users)
    second = await users.sign_in("li.na", RIGHT)
    await _look(house, "one", user, first, channels)
    await _look(house, "two", user, second, channels)
    await users.set_duty(first.token, False)
    assert await _open(house, user) == ["two"]
    await users.set_duty(second.token, True)
    assert await _open(house, user) == ["two"]
    await users.sign_out(second.token)
    assert await _open(house, user) == []
    assert await house.facts("view.ended") == ["one", "two"]
    assert [action for action, _ in await house.audited()].count("view.ended") == 2


@pytest.mark.parametrize("change", ["roles", "home", "disabled"])
async def test_changed_rights_end_the_views_they_gave(house: House, users: UserService, change: str) -> None:
    _, channels = await _channels(house, "34022300001320000001", "34022300001310000001")
    user, made = await _user(house, users)
    other, others = await _user(house, users, "wang")
    await _look(house, "one", user, made, channels)
    await _look(house, "other", other, others, channels)
    await users.change(user.id, {"name": "李 娜"}, actor=HOUSE, version=1)
    assert await _open(house, user) == ["one"]
    changes: dict[str, dict[str, object]] = {
        "roles": {"roles": ["auditor"]},
        "home": {"jurisdiction_ids": [house.county_b.id]},
        "disabled": {"disabled": True},
    }
    await users.change(user.id, changes[change], actor=HOUSE, version=2)
    assert await _open(house, user) == []
    assert await _open(house, other) == ["other"]


async def test_a_retired_camera_or_device_and_one_that_moves_away_end_the_views_that_show_it(
    house: House, users: UserService
) -> None:
    recorder, (left, right) = await _channels(
        house, "34022300001320000001", "34022300001310000001", "34022300001310000002"
    )
    moving, away = await _channels(house, "34022300001320000002", "34022300001310000003")
    user, made = await _user(house, users)
    for view_id, channels in (("left", [left]), ("both", [left, right]), ("right", [right]), ("away", away)):
        await _look(house, view_id, user, made, channels)
    version = (await house.cameras.camera(left, actor=HOUSE)).version
    await house.cameras.retire(left, actor=HOUSE, version=version)
    assert await _open(house, user) == ["away", "right"]
    version = (await house.device(recorder)).version
    await house.devices.retire(recorder, actor=HOUSE, version=version)
    assert await _open(house, user) == ["away"]
    assert house.directory.channel(right) is None
    version = (await house.device(moving)).version
    await house.devices.change(moving, {"jurisdiction_id": house.county_b.id}, actor=HOUSE, version=version)
    assert await _open(house, user) == []
