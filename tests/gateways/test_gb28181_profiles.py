"""What devices need is found by trying and used at the next call: offers, addressees, clock forms, transports."""

from __future__ import annotations

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

CHANNELS = make_channels(3, 2)
DEVICE = SipDevice("camera-1", "34020000001320000001", PASSWORD)
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)


async def registered(house: House, *quirks: Quirk, transport: Transport = Transport.UDP, count: int = 2):
    plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS[:count], quirks=frozenset(quirks))
    camera = await house.camera(plan, transport)
    assert await camera.register()
    return camera


@pytest.mark.parametrize(
    ("quirk", "variant"),
    [
        (Quirk.NEEDS_WIDE_OFFER, "wide"),
        (Quirk.NEEDS_CHANNEL_ORIGIN, "channel_origin"),
        (Quirk.NEEDS_BARE_OFFER, "bare"),
    ],
)
async def test_the_offer_a_device_takes_is_found_kept_and_used_first_the_next_time(quirk, variant):
    async with House(DEVICE) as house:
        camera = await registered(house, quirk)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.reports.trait("camera-1", "sdp_variant") == (variant, "picture_opened_after", True)
        assert "play.next_offer" in house.reports.keys("play")
        assert all(key in WORDS for key in house.reports.keys("play"))
        before = camera.report.invites
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert camera.report.invites == before + 1, "the second picture needs one question"


async def test_a_device_that_wants_two_things_is_found_out_too():
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.NEEDS_WIDE_OFFER, Quirk.REFUSES_TCP_MEDIA)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.reports.profile["camera-1"]["sdp_variant"] == "wide"
        assert house.reports.profile["camera-1"]["media_ladder"].split(",")[0] == "udp"
        assert camera.report.invites <= 10


async def test_the_device_itself_is_called_when_it_does_not_know_its_only_channel():
    async with House(DEVICE) as house:
        house.directory.channels = [CHANNEL]
        camera = await registered(house, Quirk.NEEDS_DEVICE_TARGET, count=1)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.reports.trait("camera-1", "call_target")[0] == "device"
        before = camera.report.invites
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert camera.report.invites == before + 1


async def test_a_recorder_is_never_called_by_its_own_id_because_that_may_show_another_picture():
    async with House(DEVICE) as house:
        house.directory.channels = [CHANNEL, channel_of(DEVICE, CHANNELS[1].gb_id)]
        camera = await registered(house, Quirk.NEEDS_DEVICE_TARGET)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.refused_unknown_id"
        assert camera.report.invites == 1


@pytest.mark.parametrize(
    ("quirk", "form", "least"), [(Quirk.DROPS_MILLISECONDS, "seconds", 3), (Quirk.DROPS_DATE, "none", 6)]
)
async def test_a_device_that_drops_our_clock_gets_the_form_it_takes(quirk, form, least):
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, quirks=frozenset({quirk})))
        for _ in range(least):
            assert not await camera.register()
        assert await camera.register()
        assert house.reports.trait("camera-1", "date_form") == (form, "dropped_after_date", False)
        assert await camera.keep_alive()
        house.gb.sweep()
        assert house.reports.trait("camera-1", "date_form") == (form, "stayed_after_date", True)
        assert await camera.register(), "and so at the next registration"


async def test_renewals_of_a_device_that_speaks_never_change_its_clock():
    async with House(DEVICE) as house:
        camera = await registered(house)
        for _ in range(4):
            assert await camera.keep_alive()
            assert await camera.register()
        assert "." in camera.report.date
        assert house.reports.findings == []


async def test_departures_on_the_wire_are_kept_once():
    async with House(DEVICE, query_catalog=True) as house:
        await registered(house, Quirk.LENGTH_IN_CHARACTERS, Quirk.LINE_FEEDS_ONLY)
        await eventually(lambda: bool(house.reports.catalogs))
        found = [one for one in house.reports.findings if one[1] == "wire"]
        assert found[-1][2] == "content_length,line_ends"
        assert len(found) <= 2


async def test_what_the_answer_says_of_its_stream_number_is_kept():
    async with House(DEVICE) as house:
        await registered(house, Quirk.OTHER_SSRC)
        for _ in range(2):
            await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert [one[2] for one in house.reports.findings if one[1] == "ssrc"] == ["other"]


async def test_a_guess_that_opens_a_picture_is_proven():
    guessed = SipDevice("camera-1", DEVICE.gb_id, PASSWORD, sdp_variant="wide", guessed=("sdp_variant",))
    async with House(guessed) as house:
        camera = await registered(house, Quirk.NEEDS_WIDE_OFFER)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert camera.report.invites == 1
        assert house.reports.trait("camera-1", "sdp_variant") == ("wide", "picture_opened", True)


async def test_a_guess_that_is_wrong_costs_a_try_and_is_replaced():
    guessed = SipDevice("camera-1", DEVICE.gb_id, PASSWORD, sdp_variant="wide", guessed=("sdp_variant",))
    async with House(guessed) as house:
        await registered(house, Quirk.NEEDS_CHANNEL_ORIGIN)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.reports.trait("camera-1", "sdp_variant")[0] == "channel_origin"


async def test_a_device_that_never_agrees_ends_after_ten_questions_with_its_reason():
    async with House(DEVICE) as house:
        camera = await registered(house, Quirk.NEEDS_BARE_OFFER, Quirk.NEEDS_CHANNEL_ORIGIN)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.refused_malformed"
        assert camera.report.invites <= 10
        assert house.media.receivers == {}
