"""Camera health through HTTP: one camera, the list of faults, the sums, in the caller's language and area."""

from __future__ import annotations

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse

API = "/api/v1"


async def test_a_check_that_finds_no_picture_says_why_in_words(house: WebHouse) -> None:
    async with house.client("installer", **{"Accept-Language": "en"}) as client:
        found = await client.post(f"{API}/cameras/{WEST_GATE}/check")
        assert found.status_code == 200, found.text
        (fault,) = [item for item in found.json()["faults"] if item["key"] == "picture.none"]
        assert fault["words"].startswith("It was asked for a picture and sent none: ")
        assert "play.no_media" not in fault["words"]
        chinese = await client.get(f"{API}/camera-faults?key=picture.&lang=zh-CN")
        assert "未收到" in chinese.json()["items"][0]["words"]


async def test_the_sums_hold_the_cameras_of_the_callers_area(house: WebHouse) -> None:
    async with house.client("li") as client:
        found = (await client.get(f"{API}/camera-health?by=jurisdiction&days=1")).json()["items"]
        assert sum(item["cameras"] for item in found) > 0
        assert all(item["online"] + item["offline"] == item["cameras"] for item in found)
        assert (await client.get(f"{API}/camera-health?by=colour")).status_code == 422
        assert (await client.get(f"{API}/cameras/nobody/health")).status_code == 404


async def test_who_keeps_no_registry_may_read_and_not_check(house: WebHouse) -> None:
    async with house.client("li") as client:
        assert (await client.get(f"{API}/cameras/{WEST_GATE}/health")).json()["state"] in ("online", "offline")
        assert (await client.post(f"{API}/cameras/{WEST_GATE}/check")).status_code == 403
