"""The picture worker: what it measures of drawn pictures, what it remembers, and that nothing hostile gets past it."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tocsin.base.errors import TocsinError
from tocsin.domain.picture_rules import FEWEST_PICTURES
from tocsin.media import picture_measures
from tocsin.media.examiner import Examiner
from tocsin.media.picture_decoding import NotDecodable, decode
from tocsin.media.picture_examination import Wish, examine
from tocsin.media.picture_measures import ticks
from tocsin.media.picture_reference import Memory
from tocsin.sim.picture_faults import FAULTS, spoil
from tocsin.sim.street import Encoder, Pixels, Street

WIDTH, HEIGHT = 640, 360
START_MS = 1_795_000_000_000
MINUTE_MS = 60_000
STREET = Street(3, "CAM", WIDTH, HEIGHT)
OTHER = Street(4, "CAM", WIDTH, HEIGHT)


def encoded(pixels: Pixels, codec: str = "h264") -> bytes:
    height, width = pixels.shape[:2]
    return Encoder(width, height, 4, 1_500_000, codec=codec).encode(pixels, is_key=True)


def drawn(number: int) -> Pixels:
    return STREET.draw(START_MS + number * MINUTE_MS)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a camera looks like after five accepted pictures."""
    wish = Wish("h264", tmp_path_factory.mktemp("learn") / "camera.bin", 4)
    for number in range(5):
        finding = examine(encoded(drawn(number)), wish)
        assert max(finding.ratios.values()) < 1
    assert finding.pictures >= FEWEST_PICTURES
    return wish.reference.read_bytes()


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("frozen", "dark")])
def test_each_fault_is_seen_in_one_picture(fault: str, learned: bytes, tmp_path: Path) -> None:
    reference = tmp_path / "camera.bin"
    reference.write_bytes(learned)
    pixels = spoil(drawn(9), fault, 0.75, seed=5, elsewhere=OTHER.draw(START_MS))
    finding = examine(encoded(pixels), Wish("h264", reference, 4))
    assert finding.ratios[fault] >= 1, (finding.ratios, finding.measures)
    assert finding.score <= 50
    assert Memory.read(reference).baseline("4c") == Memory(reference, Memory.read(reference).kept).baseline("4c")


def test_a_frozen_picture_is_the_same_to_the_grain(learned: bytes, tmp_path: Path) -> None:
    reference = tmp_path / "camera.bin"
    reference.write_bytes(learned)
    still = encoded(drawn(9))
    first, second = (examine(still, Wish("h264", reference, 4, motion=0.001)) for _ in range(2))
    assert first.ratios["frozen"] < 1 <= second.ratios["frozen"]
    assert examine(encoded(drawn(10)), Wish("h264", reference, 4, motion=0.2)).ratios["frozen"] < 1


def test_a_motionless_room_with_a_living_sensor_is_not_frozen_and_the_same_picture_again_is(tmp_path: Path) -> None:
    wish = Wish("h264", tmp_path / "camera.bin", 4)
    room, chance = drawn(1), np.random.default_rng(1)

    def living() -> bytes:
        grain = chance.normal(0, 2, (*room.shape[:2], 1))
        return encoded(np.clip(room + grain, 0, 255).astype(np.uint8))

    for _ in range(6):
        finding = examine(living(), wish)
        assert finding.ratios["frozen"] < 1, finding.measures
    hung = living()
    assert [examine(hung, wish).ratios["frozen"] >= 1 for _ in range(3)] == [False, True, True]


def test_a_clock_that_runs_in_the_strip_above_is_noticed_and_light_is_not() -> None:
    seen = np.full((6, 80), 40, np.uint8)
    ticked = seen.copy()
    ticked[1:3, 10:12] = 200
    assert not ticks(seen, seen)
    assert ticks(ticked, seen)
    assert not ticks(seen + 30, seen)


def test_a_faulty_picture_is_not_learned_and_leaves_a_small_marked_still(learned: bytes, tmp_path: Path) -> None:
    reference, still = tmp_path / "camera.bin", tmp_path / "stills" / "one.jpg"
    reference.write_bytes(learned)
    before = Memory.read(reference).baseline("4c")
    large = Street(3, "CAM", 1280, 720).draw(START_MS)
    wish = Wish("h264", reference, 4, still=still, marks=("UPKEEP ONLY", "34020000001320000001"))
    finding = examine(encoded(spoil(large, "black", 1.0, 5)), wish)
    assert finding.still is not None
    assert Memory.read(reference).baseline("4c") == before
    content = still.read_bytes()
    image = Image.open(io.BytesIO(content))
    assert (image.width, image.height) == (640, 360)
    assert len(content) == finding.still["size_bytes"]
    # A black picture would be black all over: the marks are what shines.
    assert np.asarray(image.convert("L")).max() > 60
    assert still.stat().st_mode & 0o777 == 0o600


