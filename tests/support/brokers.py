"""Mosquitto on a port of its own, and a device of somebody else's making on it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.support.certificates import Pair


class Broker:
    """A Mosquitto on a port of its own; its log is what it saw."""

    def __init__(self, port: int, more: str = "") -> None:
        self.port = port
        self._more = more
        self.lines: list[str] = []
        self._heard = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        assert Path(program).exists(), "mosquitto is missing: install the Debian package mosquitto"
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_type all\nlog_dest stderr\n{self._more}"
        )
        self._process = await asyncio.create_subprocess_exec(
            program, "-c", str(settings), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        self._reading = asyncio.create_task(self._read())
        await self.says("mosquitto version", "running")

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._reading is not None:
            process.terminate()
            await process.wait()
            await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        lines = self._process.stderr
        assert lines is not None
        async for line in lines:
            async with self._heard:
                self.lines.append(line.decode("utf-8", "replace").strip())
                self._heard.notify_all()

    async def says(self, *words: str, times: int = 1) -> None:
        """Wait until so many lines hold all the words."""
        async with self._heard, asyncio.timeout(20):
            await self._heard.wait_for(lambda: self.count(*words) >= times)

    def count(self, *words: str) -> int:
        return sum(all(word in line for word in words) for line in self.lines)


class Panel:
    """A device of somebody else's making."""

    def __init__(
        self, port: int, name: str, *, will: bool = False, authority: str = "", pair: Pair | None = None
    ) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv311)
        if will:
            self._client.will_set("site7/panel/status", "offline", qos=1, retain=True)
        if pair is not None:
            self._client.tls_set(authority, str(pair.certificate), str(pair.key))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    async def send(self, topic: str, body: Any, *, qos: int = 1, retain: bool = False) -> None:
        payload = body if isinstance(body, str) else json.dumps(body)
        told = self._client.publish(topic, payload, qos=qos, retain=retain)
        await asyncio.get_running_loop().run_in_executor(None, told.wait_for_publish, 10)

    def break_off(self) -> None:
        """Be gone without a word, so that the broker sends the will."""
        sock = self._client.socket()
        self._client.reconnect_delay_set(100, 100)
        assert sock is not None
        sock.shutdown(socket.SHUT_RDWR)

    async def stop(self) -> None:
        self._client.disconnect()
        await asyncio.get_running_loop().run_in_executor(None, self._client.loop_stop)


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
