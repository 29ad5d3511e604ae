"""Imports through HTTP: checked, shown with what is wrong, entered, halted, recorded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.web.conftest import WebHouse
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import read_sheet, write_csv, write_xlsx
from tocsin.domain import import_entry
from tocsin.domain.import_service import MAX_UPLOAD_BYTES, MOST_KEPT

API = "/api/v1/imports"
HEAD = ("jurisdiction", "name", "lon", "lat")


async def _code(house: WebHouse, jurisdiction_id: str = "j-north") -> str:
    async with house.client("admin") as client:
        items = (await client.get("/api/v1/jurisdictions")).json()["items"]
    return next(str(one["code"]) for one in items if one["id"] == jurisdiction_id)


async def _check(client: httpx.AsyncClient, raw: bytes, **params: str) -> dict[str, Any]:
    done = await client.post(API, content=raw, params={"file": "new.csv", **params})
    assert done.status_code == 200, done.text
    made: dict[str, Any] = done.json()
    return made


async def _actions(house: WebHouse) -> list[str]:
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    return [record.action for record in records]


async def test_a_file_is_checked_then_entered_and_the_same_file_does_nothing(house: WebHouse) -> None:
    code = await _code(house)
    raw = write_xlsx([HEAD, (code, "水厂", "118.2", "30.9"), (code, "市场", "", "")])
    async with house.client("admin") as client:
        checked = await _check(client, raw)
        assert (checked["kind"], checked["state"], checked["file"]) == ("place", "checked", "new.csv")
        assert checked["counts"] == {"create": 2, "change": 0, "same": 0, "wrong": 0}
        assert [one["name"] for one in checked["sample"]] == ["水厂", "市场"]
        assert (await client.get("/api/v1/search", params={"q": "shuichang"})).json()["items"] == []

        begun = await client.post(f"{API}/{checked['id']}/apply", json={})
        assert (begun.status_code, begun.json()["state"]) == (200, "applying")
        assert house.services.imports is not None
        await house.services.imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
        assert (ended["state"], ended["done"], ended["total"]) == ("done", 2, 2)
        assert len((await client.get("/api/v1/search", params={"q": "shuichang"})).json()["items"]) == 1
        assert (await client.post(f"{API}/{checked['id']}/apply", json={})).status_code == 409
        again = await _check(client, raw)
        assert again["counts"] == {"create": 0, "change": 0, "same": 2, "wrong": 0}
    actions = await _actions(house)
    assert (actions.count("import.begun"), actions.count("import.ended"), actions.count("place.added")) == (1, 1, 2)


async def test_wrong_lines_say_where_and_what_to_do_and_keep_the_others_out_until_left_out(house: WebHouse) -> None:
    code = await _code(house)
    raw = write_csv([HEAD, (code, "水厂", "12x", "30.9"), (code, "市场", "", ""), ("9", "桥", "", "")])
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client:
        checked = await _check(client, raw)
        first, second = checked["errors"]
        assert (first["line"], first["column"], first["value"]) == (2, "lon", "12x")
        assert first["cure"] == "“12x”不是数字，请写成 118.25 的形式。"
        assert (second["line"], second["column"]) == (4, "jurisdiction")
        assert code in second["cure"]
        page = (await client.get(f"{API}/{checked['id']}", params={"limit": 1})).json()
        assert (len(page["errors"]), page["next"]) == (1, "1")
        rest = (await client.get(f"{API}/{checked['id']}", params={"limit": 1, "after": "1"})).json()
        assert (rest["errors"][0]["line"], rest["next"]) == (4, None)

        for form in ("csv", "xlsx"):
            file = await client.get(f"{API}/{checked['id']}/errors.{form}")
            sheet = read_sheet(file.content)
            assert sheet.header == ("行", "列", "填写内容", "处理办法")
            assert [cells[0] for _, cells in sheet.rows] == ["2", "4"]
        refused = await client.post(f"{API}/{checked['id']}/apply", json={})
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "有 2 行有误。请修改文件，或选择跳过这些行。",
        )
        done = await client.post(f"{API}/{checked['id']}/apply", json={"skip_wrong": True})
        assert done.status_code == 200
        assert house.services.imports is not None
        await house.services.imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
        assert (ended["counts"]["create"], ended["counts"]["wrong"]) == (1, 2)


async def test_an_import_is_halted_between_groups_and_what_was_entered_stays(
    house: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await _code(house)
    raw = write_csv([HEAD, *((code, f"站点 {number}", "", "") for number in range(5))])
    monkeypatch.setattr(import_entry, "AT_ONCE", 2)
    imports = house.services.imports
    assert imports is not None
    async with house.client("admin") as client:
        checked = await _check(client, raw)
        found = imports._kept[checked["id"]]

        def note(done: int, total: int) -> None:
            found.done, found.total = done, total
            found.is_cancelled = done >= 2

        monkeypatch.setattr(type(found), "note", lambda _self, done, total: note(done, total))
        assert (await client.post(f"{API}/{checked['id']}/apply", json={})).status_code == 200
        await imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
        assert (ended["state"], ended["done"], ended["total"], ended["counts"]["create"]) == ("cancelled", 2, 5, 2)
        again = await _check(client, raw)
        assert (again["counts"]["create"], again["counts"]["same"]) == (3, 2)


async def test_cancel_is_heard_while_lines_are_entered(house: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await _code(house)
    raw = write_csv([HEAD, *((code, f"站点 {number}", "", "") for number in range(4))])
    monkeypatch.setattr(import_entry, "AT_ONCE", 1)
    imports = house.services.imports
    assert imports is not None
    async with house.client("admin") as client:
        checked = await _check(client, raw)
        await client.post(f"{API}/{checked['id']}/apply", json={})
        halted = await client.post(f"{API}/{checked['id']}/cancel")
        assert halted.status_code == 200
        await imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
        assert ended["state"] == "cancelled"
        assert ended["counts"]["create"] == ended["done"] < 4


async def test_a_line_refused_while_entering_is_listed_and_the_others_are_entered(house: WebHouse) -> None:
    code = await _code(house)
    async with house.client("admin") as client:
        made = await client.post("/api/v1/places", json={"jurisdiction_id": "j-north", "name": "水厂"})
        checked = await _check(client, write_csv([HEAD, (code, "水厂", "118", "30"), (code, "市场", "", "")]))
        path = f"/api/v1/places/{made.json()['id']}"
        await client.patch(path, json={"version": made.json()["version"], "notes": "changed meanwhile"})
        await client.post(f"{API}/{checked['id']}/apply", json={})
        assert house.services.imports is not None
        await house.services.imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
        assert (ended["state"], ended["counts"]["refused"], ended["counts"]["create"]) == ("done", 1, 1)
        assert (ended["errors"][0]["line"], "changed in the meantime" in ended["errors"][0]["cure"]) == (2, True)


async def test_an_import_is_its_bringers_alone_expires_and_few_are_kept(house: WebHouse) -> None:
    raw = write_csv([HEAD, (await _code(house), "水厂", "", "")])
    async with house.client("admin") as client, house.client("installer") as other:
        checked = await _check(client, raw)
        assert (await other.get(f"{API}/{checked['id']}")).status_code in (403, 404)
        for _ in range(MOST_KEPT):
            last = await _check(client, raw)
        assert (await client.get(f"{API}/{checked['id']}")).status_code == 404
        house.clock.advance(timedelta(hours=1).total_seconds())
        gone = await client.get(f"{API}/{last['id']}")
        assert (gone.status_code, "Choose the file again" in gone.json()["detail"]) == (404, True)


async def test_what_is_no_table_or_too_large_is_refused_with_a_reason(house: WebHouse) -> None:
    async with house.client("admin") as client:
        wrong = await client.post(API, content=b"\xd0\xcf\x11\xe0old")
        assert (wrong.status_code, ".xlsx" in wrong.json()["detail"]) == (422, True)
        unknown = await client.post(API, content="name,colour\n市场,red\n".encode())
        assert "colour" in unknown.json()["detail"]
        large = await client.post(API, content=bytes(MAX_UPLOAD_BYTES + 1))
        assert (large.status_code, large.json()["params"]["limit_bytes"]) == (413, MAX_UPLOAD_BYTES)
        elsewhere = await client.post("/api/v1/places", content=bytes(2 * 1024 * 1024))
        assert (elsewhere.status_code, elsewhere.json()["params"]["limit_bytes"]) == (413, 1024 * 1024)


async def test_a_server_that_ends_leaves_a_record_of_what_was_entered(house: WebHouse) -> None:
    raw = write_csv([HEAD, (await _code(house), "水厂", "", "")])
    imports = house.services.imports
    assert imports is not None
    async with house.client("admin") as client:
        checked = await _check(client, raw)
        await client.post(f"{API}/{checked['id']}/apply", json={})
        await asyncio.sleep(0)
        await imports.stop()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
    assert ended["state"] in ("stopped", "done")
    assert "import.ended" in await _actions(house)


async def test_keys_and_passwords_are_not_shown_again(house: WebHouse) -> None:
    raw = write_csv([("jurisdiction", "name", "account", "key_hex"), (await _code(house), "主机", "0012", "S3CRET")])
    async with house.client("admin") as client:
        done = await client.post(API, content=raw)
        assert done.json()["errors"][0]["column"] == "key_hex"
        assert "S3CRET" not in done.text


async def test_templates_have_the_columns_of_their_kind_in_the_callers_language(house: WebHouse) -> None:
    async with house.client("admin") as client:
        english = await client.get(f"{API}/template/camera.csv")
        chinese = await client.get(f"{API}/template/zone.xlsx", params={"lang": "zh-CN"})
        assert read_sheet(english.content).header[0] == "camera"
        assert "防区号" in read_sheet(chinese.content).header
        assert (await client.get(f"{API}/template/other.csv")).status_code == 422


async def test_entering_ends_when_nothing_can_be_stored(house: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_csv([HEAD, (await _code(house), "水厂", "", "")])

    def fails(*_args: Any, **_more: Any) -> None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full", key="store.failing")

    monkeypatch.setattr(import_entry, "_enter_new", fails)
    async with house.client("admin") as client:
        checked = await _check(client, raw)
        await client.post(f"{API}/{checked['id']}/apply", json={})
        assert house.services.imports is not None
        await house.services.imports.finished()
        ended = (await client.get(f"{API}/{checked['id']}")).json()
    assert (ended["state"], ended["reason"]) == ("failed", "store.failing")


async def test_an_import_is_listed_looked_at_and_taken_back_with_reasons_in_the_callers_language(
    house: WebHouse,
) -> None:
    code = await _code(house)
    undo = house.services.import_undo
    assert undo is not None
    assert house.services.imports is not None
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client, house.client("li") as other:
        checked = await _check(client, write_csv([HEAD, (code, "水厂", "", ""), (code, "市场", "", "")]))
        await client.post(f"{API}/{checked['id']}/apply", json={})
        await house.services.imports.finished()
        [listed] = (await client.get(API)).json()["items"]
        assert (listed["id"], listed["lines"], listed["taken_back"]) == (checked["id"], 2, 0)
        assert (await other.get(API)).status_code == 403
        assert (await other.post(f"{API}/{checked['id']}/undo")).status_code == 403
        [place] = (await client.get("/api/v1/places", params={"q": "水厂"})).json()["items"]
        await client.patch(f"/api/v1/places/{place['id']}", json={"version": place["version"], "notes": "x"})
        looked = (await client.get(f"{API}/{checked['id']}/undo")).json()
        assert (looked["state"], looked["free"], looked["left_count"]) == ("ready", 1, 1)
        assert looked["left"][0]["why"] == "导入后已被修改，请在其页面中处理。"
        assert (await client.post(f"{API}/{checked['id']}/undo")).json()["state"] == "running"
        await undo.finished()
        done = (await client.get(f"{API}/{checked['id']}/undo")).json()
        assert (done["state"], done["free"], [one["name"] for one in done["left"]]) == ("done", 1, ["水厂"])
        names = [one["name"] for one in (await client.get("/api/v1/places")).json()["items"]]
        assert "水厂" in names
        assert "市场" not in names
        gone = await client.post(f"{API}/no-such/undo")
        assert (gone.status_code, "已不能撤回" in gone.json()["detail"]) == (404, True)
