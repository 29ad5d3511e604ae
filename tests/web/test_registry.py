"""Places, devices, zones, cameras, units and plans through HTTP."""

from __future__ import annotations

import json
from typing import Any

from tests.support.house import ATTIC, CAR, PANEL, SCHOOL, SHOP, WEST_GATE, YARD, burglary, signal_of
from tests.web.conftest import WebHouse
from tocsin.domain.attempts import Attempt, Step

API = "/api/v1"


async def test_a_place_is_entered_changed_and_retired(house: WebHouse) -> None:
    async with house.client("admin") as client:
        made = (
            await client.post(
                f"{API}/places",
                json={
                    "jurisdiction_id": "j-north",
                    "name": "水厂",
                    "class": "waterworks",
                    "lon": 120.2,
                    "lat": 30.3,
                    "contacts": [{"name": "Sun", "phone": "0571-1"}],
                },
            )
        ).json()
        assert (made["class"], made["version"], made["contacts"][0]["role"]) == ("waterworks", 1, "")
        changed = await client.patch(f"{API}/places/{made['id']}", json={"version": 1, "notes": "gate code at desk"})
        assert (changed.json()["notes"], changed.json()["name"], changed.json()["version"]) == (
            "gate code at desk",
            "水厂",
            2,
        )
        stale = await client.patch(f"{API}/places/{made['id']}", json={"version": 1, "notes": "x"})
        assert (stale.status_code, stale.json()["params"]["current_version"]) == (409, 2)
        gone = await client.post(f"{API}/places/{made['id']}/retire", json={"version": 2})
        assert gone.json()["retired"] is True
        listed = (await client.get(f"{API}/places", params={"q": "水厂"})).json()["items"]
        assert listed == []
        listed = (await client.get(f"{API}/places", params={"q": "水厂", "retired": True})).json()["items"]
        assert [place["id"] for place in listed] == [made["id"]]


async def test_numbers_of_a_place_are_covered_until_somebody_reads_them_on_record(house: WebHouse) -> None:
    at = f"{API}/places/{SCHOOL}"
    called = [{"name": "Sun", "role": "guard", "phone": "0571-8888 1234"}, {"name": "Li", "role": "", "phone": "110"}]
    async with house.client("installer") as client:
        made = (await client.patch(at, json={"version": 1, "contacts": called})).json()
        assert [one["phone"] for one in made["contacts"]] == ["••••••••••••34", "•••"]
        listed = (await client.get(f"{API}/places")).json()
        assert "8888" not in str(listed) + str((await client.get(at)).json())
        back = [*made["contacts"][::-1], {"name": "New", "role": "", "phone": "0571-1"}]
        kept = (await client.patch(at, json={"version": made["version"], "contacts": back})).json()
        wrong = [{"name": "Sun", "role": "", "phone": "•••••12"}]
        refused = await client.patch(at, json={"version": kept["version"], "contacts": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "contacts")
        assert (await client.post(f"{at}/contacts/open", json={})).json()["rule"] == "no_permission"
    async with house.client("li") as client:
        read = (await client.post(f"{at}/contacts/open", json={})).json()["items"]
        assert [one["phone"] for one in read] == ["110", "0571-8888 1234", "0571-1"]
        incident = (await house.alarm())["id"]
        assert (await client.post(f"{at}/contacts/open", json={"incident_id": incident})).status_code == 200
        assert (await client.post(f"{at}/contacts/open", json={"incident_id": "nope"})).status_code == 404
        other = await client.post(f"{API}/places/{SHOP}/contacts/open", json={"incident_id": incident})
        assert (other.status_code, other.json()["detail"]) == (409, "This incident is of another place.")
    async with house.client("south") as client:
        assert (await client.post(f"{at}/contacts/open", json={})).status_code == 404
    kept_records = await house.store.read(lambda tx: tx.audit.find(codes=None, action="place.contacts_read", limit=10))
    done = [one for one in kept_records if one.outcome == "done"]
    assert [(one.actor_id, one.subject_id, json.loads(one.detail)) for one in done] == [
        ("li", SCHOOL, {"count": 3, "incident_id": incident}),
        ("li", SCHOOL, {"count": 3}),
    ]
    assert "8888" not in str(kept_records)


async def test_wrong_fields_are_all_named_in_the_callers_language(house: WebHouse) -> None:
    async with house.client("admin", **{"Accept-Language": "zh-CN"}) as client:
        response = await client.post(
            f"{API}/places", json={"jurisdiction_id": "j-north", "name": 5, "lon": 1000, "colour": "red"}
        )
        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, "invalid")
        assert problem["errors"] == [
            {"field": "name", "message": "必须是文本"},
            {"field": "lon", "message": "不得大于 180.0"},
            {"field": "colour", "message": "未知字段"},
        ]
        problem = (await client.post(f"{API}/places", json={"jurisdiction_id": "j-north", "name": " "})).json()
        assert problem["errors"] == [{"field": "name", "message": "name 不能为空。"}]


