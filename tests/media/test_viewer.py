"""One viewer's queue: a slow one skips to the next key and costs nobody else anything."""

import asyncio
import json

from tocsin.media.tickets import MAX_TICKETS, UNUSED_LIFE_S, Ticket, TicketBox
from tocsin.media.viewer import MIN_QUEUE_BYTES, STUCK_S, QueueState, Viewer
from tocsin.media.websocket import binary_frame, text_frame

REQUEST = (
    b"GET /live/cam?ticket=t HTTP/1.1\r\nHost: localhost:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Pipe(asyncio.Transport):
    """A transport that takes as much as the test lets it."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.waiting = 0
        self.closed = self.aborted = False

    def write(self, data):
        self.written.append(bytes(data))
        self.waiting += len(data)

    def get_write_buffer_size(self):
        return self.waiting

    def set_write_buffer_limits(self, high=None, low=None):
        self.limits = high

    def get_extra_info(self, name, default=None):
        return default

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True


class Hall:
    """Lets everybody in."""

    def __init__(self):
        self.seated, self.gone, self.resumptions = [], [], []

    def arrived(self, viewer):
        pass

    def admit(self, viewer, path, host):
        self.path, self.host = path, host
        return 101, ""

    def seat(self, viewer):
        self.seated.append(viewer)

    def left(self, viewer):
        self.gone.append(viewer)

    def resumed(self, viewer):
        self.resumptions.append(viewer)


def seated():
    hall, pipe = Hall(), Pipe()
    viewer = Viewer(hall)
    viewer.connection_made(pipe)
    viewer.data_received(REQUEST)
    assert hall.seated == [viewer]
    pipe.written.clear()
    pipe.waiting = 0
    return viewer, pipe, hall


def masked(text):
    body = text.encode()
    return bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body


async def test_the_handshake_answers_with_the_key_of_the_standard():
    hall, pipe = Hall(), Pipe()
    viewer = Viewer(hall)
    viewer.connection_made(pipe)
    for start in range(0, len(REQUEST), 7):
        viewer.data_received(REQUEST[start : start + 7])
    answer = b"".join(pipe.written)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert (hall.path, hall.host) == ("/live/cam?ticket=t", "localhost:1")


async def test_a_slow_viewer_skips_and_comes_back_at_a_key_with_a_gap():
    viewer, pipe, _ = seated()
    frame = binary_frame([b"x" * 300_000])
    for _ in range(10):
        viewer.send_media(frame, is_key=False)
    assert pipe.waiting <= MIN_QUEUE_BYTES + 2 * len(frame)
    assert viewer.state is QueueState.SKIP
    viewer.send_media(frame, is_key=True)  # the queue is still full
    assert viewer.state is QueueState.SKIP
    pipe.waiting = 1000
    viewer.send_media(frame, is_key=False)
    assert viewer.state is QueueState.SKIP
    count = len(pipe.written)
    viewer.send_media(frame, is_key=True)
    gap, media = pipe.written[count:]
    assert json.loads(gap[2:]) == {"type": "gap", "reason": "slow"}
    assert media == frame
    assert viewer.state is QueueState.RUN
    assert (viewer.gaps, viewer.skipped) == (1, 8)


async def test_status_is_not_queued_behind_seconds_of_picture():
    viewer, pipe, _ = seated()
    pipe.waiting = MIN_QUEUE_BYTES * 2
    viewer.send_text(text_frame({"type": "status"}))
    assert pipe.written == []


async def test_a_queue_that_does_not_move_is_found_out():
    viewer, pipe, _ = seated()
    viewer.send_media(binary_frame([b"x" * 100]), is_key=True)
    assert not viewer.is_stuck(0.0)
    assert not viewer.is_stuck(STUCK_S - 0.1)
    assert viewer.is_stuck(STUCK_S)
    pipe.waiting -= 1
    assert not viewer.is_stuck(STUCK_S + 1)


async def test_the_queue_grows_with_the_stream_within_bounds():
    viewer, _, _ = seated()
    sizes = []
    for bitrate_bps in (0, 8_000_000, 1_000_000_000):
        viewer.measure(bitrate_bps)
        sizes.append(viewer.queue_bytes)
    assert sizes == [1 << 20, 2_000_000, 4 << 20]


async def test_pause_and_resume_are_heard_and_nonsense_is_not():
    viewer, pipe, hall = seated()
    viewer.data_received(masked('{"type":"stat","buf":0.7}'))
    assert viewer.client["buf"] == 0.7
    for text in ("[]", "{", "null", '{"type":5}', '{"type":"fly"}', "\x00"):
        viewer.data_received(masked(text))
    viewer.data_received(masked('{"type":"pause"}'))
    viewer.send_media(b"frame", is_key=True)
    assert pipe.written == []
    viewer.data_received(masked('{"type":"resume"}'))
    assert hall.resumptions == [viewer]
    viewer.send_media(b"frame", is_key=False)
    assert pipe.written == [b"frame"]


async def test_an_end_says_why_and_closes():
    viewer, pipe, hall = seated()
    viewer.end("expired")
    viewer.end("revoked")
    assert json.loads(pipe.written[0][2:]) == {"type": "end", "reason": "expired"}
    assert pipe.written[1][:2] == bytes([0x88, 2 + len("expired")])
    assert pipe.closed
    viewer.send_media(b"late", is_key=True)
    assert b"late" not in pipe.written
    viewer.connection_lost(None)
    assert hall.gone == [viewer]


async def test_a_message_too_long_closes_the_connection():
    viewer, pipe, _ = seated()
    viewer.data_received(bytes([0x81, 0xFE, 0x20, 0x00, 0, 0, 0, 0]) + b"x" * 0x2000)
    assert pipe.written[-1][:1] == b"\x88" or pipe.closed


def ticket(secret, *, stream_id="cam", view_id="w", expires_at_s=1e9):
    return Ticket(secret, stream_id, "v", view_id, expires_at_s)


def test_a_ticket_serves_once_for_its_stream_within_its_time():
    box = TicketBox()
    for secret in "abcd":
        box.put(ticket(secret, expires_at_s=130.0 if secret == "d" else 1e9), 100.0)
    assert box.take("a", "cam", 101.0) is not None
    assert box.take("a", "cam", 101.0) is None
    assert box.take("b", "other", 101.0) is None
    assert box.take("c", "cam", 100.0 + UNUSED_LIFE_S) is None
    assert box.take("d", "cam", 130.0) is None
    assert len(box) == 0


def test_revoked_and_forgotten_tickets_are_gone():
    box = TicketBox()
    box.put(ticket("a", view_id="x"), 0.0)
    box.put(ticket("b", view_id="y"), 0.0)
    box.revoke("x")
    assert box.take("a", "cam", 1.0) is None
    box.expire(UNUSED_LIFE_S)
    assert len(box) == 0


def test_the_number_of_waiting_tickets_is_bounded():
    box = TicketBox()
    for number in range(MAX_TICKETS + 10):
        box.put(ticket(str(number)), 0.0)
    assert len(box) == MAX_TICKETS
    assert box.take("0", "cam", 1.0) is None


def test_rubbish_that_comes_with_the_request_ends_the_connection_and_takes_no_ticket():
    hall, pipe = Hall(), Pipe()
    viewer = Viewer(hall)
    viewer.connection_made(pipe)
    viewer.data_received(REQUEST + bytes(range(255, 0, -1)) * 20)
    assert (hall.seated, hasattr(hall, "path"), pipe.aborted) == ([], False, True)


def test_words_nested_beyond_measure_are_ignored():
    viewer, pipe, _ = seated()
    deep = b"[" * 60_000
    viewer.data_received(b"\x81\xfe" + len(deep).to_bytes(2, "big") + bytes(4) + deep)
    viewer.send_media(b"fragment", is_key=True)
    assert b"fragment" in pipe.written
