"""The simulated city: the same from the same seed; what is lost, doubled or unseen is named."""

from __future__ import annotations

import asyncio
import base64
import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.cli import main
from tocsin.sim import city_plan
from tocsin.sim.city_ledger import Entry, Ledger, reckon
from tocsin.sim.city_part import CityPart
from tocsin.sim.city_plan import CityDevice, CityPlan, CutKind, OutageKind, StormKind
from tocsin.sim.city_registry import devices_file, intercoms_file, places_file, zones_file
from tocsin.sim.open_files import make_room
from tocsin.sim.panel_profiles import PROFILES


def test_the_whole_city_has_the_devices_and_zones_it_should_have():
    panels = city_plan.city_panels(CityPlan())
    assert len(panels) == 3_786
    assert sum(len(panel.zones) for panel in panels) == 5_635
    assert len({panel.account for panel in panels}) == 3_786
    assert len(city_plan.city_terminals(CityPlan())) == 1_200
    assert len({one.account for one in city_plan.city_intercoms(CityPlan())}) == 21_631
    assert len({panel.profile for panel in panels}) == len(PROFILES) - 1
    assert 0.2 < sum(panel.transport == "udp" for panel in panels) / len(panels) < 0.3
    assert any(panel.key for panel in panels)
    assert {panel.carrier for panel in panels} == {0, 1, 2}


def test_a_share_of_the_city_is_its_first_devices_whatever_the_seed():
    few = city_plan.city_panels(CityPlan(share=0.01, seed=7))
    assert few == city_plan.city_panels(CityPlan(seed=9))[:38]
    assert len(city_plan.city_panels(CityPlan(share=0.0001))) == 1


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another():
    def schedule(seed: int) -> str:
        plan = CityPlan(share=0.05, seed=seed, storms=tuple(StormKind), rate_per_s=2.0)
        return city_plan.fingerprint(city_plan.happenings(plan, city_plan.city_panels(plan)))

    assert schedule(3) == schedule(3)
    assert schedule(3) != schedule(4)


def test_every_panel_and_infrared_zone_reports_once_in_a_minute():
    plan = CityPlan(storms=(StormKind.EVERYTHING,), storm_at_s=5.0, rate_per_s=0.0)
    panels = city_plan.city_panels(plan)
    found = city_plan.happenings(plan, panels)
    assert len(found) == 9_421
    assert set(Counter((one.panel, one.event.zone) for one in found).values()) == {1}
    assert found[0].at_s >= 5.0
    assert found[-1].at_s < 65.0
    assert 0.08 < sum(one.is_life for one in found) / len(found) < 0.12


def test_storms_follow_one_another_and_a_power_cut_has_an_end():
    plan = CityPlan(storms=(StormKind.MAINS, StormKind.BURST), rate_per_s=0.0)
    found = city_plan.happenings(plan, city_plan.city_panels(plan))
    cut = [one for one in found if one.event.code == "AT" and one.at_s < 70]
    back = [one for one in found if one.event.code == "AR"]
    burst = found[6_000:]
    assert len(cut) == len({one.panel for one in cut}) == len(back) == 3_000
    assert {one.panel for one in cut} == {one.panel for one in back}
    assert len(burst) == 10_000
    assert burst[0].at_s > back[-1].at_s
    assert burst[-1].at_s - burst[0].at_s < 10.0


def test_what_fails_takes_its_share_of_the_devices():
    plan = CityPlan()
    intercoms = city_plan.city_intercoms(plan)
    devices = [*city_plan.city_panels(plan), *city_plan.city_terminals(plan), *intercoms]
    struck = {kind: sum(one.hangs_on(kind) for one in devices) for kind in (*OutageKind, StormKind.MAINS)}
    assert 0.48 < struck[OutageKind.CARRIER] / len(devices) < 0.52
    assert struck[OutageKind.SERVER] == len(devices)
    assert struck[StormKind.MAINS] == sum(one.hangs_on(StormKind.MAINS) for one in intercoms)  # the rest have batteries
    assert 0.62 < struck[StormKind.MAINS] / len(intercoms) < 0.65  # four fifths of four fifths
    few = city_plan.city_intercoms(CityPlan(share=0.01))
    assert 0.55 < sum(one.hangs_on(StormKind.MAINS) for one in few) / len(few) < 0.72


