"""Units move along their beats and by the streets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.geo import distance_m
from tocsin.sim.streets import Streets, make_path

A, B, C, D = (118.0, 31.0), (118.002, 31.0), (118.002, 31.002), (118.0, 31.002)
SQUARE = Streets([A, B, C, D], [(0, 1), (1, 2), (2, 3)])
metres = st.floats(min_value=0, max_value=5_000, allow_nan=False)


def test_a_path_knows_its_length() -> None:
    assert make_path([A, B, C]).length_m == pytest.approx(distance_m(*A, *B) + distance_m(*B, *C))


@given(metres)
def test_a_position_on_a_path_is_as_far_along_as_asked(walked_m: float) -> None:
    path = make_path([A, B])
    assert distance_m(*A, *path.at(walked_m)) == pytest.approx(min(walked_m, path.length_m), abs=0.5)


@given(metres)
def test_a_beat_is_walked_again_and_again(walked_m: float) -> None:
    path = make_path([A, B, C, D, A])
    assert distance_m(*path.round(walked_m), *path.round(walked_m + path.length_m)) == pytest.approx(0, abs=0.5)


def test_a_beat_of_one_position_stays_there() -> None:
    assert make_path([A, A]).round(500.0) == A


def test_a_path_needs_a_position() -> None:
    with pytest.raises(ValueError, match="position"):
        make_path([])


def test_the_way_goes_by_the_streets_and_not_through_the_blocks() -> None:
    way = SQUARE.way(A, D)  # no street joins them directly
    assert B in way.points
    assert C in way.points
    assert way.points[0] == A
    assert way.points[-1] == D


def test_the_shortest_way_is_taken() -> None:
    ring = Streets([A, B, C, D], [(0, 1), (1, 2), (2, 3), (3, 0)])
    assert ring.way(A, D).length_m == pytest.approx(distance_m(*A, *D))


def test_a_short_walk_goes_straight() -> None:
    near = (A[0] + 0.0006, A[1] + 0.0006)
    assert SQUARE.way(near, (near[0] + 0.00001, near[1])).points == (near, (near[0] + 0.00001, near[1]))


def test_crossings_without_a_street_between_them_are_joined_straight() -> None:
    apart = Streets([A, C], [])
    assert math.isclose(apart.way(A, C).length_m, distance_m(*A, *C), rel_tol=1e-6)


def test_a_town_without_streets_is_crossed_straight() -> None:
    assert Streets([], []).way(A, C).points == (A, C)
