"""Downloads over the API: asked for and taken under a view, cancelled, interrupted, expired; the audit knows each."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.house import PEOPLE, WEST_GATE
from tests.web.conftest import WebHouse
from tests.web.test_recordings import API, _view, at
from tocsin.base.errors import TocsinError
from tocsin.domain.audit import AuditRecord


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


async def _records(house: WebHouse) -> list[AuditRecord]:
    return [
        one for one in await house.store.read(lambda tx: list(tx.audit.all())) if one.action.startswith("download.")
    ]


async def _actions(house: WebHouse) -> list[str]:
    return [record.action for record in await _records(house)]


async def test_a_file_is_fetched_and_taken_under_a_view_that_covers_it(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    made = (await _start(house, view_id)).json()
    assert (made["state"], made["progress"], made["left_s"], made["told_bytes"]) == ("running", 0.5, 12.0, 1000)
    assert (made["format"], made["speed"]) == ("mp4", 4)
    house.fetcher.go.set()
    done = await _until(house, made["id"], "finished")
    assert done["sha256"] == hashlib.sha256(b"pictures").hexdigest()
    async with house.client("li") as client:
        taken = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
        assert (taken.content, taken.headers["content-type"]) == (b"pictures", "video/mp4")
        assert taken.headers["x-sha256"] == done["sha256"]
        assert re.search(
            r'filename="[a-z0-9-]+_2026\d{4}T\d{6}Z_2026\d{4}T\d{6}Z\.mp4"', taken.headers["content-disposition"]
        )
        assert [one["id"] for one in (await client.get(f"{API}/downloads")).json()["items"]] == [made["id"]]
    async with house.client("wang") as client:
        assert (await client.get(f"{API}/downloads/{made['id']}")).status_code == 404
    assert await _actions(house) == ["download.started", "download.finished", "download.taken", "download.handed_over"]
    [given] = [one for one in await _records(house) if one.action == "download.taken"]
    assert json.loads(given.detail)["sha256"] == done["sha256"]


async def test_a_file_is_given_out_once_and_only_under_a_view(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    house.fetcher.go.set()
    made = (await _start(house, view_id)).json()
    await _until(house, made["id"], "finished")
    async with house.client("li") as client:
        await client.delete(f"{API}/views/{view_id}")
        refused = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
        assert (refused.status_code, refused.json()["rule"]) == (403, "no_view")
        view_id = (await _view(house)).json()["id"]
        assert (await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")).status_code == 200
        again = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
        assert (again.status_code, again.json()["detail"]) == (409, "It was taken already")
        assert (await client.get(f"{API}/downloads/{made['id']}")).json()["state"] == "handed_over"
    assert not house.services.downloads.path(made["id"]).exists()


async def test_a_transfer_that_breaks_off_may_be_begun_again(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    house.fetcher.go.set()
    made = (await _start(house, view_id)).json()
    await _until(house, made["id"], "finished")
    downloads, li = house.services.downloads, PEOPLE.li
    _, content = await downloads.take(made["id"], view_id, actor=li)
    assert await anext(content) == b"pictures"
    assert downloads.is_being_given(made["id"])
    with pytest.raises(TocsinError) as caught:
        await downloads.take(made["id"], view_id, actor=li)
    assert caught.value.key == "download.being_taken"
    await content.aclose()
    assert not downloads.is_being_given(made["id"])
    _, content = await downloads.take(made["id"], view_id, actor=li)
    assert [chunk async for chunk in content] == [b"pictures"]
    assert (await downloads.one(made["id"], actor=li)).state == "handed_over"


async def test_speed_and_format_are_the_cameras_and_one_download_runs_a_camera(house: WebHouse) -> None:
    view_id = (await _view(house)).json()["id"]
    async with house.client("li") as client:
        choices = (await client.get(f"{API}/cameras/{WEST_GATE}/download-choices")).json()
    assert (choices["speeds"], choices["formats"], choices["running"]) == ([1, 2, 4], ["mp4", "bare"], 0)
    assert (await _start(house, view_id, speed=8)).json()["errors"][0]["field"] == "speed"
    assert (await _start(house, view_id, format="avi")).status_code == 422
    made = (await _start(house, view_id, speed=2, format="bare")).json()
    busy = await _start(house, view_id)
    assert (busy.status_code, busy.json()["detail"]) == (409, "This camera is sending one")
    house.fetcher.go.set()
    done = await _until(house, made["id"], "finished")
    assert (done["speed"], done["format"], done["codec"]) == (2, "bare", "h265")
    assert [(one.speed, one.format) for one in house.fetcher.asked] == [(2, "bare")]
    async with house.client("li") as client:
        taken = await client.get(f"{API}/views/{view_id}/downloads/{made['id']}/file")
    assert taken.headers["content-type"] == "application/octet-stream"
    assert taken.headers["content-disposition"].endswith('.h265"')


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
    await house.services.downloads.stop()
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
