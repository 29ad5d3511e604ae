"""A key roll-over ends when the panel has used its new key."""

from __future__ import annotations

import pytest

from tests.support.registry import HOUSE, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.vault import Vault
from tocsin.domain.keys import KeyRollover

__all__ = ["small_house"]

OLD, NEW, NEWER = bytes(16), bytes(range(16)), bytes(range(16, 32))


@pytest.fixture
async def panel(small_house: House) -> str:
    made = await small_house.panel()
    for key in (OLD, NEW):
        await small_house.devices.set_secret(made.id, key_hex=key.hex(), actor=HOUSE)
    return str(made.id)


async def _keys(house: House, panel: str) -> tuple[bytes, ...]:
    await house.store.run(lambda _tx: None)  # what was handed in before is committed with it
    await house.directory.refresh(panel)
    account = house.directory.dc09_of(panel)
    assert account is not None
    return account.keys


async def test_the_previous_key_is_dropped_once_and_audited(small_house: House, panel: str) -> None:
    rollover = KeyRollover(small_house.store, Vault(bytes(32)))
    assert await _keys(small_house, panel) == (NEW, OLD)
    assert (await small_house.device(panel)).is_rolling_over
    for device_id in (panel, panel, "nobody"):
        rollover.confirmed(device_id, NEW)
    assert await _keys(small_house, panel) == (NEW,)
    assert not (await small_house.device(panel)).is_rolling_over
    assert [action for action, _ in await small_house.audited()].count("device.key_confirmed") == 1


async def test_a_key_set_meanwhile_keeps_the_one_the_panel_uses(small_house: House, panel: str) -> None:
    rollover = KeyRollover(small_house.store, Vault(bytes(32)))
    await small_house.devices.set_secret(panel, key_hex=NEWER.hex(), actor=HOUSE)
    rollover.confirmed(panel, NEW)
    assert await _keys(small_house, panel) == (NEWER, NEW)


class _FullStore:
    def batch(self, name: str, handler: object) -> None:
        pass

    def submit(self, name: str, item: object) -> None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full")


def test_a_store_that_takes_nothing_does_not_trouble_the_gateway() -> None:
    KeyRollover(_FullStore(), Vault(bytes(32))).confirmed("panel", NEW)  # type: ignore[arg-type]
