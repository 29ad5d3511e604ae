"""Step timelines and knocking devices are bounded, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.registry import HOUSE, House, make_house
from tocsin.base.ids import new_id
from tocsin.domain.attempts import Attempt, PendingDevice, Step
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    return await make_house(store, clock)


def _attempt(device_id: str, second: int, **given: object) -> Attempt:
    steps = (
        Step("register.received", "ok", 0, {"peer": "127.0.0.1:5060"}),
        Step("register.wrong_password", "failed", 12),
    )
    at = START + timedelta(seconds=second)
    values = {"id": new_id(), "channel_id": None, "kind": "registration", "outcome": "failed"} | given
    return Attempt(
        device_id=device_id,
        started_at=at,
        ended_at=at,
        failure="register.wrong_password",
        steps=steps,
        **values,  # type: ignore[arg-type]
    )


async def test_attempts_come_newest_first_with_their_steps(house: House) -> None:
    camera = await house.camera()
    for second in (1, 3, 2):
        house.reports.attempt(_attempt(camera.id, second))
    await house.reports.flush()
    found = await house.devices.attempts(HOUSE, device_id=camera.id)
    assert [(item.started_at - START).seconds for item in found] == [3, 2, 1]
    assert found[0].steps[0].params == {"peer": "127.0.0.1:5060"}
    assert found[0].steps[1].state == "failed"


async def test_an_attempt_that_ran_is_replaced_by_its_end(house: House) -> None:
    camera = await house.camera()
    first = _attempt(camera.id, 1, outcome="running")
    house.reports.attempt(first)
    await house.reports.flush()
    house.reports.attempt(_attempt(camera.id, 1, id=first.id, outcome="ok"))
    await house.reports.flush()
    assert [item.outcome for item in await house.devices.attempts(HOUSE, device_id=camera.id)] == ["ok"]


async def test_only_the_newest_fifty_of_a_device_stay(house: House) -> None:
    crowded, quiet = await house.camera(), await house.camera("34022300001320000002")
    for second in range(60):
        house.reports.attempt(_attempt(crowded.id, second))
    house.reports.attempt(_attempt(quiet.id, 1))
    await house.reports.flush()
    assert await house.store.run(lambda tx: tx.attempts.trim()) == 10
    found = await house.store.read(lambda tx: tx.attempts.of(crowded.id, limit=100))
    assert len(found) == 50
    assert min(item.started_at for item in found) == START + timedelta(seconds=10)
    assert len(await house.devices.attempts(HOUSE, device_id=quiet.id)) == 1


async def test_an_attempt_of_a_device_nobody_knows_does_not_spoil_the_batch(house: House) -> None:
    camera = await house.camera()
    house.reports.attempt(_attempt("", 1))
    house.reports.attempt(_attempt(camera.id, 2))
    await house.reports.flush()
    assert len(await house.devices.attempts(HOUSE, device_id=camera.id)) == 1


async def test_knocks_are_counted_and_the_newest_thousand_stay(house: House) -> None:
    def _knock(tx, first: int, last: int) -> None:
        at = [START + timedelta(seconds=n) for n in range(first, last)]
        tx.attempts.knock(
            [PendingDevice(f"{n:020d}", "127.0.0.1:1", "ua", at[n - first], at[n - first]) for n in range(first, last)]
        )

    await house.store.run(_knock, 0, 700)
    await house.store.run(_knock, 650, 1_200)
    pending = await house.store.read(lambda tx: tx.attempts.pending())
    assert len(pending) == 1_000
    assert pending[0].gb_id == f"{1_199:020d}"
    assert next(item for item in pending if item.gb_id == f"{660:020d}").knocks == 2


async def test_a_device_that_is_entered_leaves_the_list_of_those_that_knock(house: House) -> None:
    for _ in range(3):
        house.reports.pending("34022300001320000001", START, "127.0.0.1:5060", "IPC\x00\n")
    await house.reports.flush()
    (waiting,) = await house.devices.pending(HOUSE)
    assert (waiting.gb_id, waiting.knocks, waiting.user_agent) == ("34022300001320000001", 3, "IPC")
    await house.camera()
    assert await house.devices.pending(HOUSE) == []


async def test_what_could_not_be_stored_is_stored_later(house: House) -> None:
    class Broken:
        async def run(self, *_args: object) -> None:
            raise OSError("the disk is full")

    camera = await house.camera()
    working, house.reports._store = house.reports._store, Broken()  # type: ignore[assignment]
    house.reports.attempt(_attempt(camera.id, 1))
    house.reports.learned(camera.id, charset="gbk", version="2.0")
    house.reports.pending("1", START, "127.0.0.1:1", "")
    with pytest.raises(OSError, match="full"):
        await house.reports.flush()
    house.reports.learned(camera.id, charset="utf-8")
    house.reports.pending("1", START, "127.0.0.1:2", "")
    house.reports._store = working
    await house.reports.flush()
    assert (await house.device(camera.id)).profile == {"charset": "utf-8", "version": "2.0"}
    assert [(item.knocks, item.peer) for item in await house.devices.pending(HOUSE)] == [(2, "127.0.0.1:2")]
    assert len(await house.devices.attempts(HOUSE, device_id=camera.id)) == 1
