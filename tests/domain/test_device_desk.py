"""Setting devices: no permission, no act; no record, no act; what came of it is recorded too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.registry import INSTALLER_A, OPERATOR, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.device_desk import DeviceCondition, DeviceDesk
from tocsin.domain.device_settings import MAX_CHANGES, changes_of, checked
from tocsin.domain.guarding import CommandOutcome

__all__ = ["small_house"]

OSD = {"Length": 704, "Width": 576, "TimeX": 16, "TimeY": 16}
MASK = {"Seq": 1, "Point": "20,30,50,60"}
PLAN = {"RecordEnable": 1, "StreamNumber": 0, "RecordSchedule": []}


def segment(begin: int, end: int) -> dict[str, int]:
    return {"StartHour": begin, "StartMin": 0, "StartSec": 0, "StopHour": end, "StopMin": 0, "StopSec": 0}


class Line:
    """Remembers what was sent, and which records stood when it was."""

    def __init__(self, house: House, outcome: CommandOutcome = CommandOutcome.DONE) -> None:
        self.house = house
        self.outcome = outcome
        self.sent: list[tuple[str, str, str, dict[str, str | int]]] = []
        self.recorded_before: list[tuple[str, str]] = []

    async def condition(self, device_id: str) -> tuple[CommandOutcome, DeviceCondition | None]:
        return self.outcome, DeviceCondition(model="X") if self.outcome is CommandOutcome.DONE else None

    async def configuration(
        self, device_id: str, target_id: str, types: Sequence[str] = ()
    ) -> tuple[CommandOutcome, dict[str, dict[str, str]] | None]:
        return self.outcome, {"BasicParam": {"Name": "x"}} if self.outcome is CommandOutcome.DONE else None

    async def configure(
        self, device_id: str, target_id: str, config_type: str, values: Mapping[str, Any]
    ) -> CommandOutcome:
        self.sent.append((device_id, target_id, config_type, dict(values)))
        self.recorded_before = await self.house.audited()
        return self.outcome


async def test_the_record_stands_before_the_change_leaves_and_the_answer_after(small_house: House) -> None:
    camera, line = await small_house.camera(), Line(small_house)
    desk = DeviceDesk(small_house.store, line)
    given = {"HeartBeatInterval": 30, "Name": "东门"}
    assert await desk.configure(camera.id, "BasicParam", given, actor=INSTALLER_A) == "done"
    assert line.sent == [(camera.id, "", "BasicParam", {"HeartBeatInterval": 30, "Name": "东门"})]
    assert line.recorded_before[-1] == ("device.config_asked", "done")
    records = await small_house.store.read(lambda tx: list(tx.audit.all()))
    assert [(record.action, json.loads(record.detail)) for record in records[-2:]] == [
        (
            "device.config_asked",
            {
                "config_type": "BasicParam",
                "fields_set": ["HeartBeatInterval", "Name"],
                "changes": ["HeartBeatInterval:  -> 30", "Name: x -> 东门"],
            },
        ),
        ("device.config_answered", {"config_type": "BasicParam", "result": "done"}),
    ]


async def test_who_may_not_manage_devices_sets_none(small_house: House) -> None:
    camera, line = await small_house.camera(), Line(small_house)
    with pytest.raises(TocsinError) as refused:
        await DeviceDesk(small_house.store, line).configure(camera.id, "BasicParam", {"Name": "x"}, actor=OPERATOR)
    assert (refused.value.code, line.sent) == (ErrorCode.FORBIDDEN, [])


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(CommandOutcome.REFUSED, ErrorCode.CONFLICT), (CommandOutcome.UNREACHABLE, ErrorCode.UNAVAILABLE)],
)
async def test_what_failed_is_said_and_recorded(small_house: House, outcome: CommandOutcome, code: ErrorCode) -> None:
    camera = await small_house.camera()
    desk = DeviceDesk(small_house.store, Line(small_house, outcome))
    with pytest.raises(TocsinError) as failed:
        await desk.configure(camera.id, "BasicParam", {"Name": "x"}, actor=INSTALLER_A)
    assert failed.value.code is code
    assert (await small_house.audited())[-1][0] == "device.config_answered"
    with pytest.raises(TocsinError) as silent:
        await desk.condition(camera.id, actor=INSTALLER_A)
    assert silent.value.code is code


@pytest.mark.parametrize(
    ("config_type", "values"),
    [
        ("OSDConfig", {"x": 1}),
        ("OSDConfig", {"Length": 704, "Width": 576, "TimeX": 0}),
        ("OSDConfig", {**OSD, "Item": [{"Text": "x" * 33, "X": 1, "Y": 1}]}),
        ("OSDConfig", {**OSD, "Item": [{"Text": "x", "X": 1, "Y": 1}] * 9}),
        ("PictureMask", {"On": 2}),
        ("PictureMask", {"On": 1, "RegionList": [{"Seq": 1, "Point": "30,20,10,60"}]}),
        ("PictureMask", {"On": 1, "RegionList": [{"Seq": 1, "Point": "<x>"}]}),
        ("PictureMask", {"On": 1, "RegionList": [MASK, MASK]}),
        ("AlarmReport", {"MotionDetection": 1}),
        ("VideoRecordPlan", {"RecordEnable": 1, "StreamNumber": 0}),
        ("VideoRecordPlan", {**PLAN, "RecordSchedule": [{"WeekDayNum": 8, "TimeSegment": []}]}),
        ("VideoRecordPlan", {**PLAN, "RecordSchedule": [{"WeekDayNum": 1, "TimeSegment": [segment(9, 8)]}]}),
        ("VideoRecordPlan", {**PLAN, "RecordSchedule": [{"WeekDayNum": 1, "TimeSegment": [segment(8, 9)] * 9}]}),
        ("VideoParamAttribute", {"Item": [{"StreamNumber": 0}]}),
        ("SnapShot", {"SnapNum": 1}),
        ("BasicParam", {}),
        ("BasicParam", {"HeartBeatInterval": 1}),
        ("BasicParam", {"Other": 1}),
        ("FrameMirror", {"": 4}),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(config_type: str, values: dict[str, object]) -> None:
    with pytest.raises(TocsinError) as refused:
        checked(config_type, values)
    assert refused.value.code is ErrorCode.INVALID


async def test_a_channel_is_mirrored_and_never_the_device(small_house: House) -> None:
    camera, line = await small_house.camera(), Line(small_house)
    with pytest.raises(TocsinError) as refused:
        await DeviceDesk(small_house.store, line).configure(camera.id, "FrameMirror", {"": 1}, actor=INSTALLER_A)
    assert (refused.value.code, line.sent) == (ErrorCode.INVALID, [])


def test_counts_are_ours_and_days_without_a_stretch_are_left_out() -> None:
    days = [
        {"WeekDayNum": 7, "TimeSegment": [segment(8, 12), segment(14, 24)]},
        {"WeekDayNum": 2, "TimeSegment": []},
        {"WeekDayNum": 1, "TimeSegment": [segment(0, 24)]},
    ]
    found = checked("VideoRecordPlan", {**PLAN, "RecordSchedule": days})
    assert found["RecordScheduleSumNum"] == 2
    assert [(day["WeekDayNum"], day["TimeSegmentSumNum"]) for day in found["RecordSchedule"]] == [(1, 1), (7, 2)]
    assert checked("PictureMask", {"On": 1, "RegionList": [{"Seq": 1, "Point": " 20, 30,50,60 "}]}) == {
        "On": 1,
        "SumNum": 1,
        "RegionList": {"Item": [MASK]},
    }
    assert checked("PictureMask", {"On": 0, "RegionList": []}) == {"On": 0, "SumNum": 0}
    assert checked("OSDConfig", OSD) == {**OSD, "SumNum": 0}


def test_a_change_is_told_field_by_field_with_what_stood_there_and_what_is_taken_away() -> None:
    before = {"On": "1", "SumNum": "2", "RegionList.Item.1.Point": "1,1,9,9", "RegionList.Item.2.Point": "2,2,8,8"}
    after = {"On": 1, "SumNum": 1, "RegionList": {"Item": [{"Point": "1,1,9,9"}]}}
    assert changes_of(before, after) == (
        "SumNum: 2 -> 1",
        "RegionList.Item.Point:  -> 1,1,9,9",
        "RegionList.Item.1.Point: 1,1,9,9 -> ",
        "RegionList.Item.2.Point: 2,2,8,8 -> ",
    )
    assert changes_of({"": "0"}, {"": 2}) == ("value: 0 -> 2",)
    assert changes_of(None, {"": 2}) == ("value: ? -> 2",)
    assert changes_of({"A": "1"}, {"A": 1}) == ()
    many = {"Item": [{"Text": "x" * 32, "X": number, "Y": 1} for number in range(99)]}
    assert len(changes_of({}, many)) == MAX_CHANGES
