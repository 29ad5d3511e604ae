from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.access import (
    PURPOSE_LIMIT_MIN,
    ROLE_PERMISSIONS,
    Actor,
    Decision,
    IncidentAccess,
    Permission,
    Purpose,
    Resource,
    Role,
    Rule,
    Ticket,
    decide,
    is_supervisor_of,
    scope,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CITY, NORTH, SOUTH = "3301", "330110", "330111"
CAMERA = Resource("channel", "camera-1", NORTH, "in_service")

codes = st.sampled_from(["", "33", CITY, NORTH, SOUTH, "330110001", "3302", "44"])
ids = st.sampled_from(["a", "b", "c"])
actors = st.builds(
    Actor,
    id=st.sampled_from(["li", "wang"]),
    name=st.just("x"),
    roles=st.frozensets(st.sampled_from(Role)),
    jurisdiction_codes=st.lists(codes, max_size=3).map(tuple),
    granted_ids=st.frozensets(ids, max_size=2),
    is_on_duty=st.booleans(),
    is_disabled=st.booleans(),
)
resources = st.builds(
    Resource,
    kind=st.just("channel"),
    id=ids,
    jurisdiction_code=codes,
    stage=st.sampled_from(["discovered", "in_service"]),
)
incidents = st.builds(
    IncidentAccess,
    id=ids,
    jurisdiction_code=codes,
    is_open=st.booleans(),
    owner_id=st.sampled_from([None, "li", "wang"]),
    channel_ids=st.frozensets(ids),
)
tickets = st.builds(
    Ticket,
    purpose=st.sampled_from([*(p.value for p in Purpose), "curiosity", ""]),
    minutes=st.sampled_from([0.0, 1.0, 30.0, 60.0, 61.0, float("nan")]),
    incident=st.none() | incidents,
)


def someone(*roles: Role, code: str = NORTH, on_duty: bool = True, id: str = "li") -> Actor:
    return Actor(id, id, frozenset(roles), (code,), is_on_duty=on_duty)


def look(actor: Actor, ticket: Ticket | None, resource: Resource = CAMERA) -> Rule:
    return decide(actor, Permission.VIEW_LIVE, resource, ticket, NOW).rule


def verification(**changes: object) -> Ticket:
    incident = IncidentAccess("i1", NORTH, True, None, frozenset({"camera-1"}))
    return Ticket("alarm_verification", 10, replace(incident, **changes))  # type: ignore[arg-type]


@given(actors, st.sampled_from([p for p in Permission if p is not Permission.VIEW_LIVE]), resources)
def test_a_decision_about_one_object_agrees_with_the_scope_of_the_list(
    actor: Actor, action: Permission, resource: Resource
) -> None:
    allowed = decide(actor, action, resource, None, NOW).allowed

    assert allowed == scope(actor, action).covers(resource.jurisdiction_code, resource.id)


@given(actors, resources, st.none() | tickets)
def test_a_view_is_only_granted_in_scope_or_through_an_incident_the_actor_handles(
    actor: Actor, resource: Resource, ticket: Ticket | None
) -> None:
    decision = decide(actor, Permission.VIEW_LIVE, resource, ticket, NOW)
    if not decision.allowed:
        assert decision.rule is not Rule.ALLOWED
        return

    assert ticket is not None
    assert resource.stage == "in_service"
    assert 0 < ticket.minutes <= PURPOSE_LIMIT_MIN[Purpose(ticket.purpose)]
    assert actor.roles & {Role.OPERATOR, Role.SUPERVISOR, Role.INSTALLER}
    in_scope = scope(actor, Permission.VIEW_LIVE).covers(resource.jurisdiction_code, resource.id)
    if ticket.purpose != "alarm_verification":
        assert in_scope
        return
    incident = ticket.incident
    assert incident is not None
    assert incident.is_open
    assert resource.id in incident.channel_ids
    assert scope(actor, Permission.HANDLE_INCIDENT).covers(incident.jurisdiction_code, incident.id)
    supervises = is_supervisor_of(actor, incident.jurisdiction_code, incident.id)
    assert supervises or incident.owner_id == actor.id or (incident.owner_id is None and actor.is_on_duty)


@given(actors, st.sampled_from(Permission), resources, st.none() | tickets)
def test_a_disabled_account_and_one_without_roles_may_nothing(
    actor: Actor, action: Permission, resource: Resource, ticket: Ticket | None
) -> None:
    nobody = replace(actor, roles=frozenset(), is_disabled=False)
    disabled = replace(actor, is_disabled=True)

    assert decide(disabled, action, resource, ticket, NOW) == Decision(False, Rule.ACCOUNT_DISABLED)
    assert decide(nobody, action, resource, ticket, NOW) == Decision(False, Rule.NO_PERMISSION)
    assert scope(disabled, action).is_empty
    assert scope(nobody, action).is_empty


@given(actors, st.sampled_from(Permission))
def test_a_scope_names_each_subtree_once_and_never_the_empty_code(actor: Actor, action: Permission) -> None:
    prefixes = scope(actor, action).prefixes

    assert "" not in prefixes
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)


