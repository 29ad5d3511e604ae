"""Devices, zones, links, secrets and faults on both engines."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import HOUSE, INSTALLER_A, OPERATOR, House, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.device_states import close_fault, open_fault
from tocsin.domain.devices import CatalogEntry
from tocsin.storage.store import AnyStore

KEY = "00112233445566778899aabbccddeeff"


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    return await make_house(store, clock)


async def _channel(house: House, gb_id: str = "34022300001320000001") -> str:
    camera = await house.camera()
    await house.reports.catalog(camera.id, [CatalogEntry(gb_id, "西门")], True)
    found = house.directory.channel_by_gb_id(camera.id, gb_id)
    assert found is not None
    return found.id


async def test_a_device_takes_its_jurisdiction_from_its_place_and_is_known_to_the_receiver(house: House) -> None:
    panel = await house.panel("0034")
    assert panel.jurisdiction_code == "340223"
    account = house.directory.dc09_account("", "0", "0034")
    assert account is not None
    assert account.device_id == panel.id
    assert house.directory.dc09_account("", "0", "34") is None


async def test_an_account_in_use_is_refused_and_names_its_field(house: House) -> None:
    await house.panel("1")
    with pytest.raises(TocsinError) as caught:
        await house.panel("1")
    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.CONFLICT, "address.account")
    other = await house.panel("1", address={"account": "1", "prefix": "2"})
    found = house.directory.dc09_account("", "2", "1")
    assert found is not None
    assert found.device_id == other.id


async def test_a_new_key_keeps_the_old_one_beside_it_until_the_next(house: House) -> None:
    panel = await house.panel("7")
    for key in ("11" * 16, "22" * 16, "33" * 16):
        saved = await house.devices.set_secret(panel.id, actor=HOUSE, key_hex=key)
    account = house.directory.dc09_account("", "", "7")
    assert account is not None
    assert account.keys == (bytes.fromhex("33" * 16), bytes.fromhex("22" * 16))
    assert saved.is_rolling_over
    saved = await house.devices.set_secret(panel.id, actor=HOUSE, remove=True)
    assert not saved.is_keyed


async def test_a_sip_password_reaches_the_gateway_and_replaces_the_old_one(house: House) -> None:
    camera = await house.camera()
    await house.devices.set_secret(camera.id, actor=HOUSE, password="one secret")
    await house.devices.set_secret(camera.id, actor=HOUSE, password="another one")
    device = house.directory.sip_device(camera.gb_id)
    assert device is not None
    assert device.password == "another one"
    with pytest.raises(TocsinError) as caught:
        await house.devices.set_secret(camera.id, actor=HOUSE, key_hex=KEY)
    assert caught.value.params["field"] == "key_hex"


async def test_a_retired_device_is_unknown_and_frees_its_account(house: House) -> None:
    panel = await house.panel("7")
    await house.devices.set_secret(panel.id, actor=HOUSE, key_hex=KEY)
    seen = await house.device(panel.id)
    retired = await house.devices.retire(panel.id, actor=HOUSE, version=seen.version)
    assert retired.form()["retired"] is True
    assert house.directory.dc09_account("", "", "7") is None
    again = await house.panel("7")
    assert again.id != panel.id
    stored = await house.store.read(lambda tx: tx.devices.secrets(panel.id))
    assert stored == (None, None)


async def test_a_list_is_narrowed_by_kind_state_text_and_jurisdiction(house: House) -> None:
    await house.panel("1", name="东门主机")
    camera = await house.camera()
    page = await house.devices.devices(OPERATOR, kind="panel")
    assert [device.name for device in page.items] == ["东门主机"]
    assert [d.id for d in (await house.devices.devices(OPERATOR, text="0000132")).items] == [camera.id]
    assert (await house.devices.devices(OPERATOR, state="online")).items == []
    assert (await house.devices.devices(OPERATOR, jurisdiction_id=house.county_b.id)).items == []
    assert len((await house.devices.devices(INSTALLER_A)).items) == 2


async def test_zone_numbers_match_with_and_without_leading_zeros(house: House) -> None:
    panel = await house.panel("1")
    zone = await house.devices.add_zone(panel.id, {"number": "003", "name": "西门红外"}, actor=HOUSE)
    assert zone.number == "3"
    changed = await house.devices.change_zone(panel.id, "03", {"kind": "infrared"}, actor=HOUSE, version=1)
    assert changed.kind == "infrared"
    with pytest.raises(TocsinError) as caught:
        await house.devices.add_zone(panel.id, {"number": "3"}, actor=HOUSE)
    assert caught.value.code is ErrorCode.CONFLICT
    for number in ("10", "2", "000"):
        await house.devices.add_zone(panel.id, {"number": number}, actor=HOUSE)
    assert [z.number for z in await house.devices.zones(panel.id, actor=HOUSE)] == ["0", "2", "3", "10"]


async def test_links_keep_their_order_and_refuse_what_is_not_there(house: House) -> None:
    panel = await house.panel("1")
    await house.devices.add_zone(panel.id, {"number": "3"}, actor=HOUSE)
    camera = await house.camera()
    entries = [CatalogEntry(f"3402230000131000000{n}", f"通道{n}") for n in range(3)]
    await house.reports.catalog(camera.id, entries, True)
    ids = [channel.id for channel in house.directory.channels_of(camera.id)]
    wanted = [ids[2], ids[0], ids[1]]
    zone = await house.devices.link_cameras(panel.id, "003", wanted, actor=HOUSE, version=1)
    assert list((await house.devices.zones(panel.id, actor=HOUSE))[0].cameras) == wanted
    with pytest.raises(TocsinError) as caught:
        await house.devices.link_cameras(panel.id, "3", [ids[0], "nobody"], actor=HOUSE, version=zone.version)
    assert caught.value.params["id"] == "nobody"
    with pytest.raises(TocsinError) as caught:
        await house.devices.link_cameras(panel.id, "3", [], actor=HOUSE, version=1)
    assert caught.value.params["current_version"] == zone.version


async def test_a_fault_opens_once_and_closes(house: House) -> None:
    panel = await house.panel("1")
    at = house.clock.now()
    for _ in range(3):
        await house.store.run(open_fault, panel.id, "security.downgrade", {}, at)
    device = await house.device(panel.id)
    assert [fault.key for fault in device.faults] == ["security.downgrade"]
    form = device.form()["faults"]
    assert form[0]["words_en"].startswith("It sent an unencrypted")
    await house.store.run(close_fault, panel.id, "security.downgrade", at)
    await house.store.run(close_fault, panel.id, "security.downgrade", at)
    assert (await house.device(panel.id)).faults == ()
    assert len(await house.facts("device.changed")) == 3  # entered, opened, closed


async def test_what_is_heard_is_stored_in_one_write_without_a_new_version(house: House) -> None:
    panels = [await house.panel(str(n)) for n in range(3)]
    house.clock.advance(1)
    for panel in panels:
        house.supervision.touch(panel.id, house.clock.now())
    await house.supervision.settle()
    await house.reports.flush()
    device = await house.device(panels[0].id)
    assert (device.state, device.last_seen_at, device.version) == ("online", house.clock.now(), 1)
    camera = await house.camera()
    house.reports.registered(camera.id, house.clock.now(), 3600, "127.0.0.1:5060", "tcp", "IPC 1.0", "3.0")
    house.reports.learned(camera.id, maker="Dahe", charset="gb18030", media_ladder="tcp_passive,udp")
    await house.reports.flush()
    device = await house.device(camera.id)
    assert (device.peer, device.transport, device.maker) == ("127.0.0.1:5060", "tcp", "Dahe")
    assert device.profile["user_agent"] == "IPC 1.0"
    await house.directory.load()
    known = house.directory.sip_device(camera.gb_id)
    assert known is not None
    assert (known.charset, known.media_ladder) == ("gb18030", ("tcp_passive", "udp"))


async def test_a_device_that_moves_takes_its_channels_with_it(house: House) -> None:
    channel_id = await _channel(house)
    channel = house.directory.channel(channel_id)
    assert channel is not None
    device = await house.device(channel.device_id)
    await house.devices.change(device.id, {"jurisdiction_id": house.county_b.id}, actor=HOUSE, version=device.version)
    moved = house.directory.channel(channel_id)
    assert moved is not None
    assert moved.jurisdiction_code == "340224"
    with pytest.raises(TocsinError):
        await house.cameras.camera(channel_id, actor=INSTALLER_A)


async def test_a_commit_elsewhere_is_read_again_and_a_mere_change_of_state_is_not(house: House) -> None:
    panel = await house.panel("1")
    house.directory._stale.clear()
    house.supervision.touch(panel.id, house.clock.now())
    await house.supervision.settle()
    assert house.directory._stale == set()
    await house.store.run(lambda tx: tx.devices.set_secrets(panel.id, None, None))
    await house.store.run(open_fault, panel.id, "clock.skew", {"skew_s": 9}, house.clock.now())
    assert house.directory._stale == {panel.id}
