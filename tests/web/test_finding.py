"""Search, points and counts through HTTP."""

from __future__ import annotations

import httpx

from tests.web.conftest import WebHouse

API = "/api/v1"


async def test_search_finds_by_pinyin_and_names_the_kind(house: WebHouse) -> None:
    async with house.client("admin") as client:
        made = await client.post(f"{API}/places", json={"jurisdiction_id": "j-north", "name": "水厂"})
        found = (await client.get(f"{API}/search", params={"q": "shuichang"})).json()["items"]
        assert [(one["kind"], one["id"]) for one in found] == [("place", made.json()["id"])]
        wrong = await client.get(f"{API}/search", params={"q": "x", "kinds": "people"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


async def test_points_are_not_sent_again_while_they_are_the_same(house: WebHouse) -> None:
    async with house.client("admin") as client:
        [camera] = (await client.get(f"{API}/cameras", params={"stage": "discovered"})).json()["items"]
        await _move(client, camera["id"], 120.5)
        first = await client.get(f"{API}/camera-points")
        again = await client.get(f"{API}/camera-points", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        assert (first.json()["id"], first.json()["lon"]) == ([camera["id"]], [120.5])
        await _move(client, camera["id"], 121.0)
        moved = await client.get(f"{API}/camera-points", headers={"If-None-Match": first.headers["etag"]})
        assert (moved.status_code, moved.json()["lon"]) == (200, [121.0])


async def _move(client: httpx.AsyncClient, camera_id: str, lon: float) -> None:
    version = (await client.get(f"{API}/cameras/{camera_id}")).json()["version"]
    done = await client.patch(f"{API}/cameras/{camera_id}", json={"version": version, "lon": lon, "lat": 30})
    assert done.status_code == 200, done.text


async def test_counts_add_up_to_the_cameras_one_may_see(house: WebHouse) -> None:
    async with house.client("admin") as client:
        counts = (await client.get(f"{API}/camera-counts")).json()["items"]
        cameras = (await client.get(f"{API}/cameras")).json()["items"]
        assert sum(one["total"] for one in counts) == len(cameras)
