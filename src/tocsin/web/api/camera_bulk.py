"""Many cameras at once: changed, put into service, retired; previewed first, a group a request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.camera_bulk import GROUP, Item
from tocsin.domain.fields import refuse
from tocsin.web.api.shapes import In, Out, Text, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.errors import told

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"])
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Id = Annotated[str, Field(min_length=1, max_length=80)]

Tags = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)]
Groups = Annotated[list[Id], Field(max_length=100)]


class BulkChanges(In):
    """What many cameras may get."""

    owner: Text = ""
    purpose: Text = ""
    place_id: Annotated[str | None, Field(max_length=36)] = None
    loss_policy: Annotated[str, Field(pattern="^(drop|tolerate)$")] = "drop"
    jurisdiction_id: Id = ""
    tags: Tags = []
    add_tags: Tags = []
    remove_tags: Tags = []
    groups: Groups = []
    add_groups: Groups = []
    remove_groups: Groups = []


class Restored(In):
    """What a camera had before, as `before` told it."""

    owner: Text = ""
    purpose: Text = ""
    place_id: Annotated[str | None, Field(max_length=36)] = None
    loss_policy: Annotated[str, Field(pattern="^(drop|tolerate)$")] = "drop"
    jurisdiction_id: Id = ""
    tags: Tags = []
    groups: Groups = []
    stage: Annotated[str, Field(pattern="^(discovered|in_service|retired)$")] = "discovered"


class BulkItem(In):
    """One camera with the version the caller has seen, and changes of its own."""

    id: Id
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    changes: BulkChanges | Restored = BulkChanges()


class BulkFilter(In):
    """The filter of the list of cameras."""

    text: Annotated[str, Field(alias="q", max_length=100)] = ""
    stage: Annotated[str, Field(max_length=40)] = ""
    state: Annotated[str, Field(max_length=40)] = ""
    jurisdiction_id: Annotated[str, Field(max_length=40)] = ""
    place_id: Annotated[str, Field(max_length=40)] = ""
    device_id: Annotated[str, Field(max_length=40)] = ""
    maker: Annotated[str, Field(max_length=100)] = ""
    tag: Annotated[str, Field(max_length=100)] = ""
    node: Annotated[str, Field(max_length=120)] = ""


class BulkIn(In):
    """At most 200 cameras: by `ids`, by `items` with changes of their own, or by `filter` and the cursor `after`."""

    act: Literal["change", "commission", "retire", "restore"] = "change"
    ids: Annotated[list[Id], Field(max_length=GROUP)] = []
    items: Annotated[list[BulkItem], Field(max_length=GROUP)] = []
    filter: BulkFilter | None = None
    after: Annotated[str, Field(max_length=80)] = ""
    changes: BulkChanges = BulkChanges()
    preview: bool = False


class BulkChanged(Out):
    """A camera that was changed: its version now, and the values before and after."""

    id: str
    name: str
    version: int
    before: dict[str, Any]
    after: dict[str, Any]


class BulkRefused(Out):
    """A camera that stayed as it was, and why."""

    id: str
    name: str
    why: str


class BulkDone(Out):
    """What was done, or would be; with a filter `next` leads to the next group."""

    changed: list[BulkChanged]
    same: list[str]
    refused: list[BulkRefused]
    next: str | None = None


@router.post("/bulk", response_model=BulkDone)
async def change_many(house: House, actor: Keeper, language: Language, body: BulkIn) -> Response:
    """Change up to 200 cameras in one transaction, or with `preview` say what it would do; those that cannot are left.

    Each has its own audit record. With `"act": "restore"`, `before` sent back as the `changes` of `items` takes it back
    where `version` still fits.
    Errors: invalid, naming the field.
    """
    if house.bulk is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "not served here")
    if sum((bool(body.ids), bool(body.items), body.filter is not None)) != 1:
        raise refuse("ids", "registry.field_required", "give one of ids, items or filter")
    changes = body.changes.given()
    following: str | None = None
    if body.filter is not None:
        filters = {name: str(value) for name, value in body.filter.model_dump().items()}
        ids, following = await house.bulk.matching(filters, actor=actor, after=body.after)
        if not ids:
            return reply({"changed": [], "same": [], "refused": [], "next": None})
    else:
        ids = body.ids
    items = [Item(one, 0, changes) for one in ids] or [
        Item(one.id, one.version, one.changes.given()) for one in body.items
    ]
    done = await house.bulk.run(body.act, items, actor=actor, is_preview=body.preview)
    refused = [
        {"id": one, "name": name, "why": told(error, language, house.words)} for one, name, error in done.refused
    ]
    return reply({"changed": done.changed, "same": done.same, "refused": refused, "next": following})
