"""Signing in and out, cookies, CSRF, bearer tokens, locks, users and the ends of sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.web.conftest import PASSWORD, WebHouse
from tocsin.settings_house import ServerSettings
from tocsin.web.app import make_app
from tocsin.web.deps import COOKIE
from tocsin.web.server import listen, make_server

API = "/api/v1"
SIGN_IN = {"username": "li", "password": PASSWORD, "seat": "A1"}


async def _sign_in(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await client.post(f"{API}/session", json={**SIGN_IN, **changes})


async def test_a_sign_in_gives_a_cookie_that_scripts_cannot_read_and_says_who_one_is(house: WebHouse) -> None:
    async with house.client() as client:
        response = await _sign_in(client)
        session = response.json()
        assert response.status_code == 201
        assert session["user"]["username"] == "li"
        assert session["user"]["jurisdictions"][0]["code"] == "330110"
        assert "handle_incident" in session["user"]["permissions"]
        assert (session["user"]["seat"], session["on_duty"]) == ("A1", True)
        cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert "Max-Age=43200" in cookie
        assert "Secure" not in cookie
        again = await client.get(f"{API}/session")
        assert again.json() == session


async def test_behind_https_the_cookie_is_secure(house: WebHouse) -> None:
    app = make_app(house.services, ServerSettings(public_url="https://tocsin.example.org"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://tocsin.example.org") as client:
        response = await _sign_in(client)
    assert "Secure" in response.headers["set-cookie"]
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_write_by_cookie_carries_its_csrf_token(house: WebHouse) -> None:
    async with house.client() as client:
        csrf = (await _sign_in(client)).json()["csrf"]
        for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": csrf[:-1]}):
            refused = await client.patch(f"{API}/session", json={"on_duty": False}, headers=headers)
            assert (refused.status_code, refused.json()["rule"]) == (403, "csrf")
        done = await client.patch(f"{API}/session", json={"on_duty": False}, headers={"X-CSRF-Token": csrf})
        assert (done.status_code, done.json()["on_duty"]) == (200, False)
        spoken = await client.patch(f"{API}/session", json={"language": "zh-CN"}, headers={"X-CSRF-Token": csrf})
        assert spoken.json()["user"]["language"] == "zh-CN"


async def test_a_bearer_token_needs_no_csrf_and_goes_before_a_cookie(house: WebHouse) -> None:
    async with house.client("wang") as client:
        assert (await client.get(f"{API}/session")).json()["user"]["username"] == "wang"
        assert (await client.patch(f"{API}/session", json={"on_duty": True})).status_code == 200
        client.cookies.set(COOKIE, "nonsense")
        assert (await client.get(f"{API}/session")).status_code == 200
    async with house.client("nobody-has-this-token") as client:
        refused = await client.get(f"{API}/session")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_another_sites_page_can_neither_sign_in_nor_open_a_feed(house: WebHouse) -> None:
    async with house.client() as client:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = await client.post(f"{API}/session", json=SIGN_IN, headers=headers)
            assert (refused.status_code, refused.json()["rule"]) == (403, "origin")
        own = await client.post(f"{API}/session", json=SIGN_IN, headers={"Origin": "http://127.0.0.1"})
        assert own.status_code == 201


async def test_a_wrong_password_and_an_unknown_name_are_told_alike_and_repeated_ones_lock(house: WebHouse) -> None:
    async with house.client(**{"Accept-Language": "zh-CN"}) as client:
        wrong, unknown = await _sign_in(client, password="no"), await _sign_in(client, username="ghost")
        assert wrong.json() == unknown.json()
        assert (wrong.status_code, wrong.json()["detail"]) == (401, "用户名或密码错误。")
        for _ in range(4):
            await _sign_in(client, password="no")
        locked = await _sign_in(client)
        assert (locked.status_code, locked.json()["code"]) == (429, "too_many")
        assert int(locked.headers["retry-after"]) > 1
        house.clock.advance(int(locked.headers["retry-after"]))
        assert (await _sign_in(client)).status_code == 201
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    refused = [record for record in records if record.outcome == "refused"]
    assert len(refused) == 6
    assert not any("ghost" in record.subject_id or PASSWORD in record.detail for record in records)


async def test_a_session_ends_by_signing_out_and_by_its_time(house: WebHouse) -> None:
    async with house.client() as client:
        csrf = (await _sign_in(client)).json()["csrf"]
        kept = client.cookies[COOKIE]
        out = await client.delete(f"{API}/session", headers={"X-CSRF-Token": csrf})
        assert out.status_code == 204
        assert COOKIE not in client.cookies
        client.cookies.set(COOKIE, kept)
        assert (await client.get(f"{API}/session")).status_code == 401
        client.cookies.clear()
        await _sign_in(client)
        house.clock.advance(12 * 3600)
        assert (await client.get(f"{API}/session")).status_code == 401


async def test_users_are_entered_changed_and_disabled_and_their_sessions_end(house: WebHouse) -> None:
    new = {
        "username": "Zhao",
        "name": "赵",
        "password": "a long password",
        "roles": ["operator"],
        "jurisdiction_ids": ["j-north"],
    }
    async with house.client("admin") as client:
        made = await client.post(f"{API}/users", json=new)
        assert made.status_code == 201
        assert "password" not in made.text.replace("a long password", "")
        user = made.json()
        assert (user["username"], user["disabled"]) == ("zhao", False)
        again = await client.post(f"{API}/users", json=new)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        short = await client.post(f"{API}/users", json={**new, "username": "qian", "password": "short"})
        assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "password")

        async with house.client() as own:
            assert (await _sign_in(own, username="zhao", password="a long password")).status_code == 201
            sessions = (await client.get(f"{API}/users/{user['id']}/sessions")).json()["items"]
            assert [one["seat"] for one in sessions] == ["A1"]
            gone = await client.delete(f"{API}/users/{user['id']}/sessions/{sessions[0]['id']}")
            assert gone.status_code == 204
            assert (await own.get(f"{API}/session")).status_code == 401
            await _sign_in(own, username="zhao", password="a long password")
            changed = await client.patch(
                f"{API}/users/{user['id']}", json={"version": user["version"], "disabled": True}
            )
            assert changed.json()["disabled"] is True
            assert (await own.get(f"{API}/session")).status_code == 401
            assert (await _sign_in(own, username="zhao", password="a long password")).status_code == 401
        listed = (await client.get(f"{API}/users", params={"q": "zhao"})).json()["items"]
        assert [one["id"] for one in listed] == [user["id"]]


async def test_a_password_is_changed_by_its_owner_who_knows_it_or_by_who_manages_users(house: WebHouse) -> None:
    async with house.client("li") as client:
        wrong = await client.post(f"{API}/users/li/password", json={"password": "a new long one", "current": "no"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "current")
        of_other = await client.post(f"{API}/users/wang/password", json={"password": "a new long one"})
        assert of_other.status_code in (403, 404)
        done = await client.post(f"{API}/users/li/password", json={"password": "a new long one", "current": PASSWORD})
        assert done.status_code == 204
    async with house.client() as client:
        assert (await _sign_in(client)).status_code == 401
        assert (await _sign_in(client, password="a new long one")).status_code == 201


async def test_the_feed_opens_for_a_session_tells_of_the_work_and_closes_with_it(house: WebHouse) -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = make_server(house.app)
    serving = asyncio.create_task(server.serve_on([listener]))
    url = f"ws://127.0.0.1:{port}{API}/feed"
    try:
        for headers, status in (({}, 401), ({"Authorization": "Bearer nobody"}, 401)):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url, additional_headers=headers)
            assert refusal.value.response.status_code == status
        async with house.client() as client:
            csrf = (await _sign_in(client)).json()["csrf"]
            cookie = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url, additional_headers={**cookie, "Origin": "https://evil.example"})
            assert refusal.value.response.status_code == 403
            assert msgspec.json.decode(refusal.value.response.body)["rule"] == "origin"
            async with connect(url, additional_headers={**cookie, "Origin": f"http://127.0.0.1:{port}"}) as socket:
                assert (await _frame(socket))["seat"] == "A1"
                incident = await house.alarm()
                kinds = {frame["type"]: frame for frame in [await _frame(socket) for _ in range(2)]}
                assert kinds["incident.opened"]["id"] == incident["id"]
                assert kinds["incident.opened"]["data"]["number"] == incident["number"]
                await socket.send(msgspec.json.encode({"presented": [incident["id"]]}).decode())
                frame = await _frame(socket)
                assert (frame["type"], frame["data"]["stamps"]["t4"]["source"]) == (
                    "incident.changed",
                    "operator_console",
                )
                house.services.notices.note_store(False, "disk full")
                notice = await _frame(socket)
                assert (notice["type"], notice["data"]["key"], "seq" in notice) == (
                    "notice.raised",
                    "store.failing",
                    False,
                )
                asked = {"channels": ["camera-west"], "purpose": "patrol", "minutes": 5}
                await client.post(f"{API}/views", json=asked, headers={"X-CSRF-Token": csrf})
                await client.delete(f"{API}/session", headers={"X-CSRF-Token": csrf})
                with pytest.raises(ConnectionClosed) as closed:
                    await _until_closed(socket)
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "session ended")
        await house.app.state.feed.look()
        changes = await house.store.read(lambda tx: tx.outbox.after(0, 1000))
        assert [msgspec.json.decode(c.data)["reason"] for c in changes if c.type == "view.ended"] == ["signed_out"]
    finally:
        server.should_exit = True
        await serving


async def _until_closed(socket: Any) -> None:
    while True:  # its own view's end may still be told
        assert (await _frame(socket))["type"] in ("view.ended", "audit.head")


async def _frame(socket: Any) -> Any:
    return msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10))
