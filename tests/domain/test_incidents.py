from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.assignments import ASSIGNMENT_TRANSITIONS, Assignment, AssignmentState, furthest
from tocsin.domain.incidents import TRANSITIONS, Incident, IncidentState, Stamp, Verdict
from tocsin.domain.plans import stand

NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
S = IncidentState
ENDS = {S.CLOSED, S.CANCELLED, S.MERGED}


def incident(**changes: object) -> Incident:
    made = Incident("i1", "HW-2611-0001", "j", "330110", "Burglary", "入侵", "burglary", 2, NOW, NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def sent(state: str, id: str = "a1", **changes: object) -> Assignment:
    made = Assignment(id, "i1", f"unit-{id}", AssignmentState(state), NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("current", list(S))
@pytest.mark.parametrize("wanted", list(S))
def test_the_table_is_the_only_way_between_states(current: IncidentState, wanted: IncidentState) -> None:
    made = incident(state=current)
    if wanted is current or wanted in TRANSITIONS[current]:
        assert made.in_state(wanted).state is wanted
    else:
        with pytest.raises(TocsinError) as caught:
            made.in_state(wanted)
        assert caught.value.key == "incident_state"


def test_every_state_but_merged_leads_on_and_every_open_one_can_end() -> None:
    for state in S:
        assert bool(TRANSITIONS[state]) == (state is not S.MERGED)

    def reach(state: IncidentState) -> set[IncidentState]:
        seen, waiting = {state}, [state]
        while waiting:
            for following in TRANSITIONS[waiting.pop()] - seen:
                seen.add(following)
                waiting.append(following)
        return seen

    assert all(S.CLOSED in reach(state) for state in S if state is not S.MERGED)


def test_a_claim_moves_a_new_or_parked_incident_to_pending_and_no_other() -> None:
    for state in (S.NEW, S.PARKED, S.PENDING):
        assert incident(state=state).claimed("li", "Li", NOW).state is S.PENDING
    assert incident(state=S.ON_SCENE).claimed("li", "Li", NOW).state is S.ON_SCENE
    for state in ENDS:
        with pytest.raises(TocsinError, match="is"):
            incident(state=state).claimed("li", "Li", NOW)


def test_a_lease_holds_until_its_last_instant() -> None:
    held = incident().claimed("li", "Li", NOW)

    assert held.holder(NOW + timedelta(seconds=119.999)) == "li"
    assert held.holder(NOW + timedelta(seconds=120)) is None


def test_renewing_keeps_what_can_be_undone_and_taking_over_does_not() -> None:
    decided = incident().claimed("li", "Li", NOW).decided(Verdict.GENUINE, "", NOW)

    assert decided.claimed("li", "Li", NOW).undo is not None
    assert decided.claimed("chief", "Chief", NOW, may_relieve=True).undo is None


@pytest.mark.parametrize(
    ("verdict", "cause", "field"),
    [(Verdict.NONE, "", "verdict"), (Verdict.GENUINE, "user_error", "cause"), (Verdict.FALSE, "ghost", "cause")],
)
def test_a_verdict_makes_sense(verdict: Verdict, cause: str, field: str) -> None:
    with pytest.raises(TocsinError) as caught:
        incident().decided(verdict, cause, NOW)

    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.INVALID, field)


@pytest.mark.parametrize(("priority", "minutes"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 240), (9, 240)])
def test_the_graver_the_shorter_it_may_rest(priority: int, minutes: int) -> None:
    made = incident(priority=priority, state=S.PENDING)
    limit = NOW + timedelta(minutes=minutes)

    assert made.parked(limit, "other", NOW).state is S.PARKED
    with pytest.raises(TocsinError) as caught:
        made.parked(limit + timedelta(microseconds=1), "other", NOW)
    assert caught.value.params["limit_min"] == minutes


@pytest.mark.parametrize("state", [S.DISPATCHED, S.EN_ROUTE, S.ON_SCENE, S.WORKING, S.CLEARED])
def test_an_incident_with_units_out_cannot_rest(state: IncidentState) -> None:
    with pytest.raises(TocsinError) as caught:
        incident(state=state).parked(NOW + timedelta(minutes=1), "other", NOW)

    assert caught.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize(
    ("assignments", "reached"),
    [
        ([], None),
        ([sent("recalled")], None),
        ([sent("sent")], "sent"),
        ([sent("sent"), sent("en_route", "a2")], "en_route"),
        ([sent("recalled"), sent("delivered", "a2")], "delivered"),
        ([sent("cleared", on_scene_at=NOW, ended_at=LATER), sent("sent", "a2")], "on_scene"),
        ([sent("cleared", on_scene_at=NOW, ended_at=NOW), sent("sent", "a2")], "sent"),
        ([sent("cleared"), sent("sent", "a2")], "sent"),
        ([sent("cleared"), sent("recalled", "a2")], "cleared"),
    ],
)
def test_units_together_are_as_far_as_the_furthest_that_counts(
    assignments: list[Assignment], reached: str | None
) -> None:
    assert furthest(assignments) == reached


@given(st.sampled_from(list(AssignmentState)), st.sampled_from(list(AssignmentState)))
def test_an_assignment_never_goes_back(current: AssignmentState, wanted: AssignmentState) -> None:
    if wanted in ASSIGNMENT_TRANSITIONS[current]:
        moved = sent(current.value).advanced(wanted, NOW, "operator")
        assert moved.state is wanted
        assert current not in ASSIGNMENT_TRANSITIONS[wanted]
    else:
        with pytest.raises(TocsinError):
            sent(current.value).advanced(wanted, NOW, "operator")


