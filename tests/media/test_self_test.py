"""The test of our own media address, against a real worker."""

from __future__ import annotations

from tests.support.media import running_link
from tocsin.media.self_test import SelfTest


async def test_an_address_that_is_ours_is_found_to_work_and_another_is_not(monkeypatch) -> None:
    monkeypatch.setattr("tocsin.media.self_test.WITHIN_S", 0.4)
    async with running_link() as link:
        found = await SelfTest(link, "").run()
        assert found.arrived
        assert found.form("zh")["words"]
        for ours in ("127.0.0.1", ""):
            assert (await SelfTest(link, ours).run()).arrived
        lost = await SelfTest(link, "127.0.0.9").run()
        assert not lost.arrived
        assert "sip.media_ip" in str(lost.form("en")["words"])
