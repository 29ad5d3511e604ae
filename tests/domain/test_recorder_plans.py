"""Recording plans: what they want at a time of the week, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.recorder_plans import Mode, RecordingPlan, Want, changed_plan, differences, wanted_within
from tocsin.domain.segments import Span

OFF = RecordingPlan("camera")
NIGHTS = {"mode": "scheduled", "schedule": [{"days": [5, 7], "from": "22:00", "to": "06:00"}]}
SHANGHAI = ZoneInfo("Asia/Shanghai")


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of the week that begins on Monday, 2026-11-23."""
    return datetime(2026, 11, 22 + day, hour, minute, tzinfo=SHANGHAI)


def test_a_camera_without_a_plan_is_not_recorded() -> None:
    assert OFF.want(_at(1, 12)) is Want.NOTHING
    assert changed_plan(OFF, {"mode": "continuous"}).want(_at(1, 12)) is Want.RECORD
    event = changed_plan(OFF, {"mode": "event"})
    assert event.want(_at(1, 12)) is Want.RING
    assert changed_plan(event, {"edge_first": True}).want(_at(1, 12)) is Want.NOTHING


def test_a_window_may_reach_over_midnight_and_over_the_week() -> None:
    plan = changed_plan(OFF, NIGHTS)
    wanted = {(day, hour) for day in range(1, 8) for hour in range(24) if plan.want(_at(day, hour)) is Want.RECORD}
    friday = {(5, 22), (5, 23), *((6, hour) for hour in range(6))}
    sunday = {(7, 22), (7, 23), *((1, hour) for hour in range(6))}
    assert wanted == friday | sunday
    assert plan.want(_at(6, 5, 59)) is Want.RECORD
    assert plan.want(_at(6, 6, 0)) is Want.NOTHING
    day = changed_plan(OFF, {"mode": "scheduled", "schedule": [{"days": [1], "from": "00:00", "to": "24:00"}]})
    assert [day.want(_at(1, 23, 59)), day.want(_at(2, 0))] == [Want.RECORD, Want.NOTHING]


def test_what_a_plan_wanted_of_a_stretch_is_known_to_the_minute() -> None:
    plan = changed_plan(OFF, NIGHTS)
    begin, end = (int(_at(day, 12).timestamp() * 1000) for day in (5, 6))
    [night] = wanted_within(plan, begin, end, SHANGHAI)
    assert [datetime.fromtimestamp(at / 1000, UTC) for at in night] == [_at(5, 22), _at(6, 6)]
    assert wanted_within(changed_plan(OFF, {"mode": "continuous"}), begin, end, SHANGHAI) == [Span(begin, end)]
    assert wanted_within(OFF, begin, end, SHANGHAI) == []


@pytest.mark.parametrize(
    ("changes", "field", "key"),
    [
        ({"mode": "always"}, "mode", "registry.field_choice"),
        ({"mode": "scheduled"}, "schedule", "recording.no_windows"),
        ({"schedule": [{"days": [8], "from": "08:00", "to": "09:00"}]}, "schedule", "recording.window_form"),
        ({"schedule": [{"days": [], "from": "08:00", "to": "09:00"}]}, "schedule", "recording.window_form"),
        ({"schedule": [{"days": [1], "from": "08:00", "to": "08:00"}]}, "schedule", "recording.window_form"),
        ({"schedule": [{"days": [1], "from": "8:00", "to": "25:00"}]}, "schedule", "recording.window_form"),
        ({"schedule": [{"days": [1], "from": "24:00", "to": "01:00"}]}, "schedule", "recording.window_form"),
        ({"schedule": ["mornings"]}, "schedule", "recording.window_form"),
        ({"schedule": "mornings"}, "schedule", "recording.window_form"),
        ({"schedule": [{"days": [1], "from": "08:00", "to": "09:00"}] * 85}, "schedule", "recording.many_windows"),
        ({"pre_s": 61}, "pre_s", "registry.field_number"),
        ({"post_s": True}, "post_s", "registry.field_number"),
        ({"priority": 0}, "priority", "registry.field_number"),
        ({"mode": "continuous", "edge_first": True}, "edge_first", "recording.edge_needs_event"),
        ({"sound": True}, "sound", "registry.field_unknown"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_field(changes: dict[str, Any], field: str, key: str) -> None:
    with pytest.raises(TocsinError) as caught:
        changed_plan(OFF, changes)
    assert (caught.value.code, caught.value.params["field"], caught.value.key) == (ErrorCode.INVALID, field, key)


def test_differences_are_named_as_the_api_names_them() -> None:
    changed = changed_plan(OFF, {**NIGHTS, "edge_first": False, "pre_s": 20})
    assert changed.mode is Mode.SCHEDULED
    assert differences(OFF, changed) == ("mode", "schedule", "pre_s")
