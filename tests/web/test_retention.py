"""Retention through the interface: policies, holds, tombstones, proof with its CSV, and storage arithmetic."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from tests.support.house import NORTH, YARD
from tests.support.kept import HOUR_MS, make_volume, write
from tests.web.conftest import WebHouse
from tocsin.base.times import iso

API = "/api/v1/retention"
PUBLIC: dict[str, Any] = {"name": "Public", "min_days": 30, "max_days": 90, "basis": "Decree 799, art. 17"}


async def record(house: WebHouse, days: int, size_bytes: int = 3_600) -> None:
    """Record the yard for so many days up to now, an hour a file."""
    volume = await make_volume(house.store)
    now_ms = round(house.clock.now().timestamp() * 1000)

    def _write(tx: Any) -> None:
        for hour in range(days * 24, 0, -1):
            start_ms = now_ms - hour * HOUR_MS
            write(tx, None, YARD, NORTH, volume.no, start_ms, start_ms + HOUR_MS, size_bytes)

    await house.store.run(_write)


async def test_an_administrator_adopts_a_suggestion_and_a_contradiction_names_the_other(house: WebHouse) -> None:
    async with house.client("admin") as client:
        (first, *_) = (await client.get(f"{API}/suggestions")).json()["items"]
        assert (first["min_days"], "art. 17" in first["basis_en"], "第十七条" in first["basis_zh"]) == (30, True, True)
        tried = await client.post(f"{API}/policies/try", json={"policy": PUBLIC})
        assert (tried.status_code, tried.json()["segments"]) == (200, 0)
        made = await client.post(f"{API}/policies", json=PUBLIC)
        assert made.status_code == 201, made.text
        policy = made.json()
        assert (policy["jurisdiction_id"], policy["version"]) == (None, 1)
        short = {"name": "Short", "max_days": 3, "basis": "a wish", "jurisdiction_id": "j-north"}
        refused = await client.post(f"{API}/policies?lang=zh-CN", json=short)
        assert (refused.status_code, refused.json()["params"]["other"]) == (409, "Public")
        assert "Public" in refused.json()["detail"] + refused.json()["title"]
        changed = await client.patch(f"{API}/policies/{policy['id']}", json={"version": 1, "max_days": 60})
        assert (changed.json()["max_days"], changed.json()["min_days"], changed.json()["version"]) == (60, 30, 2)
        cameras = (await client.get(f"{API}/cameras")).json()["items"]
        assert {one["floor_days"] for one in cameras} == {30}
        gone = await client.delete(f"{API}/policies/{policy['id']}", params={"version": 2})
        assert gone.status_code == 204
        assert len((await client.get(f"{API}/cameras", params={"without": True})).json()["items"]) == len(cameras)
    async with house.client("chief") as client:
        assert (await client.post(f"{API}/policies", json=PUBLIC)).status_code == 403


async def test_a_supervisor_holds_what_was_asked_for_and_releases_it(house: WebHouse) -> None:
    await record(house, 3)
    now = house.clock.now()
    body = {"cameras": [YARD], "from": iso(now - timedelta(days=2)), "to": iso(now - timedelta(days=1))}
    async with house.client("chief") as client:
        tried = (await client.post(f"{API}/holds/try", json=body)).json()
        assert (tried["bytes"], tried["stored_s"], tried["asked_s"]) == (24 * 3_600, 86_400, 86_400)
        whole = {**body, "reason": "court", "request_id": "2026-7", "ends_at": iso(now + timedelta(days=9))}
        made = await client.post(f"{API}/holds", json=whole)
        assert made.status_code == 201, made.text
        hold = made.json()
        assert (hold["state"], hold["bytes"], hold["cameras"]) == ("active", 24 * 3_600, [YARD])
        day = {"from": iso(now - timedelta(days=3)), "to": iso(now)}
        marks = (await client.get(f"/api/v1/cameras/{YARD}/recordings", params={**day, "source": "house"})).json()[
            "marks"
        ]
        assert [(one["kind"], one["words"]) for one in marks] == [("hold", "court")]
        late = {"version": 1, "reason": "more", "ends_at": iso(now + timedelta(days=200))}
        refused = await client.post(f"{API}/holds/{hold['id']}/renew", json=late)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "ends_at")
        renewed = await client.post(
            f"{API}/holds/{hold['id']}/renew", json={**late, "ends_at": iso(now + timedelta(days=100))}
        )
        assert renewed.json()["version"] == 2
        released = await client.post(f"{API}/holds/{hold['id']}/release", json={"version": 2, "reason": "done"})
        assert (released.json()["state"], released.json()["release_reason"]) == ("ended", "done")
        assert (await client.get(f"{API}/holds")).json()["items"] == []
        assert len((await client.get(f"{API}/holds", params={"ended": True})).json()["items"]) == 1
    async with house.client("li") as client:
        assert (await client.post(f"{API}/holds", json=whole)).status_code == 403


async def test_a_proof_is_read_and_exported(house: WebHouse) -> None:
    await record(house, 3)
    async with house.client("auditor") as client:
        (summary,) = (await client.get(f"{API}/proof")).json()["items"]
        assert (summary["id"], summary["state"], "days" in summary) == (YARD, "young", False)
        (whole,) = (await client.get(f"{API}/proof", params={"camera": YARD})).json()["items"]
        assert [day["state"] for day in whole["days"]][:3] == ["whole", "whole", "whole"]
        assert whole["days"][-1]["state"] == "too_young"
        exported = await client.get(f"{API}/proof.csv", params={"camera": YARD})
        assert exported.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"))))
        assert (len(rows), rows[-1]["state"], rows[-1]["stored_s"]) == (30, "whole", "86400")
        wrong = await client.get(f"{API}/proof", params={"from": "yesterday"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "from")
        assert (await client.get(f"{API}/tombstones")).json() == {"items": [], "next": None}


async def test_the_disks_days_are_told_and_what_would_be(house: WebHouse) -> None:
    await record(house, 2, 1_000)
    async with house.client("li") as client:
        found = (await client.get(f"{API}/forecast")).json()
        assert (found["total_bytes"], found["bytes_per_day"]) == (1_000_000, 24_000)
        (camera,) = found["cameras"]
        assert (camera["id"], camera["days"]) == (YARD, 37.5)  # 900,000 bytes below the mark, 24,000 a day
        doubled = (await client.get(f"{API}/forecast", params={"rate_pct": 200, "keep_days": 30})).json()
        assert doubled["cameras"][0]["days"] == pytest.approx(18.75, abs=0.06)
        assert (doubled["meets_floors"], doubled["needed_bytes"]) == (False, 1_600_000)
        assert (await client.get(f"{API}/forecast", params={"rate_pct": 0})).status_code == 422
    async with house.client("south") as client:
        assert (await client.get(f"{API}/forecast")).json()["cameras"] == []


async def test_a_house_without_a_far_place_says_so_and_a_policy_keeps_its_days_near(house: WebHouse) -> None:
    async with house.client("admin") as client:
        assert (await client.get(f"{API}/tier")).json() == {"tier": None}
        made = (await client.post(f"{API}/policies", json={**PUBLIC, "hot_days": 14})).json()
        assert made["hot_days"] == 14
        assert {one["hot_days"] for one in (await client.get(f"{API}/cameras")).json()["items"]} == {14}
        changed = await client.patch(f"{API}/policies/{made['id']}", json={"version": 1, "hot_days": None})
        assert changed.json()["hot_days"] is None
        bad = await client.patch(f"{API}/policies/{made['id']}", json={"version": 2, "hot_days": -1})
        assert bad.status_code == 422
