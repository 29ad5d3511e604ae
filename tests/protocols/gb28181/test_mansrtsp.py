"""MANSRTSP bodies, MediaStatus, and the SDP of recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.protocols.gb28181.history_sdp import (
    HistoryWish,
    file_size_of,
    history_answer,
    history_offer,
    read_history_offer,
)
from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.mansrtsp import (
    BadSteering,
    Pause,
    Play,
    Steered,
    Teardown,
    is_end_of_file,
    media_status,
    read_steered,
    read_steering,
    steered_body,
    steering_body,
)
from tocsin.protocols.sip.sdp import MediaMode, Sdp, parse_sdp

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CHANNEL = "34020000001310000001"


@pytest.mark.parametrize(
    ("steering", "lines"),
    [
        (Play(), ["PLAY RTSP/1.0", "CSeq: 4", "Range: npt=now-"]),
        (Play(npt_s=100), ["PLAY RTSP/1.0", "CSeq: 4", "Range: npt=100-"]),
        (Play(npt_s=12.5), ["PLAY RTSP/1.0", "CSeq: 4", "Range: npt=12.5-"]),
        (Play(scale=0.25), ["PLAY RTSP/1.0", "CSeq: 4", "Scale: 0.25"]),
        (Play(scale=4), ["PLAY RTSP/1.0", "CSeq: 4", "Scale: 4.0"]),
        (Play(scale=-1), ["PLAY RTSP/1.0", "CSeq: 4", "Scale: -1.0"]),
        (Pause(), ["PAUSE RTSP/1.0", "CSeq: 4", "PauseTime: now"]),
        (Teardown(), ["TEARDOWN RTSP/1.0", "CSeq: 4"]),
    ],
)
def test_every_act_is_written_and_read_back(steering, lines) -> None:
    body = steering_body(steering, 4)
    assert body.decode().split("\r\n")[: len(lines)] == lines
    assert body.endswith(b"\r\n\r\n")
    assert read_steering(body) == (steering, 4)


def test_a_seek_carries_no_speed_and_a_speed_no_place() -> None:
    assert b"Scale" not in steering_body(Play(npt_s=10), 1)
    assert b"Range" not in steering_body(Play(scale=2), 1)
    with pytest.raises(ValueError, match="two messages"):
        steering_body(Play(scale=2, npt_s=10), 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"HELLO RTSP/1.0\r\n", "method"),
        (b"PLAY RTSP/1.0\r\nScale: 0\r\n", "scale"),
        (b"PLAY RTSP/1.0\r\nScale: nan\r\n", "scale"),
        (b"PLAY RTSP/1.0\r\nRange: bytes=1-\r\n", "range"),
        (b"x" * 5000, "too_large"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, reason: str) -> None:
    assert read_steering(body) == BadSteering(reason)


def test_a_device_that_writes_a_uri_and_line_feeds_is_read() -> None:
    body = b"PLAY rtsp://x/1 MANSRTSP/1.0\nCSeq:2\nRange: npt=5.0-\n\n"
    assert read_steering(body) == (Play(npt_s=5.0), 2)


def test_the_answer_tells_the_real_speed_and_the_mapping_of_time() -> None:
    answer = Steered(200, 4, 2.0, 100.0, 77, 90_000)
    assert read_steered(steered_body(answer)) == answer
    assert read_steered(b"") is None
    assert read_steered(b"RTSP/1.0 200 OK\r\nRTP-Info: url=x;seq=a;rtptime=\r\n") == Steered(200)


def test_the_end_of_a_file_is_told_and_heard() -> None:
    told = parse_document(media_status(3, CHANNEL))
    other = parse_document(media_status(3, CHANNEL, "122"))
    assert isinstance(told, Document)
    assert isinstance(other, Document)
    assert is_end_of_file(told)
    assert not is_end_of_file(other)


@pytest.mark.parametrize("mode", list(MediaMode))
def test_the_offer_of_a_recording_names_channel_kind_and_unix_seconds(mode: MediaMode) -> None:
    wish = HistoryWish(CHANNEL, START, START + timedelta(hours=1), uri_kind=3)
    offer = history_offer(wish, own_id="34020000002000000001", ip="192.0.2.1", port=30000, mode=mode, ssrc=1200000001)
    text = offer.encode().decode()
    assert f"\r\ns=Playback\r\nu={CHANNEL}:3\r\n" in text
    assert f"\r\nt={int(START.timestamp())} {int(START.timestamp()) + 3600}\r\n" in text
    assert "\r\ny=1200000001\r\n" in text
    read = parse_sdp(offer.encode())
    assert isinstance(read, Sdp)
    found = read_history_offer(read)
    assert found is not None
    assert (found.starts, found.ends, found.uri_kind, found.is_download) == (wish.starts, wish.ends, 3, False)


def test_a_download_asks_for_a_speed_and_learns_the_size() -> None:
    wish = HistoryWish(CHANNEL, START, START + timedelta(hours=1), is_download=True, origin_is_channel=True)
    offer = history_offer(wish, own_id="x", ip="192.0.2.1", port=9, mode=MediaMode.UDP, ssrc=1)
    text = offer.encode().decode()
    assert f"o={CHANNEL} " in text
    assert "\r\ns=Download\r\n" in text
    assert "\r\na=downloadspeed:4\r\n" in text
    answer = history_answer(offer, own_id=CHANNEL, ip="192.0.2.2", port=9, ssrc=1, file_bytes=123456)
    assert file_size_of(answer.encode()) == 123456
    assert file_size_of(history_answer(offer, own_id="x", ip="192.0.2.2", port=9, ssrc=1).encode()) is None
    assert file_size_of(answer.encode().replace(b"123456", b"99999999999999999999")) is None


def test_a_live_offer_is_no_recording_and_an_empty_period_is_refused() -> None:
    assert read_history_offer(Sdp(name="Play")) is None
    with pytest.raises(ValueError, match="period"):
        read_history_offer(Sdp(name="Playback", times=(10, 10)))
