"""What the record pages ask for: narrowed incidents, names in the audit, roles, a check in both languages."""

from __future__ import annotations

from tests.web.conftest import WebHouse
from tocsin.settings import known_settings
from tocsin.web.settings_words import DESCRIPTIONS_ZH, UNITS_ZH


async def test_incidents_are_narrowed_by_kind_and_disposition(house: WebHouse) -> None:
    await house.alarm()
    async with house.client("li") as client:

        async def count(**wanted: str) -> int:
            return len((await client.get("/api/v1/incidents", params=wanted)).json()["items"])

        kind = (await client.get("/api/v1/incidents")).json()["items"][0]["kind"]
        assert await count(kind=kind) == 1
        assert await count(kind="flood") == 0
        assert await count(disposition="genuine_handled") == 0


async def test_the_audit_says_what_its_ids_are_called_and_keeps_refusals_apart(house: WebHouse) -> None:
    await house.alarm()
    async with house.client("li") as client:
        incident = (await client.get("/api/v1/incidents")).json()["items"][0]
        body = {"version": incident["version"]}
        assert (await client.post(f"/api/v1/incidents/{incident['id']}/claim", json=body)).status_code == 200
        assert (await client.post(f"/api/v1/incidents/{incident['id']}/close", json=body)).status_code == 409
    async with house.client("auditor") as client:
        page = (await client.get("/api/v1/audit", params={"subject": incident["id"]})).json()
        assert page["names"][incident["id"]] == {
            "kind": "incident",
            "name": incident["number"],
            "name_en": incident["number"],
        }
        refused = (await client.get("/api/v1/audit", params={"outcome": "refused"})).json()["items"]
        assert {(one["action"], one["outcome"]) for one in refused} == {("incident.closed", "refused")}
        done = (await client.get("/api/v1/audit", params={"outcome": "done"})).json()["items"]
        assert {one["outcome"] for one in done} == {"done"}
        assert (await client.get("/api/v1/audit", params={"outcome": "maybe"})).status_code == 422


async def test_a_broken_chain_is_described_in_the_callers_language(house: WebHouse) -> None:
    await house.alarm()
    await house.store.run(
        lambda tx: tx.connection.exec_driver_sql("UPDATE audit SET subject_id = 'other' WHERE seq = 1")
    )
    async with house.client("auditor") as client:
        english = (await client.post("/api/v1/audit/verify?lang=en")).json()["problems"][0]
        chinese = (await client.post("/api/v1/audit/verify?lang=zh-CN")).json()["problems"][0]
    assert english == {"seq": 1, "what": "record 1 was changed: its content does not give its hash"}
    assert chinese == {"seq": 1, "what": "第 1 条记录被改动：内容与其哈希值不符"}


async def test_who_manages_users_reads_what_each_role_may_do(house: WebHouse) -> None:
    async with house.client("admin") as client:
        roles = {one["role"]: one for one in (await client.get("/api/v1/roles")).json()["items"]}
    assert set(roles) == {"operator", "supervisor", "administrator", "installer", "auditor"}
    assert roles["administrator"]["purposes"] == []
    assert "view_live" not in roles["administrator"]["permissions"]
    assert roles["installer"]["purposes"] == ["maintenance"]


async def test_settings_are_described_in_the_callers_language(house: WebHouse) -> None:
    async with house.client("admin") as client:
        english = (await client.get("/api/v1/settings?lang=en")).json()["items"]
        chinese = (await client.get("/api/v1/settings?lang=zh-CN")).json()["items"]
    assert [one["name"] for one in english] == [one["name"] for one in chinese]
    assert all(DESCRIPTIONS_ZH[one["name"]] == one["description"] for one in chinese)
    assert not {one["description"] for one in english} & set(DESCRIPTIONS_ZH.values())


def test_every_setting_has_chinese_words_and_no_words_are_left_over() -> None:
    assert set(DESCRIPTIONS_ZH) == {name for name, _ in known_settings()}


async def test_every_unit_of_a_setting_has_a_chinese_word(house: WebHouse) -> None:
    async with house.client("admin") as client:
        english = {one["unit"] for one in (await client.get("/api/v1/settings?lang=en")).json()["items"]}
    assert english - {""} <= set(UNITS_ZH)
