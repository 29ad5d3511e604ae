"""Lists of recordings (RecordInfo): the question, the pages of the answer, their assembly, spans for a time bar. Pure.

The total in a page lies often: it is absent, zero or wrong, pages repeat or get lost, and some recorders stop their
list at some number without a word. The assembler counts what is distinct, ends by count or by silence, and says which.

Source: GB/T 28181-2022, "Query of recordings" and its annex on documents; field reports on recorders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from tocsin.protocols.gb28181.charset import Label, encode_text
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, build_document, write_fields

RECORD_INFO: Final = "RecordInfo"
BEIJING: Final = timezone(timedelta(hours=8))
LONGEST_QUERY: Final = timedelta(hours=24)
FIRST_PAGE_TIMEOUT_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 4.0
MAX_RECORDINGS: Final = 20_000
MAX_PATH_CHARS: Final = 512
JOIN_GAP_S: Final = 2.0
KINDS: Final = ("time", "alarm", "manual")
_TIME: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T|\s+)(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?\s*(?:Z|[+-]\d\d:?\d\d)?\Z",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One file in a device or a storage; times are aware. `kind` is time, alarm, manual, or empty when not said."""

    gb_id: str
    starts: datetime
    ends: datetime
    name: str = ""
    file_path: str = ""
    address: str = ""
    kind: str = ""
    recorder_id: str = ""
    is_secret: bool = False
    size_bytes: int | None = None
    location: str = ""
    stream_number: int | None = None

    @property
    def key(self) -> tuple[datetime, datetime, str]:
        """What makes two items the same file."""
        return self.starts, self.ends, self.file_path


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """What is asked: the recordings of a channel in a period of at most 24 hours."""

    gb_id: str
    starts: datetime
    ends: datetime
    kind: str = "all"
    recorder_id: str = ""
    indistinct: int = 0
    stream_number: int | None = None
    alarm_method: str = ""
    alarm_type: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that is recorded without a gap of two seconds."""

    starts: datetime
    ends: datetime
    kind: str
    files: int
    size_bytes: int


def gb_time(at: datetime) -> str:
    """Return a time as documents write it: Beijing time without a zone."""
    return at.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> datetime | None:
    """Read a device's time, Beijing time whatever zone it claims; None when it is none."""
    found = _TIME.match(text.strip()[:40])
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[index]) for index in range(1, 7))
    is_midnight = (hour, minute, second) == (24, 0, 0)
    try:
        at = datetime(year, month, day, 0 if is_midnight else hour, minute, min(second, 59), tzinfo=BEIJING)
        return (at + timedelta(days=1) if is_midnight else at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def record_query(sn: int, query: RecordQuery, version: str = "", label: Label = Label.GB2312) -> bytes:
    """Return the question. `Type` is always there: some recorders answer nothing without it.

    Errors: ValueError for a period that is empty or longer than a day.
    """
    if not timedelta() < query.ends - query.starts <= LONGEST_QUERY:
        raise ValueError("a query covers more than nothing and at most 24 hours")
    fields: list[Pair] = [
        ("StartTime", gb_time(query.starts)),
        ("EndTime", gb_time(query.ends)),
        ("Secrecy", 0),
        ("Type", query.kind),
        ("RecorderID", query.recorder_id or None),
        ("IndistinctQuery", query.indistinct),
    ]
    if version.strip().startswith("3"):
        fields += [
            ("StreamNumber", query.stream_number),
            ("AlarmMethod", query.alarm_method or None),
            ("AlarmType", query.alarm_type or None),
        ]
    return build_document("Query", RECORD_INFO, sn, query.gb_id, fields, label=label)


def read_record_query(document: Document) -> RecordQuery | None:
    """Read a question, for the simulated device and for platforms above; None without a readable period."""
    root = document.root
    starts, ends = parse_time(root.get("StartTime")), parse_time(root.get("EndTime"))
    if starts is None or ends is None or ends <= starts:
        return None
    return RecordQuery(
        gb_id=document.device_id,
        starts=starts,
        ends=ends,
        kind=root.get("Type", "all").strip().lower() or "all",
        recorder_id=root.get("RecorderID")[:64],
        indistinct=root.integer("IndistinctQuery") or 0,
        stream_number=root.integer("StreamNumber"),
        alarm_method=root.get("AlarmMethod")[:16],
        alarm_type=root.get("AlarmType")[:16],
    )


def record_response(
    sn: int | None,
    gb_id: str,
    name: str,
    total: int | None,
    recordings: Sequence[Recording],
    label: Label = Label.GB2312,
) -> bytes:
    """Return one page. `total` and `sn` None leave them out, as some devices do; an empty page has no list."""
    lines = [f'<?xml version="1.0" encoding="{label.value}"?>', "<Response>"]
    head: list[Pair] = [("CmdType", RECORD_INFO), ("SN", sn), ("DeviceID", gb_id), ("Name", name), ("SumNum", total)]
    write_fields(lines, head)
    if recordings:
        lines.append(f'<RecordList Num="{len(recordings)}">')
        for recording in recordings:
            write_fields(lines, [("Item", _fields(recording))])
        lines.append("</RecordList>")
    lines += ["</Response>", ""]
    return encode_text("\r\n".join(lines), label)


def _fields(recording: Recording) -> list[Pair]:
    return [
        ("DeviceID", recording.gb_id),
        ("Name", recording.name),
        ("FilePath", recording.file_path or None),
        ("Address", recording.address or None),
        ("StartTime", gb_time(recording.starts)),
        ("EndTime", gb_time(recording.ends)),
        ("Secrecy", int(recording.is_secret)),
        ("Type", recording.kind or None),
        ("RecorderID", recording.recorder_id or None),
        ("FileSize", recording.size_bytes),
        ("RecordLocation", recording.location or None),
        ("StreamNumber", recording.stream_number),
    ]


def recordings_of(document: Document) -> tuple[list[Recording], int]:
    """Return the items of a page and how many could not be used."""
    found: list[Recording] = []
    skipped = 0
    for holder in document.root.all("RecordList"):
        for element in holder.all("Item"):
            recording = _recording(element, document.device_id)
            if recording is None:
                skipped += 1
            else:
                found.append(recording)
    return found, skipped


def _recording(element: Element, device_id: str) -> Recording | None:
    starts, ends = parse_time(element.get("StartTime")), parse_time(element.get("EndTime"))
    if starts is None or ends is None or ends <= starts or ends - starts > timedelta(days=31):
        return None
    size = element.integer("FileSize")
    kind = element.get("Type").strip().lower()
    return Recording(
        gb_id=element.get("DeviceID", device_id)[:64],
        starts=starts,
        ends=ends,
        name=" ".join(element.get("Name").split())[:256],
        file_path=element.get("FilePath")[:MAX_PATH_CHARS],
        address=" ".join(element.get("Address").split())[:256],
        kind=kind if kind in KINDS else "",
        recorder_id=element.get("RecorderID")[:64],
        is_secret=bool(element.integer("Secrecy")),
        size_bytes=size if size is not None and size >= 0 else None,
        location=element.get("RecordLocation")[:64],
        stream_number=element.integer("StreamNumber"),
    )


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What one question brought, oldest first. `expected` None: no usable total was given."""

    sn: int
    recordings: tuple[Recording, ...]
    expected: int | None
    is_complete: bool
    pages: int = 0
    skipped: int = 0

    @property
    def last_end(self) -> datetime | None:
        """Where the list ends."""
        return max((recording.ends for recording in self.recordings), default=None)


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page that did not finish its set."""

    sn: int
    received: int
    expected: int | None


@dataclass(slots=True)
class _Question:
    due: float
    expected: int | None = None
    total_is_wrong: bool = False
    pages: int = 0
    skipped: int = 0
    items: dict[tuple[datetime, datetime, str], Recording] = field(default_factory=dict)


class RecordAssembler:
    """Joins the pages of one device's answers by serial number. Time is an argument, in seconds that do not go back.

    A set is complete when as many distinct recordings came as the total says. Without a usable total it is complete
    when silence follows a page; when fewer came than the total says, silence makes it partial.
    """

    def __init__(self, first_s: float = FIRST_PAGE_TIMEOUT_S, idle_s: float = IDLE_TIMEOUT_S) -> None:
        self._first_s = first_s
        self._idle_s = idle_s
        self._open: dict[int, _Question] = {}

    def ask(self, sn: int, now: float) -> None:
        """Record a question that leaves now."""
        self._open[sn] = _Question(now + self._first_s)

    def cancel(self, sn: int) -> None:
        """Forget a question."""
        self._open.pop(sn, None)

    def receive(self, document: Document, now: float) -> RecordSet | RecordPage | None:
        """Take one page; None when nobody asked. A page without a serial number answers the sole open question."""
        sn = document.sn
        if sn is None and len(self._open) == 1:
            sn = next(iter(self._open))
        question = self._open.get(sn) if sn is not None else None
        if question is None or sn is None:
            return None
        recordings, skipped = recordings_of(document)
        total = document.root.integer("SumNum")
        question.due = now + self._idle_s
        question.pages += 1
        question.skipped += skipped
        if total is not None and total > 0:
            question.expected = max(question.expected or 0, total)
            question.total_is_wrong |= len(recordings) + skipped > total
        for recording in recordings:
            if len(question.items) < MAX_RECORDINGS:
                question.items[recording.key] = recording
        received = len(question.items) + question.skipped
        is_empty = not recordings and not skipped and not received and not total
        is_whole = question.expected is not None and not question.total_is_wrong and received >= question.expected
        if not is_empty and not is_whole:
            return RecordPage(sn, received, question.expected)
        del self._open[sn]
        return _finished(sn, question, is_complete=True)

    def timer(self) -> float | None:
        """Return when `handle_timer` is due, or None."""
        return min((question.due for question in self._open.values()), default=None)

    def handle_timer(self, now: float) -> list[RecordSet]:
        """Return the sets whose next page did not come."""
        late = [(sn, question) for sn, question in self._open.items() if question.due <= now]
        for sn, _ in late:
            del self._open[sn]
        return [
            _finished(
                sn, question, is_complete=question.pages > 0 and (question.expected is None or question.total_is_wrong)
            )
            for sn, question in late
        ]


def _finished(sn: int, question: _Question, *, is_complete: bool) -> RecordSet:
    ordered = tuple(sorted(question.items.values(), key=lambda recording: recording.key))
    return RecordSet(sn, ordered, question.expected, is_complete, question.pages, question.skipped)


def pieces_of(starts: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
    """Cut a period into pieces of at most 24 hours, oldest first."""
    pieces = []
    while starts < ends:
        piece_ends = min(starts + LONGEST_QUERY, ends)
        pieces.append((starts, piece_ends))
        starts = piece_ends
    return pieces


def next_start(found: RecordSet, asked_from: datetime, asked_to: datetime) -> datetime | None:
    """Return where to ask on, because the list may have been capped; None when asking on would bring nothing new.

    A list that ends within two seconds of the period's end, or that did not move since the last question, is the end.
    """
    last = found.last_end
    if last is None or last <= asked_from or asked_to - last <= timedelta(seconds=JOIN_GAP_S):
        return None
    return last


def spans_of(
    recordings: Iterable[Recording], starts: datetime, ends: datetime, gap_s: float = JOIN_GAP_S
) -> list[Span]:
    """Merge recordings into spans of one kind each, cut to the period; a gap below `gap_s` seconds is none."""
    spans: list[Span] = []
    open_spans: dict[str, int] = {}
    gap = timedelta(seconds=gap_s)
    for recording in sorted(set(recordings), key=lambda item: (item.starts, item.ends, item.file_path)):
        begin, end = max(recording.starts, starts), min(recording.ends, ends)
        if begin >= end:
            continue
        size = recording.size_bytes or 0
        index = open_spans.get(recording.kind, -1)
        if index >= 0 and begin - spans[index].ends < gap:
            last = spans[index]
            spans[index] = Span(last.starts, max(last.ends, end), last.kind, last.files + 1, last.size_bytes + size)
        else:
            open_spans[recording.kind] = len(spans)
            spans.append(Span(begin, end, recording.kind, 1, size))
    return spans
