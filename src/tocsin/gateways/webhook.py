"""Signed webhooks: judged by their source's secret and clock, read in its form, answered after the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Source
from tocsin.domain.ingest import Arrival, Arrivals, Taken, mark
from tocsin.domain.message_sources import form_of
from tocsin.domain.signals import Signal
from tocsin.gateways.message_reading import Reading, refusal_of, try_message
from tocsin.protocols.messages import signature
from tocsin.protocols.messages.signature import IDEMPOTENCY, SIGNATURE, TIMESTAMP, Refused, Signed

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 1024
FAULT: Final = "security.signature"


class Sources(Protocol):
    """Who may send."""

    def source(self, protocol: str, account: str) -> Source | None:
        """Return the source of that name."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def touch(self, device_id: str, at: datetime) -> None:
        """Note a good message of the device."""

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        """Note what is wrong with the device, until its next good message."""


class Keys(Protocol):
    """Who keeps the secrets."""

    def confirmed(self, device_id: str, key: bytes) -> None:
        """Note that a source has used its new secret: the previous one is over."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """How far a sender's clock may be off, and how much one source may send."""

    window_s: float = 300.0
    per_s: float = 50.0
    burst: float = 500.0


class WebhookGateway:
    """Takes webhooks for the web server."""

    def __init__(
        self,
        config: WebhookConfig,
        sources: Sources,
        arrivals: Arrivals,
        supervision: Supervision,
        keys: Keys,
        clock: Clock,
    ) -> None:
        self._config = config
        self._sources = sources
        self._arrivals = arrivals
        self._supervision = supervision
        self._keys = keys
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._waiting = 0
        self.counters: Counter[str] = Counter()

    async def take(self, name: str, headers: Mapping[str, str], body: bytes, peer: str) -> Taken:
        """Return what became of a message, after the commit.

        Errors: NOT_FOUND, UNAUTHENTICATED with the header at fault, TOO_MANY, INVALID with the field (what was sent is
        kept aside all the same), UNAVAILABLE when nothing was committed.
        """
        source = self._sources.source("webhook", name)
        if source is None:
            self.counters["unknown_source"] += 1
            raise TocsinError(ErrorCode.NOT_FOUND, "there is no source of this name", key="webhook.unknown_source")
        now = self._clock.now()
        signed = self._check(source, headers, body, now)
        self._supervision.touch(source.device_id, now)
        if signed.index == 0 and len(source.secrets) > 1:
            self._keys.confirmed(source.device_id, source.secrets[0])
        self._count_rate(source)
        reading = try_message(body, form_of(source.settings), now)
        if reading.wrong is None and not reading.kept:
            self.counters["dropped"] += 1
            return Taken(dropped=reading.dropped)
        return await self._commit(source, signed, headers, reading, peer, now)

    def _check(self, source: Source, headers: Mapping[str, str], body: bytes, now: datetime) -> Signed:
        if not source.secrets:
            raise TocsinError(ErrorCode.UNAUTHENTICATED, "the source has no secret", key="webhook.no_secret")
        found = signature.check(
            headers.get(TIMESTAMP, ""),
            headers.get(SIGNATURE, ""),
            body,
            source.secrets,
            now.timestamp(),
            self._config.window_s,
        )
        if isinstance(found, Signed):
            return found
        self.counters[f"refused_{found.reason}"] += 1
        if found.reason == "wrong":
            self._supervision.note_fault(source.device_id, now, FAULT)
        elif found.reason == "window":
            self._supervision.note_fault(source.device_id, now, "clock.skew", found.skew_s)
        raise _refused(found, self._config.window_s)

    def _count_rate(self, source: Source) -> None:
        config, now_s = self._config, self._clock.monotonic()
        left, since_s = self._buckets.get(source.device_id, (config.burst, now_s))
        left = min(config.burst, left + (now_s - since_s) * config.per_s)
        if left < 1 or self._waiting >= MAX_WAITING:
            self.counters["too_many"] += 1
            raise TocsinError(
                ErrorCode.TOO_MANY,
                "too many messages",
                key="webhook.too_many",
                per_s=f"{config.per_s:g}",
                retry_after_s=max(1, round((1 - left) / config.per_s)),
            )
        self._buckets[source.device_id] = (left - 1, now_s)

    async def _commit(
        self,
        source: Source,
        signed: Signed,
        headers: Mapping[str, str],
        reading: Reading,
        peer: str,
        now: datetime,
    ) -> Taken:
        given = headers.get(IDEMPOTENCY, "")[: signature.MAX_KEY_CHARS] or reading.identity
        marks = [mark("signature", signed.digest)]
        if given:  # with the body: a sender that gives every message the same key must not lose one
            marks.append(mark("key", given, reading.kept))
        signal = Signal(
            protocol="webhook",
            transport="http",
            peer=peer,
            account=source.account,
            raw=reading.kept,
            received_at=now,
            device_id=source.device_id,
            token="message",  # noqa: S106  what kind of message it is
            sent_at=datetime.fromtimestamp(signed.timestamp_s, UTC),
            events=reading.events,
            quarantine=reading.quarantine,
        )
        self._waiting += 1
        try:
            receipt = await self._arrivals.accept(Arrival(signal, tuple(marks), tuple(marks)))
        except TocsinError as error:
            self.counters["not_committed"] += 1
            log.error("webhook not committed", source=source.account, error=error.detail)
            raise
        finally:
            self._waiting -= 1
        if reading.wrong is not None:
            self.counters["unreadable"] += 1
            raise refusal_of(reading.wrong, signal_id=receipt.signal_id)
        self.counters["duplicates" if receipt.is_duplicate else "kept"] += 1
        unknown = sum(not event.is_known for event in reading.events)
        return Taken(receipt.signal_id, receipt.is_duplicate, len(reading.events), reading.dropped, unknown)


def _refused(found: Refused, window_s: float) -> TocsinError:
    key = {
        "missing": "webhook.header_missing",
        "form": "webhook.header_form",
        "wrong": "webhook.signature_wrong",
        "window": "webhook.outside_window",
    }[found.reason]
    return TocsinError(
        ErrorCode.UNAUTHENTICATED,
        f"{found.header}: {found.reason}",
        key=key,
        field=found.header,
        skew_s=found.skew_s,
        window_s=round(window_s),
    )
