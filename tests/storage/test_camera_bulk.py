"""Many cameras at once, on both databases."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import HOUSE, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.domain.camera_bulk import CameraBulk, Item
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


async def test_a_group_is_one_transaction_with_a_record_a_camera(house: House) -> None:
    camera = await house.camera()
    entries = [CatalogEntry(f"3402230000132000000{number}", f"门 {number}") for number in range(2, 5)]
    await house.reports.catalog(camera.id, entries, True)
    cameras = ChannelService(house.store, house.clock, house.directory)
    bulk = CameraBulk(house.store, cameras)
    found = (await cameras.cameras(HOUSE)).items
    assert len(found) == 3
    items = [Item(one.id, 0, {"owner": "科信科", "loss_policy": "tolerate"}) for one in found]
    items.append(Item("nobody", 0, {"owner": "科信科"}))
    done = await bulk.run("change", items, actor=HOUSE, is_preview=False)
    assert (len(done.changed), [one[0] for one in done.refused]) == (3, ["nobody"])
    assert {one.owner for one in (await cameras.cameras(HOUSE)).items} == {"科信科"}
    audited = await house.audited()
    assert audited.count(("channel.changed", "done")) == 3
    assert audited.count(("channel.changed", "refused")) == 1
