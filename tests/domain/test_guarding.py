"""Arming: no permission, no act; no record, no act; what came of it is recorded too."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.registry import HOUSE, INSTALLER_A, OPERATOR, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.guarding import WORDS, CommandOutcome, GuardService

__all__ = ["small_house"]


class Line:
    """Remembers what was sent, and how many records stood when it was."""

    def __init__(self, house: House, outcome: CommandOutcome = CommandOutcome.DONE) -> None:
        self.house = house
        self.outcome = outcome
        self.sent: list[tuple[str, bool]] = []
        self.recorded_before: list[tuple[str, str]] = []

    async def set_guard(self, device_id: str, *, is_set: bool) -> CommandOutcome:
        self.sent.append((device_id, is_set))
        self.recorded_before = await self.house.audited()
        return self.outcome


@pytest.fixture
def line(small_house: House) -> Line:
    return Line(small_house)


async def test_the_record_stands_before_the_command_leaves_and_the_outcome_after(
    small_house: House, line: Line
) -> None:
    camera = await small_house.camera()
    act = await GuardService(small_house.store, line).set_guard(camera.id, is_set=True, actor=INSTALLER_A)

    assert (act.device_id, act.is_set, act.outcome) == (camera.id, True, "done")
    assert line.sent == [(camera.id, True)]
    assert line.recorded_before[-1] == ("device.guard_asked", "done")
    records = await small_house.store.read(lambda tx: list(tx.audit.all()))
    assert [(record.action, json.loads(record.detail)) for record in records[-2:]] == [
        ("device.guard_asked", {"command": "set_guard"}),
        ("device.guard_answered", {"command": "set_guard", "result": "done"}),
    ]


async def test_no_audit_no_act(small_house: House, line: Line) -> None:
    camera = await small_house.camera()

    class FailingStore:
        async def run(self, *work: object, **more: object) -> None:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        await GuardService(FailingStore(), line).set_guard(camera.id, is_set=True, actor=INSTALLER_A)  # type: ignore[arg-type]
    assert line.sent == []


@pytest.mark.parametrize("actor", [OPERATOR, HOUSE, replace(INSTALLER_A, jurisdiction_codes=("340224",))])
async def test_who_may_not_arm_sends_nothing_and_leaves_a_refusal(small_house: House, line: Line, actor) -> None:
    camera = await small_house.camera()
    with pytest.raises(TocsinError) as caught:
        await GuardService(small_house.store, line).set_guard(camera.id, is_set=False, actor=actor)
    assert caught.value.code in (ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND)
    assert line.sent == []
    assert (await small_house.audited())[-1] == ("device.guard_asked", "refused")


async def test_a_panel_takes_no_arming_from_here(small_house: House, line: Line) -> None:
    panel = await small_house.panel()
    with pytest.raises(TocsinError) as caught:
        await GuardService(small_house.store, line).set_guard(panel.id, is_set=True, actor=INSTALLER_A)
    assert (caught.value.code, caught.value.key, line.sent) == (ErrorCode.CONFLICT, "guard.not_possible", [])


@pytest.mark.parametrize(
    ("outcome", "code", "key"),
    [
        (CommandOutcome.REFUSED, ErrorCode.CONFLICT, "guard.refused"),
        (CommandOutcome.UNREACHABLE, ErrorCode.UNAVAILABLE, "guard.unreachable"),
        (CommandOutcome.NOT_CONNECTED, ErrorCode.UNAVAILABLE, "guard.not_connected"),
    ],
)
async def test_what_was_not_done_is_an_error_and_a_record(small_house: House, outcome, code, key) -> None:
    camera = await small_house.camera()
    with pytest.raises(TocsinError) as caught:
        await GuardService(small_house.store, Line(small_house, outcome)).set_guard(
            camera.id, is_set=True, actor=INSTALLER_A
        )
    assert (caught.value.code, caught.value.key) == (code, key)
    assert key in WORDS
    records = await small_house.store.read(lambda tx: list(tx.audit.all()))
    assert json.loads(records[-1].detail) == {"command": "set_guard", "result": outcome.value}


async def test_a_device_that_only_took_the_command_is_said_so(small_house: House) -> None:
    camera = await small_house.camera()
    service = GuardService(small_house.store, Line(small_house, CommandOutcome.UNCONFIRMED))
    assert (await service.set_guard(camera.id, is_set=True, actor=INSTALLER_A)).outcome == "unconfirmed"


async def test_alarm_settings_reach_the_gateways(small_house: House) -> None:
    camera = await small_house.camera()
    known = small_house.directory.sip_device(camera.gb_id)
    assert (known.alarm_reset, known.alarm_subscription) == ("after_commit", True)
    changes = {"settings": {"alarm_reset": "off", "alarm_subscription": False}}
    await small_house.devices.change(camera.id, changes, actor=HOUSE, version=camera.version)
    known = small_house.directory.sip_device(camera.gb_id)
    assert (known.alarm_reset, known.alarm_subscription) == ("off", False)
    with pytest.raises(TocsinError):
        await small_house.devices.change(camera.id, {"settings": {"alarm_reset": "maybe"}}, actor=HOUSE, version=2)