async def test_a_secret_goes_in_and_never_comes_out(house: WebHouse) -> None:
    key = "00112233445566778899aabbccddeeff"
    async with house.client("admin") as client:
        response = await client.put(f"{API}/devices/{PANEL}/secret", json={"key_hex": key})
        assert (response.status_code, response.json()["keyed"]) == (200, True)
        assert key not in response.text
        assert key not in (await client.get(f"{API}/devices/{PANEL}")).text
        wrong = await client.put(f"{API}/devices/{PANEL}/secret", json={"key_hex": "xyz"})
        assert wrong.status_code == 422
        assert "xyz" not in wrong.text
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    assert records
    assert not any(key in record.detail for record in records)


async def test_a_panel_gets_zones_and_the_cameras_that_show_them(house: WebHouse) -> None:
    async with house.client("admin") as client:
        made = await client.post(
            f"{API}/devices",
            json={
                "kind": "panel",
                "name": "新主机",
                "place_id": SCHOOL,
                "protocol": "dc09",
                "address": {"account": "7001"},
            },
        )
        device = made.json()
        assert (made.status_code, device["address"]["account"], device["state"]) == (201, "7001", "never")
        taken = await client.post(
            f"{API}/devices",
            json={
                "kind": "panel",
                "name": "again",
                "place_id": SCHOOL,
                "protocol": "dc09",
                "address": {"account": "7001"},
            },
        )
        assert (taken.status_code, taken.json()["detail"]) == (409, "Another device already has this account.")
        zone = (await client.post(f"{API}/devices/{device['id']}/zones", json={"number": "003", "name": "后门"})).json()
        linked = await client.put(
            f"{API}/devices/{device['id']}/zones/003/cameras",
            json={"version": zone["version"], "cameras": [YARD, WEST_GATE]},
        )
        assert linked.json()["cameras"] == [YARD, WEST_GATE]
        zones = (await client.get(f"{API}/devices/{device['id']}/zones")).json()["items"]
        assert [(one["number"], one["cameras"]) for one in zones] == [("3", [YARD, WEST_GATE])]


async def test_a_device_is_found_by_name_account_kind_and_area(house: WebHouse) -> None:
    async with house.client("chief") as client:

        async def _ids(**params: Any) -> set[str]:
            response = await client.get(f"{API}/devices", params=params)
            return {item["id"] for item in response.json()["items"]}

        assert await _ids(q="0231") == {PANEL}
        assert await _ids(q="bank") == {"panel-bank"}
        assert await _ids(jurisdiction_id="j-south") == {"panel-bank"}
        assert await _ids(kind="camera") == {"cam-1"}


