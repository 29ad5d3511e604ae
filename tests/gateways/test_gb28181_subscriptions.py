"""Subscriptions to catalogues and positions between the real gateway and simulated devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gb28181 import PASSWORD, House, eventually
from tocsin.base.geo import gcj02_from_wgs84
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_notices import MAX_WAITING_A_DEVICE
from tocsin.gateways.gb28181_subscriptions import SubscriptionState, wants
from tocsin.protocols.gb28181.subscribe import Position, PtzPosition, Topic
from tocsin.sim.camera import CameraPlan, Quirk, SimCamera, make_channels

DEVICE = SipDevice("device-1", "34020000001180000001", PASSWORD, alarm_subscription=False, catalog_subscription="on")
CHANNELS = make_channels(1, 3)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS)
FIRST = CHANNELS[0].gb_id
CATALOG = (DEVICE.gb_id, Topic.CATALOG)


def with_quirks(*quirks: Quirk) -> CameraPlan:
    return replace(PLAN, quirks=frozenset(quirks))


def ask_now(house: House) -> None:
    for kept in house.gb.subscriptions._kept.values():
        kept.due = 0.0
    house.gb.subscriptions.tick()


async def subscribed(house: House, plan: CameraPlan = PLAN, topic: Topic = Topic.CATALOG) -> SimCamera:
    camera = await house.camera(plan)
    assert await camera.register()
    ask_now(house)
    await eventually(lambda: house.gb.subscriptions.state_of(DEVICE.gb_id, topic) is SubscriptionState.ACTIVE)
    return camera


@pytest.mark.parametrize("topic", [Topic.CATALOG, Topic.POSITION, Topic.PTZ_POSITION])
async def test_each_kind_is_asked_for_and_renewed_in_its_dialog_at_four_fifths(topic):
    entry = replace(DEVICE, position_subscription=True, ptz_position_subscription=True)
    async with House(entry, subscribe_alarms=True) as house:
        camera = await subscribed(house, replace(PLAN, version="3.0"), topic)
        kept = house.gb.subscriptions._kept[DEVICE.gb_id, topic]
        assert kept.due == pytest.approx(house.clock.monotonic() + 0.8 * 3600, abs=5)
        (watch,) = camera.watched.of(topic)
        ask_now(house)
        await eventually(lambda: [one.renewals for one in camera.watched.of(topic)] == [1])
        assert [one.call_id for one in camera.watched.of(topic)] == [watch.call_id]


async def test_a_lost_dialog_gives_a_new_subscription():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        camera.watched.forget()
        kept = house.gb.subscriptions._kept[CATALOG]
        before = kept.call_id
        ask_now(house)
        await eventually(lambda: len(camera.watched.of(Topic.CATALOG)) == 1 and not kept.is_under_way)
        assert kept.call_id != before
        assert "subscribe.lost" in [step.key for attempt in house.reports.attempts for step in attempt.steps]


async def test_one_the_device_let_end_is_begun_anew():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        kept = house.gb.subscriptions._kept[CATALOG]
        await camera.watched.end(Topic.CATALOG)
        assert (kept.state, kept.call_id) == (SubscriptionState.WANTED, "")
        assert kept.due <= house.clock.monotonic() + 5
        ask_now(house)
        await eventually(lambda: len(camera.watched.of(Topic.CATALOG)) == 1)


async def test_switching_it_off_ends_it_at_the_device():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        house.directory.change(DEVICE.gb_id, catalog_subscription="off")
        house.gb.entries_changed([DEVICE.gb_id])
        house.gb.subscriptions.tick()
        await eventually(lambda: camera.watched.held == {})
        assert house.reports.profile["device-1"]["catalog_subscription"] == ""


async def test_switching_it_on_asks_without_waiting_for_a_registration():
    async with House(replace(DEVICE, catalog_subscription="off"), subscribe_alarms=True) as house:
        camera = await house.camera(PLAN)
        await camera.register()
        ask_now(house)
        house.directory.change(DEVICE.gb_id, catalog_subscription="on")
        house.gb.entries_changed([DEVICE.gb_id])
        house.gb.subscriptions.tick()
        await eventually(lambda: len(camera.watched.of(Topic.CATALOG)) == 1)


async def test_after_a_restart_the_same_subscription_goes_on(tmp_path: Path):
    path = tmp_path / "subscriptions.jsonl"
    async with House(DEVICE, subscribe_alarms=True, subscriptions_path=path) as house:
        camera = await subscribed(house)
        (before,) = camera.watched.of(Topic.CATALOG)
        held = dict(camera.watched.held)
    path.write_text(path.read_text() + '["cut by a cra')
    async with House(DEVICE, subscribe_alarms=True, subscriptions_path=path) as house:
        camera = await house.camera(PLAN)
        camera.watched.held.update(held)
        await camera.register()
        ask_now(house)
        await eventually(lambda: sum(one.renewals for one in camera.watched.of(Topic.CATALOG)) == 1)
        assert [one.call_id for one in camera.watched.of(Topic.CATALOG)] == [before.call_id], "and no second one"


async def test_a_refusal_is_shown_and_not_repeated():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await house.camera(with_quirks(Quirk.REFUSES_SUBSCRIBE))
        await camera.register()
        ask_now(house)
        await eventually(lambda: house.gb.subscriptions.state_of(*CATALOG) is SubscriptionState.REFUSED)
        ask_now(house)
        assert camera.report.subscriptions == 1
        assert house.reports.profile["device-1"]["catalog_subscription"] == "refused 489"


@pytest.mark.parametrize("quirk", [Quirk.NOTIFY_OUTSIDE_DIALOG, Quirk.NO_SUBSCRIPTION_STATE])
async def test_notifications_outside_the_dialog_or_without_a_state_count(quirk):
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house, with_quirks(quirk))
        assert await camera.watched.tell_channels([(FIRST, "OFF")]) == 200
        await eventually(lambda: len(house.reports.catalogs) == 1)


async def test_a_notification_of_somebody_who_is_not_registered_is_refused():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await house.camera(PLAN)
        assert await camera.watched.tell_channels([(FIRST, "OFF")]) == 403
        assert house.reports.catalogs == []


@pytest.mark.parametrize("event", ["ON", "OFF", "VLOST", "DEFECT", "DEL"])
async def test_an_event_names_the_channel_and_what_happened(event):
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        await camera.watched.tell_channels([(FIRST, event)])
        await eventually(lambda: len(house.reports.catalogs) == 1)
        _, entries, is_complete = house.reports.catalogs[0]
        assert ([(one.gb_id, one.event) for one in entries], is_complete) == ([(FIRST, event)], False)


async def test_a_new_channel_comes_whole_and_no_event_means_an_update():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        await camera.watched.tell_channels([(FIRST, "")], CHANNELS[1:2])
        await eventually(lambda: len(house.reports.catalogs) == 1)
        update, added = house.reports.catalogs[0][1]
        assert (update.event, added.event, added.name) == ("", "", CHANNELS[1].name)


async def test_a_device_that_says_off_by_mistake_is_asked_about_the_channel():
    entry = replace(DEVICE, channel_status="check")
    async with House(entry, subscribe_alarms=True) as house:
        camera = await subscribed(house, with_quirks(Quirk.CHANNEL_OFF_BY_MISTAKE))
        await camera.watched.tell_channels([(FIRST, "OFF")])
        await eventually(lambda: len(house.reports.catalogs) == 1)
        assert [(one.gb_id, one.event) for one in house.reports.catalogs[0][1]] == [(FIRST, "ON")]
        assert house.gb._notices.counts["wrong_status"] == 1


async def test_the_state_of_channels_can_be_ignored_while_new_ones_still_come():
    async with House(replace(DEVICE, channel_status="ignore"), subscribe_alarms=True) as house:
        camera = await subscribed(house)
        await camera.watched.tell_channels([(FIRST, "OFF")], CHANNELS[1:2])
        await eventually(lambda: len(house.reports.catalogs) == 1)
        assert [(one.gb_id, one.event, one.is_online) for one in house.reports.catalogs[0][1]] == [
            (CHANNELS[1].gb_id, "", None)
        ]


async def test_a_full_queue_says_when_to_come_again():
    async with House(DEVICE, subscribe_alarms=True) as house:
        camera = await subscribed(house)
        house.gb._notices._of_device[DEVICE.gb_id] = MAX_WAITING_A_DEVICE
        assert await camera.watched.tell_channels([(FIRST, "OFF")]) == 503
        del house.gb._notices._of_device[DEVICE.gb_id]
        assert await camera.watched.tell_channels([(FIRST, "OFF")]) == 200


@pytest.mark.parametrize("as_list", [True, False])
async def test_positions_come_in_both_forms_and_zeros_are_no_fix(as_list):
    async with House(replace(DEVICE, position_subscription=True), subscribe_alarms=True) as house:
        camera = await subscribed(house, topic=Topic.POSITION)
        await camera.watched.tell_positions(Position(FIRST, 0.0, 0.0), as_list=as_list)
        assert house.reports.positions_found == []
        here = Position(FIRST, 118.376451, 31.326319, speed_kmh=42.0, direction_deg=90.0)
        assert await camera.watched.tell_positions(here, as_list=as_list) == 200
        ((device_id, found),) = house.reports.positions_found
        assert (device_id, found.gb_id, found.lon, found.lat) == ("device-1", FIRST, 118.376451, 31.326319)
        assert (found.speed_kmh, found.direction_deg) == (42.0, 90.0)
        assert abs((found.at - house.clock.now()).total_seconds()) < 5


async def test_positions_in_the_shifted_datum_are_brought_to_wgs84():
    lon, lat = gcj02_from_wgs84(118.376451, 31.326319)
    entry = replace(DEVICE, position_subscription=True, datum="gcj02")
    async with House(entry, subscribe_alarms=True) as house:
        camera = await subscribed(house, topic=Topic.POSITION)
        await camera.watched.tell_positions(Position(FIRST, lon, lat))
        ((_, found),) = house.reports.positions_found
        assert (found.lon, found.lat) == pytest.approx((118.376451, 31.326319), abs=2e-5)


async def test_where_a_camera_looks_is_shown_in_the_profile():
    entry = replace(DEVICE, ptz_position_subscription=True)
    async with House(entry, subscribe_alarms=True) as house:
        camera = await subscribed(house, replace(PLAN, version="3.0"), Topic.PTZ_POSITION)
        await camera.watched.tell_aim(PtzPosition(FIRST, 120.5, 10.0, 2.0))
        assert house.reports.profile["device-1"]["ptz_position"] == "120.5 10.0 2.0"


def test_catalogues_are_watched_unasked_only_where_there_are_several_channels():
    auto = replace(DEVICE, catalog_subscription="auto")
    assert wants(auto, Topic.CATALOG)
    assert not wants(replace(auto, gb_id="34020000001320000001"), Topic.CATALOG)
    assert not wants(replace(auto, ptz_position_subscription=True), Topic.PTZ_POSITION, "2.0")
    assert not wants(None, Topic.CATALOG)
