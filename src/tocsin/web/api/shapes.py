"""What every resource shares: pages, cursors, versions, and JSON written without a detour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from tocsin.base.cursors import pack as pack
from tocsin.base.cursors import unpack as unpack
from tocsin.base.errors import ErrorCode, TocsinError

T = TypeVar("T")
Id = str
Time = str
EXAMPLE_TIME = "2026-11-22T02:14:07.000000Z"
EXAMPLE_ID = "019aa9c5-3f10-7aaa-8bbb-0242ac120002"
LIMIT_MOST = 500
_encode = msgspec.json.Encoder().encode


def _is_text(value: Any) -> bool:
    """Say whether every text in a body can be stored: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, dict):
        return all(_is_text(key) and _is_text(item) for key, item in value.items())
    return not isinstance(value, list) or all(map(_is_text, value))


class In(BaseModel):
    """A request body: unknown fields are refused, values are not bent to fit."""

    model_config = ConfigDict(extra="forbid", str_max_length=20_000, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        if not _is_text(value):
            raise ValueError("holds a character that is not text")
        return value

    def given(self) -> dict[str, Any]:
        """Return only what the caller sent, without `version`."""
        return self.model_dump(exclude_unset=True, exclude={"version"}, by_alias=True)


class Out(BaseModel):
    """An answer, as OpenAPI describes it; further fields may be added in any release."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Page(Out, Generic[T]):
    """A page of a list; `next` is the cursor of the following one, or null at the end."""

    items: list[T]
    next: str | None = None


Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="version of the object as the caller knows it")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MOST, description="most items of a page")]
After = Annotated[str, Query(max_length=80, description="cursor: `next` of the page before")]
Cursor = Annotated[str, Query(max_length=4000, description="cursor: `next` of the page before, or one of the marks")]
Order = Annotated[str, Query(pattern="^(newest|name|state)$", description="newest | name | state: the worst first")]
Node = Annotated[str, Query(max_length=120, description="key of a node of a tree")]
Filter = Annotated[str, Query(max_length=100)]
Words_ = Annotated[str, Query(max_length=200, description="one or more, separated by commas")]
Text = Annotated[str, Field(max_length=4000)]
Moment = AwareDatetime


def reply(content: Any, status: int = 200) -> Response:
    """Return JSON of plain mappings as they are: the forms of the domain are already what the API shows."""
    return Response(_encode(content), status, media_type="application/json")


def page(items: Sequence[Mapping[str, Any]], limit: int, key: str = "id") -> Response:
    """Return a page of forms; the cursor is the key of its last item when the page is full."""
    last = str(items[-1][key]) if len(items) >= limit else None
    return reply({"items": items, "next": last})


def listed(items: Sequence[Mapping[str, Any]], following: str | None) -> Response:
    """Return a page whose cursor the service has found."""
    return reply({"items": items, "next": following})


def whole_number(cursor: str) -> int | None:
    """Return a numeric cursor; None without one. Errors: INVALID."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise TocsinError(ErrorCode.INVALID, "the cursor is not one of ours", key="cursor", field="after")
    return int(cursor)


def words_of(listed: str) -> tuple[str, ...]:
    """Return the words of a comma-separated filter."""
    return tuple(word.strip() for word in listed.split(",") if word.strip())


_SPOKEN = ("title", "label", "words")


def spoken(form: dict[str, Any], language: str) -> dict[str, Any]:
    """Put the caller's language into the fields that exist in both; returns the same form."""
    suffix = "zh" if language.startswith("zh") else "en"
    for name in _SPOKEN:
        if f"{name}_{suffix}" in form:
            form[name] = form[f"{name}_{suffix}"]
    return form
