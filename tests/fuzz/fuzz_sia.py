"""SIA event blocks never raise and never give more than they may."""

from __future__ import annotations

from datetime import UTC, datetime

from tocsin.protocols.sia_codes.blocks import MAX_EVENTS, MAX_FIELD_CHARACTERS, parse_sia, to_event

NOW = datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)

SEEDS: list[bytes] = [
    b"#1234|Nri1/BA003",
    b"#1234|Nti08:30/id7/ri1/BA003^FRONT PIR^/BA004",
    b"#1234|NRR|Atest",
    b"#0123|Nti20:50:26RP99",
    b"#000110|Nri0RP2^SL 1807110200065423^",
    b"#001991|Nri04/UR069*'text'NM",
    b"|Nri2/JC12",
    b"#1|Nda11-22-26/ti08:30/id012/ri02/pi1/OP|OCL1",
    "#1|NBA1^前门红外^".encode("gb18030"),
]


def run_one(data: bytes) -> None:
    """Read one data block and put its events into the normal form."""
    report = parse_sia(data)
    assert len(report.events) <= MAX_EVENTS
    for event in report.events:
        normal = to_event(event, NOW, 28800.0)
        assert max(map(len, (normal.area, normal.zone, normal.user))) <= MAX_FIELD_CHARACTERS
        assert normal.text.isprintable()