def test_an_administrator_holds_no_right_to_look() -> None:
    assert Permission.VIEW_LIVE not in ROLE_PERMISSIONS[Role.ADMINISTRATOR]
    assert look(someone(Role.ADMINISTRATOR, code=CITY), verification()) is Rule.NO_PERMISSION


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.AUDITOR])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_who_has_no_viewing_right_gets_none_by_a_purpose(role: Role, purpose: Purpose) -> None:
    assert look(someone(role), Ticket(purpose.value, 1)) is Rule.NO_PERMISSION


@pytest.mark.parametrize(
    ("actor", "owner", "rule"),
    [
        (someone(Role.OPERATOR), None, Rule.ALLOWED),
        (someone(Role.OPERATOR, on_duty=False), None, Rule.OFF_DUTY),
        (someone(Role.OPERATOR), "li", Rule.ALLOWED),
        (someone(Role.OPERATOR, on_duty=False), "li", Rule.ALLOWED),
        (someone(Role.OPERATOR), "wang", Rule.CLAIMED_BY_OTHER),
        (someone(Role.SUPERVISOR, code=CITY), "wang", Rule.ALLOWED),
        (someone(Role.SUPERVISOR, code=SOUTH), "wang", Rule.OUT_OF_SCOPE),
        (someone(Role.OPERATOR, code=SOUTH), None, Rule.OUT_OF_SCOPE),
        (someone(Role.INSTALLER), None, Rule.PURPOSE_NOT_PERMITTED),
    ],
)
def test_an_open_incident_shows_its_cameras_to_those_on_duty_until_it_is_claimed(
    actor: Actor, owner: str | None, rule: Rule
) -> None:
    assert look(actor, verification(owner_id=owner)) is rule


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"is_open": False}, Rule.INCIDENT_NOT_OPEN),
        ({"channel_ids": frozenset({"other"})}, Rule.CHANNEL_NOT_LINKED),
        ({"jurisdiction_code": SOUTH}, Rule.OUT_OF_SCOPE),
    ],
)
def test_an_incident_gives_only_its_own_cameras_while_it_is_open(changes: dict[str, object], rule: Rule) -> None:
    assert look(someone(Role.OPERATOR), verification(**changes)) is rule


def test_a_linked_camera_of_a_neighbour_is_shown_for_the_incident_and_for_nothing_else() -> None:
    camera = replace(CAMERA, jurisdiction_code=SOUTH)

    assert look(someone(Role.OPERATOR), verification(), camera) is Rule.ALLOWED
    assert look(someone(Role.OPERATOR), Ticket("patrol", 5), camera) is Rule.OUT_OF_SCOPE
    assert look(someone(Role.OPERATOR), replace(verification(), purpose="patrol"), camera) is Rule.OUT_OF_SCOPE


@pytest.mark.parametrize(
    ("ticket", "rule"),
    [
        (None, Rule.PURPOSE_MISSING),
        (Ticket("", 5), Rule.PURPOSE_MISSING),
        (Ticket("curiosity", 5), Rule.PURPOSE_MISSING),
        (Ticket("patrol", 0), Rule.MINUTES_OVER_LIMIT),
        (Ticket("patrol", 30), Rule.ALLOWED),
        (Ticket("patrol", 30.1), Rule.MINUTES_OVER_LIMIT),
        (Ticket("drill", 60), Rule.ALLOWED),
        (Ticket("alarm_verification", 5), Rule.INCIDENT_MISSING),
    ],
)
def test_anything_else_states_a_purpose_and_minutes(ticket: Ticket | None, rule: Rule) -> None:
    assert look(someone(Role.OPERATOR), ticket) is rule


def test_a_discovered_camera_shows_nothing_to_anybody() -> None:
    camera = replace(CAMERA, stage="discovered")

    for role, ticket in [
        (Role.OPERATOR, verification()),
        (Role.SUPERVISOR, Ticket("patrol", 5)),
        (Role.INSTALLER, Ticket("maintenance", 5)),
    ]:
        assert look(someone(role), ticket, camera) is Rule.CHANNEL_NOT_IN_SERVICE


def test_an_installer_looks_for_maintenance_only() -> None:
    assert look(someone(Role.INSTALLER), Ticket("maintenance", 10)) is Rule.ALLOWED
    assert look(someone(Role.INSTALLER), Ticket("patrol", 10)) is Rule.PURPOSE_NOT_PERMITTED


def test_the_houses_own_rows_are_for_those_with_a_jurisdiction() -> None:
    assert scope(someone(Role.OPERATOR), Permission.READ_REGISTRY).covers("")
    assert not scope(someone(Role.OPERATOR, code=""), Permission.READ_REGISTRY).covers("")
