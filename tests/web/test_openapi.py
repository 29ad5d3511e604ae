"""The document of the interface: valid, complete, and true of what is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema_rs import meta
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.conftest import WebHouse
from tocsin.web.app import openapi
from tocsin.web.server import listen, make_server


async def _document(house: WebHouse) -> dict[str, Any]:
    async with house.client() as client:
        document: dict[str, Any] = (await client.get("/api/v1/openapi.json")).json()
    return document


async def test_the_document_names_a_permission_an_example_and_the_problems_of_each_operation(house: WebHouse) -> None:
    document = await _document(house)
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"].rstrip().endswith("."), where
            assert "422" in operation["responses"], where
            if (method, path) != ("post", "/api/v1/session"):
                assert operation["security"], where
                assert "x-permission" in operation or operation["security"] in ([{"signature": []}], [{"link": []}]), (
                    where
                )
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["components"]["schemas"]["Place"]["properties"]["class"]["examples"] == ["school"]


async def test_every_reference_of_the_document_leads_somewhere(house: WebHouse) -> None:
    document = await _document(house)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    found: set[str] = set()

    def _walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                found.add(node["$ref"])
            for value in node.values():
                _walk(value)
        elif isinstance(node, list):
            for value in node:
                _walk(value)

    _walk(document)
    assert found <= known
    for schema in document["components"]["schemas"].values():
        meta.validate(schema)


async def test_reads_hold_what_the_document_says_whatever_is_asked(house: WebHouse) -> None:
    """A short run of generated requests over every GET, in a server of its own on loopback."""
    await house.alarm()
    document = openapi(house.app)
    document["paths"] = {path: {"get": one["get"]} for path, one in document["paths"].items() if "get" in one}
    server = make_server(house.app)
    listener = listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve_on([listener]))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        await asyncio.to_thread(_try_everything, document, base)
    finally:
        server.should_exit = True
        await serving


def _try_everything(document: dict[str, Any], base: str) -> None:
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=4,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def _try(case: Any) -> None:
            case.call_and_validate(
                base_url=base,
                headers={"Authorization": "Bearer chief"},
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        _try()
