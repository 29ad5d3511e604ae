"""What is said to a ZLMediaKit server and heard from it: requests, answers, hooks. Pure.

Untested against a real server: none can be installed from the package registries this project uses (design note 0014).
Source: the server's HTTP interface as published by its project: /index/api/... and its hooks.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from tocsin.base.errors import ErrorCode, TocsinError

APP: Final = "rtp"  # where the server puts what it receives as RTP
VHOST: Final = "__defaultVhost__"
SCHEMA: Final = "fmp4"
MAX_HEAD_BYTES: Final = 16 << 10
MAX_ANSWER_BYTES: Final = 8 << 20
MAX_HOOK_BYTES: Final = 64 << 10
MAX_WORD: Final = 256
VIDEO_ONLY: Final = 2
_TCP_MODE: Final = {"udp": 0, "tcp_passive": 1, "tcp_active": 2}
_AUTH_FAILED: Final = -100
_CODECS: Final = {"H264": "h264", "H265": "h265"}

# Hooks that want nothing decided: answered, not acted on.
_QUIET: Final = frozenset(
    {"on_flow_report", "on_server_keepalive", "on_server_started", "on_server_exited", "on_stream_not_found"}
)
# Hooks that say that streams came or went: the server is asked at once.
NEWS: Final = frozenset({"on_stream_changed", "on_rtp_server_timeout"})


@dataclass(frozen=True, slots=True)
class MediaRow:
    """One stream of the server's list."""

    stream_id: str
    readers: int
    bitrate_bps: int
    codec: str
    width: int
    height: int
    frames: int | None
    key_interval_ms: int
    loss_share: float
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Play:
    """Somebody wants to fetch a stream: `session` is the server's name of the connection."""

    session: str
    app: str
    stream_id: str
    schema: str
    ticket: str


# -- requests


def receiver_fields(stream_id: str, transport: str, ssrc: int | None) -> dict[str, str]:
    """Return the fields of `openRtpServer`: any free port, pictures without sound. Errors: INVALID."""
    if transport not in _TCP_MODE:
        raise TocsinError(ErrorCode.INVALID, f"unknown transport {transport!r}", key="media_invalid")
    fields = {
        "port": "0",
        "tcp_mode": str(_TCP_MODE[transport]),
        "stream_id": stream_id,
        "only_track": str(VIDEO_ONLY),
    }
    if ssrc is not None:
        fields["ssrc"] = str(ssrc)
    return fields


def named(stream_id: str) -> dict[str, str]:
    """Return the fields that name one stream of ours."""
    return {"vhost": VHOST, "app": APP, "stream": stream_id}


def pack_request(path: str, host: str, fields: Mapping[str, str]) -> bytes:
    """Return an HTTP request with a form; the connection is for this one."""
    body = urlencode(fields).encode("ascii")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def viewer_path(stream_id: str, ticket: str) -> str:
    """Return the path of a stream as fMP4 over a WebSocket."""
    return f"/{APP}/{quote(stream_id, safe='')}.live.mp4?ticket={quote(ticket, safe='')}"


# -- answers


def body_length(head: bytes) -> int | None:
    """Return how long the body of an answer is; None: until the connection ends.

    Errors: UNAVAILABLE when it is no answer, not 200, chunked or too long.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1."):
        raise _odd("what answers is no HTTP server")
    if words[1] != "200":
        raise _odd(f"the answer's status is {words[1][:3]}, not 200")
    fields = _fields(lines)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        raise _odd("the answer comes in chunks, which the server itself never does")
    if "content-length" not in fields:
        return None
    length = _count(fields["content-length"])
    if length is None or length > MAX_ANSWER_BYTES:
        raise _odd(f"the answer's length is not 0 to {MAX_ANSWER_BYTES} bytes")
    return length


def read_answer(body: bytes) -> Mapping[str, Any]:
    """Return the fields of an answer. Errors: UNAVAILABLE when it cannot be read or says no."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _odd("the answer is not JSON") from error
    if not isinstance(found, dict) or not _is_int(found.get("code")):
        raise _odd("the answer has no number `code`")
    code = found["code"]
    if code == _AUTH_FAILED:
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            "the media server does not accept media.external_secret",
            key="media_external_secret",
        )
    if code != 0:
        said = str(found.get("msg", ""))[:MAX_WORD]
        raise TocsinError(
            ErrorCode.UNAVAILABLE, f"the media server refused with {code}: {said}", key="media_external_refused"
        )
    return found


def read_port(answer: Mapping[str, Any]) -> int:
    """Return the port that was opened. Errors: UNAVAILABLE when there is none."""
    port = _whole(answer.get("port"))
    if not 0 < port < 65_536:
        raise _odd("`port` of the answer is no port")
    return port


