"""Fuzz target: what an upper platform sends: orders, ways, identities, refusals, subscriptions."""

from tocsin.protocols.gb28181.cascade import (
    expected_id,
    expects_response,
    has_valid_checksum,
    identity_of,
    is_loop,
    longer_route,
    path_below,
    subtree,
    verb_of,
    with_ids,
)
from tocsin.protocols.gb28181.catalog import items_of
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, build_document, parse_document
from tocsin.protocols.sip.message import Headers, Response

OWN = "34022300002000000001"
SEEDS: list[bytes] = [
    build_document("Control", "DeviceControl", 1, OWN, [("PTZCmd", "A50F0108004000FD")]),
    build_document("Query", "Catalog", 2, "340223"),
    b"34020000002000000001-34022300002000000001",
    b"34022300002000000001-34029900002000000002-34029900002000000003",
    b"Not Found 34020000002000000009",
    b"<Notify><DeviceList><Item><DeviceID>1</DeviceID><ParentID>1/2</ParentID></Item></DeviceList></Notify>",
]


def run_one(data: bytes) -> None:
    """Read the bytes as header values and as a document; the only failure is an unexpected exception."""
    text = data.decode("utf-8", "replace")
    has_valid_checksum(text)
    assert "\n" not in identity_of(text)
    is_loop(text, (OWN,), text)
    longer_route(OWN, text)
    assert len(path_below(text, OWN)) < 32
    expected_id(Response(404, text, Headers([("Warning", text)]), data), (OWN,))
    document = parse_document(data)
    if isinstance(document, Document):
        verb_of(document)
        expects_response(document)
        with_ids(document, OWN, 1, Label.GB2312)
        items, _ = items_of(document)
        subtree(items, document.device_id, OWN)
