from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import CAR, FOOT, NORTH, PEOPLE, PLAN, SOUTH_CAR, build_town, burglary, event, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.assignments import AssignmentState
from tocsin.domain.incident_detail import IncidentDetail, IncidentFilter, NoteKind
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.incidents import Source, StampName, Verdict
from tocsin.domain.intake import Intake
from tocsin.domain.plan_service import PlanService
from tocsin.domain.unit_service import UnitService
from tocsin.domain.units import Unit, UnitState
from tocsin.storage.store import AnyStore

EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
LI, WANG, CHIEF, SOUTH = PEOPLE.li, PEOPLE.wang, PEOPLE.chief, PEOPLE.south
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Room:
    """The control room: services, clock, and one incident at the school."""

    store: AnyStore
    clock: FixedClock
    intake: Intake
    incidents: IncidentService
    units: UnitService
    plans: PlanService
    incident_id: str = ""

    async def version(self) -> int:
        return (await self.incidents.get(self.incident_id, actor=CHIEF)).incident.version

    async def do(self, name: str, actor: Actor = LI, **given: Any) -> IncidentDetail:
        act: Callable[..., Awaitable[IncidentDetail]] = getattr(self.incidents, name)
        return await act(self.incident_id, actor=actor, version=await self.version(), **given)

    async def refused(self, name: str, actor: Actor = LI, **given: Any) -> TocsinError:
        with pytest.raises(TocsinError) as caught:
            await self.do(name, actor, **given)
        return caught.value

    async def audit(self) -> list[Any]:
        return list(reversed(await self.store.read(lambda tx: tx.audit.find(codes=None, limit=500))))

    async def feed(self) -> list[str]:
        return [item.type for item in await self.store.read(lambda tx: tx.outbox.after(0, 1000))]


@pytest.fixture
async def room(store: AnyStore, clock: FixedClock) -> Room:
    made = Room(store, clock, Intake(store), IncidentService(store), UnitService(store), PlanService(store))
    await store.run(build_town)
    await made.intake.accept(signal_of(burglary()))
    (incident,) = await made.incidents.find(IncidentFilter(), actor=CHIEF)
    made.incident_id = incident.id
    return made


# --- one whole incident, on both databases ---


async def test_a_genuine_alarm_is_worked_from_claim_to_closing(room: Room) -> None:
    await room.do("claim")
    await room.do("complete_step", n=1)
    detail = await room.do("give_verdict", verdict=Verdict.GENUINE)
    assert [s.state for s in detail.steps] == ["done", "done", "open", "waiting", "not_applicable", "waiting"]

    detail = await room.do("assign", unit_id=CAR)
    assert detail.incident.state == "dispatched"
    (assignment,) = detail.assignments
    for state, expected in [("delivered", "dispatched"), ("accepted", "acknowledged"), ("on_scene", "on_scene")]:
        room.clock.advance(20)
        detail = await room.do("advance_assignment", assignment_id=assignment.id, state=AssignmentState(state))
        assert detail.incident.state == expected
    assert detail.steps[2].state == "done"

    detail = await room.do("add_note", text="Window broken", kind=NoteKind.REPORT)
    assert detail.incident.state == "working"
    await room.do("complete_step", n=4, note="Key-holder is coming")
    blocked = await room.refused("close", disposition="genuine_handled")
    assert [step["key"] for step in blocked.params["steps"]] == ["units_assigned"]

    await room.do("advance_assignment", assignment_id=assignment.id, state=AssignmentState.CLEARED)
    detail = await room.do("close", disposition="genuine_handled")

    assert detail.incident.state == "closed"
    assert detail.incident.owner_id is None
    assert [alarm.state for alarm in detail.alarms] == ["closed"]
    assert list(detail.incident.stamps) == ["t1", "t2", "t8", "t5", "t7", "t9", "t10", "t12", "t13", "t15", "t16"]
    assert detail.incident.stamps["t5"] == {"at": "2026-11-22T02:14:07.000000Z", "source": "operator", "who": "li"}
    unit = await room.units.get(CAR, actor=LI)
    assert (unit.state, unit.incident_id) == (UnitState.AVAILABLE, None)
    actions = [(r.action, r.outcome) for r in await room.audit() if r.subject_id == room.incident_id]
    assert actions == [
        ("incident.opened", "done"),
        ("incident.claimed", "done"),
        ("incident.step_done", "done"),
        ("incident.verdict", "done"),
        ("incident.step_done", "done"),
        ("incident.unit_assigned", "done"),
        ("incident.assignment_advanced", "done"),
        ("incident.assignment_advanced", "done"),
        ("incident.step_done", "done"),
        ("incident.assignment_advanced", "done"),
        ("incident.note_added", "done"),
        ("incident.step_done", "done"),
        ("incident.closed", "refused"),
        ("incident.assignment_advanced", "done"),
        ("incident.closed", "done"),
    ]
    assert [h.action for h in detail.history][-1] == "incident.closed"
    assert detail.history[1].actor_name == "Li"
    assert "incident.closed" in await room.feed()


