"""Looks over an installation and says what is wrong in plain words, before a server fails on it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.doctor_intercoms import examine_intercoms
from tocsin.doctor_words import Finding, Verdict
from tocsin.domain.snapshot_reach import REFUSED, is_local, upload_problem
from tocsin.folder import is_served
from tocsin.settings import Settings, upload_address
from tocsin.storage import schema
from tocsin.verification import with_connection
from tocsin.web.border import host_names

BUILT_AFTER = datetime(2026, 1, 1, tzinfo=UTC)
MEDIA_TEST_S = 1.0
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104
LEAST_FREE_BYTES = 2 * 1024**3
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
STATIC = Path(__file__).parent / "web" / "static"


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield every finding, quick ones first."""
    yield _python()
    yield from _data_folder(settings)
    yield _disk(settings)
    yield from _clock(now)
    yield _database(settings)
    yield _console()
    yield from _ports(settings)
    yield _media_address(settings)
    yield _upload_address(settings)
    yield from examine_intercoms(settings, now, is_served=_is_served(settings))
    yield _receive_buffer(settings)
    yield _descriptors(settings)
    yield _ffmpeg(settings)
    yield _picture()


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", Verdict.OK, version)
    return Finding("python", Verdict.WARNING, f"{version}: Tocsin is tested on 3.11 to 3.13")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    if not data.exists():
        parent = next(path for path in data.absolute().parents if path.exists())
        if os.access(parent, os.W_OK):
            yield Finding("data folder", Verdict.OK, f"{data} will be made at the first start")
        else:
            yield Finding("data folder", Verdict.PROBLEM, f"{data} is absent and {parent} cannot be written to")
        return
    if not os.access(data, os.W_OK | os.X_OK):
        yield Finding("data folder", Verdict.PROBLEM, f"{data} cannot be written to by this user")
    elif stat.S_IMODE(data.stat().st_mode) & 0o007:
        yield Finding(
            "data folder", Verdict.WARNING, f"{data} is open to every user of this machine: chmod o-rwx {data}"
        )
    else:
        yield Finding("data folder", Verdict.OK, str(data))
    key = settings.secret_key_path
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Finding("secret.key", Verdict.PROBLEM, f"{key} can be read by others: chmod 600 {key}")
    elif key.exists():
        yield Finding("secret.key", Verdict.OK, "readable by its owner alone; keep a copy apart from the database")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.data.absolute(), *settings.data.absolute().parents) if path.exists())
    free_bytes = shutil.disk_usage(folder).free
    text = f"{free_bytes / 1024**3:.1f} GiB free at {folder}"
    if free_bytes < LEAST_FREE_BYTES:
        return Finding("disk", Verdict.PROBLEM, f"{text}: when it is full no alarm is acknowledged")
    return Finding("disk", Verdict.OK, text)


