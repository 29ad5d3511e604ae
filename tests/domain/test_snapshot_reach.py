"""Whether cameras can reach the address they upload to."""

from __future__ import annotations

import pytest

from tocsin.domain.snapshot_reach import LOOPBACK, REFUSED, UNSET, is_local, upload_problem

NAMES = frozenset({"127.0.0.1", "10.0.0.5", "[fd00::5]"})


@pytest.mark.parametrize(
    ("url", "peers", "is_set", "problem"),
    [
        ("http://127.0.0.1:8080", [], False, ""),
        ("http://127.0.0.1:8080", ["127.0.0.1", "::1"], False, ""),
        ("http://127.0.0.1:8080", ["127.0.0.1", "10.0.0.9"], False, UNSET),
        ("http://0.0.0.0:8080", ["10.0.0.9"], False, UNSET),
        ("http://localhost:8080", ["10.0.0.9"], True, LOOPBACK),
        ("http://10.0.0.5:8080", ["10.0.0.9"], True, ""),
        ("http://[fd00::5]:8080", ["10.0.0.9"], True, ""),
        ("http://10.0.0.6:8080", [], True, REFUSED),
    ],
)
def test_what_keeps_cameras_from_uploading(url: str, peers: list[str], is_set: bool, problem: str) -> None:
    assert upload_problem(url, peers, NAMES, is_set=is_set) == problem


@pytest.mark.parametrize("host", ["", "localhost", "127.9.9.9", "::1", "[::1]", "0.0.0.0", "::", "fe80::1%eth0"])
def test_what_means_this_machine(host: str) -> None:
    assert is_local(host) is (host != "fe80::1%eth0")


def test_nothing_is_refused_while_the_names_are_not_known() -> None:
    assert upload_problem("http://10.0.0.6:8080", ["10.0.0.9"], frozenset(), is_set=True) == ""
