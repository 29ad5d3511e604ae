"""Every route states who may call it, refuses the others, and the refusal is in the audit."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from tests.support.house import PEOPLE
from tests.web.conftest import WebHouse
from tocsin.domain.access import Actor, Permission
from tocsin.web.app import permissions_of
from tocsin.web.deps import PUBLIC, SIGNED_IN, subject_of

ACTORS: tuple[Actor, ...] = (PEOPLE.li, PEOPLE.chief, PEOPLE.admin, PEOPLE.installer, PEOPLE.auditor)


def _routes(app: FastAPI) -> Iterator[tuple[str, str, APIRoute | Route]]:
    for route in app.routes:
        if isinstance(route, Route) and route.name not in ("unknown", "console"):
            for method in sorted(route.methods or ()):
                if method != "HEAD":
                    yield method, route.path, route


async def test_every_route_states_its_permission_or_is_on_the_list_of_open_ones(house: WebHouse) -> None:
    open_routes, signed_in = set(), set()
    for method, path, route in _routes(house.app):
        stated = permissions_of(route) if isinstance(route, APIRoute) else None
        if stated is None:
            open_routes.add((method, path))
        elif not stated:
            signed_in.add((method, path))
        else:
            assert all(isinstance(permission, Permission) for permission in stated)
    assert open_routes == PUBLIC
    assert signed_in == SIGNED_IN


async def test_nobody_gets_in_without_a_session(house: WebHouse) -> None:
    async with house.client() as client:
        for method, path, route in _routes(house.app):
            if isinstance(route, APIRoute) and (method, path) not in PUBLIC:
                response = await client.request(method, re.sub(r"\{[^}]+\}", "1", path))
                assert (response.status_code, response.json()["code"]) == (401, "unauthenticated"), path


async def test_every_route_refuses_a_role_without_its_permission_and_the_audit_knows(house: WebHouse) -> None:
    expected: list[tuple[str, str, str]] = []
    for method, path, route in _routes(house.app):
        stated = permissions_of(route) if isinstance(route, APIRoute) else None
        if not stated:
            continue
        wrong = [actor for actor in ACTORS if not any(actor.may(permission) for permission in stated)]
        if not wrong:
            assert stated == (Permission.READ_REGISTRY,), path  # the one permission that every role holds
            continue
        async with house.client(wrong[0].id) as client:
            response = await client.request(method, re.sub(r"\{[^}]+\}", "1", path), json={})
        problem = response.json()
        assert (response.status_code, problem["code"], problem["rule"]) == (403, "forbidden", "no_permission"), path
        kind, subject = subject_of(path, {"id": "1"} if "{" in path else {})
        expected.append((stated[0].value, kind, subject))
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    refused = [(r.action, r.subject_kind, r.subject_id) for r in records if r.outcome == "refused"]
    assert refused == expected
    assert len(refused) > 30


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/places/place-bank",
        "/api/v1/devices/panel-bank",
        "/api/v1/devices/panel-bank/zones",
        "/api/v1/devices/panel-bank/attempts",
        "/api/v1/devices/panel-bank/signals",
        "/api/v1/cameras/camera-bank",
        "/api/v1/cameras/camera-bank/attempts",
        "/api/v1/units/unit-south",
        "/api/v1/jurisdictions/j-south",
    ],
)
async def test_what_lies_outside_the_callers_area_does_not_exist(house: WebHouse, path: str) -> None:
    async with house.client("li") as client:
        response = await client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    async with house.client("chief") as client:
        assert (await client.get(path)).status_code == 200


async def test_a_list_shows_only_the_callers_area(house: WebHouse) -> None:
    async with house.client("south") as client:
        assert [item["id"] for item in (await client.get("/api/v1/places")).json()["items"]] == ["place-bank"]
        assert [item["id"] for item in (await client.get("/api/v1/devices")).json()["items"]] == ["panel-bank"]
        assert [item["id"] for item in (await client.get("/api/v1/cameras")).json()["items"]] == ["camera-bank"]
        assert [item["id"] for item in (await client.get("/api/v1/units")).json()["items"]] == ["unit-south"]


def test_a_subject_is_named_after_its_route() -> None:
    assert subject_of("/api/v1/incidents/{incident_id}/claim", {"incident_id": "i1"}) == ("incident", "i1")
    assert subject_of("/api/v1/audit/verify", {}) == ("audit", "")
    assert subject_of("/api/v1/status", {}) == ("status", "")
