"""The sources that send messages, put together: webhooks and what reads and keeps them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from tocsin.base.clock import Clock
from tocsin.domain.directory import Directory
from tocsin.domain.ingest import Arrivals
from tocsin.domain.intake import Intake
from tocsin.domain.keys import KeyRollover
from tocsin.domain.store import Store
from tocsin.domain.supervision import Supervision
from tocsin.gateways.cap import CapFeeds
from tocsin.gateways.mqtt import MqttConfig, MqttGateway
from tocsin.gateways.webhook import WebhookConfig, WebhookGateway
from tocsin.settings import Settings
from tocsin.web.metrics import counter, gauge


class MessageParts:
    """Webhooks, the broker and the feeds, as `app.py` starts and stops them."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        directory: Directory,
        intake: Intake,
        supervision: Supervision,
        keys: KeyRollover,
    ) -> None:
        self.arrivals = Arrivals(store, intake)
        webhook = settings.webhook
        config = WebhookConfig(webhook.window_s, webhook.per_s, webhook.burst)
        mqtt = settings.mqtt
        self.mqtt = MqttGateway(
            MqttConfig(
                mqtt.url,
                mqtt.username,
                mqtt.password.get_secret_value(),
                mqtt.client_id,
                mqtt.version,
                mqtt.keepalive_s,
                mqtt.session_s,
                ca_file=mqtt.ca_file,
                certificate_file=mqtt.certificate_file,
                key_file=mqtt.key_file,
            ),
            directory,
            self.arrivals,
            supervision,
            clock,
        )
        self.feeds = CapFeeds(directory, self.arrivals, supervision, clock)
        directory.on_change(self.mqtt.sources_changed)
        self.webhook = WebhookGateway(config, directory, self.arrivals, supervision, keys, clock)

    def metrics(self) -> Iterable[Metric]:
        """Yield what the gateways counted."""
        for name, value in sorted(self.webhook.counters.items()):
            yield counter(f"webhook_{name}", f"Webhooks: {name}", value)
        for name, value in sorted(self.feeds.counters.items()):
            yield counter(f"cap_feeds_{name}", f"Feeds of public warnings: {name}", value)
        yield gauge("mqtt_connected", "1 while the MQTT broker is reached", float(self.mqtt.is_connected))
        for name, value in sorted(self.mqtt.counters.items()):
            yield counter(f"mqtt_{name}", f"MQTT: {name}", value)
