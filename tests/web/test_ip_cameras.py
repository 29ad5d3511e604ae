"""Cameras that are called, through HTTP: entered, their password kept, tried again and searched for with a record."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.house import PANEL
from tests.web.conftest import WebHouse

API = "/api/v1"


def _given(protocol: str, url: str, **address: str) -> dict[str, Any]:
    place = {"kind": "camera", "name": "Shop", "jurisdiction_id": "j-north"}
    return {**place, "protocol": protocol, "address": {"url": url, "username": "admin", **address}}


async def test_cameras_are_entered_by_address_and_their_password_never_comes_back(house: WebHouse) -> None:
    async with house.client("admin") as client:
        made = (await client.post(f"{API}/devices", json=_given("onvif", "http://10.0.0.9"))).json()
        assert made["address"] == {
            "url": "http://10.0.0.9/onvif/device_service",
            "sub_url": "",
            "username": "admin",
        }
        keyed = await client.put(f"{API}/devices/{made['id']}/secret", json={"password": "Tocsin-12"})
        assert keyed.json()["keyed"] is True
        assert "Tocsin-12" not in keyed.text
        changed = await client.patch(
            f"{API}/devices/{made['id']}", json={"version": keyed.json()["version"], "settings": {"transport": "udp"}}
        )
        assert changed.json()["address"]["url"] == "http://10.0.0.9/onvif/device_service"


@pytest.mark.parametrize(
    ("protocol", "url"),
    [
        ("rtsp", "rtsp://admin:secret@10.0.0.9/1"),
        ("rtsp", "http://10.0.0.9"),
        ("onvif", "rtsp://10.0.0.9"),
        ("rtsp", "rtsp://"),
        ("rtsp", "file:///etc/passwd"),
        ("rtsp", "rtsp://h:99999/1"),
        ("rtsp", ""),
    ],
)
async def test_an_address_that_cannot_be_one_is_refused_at_its_field(house: WebHouse, protocol: str, url: str) -> None:
    async with house.client("admin") as client:
        refused = await client.post(f"{API}/devices", json=_given(protocol, url))
        assert refused.status_code == 422
        assert "url" in refused.text


async def test_trying_again_and_searching_leave_their_record(house: WebHouse) -> None:
    tried: list[str] = []

    async def _try(device_id: str) -> bool:
        tried.append(device_id)
        return True

    async def _search() -> list[dict[str, str]]:
        return [{"url": "http://10.0.0.9/onvif", "name": "Gate", "hardware": "X"}]

    async with house.client("admin") as client:
        made = (await client.post(f"{API}/devices", json=_given("rtsp", "rtsp://10.0.0.9/1"))).json()
        assert (await client.post(f"{API}/devices/{made['id']}/try")).status_code == 503
        house.services.try_camera, house.services.discover = _try, _search
        assert (await client.post(f"{API}/devices/{made['id']}/try")).json() == {"answered": True}
        assert (await client.post(f"{API}/devices/{PANEL}/try")).status_code == 409
        assert tried == [made["id"]]
        found = (await client.post(f"{API}/devices/discover")).json()["items"]
        assert found == [{"url": "http://10.0.0.9/onvif", "name": "Gate", "hardware": "X"}]
    async with house.client("auditor") as client:
        kept = [entry["action"] for entry in (await client.get(f"{API}/audit")).json()["items"]]
        assert {"device.tried", "net.searched"} <= set(kept)
