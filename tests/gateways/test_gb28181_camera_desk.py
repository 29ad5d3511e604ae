"""Cards, home position, tours, aim, formatting and upgrades, between the real gateway and simulated devices."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.support.gb28181 import PASSWORD, House, eventually
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.camera_desk import CameraAim, Card, HomeState, Tour, TourStop
from tocsin.domain.device_acts import Firmware, Upgraded
from tocsin.domain.directory import SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.protocols.gb28181.control import HomePosition, Ptz
from tocsin.protocols.gb28181.maintenance import Upgrade
from tocsin.protocols.gb28181.ptz import CruiseDwell, CruisePoint, Preset, PresetOp
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import CameraPlan, Quirk, SimCamera, make_channels

DEVICE = SipDevice("device-1", "34020000001180000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD, channels=make_channels(1, 2), version="3.0")
CHANNEL = PLAN.channels[0].gb_id
AT = ("device-1", CHANNEL)
FIRMWARE = Firmware("2.1", "http://192.0.2.9/fw.bin", "Example", "a" * 40)


async def registered(house: House, *quirks: Quirk, transport: Transport = Transport.UDP, **plan: str) -> SimCamera:
    camera = await house.camera(replace(PLAN, quirks=frozenset(quirks), **plan), transport)
    assert await camera.register()
    return camera


async def test_a_camera_tells_its_cards_home_position_tours_and_aim():
    async with House(DEVICE) as house:
        camera = await registered(house)
        desk, head = house.gb.camera_desk, camera.heads[CHANNEL]
        assert desk.problem("device-1") == ""
        outcome, cards = await desk.cards(*AT)
        assert (outcome, cards) == (CommandOutcome.DONE, (Card(1, "SD1", "ok", None, 131_072, 4_096),))
        assert await desk.home(*AT) == (CommandOutcome.DONE, HomeState(False))
        assert await desk.tours(*AT) == (CommandOutcome.DONE, ())
        for command in (Preset(PresetOp.SET, 5), CruisePoint(2, 5, True), CruiseDwell(2, 30)):
            head.obey(Ptz(command))
        head.obey(HomePosition(True, 60, 5))
        assert await desk.home(*AT) == (CommandOutcome.DONE, HomeState(True, 60, 5))
        assert await desk.tours(*AT) == (CommandOutcome.DONE, (Tour(2, "巡航2"),))
        assert await desk.tour(*AT, 2) == (CommandOutcome.DONE, (TourStop(5, 30, 1),))
        assert await desk.aim(*AT) == (CommandOutcome.DONE, CameraAim(0.0, 0.0, 1.0, 60.0, 34.0, 200.0))


@pytest.mark.parametrize(
    ("quirk", "outcome"),
    [(Quirk.REFUSES_STATE_QUERY, CommandOutcome.REFUSED), (Quirk.SILENT_TO_STATE_QUERY, CommandOutcome.UNCONFIRMED)],
)
async def test_a_camera_that_does_not_know_a_question_says_so_or_nothing(quirk, outcome):
    async with House(DEVICE) as house:
        house.gb.commands._answer_within_s = 0.1
        await registered(house, quirk)
        assert await house.gb.camera_desk.cards(*AT) == (outcome, None)
        assert await house.gb.camera_desk.aim(*AT) == (outcome, None)


async def test_an_older_edition_and_who_is_not_there_are_not_asked():
    async with House(DEVICE) as house:
        assert house.gb.camera_desk.problem("device-1") == "guard.not_connected"
        assert await house.gb.camera_desk.cards(*AT) == (CommandOutcome.NOT_CONNECTED, None)
        await registered(house, version="2.0")
        assert house.gb.camera_desk.problem("device-1") == "desk.older_edition"


async def test_the_card_that_was_named_is_erased_and_only_that():
    async with House(DEVICE) as house:
        house.gb.commands._answer_within_s = 0.1
        camera = await registered(house)
        camera.maintenance.cards = (camera.maintenance.cards[0], replace(camera.maintenance.cards[0], number=2))
        assert await house.gb.camera_desk.format_card(*AT, 2) is CommandOutcome.UNCONFIRMED
        assert camera.maintenance.formatted == [2]
        _, cards = await house.gb.camera_desk.cards(*AT)
        assert [card.free_mb for card in cards] == [4_096, 131_072]
        assert house.reports.keys("control") == ["format.unconfirmed"]


@pytest.mark.parametrize(
    ("quirks", "key", "is_ok"),
    [((), "upgrade.installed", True), ((Quirk.FAILS_UPGRADE,), "upgrade.failed", False)],
)
async def test_an_upgrade_is_told_and_its_result_kept_before_it_is_answered(quirks, key, is_ok):
    async with House(DEVICE) as house:
        kept: list[tuple[str, Upgraded]] = []
        committed = asyncio.Event()

        async def keep(device_id: str, result: Upgraded) -> bool:
            kept.append((device_id, result))
            await committed.wait()
            return True

        house.gb.camera_desk.on_upgraded = keep
        camera = await registered(house, *quirks)
        assert await house.gb.camera_desk.upgrade("device-1", FIRMWARE) is CommandOutcome.DONE
        assert camera.maintenance.upgrades == [Upgrade("2.1", FIRMWARE.url, "Example", FIRMWARE.session)]
        await eventually(lambda: len(kept) == 1)
        assert await camera.keep_alive(), "whatever was answered before has come by now"
        assert camera.maintenance.result_status == 0
        committed.set()
        await eventually(lambda: camera.maintenance.result_status == 200)
        [(device_id, result)] = kept
        assert (device_id, result.session, result.is_ok) == ("device-1", FIRMWARE.session, is_ok)
        assert house.reports.keys("report") == [key]
        step = house.reports.last("report").steps[0]
        assert "{" not in WORDS.text(step.key, "en", step.params)


async def test_a_result_that_cannot_be_kept_is_not_answered_and_one_nobody_asked_for_is_told_to_nobody():
    async with House(DEVICE) as house:

        async def fail(device_id: str, result: Upgraded) -> bool:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full")

        stranger, nobody = Upgrade("9", "x", "y", "b" * 40), house.gb.camera_desk.on_upgraded
        camera = await registered(house, transport=Transport.TCP)
        house.gb.camera_desk.on_upgraded = fail
        assert await camera.maintenance.tell_upgraded(stranger) == 503
        house.gb.camera_desk.on_upgraded = nobody
        assert await camera.maintenance.tell_upgraded(stranger) == 200
        assert house.gb.camera_desk.counts["upgrades_unknown"] == 1
        assert [one.kind for one in house.reports.attempts].count("report") == 0


async def test_a_refused_upgrade_is_said():
    async with House(DEVICE) as house:
        await registered(house, Quirk.FAILS_CONTROL)
        assert await house.gb.camera_desk.upgrade("device-1", FIRMWARE) is CommandOutcome.REFUSED
        assert house.reports.last("control").failure == "upgrade.refused"
