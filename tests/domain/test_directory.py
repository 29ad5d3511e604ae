"""The copy in memory that gateways ask for every frame."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.registry import HOUSE, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.vault import Vault
from tocsin.domain.device_states import open_fault
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.directory import Directory

__all__ = ["small_house"]


@pytest.fixture
def house(small_house: House) -> House:
    return small_house


async def test_an_account_that_names_prefix_or_receiver_matches_only_that_and_first(house: House) -> None:
    plain = await house.panel("1")
    prefixed = await house.panel("1", address={"account": "1", "prefix": "9"})
    narrow = await house.panel("1", address={"account": "1", "prefix": "9", "receiver": "2"})

    def _found(receiver: str, prefix: str) -> str | None:
        entry = house.directory.dc09_account(receiver, prefix, "1")
        return entry.device_id if entry else None

    assert _found("", "") == plain.id
    assert _found("", "9") == prefixed.id
    assert _found("2", "9") == narrow.id
    assert _found("2", "0") == plain.id
    assert house.directory.dc09_account("", "", "2") is None


async def test_settings_of_a_panel_reach_the_receiver(house: House) -> None:
    panel = await house.panel("1", settings={"window_low_s": 90.0, "never_nak": True}, clock_offset_s=28_800.0)
    account = house.directory.dc09_of(panel.id)
    assert account is not None
    assert (account.window_low_s, account.window_high_s, account.never_nak) == (90.0, 20.0, True)
    assert account.clock_offset_s == 28_800.0


@pytest.mark.parametrize(("given", "expected"), [({}, 60), ({"poll_interval_s": 30}, 30), ({"poll_interval_s": 1}, 60)])
async def test_an_absurd_keepalive_interval_is_ignored(house: House, given: dict[str, float], expected: int) -> None:
    camera = await house.camera(**given)
    known = house.directory.sip_device(camera.gb_id)
    assert known is not None
    assert known.keepalive_s == expected


async def test_what_a_gateway_learned_counts_at_once_and_what_people_set_wins(house: House) -> None:
    camera = await house.camera()
    house.reports.learned(camera.id, charset="gbk", media_ladder="tcp_active,udp")
    known = house.directory.sip_device(camera.gb_id)
    assert known is not None
    assert (known.charset, known.media_ladder) == ("gbk", ("tcp_active", "udp"))
    await house.reports.flush()
    device = await house.device(camera.id)
    await house.devices.change(camera.id, {"settings": {"charset": "utf-8"}}, actor=HOUSE, version=device.version)
    known = house.directory.sip_device(camera.gb_id)
    assert known is not None
    assert (known.charset, known.media_ladder) == ("utf-8", ("tcp_active", "udp"))


async def test_a_changed_address_leaves_no_trace_of_the_old_one(house: House) -> None:
    panel = await house.panel("1")
    camera = await house.camera()
    await house.devices.change(panel.id, {"address": {"account": "2"}}, actor=HOUSE, version=1)
    await house.devices.change(camera.id, {"address": {"gb_id": "340"}}, actor=HOUSE, version=1)
    assert house.directory.dc09_account("", "", "1") is None
    assert house.directory.sip_device(camera.gb_id) is None
    assert house.directory.sip_device("340") is not None
    assert len(house.directory) == 2


async def test_channels_are_found_by_both_ids_until_they_are_retired(house: House) -> None:
    camera = await house.camera()
    await house.reports.catalog(camera.id, [CatalogEntry("340223000013100000" + n, n) for n in ("01", "02")], True)
    first, second = sorted(house.directory.channels_of(camera.id), key=lambda channel: channel.gb_id)
    assert house.directory.channel(first.id) is first
    assert house.directory.channel_by_gb_id(camera.id, second.gb_id) is second
    await house.cameras.retire(first.id, actor=HOUSE, version=1)
    assert house.directory.channel(first.id) is None
    assert house.directory.channel_by_gb_id(camera.id, first.gb_id) is None


async def test_a_change_made_elsewhere_is_read_after_its_commit(house: House) -> None:
    panel = await house.panel("1")
    asked = asyncio.Event()
    task = asyncio.create_task(house.directory.keep_fresh())
    sealed = Vault(bytes(32)).seal(b"0123456789abcdef")
    house.directory.on_change(lambda devices, _gone: asked.set() if devices else None)

    def _elsewhere(tx):
        tx.devices.set_secrets(panel.id, sealed, None)
        open_fault(tx, panel.id, "clock.skew", {}, tx.now)

    await house.store.run(_elsewhere)
    while True:
        await asyncio.wait_for(asked.wait(), 10)
        asked.clear()
        account = house.directory.dc09_of(panel.id)
        if account is not None and account.keys:
            break
    assert account.keys == (b"0123456789abcdef",)
    task.cancel()


async def test_a_secret_sealed_under_another_key_stops_the_start_with_the_reason(house: House) -> None:
    panel = await house.panel("1")
    await house.devices.set_secret(panel.id, actor=HOUSE, key_text="0123456789abcdef")
    with pytest.raises(TocsinError, match=r"secret\.key") as caught:
        await Directory(house.store, Vault(bytes([1]) * 32)).load()
    assert caught.value.code is ErrorCode.UNAVAILABLE
