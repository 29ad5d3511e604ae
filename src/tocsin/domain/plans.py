"""Response plans: versioned data, and the rules of their steps on one incident.

A step is ordered, may be mandatory and timed, and says when it applies. A view, verdict or assign step is completed by
what it waits for; call, note and check by hand. Nothing here stores anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.dispositions import DISPOSITIONS, FALSE_CAUSES, is_choice

ANY = "*"
MAX_STEPS = 40
MAX_DUE_S = 86_400


class StepKind(StrEnum):
    """What a step asks for."""

    VIEW = "view"
    VERDICT = "verdict"
    ASSIGN = "assign"
    CALL = "call"
    NOTE = "note"
    CHECK = "check"


class Applies(StrEnum):
    """For which verdict a step is there."""

    ANY = "any"
    GENUINE = "genuine"
    UNSURE = "unsure"


class DueFrom(StrEnum):
    """From when a step's time runs."""

    OPENING = "opening"
    PREVIOUS = "previous"


class StepState(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not_applicable"


BY_HAND = frozenset({StepKind.VIEW, StepKind.CALL, StepKind.NOTE, StepKind.CHECK})


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a plan."""

    title_en: str
    title_zh: str
    kind: StepKind
    mandatory: bool = False
    applies: Applies = Applies.ANY
    due_s: int | None = None
    due_from: DueFrom = DueFrom.OPENING


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan in its current version; empty lists of dispositions and causes offer all."""

    id: str
    name: str
    name_en: str
    kind: str = ANY
    place_class: str = ANY
    jurisdiction_code: str = ""
    version_no: int = 1
    active: bool = True
    steps: tuple[PlanStep, ...] = ()
    dispositions: tuple[str, ...] = ()
    false_causes: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class IncidentStep:
    """A step as copied onto an incident, with what became of it. `done_at` is also the time of skipping."""

    n: int
    title_en: str
    title_zh: str
    kind: StepKind
    mandatory: bool
    applies: Applies
    due_s: int | None = None
    due_from: DueFrom = DueFrom.OPENING
    is_done: bool = False
    is_skipped: bool = False
    done_at: datetime | None = None
    done_by: str = ""
    note: str = ""
    overdue_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepStanding:
    """A step and how it stands now."""

    step: IncidentStep
    state: StepState
    due_at: datetime | None
    is_overdue: bool


def copy_steps(steps: Sequence[PlanStep]) -> tuple[IncidentStep, ...]:
    """Return the steps of a plan as a new incident gets them, numbered from 1."""
    return tuple(
        IncidentStep(n, s.title_en, s.title_zh, s.kind, s.mandatory, s.applies, s.due_s, s.due_from)
        for n, s in enumerate(steps, start=1)
    )


def choose_plan(plans: Iterable[Plan], *, kind: str, place_class: str, jurisdiction_code: str) -> Plan | None:
    """Return the active plan that fits an incident most closely: by kind, then class of place, then jurisdiction."""
    fitting = [
        plan
        for plan in plans
        if plan.active
        and plan.kind in (ANY, kind)
        and plan.place_class in (ANY, place_class)
        and jurisdiction_code.startswith(plan.jurisdiction_code)
    ]
    return max(
        fitting,
        key=lambda plan: (plan.kind != ANY, plan.place_class != ANY, len(plan.jurisdiction_code), plan.id),
        default=None,
    )


def stand(
    steps: Sequence[IncidentStep], *, verdict: str, opened_at: datetime, now: datetime
) -> tuple[StepStanding, ...]:
    """Return how each step stands. A step opens when no mandatory applicable step before it is undone."""
    standings = []
    is_held = False
    previous_end: datetime | None = opened_at
    for step in steps:
        state = _state(step, verdict, is_held)
        due_at = _due_at(step, opened_at, previous_end)
        is_undone = state in (StepState.WAITING, StepState.OPEN)
        standings.append(StepStanding(step, state, due_at, is_undone and due_at is not None and due_at < now))
        if is_undone and step.mandatory:
            is_held = True
        if state is not StepState.NOT_APPLICABLE:
            previous_end = step.done_at
    return tuple(standings)


def _state(step: IncidentStep, verdict: str, is_held: bool) -> StepState:
    if step.is_done:
        return StepState.DONE
    if step.is_skipped:
        return StepState.SKIPPED
    if step.applies is not Applies.ANY and step.applies.value != verdict:
        return StepState.WAITING if verdict == "none" else StepState.NOT_APPLICABLE
    return StepState.WAITING if is_held else StepState.OPEN


def _due_at(step: IncidentStep, opened_at: datetime, previous_end: datetime | None) -> datetime | None:
    if step.due_s is None:
        return None
    start = opened_at if step.due_from is DueFrom.OPENING else previous_end
    return None if start is None else start + timedelta(seconds=step.due_s)


def next_deadline(steps: Sequence[IncidentStep], *, verdict: str, opened_at: datetime) -> datetime | None:
    """Return the earliest time at which an undone step is due; None when nothing is timed."""
    standings = stand(steps, verdict=verdict, opened_at=opened_at, now=opened_at)
    return min(
        (s.due_at for s in standings if s.due_at is not None and s.state in (StepState.OPEN, StepState.WAITING)),
        default=None,
    )


def undone_mandatory(standings: Sequence[StepStanding]) -> tuple[IncidentStep, ...]:
    """Return the mandatory applicable steps that still block closing."""
    return tuple(s.step for s in standings if s.step.mandatory and s.state in (StepState.OPEN, StepState.WAITING))


def check_by_hand(standings: Sequence[StepStanding], n: int, *, skip: bool, note: str) -> IncidentStep:
    """Return step `n` when a person may now complete (or skip) it by hand.

    Errors: NOT_FOUND for no such step; CONFLICT when it is done, waits for another, or completes by itself; INVALID for
    a note step without a note.
    """
    standing = next((s for s in standings if s.step.n == n), None)
    if standing is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"the plan has no step {n}", key="step_unknown", step=n)
    step = standing.step
    if standing.state is not StepState.OPEN:
        raise TocsinError(
            ErrorCode.CONFLICT, f"step {n} is {standing.state.value}", key="step_not_open", step=n, state=standing.state
        )
    if skip:
        if step.mandatory:
            raise TocsinError(ErrorCode.CONFLICT, f"step {n} is mandatory", key="step_mandatory", step=n)
        return step
    if step.kind not in BY_HAND:
        raise TocsinError(
            ErrorCode.CONFLICT, f"step {n} completes by itself", key="step_not_by_hand", step=n, kind=step.kind
        )
    if step.kind is StepKind.NOTE and not note.strip():
        raise TocsinError(ErrorCode.INVALID, "this step asks for a note", key="note_missing", field="note")
    return step


def check_plan(plan: Plan) -> None:
    """Refuse a plan nobody could work with. Errors: INVALID naming the field."""
    if not plan.name.strip():
        raise _invalid("name", "a plan needs a name")
    if not plan.steps or len(plan.steps) > MAX_STEPS:
        raise _invalid("steps", f"a plan has 1 to {MAX_STEPS} steps")
    for n, step in enumerate(plan.steps, start=1):
        if not step.title_en.strip() or not step.title_zh.strip():
            raise _invalid(f"steps.{n}.title", "a step needs a title in both languages")
        if step.due_s is not None and not 0 < step.due_s <= MAX_DUE_S:
            raise _invalid(f"steps.{n}.due_s", f"a step is due within 1 to {MAX_DUE_S} seconds")
    if sum(step.kind is StepKind.VERDICT for step in plan.steps) > 1:
        raise _invalid("steps", "a plan decides once")
    for key in plan.dispositions:
        if not is_choice(DISPOSITIONS, key):
            raise _invalid("dispositions", f"no disposition {key}")
    for key in plan.false_causes:
        if not is_choice(FALSE_CAUSES, key):
            raise _invalid("false_causes", f"no false cause {key}")


def _invalid(field: str, message: str) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, message, field=field)
