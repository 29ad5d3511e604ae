"""The quarantine over HTTP: counted, listed, previewed, repaired, undone."""

from __future__ import annotations

from typing import Any

from tests.support.house import signal_of
from tests.web.conftest import WebHouse
from tocsin.base.normal import Category, EventKind, NormalEvent


async def test_a_code_nobody_knew_is_said_later_and_taken_back(house: WebHouse) -> None:
    event = NormalEvent("pulse", "3", EventKind.TROUBLE, Category.UNKNOWN, 5, "?", "?", zone="004", is_known=False)
    await house.services.quarantine._intake.accept(signal_of(event, protocol="surgard", quarantine="unknown_code"))  # type: ignore[union-attr]
    body: dict[str, Any] = {
        "kind": "code", "code_system": "pulse", "code": "3", "event": "cid:1110", "reach": "house", "reason": "list",
    }  # fmt: skip
    async with house.client("admin") as client:
        (source,) = (await client.get("/api/v1/quarantine/sources?lang=en")).json()["items"]
        assert (source["count"], source["reason"], source["code"]) == (1, "unknown_code", "3")
        assert source["words"] == "Its event code is in none of our tables."
        (waiting,) = (await client.get("/api/v1/quarantine", params={"code": "3"})).json()["items"]
        assert waiting["state"] == "quarantined"
        found = (await client.get("/api/v1/quarantine/events", params={"text": "火警 喷淋"})).json()["items"]
        assert found == []
        smoke = (await client.get("/api/v1/quarantine/events", params={"text": "感烟"})).json()["items"]
        assert [one["id"] for one in smoke][:1] == ["cid:1111"]
        preview = (await client.post("/api/v1/quarantine/repairs/preview", json=body)).json()
        assert (preview["read"], preview["alarms"], preview["late"]) == (1, 1, 0)
        made = await client.post("/api/v1/quarantine/repairs", json=body)
        assert made.status_code == 201
        assert made.json()["read"] == 1
        assert (await client.get("/api/v1/quarantine")).json()["items"] == []
        assert (await client.post("/api/v1/quarantine/repairs", json=body)).status_code == 409
        undone = await client.post(f"/api/v1/quarantine/repairs/{made.json()['id']}/undo")
        assert undone.json()["undone_at"] is not None
        assert len((await client.get("/api/v1/quarantine")).json()["items"]) == 1
        (kept,) = (await client.get("/api/v1/quarantine/repairs")).json()["items"]
        assert kept["event_zh"] == "火警"
        missing = await client.post("/api/v1/quarantine/repairs", json={**body, "event": ""})
        assert (missing.status_code, missing.json()["params"]["field"]) == (422, "event")
    async with house.client("li") as client:
        assert (await client.get("/api/v1/quarantine/sources")).status_code == 200
        assert (await client.post("/api/v1/quarantine/repairs", json=body)).status_code == 403