def test_work_in_progress_is_not_undone_by_a_units_arrival() -> None:
    assert incident(state=S.WORKING).driven([sent("on_scene")]).state is S.WORKING
    assert incident(state=S.WORKING).driven([sent("recalled")]).state is S.PENDING


def test_an_alarm_that_joins_names_the_incident_only_when_graver() -> None:
    made = incident(priority=2, alarm_count=1)
    later = NOW + timedelta(seconds=9)
    graver = made.joined(kind="fire", priority=1, title_en="Fire", title_zh="火警", at=later, count=2)
    lesser = made.joined(kind="power", priority=5, title_en="Mains", title_zh="停电", at=NOW - timedelta(1), count=1)

    assert (graver.kind, graver.title_en, graver.alarm_count, graver.last_alarm_at) == ("fire", "Fire", 3, later)
    assert (lesser.kind, lesser.title_en, lesser.alarm_count, lesser.last_alarm_at) == ("burglary", "Burglary", 2, NOW)


def test_the_newest_stamp_counts_and_a_withdrawn_one_does_not() -> None:
    made = incident().stamped([Stamp("t5", NOW, "operator", "li"), Stamp("t5", NOW, "unit", "M21")])

    assert made.stamps["t5"]["who"] == "M21"
    assert "t5" not in made.stamped([Stamp("t5", NOW, "operator", is_withdrawn=True)]).stamps


class Work(RuleBasedStateMachine):
    """Any order of acts: the incident stays consistent, and what it refuses it refuses with a code."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.incident = incident()
        self.assignments: list[Assignment] = []
        self.codes: set[ErrorCode] = set()

    def attempt(self, change: object) -> None:
        try:
            self.incident = change()  # type: ignore[operator]
        except TocsinError as error:
            self.codes.add(error.code)

    @rule(seconds=st.integers(0, 150))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(who=st.sampled_from(["li", "wang"]), chief=st.booleans())
    def claim(self, who: str, chief: bool) -> None:
        self.attempt(lambda: self.incident.claimed(who, who, self.now, may_relieve=chief))

    @rule(who=st.sampled_from(["li", "wang"]))
    def release(self, who: str) -> None:
        self.attempt(lambda: self.incident.released(who, self.now))

    @rule(verdict=st.sampled_from(list(Verdict)), cause=st.sampled_from(["", "user_error", "ghost"]))
    def decide(self, verdict: Verdict, cause: str) -> None:
        self.attempt(lambda: self.incident.decided(verdict, cause, self.now))

    @rule(minutes=st.integers(-1, 20))
    def park(self, minutes: int) -> None:
        self.attempt(lambda: self.incident.parked(self.now + timedelta(minutes=minutes), "other", self.now))

    @precondition(lambda self: self.incident.state is S.PARKED)
    @rule()
    def come_back(self) -> None:
        self.incident = self.incident.returned()

    @rule(who=st.sampled_from(["li", "wang"]))
    def undo(self, who: str) -> None:
        self.attempt(lambda: self.incident.undone(who, self.now))

    @precondition(lambda self: self.incident.is_open)
    @rule()
    def send(self) -> None:
        self.assignments.append(sent("sent", f"a{len(self.assignments)}", sent_at=self.now))
        self.attempt(lambda: self.incident.driven(self.assignments))

    @precondition(lambda self: self.incident.is_open and self.assignments)
    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.assignments) - 1))
        states = sorted(ASSIGNMENT_TRANSITIONS[self.assignments[place].state])
        if states:
            self.assignments[place] = self.assignments[place].advanced(
                data.draw(st.sampled_from(states)), self.now, "operator"
            )
            self.attempt(lambda: self.incident.driven(self.assignments))

    @rule(disposition=st.sampled_from(["", "unfounded", "genuine_handled", "false_user_error"]))
    def close(self, disposition: str) -> None:
        if not self.incident.blocks((), self.assignments, disposition=disposition):
            self.attempt(lambda: self.incident.closed(disposition, self.now))

    @rule()
    def reopen(self) -> None:
        self.attempt(self.incident.reopened)

    @invariant()
    def fields_agree(self) -> None:
        made = self.incident
        assert self.codes <= {ErrorCode.CONFLICT, ErrorCode.INVALID}
        assert made.is_open == (made.closed_at is None)
        assert (made.parked_until is not None) == (made.state is S.PARKED)
        assert (made.owner_id is None) == (made.lease_until is None)
        if made.state is S.CLOSED:
            assert made.disposition
            assert made.owner_id is None
            assert not any(a.is_active for a in self.assignments)
        if made.cause:
            assert made.verdict is Verdict.FALSE
        if any(a.is_active for a in self.assignments) and made.is_open:
            assert made.state not in (S.NEW, S.PENDING, S.PARKED, S.CLEARED)


TestWork = Work.TestCase


def test_nothing_is_missing_when_there_is_no_plan_but_a_verdict_and_a_disposition() -> None:
    standings = stand((), verdict="genuine", opened_at=NOW, now=NOW)

    assert [b.key for b in incident().blocks(standings, ())] == ["verdict_missing"]
    decided = incident(verdict=Verdict.GENUINE)
    assert decided.blocks(standings, ()) == ()
    assert [b.key for b in decided.blocks(standings, (), disposition="")] == ["disposition_missing"]
    (units,) = decided.blocks(standings, (sent("sent"), sent("en_route", "a2")))
    assert (units.en, units.zh) == ("2 unit(s) still assigned", "还有 2 个警力未处置完毕")
