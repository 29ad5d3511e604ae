"""Matrices of device profiles: any text is read whole or refused with its place, never otherwise."""

from __future__ import annotations

from tocsin.base.errors import TocsinError
from tocsin.domain.device_profiles import guesses_of, matrix_csv, matrix_json, read_matrix

_ROW = '{"maker": "a", "model": "b", "firmware": "1", "devices": 2, "traits": {"sdp_variant": {"wide": 2}}}'
SEEDS: list[bytes] = [
    f'{{"rows": [{_ROW}]}}'.encode(),
    b'maker,model,firmware,devices,charset,media_ladder\r\na,b,1,2,gbk:2,"udp,tcp_passive:1|udp:1"\r\n',
    b"[]",
]


def run_one(data: bytes) -> None:
    """Read the text; what was read survives both forms of the file."""
    try:
        rows = read_matrix(data.decode("utf-8", "replace"))
    except TocsinError:
        return
    guesses_of(rows)
    assert [row.form() for row in read_matrix(matrix_json(rows))] == [row.form() for row in rows]
    read_matrix(matrix_csv(rows))
