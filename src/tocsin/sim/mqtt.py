"""A device on an MQTT broker: tells that it is there, leaves a will, and sends events that the broker keeps for us."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, Final
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tocsin.base.clock import SystemClock
from tocsin.protocols.messages import event
from tocsin.sim.webhook import MIX

Runner = Callable[[Callable[[asyncio.Event], Awaitable[None]], float | None], Awaitable[None]]
ACCEPTED_WITHIN_S: Final = 10.0


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate mqtt`."""
    parser: argparse.ArgumentParser = kinds.add_parser("mqtt", help="a device on an MQTT broker")
    parser.add_argument("url", help="the broker, such as mqtt://127.0.0.1:1883")
    parser.add_argument("--topic", default="site7/panel/event")
    parser.add_argument("--status-topic", default="site7/panel/status")
    parser.add_argument("--username", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10.0, metavar="PER_S")
    parser.add_argument("--code", default="", help="such as panic (default: a mix)")
    parser.add_argument("--vanish", action="store_true", help="end without a word, so that the broker sends the will")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds")
    return parser


def run(arguments: argparse.Namespace, until_told: Runner, report: Callable[[dict[str, Any]], None]) -> int:
    """Send and report; the exit status is 0 when the broker has taken everything."""
    counted = {"sent": 0, "accepted_by_broker": 0}

    async def _work(ended: asyncio.Event) -> None:
        clock, chance, loop = SystemClock(), random.Random(arguments.seed), asyncio.get_running_loop()
        parts = urlsplit(arguments.url)
        client = Client(CallbackAPIVersion.VERSION2, f"tocsin-sim-{arguments.seed}")
        if arguments.username:
            client.username_pw_set(arguments.username, arguments.password)
        if parts.scheme == "mqtts":
            client.tls_set()
        client.will_set(arguments.status_topic, "offline", qos=1, retain=True)
        client.connect(parts.hostname or "127.0.0.1", parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        client.loop_start()
        client.publish(arguments.status_topic, "online", qos=1, retain=True)
        for number in range(arguments.count):
            if ended.is_set():
                break
            body = event.write(
                [
                    {
                        "id": f"{arguments.seed}-{number}",
                        "code": arguments.code or chance.choice(MIX),
                        "zone": str(chance.randrange(8) + 1),
                        "occurred_at": clock.now().astimezone(UTC).isoformat(),
                    }
                ]
            )
            told = client.publish(arguments.topic, body, qos=1)
            counted["sent"] += 1
            await loop.run_in_executor(None, told.wait_for_publish, ACCEPTED_WITHIN_S)
            counted["accepted_by_broker"] += told.is_published()
            await clock.sleep(1 / arguments.rate)
        if not arguments.vanish:
            last = client.publish(arguments.status_topic, "offline", qos=1, retain=True)
            await loop.run_in_executor(None, last.wait_for_publish, ACCEPTED_WITHIN_S)
            client.disconnect()
            client.loop_stop()

    asyncio.run(until_told(_work, arguments.seconds))  # type: ignore[arg-type]
    report(counted)
    return 0 if counted["sent"] == counted["accepted_by_broker"] else 1
