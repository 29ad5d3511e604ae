"""Fuzz target: PTZCmd bytes and DeviceControl documents, as a device and a lower platform read them."""

from tocsin.protocols.gb28181.control import (
    BadControl,
    DragZoom,
    HomePosition,
    PreciseAim,
    PresetItem,
    Ptz,
    control_document,
    preset_response,
    read_control,
    read_presets,
)
from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.ptz import STOP, BadPtz, Move, decode, encode

_ID = "34020000001320000001"
SEEDS: list[bytes] = [
    encode(STOP).encode(),
    encode(Move(40, -40, 5)).encode(),
    control_document(1, _ID, Ptz(Move(40), 5)),
    control_document(1, _ID, DragZoom(True, 1920, 1080, 900, 500, 300, 200)),
    control_document(1, _ID, HomePosition(True)),
    control_document(1, _ID, PreciseAim(12.5, 3)),
    preset_response(1, _ID, [PresetItem(1, "东门"), PresetItem(2, "a & b")]),
]


def run_one(data: bytes) -> None:
    """Read the bytes as a command and as a document; what is read means the same when written again."""
    found = decode(data.decode("latin-1"))
    if not isinstance(found, BadPtz):
        assert decode(encode(found)) == found
    document = parse_document(data)
    if isinstance(document, Document):
        read_presets(document)
        control = read_control(document)
        if not isinstance(control, BadControl):
            again = parse_document(control_document(1, _ID, control))
            assert isinstance(again, Document)
            assert not isinstance(read_control(again), BadControl)