async def test_a_false_alarm_closes_on_its_cause_alone(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.FALSE, cause="environment")
    detail = await room.do("close")

    assert (detail.incident.state, detail.incident.disposition) == ("closed", "false_environment")


# --- the claim ---


@only_sqlite
async def test_a_held_incident_is_closed_to_others(room: Room) -> None:
    await room.do("claim")

    for name, given in [
        ("claim", {}),
        ("release", {}),
        ("give_verdict", {"verdict": Verdict.GENUINE}),
        ("complete_step", {"n": 1}),
        ("assign", {"unit_id": CAR}),
        ("park", {"until": START + timedelta(minutes=3), "reason": "other"}),
        ("close", {"disposition": "unfounded"}),
    ]:
        error = await room.refused(name, WANG, **given)
        assert (error.code, error.key) == (ErrorCode.CONFLICT, "claimed_by_other"), name
    refusals = [r.action for r in await room.audit() if r.outcome == "refused"]
    assert refusals == [
        "incident.claimed",
        "incident.released",
        "incident.verdict",
        "incident.step_done",
        "incident.unit_assigned",
        "incident.parked",
        "incident.closed",
    ]


@only_sqlite
async def test_a_colleague_may_write_a_note_and_record_what_a_unit_says(room: Room) -> None:
    await room.do("assign", unit_id=CAR)
    detail = await room.do("add_note", WANG, text="The guard called")
    (assignment,) = detail.assignments
    detail = await room.do("advance_assignment", WANG, assignment_id=assignment.id, state=AssignmentState.EN_ROUTE)

    assert (detail.incident.owner_id, detail.incident.state) == ("li", "en_route")
    assert [note.user_name for note in detail.notes] == ["Wang"]


@only_sqlite
async def test_a_claim_ends_unless_renewed_by_claiming_or_acting(room: Room) -> None:
    await room.do("claim")
    room.clock.advance(100)
    await room.do("complete_step", n=1)
    room.clock.advance(100)
    assert (await room.incidents.run_timed())["leases"] == 0
    assert (await room.refused("claim", WANG)).key == "claimed_by_other"

    room.clock.advance(21)
    assert (await room.incidents.run_timed())["leases"] == 1
    detail = await room.do("claim", WANG)

    assert detail.incident.owner_id == "wang"
    assert [r.action for r in await room.audit()].count("incident.lease_expired") == 1
    assert detail.incident.stamps["t5"]["who"] == "li"


@only_sqlite
async def test_a_lapsed_lease_lets_another_claim_even_before_it_is_swept(room: Room) -> None:
    await room.do("claim")
    room.clock.advance(120)

    assert (await room.do("claim", WANG)).incident.owner_id == "wang"


@only_sqlite
async def test_a_supervisor_relieves_the_owner_and_it_is_recorded(room: Room) -> None:
    await room.do("claim")
    detail = await room.do("claim", CHIEF)

    assert detail.incident.owner_id == "chief"
    claimed = [r for r in await room.audit() if r.action == "incident.claimed"][-1]
    assert msgspec.json.decode(claimed.detail)["taken_from"] == "li"


@only_sqlite
async def test_release_frees_and_a_second_one_is_refused(room: Room) -> None:
    await room.do("claim")
    assert (await room.do("release")).incident.owner_id is None
    assert (await room.refused("release")).key == "not_claimed"


