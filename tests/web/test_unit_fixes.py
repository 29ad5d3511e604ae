"""Where units are, as they report it themselves."""

from __future__ import annotations

from datetime import timedelta

from tests.support.house import CAR
from tests.web.conftest import WebHouse

FIX = f"/api/v1/units/{CAR}/fix"


async def test_a_fix_moves_the_unit_and_is_told_to_the_consoles(house: WebHouse) -> None:
    now = house.clock.now()
    async with house.client("li") as client:
        answer = await client.post(FIX, json={"lon": 120.25, "lat": 30.25, "fix_at": now.isoformat()})
        assert answer.status_code == 200
        assert (answer.json()["lon"], answer.json()["lat"]) == (120.25, 30.25)
        assert (await client.get(f"/api/v1/units/{CAR}")).json()["lon"] == 120.25


async def test_an_older_fix_changes_nothing(house: WebHouse) -> None:
    now = house.clock.now()
    async with house.client("li") as client:
        await client.post(FIX, json={"lon": 120.25, "lat": 30.25, "fix_at": now.isoformat()})
        older = (now - timedelta(seconds=5)).isoformat()
        answer = await client.post(FIX, json={"lon": 120.9, "lat": 30.9, "fix_at": older})
        assert (answer.status_code, answer.json()["lon"]) == (200, 120.25)


async def test_a_clock_ahead_of_ours_does_not_silence_the_unit(house: WebHouse) -> None:
    ahead = (house.clock.now() + timedelta(days=1)).isoformat()
    async with house.client("li") as client:
        answer = await client.post(FIX, json={"lon": 120.25, "lat": 30.25, "fix_at": ahead})
        assert answer.json()["fix_at"] < ahead


async def test_a_position_that_cannot_be_is_refused(house: WebHouse) -> None:
    now = house.clock.now().isoformat()
    async with house.client("li") as client:
        for wrong in (
            {"lon": 500, "lat": 0, "fix_at": now},
            {"lon": 0, "lat": 0},
            {"lon": 0, "lat": 0, "fix_at": "noon"},
        ):
            assert (await client.post(FIX, json=wrong)).status_code == 422


async def test_a_unit_of_another_jurisdiction_is_not_there(house: WebHouse) -> None:
    async with house.client("south") as client:
        now = house.clock.now().isoformat()
        assert (await client.post(FIX, json={"lon": 120.2, "lat": 30.2, "fix_at": now})).status_code == 404
