"""The delivery ledger over the interface: the way of a signal, lists, figures, the file."""

from __future__ import annotations

from datetime import timedelta

from tests.support.clocks import START
from tests.support.house import PEOPLE, SHOP_PANEL, burglary, signal_of
from tests.web.conftest import WebHouse


async def test_the_way_of_a_signal_and_the_late_ones_by_source(house: WebHouse) -> None:
    slow = await house.intake.accept(signal_of(burglary()))
    house.intake.acknowledged(slow.arrival_id, START + timedelta(seconds=2))
    lost = await house.intake.accept(signal_of(burglary(), device_id=SHOP_PANEL, account="0232"))
    await house.intake.ledger.stop()
    house.clock.advance(60)
    async with house.client("li") as li:
        incident_id = (await li.get("/api/v1/incidents")).json()["items"][-1]["id"]
        await house.services.incidents.presented([incident_id], actor=PEOPLE.li)
        way = (await li.get(f"/api/v1/signals/{slow.signal_id}/trace?lang=en")).json()
        assert (way["outcome"], way["device_name_en"], way["events"][0]["label"]) == (
            "alarm",
            "School panel",
            "Burglary",
        )
        told = {step["key"]: step for step in way["steps"]}
        assert (told["answered"]["gap_ms"], told["pushed"]["consoles"]) == (2000, 0)
        assert (told["presented"]["seat"], told["presented"]["source"]) == ("seat-1", "operator_console")

        late = (await li.get("/api/v1/deliveries")).json()
        assert {one["signal_id"]: one["answer_ms"] for one in late["items"]} == {
            slow.signal_id: 2000,
            lost.signal_id: None,
        }
        first = (await li.get("/api/v1/deliveries?limit=1")).json()
        second = (await li.get(f"/api/v1/deliveries?limit=1&after={first['next']}")).json()
        assert [first["items"][0]["signal_id"], second["items"][0]["signal_id"]] == [
            one["signal_id"] for one in late["items"]
        ]
        sources = (await li.get("/api/v1/deliveries/sources")).json()["items"]
        assert [(one["account"], one["unanswered"], one["slow"]) for one in sources] == [("0232", 1, 0), ("0231", 0, 1)]
        sheet = await li.get("/api/v1/deliveries/export.csv?lang=en&which=slow")
        lines = sheet.content.decode("utf-8-sig").splitlines()
        assert (lines[0].split(",")[0], len(lines)) == ("Signal", 2)
        assert lines[1].startswith(f"{slow.signal_id},School panel,0231,dc09,Burglary,")
        assert (await li.get("/api/v1/deliveries?after=x")).status_code == 422
        assert (await li.get("/api/v1/signals/none/trace")).status_code == 404
    async with house.client("south") as south:
        assert (await south.get("/api/v1/deliveries")).json()["items"] == []
        assert (await south.get(f"/api/v1/signals/{slow.signal_id}/trace")).status_code == 404