# --- scope and versions ---


@only_sqlite
async def test_an_incident_of_another_jurisdiction_does_not_exist(room: Room) -> None:
    assert await room.incidents.find(IncidentFilter(), actor=SOUTH) == []
    with pytest.raises(TocsinError) as caught:
        await room.incidents.get(room.incident_id, actor=SOUTH)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert (await room.refused("claim", SOUTH)).code is ErrorCode.NOT_FOUND
    assert (await room.refused("assign", LI, unit_id=SOUTH_CAR)).code is ErrorCode.NOT_FOUND
    assert (await room.audit())[-2].outcome == "refused"


@only_sqlite
@pytest.mark.parametrize("actor", [PEOPLE.admin, PEOPLE.auditor, PEOPLE.installer, replace(LI, is_disabled=True)])
async def test_only_who_handles_incidents_acts_on_them(room: Room, actor: Actor) -> None:
    error = await room.refused("claim", actor)

    assert error.code is ErrorCode.FORBIDDEN
    assert error.params["rule"] in ("no_permission", "account_disabled")


@only_sqlite
async def test_a_stale_version_is_answered_with_the_current_one(room: Room) -> None:
    detail = await room.do("claim")
    with pytest.raises(TocsinError) as caught:
        await room.incidents.claim(room.incident_id, actor=LI, version=detail.incident.version - 1)

    assert (caught.value.code, caught.value.key) == (ErrorCode.CONFLICT, "stale")
    assert caught.value.params["current_version"] == detail.incident.version


@only_sqlite
async def test_of_two_claims_with_one_version_one_wins(room: Room) -> None:
    version = await room.version()
    results = await asyncio.gather(
        *(room.incidents.claim(room.incident_id, actor=actor, version=version) for actor in (LI, WANG)),
        return_exceptions=True,
    )

    assert sorted(isinstance(result, TocsinError) for result in results) == [False, True]


@only_sqlite
async def test_a_new_alarm_makes_an_older_view_of_the_incident_stale(room: Room) -> None:
    version = await room.version()
    await room.intake.accept(signal_of(burglary("005"), after_s=9))
    with pytest.raises(TocsinError) as caught:
        await room.incidents.close(room.incident_id, actor=LI, version=version, disposition="unfounded")

    assert caught.value.key == "stale"


# --- steps ---


@only_sqlite
async def test_steps_come_in_order_and_by_the_hand_they_are_meant_for(room: Room) -> None:
    assert (await room.refused("complete_step", n=2)).key == "step_not_open"
    await room.do("complete_step", n=1)
    assert (await room.refused("complete_step", n=2)).key == "step_not_by_hand"
    assert (await room.refused("complete_step", n=2, skip=True)).key == "step_mandatory"
    assert (await room.refused("complete_step", n=9)).code is ErrorCode.NOT_FOUND
    await room.do("give_verdict", verdict=Verdict.GENUINE)
    assert (await room.refused("complete_step", n=5)).params["state"] == "not_applicable"
    assert (await room.refused("complete_step", n=4)).key == "step_not_open"


@only_sqlite
async def test_the_late_step_is_announced_once(room: Room) -> None:
    room.clock.advance(31)
    assert (await room.incidents.run_timed())["overdue"] == 1
    assert (await room.incidents.run_timed())["overdue"] == 0
    detail = await room.incidents.get(room.incident_id, actor=LI)

    assert detail.steps[0].is_overdue
    assert "incident.step_overdue" in [r.action for r in await room.audit()]


@only_sqlite
async def test_closing_says_everything_that_is_missing(room: Room) -> None:
    error = await room.refused("close")
    assert [(s["key"], s["n"]) for s in error.params["steps"]] == [
        ("verdict_missing", 0), ("step_undone", 1), ("step_undone", 2), ("step_undone", 3), ("step_undone", 4),
        ("disposition_missing", 0),
    ]  # fmt: skip
    assert error.code is ErrorCode.BLOCKED

    detail = await room.do("give_verdict", verdict=Verdict.UNSURE)
    assert [b.key for b in detail.blocked_by] == ["step_undone"]
    await room.do("complete_step", n=1)
    assert (await room.refused("close", disposition="nonsense")).code is ErrorCode.INVALID
    assert (await room.do("close", disposition="unfounded")).incident.state == "closed"


