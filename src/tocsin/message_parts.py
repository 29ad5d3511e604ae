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
from tocsin.gateways.webhook import WebhookConfig, WebhookGateway
from tocsin.settings import Settings
from tocsin.web.metrics import counter


class MessageParts:
    """Webhooks, as `app.py` starts and stops them."""

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
        self.webhook = WebhookGateway(config, directory, self.arrivals, supervision, keys, clock)

    def metrics(self) -> Iterable[Metric]:
        """Yield what the gateways counted."""
        for name, value in sorted(self.webhook.counters.items()):
            yield counter(f"webhook_{name}", f"Webhooks: {name}", value)
