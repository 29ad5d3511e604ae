"""The player on a connection that carries the picture and nothing else, as an external media server's does.

The pictures are those of our own workers with the text frames taken out on the way: it shows what our page does with
bare fMP4, not what any other server sends.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import OpenSeat

pytestmark = pytest.mark.browser


def test_a_picture_without_text_frames_plays_and_the_page_sends_nothing(
    open_seat: OpenSeat, alarm: Callable[[], str]
) -> None:
    seat = open_seat("zh-CN", "dark", width=1440, height=900)
    withheld: list[str] = []
    said: list[str | bytes] = []

    def bare(page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        page.on_message(lambda data: said.append(data))
        server.on_message(lambda data: withheld.append(data) if isinstance(data, str) else page.send(data))

    seat.page.route_web_socket("**/live/**", bare)
    seat.sign_in()
    alarm()
    expect(seat.picture("live")).to_have_count(1)
    seat.expect_advancing()
    seat.page.wait_for_timeout(2_500)  # longer than the player waits between two reports of its own
    expect(seat.picture("live")).to_have_count(1)
    assert withheld, "the connection was not bare"
    assert said == []
