"""The feed: what joins get, what loss costs, how fragments are cut."""

import itertools
import json
import re
import struct

import pytest

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS
from tocsin.media.feed import MAX_CACHE_BYTES, Feed
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.audio import AudioUnit
from tocsin.protocols.rtp.ps import StreamType

FRAME = 3600


class Seat:
    """A viewer that keeps everything it is given."""

    def __init__(self, *, wants_audio=False):
        self.wants_audio = wants_audio
        self.media = []
        self.inits = []
        self.texts = []
        self.waits = 0

    def send_media(self, frame, *, is_key):
        self.media.append((frame, is_key))

    def send_init(self, frames):
        self.inits.append(frames)

    def send_text(self, frame):
        self.texts.append(json.loads(frame[2:] if frame[1] < 126 else frame[4:]))

    def wait_for_key(self):
        self.waits += 1


def unit(index, *, key=False, damaged=False, size=50, pts="", dts=None, nals=(), recovery=False):
    slice_nal = (b"\x65\x88" if key else b"\x41\x9a") + b"<%06d>" % index + b"\x5a" * size
    sets = [H264_SPS, H264_PPS] if key else []
    stamp = index * FRAME if pts == "" else pts
    return AccessUnit(StreamType.H264, stamp, dts, [*nals, *sets, slice_nal], key, damaged, recovery)


def play(feed, indexes, *, key_every=10, **how):
    for index in indexes:
        feed.take(unit(index, key=index % key_every == 0, **how), index * 40.0)


def numbers(seat):
    found = []
    for frame, _ in seat.media:
        found += [int(number) for number in re.findall(rb"<(\d{6})>", frame)]
    return found


def run_of(frame):
    """Return (decode time, [(duration, size, flags)]) of a framed fragment."""
    moof = frame[frame.index(b"moof") :]
    time = struct.unpack_from("!Q", moof, moof.index(b"tfdt") + 8)[0]
    run = moof[moof.index(b"trun") + 4 :]
    count = struct.unpack_from("!I", run, 4)[0]
    return time, [struct.unpack_from("!III", run, 12 + 12 * index) for index in range(count)]


def test_each_picture_is_a_fragment_while_streams_are_few():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    play(feed, range(12))
    assert numbers(seat) == list(range(12))
    assert [is_key for _, is_key in seat.media] == [index % 10 == 0 for index in range(12)]
    times = [run_of(frame)[0] for frame, _ in seat.media]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [FRAME] * 11


def test_grouped_fragments_last_200_ms_at_most_and_the_key_goes_alone():
    feed, seat = Feed("cam"), Seat()
    feed.is_grouped = True
    feed.join(seat)
    play(feed, range(25), key_every=12)
    groups = [[flags for _, _, flags in run_of(frame)[1]] for frame, _ in seat.media]
    assert [len(group) for group in groups] == [1, 5, 5, 1, 1, 5, 5, 1, 1]
    assert all(sum(duration for duration, _, _ in run_of(frame)[1]) <= 18_000 for frame, _ in seat.media)
    feed.flush_older_than(1e9)
    assert numbers(seat) == list(range(25))


def test_a_picture_that_waits_for_company_is_sent_when_the_source_stops():
    feed, seat = Feed("cam"), Seat()
    feed.is_grouped = True
    feed.join(seat)
    play(feed, range(2))
    assert numbers(seat) == [0]
    feed.flush_older_than(39.0)
    assert numbers(seat) == [0]
    feed.flush_older_than(40.0)
    assert numbers(seat) == [0, 1]


def test_a_late_viewer_gets_one_catch_up_fragment_from_the_key():
    feed = Feed("cam")
    play(feed, range(17))
    seat = Seat()
    feed.join(seat)
    assert len(seat.inits) == len(seat.media) == 1
    assert numbers(seat) == list(range(10, 17))
    assert seat.media[0][1]
    assert run_of(seat.media[0][0])[1][0][2] == 0x02000000
    play(feed, [17])
    assert numbers(seat)[-1] == 17


def test_nothing_is_sent_before_a_key_with_parameter_sets():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    play(feed, range(1, 5))
    feed.take(AccessUnit(StreamType.H264, 9, None, [b"\x65\x88key"], True, False, False), 0.0)
    assert (seat.inits, seat.media) == ([], [])
    play(feed, [10])
    assert numbers(seat) == [10]


def test_after_damage_pictures_are_withheld_until_the_next_key():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    play(feed, range(3))
    feed.take(unit(3, damaged=True), 120.0)
    play(feed, range(4, 12))
    assert numbers(seat) == [0, 1, 2, 10, 11]
    assert seat.texts == [{"type": "gap", "reason": "loss"}]


def test_a_tolerant_feed_shows_damaged_pictures():
    feed, seat = Feed("cam", tolerates_loss=True), Seat()
    feed.join(seat)
    play(feed, range(3))
    feed.take(unit(3, damaged=True), 120.0)
    assert numbers(seat) == [0, 1, 2, 3]
    assert seat.texts == []


