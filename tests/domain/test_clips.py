"""When an alarm makes a clip, when it extends one, and what a recording lacks of a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clocks import START
from tocsin.domain.clips import CLIP, Clip, ClipRules, Coverage, Sighting, coverage, grow, lacks, pause_after
from tocsin.domain.playback import Piece

RULES = ClipRules()


def seen(after_s: float = 0) -> Sighting:
    return Sighting(f"alarm-{after_s:g}", "incident", "330110", START + timedelta(seconds=after_s), "camera")


def grown(newest: Clip | None, after_s: float) -> Clip | None:
    return grow(newest, seen(after_s), RULES, START + timedelta(seconds=after_s))


def span(clip: Clip) -> tuple[float, float]:
    return (clip.starts - START).total_seconds(), (clip.ends - START).total_seconds()


def test_a_clip_begins_before_its_alarm_and_ends_after_it() -> None:
    made = grown(None, 0)
    assert made is not None
    assert (span(made), made.kind, made.state) == ((-10, 20), CLIP, "recording")
    assert made.due_at == START + timedelta(seconds=23)


def test_a_further_alarm_extends_it_and_one_inside_does_not() -> None:
    first = grown(None, 0)
    assert first is not None
    later = grown(first, 15)
    assert later is not None
    assert (later.id, span(later)) == (first.id, (-10, 35))
    assert grown(later, 14) is None


def test_what_is_whole_is_under_way_again_when_it_is_extended() -> None:
    first = grown(None, 0)
    assert first is not None
    longer = grown(replace(first, state="ready", due_at=None, tries=3), 40)
    assert longer is not None
    assert (longer.state, longer.tries, span(longer)) == ("recording", 0, (-10, 60))
    assert longer.due_at == START + timedelta(seconds=63)


def test_it_grows_to_its_longest_and_then_another_begins() -> None:
    clip = grown(None, 0)
    for after_s in range(15, 600, 15):
        clip = grown(clip, after_s) or clip
    assert clip is not None
    assert span(clip) == (-10, 590)
    assert grown(clip, 575) is None, "the alarm lies in it"
    other = grown(clip, 595)
    assert other is not None
    assert (other.id != clip.id, span(other)) == (True, (585, 615))


def piece(starts_s: float, ends_s: float) -> Piece:
    return Piece(START + timedelta(seconds=starts_s), START + timedelta(seconds=ends_s))


@pytest.mark.parametrize(
    ("pieces", "missing"),
    [
        ([], "clip.device_has_none"),
        ([piece(-90, -20)], "clip.device_has_none"),
        ([piece(-90, 5)], "clip.not_written"),
        ([piece(0, 60)], "clip.begins_late"),
        ([piece(-10, 0), piece(6, 60)], "clip.has_gap"),
        ([piece(-10, 0), piece(1, 60)], ""),
        ([piece(-90, 18.5)], ""),
        ([piece(5, 60), piece(-60, 8)], ""),
    ],
)
def test_what_a_recording_lacks_is_named(pieces: list[Piece], missing: str) -> None:
    starts, ends = RULES.window(START)
    assert lacks(coverage(pieces, starts, ends), starts, ends) == missing


def test_coverage_is_cut_to_the_time_asked_for() -> None:
    starts, ends = RULES.window(START)
    assert coverage([piece(-60, 60)], starts, ends) == Coverage(starts, ends)


def test_the_pauses_grow_and_end() -> None:
    pauses = [pause_after(tries) for tries in range(1, 8)]
    assert [None if one is None else one.total_seconds() for one in pauses] == [5, 10, 20, 40, 60, 120, None]
