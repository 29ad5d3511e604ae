"""Settings of those who send to us: alarm panels, cameras over GB/T 28181."""

from __future__ import annotations

from typing import Literal

from tocsin.settings_fields import Network, Port, Section, Transport, setting


class Dc09Settings(Section):
    """Alarm panels over SIA DC-09."""

    host: str = setting("127.0.0.1", description="Address panels connect to.", unit="address")
    port: Port = setting(10500, description="Port for TCP and UDP alike; 0 takes a free one.", unit="port")
    tcp: bool = setting(True, description="Listen on TCP.", unit="yes or no")
    udp: bool = setting(True, description="Listen on UDP.", unit="yes or no")
    max_connections: int = setting(
        20_000,
        ge=1,
        description="Most TCP connections at a time; more are closed.",
        unit="connections",
    )
    max_connections_per_address: int = setting(
        8,
        ge=1,
        description="Most TCP connections from one address, exempt networks aside.",
        unit="connections",
    )
    exempt_networks: tuple[Network, ...] = setting(
        ("127.0.0.0/8", "::1/128"),
        description="Networks without the limit per address: a carrier's NAT, a receiver in front.",
        unit="networks",
    )
    frame_timeout_s: float = setting(
        10.0,
        gt=0,
        description="A frame must be complete within this time from its first byte.",
        unit="seconds",
    )
    idle_timeout_s: float = setting(
        900.0,
        gt=0,
        description="A TCP connection without a byte for this time is closed.",
        unit="seconds",
    )
    max_waiting: int = setting(
        4096,
        ge=1,
        description="Most signals waiting for their commit; reading stops there and the panels' own buffers fill.",
        unit="signals",
    )
    answers_duh: bool = setting(
        False,
        description="Answer DUH to what cannot be understood; off by default: a panel may give a signal up on DUH.",
        unit="yes or no",
    )
    panel_utc_offset_hours: float = setting(
        8.0,
        ge=-14,
        le=14,
        description="How far the wall clock of panels is ahead of UTC; times inside SIA blocks are local.",
        unit="hours",
    )


class ReceiverSettings(Section):
    """Hardware receivers of telephone and radio that call us. Those with a port in their address are called instead."""

    host: str = setting("127.0.0.1", description="Address receivers connect to.", unit="address")
    listen: tuple[Literal["surgard", "ademco685", "radionics6500", "dc07"], ...] = setting(
        (),
        description="Protocols of receivers to listen for, each on its port; none is opened by itself.",
        unit="names",
    )
    surgard_port: Port = setting(10511, description="Port of Sur-Gard receivers; 0 takes a free one.", unit="port")
    ademco685_port: Port = setting(
        10512, description="Port of Ademco and Honeywell 685 receivers; 0 takes a free one.", unit="port"
    )
    radionics6500_port: Port = setting(
        10513, description="Port of Radionics 6500 receivers; 0 takes a free one.", unit="port"
    )
    dc07_port: Port = setting(10514, description="Port of SIA DC-07 receivers; 0 takes a free one.", unit="port")
    max_connections: int = setting(
        64, ge=1, description="Most connections of receivers at a time; more are closed.", unit="connections"
    )


