"""Runs every fuzz target of this folder: each `fuzz_<name>.py` gives `SEEDS` and `run_one(data)`.

A target fails by raising anything. `TOCSIN_FUZZ_SECONDS` (default 10) is the time of each target;
`TOCSIN_FUZZ_SEED` repeats a run. The seed stands in the captured output and in every failure.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.records import note

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("fuzz_*.py"))
SECONDS = float(os.environ.get("TOCSIN_FUZZ_SECONDS", "10"))
LEAST_RUNS = 200
LONGEST_BYTES = 8192
INTERESTING = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b'"',
    b"[",
    b"]",
    b"|",
    b"^",
    b"\xff",
    b"\x80",
    b"0",
    b"FFFF",
    b"-1",
    b"<",
    b":",
)
KEPT_BYTES = 4 * 1024 * 1024


def load(name: str) -> ModuleType:
    """Import one target of this folder."""
    return importlib.import_module(f"tests.fuzz.{name}")


def seed_of(name: str) -> str:
    """Return the seed of a target: the one asked for, or a new one."""
    return os.environ.get("TOCSIN_FUZZ_SEED") or f"{name}-{random.SystemRandom().getrandbits(48):012x}"


def mutate(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return a seed with a few of the changes that break parsers, or noise."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + rng.randrange(6)):
        at = rng.randrange(len(data) + 1)
        change = rng.randrange(9)
        if change == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif change == 1 and data:
            data[at % len(data)] = rng.randrange(256)
        elif change == 2:
            data[at:at] = rng.choice(INTERESTING)
        elif change == 3:
            del data[at : at + 1 + rng.randrange(8)]
        elif change == 4:
            data[at:at] = data[at : at + 1 + rng.randrange(40)] * (1 + rng.randrange(30))
        elif change == 5:
            other = rng.choice(seeds)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]
        elif change == 6:
            del data[at:]
        elif change == 7:
            data[at:at] = rng.randbytes(1 + rng.randrange(8))
        else:
            data[at:at] = rng.choice(INTERESTING) * (1 + rng.randrange(300))
    return bytes(data[:LONGEST_BYTES])


def cpu_s(run_one: Callable[[bytes], None], data: bytes, times: int = 1) -> float:
    """Return the CPU time of one input, the shortest of some tries."""
    shortest_s = float("inf")
    for _ in range(times):
        began_s = time.process_time()
        run_one(data)
        shortest_s = min(shortest_s, time.process_time() - began_s)
    return shortest_s


def pieces_of(seeds: list[bytes]) -> list[bytes]:
    """Return what to repeat: whole seeds, their halves and ends, and what opens something."""
    pieces = [b"[", b"|", b"/", b"^", b"<", b'\n0000"', b'\n00000FFF"']
    for data in seeds:
        pieces += [data, data[: len(data) // 2], data[len(data) // 2 :], data[-1:]]
    return [piece for piece in dict.fromkeys(pieces) if piece]


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_takes_any_octets(name: str) -> None:
    target = load(name)
    seed = seed_of(name)
    rng = random.Random(seed)
    sys.stdout.write(f"TOCSIN_FUZZ_SEED={seed}\n")
    until_s = time.monotonic() + SECONDS
    for data in target.SEEDS:
        target.run_one(data)
    runs = 0
    while runs < LEAST_RUNS or time.monotonic() < until_s:
        data = mutate(rng, target.SEEDS)
        runs += 1
        try:
            target.run_one(data)
        except Exception as error:
            pytest.fail(f"{name} raised {type(error).__name__}: {error}\nseed {seed}, run {runs}\ninput {data!r}")
    note(name.removeprefix("fuzz_"), inputs=runs, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_work_grows_no_faster_than_the_input_and_nothing_is_kept(name: str) -> None:
    """For 8 times the input, quadratic work takes 64 times as long and linear work about 8 times."""
    target = load(name)
    for piece in pieces_of(target.SEEDS):
        small, large = (piece * (size // len(piece) + 1) for size in (1024, 8192))
        if cpu_s(target.run_one, large) > 0.05:
            ratio = cpu_s(target.run_one, large, 3) / max(cpu_s(target.run_one, small, 3), 1e-6)
            assert ratio < 32, (name, piece)
    tracemalloc.start()
    try:
        for data in target.SEEDS:
            target.run_one((data or b"x") * 40)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4):
            for data in target.SEEDS:
                target.run_one((data or b"x") * 40)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < KEPT_BYTES
