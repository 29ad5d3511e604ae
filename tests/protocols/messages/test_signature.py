"""The signature of a webhook, against a vector made by hand and at the edges of its window."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tocsin.protocols.messages.signature import Refused, Signed, check, sign

BODY = b'{"code":"fire"}'
NEW, OLD = b"new secret", b"old secret"


def test_the_signature_is_hmac_sha256_over_stamp_dot_body() -> None:
    wanted = hmac.new(NEW, b"1795766400." + BODY, hashlib.sha256).hexdigest()
    assert sign(NEW, 1795766400, BODY) == f"v1={wanted}"


@pytest.mark.parametrize(("now_s", "is_taken"), [(700, True), (1300, True), (699, False), (1301, False)])
def test_the_window_has_two_edges(now_s: int, is_taken: bool) -> None:
    found = check("1000", sign(NEW, 1000, BODY), BODY, [NEW], now_s)
    assert isinstance(found, Signed) is is_taken


def test_the_newest_secret_counts_first_and_several_signatures_may_come() -> None:
    both = f"{sign(OLD, 1000, BODY)}, {sign(NEW, 1000, BODY)}"
    assert check("1000", both, BODY, [NEW, OLD], 1000) == Signed(0, sign(NEW, 1000, BODY)[3:], 1000)
    only_old = check("1000", sign(OLD, 1000, BODY), BODY, [NEW, OLD], 1000)
    assert isinstance(only_old, Signed)
    assert only_old.index == 1


@pytest.mark.parametrize(
    ("stamp", "signature", "refused"),
    [
        ("", "v1=" + "0" * 64, Refused("x-tocsin-timestamp", "missing")),
        ("10.5", "v1=" + "0" * 64, Refused("x-tocsin-timestamp", "form")),
        ("-1", "v1=" + "0" * 64, Refused("x-tocsin-timestamp", "form")),
        ("1000", "", Refused("x-tocsin-signature", "missing")),
        ("1000", "0" * 64, Refused("x-tocsin-signature", "form")),
        ("1000", "v1=" + "0" * 64, Refused("x-tocsin-signature", "wrong")),
        ("1001", sign(NEW, 1000, BODY), Refused("x-tocsin-signature", "wrong")),
    ],
)
def test_what_does_not_hold_is_named(stamp: str, signature: str, refused: Refused) -> None:
    assert check(stamp, signature, BODY, [NEW], 1000) == refused


def test_a_wrong_clock_is_told_only_to_who_holds_the_secret() -> None:
    assert check("1", sign(OLD, 1, BODY), BODY, [NEW], 1000) == Refused("x-tocsin-signature", "wrong")
    assert check("1", sign(NEW, 1, BODY), BODY, [NEW], 1000) == Refused("x-tocsin-timestamp", "window", -999)
