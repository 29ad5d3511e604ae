"""Devices asked how they are and how they are set, and set, between the real gateway and simulated devices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.gb28181 import PASSWORD, House
from tocsin.domain.device_settings import changes_of, checked
from tocsin.domain.directory import SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.sim.camera import CameraPlan, Quirk, SimCamera, make_channels

DEVICE = SipDevice("device-1", "34020000001180000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD, channels=make_channels(1, 2), version="3.0")
CHANNEL = PLAN.channels[0].gb_id
SEGMENT = ("StartHour", "StartMin", "StartSec", "StopHour", "StopMin", "StopSec")


async def registered(house: House, plan: CameraPlan = PLAN) -> SimCamera:
    camera = await house.camera(plan)
    assert await camera.register()
    return camera


async def test_a_device_says_who_made_it_and_how_it_is():
    async with House(DEVICE) as house:
        await registered(house)
        outcome, found = await house.gb.desk.condition("device-1")
        assert (outcome, found.maker, found.model, found.firmware) == (CommandOutcome.DONE, "Tocsin", "Sim", "1.0")
        assert (found.channels, found.is_online, found.is_recording) == (2, True, False)
        assert abs(found.clock_diff_s) < 5
        assert house.reports.profile["device-1"]["model"] == "Sim"


async def test_the_present_values_are_read_and_a_change_is_one_afterwards():
    async with House(DEVICE) as house:
        camera = await registered(house)
        _, before = await house.gb.desk.configuration("device-1", "")
        assert before["BasicParam"]["HeartBeatInterval"] == "60"
        outcome = await house.gb.desk.configure("device-1", "", "BasicParam", {"HeartBeatInterval": 30})
        assert (outcome, camera.settings.basic["HeartBeatInterval"]) == (CommandOutcome.DONE, "30")
        assert (await house.gb.desk.configure("device-1", CHANNEL, "FrameMirror", {"": 2})) is CommandOutcome.DONE
        _, after = await house.gb.desk.configuration("device-1", CHANNEL)
        assert after["FrameMirror"] == {"": "2"}


async def test_the_device_itself_is_set_and_not_a_channel():
    async with House(DEVICE) as house:
        await registered(house)
        refused = await house.gb.desk.configure("device-1", CHANNEL, "BasicParam", {"HeartBeatCount": 5})
        assert refused is CommandOutcome.REFUSED


async def test_an_answer_under_another_name_is_read():
    async with House(DEVICE) as house:
        await registered(house, replace(PLAN, quirks=frozenset({Quirk.OTHER_CONFIG_NAME})))
        _, found = await house.gb.desk.configuration("device-1", "")
        assert found["BasicParamCfg"]["HeartBeatCount"] == "3"


async def test_an_older_edition_is_not_asked_what_it_does_not_know():
    async with House(DEVICE) as house:
        await registered(house, replace(PLAN, version="2.0"))
        _, found = await house.gb.desk.configuration("device-1", CHANNEL)
        assert set(found) == {"BasicParam", "VideoParamOpt"}


async def test_who_is_not_there_is_not_asked():
    async with House(DEVICE) as house:
        assert await house.gb.desk.condition("device-1") == (CommandOutcome.NOT_CONNECTED, None)
        assert await house.gb.desk.configuration("device-1", "") == (CommandOutcome.NOT_CONNECTED, None)
        assert await house.gb.desk.configure("device-1", "", "FrameMirror", {"": 1}) is CommandOutcome.NOT_CONNECTED


@pytest.mark.parametrize(
    ("config_type", "given", "path", "value"),
    [
        (
            "OSDConfig",
            {"Length": 704, "Width": 576, "TimeX": 8, "TimeY": 9, "Item": [{"Text": "西门 <1>", "X": 1, "Y": 2}]},
            "Item.Text",
            "西门 <1>",
        ),
        (
            "PictureMask",
            {"On": 1, "RegionList": [{"Seq": 1, "Point": "20,30,50,60"}]},
            "RegionList.Item.Point",
            "20,30,50,60",
        ),
        ("AlarmReport", {"MotionDetection": 0, "FieldDetection": 1}, "FieldDetection", "1"),
        ("VideoAlarmRecord", {"RecordEnable": 1, "StreamNumber": 1, "RecordTime": 60}, "RecordTime", "60"),
        (
            "VideoRecordPlan",
            {
                "RecordEnable": 1,
                "StreamNumber": 0,
                "RecordSchedule": [
                    {
                        "WeekDayNum": day,
                        "TimeSegment": [
                            dict(zip(SEGMENT, (hour, 0, 0, hour + 1, 59, 59), strict=True)) for hour in range(0, 16, 2)
                        ],
                    }
                    for day in range(1, 8)
                ],
            },
            "RecordSchedule.7.TimeSegment.8.StopHour",
            "15",
        ),
        (
            "VideoParamAttribute",
            {
                "Item": [
                    {
                        "StreamNumber": 0, "VideoFormat": "5", "Resolution": "6", "FrameRate": 25,
                        "BitRateType": "1", "VideoBitRate": 2048,
                    }
                ]
            },
            "Item.VideoBitRate",
            "2048",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)  # fmt: skip
async def test_what_is_set_is_what_the_device_says_afterwards(config_type, given, path, value):
    async with House(DEVICE) as house:
        await registered(house)
        _, before = await house.gb.desk.configuration("device-1", CHANNEL)
        assert before[config_type].get(path) != value
        tree = checked(config_type, given)
        assert await house.gb.desk.configure("device-1", CHANNEL, config_type, tree) is CommandOutcome.DONE
        _, after = await house.gb.desk.configuration("device-1", CHANNEL, (config_type,))
        assert after[config_type][path] == value
        assert changes_of(after[config_type], tree) == (), "what was written is what is read"


async def test_a_device_that_takes_one_type_a_question_is_asked_for_each():
    async with House(DEVICE) as house:
        await registered(house, replace(PLAN, quirks=frozenset({Quirk.ONE_CONFIG_A_QUESTION})))
        outcome, found = await house.gb.desk.configuration("device-1", CHANNEL)
        assert (outcome, {"OSDConfig", "BasicParam", "PictureMask"} <= found.keys()) == (CommandOutcome.DONE, True)
