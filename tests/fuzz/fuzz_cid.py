"""Contact ID payloads and the telephone form never raise."""

from __future__ import annotations

from tocsin.protocols.contact_id.payload import encode_adm_cid, parse_adm_cid, parse_telephone, to_event

SEEDS: list[bytes] = [
    b"#1234|1130 01 003",
    b"#12345A|3401 01 007",
    b"#foc7688|1351 01 000",
    b"1130 01 003",
    b"#1|113001003",
    b"#1|6130 A1 0B3",
    b"1234181130010037",
]


def run_one(data: bytes) -> None:
    """Read one payload, give it its normal form, and write it again."""
    parse_telephone(data.decode("latin-1"))
    report = parse_adm_cid(data)
    if report is not None:
        assert 1 <= to_event(report).priority <= 9
        assert parse_adm_cid(encode_adm_cid(report)) == report
