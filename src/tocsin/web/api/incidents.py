"""Incidents: the queue, the whole of one, and every act on it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.accounts import CallOutcome
from tocsin.domain.assignments import AssignmentState
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.forms import detail_form, incident_form
from tocsin.domain.incident_detail import IncidentDetail, IncidentFilter, NoteKind
from tocsin.domain.incidents import StampName, Verdict
from tocsin.web.api import objects_incidents
from tocsin.web.api.cameras import camera_form
from tocsin.web.api.shapes import (
    After,
    Cursor,
    Filter,
    In,
    Limit,
    Moment,
    Page,
    Text,
    Version,
    Words_,
    page,
    reply,
    spoken,
    words_of,
)
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]
Worker = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
Supervisor = Annotated[Actor, allowed(Permission.SUPERVISE_INCIDENT)]
Full = objects_incidents.IncidentFull


class VersionIn(In):
    """The version the caller has seen."""

    version: Version


class VerdictIn(VersionIn):
    """What it was; a false alarm has a cause."""

    verdict: Annotated[Verdict, Field(examples=["genuine"])]
    cause: Annotated[str, Field(max_length=32)] = ""


class StepIn(VersionIn):
    """A step done, or skipped when it is not mandatory."""

    note: Text = ""
    skip: bool = False


class AssignIn(VersionIn):
    """The unit to send."""

    unit_id: str


class AdvanceIn(VersionIn):
    """What the unit said; states go forward only."""

    state: Annotated[AssignmentState, Field(examples=["accepted"])]


class ParkIn(VersionIn):
    """Until when, and for what, the incident rests."""

    until: Moment
    reason: Annotated[str, Field(max_length=32, examples=["awaiting_keyholder"])]


class NoteIn(VersionIn):
    """What to write down; `report` is the first report from the scene (t13), `under_control` t14."""

    text: Text
    kind: NoteKind = NoteKind.NOTE


class CallIn(VersionIn):
    """Which contact of which account was called, and what came of it."""

    device_id: Annotated[str, Field(max_length=36)]
    contact_id: Annotated[str, Field(max_length=36)]
    outcome: Annotated[CallOutcome, Field(examples=["answered"])]


class CloseIn(VersionIn):
    """The disposition; a false alarm closes on its cause."""

    disposition: Annotated[str, Field(max_length=32)] = ""


class ReopenIn(VersionIn):
    """Why it is opened again."""

    reason: Text = ""


class StampIn(VersionIn):
    """A corrected moment; the first one stays beside it."""

    stamp: StampName
    at: Moment
    reason: Text


@router.get("", response_model=Page[objects_incidents.Incident])
async def list_incidents(
    house: House,
    actor: Reader,
    language: Language,
    state: Words_ = "",
    is_open: Annotated[bool | None, Query(alias="open", description="only open ones, or only ended ones")] = None,
    mine: bool = False,
    owner_id: Filter = "",
    unclaimed: bool = False,
    place_id: Filter = "",
    device_id: Filter = "",
    jurisdiction_id: Filter = "",
    priority: Annotated[int | None, Query(ge=1, le=9, description="this priority and graver")] = None,
    verdict: Filter = "",
    kind: Filter = "",
    disposition: Filter = "",
    opened_from: Annotated[Moment | None, Query(alias="from")] = None,
    opened_to: Annotated[Moment | None, Query(alias="to")] = None,
    q: Filter = "",
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List incidents, newest first; `state` takes several, separated by commas."""
    wanted = IncidentFilter(
        states=words_of(state),
        is_open=is_open,
        owner_id=actor.id if mine else owner_id,
        is_unclaimed=unclaimed,
        place_id=place_id,
        device_id=device_id,
        jurisdiction_id=jurisdiction_id,
        priority_at_most=priority,
        verdict=verdict,
        kind=kind,
        disposition=disposition,
        opened_from=opened_from,
        opened_to=opened_to,
        text=q,
        before=after,
    )
    found = await house.incidents.find(wanted, actor=actor, limit=limit)
    return page([spoken(incident_form(incident), language) for incident in found], limit)


