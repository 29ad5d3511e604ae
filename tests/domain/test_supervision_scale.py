"""A city of 31,052 devices: our own stop accuses nobody, a gateway's only excuses its own, paths and causes hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.support.registry import HOUSE, House, small_house
from tests.support.supervision import HeardIntake
from tocsin.base.errors import TocsinError
from tocsin.base.vault import Vault
from tocsin.domain.access import Scope
from tocsin.domain.devices import Device
from tocsin.domain.directory import Directory, Heard
from tocsin.domain.incident_detail import IncidentFilter
from tocsin.domain.incidents import Incident
from tocsin.domain.intake import Intake
from tocsin.domain.paths import Way
from tocsin.domain.supervision import Supervision, SupervisionRules
from tocsin.domain.supervision_causes import CauseRules
from tocsin.domain.supervision_store import write_outages

__all__ = ["small_house"]

CITY = (("dc09", "panel", 9_421, 90.0), ("sip", "intercom", 20_431, 60.0), ("jt808", "terminal", 1_200, 60.0))


async def _restarted(house: House) -> HeardIntake:
    directory = Directory(house.store, Vault(bytes(32)))
    intake = HeardIntake()
    house.supervision = Supervision(house.store, directory, house.clock, intake)
    house.intake = intake
    await directory.load()
    await house.supervision.start()
    return intake


async def _city(house: House) -> list[str]:
    devices = [
        Device(f"{protocol}-{n:05d}", kind, f"{kind} {n}", house.county_a.id, "340223", protocol, account=str(n),
               poll_interval_s=interval_s)
        for protocol, kind, count, interval_s in CITY
        for n in range(count)
    ]  # fmt: skip
    at = house.clock.now()
    ids = [device.id for device in devices]
    await house.store.run(lambda tx: tx.devices.add_many([(device, None) for device in devices]))
    await house.store.run(
        lambda tx: (
            tx.devices.note_states([(id_, "online", int(at.timestamp() * 1e6)) for id_ in ids]),
            tx.devices.note_heard([Heard(id_, at) for id_ in ids]),
        )
    )
    return ids


async def test_31_052_devices_and_a_stop_of_five_minutes_give_no_false_expiry(small_house: House) -> None:
    ids = await _city(small_house)
    assert len(ids) == 31_052
    await small_house.pass_time(5)  # the heartbeat of the server is stored
    small_house.clock.advance(300)
    intake = await _restarted(small_house)
    for second in range(0, 300, 5):
        if second == 100:  # they come back in their own time
            for id_ in ids[: len(ids) // 2]:
                small_house.supervision.touch(id_, small_house.clock.now())
        if second == 110:
            for id_ in ids[len(ids) // 2 :]:
                small_house.supervision.touch(id_, small_house.clock.now())
        if second == 190:
            for id_ in ids:
                small_house.supervision.touch(id_, small_house.clock.now())
        await small_house.pass_time(5)
    assert intake.codes == []
    assert small_house.supervision.online_of("dc09") == (31_052, 31_052)
    assert small_house.supervision.watched <= 31_052


async def test_those_that_do_not_come_back_after_our_stop_are_found(small_house: House) -> None:
    panels = await _panels(small_house, 3)
    await small_house.reports.flush()
    await small_house.pass_time(5)
    small_house.clock.advance(300)
    intake = await _restarted(small_house)
    for _ in range(50):
        for panel in panels[1:]:
            small_house.supervision.touch(panel, small_house.clock.now())
        await small_house.pass_time(5)
    assert [signal.device_id for signal in intake.signals] == [panels[0]]


async def test_a_second_stop_does_not_forget_the_first(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1, 3_600)  # its grace is two hours
    await small_house.reports.flush()
    await small_house.pass_time(5)
    small_house.clock.advance(5_000)
    await _restarted(small_house)
    await small_house.pass_time(5)
    small_house.clock.advance(5_000)
    intake = await _restarted(small_house)
    await small_house.pass_time(5_000, every_s=5)
    assert intake.codes == []
    await small_house.pass_time(2_300, every_s=5)
    assert intake.codes == ["comms.path_failed"]
    assert panel == intake.signals[0].device_id


async def test_a_gateway_that_was_away_moves_its_own_deadlines_and_nobody_elses(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1)
    radio = await small_house.panel("7", protocol="relayed", poll_interval_s=60.0)
    small_house.supervision.touch(radio.id, small_house.clock.now())
    await small_house.pass_time(5)
    small_house.supervision.note_listening(("dc09",), is_listening=False)
    await small_house.pass_time(300)
    assert [signal.device_id for signal in small_house.intake.signals] == [radio.id]
    small_house.supervision.note_listening(("dc09",), is_listening=True)
    await small_house.pass_time(115)
    assert len(small_house.intake.codes) == 1
    await small_house.pass_time(15)
    assert [signal.device_id for signal in small_house.intake.signals] == [radio.id, panel]
    assert [silence.protocols for silence in small_house.supervision.silences()] == [frozenset({"dc09"})]


# --- paths ---


async def _panels(house: House, count: int, interval_s: float = 60.0, **given: object) -> list[str]:
    panels = [await house.panel(f"{n:04d}", poll_interval_s=interval_s, **given) for n in range(count)]
    for panel in panels:
        house.supervision.touch(panel.id, house.clock.now())
    await house.supervision.settle()
    return [panel.id for panel in panels]


LAN_AND_RADIO = {
    "paths": [
        {"name": "LAN", "by": "address", "value": "10.8.0.0/16"},
        {"name": "4G", "by": "line", "value": "2", "interval_s": 600},
    ]
}
LAN, RADIO = Way(host="10.8.3.4", line="1"), Way(host="203.0.113.9", line="2")


async def _hear(house: House, panel: str, seconds: int, *ways: Way) -> None:
    for _ in range(0, seconds, 10):
        for way in ways:
            house.supervision.touch(panel, house.clock.now(), way)
        await house.pass_time(10)


async def test_each_path_has_its_own_deadline_and_one_lost_is_less_than_all(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1, settings=LAN_AND_RADIO)
    await _hear(small_house, panel, 30, LAN, RADIO)
    await _hear(small_house, panel, 150, RADIO)
    event = small_house.intake.signals[0].events[0]
    assert (event.code, event.area, event.priority) == ("comms.path_failed", "LAN", 5)
    device = await small_house.device(panel)
    assert (device.state, [fault.key for fault in device.faults]) == ("online", ["comms.one_path_failed"])

    await small_house.pass_time(150)  # now the other as well
    event = small_house.intake.signals[1].events[0]
    assert (event.code, event.area, event.priority) == ("comms.all_paths_failed", "", 3)
    device = await small_house.device(panel)
    assert (device.state, [fault.key for fault in device.faults]) == ("offline", ["comms.all_paths_failed"])

    await _hear(small_house, panel, 150, RADIO)  # one is back: the other is still named
    assert small_house.intake.codes[2:] == ["comms.all_paths_restored"]
    device = await small_house.device(panel)
    assert (device.state, [fault.key for fault in device.faults]) == ("online", ["comms.one_path_failed"])
    await _hear(small_house, panel, 10, LAN)
    assert small_house.intake.codes[3:] == ["comms.path_restored"]
    assert (await small_house.device(panel)).faults == ()


async def test_a_path_that_may_be_silent_is_never_overdue(small_house: House) -> None:
    paths = [{**LAN_AND_RADIO["paths"][0]}, {**LAN_AND_RADIO["paths"][1], "interval_s": 0}]
    (panel,) = await _panels(small_house, 1, settings={"paths": paths})
    await _hear(small_house, panel, 10, LAN, RADIO)
    await _hear(small_house, panel, 900, LAN)
    assert small_house.intake.codes == []


async def test_a_path_that_failed_is_known_after_a_restart_and_its_return_is_told_once(small_house: House) -> None:
    (panel,) = await _panels(small_house, 1, settings=LAN_AND_RADIO)
    await _hear(small_house, panel, 30, LAN, RADIO)
    await _hear(small_house, panel, 150, RADIO)
    await small_house.reports.flush()
    assert small_house.intake.codes == ["comms.path_failed"]
    intake = await _restarted(small_house)
    await _hear(small_house, panel, 300, RADIO)
    assert intake.codes == []
    paths = await small_house.devices.paths(panel, actor=HOUSE)
    assert [(row["name"], row["state"]) for row in paths] == [("LAN", "failed"), ("4G", "ok")]
    await _hear(small_house, panel, 10, LAN, RADIO)
    assert intake.codes == ["comms.path_restored"]


async def test_a_camera_has_paths_by_the_address_it_is_heard_from(small_house: House) -> None:
    given = {
        "paths": [{"name": "a", "by": "address", "value": "10.1.1.1"}, {"name": "b", "by": "transport", "value": "TCP"}]
    }
    camera = await small_house.camera(settings=given)
    for _ in range(30):
        small_house.supervision.seen(camera.id, small_house.clock.now(), "10.1.1.1:5060", "udp")
        await small_house.pass_time(10)
    small_house.supervision.seen(camera.id, small_house.clock.now(), "10.9.9.9:5060", "tcp")
    await small_house.pass_time(5)
    paths = await small_house.devices.paths(camera.id, actor=HOUSE)
    assert [(row["name"], row["state"]) for row in paths] == [("a", "ok"), ("b", "ok")]


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        ([{"name": "a", "by": "colour", "value": "1"}], "by"),
        ([{"name": "", "by": "line", "value": "1"}], "name"),
        ([{"name": "a", "by": "address", "value": "10.8.0.0/99"}], "paths"),
        ([{"name": "a", "by": "line", "value": "1"}, {"name": "a", "by": "line", "value": "2"}], "paths"),
        ([{"name": str(n), "by": "line", "value": "1"} for n in range(5)], "paths"),
        ([{"name": "a", "by": "line", "value": "1", "interval_s": -1}], "interval_s"),
        ("LAN", "paths"),
    ],
)
async def test_what_is_no_path_is_refused_with_its_field(small_house: House, paths: object, field: str) -> None:
    with pytest.raises(TocsinError) as refused:
        await small_house.panel("9", settings={"paths": paths})
    assert refused.value.params["field"] == field


# --- common causes ---


async def _hear_all(house: House, panels: Sequence[str], seconds: int) -> None:
    for _ in range(0, seconds, 10):
        for panel in panels:
            house.supervision.touch(panel, house.clock.now())
        await house.pass_time(10)


async def test_a_carriers_outage_is_one_event_with_its_list_though_it_is_a_small_part_of_the_county(
    small_house: House,
) -> None:
    others = await _panels(small_house, 120)
    mobile = [
        (await small_house.panel(f"M{n}", poll_interval_s=60.0, network="移动", feeder=f"F{n % 7}")).id
        for n in range(22)
    ]
    await _hear_all(small_house, [*others, *mobile], 20)
    await _hear_all(small_house, others, 150)
    assert small_house.intake.codes == ["comms.group_failed"]
    assert "Carrier 移动: 22 of 22" in small_house.intake.signals[0].events[0].label_en
    outages = await small_house.store.read(lambda tx: tx.supervision.open_outages())
    assert [(one.cause.kind, set(one.lost), one.signal_id) for one in outages] == [("network", set(mobile), "1")]
    states = {(await small_house.device(panel)).state for panel in mobile}
    assert states == {"offline"}

    intake = await _restarted(small_house)  # it lasts over a restart, and ends when all are back
    await _hear_all(small_house, [*others, *mobile[1:]], 200)
    assert intake.codes == []
    await _hear_all(small_house, [*others, *mobile], 20)
    assert intake.codes == ["comms.group_restored"]
    assert await small_house.store.read(lambda tx: tx.supervision.open_outages()) == []


async def test_what_somebody_entered_is_named_before_the_county_that_explains_nearly_as_much(
    small_house: House,
) -> None:
    fed = [
        (await small_house.panel(f"F{n}", poll_interval_s=60.0, feeder="东台区")).id for n in range(30)
    ]  # six of them have a battery
    silent_by_chance = await _panels(small_house, 2)
    await _hear_all(small_house, [*fed, *silent_by_chance], 20)
    await _hear_all(small_house, fed[24:], 150)
    (told,) = [one.events[0] for one in small_house.intake.signals if one.events[0].code == "comms.group_failed"]
    assert "Power district 东台区: 24 of 30" in told.label_en


async def test_a_device_that_comes_back_while_its_outage_is_written_is_on_the_list_as_back(small_house: House) -> None:
    panels = await _panels(small_house, 25)
    await _hear_all(small_house, panels, 20)
    run = small_house.supervision._store.run

    async def slow(act: Callable[..., object], *given: object) -> object:
        found: object = await run(act, *given)
        if act is write_outages:
            small_house.supervision.touch(panels[0], small_house.clock.now())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_house.supervision._store, "run", slow)
        await small_house.pass_time(130)
    (outage,) = await small_house.store.read(lambda tx: tx.supervision.open_outages())
    assert (len(outage.lost), set(outage.back)) == (25, {panels[0]})
    assert small_house.intake.codes == ["comms.group_failed"]


async def test_who_looks_and_who_is_woken_at_once_tell_of_an_outage_once(small_house: House) -> None:
    panels = await _panels(small_house, 25)
    await _hear_all(small_house, panels, 20)
    supervision = small_house.supervision
    for _ in range(26):
        small_house.clock.advance(5)
        await asyncio.gather(supervision.check(), supervision.settle(), supervision.settle())
    assert small_house.intake.codes == ["comms.group_failed"]


async def test_the_title_of_an_outage_tells_how_many_are_away_now_and_at_the_worst(small_house: House) -> None:
    others = await _panels(small_house, 60)
    mobile = [(await small_house.panel(f"M{n}", poll_interval_s=60.0, network="移动")).id for n in range(22)]
    intake = Intake(small_house.store)
    directory = Directory(small_house.store, Vault(bytes(32)))
    small_house.supervision = Supervision(small_house.store, directory, small_house.clock, intake)
    await directory.load()
    await small_house.supervision.start()

    async def incident() -> Incident:
        found: list[Incident] = await small_house.store.read(
            lambda tx: tx.incidents.find(IncidentFilter(kind="supervisory"), visible_to=Scope(("34",)))
        )
        return found[0]

    await _hear_all(small_house, [*others, *mobile], 20)
    await _hear_all(small_house, others, 150)
    begun = await incident()
    assert begun.title_en == "Carrier 移动: 22 devices silent, 22 at the worst, of 22"
    assert begun.title_zh == "运营商 移动：当前 22 台失联，最多时 22 台（共 22 台）"
    await _hear_all(small_house, [*others, *mobile[:10]], 20)
    lessened = await incident()
    assert lessened.title_en == "Carrier 移动: 12 devices silent, 22 at the worst, of 22"
    assert lessened.version == begun.version
    rows = await small_house.store.read(lambda tx: tx.outbox.after(0, 10_000))
    assert "12 devices silent" in [row.data for row in rows if row.subject_id == begun.id][-1].decode()
    await _hear_all(small_house, [*others, *mobile], 20)
    assert (await incident()).title_en == "Carrier 移动: over, 22 devices were silent at the worst"


async def test_two_causes_at_once_are_two_outages(small_house: House) -> None:
    others = await _panels(small_house, 100)
    east = [(await small_house.panel(f"E{n}", poll_interval_s=60.0, feeder="东台区")).id for n in range(21)]
    west = [(await small_house.panel(f"W{n}", poll_interval_s=60.0, line="西环")).id for n in range(25)]
    await _hear_all(small_house, [*others, *east, *west], 20)
    await _hear_all(small_house, others, 150)
    labels = sorted(signal.events[0].label_en.split(":")[0] for signal in small_house.intake.signals)
    assert labels == ["Power district 东台区", "Uplink 西环"]


async def test_an_outage_over_two_counties_belongs_to_the_city_and_one_more_that_falls_joins_it(
    small_house: House,
) -> None:
    given = {"poll_interval_s": 60.0, "line": "环网"}
    north = [(await small_house.panel(f"N{n}", **given)).id for n in range(15)]
    south = [(await small_house.panel(f"S{n}", place_id=small_house.school_b.id, **given)).id for n in range(15)]
    await _hear_all(small_house, [*north, *south], 20)
    await _hear_all(small_house, north[:1], 150)
    (signal,) = small_house.intake.signals
    assert signal.home is not None
    assert (signal.home.code, signal.home.jurisdiction_id) == ("3402", small_house.city.id)
    await small_house.pass_time(150)  # the last one as well
    assert small_house.intake.codes == ["comms.group_failed"]
    (outage,) = await small_house.store.read(lambda tx: tx.supervision.open_outages())
    assert len(outage.lost) == 30


async def test_intercoms_are_late_by_how_often_they_are_asked(small_house: House) -> None:
    doors = [
        (await small_house.panel(f"door{n}", kind="intercom", protocol="sip", poll_interval_s=0.0)).id
        for n in range(CauseRules().least + 1)
    ]
    rules = SupervisionRules(ping_s=300.0, pings=2)
    directory, intake = Directory(small_house.store, Vault(bytes(32))), HeardIntake()
    supervision = Supervision(small_house.store, directory, small_house.clock, intake, rules)
    small_house.supervision, small_house.intake = supervision, intake
    await directory.load()
    await supervision.start()
    for door in doors:
        supervision.touch(door, small_house.clock.now())
    await small_house.pass_time(250)
    supervision.lost(doors[0], small_house.clock.now(), "register.keepalive_lost")
    await supervision.settle()
    assert intake.codes == ["comms.path_failed"]  # the others are asked in 50 s: nobody is late
    await small_house.pass_time(650)
    assert intake.codes == ["comms.path_failed"]  # three times 300 s and 10 s, whatever it is elsewhere
    await small_house.pass_time(15)
    assert intake.codes == ["comms.path_failed", "comms.group_failed"]


async def test_an_intercom_that_is_only_silent_is_asked_again_after_our_restart(small_house: House) -> None:
    door = (await small_house.panel("door", kind="intercom", protocol="sip")).id
    now, reports = small_house.clock.now(), small_house.reports

    async def bound() -> list[str]:
        await reports.flush()
        return await small_house.store.read(lambda tx: [one.device_id for one in tx.intercoms.bindings(now)])

    reports.registered(door, now, 3_600, "127.0.0.1:5062", "udp", "", "")
    reports.unregistered(door, now, "register.keepalive_lost", is_bound=True)
    assert await bound() == [door]
    reports.unregistered(door, now, "register.removed")
    assert await bound() == []
