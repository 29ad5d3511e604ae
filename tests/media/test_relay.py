"""One upstream a channel: started by interest, kept by viewers, reopened after losses, stopped when idle."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from tests.support.clocks import FixedClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.media.link_words import MediaEvents, StreamStats
from tocsin.media.relay import FORGET_AFTER_S, IDLE_STOP_S, LONGEST_RETRY_S, LiveStreams

CHANNEL = Channel("ch", "dev", "34020000001320000001")


class Link:
    """A media link that only writes down what it is asked."""

    def __init__(self):
        self.events = MediaEvents()
        self.tickets, self.revoked, self.closed, self.figures = [], [], [], {}
        self.renewed, self.turned_away = [], []

    async def ticket(self, **content):
        self.tickets.append(content)
        return f"/live/{content['stream_id']}?ticket={content['ticket']}"

    def viewer_port(self, stream_id):
        return 8081

    async def revoke(self, view_id, reason):
        self.revoked.append((view_id, reason))

    def last_stats(self, stream_id):
        return self.figures.get(stream_id)

    async def renew(self, view_id, expires_at):
        self.renewed.append((view_id, expires_at))

    async def turn_away(self, stream_id, reason):
        self.turned_away.append((stream_id, reason))

    async def close_receiver(self, stream_id):
        self.closed.append(stream_id)


class Session:
    def __init__(self, source):
        self.stream_id = "ch"
        self._source = source

    async def close(self, reason):
        self._source.closed.append(reason)
        await self._source.may_close.wait()


class Source:
    """A device that answers as the test says."""

    def __init__(self):
        self.opened = 0
        self.asked = []
        self.closed = []
        self.fails_with = ""
        self.may_close = asyncio.Event()
        self.may_close.set()

    async def open_live(self, channel, media, stream="main"):
        self.opened += 1
        self.asked.append(stream)
        if self.fails_with:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no", key=self.fails_with)
        return Session(self)


class House:
    def __init__(self):
        self.link, self.source, self.clock = Link(), Source(), FixedClock()
        self.in_use = {"ch": CHANNEL}
        self.streams = LiveStreams(
            self.link, self.source, self.clock, public_host="127.0.0.1", channel_of=self.in_use.get
        )

    async def open(self, view_id="view"):
        address = await self.streams.open_view(
            view_id=view_id,
            channel=CHANNEL,
            user_id="u",
            expires_at=self.clock.now() + timedelta(minutes=5),
            codecs=("avc1.640028",),
            audio=False,
        )
        await settle()
        return address.url

    async def address(self, stream="main", codecs=("avc1.640028",), channel=CHANNEL):
        made = await self.streams.open_view(
            view_id="view",
            channel=channel,
            user_id="u",
            expires_at=self.clock.now() + timedelta(minutes=5),
            codecs=codecs,
            audio=False,
            stream=stream,
        )
        await settle()
        return made

    async def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.streams.sweep()
        await settle()

    @property
    def state(self):
        return self.streams.state("ch")


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_view_starts_the_upstream_once_and_gives_each_viewer_a_ticket():
    house = House()
    first, second = await house.open(), await house.open()
    assert first.startswith("ws://127.0.0.1:8081/live/ch?ticket=")
    assert first != second
    assert house.source.opened == 1
    assert house.state.state == "starting"
    house.link.events.on_first_key("ch", house.clock.now())
    house.link.figures["ch"] = StreamStats("ch", "live", codec="h264", width=640, height=360, bitrate_bps=9)
    assert (house.state.state, house.state.codec, house.state.bitrate_bps) == ("live", "h264", 9)
    house.link.figures["ch"] = StreamStats("ch", "live", strangers=3, kernel_drops=2, late=5, resyncs=1)
    told = house.state
    assert (told.strangers, told.kernel_drops, told.late, told.resyncs) == (3, 2, 5, 1)
    house.link.figures["ch"] = StreamStats("ch", "stale")
    assert house.state.state == "stale"
    await house.streams.stop()


async def test_the_upstream_stops_when_nobody_watched_for_the_idle_time():
    house = House()
    await house.open()
    house.link.events.on_viewer("view", "v", "ch", "opened")
    await house.pass_time(IDLE_STOP_S * 3)
    assert house.source.closed == []
    house.link.events.on_viewer("view", "v", "ch", "closed")
    await house.pass_time(IDLE_STOP_S - 1)
    assert house.source.closed == []
    await house.pass_time(1)
    assert house.source.closed == ["idle"]
    assert house.link.closed == ["ch"]
    assert house.state.state == "idle"
    await house.pass_time(FORGET_AFTER_S + 1)
    await house.open()
    assert house.source.opened == 2
    await house.streams.stop()


async def test_a_lost_source_is_asked_again_while_viewers_wait():
    house = House()
    await house.open()
    house.link.events.on_viewer("view", "v", "ch", "opened")
    house.link.events.on_source_lost("ch", "connection_closed")
    await settle()
    assert (house.state.state, house.state.reason) == ("stale", "connection_closed")
    assert house.source.closed == ["connection_closed"]
    await house.pass_time(1)
    assert house.source.opened == 2
    await house.streams.stop()


async def test_a_lost_worker_reopens_its_streams():
    house = House()
    await house.open()
    house.link.events.on_viewer("view", "v", "ch", "opened")
    house.link.events.on_worker_lost(("ch", "unknown"))
    await settle()
    assert house.state.reason == "worker_lost"
    assert house.state.viewers == 0
    await house.pass_time(1)
    assert house.source.opened == 2
    await house.streams.stop()


async def test_a_device_that_refuses_is_tried_with_growing_pauses_and_the_reason_is_shown():
    house = House()
    house.source.fails_with = "play_refused"
    await house.open()
    house.link.events.on_viewer("view", "v", "ch", "opened")
    assert (house.state.state, house.state.reason) == ("failed", "play_refused")
    tries = []
    for _ in range(200):
        await house.pass_time(0.5)
        tries.append(house.source.opened)
    pauses = [tries.count(number) * 0.5 for number in range(2, max(tries))]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_RETRY_S
    house.source.fails_with = ""
    await house.pass_time(LONGEST_RETRY_S)
    assert house.state.state == "starting"
    await house.streams.stop()


async def test_a_device_that_registers_is_asked_at_once_for_what_waits_for_it():
    house = House()
    house.source.fails_with = "play.device_offline"
    await house.open()
    await house.pass_time(1)
    tries = house.source.opened
    house.source.fails_with = ""
    house.streams.device_registered("another")
    await settle()
    assert house.source.opened == tries
    house.streams.device_registered("dev")
    await settle()
    assert (house.source.opened, house.state.state) == (tries + 1, "starting")
    await house.streams.stop()


async def test_a_viewer_that_comes_back_after_the_stop_starts_the_upstream_again():
    house = House()
    await house.open()
    await house.pass_time(IDLE_STOP_S)
    assert house.state.state == "idle"
    house.link.events.on_demand("ch")
    await settle()
    assert house.source.opened == 2
    await house.streams.stop()


async def test_a_view_opened_while_the_camera_is_told_to_stop_starts_it_again():
    house = House()
    await house.open()
    house.source.may_close.clear()
    await house.pass_time(IDLE_STOP_S)
    assert house.source.closed == ["idle"]
    await house.open("another")
    assert house.source.opened == 1
    house.source.may_close.set()
    await settle()
    assert (house.source.opened, house.state.state) == (2, "starting")
    await house.streams.stop()


async def test_a_retired_channel_is_told_to_stop_though_somebody_still_watches():
    house = House()
    await house.open()
    house.link.events.on_viewer("view", "v", "ch", "opened")
    await house.pass_time(1)
    assert house.source.closed == []
    house.in_use.clear()
    await house.pass_time(1)
    assert (house.source.closed, house.state.state) == (["idle"], "idle")
    await house.streams.stop()


async def test_the_end_of_a_view_goes_to_the_workers():
    house = House()
    await house.streams.end_view("view", "claimed")
    assert house.link.revoked == [("view", "claimed")]


async def test_words_about_unknown_streams_change_nothing():
    house = House()
    events = house.link.events
    events.on_first_key("x", house.clock.now())
    events.on_source_lost("x", "r")
    events.on_demand("x")
    events.on_viewer("v", "v", "x", "opened")
    assert house.streams.state("x").state == "idle"


async def test_main_and_sub_have_an_upstream_each():
    house = House()
    main, sub = await house.address(), await house.address("sub")
    assert (main.stream, sub.stream) == ("main", "sub")
    assert "/live/ch~sub?ticket=" in sub.url
    assert house.source.asked == ["main", "sub"]
    house.link.events.on_first_key("ch~sub", house.clock.now())
    house.link.figures["ch~sub"] = StreamStats("ch~sub", "live", width=640, height=360)
    assert house.streams.state("ch", "sub").state == "live"
    assert (house.state.state, house.state.stream) == ("starting", "main")


async def test_a_camera_watched_by_its_sub_stream_only_is_live():
    house = House()
    await house.address("sub")
    house.link.events.on_first_key("ch~sub", house.clock.now())
    house.link.figures["ch~sub"] = StreamStats("ch~sub", "live", width=640, height=360)
    assert (house.state.state, house.state.stream) == ("live", "sub")


async def test_a_camera_without_a_sub_stream_shows_its_main_one_and_says_so():
    house = House()
    address = await house.address("sub", channel=replace(CHANNEL, has_sub=False))
    assert (address.stream, address.reason) == ("main", "no_sub_stream")
    assert house.source.asked == ["main"]


async def test_a_refused_sub_stream_turns_its_viewers_to_the_main_one():
    house = House()
    house.source.fails_with = "play.no_sub_stream"
    await house.address("sub")
    await settle()
    assert house.link.turned_away == [("ch~sub", "no_sub_stream")]
    house.source.fails_with = ""
    again = await house.address("sub")
    assert (again.stream, again.reason) == ("main", "no_sub_stream")
    assert house.streams.state("ch").main_only == "no_sub_stream"
    house.streams.device_registered("dev")
    assert (await house.address("sub")).stream == "sub"


async def test_a_camera_that_ignores_the_choice_is_found_by_the_size_of_its_pictures():
    house = House()
    await house.address()
    await house.address("sub")
    for stream_id in ("ch", "ch~sub"):
        house.link.events.on_first_key(stream_id, house.clock.now())
        house.link.figures[stream_id] = StreamStats(stream_id, "live", width=1280, height=720)
    await house.pass_time(1)
    assert house.link.turned_away == [("ch~sub", "no_sub_stream")]
    assert (await house.address("sub")).reason == "sub_ignored"


async def test_streams_of_two_sizes_are_left_alone():
    house = House()
    await house.address()
    await house.address("sub")
    for stream_id, width, height in (("ch", 1280, 720), ("ch~sub", 640, 360)):
        house.link.events.on_first_key(stream_id, house.clock.now())
        house.link.figures[stream_id] = StreamStats(stream_id, "live", width=width, height=height)
    await house.pass_time(1)
    assert house.link.turned_away == []


async def test_a_browser_without_h265_gets_the_sub_stream_before_a_conversion():
    house = House()
    await house.address()
    assert house.link.tickets[-1]["may_change"] is True
    house.link.events.on_mime("ch", 'video/mp4; codecs="hvc1.1.6.L93.B0"')
    address = await house.address()
    assert (address.stream, address.reason) == ("sub", "main_not_playable")
    house.link.events.on_mime("ch~sub", 'video/mp4; codecs="hvc1.1.6.L63.90"')
    address = await house.address()
    assert (address.stream, address.reason) == ("main", "")
    assert house.link.tickets[-1]["may_change"] is False
    assert (await house.address(codecs=("hvc1.1.6.L93.B0",))).stream == "main"


async def test_a_renewed_view_goes_on_at_the_workers():
    house = House()
    until = house.clock.now() + timedelta(minutes=20)
    await house.streams.renew_view("view", until)
    assert house.link.renewed == [("view", until)]