class SipSettings(Section):
    """Cameras and platforms over GB/T 28181."""

    host: str = setting("127.0.0.1", description="Address devices register at.", unit="address")
    port: Port = setting(5060, description="Port for UDP and TCP alike; 0 takes a free one.", unit="port")
    udp: bool = setting(True, description="Listen on UDP.", unit="yes or no")
    tcp: bool = setting(True, description="Listen on TCP.", unit="yes or no")
    server_id: str = setting(
        "34020000002000000001",
        pattern=r"^[0-9]{20}$",
        description="Our own 20-digit id, type 200 (central signalling server).",
        unit="id",
    )
    realm: str = setting(
        "3402000000",
        min_length=1,
        description="SIP domain and digest realm; by custom the first ten digits of server_id.",
        unit="name",
    )
    contact_ip: str = setting(
        "",
        description="Our address as devices see it, written into Via and Contact. Empty is the listening address, "
        "or the address of the route to the device when that is 0.0.0.0.",
        unit="address",
    )
    media_ip: str = setting(
        "",
        description="Address written into the session description: where devices send pictures. "
        "Empty is the same as contact_ip.",
        unit="address",
    )
    redirect_to: str = setting(
        "",
        pattern=r"^([0-9]{20}@[A-Za-z0-9.-]+:[0-9]{1,5})?$",
        description="Send devices on to this server when they register (302), to spread the load: id@host:port. "
        "A device that comes back within five minutes is served here. Empty keeps everybody.",
        unit="id@host:port",
    )
    catalogs_per_s: float = setting(
        50.0,
        gt=0,
        le=1000,
        description="At most so many devices are asked for their catalogue each second.",
        unit="1/s",
    )
    keepalive_misses: int = setting(
        3, ge=1, description="A device is offline after this many missed keepalives.", unit="count"
    )
    media_ladder: tuple[Transport, ...] = setting(
        ("udp", "tcp_passive", "tcp_active"),
        min_length=1,
        description="Ways to ask for a picture, in this order; the one that worked is remembered for each device.",
        unit="udp, tcp_passive, tcp_active",
    )
    invite_timeout_s: float = setting(
        10.0, gt=0, description="How long a device may take to answer an INVITE.", unit="seconds"
    )
    first_packet_timeout_s: float = setting(
        8.0,
        gt=0,
        description="How long the first picture packet may take after the answer; then the next way is tried.",
        unit="seconds",
    )


class IntercomSettings(Section):
    """SIP door intercoms; they register at the address and port of section `sip`."""

    ping_s: float = setting(
        60.0, ge=1, le=600, description="How often an intercom that says nothing is asked (OPTIONS).", unit="seconds"
    )
    misses: int = setting(3, ge=1, le=20, description="It is silent after so many unanswered questions.", unit="count")
    no_answer_s: float = setting(
        60.0, ge=5, le=600, description="How long a call rings before it counts as missed.", unit="seconds"
    )
    silent_call_s: float = setting(
        30.0, ge=5, le=600, description="A call without sound from the intercom for this time is ended.", unit="seconds"
    )
    emergency_numbers: tuple[str, ...] = setting(
        ("sos", "110", "119", "120", "112", "911"),
        description="Numbers that make a call an SOS: it raises an alarm at once, answered or not.",
        unit="numbers",
    )
    calls_keep_days: float = setting(
        180.0, ge=1, le=3650, description="The list of calls is deleted after this time.", unit="days"
    )


class Jt808Settings(Section):
    """Vehicle and handheld terminals over JT/T 808."""

    host: str = setting("127.0.0.1", description="Address terminals connect to.", unit="address")
    port: Port = setting(7611, description="TCP port; 0 takes a free one.", unit="port")
    max_connections: int = setting(
        20_000,
        ge=1,
        description="Most connections at a time; more are closed.",
        unit="connections",
    )
    max_connections_per_address: int = setting(
        64,
        ge=1,
        description="Most connections from one address, exempt networks aside.",
        unit="connections",
    )
    exempt_networks: tuple[Network, ...] = setting(
        ("127.0.0.0/8", "::1/128"),
        description="Networks without the limit per address: the gateway of a mobile network, a relay in front.",
        unit="networks",
    )
    idle_timeout_s: float = setting(
        210.0,
        gt=0,
        description="A connection without a byte for this time is closed; terminals send a heartbeat each minute.",
        unit="seconds",
    )
    max_waiting: int = setting(
        4096,
        ge=1,
        description="Most reports waiting for their commit; reading stops there and the terminals' own buffers fill.",
        unit="reports",
    )
    positions_keep_hours: float = setting(
        24.0,
        gt=0,
        le=168,
        description="Where units on duty were is deleted after this time.",
        unit="hours",
    )
