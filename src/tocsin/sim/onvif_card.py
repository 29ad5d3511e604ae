"""The search and replay services of a simulated ONVIF camera, over what is on its card.

Source: ONVIF Recording Search and Replay Control specifications (profile G).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from tocsin.base.ids import new_token
from tocsin.protocols.onvif.recordings import REPLAY, SEARCH
from tocsin.protocols.onvif.soap import Element, text
from tocsin.sim.card import Card

RECORDING: Final = "REC_1"
TRACK: Final = "VIDEO_1"
AT_ONCE: Final = 3  # results in one answer, so that clients have to ask on
_TSE: Final = f'xmlns:tse="{SEARCH}"'
_TRP: Final = f'xmlns:trp="{REPLAY}"'


class OnvifCard:
    """Answers what is asked of the card. Without `tells_gaps` the camera knows no search for changes."""

    def __init__(
        self, card: Card, replay_url: Callable[[], str], *, source: str = "VS1", tells_gaps: bool = True
    ) -> None:
        self._card = card
        self._replay_url = replay_url
        self._source = source
        self._tells_gaps = tells_gaps
        self._searches: dict[str, list[str]] = {}

    def answer(self, name: str, action: Element) -> str | None:
        """Return the answer to an action; None when it is not of these services."""
        match name:
            case "FindRecordings":
                return self._begin(name, [self._information()] if self._card.pictures else [])
            case "FindEvents" if self._tells_gaps:
                return self._begin(name, self._changes(text(action, "StartPoint"), text(action, "EndPoint")))
            case "GetRecordingSearchResults" | "GetEventSearchResults":
                return self._next(name, text(action, "SearchToken"))
            case "EndSearch":
                self._searches.pop(text(action, "SearchToken"), None)
                return f"<tse:EndSearchResponse {_TSE}/>"
            case "GetReplayUri":
                if text(action, "RecordingToken") != RECORDING:
                    return "!NoRecording"
                url = escape(self._replay_url())
                return f"<trp:GetReplayUriResponse {_TRP}><trp:Uri>{url}</trp:Uri></trp:GetReplayUriResponse>"
        return None

    def _begin(self, name: str, rows: list[str]) -> str:
        token = new_token()[:10]
        self._searches[token] = rows
        return f"<tse:{name}Response {_TSE}><tse:SearchToken>{token}</tse:SearchToken></tse:{name}Response>"

    def _next(self, name: str, token: str) -> str:
        rows = self._searches.get(token)
        if rows is None:
            return "!InvalidToken"
        self._searches[token] = rows[AT_ONCE:]
        state = "Completed" if len(rows) <= AT_ONCE else "Searching"
        return (
            f"<tse:{name}Response {_TSE}><tse:ResultList><tt:SearchState>{state}</tt:SearchState>"
            f"{''.join(rows[:AT_ONCE])}</tse:ResultList></tse:{name}Response>"
        )

    def _information(self) -> str:
        spans = self._card.spans()
        first, last = _word(spans[0][0]), _word(spans[-1][1])
        status = "Recording" if self._card.is_writing else "Stopped"
        return (
            f"<tt:RecordingInformation><tt:RecordingToken>{RECORDING}</tt:RecordingToken><tt:Source><tt:SourceId>"
            f"http://camera/{escape(self._source)}</tt:SourceId><tt:Name>{escape(self._source)}</tt:Name></tt:Source>"
            f"<tt:EarliestRecording>{first}</tt:EarliestRecording><tt:LatestRecording>{last}</tt:LatestRecording>"
            f"<tt:Content/><tt:Track><tt:TrackToken>{TRACK}</tt:TrackToken><tt:TrackType>Video</tt:TrackType>"
            f"<tt:Description/><tt:DataFrom>{first}</tt:DataFrom><tt:DataTo>{last}</tt:DataTo></tt:Track>"
            f"<tt:RecordingStatus>{status}</tt:RecordingStatus></tt:RecordingInformation>"
        )

    def _changes(self, start_point: str, end_point: str) -> list[str]:
        starts_ms, ends_ms = (datetime.fromisoformat(word).timestamp() * 1000.0 for word in (start_point, end_point))
        spans = self._card.spans()
        is_present = any(first <= starts_ms <= last for first, last in spans)
        rows = [_change(starts_ms, is_present=is_present, is_start=True)]
        for number, (first, last) in enumerate(spans):
            if starts_ms < first < ends_ms:
                rows.append(_change(first, is_present=True))
            is_open = self._card.is_writing and number == len(spans) - 1
            if starts_ms < last < ends_ms and not is_open:
                rows.append(_change(last, is_present=False))
        return rows


def _change(at_ms: float, *, is_present: bool, is_start: bool = False) -> str:
    at = _word(at_ms)
    return (
        f"<tt:Result><tt:RecordingToken>{RECORDING}</tt:RecordingToken><tt:TrackToken>{TRACK}</tt:TrackToken><tt:Time>"
        f"{at}</tt:Time><tt:Event><wsnt:Topic>tns1:RecordingHistory/Track/State</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="{at}"><tt:Source><tt:SimpleItem Name="RecordingToken" Value="{RECORDING}"/></tt:Source>'
        f'<tt:Data><tt:SimpleItem Name="IsDataPresent" Value="{str(is_present).lower()}"/></tt:Data></tt:Message>'
        f"</wsnt:Message></tt:Event><tt:StartStateEvent>{str(is_start).lower()}</tt:StartStateEvent></tt:Result>"
    )


def _word(at_ms: float) -> str:
    at = datetime.fromtimestamp(at_ms / 1000.0, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
