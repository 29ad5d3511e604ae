"""Lines of hardware receivers never raise, keep little, and answer every line they understood to the end."""

from __future__ import annotations

from datetime import UTC, datetime

from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.dc09.messages import Header
from tocsin.protocols.receiver_lines import ademco685, dc07, radionics6500, surgard
from tocsin.protocols.receiver_lines.line import Report
from tocsin.protocols.receiver_lines.lines import LINES

NOW = datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)
REPORT = CidReport("1234", "1", "130", "01", "003")
SEEDS: list[bytes] = [
    surgard.encode_contact_id("01", "1", REPORT),
    surgard.encode_contact_id("01", "001", REPORT),
    surgard.encode_sia("01", "1", b"#1234|Nti08:30/ri1/BA003^FRONT PIR^/BA004"),
    b"3011      12ABBA0003\x141011      1234 3  05\x1480111234 1355 5555 7\x146011      1234BA0003\x14",
    b"0011 PRINTER ERROR\x141011      0000 P  01\x14" + surgard.HEARTBEAT,
    ademco685.encode_contact_id("1", "1", REPORT, is_user=False) + ademco685.HEARTBEAT,
    b"\n11 1234 E\r\n11 1234 E 3\r\n11 1234 1555 5555 9\r",
    radionics6500.encode_contact_id("01", "1", REPORT) + radionics6500.HEARTBEAT,
    dc07.encode_report(Header("SIA-DCS", "0001", "1", "0", None), b"#1234|Nri1/BA003") + dc07.HEARTBEAT,
]


def run_one(data: bytes) -> None:
    """Read octets as a stream of every protocol, in two pieces."""
    half = len(data) // 2
    for make in LINES.values():
        line = make(28_800.0)
        for item in line.receive(data[:half], NOW) + line.receive(data[half:], NOW):
            if isinstance(item, Report):
                assert item.events
                assert len(item.account) <= 64
                assert all(event.label_en and event.label_zh for event in item.events)
        assert line.buffered_bytes <= 4110
