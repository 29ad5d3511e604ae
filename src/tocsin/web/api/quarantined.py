"""The quarantine: what waits, how much of whom, and repairs that read it again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.incident_detail import SignalFilter
from tocsin.domain.quarantine import Reach, Repair, RepairKind
from tocsin.domain.quarantine_service import QuarantineService
from tocsin.web.api import objects_incidents, objects_quarantine
from tocsin.web.api.quarantine import WORDS
from tocsin.web.api.shapes import After, Cursor, Filter, In, Limit, Page, listed, page, reply
from tocsin.web.api.signals import signal_page
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
MAX_EVENTS = 40


class RepairIn(In):
    """What a code means (`event`, an id of `/quarantine/events`), or whose an account is.

    `kind` code: `code_system`, `code`, `event` and `reach`; `device_id` names the device, or one of the model. `kind`
    account: `protocol`, `account` and `device_id`.
    """

    kind: Literal["code", "account"]
    reason: Annotated[str, Field(min_length=3, max_length=400)]
    reach: Literal["device", "model", "house"] = "device"
    code_system: Annotated[str, Field(max_length=16)] = ""
    code: Annotated[str, Field(max_length=64)] = ""
    event: Annotated[str, Field(max_length=32, examples=["cid:1130"])] = ""
    protocol: Annotated[str, Field(max_length=16)] = ""
    account: Annotated[str, Field(max_length=64)] = ""
    device_id: Annotated[str, Field(max_length=36)] = ""

    def repair(self) -> Repair:
        """Return it as the domain has it. Errors: INVALID when a field it needs is empty."""
        needed = ("code_system", "code", "event") if self.kind == "code" else ("protocol", "account", "device_id")
        for name in needed:
            if not getattr(self, name):
                raise TocsinError(ErrorCode.INVALID, f"{name} is needed", key="registry.field_required", field=name)
        if self.kind == "account":
            return Repair(
                "",
                RepairKind.ACCOUNT,
                self.reason,
                protocol=self.protocol,
                account=self.account,
                device_id=self.device_id,
            )
        return Repair(
            "",
            RepairKind.CODE,
            self.reason,
            reach=Reach(self.reach),
            code_system=self.code_system,
            code=self.code,
            target=self.event,
            device_id="" if self.reach == "house" else self.device_id,
        )


@router.get("", response_model=Page[objects_incidents.Signal])
async def list_waiting(
    house: House,
    actor: Reader,
    language: Language,
    protocol: Filter = "",
    account: Filter = "",
    device_id: Filter = "",
    reason: Filter = "",
    code: Filter = "",
    after: After = "",
    limit: Limit = 50,
) -> Response:
    """List the signals that wait in quarantine, newest first; `after` stands for older ones."""
    wanted = SignalFilter(
        device_id=device_id,
        account=account,
        state="quarantined",
        after=after,
        protocol=protocol,
        reason=reason,
        code=code,
        newest_first=True,
    )
    return await signal_page(house, wanted, actor, limit, language)


@router.get("/sources", response_model=Page[objects_quarantine.QuarantineSource])
async def list_sources(house: House, actor: Reader, language: Language) -> Response:
    """Count what waits by source and reason, most first, at most 500."""
    found = await _service(house).sources(actor=actor)
    return listed([{**one.form(), "words": WORDS.text(one.reason, language)} for one in found], None)


@router.get("/events", response_model=Page[objects_quarantine.EventMeaning])
async def list_events(house: House, actor: Reader, text: Annotated[str, Query(max_length=80)] = "") -> Response:
    """Find events of our tables a code may be said to mean, by code or by words in either language."""
    words = text.lower().split()
    found: list[dict[str, Any]] = []
    for name, event in _service(house).events.items():
        said = f"{name} {event.code[1:]} {event.label_en} {event.label_zh}".lower()
        if all(word in said for word in words):
            found.append(
                {
                    "id": name,
                    "kind": event.kind.value,
                    "category": event.category.value,
                    "priority": event.priority,
                    "label_en": event.label_en,
                    "label_zh": event.label_zh,
                }
            )
        if len(found) >= MAX_EVENTS:
            break
    return listed(found, None)


@router.get("/repairs", response_model=Page[objects_quarantine.Repair])
async def list_repairs(house: House, actor: Reader, after: Cursor = "", limit: Limit = 50) -> Response:
    """List repairs, newest first, those taken back as well."""
    return page([one.form() for one in await _service(house).repairs(actor=actor, before=after, limit=limit)], limit)


@router.post("/repairs/preview", response_model=objects_quarantine.RepairPreview)
async def preview_repair(house: House, actor: Keeper, body: RepairIn) -> Response:
    """Say what a repair would read again and how many alarms that is; nothing is done.

    Errors: invalid, forbidden, not_found, conflict.
    """
    return reply((await _service(house).preview(body.repair(), actor=actor)).form())


@router.post("/repairs", status_code=201, response_model=objects_quarantine.Repair)
async def make_repair(house: House, actor: Keeper, body: RepairIn) -> Response:
    """Say what a code means from now on, or whose an account is, and read again what waits for it.

    What came more than ten minutes ago keeps its times, is marked `late` and raises no alarm.
    Errors: invalid, forbidden, not_found, conflict.
    """
    return reply((await _service(house).repair(body.repair(), actor=actor)).form(), 201)


@router.post("/repairs/{repair_id}/undo", response_model=objects_quarantine.Repair)
async def undo_repair(repair_id: str, house: House, actor: Keeper) -> Response:
    """Take a repair back: the signals it read wait again, incidents stay. Errors: not_found, forbidden, conflict."""
    return reply((await _service(house).undo(repair_id, actor=actor)).form())


def _service(house: Services) -> QuarantineService:
    if house.quarantine is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the quarantine is not served here")
    return house.quarantine
