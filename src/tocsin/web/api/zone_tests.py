"""An installer's test of zones: links the house makes, and what whoever holds one may do with it, without a session."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.zone_test_service import ZoneTestService
from tocsin.web.api.shapes import Id, In, Out, Time, reply
from tocsin.web.deps import House, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["zone tests"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Inviter = Annotated[Actor, allowed(Permission.INVITE_TEST)]
Token = Annotated[
    str, Header(alias="X-Test-Link", max_length=100, description="the part of the link after the number sign")
]
PAGE = "/zone-test#"


class TestLink(Out):
    """A link with which one device is tested; it opens nothing else."""

    __test__ = False

    id: Id
    device_id: Id
    holder: str
    made_at: Time
    made_by: Id
    made_by_name: str
    expires_at: Time
    revoked_at: Time | None


class TestLinkMade(Out):
    """A new link, shown this once: its path with the token, and the dark squares of its code row by row."""

    __test__ = False

    link: TestLink
    url: str
    code: list[str] = Field(description="QR code: one text of 0 and 1 for each row")


class TestLinkIn(In):
    """Who tests, and for how many hours the link is good."""

    __test__ = False

    holder: Annotated[str, Field(min_length=1, max_length=120)]
    hours: Annotated[int, Field(ge=1, le=12)] = 4


class ZoneTest(Out):
    """One test and, once it is over, what was seen."""

    id: Id
    link_id: Id
    device_id: Id
    holder: str
    begun_at: Time
    until: Time
    zone: str
    asked_at: Time | None
    ended_at: Time | None
    how_ended: str
    summary: dict[str, Any] | None


class DeviceTests(Out):
    """The newest links and tests of a device, newest first."""

    links: list[TestLink]
    tests: list[ZoneTest]


class TestState(Out):
    """What the page of a link shows."""

    __test__ = False

    device: dict[str, str]
    holder: str
    now: Time
    expires_at: Time
    is_taken: bool
    zones: list[dict[str, Any]]
    test: ZoneTest | None
    last: ZoneTest | None
    events: list[dict[str, Any]]


class ZoneIn(In):
    """The zone that is triggered next; empty: any."""

    zone: Annotated[str, Field(max_length=64)] = ""


def _tests(house: Services) -> ZoneTestService:
    if house.zone_tests is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "no tests are made here")
    return house.zone_tests


def _peer(request: Request) -> str:
    return request.client.host if request.client is not None else ""


@router.post("/devices/{device_id}/test-links", response_model=TestLinkMade, status_code=201)
async def make_test_link(device_id: str, house: House, actor: Inviter, body: TestLinkIn, request: Request) -> Response:
    """Make a link with which an installer tests this device; its token is shown this once.

    Errors: not_found, invalid with the field, conflict for a device that stands for others.
    """
    import segno

    link, token = await _tests(house).make_link(device_id, body.holder, body.hours, actor=actor)
    url = (house.public_url or str(request.base_url)).rstrip("/") + PAGE + token
    rows = ["".join("1" if dark else "0" for dark in row) for row in segno.make_qr(url, error="m").matrix]
    return reply({"link": link.form(), "url": url, "code": rows}, 201)


@router.get("/devices/{device_id}/test-links", response_model=DeviceTests)
async def list_device_tests(device_id: str, house: House, actor: Reader) -> Response:
    """List the links and tests of a device, newest first. Errors: not_found."""
    links, tests = await _tests(house).of_device(device_id, actor=actor)
    return reply({"links": links, "tests": tests})


@router.post("/test-links/{link_id}/revoke", response_model=TestLink)
async def revoke_test_link(link_id: str, house: House, actor: Inviter) -> Response:
    """Withdraw a link; its test ends. Errors: not_found."""
    return reply((await _tests(house).revoke(link_id, actor=actor)).form())


@router.get("/zone-test", response_model=TestState, openapi_extra={"security": [{"link": []}]})
async def read_zone_test(house: House, request: Request, token: Token) -> Response:
    """Read what the page of a link shows: zones, the test, what came. Errors: unauthenticated, too_many."""
    return reply(await _tests(house).state(token, _peer(request)))


@router.post("/zone-test/begin", response_model=TestState, openapi_extra={"security": [{"link": []}]})
async def begin_zone_test(house: House, request: Request, token: Token, body: ZoneIn) -> Response:
    """Begin a test, or say which zone is triggered next. Errors: unauthenticated, too_many, not_found, conflict."""
    return reply(await _tests(house).begin(token, body.zone, _peer(request)))


@router.post("/zone-test/end", response_model=TestState, openapi_extra={"security": [{"link": []}]})
async def end_zone_test(house: House, request: Request, token: Token) -> Response:
    """End the test; what was seen is kept. Errors: unauthenticated, too_many, conflict."""
    return reply(await _tests(house).end(token, _peer(request)))
