"""What a media server answers and what its hooks say: any bytes are read or refused by name."""

from __future__ import annotations

from contextlib import suppress

from tocsin.base.errors import TocsinError
from tocsin.media import zlm

SEEDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    b"POST /hook/abc/on_play HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
    b'{"code":0,"data":[{"app":"rtp","schema":"fmp4","stream":"a","tracks":[{"codec_type":0,"frames":1,"loss":1.5}]}]}',
    b'{"code":0,"data":[{"id":"1-2"},{"stream_id":"a","app":"rtp"}],"port":30000}',
    b'{"id":"1","app":"rtp","stream":"a","schema":"fmp4","params":"ticket=abc"}',
)


def run_one(data: bytes) -> None:
    with suppress(TocsinError):
        zlm.body_length(data)
    with suppress(TocsinError):
        zlm.read_hook_head(data, "abc")
    with suppress(TocsinError):
        zlm.read_play(zlm.read_hook_body(data))
    with suppress(TocsinError):
        answer = zlm.read_answer(data)
        zlm.read_media(answer)
        zlm.read_sessions(answer)
        zlm.read_receivers(answer)
        zlm.missing_hooks(answer, "/hook/abc")
        zlm.read_port(answer)
