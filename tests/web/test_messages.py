"""Webhooks through the whole application: signature, clock, repetition, a maker's form, and what is never kept."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.support.warnings import FLOOD
from tests.web.conftest import WebHouse
from tocsin.protocols.cap.alert import write
from tocsin.protocols.messages.signature import sign
from tocsin.sim.webhook import SenderPlan, WebhookSender

SOURCE = {"kind": "platform", "name": "门禁", "protocol": "webhook", "place_id": "place-school"}
ALARM = {"code": "burglary", "zone": "3", "text": "North window"}


async def enter(house: WebHouse, name: str = "gate-1", **settings: Any) -> tuple[str, str]:
    """Enter a webhook and return its device's id and secret."""
    async with house.client("admin") as client:
        body = {**SOURCE, "address": {"account": name}, "settings": settings}
        made = await client.post("/api/v1/devices", json=body)
        assert made.status_code == 201, made.text
        device_id = made.json()["id"]
        secret = await client.post(f"/api/v1/devices/{device_id}/secret/new")
        assert secret.status_code == 201
        return device_id, secret.json()["secret"]


async def send(
    house: WebHouse, secret: str, body: Any, *, name: str = "gate-1", skew_s: int = 0, **headers: str
) -> httpx.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = int(house.clock.now().timestamp()) + skew_s
    given = {"X-Tocsin-Timestamp": str(stamp), "X-Tocsin-Signature": sign(secret.encode(), stamp, data), **headers}
    async with house.client() as client:
        return await client.post(f"/api/v1/ingest/{name}", content=data, headers=given)


async def signals(house: WebHouse, device_id: str) -> list[dict[str, Any]]:
    async with house.client("chief") as client:
        return list((await client.get(f"/api/v1/devices/{device_id}/signals")).json()["items"])


async def incidents(house: WebHouse) -> list[dict[str, Any]]:
    async with house.client("li") as client:
        return list((await client.get("/api/v1/incidents")).json()["items"])


