"""Which stream a viewer gets: the one asked for, or the other with the reason."""

import pytest

from tocsin.domain.streams import (
    Known,
    Stream,
    channel_of_stream,
    choose,
    has_sub_stream,
    may_use_sub,
    plays_h265,
    stream_id_of,
)


def test_the_main_stream_is_kept_under_the_channels_own_id():
    assert stream_id_of("c1", "main") == "c1"
    assert stream_id_of("c1", "sub") == "c1~sub"
    assert channel_of_stream("c1") == ("c1", Stream.MAIN)
    assert channel_of_stream("c1~sub") == ("c1", Stream.SUB)


@pytest.mark.parametrize(
    ("numbers", "has_sub"), [("0/1", True), ("0/1/2", True), ("0", False), ("", None), ("main", None)]
)
def test_a_catalogue_says_whether_there_is_a_sub_stream(numbers, has_sub):
    assert has_sub_stream(numbers) is has_sub


@pytest.mark.parametrize(
    ("wanted", "known", "h265", "stream", "reason"),
    [
        ("main", Known(), False, "main", ""),
        ("sub", Known(), False, "sub", ""),
        ("sub", Known(main_only="no_sub_stream"), False, "main", "no_sub_stream"),
        ("sub", Known(main_only="sub_ignored"), True, "main", "sub_ignored"),
        ("main", Known(is_main_h265=True), True, "main", ""),
        ("main", Known(is_main_h265=True), False, "sub", "main_not_playable"),
        ("main", Known(is_main_h265=True, is_sub_h265=True), False, "main", ""),
        ("main", Known(is_main_h265=True, main_only="no_sub_stream"), False, "main", ""),
        ("sub", Known(is_main_h265=False, is_sub_h265=True), False, "main", "sub_not_playable"),
        ("sub", Known(is_main_h265=True, is_sub_h265=True), False, "sub", ""),
    ],
)
def test_the_sub_stream_comes_before_a_conversion(wanted, known, h265, stream, reason):
    choice = choose(wanted, known, h265=h265)
    assert (choice.stream, choice.reason) == (stream, reason)


def test_a_viewer_is_sent_to_the_sub_stream_only_where_that_may_help():
    assert may_use_sub(Known(), h265=False)
    assert not may_use_sub(Known(), h265=True)
    assert not may_use_sub(Known(main_only="no_sub_stream"), h265=False)
    assert not may_use_sub(Known(is_sub_h265=True), h265=False)


def test_h265_is_known_by_its_names():
    assert plays_h265(("avc1.640028", "hvc1.1.6.L93.B0"))
    assert plays_h265(("h265",))
    assert not plays_h265(("avc1.640028", "h264"))
