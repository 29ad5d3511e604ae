"""Devices on an MQTT broker: one connection, acknowledged by hand after the commit; wills, retained states, TLS.

The library's thread moves bytes and knows nothing; everything is judged on the loop. Subscriptions ask for QoS 1, so
that the broker keeps what is not acknowledged and the session keeps it over our restarts (QoS 2 would hand it over
before the commit). What cannot be committed is tried again and stays unacknowledged; a crash brings it again.
A retained message tells a state and never raises an alarm.

Source: MQTT 5.0 and 3.1.1; alarm reference, MQTT and HTTP webhooks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
import structlog
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, CleanStartOption, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Source
from tocsin.domain.ingest import Arrival, Arrivals, mark
from tocsin.domain.message_sources import covers, form_of
from tocsin.domain.signals import NO_ANSWER, Receipt, Signal
from tocsin.gateways.message_reading import Reading, try_message

log = structlog.get_logger(__name__)

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
MAX_WAITING: Final = 1_000
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
DEAF_AFTER_S: Final = 20.0
CONNECT_WITHIN_S: Final = 10.0
REASON_CHARS: Final = 240
LAST_WILL: Final = "message.last_will"
_ONLINE: Final = frozenset({"online", "true", "1", "on", "connected", "available"})
_OFFLINE: Final = frozenset({"offline", "false", "0", "off", "disconnected", "unavailable", "lost"})


class Sources(Protocol):
    """Who may send."""

    def sources(self, *protocols: str) -> list[Source]:
        """Return every device of these protocols."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def touch(self, device_id: str, at: Any) -> None:
        """Note a good message of the device."""

    def lost(self, device_id: str, at: Any, reason: str) -> None:
        """Note that the device is gone, for a reason in its words."""


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker, `mqtt://host:port` or `mqtts://host:port`; empty: none. `session_s` is how long it keeps ours."""

    url: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    client_id: str = "tocsin"
    version: str = "5"
    keepalive_s: int = 45
    session_s: int = 86_400
    in_flight: int = 100
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A message as the broker delivered it, with the connection it came on."""

    connection: int
    mid: int
    qos: int
    topic: str
    body: bytes
    is_retained: bool
    is_again: bool