@only_sqlite
async def test_a_false_alarm_without_a_cause_is_blocked_unless_the_disposition_names_it(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.FALSE)
    assert [s["key"] for s in (await room.refused("close")).params["steps"]] == ["cause_missing"]

    detail = await room.do("close", disposition="false_equipment")
    assert detail.incident.cause == "equipment"


@only_sqlite
async def test_a_disposition_must_not_contradict_the_verdict(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.FALSE, cause="user_error")

    assert (await room.refused("close", disposition="genuine_handled")).key == "disposition_contradicts"


# --- park, undo, reopen ---


@only_sqlite
async def test_a_parked_incident_returns_by_itself(room: Room) -> None:
    detail = await room.do("park", until=START + timedelta(minutes=10), reason="awaiting_keyholder")
    assert (detail.incident.state, detail.incident.owner_id) == ("parked", None)

    room.clock.advance(599)
    assert (await room.incidents.run_timed())["returned"] == 0
    room.clock.advance(1)
    assert (await room.incidents.run_timed())["returned"] == 1
    detail = await room.incidents.get(room.incident_id, actor=LI)
    assert (detail.incident.state, detail.incident.parked_until) == ("pending", None)


@only_sqlite
@pytest.mark.parametrize(
    ("minutes", "reason", "field"), [(16, "other", "until"), (0, "other", "until"), (5, "tired", "reason")]
)
async def test_parking_has_limits(room: Room, minutes: int, reason: str, field: str) -> None:
    error = await room.refused("park", until=START + timedelta(minutes=minutes), reason=reason)

    assert (error.code, error.params["field"]) == (ErrorCode.INVALID, field)


@only_sqlite
async def test_a_verdict_can_be_taken_back_for_five_seconds(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.FALSE, cause="user_error")
    assert (await room.refused("undo", WANG)).key == "undo_by_other"
    room.clock.advance(5)
    detail = await room.do("undo")

    assert (detail.incident.verdict, detail.incident.cause) == ("none", "")
    assert detail.steps[1].state == "waiting"
    assert "t7" not in detail.incident.stamps
    assert [(s.stamp, s.is_withdrawn) for s in detail.stamp_rows][-2:] == [("t7", False), ("t7", True)]
    assert (await room.refused("undo")).key == "nothing_to_undo"


@only_sqlite
async def test_the_earlier_verdict_counts_again_when_the_later_is_taken_back(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.UNSURE)
    room.clock.advance(30)
    await room.do("give_verdict", verdict=Verdict.GENUINE)
    detail = await room.do("undo")

    assert detail.incident.verdict == "unsure"
    assert detail.incident.stamps["t7"]["at"] == "2026-11-22T02:14:07.000000Z"
    assert detail.steps[1].state == "done"


@only_sqlite
async def test_after_five_seconds_or_another_act_it_stays(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.UNSURE)
    room.clock.advance(5.1)
    assert (await room.refused("undo")).key == "undo_too_late"

    await room.do("give_verdict", verdict=Verdict.GENUINE)
    await room.do("assign", unit_id=CAR)
    assert (await room.refused("undo")).key == "nothing_to_undo"


@only_sqlite
async def test_a_parking_can_be_taken_back(room: Room) -> None:
    await room.do("park", until=START + timedelta(minutes=3), reason="other")
    detail = await room.do("undo")

    assert (detail.incident.state, detail.incident.owner_id) == ("pending", "li")


@only_sqlite
async def test_a_supervisor_reopens_with_a_reason(room: Room) -> None:
    await room.do("give_verdict", verdict=Verdict.FALSE, cause="unknown")
    await room.do("close")
    assert (await room.refused("claim")).key == "incident_closed"
    assert (await room.refused("reopen", LI, reason="again")).code is ErrorCode.FORBIDDEN
    assert (await room.refused("reopen", CHIEF, reason=" ")).code is ErrorCode.INVALID
    detail = await room.do("reopen", CHIEF, reason="Second call from the school")

    assert (detail.incident.state, detail.incident.disposition) == ("pending", "")
    assert "t16" not in detail.incident.stamps
    assert (await room.refused("reopen", CHIEF, reason="x")).key == "not_closed"


