"""The town of Hewan is whole: everything named is there, stands inside the drawing, and is told apart."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tocsin.base.normal import Category
from tocsin.domain.access import Role
from tocsin.domain.places import PLACE_CLASSES
from tocsin.domain.plans import StepKind, choose_plan
from tocsin.hewan import DATA, _plan, read_hewan
from tocsin.sim.streets import Streets

ROOT = Path(__file__).resolve().parents[2]
HEWAN = read_hewan()
DRAWING = json.loads((DATA / "hewan.geojson").read_text(encoding="utf-8"))
LAYERS = {"water", "green", "block", "road", "building", "boundary", "label"}
CHANNELS = list(chain.from_iterable(camera["channels"] for camera in HEWAN["cameras"]))
PANELS = [*HEWAN["panels"], HEWAN["reader"]]


def positions(geometry: dict[str, Any]) -> list[list[float]]:
    coordinates = geometry["coordinates"]
    return {"Point": [coordinates], "LineString": coordinates, "Polygon": coordinates[0]}[geometry["type"]]


def test_the_drawing_has_every_layer_and_names_in_both_languages() -> None:
    seen = Counter(feature["properties"]["layer"] for feature in DRAWING["features"])
    assert set(seen) == LAYERS
    for feature in DRAWING["features"]:
        named = feature["properties"]
        assert ("name" in named) == ("name_en" in named)
        if named["layer"] == "label":
            assert named["name"]
            assert named["class"]


def test_rings_are_closed() -> None:
    for feature in DRAWING["features"]:
        if feature["geometry"]["type"] == "Polygon":
            ring = positions(feature["geometry"])
            assert len(ring) >= 4
            assert ring[0] == ring[-1]


def test_the_drawing_is_what_the_tool_draws() -> None:
    spec = importlib.util.spec_from_file_location("draw_hewan", ROOT / "tools" / "draw_hewan.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert json.loads(tool.lines(tool.draw()["features"])) == DRAWING


def test_everything_stands_inside_the_drawing() -> None:
    drawn = list(chain.from_iterable(positions(feature["geometry"]) for feature in DRAWING["features"]))
    west, east = min(p[0] for p in drawn), max(p[0] for p in drawn)
    south, north = min(p[1] for p in drawn), max(p[1] for p in drawn)
    things = [(one["lon"], one["lat"]) for one in (*HEWAN["places"], *CHANNELS, *HEWAN["ip_cameras"])]
    things += [tuple(point) for unit in HEWAN["units"] for point in unit["route"]]
    outside = [at for at in things if not (west <= at[0] <= east and south <= at[1] <= north)]
    assert outside == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("places", [place["key"] for place in HEWAN["places"]]),
        ("panels", [panel["key"] for panel in PANELS]),
        ("accounts", [panel["account"] for panel in PANELS]),
        ("cameras", [camera["gb_id"] for camera in HEWAN["cameras"]]),
        ("channels", [channel["key"] for channel in CHANNELS]),
        ("channel ids", [channel["gb_id"] for channel in CHANNELS]),
        ("units", [unit["call_sign"] for unit in HEWAN["units"]]),
        ("users", [user["username"] for user in HEWAN["users"]]),
        ("codes", [node["code"] for node in HEWAN["jurisdictions"]]),
    ],
)
def test_everything_is_told_apart(kind: str, names: list[str]) -> None:
    assert [name for name, count in Counter(names).items() if count > 1] == [], kind


def test_ids_have_twenty_digits() -> None:
    for gb_id in [*(camera["gb_id"] for camera in HEWAN["cameras"]), *(channel["gb_id"] for channel in CHANNELS)]:
        assert len(gb_id) == 20
        assert gb_id.isdigit()


def test_what_is_named_is_there() -> None:
    places = {place["key"] for place in HEWAN["places"]}
    channels = {channel["key"] for channel in CHANNELS}
    codes = {node["code"] for node in HEWAN["jurisdictions"]}
    zones = {panel["key"]: {zone["number"] for zone in panel["zones"]} for panel in PANELS}
    assert {place["jurisdiction"] for place in HEWAN["places"]} <= codes
    assert {panel["place"] for panel in PANELS} <= places
    assert {channel["place"] for channel in CHANNELS} <= places
    assert {key for panel in PANELS for zone in panel["zones"] for key in zone["cameras"]} <= channels
    assert {unit["jurisdiction"] for unit in HEWAN["units"]} <= codes
    for alarm in HEWAN["script"]["alarms"]:
        assert alarm["zone"] in zones[alarm["panel"]]
    for node in HEWAN["jurisdictions"]:
        assert node["parent"] is None or node["code"].startswith(node["parent"])
    assert {place["class"] for place in HEWAN["places"]} <= set(PLACE_CLASSES)


def test_the_first_alarm_is_at_the_schools_west_gate_and_a_camera_shows_it() -> None:
    first = HEWAN["script"]["alarms"][0]
    panel = next(panel for panel in HEWAN["panels"] if panel["key"] == first["panel"])
    zone = next(zone for zone in panel["zones"] if zone["number"] == first["zone"])
    assert panel["place"] == "xinhua-school"
    assert "西门" in zone["name"]
    assert zone["cameras"]
    assert panel["key_bits"] >= 128
    assert first["at_s"] <= 30


def test_the_readers_panel_has_a_zone_with_a_camera_and_no_simulated_device() -> None:
    assert HEWAN["reader"]["zones"][0]["cameras"]
    assert HEWAN["reader"]["account"] not in {panel["account"] for panel in HEWAN["panels"]}


def test_roles_are_roles_and_one_user_is_the_demos() -> None:
    assert all(role in list(Role) for user in HEWAN["users"] for role in user["roles"])
    assert sum(bool(user.get("is_demo")) for user in HEWAN["users"]) == 1


def test_every_kind_of_alarm_finds_a_plan() -> None:
    plans = [_plan(plan) for plan in HEWAN["plans"]]
    for category in Category:
        assert choose_plan(plans, kind=category.value, place_class="shop", jurisdiction_code="340299001") is not None
    school = choose_plan(plans, kind="burglary", place_class="school", jurisdiction_code="340299001")
    assert school is not None
    assert school.name_en == "Break-in at a school"


def test_every_plan_decides_and_says_so_in_both_languages() -> None:
    for plan in (_plan(plan) for plan in HEWAN["plans"]):
        assert [step.kind for step in plan.steps].count(StepKind.VERDICT) == 1
        assert all(step.title_en and any("一" <= letter <= "鿿" for letter in step.title_zh) for step in plan.steps)


def test_every_crossing_can_be_reached() -> None:
    streets = HEWAN["streets"]
    town = Streets([(lon, lat) for lon, lat in streets["nodes"]], [(a, b) for a, b in streets["edges"]])
    start = tuple(streets["nodes"][0])
    for node in streets["nodes"][1:]:
        assert town.way((start[0], start[1]), (node[0], node[1])).length_m < 4_000
