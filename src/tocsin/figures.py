"""What /metrics tells of the gateways and the media workers; what each figure means stands in its own text."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from tocsin.domain.terminal_intake import TerminalIntake
from tocsin.gateways.dc09 import Dc09Gateway
from tocsin.gateways.gb28181 import Gb28181Gateway
from tocsin.gateways.jt808 import Jt808Gateway
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.receivers import ReceiverGateway
from tocsin.gateways.runner import Gateways
from tocsin.gateways.sip import SipGateway
from tocsin.media.delay import BUCKETS_S as DELAY_BUCKETS_S
from tocsin.media.external_zlm import ZlmLink
from tocsin.media.link import MediaLink
from tocsin.media.relay import LiveStreams
from tocsin.media.worker_figures import WorkerFigures
from tocsin.web.metrics import counter, gauge, gauge_of, histogram


def of_onvif(onvif: OnvifGateway) -> Iterable[Metric]:
    """What came of ONVIF events."""
    for name, value in sorted(onvif.counts.items()):
        yield counter(f"onvif_events_{name}", f"ONVIF events: {name}", value)


def of_gateways(gateways: Gateways, receivers: ReceiverGateway) -> Iterable[Metric]:
    """Which gateways work, and what hardware receivers sent."""
    yield gauge("receiver_connections", "Open connections of hardware receivers", len(receivers.connections))
    for name, value in sorted(receivers.counters.items()):
        yield counter(f"receiver_{name}", f"Hardware receivers: {name}", value)
    yield gauge("gateways_down", "Gateways that are being started again", sum(not s.is_up for s in gateways.standings))
    yield counter("gateway_restarts", "Gateways started again", sum(s.restarts for s in gateways.standings))
    each = {standing.name: float(standing.is_up) for standing in gateways.standings}
    yield gauge_of("gateway_up", "1 while a gateway works, by its name", "gateway", each)


def of_jt808(jt808: Jt808Gateway, terminals: TerminalIntake) -> Iterable[Metric]:
    """Terminals and their positions."""
    health = jt808.health()
    yield gauge("jt808_connections", "Open JT/T 808 connections", health.connections)
    yield gauge("jt808_terminals", "Terminals that have shown their code", health.terminals)
    yield gauge("jt808_waiting", "Reports waiting for their commit", health.waiting)
    yield counter("jt808_positions_kept", "Positions of units on duty handed to the database", terminals.positions_kept)
    for name, value in sorted(jt808.counters.items()):
        yield counter(f"jt808_{name}", f"JT/T 808: {name}", value)


def _of_worker(figures: WorkerFigures) -> Iterable[Metric]:
    yield gauge("media_viewers", "Viewers of live pictures and recordings", figures.viewers)
    yield gauge("media_viewers_keys_only", "Viewers that get key frames alone", figures.keys_only)
    yield gauge("media_queue_bytes", "Bytes that wait for viewers to take them", figures.queue_bytes)
    yield counter("media_viewer_gaps", "Times a viewer fell behind and skipped to the next key frame", figures.gaps)
    yield counter("media_skipped_fragments", "Pieces of picture slow viewers did not get", figures.skipped)
    text = "From a picture's last packet to the write for its viewers, sampled"
    yield histogram("media_delay_seconds", text, DELAY_BUCKETS_S, figures.delays, figures.delay_sum_s)


def of_pictures_and_panels(
    dc09: Dc09Gateway, gb28181: Gb28181Gateway, sip: SipGateway, streams: LiveStreams, link: MediaLink | ZlmLink
) -> Iterable[Metric]:
    """DC-09, GB/T 28181, SIP and the media workers."""
    health = dc09.health()
    yield gauge("dc09_connections", "Open DC-09 connections", health.connections)
    yield gauge("dc09_waiting", "Signals waiting for their commit", health.waiting)
    for name, value in sorted(dc09.counters.items()):
        yield counter(f"dc09_{name.replace('.', '_')}", f"DC-09: {name}", value)
    registered = gb28181.health()
    yield gauge("gb28181_registered", "Registered devices", registered.registered)
    yield gauge("gb28181_open_calls", "Cameras that are sending", registered.open_calls)
    yield counter("gb28181_keepalives", "Keepalives answered", registered.keepalives)
    yield gauge("gb28181_subscriptions", "Devices that report their alarms to us", registered.subscriptions)
    for name, value in sorted(registered.alarms.items()):
        yield counter(f"gb28181_alarms_{name}", f"GB/T 28181 alarms: {name}", value)
    yield counter("sip_bad_messages", "SIP messages that could not be read", sip.health().counts["bad_messages"])
    unknown, named = link.unknown_sources()
    yield counter("media_unknown_packets", "Packets on the shared port that belong to no stream", unknown)
    if isinstance(link, MediaLink):
        yield from _of_worker(link.figures())
    yield gauge("media_unknown_sources", "Stream numbers on the shared port that belong to no stream", len(named))
