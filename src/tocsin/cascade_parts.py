"""The way to platforms above, joined with the devices below, as `app.py` starts and stops it."""

from __future__ import annotations

from pathlib import Path

from tocsin import __version__
from tocsin.base.clock import Clock
from tocsin.domain.cascade_service import CascadeService
from tocsin.domain.control import RoutedMover
from tocsin.domain.directory import Directory
from tocsin.gateways.gb28181 import Gb28181Gateway
from tocsin.gateways.gb28181_cascade import CascadeConfig, GbCascade
from tocsin.gateways.gb28181_cascade_control import CascadeControl
from tocsin.gateways.sip import SipGateway
from tocsin.media.playback import Playbacks
from tocsin.media.relay import LiveStreams


def join_cascade(
    sip: SipGateway,
    gb28181: Gb28181Gateway,
    service: CascadeService,
    streams: LiveStreams,
    playbacks: Playbacks,
    mover: RoutedMover,
    directory: Directory,
    clock: Clock,
    *,
    media_ip: str,
    subscriptions_path: Path,
) -> GbCascade:
    """Return the gateway of the way up, which the devices below hand their alarms, positions and pictures to."""
    orders = CascadeControl(
        service,
        mover,
        clock,
        channel_of=directory.channel,
        set_guard=lambda device_id, is_set: gb28181.set_guard(device_id, is_set=is_set),
        reset_alarm=gb28181.reset_alarm,
    )
    made = GbCascade(
        sip,
        service,
        clock,
        forwarder=streams,
        control=orders,
        config=CascadeConfig(media_ip=media_ip, version=__version__, subscriptions_path=subscriptions_path),
    )
    made.calls.channel_of = directory.channel
    made.calls.mover = mover
    made.calls.gb_id_of = lambda device_id: entry.gb_id if (entry := directory.sip_of(device_id)) else ""
    made.calls.ways = gb28181.calls.ways
    made.recordings.files = gb28181.recordings
    made.recordings.relay = playbacks
    gb28181.uppers = made
    gb28181.on_alarm_kept(made.alarm_kept)
    gb28181.on_positions(made.positions.heard)
    return made
