"""The cascade's own words: subtrees, notifications, the way a message came, when to register and to back off."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.gb28181.cascade import (
    Change,
    Registration,
    Standing,
    Step,
    Verb,
    catalog_notify,
    catalog_page,
    changes_between,
    expected_id,
    expects_response,
    has_valid_checksum,
    identity_of,
    is_loop,
    longer_route,
    pages,
    route_of,
    subtree,
    usable_ssrc,
    verb_of,
    with_ids,
)
from tocsin.protocols.gb28181.catalog import CatalogItem, ItemEvent, items_of, place
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import build_document, parse_document
from tocsin.protocols.sip.message import Headers, Response

OWN = "34022300002000000001"
GROUP, NODE, LEAF = "34022300002150000001", "34022300002160000001", "34022300002160000002"
CAMERA, OTHER = "34022300001320000001", "34022300001320000002"
ITEMS = (
    CatalogItem(OWN, "town", is_online=True, civil_code="340223"),
    CatalogItem("3402", "city", civil_code="3402"),
    CatalogItem("340223", "county", civil_code="340223"),
    CatalogItem(GROUP, "group", parent_id=OWN, civil_code="340223"),
    CatalogItem(NODE, "node", business_group_id=GROUP),
    CatalogItem(LEAF, "leaf", business_group_id=GROUP, parent_id=NODE),
    CatalogItem(CAMERA, "one", civil_code="340223", parent_id=f"{OWN}/{LEAF}", is_online=True),
    CatalogItem(OTHER, "two", civil_code="340223", parent_id=OWN, is_online=False),
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (OWN, {item.gb_id for item in ITEMS}),
        (GROUP, {GROUP, NODE, LEAF, CAMERA}),
        (NODE, {NODE, LEAF, CAMERA}),
        (LEAF, {LEAF, CAMERA}),
        (CAMERA, {CAMERA}),
        ("340223", {"340223", GROUP, NODE, LEAF, CAMERA, OTHER}),
    ],
)
def test_a_subtree_holds_the_asked_item_and_all_below(asked, expected):
    assert {item.gb_id for item in subtree(ITEMS, asked, OWN)} == expected


def test_an_unknown_id_has_no_subtree():
    assert subtree(ITEMS, "34022300001320009999", OWN) is None
    assert subtree(ITEMS, "99", OWN) is None


def test_what_we_export_is_placed_by_a_receiver_as_we_meant_it():
    page = parse_document(catalog_page(7, OWN, len(ITEMS), ITEMS, Label.GB18030))
    read, skipped = items_of(page)
    assert skipped == 0
    parents = place(read, OWN, "34020000002000000001")
    assert (parents[CAMERA], parents[LEAF], parents[NODE], parents["340223"]) == (LEAF, NODE, GROUP, "3402")


def test_an_empty_catalogue_is_one_page_without_a_list():
    assert pages((), 2) == [()]
    assert b"DeviceList" not in catalog_page(1, OWN, 0, ())
    assert [len(page) for page in pages(ITEMS, 3)] == [3, 3, 2]


def test_changes_name_states_shortly_and_new_ones_whole():
    after = (replace(ITEMS[6], is_online=False), replace(ITEMS[7], name="renamed"), CatalogItem("3403", "new"))
    found = changes_between(ITEMS[6:], after)
    assert [(change.event, change.item.gb_id) for change in found] == [
        (ItemEvent.ADD, "3403"),
        (ItemEvent.OFF, CAMERA),
        (ItemEvent.UPDATE, OTHER),
    ]
    body = catalog_notify(5, OWN, found, Label.GB18030)
    assert b"<SumNum>3</SumNum>" in body
    assert b'<DeviceList Num="3">' in body
    read, _ = items_of(parse_document(body))
    assert {item.gb_id: item.event for item in read}[CAMERA] is ItemEvent.OFF
    assert next(item for item in read if item.gb_id == CAMERA).name == ""
    assert Change(ItemEvent.DEL, ITEMS[6]).fields() == [("DeviceID", CAMERA), ("Event", "DEL")]


ids = st.sampled_from([item.gb_id for item in ITEMS])


@given(st.lists(st.tuples(ids, st.booleans()), max_size=8), st.lists(st.tuples(ids, st.booleans()), max_size=8))
def test_changes_lead_from_what_was_told_to_what_is(before, after):
    first = {gb_id: CatalogItem(gb_id, is_online=on) for gb_id, on in before}
    then = {gb_id: CatalogItem(gb_id, is_online=on) for gb_id, on in after}
    told = dict(first)
    for change in changes_between(tuple(first.values()), tuple(then.values())):
        if change.event is ItemEvent.DEL:
            del told[change.item.gb_id]
        else:
            told[change.item.gb_id] = change.item
    assert told == then


def test_an_alarm_keeps_everything_but_id_and_number():
    document = parse_document(
        build_document("Notify", "Alarm", 901, CAMERA, [("AlarmMethod", 5), ("Info", [("AlarmType", 2)])])
    )
    told = parse_document(with_ids(document, OTHER, 3, Label.GB2312))
    assert (told.device_id, told.sn, told.root.get("AlarmMethod")) == (OTHER, 3, "5")
    assert told.root.child("Info").get("AlarmType") == "2"


def control(*fields):
    return parse_document(build_document("Control", "DeviceControl", 1, CAMERA, fields))


@pytest.mark.parametrize(
    ("field", "verb", "answered"),
    [
        (("PTZCmd", "A50F0108004000FD"), Verb.PTZ, False),
        (("PTZCmd", "A50F01820005003C"), Verb.PRESETS, False),
        (("GuardCmd", "SetGuard"), Verb.GUARD, True),
        (("AlarmCmd", "ResetAlarm"), Verb.RESET, True),
        (("RecordCmd", "Record"), Verb.RECORD, True),
        (("TeleBoot", "Boot"), Verb.REBOOT, False),
        (("IFameCmd", "Send"), Verb.LIVE, False),
        (("FormatSDCard", "1"), None, False),
        (("DeviceUpgrade", "x"), None, True),
    ],
)
def test_each_order_needs_its_own_right(field, verb, answered):
    assert verb_of(control(field)) is verb
    assert expects_response(control(field)) is answered


def test_ptz_bytes_must_add_up():
    assert has_valid_checksum("A50F0108004000FD")
    for wrong in ("A50F0108004000FE", "A50F01", "", "zz0F0108004000FD", "FF0F0108004000FD"):
        assert not has_valid_checksum(wrong)


def test_a_stream_number_that_is_missing_or_zero_is_made():
    assert usable_ssrc(200000017, OWN, 1) == 200000017
    for missing in (None, 0):
        made = usable_ssrc(missing, OWN, 41)
        assert f"{made:010d}" == "0223000042"


def test_a_way_that_knows_us_or_ends_here_is_a_loop():
    assert is_loop(f"{OTHER}-{OWN}", (OWN,), "70")
    assert is_loop("", (OWN,), "0")
    assert not is_loop(OTHER, (OWN,), "70")
    assert longer_route(OWN, OTHER) == f"{OWN}-{OTHER}"
    assert route_of("-".join(["a"] * 100 + ["b!"])) == ("a",) * 32


def test_the_identity_of_a_user_above_is_one_printable_line():
    assert identity_of(" 340200-u1\r\nX: y\x00 ") == "340200-u1??X: y?"
    assert len(identity_of("a" * 9000)) == 512


def test_a_refusing_platform_may_say_its_id():
    response = Response(404, "Not Found", Headers([("Warning", '399 p "this is 34010000002000000009"')]))
    assert expected_id(response, (OWN,)) == "34010000002000000009"
    assert expected_id(Response(404, "Not Found", Headers([])), (OWN,)) == ""


# --- registration ---


def test_three_missed_keepalives_back_off_a_minute_then_longer_up_to_five():
    line = Registration(60, 0.0)
    assert line.next_step(0.0) is Step.REGISTER
    line.registered(3600, 0.0)
    assert (line.standing, line.due) == (Standing.ONLINE, 60.0)
    assert not line.missed(60.0)
    assert not line.missed(120.0)
    assert line.missed(180.0)
    assert (line.standing, line.due) == (Standing.BACKING_OFF, 240.0)
    pauses = []
    for _ in range(4):
        now = line.due
        line.refused(now)
        pauses.append(line.due - now)
    assert pauses == [120.0, 240.0, 300.0, 300.0]
    line.registered(3600, 2000.0)
    line.refused(3000.0)
    assert line.due == 3060.0


def test_an_answered_keepalive_forgives_the_missed_ones_and_the_registration_is_renewed_in_time():
    line = Registration(60, 0.0)
    line.registered(100, 0.0)
    line.missed(60.0)
    line.missed(61.0)
    line.kept_alive(62.0)
    assert not line.missed(70.0)
    assert line.next_step(80.0) is Step.REGISTER
    line.again(90.0)
    assert line.standing is Standing.REGISTERING
    assert line.next_step(90.0) is Step.REGISTER
