"""The delivery ledger: which signals were answered late or not at all, by source, and the way of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import write_csv
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.ledger import DEFAULT_LIMIT_MS, KEPT_AFTER_S, MAX_ROWS, DeliveryFilter, DeliveryService, csv_rows
from tocsin.web.api.quarantine import WORDS
from tocsin.web.api.shapes import After, Filter, Id, Limit, Moment, Out, Page, Time, listed, reply, spoken
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["deliveries"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Which = Annotated[
    Literal["all", "late", "slow", "unanswered"], Query(description="late: slow or unanswered; what is listed")
]
OverMs = Annotated[int, Query(ge=1, le=86_400_000, description="milliseconds to the answer that count as slow")]
DAY = timedelta(days=1)
SETTLED = timedelta(seconds=3 * KEPT_AFTER_S)  # an answer is in the ledger a second after it left


class TraceStep(Out):
    """One moment of the way: `why` says in a word why it has no time; `gap_ms` is since the one before."""

    key: str
    at: Time | None
    source: str
    why: str
    who: str
    gap_ms: float | None
    foreign: bool


class Arrival(Out):
    """One time the signal came: the first, then its repetitions."""

    id: Id
    received_at: Time
    answered_at: Time | None
    answer_ms: float | None
    after_ms: float
    transport: str
    peer: str


class SignalTrace(Out):
    """The way of one signal from the device to the person. `whole` is false where the caller may not read incidents."""

    signal_id: Id
    device_id: Id | None
    device_name: str
    device_name_en: str
    protocol: str
    account: str
    state: str
    quarantine: str
    quarantine_words: str
    events: list[dict[str, Any]]
    outcome: str
    steps: list[TraceStep]
    arrivals: list[Arrival]
    acts: list[dict[str, Any]]
    whole: bool


class Delivery(Out):
    """A signal and how fast it was answered, counted from its first arrival to the first answer."""

    signal_id: Id
    device_id: str
    device_name: str
    device_name_en: str
    protocol: str
    transport: str
    peer: str
    account: str
    received_at: Time
    committed_at: Time | None
    answered_at: Time | None
    answer_ms: float | None
    copies: int
    state: str
    quarantine: str
    label: str
    label_en: str
    label_zh: str


class DeliverySource(Out):
    """The deliveries of one source in the time asked for."""

    device_id: str
    device_name: str
    device_name_en: str
    protocol: str
    account: str
    deliveries: int
    unanswered: int
    slow: int
    repetitions: int
    longest_ms: float | None
    mean_ms: float | None


class DeliverySources(Out):
    """Figures by source, those with the most trouble first."""

    items: list[DeliverySource]


def _ledger(house: Services) -> DeliveryService:
    if house.deliveries is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "no delivery ledger is kept here")
    return house.deliveries


def _wanted(
    house: House,
    actor: Reader,
    which: Which = "late",
    over_ms: OverMs = DEFAULT_LIMIT_MS,
    device_id: Filter = "",
    account: Filter = "",
    protocol: Filter = "",
    received_from: Annotated[Moment | None, Query(alias="from")] = None,
    received_to: Annotated[Moment | None, Query(alias="to")] = None,
) -> DeliveryFilter:
    now = house.clock.now()
    to = received_to or now + timedelta(seconds=1)
    return DeliveryFilter(
        received_from or to - DAY,
        to,
        now - SETTLED,
        which,
        over_ms,
        device_id,
        account,
        protocol,
        without_silent=not actor.may(Permission.READ_INCIDENTS),
    )


Wanted = Annotated[DeliveryFilter, Depends(_wanted)]


def _place(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    head, _, tail = cursor.partition("_")
    if not (head.isascii() and head.isdigit() and len(head) <= 18 and tail):
        raise TocsinError(ErrorCode.INVALID, "the cursor is not one of ours", key="cursor", field="after")
    return int(head), tail


@router.get("/signals/{signal_id}/trace", response_model=SignalTrace)
async def read_signal_trace(signal_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read the way of one signal: device, socket, commit, answer, alarm, screen, person. Errors: not_found."""
    found, name, name_en = await _ledger(house).trace(signal_id, actor=actor)
    form = found.form()
    form["device_name"], form["device_name_en"] = name, name_en
    form["quarantine_words"] = WORDS.text(form["quarantine"], language) if form["quarantine"] else ""
    for spoken_form in (*form["events"], *form["acts"]):
        spoken(spoken_form, language)
    return reply(form)


@router.get("/deliveries", response_model=Page[Delivery])
async def list_deliveries(
    house: House,
    actor: Reader,
    language: Language,
    wanted: Wanted,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List deliveries of at most 31 days, newest first; of the last day unless asked otherwise. Errors: invalid."""
    found = await _ledger(house).deliveries(replace(wanted, before=_place(after)), actor=actor, limit=limit)
    last = found[-1] if len(found) >= limit else None
    following = None if last is None else f"{to_us(last.received_at)}_{last.signal_id}"
    return listed([spoken(one.form(), language) for one in found], following)


@router.get("/deliveries/sources", response_model=DeliverySources)
async def list_delivery_sources(
    house: House,
    actor: Reader,
    wanted: Wanted,
) -> Response:
    """Return figures by source, at most 500, those with the most trouble first. Errors: invalid."""
    return reply({"items": [one.form() for one in await _ledger(house).sources(wanted, actor=actor)]})


@router.get("/deliveries/export.csv", responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
async def export_deliveries(
    house: House,
    actor: Reader,
    language: Language,
    wanted: Wanted,
) -> Response:
    """Return the list as CSV, at most 50,000 lines, newest first. Errors: invalid."""
    found = await _ledger(house).deliveries(wanted, actor=actor, limit=MAX_ROWS)
    headers = {"Content-Disposition": 'attachment; filename="deliveries.csv"'}
    return Response(write_csv(csv_rows(found, language)), media_type="text/csv; charset=utf-8", headers=headers)
