"""What alarm documents mean: every method and type of the table, both editions, and the oddities of the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.gb28181.alarm import (
    METHODS,
    NOT_KEPT_TYPES,
    TYPES,
    AlarmNotice,
    NotKept,
    is_alarm,
    may_be_alarm,
    methods_of,
    read_alarm,
    read_time,
)
from tocsin.protocols.gb28181.alarm_commands import (
    Duty,
    alarm_notify,
    alarm_query,
    alarm_reset,
    device_status_query,
    guard_command,
    is_refusal,
    read_guard_state,
)
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, Pair, document_of, parse_document, result_response

NOW = datetime(2026, 11, 22, 3, 36, 26, tzinfo=UTC)
TIME = "2026-11-22T11:36:25"
INPUT = "34020000001340000003"


def document(body: bytes) -> Document:
    found = parse_document(body)
    assert isinstance(found, Document)
    return found


def read(*fields: Pair, source: str = INPUT, sn: int | None = 901) -> AlarmNotice:
    found = read_alarm(document(alarm_notify(sn, source, fields)), NOW)
    assert isinstance(found, AlarmNotice)
    return found


def alarm(method: str | None = "2", type_: str | None = None, *more: Pair, priority: str | None = "1") -> AlarmNotice:
    info: list[Pair] = [("AlarmType", type_)]
    return read(
        ("AlarmPriority", priority),
        ("AlarmMethod", method),
        ("AlarmTime", TIME),
        ("Info", info if type_ is not None else None),
        *more,
    )


def test_the_worked_message_of_the_reference_is_read_in_full() -> None:
    found = read(
        ("AlarmPriority", 1),
        ("AlarmMethod", 2),
        ("AlarmTime", TIME),
        ("AlarmDescription", "IR zone 3"),
        ("Longitude", "118.376451"),
        ("Latitude", "31.326319"),
        ("Info", [("AlarmType", 2)]),
    )

    assert (found.source, found.sn, found.code, found.level, found.priority) == (INPUT, 901, "2/2", 1, 3)
    assert (found.meaning.category, found.meaning.label_zh) == (Category.TAMPER, "设备防拆")
    assert found.at == datetime(2026, 11, 22, 3, 36, 25, tzinfo=UTC)
    assert (found.text, found.lon, found.lat) == ("IR zone 3", 118.376451, 31.326319)
    assert found.asks_for_reset
    assert found.cleaned is None
    assert found.repeat_key == f"alarm|{INPUT}|2/2|{TIME}"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_without_a_type_is_an_alarm_or_a_fault_with_words(method: int) -> None:
    found = alarm(str(method))
    assert (found.code, found.meaning) == (str(method), METHODS[method])
    assert found.meaning.label_en
    assert found.meaning.label_zh
    assert found.asks_for_reset == (method == 2)


@pytest.mark.parametrize(("method", "number"), TYPES)
def test_every_type_of_the_table_has_its_meaning(method: int, number: int) -> None:
    found = alarm(str(method), str(number))
    assert (found.code, found.meaning) == (f"{method}/{number}", TYPES[method, number])


@pytest.mark.parametrize(("method", "number"), NOT_KEPT_TYPES)
def test_what_judges_or_counts_people_is_not_kept(method: int, number: int) -> None:
    body = alarm_notify(1, INPUT, [("AlarmMethod", method), ("Info", [("AlarmType", number)])])
    assert read_alarm(document(body), NOW) == NotKept(NOT_KEPT_TYPES[method, number])


@pytest.mark.parametrize("word", ["FaceDetection", "PlateRecognition", "human", "vehicleDetect"])
def test_a_vendor_type_that_recognises_somebody_is_not_kept(word: str) -> None:
    body = alarm_notify(1, INPUT, [("AlarmMethod", 5), ("Info", [("AlarmType", word)])])
    assert read_alarm(document(body), NOW) == NotKept("recognition")


@pytest.mark.parametrize("text", ["人脸比对报警", "车牌识别", "Face match", "blacklist hit"])
def test_a_description_that_tells_of_recognition_takes_an_untyped_video_alarm_with_it(text: str) -> None:
    body = alarm_notify(1, INPUT, [("AlarmMethod", 5), ("AlarmDescription", text)], Label.GB18030)
    assert read_alarm(document(body), NOW) == NotKept("recognition")


def test_a_typed_alarm_stays_and_only_loses_what_recognises() -> None:
    found = alarm(
        "5",
        "2",
        ("AlarmDescription", "人脸"),
        ("FaceInfo", [("Age", 33)]),
        ("ExtraInfo", "浙A12345 330106199001011234 x"),
    )
    assert (found.code, found.text) == ("5/2", "")
    assert found.cleaned is not None
    cleaned = document(found.cleaned)
    assert cleaned.root.child("FaceInfo") is None
    assert cleaned.root.child("AlarmDescription") is None
    assert cleaned.root.get("ExtraInfo") == "*** *** x"
    assert cleaned.device_id == INPUT
    assert read_alarm(cleaned, NOW) == alarm("5", "2", ("ExtraInfo", "x"))


def test_words_that_only_sound_alike_stay() -> None:
    found = alarm("2", None, ("Template", "a"), ("Interface", "b"), ("Surface", "c"))
    assert found.cleaned is None


@pytest.mark.parametrize(
    ("text", "methods"),
    [
        ("2", (2,)),
        ("1/2", (1, 2)),
        ("12", (1, 2)),
        ("1/2/2", (1, 2)),
        ("", (7,)),
        ("x", (7,)),
        ("9", (7,)),
        ("0", (7,)),
    ],
)
def test_methods_come_in_several_spellings(text: str, methods: tuple[int, ...]) -> None:
    assert methods_of(text) == methods


def test_of_several_methods_the_gravest_known_reading_counts() -> None:
    assert alarm("25", "2").meaning == TYPES[2, 2]
    assert alarm("25", "8").meaning.category is Category.BURGLARY, "the device alarm stays, the analytic goes"
    assert alarm("2/5", "6").meaning == TYPES[5, 6]


def test_missing_method_and_priority_are_seven_and_four() -> None:
    found = alarm(None, None, priority=None)
    assert (found.method, found.level, found.priority) == ("7", 4, 4)
    assert alarm("2", None, priority="99").level == 4


def test_unknown_values_are_kept_and_shown() -> None:
    strange = alarm("9", "77")
    assert (strange.code, strange.meaning.kind, strange.meaning.is_known) == ("9/77", EventKind.ALARM, True)
    assert "77" in strange.meaning.label_zh
    device = alarm("2", "9")
    assert (device.meaning.category, device.meaning.label_en) == (Category.BURGLARY, "Device alarm, type 9")
    analytic = alarm("5", "14")
    assert not analytic.meaning.is_known, "nobody knows what it judges: shown, and rings nobody"


def test_a_device_may_lower_what_its_alarm_weighs_and_not_raise_it() -> None:
    assert [alarm("5", "2", priority=str(level)).priority for level in (1, 2, 3, 4)] == [4, 4, 4, 4]
    assert [alarm("2", priority=str(level)).priority for level in (1, 2, 3, 4)] == [2, 2, 3, 4]


@pytest.mark.parametrize(("param", "words"), [("1", "Area entered"), ("2", "Area left"), ("7", "Area entered")])
def test_intrusion_says_which_way(param: str, words: str) -> None:
    inner: list[Pair] = [("AlarmType", 6), ("AlarmTypeParam", [("EventType", param)])]
    assert read(("AlarmMethod", 5), ("Info", inner)).meaning.label_en == words


def test_names_in_any_case_and_types_outside_info_are_read() -> None:
    assert read(("alarmmethod", 2), ("info", [("alarmtype", 1)])).code == "2/1"
    assert read(("AlarmMethod", 2), ("AlarmType", 1)).code == "2/1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TIME, "2026-11-22T03:36:25+00:00"),
        ("2026-11-22 11:36:25", "2026-11-22T03:36:25+00:00"),
        ("2026-1-2T3:4:5", "2026-01-01T19:04:05+00:00"),
        ("2026/11/22 11:36", "2026-11-22T03:36:00+00:00"),
        ("2026-11-22T11:36:25.120", "2026-11-22T03:36:25.120000+00:00"),
        ("2026-11-22T11:36:25Z", "2026-11-22T03:36:25+00:00"),
        ("2026-11-22T03:36:25Z", "2026-11-22T03:36:25+00:00"),
        ("2026-11-22T11:36:25+08:00", "2026-11-22T03:36:25+00:00"),
        ("2026-11-22T11:36:60", "2026-11-22T03:36:59+00:00"),
    ],
)
def test_times_are_beijing_time_however_written(text: str, expected: str) -> None:
    found = read_time(text, NOW)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59", "٢٠٢٦"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text, NOW) is None


@pytest.mark.parametrize("where", [("0", "0"), ("181", "1"), ("x", "1"), ("", ""), ("nan", "nan")])
def test_a_position_that_is_none_is_left_out(where: tuple[str, str]) -> None:
    found = alarm("4", None, ("Longitude", where[0]), ("Latitude", where[1]))
    assert (found.lon, found.lat) == (None, None)


def test_repetitions_are_known_by_time_else_by_number_else_not_at_all() -> None:
    assert read(("AlarmMethod", 2), sn=7).repeat_key == f"alarm|{INPUT}|2|sn7"
    assert read(("AlarmMethod", 2), sn=None).repeat_key == ""
    assert (
        read(("AlarmMethod", 2), ("AlarmTime", TIME), sn=7).repeat_key
        == read(("AlarmMethod", 2), ("AlarmTime", TIME), sn=8).repeat_key
    )


def test_an_id_that_is_none_and_an_endless_text_do_no_harm() -> None:
    found = read(("AlarmMethod", "2" * 5000), ("AlarmDescription", "长" * 5000), source="<&>" * 100)
    assert (found.source, found.code, len(found.text)) == ("", "2", 200)


def test_only_notifications_of_alarms_are_alarms() -> None:
    assert is_alarm(document(alarm_notify(1, INPUT, [])))
    assert not is_alarm(document(alarm_query(1, INPUT)))
    assert not is_alarm(document(result_response("Alarm", 1, INPUT)))
    assert may_be_alarm(b"<Notify><CmdType>Alarm</CmdType><SN>1")
    assert not may_be_alarm(b"<Notify><CmdType>Keepalive</CmdType>")


def test_commands_are_written_as_the_standard_has_them() -> None:
    query = document(alarm_query(3, INPUT))
    assert (query.kind, query.cmd_type, query.root.get("AlarmMethod")) == ("query", "Alarm", "0")
    reset = document(alarm_reset(4, INPUT, "2", "1"))
    info = reset.root.child("Info")
    assert info is not None
    assert (reset.kind, reset.root.get("AlarmCmd")) == ("control", "ResetAlarm")
    assert (info.get("AlarmMethod"), info.get("AlarmType")) == ("2", "1")
    assert b"AlarmType" not in alarm_reset(4, INPUT, "2")
    assert document(guard_command(5, INPUT, is_set=True)).root.get("GuardCmd") == "SetGuard"
    assert document(guard_command(5, INPUT, is_set=False)).root.get("GuardCmd") == "ResetGuard"
    assert document(device_status_query(6, INPUT)).cmd_type == "DeviceStatus"
    assert is_refusal(document(result_response("DeviceControl", 5, INPUT, is_ok=False)))
    assert not is_refusal(document(result_response("DeviceControl", 5, INPUT)))


def test_duty_is_read_and_summed_up() -> None:
    items: list[Pair] = [
        ("Item", [("DeviceID", f"3402000000134000000{number}"), ("DutyStatus", word)])
        for number, word in enumerate(["ONDUTY", "onduty", "OFFDUTY", "ALARM", "ASLEEP"])
    ]
    found = read_guard_state(document(result_response("DeviceStatus", 1, INPUT, [("Alarmstatus", items)])))
    assert [duty for _, duty in found.duties] == [Duty.ON, Duty.ON, Duty.OFF, Duty.ALARM]
    assert found.summary() == "ONDUTY=2 OFFDUTY=1 ALARM=1"
    assert read_guard_state(document(result_response("DeviceStatus", 1, INPUT))).summary() == ""


def test_a_tree_goes_round() -> None:
    body = alarm_notify(9, INPUT, [("AlarmMethod", 5), ("Info", [("AlarmType", 6)])], Label.GB18030)
    assert document(document_of(document(body).root)).root == document(body).root


def test_skew_does_not_lose_the_devices_own_time() -> None:
    found = read(("AlarmMethod", 2), ("AlarmTime", "2019-01-01T00:00:00"))
    assert found.at is not None
    assert NOW - found.at > timedelta(days=365)
