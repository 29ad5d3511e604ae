"""When what pictures say becomes a fault, and what their measures say at all."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.channel_health import IMAGE, WORDS
from tocsin.domain.picture_health import (
    CLEAR_BELOW,
    PictureState,
    SiteWatch,
    Step,
    Track,
    advance,
    confirm,
    held_back,
    relaxed,
    tracks_form,
    tracks_of,
)
from tocsin.domain.picture_rules import FAULTS, ORDER, Baseline, PictureMeasures, judge, score

MINUTE_US = 60_000_000
GOOD = PictureMeasures(
    mean=120,
    deviation=40,
    burnt=0.0,
    plain=0.1,
    bars=0.0,
    uneven=20,
    saturation=14,
    tint_u=6,
    tint_v=-5,
    sharpness=900,
    flat=0.2,
    grain=1.5,
    stripe_share=0.2,
    stripe_level=5,
    stripe_step=3,
    likeness=0.9,
    lost_edges=0.02,
)
USUAL = Baseline(
    9,
    {
        "mean": 120,
        "deviation": 40,
        "sharpness": 900,
        "flat": 0.2,
        "grain": 1.5,
        "tint_u": 6,
        "tint_v": -5,
        "stripe_level": 5,
    },
)


def worst(seen: PictureMeasures, usual: Baseline | None = USUAL) -> str:
    ratios = judge(seen, usual)
    key = max(ratios, key=lambda one: ratios[one])
    return key if ratios[key] >= 1 else ""


def run(
    tracks: dict[str, Track], *ratios: float, key: str = "black", from_us: int = 0
) -> tuple[dict[str, Track], list[str]]:
    """Return the tracks after checks a minute apart, and what each did: o(pened), c(losed) or -."""
    told = []
    for number, ratio in enumerate(ratios):
        step: Step = advance(tracks, {key: ratio}, from_us + number * MINUTE_US)
        tracks = dict(step.tracks)
        told.append("o" if step.opening else "c" if step.closing else "-")
    return tracks, told


CLOCKED = replace(
    USUAL,
    pictures=12,
    means={**USUAL.means, "renewed": 2.0, "bits": 1.5, "ticking": 1.0},
    spreads={"ticking": 0.01},
)
STILL = replace(GOOD, change=1.2, changed=0.2, renewed=1.9, bits=1.5, ticking=0.0)


def frozen(seen: PictureMeasures, usual: Baseline | None) -> bool:
    return judge(seen, usual)["frozen"] >= 1


def test_a_motionless_picture_is_frozen_only_when_its_grain_is_not_renewed() -> None:
    unclocked = replace(CLOCKED, means={**CLOCKED.means, "ticking": 0.0})
    assert not frozen(STILL, unclocked)
    assert frozen(replace(STILL, renewed=0.7), unclocked)
    assert not frozen(replace(STILL, renewed=0.7, changed=4.0), unclocked)  # something moved
    assert not frozen(replace(STILL, renewed=0.7, bits=0.4), unclocked)  # coded coarser than usual
    dim = replace(STILL, renewed=0.9, deviation=20.0)
    assert not frozen(dim, unclocked)  # half the light, half the grain
    coarse = replace(unclocked, means={**unclocked.means, "renewed": 0.6})
    assert not frozen(replace(STILL, renewed=0.2, change=0.9), coarse)  # the encoder never sends grain
    assert not frozen(replace(STILL, renewed=0.7), None)


def test_a_clock_that_always_ran_decides_whether_a_picture_is_frozen() -> None:
    assert frozen(STILL, CLOCKED)
    assert frozen(replace(STILL, changed=1.4), CLOCKED)  # coded coarsely
    assert not frozen(replace(STILL, changed=4.0), CLOCKED)
    nothing_sent = replace(STILL, change=0.1, renewed=0.1, motion=0.001)
    empty_room = replace(nothing_sent, ticking=1.0, bits=0.3)
    assert frozen(empty_room, None)
    assert not frozen(empty_room, CLOCKED)
    assert frozen(replace(nothing_sent, ticking=1.0), CLOCKED)  # it runs over a picture without grain
    few = replace(CLOCKED, pictures=5)
    assert not frozen(STILL, few)
    sometimes = replace(CLOCKED, means={**CLOCKED.means, "ticking": 0.9}, spreads={"ticking": 0.1})
    assert not frozen(STILL, sometimes)


def test_a_picture_is_black_when_next_to_nothing_of_its_contrast_is_left_else_dark() -> None:
    assert worst(replace(GOOD, mean=5.0, deviation=1.6)) == "black"
    lit = replace(USUAL, means={**USUAL.means, "mean": 25.0, "deviation": 20.0})
    assert worst(replace(GOOD, mean=2.5, deviation=1.7), lit) == "dark"
    assert worst(replace(GOOD, mean=2.5, deviation=0.8), lit) == "black"
    assert worst(replace(GOOD, mean=2.5, deviation=1.7), None) == "black"  # nothing is known of it yet


def test_a_picture_as_it_always_is_has_no_fault() -> None:
    assert worst(GOOD) == ""
    assert worst(GOOD, None) == ""
    assert score(judge(GOOD, USUAL)) > 80


def test_each_fault_is_named_by_its_own_rule() -> None:
    assert worst(replace(GOOD, mean=3, deviation=0.8, sharpness=1, flat=1, plain=0.9)) == "black"
    assert worst(replace(GOOD, mean=12, deviation=6, sharpness=40)) == "dark"
    assert worst(replace(GOOD, mean=240, burnt=0.8)) == "bright"
    assert worst(replace(GOOD, flat=1.0, lost_edges=1.0, sharpness=3, deviation=9)) == "covered"
    assert worst(replace(GOOD, flat=0.6, lost_edges=0.5, sharpness=500)) == "part_cover"
    assert worst(replace(GOOD, sharpness=9)) == "blur"
    assert worst(replace(GOOD, grain=8)) == "noise"
    assert worst(replace(GOOD, tint_u=-20, tint_v=15, saturation=30)) == "cast"
    assert worst(replace(GOOD, stripe_share=0.9, stripe_level=40, stripe_step=9)) == "stripes"
    assert worst(replace(GOOD, likeness=0.05)) == "moved"
    assert worst(replace(GOOD, plain=0.95, uneven=0.1, saturation=70)) == "no_signal"
    assert worst(replace(GOOD, change=0.02, changed=0.01, motion=0.001)) == "frozen"


def test_a_living_picture_is_not_frozen_though_it_looks_the_same() -> None:
    """The encoder has something to send, or light changed somewhere."""
    assert worst(replace(GOOD, change=2.0, changed=0.1, motion=0.2)) == ""
    assert worst(replace(GOOD, change=0.1, changed=5.0, motion=0.001)) == ""


def test_without_a_reference_only_absolute_rules_run() -> None:
    assert worst(replace(GOOD, likeness=0.0, lost_edges=1.0), None) == ""
    assert worst(replace(GOOD, grain=4), Baseline(2, {"grain": 1.0})) == ""


def test_what_was_said_to_be_none_takes_more_to_be_said_again() -> None:
    seen = replace(GOOD, likeness=0.05)
    assert judge(seen, USUAL)["moved"] >= 1
    assert judge(seen, USUAL, {"moved": 1.5})["moved"] < 1


shares = st.floats(0, 1)
measures = st.builds(
    PictureMeasures,
    mean=st.floats(0, 255),
    deviation=st.floats(0, 130),
    burnt=shares,
    plain=shares,
    bars=shares,
    uneven=st.floats(0, 130),
    saturation=st.floats(0, 180),
    tint_u=st.floats(-128, 128),
    tint_v=st.floats(-128, 128),
    sharpness=st.floats(0, 60_000),
    flat=shares,
    grain=st.floats(0, 90),
    stripe_share=shares,
    stripe_level=st.floats(0, 130),
    stripe_step=st.floats(0, 255),
    likeness=st.none() | st.floats(-1, 1),
    lost_edges=st.none() | shares,
    change=st.none() | st.floats(0, 255),
    changed=st.none() | st.floats(0, 255),
    motion=st.none() | st.floats(0, 50),
)


@given(measures, st.none() | st.just(USUAL) | st.just(Baseline(5)))
def test_any_measures_give_bounded_ratios_and_one_fault_of_the_order(
    seen: PictureMeasures, usual: Baseline | None
) -> None:
    ratios = judge(seen, usual)
    assert set(ratios) == {*ORDER, "frozen"}
    assert all(0 <= ratio <= 3 for ratio in ratios.values())
    assert sum(ratios[key] >= 1 for key in ORDER) <= 1
    assert 0 <= score(ratios) <= 100


def test_a_fault_opens_when_enough_checks_said_so_and_closes_after_three_clean_ones() -> None:
    tracks, told = run({}, 1.2, 0.3, 1.2, 1.2, 1.2)
    assert told == ["-", "-", "-", "-", "o"]
    tracks, told = run(tracks, 0.9, 0.5, 0.5, 0.5)
    assert told == ["-", "-", "-", "c"]  # 0.9 is no clean check: the limit to close is milder
    assert CLEAR_BELOW < 0.9
    assert not tracks["black"].is_open


def test_a_fault_that_comes_and_goes_stays_open_longer() -> None:
    once = (1.5, 1.5, 1.5, 0.1, 0.1, 0.1)
    tracks, told = run({}, *once, *once)
    assert told.count("o") == told.count("c") == 2
    tracks, told = run(tracks, 1.5, 1.5, 1.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, from_us=12 * MINUTE_US)
    assert told == ["-", "-", "o", "-", "-", "-", "-", "-", "c"]


def test_every_kind_has_words_and_a_number_of_checks() -> None:
    for key in (*FAULTS, "not_home"):
        assert IMAGE + key in WORDS
        needed, window = confirm(key)
        assert 1 < needed <= window


def test_tracks_are_stored_and_read_back() -> None:
    tracks, _ = run({}, 1.2, 1.2, 1.2, 0.1)
    assert tracks_of(tracks_form(tracks)) == tracks
    assert PictureState("c", tracks=tracks).is_doubtful


def test_what_a_site_holds_back_opens_later_if_it_stays() -> None:
    step = advance({}, {"blur": 2.0}, 0)
    for number in range(1, 4):
        step = advance(step.tracks, {"blur": 2.0}, number * MINUTE_US)
    assert list(step.opening) == ["blur"]
    again = advance(held_back(step.tracks, ["blur"]), {"blur": 2.0}, 5 * MINUTE_US)
    assert list(again.opening) == ["blur"]


def test_a_site_is_at_fault_when_a_fifth_of_it_begins_at_once() -> None:
    watch = SiteWatch(300)
    for number in range(4):
        watch.note("school", f"c{number}", ["blur"], number * 10.0)
    assert watch.common("school", 20, 40.0) == 4
    assert watch.common("school", 40, 40.0) == 0
    assert watch.common("school", 20, 900.0) == 0  # too long ago
    watch.note("yard", "c1", ["moved"], 0.0)  # nobody blames the weather for that
    assert watch.common("yard", 3, 1.0) == 0


def test_denials_add_up_to_a_bound() -> None:
    from datetime import UTC, datetime

    from tocsin.domain.picture_health import Denial

    now = datetime(2026, 11, 27, tzinfo=UTC)
    one = Denial("d", "c", "f", "blur", now, now, "u")
    assert relaxed([one]) == {"blur": 1.5}
    assert relaxed([one] * 9) == {"blur": 4.0}


def test_a_trend_keeps_thirty_days() -> None:
    state = PictureState("c")
    for day in range(40):
        state = state.with_score(f"d{day:02}", 80).with_score(f"d{day:02}", 60)
    assert len(state.trend) == 30
    assert state.trend[-1] == ("d39", 2, 140, 60)
