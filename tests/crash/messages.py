"""Senders of messages that do not give up: webhooks and public warnings signed and repeated, MQTT by a broker."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from bench.harness import Server
from tests.support.warnings import FLOOD
from tocsin.protocols.cap.alert import write
from tocsin.protocols.messages.signature import IDEMPOTENCY, SIGNATURE, TIMESTAMP, sign

RETRY_S = 0.2
RETAINED = range(5, 250, 5)  # fewer than a broker queues for one client
PROTOCOLS = ("webhook", "mqtt", "cap")


def enter_sources(running: Server, feed: str) -> dict[str, str]:
    """Enter a webhook for alarms, one for public warnings, a topic and a feed; return the secrets by account."""
    jurisdiction = str(running.call("GET", "/jurisdictions?limit=1")["items"][0]["id"])
    common = {"kind": "platform", "jurisdiction_id": jurisdiction}
    secrets = {}
    for account, form in (("hooks", {}), ("warnings", {"message": {"kind": "cap"}})):
        given = {"protocol": "webhook", "name": account, "address": {"account": account}, "settings": form}
        made = running.call("POST", "/devices", {**common, **given})
        secrets[account] = str(running.call("POST", f"/devices/{made['id']}/secret/new")["secret"])
    given = {"protocol": "mqtt", "name": "broker", "address": {"account": "site7", "topic": "site7/+/event"}}
    running.call("POST", "/devices", {**common, **given})
    given = {"protocol": "cap", "name": "feed", "address": {"url": feed}, "poll_interval_s": 15}
    running.call("POST", "/devices", {**common, **given})
    return secrets


@dataclass
class StubbornHook:
    """Posts one message after another, each until it is answered; `taken` were acknowledged.

    Every second message is signed anew under its key when it is repeated, the others are the same bytes again.
    """

    running: Server
    account: str
    secret: str
    name: str
    is_cap: bool = False
    taken: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    async def run(self, ending: asyncio.Event, pause_s: float) -> None:
        """Send until told to end; the last one is answered too."""
        url = f"http://127.0.0.1:{self.running.ports['web']}/api/v1/ingest/{self.account}"
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            number = 0
            while not ending.is_set():
                number += 1
                name = f"{self.name}-{number}"
                body = self._warning(name) if self.is_cap else _alarm(name)
                headers = self._signed(body, name)
                while not await self._post(http, url, body, headers):
                    await asyncio.sleep(RETRY_S)
                    if number % 2:
                        headers = self._signed(body, name)
                self.taken.append(name)
                await asyncio.sleep(pause_s)

    async def _post(self, http: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> bool:
        try:
            answer = await http.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        assert answer.status_code in (200, 201, 429, 503), answer.text
        return answer.status_code < 300

    def _signed(self, body: bytes, key: str) -> dict[str, str]:
        stamp_s = int(time.time())
        return {TIMESTAMP: str(stamp_s), SIGNATURE: sign(self.secret.encode(), stamp_s, body), IDEMPOTENCY: key}

    def _warning(self, name: str) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        infos = tuple(replace(info, expires=now + timedelta(days=1)) for info in FLOOD.infos)
        return write(replace(FLOOD, identifier=name, sent=now, infos=infos))


@dataclass
class BrokerDevice:
    """Publishes with QoS 1; `taken` the broker has taken, and keeps for us. Some are retained."""

    port: int
    name: str = "m"
    taken: list[str] = field(default_factory=list)

    async def run(self, ending: asyncio.Event, pause_s: float) -> None:
        """Publish until told to end."""
        client = self._client()
        number = 0
        while not ending.is_set():
            number += 1
            name = f"{self.name}-{number}"
            told = client.publish(f"site7/{name}/event", _alarm(name), qos=1, retain=number in RETAINED)
            await asyncio.get_running_loop().run_in_executor(None, told.wait_for_publish, 10)
            self.taken.append(name)
            await asyncio.sleep(pause_s)
        client.disconnect()
        await asyncio.get_running_loop().run_in_executor(None, client.loop_stop)

    async def retain(self, name: str) -> None:
        """Leave an alarm with the broker before anybody listens."""
        client = self._client()
        told = client.publish(f"site7/{name}/event", _alarm(name), qos=1, retain=True)
        await asyncio.get_running_loop().run_in_executor(None, told.wait_for_publish, 10)
        client.disconnect()
        await asyncio.get_running_loop().run_in_executor(None, client.loop_stop)

    def _client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        return client


def stored(running: Server) -> tuple[Counter[str], Counter[str]]:
    """Return how often each message stands in the store, and how many alarms it raised, by the name it bears."""
    kept: Counter[str] = Counter()
    raised: Counter[str] = Counter()
    marks = ", ".join("?" * len(PROTOCOLS))
    with sqlite3.connect(f"file:{running.data / 'tocsin.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT signals.raw, (SELECT count(*) FROM alarms WHERE alarms.signal_id = signals.id) "
            f"FROM signals JOIN devices ON devices.id = signals.device_id WHERE devices.protocol IN ({marks}) "
            "AND signals.protocol != 'tocsin'",
            PROTOCOLS,
        )
        for raw, alarms in rows:
            name = _name_of(bytes(raw))
            kept[name] += 1
            raised[name] += alarms
    return kept, raised


def _alarm(name: str) -> bytes:
    """Return an alarm; every third has an id of its own."""
    event: dict[str, Any] = {"code": "burglary", "zone": "1", "text": name}
    if int(name.rpartition("-")[2]) % 3 == 0:
        event["id"] = name
    return json.dumps(event).encode()


def _name_of(raw: bytes) -> str:
    if (found := re.search(rb"<(?:\w+:)?identifier>([^<]+)<", raw)) is not None:
        return found[1].decode()
    return str(json.loads(raw)["text"])
