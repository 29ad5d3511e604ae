"""Fuzz target: lists of recordings and their questions, as a platform and a device read them."""

from datetime import UTC, datetime, timedelta

from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.recordings import (
    RecordAssembler,
    Recording,
    RecordQuery,
    read_record_query,
    record_query,
    record_response,
    recordings_of,
    spans_of,
)

_ID = "34020000001320000001"
_AT = datetime(2026, 11, 22, tzinfo=UTC)
_ONE = Recording(_ID, _AT, _AT + timedelta(minutes=9), "东门 & <1>", "/a/b", kind="alarm", size_bytes=5)
SEEDS: list[bytes] = [
    record_query(1, RecordQuery(_ID, _AT, _AT + timedelta(hours=3)), "3.0"),
    record_response(1, _ID, "东门", 2, [_ONE, _ONE]),
    record_response(None, _ID, "", None, []),
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document; items that were read survive being written, and spans stay inside the period."""
    document = parse_document(data)
    if not isinstance(document, Document):
        return
    read_record_query(document)
    found, _ = recordings_of(document)
    for span in spans_of(found, _AT, _AT + timedelta(days=1)):
        assert _AT <= span.starts < span.ends <= _AT + timedelta(days=1)
    again = parse_document(record_response(1, _ID, "", len(found), found[:50]))
    assert isinstance(again, Document)
    assert len(recordings_of(again)[0]) == len(found[:50])
    assembler = RecordAssembler()
    assembler.ask(1, 0.0)
    assembler.receive(document, 1.0)
    assembler.handle_timer(1e9)
    assert assembler.timer() is None
