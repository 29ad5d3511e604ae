"""Record time under speed, seek, pause, reverse play, and stamps that lie; files of recordings."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest

from tests.support.media import HandCamera, running_link, top_boxes, watching
from tests.support.nals import H264_PPS, H264_SPS
from tocsin.media.playback_feed import PlaybackFeed, is_playback
from tocsin.media.record_line import RecordLine
from tocsin.media.recording_file import RecordingFile
from tocsin.media.stage import Stage
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.ps import StreamType

START_MS = 1_763_776_800_000.0
FRAME = 3600


class Sending:
    """A device that sends 25 pictures a second of record time at a speed; `stamp_scale` 1 keeps record pace."""

    def __init__(self, line: RecordLine, *, scale: float = 1.0, stamp_scale: float = 1.0) -> None:
        self.line = line
        self.scale = scale
        self.stamp_scale = stamp_scale
        self.now_ms = 1000.0
        self.pts = 500_000.0
        self.shown: list[tuple[int, float]] = []

    def send(self, pictures: int, *, key_every: int = 25) -> None:
        for index in range(pictures):
            media = self.line.place(round(self.pts), self.now_ms, is_key=index % key_every == 0)
            if media is not None:
                self.shown.append((media, self.line.record_ms))
            self.pts += FRAME / self.stamp_scale
            self.now_ms += 40.0 / self.scale


def line_at(record_ms: float = START_MS, scale: float = 1.0) -> RecordLine:
    line = RecordLine()
    line.start(record_ms, 0.0, scale=scale)
    return line


def test_nothing_is_shown_before_the_first_key_and_that_shows_the_start() -> None:
    line = line_at()
    assert line.place(1, 0.0, is_key=False) is None
    assert line.place(3601, 40.0, is_key=True) == 0
    assert line.record_ms == START_MS


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_a_speed_changes_how_fast_record_time_passes_and_nothing_else(scale: float) -> None:
    sending = Sending(line_at(scale=scale), scale=scale)
    sending.send(200)
    media_s = (sending.shown[-1][0] - sending.shown[0][0]) / 90_000
    record_s = (sending.shown[-1][1] - sending.shown[0][1]) / 1000
    assert record_s == pytest.approx(199 * 0.04, abs=0.01)
    assert media_s == pytest.approx(record_s / scale, abs=0.02)


def test_stamps_at_the_pace_of_the_sending_are_found_out_and_multiplied() -> None:
    sending = Sending(line_at(scale=4.0), scale=4.0, stamp_scale=4.0)
    sending.send(600)
    record_s = (sending.shown[-1][1] - START_MS) / 1000
    assert record_s == pytest.approx(599 * 0.04, rel=0.05)
    late = [media for media, _ in sending.shown[-100:]]
    assert (late[-1] - late[0]) / 90_000 == pytest.approx(99 * 0.01, rel=0.02), "a player still runs at a clock's pace"


def test_stamps_that_stand_still_follow_arrival_and_speed() -> None:
    line = line_at(scale=2.0)
    for index in range(101):
        line.place(77, index * 20.0, is_key=index == 0)
    assert (line.record_ms - START_MS) / 1000 == pytest.approx(4.0, abs=0.01)
    assert line.media / 90_000 == pytest.approx(2.0, abs=0.01)


def test_a_burst_plays_at_the_pace_it_was_recorded() -> None:
    sending = Sending(line_at(), scale=20.0)
    sending.send(250)
    assert sending.shown[-1][0] / 90_000 == pytest.approx(249 * 0.04, abs=0.01)


def test_a_seek_drops_what_was_under_way_and_takes_the_moment_from_the_stamp() -> None:
    line = line_at()
    sending = Sending(line)
    sending.send(50)
    line.hold()
    sending.send(5)
    count = len(sending.shown)
    assert count == 50, "nothing is shown while a seek is under way"
    line.start(START_MS + 600_000, sending.now_ms)
    sending.send(3, key_every=1)  # still of before the seek
    assert len(sending.shown) == count
    sending.pts = 500_000 + 598_000 * 90  # the key before the moment asked for
    sending.send(10)
    assert sending.shown[count][1] == pytest.approx(START_MS + 598_000)
    assert sending.shown[count][0] > sending.shown[count - 1][0], "media time never goes back"


def test_a_seek_of_a_device_whose_stamps_start_anew_shows_the_moment_asked_for() -> None:
    line = line_at()
    sending = Sending(line)
    sending.send(50)
    line.hold()
    line.start(START_MS + 600_000, sending.now_ms)
    sending.pts = 0
    sending.send(2)
    assert sending.shown[50][1] == START_MS + 600_000


def test_a_pause_takes_no_record_time() -> None:
    line = line_at()
    sending = Sending(line)
    sending.send(50)
    before = line.record_ms
    line.pause(True)
    sending.now_ms += 60_000
    line.pause(False)
    sending.send(1, key_every=100)
    assert line.record_ms - before == pytest.approx(40)
    assert sending.shown[-1][0] - sending.shown[-2][0] == FRAME


@pytest.mark.parametrize("stamps", ["of_the_recording", "of_the_sending"])
def test_reverse_play_shows_runs_last_to_first_while_media_time_goes_on(stamps: str) -> None:
    line = line_at()
    sending = Sending(line)
    sending.send(100)
    line.pace(-1.0)
    at_turn = line.record_ms
    for _ in range(3):
        if stamps == "of_the_recording":
            sending.pts -= 50 * FRAME
        sending.send(25)
    assert line.record_ms < at_turn - 900
    media = [one for one, _ in sending.shown]
    assert media == sorted(set(media))


def test_a_gap_between_files_is_a_step_of_record_time_not_of_media_time() -> None:
    line = line_at()
    sending = Sending(line)
    sending.send(50)
    sending.pts += 300 * 90_000
    sending.send(10)
    assert sending.shown[50][1] - sending.shown[49][1] == pytest.approx(300_040, abs=1)
    assert sending.shown[50][0] - sending.shown[49][0] == FRAME


class Seat:
    wants_audio = False

    def __init__(self) -> None:
        self.media: list[bytes] = []
        self.texts: list[dict[str, object]] = []

    def send_media(self, frame: bytes, *, is_key: bool) -> None:
        self.media.append(frame)

    def send_init(self, frames: bytes) -> None:
        pass

    def send_text(self, frame: bytes) -> None:
        self.texts.append(json.loads(frame[2:] if frame[1] < 126 else frame[4:]))

    def wait_for_key(self) -> None:
        pass


def unit(index: int, *, key: bool = False) -> AccessUnit:
    nal = (b"\x65\x88" if key else b"\x41\x9a") + b"<%06d>" % index + b"\x5a" * 50
    sets = [H264_SPS, H264_PPS] if key else []
    return AccessUnit(StreamType.H264, index * FRAME, None, [*sets, nal], key, False, False)


def test_a_viewer_is_told_the_clock_when_it_joins_and_whenever_it_changes() -> None:
    feed, seat = PlaybackFeed("camera~r1"), Seat()
    feed.line.start(START_MS, 0.0)
    feed.join(seat)
    for index in range(10):
        feed.take(unit(index, key=index == 0), index * 40.0)
    clocks = [text for text in seat.texts if text["type"] == "record_clock"]
    assert [(one["media_time"], one["record_ms"], one["rate"]) for one in clocks] == [(1.0, START_MS, 1.0)]
    feed.line.pace(2.0)
    feed.take(unit(10), 400.0)
    late = Seat()
    feed.join(late)
    assert late.texts[0]["rate"] == 2.0
    feed.hold()
    assert seat.texts[-1] == {"type": "gap", "reason": "seek"}
    assert not feed.is_ready, "who joins during a seek is not shown what was before it"


def test_only_a_recordings_stream_has_record_time() -> None:
    assert is_playback("camera~r1")
    assert not is_playback("camera")
    assert not is_playback("camera~sub")
    assert "record_ms" in Stage("camera~r1").stats(0, 0)
    assert "record_ms" not in Stage("camera").stats(0, 0)


def test_a_paused_recording_is_not_silent() -> None:
    stage = Stage("camera~r1")
    assert isinstance(stage.feed, PlaybackFeed)
    from tocsin.media.source import Source

    stage.source = Source(stage.feed, ssrc=None, wants_audio=False)
    stage.source.last_packet_ms = 0.0
    stage.feed.line.pause(True)
    assert not stage.is_silent(60_000, 10_000)
    stage.feed.line.pause(False)
    assert not stage.is_silent(69_000, 10_000)
    assert stage.is_silent(71_000, 10_000)


def test_a_file_keeps_every_unit_and_its_digest_is_that_of_its_bytes(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    file = RecordingFile(path, 1 << 20)
    for index in range(60):
        file.take(unit(index, key=index % 25 == 0), index * FRAME, START_MS + index * 40)
    done = file.finish()
    data = path.read_bytes()
    assert done["sha256"] == hashlib.sha256(data).hexdigest()
    assert (done["size_bytes"], done["pictures"], done["problem"]) == (len(data), 60, "")
    assert (done["first_record_ms"], done["last_record_ms"]) == (START_MS, START_MS + 59 * 40)
    assert top_boxes(data) == ["ftyp", "moov", "moof", "mdat", "moof", "mdat", "moof", "mdat"]
    assert b"avc3" in data
    assert data.count(H264_SPS) == 4, "in the header, and in band before each key"
    times = [struct.unpack_from("!Q", data, at + 8)[0] for at in _places(data, b"tfdt")]
    assert times == [0, 25 * FRAME, 50 * FRAME]


def test_a_bare_file_is_the_byte_stream_alone(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    file = RecordingFile(path, 1 << 20, is_bare=True)
    units = [unit(index, key=index % 25 == 0) for index in range(30)]
    for index, one in enumerate(units):
        file.take(one, index * FRAME, START_MS + index * 40)
    done = file.finish()
    data = path.read_bytes()
    assert data == b"".join(b"\0\0\0\1" + nal for one in units for nal in one.nals)
    assert (done["sha256"], done["codec"]) == (hashlib.sha256(data).hexdigest(), "h264")


def test_a_bare_file_begins_with_the_sets_that_came_before_its_first_key(tmp_path) -> None:
    file = RecordingFile(tmp_path / "a.mp4", 1 << 20, is_bare=True)
    key = unit(0, key=True)
    alone = key._replace(nals=tuple(nal for nal in key.nals if nal[0] & 31 == 5))
    file.take(key._replace(nals=tuple(nal for nal in key.nals if nal[0] & 31 in (7, 8)), is_key=False), 0, START_MS)
    file.take(alone, FRAME, START_MS + 40)
    file.finish()
    kinds = [part[0] & 31 for part in (tmp_path / "a.mp4").read_bytes().split(b"\0\0\0\1")[1:]]
    assert kinds == [7, 8, 5]


def _places(data: bytes, word: bytes) -> list[int]:
    found, at = [], data.find(word)
    while at >= 0:
        found.append(at)
        at = data.find(word, at + 1)
    return found


def test_a_file_that_would_be_too_large_stops_and_is_not_kept(tmp_path) -> None:
    file = RecordingFile(tmp_path / "a.mp4", 4000)
    for index in range(100):
        file.take(unit(index, key=index % 25 == 0), index * FRAME, START_MS)
    done = file.finish()
    assert done["problem"] == "download.too_large"
    assert list(tmp_path.iterdir()) == []


async def test_a_worker_plays_a_recording_and_writes_it_down(tmp_path) -> None:
    async with running_link() as link:
        camera = HandCamera()
        endpoint = await link.open_receiver("cam~r1", "udp", ssrc=None, peer_ip=None)
        await link.steer("cam~r1", "start", record_ms=START_MS)
        await link.save("cam~r1", tmp_path / "a.mp4", 1 << 20)
        async with watching(link, "cam~r1") as watcher:
            await camera.send_udp(endpoint.ip, endpoint.port, 20)
            await watcher.until(lambda: len(watcher.numbers()) >= 15)
            await watcher.until(lambda: watcher.kinds("status"))
            clock = watcher.kinds("record_clock")[0]
            status = watcher.kinds("status")[-1]
            assert START_MS <= clock["record_ms"] <= START_MS + 1000
            assert START_MS <= status["record_ms"] <= START_MS + 1000
            await link.steer("cam~r1", "pause")
            await link.steer("cam~r1", "hold")
            await watcher.until(lambda: watcher.kinds("gap"))
        done = await link.saved("cam~r1", keep=True)
        assert done["pictures"] >= 15
        assert (tmp_path / "a.mp4").stat().st_size == done["size_bytes"]
        camera.close()
