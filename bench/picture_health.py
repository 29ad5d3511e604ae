"""picture-health: key pictures examined a second a core, and what is found of faults in scenes nobody tuned on.

`python -m bench.picture_health tuning` prints the table of the scenes that may be tuned on.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bench import picture_leaves, picture_scenes
from bench.report import Bench
from tocsin.domain.picture_health import Track, advance
from tocsin.media.picture_examination import Wish, examine
from tocsin.sim.picture_faults import spoil, weather
from tocsin.sim.street import Encoder, Pixels, Street

CASES = Path(__file__).with_name("picture_cases.toml")
START_MS = 1_795_000_000_000
STEP_MS = 60_000
SLOT = 4
KEYS_FPS = 4
FOLLOWING = 5
Seen = tuple[Pixels, Sequence[Pixels]]


class Scene(Protocol):
    """Something that can be drawn at any time."""

    def draw(self, epoch_ms: int) -> Pixels:
        """Return an RGB picture."""


def scenes(cases: Mapping[str, Any], which: str) -> Iterator[tuple[str, int, Scene]]:
    """Yield the scenes of `tuning` or `held_out` with their names and seeds."""
    chosen, width, height = cases[which], cases["width"], cases["height"]
    for is_night, seeds in ((False, chosen["day"]), (True, chosen["night"])):
        for index, seed in enumerate(seeds):
            name = f"{which}-{seed}"
            if chosen["generator"] == "street":
                yield name, seed, Street(seed, name, width, height, night=is_night)
            elif chosen["generator"] == "leaves":
                yield name, seed, picture_leaves.Leaves(seed, width, height, night=is_night)
            else:
                kind = picture_scenes.KINDS[index % len(picture_scenes.KINDS)]
                yield name, seed, picture_scenes.Place(kind, seed, width, height, night=is_night)


class Motionless:
    """A scene in which nothing moves: one picture of it, with a living sensor's grain."""

    def __init__(self, scene: Scene, seed: int, grain: float) -> None:
        self._picture = scene.draw(START_MS)
        self._seed, self._grain = seed, grain

    def draw(self, epoch_ms: int) -> Pixels:
        """Return the picture of one instant, RGB."""
        chance = np.random.default_rng((self._seed, epoch_ms & 0xFFFFFFFF))
        grain = chance.normal(0, self._grain, (*self._picture.shape[:2], 1))
        made: Pixels = np.clip(np.rint(self._picture + grain), 0, 255).astype(np.uint8)
        return made


