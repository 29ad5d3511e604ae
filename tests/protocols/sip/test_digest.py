"""Digest: the vectors, literal nc, nonces that age and are used once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.sip.digest import (
    Algorithm,
    Challenge,
    Credentials,
    Nonces,
    NonceState,
    answer,
    digest,
    parse_challenge,
    parse_credentials,
    verify,
)

USER = "34020000001320000001"
URI = "sip:34020000002000000001@3402000000"
PASSWORD = "Tocsin#2026"
NONCE = "6f1c0a2d9b7e4835"

VECTORS = [
    (Algorithm.MD5, "", "85fc2b6be589fdd02a1fe296a88f21e9"),
    (Algorithm.MD5, "auth", "f22451d7898f75e4373afee4db1879ea"),
    (Algorithm.SHA256, "", "136ace62c96f95ae4cd20a4cd6bb0fccbb5282b5560c37455ed4d3b39457da55"),
    (Algorithm.SHA256, "auth", "3cc5b284ef4c36435e9c0d9693e07757363833756f75d9f8367c367c3acd9503"),
]


@pytest.mark.parametrize(("algorithm", "qop", "expected"), VECTORS)
def test_the_vectors_hold(algorithm, qop, expected):
    nc, cnonce = ("00000001", "c5a91e07") if qop else ("", "")
    credentials = Credentials(USER, "3402000000", NONCE, URI, expected, algorithm, qop, nc, cnonce)
    assert digest(credentials, PASSWORD, "REGISTER") == expected
    assert verify(credentials, PASSWORD, "REGISTER")
    assert not verify(credentials, PASSWORD + "x", "REGISTER")
    assert not verify(credentials, PASSWORD, "MESSAGE")


@pytest.mark.parametrize(("algorithm", "qop", "expected"), VECTORS)
def test_a_client_answers_the_challenge_with_the_vector(algorithm, qop, expected):
    challenge = Challenge("3402000000", NONCE, algorithm, qop)
    made = answer(challenge, username=USER, password=PASSWORD, method="REGISTER", uri=URI, cnonce="c5a91e07")
    assert made.response == expected
    assert parse_credentials(made.encode()) == made
    assert parse_challenge(challenge.encode()) == challenge


def test_the_count_enters_the_hash_as_written():
    lower = Credentials(USER, "r", "n", URI, "", Algorithm.MD5, "auth", "0000000a", "c")
    upper = Credentials(USER, "r", "n", URI, "", Algorithm.MD5, "auth", "0000000A", "c")
    assert digest(lower, PASSWORD, "REGISTER") != digest(upper, PASSWORD, "REGISTER")
    read = parse_credentials(
        f'Digest username="{USER}", realm="r", nonce="n", uri="{URI}", qop=auth, nc=0000000a, cnonce="c", response="'
        + digest(lower, PASSWORD, "REGISTER")
        + '"'
    )
    assert read is not None
    assert verify(read, PASSWORD, "REGISTER")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic abc",
        'Digest username="a"',
        f'Digest username="a",realm="r",nonce="n",uri="u",response="x",algorithm=SHA-1{"x" * 5000}',
        'Digest username="a",realm="r",nonce="n",uri="u",response="x",algorithm=SM3',
        'Digest username="a",realm="r",nonce="n",uri="u",response="x",qop=auth',
        'Digest username="a",realm="r",nonce="n",uri="u",response="x",qop=auth-int,nc=1,cnonce="c"',
    ],
)
def test_unusable_credentials_are_none(value):
    assert parse_credentials(value) is None


def credentials_with(nonce: str, *, qop: str = "", nc: str = "") -> Credentials:
    return Credentials(USER, "r", nonce, URI, "0" * 32, Algorithm.MD5, qop, nc, "c" if qop else "")


def test_a_nonce_is_fresh_in_time_for_its_own_device_only():
    nonces = Nonces(b"secret", lifetime_s=300)
    nonce = nonces.issue(USER, 1000, "0123456789abcdef")
    assert nonces.judge(credentials_with(nonce), USER, 1000) is NonceState.FRESH
    assert nonces.judge(credentials_with(nonce), USER, 1300) is NonceState.FRESH
    assert nonces.judge(credentials_with(nonce), USER, 1301) is NonceState.STALE
    assert nonces.judge(credentials_with(nonce), "other", 1000) is NonceState.FORGED
    assert nonces.judge(credentials_with("x" + nonce[1:]), USER, 1000) is NonceState.FORGED
    assert nonces.judge(credentials_with(""), USER, 1000) is NonceState.FORGED


def test_an_accepted_nonce_is_stale_the_second_time():
    nonces = Nonces(b"secret")
    first = credentials_with(nonces.issue(USER, 1000, "01"))
    nonces.use(first, 1000)
    assert nonces.judge(first, USER, 1001) is NonceState.STALE


def test_with_qop_a_nonce_may_return_with_a_higher_count():
    nonces = Nonces(b"secret")
    nonce = nonces.issue(USER, 1000, "01")
    nonces.use(credentials_with(nonce, qop="auth", nc="00000001"), 1000)
    assert nonces.judge(credentials_with(nonce, qop="auth", nc="00000001"), USER, 1001) is NonceState.STALE
    assert nonces.judge(credentials_with(nonce, qop="auth", nc="00000002"), USER, 1001) is NonceState.FRESH


def test_used_nonces_are_forgotten_after_their_time():
    nonces = Nonces(b"secret", lifetime_s=10)
    for second in range(100):
        nonces.use(credentials_with(nonces.issue(USER, second, f"{second:016x}")), second)
    assert len(nonces._used) <= 13


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_text_raises(text):
    parse_credentials("Digest " + text)
    parse_challenge("Digest " + text)