def test_a_good_picture_leaves_no_still(learned: bytes, tmp_path: Path) -> None:
    reference, still = tmp_path / "camera.bin", tmp_path / "one.jpg"
    reference.write_bytes(learned)
    assert examine(encoded(drawn(9)), Wish("h264", reference, 4, still=still)).still is None
    assert not still.exists()


def test_h265_is_examined_too(tmp_path: Path) -> None:
    finding = examine(encoded(drawn(0), "h265"), Wish("h265", tmp_path / "camera.bin", 4))
    assert (finding.width, finding.height) == (WIDTH, HEIGHT)
    assert max(finding.ratios.values()) < 1


def test_another_time_of_day_is_learned_apart_and_the_one_beside_helps_out(learned: bytes, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "none", Memory.read(_written(tmp_path, learned)).kept)
    assert memory.slot_for(4, is_grey=False) == memory.slot_for(5, is_grey=False) == "4c"
    assert memory.slot_for(0, is_grey=False) == ""
    assert memory.slot_for(4, is_grey=True) == "4c"  # the other light, for what can be judged by it
    assert memory.slot_for(5, is_grey=True) == ""
    grey = memory.baseline("4c", is_grey=True)
    assert grey is not None
    assert grey.is_of_colour


def _memory_of(folder: Path) -> bytes:
    path = folder / "learned.bin"
    if not path.exists():
        examine(ENCODED, Wish("h264", path, 4))
    return path.read_bytes()


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "written.bin"
    path.write_bytes(content)
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 400))
def test_a_damaged_memory_is_an_empty_or_a_usable_one(learned: bytes, tmp_path: Path, noise: bytes, at: int) -> None:
    for content in (noise, learned[:at] + noise, learned[:at] + noise + learned[at + len(noise) :]):
        memory = Memory.read(_written(tmp_path, content))
        memory.last()
        for name in memory.kept.slots:
            grey = memory.grey(name)
            assert grey is None or grey.shape == (picture_measures.HEIGHT, picture_measures.WIDTH)
            memory.baseline(name)
    bomb = Memory(tmp_path / "none")
    bomb.kept.last = zlib.compress(bytes(50_000_000))
    assert bomb.last() is None


def test_a_reference_that_claims_to_be_huge_is_none(learned: bytes, tmp_path: Path) -> None:
    memory = Memory.read(_written(tmp_path, learned))
    [(name, slot)] = memory.kept.slots.items()
    assert memory.grey(name) is not None
    huge = io.BytesIO()
    Image.new("1", (19_000, 19_000)).save(huge, "PNG")
    slot.grey = huge.getvalue()
    assert memory.grey(name) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2000), st.sampled_from(["h264", "h265", "vp9"]))
def test_bytes_that_are_no_picture_are_refused_or_decoded(noise: bytes, at: int, codec: str) -> None:
    whole = ENCODED
    for data in (noise, whole[:at] + noise, whole[:at] + noise + whole[at + len(noise) :], b""):
        try:
            frame = decode(data, codec)
        except NotDecodable:
            continue
        assert frame.width > 0


ENCODED = encoded(drawn(0))


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    made = Examiner()
    yield made
    await made.stop()


def question(tmp_path: Path, data: bytes) -> dict[str, object]:
    path = tmp_path / "one.key"
    path.write_bytes(data)
    return {"path": str(path), "codec": "h264", "reference": str(tmp_path / "c.bin"), "slot": 4}


async def test_the_worker_answers_and_the_key_picture_is_gone(examiner: Examiner, tmp_path: Path) -> None:
    assert examiner.problem == ""
    found = await examiner.examine(question(tmp_path, ENCODED))
    assert found["score"] > 50
    assert found["still"] is None
    assert not (tmp_path / "one.key").exists()


async def test_what_is_no_picture_is_refused_and_the_worker_goes_on(examiner: Examiner, tmp_path: Path) -> None:
    with pytest.raises(TocsinError) as refusal:
        await examiner.examine(question(tmp_path, b"\0\0\0\1nonsense"))
    assert refusal.value.key == "picture.not_decodable"
    assert (await examiner.examine(question(tmp_path, ENCODED)))["width"] == WIDTH
    assert examiner.restarts == 0
    with pytest.raises(TocsinError):
        await examiner.examine({"path": str(tmp_path / "missing"), "codec": "h264", "reference": "", "slot": 0})


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("import time; time.sleep(60)", "picture.worker_hung"),
        ("import sys; sys.stdin.buffer.read(1)", "picture.worker_ended"),
        (
            "import sys; sys.stdout.buffer.write(b'nonsense'); sys.stdout.flush(); sys.stdin.read()",
            "picture.worker_ended",
        ),
    ],
)
async def test_a_worker_that_hangs_dies_or_babbles_costs_one_answer(code: str, key: str, tmp_path: Path) -> None:
    bad = Examiner(timeout_s=0.5, command=(sys.executable, "-c", code))
    for restarts in (0, 1):
        with pytest.raises(TocsinError) as failure:
            await bad.examine(question(tmp_path, ENCODED))
        assert failure.value.key == key
        assert bad.restarts == restarts
    await bad.stop()