async def test_the_timeline_of_a_device_speaks_the_callers_language(house: WebHouse) -> None:
    step = Step("comms.path_failed", "failed", 120, {"silent_s": 90, "interval_s": 60})
    attempt = Attempt(
        "a1", "cam-1", WEST_GATE, "play", house.clock.now(), house.clock.now(), "failed", "comms.path_failed", (step,)
    )
    await house.store.run(lambda tx: tx.attempts.save([attempt]))
    async with house.client("li") as client:
        zh = (await client.get(f"{API}/devices/cam-1/attempts?lang=zh-CN")).json()["items"][0]
        en = (await client.get(f"{API}/cameras/{WEST_GATE}/attempts")).json()["items"][0]
    assert zh["steps"][0]["words"] == "已 90 秒没有信号，应每 60 秒上报一次。"
    assert en["failure_words"] == "No signal for 90 s; one is expected every 60 s."
    assert en["steps"][0] == {**zh["steps"][0], "words": en["failure_words"]}


async def test_a_camera_goes_into_service_once_somebody_answers_for_it(house: WebHouse) -> None:
    async with house.client("admin") as client:
        camera = (await client.get(f"{API}/cameras/{ATTIC}")).json()
        assert camera["missing"] == ["owner", "place", "purpose"]
        refused = await client.post(f"{API}/cameras/commission", json={"cameras": [ATTIC]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "owner")
        changed = await client.patch(
            f"{API}/cameras/{ATTIC}",
            json={"version": camera["version"], "owner": "学校", "purpose": "安全", "place_id": SCHOOL},
        )
        assert (changed.json()["stage"], changed.json()["missing"]) == ("in_service", [])
        nodes = (await client.get(f"{API}/jurisdictions")).json()["items"]
        north = next(node for node in nodes if node["id"] == "j-north")
        await client.patch(
            f"{API}/jurisdictions/j-north",
            json={"version": north["version"], "defaults": {"owner": "公安局", "purpose": "公共安全"}},
        )
        done = (await client.post(f"{API}/cameras/commission", json={"jurisdiction_id": "j-north"})).json()
        assert done == {"commissioned": [], "refused": []}


async def test_a_catalogue_is_asked_for_only_where_there_is_one(house: WebHouse) -> None:
    asked: list[str] = []

    async def _ask(device_id: str) -> bool:
        asked.append(device_id)
        return len(asked) == 1

    async with house.client("admin") as client:
        refused = await client.post(f"{API}/devices/{PANEL}/catalog")
        assert (refused.status_code, refused.json()["detail"]) == (409, "This device has no catalogue.")
        made = (
            await client.post(
                f"{API}/devices",
                json={
                    "kind": "camera",
                    "name": "枪机",
                    "place_id": SCHOOL,
                    "protocol": "gb28181",
                    "address": {"gb_id": "34020000001320000009"},
                },
            )
        ).json()
        assert (await client.post(f"{API}/devices/{made['id']}/catalog")).status_code == 503
        house.services.ask_catalog = _ask
        assert (await client.post(f"{API}/devices/{made['id']}/catalog")).status_code == 202
        silent = await client.post(f"{API}/devices/{made['id']}/catalog")
        assert (silent.status_code, silent.json()["detail"]) == (503, "The device is not registered at the moment.")
    assert asked == [made["id"], made["id"]]


async def test_signals_carry_their_bytes_and_the_reason_they_were_kept_aside(house: WebHouse) -> None:
    await house.intake.accept(signal_of(burglary()))
    await house.intake.accept(
        signal_of(burglary(), device_id=None, account="9999", quarantine="unknown_account", key="k")
    )
    async with house.client("li") as client:
        known, unknown = (await client.get(f"{API}/signals")).json()["items"]
        assert (known["raw"], known["state"], len(known["alarm_ids"])) == ("CjEyMzQN", "processed", 1)
        assert (unknown["state"], unknown["quarantine"]) == ("quarantined", "unknown_account")
        assert unknown["quarantine_words"].startswith("No device is registered")
        assert (await client.get(f"{API}/signals/{known['id']}")).json() == known
        kept = (await client.get(f"{API}/signals", params={"state": "quarantined"})).json()["items"]
        assert [signal["id"] for signal in kept] == [unknown["id"]]
        own = (await client.get(f"{API}/devices/{PANEL}/signals")).json()["items"]
        assert [signal["id"] for signal in own] == [known["id"]]
        first = (await client.get(f"{API}/signals", params={"limit": 1})).json()
        assert first["next"] == known["id"]


async def test_the_signals_of_a_device_are_read_newest_first_when_asked(house: WebHouse) -> None:
    for key in ("a", "b", "c"):
        await house.intake.accept(signal_of(burglary(), key=key))
    async with house.client("li") as client:
        oldest_first = [one["id"] for one in (await client.get(f"{API}/devices/{PANEL}/signals")).json()["items"]]
        params = {"newest_first": True, "limit": 2}
        page = (await client.get(f"{API}/devices/{PANEL}/signals", params=params)).json()
        rest = await client.get(f"{API}/devices/{PANEL}/signals", params={**params, "after": page["next"]})
    assert len(oldest_first) == 3
    assert [one["id"] for one in page["items"]] == [oldest_first[2], oldest_first[1]]
    assert [one["id"] for one in rest.json()["items"]] == [oldest_first[0]]


async def test_a_camera_names_the_zones_it_shows(house: WebHouse) -> None:
    async with house.client("li") as client:
        zones = (await client.get(f"{API}/cameras/{WEST_GATE}/zones")).json()["items"]
        assert zones
        for zone in zones:
            assert WEST_GATE in zone["cameras"]
            own = (await client.get(f"{API}/devices/{zone['device_id']}/zones")).json()["items"]
            assert zone in own
        assert (await client.get(f"{API}/cameras/nowhere/zones")).status_code == 404
    async with house.client("admin") as client:
        for zone in zones:
            await client.put(
                f"{API}/devices/{zone['device_id']}/zones/{zone['number']}/cameras",
                json={"version": zone["version"], "cameras": []},
            )
        assert (await client.get(f"{API}/cameras/{WEST_GATE}/zones")).json()["items"] == []


async def test_purposes_say_how_long_one_may_look(house: WebHouse) -> None:
    async with house.client("li") as client:
        purposes = (await client.get(f"{API}/words")).json()["purposes"]
        for word in purposes:
            body = {"channels": [WEST_GATE], "purpose": word["key"], "minutes": word["limit_min"] + 1}
            assert (await client.post(f"{API}/views", json=body)).json()["rule"] == "minutes_over_limit"
    assert {word["key"] for word in purposes} >= {"patrol", "maintenance", "drill"}


async def test_units_near_a_point_come_nearest_first(house: WebHouse) -> None:
    for unit, lon in ((CAR, 120.5), ("unit-foot", 120.2)):
        await house.services.units.move(unit, lon, 30.2, house.clock.now())
    async with house.client("chief") as client:
        units = (await client.get(f"{API}/units", params={"near": "120.1,30.2"})).json()["items"]
        assert [unit["id"] for unit in units] == ["unit-foot", CAR, "unit-south"]
        assert units[0]["distance_m"] < units[1]["distance_m"]
        assert (units[0]["bearing_deg"], units[2]["distance_m"]) == (90.0, None)
        assert (await client.get(f"{API}/units", params={"near": "north"})).status_code == 422
        busy = await client.patch(f"{API}/units/{CAR}", json={"version": units[1]["version"], "state": "busy"})
        assert busy.json()["state"] == "busy"
        wrong = await client.patch(f"{API}/units/{CAR}", json={"version": busy.json()["version"], "state": "flying"})
        assert wrong.status_code == 422


async def test_a_plan_is_saved_as_a_new_version_and_the_old_one_stays(house: WebHouse) -> None:
    async with house.client("chief") as client:
        plan = (await client.get(f"{API}/plans")).json()["items"][0]
        steps = [{name: step[name] for name in ("title_en", "title_zh", "kind", "mandatory")} for step in plan["steps"]]
        saved = await client.put(
            f"{API}/plans/{plan['id']}",
            json={"version": plan["version"], "name": plan["name"], "kind": plan["kind"], "steps": steps[:2]},
        )
        assert (saved.status_code, saved.json()["version_no"], len(saved.json()["steps"])) == (200, 2, 2)
        old = (await client.get(f"{API}/plans/{plan['id']}", params={"version_no": 1})).json()
        assert len(old["steps"]) == len(plan["steps"])
