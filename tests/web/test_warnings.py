"""An incident as a public warning: valid by the schema, unmistakable when it is none, issued by a second person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from lxml import etree

from tests.web.conftest import WebHouse
from tocsin.protocols.cap.alert import BadAlert, read

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent.parent / "protocols" / "cap" / "cap12.xsd"))
SAID = {"event": "Gas leak", "headline": "Stay indoors", "language": "en-US", "radius_km": 1.5, "severity": "Severe"}


async def export(house: WebHouse, who: str, incident: dict[str, Any], **said: Any) -> httpx.Response:
    async with house.client(who) as client:
        return await client.post(f"/api/v1/incidents/{incident['id']}/warning", json={**SAID, **said})


async def test_a_draft_is_valid_and_cannot_be_taken_for_a_warning(house: WebHouse) -> None:
    incident = await house.alarm()
    for status, lead in (("Draft", "DRAFT: "), ("Exercise", "EXERCISE: "), ("Test", "TEST: ")):
        answer = await export(house, "li", incident, status=status)
        assert answer.status_code == 200, answer.text
        assert f".{status.lower()}.cap.xml" in answer.headers["content-disposition"]
        SCHEMA.assertValid(etree.fromstring(answer.content))
        found = read(answer.content)
        assert not isinstance(found, BadAlert)
        assert (found[0].status, found[0].incidents) == (status, incident["number"])
        assert found[0].infos[0].headline == f"{lead}Stay indoors"
        assert found[0].infos[0].areas[0].circles[0].radius_km == 1.5


async def test_what_is_to_be_believed_is_issued_by_a_supervisor_who_does_not_hold_the_incident(house: WebHouse) -> None:
    incident = await house.alarm()
    refused = await export(house, "li", incident, status="Actual")
    assert refused.status_code == 403
    issued = await export(house, "chief", incident, status="Actual")
    assert issued.status_code == 200
    found = read(issued.content)
    assert not isinstance(found, BadAlert)
    assert found[0].infos[0].headline == "Stay indoors"
    async with house.client("chief") as client:
        await client.post(f"/api/v1/incidents/{incident['id']}/claim", json={"version": incident["version"]})
    own = await export(house, "chief", incident, status="Actual")
    assert own.status_code == 409
    async with house.client("auditor") as client:
        entries = (await client.get("/api/v1/audit", params={"action": "incident.warning_exported"})).json()["items"]
    done = [entry for entry in entries if entry["outcome"] == "done"]
    assert len(entries) == 3
    assert [(entry["actor"]["id"], entry["detail"]["status"]) for entry in done] == [("chief", "Actual")]
    assert done[0]["detail"]["headline"] == "Stay indoors"


async def test_an_update_names_what_it_refers_to_and_other_areas_see_nothing(house: WebHouse) -> None:
    incident = await house.alarm()
    bare = await export(house, "li", incident, kind="Cancel")
    assert (bare.status_code, bare.json()["errors"][0]["field"]) == (422, "references")
    over = await export(house, "li", incident, kind="Cancel", references="tocsin@hewan,HW-1,2026-11-27T08:00:00-00:00")
    SCHEMA.assertValid(etree.fromstring(over.content))
    assert (await export(house, "south", incident)).status_code == 404
    assert (await export(house, "admin", incident)).status_code == 403
    wrong = await export(house, "li", incident, severity="Awful")
    assert wrong.json()["errors"][0]["field"] == "severity"