def read_media(answer: Mapping[str, Any]) -> dict[str, MediaRow]:
    """Return the streams of ours in a `getMediaList`, by id; rows that cannot be read are left out."""
    found: dict[str, MediaRow] = {}
    for row in _rows(answer):
        stream_id = row.get("stream")
        if row.get("app") != APP or row.get("schema") != SCHEMA or not isinstance(stream_id, str):
            continue
        tracks = row.get("tracks")
        track = next(
            (one for one in tracks if isinstance(one, dict) and one.get("codec_type") == 0)
            if isinstance(tracks, list)
            else iter(()),
            {},
        )
        loss = track.get("loss")
        is_share = isinstance(loss, int | float) and not isinstance(loss, bool) and 0 <= loss <= 100
        found[stream_id] = MediaRow(
            stream_id,
            _whole(row.get("readerCount")),
            _whole(row.get("bytesSpeed")) * 8,
            _CODECS.get(str(track.get("codec_id_name", "")).upper(), ""),
            _whole(track.get("width")),
            _whole(track.get("height")),
            _whole(track["frames"]) if _is_int(track.get("frames")) else None,
            _whole(track.get("gop_interval_ms")),
            float(loss) / 100.0 if is_share else 0.0,  # type: ignore[arg-type]  # a number: is_share says so
            track.get("ready") is True or bool(_CODECS.get(str(track.get("codec_id_name", "")).upper())),
        )
    return found


def read_sessions(answer: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all open connections in a `getAllSession`."""
    return frozenset(row["id"] for row in _rows(answer) if isinstance(row.get("id"), str))


def read_receivers(answer: Mapping[str, Any]) -> frozenset[str]:
    """Return the streams for which a `listRtpServer` names an open port."""
    return frozenset(
        row["stream_id"]
        for row in _rows(answer)
        if isinstance(row.get("stream_id"), str) and row.get("app", APP) == APP
    )


def missing_hooks(answer: Mapping[str, Any], hook_path: str) -> list[str]:
    """Return the settings of a `getServerConfig` that let somebody see a picture without asking us."""
    config = next(iter(_rows(answer)), {})
    missing = [] if str(config.get("hook.enable", "")) == "1" else ["hook.enable"]
    for name in ("on_play", "on_publish", "on_http_access"):
        if not str(config.get(f"hook.{name}", "")).endswith(f"{hook_path}/{name}"):
            missing.append(f"hook.{name}")
    return missing


# -- hooks


def read_hook_head(head: bytes, secret: str) -> tuple[str, int]:
    """Return the hook's name and the length of its body.

    Errors: FORBIDDEN when the secret is another, INVALID when it is no POST of bounded length.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise TocsinError(ErrorCode.INVALID, "not an HTTP request")
    parts = words[1].split("?", 1)[0].split("/")
    given = parts[2] if len(parts) == 4 and parts[1] == "hook" else ""
    if not secret or not hmac.compare_digest(given.encode("utf-8"), secret.encode("utf-8")):
        raise TocsinError(ErrorCode.FORBIDDEN, "the hook's secret is another")
    length = _count(_fields(lines).get("content-length", ""))
    if words[0] != "POST" or length is None or length > MAX_HOOK_BYTES:
        raise TocsinError(ErrorCode.INVALID, f"a hook is a POST of at most {MAX_HOOK_BYTES} bytes")
    return parts[3], length


def read_hook_body(body: bytes) -> Mapping[str, Any]:
    """Return the fields of a hook. Errors: INVALID."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TocsinError(ErrorCode.INVALID, "the hook's body is not JSON") from error
    if not isinstance(found, dict):
        raise TocsinError(ErrorCode.INVALID, "the hook's body is no JSON object")
    return found


def read_play(fields: Mapping[str, Any]) -> Play | None:
    """Return who wants to fetch what; None when it cannot be read or names two tickets."""
    texts = [fields.get(name) for name in ("id", "app", "stream", "schema", "params")]
    if not all(isinstance(text, str) and len(text) <= 4 * MAX_WORD for text in texts):
        return None
    session, app, stream_id, schema, params = (str(text) for text in texts)
    try:
        tickets = parse_qs(params.lstrip("?"), max_num_fields=16).get("ticket", [])
    except ValueError:
        return None
    return Play(session, app, stream_id, schema, tickets[0]) if session and len(tickets) == 1 else None


def answer_quiet(name: str) -> dict[str, Any] | None:
    """Return the answer to a hook that decides nothing about pictures; None when it is none of these.

    A stream without viewers stays until we close it, and no file of the server is anybody's.
    """
    if name in _QUIET or name in NEWS:
        return {"code": 0, "msg": "success"}
    if name == "on_stream_none_reader":
        return {"code": 0, "close": False}
    if name == "on_http_access":
        return {"code": 0, "err": "not served", "path": "", "second": 0}
    if name == "on_rtsp_realm":
        return {"code": 0, "realm": ""}  # on_play is asked then, and refuses
    return None


def refused(why: str) -> dict[str, Any]:
    """Return the answer that says no."""
    return {"code": -1, "msg": why}


# -- helpers


def _odd(detail: str) -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, f"media server: {detail}", key="media_external_answer")


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: object) -> int:
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0


def _rows(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = answer.get("data")
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