def _clock(now: datetime) -> Iterator[Finding]:
    if now < BUILT_AFTER:
        yield Finding("clock", Verdict.PROBLEM, f"{now:%Y-%m-%d %H:%M} UTC is in the past: set the clock, then use NTP")
        return
    program = shutil.which("timedatectl")
    told = ""
    if program is not None:
        asked = subprocess.run(
            [program, "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, check=False
        )
        told = asked.stdout.strip() if asked.returncode == 0 else ""
    if told == "no":
        yield Finding("clock", Verdict.WARNING, "not synchronised: panels are refused when clocks differ; use NTP")
    elif told == "yes":
        yield Finding("clock", Verdict.OK, "synchronised")
    else:
        yield Finding("clock", Verdict.WARNING, "cannot tell whether it is synchronised; make sure that NTP runs")


def _database(settings: Settings) -> Finding:
    try:
        revision = with_connection(settings.storage_url, schema.current)
    except TocsinError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return Finding("database", Verdict.OK, "will be made at the first start")
        return Finding("database", Verdict.PROBLEM, error.detail)
    newest = schema.latest()
    if revision is None:
        return Finding("database", Verdict.OK, "empty; will be filled at the first start")
    if revision == newest:
        return Finding("database", Verdict.OK, f"revision {revision}")
    if revision < newest:
        return Finding("database", Verdict.OK, f"revision {revision}, will be brought to {newest} at the next start")
    return Finding("database", Verdict.PROBLEM, f"revision {revision} is newer than this version knows ({newest})")


def _console() -> Finding:
    if (STATIC / "index.html").exists():
        return Finding("console", Verdict.OK, "built")
    return Finding("console", Verdict.PROBLEM, "not built: run `make console` in the checkout, or install a release")


def _ports(settings: Settings) -> Iterator[Finding]:
    served = _is_served(settings)
    dc09, sip, receivers = settings.dc09, settings.sip, settings.receivers
    for name, host, port, kinds in (
        ("web", settings.server.host, settings.server.port, ("tcp",)),
        ("pictures", settings.media.host, settings.media.port, ("tcp",)),
        ("DC-09", dc09.host, dc09.port, _kinds(dc09.tcp, dc09.udp)),
        ("JT/T 808", settings.jt808.host, settings.jt808.port, ("tcp",)),
        ("SIP", sip.host, sip.port, _kinds(sip.tcp, sip.udp)),
        *((word, receivers.host, getattr(receivers, f"{word}_port"), ("tcp",)) for word in receivers.listen),
    ):
        for kind in kinds:
            yield _port(f"port {name}", host, port, kind, served)
    yield _port("port RTP", settings.media.host, settings.media.rtp_port_first, "udp", served)


def _is_served(settings: Settings) -> bool:
    return settings.data.exists() and is_served(settings.data)


def _kinds(tcp: bool, udp: bool) -> tuple[str, ...]:
    return tuple(kind for kind, is_on in (("tcp", tcp), ("udp", udp)) if is_on)


def _port(name: str, host: str, port: int, kind: str, served: bool) -> Finding:
    where = f"{host}:{port}/{kind}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == "tcp" else 0)
        probe.bind((host.strip("[]"), port))
    except OSError as error:
        if served:
            return Finding(name, Verdict.OK, f"{where} is in use; the server is running")
        return Finding(name, Verdict.PROBLEM, f"{where}: {error.strerror}")
    finally:
        probe.close()
    return Finding(name, Verdict.OK, f"{where} is free")


def _media_address(settings: Settings) -> Finding:
    """Send a packet to the address cameras are told and see whether it comes back to this machine."""
    name, host = "media address", settings.media.host
    told = settings.sip_media_ip or host
    if told in ("0.0.0.0", "::"):  # noqa: S104
        return Finding(
            name, Verdict.OK, "each camera is told the address it talks to; the console tests it while serving"
        )
    family = socket.AF_INET6 if ":" in told else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as receiver,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.bind((host.strip("[]"), 0))
            receiver.settimeout(MEDIA_TEST_S)
            sender.sendto(b"\x80\x60" + bytes(10), (told.strip("[]"), receiver.getsockname()[1]))
            receiver.recv(64)
        except OSError as error:
            reason = "nothing arrived" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            return Finding(
                name,
                Verdict.WARNING,
                f"cameras are told {told}, and a packet sent there did not reach {host} ({reason}): right only where a "
                "router forwards media.rtp_ports, else set sip.media_ip",
            )
    return Finding(name, Verdict.OK, f"a packet sent to {told} arrives here")


def _upload_address(settings: Settings) -> Finding:
    """Say whether cameras beyond this machine could upload snapshots to the address they are told."""
    name, server = "upload address", settings.server
    url = upload_address(settings)
    beyond = "" if is_local(settings.sip.host) and settings.sip.host not in ANY_ADDRESS else "elsewhere"
    allowed = host_names(server.allowed_hosts, server.host, server.public_url)
    problem = upload_problem(url, [beyond] if beyond else [], allowed, is_set=bool(settings.snapshots.upload_url))
    if problem == REFUSED:
        return Finding(
            name, Verdict.WARNING, f"cameras are told {url}, whose host is not in server.allowed_hosts: refused here"
        )
    if problem:
        return Finding(
            name,
            Verdict.WARNING,
            f"cameras are told {url}, which only this machine reaches: set snapshots.upload_url to an address cameras "
            "reach, or snapshots of 2022 cameras fail",
        )
    return Finding(name, Verdict.OK, f"cameras upload snapshots to {url}")


def _receive_buffer(settings: Settings) -> Finding:
    wanted = settings.media.receive_buffer_bytes
    try:
        granted = int(RMEM_MAX.read_text())
    except (OSError, ValueError):
        return Finding("receive buffer", Verdict.WARNING, "cannot read net.core.rmem_max on this system")
    if granted < wanted:
        return Finding(
            "receive buffer",
            Verdict.WARNING,
            f"net.core.rmem_max is {granted}, pictures ask for {wanted}: sysctl -w net.core.rmem_max={wanted}",
        )
    return Finding("receive buffer", Verdict.OK, f"net.core.rmem_max is {granted}")


def _descriptors(settings: Settings) -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = settings.dc09.max_connections + 1024
    if limit != resource.RLIM_INFINITY and limit < wanted:
        return Finding(
            "open files", Verdict.WARNING, f"the limit is {limit}, dc09.max_connections asks for {wanted}: raise it"
        )
    return Finding("open files", Verdict.OK, "no limit" if limit == resource.RLIM_INFINITY else f"limit {limit}")


def _ffmpeg(settings: Settings) -> Finding:
    if settings.media.max_transcodes == 0:
        return Finding("ffmpeg", Verdict.OK, "not needed: media.max_transcodes is 0")
    program = shutil.which(settings.media.ffmpeg)
    if program is None:
        return Finding(
            "ffmpeg", Verdict.WARNING, f"{settings.media.ffmpeg} is absent: H.265 shows only where the browser plays it"
        )
    asked = subprocess.run(
        [program, "-hide_banner", "-loglevel", "error", "-encoders"], capture_output=True, text=True, check=False
    )
    if "libx264" not in asked.stdout:
        return Finding("ffmpeg", Verdict.WARNING, f"{program} has no H.264 encoder (libx264): H.265 is not converted")
    return Finding("ffmpeg", Verdict.OK, program)


def _picture() -> Finding:
    if find_spec("av") is None:
        return Finding(
            "simulated pictures", Verdict.OK, "not installed; the server needs none (extra: tocsin[picture])"
        )
    return Finding("simulated pictures", Verdict.OK, "installed")
