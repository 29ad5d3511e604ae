"""A GB/T 28181 alarm from its document to the incident with kind, place and picture, and repetitions by two ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, inspect, select, text

from tests.support.clocks import START, FixedClock
from tests.support.gb28181 import Reports
from tests.support.house import NORTH, PEOPLE, SCHOOL, YARD, build_town
from tocsin.domain.access import Permission, scope
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.incident_detail import AlarmFilter, IncidentFilter
from tocsin.domain.intake import Intake
from tocsin.domain.signals import Signal, SignalState
from tocsin.gateways.gb28181_alarms import AlarmKeeper
from tocsin.gateways.gb28181_catalog import Asker, Identity
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import AttemptLog, RegisteredDevice
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.alarm import AlarmNotice, read_alarm
from tocsin.protocols.gb28181.alarm_commands import alarm_notify
from tocsin.protocols.gb28181.manscdp import Document, Pair, parse_document
from tocsin.protocols.gb28181.video_upload import read_video_upload, video_upload_notify
from tocsin.protocols.sip.codes import Transport
from tocsin.storage import engine, schema, tables_alarms, tables_registry
from tocsin.storage.store import AnyStore

NVR, NVR_ID, INPUT, ZONE = "nvr-school", "34020000001180000001", "34020000001340000003", "zone-input"
PICTURE_ID, PICTURE = "34020000001320000007", "camera-nvr"
EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
PEER = Peer("192.0.2.30", 5060, Transport.UDP, 0)


class OneRecorder:
    """The directory of a house with one recorder and one picture."""

    def sip_device(self, gb_id: str) -> SipDevice | None:
        return SipDevice(NVR, NVR_ID, "x") if gb_id == NVR_ID else None

    def channel_by_gb_id(self, device_id: str, gb_id: str) -> Channel | None:
        return Channel(PICTURE, NVR, PICTURE_ID, "操场") if gb_id == PICTURE_ID else None

    def channels_of(self, device_id: str) -> Any:
        return iter([Channel(PICTURE, NVR, PICTURE_ID, "操场")])


def build(tx: Any) -> None:
    build_town(tx)
    put = tx.connection.execute
    home = {"jurisdiction_id": "j-north", "jurisdiction_code": NORTH}
    put(
        insert(tables_registry.devices).values(
            id=NVR, kind="camera", name="学校录像机", name_en="School recorder", place_id=SCHOOL, protocol="gb28181",
            gb_id=NVR_ID, **home,
        )
    )  # fmt: skip
    put(
        insert(tables_registry.zones).values(
            id=ZONE, device_id=NVR, number=INPUT, name="围墙红外", name_en="Fence infrared"
        )
    )
    put(insert(tables_registry.zone_cameras).values(zone_id=ZONE, channel_id=YARD, rank=0))
    put(
        insert(tables_registry.channels).values(
            id=PICTURE, device_id=NVR, gb_id=PICTURE_ID, name="操场", stage="in_service", **home
        )
    )


@pytest.fixture
async def intake(store: AnyStore) -> Intake:
    made = Intake(store)
    await store.run(build)
    return made


def signal_of(source: str, *fields: Pair, sn: int = 4, after_s: float = 0, at: str = "2026-11-22T11:36:25") -> Signal:
    """Return what the gateway hands in for an alarm document."""
    now = START + timedelta(seconds=after_s)
    keeper = _keeper()
    body = alarm_notify(sn, source, [("AlarmTime", at), *fields])
    document = parse_document(body)
    assert isinstance(document, Document)
    notice = read_alarm(document, now)
    assert isinstance(notice, AlarmNotice)
    device = RegisteredDevice(NVR_ID, NVR, PEER, 60, "2.0")
    return keeper._signal(device, notice, body, PEER, now)


def _keeper() -> AlarmKeeper:
    sip = SipGateway(SipConfig(), FixedClock(), lambda: "w" * 32)
    reports, clock = Reports(), FixedClock()
    commands = AlarmCommands(Asker(sip, Identity("s", "r")), reports, lambda gb_id: "")
    return AlarmKeeper(_Nowhere(), OneRecorder(), commands, reports, AttemptLog(reports, clock), clock)


class _Nowhere:
    def accept(self, signal: Signal) -> Any:
        raise AssertionError("nothing is handed in here")

    def acknowledged(self, signal_id: str, at: Any) -> None:
        raise AssertionError("nothing is answered here")


async def incidents_of(store: AnyStore) -> list[Any]:
    return await store.read(lambda tx: tx.incidents.find(IncidentFilter(), visible_to=EVERYWHERE))


async def linked(store: AnyStore, incident_id: str) -> tuple[str, ...]:
    return await store.read(lambda tx: tx.incidents.linked_channels(incident_id))


async def test_an_alarm_input_opens_an_incident_with_its_zone_place_and_camera(intake: Intake, store: AnyStore) -> None:
    await intake.accept(signal_of(INPUT, ("AlarmMethod", 2), ("AlarmPriority", 1)))

    (incident,) = await incidents_of(store)
    (alarm,) = await store.read(lambda tx: tx.alarms.find(AlarmFilter(), visible_to=EVERYWHERE))
    assert (incident.kind, incident.priority, incident.place.name) == ("burglary", 2, "新华小学")
    assert incident.plan.name_en == "Intrusion"
    assert incident.title_en == f"Device alarm, zone {INPUT} Fence infrared, Xinhua School"
    assert (alarm.zone, alarm.zone_id, alarm.channel_id, alarm.code) == (INPUT, ZONE, None, "2")
    assert await linked(store, incident.id) == (YARD,)


async def test_an_alarm_of_a_picture_shows_that_picture_first(intake: Intake, store: AnyStore) -> None:
    await intake.accept(signal_of(PICTURE_ID, ("AlarmMethod", 5), ("AlarmType", 5), ("AlarmPriority", 1)))
    await intake.accept(signal_of(INPUT, ("AlarmMethod", 2), after_s=5))

    (incident,) = await incidents_of(store)
    assert incident.alarm_count == 2
    assert await linked(store, incident.id) == (PICTURE, YARD)
    assert await store.read(lambda tx: tx.incidents.of_channel(PICTURE)) == [incident.id]


async def test_a_device_that_asks_to_be_watched_opens_an_incident_with_its_picture_once(
    intake: Intake, store: AnyStore
) -> None:
    keeper = _keeper()
    body = video_upload_notify(4, PICTURE_ID, "2026-11-22T11:36:25", lon=118.376451, lat=31.326319)
    document = parse_document(body)
    assert isinstance(document, Document)
    device = RegisteredDevice(NVR_ID, NVR, PEER, 60, "3.0")
    first = keeper._signal(device, read_video_upload(document, START), body, PEER, START)
    again = replace(first, received_at=START + timedelta(seconds=30))
    receipts = [await intake.accept(signal) for signal in (first, again)]

    (incident,) = await incidents_of(store)
    assert (incident.kind, incident.priority, incident.alarm_count) == ("panic", 2, 1)
    assert [receipt.is_duplicate for receipt in receipts] == [False, True]
    assert (await linked(store, incident.id))[0] == PICTURE


async def test_the_title_names_the_camera(intake: Intake, store: AnyStore) -> None:
    await intake.accept(signal_of(PICTURE_ID, ("AlarmMethod", 5), ("AlarmType", 2)))

    (incident,) = await incidents_of(store)
    assert incident.title_en == "Motion, camera 操场, Xinhua School"
    assert incident.title_zh == "新华小学 摄像机 操场：运动目标检测"


async def test_alarms_of_two_points_by_two_ways_are_two_alarms(intake: Intake, store: AnyStore) -> None:
    first = signal_of(INPUT, ("AlarmMethod", 2))
    second = signal_of(PICTURE_ID, ("AlarmMethod", 5), ("AlarmType", 2))
    receipts = [await intake.accept(signal) for signal in (first, second, replace(first), replace(second))]

    assert [receipt.is_duplicate for receipt in receipts] == [False, False, True, True]
    (incident,) = await incidents_of(store)
    assert incident.alarm_count == 2
    copies = await store.read(
        lambda tx: [row.copies for row in tx.connection.execute(select(tables_alarms.signals.c.copies))]
    )
    assert copies == [2, 2]


async def test_a_repetition_is_found_after_a_restart_and_a_later_alarm_is_new(intake: Intake, store: AnyStore) -> None:
    await intake.accept(signal_of(INPUT, ("AlarmMethod", 2)))
    again = await Intake(store).accept(signal_of(INPUT, ("AlarmMethod", 2), sn=9, after_s=30))
    later = await Intake(store).accept(signal_of(INPUT, ("AlarmMethod", 2), after_s=31, at="2026-11-22T11:36:56"))
    assert (again.is_duplicate, later.is_duplicate) == (True, False)


async def test_what_asks_nobody_is_kept_as_an_event(intake: Intake, store: AnyStore) -> None:
    await intake.accept(signal_of(NVR_ID, ("AlarmMethod", 2), ("AlarmType", 3)))
    await intake.accept(signal_of(PICTURE_ID, ("AlarmMethod", 5), ("AlarmType", 21), after_s=1))

    assert await incidents_of(store) == []
    rows = await store.read(lambda tx: list(tx.connection.execute(select(tables_alarms.signals.c.state))))
    assert [row.state for row in rows] == [SignalState.PROCESSED.value] * 2


def test_a_database_of_the_first_revision_keeps_its_rows_and_takes_long_numbers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    made = engine.sqlite_writer(url)
    with made.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
        connection.execute(
            text("INSERT INTO jurisdictions (id, code, short, name, level) VALUES ('j', '3301', 'X', 'x', 'city')")
        )
        connection.execute(
            text(
                "INSERT INTO devices (id, kind, name, jurisdiction_id, jurisdiction_code, protocol)"
                " VALUES ('d', 'panel', 'x', 'j', '3301', 'dc09')"
            )
        )
        connection.execute(text("INSERT INTO zones (id, device_id, number) VALUES ('z', 'd', '4')"))
        connection.commit()
    made.dispose()

    schema.prepare(url)

    made = engine.sqlite_writer(url)
    with made.connect() as connection:
        assert schema.current(connection) == schema.latest()
        assert [row.number for row in connection.execute(text("SELECT number FROM zones"))] == ["4"]
        widths = {column["name"]: column["type"] for column in inspect(connection).get_columns("zones")}
        assert widths["number"].length == 64
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    made.dispose()
