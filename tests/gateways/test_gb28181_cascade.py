"""A lower platform between its cameras and simulated upper platforms: the whole way up, on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.cascade import (
    CHANNELS,
    LOCAL_ID,
    OTHER_UPPER_ID,
    RECORDER_ID,
    UPPER_ID,
    LowerHouse,
    lower_house,
    settle,
    upper_platform,
)
from tests.support.gb28181 import eventually
from tests.support.registry import ADMINISTRATOR
from tocsin.domain.video import LiveState
from tocsin.gateways.gb28181_ways import Ways
from tocsin.protocols.sip.message import Headers, Request, Response
from tocsin.protocols.sip.sdp import MediaMode
from tocsin.sim.camera_alarms import SimAlarm
from tocsin.sim.camera_plan import Quirk
from tocsin.sim.platform import SimPlatform

FIRST = CHANNELS[0].gb_id


@pytest.fixture
async def platform():
    async with upper_platform() as made:
        yield made


@pytest.fixture
async def house(tmp_path, platform):
    async with lower_house(tmp_path) as made:
        yield made


async def joined(house: LowerHouse, platform: SimPlatform, **given: object) -> str:
    upper = await house.enter(platform, **given)
    assert await platform.wait(lambda: LOCAL_ID in platform.lowers)
    await eventually(
        lambda: house.cascade.state(upper)["state"] == "online" and bool(house.cascade.lines[upper].catalogue.items)
    )
    return upper


# --- registration ---


@pytest.mark.parametrize("sha256", [False, True])
async def test_it_registers_with_a_digest_and_keeps_alive(house, sha256):
    async with upper_platform(sha256=sha256) as platform:
        upper = await joined(house, platform)
        line = house.cascade.lines[upper]
        await house.cascade._keep_alive(line)
        assert platform.report.keepalives == 1
        assert house.cascade.state(upper)["key"] == "upper.online"


async def test_two_uppers_see_their_own_selection_and_nothing_of_each_other(house, platform):
    async with upper_platform(gb_id=OTHER_UPPER_ID) as other:
        first = await joined(house, platform)
        second = await joined(house, other)
        await house.share(second, ("camera", house.channels[0].id))
        assert len([i for i in (await platform.catalogue(LOCAL_ID)).items if i.gb_id in _ids()]) == 3
        assert [i.gb_id for i in (await other.catalogue(LOCAL_ID)).items if i.gb_id in _ids()] == [FIRST]
        view = await platform.play(LOCAL_ID, CHANNELS[1].gb_id)
        assert view.status == 200
        refused = await other.play(LOCAL_ID, CHANNELS[1].gb_id)
        assert refused.status == 404
        assert len(await house.views(first)) == 1
        assert await house.views(second) == []


async def test_a_wrong_id_of_the_upper_platform_is_said_in_words(house):
    async with upper_platform(refuses_as=404, reveals=OTHER_UPPER_ID) as platform:
        upper = await house.enter(platform)
        await eventually(lambda: house.cascade.state(upper)["key"] == "upper.expects_id")
        assert OTHER_UPPER_ID in str(house.cascade.state(upper)["words_zh"])
        assert house.cascade.state(upper)["state"] == "backing_off"


async def test_a_wrong_password_is_said_in_words(house, platform):
    upper = await house.enter(platform, password="wrong")
    await eventually(lambda: house.cascade.state(upper)["key"] == "upper.wrong_password")


# --- catalogue ---


def _ids() -> set[str]:
    return {channel.gb_id for channel in CHANNELS}


async def test_the_catalogue_begins_with_the_system_then_the_tree_then_the_cameras(house, platform):
    await joined(house, platform)
    found = await platform.catalogue(LOCAL_ID)
    assert found.is_complete
    ids = [item.gb_id for item in found.items]
    assert ids[0] == LOCAL_ID
    assert found.items[0].parent_id == ""
    assert ids[1:3] == ["3402", "340223"]
    assert set(ids[3:]) == _ids()
    camera = next(item for item in found.items if item.gb_id == FIRST)
    assert (camera.parent_id, camera.civil_code, camera.is_online) == (LOCAL_ID, "340223", True)


@pytest.mark.parametrize(
    ("asked", "count"), [(LOCAL_ID, 6), ("340223", 4), ("3402", 5), (FIRST, 1), ("34022300001320009999", 0)]
)
async def test_a_subtree_is_answered_for_our_id_a_division_and_a_camera(house, platform, asked, count):
    await joined(house, platform)
    found = await platform.catalogue(LOCAL_ID, asked)
    assert len(found.items) == count
    assert found.is_complete


async def test_a_mapped_id_is_used_both_ways_and_the_old_one_is_gone(house, platform):
    upper = await joined(house, platform)
    await house.service.set_export(
        upper, house.channels[0].id, {"exported_id": "34020000001320000777", "name": "东门"}, actor=ADMINISTRATOR
    )
    found = {item.gb_id: item for item in (await platform.catalogue(LOCAL_ID)).items}
    assert FIRST not in found
    assert found["34020000001320000777"].name == "东门"
    assert (await platform.play(LOCAL_ID, "34020000001320000777")).status == 200
    assert (await platform.play(LOCAL_ID, FIRST)).status == 404
    opened = next(iter(house.forwarder.opened.values()))
    assert opened[0] == house.channels[0].id


async def test_a_device_that_leaves_takes_all_its_channels_off_line_above(house, platform):
    await joined(house, platform)
    assert await platform.subscribe(LOCAL_ID, "Catalog") == 200
    await eventually(lambda: house.cascade.lines != {} and platform.report.events == [])
    await house.camera.sign_off()
    await settle(house)
    await eventually(lambda: len([e for e in platform.report.events if e[0] == "OFF"]) == 3, 5)
    assert {gb_id for event, gb_id in platform.report.events if event == "OFF"} == _ids()
    await house.camera.register()
    await settle(house)
    await eventually(lambda: len([e for e in platform.report.events if e[0] == "ON"]) == 3, 5)


async def test_after_our_own_start_nothing_is_reported_off_before_the_devices_had_their_time(tmp_path, platform):
    async with lower_house(tmp_path, start_grace_s=60.0) as house:
        await joined(house, platform)
        await platform.subscribe(LOCAL_ID, "Catalog")
        await house.camera.sign_off()
        await settle(house)
        line = next(iter(house.cascade.lines.values()))
        await house.cascade.queries.push(line, is_settling=house.cascade.is_settling)
        assert platform.report.events == []
        await house.cascade.queries.push(line, is_settling=False)
        assert {event for event, _ in platform.report.events} == {"OFF"}


async def test_a_camera_taken_out_is_deleted_above_and_one_added_is_added(house, platform):
    upper = await joined(house, platform)
    await platform.subscribe(LOCAL_ID, "Catalog")
    await house.share(upper, ("camera", house.channels[0].id))
    await eventually(lambda: len([e for e in platform.report.events if e[0] == "DEL"]) == 2, 5)
    await house.share(upper)
    await eventually(lambda: len([e for e in platform.report.events if e[0] == "ADD"]) == 2, 5)


async def test_device_info_status_and_configuration_are_answered(house, platform):
    await joined(house, platform)
    info = await platform.ask(LOCAL_ID, "DeviceInfo", LOCAL_ID)
    assert (info.root.get("Result"), info.root.get("Channel")) == ("OK", "3")
    status = await platform.ask(LOCAL_ID, "DeviceStatus", FIRST)
    assert status.root.get("Online") == "ONLINE"
    config = await platform.ask(LOCAL_ID, "ConfigDownload", LOCAL_ID, [("ConfigType", "BasicParam")])
    assert config.root.child("BasicParam").get("HeartBeatInterval") == "5"
    unknown = await platform.ask(LOCAL_ID, "DeviceInfo", "34020000001320009999")
    assert unknown.root.get("Result") == "ERROR"


# --- pictures ---


async def test_an_invite_is_answered_with_our_address_and_the_stream_number_asked_for(house, platform):
    upper = await joined(house, platform)
    view = await platform.play(
        LOCAL_ID, FIRST, ssrc=200000017, headers=(("Monitor-User-Identity", "34020000004000000001-u77-x"),)
    )
    assert (view.status, view.answer.port, view.answer.ssrc) == (200, 30_000, 200000017)
    assert 100 in view.provisional
    await eventually(lambda: len(house.forwarder.started) == 1)
    channel_id, _, target, expires_at = house.forwarder.opened[house.forwarder.started[0]]
    assert channel_id == house.channels[0].id
    assert (target.mode, target.ssrc) == ("udp", 200000017)
    assert expires_at <= house.clock.now() + timedelta(minutes=60)
    row = (await house.views(upper))[0]
    assert (row["purpose"], row["user_identity"], row["ended_at"]) == ("patrol", "34020000004000000001-u77-x", None)
    view.hang_up()
    await view.wait_ended()
    await eventually(lambda: house.forwarder.started[0] in house.forwarder.closed)
    await eventually(lambda: len(house.cascade.calls) == 0)
    row = (await house.views(upper))[0]
    assert row["ended_at"] is not None
    assert row["end_reason"] == "closed"


@pytest.mark.parametrize("ssrc", [None, 0])
async def test_a_missing_or_zero_stream_number_is_made_by_us(house, platform, ssrc):
    await joined(house, platform)
    view = await platform.play(LOCAL_ID, FIRST, ssrc=ssrc)
    assert view.status == 200
    target = next(iter(house.forwarder.opened.values()))[2]
    assert target.ssrc > 0
    assert b"y=%010d" % target.ssrc in view.response.body


@pytest.mark.parametrize(
    ("mode", "ours"),
    [(MediaMode.UDP, "udp"), (MediaMode.TCP_PASSIVE, "tcp_active")],
)
async def test_their_passive_side_is_connected_to(house, platform, mode, ours):
    await joined(house, platform)
    assert (await platform.play(LOCAL_ID, FIRST, mode)).status == 200
    assert next(iter(house.forwarder.opened.values()))[2].mode == ours


async def test_without_the_right_a_picture_is_refused_and_the_refusal_recorded(house, platform):
    upper = await joined(house, platform, rights=["ptz"])
    assert (await platform.play(LOCAL_ID, FIRST)).status == 403
    assert await house.views(upper) == []
    assert await house.failed(upper) == [("cascade.no_right", 403)]  # kept right after the answer left
    assert ("upper.view_opened", "refused") in await house.audited()


async def test_a_camera_that_sends_nothing_is_refused_in_the_end_and_183_told_meanwhile(house, platform):
    await joined(house, platform)
    house.forwarder.live = LiveState("starting")
    view = await platform.play(LOCAL_ID, FIRST)
    assert view.status == 480
    assert 183 in view.provisional


async def test_the_stop_ends_every_picture_at_once_and_signs_off(house, platform):
    upper = await joined(house, platform)
    views = [await platform.play(LOCAL_ID, channel.gb_id) for channel in CHANNELS]
    assert [view.status for view in views] == [200, 200, 200]
    assert await house.service.stop(upper, actor=ADMINISTRATOR, reason="drill") == 3
    for view in views:
        assert await view.wait_ended()
    await eventually(lambda: platform.report.sign_offs == 1, 5)
    assert house.cascade.state(upper)["key"] == "upper.stopped"
    assert {row["end_reason"] for row in await house.views(upper)} == {"stopped"}
    await house.service.resume(upper, actor=ADMINISTRATOR)
    await eventually(lambda: platform.lowers[LOCAL_ID].is_registered, 5)


async def test_a_forward_that_ends_by_itself_says_bye_above(house, platform):
    await joined(house, platform)
    view = await platform.play(LOCAL_ID, FIRST)
    await eventually(lambda: len(house.forwarder.started) == 1)
    house.cascade.calls.forward_ended(house.forwarder.started[0], "expired")
    assert await view.wait_ended()
    assert view.ended_by_lower


# --- loops and strangers ---


async def test_what_went_through_us_before_or_may_go_no_further_is_refused(house, platform):
    await joined(house, platform)
    view = await platform.play(LOCAL_ID, FIRST, headers=(("X-RoutePath", f"{UPPER_ID}-{LOCAL_ID}"),))
    assert view.status == 508
    status, _ = await platform.order(LOCAL_ID, FIRST, [("TeleBoot", "Boot")], headers=(("Max-Forwards", "0"),))
    assert status == 508


async def test_what_was_learned_from_an_upper_platform_is_not_exported_to_it(house):
    async with upper_platform(gb_id=OTHER_UPPER_ID) as other:
        upper = await joined(house, other)
        assert len(house.cascade.lines[upper].catalogue.by_channel) == 3
        known = await house.registry.store.read(lambda tx: tx.cascade.load(upper))
        lines = await house.registry.store.read(lambda tx: tx.cascade.selection(upper))
        mirror = replace(known, upper_id=RECORDER_ID)
        assert await house.registry.store.read(lambda tx: tx.cascade.chosen(mirror, lines)) == []


async def test_another_address_with_the_id_of_an_upper_platform_is_nobody(house, platform):
    await joined(house, platform)
    async with upper_platform() as impostor:
        impostor.lowers.update(platform.lowers)
        assert (await impostor.play(LOCAL_ID, FIRST)).status == 403


# --- orders ---

UP = "A50F0108004000FD"
STOP = "A50F0100000000B5"


async def test_a_movement_needs_the_open_picture_then_reaches_the_camera_byte_for_byte(house, platform):
    await joined(house, platform)
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP)]))[0] == 403
    await platform.play(LOCAL_ID, FIRST)
    seen: list[str] = []
    take = house.camera._receive_document
    house.camera._receive_document = lambda document: (seen.append(document.root.get("PTZCmd")), take(document))
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP)]))[0] == 200
    await eventually(lambda: UP in seen)
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", STOP)]))[0] == 200
    await eventually(lambda: STOP in seen)
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP[:-2] + "00")]))[0] == 400
    assert ("upper.acted", "done") in await house.audited()


async def test_whoever_moves_a_camera_here_goes_before_an_upper_platform(house, platform):
    await joined(house, platform)
    await platform.play(LOCAL_ID, FIRST)
    house.held.add(house.channels[0].id)
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP)]))[0] == 403
    house.held.clear()
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP)]))[0] == 200


async def test_what_was_not_given_is_refused_as_the_standard_answers_it(house, platform):
    await joined(house, platform, rights=["live"])
    await platform.play(LOCAL_ID, FIRST)
    assert (await platform.order(LOCAL_ID, FIRST, [("PTZCmd", UP)]))[0] == 403
    assert (await platform.order(LOCAL_ID, FIRST, [("TeleBoot", "Boot")]))[0] == 403
    assert (await platform.order(LOCAL_ID, FIRST, [("FormatSDCard", "1")]))[0] == 403
    status, response = await platform.order(LOCAL_ID, FIRST, [("GuardCmd", "SetGuard")], is_answered=True)
    assert (status, response.root.get("Result")) == (200, "ERROR")
    assert house.camera.report.reboots == 0


async def test_guarding_reaches_the_device_and_its_answer_comes_back(house, platform):
    await joined(house, platform)
    _, response = await platform.order(LOCAL_ID, FIRST, [("GuardCmd", "SetGuard")], is_answered=True)
    assert response.root.get("Result") == "OK"


# --- alarms ---


async def test_an_alarm_goes_up_after_our_commit_under_the_mapped_id(house, platform):
    upper = await joined(house, platform)
    await house.service.set_export(
        upper, house.channels[0].id, {"exported_id": "34020000001320000777"}, actor=ADMINISTRATOR
    )
    await platform.catalogue(LOCAL_ID)
    assert await platform.subscribe(LOCAL_ID, "Alarm") == 200
    await house.camera.alarms.raise_alarm(SimAlarm("5", "2", FIRST))
    assert await platform.wait(lambda: any(d.cmd_type == "Alarm" for d in platform.report.documents))
    told = next(d for d in platform.report.documents if d.cmd_type == "Alarm")
    assert told.device_id == "34020000001320000777"
    assert told.root.get("AlarmMethod") == "5"


async def test_an_alarm_is_not_sent_to_whom_nobody_subscribed_for(house, platform):
    await joined(house, platform)
    await house.camera.alarms.raise_alarm(SimAlarm("5", "2", FIRST))
    await platform.catalogue(LOCAL_ID)
    assert not any(d.cmd_type == "Alarm" for d in platform.report.documents)


# --- the end of the agreement ---


async def test_the_end_of_the_agreement_ends_sharing_by_itself(house, platform):
    upper = await joined(house, platform, ends_at=house.clock.now() + timedelta(seconds=1.5))
    view = await platform.play(LOCAL_ID, FIRST)
    assert view.status == 200
    assert await view.wait_ended(5)
    await eventually(lambda: platform.report.sign_offs == 1, 5)
    assert house.cascade.state(upper)["key"] == "upper.ended"
    await asyncio.sleep(0)


# --- ways through several platforms ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LOCAL_ID}-{RECORDER_ID}", 200),
        (LOCAL_ID, 200),
        (f"{OTHER_UPPER_ID}-{RECORDER_ID}", 200),  # not for us: we choose the way
        (f"{LOCAL_ID}-34029900002000000009", 404),
    ],
)
async def test_a_way_that_does_not_lead_to_the_camera_is_refused(house, platform, path, status):
    upper = await joined(house, platform)
    view = await platform.play(LOCAL_ID, FIRST, headers=(("X-PreferredPath", path),))
    assert view.status == status
    if status == 404:
        assert await house.failed(upper) == [("cascade.other_way", 404)]


async def test_the_path_of_an_answer_begins_with_us_and_goes_on_with_what_came_from_below(house, platform):
    await joined(house, platform)
    below = "34022300002000000005"
    house.cascade.calls.ways.heard(house.channels[0].id, Response(200, "OK", Headers([("X-RoutePath", below)])))
    view = await platform.play(LOCAL_ID, FIRST)
    assert view.response.headers.get("X-RoutePath") == f"{LOCAL_ID}-{below}"


async def test_a_picture_that_came_through_us_is_a_loop(house, platform):
    upper = await joined(house, platform)
    path = f"34022300002000000005-{LOCAL_ID}"
    house.cascade.calls.ways.heard(house.channels[0].id, Response(200, "OK", Headers([("X-RoutePath", path)])))
    assert (await platform.play(LOCAL_ID, FIRST)).status == 508
    assert await house.failed(upper) == [("cascade.loop", 508)]


async def test_an_unknown_id_is_404_and_listed_once(house, platform):
    upper = await joined(house, platform)
    for _ in range(3):
        assert (await platform.play(LOCAL_ID, "34020000001320009999")).status == 404
    assert await house.failed(upper) == [("cascade.unknown_id", 404)]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("play.refused_busy", 486),
        ("play.refused_unknown_id", 404),
        ("play.answer_private_format", 488),
        ("play.no_answer", 480),
    ],
)
async def test_what_the_camera_says_is_answered_at_once_in_the_standards_words(house, platform, reason, status):
    upper = await joined(house, platform)
    house.forwarder.live = LiveState("failed", reason)
    assert (await platform.play(LOCAL_ID, FIRST)).status == status
    assert await house.failed(upper) == [(reason, status)]


async def test_what_is_wanted_of_the_way_goes_along_to_a_platform_below(house, platform):
    await joined(house, platform)
    seen: list[Request] = []
    take = house.camera._receive_invite
    house.camera._receive_invite = lambda request: (seen.append(request), take(request))
    channel = house.registry.directory.channel(house.channels[0].id)
    house.gb.calls.ways.carry(channel.id, (("X-PreferredPath", "34022300002000000005"),))
    session = await house.gb.open_live(channel, house.media)
    assert seen[0].headers.get("X-PreferredPath") == "34022300002000000005"
    await session.close("test")


def test_what_goes_along_is_forgotten_after_half_a_minute():
    now = [0.0]
    ways = Ways(lambda: now[0])
    ways.carry("c", (("X-PreferredPath", "a"),))
    assert ways.headers_for("c") == [("X-PreferredPath", "a")]
    now[0] = 31.0
    assert ways.headers_for("c") == []


async def test_channels_a_recorder_goes_on_naming_on_are_off_with_it_here_and_above(house, platform):
    await joined(house, platform)
    cut = (replace(CHANNELS[0], is_online=False), *CHANNELS[1:])
    house.camera.plan = replace(house.camera.plan, channels=cut, quirks=frozenset({Quirk.CHANNELS_STAY_ON}))
    assert await house.gb.catalogs.read(house.gb.table.get(RECORDER_ID))

    async def known() -> set[tuple[str, bool]]:
        page = await house.registry.cameras.cameras(ADMINISTRATOR, stage="in_service")
        return {(channel.status, channel.is_online) for channel in page.items}

    await settle(house)
    assert await known() == {("ON", True)}
    await house.camera.sign_off()
    await settle(house)
    assert await known() == {("ON", False)}, "its word stands, and counts for nothing while it is away"
    found = {item.gb_id: item.is_online for item in (await platform.catalogue(LOCAL_ID)).items}
    assert {found[gb_id] for gb_id in _ids()} == {False}
