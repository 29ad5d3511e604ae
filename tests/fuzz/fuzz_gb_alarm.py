"""Fuzz target: alarm documents, as bytes and as values inside a document."""

from datetime import UTC, datetime

from tocsin.protocols.gb28181.alarm import AlarmNotice, is_alarm, may_be_alarm, methods_of, read_alarm, read_time
from tocsin.protocols.gb28181.alarm_commands import alarm_notify, read_guard_state
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.manscdp import Document, parse_document, result_response

NOW = datetime(2026, 11, 22, 3, 36, 26, tzinfo=UTC)
_FULL = (
    ("AlarmPriority", 1),
    ("AlarmMethod", "1/2/5"),
    ("AlarmTime", "2026-11-22T11:36:25.120+08:00"),
    ("AlarmDescription", "东门 浙A12345"),
    ("Longitude", "118.376451"),
    ("Latitude", "31.326319"),
    ("Info", (("AlarmType", 6), ("AlarmTypeParam", (("EventType", 1),)), ("FaceInfo", "x"))),
)
_DUTY = (("Alarmstatus", (("Item", (("DeviceID", "34020000001340000003"), ("DutyStatus", "ONDUTY"))),)),)
SEEDS: list[bytes] = [
    alarm_notify(901, "34020000001340000003", _FULL, Label.GB18030),
    alarm_notify(None, "34020000001340000003", (("AlarmMethod", 25), ("info", (("AlarmType", "FaceDetect"),)))),
    result_response("DeviceStatus", 7, "34020000001320000001", _DUTY),
    b"<Notify><CmdType>Alarm</CmdType><AlarmTime>2026-1-2 3:4:5Z</AlarmTime></Notify>",
    b"2026-11-22T11:36:25",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document, and as each value a document may hold."""
    text = data.decode("utf-8", "replace")
    methods_of(text)
    read_time(text, NOW)
    may_be_alarm(data)
    fields = [(name, text) for name in ("AlarmMethod", "AlarmType", "AlarmTime", "AlarmDescription", "ExtraInfo")]
    for body in (data, alarm_notify(1, text, fields, Label.UTF8)):
        document = parse_document(body)
        if not isinstance(document, Document):
            continue
        read_guard_state(document).summary()
        if not is_alarm(document):
            continue
        notice = read_alarm(document, NOW)
        if isinstance(notice, AlarmNotice):
            assert 1 <= notice.priority <= 9
            assert len(notice.code) <= 16
            assert len(notice.source) <= 64
            assert len(notice.text) <= 200
            if notice.cleaned is not None:
                again = parse_document(notice.cleaned)
                assert isinstance(again, Document)
                assert getattr(read_alarm(again, NOW), "cleaned", None) is None
