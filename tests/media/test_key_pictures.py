"""The last key picture of a stream as a file: what a decoder needs, of late, and by whom only the house reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clocks import FixedClock
from tocsin.media.key_pictures import KeyPictureVerbs
from tocsin.media.picture_decoding import decode
from tocsin.media.stages import Stages
from tocsin.media.wire import Refused
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.street import Encoder, Street

STREET, FRAME = Street(3, "CAM", 640, 360), 3600


def play(stages: Stages, clock: FixedClock, pictures: int, *, stands: bool = False) -> None:
    encoder, feed = Encoder(640, 360, 25, 800_000), stages.open("camera").feed
    for number in range(pictures):
        drawn = STREET.draw(0 if stands else number * 40)
        nals = split_nals(encoder.encode(drawn, is_key=number == 0))
        unit = AccessUnit(StreamType.H264, number * FRAME, None, nals, number == 0, False, False)
        feed.take(unit, clock.monotonic() * 1000.0)


async def test_a_key_picture_is_written_with_its_parameter_sets_and_decodes(tmp_path: Path) -> None:
    stages, clock, path = Stages(200, lambda _: None), FixedClock(), tmp_path / "one.key"
    play(stages, clock, 8)
    ask = KeyPictureVerbs(stages, clock).table()["key_picture"]
    told = await ask({"stream_id": "camera", "path": str(path)})
    assert isinstance(told, dict)
    assert (told["codec"], told["age_ms"], told["clock_ahead_ms"]) == ("h264", 0, None)
    assert path.stat().st_mode & 0o777 == 0o600
    frame = decode(path.read_bytes(), "h264")
    assert (frame.width, frame.height) == (640, 360)
    with pytest.raises(FileExistsError):  # nobody's file is written over
        await ask({"stream_id": "camera", "path": str(path)})


async def test_a_scene_that_stands_still_has_less_motion(tmp_path: Path) -> None:
    motions = []
    for stands in (True, False):
        stages, clock = Stages(200, lambda _: None), FixedClock()
        play(stages, clock, 40, stands=stands)
        path = tmp_path / f"{stands}.key"
        told = await KeyPictureVerbs(stages, clock).table()["key_picture"]({"stream_id": "camera", "path": str(path)})
        assert isinstance(told, dict)
        motions.append(told["motion"])
    assert motions[0] < motions[1]


async def test_an_old_key_picture_or_none_is_refused(tmp_path: Path) -> None:
    stages, clock = Stages(200, lambda _: None), FixedClock()
    ask = KeyPictureVerbs(stages, clock).table()["key_picture"]
    message = {"stream_id": "camera", "path": str(tmp_path / "one.key")}
    with pytest.raises(Refused, match="no such stream"):
        await ask(message)
    stages.open("camera")
    with pytest.raises(Refused, match="no key picture"):
        await ask(message)
    play(stages, clock, 2)
    clock.advance(61)
    with pytest.raises(Refused, match="no key picture"):
        await ask(message)
    assert not (tmp_path / "one.key").exists()