# --- timestamps ---


@only_sqlite
async def test_a_correction_stands_beside_the_first_value(room: Room) -> None:
    await room.do("claim")
    earlier = START - timedelta(seconds=30)
    detail = await room.do("correct_stamp", CHIEF, stamp=StampName.CLAIMED, at=earlier, reason="was on the phone")

    rows = [(s.at, s.reason) for s in detail.stamp_rows if s.stamp == "t5"]
    assert rows == [(START, ""), (earlier, "was on the phone")]
    assert (
        await room.refused("correct_stamp", stamp=StampName.CLAIMED, at=earlier, reason="x")
    ).code is ErrorCode.FORBIDDEN


@only_sqlite
async def test_the_first_presentation_is_stamped_and_makes_nothing_stale(room: Room) -> None:
    version = await room.version()
    assert await room.incidents.presented([room.incident_id, "nothing"], actor=LI) == 1
    assert await room.incidents.presented([room.incident_id], actor=WANG) == 0
    assert await room.incidents.presented([room.incident_id], actor=SOUTH) == 0
    detail = await room.incidents.get(room.incident_id, actor=LI)

    assert detail.incident.stamps["t4"]["source"] == "operator_console"
    assert detail.alarms[0].presented_at == START
    assert detail.incident.version == version


@only_sqlite
async def test_an_absent_operator_is_announced_for_the_gravest(room: Room) -> None:
    await room.intake.accept(signal_of(event(EventKind.ALARM, Category.FIRE, 1), after_s=1))
    room.clock.advance(31)
    assert (await room.incidents.run_timed())["unattended"] == 1
    assert (await room.incidents.run_timed())["unattended"] == 0
    (open_notice,) = await room.store.read(lambda tx: tx.notices.open(visible_to=EVERYWHERE))
    assert open_notice.subject_id == room.incident_id
    await room.do("claim")

    assert await room.store.read(lambda tx: tx.notices.open(visible_to=EVERYWHERE)) == []
    types = await room.feed()
    assert types.count("notice.raised") == 1
    assert types.count("notice.cleared") == 1


# --- units ---


@only_sqlite
async def test_a_unit_is_sent_once_and_can_be_recalled(room: Room) -> None:
    detail = await room.do("assign", unit_id=CAR)
    assert (await room.refused("assign", unit_id=CAR)).key == "unit_not_free"
    (assignment,) = detail.assignments
    detail = await room.do("advance_assignment", assignment_id=assignment.id, state=AssignmentState.RECALLED)

    assert detail.incident.state == "pending"
    assert (await room.units.get(CAR, actor=LI)).state is UnitState.AVAILABLE
    error = await room.refused("advance_assignment", assignment_id=assignment.id, state=AssignmentState.EN_ROUTE)
    assert error.key == "assignment_state"


@only_sqlite
async def test_the_incident_follows_the_furthest_of_its_units(room: Room) -> None:
    first = (await room.do("assign", unit_id=CAR)).assignments[0]
    await room.do("advance_assignment", assignment_id=first.id, state=AssignmentState.ON_SCENE)
    detail = await room.do("assign", unit_id=FOOT)
    assert detail.incident.state == "on_scene"
    second = detail.assignments[1]
    room.clock.advance(1)
    detail = await room.do("advance_assignment", assignment_id=first.id, state=AssignmentState.CLEARED)
    assert detail.incident.state == "on_scene"
    detail = await room.do("advance_assignment", assignment_id=second.id, state=AssignmentState.CLEARED)

    assert detail.incident.state == "cleared"
    assert detail.incident.stamps["t15"]["source"] == "operator"


