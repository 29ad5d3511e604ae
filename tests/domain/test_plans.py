from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.plans import (
    Applies,
    DueFrom,
    IncidentStep,
    Plan,
    PlanStep,
    StepKind,
    StepState,
    check_by_hand,
    check_plan,
    choose_plan,
    copy_steps,
    next_deadline,
    stand,
    undone_mandatory,
)

NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)

plan_steps = st.builds(
    PlanStep,
    title_en=st.just("x"),
    title_zh=st.just("甲"),
    kind=st.sampled_from(StepKind),
    mandatory=st.booleans(),
    applies=st.sampled_from(Applies),
    due_s=st.none() | st.integers(1, 600),
    due_from=st.sampled_from(DueFrom),
)
incident_steps = st.lists(plan_steps, max_size=8).flatmap(
    lambda steps: st.tuples(
        *(
            st.sampled_from(
                [
                    step,
                    replace(step, is_done=True, done_at=NOW + timedelta(seconds=step.n)),
                    replace(step, is_skipped=True, done_at=NOW + timedelta(seconds=step.n)),
                ]
            )
            for step in copy_steps(steps)
        )
    )
)


def states(steps: tuple[IncidentStep, ...], verdict: str) -> list[StepState]:
    return [s.state for s in stand(steps, verdict=verdict, opened_at=NOW, now=NOW)]


def step(kind: StepKind = StepKind.CALL, **given: object) -> PlanStep:
    return replace(PlanStep("Call", "呼叫", kind), **given)  # type: ignore[arg-type]


@given(incident_steps, st.sampled_from(["none", "genuine", "false", "unsure"]), st.integers(0, 900))
def test_steps_stand_as_their_rules_say(steps: tuple[IncidentStep, ...], verdict: str, after_s: int) -> None:
    now = NOW + timedelta(seconds=after_s)
    standings = stand(steps, verdict=verdict, opened_at=NOW, now=now)
    held = False
    for standing in standings:
        made = standing.step
        applies = made.applies is Applies.ANY or made.applies.value == verdict
        if made.is_done:
            assert standing.state is StepState.DONE
        elif made.is_skipped:
            assert standing.state is StepState.SKIPPED
        elif not applies:
            assert standing.state is (StepState.WAITING if verdict == "none" else StepState.NOT_APPLICABLE)
        else:
            assert standing.state is (StepState.WAITING if held else StepState.OPEN)
        is_undone = standing.state in (StepState.OPEN, StepState.WAITING)
        held = held or (is_undone and made.mandatory)
        assert standing.is_overdue == (is_undone and standing.due_at is not None and standing.due_at < now)

    deadlines = [s.due_at for s in standings if s.due_at and s.state in (StepState.OPEN, StepState.WAITING)]
    assert next_deadline(steps, verdict=verdict, opened_at=NOW) == min(deadlines, default=None)
    assert all(made.mandatory and not made.is_done for made in undone_mandatory(standings))


def test_time_runs_from_the_opening_or_from_the_step_before() -> None:
    steps = copy_steps(
        [
            step(due_s=30),
            step(applies=Applies.UNSURE),
            step(due_s=60, due_from=DueFrom.PREVIOUS),
            step(due_s=60, due_from=DueFrom.PREVIOUS),
        ]
    )
    before = stand(steps, verdict="genuine", opened_at=NOW, now=NOW)
    assert [s.due_at for s in before] == [NOW + timedelta(seconds=30), None, None, None]

    done_at = NOW + timedelta(seconds=20)
    done = (replace(steps[0], is_done=True, done_at=done_at), *steps[1:])
    after = stand(done, verdict="genuine", opened_at=NOW, now=NOW)
    assert after[2].due_at == done_at + timedelta(seconds=60)
    assert after[3].due_at is None


def test_a_first_step_timed_from_the_one_before_runs_from_the_opening() -> None:
    (only,) = stand(copy_steps([step(due_s=10, due_from=DueFrom.PREVIOUS)]), verdict="none", opened_at=NOW, now=NOW)

    assert only.due_at == NOW + timedelta(seconds=10)


