"""Fuzz target: what devices say of themselves and how they are set."""

from datetime import UTC, datetime

from tocsin.protocols.gb28181.configuration import MAX_VALUES, device_config, read_condition, read_configuration
from tocsin.protocols.gb28181.manscdp import Document, build_document, parse_document, result_response

NOW = datetime(2026, 11, 22, 3, 36, 26, tzinfo=UTC)
_ID = "34020000001320000001"
_OSD = ("OSDConfig", [("Length", 704), ("Item", [("Text", "东门"), ("X", 1)]), ("Item", [("Text", "b")])])
SEEDS: list[bytes] = [
    result_response("ConfigDownload", 1, _ID, [("BasicParam", [("Name", "x"), ("HeartBeatInterval", 60)]), _OSD]),
    result_response("ConfigDownload", 2, _ID, [("FrameMirror", 1)]),
    result_response("DeviceStatus", 3, _ID, [("Online", "ONLINE"), ("DeviceTime", "2026-1-2 3:4:5Z")]),
    b"2026-11-22T11:36:25",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document, and as each value an answer may hold."""
    text = data.decode("utf-8", "replace")
    names = ("Manufacturer", "Channel", "Online", "Record", "Encode", "DeviceTime", "Reason", "BasicParam")
    for body in (data, build_document("Response", "DeviceStatus", 1, _ID, [(name, text) for name in names])):
        document = parse_document(body)
        if isinstance(document, Document):
            read_condition(document, document, NOW)
            found = read_configuration(document)
            assert sum(len(values) for values in found.values()) <= MAX_VALUES
    tree = {"Length": 704, "SumNum": 2, "Item": [{"Text": text, "X": 1}, {"Text": "b", "X": 2}]}
    again = parse_document(device_config(1, _ID, "OSDConfig", tree))
    assert isinstance(again, Document)
    assert read_configuration(again)["OSDConfig"]["Item.2.Text"] == "b"
