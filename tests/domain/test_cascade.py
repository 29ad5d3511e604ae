"""Rules of upper platforms: the agreement, exported ids, the exported tree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.base.errors import TocsinError
from tocsin.domain.cascade import (
    RESERVED_FOR,
    Export,
    Sharing,
    Upper,
    assign,
    catalogue,
    changed_upper,
    new_upper,
    read_selection,
    remapped,
    subjects,
)
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.places import Jurisdiction

NOW = datetime(2026, 11, 27, 2, 0, tzinfo=UTC)
CITY = Jurisdiction("city", "3402", "WH", "芜湖市")
COUNTY = Jurisdiction("county", "340223", "HW", "河湾县", parent_id="city")
TOWN = Jurisdiction("town", "340223101", "ZZ", "镇", parent_id="county")
TREE = {node.id: node for node in (CITY, COUNTY, TOWN)}
OWN = "34022300001320000001"
GIVEN = {
    "name": "市局平台",
    "upper_id": "34020000002000000001",
    "host": "192.0.2.1",
    "local_id": "34022300002000000001",
    "owner": "河湾县公安局",
    "purpose": "patrol",
    "ends_at": NOW + timedelta(days=30),
}
UPPER = new_upper("u", GIVEN, CITY, NOW)


def camera(number: int, home: Jurisdiction = COUNTY, gb_id: str = "") -> ChannelRecord:
    own = gb_id or f"{OWN[:14]}{number:06d}"
    return ChannelRecord(f"c{number}", "device", own, f"摄像机{number}", home.id, home.code, stage="in_service")


@pytest.mark.parametrize("name", ["owner", "purpose", "ends_at"])
def test_nothing_is_shared_without_owner_purpose_and_end(name):
    with pytest.raises(TocsinError) as refused:
        new_upper("u", {**GIVEN, name: None}, CITY, NOW)
    assert (refused.value.key, refused.value.params["field"]) == ("cascade.agreement_missing", name)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"ends_at": NOW}, "cascade.end_past"),
        ({"ends_at": NOW + timedelta(days=367)}, "cascade.end_far"),
        ({"upper_id": "34020000001320000001"}, "cascade.platform_id"),
        ({"upper_id": "3402"}, "cascade.id_form"),
        ({"local_id": GIVEN["upper_id"]}, "cascade.same_id"),
        ({"host": "a b"}, "cascade.host_form"),
        ({"rights": ["format"]}, "cascade.rights_form"),
        ({"purpose": "curiosity"}, "registry.field_choice"),
    ],
)
def test_what_is_entered_is_checked_and_the_field_named(change, key):
    with pytest.raises(TocsinError) as refused:
        changed_upper(UPPER, change, NOW)
    assert refused.value.key == key
    assert refused.value.params["field"] in change


def test_sharing_ends_with_the_agreement_the_stop_or_the_switch():
    assert UPPER.sharing(NOW) is Sharing.ACTIVE
    assert UPPER.sharing(UPPER.ends_at) is Sharing.ENDED
    assert replace(UPPER, stopped_at=NOW).sharing(NOW) is Sharing.STOPPED
    assert replace(UPPER, is_enabled=False).sharing(NOW) is Sharing.OFF


def test_only_live_pictures_are_given_by_default():
    assert UPPER.rights == ("live",)


def test_a_selection_is_read_once_each_and_a_wrong_line_refused():
    line = {"kind": "node", "value": "county"}
    assert len(read_selection([line, line])) == 1
    for wrong in ({"kind": "all", "value": "x"}, {"kind": "node", "value": ""}, {}):
        with pytest.raises(TocsinError):
            read_selection([wrong])


# --- exported ids ---


def wanted(*cameras: ChannelRecord) -> list[tuple[str, str, str]]:
    return subjects(UPPER, cameras, TREE)


def test_ids_stay_as_they_are_and_a_second_camera_of_the_same_id_gets_one_of_ours():
    given = assign(UPPER, wanted(camera(1), camera(2, gb_id=OWN), camera(3, gb_id="short")), [], NOW).by_subject
    assert given["c1"].exported_id == OWN
    assert given["c2"].exported_id == "34022300001320900001"
    assert given["c3"].exported_id == "34022300001320900002"


def test_an_id_that_left_is_given_to_no_other_camera_for_180_days():
    first = assign(UPPER, wanted(camera(1)), [], NOW)
    left = assign(UPPER, [], first.changed, NOW + timedelta(days=1))
    assert [row.left_at for row in left.changed] == [NOW + timedelta(days=1)]
    other = camera(2, gb_id=OWN)
    soon = assign(UPPER, wanted(other), left.changed, NOW + timedelta(days=100))
    assert soon.by_subject["c2"].exported_id != OWN
    late = assign(UPPER, wanted(other), left.changed, NOW + timedelta(days=2) + RESERVED_FOR)
    assert late.by_subject["c2"].exported_id == OWN


def test_a_camera_that_comes_back_gets_the_id_it_had():
    first = assign(UPPER, wanted(camera(1, gb_id="short")), [], NOW)
    left = assign(UPPER, [], first.changed, NOW)
    back = assign(UPPER, wanted(camera(9), camera(1, gb_id="short")), left.changed, NOW + timedelta(days=3))
    assert back.by_subject["c1"].exported_id == first.by_subject["c1"].exported_id
    assert back.by_subject["c1"].left_at is None


def test_giving_another_id_keeps_the_former_reserved_and_refuses_one_that_is_taken():
    rows = list(assign(UPPER, wanted(camera(1), camera(2)), [], NOW).changed)
    current = next(row for row in rows if row.subject_id == "c1")
    taken = next(row for row in rows if row.subject_id == "c2")
    with pytest.raises(TocsinError) as refused:
        remapped(UPPER, current, {"exported_id": taken.exported_id}, rows, NOW)
    assert refused.value.key == "cascade.exported_taken"
    former, made = remapped(UPPER, current, {"exported_id": "34020000001320000777", "name": "东门"}, rows, NOW)
    assert (former.exported_id, former.left_at) == (OWN, NOW)
    assert (made.exported_id, made.name, made.left_at) == ("34020000001320000777", "东门", None)
    with pytest.raises(TocsinError):
        remapped(UPPER, current, {"exported_id": UPPER.local_id}, rows, NOW)


# --- the tree ---


def built(*cameras: ChannelRecord) -> tuple[Upper, object]:
    given = assign(UPPER, wanted(*cameras), [], NOW).by_subject
    return UPPER, catalogue(UPPER, cameras, TREE, given, "河湾")


def test_the_system_comes_first_without_a_parent_then_divisions_then_cameras():
    _, found = built(camera(1), camera(2))
    assert [item.exported_id for item in found.items[:3]] == [UPPER.local_id, "3402", "340223"]
    assert found.items[0].parent_id == ""
    assert {item.parent_id for item in found.items[3:]} == {UPPER.local_id}


def test_a_town_becomes_an_organisation_in_a_business_group():
    _, found = built(camera(1, TOWN))
    kinds = [item.exported_id[10:13] if len(item.exported_id) == 20 else "division" for item in found.items]
    assert kinds == ["200", "division", "division", "215", "216", "132"]
    group, node, shown = found.items[3:]
    assert (node.group_id, node.parent_id) == (group.exported_id, "")
    assert shown.parent_id == f"{UPPER.local_id}/{node.exported_id}"
    assert shown.civil_code == "34022310"


def test_an_export_is_reserved_while_in_force():
    row = Export("u", OWN, "camera", "c1", NOW)
    assert row.is_reserved(NOW + timedelta(days=4000))
