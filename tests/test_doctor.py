"""What the doctor says of the address cameras are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.doctor import _media_address, _upload_address
from tocsin.doctor_words import Verdict
from tocsin.settings import load_settings


@pytest.mark.parametrize(
    ("told", "verdict"), [("", Verdict.OK), ("127.0.0.1", Verdict.OK), ("127.0.0.9", Verdict.WARNING)]
)
def test_the_address_cameras_are_told_is_tried(told: str, verdict: Verdict, tmp_path: Path) -> None:
    overrides = {"server.data": tmp_path, **({"sip.media_ip": told} if told else {})}
    found = _media_address(load_settings(environ={}, overrides=overrides))
    assert found.verdict is verdict
    assert "sip.media_ip" in found.detail or verdict is Verdict.OK


@pytest.mark.parametrize(
    ("overrides", "verdict", "said"),
    [
        ({}, Verdict.OK, "127.0.0.1"),
        ({"sip.host": "0.0.0.0"}, Verdict.WARNING, "snapshots.upload_url"),
        ({"sip.host": "10.0.0.5"}, Verdict.WARNING, "snapshots.upload_url"),
        ({"sip.host": "0.0.0.0", "snapshots.upload_url": "http://10.0.0.5:8080"}, Verdict.WARNING, "allowed_hosts"),
        (
            {
                "sip.host": "0.0.0.0",
                "snapshots.upload_url": "http://10.0.0.5:8080",
                "server.allowed_hosts": ["10.0.0.5"],
            },
            Verdict.OK,
            "10.0.0.5",
        ),
        ({"sip.host": "0.0.0.0", "server.public_url": "https://alarm.example"}, Verdict.OK, "alarm.example"),
    ],
)
def test_an_address_that_cameras_cannot_upload_to_is_told(
    overrides: dict[str, object], verdict: Verdict, said: str, tmp_path: Path
) -> None:
    found = _upload_address(load_settings(environ={}, overrides={"server.data": tmp_path, **overrides}))
    assert (found.verdict, said in found.detail) == (verdict, True)