@only_sqlite
async def test_a_units_own_button_carries_its_assignment_and_incident(room: Room) -> None:
    await room.do("assign", unit_id=CAR)
    unit = await room.units.get(CAR, actor=LI)
    unit = await room.units.set_state(
        CAR, UnitState.EN_ROUTE, actor=LI, version=unit.version, source=Source.UNIT_BUTTON
    )
    detail = await room.incidents.get(room.incident_id, actor=LI)
    assert detail.incident.state == "en_route"
    assert detail.incident.stamps["t11"]["source"] == "unit_button"

    await room.units.set_state(CAR, UnitState.OUT_OF_SERVICE, actor=LI, version=unit.version, reason="flat tyre")
    detail = await room.incidents.get(room.incident_id, actor=LI)
    assert (detail.incident.state, detail.assignments[0].state) == ("pending", "recalled")


@only_sqlite
async def test_units_are_sorted_by_distance_and_keep_the_newest_fix(room: Room) -> None:
    await room.units.move(FOOT, 120.2, 30.2, START)
    assert await room.units.move(FOOT, 0.0, 0.0, START - timedelta(seconds=1)) is None
    near = await room.units.find(actor=LI, near=(120.19, 30.2))

    assert [n.unit.id for n in near] == [FOOT, CAR]
    assert near[0].distance_m == pytest.approx(961, abs=5)
    assert near[0].bearing_deg == pytest.approx(90, abs=0.1)
    assert near[1].distance_m is None


@only_sqlite
async def test_a_stale_or_forbidden_unit_change_is_refused(room: Room) -> None:
    for actor, version, code in [(LI, 9, ErrorCode.CONFLICT), (PEOPLE.auditor, 1, ErrorCode.FORBIDDEN)]:
        with pytest.raises(TocsinError) as caught:
            await room.units.set_state(CAR, UnitState.BUSY, actor=actor, version=version)
        assert caught.value.code is code
    new = Unit("u9", "九号车", "M99", "car", "j-north", NORTH)
    with pytest.raises(TocsinError) as caught:
        await room.units.add(new, actor=LI)
    assert caught.value.code is ErrorCode.FORBIDDEN
    await room.units.add(new, actor=PEOPLE.admin)
    assert (await room.units.get("u9", actor=LI)).call_sign == "M99"


# --- plans ---


async def test_a_changed_plan_is_a_new_version_and_leaves_old_incidents_alone(room: Room) -> None:
    plan = await room.plans.get(PLAN, actor=LI)
    saved = await room.plans.save(replace(plan, steps=plan.steps[:2]), actor=CHIEF, version=plan.version)
    assert (saved.version_no, saved.version) == (2, 2)

    await room.intake.accept(signal_of(burglary(), after_s=700))
    new, old = await room.incidents.find(IncidentFilter(), actor=LI)
    assert [len((await room.incidents.get(i.id, actor=LI)).steps) for i in (new, old)] == [2, 6]
    assert [i.plan.version_no for i in (new, old) if i.plan] == [2, 1]
    assert len((await room.plans.get(PLAN, actor=LI, version_no=1)).steps) == 6
    with pytest.raises(TocsinError) as caught:
        await room.plans.save(plan, actor=CHIEF, version=1)
    assert caught.value.key == "stale"
    with pytest.raises(TocsinError) as caught:
        await room.plans.save(plan, actor=LI, version=2)
    assert caught.value.code is ErrorCode.FORBIDDEN


# --- lists ---


async def test_lists_filter_and_page(room: Room) -> None:
    for n in range(1, 4):
        await room.intake.accept(signal_of(burglary(), after_s=700 * n))
    await room.do("claim")
    found = await room.incidents.find(IncidentFilter(), actor=LI, limit=3)
    rest = await room.incidents.find(IncidentFilter(before=found[-1].id), actor=LI)

    assert len(found) == 3
    assert [i.id for i in rest] == [room.incident_id]
    for wanted, count in [
        (IncidentFilter(owner_id="li"), 1),
        (IncidentFilter(is_unclaimed=True), 3),
        (IncidentFilter(states=("new",)), 3),
        (IncidentFilter(is_open=False), 0),
        (IncidentFilter(text="xinhua"), 4),
        (IncidentFilter(text="西门"), 4),
        (IncidentFilter(text="%"), 0),
        (IncidentFilter(priority_at_most=1), 0),
        (IncidentFilter(device_id="panel-school"), 4),
        (IncidentFilter(opened_from=START, opened_to=START), 0),
    ]:
        assert len(await room.incidents.find(wanted, actor=LI)) == count, wanted
