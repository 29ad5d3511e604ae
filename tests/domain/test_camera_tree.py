"""What catalogues name above their channels, and the keys of tree nodes: pure rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.errors import TocsinError
from tocsin.domain.camera_tree import MAX_NODES, CatalogNode, TreeKey, cut, merged_nodes, read_key


def _node(gb_id: str, parent: str = "", name: str = "") -> CatalogNode:
    return CatalogNode(gb_id, "organisation", name or gb_id, parent)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefghx"), max_size=8))
def test_every_node_leads_to_the_root_whatever_a_catalogue_says(parents: dict[str, str]) -> None:
    sound = cut(parents)
    assert set(sound) == set(parents)
    for start in sound:
        at, steps = start, 0
        while at:
            at, steps = sound[at], steps + 1
            assert steps <= len(parents)


def test_a_circle_is_cut_and_an_unknown_parent_means_the_root() -> None:
    assert cut({"a": "b", "b": "a", "c": "nobody", "d": "a"})["c"] == ""
    assert list(cut({"a": "b", "b": "a"}).values()).count("") == 1


def test_only_a_complete_catalogue_forgets() -> None:
    known = [_node("a"), _node("b", "a")]
    assert merged_nodes(known, [_node("a")], is_complete=False) == ([], [])
    assert merged_nodes(known, [_node("a")], is_complete=True) == ([], ["b"])
    gone = CatalogNode("b", "organisation", is_deleted=True)
    assert merged_nodes(known, [gone], is_complete=False) == ([], ["b"])


def test_a_part_that_does_not_say_the_parent_leaves_it() -> None:
    written, _ = merged_nodes([_node("b", "a")], [_node("b", "", "新名")], is_complete=False)
    assert written == [_node("b", "a", "新名")]
    written, _ = merged_nodes([_node("b", "a")], [_node("b", "", "新名")], is_complete=True)
    assert written == [_node("b", "", "新名")]


def test_the_directories_of_a_catalogue_are_bounded() -> None:
    told = [_node(str(n)) for n in range(MAX_NODES + 5)]
    written, _ = merged_nodes([], told, is_complete=True)
    assert len(written) == MAX_NODES
    written, _ = merged_nodes(written, told, is_complete=True)
    assert written == []


@pytest.mark.parametrize("key", ["x:1", "j:", "d:", "n:dev", "n:", "j:a:b", "nonsense", "p::", "n:" + "9" * 200])
def test_a_wrong_key_is_refused(key: str) -> None:
    with pytest.raises(TocsinError):
        read_key(key)


def test_keys_are_taken_apart() -> None:
    assert read_key("") is None
    assert read_key("p:town:") == TreeKey("p", "town", "")
    assert read_key("n:dev:34020000002150000001") == TreeKey("n", "dev", "34020000002150000001")
    assert (read_key("z:"), read_key("g:")) == (TreeKey("z"), TreeKey("g"))
