"""What the doctor says of door intercoms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from tests.support.house import WEST_GATE
from tests.support.intercoms import DOOR, build
from tocsin.base.times import to_us
from tocsin.doctor_intercoms import examine_intercoms
from tocsin.doctor_words import Verdict
from tocsin.settings import Settings, load_settings
from tocsin.storage.tables_registry import devices, zone_cameras
from tocsin.stores import open_store

NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)


def settings_of(folder: Path, **more: object) -> Settings:
    return load_settings(
        environ={},
        overrides={"server.data": folder, "sip.host": "0.0.0.0", **{k.replace("__", "."): v for k, v in more.items()}},
    )


def said(folder: Path, *, is_served: bool = True, **more: object) -> list[tuple[Verdict, str]]:
    found = examine_intercoms(settings_of(folder, **more), NOW, is_served=is_served)
    return [(one.verdict, one.detail) for one in found]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A data folder with one intercom, all well, and registered for another minute."""
    async with open_store(settings_of(tmp_path)) as store:
        await store.run(build)
        known = devices.c.id == DOOR
        until_us = to_us(NOW + timedelta(minutes=1))
        await store.run(
            lambda tx: tx.connection.execute(
                update(devices).where(known).values(secret=b"sealed", registered_until_us=until_us)
            )
        )
    return tmp_path


def test_no_database_and_no_intercom_are_nothing_to_worry_about(tmp_path: Path) -> None:
    assert said(tmp_path) == []


def test_all_well_is_one_line(folder: Path) -> None:
    assert said(folder) == [(Verdict.OK, "1 of 1 registered")]
    assert said(folder, is_served=False) == [(Verdict.OK, "1 of 1 registered, as far as known: no server is running")]


async def test_what_is_not_entered_is_counted_and_named(folder: Path) -> None:
    async with open_store(settings_of(folder)) as store:
        await store.run(lambda tx: tx.connection.execute(zone_cameras.delete()))
        await store.run(
            lambda tx: tx.connection.execute(
                update(devices).where(devices.c.id == DOOR).values(secret=None, settings="{}", registered_until_us=None)
            )
        )
        for number in range(4):
            await store.run(
                lambda tx, number=number: tx.connection.execute(
                    insert(devices).values(
                        id=f"more-{number}",
                        kind="intercom",
                        name="n",
                        search="",
                        jurisdiction_id="j-north",
                        jurisdiction_code="3402",
                        protocol="sip",
                        account=f"more{number}",
                        secret=b"sealed",
                        settings='{"door_code":"#"}',
                    )
                )
            )
    found = dict.fromkeys(detail for verdict, detail in said(folder) if verdict is Verdict.WARNING)
    assert [text[:40] for text in found] == [
        "0 of 5 registered: check server, port, u",
        "1 without a password, so they cannot reg",
        "5 without a linked camera: who rings is ",
        "1 without a door code: their door cannot",
    ]
    assert "(door1, more0, more1 and 2 more)" in list(found)[2]
    assert WEST_GATE not in str(found)


@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("sip__host", "127.0.0.1", "set sip.host"),
        ("sip__udp", False, "sip.udp is off and only TCP is heard"),
        ("intercom__emergency_numbers", (), "no number rings as an SOS"),
    ],
)
def test_settings_under_which_none_can_ring_are_told(folder: Path, setting: str, value: object, word: str) -> None:
    [(verdict, detail), _] = said(folder, **{setting: value})
    assert (verdict, word in detail) == (Verdict.WARNING, True)
