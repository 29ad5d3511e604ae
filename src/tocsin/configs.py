"""What each part of the server is set to, read from the settings; `app.py` puts the parts together."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tocsin.base.clock import Clock
from tocsin.domain.channel_health import Bounds
from tocsin.domain.clips import ClipRules
from tocsin.domain.picture_rounds import PictureSchedule
from tocsin.domain.snapshot_reach import Reach, Uploaders
from tocsin.domain.supervision_causes import CauseRules
from tocsin.gateways.dc09 import Dc09Config
from tocsin.gateways.gb28181 import GbConfig
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.gateways.gb28181_voice import VoiceConfig
from tocsin.gateways.intercom import IntercomConfig
from tocsin.gateways.jt808 import Jt808Config
from tocsin.gateways.receivers import ReceiversConfig
from tocsin.gateways.sip import SipConfig
from tocsin.media.external_zlm import ZlmLink, ZlmSettings
from tocsin.media.link import MediaLink
from tocsin.media.link_words import MediaSettings as LinkSettings
from tocsin.settings import Settings, upload_address
from tocsin.web.border import host_names


def is_external(settings: Settings) -> bool:
    """Say whether pictures pass through another media server."""
    return settings.media.relay != "own"


def public_host(settings: Settings) -> str:
    """Return the host viewers fetch pictures from."""
    if is_external(settings):
        return urlsplit(settings.media.external_public).hostname or ""
    return settings.media.host


def media_link(settings: Settings, stack: AsyncExitStack, clock: Clock) -> MediaLink | ZlmLink:
    """Return the way to the media workers, or to the media server that stands in for them."""
    media = settings.media
    if media.relay == "own":
        return MediaLink(_link_settings(settings, stack), clock)
    return ZlmLink(
        ZlmSettings(
            media.external_url,
            media.external_secret.get_secret_value(),
            media.external_hook_secret.get_secret_value(),
            media.external_public,
            rtp_ip=settings.sip_media_ip,
            hook_host=media.external_hook_host,
            hook_port=media.external_hook_port,
            hook_networks=media.external_hook_networks,
        ),
        clock,
    )


def _link_settings(settings: Settings, stack: AsyncExitStack) -> LinkSettings:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-"))  # short: a socket's path has 107 bytes
    media = settings.media
    return LinkSettings(
        run_folder=Path(folder),
        workers=media.workers,
        host=media.host,
        port=media.port,
        rtp_ip=media.host,
        public_ip=settings.sip_media_ip,
        rtp_low=media.rtp_port_first,
        rtp_high=media.rtp_port_last,
        shared_port=media.rtp_shared_port if media.rtp_mode == "shared" else -1,
        transcodes=media.max_transcodes,
        ffmpeg=media.ffmpeg,
        fragment_ms=media.fragment_ms,
        receive_buffer_bytes=media.receive_buffer_bytes,
        viewer_queue_bytes=media.viewer_queue_bytes,
        ring_bytes=settings.recording.pre_roll_memory_mb << 20,
    )


def dc09_config(settings: Settings) -> Dc09Config:
    """Return how panels are listened to."""
    dc09 = settings.dc09
    return Dc09Config(
        host=dc09.host,
        port=dc09.port,
        tcp=dc09.tcp,
        udp=dc09.udp,
        max_connections=dc09.max_connections,
        max_connections_per_address=dc09.max_connections_per_address,
        exempt_networks=dc09.exempt_networks,
        frame_timeout_s=dc09.frame_timeout_s,
        idle_timeout_s=dc09.idle_timeout_s,
        max_waiting=dc09.max_waiting,
        answers_duh=dc09.answers_duh,
        panel_utc_offset_s=dc09.panel_utc_offset_hours * 3600.0,
    )


def receivers_config(settings: Settings) -> ReceiversConfig:
    """Return where hardware receivers are listened to."""
    receivers = settings.receivers
    ports = {
        "surgard": receivers.surgard_port,
        "ademco685": receivers.ademco685_port,
        "radionics6500": receivers.radionics6500_port,
        "dc07": receivers.dc07_port,
    }
    return ReceiversConfig(
        host=receivers.host,
        ports={protocol: ports[protocol] for protocol in receivers.listen},
        max_connections=receivers.max_connections,
        panel_utc_offset_s=settings.dc09.panel_utc_offset_hours * 3600.0,
    )


def jt808_config(settings: Settings) -> Jt808Config:
    """Return how terminals are listened to."""
    jt808 = settings.jt808
    return Jt808Config(
        host=jt808.host,
        port=jt808.port,
        max_connections=jt808.max_connections,
        max_connections_per_address=jt808.max_connections_per_address,
        exempt_networks=jt808.exempt_networks,
        idle_timeout_s=jt808.idle_timeout_s,
        max_waiting=jt808.max_waiting,
    )


def intercom_config(settings: Settings) -> IntercomConfig:
    """Return how door intercoms are treated."""
    intercom = settings.intercom
    return IntercomConfig(
        server_id=settings.sip.server_id,
        realm=settings.sip.realm,
        ping_s=intercom.ping_s,
        misses=intercom.misses,
        no_answer_s=intercom.no_answer_s,
        silent_call_s=intercom.silent_call_s,
        emergency_numbers=intercom.emergency_numbers,
        media_ip=settings.sip_media_ip,
    )


def sip_config(settings: Settings) -> SipConfig:
    """Return where SIP is spoken."""
    sip = settings.sip
    return SipConfig(hosts=(sip.host,), port=sip.port, udp=sip.udp, tcp=sip.tcp, contact_ip=settings.sip_contact_ip)


def entry_of_camera(settings: Settings) -> dict[str, Any]:
    """Return what is to be typed into a camera; no host when we listen everywhere: the browser knows our name."""
    sip = settings.sip
    host = settings.sip_contact_ip or sip.host
    return {
        "server_id": sip.server_id,
        "realm": sip.realm,
        "host": "" if host in ("0.0.0.0", "::") else host,  # noqa: S104
        "port": sip.port,
        "udp": sip.udp,
        "tcp": sip.tcp,
        "keepalive_s": 60,
    }


def gb_config(settings: Settings) -> GbConfig:
    """Return how GB/T 28181 devices are treated."""
    sip = settings.sip
    return GbConfig(
        catalogs_per_s=sip.catalogs_per_s,
        server_id=sip.server_id,
        realm=sip.realm,
        keepalive_misses=sip.keepalive_misses,
        live=LiveConfig(
            answer_within_s=sip.invite_timeout_s,
            media_within_s=sip.first_packet_timeout_s,
            ladder=sip.media_ladder,
            media_ip=settings.sip_media_ip,
            shared_ports=settings.media.rtp_mode == "shared",
        ),
        voice=VoiceConfig(media_ip=settings.sip_media_ip),
        calls_path=settings.data / "calls.jsonl",
        redirect_to=sip.redirect_to,
        subscriptions_path=settings.data / "subscriptions.jsonl",
    )


def snapshot_reach(settings: Settings, uploaders: Uploaders) -> Reach:
    """Return where cameras upload pictures to, and who may."""
    server = settings.server
    allowed = host_names(server.allowed_hosts, server.host, server.public_url)
    return Reach(upload_address(settings), uploaders, allowed, bool(settings.snapshots.upload_url))


def health_bounds(settings: Settings) -> Bounds:
    """Return when a stream counts as bad."""
    health = settings.health
    return Bounds(
        loss_share=health.loss_percent / 100,
        key_interval_ms=round(health.key_interval_s * 1000),
        least_bitrate_bps=round(health.least_kbps * 1000),
        clock_offset_s=health.clock_offset_s,
    )


def picture_schedule(settings: Settings) -> PictureSchedule:
    """Return how often pictures are examined."""
    return PictureSchedule(
        settings.picture_health.every_minutes * 60,
        settings.picture_health.open_every_hours * 3600,
        settings.picture_health.opens_per_minute,
    )


def cause_rules(settings: Settings) -> CauseRules:
    """Return when many silent devices are one outage."""
    return CauseRules(
        settings.supervision.cause_least, settings.supervision.cause_share, settings.supervision.cause_window_s
    )


def clip_rules(settings: Settings) -> ClipRules:
    """Return how long clips are."""
    clips, edge = settings.clips, settings.edge
    return ClipRules(clips.pre_s, clips.post_s, clips.longest_s, edge.before_s, edge.after_s, edge.fetch)
