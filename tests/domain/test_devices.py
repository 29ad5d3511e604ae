"""Rules of devices and their secrets."""

from __future__ import annotations

import pytest

from tests.support.registry import HOUSE, INSTALLER_A, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError

__all__ = ["small_house"]


@pytest.fixture
def house(small_house: House) -> House:
    return small_house


KEY = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "toaster"}, "kind"),
        ({"address": {}}, "address.account"),
        ({"address": {"gb_id": "1"}}, "address.account"),
        ({"address": {"account": "with space"}}, "account"),
        ({"poll_interval_s": -1}, "poll_interval_s"),
        ({"settings": {"never_nak": "yes"}}, "never_nak"),
        ({"settings": {"unheard_of": 1}}, "unheard_of"),
    ],
)
async def test_a_wrong_field_of_a_device_is_named(house: House, given: dict[str, object], field: str) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.panel("7", **given)
    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.INVALID, field)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"key_hex": KEY}, bytes.fromhex(KEY)),
        ({"key_hex": "0011 2233 4455 6677 8899 aabb ccdd eeff"}, bytes.fromhex(KEY)),
        ({"key_text": "ABCDEFGHIJKLMNOP"}, b"ABCDEFGHIJKLMNOP"),
        ({"key_hex": KEY * 2}, bytes.fromhex(KEY * 2)),
    ],
)
async def test_a_key_is_entered_as_digits_or_characters_and_never_shown(
    house: House, given: dict[str, str], expected: bytes
) -> None:
    panel = await house.panel("7")
    saved = await house.devices.set_secret(panel.id, actor=HOUSE, **given)
    assert saved.is_keyed
    account = house.directory.dc09_account("", "", "7")
    assert account is not None
    assert account.keys == (expected,)
    assert KEY not in str(saved.form())
    assert str(expected) not in repr(account)
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    assert all(KEY not in record.detail and "ABCDEF" not in record.detail for record in records)


@pytest.mark.parametrize("key", ["", "0011", "g" * 32, KEY[:-1]])
async def test_a_key_of_another_form_is_refused(house: House, key: str) -> None:
    panel = await house.panel("7")
    with pytest.raises(TocsinError) as caught:
        await house.devices.set_secret(panel.id, actor=HOUSE, key_hex=key)
    assert caught.value.code is ErrorCode.INVALID


async def test_an_installer_manages_devices_of_the_own_county_only(house: House) -> None:
    made = await house.devices.create(
        {
            "kind": "panel",
            "name": "x",
            "protocol": "dc09",
            "address": {"account": "5"},
            "place_id": house.school_a.id,
        },
        actor=INSTALLER_A,
    )
    assert made.jurisdiction_code == "340223"
    with pytest.raises(TocsinError) as caught:
        await house.devices.create(
            {
                "kind": "panel",
                "name": "x",
                "protocol": "dc09",
                "address": {"account": "6"},
                "jurisdiction_id": house.county_b.id,
            },
            actor=INSTALLER_A,
        )
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert ("device.added", "refused") in await house.audited()


async def test_faulty_parts_named_by_a_device_are_a_fault_until_it_names_none(house: House) -> None:
    camera = await house.camera()
    house.reports.learned(camera.id, faulty="34022300001340000003")
    await house.reports.flush()
    assert [fault.key for fault in (await house.device(camera.id)).faults] == ["device.parts_faulty"]
    house.reports.learned(camera.id, faulty="")
    await house.reports.flush()
    device = await house.device(camera.id)
    assert device.faults == ()
    assert "faulty" not in device.profile
