"""A zone nobody has entered is a fault of its panel until somebody does."""

from __future__ import annotations

from tests.support.house import burglary, signal_of
from tests.support.registry import HOUSE, House, small_house
from tocsin.domain.intake import Intake
from tocsin.domain.signals import Signal

__all__ = ["small_house"]


def _alarm(device_id: str, zone: str, after_s: float) -> Signal:
    return signal_of(burglary(zone), device_id=device_id, account="3411", after_s=after_s)


async def _told(house: House, intake: Intake, device_id: str) -> list[object]:
    await intake.unknown_zones.settle(house.store)
    return [fault.params["zones"] for fault in (await house.device(device_id)).faults if fault.key == "zone.unknown"]


async def test_an_unknown_zone_is_told_once_and_is_over_when_it_is_entered(small_house: House) -> None:
    intake = Intake(small_house.store)
    panel = (await small_house.panel()).id
    await small_house.devices.add_zone(panel, {"number": "1"}, actor=HOUSE)
    for after_s, zone in enumerate(("001", "007", "007", "000", "9")):
        await intake.accept(_alarm(panel, zone, after_s))
    (zones,) = await _told(small_house, intake, panel)
    assert sorted(str(zones).split(", ")) == ["7", "9"]
    await intake.accept(_alarm(panel, "12", 10))
    assert "12" in str(await _told(small_house, intake, panel))
    for number in ("007", "12", "9"):
        await small_house.devices.add_zone(panel, {"number": number}, actor=HOUSE)
    assert await _told(small_house, intake, panel) == []


async def test_a_panel_without_zones_has_nothing_to_compare_with(small_house: House) -> None:
    intake = Intake(small_house.store)
    panel = (await small_house.panel()).id
    await intake.accept(_alarm(panel, "7", 0))
    assert await _told(small_house, intake, panel) == []
