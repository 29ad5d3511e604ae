"""Recordings of a camera below for a platform above: listed, played, steered and ended through this platform."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.cascade import (
    CHANNELS,
    DAY,
    LOCAL_ID,
    RECORDED,
    LowerHouse,
    eventually,
    lower_house,
    settle,
    upper_platform,
)
from tests.support.registry import ADMINISTRATOR
from tocsin.base.times import iso_us, to_us
from tocsin.domain.video import LiveState
from tocsin.protocols.gb28181.mansrtsp import Pause, Play, Teardown
from tocsin.protocols.gb28181.recordings import RecordSet
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import Headers, Request, via_value
from tocsin.protocols.sip.sdp import MediaMode
from tocsin.sim.camera_plan import Quirk
from tocsin.sim.platform import SimPlatform
from tocsin.sim.platform_view import SimView

FIRST = CHANNELS[0].gb_id
MAPPED = "34020000001320000777"
HOUR = (DAY, DAY + timedelta(hours=1))
WHOLE_DAY = (DAY, DAY + timedelta(hours=24))


@pytest.fixture
async def platform():
    async with upper_platform() as made:
        yield made


@pytest.fixture
async def house(tmp_path, platform):
    async with lower_house(tmp_path) as made:
        yield made


async def joined(house: LowerHouse, platform: SimPlatform, *, rights: tuple[str, ...] = ("live", "recordings")) -> str:
    upper = await house.enter(platform, rights=list(rights))
    assert await platform.wait(lambda: LOCAL_ID in platform.lowers)
    await eventually(lambda: bool(house.cascade.lines[upper].catalogue.items))
    return upper


async def playing(house: LowerHouse, platform: SimPlatform, **how: object) -> SimView:
    view = await platform.play_back(LOCAL_ID, FIRST, *HOUR, **how)
    assert view.status == 200
    await eventually(lambda: len(house.media.started) == 1)
    return view


# --- lists ---


async def test_a_list_comes_up_whole_in_parts_with_the_serial_number_and_ids_of_the_asker(house, platform):
    upper = await joined(house, platform)
    await house.service.set_export(upper, house.channels[0].id, {"exported_id": MAPPED}, actor=ADMINISTRATOR)
    await platform.catalogue(LOCAL_ID)
    found = await platform.records(LOCAL_ID, MAPPED, *WHOLE_DAY)
    assert isinstance(found, RecordSet)
    assert found.is_complete
    assert found.pages == 3, "two files in a message, as the entry says"
    assert [one.key for one in found.recordings] == [one.key for one in RECORDED]
    assert {one.gb_id for one in found.recordings} == {MAPPED}
    assert {one.recorder_id for one in found.recordings} == {LOCAL_ID}
    assert ("upper.acted", "done") in await house.audited()


async def test_an_empty_day_is_an_empty_list(house, platform):
    await joined(house, platform)
    found = await platform.records(LOCAL_ID, FIRST, DAY + timedelta(days=3), DAY + timedelta(days=4))
    assert isinstance(found, RecordSet)
    assert (found.recordings, found.is_complete) == ((), True)


async def test_without_the_right_nothing_is_listed_or_played_and_both_are_recorded(house, platform):
    upper = await joined(house, platform, rights=("live",))
    assert await platform.records(LOCAL_ID, FIRST, *WHOLE_DAY) == 403
    assert (await platform.play_back(LOCAL_ID, FIRST, *HOUR)).status == 403
    assert house.camera.report.record_queries == 0
    assert house.camera.report.recordings_sent == 0
    assert ("cascade.no_right", 403) in await house.failed(upper)
    assert await house.views(upper) == []


async def test_a_list_that_cannot_be_had_is_empty_above_and_named_here(house, platform):
    upper = await joined(house, platform)
    await house.camera.sign_off()
    found = await platform.records(LOCAL_ID, FIRST, *WHOLE_DAY)
    assert isinstance(found, RecordSet)
    assert found.recordings == ()
    assert ("recording.device_offline", 200) in await house.failed(upper)


async def test_what_is_not_shared_and_what_is_no_period_is_refused(house, platform):
    await joined(house, platform)
    assert await platform.records(LOCAL_ID, "34020000001320009999", *WHOLE_DAY) == 404
    assert await platform.records(LOCAL_ID, FIRST, DAY, DAY) == 400
    assert (await platform.play_back(LOCAL_ID, FIRST, DAY, DAY + timedelta(hours=25))).status == 488


# --- playing ---


@pytest.mark.parametrize("mode", [MediaMode.UDP, MediaMode.TCP_PASSIVE])
async def test_a_recording_is_a_view_with_its_period_and_a_call_of_our_own_below(house, platform, mode):
    upper = await joined(house, platform)
    view = await playing(house, platform, mode=mode)
    wish = house.recorders[0].wish
    assert (wish.channel_id, wish.starts, wish.ends) == (FIRST, *HOUR)
    asked = next(iter(house.media.forwards.values()))
    assert asked["ssrc"] == view.answer.ssrc
    assert f"{asked['ssrc']:010d}"[0] == "1", "a stream number of history"
    assert asked["keeps"] is True
    row = (await house.views(upper))[0]
    assert (row["kind"], row["purpose"], row["ended_at"]) == ("playback", "patrol", None)
    assert (row["recordings_from"], row["recordings_to"]) == tuple(iso_us(to_us(at)) for at in HOUR)
    view.hang_up()
    await view.wait_ended()
    await eventually(lambda: house.camera.open_calls == 0)
    await eventually(lambda: len(house.cascade.calls) == 0)
    assert (await house.views(upper))[0]["end_reason"] == "closed"


async def test_pause_seek_and_speed_are_carried_down_and_answered_with_what_the_device_does(house, platform):
    await joined(house, platform)
    view = await playing(house, platform)
    recorder = house.recorders[0]
    assert (await view.steer(Pause()))[0] == 200
    assert (await view.steer(Play()))[0] == 200
    status, said = await view.steer(Play(npt_s=600))
    assert (status, said.npt_s) == (200, 600)
    recorder.real_scale = 2.0
    status, said = await view.steer(Play(scale=4))
    assert (status, said.scale) == (200, 2.0)
    assert recorder.told == [Pause(), Play(), Play(npt_s=600.0), Play(scale=4.0)]
    assert house.media.acts == ["start", "pause", "resume", "hold", "start", "pace"]
    assert (await view.steer(Play(npt_s=7200)))[0] == 400
    assert (await view.steer(Play(scale=3)))[0] == 400


async def test_a_repeated_info_is_done_once(house, platform):
    await joined(house, platform)
    view = await playing(house, platform)
    state = view.client.saved
    body = b"PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=60-\r\n\r\n"
    number = view.client.take_cseq()
    via = via_value(Transport.UDP, "127.0.0.1", platform.port, "z9hG4bKsame")
    fields = [("Via", via), ("From", state.local), ("To", state.remote), ("Call-ID", state.call_id)]
    request = Request("INFO", state.target, Headers([*fields, ("CSeq", f"{number} INFO")]), body)
    for _ in range(2):
        platform._send(request.encode(), view.peer)
    assert (await view.steer(Pause()))[0] == 200
    assert house.recorders[0].told == [Play(npt_s=60.0), Pause()]


async def test_a_device_that_refuses_to_be_steered_is_told_above(house, platform):
    await joined(house, platform)
    house.camera.plan = _with(house, Quirk.REFUSES_STEERING)
    view = await playing(house, platform)
    assert (await view.steer(Pause()))[0] == 488


async def test_the_end_of_the_recording_is_told_above_once_and_the_upper_platform_hangs_up(house, platform):
    await joined(house, platform)
    view = await playing(house, platform)
    house.media.record_at = HOUR[1] - timedelta(seconds=1)
    house.recorders[0].end_file(True)
    await eventually(lambda: view.ends_told == 1, 5)
    view.hang_up()
    await view.wait_ended()
    await eventually(lambda: house.camera.open_calls == 0)


async def test_the_end_of_one_file_of_many_is_not_told_above(house, platform):
    await joined(house, platform)
    house.camera.plan = _with(house, Quirk.TELLS_END_OF_EACH_FILE)
    view = await playing(house, platform)
    house.media.record_at = DAY + timedelta(minutes=30)
    house.recorders[0].end_file(False)
    await eventually(lambda: house.camera.report.ends_told == 1)
    await house.playbacks.sweep()
    assert view.ends_told == 0
    assert not view.is_ended


async def test_a_device_that_hangs_up_ends_the_call_above(house, platform):
    upper = await joined(house, platform)
    view = await playing(house, platform)
    house.camera.hang_up()
    assert await view.wait_ended()
    assert view.ended_by_lower
    await eventually(lambda: len(house.cascade.calls) == 0)
    assert (await house.views(upper))[0]["end_reason"] == "recording.ended_by_device"


async def test_a_teardown_is_the_end_below_too(house, platform):
    await joined(house, platform)
    view = await playing(house, platform)
    assert (await view.steer(Teardown()))[0] == 200
    view.hang_up()
    await eventually(lambda: house.camera.open_calls == 0)


async def test_the_stop_ends_recordings_at_once(house, platform):
    upper = await joined(house, platform)
    view = await playing(house, platform)
    assert await house.service.stop(upper, actor=ADMINISTRATOR) == 1
    assert await view.wait_ended()
    await eventually(lambda: house.camera.open_calls == 0)
    assert (await house.views(upper))[0]["end_reason"] == "stopped"


async def test_taking_the_right_away_ends_recordings_and_leaves_live_pictures(house, platform):
    upper = await joined(house, platform)
    await playing(house, platform)
    live = await platform.play(LOCAL_ID, FIRST)
    form = await house.service.get(upper, actor=ADMINISTRATOR, now=house.clock.now())
    await house.service.change(
        upper, {"rights": ["live"]}, actor=ADMINISTRATOR, now=house.clock.now(), version=form["version"]
    )
    ended = {row["kind"]: row["end_reason"] for row in await house.views(upper)}
    assert ended == {"live": "", "playback": "revoked"}
    assert live.status == 200


async def test_a_download_carries_its_speed_down_and_its_size_up(house, platform):
    upper = await joined(house, platform)
    view = await playing(house, platform, download_speed=4)
    assert (house.recorders[0].wish.is_download, house.recorders[0].wish.speed) == (True, 4)
    assert b"a=filesize:" in view.response.body
    assert (await house.views(upper))[0]["kind"] == "download"


async def test_a_recorder_that_is_off_line_is_480_at_once_and_named_on_the_page(house, platform):
    upper = await joined(house, platform)
    await house.camera.sign_off()
    await settle(house)
    before = house.clock.monotonic()
    assert (await platform.play_back(LOCAL_ID, FIRST, *HOUR)).status == 480
    house.forwarder.live = LiveState("idle")
    assert (await platform.play(LOCAL_ID, CHANNELS[1].gb_id)).status == 480
    assert house.clock.monotonic() - before < 1.0
    assert [key for key, _ in await house.failed(upper, 2)] == ["cascade.camera_offline"] * 2
    assert await house.views(upper) == [], "a picture that could not come is no view"


def _with(house: LowerHouse, *quirks: Quirk):
    from dataclasses import replace

    return replace(house.camera.plan, quirks=frozenset(quirks))
