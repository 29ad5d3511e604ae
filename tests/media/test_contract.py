"""The contract of the relay's control interface, against our own workers and, where one is named, a real ZLMediaKit.

The server is named by TOCSIN_TEST_ZLM_URL, _SECRET, _PUBLIC, _HOOK_SECRET and _HOOK_PORT; its hooks must name this
machine (docs/guide/external-media-server.md). Without them its tests are not collected: nothing stands in for it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.media.contract import CONTRACT
from tests.support.media import running_link
from tocsin.base.clock import SystemClock
from tocsin.media.external_zlm import ZlmLink, ZlmSettings


@asynccontextmanager
async def real_zlm() -> AsyncIterator[ZlmLink]:
    given = {
        name: os.environ[f"TOCSIN_TEST_ZLM_{name}"] for name in ("URL", "SECRET", "PUBLIC", "HOOK_SECRET", "HOOK_PORT")
    }
    settings = ZlmSettings(
        given["URL"],
        given["SECRET"],
        given["HOOK_SECRET"],
        given["PUBLIC"],
        rtp_ip="127.0.0.1",
        hook_port=int(given["HOOK_PORT"]),
    )
    link = ZlmLink(settings, SystemClock())
    await link.start()
    try:
        assert link.health()[0].is_alive, "the server does not answer or its hooks are not set: see the log"
        yield link
    finally:
        await link.stop()


LINKS: dict[str, Any] = {"own": running_link}
if "TOCSIN_TEST_ZLM_URL" in os.environ:
    LINKS["zlmediakit"] = real_zlm


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("kind", LINKS)
async def test_the_contract(kind, rule):
    async with LINKS[kind]() as link:
        await rule(link)
