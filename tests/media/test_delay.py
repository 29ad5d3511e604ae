"""What a worker adds to the age of a picture: nothing waits for company while it keeps up, and it is measured."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.support.media import SSRC, HandCamera, running_link, watching
from tocsin.media.delay import BUCKETS_S, SAMPLE_EVERY, DelayGauge, percentile_s
from tocsin.media.feed import Feed
from tocsin.media.source import Source
from tocsin.media.worker_figures import WorkerFigures, read_figures, summed


class Seat:
    """A viewer that keeps what it is sent."""

    wants_audio = False

    def __init__(self) -> None:
        self.media: list[bytes] = []

    def send_media(self, frame: bytes, *, is_key: bool) -> None:
        self.media.append(frame)

    def send_init(self, frames: bytes) -> None:
        pass

    def send_text(self, frame: bytes) -> None:
        pass

    def wait_for_key(self) -> None:
        pass


def _watched() -> tuple[Source, Seat]:
    feed, seat = Feed("cam"), Seat()
    feed.join(seat)
    return Source(feed, ssrc=None, wants_audio=False), seat


def _trusted(source: Source) -> HandCamera:
    """Return a camera whose marker the source has learnt to believe."""
    camera = HandCamera(key_every=1000)
    for _ in range(8):
        source.receive(camera.packets(), 0.0)
    return camera


def test_a_picture_leaves_in_the_round_in_which_its_last_packet_came() -> None:
    source, seat = _watched()
    camera = _trusted(source)
    for number in range(1, 6):
        before = len(seat.media)
        source.receive(camera.packets(), number * 40.0)
        assert len(seat.media) == before + 1
    camera.close()


def test_pictures_that_arrive_in_one_round_leave_as_one_fragment() -> None:
    source, seat = _watched()
    camera = _trusted(source)
    before, first = len(seat.media), camera.number
    source.receive([packet for _ in range(3) for packet in camera.packets()], 40.0)
    assert len(seat.media) == before + 1
    assert all(b"<%06d>" % number in seat.media[-1] for number in range(first, first + 3))
    camera.close()


def test_a_worker_that_does_not_keep_up_lets_pictures_wait_for_company() -> None:
    source, seat = _watched()
    camera = _trusted(source)
    source.feed.is_grouped = True
    before = len(seat.media)
    for number in range(1, 5):
        source.receive(camera.packets(), number * 40.0)
    assert len(seat.media) == before
    source.expire(400.0)
    assert len(seat.media) == before + 1
    camera.close()


def test_a_percentile_is_read_from_the_buckets() -> None:
    gauge = DelayGauge()
    for _ in range(95):
        gauge.note(0.004)
    for _ in range(5):
        gauge.note(0.150)
    assert percentile_s(gauge.counts, 0.95) == pytest.approx(0.005)
    assert 0.100 < percentile_s(gauge.counts, 0.96) <= 0.200
    assert gauge.sum_s == pytest.approx(95 * 0.004 + 5 * 0.150)
    gauge.note(5.0)
    assert percentile_s(gauge.counts, 1.0) == BUCKETS_S[-1]
    assert math.isnan(percentile_s(DelayGauge().counts, 0.5))
    assert [gauge.is_due() for _ in range(SAMPLE_EVERY)].count(True) == 1


def test_the_figures_of_workers_are_added_up() -> None:
    delays = [0] * (len(BUCKETS_S) + 1)
    delays[2] = 7
    one = read_figures({"viewers": 3, "gaps": 2, "delays": delays, "delay_sum_s": 0.5})
    assert summed([one, one]).delays[2] == 14
    assert (summed([one, one]).viewers, summed([one, one]).gaps) == (6, 4)
    assert summed([]) == WorkerFigures()
    assert read_figures({"delays": [1]}).delays == WorkerFigures().delays


@pytest.mark.parametrize("transport", ["udp", "tcp_passive"])
async def test_a_worker_measures_its_delay(transport: str) -> None:
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", transport, ssrc=SSRC, peer_ip="127.0.0.1")
        camera = HandCamera()
        async with watching(link, "cam"):
            writer = None
            if transport == "tcp_passive":
                _, writer = await asyncio.open_connection(endpoint.ip, endpoint.port)
            async with asyncio.timeout(10):
                while sum(link.figures().delays) < 3:
                    if writer is None:
                        await camera.send_udp(endpoint.ip, endpoint.port, 4)
                    else:
                        writer.write(camera.framed(1))
                        await asyncio.sleep(0.004)
            assert 0 < percentile_s(link.figures().delays, 0.5) < 1.0
            if writer is not None:
                writer.close()
        camera.close()