async def test_a_signed_alarm_opens_an_incident_and_its_repetition_does_not(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    first = await send(house, secret, ALARM, **{"Idempotency-Key": "a-1"})
    assert (first.status_code, first.json()["events"], first.json()["duplicate"]) == (201, 1, False)
    house.clock.advance(3600)  # the sender repeats it an hour later, signed anew
    again = await send(house, secret, ALARM, **{"Idempotency-Key": "a-1"})
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert again.json()["signal_id"] == first.json()["signal_id"]
    assert len(await signals(house, device_id)) == 1
    assert [one["kind"] for one in await incidents(house)] == ["burglary"]


async def test_a_message_that_is_played_back_is_the_same_signal_whatever_its_key(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    await send(house, secret, ALARM, **{"Idempotency-Key": "a-1"})
    replayed = await send(house, secret, ALARM, **{"Idempotency-Key": "another"})
    assert replayed.json()["duplicate"] is True
    assert len(await signals(house, device_id)) == 1


async def test_a_sender_that_gives_all_its_messages_one_key_loses_none(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    await send(house, secret, ALARM, **{"Idempotency-Key": "same"})
    other = await send(house, secret, {**ALARM, "zone": "4"}, **{"Idempotency-Key": "same"})
    assert other.json()["duplicate"] is False
    assert len(await signals(house, device_id)) == 2


async def test_the_same_alarm_twice_is_two_signals(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    await send(house, secret, ALARM)
    house.clock.advance(1)
    await send(house, secret, ALARM)
    assert len(await signals(house, device_id)) == 2


async def test_a_wrong_signature_an_old_stamp_and_a_missing_header_name_what_is_wrong(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    wrong = await send(house, "not the secret", ALARM)
    assert (wrong.status_code, wrong.json()["params"]["field"]) == (401, "x-tocsin-signature")
    for skew_s in (-301, 301):
        old = await send(house, secret, ALARM, skew_s=skew_s)
        assert (old.status_code, old.json()["params"]["skew_s"]) == (401, skew_s)
    assert (await send(house, secret, ALARM, skew_s=-300)).status_code == 201
    async with house.client() as client:
        bare = await client.post("/api/v1/ingest/gate-1", json=ALARM)
        assert (bare.status_code, bare.json()["params"]["field"]) == (401, "x-tocsin-timestamp")
        assert "x-tocsin-timestamp" in bare.json()["detail"]
        assert (await client.post("/api/v1/ingest/nobody", json=ALARM)).status_code == 404
    assert len(await signals(house, device_id)) == 1


async def test_a_new_secret_lets_the_old_one_work_until_it_is_used(house: WebHouse) -> None:
    device_id, old = await enter(house)
    async with house.client("admin") as client:
        new = (await client.post(f"/api/v1/devices/{device_id}/secret/new")).json()["secret"]
        assert new not in (await client.get(f"/api/v1/devices/{device_id}")).text
    assert (await send(house, old, ALARM)).status_code == 201
    house.clock.advance(1)
    assert (await send(house, new, ALARM)).status_code == 201
    await house.store.run(lambda tx: None)  # behind the commit that dropped the old one
    await house.services.devices.refresh(device_id)
    house.clock.advance(1)
    assert (await send(house, old, ALARM)).status_code == 401


async def test_what_cannot_be_read_is_refused_with_its_field_and_kept_aside(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    for body, field in (
        (b"{", "body"),
        ({"zone": "3"}, "code"),
        ({"code": "fire", "priority": 12}, "priority"),
        ({"code": "fire", "occurred_at": "yesterday"}, "occurred_at"),
        ({"events": [{"code": "fire"}, {"zone": 1}]}, "code"),
    ):
        refused = await send(house, secret, body)
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == [field]
    kept = await signals(house, device_id)
    assert {one["quarantine"] for one in kept} == {"unreadable"}
    assert len(kept) == 5
    assert await incidents(house) == []


async def test_a_code_nobody_knows_is_acknowledged_and_kept_aside(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    taken = await send(house, secret, {"code": "E-4711", "zone": "3"})
    assert (taken.status_code, taken.json()["unknown"]) == (201, 1)
    assert [one["quarantine"] for one in await signals(house, device_id)] == ["unknown_code"]


async def test_one_source_that_floods_is_told_when_to_come_again_and_others_are_not(house: WebHouse) -> None:
    _, secret = await enter(house)
    _, other = await enter(house, "gate-2")
    answers = [await send(house, secret, {**ALARM, "id": str(n)}) for n in range(21)]
    assert [answer.status_code for answer in answers[:20]] == [201] * 20
    assert answers[20].status_code == 429
    assert int(answers[20].headers["retry-after"]) >= 1
    assert (await send(house, other, ALARM, name="gate-2")).status_code == 201
    house.clock.advance(2)
    assert (await send(house, secret, ALARM)).status_code == 201


async def test_too_large_a_body_is_refused_before_it_is_read(house: WebHouse) -> None:
    _, secret = await enter(house)
    assert (await send(house, secret, b'"' + b"a" * 70_000 + b'"')).status_code == 413


MAKER = {
    "message": {
        "kind": "access",
        "paths": {"events": "AccessControllerEvent.list", "code": "minor", "zone": "door.no", "occurred_at": "time"},
        "codes": {"27": "door_forced", "28": "door_held", "1": "access_granted", "8": "door_duress", "99": "ignore"},
    }
}
SECRETS = ("王小明", "6222-0033", "EMP-7788", "13912345678", "sales-dept")


def swipe(minor: int, door: int = 2) -> dict[str, Any]:
    return {
        "minor": minor,
        "time": "2026-11-27T08:30:00+08:00",
        "door": {"no": door, "name": "Hall"},
        "cardNo": SECRETS[1],
        "text": f"door by {SECRETS[0]}",
        "who": {"holder": {"fullName": SECRETS[0], "employeeNo": SECRETS[2]}, "phone": SECRETS[3]},
        "department": SECRETS[4],
    }


async def test_of_a_door_only_what_happened_is_kept_and_never_who_passed(house: WebHouse, tmp_path: Path) -> None:
    device_id, secret = await enter(house, **MAKER)
    sent = [swipe(minor) for minor in (1, 27, 1, 28, 8, 99, 1234)]
    taken = await send(house, secret, {"AccessControllerEvent": {"list": sent}, "operator": SECRETS[0]})
    assert (taken.status_code, taken.json()) == (
        201,
        {**taken.json(), "events": 4, "dropped": 3, "unknown": 1},
    )
    only_passed = await send(house, secret, {"AccessControllerEvent": {"list": [swipe(1), swipe(1)]}})
    assert (only_passed.status_code, only_passed.json()["signal_id"]) == (200, "")
    garbled = await send(house, secret, {"AccessControllerEvent": [swipe(27)]})
    assert garbled.status_code == 422
    plain, plain_secret = await enter(house, "gate-2")  # nobody said that this one is an access controller
    await send(house, plain_secret, swipe(27), name="gate-2")
    await send(house, plain_secret, {"code": "door_forced", "zone": 1, **swipe(27)}, name="gate-2")
    await send(house, plain_secret, {"code": "swiped", "zone": 1, **swipe(27)}, name="gate-2")

    kept = await signals(house, device_id)
    events = [event for one in kept for event in one["events"]]
    assert sorted(event["code"] for event in events) == [
        "1234",
        "door_duress",
        "door_forced",
        "door_held",
        "unreadable",
    ]
    assert len(await signals(house, plain)) == 3
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("*") if path.is_file())
    assert b"door_forced" in everything
    for word in SECRETS:
        assert word.encode() not in everything
        assert json.dumps(word).encode() not in everything


async def test_a_form_that_asks_for_people_is_not_taken(house: WebHouse) -> None:
    async with house.client("admin") as client:
        for path in ("cardNo", "who.employeeNo", "items.0.holder"):
            settings = {"message": {"paths": {"zone": path}}}
            made = await client.post(
                "/api/v1/devices", json={**SOURCE, "address": {"account": "g"}, "settings": settings}
            )
            assert made.status_code == 422
            assert "paths.zone" in made.json()["errors"][0]["field"]
        wrong = await client.post("/api/v1/devices", json={**SOURCE, "address": {"account": "No-Name!"}})
        assert wrong.json()["errors"][0]["field"] == "address.account"


async def test_a_message_can_be_tried_before_anything_is_stored(house: WebHouse) -> None:
    device_id, _ = await enter(house, **MAKER)
    async with house.client("admin") as client:
        path = f"/api/v1/devices/{device_id}/message-test"
        body = json.dumps({"AccessControllerEvent": {"list": [swipe(27), swipe(1)]}})
        meant = (await client.post(path, json={"body": body})).json()
        assert [event["code"] for event in meant["events"]] == ["message:door_forced"]
        assert (meant["dropped"], meant["events"][0]["zone"], meant["events"][0]["text"]) == (1, "2", "")
        other = await client.post(path, json={"body": '{"t": "x"}', "message": {"codes": {"x": "fire"}}})
        assert other.json()["errors"][0]["field"] == "code"
        other = await client.post(
            path, json={"body": '{"t": "x"}', "message": {"codes": {"x": "fire"}, "paths": {"code": "t"}}}
        )
        assert other.json()["events"][0]["category"] == "fire"
        assert (await client.post("/api/v1/devices/panel-school/message-test", json={"body": ""})).status_code == 409
    assert await signals(house, device_id) == []
    async with house.client("li") as client:
        assert (await client.post(f"/api/v1/devices/{device_id}/secret/new")).status_code == 403


async def test_the_simulator_reports_what_was_acknowledged_and_what_repeated(house: WebHouse) -> None:
    device_id, secret = await enter(house)
    plan = SenderPlan("/api/v1/ingest/gate-1", secret.encode(), code="door_forced", repeats=1.0)
    async with house.client() as client:
        sender = WebhookSender(plan, house.clock, client)
        await sender.run(asyncio.Event())
    report = sender.report
    assert (report.sent, report.acknowledged, report.duplicates, report.answers) == (1, 1, 1, {"201": 1, "200": 1})
    assert len(await signals(house, device_id)) == 1


async def test_a_public_warning_comes_by_webhook_too(house: WebHouse) -> None:
    device_id, secret = await enter(house, message={"kind": "cap"})
    flood = replace(FLOOD, infos=tuple(replace(i, expires=house.clock.now() + timedelta(days=1)) for i in FLOOD.infos))
    taken = await send(house, secret, write(flood))
    assert (taken.status_code, taken.json()["events"]) == (201, 1)
    assert [one["kind"] for one in await incidents(house)] == ["public_warning"]
    bad = await send(house, secret, b"<alert/>")
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "alert")
    assert len(await signals(house, device_id)) == 2
