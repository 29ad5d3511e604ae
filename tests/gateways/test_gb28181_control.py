"""Moving a camera: the bytes it sees, what is answered, and the stop that always leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.control import (
    Aim,
    CameraPreset,
    Cruise,
    CruiseOp,
    DragZoom,
    Home,
    KeyFrame,
    Move,
    PresetAct,
    PresetOp,
    Reboot,
    Recording,
    Scan,
    ScanOp,
    Switch,
)
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_control import ControlConfig
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_head import CameraHead
from tocsin.sim.camera_plan import CameraPlan, Quirk

CHANNELS = make_channels(3, 2)
DEVICE = SipDevice("camera-1", "34020000001320000001", PASSWORD)
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)
STOP = "A50F0100000000B5"
LEFT_HALF = "A50F010280000037"
QUICK = ControlConfig(answer_within_s=1.0, response_within_s=1.0, stop_again_s=0.05, dead_man_s=1.2)


def a_house(**changes: Any) -> House:
    return House(DEVICE, control=QUICK, **changes)


async def registered(
    house: House, *quirks: Quirk, version: str = "2.0", transport: Transport = Transport.UDP
) -> tuple[SimCamera, CameraHead]:
    plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, quirks=frozenset(quirks), version=version)
    camera = await house.camera(plan, transport)
    assert await camera.register()
    return camera, camera.heads[CHANNEL.gb_id]


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_movement_and_its_stop_reach_the_camera_and_the_stop_is_sent_twice(transport: Transport) -> None:
    async with a_house() as house:
        _, head = await registered(house, transport=transport)
        await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
        assert head.seen == [LEFT_HALF]
        assert head.is_moving
        await house.gb.control.perform(CHANNEL, Move())
        assert not head.is_moving
        await eventually(lambda: head.seen == [LEFT_HALF, STOP, STOP])
        assert house.gb.control.moving == 0


async def test_directions_speeds_and_the_lens() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        perform = house.gb.control.perform
        await perform(CHANNEL, Move(pan=1, tilt=1, zoom=1))
        await perform(CHANNEL, Move(tilt=-1, zoom=-0.001))
        await perform(CHANNEL, Move(focus=0.5, iris=-1))
        await perform(CHANNEL, Move())
        assert head.seen[:5] == [
            "A50F0119FFFFF0BC",
            "A50F012400FF10E8",
            STOP,
            "A50F014980FF007D",
            STOP,
        ]
        await eventually(lambda: head.seen.count("A50F0140000000F5") >= 1)


async def test_an_unrenewed_movement_ends_by_itself_and_a_renewed_one_goes_on() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        for _ in range(4):
            await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
            await asyncio.sleep(0.4)
        assert head.seen == [LEFT_HALF], "a renewal costs no message"
        await eventually(lambda: head.seen == [LEFT_HALF, STOP, STOP])
        assert not head.is_moving


async def test_a_stop_that_is_lost_is_made_good_by_the_second() -> None:
    async with a_house() as house:
        _, head = await registered(house, Quirk.LOSES_FIRST_STOP)
        await house.gb.control.perform(CHANNEL, Move(zoom=1))
        await house.gb.control.stop(CHANNEL)
        await eventually(lambda: not head.is_moving)


async def test_a_new_movement_is_not_ended_by_the_second_stop_of_the_last() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
        await house.gb.control.stop(CHANNEL)
        await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
        await asyncio.sleep(0.15)
        assert head.seen == [LEFT_HALF, STOP, LEFT_HALF]
        assert head.is_moving


async def test_the_end_of_the_gateway_stops_what_moves() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
        await house.gb.control.close()
        assert STOP in head.seen


async def test_presets_switches_cruises_scans_and_aims_arrive() -> None:
    async with a_house() as house:
        camera, head = await registered(house, version="3.0")
        acts = [
            PresetAct(PresetOp.SET, 5),
            PresetAct(PresetOp.CALL, 5),
            Switch(1, True),
            Cruise(CruiseOp.ADD, 1, 5),
            Cruise(CruiseOp.DWELL, 1, value=300),
            Cruise(CruiseOp.START, 1),
            Scan(ScanOp.LEFT, 1),
            Scan(ScanOp.SPEED, 1, 300),
            Cruise(CruiseOp.SPEED, 1, value=7),
            Cruise(CruiseOp.REMOVE, 1, 5),
            Cruise(CruiseOp.DELETE, 1),
            PresetAct(PresetOp.DELETE, 5),
        ]
        for act in acts:
            await house.gb.control.perform(CHANNEL, act)
        assert [seen[6:14] for seen in head.seen] == [
            "81000500", "82000500", "8C010000", "84010500", "87012C10", "88010000", "89010100", "8A012C10",
            "86010700", "85010500", "85010000", "83000500",
        ]  # fmt: skip
        await house.gb.control.perform(CHANNEL, Aim(120, 10, 2))
        assert head.look().words == "P120.0 T+10.0 Z02.0"
        await house.gb.control.perform(CHANNEL, DragZoom(True, 0.5, 0.25, 0.5, 0.5))
        assert head.look().zoom == pytest.approx(4)
        await house.gb.control.perform(CHANNEL, KeyFrame())
        await house.gb.control.perform(CHANNEL, Reboot())
        assert (camera.report.key_frame_requests, camera.report.reboots) == (1, 1)


async def test_a_preset_called_while_it_turns_ends_the_turn_first() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        await house.gb.control.perform(CHANNEL, Move(pan=-0.5))
        await house.gb.control.perform(CHANNEL, PresetAct(PresetOp.CALL, 5))
        await asyncio.sleep(0.15)
        assert [seen[6:8] for seen in head.seen] == ["02", "00", "82"]


async def test_home_and_recording_wait_for_the_cameras_own_word() -> None:
    async with a_house() as house:
        _, head = await registered(house)
        await house.gb.control.perform(CHANNEL, Recording(True))
        await house.gb.control.perform(CHANNEL, Home(True, 3, 90))
        assert head.is_recording


@pytest.mark.parametrize(
    ("quirk", "act", "key"),
    [
        (Quirk.SILENT_TO_CONTROL, Move(pan=1), "control.no_answer"),
        (Quirk.REFUSES_CONTROL, Move(pan=1), "control.refused"),
        (Quirk.NO_CONTROL_RESPONSE, Home(True), "control.no_response"),
        (Quirk.FAILS_CONTROL, Recording(True), "control.failed"),
    ],
)
async def test_what_fails_is_said_in_time(quirk: Quirk, act: Any, key: str) -> None:
    async with a_house() as house:
        await registered(house, quirk)
        with pytest.raises(TocsinError) as caught:
            await asyncio.wait_for(house.gb.control.perform(CHANNEL, act), 4)
        assert (caught.value.code, caught.value.key) == (ErrorCode.UNAVAILABLE, key)


async def test_an_absent_camera_and_an_old_edition_are_said() -> None:
    async with a_house() as house:
        with pytest.raises(TocsinError) as caught:
            await house.gb.control.perform(CHANNEL, Move(pan=1))
        assert caught.value.key == "control.device_offline"
        await house.gb.control.stop(CHANNEL)
        await registered(house)
        with pytest.raises(TocsinError) as caught:
            await house.gb.control.perform(CHANNEL, Aim(1, 1))
        assert caught.value.key == "control.not_supported"


@pytest.mark.parametrize("quirks", [(), (Quirk.MISSING_SN,)])
async def test_the_presets_of_a_camera_are_read(quirks: tuple[Quirk, ...]) -> None:
    async with a_house() as house:
        await registered(house, *quirks)
        assert await house.gb.control.presets(CHANNEL) == ()
        await house.gb.control.perform(CHANNEL, PresetAct(PresetOp.SET, 9))
        assert await house.gb.control.presets(CHANNEL) == (CameraPreset(9),)
