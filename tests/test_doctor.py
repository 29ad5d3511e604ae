"""What the doctor says of the address cameras are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.doctor import Verdict, _media_address
from tocsin.settings import load_settings


@pytest.mark.parametrize(
    ("told", "verdict"), [("", Verdict.OK), ("127.0.0.1", Verdict.OK), ("127.0.0.9", Verdict.WARNING)]
)
def test_the_address_cameras_are_told_is_tried(told: str, verdict: Verdict, tmp_path: Path) -> None:
    overrides = {"server.data": tmp_path, **({"sip.media_ip": told} if told else {})}
    found = _media_address(load_settings(environ={}, overrides=overrides))
    assert found.verdict is verdict
    assert "sip.media_ip" in found.detail or verdict is Verdict.OK