def test_cuts_follow_the_storm_and_one_another_at_the_pace_of_the_run():
    plan = CityPlan(storms=(StormKind.BURST, StormKind.MAINS), storm_at_s=5.0, pace=10.0, outages=tuple(OutageKind))
    assert [(cut.kind, round(cut.at_s, 1), round(cut.until_s, 1)) for cut in city_plan.cuts(plan)] == [
        (StormKind.MAINS, 6.2, 15.2),
        (OutageKind.CARRIER, 10.0, 40.0),
        (OutageKind.SERVER, 70.0, 100.0),
    ]
    found = city_plan.happenings(replace(plan, rate_per_s=0.0), city_plan.city_panels(plan))
    assert found[0].at_s == 5.0
    assert round(found[-1].at_s, 1) == 21.2  # the last whose mains are back


class Part(CityPart):
    """Devices that are connected while they have their way."""

    async def _open(self) -> list[asyncio.Task[None]]:
        self.closed: list[int] = []
        return [asyncio.create_task(self._wait(one.number)) for one in self._homes]

    async def _wait(self, number: int) -> None:
        await self.way(number)

    @property
    def connected(self) -> int:
        return sum(not self.is_cut(one.number) for one in self._homes)

    waiting = 0

    def _lose(self, numbers: Sequence[int], kind: CutKind) -> None:
        self.closed += numbers

    async def _close(self) -> None:
        self.closed = []


async def test_a_device_has_its_way_back_when_no_outage_is_left_on_it():
    homes = [CityDevice(number=n, account=str(n), carrier=n % 2, district=0, has_battery=n < 2) for n in range(4)]
    part = Part(homes, SystemClock())
    assert await part.connect(1.0) == 4
    assert part.cut(StormKind.MAINS) == 2  # the last two: the others have a battery
    assert part.cut(OutageKind.CARRIER) == 2
    assert (part.closed, part.connected) == ([2, 3, 0, 2], 1)
    waits = [asyncio.create_task(part.way(number)) for number in (0, 2)]
    assert part.restore(StormKind.MAINS) == [3]
    await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    assert sorted(part.restore(OutageKind.CARRIER)) == [0, 2]
    await asyncio.gather(*waits)
    assert part.connected == 4
    await part.stop()


def test_nobody_presses_a_button_twice():
    plan = CityPlan(share=0.01, presses=50)
    found = city_plan.presses(plan, 12, plan.presses)
    assert len(found) == len({one.number for one in found}) == 12


def test_the_files_of_the_city_have_a_line_for_each_place_device_and_zone():
    plan = CityPlan(share=0.01)
    panels, terminals = city_plan.city_panels(plan), city_plan.city_terminals(plan)
    files = (
        places_file(panels, ["340201", "340202"]),
        devices_file(panels, terminals, ["340201"]),
        zones_file(panels),
        intercoms_file(city_plan.city_intercoms(plan), ["340201"]),
    )
    assert [raw.count(b"\n") - 1 for raw in files] == [38, 38 + 12, sum(len(panel.zones) for panel in panels), 216]
    assert files[0].count(b"340201,") == files[0].count(b"340202,") == 19


# --- the reckoning ----------------------------------------------------------------------------------------------------


def kept(account: str, sequence: str, alarm: str = "", *, copies: int = 1, events: int = 1) -> dict[str, Any]:
    frame = f'\n1234003A"*SIA-DCS"{sequence}L0#{account}[00\r'.encode()
    return {
        "protocol": "dc09",
        "account": account,
        "raw": base64.b64encode(frame).decode(),
        "copies": copies,
        "events": [{"code": "BA"}] * events,
        "alarm_ids": [alarm] if alarm else [],
    }


def pressed(phone: str, alarm: str) -> dict[str, Any]:
    return {**kept(phone, "0001", alarm), "protocol": "jt808", "events": [{"code": "bit0"}]}


