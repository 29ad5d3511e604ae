"""Terminals over the API: words to the crew, parameters, another terminal, and a trail that is read on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from tests.support.house import CAR, NORTH
from tests.web.conftest import WebHouse
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.terminal_service import TerminalService
from tocsin.domain.terminals import Position, Terminal, hash_of
from tocsin.storage import tables_registry

AT = "/api/v1/terminals/terminal-1"


class Line:
    """Terminals that answer as told."""

    def __init__(self) -> None:
        self.outcome = CommandOutcome.DONE
        self.told: list[object] = []

    def is_connected(self, device_id: str) -> bool:
        return self.outcome is not CommandOutcome.NOT_CONNECTED

    def drop(self, device_id: str) -> None:
        self.told.append("dropped")

    async def tell(self, device_id: str, text: str, *, urgent: bool) -> CommandOutcome:
        self.told.append((text, urgent))
        return self.outcome

    async def parameters(self, device_id: str) -> tuple[CommandOutcome, Mapping[str, int]]:
        return self.outcome, {"heartbeat_s": 60}

    async def set_parameters(self, device_id: str, values: Mapping[str, int]) -> CommandOutcome:
        self.told.append(dict(values))
        return self.outcome

    async def restart(self, device_id: str) -> CommandOutcome:
        self.told.append("restart")
        return self.outcome


def _enter(tx: Any) -> None:
    tx.connection.execute(
        insert(tables_registry.devices).values(
            id="terminal-1",
            kind="terminal",
            name="M21",
            name_en="M21",
            search="",
            jurisdiction_id="j-north",
            jurisdiction_code=NORTH,
            protocol="jt808",
            account="13800138000",
            settings=f'{{"unit_id": "{CAR}"}}',
        )
    )
    tx.terminals.register(Terminal("terminal-1", hash_of("c"), "", "T1", "2019", "TOCSI", "M", tx.now), is_new=True)
    tx.terminals.add_positions(
        [Position("terminal-1", tx.now - timedelta(minutes=n), 120_100_000, 30_200_000) for n in range(90)]
    )


@pytest.fixture
async def line(house: WebHouse) -> Line:
    made = Line()
    await house.store.run(_enter)
    house.services.terminals = TerminalService(house.store, made)
    return made


async def _acts(house: WebHouse) -> list[tuple[str, str]]:
    async with house.client("auditor") as client:
        page = (await client.get("/api/v1/audit", params={"subject": "terminal-1"})).json()
    return [(one["action"], one["outcome"]) for one in reversed(page["items"])]


async def test_a_terminal_is_shown_with_its_unit_and_never_its_code(house: WebHouse, line: Line) -> None:
    async with house.client("li") as client:
        shown = (await client.get(AT)).json()
        assert (shown["connected"], shown["registered"], shown["edition"], shown["unit_id"]) == (
            True,
            True,
            "2019",
            CAR,
        )
        assert hash_of("c") not in str(shown)
        assert (await client.get("/api/v1/terminals/panel-school")).status_code == 409
    async with house.client("south") as client:
        assert (await client.get(AT)).status_code == 404


async def test_words_to_the_crew_are_recorded_before_they_leave_and_what_came_of_them_after(
    house: WebHouse, line: Line
) -> None:
    async with house.client("li") as client:
        assert (await client.post(f"{AT}/text", json={"text": " 请到\n西门 ", "urgent": True})).json() == {
            "outcome": "done"
        }
        assert line.told == [("请到 西门", True)]
        line.outcome = CommandOutcome.NOT_CONNECTED
        away = await client.post(f"{AT}/text", json={"text": "x"})
        assert (away.status_code, away.json()["detail"]) == (503, "The terminal is not connected, so nothing was sent.")
        assert (await client.post(f"{AT}/text", json={"text": " "})).status_code == 422
    async with house.client("admin") as client:
        assert (await client.post(f"{AT}/text", json={"text": "x"})).status_code == 403
    assert (await _acts(house))[:4] == [("terminal.told", "done"), ("terminal.answered", "done")] * 2


async def test_parameters_are_read_set_within_bounds_and_recorded(house: WebHouse, line: Line) -> None:
    async with house.client("installer") as client:
        assert (await client.get(f"{AT}/parameters")).json()["heartbeat_s"] == 60
        assert (await client.patch(f"{AT}/parameters", json={"heartbeat_s": 30})).json() == {"outcome": "done"}
        wrong = await client.patch(f"{AT}/parameters", json={"heartbeat_s": 5})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "heartbeat_s")
        assert (await client.patch(f"{AT}/parameters", json={})).status_code == 422
        line.outcome = CommandOutcome.REFUSED
        assert (await client.post(f"{AT}/restart")).status_code == 409
    assert line.told == [{"heartbeat_s": 30}, "restart"]


async def test_where_a_unit_was_is_read_an_hour_at_a_time_for_a_purpose_and_on_record(
    house: WebHouse, line: Line
) -> None:
    now = house.clock.now()
    hour = {"since": (now - timedelta(minutes=59)).isoformat(), "until": (now + timedelta(seconds=1)).isoformat()}
    async with house.client("li") as client:
        found = (await client.post(f"{AT}/positions", json={**hour, "purpose": "alarm_verification"})).json()["items"]
        assert (len(found), found[0]["lat"]) == (60, 30.2)
        assert (await client.post(f"{AT}/positions", json={**hour, "purpose": "curiosity"})).status_code == 422
        long = {**hour, "since": (now - timedelta(hours=2)).isoformat(), "purpose": "patrol"}
        assert (await client.post(f"{AT}/positions", json=long)).status_code == 422
    async with house.client("admin") as client:
        assert (await client.post(f"{AT}/positions", json={**hour, "purpose": "patrol"})).status_code == 403
    assert ("terminal.positions_read", "done") in await _acts(house)


async def test_another_terminal_may_register_once_somebody_has_allowed_it(house: WebHouse, line: Line) -> None:
    async with house.client("installer") as client:
        assert (await client.post(f"{AT}/release")).status_code == 204
        shown = (await client.get(AT)).json()
    assert (shown["registered"], shown["terminal_id"], line.told) == (False, "", ["dropped"])
    assert await _acts(house) == [("terminal.released", "done")]


async def test_a_terminal_is_entered_by_its_number_with_its_unit(house: WebHouse) -> None:
    entered = {
        "kind": "terminal",
        "name": "M22 终端",
        "protocol": "jt808",
        "address": {"account": "13800138022"},
        "settings": {"unit_id": CAR},
        "jurisdiction_id": "j-north",
    }
    async with house.client("installer") as client:
        made = await client.post("/api/v1/devices", json=entered)
        assert (made.status_code, made.json()["settings"]) == (201, {"unit_id": CAR})
        assert (await client.post("/api/v1/devices", json=entered)).status_code == 409
        zeros = {**entered, "address": {"account": "013800138022"}}
        refused = await client.post("/api/v1/devices", json=zeros)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "address.account")