class Eye:
    """One camera: encodes what it sees as a key picture, as cameras do, and has it examined."""

    def __init__(self, folder: Path, cases: Mapping[str, Any], bitrate_bps: int) -> None:
        self._reference = folder / "reference"
        self._cases = cases
        # A key picture of a stream of 25 pictures a second has about as many bytes as one of four keys a second alone.
        self._encoder = Encoder(cases["width"], cases["height"], KEYS_FPS, bitrate_bps)

    def see(
        self, pixels: Pixels, *, may_learn: bool, following: Sequence[Pixels] = ()
    ) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Return the ratios and the measures of a picture; `following` are the pictures after it, for the motion."""
        data = self._encoder.encode(pixels, is_key=True)
        rest = [len(self._encoder.encode(one, is_key=False)) for one in following]
        motion = sum(rest) / len(rest) / len(data) if rest else None
        finding = examine(data, Wish("h264", self._reference, SLOT, may_learn=may_learn, motion=motion))
        return finding.ratios, finding.form()["measures"]

    def learned(self) -> bytes:
        """Return what was learned."""
        return self._reference.read_bytes()

    def restore(self, learned: bytes) -> None:
        """Know what was learned and nothing since."""
        self._reference.write_bytes(learned)


def learn(eye: Eye, scene: Scene, count: int) -> bytes:
    """Show clean pictures in changing light; return what was learned."""
    for number in range(count):
        gain = 1 + 0.04 * (number % 3 - 1)
        drawn = scene.draw(START_MS - (count - number) * STEP_MS)
        eye.see(np.clip(drawn * gain, 0, 255).astype(np.uint8), may_learn=True)
    return eye.learned()


def opened(eye: Eye, pictures: Iterator[Seen]) -> tuple[set[str], list[Mapping[str, float]]]:
    """Return the faults that a sequence of checks opens, and its measures."""
    tracks: Mapping[str, Track] = {}
    found: set[str] = set()
    told = []
    for number, (pixels, following) in enumerate(pictures):
        ratios, measures = eye.see(pixels, may_learn=True, following=following)
        told.append({**measures, **{f"={key}": value for key, value in ratios.items() if value >= 0.5}})
        step = advance(tracks, ratios, number * STEP_MS * 1000)
        tracks = step.tracks
        found |= set(step.opening)
    return found, told


def spoiled(scene: Scene, fault: str, severity: float, seed: int, count: int, elsewhere: Pixels) -> Iterator[Seen]:
    """Yield a sequence with a fault; a frozen picture is the first one for ever."""
    first = scene.draw(START_MS)
    for number in range(count):
        if fault == "frozen":
            seen = [spoil(first, fault, severity, seed) for _ in range(1 + FOLLOWING)]
            yield seen[0], seen[1:]
        else:
            drawn = scene.draw(START_MS + number * STEP_MS)
            yield spoil(drawn, fault, severity, seed, elsewhere=elsewhere), ()


def unspoiled(scene: Scene, kind: str, seed: int, count: int) -> Iterator[Seen]:
    """Yield a sequence without a fault, in some weather."""
    for number in range(count):
        at_ms = START_MS + number * STEP_MS
        seen = [weather(scene.draw(at_ms + n * 1000 // KEYS_FPS), kind, seed, number) for n in range(1 + FOLLOWING)]
        yield seen[0], seen[1:]


def evaluate(which: str, *, wordy: bool = False, few: bool = False) -> dict[str, Any]:
    """Return counts by fault and severity, and what was said wrongly."""
    cases = tomllib.loads(CASES.read_text())
    found: dict[str, dict[float, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    right: dict[str, int] = defaultdict(int)
    wrong: dict[str, int] = defaultdict(int)
    wrong_on: dict[str, list[str]] = defaultdict(list)
    false_on_clean: list[str] = []
    clean = 0
    everything = list(scenes(cases, which))[:: 3 if few else 1]
    with tempfile.TemporaryDirectory() as temporary:
        for index, (name, seed, scene) in enumerate(everything):
            eye = Eye(Path(temporary), cases, cases["bitrate_bps"])
            eye.restore(b"")
            learned = learn(eye, scene, cases["learn"])
            elsewhere = everything[(index + 1) % len(everything)][2].draw(START_MS)
            for fault in cases["faults"]:
                for severity in cases["severities"]:
                    eye.restore(learned)
                    said, told = opened(eye, spoiled(scene, fault, severity, seed, cases["checks"], elsewhere))
                    tally = found[fault][severity]
                    tally[0] += fault in said
                    tally[1] += 1
                    right[fault] += fault in said
                    for other in said - {fault}:
                        wrong[other] += 1
                        wrong_on[other].append(f"{name} {fault} {severity}")
                    if wordy and fault not in said and severity >= cases["counted_from"]:
                        print(f"missed {fault} {severity} {name}: {sorted(said)} {json.dumps(told[-1])}")
                    if wordy and said - {fault}:
                        print(f"wrong {sorted(said)} for {fault} {severity} {name}: {json.dumps(told[-1])}")
            for kind in cases["clean"]:
                eye.restore(learned)
                is_low = kind == "low_bitrate"
                seeing = Eye(Path(temporary), cases, cases["low_bitrate_bps"]) if is_low else eye
                said, told = opened(seeing, unspoiled(scene, "clear" if is_low else kind, seed, cases["checks"]))
                clean += 1
                for fault in said:
                    wrong[fault] += 1
                    wrong_on[fault].append(f"{name} {kind}")
                if said:
                    false_on_clean.append(f"{name} {kind}: {sorted(said)}")
                    if wordy:
                        print(f"false {sorted(said)} for {kind} {name}: {json.dumps(told[-1])}")
    return {
        "found": found,
        "right": right,
        "wrong": wrong,
        "wrong_on": wrong_on,
        "clean": clean,
        "false_on_clean": false_on_clean,
        "counted_from": cases["counted_from"],
    }


def motionless(which: str) -> dict[str, float]:
    """Return how often a living picture in which nothing moves is called frozen, and how often a frozen one is."""
    cases = tomllib.loads(CASES.read_text())
    plan = cases["motionless"]
    values: dict[str, float] = {}
    everything = list(scenes(cases, which))
    with tempfile.TemporaryDirectory() as temporary:
        for bitrate_bps in plan["bitrates_bps"]:
            false = found = 0
            for _, seed, drawn in everything:
                for grain in plan["grains"]:
                    scene = Motionless(drawn, seed, grain)
                    eye = Eye(Path(temporary), cases, bitrate_bps)
                    eye.restore(b"")
                    learned = learn(eye, scene, cases["learn"])
                    said, _ = opened(eye, unspoiled(scene, "clear", seed, cases["checks"]))
                    false += "frozen" in said
                    for severity in plan["severities"]:
                        eye.restore(learned)
                        said, _ = opened(eye, spoiled(scene, "frozen", severity, seed, cases["checks"], scene.draw(0)))
                        found += "frozen" in said
            count = len(everything) * len(plan["grains"])
            kbps = bitrate_bps // 1000
            values[f"motionless sequences at {kbps} kbit/s"] = count
            values[f"motionless called frozen at {kbps} kbit/s"] = false
            values[f"recall frozen motionless at {kbps} kbit/s"] = found / (count * len(plan["severities"]))
    return values


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """Return recall from the counted severity on, precision over everything, and recall of each severity."""
    values: dict[str, float] = {}
    for fault, by_severity in result["found"].items():
        counted = [tally for severity, tally in by_severity.items() if severity >= result["counted_from"]]
        values[f"recall {fault}"] = sum(hit for hit, _ in counted) / sum(of for _, of in counted)
        said = result["right"][fault] + result["wrong"][fault]
        values[f"precision {fault}"] = result["right"][fault] / said if said else 1.0
    for fault, by_severity in result["found"].items():
        for severity, (hit, of) in by_severity.items():
            values[f"recall {fault} at {severity}"] = hit / of
    values["clean sequences"] = result["clean"]
    values["clean sequences with a fault"] = len(result["false_on_clean"])
    return values


def speed(seconds: float) -> float:
    """Return how many 1080p key pictures one core examines a second, decoding and remembering included."""
    encoder = Encoder(1920, 1080, 25, 4_000_000)
    street = Street(7, "CAM", 1920, 1080)
    drawn = [encoder.encode(street.draw(START_MS + n * STEP_MS), is_key=True) for n in range(12)]
    with tempfile.TemporaryDirectory() as temporary:
        wishes = [Wish("h264", Path(temporary) / str(n), SLOT) for n in range(6)]
        for round_ in range(4):
            for index, wish in enumerate(wishes):
                examine(drawn[(index + round_) % len(drawn)], wish)
        count, begun_s, until_s = 0, time.process_time(), time.monotonic() + seconds
        while time.monotonic() < until_s:
            examine(drawn[count % len(drawn)], replace(wishes[count % len(wishes)], motion=0.1))
            count += 1
        return count / (time.process_time() - begun_s)


def run(seconds: float) -> Mapping[str, float]:
    """Measure the speed, then the scenes of the list nobody tuned on."""
    return {"checks_per_s_per_core": speed(seconds), **figures(evaluate("fresh")), **motionless("fresh")}


_SURE = ("no_signal", "black", "frozen", "covered", "moved")
BENCH = Bench(
    name="picture-health",
    about="1080p key pictures decoded, measured, compared and judged in one process, and the faults found in scenes of "
    "a generator nobody tuned on (`bench/picture_cases.toml`): recall at severity 0.5 and above, precision over all "
    "severities, other faults and clean sequences of rain, snow, dusk, headlights, lorries and infrared",
    run=run,
    reach={
        "checks_per_s_per_core": {"at_least": 30},
        **{f"recall {fault}": {"at_least": 0.95} for fault in _SURE},
        **{f"precision {fault}": {"at_least": 0.98} for fault in _SURE},
    },
    seconds=10.0,
)


if __name__ == "__main__":
    outcome = evaluate(sys.argv[1], wordy="-v" in sys.argv, few="--few" in sys.argv)
    for key, value in {**figures(outcome), **motionless(sys.argv[1])}.items():
        print(f"{key:32} {value:8.3f}")
    for line in outcome["false_on_clean"]:
        print("false:", line)
    for fault, cases_ in outcome["wrong_on"].items():
        print("wrong:", fault, cases_[:12])
