"""A simulated head: it turns until told to stop, remembers, cruises, scans, goes home; the drawn street follows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.clocks import FixedClock
from tocsin.protocols.gb28181.control import DragZoom, HomePosition, KeyFrame, PreciseAim, PresetItem, Ptz, Record
from tocsin.protocols.gb28181.ptz import (
    STOP,
    Auxiliary,
    CruiseDwell,
    CruisePoint,
    CruiseStart,
    Lens,
    Move,
    Preset,
    PresetOp,
    PtzCommand,
    Scan,
    ScanOp,
    ScanSpeed,
)
from tocsin.sim.camera_head import Aim, CameraHead
from tocsin.sim.street import Street, read_time_code


class Trial:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.head = CameraHead(self.clock.monotonic)

    def tell(self, *commands: PtzCommand, after_s: float = 0.0) -> Aim:
        for command in commands:
            self.head.obey(Ptz(command))
        self.clock.advance(after_s)
        return self.head.look()


def test_it_turns_until_told_to_stop_and_stands_still_at_its_end() -> None:
    trial = Trial()
    assert trial.tell(Move(pan=255), after_s=1).pan_deg == pytest.approx(60)
    assert trial.head.is_moving
    assert trial.tell(STOP, after_s=5).pan_deg == pytest.approx(60)
    assert not trial.head.is_moving
    assert trial.tell(Move(pan=-255, tilt=255, zoom=15), after_s=2) == Aim(pytest.approx(300), -30, pytest.approx(4))
    assert trial.tell(Move(tilt=-255, zoom=15), after_s=60) == Aim(pytest.approx(300), 90, 16)
    assert trial.head.seen[:2] == ["A50F0101FF0000B5", "A50F0100000000B5"]


def test_it_remembers_presets_by_name_and_number() -> None:
    trial = Trial()
    trial.tell(Move(pan=255), after_s=1)
    trial.tell(STOP, Preset(PresetOp.SET, 7))
    trial.tell(Move(pan=255), after_s=1)
    assert trial.tell(Preset(PresetOp.CALL, 7), after_s=9).pan_deg == pytest.approx(60)
    assert trial.head.listed() == (PresetItem(7),)
    trial.tell(Preset(PresetOp.DELETE, 7), Preset(PresetOp.DELETE, 8), Preset(PresetOp.CALL, 7))
    assert trial.head.listed() == ()


def test_it_cruises_and_scans_until_stopped() -> None:
    trial = Trial()
    trial.tell(Preset(PresetOp.SET, 1), Move(pan=255), after_s=1)
    trial.tell(STOP, Preset(PresetOp.SET, 2))
    trial.tell(CruisePoint(1, 1), CruisePoint(1, 2), CruiseDwell(1, 10), CruiseStart(1))
    assert trial.tell(after_s=1).pan_deg == 0
    assert trial.tell(after_s=10).pan_deg == pytest.approx(60)
    trial.tell(STOP, CruisePoint(1, 2, False), CruisePoint(1, 0, False), CruiseStart(1))
    assert trial.tell(after_s=10).pan_deg == pytest.approx(60)
    trial.tell(Scan(1, ScanOp.RIGHT), Preset(PresetOp.CALL, 1), Scan(1, ScanOp.LEFT), ScanSpeed(1, 4095), Scan(1))
    assert trial.tell(after_s=0.5).pan_deg == pytest.approx(30)
    assert trial.tell(after_s=1).pan_deg == pytest.approx(30)
    trial.tell(STOP)
    assert not trial.head.is_moving


def test_it_goes_home_by_itself_when_nobody_told_it_anything() -> None:
    trial = Trial()
    trial.tell(Preset(PresetOp.SET, 1))
    trial.head.obey(HomePosition(True, 30, 1))
    trial.tell(Move(pan=255), after_s=1)
    assert trial.tell(STOP, after_s=29).pan_deg == pytest.approx(60)
    assert trial.tell(after_s=1).pan_deg == 0


def test_a_rectangle_is_brought_to_the_middle_and_enlarged() -> None:
    trial = Trial()
    trial.head.obey(DragZoom(True, 1000, 1000, 750, 500, 250, 100))
    assert trial.head.look() == Aim(15, 0, 4)
    trial.head.obey(DragZoom(False, 1000, 1000, 500, 500, 250, 250))
    assert trial.head.look().zoom == 1


def test_switches_lens_precise_aim_and_recording() -> None:
    trial = Trial()
    trial.tell(Auxiliary(1, True), Lens(focus=255, iris=-255), after_s=0.5)
    assert trial.head.switches == {1: True}
    assert (trial.head.focus, trial.head.iris) == (pytest.approx(0.5), pytest.approx(-0.5))
    assert trial.head.obey(PreciseAim(200, -12, 3))
    assert trial.head.look() == Aim(200, -12, 3)
    assert trial.head.obey(Record(True))
    assert trial.head.is_recording
    assert not trial.head.obey(KeyFrame())


def test_the_drawn_street_turns_and_zooms_and_says_where_it_looks() -> None:
    street = Street(5, "GATE", 640, 360)
    straight, turned = street.draw(1_000), street.draw(1_000, Aim(25, 0, 1))
    assert np.mean(np.abs(straight.astype(int) - turned.astype(int))) > 1
    assert not np.array_equal(street.draw(1_000, Aim(0, 10, 2)), straight)
    assert read_time_code(turned) == 1_000
    assert Aim(7.5, -3, 2).words == "P007.5 T-03.0 Z02.0"
