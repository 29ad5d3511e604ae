"""The objects of the interface as OpenAPI describes them: people, what they may look at, the audit of what they did.

A test compares the domain's forms with them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tocsin.web.api.shapes import EXAMPLE_TIME, Id, Out, Time


class JurisdictionRef(Out):
    """A jurisdiction as a session names it."""

    id: Id
    name: str
    name_en: str
    code: str


class SessionUser(Out):
    """Who is signed in."""

    id: Id
    username: str
    name: str
    roles: list[str]
    jurisdictions: list[JurisdictionRef]
    permissions: list[str]
    language: str
    seat: str


class Session(Out):
    """The caller's session. `csrf` goes into `X-CSRF-Token` on writes."""

    user: SessionUser
    csrf: str
    expires_at: Time = Field(examples=[EXAMPLE_TIME])
    on_duty: bool


class SessionRow(Out):
    """A session or token of a user; the token itself is known to its holder alone."""

    id: Id
    kind: Literal["cookie", "token"]
    seat: str
    label: str
    on_duty: bool
    made_at: Time
    expires_at: Time
    ended_at: Time | None


class User(Out):
    """Somebody who works here."""

    id: Id
    username: str
    name: str
    roles: list[str]
    jurisdiction_ids: list[Id]
    disabled: bool
    last_seen_at: Time | None
    version: int


class AuditActor(Out):
    """Who did it; the name is looked up now and is not part of the chain."""

    kind: str
    id: str
    name: str


class Subject(Out):
    """What it was done to."""

    kind: str
    id: str


class AuditRecord(Out):
    """A link of the audit chain."""

    seq: int
    at: Time
    actor: AuditActor
    action: str
    subject: Subject
    outcome: Literal["done", "refused"]
    detail: dict[str, Any]
    hash: str
    prev_hash: str


class Name(Out):
    """What an id is called; `kind` says what it is."""

    kind: str
    name: str
    name_en: str


class AuditPage(Out):
    """A page of the audit, with the names of the ids its records mention."""

    items: list[AuditRecord]
    next: str | None = None
    names: dict[str, Name]


class AuditHead(Out):
    """The newest link."""

    seq: int
    hash: str
    at: Time | None


class AuditProblem(Out):
    """One thing that is wrong with the chain."""

    seq: int
    what: str


class AuditVerdict(Out):
    """What a check of the whole chain against the kept heads found."""

    holds: bool
    checked: int
    problems: list[AuditProblem]


class Period(Out):
    """A recorded period."""

    starts_at: Time
    ends_at: Time


class View(Out):
    """A permission to look; `live` is a one-use address for each channel, `streams` what it shows, `notes` why."""

    id: Id
    expires_at: Time
    purpose: str
    incident_id: Id | None
    channels: list[Id]
    recordings: Period | None
    live: dict[str, str]
    streams: dict[str, Literal["main", "sub"]]
    notes: dict[str, str]
