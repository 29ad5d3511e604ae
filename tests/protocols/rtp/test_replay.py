"""Recorded pictures over RTP: when each was taken, whatever the time stamps of RTP say."""

from __future__ import annotations

import pytest

from tests.support.nals import H264_PPS, H264_SPS
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.packet import payload_span
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.replay import TICKS, ReplayStamp, ReplayTimes, ntp_of, read_stamp, says_bye, with_stamp
from tocsin.protocols.rtp.tracks import TrackReceiver
from tocsin.protocols.rtsp.replay import clock_range, play_headers, read_clock_range

AT_MS = 1_795_313_663_040.0
HEAD = b"\x80\xe0\x00\x01\x00\x00\x0e\x10\x00\x00\x00\x07"


def test_a_stamp_survives_the_round_trip_and_is_not_payload() -> None:
    stamp = ReplayStamp(ntp_of(AT_MS), is_key=True, follows_gap=True, is_last=True, cseq=211)
    packet = with_stamp(HEAD + b"abc", stamp)
    assert read_stamp(packet) == stamp
    assert abs(stamp.wall_ms - AT_MS) < 0.01
    span = payload_span(packet)
    assert span is not None
    assert packet[span[0] : span[1]] == b"abc"


def test_the_bytes_a_camera_sends_are_read() -> None:
    packet = b"\x90" + HEAD[1:] + bytes.fromhex("abac0003d4bb8a43fe7ac81e00d30000") + b"x"
    stamp = read_stamp(packet)
    assert stamp is not None
    assert (stamp.is_key, stamp.ends_section, stamp.follows_gap, stamp.is_last, stamp.cseq) == (
        False, False, False, False, 0xD3,
    )  # fmt: skip
    assert round(stamp.wall_ms) == round((0xD4BB8A43 - 2_208_988_800 + 0xFE7AC81E / 2**32) * 1000)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        HEAD + b"no extension",
        b"\x90" + HEAD[1:] + b"\xab\xac\x00\x03" + bytes(11),
        b"\x90" + HEAD[1:] + b"\xab\xac\x00\x02" + bytes(12),
        b"\x90" + HEAD[1:] + b"\xbe\xde\x00\x03" + b"\x11" * 12,
        b"\x90" + HEAD[1:] + b"\xab\xac\x00\x03" + bytes(12),
    ],
)
def test_what_says_no_time_is_no_stamp(packet: bytes) -> None:
    assert read_stamp(packet) is None


def test_a_picture_without_a_stamp_goes_by_its_rtp_time_over_a_wrap_too() -> None:
    times = ReplayTimes(ahead_ms=30_000)
    assert times.place(5, None) is None, "nothing is known yet"
    first = times.place(0xFFFFFF00, ReplayStamp(ntp_of(AT_MS)))
    assert first == round((AT_MS - 30_000) * 90) % TICKS
    assert times.place(0xFFFFFF00 + 3600 & 0xFFFFFFFF, None) == (first + 3600) % TICKS
    assert times.place(7, ReplayStamp(ntp_of(AT_MS + 5_000))) == round((AT_MS - 25_000) * 90) % TICKS


def test_pictures_of_a_replay_carry_the_time_they_were_taken_and_the_last_says_so() -> None:
    receiver = TrackReceiver(StreamType.H264, times=ReplayTimes())
    packer = NalPacker(StreamType.H264, 7, 96, max_payload=200, aggregates=True)
    found: list[AccessUnit] = []
    for number, gap_ms in enumerate((0, 100, 60_200)):
        nals = [H264_SPS, H264_PPS, b"\x65\x88" + bytes(500)]
        stamp = ReplayStamp(ntp_of(AT_MS + gap_ms), is_last=number == 2)
        for packet in packer.packetize(nals, number * 9_000):  # stamps of the sending: no gap in them
            found += [one for one in receiver.receive(with_stamp(packet, stamp), 0.0) if isinstance(one, AccessUnit)]
        assert receiver.is_over == (number == 2)
    times = [one.pts for one in found]
    assert times == [round((AT_MS + gap_ms) * 90) % TICKS for gap_ms in (0, 100, 60_200)]


def test_a_camera_that_takes_its_leave_is_heard_behind_its_report() -> None:
    report, bye = b"\x80\xc8\x00\x06" + bytes(24), b"\x81\xcb\x00\x01\x00\x00\x00\x07"
    assert says_bye(report + bye)
    assert not says_bye(report)
    assert not says_bye(b"\x80\xc8\xff\xff")
    receiver = TrackReceiver(StreamType.H264, times=ReplayTimes())
    receiver.take_report(report + bye, 0.0)
    assert receiver.is_over
    assert receiver.wall_ahead_ms is None, "its clock is that of the recording"


def test_ranges_of_clock_time_are_written_and_read_to_the_millisecond() -> None:
    assert clock_range(AT_MS, None) == "clock=20261122T021423.040Z-"
    assert read_clock_range(clock_range(AT_MS, AT_MS + 240_001)) == (AT_MS, AT_MS + 240_001)
    assert read_clock_range("clock=20261122T021423Z-;time=19970123T143720Z") == (AT_MS - 40, None)
    assert play_headers(AT_MS, AT_MS, is_fast=True)[-1] == ("Rate-Control", "no")
    assert play_headers(None, AT_MS, scale=0.5) == [("Require", "onvif-replay"), ("Scale", "0.5")]


@pytest.mark.parametrize("value", ["", "npt=0-", "clock=", "clock=20261122T021423Z", "clock=2026-11-22-", "clock=9-9",
    "clock=20261399T021423Z-", "clock=20261122T021423.x7Z-", "clock=20261122T021423Z-soon"])  # fmt: skip
def test_what_is_no_range_of_clock_time_is_none(value: str) -> None:
    assert read_clock_range(value) is None
