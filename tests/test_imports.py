"""Places, devices, zones and links from a file: all of it or none of it, and nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.base.sheets import read_sheet, write_xlsx
from tocsin.domain.acts import house_actor
from tocsin.domain.import_columns import KINDS
from tocsin.domain.place_service import PlaceService
from tocsin.folder import FolderLock, prepare_folder
from tocsin.imports import import_file, list_imports, read_rows, undo_import, write_template
from tocsin.settings import Settings, load_settings
from tocsin.stores import open_store
from tocsin.user_commands import UserDesk, at_the_desk

PLACES = (
    "jurisdiction,name,name_en,class,lon,lat\n"
    "3402,新华学校,Xinhua School,school,118.2,30.9\n"
    "3402,市场,Market,market,,\n"
)
DEVICES = (
    "jurisdiction,place,kind,name,account,gb_id,key_hex,password,poll_interval_s\n"
    "3402,新华学校,panel,学校主机,0012,,00112233445566778899AABBCCDDEEFF,,60\n"
    "3402,市场,camera,市场摄像机,,34020000001320000001,,secret,\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder with one jurisdiction."""
    made = load_settings(environ={}, overrides={"server.data": tmp_path / "data"})
    prepare_folder(made.data)
    at_the_desk(made, lambda desk: desk.add_jurisdiction("3402", "临江市"))
    return made


def written(folder: Path, text: str, charset: str = "utf-8") -> Path:
    path = folder / "in.csv"
    path.write_bytes(text.encode(charset))
    return path


async def names_of_places(settings: Settings) -> set[str]:
    async with open_store(settings) as store:
        page = await PlaceService(store, SystemClock()).places(house_actor())
        return {place.name for place in page.items}


def test_places_and_then_devices_are_entered(settings: Settings, tmp_path: Path) -> None:
    places = import_file(settings, written(tmp_path, PLACES))
    assert [row["outcome"] for row in places] == ["entered", "entered"]
    devices = import_file(settings, written(tmp_path, DEVICES))
    assert [row["name"] for row in devices] == ["学校主机", "市场摄像机"]
    for text in (PLACES, DEVICES):
        again = import_file(settings, written(tmp_path, text))
        assert [row["outcome"] for row in again] == ["unchanged", "unchanged"]
    renamed = import_file(settings, written(tmp_path, DEVICES.replace("学校主机", "学校新主机")))
    assert [row["outcome"] for row in renamed] == ["changed", "unchanged"]


def test_a_workbook_with_chinese_columns_is_read_like_csv(settings: Settings, tmp_path: Path) -> None:
    book = tmp_path / "in.xlsx"
    book.write_bytes(write_xlsx([("行政区划代码", "名称", "经度", "纬度"), ("3402", "水厂", "118.2", "30.9")]))
    assert [row["outcome"] for row in import_file(settings, book)] == ["entered"]
    assert [row["outcome"] for row in import_file(settings, book)] == ["unchanged"]


def test_zones_are_entered_and_a_link_names_what_is_missing(settings: Settings, tmp_path: Path) -> None:
    import_file(settings, written(tmp_path, PLACES))
    import_file(settings, written(tmp_path, DEVICES))
    zones = "account,zone,name,kind\n0012,004,西门红外,infrared\n"
    assert [row["outcome"] for row in import_file(settings, written(tmp_path, zones))] == ["entered"]
    assert [row["outcome"] for row in import_file(settings, written(tmp_path, zones))] == ["unchanged"]
    links = "account,zone,cameras\n0012,4,34020000001310000009\n0012,5,\n"
    with pytest.raises(TocsinError) as caught:
        import_file(settings, written(tmp_path, links))
    for word in ("line 2: no camera 34020000001310000009", "line 3: 学校主机 has no zone 5"):
        assert word in caught.value.detail