class MqttGateway:
    """One broker and the devices on it."""

    def __init__(
        self, config: MqttConfig, sources: Sources, arrivals: Arrivals, supervision: Supervision, clock: Clock
    ) -> None:
        self._config = config
        self._sources = sources
        self._arrivals = arrivals
        self._supervision = supervision
        self._clock = clock
        self.counters: Counter[str] = Counter()
        self.waiting = 0
        self._client: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection = 0
        self._connected = asyncio.Event()
        self._deaf_since_s: float | None = None
        self._why = ""
        self._was_started = False
        self._topics: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has taken our connection."""
        return self._connected.is_set()

    async def start(self) -> None:
        """Call the broker; the first time without waiting for it, so that the server starts without one.

        Errors: UNAVAILABLE when it is started again and the broker does not answer; INVALID for a file of TLS.
        """
        if not self._config.url:
            return
        self._loop = asyncio.get_running_loop()
        self._deaf_since_s = self._clock.monotonic()
        self._why = "no answer yet"
        self._client = client = self._make_client()
        host, port = _address(self._config.url)
        properties = None
        clean_start: CleanStartOption = MQTT_CLEAN_START_FIRST_ONLY  # what the library takes for "not given"
        if self._config.version == "5":
            clean_start = False
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._config.session_s
            properties.ReceiveMaximum = self._config.in_flight
        client.connect_async(host, port, self._config.keepalive_s, clean_start=clean_start, properties=properties)
        client.loop_start()
        if self._was_started:
            try:
                await asyncio.wait_for(self._connected.wait(), CONNECT_WITHIN_S)
            except TimeoutError as error:
                await self.stop()
                raise self._deaf() from error
        self._was_started = True

    async def stop(self) -> None:
        """End the connection; the broker keeps the session and what is not acknowledged."""
        client, self._client = self._client, None
        self._connection += 1  # nothing of the old connection is acknowledged on the next
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._connected.clear()
        if client is not None:
            await asyncio.get_running_loop().run_in_executor(None, _end, client)
        self.waiting = 0

    def check(self) -> None:
        """Raise when the broker has not been reached for a while. Errors: UNAVAILABLE."""
        deaf_s = self._deaf_since_s
        if self._config.url and deaf_s is not None and self._clock.monotonic() - deaf_s > DEAF_AFTER_S:
            raise self._deaf()

    def sources_changed(self, changed: Sequence[Any], gone: Collection[str]) -> None:
        """Hear of a change of the registry: subscribe to what is new, and leave what nobody has any more."""
        if gone or any(device.protocol == "mqtt" for device in changed):
            self._subscribe(only_changes=True)

    # --- the library's thread ---

    def _make_client(self) -> Client:
        config = self._config
        protocol = MQTTProtocolVersion.MQTTv5 if config.version == "5" else MQTTProtocolVersion.MQTTv311
        client = Client(
            CallbackAPIVersion.VERSION2,
            config.client_id,
            clean_session=None if config.version == "5" else False,
            protocol=protocol,
            manual_ack=True,
        )
        if config.username:
            client.username_pw_set(config.username, config.password or None)
        if config.url.startswith("mqtts:"):
            client.tls_set_context(_tls(config))
        client.reconnect_delay_set(min_delay=1, max_delay=60)
        client.on_connect = lambda _c, _u, flags, reason, _p: self._tell(
            self._on_connect, not reason.is_failure, str(reason), bool(flags.session_present)
        )
        client.on_connect_fail = lambda _c, _u: self._tell(self._on_failed, _why_failed(sys.exception()))
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._tell(self._on_lost, str(reason))
        client.on_message = self._on_message
        return client

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        arrived = (message.mid, message.qos, topic, bytes(message.payload), message.retain, message.dup)
        self._tell(self._arrive, *arrived)

    def _tell(self, heard: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has ended: nothing is acknowledged, so nothing is lost
            self._loop.call_soon_threadsafe(heard, *args)

    # --- on the loop ---

    def _on_connect(self, is_taken: bool, reason: str, has_session: bool) -> None:
        if not is_taken:
            self._on_lost(reason)
            return
        self._connection += 1
        self._deaf_since_s = None
        self._connected.set()
        self.counters["connected"] += 1
        log.info("mqtt connected", broker=_shown(self._config.url), session_kept=has_session)
        self._subscribe()

    def _on_failed(self, reason: str) -> None:
        self.counters["failed"] += 1
        if reason[:REASON_CHARS] != self._why:  # once for each reason: it is tried for ever
            log.warning("mqtt broker not reached", broker=_shown(self._config.url), reason=reason)
        self._on_lost(reason)

    def _on_lost(self, reason: str) -> None:
        if self._connected.is_set() or self._deaf_since_s is None:
            log.warning("mqtt connection lost", broker=_shown(self._config.url), reason=reason)
            self._deaf_since_s = self._clock.monotonic()
        self._connected.clear()
        self._connection += 1
        self._why = reason[:REASON_CHARS]

    def _subscribe(self, *, only_changes: bool = False) -> None:
        client = self._client
        if client is None or not self._connected.is_set():
            return
        wanted = {topic for source in self._sources.sources("mqtt") for topic in _topics_of(source)}
        for topic in self._topics - wanted:
            client.unsubscribe(topic)
        new = wanted - self._topics if only_changes else wanted
        if new:
            client.subscribe([(topic, 1) for topic in sorted(new)])
        self._topics = wanted

    def _arrive(self, mid: int, qos: int, topic: str, body: bytes, is_retained: bool, is_again: bool) -> None:
        arrived = _Arrived(self._connection, mid, qos, topic, body, is_retained, is_again)
        if self.waiting >= MAX_WAITING:
            self.counters["overflow"] += 1  # QoS 1 stays with the broker; QoS 0 promised nothing
            return
        self.waiting += 1
        task = asyncio.get_running_loop().create_task(self._take(arrived), name="mqtt message")
        self._tasks.add(task)
        task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.waiting = max(0, self.waiting - 1)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.counters["crashed"] += 1
            log.error("mqtt message not understood", error=repr(error))

    async def _take(self, arrived: _Arrived) -> None:
        for source in self._sources.sources("mqtt"):
            if covers(str(source.settings.get("status_topic", "")), arrived.topic):
                self._note_state(source, arrived.body)
                self._acknowledge(arrived)
                return
        source_of = self._source_of(arrived.topic)
        if source_of is None:
            self.counters["unmapped"] += 1
            self._acknowledge(arrived)
            return
        if arrived.is_retained:
            self.counters["retained"] += 1
            self._acknowledge(arrived)
            return
        self._supervision.touch(source_of.device_id, self._clock.now())
        reading = try_message(arrived.body, form_of(source_of.settings), self._clock.now(), arrived.topic)
        if not reading.kept:
            self.counters["dropped"] += 1
        else:
            receipt = await self._keep(source_of, arrived, reading)
            if self._acknowledge(arrived):
                self._arrivals.acknowledged(receipt.arrival_id, self._clock.now())
            return
        self._acknowledge(arrived)

    def _source_of(self, topic: str) -> Source | None:
        """Return the device of a topic; the longest pattern, the one that says most, goes first."""
        found = [one for one in self._sources.sources("mqtt") if covers(str(one.settings.get("topic", "")), topic)]
        return max(found, key=lambda one: len(str(one.settings["topic"])), default=None)

    async def _keep(self, source: Source, arrived: _Arrived, reading: Reading) -> Receipt:
        """Return after the commit; what cannot be committed is tried again."""
        marks = [mark("packet", str(arrived.mid), arrived.topic, reading.kept)] if arrived.qos else []
        known_by = list(marks) if arrived.is_again else []  # the same packet once more, after a lost acknowledgement
        if reading.identity:
            own = mark("id", reading.identity, reading.kept)
            marks.append(own)
            known_by.append(own)
        signal = Signal(
            protocol="mqtt",
            transport="mqtt",
            peer=_shown(self._config.url),
            account=source.account,
            raw=reading.kept,
            received_at=self._clock.now(),
            device_id=source.device_id,
            token="message",  # noqa: S106  what kind of message it is
            events=reading.events,
            quarantine=reading.quarantine,
            flags=() if arrived.qos else (NO_ANSWER,),
        )
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                receipt = await self._arrivals.accept(Arrival(signal, tuple(marks), tuple(known_by)))
            except TocsinError as error:
                self.counters["not_committed"] += 1
                log.error("mqtt message not committed, not acknowledged", error=error.detail)
                await self._clock.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            self.counters["duplicates" if receipt.is_duplicate else "kept"] += 1
            return receipt

    def _acknowledge(self, arrived: _Arrived) -> bool:
        """Acknowledge on the connection it came by; say whether that was asked for and still there."""
        if arrived.qos and self._client is not None and arrived.connection == self._connection:
            self._client.ack(arrived.mid, arrived.qos)
            return True
        return False

    def _note_state(self, source: Source, body: bytes) -> None:
        word = _state_word(body)
        now = self._clock.now()
        if word in _ONLINE:
            self._supervision.touch(source.device_id, now)
            self.counters["online"] += 1
        elif word in _OFFLINE:
            self._supervision.lost(source.device_id, now, LAST_WILL)
            self.counters["offline"] += 1
        else:
            self.counters["unknown_state"] += 1

    def _deaf(self) -> TocsinError:
        broker = _shown(self._config.url)
        return TocsinError(ErrorCode.UNAVAILABLE, f"the MQTT broker {broker} is not reached: {self._why}")


def _topics_of(source: Source) -> list[str]:
    return [str(topic) for name in ("topic", "status_topic") if (topic := source.settings.get(name))]


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1883)


def _shown(url: str) -> str:
    host, port = _address(url)
    return f"{host}:{port}"


def _state_word(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            found = msgspec.json.decode(body[:200])
        except (msgspec.DecodeError, RecursionError):
            return ""
        text = str(found.get("state", "")) if isinstance(found, dict) else ""
    return text.strip('"').lower()


def _tls(config: MqttConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise TocsinError(ErrorCode.INVALID, f"mqtt: a file of TLS cannot be used: {error}") from error
    return context


def _why_failed(error: BaseException | None) -> str:
    """Say why a connection did not come about, for somebody who is to mend it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message or str(error)
        return f"the certificate of the broker is not accepted: {said} (mqtt.ca_file names who signs it)"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with the broker: {error.reason or error}"
    return str(error) if error is not None else "no connection"


def _end(client: Client) -> None:
    """Disconnect and wait for the library's thread; on a thread of its own."""
    client.disconnect()
    client.loop_stop()