def ledger_of(*keys: tuple[str, str]) -> Ledger:
    return Ledger({key: Entry("BA", is_life=True, happened_s=10.0, acked_ms=5.0) for key in keys})


def test_what_was_stored_once_and_shown_adds_up_and_says_how_long_it_took():
    ledger = ledger_of(("A1", "0001"), ("A1", "0002"))
    ledger.presses["144"] = Entry("bit0", is_life=True, happened_s=10.0, acked_ms=7.0)
    signals = [kept("A1", "0001", "a", copies=2), kept("A1", "0002"), pressed("144", "b"), kept("A1", "0001", events=0)]
    found = reckon(ledger, signals, {"a": 10.25, "b": 10.5})
    assert found.holds
    assert (found.sent, found.acknowledged, found.stored, found.copies, found.put_aside) == (3, 3, 3, 4, 1)
    assert (found.alarms, found.shown) == (2, 2)
    assert found.life_shown_ms == {"p50": 500.0, "p99": 500.0, "max": 500.0}


@pytest.mark.parametrize(
    ("signals", "heard", "names"),
    [
        ([], {}, {"lost": ["A1 0001"]}),
        ([kept("A1", "0001"), kept("A1", "0001")], {}, {"doubled": ["A1 0001"]}),
        ([kept("A1", "0001", "a")], {}, {"unseen": ["A1 0001 a"]}),
        ([kept("B2", "0001", "a")], {"a": 11.0}, {"lost": ["A1 0001"]}),
    ],
)
def test_what_is_lost_doubled_or_unseen_is_named(signals, heard, names):
    found = reckon(ledger_of(("A1", "0001")), signals, heard)
    assert not found.holds
    assert {name: getattr(found, name) for name in ("lost", "doubled", "unseen") if getattr(found, name)} == names


def test_an_alarm_of_a_gap_counts_as_shown_only_when_a_list_has_it():
    signals = [kept("A1", "0001", "a")]
    ledger = ledger_of(("A1", "0001"))
    assert reckon(ledger, signals, {}, frozenset({"a"})).shown_after_gap == 1
    assert reckon(ledger, signals, {}, frozenset({"b"})).unseen == ["A1 0001 a"]


def test_who_rang_again_for_the_same_help_may_be_stored_as_often():
    ledger = Ledger(presses={"144": Entry("bit0", is_life=True, happened_s=10.0, acked_ms=7.0, calls=2)})
    signals = [pressed("144", "a"), pressed("144", "b")]
    assert reckon(ledger, signals, {"a": 11.0, "b": 12.0}).holds
    assert reckon(ledger, [*signals, pressed("144", "b")], {"a": 11.0, "b": 12.0}).doubled == ["144 SOS"]


def test_what_has_no_answer_is_not_lost_but_does_not_hold_either():
    ledger = ledger_of(("A1", "0001"))
    ledger.events["A1", "0001"].acked_ms = None
    found = reckon(ledger, [], {})
    assert (found.no_reply, found.unanswered, found.lost, found.holds) == (1, ["A1 0001 BA"], [], False)


# --- open files -------------------------------------------------------------------------------------------------------


def test_too_few_open_files_are_said_with_the_way_out():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    make_room(10)
    with pytest.raises(TocsinError) as caught:
        make_room(10**9)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert "ulimit -n 1000000064" in caught.value.detail
    assert "--share" in caught.value.detail
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0], resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "--url and --token"),
        (["--url", "https://city.example", "--token", "t"], 2, "--url is http://HOST:PORT"),
        (["--url", "http://127.0.0.1:9", "--token", "t"], 1, "is the server running there?"),
        (["--pace", "0"], 2, "--pace is more than 0"),
        (["--outage-at", "-1"], 2, "--outage-at is not less than 0"),
        (["--share", "2"], 2, "--share is more than 0 and at most 1"),
    ],
)
def test_the_command_says_what_is_missing_and_what_to_do(words, status, said, tmp_path, capsys):
    given = ["simulate", "town", "--city", "--data", str(tmp_path), "--share", "0.01", *words]
    assert main(given) == status
    assert said in capsys.readouterr().err