def test_two_lines_of_one_thing_and_all_wrong_lines_are_written_down(settings: Settings, tmp_path: Path) -> None:
    text = PLACES + "3402,市场,,market,,\n3402,North,,school,east,1\n"
    for suffix in ("csv", "xlsx"):
        errors = tmp_path / f"errors.{suffix}"
        with pytest.raises(TocsinError, match="errors"):
            import_file(settings, written(tmp_path, text), errors_to=errors)
        listed = read_sheet(errors.read_bytes()).rows
        assert [(cells[0], cells[1], cells[2]) for _, cells in listed] == [("4", "name", "市场"), ("5", "lon", "east")]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_template_is_read_as_its_kind_in_both_languages(tmp_path: Path, kind: str) -> None:
    for language in ("zh-CN", "en"):
        path = tmp_path / "template.xlsx"
        write_template(path, kind, language)
        assert read_rows(path) == (kind, [])


def test_a_check_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    for _ in range(2):
        rows = import_file(settings, written(tmp_path, PLACES), is_check=True)
        assert [row["outcome"] for row in rows] == ["to enter", "to enter"]


async def test_one_wrong_line_keeps_all_out(tmp_path: Path, settings: Settings) -> None:
    text = PLACES + "9999,Elsewhere,,school,,\n3402,,,school,,\n3402,South,,castle,,\n3402,North,,school,east,1\n"
    with pytest.raises(TocsinError) as caught:
        await asyncio.to_thread(import_file, settings, written(tmp_path, text))
    for word in ("line 4", "no jurisdiction 9999", "line 5", "line 6", "line 7", "lon is not a number"):
        assert word in caught.value.detail
    assert await names_of_places(settings) == set()


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_spreadsheets_save_in_several_charsets(tmp_path: Path, charset: str) -> None:
    kind, rows = read_rows(written(tmp_path, PLACES, charset))
    assert kind == "place"
    assert rows[0].values["name"] == "新华学校"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jurisdiction,name,colour\n", "unknown columns: colour"),
        ("jurisdiction,address\n", "no column name"),
        ("PK\x03\x04", "damaged"),
    ],
)
def test_another_kind_of_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TocsinError, match=words):
        read_rows(written(tmp_path, text))


def test_a_running_server_is_not_gone_behind(settings: Settings, tmp_path: Path) -> None:
    with FolderLock(settings.data), pytest.raises(TocsinError, match="already works"):
        import_file(settings, written(tmp_path, PLACES))


def test_users_are_entered_listed_disabled_and_given_tokens(settings: Settings) -> None:
    async def _work(desk: UserDesk) -> None:
        await desk.add("li.ming", "李明", ["administrator"], ["3402"], "long enough 1")
        await desk.add("wang.fang", "", ["operator"], ["3402"], "long enough 2")
        assert [row["username"] for row in await desk.rows()] == ["li.ming", "wang.fang"]
        assert await desk.make_token("wang.fang", "a test", 1.0)
        await desk.set_password("wang.fang", "long enough 3")
        await desk.disable("wang.fang")
        assert [row["state"] for row in await desk.rows()] == ["active", "disabled"]

    at_the_desk(settings, _work)


def test_a_user_nobody_knows_is_named(settings: Settings) -> None:
    with pytest.raises(TocsinError, match="no user nobody"):
        at_the_desk(settings, lambda desk: desk.disable("nobody"))


def test_a_jurisdiction_nobody_knows_is_named(settings: Settings) -> None:
    with pytest.raises(TocsinError, match="no jurisdiction 77; there are 3402"):
        at_the_desk(settings, lambda desk: desk.add("a.b", "A", ["operator"], ["77"], "long enough 1"))


def test_an_import_is_listed_and_taken_back_at_the_command_line(settings: Settings, tmp_path: Path) -> None:
    import_file(settings, written(tmp_path, PLACES))
    [listed] = list_imports(settings)
    assert (listed["file"], listed["lines"]) == ("in.csv", 2)
    import_id = str(listed["id"])
    assert undo_import(settings, import_id, is_check=True) == [{"taken_back": 2, "left": 0}]
    assert asyncio.run(names_of_places(settings)) == {"新华学校", "市场"}
    assert undo_import(settings, import_id) == [{"taken_back": 2, "left": 0}]
    assert asyncio.run(names_of_places(settings)) == set()
    with pytest.raises(TocsinError, match="no import"):
        undo_import(settings, "no-such")
