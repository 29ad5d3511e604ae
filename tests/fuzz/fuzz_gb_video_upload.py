"""Fuzz target: requests to be watched, and the clocks of devices."""

from datetime import UTC, datetime, timedelta

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.device_clock import read_clock
from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.video_upload import is_video_upload, read_video_upload, video_upload_notify

NOW = datetime(2026, 11, 22, 3, 36, 26, tzinfo=UTC)
_ID = "34020000001320000001"
SEEDS: list[bytes] = [
    video_upload_notify(1, _ID, "2026-11-22T11:36:25", lon=118.376451, lat=31.326319),
    video_upload_notify(2, _ID, "2026-1-2 3:4:5Z", extra=(("FaceID", "1"),)),
    b"2026-11-22T03:36:22",
    b"2026-11-22T11:36:22+08:00",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document, as each text it may hold, and as a time."""
    text = data.decode("utf-8", "replace")
    found = read_clock(text, NOW - timedelta(seconds=3), NOW)
    assert found is None or found.zone in ("", "utc")
    for body in (data, video_upload_notify(1, text, text, extra=(("Longitude", text),), label=Label.UTF8)):
        document = parse_document(body)
        if not isinstance(document, Document) or not is_video_upload(document):
            continue
        notice = read_video_upload(document, NOW)
        assert (notice.priority, notice.code) == (2, "video_upload")
        assert len(notice.source) <= 64
        assert len(notice.time_text) <= 32
        if notice.cleaned is not None:
            again = parse_document(notice.cleaned)
            assert isinstance(again, Document)
            assert read_video_upload(again, NOW).cleaned is None
