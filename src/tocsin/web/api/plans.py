"""Response plans: each change is a new version, incidents keep the one they began with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import plan_form
from tocsin.domain.plans import ANY, MAX_DUE_S, MAX_STEPS, Applies, DueFrom, Plan, PlanStep, StepKind
from tocsin.web.api import objects_incidents
from tocsin.web.api.shapes import In, Page, Text, listed, reply, spoken
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]


class StepIn(In):
    """One step of a plan."""

    title_en: Text = ""
    title_zh: Text = ""
    kind: StepKind
    mandatory: bool = False
    applies: Applies = Applies.ANY
    due_s: Annotated[int | None, Field(ge=1, le=MAX_DUE_S)] = None
    due_from: DueFrom = DueFrom.OPENING


class PlanIn(In):
    """A plan as it shall be from now on; `version` 0 enters a new one."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    name: Text
    name_en: Text = ""
    kind: Annotated[str, Field(max_length=16, examples=["burglary"])] = ANY
    place_class: Annotated[str, Field(max_length=24, examples=["school"])] = ANY
    jurisdiction_code: Annotated[str, Field(pattern="^[0-9]{0,12}$")] = ""
    active: bool = True
    steps: Annotated[list[StepIn], Field(max_length=MAX_STEPS)]
    dispositions: Annotated[list[str], Field(max_length=100)] = []
    false_causes: Annotated[list[str], Field(max_length=100)] = []


@router.get("", response_model=Page[objects_incidents.Plan])
async def list_plans(house: House, actor: Reader, language: Language) -> Response:
    """List every plan in its current version."""
    return listed([_form(plan, language) for plan in await house.plans.find(actor=actor)], None)


@router.get("/{plan_id}", response_model=objects_incidents.Plan)
async def read_plan(
    plan_id: str,
    house: House,
    actor: Reader,
    language: Language,
    version_no: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """Read a plan, in its current version or an older one. Errors: not_found."""
    return reply(_form(await house.plans.get(plan_id, actor=actor, version_no=version_no), language))


@router.put("/{plan_id}", response_model=objects_incidents.Plan)
async def save_plan(
    plan_id: Annotated[str, Field(max_length=36)],
    house: House,
    actor: Annotated[Actor, allowed(Permission.MANAGE_PLANS)],
    language: Language,
    body: PlanIn,
) -> Response:
    """Write a plan as a new version. Errors: invalid, not_found, conflict."""
    plan = Plan(
        id=plan_id,
        name=body.name,
        name_en=body.name_en,
        kind=body.kind,
        place_class=body.place_class,
        jurisdiction_code=body.jurisdiction_code,
        active=body.active,
        steps=tuple(
            PlanStep(s.title_en, s.title_zh, s.kind, s.mandatory, s.applies, s.due_s, s.due_from) for s in body.steps
        ),
        dispositions=tuple(body.dispositions),
        false_causes=tuple(body.false_causes),
    )
    return reply(_form(await house.plans.save(plan, actor=actor, version=body.version), language))


def _form(plan: Plan, language: str) -> dict[str, object]:
    form = plan_form(plan)
    steps = form["steps"]
    assert isinstance(steps, list)
    form["steps"] = [spoken(step, language) for step in steps]
    return form
