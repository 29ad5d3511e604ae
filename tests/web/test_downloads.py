"""Downloads over the API: asked for and taken under a view, cancelled, interrupted, expired; the audit knows each."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

from tests.support.house import WEST_GATE
from tests.web.conftest import WebHouse
from tests.web.test_recordings import API, _view, at


async def _start(house: WebHouse, view_id: str, who: str = "li", **body: Any) -> Any:
    given = {"channel": WEST_GATE, "starts_at": at(1), "ends_at": at(2), **body}
    async with house.client(who) as client:
        return await client.post(f"{API}/views/{view_id}/downloads", json=given)


async def _until(house: WebHouse, download_id: str, state: str) -> dict[str, Any]:
    async with house.client("li") as client, asyncio.timeout(3):
        while True:
            found: dict[str, Any] = (await client.get(f"{API}/downloads/{download_id}")).json()
            if found["state"] == state:
                return found


async def _actions(house: WebHouse) -> list[str]:
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    return [record.action for record in records if record.action.startswith("download.")]


async def test_a_file_is_fetched_and_taken_under_a_view_that_covers_it(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    made = (await _start(house, view_id)).json()
    assert (made["state"], made["progress"]) == ("running", 0.5)
    house.fetcher.go.set()
    done = await _until(house, made["id"], "finished")
    assert done["sha256"] == hashlib.sha256(b"pictures").hexdigest()
    async with house.client("li") as client:
        taken = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
        assert (taken.content, taken.headers["content-type"]) == (b"pictures", "video/mp4")
        assert [one["id"] for one in (await client.get(f"{API}/downloads")).json()["items"]] == [made["id"]]
        await client.delete(f"{API}/views/{view_id}")
        refused = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
        assert (refused.status_code, refused.json()["rule"]) == (403, "no_view")
    async with house.client("wang") as client:
        assert (await client.get(f"{API}/downloads/{made['id']}")).status_code == 404
    assert await _actions(house) == ["download.started", "download.finished", "download.taken", "download.taken"]


async def test_nothing_is_fetched_without_a_view_over_its_period_or_on_a_full_disk(house: WebHouse) -> None:
    live_id = (await _view(house, recordings=None)).json()["id"]
    assert (await _start(house, live_id)).status_code == 403
    view_id = (await _view(house)).json()["id"]
    assert (await _start(house, view_id, ends_at=at(9))).status_code == 422
    house.fetcher.is_full = True
    full = await _start(house, view_id)
    assert (full.status_code, full.json()["code"]) == (503, "unavailable")


async def test_a_running_download_is_cancelled_and_a_finished_one_deleted(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    first = (await _start(house, view_id)).json()["id"]
    async with house.client("li") as client:
        assert (await client.delete(f"{API}/downloads/{first}")).json()["state"] == "cancelled"
    house.fetcher.go.set()
    second = (await _start(house, view_id)).json()["id"]
    await _until(house, second, "finished")
    async with house.client("li") as client:
        assert (await client.delete(f"{API}/downloads/{second}")).json()["state"] == "deleted"
        gone = await client.get(f"{API}/views/{view_id}/downloads/{second}/file")
        assert gone.status_code == 409
    assert not house.services.downloads.path(second).exists()


async def test_what_a_restart_interrupts_is_marked_and_old_files_go_with_their_record(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    first = (await _start(house, view_id)).json()["id"]
    await house.services.downloads.start()
    assert (await _until(house, first, "failed"))["reason"] == "download.interrupted"
    house.fetcher.go.set()
    second = (await _start(house, view_id)).json()["id"]
    await _until(house, second, "finished")
    assert await house.services.downloads.expire() == 0
    house.clock.advance(timedelta(days=8).total_seconds())
    assert await house.services.downloads.expire() == 1
    assert not house.services.downloads.path(second).exists()
    assert (await _actions(house))[-1] == "download.deleted"
