"""Fuzz target: MANSCDP documents and catalogue pages."""

from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogSet, items_of, place
from tocsin.protocols.gb28181.manscdp import Document, catalog_query, catalog_response, keepalive_notify, parse_document

_ITEM = (
    ("DeviceID", "34020000001320000001"),
    ("Name", "东门 & 西门 < 5"),
    ("ParentID", "34020000001180000001/34020000002160000001"),
    ("Status", "ON"),
    ("Longitude", "118.37"),
    ("Latitude", "31.32"),
    ("Info", (("PTZType", 1), ("StreamNumberList", "0/1"))),
)
SEEDS: list[bytes] = [
    catalog_response(7, "34020000001180000001", 2, [_ITEM, _ITEM]),
    catalog_response(7, "34020000001180000001", 2, [_ITEM]).decode("gb18030").encode(),
    keepalive_notify(17, "34020000001320000001", ["34020000001340000003"]),
    catalog_query(4711, "34020000001180000001"),
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><Notify><CmdType>&b;</CmdType></Notify>',
    b"<Response><SumNum>1</SumNum><DeviceList><Item><DeviceID>1</DeviceID><Address>a < b & c</Address>\n</Item>",
]


def run_one(data: bytes) -> None:
    """Read the bytes with each learned charset and assemble what they hold."""
    for learned in ("", "utf-8", "gb18030"):
        found = parse_document(data, learned)
        if not isinstance(found, Document):
            continue
        items, skipped = items_of(found)
        parents = place(items, "34020000001180000001", "34020000002000000001")
        assert set(parents) == {item.gb_id for item in items}
        assembler = CatalogAssembler()
        assembler.ask("peer", 7, 0.0)
        result = assembler.receive("peer", found, 1.0)
        if isinstance(result, CatalogSet) and result.is_complete:
            assert skipped == 0
            assert result.expected is not None
        assembler.handle_timer(99.0)
        assert assembler.timer() is None
