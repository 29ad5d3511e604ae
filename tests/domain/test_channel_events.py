"""What a notification says of channels, applied: states, deletion with a tombstone, positions of what moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tocsin.domain.channels import ChannelRecord, NewChannel, merge_catalog, moved
from tocsin.domain.devices import CatalogEntry, PositionReport

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
HOME = NewChannel("d", "j", "3402", True)
CHANNEL = ChannelRecord(
    "c1", "d", "1320", "东门", "j", "3402", lon=118.1, lat=31.1, status="ON",
    catalog={"name": "东门", "lon": 118.1, "lat": 31.1}, is_device_online=True,
)  # fmt: skip


def merged(*entries: CatalogEntry, known: ChannelRecord = CHANNEL):
    return merge_catalog([known], entries, ["new"] * len(entries), HOME, is_complete=False, now=NOW)


def test_an_event_changes_the_state_and_leaves_the_name():
    for event in ("OFF", "VLOST", "DEFECT"):
        (changed,) = merged(CatalogEntry("1320", event=event)).changed
        assert (changed.name, changed.is_online) == ("东门", False)
        assert changed.catalog.get("event", "OFF") == event
        (again,) = merged(CatalogEntry("1320", event="ON"), known=changed).changed
        assert (again.is_online, "event" in again.catalog) == (True, False)


def test_a_deleted_channel_keeps_a_tombstone_and_comes_back_as_it_was():
    (gone,) = merged(CatalogEntry("1320", event="DEL")).gone
    assert (gone.gone_at, gone.id) == (NOW, "c1")
    assert merged(CatalogEntry("1320", event="DEL"), known=gone).gone == (), "told twice is told once"
    (back,) = merged(CatalogEntry("1320", name="东门", is_online=True), known=gone).returned
    assert (back.id, back.gone_at) == ("c1", None)


def test_events_about_channels_nobody_knows_add_nothing():
    merge = merged(CatalogEntry("9999", event="OFF"), CatalogEntry("8888", event="DEL"))
    assert (merge.added, merge.changed, merge.gone) == ((), (), ())


def report(lon: float, seconds: int = 0, **more: float) -> PositionReport:
    return PositionReport("1320", lon, 31.2, NOW + timedelta(seconds=seconds), **more)


def test_what_moves_is_where_it_was_last_heard_and_nowhere_before():
    first = moved(CHANNEL, report(118.2, speed_kmh=40.0))
    second = moved(first, report(118.3, 5))
    assert (second.lon, second.lat) == (118.3, 31.2)
    assert "118.2" not in str(second.catalog)
    assert moved(second, report(118.25, 1)) == second, "an older one that came late"


def test_a_catalogue_does_not_put_what_moves_back_to_where_it_was_entered():
    here = moved(CHANNEL, report(118.2))
    (changed,) = merged(CatalogEntry("1320", name="东门二", lon=118.1, lat=31.1), known=here).changed
    assert (changed.lon, changed.name) == (118.2, "东门二")


def test_a_place_set_by_people_stays():
    entered = replace(CHANNEL, lon=118.5, lat=31.5)
    here = moved(entered, report(118.2))
    assert (here.lon, here.lat) == (118.5, 31.5)
    later = moved(here, report(118.3, 5))
    assert (later.lon, later.lat) == (118.5, 31.5)
