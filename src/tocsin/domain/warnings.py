"""A public warning made of an incident: somebody's act, recorded with what was said, and handed out as a file.

A message people are to believe (`Actual`) is issued by a supervisor who does not hold the incident: two persons have
looked at it. All else (`Exercise`, `Test`, `Draft`) whoever handles the incident may export.

Source: OASIS CAP 1.2; alarm reference, CAP 1.2 and EDXL-DE (release is an act of two persons).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.access import Actor, Permission, Rule, is_supervisor_of
from tocsin.domain.facts import Fact
from tocsin.domain.fields import refuse
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store

STATUS: Final = ("Actual", "Exercise", "Test", "Draft")
KINDS: Final = ("Alert", "Update", "Cancel")
CATEGORIES: Final = (
    *("Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"),
)
URGENCY: Final = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITY: Final = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTY: Final = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
LEAD: Final = {
    "Exercise": ("EXERCISE: ", "【演练】"),
    "Test": ("TEST: ", "【测试】"),
    "Draft": ("DRAFT: ", "【草稿】"),
}

WORDS: Final = Words(
    {
        "warning.own_incident": (
            "A warning that is to be believed is issued by somebody who does not hold the incident.",
            "正式发布的预警须由未受理该警情的人员签发。",
        ),
        "warning.no_references": (
            "{kind} needs the message it refers to: sender,identifier,sent.",
            "{kind} 须填写所指报文：发送方,编号,发送时间。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class WarningOut:
    """A warning as it goes out. `radius_km` 0: no circle, only the place's name."""

    identifier: str
    sender: str
    sent: datetime
    status: str
    kind: str
    references: str
    incident: str
    category: str
    event: str
    urgency: str
    severity: str
    certainty: str
    language: str
    headline: str
    description: str
    instruction: str
    expires: datetime
    area: str
    lon: float | None
    lat: float | None
    radius_km: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningExported(Fact):
    """An incident was handed out as a public warning; the message's words are in the record."""

    ACTION: ClassVar[str] = "incident.warning_exported"
    SUBJECT: ClassVar[str] = "incident"

    identifier: str
    status: str
    kind: str
    event: str
    headline: str
    expires_at: datetime


_RULES: Final[Mapping[str, fields.Rule]] = {
    "status": fields.choice(*STATUS),
    "kind": fields.choice(*KINDS),
    "references": fields.text(1_000),
    "category": fields.choice(*CATEGORIES),
    "event": fields.text(120, required=True),
    "urgency": fields.choice(*URGENCY),
    "severity": fields.choice(*SEVERITY),
    "certainty": fields.choice(*CERTAINTY),
    "language": fields.choice("zh-CN", "en-US"),
    "headline": fields.text(160, required=True),
    "description": fields.text(2_000),
    "instruction": fields.text(2_000),
    "area": fields.text(200),
    "radius_km": fields.number(0, 500, optional=False),
    "expires_min": fields.number(5, 10_080, optional=False),
}


class WarningService(UseCases):
    """The use case of handing an incident out as a public warning."""

    def __init__(self, store: Store, sender: str, encode: Callable[[WarningOut], bytes]) -> None:
        super().__init__(store)
        self._sender = sender
        self._encode = encode

    async def export(self, incident_id: str, given: Mapping[str, Any], *, actor: Actor) -> tuple[str, bytes]:
        """Return a file name and the message, recorded under the actor's name.

        Errors: INVALID with the field; NOT_FOUND; FORBIDDEN for `Actual` without the right to supervise; CONFLICT when
        who issues it holds the incident.
        """
        fields.require(given, "event", "headline")
        values = fields.read(given, _RULES)
        asked = WarningExported.ACTION
        out: WarningOut = await self._act(
            asked, "incident", incident_id, actor, _export, incident_id, values, self._sender, actor
        )
        return f"{out.identifier}.{out.status.lower()}.cap.xml", self._encode(out)


def _export(tx: Any, incident_id: str, values: Mapping[str, Any], sender: str, actor: Actor) -> WarningOut:
    incident = tx.incidents.get(incident_id, visible_to=require(actor, Permission.HANDLE_INCIDENT))
    status, kind = values.get("status", "Draft"), values.get("kind", "Alert")
    if status == "Actual":
        if not is_supervisor_of(actor, incident.jurisdiction_code, incident.id):
            raise forbidden(Rule.NO_PERMISSION)
        if incident.owner_id == actor.id:
            raise TocsinError(ErrorCode.CONFLICT, "who holds the incident issues none", key="warning.own_incident")
    references = " ".join(values.get("references", "").split())
    if kind != "Alert" and (not references or any(word.count(",") != 2 for word in references.split())):
        raise refuse("references", "warning.no_references", "references are missing", kind=kind)
    language = values.get("language", "zh-CN")
    lead = LEAD.get(status, ("", ""))[language == "zh-CN"]
    place = incident.place
    named = (place.name if language == "zh-CN" else place.name_en or place.name) if place is not None else ""
    out = WarningOut(
        identifier=f"{incident.number}-{tx.now:%Y%m%d%H%M%S}",
        sender=sender,
        sent=tx.now,
        status=status,
        kind=kind,
        references=references,
        incident=incident.number,
        category=values.get("category", "Safety"),
        event=values["event"],
        urgency=values.get("urgency", "Unknown"),
        severity=values.get("severity", "Unknown"),
        certainty=values.get("certainty", "Unknown"),
        language=language,
        headline=lead + values["headline"],
        description=values.get("description", ""),
        instruction=values.get("instruction", ""),
        expires=tx.now + timedelta(minutes=values.get("expires_min", 360)),
        area=values.get("area", "") or named or incident.number,
        lon=place.lon if place is not None else None,
        lat=place.lat if place is not None else None,
        radius_km=values.get("radius_km", 0),
    )
    tx.record(
        WarningExported(
            subject_id=incident.id,
            at=tx.now,
            jurisdiction_code=incident.jurisdiction_code,
            actor=actor.ref,
            identifier=out.identifier,
            status=status,
            kind=kind,
            event=out.event,
            headline=out.headline,
            expires_at=out.expires,
        )
    )
    return out
