"""The pure parts of the way to a ZLMediaKit server, and what the link decides from given answers.

The answers here are written by hand from the published interface. They show how we read and decide; they do not show
that a real server answers so (tests/media/test_contract.py does, where one is named).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from tests.support.clocks import FixedClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.media import zlm
from tocsin.media.external_zlm import STALE_AFTER_S, ZlmLink, ZlmSettings
from tocsin.media.zlm_http import HookServer, ZlmClient

SECRET = "abcdefgh12345678"
HOOKS = {f"hook.{name}": f"http://t:8090/hook/{SECRET}/{name}" for name in ("on_play", "on_publish", "on_http_access")}
CONFIG = {"code": 0, "data": [{"hook.enable": "1", **HOOKS}]}


def media_row(stream_id="cam", frames=50, **more):
    track = {"codec_type": 0, "codec_id_name": "H264", "ready": True, "width": 640, "height": 360, "frames": frames}
    return {
        "app": "rtp",
        "stream": stream_id,
        "schema": "fmp4",
        "readerCount": 2,
        "bytesSpeed": 1000,
        "tracks": [{"codec_type": 1, "codec_id_name": "AAC"}, {**track, "loss": 5.0, "gop_interval_ms": 2000}],
        **more,
    }


class Answers:
    """Gives the answers a test wrote down, and keeps what was asked."""

    def __init__(self):
        self.asked = []
        self.media, self.sessions, self.left = [], [], []
        self.config = CONFIG
        self.fails_with = None
        self.is_heard = False

    async def call(self, verb, fields=None, *, timeout_s=0.0):
        self.asked.append((verb, dict(fields or {})))
        if self.fails_with is not None:
            raise self.fails_with
        data = {
            "openRtpServer": {"port": 30_000},
            "getRtpInfo": {"exist": self.is_heard},
            "getMediaList": {"data": self.media},
            "getAllSession": {"data": [{"id": name} for name in self.sessions]},
            "listRtpServer": {"data": [{"stream_id": name} for name in self.left]},
            "getServerConfig": self.config,
        }
        return {"code": 0, **data.get(verb, {})}

    def verbs(self, verb):
        return [fields for asked, fields in self.asked if asked == verb]


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
async def link(clock):
    made = ZlmLink(ZlmSettings("http://h:80", "api", SECRET, "wss://media.example.org:444", rtp_ip="10.0.0.9"), clock)
    made._client = Answers()
    made.heard = []
    made.events.on_viewer = lambda view_id, _viewer, stream_id, what: made.heard.append((what, view_id, stream_id))
    made.events.on_source_up = lambda stream_id: made.heard.append(("up", stream_id))
    made.events.on_source_lost = lambda stream_id, reason: made.heard.append(("lost", stream_id, reason))
    made.events.on_demand = lambda stream_id: made.heard.append(("demand", stream_id))
    made.events.on_worker_lost = lambda stream_ids: made.heard.append(("down", stream_ids))
    await made.look()
    return made


async def issue(link, clock, *, ticket="t1", view_id="view", life_s=600.0):
    return await link.ticket(
        stream_id="cam",
        ticket=ticket,
        viewer_id="u/1",
        view_id=view_id,
        expires_at=clock.now() + timedelta(seconds=life_s),
    )


def play(link, ticket="t1", session="s1", **more):
    fields = {"id": session, "app": "rtp", "stream": "cam", "schema": "fmp4", "params": f"ticket={ticket}", **more}
    return link.answer_hook("on_play", fields)["code"] == 0


# -- requests and answers


def test_a_receiver_is_asked_for_by_transport_and_without_sound():
    fields = zlm.receiver_fields("a~sub", "tcp_active", 7)
    assert fields == {"port": "0", "tcp_mode": "2", "stream_id": "a~sub", "only_track": "2", "ssrc": "7"}
    assert "ssrc" not in zlm.receiver_fields("a", "udp", None)
    with pytest.raises(TocsinError):
        zlm.receiver_fields("a", "pigeon", None)


def test_a_request_carries_its_fields_in_the_body_only():
    head, _, body = zlm.pack_request("/index/api/x", "h:80", {"secret": "s&=\r\n", "n": "ü"}).partition(b"\r\n\r\n")
    assert b"secret" not in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert parse_qs(body.decode()) == {"secret": ["s&=\r\n"], "n": ["ü"]}


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 12),
        (b"HTTP/1.0 200 OK\r\n\r\n", None),
    ],
)
def test_the_length_of_an_answer(head, length):
    assert zlm.body_length(head) == length


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_named(head):
    with pytest.raises(TocsinError) as failed:
        zlm.body_length(head)
    assert failed.value.key == "media_external_answer"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", "media_external_answer"),
        (b"\xff", "media_external_answer"),
        (b"[" * 100_000, "media_external_answer"),
        (b"[]", "media_external_answer"),
        (b'{"code":true}', "media_external_answer"),
        (b'{"code":-100,"msg":"Incorrect secret"}', "media_external_secret"),
        (b'{"code":-300,"msg":"exists"}', "media_external_refused"),
    ],
)
def test_an_answer_that_says_no(body, key):
    with pytest.raises(TocsinError) as failed:
        zlm.read_answer(body)
    assert failed.value.key == key


@pytest.mark.parametrize("port", [None, "30000", 0, 65_536, True, 1.5])
def test_a_port_that_is_none(port):
    with pytest.raises(TocsinError):
        zlm.read_port({"port": port})


def test_the_list_of_streams_is_read_and_odd_rows_are_left_out():
    odd = [None, {}, media_row(app="live"), media_row(schema="rtsp"), media_row(3), media_row("bare", tracks=None)]
    found = zlm.read_media({"data": [media_row(), *odd]})
    assert set(found) == {"cam", "bare"}
    row = found["cam"]
    assert (row.codec, row.width, row.frames, row.bitrate_bps, row.readers) == ("h264", 640, 50, 8000, 2)
    assert (row.loss_share, row.key_interval_ms, row.is_ready) == (0.05, 2000, True)
    assert not found["bare"].is_ready
    assert zlm.read_media({"data": "none"}) == {}


def test_hooks_that_are_not_set_are_named():
    assert zlm.missing_hooks(CONFIG, f"/hook/{SECRET}") == []
    without = {"data": [{**CONFIG["data"][0], "hook.enable": "0", "hook.on_play": "http://else/on_play"}]}
    assert zlm.missing_hooks(without, f"/hook/{SECRET}") == ["hook.enable", "hook.on_play"]
    assert len(zlm.missing_hooks({}, "/hook/x")) == 4


# -- hooks


def hook(path=f"/hook/{SECRET}/on_play", method="POST", length="2"):
    return f"{method} {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_hook_is_known_by_its_secret():
    assert zlm.read_hook_head(hook(), SECRET) == ("on_play", 2)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (hook("/hook/other/on_play"), ErrorCode.FORBIDDEN),
        (hook("/hook//on_play"), ErrorCode.FORBIDDEN),
        (hook(f"/{SECRET}/on_play"), ErrorCode.FORBIDDEN),
        (hook(f"/hook/{SECRET}/a/b"), ErrorCode.FORBIDDEN),
        (hook(method="GET"), ErrorCode.INVALID),
        (hook(length="65537"), ErrorCode.INVALID),
        (hook(length="-1"), ErrorCode.INVALID),
        (hook(length="²"), ErrorCode.INVALID),
        (b"\r\n\r\n", ErrorCode.INVALID),
    ],
)
def test_a_hook_that_is_turned_away(head, code):
    with pytest.raises(TocsinError) as failed:
        zlm.read_hook_head(head, SECRET)
    assert failed.value.code == code
    with pytest.raises(TocsinError):
        zlm.read_hook_head(hook("/hook//on_play"), "")


async def test_a_ticket_lets_one_in_once(link, clock):
    assert await issue(link, clock) == "/rtp/cam.live.mp4?ticket=t1"
    assert not play(link, "guessed")
    assert play(link)
    assert not play(link, session="s2")
    assert link.heard == [("opened", "view", "cam"), ("demand", "cam")]


@pytest.mark.parametrize(
    "odd",
    [
        {"stream": "other"},
        {"app": "live"},
        {"schema": "rtsp"},
        {"schema": "hls"},
        {"session": ""},
        {"params": ""},
        {"params": "ticket=t1&ticket=t1"},
        {"params": None},
        {"params": "ticket=t1&" + "x" * 5000},
        {"params": "&".join(["ticket=t1", *["a=b"] * 40])},
    ],
)
async def test_whoever_asks_for_something_else_is_refused(link, clock, odd):
    await issue(link, clock)
    assert not play(link, **odd)
    assert link.heard == []


async def test_a_ticket_too_old_is_refused(link, clock):
    await issue(link, clock, life_s=5.0)
    clock.advance(5.0)
    assert not play(link)
    await issue(link, clock)
    clock.advance(60.0)
    assert not play(link)


async def test_nobody_publishes_but_the_device_we_asked(link):
    await link.open_receiver("cam", "udp", ssrc=1, peer_ip=None)
    assert link.answer_hook("on_publish", {"app": "rtp", "stream": "cam"})["code"] == 0
    assert link.answer_hook("on_publish", {"app": "rtp", "stream": "other"})["code"] == -1
    assert link.answer_hook("on_publish", {"app": "live", "stream": "cam"})["code"] == -1
    assert link.answer_hook("on_shell_login", {})["code"] == -1
    assert link.answer_hook("on_http_access", {})["err"]
    assert link.answer_hook("on_stream_none_reader", {})["close"] is False


# -- what the link decides


async def test_no_ticket_while_the_server_does_not_ask_us(link, clock):
    link._client.config = {"code": 0, "data": [{**CONFIG["data"][0], "hook.on_play": ""}]}
    clock.advance(60.0)
    await link.look()
    assert link.heard == [("down", ())]
    with pytest.raises(TocsinError) as failed:
        await issue(link, clock)
    assert failed.value.key == "media_external_down"
    link._client.config = CONFIG
    await link.look()
    assert await issue(link, clock)


async def test_what_an_earlier_run_left_is_closed_once(clock):
    made = ZlmLink(ZlmSettings("http://h:80", "api", SECRET, "ws://h:80", rtp_ip="10.0.0.9"), clock)
    made._client = Answers()
    made._client.left = ["old"]
    await made.look()
    await made.look()
    assert made._client.verbs("closeRtpServer") == [{"stream_id": "old"}]
    assert made._client.verbs("close_streams")[0]["stream"] == "old"


async def test_a_stream_comes_ages_and_is_lost(link, clock):
    endpoint = await link.open_receiver("cam", "udp", ssrc=1, peer_ip=None)
    assert (endpoint.ip, endpoint.port) == ("10.0.0.9", 30_000)
    await link.look()
    assert link.heard == []
    link._client.media = [media_row()]
    await link.look()
    assert link.heard == [("up", "cam")]
    assert link.last_stats("cam").state == "live"
    clock.advance(STALE_AFTER_S + 0.1)
    await link.look()
    assert link.last_stats("cam").state == "stale"
    link._client.media = []
    await link.look()
    assert link.heard[-1] == ("lost", "cam", "silence")
    assert link.last_stats("cam") is None


async def test_a_viewer_is_told_to_go_until_he_is_gone(link, clock):
    await issue(link, clock, life_s=10.0)
    assert play(link)
    link._client.sessions = ["s1"]
    await link.look()
    assert link._client.verbs("kick_session") == []
    clock.advance(10.0)
    await link.look()
    await link.look()
    assert link._client.verbs("kick_session") == [{"id": "s1"}] * 2
    assert ("closed", "view", "cam") not in link.heard
    link._client.sessions = []
    await link.look()
    assert link.heard[-1] == ("closed", "view", "cam")
    await link.look()
    assert len(link._client.verbs("kick_session")) == 2


async def test_a_revoked_view_ends_now_and_its_tickets_with_it(link, clock):
    for number, view_id in ((1, "one"), (2, "one"), (3, "two")):
        await issue(link, clock, ticket=f"t{number}", view_id=view_id)
    assert play(link, "t1", "s1")
    assert play(link, "t3", "s3")
    await link.revoke("one", "ended")
    assert link._client.verbs("kick_session") == [{"id": "s1"}]
    assert not play(link, "t2", "s2")


async def test_a_renewed_view_goes_on_and_viewers_turned_away_are_told_to_go(link, clock):
    await issue(link, clock, life_s=10.0)
    assert play(link)
    await issue(link, clock, ticket="t2", life_s=10.0)
    link._client.sessions = ["s1"]
    await link.renew("view", clock.now() + timedelta(seconds=30))
    clock.advance(20.0)
    await link.look()
    assert link._client.verbs("kick_session") == []
    assert play(link, "t2", "s2")
    await link.turn_away("other", "no_sub_stream")
    assert link._client.verbs("kick_session") == []
    await link.turn_away("cam", "no_sub_stream")
    assert {fields["id"] for fields in link._client.verbs("kick_session")} == {"s1", "s2"}


async def test_a_viewer_outlives_our_way_to_the_server_and_is_told_to_go_afterwards(link, clock):
    await issue(link, clock, life_s=10.0)
    assert play(link)
    link._client.sessions = ["s1"]
    link._client.fails_with = TocsinError(ErrorCode.UNAVAILABLE, "no", key="media_external_down")
    clock.advance(10.0)
    for _ in range(3):
        await link.look()
    assert ("down", ()) in link.heard
    assert not link.health()[0].is_alive
    link._client.fails_with = None
    await link.look()
    assert link._client.verbs("kick_session") == [{"id": "s1"}]


async def test_the_first_packet_is_waited_for(link, clock):
    await link.open_receiver("cam", "udp", ssrc=1, peer_ip=None)
    waiting = asyncio.create_task(link.first_packet("cam", 1.0))
    for _ in range(20):
        await asyncio.sleep(0)
        clock.advance(0.2)
    assert not await waiting
    link._client.is_heard = True
    assert await link.first_packet("cam", 1.0)
    assert not await link.first_packet("unknown", 1.0)


async def test_what_the_server_does_not_do_is_refused_by_name(link, clock):
    end = clock.now()
    for refused in (
        link.open_receiver("cam", "udp", ssrc=1, peer_ip=None, loss="freeze"),
        link.open_rtsp("cam", "rtsp://h/1"),
        link.steer("cam", "pause"),
        link.open_talk("t", "udp", peer_ip=None, ssrc=1, payload="PCMA", payload_type=8),
        link.forward_open(
            stream_id="cam", forward_id="f", view_id="v", mode="udp", ip="h", port=1, ssrc=1, expires_at=end
        ),
    ):
        with pytest.raises(TocsinError) as failed:
            await refused
        assert failed.value.key == "media_external_unsupported"


# -- the two ways over real sockets


@asynccontextmanager
async def saying(data, *, stays_open=False):
    """Say these bytes to whoever connects, whatever he asks."""
    ending = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        if stays_open:
            await ending.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield ZlmClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "very-secret")
    finally:
        ending.set()
        server.close()


async def test_an_answer_is_read_by_length_or_to_the_end():
    async with saying(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}', stays_open=True) as client:
        assert await client.call("version") == {"code": 0}
    async with saying(b'HTTP/1.1 200 OK\r\n\r\n{"code":0,"data":[]}') as client:
        assert await client.call("version") == {"code": 0, "data": []}


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "media_external_down"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "media_external_down"),
        (b"X" * (zlm.MAX_HEAD_BYTES * 2), "media_external_answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (zlm.MAX_ANSWER_BYTES + 1), "media_external_answer"),
    ],
)
async def test_a_broken_answer_is_an_error_without_the_secret(data, key):
    async with saying(data) as client:
        with pytest.raises(TocsinError) as failed:
            await client.call("version")
    assert failed.value.key == key
    assert "very-secret" not in failed.value.detail


async def test_a_server_that_says_nothing_is_not_waited_for():
    async with saying(b"", stays_open=True) as client:
        with pytest.raises(TocsinError) as failed:
            await client.call("version", timeout_s=0.05)
    assert failed.value.key == "media_external_down"


async def ask_hook(port, head, body=b"{}"):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + body)
    answer = await reader.read()
    writer.close()
    status, _, content = answer.partition(b"\r\n")
    return status.decode().split(" ")[1], json.loads(content.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (hook(), b"{}", "200"),
        (hook("/hook/guessed/on_play"), b"{}", "403"),
        (hook(), b"[]", "400"),
        (hook(), b"{x", "400"),
    ],
)
async def test_hooks_are_answered_to_who_knows_the_secret(head, body, status):
    heard = []
    hooks = HookServer(SECRET, ("127.0.0.0/8",), lambda name, fields: heard.append(name) or {"code": 0})
    await hooks.start("127.0.0.1", 0)
    try:
        found, content = await ask_hook(hooks.port, head, body)
        assert found == status
        assert (content["code"] == 0) == (status == "200")
        assert heard == (["on_play"] if status == "200" else [])
        assert hooks.turned_away == (0 if status == "200" else 1)
    finally:
        hooks.stop()


async def test_hooks_from_elsewhere_are_turned_away_unread():
    heard = []
    hooks = HookServer(SECRET, ("10.0.0.0/8", "::1/128"), lambda name, fields: heard.append(name) or {"code": 0})
    await hooks.start("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", hooks.port)
        assert await reader.read() == b""
        writer.close()
        assert (heard, hooks.turned_away) == ([], 1)
    finally:
        hooks.stop()


async def test_a_port_that_is_taken_names_the_setting():
    first, second = (HookServer(SECRET, (), lambda name, fields: {}) for _ in range(2))
    await first.start("127.0.0.1", 0)
    with pytest.raises(TocsinError, match="external_hook_port"):
        await second.start("127.0.0.1", first.port)
    first.stop()