def test_delimiters_filler_and_parameter_sets_are_not_in_the_samples():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    sei = b"\x06\x05\x01\xaa"
    feed.take(unit(0, key=True, nals=[b"\x09\xf0", sei, b"\x0c\xff\xff"]), 0.0)
    media = seat.media[0][0]
    sample = media[media.index(b"mdat") + 4 :]
    assert sample.startswith(len(sei).to_bytes(4, "big") + sei)
    assert H264_SPS not in sample


def test_a_cache_too_long_keeps_the_key_and_makes_joins_wait():
    feed = Feed("cam")
    size = MAX_CACHE_BYTES // 4
    play(feed, range(8), key_every=100, size=size)
    seat = Seat()
    feed.join(seat)
    assert numbers(seat) == [0]
    assert seat.waits == 1


def test_b_frames_get_their_decode_times():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    base = 900_000
    for index, (shown, decoded) in enumerate([(2, 0), (5, 1), (3, 2), (4, 3), (8, 4), (6, 5), (7, 6)]):
        feed.take(unit(index, key=index == 0, pts=base + shown * FRAME, dts=base + decoded * FRAME), index * 40.0)
    times = [run_of(frame)[0] for frame, _ in seat.media]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [FRAME] * 6


def test_b_frames_without_decode_times_still_decode_in_order():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    for index, shown in enumerate([0, 3, 1, 2, 6, 4, 5, 9, 7, 8]):
        feed.take(unit(index, key=index == 0, pts=900_000 + shown * FRAME), index * 40.0)
    times = [run_of(frame)[0] for frame, _ in seat.media]
    assert times == sorted(set(times))


@pytest.mark.parametrize("stamp", [None, 0])
def test_stamps_that_are_absent_or_stand_still_follow_arrival(stamp):
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    for index in range(5):
        feed.take(unit(index, key=index == 0, pts=stamp), index * 40.0)
    times = [run_of(frame)[0] for frame, _ in seat.media]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [FRAME] * 4


def test_a_camera_without_key_pictures_is_joined_at_a_recovery_point():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    for index in range(200):
        sets = [H264_SPS, H264_PPS] if index % 50 == 0 else []
        feed.take(unit(index, nals=sets, recovery=index % 50 == 0), index * 40.0)
    assert numbers(seat)[0] == 150


def test_changed_parameters_reach_viewers_before_the_pictures_that_need_them():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    play(feed, range(2))
    changed = H264_SPS[:3] + b"\x1f" + H264_SPS[4:]
    feed.take(AccessUnit(StreamType.H264, 2 * FRAME, None, [changed, H264_PPS, b"\x65\x88x"], True, False, False), 80.0)
    assert len(seat.inits) == 2
    assert b"avc1.64001F" in seat.inits[1]
    assert feed.config_version == 2


def test_sound_is_converted_only_for_those_who_asked():
    feed, listener, watcher = Feed("cam"), Seat(wants_audio=True), Seat()
    feed.join(listener)
    feed.join(watcher)
    for index in range(30):
        feed.take(unit(index, key=index % 10 == 0), index * 40.0)
        feed.take_sound(AudioUnit(StreamType.G711A, index * FRAME, b"\xd5" * 320))
    assert b"flac" in listener.inits[-1]
    assert len(watcher.inits) == 1
    assert all(b"traf" in frame and frame.count(b"traf") == 1 for frame, _ in watcher.media)
    assert listener.media[-1][0].count(b"traf") == 2
    heard = sum(frame.count(b"\xff\xf9\x74\x08") for frame, _ in listener.media)
    assert 27 <= heard <= 31


def test_without_a_listener_sound_is_not_decoded():
    feed, watcher = Feed("cam"), Seat()
    feed.join(watcher)
    for index in range(5):
        feed.take(unit(index, key=index == 0), index * 40.0)
        feed.take_sound(AudioUnit(StreamType.G711A, index * FRAME, b"\xd5" * 320))
    assert feed.sound.track is not None
    assert feed.sound.collect(0)[1] == []


def test_missing_sound_is_filled_so_that_the_picture_does_not_wait_for_it():
    feed, listener = Feed("cam"), Seat(wants_audio=True)
    feed.join(listener)
    for index in range(60):
        feed.take(unit(index, key=index % 10 == 0), index * 40.0)
        if index < 5:
            feed.take_sound(AudioUnit(StreamType.G711U, index * FRAME, b"\xff" * 320))
    silent = [frame for frame, _ in listener.media[30:] if frame.count(b"traf") == 2]
    assert silent


def test_leading_pictures_after_joining_at_a_clean_random_access_point_are_withheld():
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)

    def picture(index, kind, *, key=False):
        sets = [H265_VPS, H265_SPS, H265_PPS] if key else []
        nal = bytes([kind << 1, 1, 0x80]) + b"<%06d>" % index
        feed.take(AccessUnit(StreamType.H265, index * FRAME, None, [*sets, nal], key, False, False), index * 40.0)

    picture(0, 21, key=True)
    picture(1, 9)
    picture(2, 1)
    picture(3, 21, key=True)
    picture(4, 9)  # its references are there now
    assert numbers(seat) == [0, 2, 3, 4]
