"""Mosquitto as an independent broker: acknowledged after the commit, delivered again, wills, retained messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from tests.support.brokers import Broker, Panel, free_port
from tests.support.certificates import Authority
from tests.support.clocks import FixedClock
from tests.support.gb28181 import eventually
from tests.support.house import build_town
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.vault import Vault
from tocsin.domain.directory import Directory
from tocsin.domain.ingest import Arrival, Arrivals
from tocsin.domain.intake import Intake
from tocsin.domain.signals import Receipt
from tocsin.gateways.mqtt import MqttConfig, MqttGateway
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import SqliteStore
from tocsin.storage.tables_registry import devices

pytestmark = pytest.mark.integration
SETTINGS = {
    "topic": "site7/+/event",
    "status_topic": "site7/panel/status",
    "message": {"kind": "events", "paths": {"zone": "topic.1"}, "codes": {}},
}


class Gate:
    """Arrivals that can be held back, or fail, before they reach the real ones."""

    def __init__(self, real: Arrivals) -> None:
        self.real = real
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.came = asyncio.Queue[Arrival]()
        self.fails = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.committed = asyncio.Queue[str]()

    def accept(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        self.came.put_nowait(arrival)
        return asyncio.ensure_future(self._pass(arrival))

    async def _pass(self, arrival: Arrival) -> Receipt:
        await self.is_open.wait()
        if self.fails:
            self.fails -= 1
            raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full")
        receipt = await self.real.accept(arrival)
        self.committed.put_nowait(receipt.signal_id)
        await self.answers.wait()
        return receipt


class Watch:
    """What supervision was told."""

    def __init__(self) -> None:
        self.told = asyncio.Queue[tuple[str, str]]()

    def touch(self, device_id: str, at: datetime, way: object = None, skew_s: float | None = None) -> None:
        self.told.put_nowait((device_id, "heard"))

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        self.told.put_nowait((device_id, reason))


class House:
    """A store, a broker and the gateway between them."""

    def __init__(self, broker: Broker, store: SqliteStore, directory: Directory, clock: FixedClock) -> None:
        self.broker, self.store, self.clock = broker, store, clock
        self.gate = Gate(Arrivals(store, Intake(store)))
        self.watch = Watch()
        self._directory = directory

    def gateway(self, version: str = "5") -> MqttGateway:
        return self.gateway_of(MqttConfig(f"mqtt://127.0.0.1:{self.broker.port}", version=version))

    def gateway_of(self, config: MqttConfig) -> MqttGateway:
        return MqttGateway(config, self._directory, self.gate, self.watch, self.clock)  # type: ignore[arg-type]

    async def signals(self) -> list[str]:
        return await self.store.read(
            lambda tx: [row.raw.decode() for row in tx.connection.exec_driver_sql("select raw from signals").all()]
        )


def add_panel(tx: Any) -> None:
    values = {"kind": "platform", "protocol": "mqtt", "jurisdiction_id": "j-north", "jurisdiction_code": "330110"}
    tx.connection.execute(insert(devices).values(id="mqtt-1", name="平台", account="site7", version=1, **values))
    tx.connection.execute(update(devices).where(devices.c.id == "mqtt-1").values(settings=json.dumps(SETTINGS)))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'tocsin.db'}"
    schema.prepare(url)
    clock = FixedClock()
    store = SqliteStore(url, clock, HeadsFile(tmp_path / "heads"))
    await store.start()
    await store.run(build_town)
    await store.run(add_panel)
    directory = Directory(store, Vault(bytes(32)))
    await directory.load()
    broker = Broker(free_port())
    await broker.start(tmp_path)
    yield House(broker, store, directory, clock)
    await broker.stop()
    await store.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_broker_hears_of_it_only_after_the_commit_and_sends_again_what_was_not_acknowledged(
    house: House, version: str
) -> None:
    broker, gate = house.broker, house.gate
    first = house.gateway(version)
    await first.start()
    await broker.says("Received SUBSCRIBE from tocsin")
    panel = Panel(broker.port, "panel")
    gate.is_open.clear()
    await panel.send("site7/hall/event", {"code": "burglary"})
    arrival = await gate.came.get()
    assert (arrival.signal.device_id, arrival.signal.events[0].zone) == ("mqtt-1", "hall")
    await panel.send("elsewhere", "x")  # behind it: whatever the broker was told before has arrived
    assert broker.count("Received PUBACK from tocsin") == 0

    await first.stop()  # as a crash before the commit: nothing was acknowledged
    gate.is_open.set()
    second = house.gateway(version)
    await second.start()
    await broker.says("Received PUBACK from tocsin")
    assert await house.signals() == ['{"code": "burglary"}']

    # What cannot be committed is tried again and stays unacknowledged; then the crash comes between commit and answer.
    await gate.came.get()
    gate.fails = 1
    gate.answers.clear()
    await panel.send("site7/hall/event", {"code": "burglary"})
    await gate.came.get()
    await eventually(lambda: second.counters["not_committed"] == 1)
    house.clock.advance(2)
    await gate.came.get()
    await gate.committed.get()
    await gate.committed.get()
    assert broker.count("Received PUBACK from tocsin") == 1
    await second.stop()
    gate.answers.set()
    third = house.gateway(version)
    await third.start()
    await broker.says("Received PUBACK from tocsin", times=2)
    assert third.counters["duplicates"] == 1  # the same packet once more is the same signal
    assert len(await house.signals()) == 2
    await third.stop()
    await panel.stop()


async def test_a_retained_alarm_raises_nothing_and_a_last_will_is_the_end_of_a_device(house: House) -> None:
    broker, watch = house.broker, house.watch
    panel = Panel(broker.port, "panel", will=True)
    await panel.send("site7/hall/event", {"code": "fire"}, retain=True)
    await panel.send("site7/panel/status", "online", retain=True)
    gateway = house.gateway()
    await gateway.start()
    assert await watch.told.get() == ("mqtt-1", "heard")
    await broker.says("Received PUBACK from tocsin", times=2)
    assert (gateway.counters["retained"], gateway.counters["online"]) == (1, 1)
    assert await house.signals() == []
    await panel.send("site7/hall/event", "not json at all {")
    assert await watch.told.get() == ("mqtt-1", "heard")
    await broker.says("Received PUBACK from tocsin", times=3)
    assert await house.signals() == ["not json at all {"]
    panel.break_off()
    assert await watch.told.get() == ("mqtt-1", "message.last_will")
    await gateway.stop()
    await panel.stop()
    await broker.stop()
    gateway = house.gateway()
    await gateway.start()  # without a broker the server starts all the same
    gateway.check()
    house.clock.advance(60)
    with pytest.raises(TocsinError, match="not reached"):
        gateway.check()
    await gateway.stop()


async def test_a_broker_is_reached_over_tls_with_certificates_of_ones_own_and_a_wrong_one_is_named(
    house: House, tmp_path: Path
) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    serves, elsewhere, we = ours.issue("broker"), ours.issue("elsewhere", "192.0.2.1"), ours.issue("tocsin")

    def settings(pair: Any) -> str:
        files = f"cafile {ours.file}\ncertfile {pair.certificate}\nkeyfile {pair.key}\n"
        return f"user root\n{files}require_certificate true\n"  # else it may not read its key where root started it

    async def why(broker: Broker, ca_file: str) -> str:
        """Return what is said of a broker that is not taken."""
        gateway = house.gateway_of(config(broker, ca_file))
        await gateway.start()
        await eventually(lambda: gateway.counters["failed"] >= 1)
        assert not gateway.is_connected
        house.clock.advance(60)
        with pytest.raises(TocsinError, match="not reached") as refused:
            gateway.check()
        await gateway.stop()
        return refused.value.detail

    def config(broker: Broker, ca_file: str) -> MqttConfig:
        return MqttConfig(
            f"mqtts://127.0.0.1:{broker.port}",
            ca_file=ca_file,
            certificate_file=str(we.certificate),
            key_file=str(we.key),
        )

    secure, stranger = Broker(free_port(), settings(serves)), Broker(free_port(), settings(elsewhere))
    await secure.start(tmp_path)
    await stranger.start(tmp_path)
    gateway = house.gateway_of(config(secure, str(ours.file)))
    await gateway.start()
    await secure.says("Received SUBSCRIBE from tocsin")
    panel = Panel(secure.port, "panel", authority=str(ours.file), pair=ours.issue("panel"))
    await panel.send("site7/hall/event", {"code": "burglary"})
    await secure.says("Received PUBACK from tocsin")
    assert await house.signals() == ['{"code": "burglary"}']
    await gateway.stop()
    await panel.stop()

    of_another = await why(secure, str(other.file))
    assert "the certificate of the broker is not accepted" in of_another
    assert "mqtt.ca_file" in of_another
    of_elsewhere = await why(stranger, str(ours.file))
    assert "the certificate of the broker is not accepted" in of_elsewhere
    assert "IP address mismatch" in of_elsewhere
    with pytest.raises(TocsinError, match="a file of TLS cannot be used"):
        await house.gateway_of(config(secure, str(tmp_path / "none.pem"))).start()
    await secure.stop()
    await stranger.stop()
