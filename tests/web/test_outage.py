"""An incident that stands for an outage shows its devices, a page at a time, to who may see them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.clocks import START
from tests.support.house import BANK_PANEL, LONE_PANEL, PANEL, SHOP_PANEL, burglary, signal_of
from tests.web.conftest import WebHouse
from tocsin.domain.signals import Home
from tocsin.domain.supervision_causes import Cause, CauseKind, Outage
from tocsin.domain.supervision_signals import group_signal
from tocsin.domain.supervision_store import note_signals, write_outages

API = "/api/v1"


def _outage() -> Outage:
    outage = Outage(
        "outage-1", Cause(CauseKind.NETWORK, "移动"), START, 5, PANEL, "0231", {"330110", "330111"}, is_new=True
    )
    for minutes, device in enumerate((PANEL, SHOP_PANEL, BANK_PANEL, LONE_PANEL)):
        outage.lost[device] = START + timedelta(minutes=minutes)
    outage.back[PANEL] = START + timedelta(minutes=9)
    outage.changed.update(outage.lost)
    return outage


async def test_an_outage_is_one_incident_of_the_city_with_its_devices(house: WebHouse) -> None:
    burglary_receipt = await house.intake.accept(signal_of(burglary()))
    outage = _outage()
    homes = await house.store.run(write_outages, [outage])
    assert homes[outage.id] == Home("j-city", "3301", "HC")
    receipt = await house.intake.accept(group_signal(outage, START, homes[outage.id], is_over=False))
    await house.store.run(note_signals, [(outage.id, receipt.signal_id)])

    async with house.client("chief") as client:
        incidents = (await client.get(f"{API}/incidents")).json()["items"]
        assert [one["kind"] for one in incidents] == ["supervisory", "burglary"]  # not joined to that of the place
        one, other = incidents
        assert (one["jurisdiction_id"], one["place"]) == ("j-city", None)
        assert one["number"].startswith("HC-")
        assert "Carrier 移动" in one["title_en"]
        first = (await client.get(f"{API}/incidents/{one['id']}/outage", params={"limit": 3})).json()
        assert (first["cause"], first["value"], first["lost"], first["back"], first["size"]) == (
            "network",
            "移动",
            4,
            1,
            5,
        )
        assert [item["device_id"] for item in first["items"]] == [SHOP_PANEL, BANK_PANEL, LONE_PANEL]  # away first
        rest = (await client.get(f"{API}/incidents/{one['id']}/outage", params={"after": first["next"]})).json()
        assert [(item["device_id"], item["back_at"] is not None) for item in rest["items"]] == [(PANEL, True)]
        assert rest["next"] is None
        wrong = await client.get(f"{API}/incidents/{one['id']}/outage", params={"after": "x"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
        none = await client.get(f"{API}/incidents/{other['id']}/outage")
        assert none.status_code == 404
    assert burglary_receipt.signal_id != receipt.signal_id


async def test_an_outage_joins_nothing_of_the_device_that_stands_for_it(house: WebHouse) -> None:
    for id_, kind, value in (("outage-1", CauseKind.NETWORK, "移动"), ("outage-2", CauseKind.FEEDER, "东台区")):
        outage = replace(_outage(), id=id_, cause=Cause(kind, value))  # the same device stands for both
        outage.changed.update(outage.lost)
        homes = await house.store.run(write_outages, [outage])
        at = START + timedelta(minutes=int(id_[-1]))
        receipt = await house.intake.accept(group_signal(outage, at, homes[id_], is_over=False))
        await house.store.run(note_signals, [(id_, receipt.signal_id)])
    async with house.client("chief") as client:
        incidents = (await client.get(f"{API}/incidents")).json()["items"]
        found = [(await client.get(f"{API}/incidents/{one['id']}/outage")).json()["value"] for one in incidents]
    assert found == ["东台区", "移动"]


async def test_the_paths_of_a_device_are_listed_and_entered(house: WebHouse) -> None:
    async with house.client("admin") as client:
        device = (await client.get(f"{API}/devices/{PANEL}")).json()
        paths = [
            {"name": "LAN", "by": "address", "value": "10.8.0.0/16"},
            {"name": "4G", "by": "line", "value": "2", "interval_s": 600},
        ]
        changed = await client.patch(
            f"{API}/devices/{PANEL}",
            json={"version": device["version"], "network": "移动", "feeder": "东台区", "settings": {"paths": paths}},
        )
        assert (changed.status_code, changed.json()["network"], changed.json()["feeder"]) == (200, "移动", "东台区")
        listed = (await client.get(f"{API}/devices/{PANEL}/paths")).json()["items"]
        assert [(row["name"], row["by"], row["interval_s"], row["state"], row["entered"]) for row in listed] == [
            ("LAN", "address", None, "never", True),
            ("4G", "line", 600, "never", True),
        ]
        paths[0]["value"] = "nowhere"
        refused = await client.patch(
            f"{API}/devices/{PANEL}", json={"version": changed.json()["version"], "settings": {"paths": paths}}
        )
        assert (refused.status_code, refused.json()["params"]["field"]) == (422, "paths")
