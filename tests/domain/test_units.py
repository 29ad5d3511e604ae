from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.assignments import ASSIGNMENT_STATE_OF, UNIT_STATE_OF, AssignmentState
from tocsin.domain.dispositions import DISPOSITIONS, FALSE_CAUSES, PARK_REASONS, PURPOSES, disposition_of_cause
from tocsin.domain.units import ASSIGNABLE, UNIT_STATES, UNIT_TRANSITIONS, WORKING, Unit, UnitState

NOW = datetime(2026, 11, 22, tzinfo=UTC)
S = UnitState


def unit(state: UnitState = S.AVAILABLE, **changes: object) -> Unit:
    made = Unit("u1", "一号车", "M21", "car", "j", "330110", state=state)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("current", list(S))
@pytest.mark.parametrize("wanted", list(S))
def test_the_table_is_the_only_way_between_states(current: UnitState, wanted: UnitState) -> None:
    if wanted is current or wanted in UNIT_TRANSITIONS[current]:
        moved = unit(current).moved_to(wanted, NOW, "because")
        assert moved.state is wanted
    else:
        with pytest.raises(TocsinError) as caught:
            unit(current).moved_to(wanted, NOW, "because")
        assert caught.value.code is ErrorCode.CONFLICT


def test_every_unit_on_duty_can_call_for_help_and_every_state_leads_back_to_available() -> None:
    for state in S:
        if state not in (S.OFF_DUTY, S.EMERGENCY):
            assert S.EMERGENCY in UNIT_TRANSITIONS[state]
        if state is not S.AVAILABLE:
            assert S.AVAILABLE in UNIT_TRANSITIONS[state]


def test_out_of_service_says_why() -> None:
    with pytest.raises(TocsinError) as caught:
        unit().moved_to(S.OUT_OF_SERVICE, NOW)

    assert caught.value.params["field"] == "reason"


@pytest.mark.parametrize("state", list(S))
def test_only_a_free_unit_is_sent(state: UnitState) -> None:
    if state in ASSIGNABLE:
        gone = unit(state).sent_to("i1", NOW)
        assert (gone.state, gone.incident_id) == (S.DISPATCHED, "i1")
        with pytest.raises(TocsinError):
            replace(gone, state=state).sent_to("i2", NOW)
    else:
        with pytest.raises(TocsinError) as caught:
            unit(state).sent_to("i1", NOW)
        assert caught.value.key == "unit_not_free"


def test_an_assignment_moves_a_working_unit_but_not_one_in_trouble() -> None:
    assert unit(S.DISPATCHED, incident_id="i1").following(S.EN_ROUTE, NOW).state is S.EN_ROUTE
    sos = unit(S.EMERGENCY, incident_id="i1").following(S.AVAILABLE, NOW)
    assert (sos.state, sos.incident_id) == (S.EMERGENCY, None)


def test_a_unit_and_its_assignment_say_the_same() -> None:
    for unit_state, state in ASSIGNMENT_STATE_OF.items():
        assert UNIT_STATE_OF[state] is unit_state
    for state in AssignmentState:
        assert UNIT_STATE_OF[state] in WORKING | {S.AVAILABLE}


def test_a_stale_writer_is_refused() -> None:
    unit(version=3).expect(3)
    with pytest.raises(TocsinError) as caught:
        unit(version=3).expect(2)
    assert caught.value.params["current_version"] == 3


def test_every_word_has_both_languages_and_its_own_key() -> None:
    for choices in (UNIT_STATES, DISPOSITIONS, FALSE_CAUSES, PARK_REASONS, PURPOSES):
        assert len({choice.key for choice in choices}) == len(choices)
        assert all(choice.en and choice.zh for choice in choices)
    assert [choice.key for choice in UNIT_STATES] == [state.value for state in S]
    keys = {choice.key for choice in DISPOSITIONS}
    assert all(disposition_of_cause(cause.key) in keys for cause in FALSE_CAUSES)
