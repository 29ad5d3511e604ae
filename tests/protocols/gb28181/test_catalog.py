"""Catalogue rules, one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.gb28181.catalog import (
    CatalogAssembler,
    CatalogItem,
    CatalogPage,
    CatalogSet,
    ItemEvent,
    item_fields,
    items_of,
    place,
)
from tocsin.protocols.gb28181.ids import make_id
from tocsin.protocols.gb28181.manscdp import Document, catalog_response, parse_document

PEER = "34020000001180000001"
OWN = "34020000002000000001"
STANDARD = """<?xml version="1.0" encoding="GB2312"?>
<Response><CmdType>Catalog</CmdType><SN>4711</SN><DeviceID>34020000001180000001</DeviceID><SumNum>2</SumNum>
<DeviceList Num="1"><Item><DeviceID>34020000001310000001</DeviceID><Name>东门街口</Name>
<Manufacturer>Example</Manufacturer><Model>X1</Model><Owner>Town</Owner><CivilCode>340200</CivilCode>
<Address>East Gate</Address><Parental>0</Parental><ParentID>34020000001180000001</ParentID><SafetyWay>0</SafetyWay>
<RegisterWay>1</RegisterWay><Secrecy>0</Secrecy><Status>ON</Status><Longitude>118.376451</Longitude>
<Latitude>31.326319</Latitude><Info><PTZType>1</PTZType><StreamNumberList>0/1</StreamNumberList></Info></Item>
</DeviceList></Response>""".encode("gb18030")


def cameras(count: int, start: int = 1) -> list[CatalogItem]:
    return [
        CatalogItem(make_id("3402000000", 132, number), name=f"镜头{number}", is_online=True)
        for number in range(start, start + count)
    ]


def page(items: list[CatalogItem], total: int, sn: int | None = 7) -> Document:
    found = parse_document(catalog_response(sn, PEER, total, [item_fields(item) for item in items]))
    assert isinstance(found, Document)
    return found


def read(xml: str) -> Document:
    found = parse_document(xml.encode("gb18030"))
    assert isinstance(found, Document)
    return found


def asked(sn: int = 7, at: float = 0.0) -> CatalogAssembler:
    assembler = CatalogAssembler()
    assembler.ask(PEER, sn, at)
    return assembler


def test_the_page_of_the_standard():
    document = parse_document(STANDARD)
    assert isinstance(document, Document)
    [item], skipped = items_of(document)
    assert skipped == 0
    assert item.name == "东门街口"
    assert (item.lon, item.lat, item.ptz_type, item.stream_numbers) == (118.376451, 31.326319, 1, (0, 1))
    assert (item.is_online, item.is_parent, item.parent_id) == (True, False, PEER)


def test_one_page_with_everything_is_complete():
    found = asked().receive(PEER, page(cameras(3), 3), 1.0)
    assert isinstance(found, CatalogSet)
    assert (found.is_complete, len(found.items), found.expected, found.pages) == (True, 3, 3, 1)


def test_300_pages_in_a_row():
    assembler = asked()
    found = [assembler.receive(PEER, page([item], 300), 0.1) for item in cameras(300)]
    assert all(isinstance(item, CatalogPage) for item in found[:-1])
    assert isinstance(found[-1], CatalogSet)
    assert found[-1].is_complete
    assert assembler.timer() is None


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(8)))
def test_pages_in_any_order_make_the_same_set(order):
    assembler, rows = asked(), cameras(8)
    results = [assembler.receive(PEER, page([rows[number]], 8), 0.1) for number in order]
    assert isinstance(results[-1], CatalogSet)
    assert {item.gb_id for item in results[-1].items} == {item.gb_id for item in rows}
    assert results[-1].is_complete


def test_a_duplicate_counts_once_and_the_last_wins():
    assembler, rows = asked(), cameras(2)
    changed = CatalogItem(rows[0].gb_id, name="新名")
    assert isinstance(assembler.receive(PEER, page([rows[0]], 2), 0.1), CatalogPage)
    assert isinstance(assembler.receive(PEER, page([changed], 2), 0.2), CatalogPage)
    done = assembler.receive(PEER, page([rows[1]], 2), 0.3)
    assert isinstance(done, CatalogSet)
    assert [item.name for item in done.items] == ["新名", "镜头2"]


def test_a_missing_page_ends_10_seconds_after_the_last_as_incomplete():
    assembler = asked()
    assembler.receive(PEER, page(cameras(2), 5), 3.0)
    assert assembler.handle_timer(12.9) == []
    [found] = assembler.handle_timer(13.0)
    assert (found.is_complete, found.received, found.expected) == (False, 2, 5)


def test_a_second_answer_is_made_whole_by_what_the_first_brought_when_both_name_the_same_total():
    assembler = asked(7)
    all_ = cameras(6)
    assembler.receive(PEER, page(all_[:4], 6), 1.0)
    (first,) = assembler.handle_timer(11.0)
    assert (first.received, first.is_complete) == (4, False)
    assembler.ask(PEER, 8, 12.0, first)
    assert isinstance(assembler.receive(PEER, page([all_[0]], 6, 8), 13.0), CatalogPage)
    second = assembler.receive(PEER, page(all_[4:], 6, 8), 14.0)
    assert isinstance(second, CatalogSet)
    assert (second.is_complete, {item.gb_id for item in second.items}) == (True, {item.gb_id for item in all_})


def test_an_answer_with_another_total_is_not_made_whole_by_an_earlier_one():
    assembler = asked(7)
    all_ = cameras(6)
    assembler.receive(PEER, page(all_[:4], 6), 1.0)
    (first,) = assembler.handle_timer(11.0)
    assembler.ask(PEER, 8, 12.0, first)
    assert isinstance(assembler.receive(PEER, page(all_[4:], 5, 8), 13.0), CatalogPage)
    (second,) = assembler.handle_timer(30.0)
    assert (second.received, second.is_complete) == (2, False)


def test_no_page_at_all_ends_after_30_seconds():
    assembler = asked()
    assert assembler.timer() == 30.0
    [found] = assembler.handle_timer(30.0)
    assert (found.pages, found.is_complete, found.items) == (0, False, ())


def test_the_rest_of_an_answer_that_is_whole_says_nothing_new():
    assembler = CatalogAssembler()
    assembler.ask(PEER, 7, 0.0)
    first = assembler.receive(PEER, page(cameras(2), 3, sn=7), 0.1)
    assert isinstance(first, CatalogPage)
    late = assembler.handle_timer(60.0)
    assembler.ask(PEER, 8, 60.0, late[0])
    missing = assembler.receive(PEER, page(cameras(3)[2:], 3, sn=8), 60.1)
    assert isinstance(missing, CatalogSet)
    assert missing.is_complete, "with what the first answer brought"
    rest = assembler.receive(PEER, page(cameras(2), 3, sn=8), 61.0)
    assert isinstance(rest, CatalogPage)
    again = assembler.receive(PEER, page(cameras(2), 3, sn=8), 300.0)
    assert isinstance(again, CatalogSet)
    assert not again.is_solicited


def test_an_unsolicited_item_never_deletes():
    found = CatalogAssembler().receive(PEER, page(cameras(1), 1, sn=99), 0.0)
    assert isinstance(found, CatalogSet)
    assert (found.is_complete, found.is_solicited) == (False, False)


def test_an_answer_with_another_number_does_not_touch_the_open_question():
    assembler = asked(7)
    assert not assembler.receive(PEER, page(cameras(1), 1, sn=8), 0.1).is_solicited
    assert assembler.is_asking(PEER)


def test_an_answer_of_another_peer_is_unsolicited():
    found = asked().receive("34020000001180000002", page(cameras(1), 1), 0.1)
    assert isinstance(found, CatalogSet)
    assert not found.is_solicited


def test_a_missing_number_matches_the_only_open_question():
    found = asked().receive(PEER, page(cameras(1), 1, sn=None), 0.1)
    assert isinstance(found, CatalogSet)
    assert found.is_complete
    both = asked()
    both.ask(PEER, 8, 0.0)
    assert not both.receive(PEER, page(cameras(1), 1, sn=None), 0.1).is_solicited


def test_a_total_that_changes_counts_at_its_largest():
    assembler, rows = asked(), cameras(4)
    assembler.receive(PEER, page(rows[:1], 4), 0.1)
    assert isinstance(assembler.receive(PEER, page(rows[1:2], 2), 0.2), CatalogPage)
    done = assembler.receive(PEER, page(rows[2:], 4), 0.3)
    assert isinstance(done, CatalogSet)
    assert done.is_complete


def test_a_total_smaller_than_one_page_cannot_end_the_set():
    assembler = asked()
    assert isinstance(assembler.receive(PEER, page(cameras(3), 1), 0.1), CatalogPage)
    [found] = assembler.handle_timer(10.1)
    assert not found.is_complete


def test_a_missing_total_is_never_complete():
    document = read(f"<Response><CmdType>Catalog</CmdType><SN>7</SN><DeviceID>{PEER}</DeviceID></Response>")
    assert isinstance(asked().receive(PEER, document, 0.1), CatalogPage)


def test_an_empty_catalogue_is_complete():
    found = asked().receive(PEER, page([], 0), 0.1)
    assert isinstance(found, CatalogSet)
    assert (found.is_complete, found.items) == (True, ())


def test_items_without_an_id_count_but_forbid_deletion():
    items = "<Item><DeviceID>34020000001320000001</DeviceID></Item><Item><Name>x</Name></Item>"
    head = "<CmdType>Catalog</CmdType><SN>7</SN><SumNum>2</SumNum>"
    xml = f"<Response>{head}<DeviceList Num='2'>{items}</DeviceList></Response>"
    found = asked().receive(PEER, read(xml), 0.1)
    assert isinstance(found, CatalogSet)
    assert (found.received, found.skipped, found.is_complete) == (2, 1, False)


def item(inner: str) -> CatalogItem:
    xml = f"<Response><DeviceList><Item><DeviceID>34020000001320000001</DeviceID>{inner}</Item></DeviceList></Response>"
    [found], _ = items_of(read(xml))
    return found


def test_status_words_of_the_field():
    assert [item(f"<Status>{word}</Status>").is_online for word in ("ON", "OK", "ONLINE", "On")] == [True] * 4
    assert [item(f"<Status>{word}</Status>").is_online for word in ("OFF", "OFFLINE", "VLOST")] == [False] * 3
    assert item("<Status/>").is_online is None
    assert item("").is_online is None


def test_parental_65535_is_one():
    assert item("<Parental>65535</Parental>").is_parent
    assert not item("<Parental>0</Parental>").is_parent


def test_coordinates_are_checked():
    def at(lon: str, lat: str) -> CatalogItem:
        return item(f"<Longitude>{lon}</Longitude><Latitude>{lat}</Latitude>")

    assert (at("118.37", "31.32").lon, at("118.37", "31.32").lat) == (118.37, 31.32)
    assert at("0", "0").lon is None
    assert at("500", "31").lon is None
    assert at("", "31").lon is None
    swapped = at("31.32", "118.37")
    assert (swapped.lon, swapped.lat, swapped.coordinates_swapped) == (118.37, 31.32, True)


def test_older_editions_put_fields_elsewhere():
    assert item("<PTZType>3</PTZType>").ptz_type == 3
    assert item("<Info><BusinessGroupID>34020000002150000001</BusinessGroupID></Info>").business_group_id != ""
    assert item("<info><ptztype>4</ptztype></info>").ptz_type == 4


def test_events_of_a_notification():
    assert item("<Event>DEL</Event>").event is ItemEvent.DEL
    assert item("<Event>off</Event>").event is ItemEvent.OFF
    assert item("").event is ItemEvent.UPDATE


def test_a_flood_of_questions_is_bounded():
    assembler = CatalogAssembler()
    for sn in range(100):
        assembler.ask(PEER, sn, 0.0)
    assert len(assembler.handle_timer(99.0)) == 4


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 12), st.sampled_from([7, 8, None])), max_size=12))
def test_only_as_many_distinct_ids_as_announced_make_a_set_complete(pages):
    assembler = asked()
    for number, total, sn in pages:
        found = assembler.receive(PEER, page(cameras(1, start=number + 1), total, sn=sn), 0.1)
        if isinstance(found, CatalogSet) and found.is_complete:
            assert found.is_solicited
            assert found.expected is not None
            assert len(found.items) >= found.expected


GROUP = "34020000002150000001"
SCHOOL = "34020000002160000001"
RECORDER = "34020000001180000009"
CAMERA = "34020000001320000001"


def test_a_virtual_organisation_wins_over_group_and_recorder():
    rows = [
        CatalogItem(GROUP),
        CatalogItem(SCHOOL, business_group_id=GROUP),
        CatalogItem(RECORDER),
        CatalogItem(CAMERA, parent_id=f"{RECORDER}/{SCHOOL}"),
    ]
    assert place(rows, PEER, OWN) == {GROUP: "", SCHOOL: GROUP, RECORDER: "", CAMERA: SCHOOL}


def test_the_server_or_the_device_itself_as_parent_means_the_root():
    for parent in (OWN, PEER, CAMERA):
        assert place([CatalogItem(CAMERA, parent_id=parent, civil_code="34")], PEER, OWN) == {CAMERA: ""}


def test_without_a_known_parent_the_division_is_the_place():
    rows = [CatalogItem("34"), CatalogItem("3402"), CatalogItem(CAMERA, parent_id="nobody", civil_code="340200")]
    assert place(rows, PEER, OWN) == {"34": "", "3402": "34", CAMERA: "3402"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_cycles_are_cut(links):
    rows = [CatalogItem(f"id{child}", parent_id=f"id{parent}") for child, parent in links]
    parents = place(rows, PEER, OWN)
    for start in parents:
        at, steps = start, 0
        while parents[at]:
            at, steps = parents[at], steps + 1
            assert steps <= len(parents)
