"""What every answer carries, what is refused before any route is asked, and the pages around the interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from tests.web.conftest import WebHouse
from tocsin.settings_house import ServerSettings
from tocsin.web.app import make_app
from tocsin.web.border import BODY_LIMIT_BYTES, content_policy, host_names


async def test_the_page_brings_a_policy_that_lets_nothing_in_from_elsewhere(house: WebHouse) -> None:
    async with house.client() as client:
        page = await client.get("/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["worker-src"] == "'self' blob:"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:8081 wss://127.0.0.1:8081"
    assert "http:" not in page.headers["content-security-policy"]
    assert "unsafe-inline" not in policy["script-src"] + policy["style-src"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert "camera=()" in page.headers["permissions-policy"]
    assert page.headers["x-request-id"]
    assert "server" not in page.headers


def test_the_policy_names_the_media_ports_under_the_callers_host() -> None:
    assert "connect-src 'self' wss://tocsin.example.org:8081;" in content_policy(
        "tocsin.example.org", (8081,), is_secure=True
    )
    assert "connect-src 'self';" in content_policy("", (8081,), is_secure=True)
    other = "wss://media.example.org:444"
    assert f"connect-src 'self' {other};" in content_policy("localhost", (), is_secure=False, elsewhere=other)


async def test_the_console_is_served_for_its_pages_and_its_hashed_files_stay(house: WebHouse) -> None:
    async with house.client() as client:
        for path in ("/", "/incidents/abc", "/devices"):
            page = await client.get(path)
            assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
            assert "<title>Tocsin</title>" in page.text
        script = await client.get("/assets/main-abc123.js")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"].startswith("text/javascript")
        for path in ("/assets/gone.js", "/.env", "/%2e%2e/tocsin.db", "/assets/..%2f..%2ftocsin.db", "/a%00b.js"):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.post("/incidents", json={})).status_code == 405


async def test_a_hashed_script_comes_compressed_once_it_was_asked_for(house: WebHouse) -> None:
    script = "export const words = 'camera';\n" * 200
    (house.services.static / "assets" / "main-def456.js").write_text(script)
    async with house.client() as client:
        first = await client.get("/assets/main-def456.js")
        assert first.text == script
        compressing = [task for task in asyncio.all_tasks() if task.get_name() == "compress"]
        assert len(compressing) == 1
        await asyncio.wait_for(compressing[0], 5)
        packed = await client.get("/assets/main-def456.js")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == script
        assert int(packed.headers["content-length"]) < len(script) // 4
        assert packed.headers["vary"] == "Accept-Encoding"
        plain = await client.get("/assets/main-def456.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.text == script


async def test_unknown_addresses_and_methods_are_problems(house: WebHouse) -> None:
    async with house.client("li") as client:
        for method in ("GET", "POST", "DELETE"):
            response = await client.request(method, "/api/v1/nothing")
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
            assert response.headers["content-type"] == "application/problem+json"
        wrong = await client.delete("/api/v1/places")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
        assert wrong.json()["code"] == "method_not_allowed"
        broken = await client.post("/api/v1/views", content=b"{", headers={"Content-Type": "application/json"})
        assert (broken.status_code, broken.json()["code"]) == (422, "invalid")


async def test_text_that_no_database_keeps_is_refused_wherever_it_stands(house: WebHouse) -> None:
    async with house.client("admin") as client:
        for path in ("/api/v1/places/a%00b", "/api/v1/places?q=a%00b"):
            assert (await client.get(path)).status_code == 422, path
        for name in ('"a\\u0000b"', '"a\\ud800b"'):
            body = f'{{"jurisdiction_id":"j-north","name":{name}}}'
            response = await client.post("/api/v1/places", content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["code"]) == (422, "invalid"), name


async def test_only_names_that_were_set_up_are_answered(house: WebHouse) -> None:
    async with house.client() as client:
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            response = await client.get("/api/v1/session", headers={"Host": host})
            assert (response.status_code, response.json()["code"]) == (421, "wrong_host"), host
        assert (await client.get("/healthz", headers={"Host": "localhost:8080"})).status_code == 200
        assert (await client.get("/healthz", headers={"Host": "[::1]:8080"})).status_code == 200


def test_the_public_address_and_the_listening_one_are_always_allowed() -> None:
    names = host_names(("localhost",), "::1", "https://Tocsin.example.org:8443/x")
    assert names == {"localhost", "[::1]", "tocsin.example.org"}


async def test_a_body_that_is_too_large_is_refused_stated_or_streamed(house: WebHouse) -> None:
    async def _stream() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT_BYTES // 65536 + 2):
            yield b" " * 65536

    async with house.client("li") as client:
        stated = await client.post("/api/v1/views", content=b" " * (BODY_LIMIT_BYTES + 1))
        streamed = await client.post("/api/v1/views", content=_stream(), headers={"Content-Type": "application/json"})
    for response in (stated, streamed):
        assert (response.status_code, response.json()["code"]) == (413, "too_large")
        assert response.json()["params"]["limit_bytes"] in (BODY_LIMIT_BYTES, str(BODY_LIMIT_BYTES))


async def test_a_failure_of_ours_answers_with_its_request_id_and_tells_nothing_else(house: WebHouse) -> None:
    class Broken:
        async def find(self, **_: object) -> None:
            raise RuntimeError("the secret is 1234")

    house.services.units = Broken()
    async with house.client("li") as client:
        response = await client.get("/api/v1/units")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (500, "internal")
    assert problem["params"]["request_id"] == response.headers["x-request-id"]
    assert "1234" not in response.text


async def test_health_readiness_and_figures(house: WebHouse) -> None:
    async with house.client() as client:
        assert (await client.get("/healthz")).text == "ok\n"
        assert (await client.get("/readyz")).status_code == 200
        house.services.is_ready = lambda: False
        assert (await client.get("/readyz")).status_code == 503
        figures = (await client.get("/metrics")).text
    assert 'tocsin_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in figures
    assert "tocsin_feed_clients 0.0" in figures
    assert "tocsin_store_ok 1.0" in figures


async def test_the_figures_ask_for_their_token_when_the_caller_is_elsewhere(house: WebHouse) -> None:
    app = make_app(house.services, ServerSettings(metrics_token=SecretStr("let-me")))
    far = httpx.ASGITransport(app, client=("10.1.2.3", 4000))
    async with httpx.AsyncClient(transport=far, base_url="http://127.0.0.1") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get("/metrics", headers={"Authorization": "Bearer let-me"})).status_code == 200
    near = httpx.ASGITransport(app, client=("127.0.0.1", 4000))
    async with httpx.AsyncClient(transport=near, base_url="http://127.0.0.1") as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/metrics", headers={"X-Forwarded-For": "10.1.2.3"})).status_code == 401


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr,zh;q=0.5,en;q=0.6", "en"),
        ("", "en"),
        ("*;q=x", "en"),
    ],
)
async def test_the_language_is_the_callers_first_that_we_speak(house: WebHouse, header: str, language: str) -> None:
    async with house.client(**{"Accept-Language": header}) as client:
        title = (await client.get("/api/v1/places")).json()["title"]
    assert title == {"zh": "请先登录", "en": "Sign in first"}[language]


async def test_the_status_counts_what_the_caller_may_see(house: WebHouse) -> None:
    await house.alarm()
    async with house.client("li") as client:
        status = (await client.get("/api/v1/status")).json()
    assert status["panels"] == {"online": 0, "total": 3}
    assert status["cameras"] == {"online": 0, "total": 3}
    assert status["alarms_last_10_min"] == 1
    assert status["store"] == {"state": "ok", "reason": ""}
    assert status["media"] == {"workers": 1, "alive": 1}
    assert status["audit_head"]["seq"] >= 1
    async with house.client("south") as client:
        assert (await client.get("/api/v1/status")).json()["panels"]["total"] == 1


async def test_settings_are_shown_to_administrators_with_secrets_masked(house: WebHouse) -> None:
    async with house.client("admin") as client:
        items = (await client.get("/api/v1/settings")).json()["items"]
    named = {item["name"]: item for item in items}
    assert named["server.port"]["value"] == "8080"
    assert named["server.data"]["source"] == "command line"


async def test_the_audit_is_read_by_auditors_and_its_check_finds_an_edit(house: WebHouse) -> None:
    await house.alarm()
    async with house.client("auditor") as client:
        page = (await client.get("/api/v1/audit", params={"limit": 1})).json()
        assert page["items"][0]["actor"]["kind"] == "system"
        older = (await client.get("/api/v1/audit", params={"after": page["next"], "action": "alarm."})).json()
        assert {item["action"] for item in older["items"]} <= {"alarm.raised"}
        head = (await client.get("/api/v1/audit/head")).json()
        assert (head["seq"], head["hash"]) == (page["items"][0]["seq"], page["items"][0]["hash"])
        verdict = (await client.post("/api/v1/audit/verify")).json()
        assert (verdict["holds"], verdict["checked"], verdict["problems"]) == (True, head["seq"], [])
        await house.store.run(
            lambda tx: tx.connection.exec_driver_sql("UPDATE audit SET subject_id = 'other' WHERE seq = 1")
        )
        verdict = (await client.post("/api/v1/audit/verify")).json()
        assert verdict["holds"] is False
        assert verdict["problems"][0]["seq"] == 1
        assert (await client.get("/api/v1/audit", params={"after": "x"})).status_code == 422