@router.get("/{incident_id}", response_model=Full)
async def read_incident(incident_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read an incident with everything that hangs on it. Errors: not_found."""
    return await _full(house, await house.incidents.get(incident_id, actor=actor), language)


@router.get("/{incident_id}/outage", response_model=objects_incidents.Outage)
async def read_outage(
    incident_id: str, house: House, actor: Reader, after: Cursor = "", limit: Limit = 100
) -> Response:
    """Read the outage an incident stands for: its cause, its counts, its devices, those still away first.

    Errors: not_found when it stands for none.
    """
    return reply(await house.incidents.outage(incident_id, actor=actor, after=after, limit=limit))


@router.post("/{incident_id}/claim", response_model=Full)
async def claim_incident(
    incident_id: str, house: House, actor: Worker, language: Language, body: VersionIn
) -> Response:
    """Take an incident in hand, or renew the lease. Errors: not_found, conflict."""
    return await _full(house, await house.incidents.claim(incident_id, actor=actor, version=body.version), language)


@router.post("/{incident_id}/release", response_model=Full)
async def release_incident(
    incident_id: str, house: House, actor: Worker, language: Language, body: VersionIn
) -> Response:
    """Give an incident back. Errors: not_found, conflict."""
    return await _full(house, await house.incidents.release(incident_id, actor=actor, version=body.version), language)


@router.post("/{incident_id}/verdict", response_model=Full)
async def give_verdict(incident_id: str, house: House, actor: Worker, language: Language, body: VerdictIn) -> Response:
    """Say genuine, false or unsure; can be taken back for five seconds. Errors: not_found, conflict, invalid."""
    done = await house.incidents.give_verdict(
        incident_id, actor=actor, version=body.version, verdict=body.verdict, cause=body.cause
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/steps/{n}", response_model=Full)
async def complete_step(
    incident_id: str, n: int, house: House, actor: Worker, language: Language, body: StepIn
) -> Response:
    """Complete or skip a step by hand. Errors: not_found, conflict, invalid."""
    done = await house.incidents.complete_step(
        incident_id, n, actor=actor, version=body.version, note=body.note, skip=body.skip
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/assignments", response_model=Full)
async def assign_unit(incident_id: str, house: House, actor: Worker, language: Language, body: AssignIn) -> Response:
    """Send a unit. Errors: not_found, conflict."""
    done = await house.incidents.assign(incident_id, body.unit_id, actor=actor, version=body.version)
    return await _full(house, done, language)


@router.post("/{incident_id}/assignments/{assignment_id}", response_model=Full)
async def advance_assignment(
    incident_id: str, assignment_id: str, house: House, actor: Worker, language: Language, body: AdvanceIn
) -> Response:
    """Record what a sent unit said. Errors: not_found, conflict."""
    done = await house.incidents.advance_assignment(
        incident_id, assignment_id, actor=actor, version=body.version, state=body.state
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/park", response_model=Full)
async def park_incident(incident_id: str, house: House, actor: Worker, language: Language, body: ParkIn) -> Response:
    """Let an incident rest until a time. Errors: not_found, conflict, invalid."""
    done = await house.incidents.park(
        incident_id, actor=actor, version=body.version, until=body.until, reason=body.reason
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/undo", response_model=Full)
async def undo(incident_id: str, house: House, actor: Worker, language: Language, body: VersionIn) -> Response:
    """Take back a verdict or parking of the last five seconds. Errors: not_found, conflict."""
    return await _full(house, await house.incidents.undo(incident_id, actor=actor, version=body.version), language)


@router.post("/{incident_id}/notes", response_model=Full)
async def add_note(incident_id: str, house: House, actor: Worker, language: Language, body: NoteIn) -> Response:
    """Write something down. Errors: not_found, conflict, invalid."""
    done = await house.incidents.add_note(
        incident_id, actor=actor, version=body.version, text=body.text, kind=body.kind
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/calls", response_model=Full)
async def note_call(incident_id: str, house: House, actor: Worker, language: Language, body: CallIn) -> Response:
    """Write down what came of calling a contact of an account of this incident. Errors: not_found, conflict."""
    done = await house.incidents.note_call(
        incident_id,
        actor=actor,
        version=body.version,
        device_id=body.device_id,
        contact_id=body.contact_id,
        outcome=body.outcome,
    )
    return await _full(house, done, language)


@router.post("/{incident_id}/close", response_model=Full)
async def close_incident(incident_id: str, house: House, actor: Worker, language: Language, body: CloseIn) -> Response:
    """Close an incident. Errors: not_found, conflict, invalid, blocked with what is missing."""
    done = await house.incidents.close(incident_id, actor=actor, version=body.version, disposition=body.disposition)
    return await _full(house, done, language)


@router.post("/{incident_id}/reopen", response_model=Full)
async def reopen_incident(
    incident_id: str, house: House, actor: Supervisor, language: Language, body: ReopenIn
) -> Response:
    """Open a closed incident again. Errors: not_found, conflict, invalid without a reason."""
    done = await house.incidents.reopen(incident_id, actor=actor, version=body.version, reason=body.reason)
    return await _full(house, done, language)


@router.post("/{incident_id}/stamps", response_model=Full)
async def correct_stamp(
    incident_id: str, house: House, actor: Supervisor, language: Language, body: StampIn
) -> Response:
    """Correct a timestamp, with a reason. Errors: not_found, conflict, invalid."""
    done = await house.incidents.correct_stamp(
        incident_id, actor=actor, version=body.version, stamp=body.stamp, at=body.at, reason=body.reason
    )
    return await _full(house, done, language)


async def _full(house: Services, detail: IncidentDetail, language: str) -> Response:
    """Return the full form: cameras as objects, words in the caller's language."""
    form: dict[str, Any] = spoken(detail_form(detail), language)
    known = await house.store.read(_channels, detail.channel_ids) if detail.channel_ids else {}
    form["channels"] = [camera_form(known[one], house, language) for one in detail.channel_ids if one in known]
    for part in (form["alarms"], form["steps"], form["closing"]["blocked_by"]):
        for item in part:
            spoken(item, language)
    return reply(form)


def _channels(tx: Any, channel_ids: tuple[str, ...]) -> dict[str, ChannelRecord]:
    """Return the linked cameras: who may see the incident sees which cameras belong to it, wherever they stand."""
    found: dict[str, ChannelRecord] = tx.devices.load_channels(channel_ids)
    return found
