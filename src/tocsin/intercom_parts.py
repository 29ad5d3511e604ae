"""Door intercoms put together: registrar, calls, their intake and use cases, as `app.py` starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client.core import Metric

from tocsin.base.clock import Clock
from tocsin.configs import intercom_config
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import Channel, Directory
from tocsin.domain.intake import Intake
from tocsin.domain.intercom_calls import DoorCall
from tocsin.domain.intercom_intake import IntercomIntake
from tocsin.domain.intercom_service import IntercomService
from tocsin.domain.signals import Signal
from tocsin.domain.store import Store
from tocsin.gateways.intercom import IntercomGateway
from tocsin.gateways.intercom_calls import IntercomCalls
from tocsin.gateways.intercom_pictures import CallPictures
from tocsin.gateways.sip import SipGateway
from tocsin.media.external_zlm import ZlmLink
from tocsin.media.link import MediaLink
from tocsin.protocols.intercom.events import SYSTEM, call_event
from tocsin.settings import Settings
from tocsin.web.metrics import counter, gauge


class IntercomParts:
    """The gateway of intercoms and what stands behind it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        directory: Directory,
        reports: DeviceReports,
        intake: Intake,
        sip: SipGateway,
        media: MediaLink | ZlmLink,
        nonce_secret: bytes,
        pictures: CallPictures,
    ) -> None:
        config = intercom_config(settings)
        kept = IntercomIntake(store, intake)
        self.calls = IntercomCalls(sip, kept, clock, config)
        self.calls.pictures, self.calls.early = pictures, media
        self.gateway = IntercomGateway(
            sip,
            directory,
            reports,
            intake,
            clock,
            self.calls,
            nonce_secret=nonce_secret,
            config=config,
            bindings=kept.bindings,
        )
        self.service = IntercomService(
            store,
            clock,
            kept,
            self.calls,
            media,
            keep_days=settings.intercom.calls_keep_days,
            raised_signal=raised_signal,
        )
        self.calls.on_failed = self.service.keep_later
        self._pictures = pictures

    def heard_beside(self, other: Callable[[str, str, str], None]) -> Callable[[str, str, str], None]:
        """Return who hears of voice lines: another, and calls."""

        def hear(talk_id: str, what: str, reason: str) -> None:
            other(talk_id, what, reason)
            self.service.talk_event(talk_id, what, reason)

        return hear

    def metrics(self) -> Iterable[Metric]:
        """Yield what was counted."""
        yield gauge("intercoms_registered", "Door intercoms that are registered and heard", self.gateway.registered)
        yield gauge("intercom_calls", "Door calls under way", len(self.calls))
        yield gauge("intercom_pictures", "Pictures that door calls bring themselves", len(self._pictures))
        for name, value in sorted({**self.gateway.counters, **self.calls.counters}.items()):
            yield counter(f"intercom_{name}", f"Door intercoms: {name}", value)


class ChannelsAndDoors:
    """The channels of the registry, and those of the calls under way."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.pictures: CallPictures | None = None

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""
        found = self._directory.channel(channel_id)
        return found or (self.pictures.channel(channel_id) if self.pictures is not None else None)


def raised_signal(call: DoorCall, now: datetime) -> Signal:
    """Return the signal of an operator who makes an incident of a call."""
    return Signal(
        SYSTEM,
        "internal",
        "",
        call.called,
        b"",
        now,
        call.device_id,
        "call_raised",
        events=(call_event("call_raised"),),
    )
