"""A catalogue only adds unless it is complete, and never takes away what people entered."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tocsin.domain.channels import CatalogMerge, ChannelRecord, NewChannel, merge_catalog
from tocsin.domain.devices import CatalogEntry

HOME = NewChannel("device", "home", "340223", True)
positions = st.sampled_from([(None, None), (0.0, 0.0), (118.3, 31.3), (200.0, 31.3), (118.4, 31.4)])
entries = st.builds(
    lambda gb_id, name, online, at: CatalogEntry(gb_id, name, is_online=online, lon=at[0], lat=at[1]),
    st.sampled_from(["1", "2", "3", "4"]),
    st.sampled_from(["", "东门", "西门", "Camera 01"]),
    st.sampled_from([None, True, False]),
    positions,
)
catalogs = st.lists(entries, max_size=6)


def _merge(known: list[ChannelRecord], items: list[CatalogEntry], *, is_complete: bool) -> CatalogMerge:
    ids = [f"new-{len(known)}-{n}" for n in range(len(items))]
    return merge_catalog(known, items, ids, HOME, is_complete=is_complete, now=START)


def _after(known: list[ChannelRecord], merge: CatalogMerge) -> list[ChannelRecord]:
    changed = {channel.id: channel for channel in (*merge.changed, *merge.returned, *merge.gone)}
    return [*(changed.get(channel.id, channel) for channel in known), *merge.added]


@given(catalogs, catalogs, st.booleans())
def test_a_complete_set_leaves_exactly_its_channels_and_a_partial_one_loses_none(
    first: list[CatalogEntry], second: list[CatalogEntry], is_complete: bool
) -> None:
    known = _after([], _merge([], first, is_complete=True))
    present = {channel.gb_id for channel in known}
    after = _after(known, _merge(known, second, is_complete=is_complete))
    named = {item.gb_id for item in second}
    assert {channel.gb_id for channel in after if channel.gone_at is None} == (
        named if is_complete else present | named
    )
    assert len({channel.gb_id for channel in after}) == len(after)


@given(catalogs, catalogs)
def test_the_same_catalogue_again_changes_nothing(first: list[CatalogEntry], second: list[CatalogEntry]) -> None:
    known = _after([], _merge([], first, is_complete=True))
    known = _after(known, _merge(known, second, is_complete=True))
    assert _merge(known, second, is_complete=True) == CatalogMerge((), (), (), ())


@given(catalogs, st.lists(st.tuples(catalogs, st.booleans()), max_size=3))
def test_what_people_set_outlives_every_catalogue(
    first: list[CatalogEntry], later: list[tuple[list[CatalogEntry], bool]]
) -> None:
    known = [
        replace(channel, name="人定的名字", lon=1.5, lat=2.5, owner="学校", stage="in_service")
        for channel in _after([], _merge([], first, is_complete=True))
    ]
    ids = {channel.id for channel in known}
    for items, is_complete in later:
        known = _after(known, _merge(known, items, is_complete=is_complete))
    for channel in known:
        if channel.id in ids:
            assert (channel.name, channel.lon, channel.lat, channel.stage) == ("人定的名字", 1.5, 2.5, "in_service")


@given(entries)
def test_a_discovered_channel_has_a_name_and_a_possible_position_or_none(item: CatalogEntry) -> None:
    (channel,) = _merge([], [item], is_complete=False).added
    assert channel.name
    assert (channel.lon is None) == (channel.lat is None)
    if channel.lon is not None:
        assert -180 <= channel.lon <= 180
        assert (channel.lon, channel.lat) != (0.0, 0.0)
    assert channel.stage == "discovered"
