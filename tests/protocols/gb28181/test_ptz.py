"""PTZCmd bytes and DeviceControl documents: every vector of the clause, both ways, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.gb28181.control import (
    BadControl,
    Control,
    DragZoom,
    HomePosition,
    KeyFrame,
    PreciseAim,
    PresetItem,
    Ptz,
    Record,
    TeleBoot,
    control_document,
    is_answered,
    preset_query,
    preset_response,
    read_control,
    read_presets,
)
from tocsin.protocols.gb28181.manscdp import Document, build_document, parse_document
from tocsin.protocols.gb28181.ptz import (
    LENS_STOP,
    STOP,
    Auxiliary,
    BadPtz,
    CruiseDwell,
    CruisePoint,
    CruiseSpeed,
    CruiseStart,
    Lens,
    Move,
    Preset,
    PresetOp,
    PtzCommand,
    Scan,
    ScanOp,
    ScanSpeed,
    decode,
    encode,
)

CAMERA = "34020000001320000001"

VECTORS: list[tuple[str, PtzCommand]] = [
    ("A50F0100000000B5", STOP),
    ("A50F0101400000F6", Move(pan=0x40)),
    ("A50F0102400000F7", Move(pan=-0x40)),
    ("A50F0104004000F9", Move(tilt=-0x40)),
    ("A50F0108004000FD", Move(tilt=0x40)),
    ("A50F01094040003E", Move(pan=0x40, tilt=0x40)),
    ("A50F0110000020E5", Move(zoom=2)),
    ("A50F0120000020F5", Move(zoom=-2)),
    ("A50F01480020001D", Lens(iris=-0x20)),
    ("A50F014400200019", Lens(iris=0x20)),
    ("A50F014220000017", Lens(focus=-0x20)),
    ("A50F014120000016", Lens(focus=0x20)),
    ("A50F0140000000F5", LENS_STOP),
    ("A50F01810005003B", Preset(PresetOp.SET, 5)),
    ("A50F01820005003C", Preset(PresetOp.CALL, 5)),
    ("A50F01830005003D", Preset(PresetOp.DELETE, 5)),
    ("A50F01840105003F", CruisePoint(1, 5)),
    ("A50F0187012C1079", CruiseDwell(1, 300)),
    ("A50F01880100003E", CruiseStart(1)),
    ("A50F01890100003F", Scan(1)),
    ("A50F018C01000042", Auxiliary(1, True)),
    ("A50F018D01000043", Auxiliary(1, False)),
]

byte = st.integers(0, 255)
number = st.integers(1, 255)
speed = st.integers(-255, 255)
twelve = st.integers(0, 4095)
commands: st.SearchStrategy[PtzCommand] = st.one_of(
    st.builds(Move, speed, speed, st.integers(-15, 15)),
    st.builds(Lens, speed, speed),
    st.builds(Preset, st.sampled_from(PresetOp), number),
    st.builds(CruisePoint, byte, number, st.booleans()),
    st.builds(CruisePoint, byte, st.just(0), st.just(False)),
    st.builds(CruiseSpeed, byte, twelve),
    st.builds(CruiseDwell, byte, twelve),
    st.builds(CruiseStart, byte),
    st.builds(Scan, byte, st.sampled_from(ScanOp)),
    st.builds(ScanSpeed, byte, twelve),
    st.builds(Auxiliary, number, st.booleans()),
)
controls: st.SearchStrategy[Control] = st.one_of(
    st.builds(Ptz, commands, st.none() | number),
    st.builds(
        DragZoom, st.booleans(), st.just(1920), st.just(1080),
        st.integers(0, 1920), st.integers(0, 1080), st.integers(1, 1920), st.integers(1, 1080),
    ),
    st.builds(HomePosition, st.booleans(), st.integers(1, 86_400), number),
    st.just(KeyFrame()),
    st.just(TeleBoot()),
    st.builds(Record, st.booleans()),
    st.builds(
        PreciseAim,
        st.integers(0, 36_000).map(lambda n: n / 100),
        st.integers(-3_000, 9_000).map(lambda n: n / 100),
        st.integers(100, 4_000).map(lambda n: n / 100),
    ),
)  # fmt: skip


def document(body: bytes) -> Document:
    found = parse_document(body)
    assert isinstance(found, Document)
    return found


@pytest.mark.parametrize(("text", "command"), VECTORS)
def test_the_bytes_of_the_clause_both_ways(text: str, command: PtzCommand) -> None:
    assert encode(command) == text
    assert decode(text) == command
    assert decode(f" {text.lower()} ") == command


@given(commands, st.integers(0, 0xFFF))
def test_what_is_encoded_is_read_back(command: PtzCommand, address: int) -> None:
    assert decode(encode(command, address)) == command


@given(st.lists(st.integers(0, 255), min_size=7, max_size=7).map(bytes))
def test_any_bytes_with_a_checksum_are_read_or_refused_and_what_is_read_means_the_same_again(head: bytes) -> None:
    found = decode((head + bytes((sum(head) & 0xFF,))).hex())
    if not isinstance(found, BadPtz):
        assert decode(encode(found)) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("A50F0100000000B", "length"),
        ("A50F0100000000ZZ", "not_hexadecimal"),
        ("A50F0100000000B6", "checksum"),
        ("A5000100000000A6", "first_bytes"),
        ("A40F0100000000B4", "first_bytes"),
        ("A50F0103404000" + f"{(0xA5 + 0x0F + 1 + 3 + 0x80) & 0xFF:02X}", "both_ways"),
        ("A50F014C004000" + f"{(0xA5 + 0x0F + 1 + 0x4C + 0x40) & 0xFF:02X}", "both_ways"),
        ("A50F0181000000" + f"{(0xA5 + 0x0F + 1 + 0x81) & 0xFF:02X}", "out_of_range"),
        ("A50F0189010900" + f"{(0xA5 + 0x0F + 1 + 0x89 + 10) & 0xFF:02X}", "out_of_range"),
        ("A50F01FF000000" + f"{(0xA5 + 0x0F + 1 + 0xFF) & 0xFF:02X}", "unknown_opcode"),
    ],
)
def test_what_is_no_command_says_why(text: str, reason: str) -> None:
    assert decode(text) == BadPtz(reason)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Move(pan=256), "pan"),
        (lambda: Move(tilt=-256), "tilt"),
        (lambda: Move(zoom=16), "zoom"),
        (lambda: Move(pan=0.5), "pan"),  # type: ignore[arg-type]
        (lambda: Lens(focus=300), "focus"),
        (lambda: Lens(iris=-300), "iris"),
        (lambda: Preset(PresetOp.SET, 0), "number"),
        (lambda: CruisePoint(256, 1), "group"),
        (lambda: CruisePoint(1, 0), "preset"),
        (lambda: CruiseSpeed(1, 4096), "speed"),
        (lambda: CruiseDwell(1, -1), "dwell_s"),
        (lambda: CruiseStart(-1), "group"),
        (lambda: Scan(256), "group"),
        (lambda: ScanSpeed(1, 4096), "speed"),
        (lambda: Auxiliary(0, True), "number"),
        (lambda: encode(STOP, 4096), "address"),
        (lambda: Ptz(STOP, 0), "priority"),
        (lambda: HomePosition(True, 0), "reset_time_s"),
        (lambda: HomePosition(True, 30, 256), "preset"),
        (lambda: DragZoom(True, 0, 1, 0, 0, 1, 1), "window_length"),
        (lambda: DragZoom(True, 10, 10, 11, 0, 1, 1), "mid_x"),
        (lambda: DragZoom(True, 10, 10, 1, 1, 1, 11), "length_y"),
        (lambda: PreciseAim(361, 0), "pan_deg"),
        (lambda: PreciseAim(0, -31), "tilt_deg"),
        (lambda: PreciseAim(0, 0, 0.5), "zoom"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(make: object, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} "):
        make()  # type: ignore[operator]


@given(controls, st.sampled_from(["", "2.0", "3.0"]))
def test_a_control_is_read_back_from_its_document(control: Control, version: str) -> None:
    found = document(control_document(7, CAMERA, control, version=version))
    assert (found.kind, found.cmd_type, found.sn, found.device_id) == ("control", "DeviceControl", 7, CAMERA)
    assert read_control(found) == control


def test_the_documents_look_as_the_standard_writes_them() -> None:
    body = control_document(17, CAMERA, Ptz(Move(pan=0x40), 5)).decode()
    assert "<PTZCmd>A50F0101400000F6</PTZCmd>\r\n<Info>\r\n<ControlPriority>5</ControlPriority>\r\n</Info>" in body
    assert "<IFameCmd>Send</IFameCmd>" in control_document(1, CAMERA, KeyFrame(), version="2.0").decode()
    assert "<IFrameCmd>Send</IFrameCmd>" in control_document(1, CAMERA, KeyFrame(), version="3.0").decode()
    assert "<TeleBoot>Boot</TeleBoot>" in control_document(1, CAMERA, TeleBoot()).decode()
    assert "<RecordCmd>StopRecord</RecordCmd>" in control_document(1, CAMERA, Record(False)).decode()
    drag = control_document(1, CAMERA, DragZoom(False, 1920, 1080, 900, 500, 300, 200)).decode()
    assert drag.index("<DragZoomOut>") < drag.index("<Length>1920<") < drag.index("<Width>1080<")
    assert drag.index("<MidPointX>900<") < drag.index("<MidPointY>500<") < drag.index("<LengthX>300<")
    home = control_document(1, CAMERA, HomePosition(True, 30, 1)).decode()
    assert "<Enabled>1</Enabled>\r\n<ResetTime>30</ResetTime>\r\n<PresetIndex>1</PresetIndex>" in home
    aim = control_document(1, CAMERA, PreciseAim(12.5, -3, 2)).decode()
    assert "<Pan>12.50</Pan>\r\n<Tilt>-3.00</Tilt>\r\n<Zoom>2.00</Zoom>" in aim


def test_only_home_and_recording_are_answered_by_a_response() -> None:
    answered = [HomePosition(True), Record(True)]
    silent = [Ptz(STOP), DragZoom(True, 9, 9, 1, 1, 1, 1), KeyFrame(), TeleBoot(), PreciseAim(0, 0)]
    assert all(map(is_answered, answered))
    assert not any(map(is_answered, silent))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([("PTZCmd", "A50F0100000000B6")], "checksum"),
        ([("RecordCmd", "Perhaps")], "unknown_word"),
        ([("DragZoomIn", [("Length", 5)])], "Width is missing"),
        ([("GuardCmd", "SetGuard")], "unknown_command"),
    ],
)
def test_a_control_that_cannot_be_obeyed_says_why(fields: list[tuple[str, object]], reason: str) -> None:
    body = build_document("Control", "DeviceControl", 1, CAMERA, fields)  # type: ignore[arg-type]
    assert read_control(document(body)) == BadControl(reason)


def test_names_compare_without_case() -> None:
    body = build_document("Control", "DeviceControl", 1, CAMERA, [("Ptzcmd", "a50f0100000000b5")])
    assert read_control(document(body)) == Ptz(STOP)


def test_presets_are_asked_for_and_listed() -> None:
    question = document(preset_query(3, CAMERA))
    assert (question.kind, question.cmd_type, question.sn) == ("query", "PresetQuery", 3)
    items = (PresetItem(1, "东门"), PresetItem(2, "Gate & yard"))
    body = preset_response(3, CAMERA, items)
    assert b'<PresetList Num="2">' in body
    assert read_presets(document(body)) == items
    assert document(preset_response(None, CAMERA, items)).sn is None
    assert read_presets(document(preset_response(3, CAMERA, ()))) == ()


def test_broken_preset_lists_keep_what_is_good() -> None:
    rows = [
        ("Item", [("PresetID", 0), ("PresetName", "none")]),
        ("Item", [("PresetID", 9)]),
        ("Item", [("PresetID", 4), ("PresetName", "n" * 500)]),
        ("Item", [("PresetID", 4), ("PresetName", "again")]),
        ("Item", [("PresetID", "null")]),
        ("Item", [("PresetID", 300)]),
    ]
    found = document(build_document("Response", "PresetQuery", 1, CAMERA, [("PresetList", rows)]))  # type: ignore[list-item]
    assert read_presets(found) == (PresetItem(4, "n" * 64), PresetItem(9))
