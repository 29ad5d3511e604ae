"""Recordings of devices: lists, playback and its steering, the end of files in every way devices tell it, downloads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.gb28181 import PASSWORD, House, TinyRecorder, channel_of, eventually
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.domain.playback import EndWatch, FoundRecordings, RecordingWish
from tocsin.protocols.gb28181.mansrtsp import Pause, Play, Teardown
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.sim.camera import make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

CHANNELS = make_channels(3, 1)
DEVICE = SipDevice("camera-1", "34020000001320000001", PASSWORD, media_ladder=("udp", "tcp_passive", "tcp_active"))
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)
DAY = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # midnight in Beijing
STREAM = f"{CHANNEL.id}~r1"


def files(count: int = 5) -> tuple[Recording, ...]:
    return tuple(
        Recording(
            CHANNEL.gb_id,
            DAY + timedelta(minutes=30 * number),
            DAY + timedelta(minutes=30 * number + 30),
            file_path=f"/{number}",
            kind="time",
            size_bytes=1000,
        )
        for number in range(count)
    )


async def registered(house: House, *quirks: Quirk, count: int = 5, version: str = "2.0", **changes: object):
    plan = CameraPlan(
        DEVICE.gb_id,
        PASSWORD,
        channels=CHANNELS,
        quirks=frozenset(quirks),
        recordings=files(count),
        version=version,
        **changes,  # type: ignore[arg-type]
    )
    camera = await house.camera(plan)
    assert await camera.register()
    return camera


async def find(house: House, hours: float = 24) -> tuple[FoundRecordings, list[FoundRecordings]]:
    steps: list[FoundRecordings] = []
    found = await house.gb.recordings.find(CHANNEL, DAY, DAY + timedelta(hours=hours), steps.append)
    return found, steps


def wish(speed: int = 0) -> RecordingWish:
    return RecordingWish(STREAM, DAY, DAY + timedelta(hours=1), speed)


async def test_the_list_of_a_day_is_one_span_when_files_follow_each_other():
    async with House(DEVICE) as house:
        await registered(house)
        found, _ = await find(house)
        assert (found.files, found.problem) == (5, "")
        assert [(one.starts, one.ends, one.files) for one in found.pieces] == [(DAY, DAY + timedelta(minutes=150), 5)]


async def test_three_days_are_asked_day_by_day_and_progress_is_told():
    async with House(DEVICE) as house:
        camera = await registered(house)
        found, steps = await find(house, hours=72)
        assert found.files == 5
        assert camera.report.record_queries >= 3
        assert steps[0].asked_to is not None


async def test_a_capped_list_is_asked_on_until_it_is_whole():
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.CAPPED_RECORD_LIST, count=25)
        found, _ = await find(house)
        assert (found.files, found.problem) == (25, "")
        assert camera.report.record_queries >= 3


@pytest.mark.parametrize(
    "quirk", [Quirk.RECORD_TOTAL_ABSENT, Quirk.RECORD_TOTAL_ZERO, Quirk.DUPLICATE_PAGE, Quirk.MISSING_SN]
)
async def test_lists_that_lie_are_read_whole(quirk):
    async with House(DEVICE) as house:
        await registered(house, quirk)
        found, _ = await find(house)
        assert (found.files, found.problem) == (5, "")


async def test_a_page_lost_once_is_asked_for_again_and_one_always_lost_is_told():
    async with House(DEVICE) as house:
        await registered(house, Quirk.LOST_PAGE_ONCE)
        found, _ = await find(house)
        assert (found.files, found.problem) == (5, "")
    async with House(DEVICE) as house:
        await registered(house, Quirk.LOST_PAGE)
        found, _ = await find(house)
        assert (found.files, found.problem) == (4, "recording.partial")


async def test_a_device_that_answers_nothing_or_is_not_there_is_named():
    async with House(DEVICE) as house:
        with pytest.raises(TocsinError) as caught:
            await find(house)
        assert caught.value.key == "recording.device_offline"
        await registered(house, Quirk.NO_RECORD_LIST)
        found, _ = await find(house)
        assert (found.files, found.problem) == (0, "recording.no_answer")


async def test_a_day_without_recordings_is_empty_and_whole():
    async with House(DEVICE) as house:
        await registered(house, count=0)
        found, _ = await find(house)
        assert found.pieces == ()
        assert found.problem == ""


async def opened(house: House, speed: int = 0):
    session = await house.gb.playback.open_recording(CHANNEL, house.media, wish(speed))
    sender = house.senders[-1]
    assert isinstance(sender, TinyRecorder)
    return session, sender


@pytest.mark.parametrize("ladder", ["udp", "tcp_passive", "tcp_active"])
async def test_a_recording_opens_by_every_transport_under_a_number_of_history(ladder):
    known = replace(DEVICE, media_ladder=(ladder,))
    async with House(known) as house:
        camera = await registered(house)
        session, sender = await opened(house)
        assert camera.report.modes == [ladder]
        assert 1_000_000_000 <= sender.ssrc < 2_000_000_000
        assert (sender.wish.starts, sender.wish.ends) == (DAY, DAY + timedelta(hours=1))
        assert camera.report.key_frame_requests == 0
        assert list(house.media.receivers) == [STREAM]
        await session.close("test")
        assert isinstance(sender.told[-1], Teardown)
        assert camera.report.byes == 1
        assert house.media.receivers == {}
        assert house.gb.playback.open_calls == 0


async def test_pause_and_resume_travel_in_the_call():
    async with House(DEVICE) as house:
        camera = await registered(house)
        session, sender = await opened(house)
        await session.pause()
        await session.resume()
        assert sender.told == [Pause(), Play()]
        assert camera.report.steerings == ["pause", "resume"]
        await session.close("test")


async def test_seek_counts_seconds_from_the_start_and_carries_no_speed():
    async with House(DEVICE) as house:
        await registered(house)
        session, sender = await opened(house)
        assert await session.seek(DAY + timedelta(seconds=90)) == DAY + timedelta(seconds=90)
        assert sender.told == [Play(npt_s=90.0)]
        with pytest.raises(TocsinError) as caught:
            await session.seek(DAY + timedelta(hours=2))
        assert caught.value.code is ErrorCode.INVALID
        await session.close("test")


async def test_the_speed_is_the_one_the_device_says_it_plays_at():
    async with House(DEVICE) as house:
        await registered(house)
        session, sender = await opened(house)
        assert await session.speed(0.25) == 0.25
        sender.real_scale = 2.0
        assert await session.speed(4.0) == 2.0
        assert sender.told == [Play(scale=0.25), Play(scale=4.0)]
        await session.close("test")


@pytest.mark.parametrize("version", ["2.0", "3.0"])
async def test_only_a_device_of_2022_plays_backwards(version):
    async with House(DEVICE) as house:
        await registered(house, version=version)
        session, sender = await opened(house)
        assert session.may_reverse == (version == "3.0")
        if session.may_reverse:
            assert await session.speed(-1.0) == -1.0
            assert sender.told == [Play(scale=-1.0)]
        else:
            with pytest.raises(TocsinError):
                await session.speed(-1.0)
            assert sender.told == []
        await session.close("test")


async def test_an_empty_agreement_counts_as_done_and_a_refusal_is_named():
    async with House(DEVICE) as house:
        await registered(house, Quirk.EMPTY_STEERING_ANSWER)
        session, _ = await opened(house)
        assert await session.speed(2.0) == 2.0
        await session.close("test")
    async with House(DEVICE) as house:
        await registered(house, Quirk.REFUSES_STEERING)
        session, _ = await opened(house)
        with pytest.raises(TocsinError) as caught:
            await session.pause()
        assert caught.value.key == "recording.steer_refused"
        await session.close("test")


@pytest.mark.parametrize(
    "quirk", [None, Quirk.TELLS_END_UNDER_OTHER_NAME, Quirk.TELLS_END_OUTSIDE_CALL], ids=["inside", "other", "outside"]
)
async def test_the_end_of_a_file_is_heard_once_however_it_is_told(quirk):
    async with House(DEVICE) as house:
        heard: list[str] = []
        house.gb.playback.on_file_end(heard.append)
        camera = await registered(house, *([quirk] if quirk else []))
        session, sender = await opened(house)
        sender.end_file(True)
        await eventually(lambda: heard == [STREAM])
        assert camera.report.ends_told == 1
        await session.close("test")


async def test_the_end_of_each_file_is_heard_and_none_when_none_is_told():
    async with House(DEVICE) as house:
        heard: list[str] = []
        house.gb.playback.on_file_end(heard.append)
        await registered(house, Quirk.TELLS_END_OF_EACH_FILE)
        session, sender = await opened(house)
        for is_last in (False, False, True):
            count = len(heard)
            sender.end_file(is_last)
            await eventually(lambda count=count: len(heard) == count + 1)  # type: ignore[misc]
        await session.close("test")
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.NEVER_TELLS_END)
        session, sender = await opened(house)
        sender.end_file(True)
        assert camera.report.ends_told == 0
        await session.close("test")


async def test_a_stranger_cannot_end_a_recording():
    async with House(DEVICE) as house:
        heard: list[str] = []
        house.gb.playback.on_file_end(heard.append)
        await registered(house)
        session, _ = await opened(house)
        call_id = session.opened.call.client.call_id
        request = type("R", (), {"call_id": call_id})()
        assert house.gb.playback.knows(request, "127.0.0.1")  # type: ignore[arg-type]
        assert not house.gb.playback.knows(request, "192.0.2.66")  # type: ignore[arg-type]
        await session.close("test")


async def test_a_device_that_hangs_up_is_told_of():
    async with House(DEVICE) as house:
        ended: list[tuple[str, str]] = []
        house.gb.playback.on_recording_ended(lambda stream_id, reason: ended.append((stream_id, reason)))
        camera = await registered(house)
        session, _ = await opened(house)
        camera.hang_up()
        await eventually(lambda: ended == [(STREAM, "recording.ended_by_device")])
        await session.close("test")


@pytest.mark.parametrize("tells", [True, False])
async def test_a_download_asks_for_its_speed_and_learns_the_size(tells):
    async with House(DEVICE) as house:
        await registered(house, *([] if tells else [Quirk.NO_FILE_SIZE]))
        session, sender = await opened(house, speed=4)
        assert (sender.wish.is_download, sender.wish.speed) == (True, 4)
        assert session.file_bytes == (3600 * 64_000 if tells else None)
        await session.close("test")


async def test_recordings_left_open_by_a_crash_are_ended_at_the_next_start(tmp_path):
    path = tmp_path / "calls.jsonl"
    async with House(DEVICE, calls_path=path) as house:
        camera = await registered(house)
        await opened(house)
        left = path.read_text()
        port = house.sip.port
        assert camera.open_calls == 1
    path.write_text(left)
    async with House(DEVICE, calls_path=path, port=port) as house:
        assert house.gb.calls._journal.load() == [], "what was left is told at once over UDP"


def test_a_recording_is_over_at_its_end_whether_or_not_the_device_says_so():
    watch = EndWatch(DAY + timedelta(minutes=1))
    watch.progress(DAY + timedelta(seconds=30), 0.0)
    assert watch.reason(0.0, 0.0) == ""
    watch.progress(DAY + timedelta(seconds=60), 30.0)
    assert watch.reason(30.0, 30.0) == "recording.ended"


def test_the_end_of_one_file_of_many_is_not_the_end():
    watch = EndWatch(DAY + timedelta(minutes=60))
    watch.progress(DAY + timedelta(minutes=30), 0.0)
    watch.file_ended(0.0)
    assert watch.reason(1.0, 0.0) == ""
    watch.progress(DAY + timedelta(minutes=30, seconds=2), 2.0)
    assert watch.reason(9.0, 9.0) == "", "pictures came after it"
    watch.file_ended(10.0)
    assert watch.reason(15.0, 10.0) == "recording.ended"


def test_silence_ends_a_recording_but_not_a_paused_one():
    watch = EndWatch(DAY + timedelta(minutes=60))
    watch.progress(DAY + timedelta(minutes=5), 0.0)
    watch.is_paused = True
    assert watch.reason(100.0, 0.0) == ""
    watch.is_paused = False
    assert watch.reason(9.9, 0.0) == ""
    assert watch.reason(10.0, 0.0) == "recording.silent"


@pytest.mark.parametrize(
    ("quirks", "traits"),
    [
        ((Quirk.NEEDS_KIND_3,), {"record_uri": "3"}),
        ((Quirk.NEEDS_KIND_3, Quirk.REFUSES_TCP_MEDIA), {"record_uri": "3"}),
        ((Quirk.NEEDS_CHANNEL_ORIGIN,), {"sdp_variant": "channel_origin"}),
        ((), {}),
    ],
)
async def test_how_a_device_wants_to_be_asked_for_recordings_is_found_kept_and_used_first(quirks, traits):
    async with House(replace(DEVICE, media_ladder=())) as house:
        camera = await registered(house, *quirks)
        wish = RecordingWish(STREAM, DAY, DAY + timedelta(hours=1))
        await (await house.gb.playback.open_recording(CHANNEL, house.media, wish)).close("test")
        profile = house.reports.profile.get("camera-1", {})
        assert {name: profile.get(name) for name in traits} == traits
        assert ("record_uri" in profile) == ("record_uri" in traits)
        before = camera.report.invites
        await (await house.gb.playback.open_recording(CHANNEL, house.media, wish)).close("test")
        assert camera.report.invites == before + 1, "the second recording needs one question"
