"""What an ONVIF camera says it has recorded: whose it is, from when to when, and where something is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tocsin.protocols.onvif import recordings as kept
from tocsin.protocols.onvif.soap import Element, Fault, envelope, read_envelope

AT = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


def answer(inner: str) -> Element:
    found = read_envelope(envelope(f"<R><ResultList>{inner}</ResultList></R>"))
    assert not isinstance(found, Fault)
    return found


def at(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def information(token: str, source: str, status: str = "Stopped", kind: str = "Video") -> str:
    return (
        f"<RecordingInformation><RecordingToken>{token}</RecordingToken><Source><SourceId>{source}</SourceId><Name/>"
        f"</Source><EarliestRecording>2026-11-27T07:00:00Z</EarliestRecording><Track><TrackToken>V</TrackToken>"
        f"<TrackType>{kind}</TrackType><DataFrom>2026-11-27T08:00:00Z</DataFrom><DataTo>2026-11-27T10:00:00+01:00"
        f"</DataTo></Track><RecordingStatus>{status}</RecordingStatus></RecordingInformation>"
    )


def test_recordings_with_pictures_are_read_and_one_being_written_has_no_end() -> None:
    page = kept.read_recordings(
        answer(
            "<SearchState>Completed</SearchState>"
            + information("a", "http://x/VS1")
            + information("b", "VS2", "Recording")
            + information("c", "VS3", kind="Audio")
        )
    )
    assert [(one.token, one.starts, one.ends) for one in page.rows] == [("a", AT, at(60)), ("b", AT, None)]
    assert page.is_over
    assert not kept.read_recordings(answer("<SearchState>Searching</SearchState>")).is_over


def test_a_sensor_has_the_recordings_that_name_it_or_all_when_it_is_the_only_one() -> None:
    one, other = kept.Recording("a", "http://x/VS1"), kept.Recording("b", "rtsp://y/7")
    assert kept.of_source([one, other], "VS1", ["VS1", "VS2"]) == [one]
    assert kept.of_source([one, other], "VS9", ["VS9"]) == [one, other]
    assert kept.of_source([other, other], "VS2", ["VS1", "VS2"]) == [other], "by their order"
    assert kept.of_source([other], "VS2", ["VS1", "VS2"]) == [], "whose it is cannot be told"


def change(minutes: float, *, is_present: bool, track: str = "V") -> kept.Presence:
    return kept.Presence("a", track, at(minutes), is_present)


def test_stretches_are_what_lies_between_data_and_none() -> None:
    recording = kept.Recording("a", tracks=("V",), starts=at(0), ends=at(60))
    starts, ends = at(10), at(50)
    assert kept.spans_of(recording, [], starts, ends) == [(starts, ends)]
    changes = [
        change(10, is_present=True),
        change(20, is_present=False),
        change(30, is_present=True),
        change(35, is_present=False, track="A"),
    ]
    assert kept.spans_of(recording, changes, starts, ends) == [(at(10), at(20)), (at(30), at(50))]
    assert kept.spans_of(recording, [change(20, is_present=False)], starts, ends) == [(at(10), at(20))]
    assert kept.spans_of(recording, [change(10, is_present=False)], starts, ends) == []
    assert kept.spans_of(recording, [], at(70), at(80)) == []


def test_changes_without_a_time_or_a_word_are_passed_over() -> None:
    row = (
        "<Result><RecordingToken>a</RecordingToken><TrackToken>V</TrackToken><Time>{}</Time><Event><Message>"
        '<SimpleItem Name="{}" Value="true"/></Message></Event></Result>'
    )
    rows = row.format("2026-11-27T08:00:00Z", "IsDataPresent") + row.format("soon", "IsDataPresent")
    page = kept.read_presence(answer(rows + row.format("2026-11-27T08:00:00Z", "Other")))
    assert page.rows == (kept.Presence("a", "V", AT, True),)
    assert page.is_over, "a camera that names no state is asked once"


def test_questions_name_what_they_ask_for() -> None:
    assert "PT2S" in kept.more_recordings("s")
    question = kept.find_presence("a&b", AT, at(1))
    assert "a&amp;b" in question
    assert "2026-11-27T08:01:00.000Z" in question
    assert isinstance(read_envelope(envelope(question)), Element)
    assert kept.read_search(answer("<SearchToken> t </SearchToken>")) == "t"
