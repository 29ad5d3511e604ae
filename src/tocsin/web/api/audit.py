"""The audit chain: reading it, its head, and checking the whole of it against the kept heads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso_us, optional_us
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.audit import PROBLEM_WORDS, AuditRecord, Head, Problem, read_heads, verify
from tocsin.web.api import objects_people
from tocsin.web.api.shapes import After, Filter, Limit, Moment, reply, whole_number
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Reader = Annotated[Actor, allowed(Permission.READ_AUDIT)]
MOST_PROBLEMS = 200
_checking = asyncio.Lock()


@router.get("", response_model=objects_people.AuditPage)
async def list_audit(
    house: House,
    actor: Reader,
    by: Annotated[str, Query(alias="actor", max_length=100, description="id of who did it")] = "",
    action: Filter = "",
    subject: Filter = "",
    outcome: Annotated[Literal["", "done", "refused"], Query(description="what was done, or what was refused")] = "",
    at_from: Annotated[Moment | None, Query(alias="from")] = None,
    at_to: Annotated[Moment | None, Query(alias="to")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List records, newest first; `action` is a word or the beginning of one, such as `incident.`.

    `names` says what the ids in the records are called today; the chain itself holds no names.
    """
    forms, names = await house.store.read(
        _find,
        scope(actor, Permission.READ_AUDIT),
        {
            "actor": by,
            "action": action,
            "subject": subject,
            "outcome": outcome,
            "from_us": optional_us(at_from),
            "to_us": optional_us(at_to),
            "before_seq": whole_number(after),
            "limit": limit,
        },
    )
    following = str(forms[-1]["seq"]) if len(forms) >= limit else None
    return reply({"items": forms, "next": following, "names": names})


@router.get("/head", response_model=objects_people.AuditHead)
async def read_audit_head(house: House, _actor: Reader) -> Response:
    """Read the newest link of the chain."""
    return reply(await house.store.read(audit_head))


@router.post("/verify", response_model=objects_people.AuditVerdict)
async def verify_audit(house: House, _actor: Reader, language: Language) -> Response:
    """Check the whole chain against the heads kept beside it: edits, deletions, insertions, swaps, a cut tail.

    Errors: too_many while another check runs.
    """
    if _checking.locked():
        raise TocsinError(ErrorCode.TOO_MANY, "a check is running already")
    async with _checking:
        heads = await asyncio.to_thread(lambda: list(read_heads(house.heads())))  # before the snapshot is taken
        checked, problems = await house.store.read(_verify, heads)
    return reply(
        {
            "holds": not problems,
            "checked": checked,
            "problems": [
                {"seq": problem.seq, "what": PROBLEM_WORDS.text(problem.key, language, problem.params) or problem.what}
                for problem in problems
            ],
        }
    )


def audit_head(tx: Any) -> dict[str, Any]:
    """Return number, hash and time of the newest record; 0, zeros and null when there is none."""
    seq, digest = tx.audit.head()
    newest: list[AuditRecord] = tx.audit.find(codes=None, limit=1)
    return {"seq": seq, "hash": digest, "at": iso_us(newest[0].at_us) if newest else None}


def _find(tx: Any, visible_to: Scope, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    records: list[AuditRecord] = tx.audit.find(
        codes=visible_to.prefixes, includes_house=visible_to.includes_house, **wanted
    )
    people = names_of(tx, [record.actor_id for record in records if record.actor_kind == "user"])
    forms = [record_form(record, people.get(record.actor_id, "")) for record in records]
    return forms, tx.audit.names(_named(records))


def _named(records: Sequence[AuditRecord]) -> set[str]:
    """Return every id that records mention: their subject, and the texts of their detail."""
    found: set[str] = set()
    for record in records:
        found.add(record.subject_id)
        for value in msgspec.json.decode(record.detail).values():
            found.update(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
    return found


def names_of(tx: Any, user_ids: Sequence[str]) -> dict[str, str]:
    """Return the names of users; the chain itself holds none."""
    found: dict[str, str] = tx.users.names(set(user_ids))
    return found


def record_form(record: AuditRecord, name: str) -> dict[str, Any]:
    """Return a record as the API shows it."""
    return {
        "seq": record.seq,
        "at": iso_us(record.at_us),
        "actor": {"kind": record.actor_kind, "id": record.actor_id, "name": name},
        "action": record.action,
        "subject": {"kind": record.subject_kind, "id": record.subject_id},
        "outcome": record.outcome,
        "detail": msgspec.Raw(record.detail.encode()),
        "hash": record.hash,
        "prev_hash": record.prev_hash,
    }


def _verify(tx: Any, heads: Sequence[Head | Problem]) -> tuple[int, list[Problem]]:
    checked = 0

    def _counted() -> Iterator[AuditRecord]:
        nonlocal checked
        for record in tx.audit.all():
            checked += 1
            yield record

    found = verify(_counted(), heads)
    problems = list(islice(found, MOST_PROBLEMS))
    for _ in found:  # to the end, so that `checked` is the whole chain
        pass
    return checked, problems
