"""Positions through this platform: of vehicles that are shared, under the right to them, as often as asked, after a
restart too; never of anything that somebody wears."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.cascade import (
    CHANNELS,
    LOCAL_ID,
    RECORDER_ID,
    LowerHouse,
    eventually,
    lower_house,
    settle,
    upper_platform,
)
from tests.support.registry import ADMINISTRATOR, HOUSE
from tocsin.gateways.gb28181_cascade_subscriptions import Subscription, SubscriptionsFile
from tocsin.protocols.gb28181.subscribe import Position, read_positions
from tocsin.sim.platform import SimPlatform

FIRST = CHANNELS[0].gb_id
MAPPED = "34020000001320000777"
RIGHTS = ["live", "positions"]


@pytest.fixture
async def platform():
    async with upper_platform() as made:
        yield made


@pytest.fixture
async def house(tmp_path, platform):
    async with lower_house(tmp_path, subscriptions_path=tmp_path / "uppers.json") as made:
        yield made


async def joined(house: LowerHouse, platform: SimPlatform, carrier: str = "vehicle", **given: object) -> str:
    device = await house.registry.devices.device(house.device_id, actor=HOUSE)
    await house.registry.devices.change(
        house.device_id, {"settings": {"carrier": carrier}}, actor=HOUSE, version=device.version
    )
    await settle(house)
    upper = await house.enter(platform, **{"rights": RIGHTS, **given})
    assert await platform.wait(lambda: LOCAL_ID in platform.lowers)
    await eventually(lambda: bool(house.cascade.lines[upper].catalogue.items))
    return upper


def told(house: LowerHouse, platform: SimPlatform) -> list[tuple[str, float, float]]:
    """Return every position the upper platform was told."""
    found = [one for one in platform.report.documents if one.cmd_type == "MobilePosition"]
    places = [place for document in found for place in read_positions(document, house.clock.now())]
    return [(place.gb_id, place.lon, place.lat) for place in places]


async def report(house: LowerHouse, lon: float, gb_id: str = FIRST) -> None:
    """Let the device below report where a channel is, a moment after the last report."""
    at = house.clock.now() + timedelta(milliseconds=1)
    assert await house.camera.watched.tell_positions(Position(gb_id, lon, 31.3, at), as_list=True) == 200


@pytest.mark.parametrize("edition", ["2016", "2022"])
async def test_positions_are_told_under_the_id_known_above_in_the_form_of_its_edition(house, platform, edition):
    upper = await joined(house, platform, edition=edition)
    await house.service.set_export(upper, house.channels[0].id, {"exported_id": MAPPED}, actor=ADMINISTRATOR)
    await platform.catalogue(LOCAL_ID)
    assert await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=1) == 200
    await report(house, 118.37)
    await eventually(lambda: told(house, platform) == [(MAPPED, 118.37, 31.3)], 5)
    document = platform.report.documents[-1]
    assert (document.root.child("DeviceList") is not None) == (edition == "2022")
    assert ("upper.acted", "done") in await house.audited()


async def test_the_interval_is_kept_and_the_latest_position_is_told_then(house, platform):
    await joined(house, platform)
    await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=30)
    await report(house, 118.1)
    await eventually(lambda: len(told(house, platform)) == 1, 5)
    await report(house, 118.2)
    await report(house, 118.3)
    house.cascade.positions.tick()
    line = next(iter(house.cascade.lines.values()))
    (subscription,) = line.subscriptions.all_of("position", house.clock.monotonic())
    assert subscription.interval_s == 30
    assert len(told(house, platform)) == 1
    at, sent = subscription.told_at[FIRST]
    assert at.lon == 118.1, "nothing is told before its time"
    subscription.told_at[FIRST] = (at, sent - 30)
    house.cascade.positions.tick()
    await eventually(lambda: [place[1] for place in told(house, platform)] == [118.1, 118.3], 5)


async def test_without_the_right_the_subscription_is_refused_and_nothing_is_told(house, platform):
    await joined(house, platform, rights=["live"])
    assert await platform.subscribe(LOCAL_ID, "MobilePosition") == 403
    await report(house, 118.37)
    house.cascade.positions.tick()
    assert told(house, platform) == []


@pytest.mark.parametrize("carrier", ["worn", ""])
async def test_what_somebody_wears_or_nobody_knows_is_never_told(house, platform, carrier):
    upper = await joined(house, platform, carrier=carrier)
    assert await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=1) == 200
    await report(house, 118.37)
    house.cascade.positions.tick()
    assert await house.failed(upper) == [("cascade.no_carriers", 200)]
    assert told(house, platform) == []


async def test_what_is_not_shared_is_not_told(house, platform):
    upper = await joined(house, platform)
    await house.share(upper, ("camera", house.channels[1].id))
    await platform.catalogue(LOCAL_ID)
    await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=1)
    await report(house, 118.37)
    await report(house, 118.38, CHANNELS[1].gb_id)
    await eventually(lambda: told(house, platform) == [(CHANNELS[1].gb_id, 118.38, 31.3)], 5)


async def test_one_camera_is_subscribed_to_by_its_id_and_its_device_speaks_for_its_only_camera(house, platform):
    upper = await joined(house, platform)
    await house.share(upper, ("camera", house.channels[0].id))
    await platform.catalogue(LOCAL_ID)
    assert await platform.subscribe(LOCAL_ID, "MobilePosition", asked_id=FIRST, interval_s=1) == 200
    assert await platform.subscribe(LOCAL_ID, "MobilePosition", asked_id="34020000001320009999") == 404
    await report(house, 118.37, RECORDER_ID)
    await eventually(lambda: told(house, platform) == [(FIRST, 118.37, 31.3)], 5)


async def test_an_ended_subscription_is_told_nothing_more(house, platform):
    await joined(house, platform)
    await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=1)
    assert await platform.subscribe(LOCAL_ID, "MobilePosition", 0) == 200
    await report(house, 118.37)
    house.cascade.positions.tick()
    assert told(house, platform) == []


async def test_after_a_restart_the_subscription_goes_on_in_its_dialog(house, platform):
    upper = await joined(house, platform)
    await platform.subscribe(LOCAL_ID, "MobilePosition", interval_s=1)
    before = house.cascade.lines[upper].subscriptions.all_of("position", house.clock.monotonic())[0]
    await house.cascade._close(house.cascade.lines[upper])  # what a restart leaves: nothing in memory
    await house.cascade.reload()
    await eventually(
        lambda: bool(house.cascade.lines[upper].subscriptions.all_of("position", house.clock.monotonic())), 5
    )
    after = house.cascade.lines[upper].subscriptions.all_of("position", house.clock.monotonic())[0]
    assert (after.call_id, after.local, after.remote) == (before.call_id, before.local, before.remote)
    assert after.cseq > before.cseq
    await report(house, 118.37)
    await eventually(lambda: len(told(house, platform)) == 1, 5)


def test_what_is_kept_on_disk_survives_and_what_is_spoiled_there_is_passed_over(tmp_path):
    path = tmp_path / "uppers.json"
    kept = SubscriptionsFile(path)
    one = Subscription("position", "c", "<a>;tag=1", "<b>", "sip:b", "presence", "id", 160.0, 7, interval_s=5.0)
    kept.save("upper", [one], 100.0, 1000.0)
    (found,) = SubscriptionsFile(path).take("upper", 5.0, 1010.0)
    assert (found.call_id, found.interval_s, found.ends_at) == ("c", 5.0, 55.0)
    assert found.cseq > 7
    assert SubscriptionsFile(path).take("upper", 5.0, 1061.0) == [], "its time is over"
    for spoiled in ("", "[]", '{"upper": [{"kind": 3}]}', '{"upper": 5}', "{"):
        path.write_text(spoiled)
        assert SubscriptionsFile(path).take("upper", 0.0, 1000.0) == []
