"""Silence becomes an event once; our own silence does not."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from tests.support.clocks import START, FixedClock
from tests.support.registry import HOUSE, House, small_house
from tests.support.supervision import HeardIntake
from tocsin.base.vault import Vault
from tocsin.domain.directory import Directory
from tocsin.domain.paths import Way
from tocsin.domain.supervision import Supervision, SupervisionRules

__all__ = ["small_house"]


async def _panels(house: House, count: int, interval_s: float = 60.0) -> list[str]:
    panels = [await house.panel(f"{n:04d}", poll_interval_s=interval_s) for n in range(count)]
    for panel in panels:
        house.supervision.touch(panel.id, house.clock.now())
    await house.supervision.settle()
    return [panel.id for panel in panels]


async def _restarted(house: House, rules: SupervisionRules | None = None) -> tuple[Supervision, HeardIntake]:
    directory = Directory(house.store, Vault(bytes(32)))
    intake = HeardIntake()
    supervision = Supervision(house.store, directory, house.clock, intake, rules)
    house.supervision_directory = directory
    await directory.load()
    await supervision.start()
    return supervision, intake


async def test_a_silent_panel_is_one_event_after_its_grace_and_no_sooner(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    await small_house.pass_time(115)
    assert small_house.intake.codes == []
    await small_house.pass_time(600)
    assert small_house.intake.codes == ["comms.path_failed"]
    device = await small_house.device(panel)
    assert (device.state, [fault.key for fault in device.faults]) == ("offline", ["comms.path_failed"])


async def test_the_next_sign_of_life_ends_it_and_says_how_long_it_was(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    await small_house.pass_time(300)
    small_house.supervision.touch(panel, small_house.clock.now())
    await small_house.supervision.settle()
    assert small_house.intake.codes == ["comms.path_failed", "comms.path_restored"]
    assert "300 s" in small_house.intake.signals[1].events[0].label_en
    device = await small_house.device(panel)
    assert (device.state, device.faults) == ("online", ())


async def test_any_sign_of_life_restarts_the_timer(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    for _ in range(10):
        await small_house.pass_time(100)
        small_house.supervision.touch(panel, small_house.clock.now())
    assert small_house.intake.codes == []


async def test_a_short_interval_gets_ten_seconds_more(small_house: House) -> None:
    await _panels(small_house, 1, interval_s=10)
    await small_house.pass_time(24, every_s=1)
    assert small_house.intake.codes == []
    await small_house.pass_time(2, every_s=1)
    assert small_house.intake.codes == ["comms.path_failed"]


async def test_a_panel_without_an_interval_is_not_supervised(small_house: House) -> None:
    await _panels(small_house, 1, interval_s=0)
    await small_house.pass_time(600)
    assert small_house.intake.codes == []


async def test_half_a_county_falling_silent_is_one_event(small_house: House) -> None:
    panels = await _panels(small_house, 60)
    for _ in range(30):  # half of them go on reporting, each at its own moment
        await small_house.pass_time(2, every_s=2)
        for panel in panels[30:]:
            small_house.supervision.touch(panel, small_house.clock.now())
    for _ in range(60):
        for panel in panels[30:]:
            small_house.supervision.touch(panel, small_house.clock.now())
        await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.group_failed"]
    states = [(await small_house.device(panel)).state for panel in panels]
    assert states == ["offline"] * 30 + ["online"] * 30


async def test_a_group_that_comes_back_is_one_event_and_those_that_do_not_are_told_apart(small_house: House) -> None:
    panels = await _panels(small_house, 40)
    await small_house.pass_time(130)
    assert small_house.intake.codes == ["comms.group_failed"]
    for panel in panels[2:]:
        small_house.supervision.touch(panel, small_house.clock.now())
    for _ in range(64):  # the last two get as long as a common cause may take
        assert small_house.intake.codes == ["comms.group_failed"]
        await small_house.pass_time(5)
        for panel in panels[2:]:
            small_house.supervision.touch(panel, small_house.clock.now())
        if len(small_house.intake.codes) > 1:
            break
    assert sorted(small_house.intake.codes[1:]) == ["comms.group_restored", "comms.path_failed", "comms.path_failed"]
    own = [signal for signal in small_house.intake.signals if signal.events[0].code == "comms.path_failed"]
    assert {signal.device_id for signal in own} == set(panels[:2])


async def test_a_group_that_comes_back_whole_has_ended_at_once(small_house: House) -> None:
    panels = await _panels(small_house, 30)
    await small_house.pass_time(130)
    for panel in panels:
        small_house.supervision.touch(panel, small_house.clock.now())
    await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.group_failed", "comms.group_restored"]


async def test_a_few_silent_panels_are_told_one_by_one(small_house: House) -> None:
    panels = await _panels(small_house, 40)
    for _ in range(40):
        for panel in panels[5:]:
            small_house.supervision.touch(panel, small_house.clock.now())
        await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.path_failed"] * 5


async def test_five_minutes_of_our_own_absence_expire_nobody(small_house: House) -> None:
    panels = await _panels(small_house, 30)
    await small_house.pass_time(30)
    await small_house.reports.flush()
    small_house.clock.advance(300)
    small_house.supervision, intake = await _restarted(small_house)
    for _ in range(4):
        await small_house.pass_time(25)
        for panel in panels:
            small_house.supervision.touch(panel, small_house.clock.now())
    await small_house.pass_time(100)
    assert intake.codes == []


async def test_a_panel_that_does_not_come_back_after_our_absence_is_found(small_house: House) -> None:
    panels = await _panels(small_house, 3)
    await small_house.pass_time(5)
    await small_house.reports.flush()
    small_house.clock.advance(300)
    small_house.supervision, intake = await _restarted(small_house)
    for _ in range(60):
        small_house.supervision.touch(panels[0], small_house.clock.now())
        small_house.supervision.touch(panels[1], small_house.clock.now())
        await small_house.pass_time(5)
    assert [signal.device_id for signal in intake.signals] == [panels[2]]


async def test_an_open_outage_survives_a_restart_and_is_ended_with_its_length(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    await small_house.reports.flush()
    await small_house.pass_time(200)
    assert small_house.intake.codes == ["comms.path_failed"]
    small_house.supervision, intake = await _restarted(small_house)
    await small_house.pass_time(200)
    small_house.supervision.touch(panel, small_house.clock.now())
    await small_house.supervision.settle()
    assert intake.codes == ["comms.path_restored"]
    assert "400 s" in intake.signals[0].events[0].label_en


async def test_a_stalled_loop_moves_the_deadlines(small_house: House) -> None:
    await _panels(small_house, 1)
    await small_house.pass_time(5)
    small_house.clock.advance(100)
    await small_house.supervision.check()
    await small_house.pass_time(100)
    assert small_house.intake.codes == []
    await small_house.pass_time(30)
    assert small_house.intake.codes == ["comms.path_failed"]


async def test_a_failing_store_expires_nobody(small_house: House) -> None:
    await _panels(small_house, 25)
    await small_house.pass_time(5)
    small_house.supervision.note_store(False)
    await small_house.pass_time(400)
    small_house.supervision.note_store(True)
    await small_house.pass_time(110)
    assert small_house.intake.codes == []


async def test_a_stepped_clock_moves_the_deadlines_with_it(small_house: House) -> None:
    clock: FixedClock = small_house.clock
    await _panels(small_house, 1)
    await small_house.pass_time(5)
    clock._now += timedelta(hours=1)
    await small_house.pass_time(100)
    assert small_house.intake.codes == []
    clock._now -= timedelta(hours=2)
    await small_house.pass_time(5)
    await small_house.pass_time(20)
    assert small_house.intake.codes == ["comms.path_failed"]


async def test_events_that_could_not_be_handed_in_are_handed_in_later(small_house: House) -> None:
    await _panels(small_house, 1)
    small_house.intake.is_failing = True
    await small_house.pass_time(115)
    for _ in range(3):
        small_house.clock.advance(5)
        with contextlib.suppress(OSError):
            await small_house.supervision.check()
    assert small_house.intake.codes == []
    small_house.intake.is_failing = False
    await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.path_failed"]


async def test_one_path_of_two_falls_silent_while_the_panel_is_still_heard(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    for n in range(60):
        small_house.supervision.touch(panel, small_house.clock.now(), Way(number="1"))
        if n < 20:
            small_house.supervision.touch(panel, small_house.clock.now(), Way(number="2"))
        await small_house.pass_time(10)
    assert small_house.intake.codes == ["comms.path_failed"]
    assert small_house.intake.signals[0].events[0].area == "2"
    device = await small_house.device(panel)
    assert (device.state, [fault.key for fault in device.faults]) == ("online", ["comms.one_path_failed"])
    small_house.supervision.touch(panel, small_house.clock.now(), Way(number="2"))
    await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.path_failed", "comms.path_restored"]
    assert (await small_house.device(panel)).faults == ()


async def test_a_single_frame_by_a_detour_is_not_a_path(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    small_house.supervision.touch(panel, small_house.clock.now(), Way(number="2"))
    for _ in range(60):
        small_house.supervision.touch(panel, small_house.clock.now(), Way(number="1"))
        await small_house.pass_time(10)
    assert small_house.intake.codes == []


async def test_a_sip_device_is_offline_after_three_missed_keepalives(small_house: House) -> None:
    camera = await small_house.camera()
    at = small_house.clock.now()
    small_house.reports.registered(camera.id, at, 3_600, "127.0.0.1:5060", "udp", "ua", "2.0")
    await small_house.pass_time(175)
    assert (await small_house.device(camera.id)).state == "online"
    await small_house.pass_time(10)
    device = await small_house.device(camera.id)
    assert (device.state, [fault.key for fault in device.faults]) == ("offline", ["comms.keepalive_missed"])
    assert small_house.intake.codes == []


async def test_a_sip_device_is_offline_when_its_registration_ends(small_house: House) -> None:
    camera = await small_house.camera()
    small_house.reports.registered(camera.id, small_house.clock.now(), 100, "127.0.0.1:5060", "udp", "ua", "2.0")
    for _ in range(11):
        await small_house.pass_time(10)
        small_house.reports.seen(camera.id, small_house.clock.now(), "127.0.0.1:5060", "udp")
        if small_house.clock.now() < START + timedelta(seconds=100):
            assert small_house.supervision.is_online(camera.id)
    events = await small_house.facts("device.changed")
    assert len(events) >= 2


async def test_many_cameras_dropped_by_the_gateway_together_are_one_event(small_house: House) -> None:
    cameras = [await small_house.camera(f"3402230000132{n:07d}") for n in range(25)]
    for camera in cameras:
        small_house.reports.registered(camera.id, small_house.clock.now(), 3_600, "127.0.0.1:1", "udp", "", "")
    await small_house.pass_time(170)
    for camera in cameras:
        small_house.reports.unregistered(camera.id, small_house.clock.now(), "register.keepalive_lost")
    await small_house.supervision.settle()
    await small_house.pass_time(5)
    assert small_house.intake.codes == ["comms.group_failed"]


async def test_a_late_test_is_reported_twice_at_most_and_its_arrival_ends_it(small_house: House) -> None:
    hour_s = 3_600.0
    small_house.supervision, intake = await _restarted(small_house, SupervisionRules(check_s=hour_s))
    panel = await small_house.panel("9", test_interval_s=86_400)
    await small_house.supervision_directory.refresh(panel.id)
    await small_house.pass_time(26 * hour_s, every_s=hour_s)
    assert intake.codes == []
    await small_house.pass_time(80 * hour_s, every_s=hour_s)
    assert [signal.events[0].priority for signal in intake.signals] == [5, 4]
    small_house.supervision.tested(panel.id, small_house.clock.now())
    await small_house.supervision.settle()
    assert intake.codes == ["test.late", "test.late", "test.received"]
    assert (await small_house.device(panel.id)).faults == ()


async def test_a_retired_device_is_no_longer_watched(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    device = await small_house.device(panel)
    await small_house.devices.retire(panel, actor=HOUSE, version=device.version)
    await small_house.pass_time(300)
    assert small_house.intake.codes == []


async def test_a_longer_interval_counts_at_once(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    device = await small_house.device(panel)
    await small_house.devices.change(panel, {"poll_interval_s": 600}, actor=HOUSE, version=device.version)
    await small_house.pass_time(1_195)
    assert small_house.intake.codes == []
    await small_house.pass_time(10)
    assert small_house.intake.codes == ["comms.path_failed"]


async def _faults(house: House, panel: str) -> list[tuple[str, dict[str, object]]]:
    await house.supervision.settle()
    return [(fault.key, dict(fault.params)) for fault in (await house.device(panel)).faults]


async def test_what_a_bad_frame_showed_stands_until_the_next_good_one(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    for _ in range(3):
        small_house.supervision.note_fault(panel, small_house.clock.now(), "security.downgrade")
    small_house.supervision.note_fault("nobody", small_house.clock.now(), "security.downgrade")
    assert await _faults(small_house, panel) == [("security.downgrade", {})]
    (fault,) = (await small_house.device(panel)).faults
    assert "Switch encryption on" in str(fault.form()["words_en"])
    assert "启用加密" in str(fault.form()["words_zh"])
    small_house.supervision.touch(panel, small_house.clock.now())
    assert await _faults(small_house, panel) == []
    small_house.supervision.touch(panel, small_house.clock.now())
    assert (await small_house.facts("device.changed")).count(panel) == 4  # entered, online, opened, closed


async def test_a_wrong_clock_stands_until_a_frame_is_in_time_and_outlives_a_restart(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    now = small_house.clock.now()
    small_house.supervision.note_fault(panel, now, "clock.skew", -3600.2)
    small_house.supervision.touch(panel, now, skew_s=-3590.0)
    assert await _faults(small_house, panel) == [("clock.skew", {"skew_s": -3600})]
    small_house.supervision.touch(panel, now, skew_s=-3500.0)
    assert await _faults(small_house, panel) == [("clock.skew", {"skew_s": -3500})]
    small_house.supervision, _ = await _restarted(small_house)
    small_house.supervision.touch(panel, now, skew_s=-3500.0)
    assert await _faults(small_house, panel) == [("clock.skew", {"skew_s": -3500})]
    small_house.supervision.touch(panel, now)
    assert await _faults(small_house, panel) == []


async def test_a_terminal_out_of_reach_is_offline_after_three_heartbeats_and_half_a_minute_and_no_alarm(
    small_house: House,
) -> None:
    given = {"kind": "terminal", "name": "T", "protocol": "jt808", "address": {"account": "13800138000"}}
    home = (await small_house.places.jurisdictions(HOUSE))[0]
    terminal = await small_house.devices.create({**given, "jurisdiction_id": home.id}, actor=HOUSE)
    small_house.supervision.seen(terminal.id, small_house.clock.now(), "192.0.2.1:5", "tcp")
    await small_house.supervision.settle()
    await small_house.pass_time(205)
    assert (await small_house.device(terminal.id)).state == "online"
    await small_house.pass_time(20)
    device = await small_house.device(terminal.id)
    assert (device.state, [fault.key for fault in device.faults]) == ("offline", ["comms.keepalive_missed"])
    assert small_house.intake.codes == []
