"""What a camera has on its own card or disk: searched for, and where it is replayed from. Pure.

Source: ONVIF Recording Search and Replay Control specifications (profile G).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar
from xml.sax.saxutils import escape

from tocsin.protocols.onvif.soap import Element, child, children, descendants, text

SEARCH: Final = "http://www.onvif.org/ver10/search/wsdl"
REPLAY: Final = "http://www.onvif.org/ver10/replay/wsdl"
MAX_RESULTS: Final = 200  # asked for at a time
MAX_RECORDINGS: Final = 1000
MAX_TOKEN: Final = 64
_TSE: Final = f'xmlns:tse="{SEARCH}"'
_TRP: Final = f'xmlns:trp="{REPLAY}"'
_PRESENCE: Final = (
    '<wsnt:TopicExpression xmlns:tns1="http://www.onvif.org/ver10/topics" '
    'Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">tns1:RecordingHistory/Track/State'
    "</wsnt:TopicExpression>"
)
_KEEP_ALIVE: Final = "<tse:KeepAliveTime>PT30S</tse:KeepAliveTime>"


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording; `source` and `name` say what it is of, as the camera put it. No end: it is being written."""

    token: str
    source: str = ""
    name: str = ""
    tracks: tuple[str, ...] = ()  # of pictures
    starts: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """From a moment on a track has data, or has none."""

    recording: str
    track: str
    at: datetime
    is_present: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some results of a search; `is_over` says that no more come."""

    rows: tuple[Row, ...]
    is_over: bool


def find_recordings() -> str:
    """Return the question for every recording."""
    return f"<tse:FindRecordings {_TSE}><tse:Scope/>{_KEEP_ALIVE}</tse:FindRecordings>"


def find_presence(recording: str, starts: datetime, ends: datetime) -> str:
    """Return the question when a recording has data within a period, and whether it has at its beginning."""
    return (
        f"<tse:FindEvents {_TSE}><tse:StartPoint>{_word(starts)}</tse:StartPoint><tse:EndPoint>{_word(ends)}"
        f"</tse:EndPoint><tse:Scope><tt:IncludedRecordings>{escape(recording)}</tt:IncludedRecordings></tse:Scope>"
        f"<tse:SearchFilter>{_PRESENCE}</tse:SearchFilter><tse:IncludeStartState>true</tse:IncludeStartState>"
        f"{_KEEP_ALIVE}</tse:FindEvents>"
    )


def more_recordings(search: str) -> str:
    """Return the question for the next recordings of a search."""
    return _more("GetRecordingSearchResults", search)


def more_presence(search: str) -> str:
    """Return the question for the next changes of a search."""
    return _more("GetEventSearchResults", search)


def end_search(search: str) -> str:
    """Return how a search is given back."""
    return f"<tse:EndSearch {_TSE}><tse:SearchToken>{escape(search)}</tse:SearchToken></tse:EndSearch>"


def get_replay_uri(recording: str) -> str:
    """Return the question where a recording is replayed from."""
    return (
        f"<trp:GetReplayUri {_TRP}><trp:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP"
        f"</tt:Protocol></tt:Transport></trp:StreamSetup><trp:RecordingToken>{escape(recording)}</trp:RecordingToken>"
        "</trp:GetReplayUri>"
    )


def read_search(answer: Element) -> str:
    """Return the token of a search that was begun; empty when there is none."""
    found = next(iter(descendants(answer, "SearchToken")), None)
    return (found.text or "").strip()[:MAX_TOKEN] if found is not None else ""


def read_recordings(answer: Element) -> Page[Recording]:
    """Return recordings that hold pictures."""
    rows = []
    for element in descendants(answer, "RecordingInformation")[:MAX_RESULTS]:
        token = text(element, "RecordingToken")[:MAX_TOKEN]
        tracks = [one for one in children(element, "Track")[:64] if text(one, "TrackType").lower() == "video"]
        if not token or not tracks:
            continue
        starts = [at for one in tracks if (at := _moment(text(one, "DataFrom"))) is not None]
        ends = [_moment(text(one, "DataTo")) for one in tracks]
        rows.append(
            Recording(
                token,
                text(element, "Source", "SourceId")[:256],
                text(element, "Source", "Name")[:100],
                tuple(text(one, "TrackToken")[:MAX_TOKEN] for one in tracks),
                min(starts, default=_moment(text(element, "EarliestRecording"))),
                None
                if text(element, "RecordingStatus") == "Recording"
                else max((at for at in ends if at is not None), default=None)
                or _moment(text(element, "LatestRecording")),
            )
        )
    return Page(tuple(rows), _is_over(answer))


def read_presence(answer: Element) -> Page[Presence]:
    """Return when tracks began or ceased to have data."""
    rows = []
    for element in descendants(answer, "Result")[:MAX_RESULTS]:
        at = _moment(text(element, "Time"))
        said = next(
            (item.get("Value") for item in descendants(element, "SimpleItem") if item.get("Name") == "IsDataPresent"),
            None,
        )
        if at is not None and said is not None:
            is_present = said.strip().lower() in ("true", "1")
            token, track = text(element, "RecordingToken")[:MAX_TOKEN], text(element, "TrackToken")[:MAX_TOKEN]
            rows.append(Presence(token, track, at, is_present))
    return Page(tuple(rows), _is_over(answer))


def of_source(recordings: Sequence[Recording], source: str, sources: Sequence[str]) -> list[Recording]:
    """Return the recordings of one sensor: those that name it; of a camera with one all; else by their order."""
    named = [one for one in recordings if source in (one.source, one.name) or one.source.endswith(f"/{source}")]
    if named or len(sources) <= 1:
        return named or list(recordings)
    return [recordings[sources.index(source)]] if source in sources and len(recordings) == len(sources) else []


def spans_of(
    recording: Recording, changes: Sequence[Presence], starts: datetime, ends: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the stretches of a period that a recording holds; without changes all between its first and last."""
    first = max(starts, recording.starts) if recording.starts is not None else starts
    last = min(ends, recording.ends) if recording.ends is not None else ends
    mine = sorted(
        (one for one in changes if one.recording in ("", recording.token) and one.track in ("", *recording.tracks)),
        key=lambda one: one.at,
    )
    if not mine:
        return [(first, last)] if first < last else []
    found: list[tuple[datetime, datetime]] = []
    since: datetime | None = first if not mine[0].is_present and mine[0].at > first else None
    for change in mine:
        if change.is_present:
            since = since or change.at
        elif since is not None:
            found.append((max(first, since), min(last, change.at)))
            since = None
    if since is not None:
        found.append((max(first, since), last))
    return [(begins, stops) for begins, stops in found if begins < stops]


def _more(name: str, search: str) -> str:
    return (
        f"<tse:{name} {_TSE}><tse:SearchToken>{escape(search)}</tse:SearchToken><tse:MaxResults>{MAX_RESULTS}"
        f"</tse:MaxResults><tse:WaitTime>PT2S</tse:WaitTime></tse:{name}>"
    )


def _is_over(answer: Element) -> bool:
    state = text(child(answer, "ResultList"), "SearchState").lower()
    return state not in ("queued", "searching")


def _word(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _moment(word: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(word.strip().replace("Z", "+00:00"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
