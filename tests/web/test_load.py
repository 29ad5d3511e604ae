"""Alarm load over the interface: a flood, its groups, many closed with one reason, measures."""

from __future__ import annotations

from datetime import timedelta

from tests.support.clocks import START
from tests.support.house import LONE_PANEL, PANEL, PEOPLE, SHOP_PANEL, burglary, event, signal_of
from tests.web.conftest import WebHouse
from tocsin.base.normal import Category, EventKind
from tocsin.domain.load_service import FloodWatch


async def test_a_flood_is_told_grouped_and_its_low_class_closed_with_one_reason(house: WebHouse) -> None:
    mains = event(EventKind.TROUBLE, Category.POWER, 5)
    for device in (PANEL, SHOP_PANEL, LONE_PANEL):
        await house.intake.accept(signal_of(mains, device_id=device))
    for second in range(1, 10):
        await house.intake.accept(signal_of(mains, device_id=SHOP_PANEL, after_s=second))
    await house.intake.accept(signal_of(burglary(), after_s=700, device_id=PANEL))
    house.clock.advance(30)
    flood = FloodWatch(house.store, house.services.notices)
    await flood.check()
    async with house.client("li") as li:
        (notice,) = (await li.get("/api/v1/status?lang=en")).json()["notices"]
        assert (notice["key"], notice["words"].startswith("Flood: 12 alarms")) == ("load.flood", True)
        now = (await li.get("/api/v1/alarm-load/now?lang=en")).json()
        assert (now["flood_since"], now["flood_alarms"]) == ("2026-11-22T02:14:07.000000Z", 12)
        burglaries, powers = now["groups"]
        assert (burglaries["kind"], burglaries["may_close"]) == ("burglary", False)
        assert (powers["kind"], powers["count"], powers["alarms"], powers["may_close"]) == ("power", 3, 12, True)

        incidents = [*powers["incident_ids"], *burglaries["incident_ids"]]
        wrong = await li.post("/api/v1/alarm-load/close", json={"incident_ids": incidents, "cause": "x", "reason": "y"})
        assert wrong.status_code == 422
        body = {"incident_ids": incidents, "cause": "environment", "reason": "mains lost in the district"}
        done = (await li.post("/api/v1/alarm-load/close", json=body)).json()
        assert sorted(done["closed"]) == sorted(powers["incident_ids"])
        assert [(one["incident_id"], one["reason"]) for one in done["left"]] == [
            (burglaries["incident_ids"][0], "not_low_class")
        ]
        one = (await li.get(f"/api/v1/incidents/{powers['incident_ids'][0]}")).json()
        assert (one["state"], one["verdict"], one["cause"]) == ("closed", "false", "environment")
        assert [note["text"] for note in one["notes"]] == ["mains lost in the district"]
        assert [group["kind"] for group in (await li.get("/api/v1/alarm-load/now")).json()["groups"]] == ["burglary"]
    async with house.client("auditor") as auditor:
        assert (await auditor.post("/api/v1/alarm-load/close", json=body)).status_code == 403
    house.clock.advance(3600)
    await flood.check()
    async with house.client("li") as li:
        assert (await li.get("/api/v1/status")).json()["notices"] == []


async def test_measures_name_the_seat_and_the_sources(house: WebHouse) -> None:
    incident = await house.alarm()
    for second in (10, 20):
        await house.intake.accept(signal_of(burglary(), after_s=second))
    async with house.client("li") as li:
        await house.services.incidents.presented([incident["id"]], actor=PEOPLE.li)
        house.clock.advance(3600)
        span = {"from": START.isoformat(), "to": (START + timedelta(hours=1)).isoformat()}
        load = (await li.get("/api/v1/alarm-load/measures", params=span)).json()
        assert (load["rate"]["alarms"], load["rate"]["most_10_min"]) == (3, 3)
        assert [(one["seat"], one["alarms"]) for one in load["by_seat"]] == [("seat-1", 3)]
        assert [(one["device_name_en"], one["zone"], one["alarms"], one["chatters"]) for one in load["top"]] == [
            ("School panel", "4", 3, 1)
        ]
        assert (load["mix"][0]["name"], load["mix"][0]["share"]) == ("high", 1.0)
        long = {**span, "from": (START - timedelta(days=40)).isoformat()}
        assert (await li.get("/api/v1/alarm-load/measures", params=long)).status_code == 422