def test_an_optional_step_does_not_hold_the_next() -> None:
    steps = copy_steps([step(), step(mandatory=True), step()])

    assert states(steps, "genuine") == ["open", "open", "waiting"]


@pytest.mark.parametrize(
    ("kind", "note", "skip", "key"),
    [
        (StepKind.VERDICT, "", False, "step_not_by_hand"),
        (StepKind.ASSIGN, "", False, "step_not_by_hand"),
        (StepKind.NOTE, "  ", False, "note_missing"),
        (StepKind.NOTE, "seen", False, ""),
        (StepKind.CALL, "", False, ""),
        (StepKind.VIEW, "", False, ""),
        (StepKind.VERDICT, "", True, ""),
    ],
)
def test_a_hand_completes_what_is_meant_for_it(kind: StepKind, note: str, skip: bool, key: str) -> None:
    standings = stand(copy_steps([step(kind)]), verdict="none", opened_at=NOW, now=NOW)
    if not key:
        assert check_by_hand(standings, 1, skip=skip, note=note).n == 1
        return
    with pytest.raises(TocsinError) as caught:
        check_by_hand(standings, 1, skip=skip, note=note)
    assert caught.value.key == key


def test_a_mandatory_step_is_not_skipped_and_a_done_one_not_done_again() -> None:
    mandatory = copy_steps([step(mandatory=True)])
    done = (replace(mandatory[0], is_done=True, done_at=NOW),)
    for steps, skip, key in [(mandatory, True, "step_mandatory"), (done, False, "step_not_open")]:
        with pytest.raises(TocsinError) as caught:
            check_by_hand(stand(steps, verdict="none", opened_at=NOW, now=NOW), 1, skip=skip, note="")
        assert caught.value.key == key


PLANS = [
    Plan("any", "一", "Any"),
    Plan("burglary", "二", "Burglary", kind="burglary"),
    Plan("school", "三", "School", place_class="school"),
    Plan("both", "四", "Both", kind="burglary", place_class="school"),
    Plan("local", "五", "Local", kind="burglary", place_class="school", jurisdiction_code="330111"),
    Plan("asleep", "六", "Asleep", kind="fire", active=False),
]


@pytest.mark.parametrize(
    ("kind", "place_class", "code", "expected"),
    [
        ("burglary", "school", "330110", "both"),
        ("burglary", "school", "330111", "local"),
        ("burglary", "shop", "330110", "burglary"),
        ("fire", "school", "330110", "school"),
        ("fire", "", "330110", "any"),
    ],
)
def test_the_closest_active_plan_is_chosen(kind: str, place_class: str, code: str, expected: str) -> None:
    chosen = choose_plan(PLANS, kind=kind, place_class=place_class, jurisdiction_code=code)

    assert chosen is not None
    assert chosen.id == expected
    assert choose_plan([], kind=kind, place_class=place_class, jurisdiction_code=code) is None


GOOD = Plan("p", "计划", "Plan", steps=(step(), step(StepKind.VERDICT)))


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (replace(GOOD, name=" "), "name"),
        (replace(GOOD, steps=()), "steps"),
        (replace(GOOD, steps=(step(),) * 41), "steps"),
        (replace(GOOD, steps=(step(title_zh=""),)), "steps.1.title"),
        (replace(GOOD, steps=(step(), step(due_s=0))), "steps.2.due_s"),
        (replace(GOOD, steps=(step(due_s=86_401),)), "steps.1.due_s"),
        (replace(GOOD, steps=(step(StepKind.VERDICT),) * 2), "steps"),
        (replace(GOOD, dispositions=("nonsense",)), "dispositions"),
        (replace(GOOD, false_causes=("ghost",)), "false_causes"),
    ],
)
def test_a_plan_nobody_could_work_with_is_refused(plan: Plan, field: str) -> None:
    check_plan(GOOD)
    with pytest.raises(TocsinError) as caught:
        check_plan(plan)

    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.INVALID, field)
