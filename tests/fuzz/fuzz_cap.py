"""CAP messages and feeds never raise; what was read is written validly and read the same."""

from __future__ import annotations

from datetime import timedelta

from tests.support.warnings import FLOOD, NOW
from tocsin.protocols.cap.alert import BadAlert, links_of, read, write
from tocsin.protocols.cap.meaning import to_events

SEEDS: list[bytes] = [
    write(FLOOD),
    b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link type="application/cap+xml" href="/b"/></entry></feed>',
    b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>a</identifier><sender>b</sender>'
    b"<sent>2026-11-27T08:00:00-00:00</sent><status>Actual</status><msgType>Cancel</msgType><scope>Public</scope>"
    b"<references>b,x,2026-11-27T07:00:00-00:00</references></alert>",
]


def run_one(data: bytes) -> None:
    """Read a document and say what it means."""
    links_of(data)
    found = read(data)
    if isinstance(found, BadAlert):
        return
    for alert in found:
        for event in to_events(alert, NOW + timedelta(hours=1)):
            assert 1 <= event.priority <= 9
            assert len(event.zone) <= 64
        try:
            again = read(write(alert))
        except ValueError:  # an identifier, status or kind that nobody may write
            continue
        assert not isinstance(again, BadAlert)
